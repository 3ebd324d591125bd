/*
 * client - what net.h offers to those who call.
 *
 * A GET on a connection of its own, which is what streams are, is read here (get.c), and so is one that asks for another
 * protocol (client_duplex.c); all other calls are curl's from beginning to end (post_call.c).
 */
#include "net/http/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "net/http/client_duplex.h"

/* ---- Streams ---- */

struct stream_call {
    struct fy_net_object object; /* first: the seam's handle */
    struct fy_get get;
};

static struct stream_call *stream_of(struct fy_call *call)
{
    return (struct stream_call *)(void *)call;
}

static void stream_cancel(struct fy_call *call)
{
    fy_get_close(&stream_of(call)->get);
}

static bool stream_vitals(const struct fy_call *call, struct fy_vitals *ret_vitals)
{
    return fy_get_vitals(&((const struct stream_call *)(const void *)call)->get, ret_vitals);
}

/* A stream's request has no body. */
static void stream_wake(struct fy_call *call)
{
    (void)call;
}

static const struct fy_net_ops stream_ops = {
    .call_cancel = stream_cancel, .call_wake = stream_wake, .call_vitals = stream_vitals};

static int start_stream(struct fy_client *client, const struct fy_call_spec *spec, const struct fy_call_events *events,
                        void *arg, struct fy_call **ret_call)
{
    const struct fy_get_spec get_spec = {
        .dial = {.url = spec->url,
                 .connect_timeout_ms = spec->connect_timeout_ms,
                 .handshake_timeout_ms = spec->handshake_timeout_ms,
                 .member = spec->member},
        .headers = spec->headers,
        .n_headers = spec->n_headers};
    struct stream_call *stream = calloc(1, sizeof(*stream));
    int err;

    if (!stream)
        return FERRY_ERR_NOMEM;
    stream->object.ops = &stream_ops;
    stream->get.events = *events;
    stream->get.arg = arg;
    stream->get.memory = stream;
    err = fy_get_start(&stream->get, &client->gets, &client->transfers, &get_spec);
    if (err) {
        free(stream);
        return err;
    }
    *ret_call = (struct fy_call *)&stream->object;
    return FERRY_OK;
}

/* ---- All calls ---- */

int fy_client_call(struct fy_client *client, const struct fy_call_spec *spec, const struct fy_call_events *events,
                   void *arg, struct fy_call **ret_call)
{
    assert(strcmp(spec->method, "GET") == 0 || strcmp(spec->method, "POST") == 0);
    if (spec->own_connection && strcmp(spec->method, "GET") == 0)
        return start_stream(client, spec, events, arg, ret_call);
    return fy_post_call_start(&client->posts, spec, events, arg, ret_call);
}

int fy_client_duplex(struct fy_client *client, struct fy_duplexes *duplexes, const struct fy_duplex_spec *spec,
                     const struct fy_duplex_events *events, void *arg, struct fy_duplex **ret_duplex)
{
    return fy_client_duplex_start(duplexes, &client->gets, &client->transfers, spec, events, arg, ret_duplex);
}

/* ---- Its part in the loop ---- */

static bool client_has_work(const struct fy_loop_part *part)
{
    const struct fy_client *client = fy_container_const(part, struct fy_client, part);

    return fy_transfers_have_work(&client->transfers) || fy_gets_have_work(&client->gets) ||
           fy_post_calls_have_work(&client->posts);
}

static void client_work(struct fy_loop_part *part)
{
    struct fy_client *client = fy_container(part, struct fy_client, part);

    fy_gets_work(&client->gets);
    fy_post_calls_work(&client->posts);
    if (fy_transfers_work(&client->transfers))
        fy_post_calls_end_closed(&client->posts);
}

static void client_end_turn(struct fy_loop_part *part)
{
    fy_gets_end_turn(&fy_container(part, struct fy_client, part)->gets);
}

static const struct fy_loop_part_ops part_ops = {
    .has_work = client_has_work, .work = client_work, .end_turn = client_end_turn};

/* ---- Life ---- */

int fy_client_init(struct fy_client *client, struct fy_loop *loop, const struct fy_http_config *cfg)
{
    *client = (struct fy_client){.part = {.ops = NULL}};
    fy_loop_add_part(loop, &client->part, &part_ops);
    fy_gets_init(&client->gets);
    fy_post_calls_init(&client->posts, &client->transfers);
    return fy_transfers_init(&client->transfers, loop, cfg);
}

void fy_client_release(struct fy_client *client)
{
    fy_transfers_release(&client->transfers);
}
