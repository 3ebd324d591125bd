/*
 * peer_table - a sorted array.
 */
#include "transport/peer_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "peer/peer.h"

/* The index of id, or where it would be inserted. */
static size_t place_of(const struct fy_peer_table *table, uint64_t id)
{
    size_t low = 0, high = table->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (fy_peer_id(table->peers[middle]) < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void fy_peer_table_release(struct fy_peer_table *table)
{
    free(table->peers);
    *table = (struct fy_peer_table){.n = 0};
}

struct fy_peer *fy_peer_table_find(const struct fy_peer_table *table, uint64_t id)
{
    size_t place = place_of(table, id);

    return place < table->n && fy_peer_id(table->peers[place]) == id ? table->peers[place] : NULL;
}

struct fy_peer *fy_peer_table_after(const struct fy_peer_table *table, uint64_t id)
{
    size_t place = id == UINT64_MAX ? table->n : place_of(table, id + 1);

    return place < table->n ? table->peers[place] : NULL;
}

int fy_peer_table_insert(struct fy_peer_table *table, struct fy_peer *peer)
{
    size_t place = place_of(table, fy_peer_id(peer));

    if (place < table->n && fy_peer_id(table->peers[place]) == fy_peer_id(peer))
        return FERRY_ERR_EXISTS;
    if (table->n == table->n_room) {
        size_t n_room = table->n_room ? 2 * table->n_room : 8;
        struct fy_peer **peers = realloc(table->peers, n_room * sizeof(struct fy_peer *));

        if (!peers)
            return FERRY_ERR_NOMEM;
        table->peers = peers;
        table->n_room = n_room;
    }
    memmove(table->peers + place + 1, table->peers + place, (table->n - place) * sizeof(struct fy_peer *));
    table->peers[place] = peer;
    table->n++;
    return FERRY_OK;
}

void fy_peer_table_remove(struct fy_peer_table *table, const struct fy_peer *peer)
{
    size_t place = place_of(table, fy_peer_id(peer));

    assert(place < table->n && table->peers[place] == peer);
    table->n--;
    memmove(table->peers + place, table->peers + place + 1, (table->n - place) * sizeof(struct fy_peer *));
}
