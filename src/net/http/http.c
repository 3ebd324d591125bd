/*
 * http - the net on real sockets, put together: a loop, a client on it, and a server on it.
 */
#include "net/http/http.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "ferry/ferry.h"
#include "net/http/client.h"
#include "net/http/exchange.h"
#include "net/http/loop.h"
#include "net/http/outflow.h"
#include "net/http/pool.h"
#include "net/http/server.h"
#include "net/http/upgrade.h"

struct fy_http {
    struct fy_net net;
    struct fy_http_config cfg; /* with its defaults filled in; const after new */
    struct fy_loop loop;
    struct fy_client client;
    struct fy_server server;
    uint64_t random_state; /* the loop's */
};

static struct fy_http *http_of(struct fy_net *net)
{
    return fy_container(net, struct fy_http, net);
}

static const struct fy_http *http_of_const(const struct fy_net *net)
{
    return fy_container_const(net, struct fy_http, net);
}

void fy_http_run(struct fy_net *net)
{
    fy_loop_run(&http_of(net)->loop);
}

void fy_http_run_once(struct fy_net *net, int timeout_ms)
{
    fy_loop_run_once(&http_of(net)->loop, timeout_ms);
}

void fy_http_stop(struct fy_net *net)
{
    fy_loop_stop(&http_of(net)->loop);
}

int fy_http_fd(const struct fy_net *net)
{
    return http_of_const(net)->loop.epoll_fd;
}

int fy_http_timeout_ms(const struct fy_net *net)
{
    return fy_loop_timeout_ms(&http_of_const(net)->loop);
}

/* ---- The net's own functions ---- */

static int net_call(struct fy_net *net, const struct fy_call_spec *spec, const struct fy_call_events *events, void *arg,
                    struct fy_call **ret_call)
{
    return fy_client_call(&http_of(net)->client, spec, events, arg, ret_call);
}

static int net_duplex(struct fy_net *net, const struct fy_duplex_spec *spec, const struct fy_duplex_events *events,
                      void *arg, struct fy_duplex **ret_duplex)
{
    struct fy_http *http = http_of(net);

    return fy_client_duplex(&http->client, &http->server.duplexes, spec, events, arg, ret_duplex);
}

static int net_listen(struct fy_net *net, const char *url, fy_request_fn *fn, void *arg,
                      struct fy_listener **ret_listener, char *ret_detail, size_t detail_size)
{
    return fy_server_listen(&http_of(net)->server, url, fn, arg, ret_listener, ret_detail, detail_size);
}

static uint64_t net_now_ns(const struct fy_net *net)
{
    return http_of_const(net)->loop.now_ns;
}

static uint64_t net_unix_ns(const struct fy_net *net)
{
    (void)net;
    return fy_clock_ns(CLOCK_REALTIME);
}

static uint64_t net_coarse_ns(const struct fy_net *net)
{
    (void)net;
    return fy_clock_ns(CLOCK_MONOTONIC_COARSE);
}

/* splitmix64: any seed is good, and two nets hardly ever share one. */
static uint64_t net_random(struct fy_net *net)
{
    uint64_t z = http_of(net)->random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static struct fy_timers *net_timers(struct fy_net *net)
{
    return &http_of(net)->loop.timers;
}

static void net_wake(struct fy_net *net)
{
    fy_loop_wake(&http_of(net)->loop);
}

static void net_set_on_wake(struct fy_net *net, void (*on_wake)(void *arg), void *arg)
{
    fy_loop_set_on_wake(&http_of(net)->loop, on_wake, arg);
}

/* Calls have tables of their own (client.c, post_call.c). */
static const struct fy_net_ops http_ops = {
    .call = net_call,
    .duplex = net_duplex,
    .listen = net_listen,
    .listener_url = fy_server_listener_url,
    .listener_close = fy_server_listener_close,
    .request_method = fy_server_request_method,
    .request_path = fy_server_request_path,
    .request_query = fy_server_request_query,
    .request_remote = fy_server_request_remote,
    .request_header = fy_server_request_header,
    .request_body_len = fy_server_request_body_len,
    .request_is_from = fy_server_request_is_from,
    .request_set_known = fy_server_request_set_known,
    .request_set_events = fy_server_request_set_events,
    .request_pause_body = fy_server_request_pause_body,
    .request_resume_body = fy_server_request_resume_body,
    .request_reply = fy_server_request_reply,
    .request_abort = fy_server_request_abort,
    .request_stream = fy_server_outflow_begin,
    .request_upgrade = fy_server_request_upgrade,
    .duplex_wake = fy_http_duplex_wake,
    .duplex_pause = fy_http_duplex_pause,
    .duplex_resume = fy_http_duplex_resume,
    .duplex_end = fy_http_duplex_end,
    .duplex_abort = fy_http_duplex_abort,
    .duplex_vitals = fy_server_duplex_vitals,
    .outflow_wake = fy_server_outflow_wake,
    .outflow_end = fy_server_outflow_end,
    .outflow_abort = fy_server_outflow_abort,
    .outflow_vitals = fy_server_outflow_vitals,
    .now_ns = net_now_ns,
    .unix_ns = net_unix_ns,
    .coarse_ns = net_coarse_ns,
    .random = net_random,
    .timers = net_timers,
    .wake = net_wake,
    .set_on_wake = net_set_on_wake,
};

/* ---- Life ---- */

static void set_config(struct fy_http *http, const struct fy_http_config *cfg)
{
    http->cfg = *cfg;
    if (http->cfg.write_timeout_ms == 0)
        http->cfg.write_timeout_ms = 5000;
    if (http->cfg.idle_timeout_s == 0)
        http->cfg.idle_timeout_s = 10;
    if (http->cfg.max_connections == 0)
        http->cfg.max_connections = 1024;
    if (http->cfg.reserved_connections > http->cfg.max_connections / 2)
        http->cfg.reserved_connections = http->cfg.max_connections / 2;
    if (http->cfg.max_per_address == 0)
        http->cfg.max_per_address = http->cfg.max_connections;
    if (http->cfg.body_timeout_ms == 0)
        http->cfg.body_timeout_ms = 30000;
}

static void seed_random(struct fy_http *http)
{
    if (getrandom(&http->random_state, sizeof(http->random_state), GRND_NONBLOCK) < 0)
        http->random_state = http->loop.now_ns ^ (uintptr_t)http; /* early in boot; jitter needs no better */
}

int fy_http_new(const struct fy_http_config *cfg, struct fy_net **ret_net)
{
    struct fy_http *http = calloc(1, sizeof(*http));
    int err;

    if (!http)
        return FERRY_ERR_NOMEM;
    http->net.ops = &http_ops;
    set_config(http, cfg);
    err = fy_loop_init(&http->loop, UINT64_C(1000) * cfg->busy_poll_us);
    if (err)
        goto free_http;
    seed_random(http);
    fy_server_init(&http->server, &http->loop, &http->cfg, &http_ops); /* it works before the client does */
    err = fy_client_init(&http->client, &http->loop, &http->cfg);
    if (err)
        goto release_server;
    *ret_net = &http->net;
    return FERRY_OK;

release_server:
    fy_server_release(&http->server);
    fy_loop_release(&http->loop);
free_http:
    free(http);
    return err;
}

void fy_http_free(struct fy_net *net)
{
    struct fy_http *http;

    if (!net)
        return;
    http = http_of(net);
    fy_client_release(&http->client);
    fy_server_release(&http->server);
    fy_loop_release(&http->loop);
    free(http);
}
