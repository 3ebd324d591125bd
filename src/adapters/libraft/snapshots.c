/*
 * snapshots - data in memory to a source, and from a sink to data in memory.
 *
 * Out: a source reads the core's memory, and its close, which comes exactly once, marks the request; the loop takes it
 * from there.  So the memory is lent until nobody reads it.
 * In: a body grows as it arrives, never by a length that was only announced.  Once it is whole it waits for its
 * message, which the transport hands to the core next, on the loop; a body whose message does not come (the transport
 * is being stopped) is pushed out by later ones, or freed at the end.
 */
#include "adapters/libraft/snapshots.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BODY_BYTES ((size_t)64 << 10)

struct fy_snapshot_out {
    struct fy_snapshots *snapshots;
    struct fy_node node; /* of sending */
    struct raft_io_send *req;
    const uint8_t *data;
    size_t left; /* the reading thread's, like data */

    bool is_closed; /* snapshots->mu */
    int err;        /* snapshots->mu; with which it was closed */
};

/* What tells one incoming snapshot from another. */
struct key {
    uint64_t from;
    uint64_t term;
    uint64_t index;
    uint64_t snapshot_term;
};

struct body {
    struct fy_node node; /* of arrived */
    struct key key;
    uint8_t *data;
    size_t len;
    size_t cap;
};

/* ---- Out ----------------------------------------------------------------------------------------------------------
 */

static int64_t read_source(void *ctx, void *buf, size_t len)
{
    struct fy_snapshot_out *out = ctx;
    size_t n = len < out->left ? len : out->left;

    if (n > 0)
        memcpy(buf, out->data, n);
    out->data += n;
    out->left -= n;
    return (int64_t)n;
}

static void close_source(void *ctx, int err)
{
    struct fy_snapshot_out *out = ctx;
    struct fy_snapshots *snapshots = out->snapshots;

    pthread_mutex_lock(&snapshots->mu);
    out->is_closed = true; /* the loop may free it as soon as the lock is open */
    out->err = err;
    snapshots->wake(snapshots->wake_ctx); /* under the lock: once it is open, what wake uses may go as well */
    pthread_mutex_unlock(&snapshots->mu);
}

int fy_snapshots_send(struct fy_snapshots *snapshots, struct ferry_transport *t, const struct ferry_message *msg,
                      const struct raft_buffer *data, struct raft_io_send *req)
{
    struct fy_snapshot_out *out = calloc(1, sizeof(*out));
    struct ferry_snapshot_source source = {
        .ctx = out, .size = data->len, .fd = -1, .read = read_source, .close = close_source};
    int err;

    if (!out)
        return FERRY_ERR_NOMEM;
    *out = (struct fy_snapshot_out){.snapshots = snapshots, .req = req, .data = data->base, .left = data->len};
    fy_list_append(&snapshots->sending, &out->node);
    err = ferry_transport_send_snapshot(t, msg, &source);
    if (err != FERRY_OK) { /* and it is closed */
        fy_list_remove(&out->node);
        free(out);
    }
    return err;
}

static bool is_closed(struct fy_snapshots *snapshots, const struct fy_snapshot_out *out)
{
    bool is;

    pthread_mutex_lock(&snapshots->mu);
    is = out->is_closed;
    pthread_mutex_unlock(&snapshots->mu);
    return is;
}

struct raft_io_send *fy_snapshots_take_sent(struct fy_snapshots *snapshots, int *ret_err)
{
    for (struct fy_node *node = fy_list_first(&snapshots->sending); node;
         node = fy_list_next(&snapshots->sending, node)) {
        struct fy_snapshot_out *out = fy_container(node, struct fy_snapshot_out, node);
        struct raft_io_send *req = out->req;

        if (!is_closed(snapshots, out))
            continue;
        *ret_err = out->err;
        fy_list_remove(node);
        free(out);
        return req;
    }
    return NULL;
}

/* ---- In ------------------------------------------------------------------------------------------------------------
 */

static struct key key_of(const struct ferry_message *msg)
{
    return (struct key){
        .from = msg->from, .term = msg->term, .index = msg->snapshot->index, .snapshot_term = msg->snapshot->term};
}

