/*
 * ids.h - a sorted set of member ids.
 */
#ifndef ETCD_MEMBER_IDS_H
#define ETCD_MEMBER_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ids {
    uint64_t *list; /* ascending */
    size_t n;
};

void ids_release(struct ids *ids); /* and empty */
bool ids_have(const struct ids *ids, uint64_t id);
void ids_add(struct ids *ids, uint64_t id);    /* nothing if it is there */
void ids_remove(struct ids *ids, uint64_t id); /* nothing if it is not */
void ids_set(struct ids *ids, const uint64_t *list, size_t n);

#endif
