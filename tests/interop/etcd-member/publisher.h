/*
 * publisher.h - when the member tells the cluster its name.
 *
 * As etcd: at each start, until an entry of this run that says it is applied.  The configuration names the members of a
 * new cluster as well, but etcd forgets these names when it starts from a snapshot.  And an etcd leaves members without
 * client URLs, as this one is, out of the data that older versions read.  So the name is also told again when the
 * cluster's version went down, and when an etcd has started, which may be an older one.
 */
#ifndef ETCD_MEMBER_PUBLISHER_H
#define ETCD_MEMBER_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

struct publisher {
    uint64_t own_id;
    uint64_t first_request; /* requests of this run have this id or a higher one */
    unsigned ticks_between; /* two attempts */
    unsigned ticks_left;
    bool is_done;
    char version[32]; /* of the cluster, when last looked at */
};

/* An entry was applied by which a member says its name. */
struct publication {
    uint64_t member; /* 0: it was another entry */
    uint64_t request;
    bool has_client_urls;
};

void publisher_init(struct publisher *publisher, uint64_t own_id, uint64_t first_request, unsigned ticks_between);
void publisher_hear(struct publisher *publisher, const struct publication *publication);

/* A tick has passed with a leader in place and version as the cluster's.  True: propose the name now. */
bool publisher_is_due(struct publisher *publisher, const char *version);

#endif
