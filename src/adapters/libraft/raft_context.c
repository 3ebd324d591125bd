/*
 * raft_context - a small versioned encoding, read with a hard end.
 *
 * Reading: a cursor that knows where the bytes end gives each field or says that they have ended; whatever is not as it
 * would have been written is refused, so that one meaning has one form.
 */
#include "adapters/libraft/raft_context.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define VERSION 1
#define FLAG_DISRUPTING 1u
#define FLAG_PRE_VOTE_UNKNOWN 2u
#define FLAG_REPORT 4u
#define KNOWN_FLAGS (FLAG_DISRUPTING | FLAG_PRE_VOTE_UNKNOWN | FLAG_REPORT)
#define CONF_HEAD_LEN (8 + 2)
#define SERVER_HEAD_LEN (8 + 1 + 1)

/* ---- Writing ------------------------------------------------------------------------------------------------------
 */

static uint8_t *put_be(uint8_t *p, uint64_t value, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(value >> (8 * (n - 1 - i)));
    return p + n;
}

static uint8_t *put_text(uint8_t *p, const char *text)
{
    size_t len = strlen(text);

    assert(len <= FERRY_LIBRAFT_ADDRESS_MAX);
    *p++ = (uint8_t)len;
    memcpy(p, text, len);
    return p + len;
}

bool fy_raft_context_is_address(const char *text)
{
    size_t len = 0;

    while (text[len] > ' ' && text[len] <= '~')
        len++;
    return text[len] == '\0' && len > 0 && len <= FERRY_LIBRAFT_ADDRESS_MAX;
}

size_t fy_raft_context_write(const struct fy_raft_context *context, uint8_t *buf)
{
    uint8_t *p = buf;

    *p++ = VERSION;
    *p++ =
        (uint8_t)((context->is_disrupting ? FLAG_DISRUPTING : 0) |
                  (context->is_pre_vote_unknown ? FLAG_PRE_VOTE_UNKNOWN : 0) | (context->has_report ? FLAG_REPORT : 0));
    p = put_text(p, context->sender);
    if (context->has_report) {
        p = put_be(p, context->report.features, 2);
        p = put_be(p, context->report.capacity, 2);
    }
    return (size_t)(p - buf);
}

/* How many bytes the servers take; 0: there is one that cannot be written. */
static size_t conf_len(const struct raft_configuration *conf)
{
    size_t len = CONF_HEAD_LEN;

    if (conf->n > FERRY_LIBRAFT_SERVERS_MAX)
        return 0;
    for (unsigned i = 0; i < conf->n; i++) {
        const struct raft_server *server = &conf->servers[i];

        if (server->id == 0 || server->role < RAFT_STANDBY || server->role > RAFT_SPARE ||
            !fy_raft_context_is_address(server->address))
            return 0;
        len += SERVER_HEAD_LEN + strlen(server->address);
    }
    return len;
}

