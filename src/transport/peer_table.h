/*
 * peer_table.h - peers by id.  Guarded by its owner's lock.  The owner counts the references that are in it.
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

void fy_peer_table_release(struct fy_peer_table *table); /* a zeroed one is empty */

struct fy_peer *fy_peer_table_find(const struct fy_peer_table *table, uint64_t id);

/* The peer with the smallest id greater than id; NULL: none.  For walks that unlock between two peers. */
struct fy_peer *fy_peer_table_after(const struct fy_peer_table *table, uint64_t id);

int fy_peer_table_insert(struct fy_peer_table *table, struct fy_peer *peer); /* FERRY_ERR_EXISTS or _NOMEM */
void fy_peer_table_remove(struct fy_peer_table *table, const struct fy_peer *peer);

#endif
