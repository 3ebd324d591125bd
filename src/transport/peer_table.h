/*
 * peer_table.h - peers by id.  Its owner's lock guards it; the references that it holds are its owner's to count.
 */
#ifndef FY_TRANSPORT_PEER_TABLE_H
#define FY_TRANSPORT_PEER_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct fy_peer;

struct fy_peer_table {
    struct fy_peer **peers; /* by ascending id */
    size_t n;
    size_t n_room;
};

void fy_peer_table_release(struct fy_peer_table *table); /* zeroed is empty */

struct fy_peer *fy_peer_table_find(const struct fy_peer_table *table, uint64_t id);

/* The one with the smallest id that is greater; NULL: there is none.  So a walk can let go of the lock between two. */
struct fy_peer *fy_peer_table_after(const struct fy_peer_table *table, uint64_t id);

int fy_peer_table_insert(struct fy_peer_table *table, struct fy_peer *peer); /* FERRY_ERR_EXISTS or _NOMEM */
void fy_peer_table_remove(struct fy_peer_table *table, const struct fy_peer *peer);

#endif
