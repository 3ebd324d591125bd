/*
 * raft_change - one pass over the bytes, and for each server one over those before it.
 */
#include "adapters/libraft/raft_change.h"

#include <string.h>

#include "ferry/libraft.h"

#define VERSION 1
#define PADDING 8

struct server {
    uint64_t id;
    const char *address;
};

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static bool read_u64(struct cursor *c, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (c->end - c->at < 8)
        return false;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | c->at[i];
    c->at += 8;
    *ret_value = value;
    return true;
}

static bool read_address(struct cursor *c, const char **ret_address)
{
    const uint8_t *zero = memchr(c->at, 0, (size_t)(c->end - c->at));

    if (!zero || zero == c->at || zero - c->at > FERRY_LIBRAFT_ADDRESS_MAX)
        return false;
    *ret_address = (const char *)c->at;
    c->at = zero + 1;
    return true;
}

static bool read_server(struct cursor *c, struct server *ret_server)
{
    if (!read_u64(c, &ret_server->id) || ret_server->id == 0 || !read_address(c, &ret_server->address))
        return false;
    return c->at < c->end && *c->at++ <= 2;
}

static bool is_new(const struct server *servers, uint64_t n, const struct server *server)
{
    for (uint64_t i = 0; i < n; i++)
        if (servers[i].id == server->id || strcmp(servers[i].address, server->address) == 0)
            return false;
    return true;
}

bool fy_raft_change_is_valid(const uint8_t *data, size_t len)
{
    struct server servers[FERRY_LIBRAFT_SERVERS_MAX];
    struct cursor c = {data, data + len};
    uint64_t n;

    if (len == 0 || *c.at++ != VERSION || !read_u64(&c, &n) || n == 0 || n > FERRY_LIBRAFT_SERVERS_MAX)
        return false;
    for (uint64_t i = 0; i < n; i++)
        if (!read_server(&c, &servers[i]) || !is_new(servers, i, &servers[i]))
            return false;
    return c.end - c.at < PADDING;
}
