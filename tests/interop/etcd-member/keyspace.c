/*
 * keyspace - the keys as they are now, in a skip list.
 */
#include "etcd-member/keyspace.h"

#include <stdlib.h>
#include <string.h>

#include "etcd-member/mem.h"

#define MAX_LEVELS 20 /* each has half the nodes of the one below it */

struct node {
    struct key key; /* first: a key is its node */
    int n_levels;
    struct node *next[]; /* n_levels */
};

struct keyspace {
    struct node *head; /* of all levels, without a key */
    size_t n;
    int64_t revision;
    uint64_t random;
    struct lease *leases; /* ascending by id */
    size_t n_leases;
    size_t room_leases;
    struct keyspace_rules rules;
};

/* ---- The list ------------------------------------------------------------------------------------------------------
 */

static int compare(struct ferry_bytes a, struct ferry_bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static struct node *node_new(int n_levels)
{
    struct node *node = mem_zero(sizeof(*node) + (size_t)n_levels * sizeof(node->next[0]));

    node->n_levels = n_levels;
    return node;
}

static void node_free(struct node *node)
{
    free((void *)(uintptr_t)node->key.key.data); /* copies of our own */
    free((void *)(uintptr_t)node->key.value.data);
    free(node);
}

/* The last node before key, on each level.  What follows it on the lowest is key, or the first behind it. */
static struct node *seek(const struct keyspace *keys, struct ferry_bytes key, struct node **before)
{
    struct node *at = keys->head;

    for (int level = MAX_LEVELS - 1; level >= 0; level--) {
        while (at->next[level] && compare(at->next[level]->key.key, key) < 0)
            at = at->next[level];
        before[level] = at;
    }
    return at->next[0];
}

static int random_levels(struct keyspace *keys)
{
    int n = 1;

    keys->random ^= keys->random << 13;
    keys->random ^= keys->random >> 7;
    keys->random ^= keys->random << 17;
    for (uint64_t bits = keys->random; (bits & 1) && n < MAX_LEVELS; bits >>= 1)
        n++;
    return n;
}

struct keyspace *keyspace_new(void)
{
    struct keyspace *keys = mem_zero(sizeof(*keys));

    keys->head = node_new(MAX_LEVELS);
    keys->revision = 1;
    keys->random = 88172645463325252u;
    return keys;
}

void keyspace_free(struct keyspace *keys)
{
    if (!keys)
        return;
    for (struct node *node = keys->head; node;) {
        struct node *next = node->next[0];

        node_free(node);
        node = next;
    }
    free(keys->leases);
    ids_release(&keys->rules.no_space);
    ids_release(&keys->rules.corrupt);
    free(keys);
}

size_t keyspace_count(const struct keyspace *keys)
{
    return keys->n;
}

int64_t keyspace_revision(const struct keyspace *keys)
{
    return keys->revision;
}

void keyspace_set_revision(struct keyspace *keys, int64_t revision)
{
    keys->revision = revision;
}

struct keyspace_rules *keyspace_rules(struct keyspace *keys)
{
    return &keys->rules;
}

void keyspace_diverge(struct keyspace *keys, uint64_t entry, const char *why)
{
    if (keys->rules.diverged_at != 0)
        return;
    keys->rules.diverged_at = entry;
    keys->rules.diverged_by = why;
}

/* ---- Reading
 * --------------------------------------------------------------------------------------------------------- */

const struct key *keyspace_get(const struct keyspace *keys, struct ferry_bytes key)
{
    struct node *before[MAX_LEVELS];
    const struct node *node = seek(keys, key, before);

    return node && compare(node->key.key, key) == 0 ? &node->key : NULL;
}

const struct key *keyspace_next(const struct keyspace *keys, const struct key *key)
{
    const struct node *node = key ? (const struct node *)(const void *)key : keys->head;

    return node->next[0] ? &node->next[0]->key : NULL;
}

bool keyspace_is_in(const struct key *key, struct ferry_bytes first, struct ferry_bytes end)
{
    if (end.len == 0)
        return compare(key->key, first) == 0;
    return compare(key->key, first) >= 0 && ((end.len == 1 && end.data[0] == 0) || compare(key->key, end) < 0);
}

const struct key *keyspace_first_in(const struct keyspace *keys, struct ferry_bytes first, struct ferry_bytes end)
{
    struct node *before[MAX_LEVELS];
    const struct node *node = seek(keys, first, before);

    return node && keyspace_is_in(&node->key, first, end) ? &node->key : NULL;
}

/* ---- Changing
 * -------------------------------------------------------------------------------------------------------- */

void keyspace_set(struct keyspace *keys, const struct key *key)
{
    struct node *before[MAX_LEVELS];
    struct node *node = seek(keys, key->key, before);
    struct ferry_bytes value = {mem_copy(key->value.data, key->value.len), key->value.len};
    struct ferry_bytes name;

    if (node && compare(node->key.key, key->key) == 0) {
        name = node->key.key;
        free((void *)(uintptr_t)node->key.value.data); /* a copy of our own */
    } else {
        name = (struct ferry_bytes){mem_copy(key->key.data, key->key.len), key->key.len};
        node = node_new(random_levels(keys));
        for (int level = 0; level < node->n_levels; level++) {
            node->next[level] = before[level]->next[level];
            before[level]->next[level] = node;
        }
        keys->n++;
    }
    node->key = *key;
    node->key.key = name;
    node->key.value = value;
}

bool keyspace_delete(struct keyspace *keys, struct ferry_bytes key)
{
    struct node *before[MAX_LEVELS];
    struct node *node = seek(keys, key, before);

    if (!node || compare(node->key.key, key) != 0)
        return false;
    for (int level = 0; level < node->n_levels; level++)
        before[level]->next[level] = node->next[level];
    node_free(node);
    keys->n--;
    return true;
}

/* Where the lease is, or would be. */
static size_t lease_place(const struct keyspace *keys, int64_t id)
{
    size_t low = 0, high = keys->n_leases;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (keys->leases[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool keyspace_has_lease(const struct keyspace *keys, int64_t lease)
{
    size_t at = lease_place(keys, lease);

    return at < keys->n_leases && keys->leases[at].id == lease;
}

void keyspace_add_lease(struct keyspace *keys, const struct lease *lease)
{
    size_t at = lease_place(keys, lease->id);

    if (keyspace_has_lease(keys, lease->id))
        return;
    keys->leases = mem_grow(keys->leases, keys->n_leases, &keys->room_leases, sizeof(*keys->leases));
    memmove(keys->leases + at + 1, keys->leases + at, (keys->n_leases - at) * sizeof(*keys->leases));
    keys->leases[at] = *lease;
    keys->n_leases++;
}

void keyspace_drop_lease(struct keyspace *keys, int64_t lease)
{
    size_t at = lease_place(keys, lease);

    if (!keyspace_has_lease(keys, lease))
        return;
    keys->n_leases--;
    memmove(keys->leases + at, keys->leases + at + 1, (keys->n_leases - at) * sizeof(*keys->leases));
}

const struct lease *keyspace_leases(const struct keyspace *keys, size_t *ret_n)
{
    *ret_n = keys->n_leases;
    return keys->leases;
}
