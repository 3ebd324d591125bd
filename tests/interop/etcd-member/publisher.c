/*
 * publisher - when the member tells the cluster its name.
 */
#include "etcd-member/publisher.h"

#include <stdio.h>

#include "etcd-member/version.h"

void publisher_init(struct publisher *publisher, uint64_t own_id, uint64_t first_request, unsigned ticks_between)
{
    *publisher = (struct publisher){.own_id = own_id, .first_request = first_request, .ticks_between = ticks_between};
}

void publisher_hear(struct publisher *publisher, const struct publication *publication)
{
    if (publication->member == publisher->own_id)
        publisher->is_done |= publication->request >= publisher->first_request;
    else if (publication->member != 0 && publication->has_client_urls) /* not of one like us, lest we never end */
        publisher->is_done = false;
}

bool publisher_is_due(struct publisher *publisher, const char *version)
{
    if (version_is_lower(version, publisher->version))
        publisher->is_done = false;
    (void)snprintf(publisher->version, sizeof(publisher->version), "%s", version);
    if (publisher->is_done) {
        publisher->ticks_left = 0;
        return false;
    }
    if (publisher->ticks_left > 0) {
        publisher->ticks_left--;
        return false;
    }
    publisher->ticks_left = publisher->ticks_between;
    return true;
}
