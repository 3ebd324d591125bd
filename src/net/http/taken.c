/*
 * taken - streams without curl.
 *
 * Curl makes a stream's connection, asks, and reads the answer's head.  If then a body in chunks follows, as from every
 * member, and the connection is not TLS, its bytes are read here from then on, once a turn and no more than a share:
 * curl is rid of it, but for the descriptor.  That spares a copy, what curl does for each read, and what its handle
 * holds.
 *
 * Curl must not read on behind the head, and it looks at a connection again after it has read from it: so it is paused
 * from inside its callback, and the connection is taken when that has returned.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "net/http/call.h"

#define STREAM_READ ((size_t)256 << 10) /* of a stream in one turn, before others are looked at */
#define MIN_ROOM ((size_t)8 << 10)      /* a shorter place for what is read is not worth while */
#define BEHIND_ROOM ((size_t)4 << 10)   /* what is read beyond such a place */

int fy_client_deliver_chunks(struct fy_call *call, const uint8_t *data, size_t len)
{
    int got = FY_CHUNKS_BODY;

    while (got == FY_CHUNKS_BODY && !call->is_canceled) {
        size_t used = 0, n = 0;

        got = fy_chunks_feed(&call->chunks, data, len, &used, &n);
        if (got == FY_CHUNKS_BODY)
            fy_client_deliver_body(call, data + used - n, n);
        data += used;
        len -= used;
    }
    if (got == FERRY_ERR_PROTOCOL)
        (void)snprintf(call->error, sizeof(call->error), "a malformed chunk");
    return got;
}

void fy_client_stop_reading(struct fy_call *call)
{
    call->is_held = true; /* first, for curl gives the descriptor back from inside, or later */
    if (curl_easy_pause(call->easy, CURLPAUSE_ALL) != CURLE_OK)
        call->is_held = false; /* the answer has ended: its message says so */
}

static void end_stream(struct fy_call *call, CURLcode code, int err)
{
    call->err = err;
    fy_client_leave(call);
    fy_client_finish(call, code);
}

/*
 * Where the next bytes go: as far as the owner has a place for what is left of the chunk, to there; the rest, or all,
 * to the buffer.  That is kept short behind a place, for what comes to lie in it has to be copied.
 */
static void place(struct fy_call *call, struct iovec to[2])
{
    uint64_t left = fy_chunks_left(&call->chunks);
    size_t cap = 0;
    uint8_t *room = left > 0 && call->events.room ? call->events.room(call->arg, &cap) : NULL;

    if (cap > left)
        cap = (size_t)left;
    if (cap > STREAM_READ)
        cap = STREAM_READ;
    if (!room || cap < MIN_ROOM)
        cap = 0;
    to[0] = (struct iovec){.iov_base = room, .iov_len = cap};
    to[1] = (struct iovec){.iov_base = call->client->loop->scratch, .iov_len = cap > 0 ? BEHIND_ROOM : FY_LOOP_SCRATCH};
}

/* Bytes came: hand them on. */
static int deliver_placed(struct fy_call *call, const struct iovec to[2], size_t len)
{
    size_t placed = len < to[0].iov_len ? len : to[0].iov_len;
    int got = FY_CHUNKS_NOTHING;

    call->client->in_curl = true; /* so that a call that is cancelled lives on until this returns */
    if (placed > 0)
        got = fy_client_deliver_chunks(call, to[0].iov_base, placed);
    if (got == FY_CHUNKS_NOTHING && !call->is_canceled && len > placed)
        got = fy_client_deliver_chunks(call, to[1].iov_base, len - placed);
    call->client->in_curl = false;
    return got;
}

/* The connection has ended, or fails. */
static void end_read(struct fy_call *call, ssize_t n)
{
    if (n == 0) {
        (void)snprintf(call->error, sizeof(call->error), "the connection was closed within the answer");
        end_stream(call, CURLE_PARTIAL_FILE, FERRY_ERR_EOF);
    } else if (errno != EAGAIN && errno != EINTR) {
        (void)snprintf(call->error, sizeof(call->error), "%s", strerror(errno));
        end_stream(call, CURLE_RECV_ERROR, FERRY_ERR_RESET);
    }
}

/* A connection that was taken is readable: read until it is empty, or has had its share. */
static void read_stream(struct fy_watch *watch, uint32_t events)
{
    struct fy_call *call = fy_container(watch, struct fy_call, watch);
    size_t n_read = 0;
    bool is_empty = false;

    (void)events; /* an error and an end are told by the read, too */
    while (!is_empty && n_read < STREAM_READ && !call->is_canceled) {
        struct iovec to[2];
        ssize_t n;
        int got;

        place(call, to);
        n = readv(call->fd, to, 2);
        if (n <= 0) {
            end_read(call, n);
            return;
        }
        got = deliver_placed(call, to, (size_t)n);
        if (got < 0 || got == FY_CHUNKS_END) {
            if (!call->is_canceled)
                end_stream(call, CURLE_OK, got == FY_CHUNKS_END ? FERRY_OK : got);
            return;
        }
        n_read += (size_t)n;
        is_empty = (size_t)n < to[0].iov_len + to[1].iov_len;
    }
}

/*
 * The connection is ours alone: what curl holds for it - its handle, what it knows of the connection, buffers, some
 * twenty kilobytes - goes, for a stream may stand for months.
 */
static void take(struct fy_call *call)
{
    call->is_taken = true; /* first, so that the descriptor is neither closed nor forgotten */
    fy_client_leave_curl(call);
    fy_client_free_easy(call);
    curl_slist_free_all(call->headers);
    call->headers = NULL;
}

/* Curl has handed on all that it read, which is more than the head as a rule: from here on the connection is ours. */
void fy_client_take_headed(struct fy_client *client)
{
    for (struct fy_node *node; (node = fy_list_take_first(&client->calls_headed));) {
        struct fy_call *call = fy_container(node, struct fy_call, rest_node);

        if (call->is_canceled || call->fd < 0)
            continue;
        take(call);
        if (fy_watch_start(client->loop, &call->watch, call->fd, EPOLLIN, read_stream) != FERRY_OK)
            end_stream(call, CURLE_OUT_OF_MEMORY, FERRY_ERR_NOMEM);
    }
}