int fy_raft_context_write_conf(const struct fy_raft_context *context, const struct raft_configuration *conf,
                               raft_index conf_index, uint8_t **ret_data, size_t *ret_len)
{
    size_t len = conf_len(conf);
    uint8_t *data;
    uint8_t *p;

    if (len == 0)
        return FERRY_ERR_INVALID;
    data = malloc(FY_RAFT_CONTEXT_SMALL + len);
    if (!data)
        return FERRY_ERR_NOMEM;
    p = data + fy_raft_context_write(context, data);
    p = put_be(p, conf_index, 8);
    p = put_be(p, conf->n, 2);
    for (unsigned i = 0; i < conf->n; i++) {
        p = put_be(p, conf->servers[i].id, 8);
        *p++ = (uint8_t)conf->servers[i].role;
        p = put_text(p, conf->servers[i].address);
    }
    *ret_data = data;
    *ret_len = (size_t)(p - data);
    return FERRY_OK;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------
 */

struct cursor {
    const uint8_t *p;
    size_t left;
    int err; /* the first; once it is set, all that is read is 0 or empty */
};

static uint64_t get_be(struct cursor *c, unsigned n)
{
    uint64_t value = 0;

    if (c->err == FERRY_OK && c->left < n)
        c->err = FERRY_ERR_TRUNCATED;
    if (c->err != FERRY_OK)
        return 0;
    for (unsigned i = 0; i < n; i++)
        value = value << 8 | c->p[i];
    c->p += n;
    c->left -= n;
    return value;
}

/* An address, or "" where that may be. */
static void get_text(struct cursor *c, bool may_be_empty, char text[FERRY_LIBRAFT_ADDRESS_MAX + 1])
{
    size_t len = (size_t)get_be(c, 1);

    text[0] = '\0';
    if (c->err == FERRY_OK && c->left < len)
        c->err = FERRY_ERR_TRUNCATED;
    if (c->err != FERRY_OK || (len == 0 && may_be_empty))
        return;
    memcpy(text, c->p, len);
    text[len] = '\0';
    c->p += len;
    c->left -= len;
    if (strlen(text) != len || !fy_raft_context_is_address(text))
        c->err = FERRY_ERR_MALFORMED;
}

static void get_head(struct cursor *c, struct fy_raft_context *ret_context)
{
    uint64_t version = get_be(c, 1);
    uint64_t flags = get_be(c, 1);

    if (c->err == FERRY_OK && (version != VERSION || (flags & ~(uint64_t)KNOWN_FLAGS)))
        c->err = FERRY_ERR_MALFORMED;
    ret_context->is_disrupting = flags & FLAG_DISRUPTING;
    ret_context->is_pre_vote_unknown = flags & FLAG_PRE_VOTE_UNKNOWN;
    ret_context->has_report = flags & FLAG_REPORT;
    get_text(c, true, ret_context->sender);
    if (ret_context->has_report) {
        ret_context->report.features = (uint16_t)get_be(c, 2);
        ret_context->report.capacity = (uint16_t)get_be(c, 2);
    }
}

static void check_end(struct cursor *c)
{
    if (c->err == FERRY_OK && c->left > 0)
        c->err = FERRY_ERR_MALFORMED;
}

int fy_raft_context_read(const uint8_t *data, size_t len, struct fy_raft_context *ret_context)
{
    struct cursor c = {.p = data, .left = len};
    struct fy_raft_context context = {.sender = ""};

    if (data) {
        get_head(&c, &context);
        check_end(&c);
    }
    if (c.err == FERRY_OK)
        *ret_context = context;
    return c.err;
}

static int add_server(struct raft_configuration *conf, struct cursor *c)
{
    char address[FERRY_LIBRAFT_ADDRESS_MAX + 1];
    raft_id id = get_be(c, 8);
    int role = (int)get_be(c, 1);

    get_text(c, false, address);
    if (c->err != FERRY_OK)
        return c->err;
    if (id == 0 || role > RAFT_SPARE)
        return FERRY_ERR_MALFORMED;
    switch (raft_configuration_add(conf, id, address, role)) {
    case 0:
        return FERRY_OK;
    case RAFT_NOMEM:
        return FERRY_ERR_NOMEM;
    default: /* it is there already */
        return FERRY_ERR_MALFORMED;
    }
}

int fy_raft_context_read_conf(const uint8_t *data, size_t len, struct fy_raft_context *ret_context,
                              struct raft_configuration *ret_conf, raft_index *ret_conf_index)
{
    struct cursor c = {.p = data, .left = len};
    struct fy_raft_context context = {.sender = ""};
    uint64_t conf_index;
    uint64_t n;

    get_head(&c, &context);
    conf_index = get_be(&c, 8);
    n = get_be(&c, 2);
    if (c.err == FERRY_OK && (n == 0 || n > FERRY_LIBRAFT_SERVERS_MAX))
        c.err = FERRY_ERR_MALFORMED;
    raft_configuration_init(ret_conf);
    while (c.err == FERRY_OK && n-- > 0)
        c.err = add_server(ret_conf, &c);
    check_end(&c);
    if (c.err != FERRY_OK) {
        raft_configuration_close(ret_conf);
        return c.err;
    }
    *ret_context = context;
    *ret_conf_index = conf_index;
    return FERRY_OK;
}
