/*
 * lookup - chained hashing; the slots double when there are as many entries.
 */
#include "mailbox/lookup.h"

#include <assert.h>
#include <stdlib.h>

void fy_lookup_init(struct fy_lookup *lookup)
{
    *lookup = (struct fy_lookup){.slots = &lookup->only, .n_slots = 1};
}

void fy_lookup_release(struct fy_lookup *lookup)
{
    if (lookup->slots != &lookup->only)
        free(lookup->slots);
    fy_lookup_init(lookup);
}

static struct fy_entry **slot_of(const struct fy_lookup *lookup, uint64_t hash)
{
    return &lookup->slots[(hash ^ hash >> 32) & (lookup->n_slots - 1)];
}

static void grow(struct fy_lookup *lookup)
{
    const size_t n_slots = lookup->n_slots < 8 ? 16 : 2 * lookup->n_slots;
    struct fy_entry **slots = calloc(n_slots, sizeof(struct fy_entry *));
    struct fy_lookup larger = {.slots = slots, .n_slots = n_slots, .n = lookup->n};

    if (!slots)
        return;
    for (size_t i = 0; i < lookup->n_slots; i++) {
        while (lookup->slots[i]) {
            struct fy_entry *entry = lookup->slots[i], **slot = slot_of(&larger, entry->hash);

            lookup->slots[i] = entry->next;
            entry->next = *slot;
            *slot = entry;
        }
    }
    if (lookup->slots != &lookup->only)
        free(lookup->slots);
    *lookup = larger;
}

void fy_lookup_add(struct fy_lookup *lookup, struct fy_entry *entry, uint64_t hash)
{
    struct fy_entry **slot;

    if (lookup->n >= lookup->n_slots)
        grow(lookup);
    slot = slot_of(lookup, hash);
    entry->hash = hash;
    entry->next = *slot;
    *slot = entry;
    lookup->n++;
}

void fy_lookup_remove(struct fy_lookup *lookup, struct fy_entry *entry)
{
    struct fy_entry **at = slot_of(lookup, entry->hash);

    while (*at && *at != entry)
        at = &(*at)->next;
    assert(*at);
    *at = entry->next;
    entry->next = NULL;
    lookup->n--;
}

struct fy_entry *fy_lookup_find(const struct fy_lookup *lookup, uint64_t hash)
{
    struct fy_entry *entry = *slot_of(lookup, hash);

    return !entry || entry->hash == hash ? entry : fy_lookup_find_next(&(struct fy_entry){entry, hash});
}

struct fy_entry *fy_lookup_find_next(const struct fy_entry *entry)
{
    const uint64_t hash = entry->hash;
    struct fy_entry *next = entry->next;

    while (next && next->hash != hash)
        next = next->next;
    return next;
}

uint64_t fy_hash(uint64_t seed, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    uint64_t hash = seed ^ UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}
