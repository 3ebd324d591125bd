/*
 * store - a hash table of keys, and a short list of members.
 *
 * Saved, it is the very commands that would make it, each after its length in 8 bytes: loading is applying them to an
 * empty one, which then takes the place of the present one.
 */
#include "kv/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_BUCKETS 1024
#define LEN_SIZE 8

struct item {
    struct item *next; /* of the same bucket */
    uint64_t hash;
    size_t key_len;
    size_t value_len;
    uint8_t bytes[]; /* key, value */
};

struct member {
    uint64_t id;
    char *client_url; /* NULL: unknown */
    bool is_removed;
};

struct kv_store {
    uint64_t seed; /* so that nobody can choose keys of one bucket */
    struct item **buckets;
    size_t n_buckets; /* a power of two */
    size_t n_items;
    struct member *members;
    size_t n_members;
};

/* ---- The table ----------------------------------------------------------------------------------------------------
 */

static uint64_t hash_of(const struct kv_store *store, const void *key, size_t len)
{
    const uint8_t *p = key;
    uint64_t hash = store->seed;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* Where the pointer to the item is, or would be. */
static struct item **find(const struct kv_store *store, const void *key, size_t key_len, uint64_t hash)
{
    struct item **at = &store->buckets[hash & (store->n_buckets - 1)];

    while (*at && ((*at)->hash != hash || (*at)->key_len != key_len || memcmp((*at)->bytes, key, key_len) != 0))
        at = &(*at)->next;
    return at;
}

/* Without memory for it the chains just grow longer. */
static void grow(struct kv_store *store)
{
    size_t n = 2 * store->n_buckets;
    struct item **buckets = calloc(n, sizeof(struct item *));

    if (!buckets)
        return;
    for (size_t i = 0; i < store->n_buckets; i++) {
        for (struct item *item = store->buckets[i], *next; item; item = next) {
            next = item->next;
            item->next = buckets[item->hash & (n - 1)];
            buckets[item->hash & (n - 1)] = item;
        }
    }
    free(store->buckets);
    store->buckets = buckets;
    store->n_buckets = n;
}

static int put(struct kv_store *store, const struct kv_command *command, bool *ret_existed)
{
    uint64_t hash = hash_of(store, command->key, command->key_len);
    struct item *item = malloc(sizeof(*item) + command->key_len + command->value_len);
    struct item **at;
    struct item *old;

    if (!item)
        return RAFT_NOMEM;
    item->hash = hash;
    item->key_len = command->key_len;
    item->value_len = command->value_len;
    memcpy(item->bytes, command->key, command->key_len);
    memcpy(item->bytes + command->key_len, command->value, command->value_len);
    at = find(store, command->key, command->key_len, hash);
    old = *at;
    *ret_existed = old != NULL;
    item->next = old ? old->next : NULL;
    *at = item;
    free(old);
    if (!*ret_existed && ++store->n_items > store->n_buckets)
        grow(store);
    return 0;
}

static void drop(struct kv_store *store, const struct kv_command *command, bool *ret_existed)
{
    struct item **at = find(store, command->key, command->key_len, hash_of(store, command->key, command->key_len));
    struct item *old = *at;

    *ret_existed = old != NULL;
    if (!old)
        return;
    *at = old->next;
    free(old);
    store->n_items--;
}

const void *kv_store_get(const struct kv_store *store, const void *key, size_t key_len, size_t *ret_len)
{
    const struct item *item = *find(store, key, key_len, hash_of(store, key, key_len));

    if (!item)
        return NULL;
    *ret_len = item->value_len;
    return item->bytes + item->key_len;
}

size_t kv_store_n_keys(const struct kv_store *store)
{
    return store->n_items;
}

/* ---- Members ------------------------------------------------------------------------------------------------------
 */

static struct member *find_member(const struct kv_store *store, uint64_t id)
{
    for (size_t i = 0; i < store->n_members; i++)
        if (store->members[i].id == id)
            return &store->members[i];
    return NULL;
}

static struct member *find_or_add_member(struct kv_store *store, uint64_t id)
{
    struct member *member = find_member(store, id);
    struct member *members;

    if (member)
        return member;
    members = realloc(store->members, (store->n_members + 1) * sizeof(*members));
    if (!members)
        return NULL;
    store->members = members;
    members[store->n_members] = (struct member){.id = id};
    return &members[store->n_members++];
}

static int announce(struct kv_store *store, const struct kv_command *command)
{
    char *url = strndup(command->value, command->value_len);
    struct member *member = url ? find_or_add_member(store, command->id) : NULL;

    if (!member) {
        free(url);
        return RAFT_NOMEM;
    }
    free(member->client_url);
    member->client_url = url;
    return 0;
}

static int note_removed(struct kv_store *store, uint64_t id)
{
    struct member *member = find_or_add_member(store, id);

    if (!member)
        return RAFT_NOMEM;
    member->is_removed = true;
    return 0;
}

const char *kv_store_client_url(const struct kv_store *store, uint64_t id)
{
    const struct member *member = find_member(store, id);

    return member ? member->client_url : NULL;
}

bool kv_store_is_removed(const struct kv_store *store, uint64_t id)
{
    const struct member *member = find_member(store, id);

    return member && member->is_removed;
}

/* ---- Changing -----------------------------------------------------------------------------------------------------
 */

int kv_store_apply(struct kv_store *store, const struct raft_buffer *buf, bool *ret_existed)
{
    struct kv_command command;
    int rv = kv_command_decode(buf, &command);

    *ret_existed = false;
    if (rv != 0)
        return rv;
    switch (command.kind) {
    case KV_PUT:
        return put(store, &command, ret_existed);
    case KV_DELETE:
        drop(store, &command, ret_existed);
        return 0;
    case KV_ANNOUNCE:
        return announce(store, &command);
    case KV_REMOVED:
        return note_removed(store, command.id);
    }
    return RAFT_MALFORMED;
}

/* ---- Saving and loading -------------------------------------------------------------------------------------------
 */

/* Commands go to p, or, when that is NULL, are only measured. */
struct writer {
    uint8_t *p;
    size_t len;
    int rv;
};

static void write_command(struct writer *w, const struct kv_command *command)
{
    struct raft_buffer buf;

    if (w->rv != 0)
        return;
    w->rv = kv_command_encode(command, &buf);
    if (w->rv != 0)
        return;
    if (w->p) {
        for (unsigned i = 0; i < LEN_SIZE; i++)
            w->p[w->len + i] = (uint8_t)(buf.len >> (8 * (LEN_SIZE - 1 - i)));
        memcpy(w->p + w->len + LEN_SIZE, buf.base, buf.len);
    }
    w->len += LEN_SIZE + buf.len;
    raft_free(buf.base);
}

static void write_all(struct writer *w, const struct kv_store *store)
{
    for (size_t i = 0; i < store->n_members; i++) {
        const struct member *member = &store->members[i];

        if (member->client_url)
            write_command(w, &(struct kv_command){.kind = KV_ANNOUNCE,
                                                  .id = member->id,
                                                  .value = member->client_url,
                                                  .value_len = strlen(member->client_url)});
        if (member->is_removed)
            write_command(w, &(struct kv_command){.kind = KV_REMOVED, .id = member->id});
    }
    for (size_t i = 0; i < store->n_buckets; i++)
        for (const struct item *item = store->buckets[i]; item; item = item->next)
            write_command(w, &(struct kv_command){.kind = KV_PUT,
                                                  .key = item->bytes,
                                                  .key_len = item->key_len,
                                                  .value = item->bytes + item->key_len,
                                                  .value_len = item->value_len});
}

int kv_store_save(const struct kv_store *store, struct raft_buffer *ret_buf)
{
    struct writer measure = {.p = NULL};
    struct writer w;

    write_all(&measure, store);
    if (measure.rv != 0)
        return measure.rv;
    w = (struct writer){.p = raft_malloc(measure.len + 1)}; /* an empty store has a block, too */
    if (!w.p)
        return RAFT_NOMEM;
    write_all(&w, store);
    if (w.rv != 0) {
        raft_free(w.p);
        return w.rv;
    }
    assert(w.len == measure.len);
    *ret_buf = (struct raft_buffer){.base = w.p, .len = w.len};
    return 0;
}

/* Take the next command of a saved store off *rest.  0 or RAFT_MALFORMED. */
static int next_saved(struct raft_buffer *rest, struct raft_buffer *ret_command)
{
    const uint8_t *p = rest->base;
    uint64_t len = 0;

    if (rest->len < LEN_SIZE)
        return RAFT_MALFORMED;
    for (unsigned i = 0; i < LEN_SIZE; i++)
        len = len << 8 | p[i];
    if (len > rest->len - LEN_SIZE)
        return RAFT_MALFORMED;
    *ret_command = (struct raft_buffer){.base = (uint8_t *)rest->base + LEN_SIZE, .len = (size_t)len};
    rest->base = (uint8_t *)rest->base + LEN_SIZE + len;
    rest->len -= LEN_SIZE + (size_t)len;
    return 0;
}

static int apply_all(struct kv_store *store, struct raft_buffer rest)
{
    struct raft_buffer command;
    bool existed;
    int rv = 0;

    while (rest.len > 0 && rv == 0) {
        rv = next_saved(&rest, &command);
        if (rv == 0)
            rv = kv_store_apply(store, &command, &existed);
    }
    return rv;
}

bool kv_store_is_saved(const void *data, size_t len)
{
    struct raft_buffer rest = {.base = (void *)(uintptr_t)data, .len = len}; /* is only read */
    struct raft_buffer text;
    struct kv_command command;

    while (rest.len > 0)
        if (next_saved(&rest, &text) != 0 || kv_command_decode(&text, &command) != 0)
            return false;
    return true;
}

int kv_store_load(struct kv_store *store, const struct raft_buffer *buf)
{
    struct kv_store *loaded = kv_store_new();
    struct kv_store old = *store;
    int rv;

    if (!loaded)
        return RAFT_NOMEM;
    rv = apply_all(loaded, *buf);
    if (rv == 0) {
        *store = *loaded;
        *loaded = old;
    }
    kv_store_free(loaded);
    return rv;
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

struct kv_store *kv_store_new(void)
{
    struct kv_store *store = calloc(1, sizeof(*store));

    if (!store)
        return NULL;
    store->n_buckets = FIRST_BUCKETS;
    store->buckets = calloc(store->n_buckets, sizeof(struct item *));
    if (!store->buckets) {
        free(store);
        return NULL;
    }
    if (getrandom(&store->seed, sizeof(store->seed), 0) != (ssize_t)sizeof(store->seed))
        store->seed = 0; /* lookups still work, but chosen keys can make them slow */
    return store;
}

void kv_store_free(struct kv_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->n_buckets; i++) {
        for (struct item *item = store->buckets[i], *next; item; item = next) {
            next = item->next;
            free(item);
        }
    }
    for (size_t i = 0; i < store->n_members; i++)
        free(store->members[i].client_url);
    free(store->members);
    free(store->buckets);
    free(store);
}
