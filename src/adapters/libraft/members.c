/*
 * members - what changed between two configurations, told to the transport.
 *
 * A configuration is known by the two indexes that libraft keeps of it: that of the last committed one and, while there
 * is one, that of the uncommitted one, which libraft already goes by.  A change that is rolled back clears the latter.
 */
#include "adapters/libraft/members.h"

#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"

struct fy_member *fy_members_find(const struct fy_members *members, raft_id id)
{
    for (size_t i = 0; i < members->n; i++)
        if (members->items[i].id == id)
            return &members->items[i];
    return NULL;
}

void fy_members_forget_heard(struct fy_members *members)
{
    for (size_t i = 0; i < members->n; i++)
        members->items[i].is_heard = false;
}

static const struct raft_server *find_server(const struct raft_configuration *conf, raft_id id)
{
    for (unsigned i = 0; i < conf->n; i++)
        if (conf->servers[i].id == id)
            return &conf->servers[i];
    return NULL;
}

/* The last takes its place. */
static void forget(struct fy_members *members, struct fy_member *member)
{
    free(member->address);
    *member = members->items[--members->n];
}

static void remove_missing(struct fy_members *members, const struct raft_configuration *conf, raft_id self,
                           struct ferry_transport *t)
{
    for (size_t i = members->n; i-- > 0;) {
        struct fy_member *member = &members->items[i];

        if (member->id != self && find_server(conf, member->id))
            continue;
        (void)ferry_transport_remove_peer(t, member->id); /* fails when it is gone already, or all are */
        forget(members, member);
    }
}

static int add(struct fy_members *members, const struct raft_server *server, struct ferry_transport *t)
{
    char *address = strdup(server->address);
    int err;

    if (address && members->n == members->cap) {
        size_t cap = members->cap > 0 ? 2 * members->cap : 8;
        struct fy_member *items = realloc(members->items, cap * sizeof(*items));

        if (items) {
            members->items = items;
            members->cap = cap;
        }
    }
    if (!address || members->n == members->cap) {
        free(address);
        return FERRY_ERR_NOMEM;
    }
    err = ferry_transport_add_peer(t, server->id, (const char *const[]){address, NULL});
    if (err == FERRY_ERR_EXISTS) /* somebody else has added it */
        err = ferry_transport_update_peer(t, server->id, (const char *const[]){address, NULL});
    if (err != FERRY_OK) {
        free(address);
        return err;
    }
    members->items[members->n++] = (struct fy_member){.id = server->id, .address = address};
    return FERRY_OK;
}

static int update(struct fy_member *member, const struct raft_server *server, struct ferry_transport *t)
{
    char *address;
    int err;

    if (strcmp(member->address, server->address) == 0)
        return FERRY_OK;
    address = strdup(server->address);
    if (!address)
        return FERRY_ERR_NOMEM;
    err = ferry_transport_update_peer(t, server->id, (const char *const[]){address, NULL});
    if (err != FERRY_OK) {
        free(address);
        return err;
    }
    free(member->address);
    member->address = address;
    return FERRY_OK;
}

void fy_members_follow(struct fy_members *members, const struct raft *r, struct ferry_transport *t,
                       fy_member_failed_fn *failed, void *ctx)
{
    const struct raft_configuration *conf = &r->configuration;

    if (conf->n == 0 || (members->is_current && members->index == fy_raft_configuration_index(r) &&
                         members->uncommitted_index == r->configuration_uncommitted_index))
        return;
    members->is_current = true;
    members->index = fy_raft_configuration_index(r);
    members->uncommitted_index = r->configuration_uncommitted_index;
    remove_missing(members, conf, r->id, t);
    for (unsigned i = 0; i < conf->n; i++) {
        const struct raft_server *server = &conf->servers[i];
        struct fy_member *member = fy_members_find(members, server->id);
        int err;

        if (server->id == r->id)
            continue;
        err = member ? update(member, server, t) : add(members, server, t);
        if (err == FERRY_ERR_NOMEM)
            members->is_current = false;
        if (err != FERRY_OK)
            failed(ctx, server->id, server->address, err);
    }
}

void fy_members_clear(struct fy_members *members, struct ferry_transport *t)
{
    for (size_t i = 0; i < members->n; i++)
        (void)ferry_transport_remove_peer(t, members->items[i].id); /* fails when it is gone already, or all are */
    fy_members_release(members);
}

void fy_members_release(struct fy_members *members)
{
    while (members->n > 0)
        forget(members, &members->items[0]);
    free(members->items);
    *members = (struct fy_members){.items = NULL};
}