static bool is_same(const struct key *a, const struct key *b)
{
    return a->from == b->from && a->term == b->term && a->index == b->index && a->snapshot_term == b->snapshot_term;
}

static void body_free(struct body *body)
{
    if (!body)
        return;
    raft_free(body->data);
    free(body);
}

static int open_body(void *ctx, const struct ferry_message *msg, uint64_t size, void **ret_body)
{
    struct body *body = calloc(1, sizeof(*body));

    (void)ctx;
    if (!body)
        return FERRY_ERR_NOMEM;
    body->key = key_of(msg);
    body->cap = size < FIRST_BODY_BYTES ? (size_t)size + 1 : FIRST_BODY_BYTES; /* one of no bytes has memory, too */
    body->data = raft_malloc(body->cap);
    if (!body->data) {
        free(body);
        return FERRY_ERR_NOMEM;
    }
    *ret_body = body;
    return FERRY_OK;
}

static int write_body(void *ctx, void *arg, const void *data, size_t len)
{
    struct body *body = arg;

    (void)ctx;
    if (len > body->cap - body->len) {
        size_t cap = 2 * body->cap > body->len + len ? 2 * body->cap : body->len + len;
        uint8_t *grown = raft_realloc(body->data, cap);

        if (!grown)
            return FERRY_ERR_NOMEM;
        body->data = grown;
        body->cap = cap;
    }
    memcpy(body->data + body->len, data, len);
    body->len += len;
    return FERRY_OK;
}

static int commit_body(void *ctx, void *arg)
{
    struct fy_snapshots *snapshots = ctx;
    struct body *body = arg;
    struct fy_node *oldest = NULL;

    pthread_mutex_lock(&snapshots->mu);
    if (snapshots->n_arrived == FY_SNAPSHOTS_MAX_ARRIVED)
        oldest = fy_list_take_first(&snapshots->arrived);
    else
        snapshots->n_arrived++;
    fy_list_append(&snapshots->arrived, &body->node);
    pthread_mutex_unlock(&snapshots->mu);
    if (oldest)
        body_free(fy_container(oldest, struct body, node));
    return FERRY_OK;
}

static void abort_body(void *ctx, void *arg)
{
    (void)ctx;
    body_free(arg);
}

struct ferry_snapshot_sink fy_snapshots_sink(struct fy_snapshots *snapshots)
{
    return (struct ferry_snapshot_sink){
        .ctx = snapshots, .open = open_body, .write = write_body, .commit = commit_body, .abort = abort_body};
}

/* mu is held. */
static struct body *find_body(struct fy_snapshots *snapshots, const struct key *key)
{
    for (struct fy_node *node = fy_list_first(&snapshots->arrived); node;
         node = fy_list_next(&snapshots->arrived, node)) {
        struct body *body = fy_container(node, struct body, node);

        if (is_same(&body->key, key))
            return body;
    }
    return NULL;
}

bool fy_snapshots_take_body(struct fy_snapshots *snapshots, const struct ferry_message *msg,
                            struct raft_buffer *ret_body)
{
    struct key key;
    struct body *body;

    if (!msg->snapshot)
        return false;
    key = key_of(msg);
    pthread_mutex_lock(&snapshots->mu);
    body = find_body(snapshots, &key);
    if (body) {
        fy_list_remove(&body->node);
        snapshots->n_arrived--;
    }
    pthread_mutex_unlock(&snapshots->mu);
    if (!body)
        return false;
    *ret_body = (struct raft_buffer){.base = body->data, .len = body->len};
    free(body);
    return true;
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

void fy_snapshots_init(struct fy_snapshots *snapshots, void (*wake)(void *ctx), void *wake_ctx)
{
    *snapshots = (struct fy_snapshots){.wake = wake, .wake_ctx = wake_ctx};
    (void)pthread_mutex_init(&snapshots->mu, NULL); /* cannot fail for a default mutex on Linux */
    fy_list_init(&snapshots->sending);
    fy_list_init(&snapshots->arrived);
}

void fy_snapshots_release(struct fy_snapshots *snapshots)
{
    struct fy_node *node;

    assert(fy_list_is_empty(&snapshots->sending));
    while ((node = fy_list_take_first(&snapshots->arrived)))
        body_free(fy_container(node, struct body, node));
    pthread_mutex_destroy(&snapshots->mu);
}
