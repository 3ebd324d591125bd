/*
 * lookup.h - a hash table whose links are in its entries, so that adding one cannot fail.
 *
 * Entries of one hash are told apart by the caller.  When memory for more slots is refused, chains grow longer.
 */
#ifndef FY_MAILBOX_LOOKUP_H
#define FY_MAILBOX_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

struct fy_entry {
    struct fy_entry *next; /* in the chain */
    uint64_t hash;
};

struct fy_lookup {
    struct fy_entry **slots; /* n_slots; &only while there is one */
    struct fy_entry *only;
    size_t n_slots; /* a power of two */
    size_t n;
};

void fy_lookup_init(struct fy_lookup *lookup);
void fy_lookup_release(struct fy_lookup *lookup); /* the entries stay their owners' */

void fy_lookup_add(struct fy_lookup *lookup, struct fy_entry *entry, uint64_t hash);
void fy_lookup_remove(struct fy_lookup *lookup, struct fy_entry *entry); /* it is there */

/* The first entry with this hash, and the next one; NULL: there is no more. */
struct fy_entry *fy_lookup_find(const struct fy_lookup *lookup, uint64_t hash);
struct fy_entry *fy_lookup_find_next(const struct fy_entry *entry);

/* FNV-1a; seed: an earlier hash, or any number. */
uint64_t fy_hash(uint64_t seed, const void *data, size_t len);

#endif
