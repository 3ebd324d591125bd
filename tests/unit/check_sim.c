/*
 * check_sim - the network in memory, as its users see it through net.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "net/net.h"
#include "net/sim/sim.h"

#define MAX_BYTES (1u << 20)
#define ms(n) ((n)*FY_SIM_MS)

static struct fy_sim *sim;
static struct fy_sim_node *node_a; /* dials */
static struct fy_sim_node *node_b; /* listens on port 80 */
static struct fy_net *net_a;
static struct fy_net *net_b;

/* A check for callbacks: ck_assert allocates, which a failing heap does not forgive. */
#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("%s", #condition);                                                                            \
    } while (0)

/* ---- A client that writes down what happens to it ---------------------------------------------------------------- */

enum { AT_HEAD = 1, AT_BODY, AT_END };

struct client {
    struct fy_call *call; /* NULL: over */
    int cancel_at;
    int status;
    char header[32]; /* X-Test of the answer */
    uint8_t *bytes;
    size_t n_bytes;
    size_t n_runs;
    size_t n_events;
    uint64_t connection; /* that the last event was about */
    bool has_ended;
    int err;
    uint64_t ended_ns;
};

static void maybe_cancel(struct client *client, int at)
{
    client->n_events++;
    client->connection = fy_sim_event_connection(sim);
    if (client->cancel_at != at)
        return;
    fy_call_cancel(client->call);
    client->call = NULL;
}

static void on_head(void *arg, const struct fy_answer *answer)
{
    struct client *client = arg;
    const char *value = fy_answer_header(answer, "x-TEST");

    must(client->status == 0);
    client->status = answer->status;
    snprintf(client->header, sizeof(client->header), "%s", value ? value : "");
    maybe_cancel(client, AT_HEAD);
}

static void on_body(void *arg, const uint8_t *data, size_t len)
{
    struct client *client = arg;

    must(client->status != 0);
    must(len > 0);
    must(client->n_bytes + len <= MAX_BYTES);
    if (client->cancel_at == AT_BODY)
        maybe_cancel(client, AT_BODY); /* the bytes are still there */
    memcpy(client->bytes + client->n_bytes, data, len);
    client->n_bytes += len;
    client->n_runs++;
}

static void on_end(void *arg, int err, const char *detail)
{
    struct client *client = arg;

    must(!client->has_ended);
    must(detail != NULL);
    client->has_ended = true;
    client->err = err;
    client->ended_ns = fy_sim_now_ns(sim);
    maybe_cancel(client, AT_END);
    client->call = NULL;
}

static const struct fy_call_events client_events = {.on_head = on_head, .on_body = on_body, .on_end = on_end};
static struct client clients[4];

static int dial(struct client *client, const char *url, const void *body, size_t body_len)
{
    struct fy_header headers[] = {{"X-Who", "me"}, {"X-Who", "nobody"}, {"Accept", ""}};
    struct fy_call_spec spec = {.method = body ? "POST" : "GET",
                                .url = url,
                                .headers = headers,
                                .n_headers = 3,
                                .body = body,
                                .body_len = body_len,
                                .own_connection = true,
                                .connect_timeout_ms = 200};

    return fy_net_call(net_a, &spec, &client_events, client, &client->call);
}

static void get(struct client *client, const char *path)
{
    char url[64];

    snprintf(url, sizeof(url), "http://b:80%s", path);
    ck_assert_int_eq(dial(client, url, NULL, 0), FERRY_OK);
}

static void post(struct client *client, const void *body, size_t len)
{
    ck_assert_int_eq(dial(client, "http://b:80/post", body, len), FERRY_OK);
}

/* ---- A server that does by path what it is asked for ------------------------------------------------------------- */

#define MAX_SERVED 4

struct served {
    struct fy_request *req; /* while it waits */
    struct fy_outflow *out; /* while it streams */
    char path[64];
    char query[64];
    char method[8];
    char who[8];
    char remote[32];
    uint8_t *bytes; /* the request's body */
    size_t n_bytes;
    size_t n_runs;
    bool is_body_whole;
    bool is_gone;
    int gone_err; /* of an outflow */
    uint64_t gone_ns;
    size_t to_send;      /* what the outflow's source has ready */
    size_t was_read;     /* and what of it was taken */
    const uint8_t *lent; /* where it lies; NULL: it is copied */
    size_t n_lent;       /* of the runs that were gathered */
    enum { READ_ON, END_AT_READ, ABORT_AT_READ, END_AT_SENT, ABORT_AT_SENT, END_AT_GONE } twist;
};

static struct served served[MAX_SERVED];
static size_t n_served;
static struct fy_listener *listener;

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static bool is_pattern(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i] != pattern(i))
            return false;
    return true;
}

static void source_gather(void *arg, struct fy_gather *g)
{
    struct served *it = arg;

    must(it->out != NULL);
    must(g->max_len > 0);
    if (it->was_read > 0 && (it->twist == END_AT_READ || it->twist == ABORT_AT_READ)) {
        if (it->twist == END_AT_READ)
            fy_outflow_end(it->out);
        else
            fy_outflow_abort(it->out);
        it->out = NULL;
        return;
    }
    if (it->lent) {
        (void)fy_gather_add(g, it->lent + it->was_read, it->to_send - it->was_read);
        it->n_lent += g->n_runs;
        return;
    }
    for (size_t i = it->was_read; i < it->to_send; i++)
        if (fy_gather_add(g, &(uint8_t){pattern(i)}, 1) == 0)
            return;
}

static void source_sent(void *arg, size_t n)
{
    struct served *it = arg;

    must(it->out != NULL);
    it->was_read += n;
    if (it->twist == END_AT_SENT || it->twist == ABORT_AT_SENT) {
        if (it->twist == END_AT_SENT)
            fy_outflow_end(it->out);
        else
            fy_outflow_abort(it->out);
        it->out = NULL;
    }
}

static void source_on_gone(void *arg, int err)
{
    struct served *it = arg;

    must(it->out != NULL);
    if (it->twist == END_AT_GONE)
        fy_outflow_end(it->out);
    it->out = NULL;
    it->is_gone = true;
    it->gone_err = err;
    it->gone_ns = fy_sim_now_ns(sim);
}

static const struct fy_outflow_source source = {
    .gather = source_gather, .sent = source_sent, .on_gone = source_on_gone};

static void serve_on_body(void *arg, const uint8_t *data, size_t len)
{
    struct served *it = arg;

    must(it->req != NULL);
    must(len > 0);
    must(it->n_bytes + len <= MAX_BYTES);
    memcpy(it->bytes + it->n_bytes, data, len);
    it->n_bytes += len;
    it->n_runs++;
}

static void serve_on_body_end(void *arg)
{
    struct served *it = arg;

    must(!it->is_body_whole);
    it->is_body_whole = true;
    if (strcmp(it->path, "/post") == 0) {
        fy_request_reply(it->req, 204, NULL, 0, NULL, 0);
        it->req = NULL;
    }
}

static void serve_on_gone(void *arg)
{
    struct served *it = arg;

    must(it->req != NULL);
    it->req = NULL;
    it->is_gone = true;
}

static const struct fy_request_events serve_events = {
    .on_body = serve_on_body, .on_body_end = serve_on_body_end, .on_gone = serve_on_gone};

static void serve(void *arg, struct fy_request *req)
{
    struct fy_header headers[] = {{"Content-Type", "text/plain"}, {"X-Test", "yes"}};
    struct served *it = &served[n_served++];

    (void)arg;
    must(n_served <= MAX_SERVED);
    snprintf(it->path, sizeof(it->path), "%s", fy_request_path(req));
    snprintf(it->query, sizeof(it->query), "%s", fy_request_query(req));
    snprintf(it->method, sizeof(it->method), "%s", fy_request_method(req));
    snprintf(it->remote, sizeof(it->remote), "%s", fy_request_remote(req));
    snprintf(it->who, sizeof(it->who), "%s", fy_request_header(req, "x-who"));
    must(fy_request_header(req, "x-absent") == NULL);
    if (strcmp(it->path, "/hello") == 0) {
        fy_request_reply(req, 200, headers, 2, "hello", 5);
    } else if (strcmp(it->path, "/big") == 0) {
        uint8_t *body = malloc(300000);

        for (size_t i = 0; body && i < 300000; i++)
            body[i] = pattern(i);
        fy_request_reply(req, body ? 200 : 500, headers, 2, body, body ? 300000 : 0);
        free(body);
    } else if (strcmp(it->path, "/no") == 0) {
        fy_request_abort(req);
    } else if (strcmp(it->path, "/stream") == 0) {
        it->out = fy_request_stream(req, headers, 2, &source, it);
    } else { /* /post and /wait */
        it->req = req;
        fy_request_set_events(req, &serve_events, it);
    }
}

/* Have the outflow send n bytes more. */
static void send_more(struct served *it, size_t n)
{
    it->to_send += n;
    fy_outflow_wake(it->out);
}

/* ---- The fixture ------------------------------------------------------------------------------------------------- */

static void build(uint64_t seed, const struct ferry_sim_config *cfg)
{
    char detail[128] = "";

    memset(served, 0, sizeof(served));
    memset(clients, 0, sizeof(clients));
    n_served = 0;
    for (size_t i = 0; i < MAX_SERVED; i++) {
        served[i].bytes = malloc(MAX_BYTES);
        clients[i].bytes = malloc(MAX_BYTES);
    }
    ck_assert_int_eq(fy_sim_new(seed, cfg, &sim), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "a", &node_a), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "b", &node_b), FERRY_OK);
    net_a = fy_sim_node_net(node_a);
    net_b = fy_sim_node_net(node_b);
    ck_assert_int_eq(fy_net_listen(net_b, "http://b:80", serve, NULL, &listener, detail, sizeof(detail)), FERRY_OK);
}

static void cancel_all(void)
{
    for (size_t i = 0; i < 4; i++) {
        fy_call_cancel(clients[i].call);
        clients[i].call = NULL;
    }
}

static void demolish(void)
{
    cancel_all();
    fy_listener_close(listener);
    listener = NULL;
    fy_sim_free(sim);
    for (size_t i = 0; i < MAX_SERVED; i++) {
        ck_assert_ptr_null(served[i].req);
        ck_assert_ptr_null(served[i].out);
        free(served[i].bytes);
        free(clients[i].bytes);
    }
}

static void rebuild(uint64_t seed, const struct ferry_sim_config *cfg)
{
    demolish();
    build(seed, cfg);
}

static void setup(void)
{
    heap_setup();
    build(1, NULL);
}

static void teardown(void)
{
    demolish();
    heap_teardown();
}

static void run_for(uint64_t ns)
{
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + ns);
}

static void run_out(void)
{
    while (fy_sim_step(sim))
        ck_assert_uint_lt(fy_sim_n_events(sim), 10000000);
}

/* A stream from b to a that stands. */
static struct served *stream(struct client *client)
{
    struct served *it = &served[n_served];

    get(client, "/stream");
    run_for(ms(20));
    ck_assert_ptr_nonnull(it->out);
    ck_assert_int_eq(client->status, 200);
    return it;
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

START_TEST(a_whole_answer_comes_after_the_round_trips_it_takes)
{
    get(&clients[0], "/hello?x=1&y");
    run_out();
    ck_assert_int_eq(clients[0].err, FERRY_OK);
    ck_assert(clients[0].has_ended);
    ck_assert_int_eq(clients[0].status, 200);
    ck_assert_str_eq(clients[0].header, "yes");
    ck_assert_mem_eq(clients[0].bytes, "hello", 5);
    ck_assert_uint_eq(clients[0].n_bytes, 5);
    ck_assert_uint_ge(clients[0].ended_ns, 4 * 100 * FY_SIM_US);
    ck_assert_uint_le(clients[0].ended_ns, 4 * 2 * FY_SIM_MS);
    ck_assert_str_eq(served[0].path, "/hello");
    ck_assert_str_eq(served[0].query, "x=1&y");
    ck_assert_str_eq(served[0].method, "GET");
    ck_assert_str_eq(served[0].who, "me");
    ck_assert_int_eq(strncmp(served[0].remote, "a:", 2), 0);
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
}
END_TEST

START_TEST(a_url_without_path_or_port_is_asked_for_the_root_of_port_80)
{
    ck_assert_int_eq(dial(&clients[0], "http://b?q", NULL, 0), FERRY_OK);
    run_for(ms(20));
    ck_assert_str_eq(served[0].path, "/");
    ck_assert_str_eq(served[0].query, "q");
}
END_TEST

START_TEST(an_answer_larger_than_the_window_comes_whole)
{
    get(&clients[0], "/big");
    run_out();
    ck_assert(clients[0].has_ended && clients[0].err == FERRY_OK);
    ck_assert_uint_eq(clients[0].n_bytes, 300000);
    ck_assert(is_pattern(clients[0].bytes, 300000));
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
}
END_TEST

START_TEST(a_request_that_waits_may_be_answered_at_any_later_time)
{
    get(&clients[0], "/wait");
    run_for(ms(500));
    ck_assert(served[0].is_body_whole);
    ck_assert(!clients[0].has_ended);
    fy_request_reply(served[0].req, 503, NULL, 0, "later", 5);
    served[0].req = NULL;
    ck_assert_int_eq(clients[0].status, 0);
    run_out();
    ck_assert_int_eq(clients[0].status, 503);
    ck_assert(clients[0].has_ended && clients[0].err == FERRY_OK);
    ck_assert_uint_eq(clients[0].n_bytes, 5);
}
END_TEST

START_TEST(an_aborted_request_ends_without_an_answer)
{
    get(&clients[0], "/no");
    get(&clients[1], "/wait");
    run_for(ms(20));
    fy_request_abort(served[1].req);
    served[1].req = NULL;
    run_out();
    ck_assert(clients[0].has_ended && clients[1].has_ended);
    ck_assert_uint_eq(clients[0].connection, 1);
    ck_assert_uint_eq(clients[1].connection, 2);
    ck_assert_uint_eq(fy_sim_event_connection(sim), 0);
    ck_assert_int_eq(clients[0].status, 0);
    ck_assert(clients[0].err == FERRY_ERR_RESET || clients[0].err == FERRY_ERR_EOF);
    ck_assert_int_eq(clients[1].err, FERRY_ERR_EOF);
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
}
END_TEST

START_TEST(a_posted_body_comes_in_order_and_in_pieces)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    uint8_t *body = malloc(200000);

    cfg.weather.pieces_ppm = 1000000;
    rebuild(2, &cfg);
    for (size_t i = 0; i < 200000; i++)
        body[i] = pattern(i);
    post(&clients[0], body, 200000);
    run_out();
    ck_assert_uint_eq(served[0].n_bytes, 200000);
    ck_assert(is_pattern(served[0].bytes, 200000));
    ck_assert_uint_gt(served[0].n_runs, 20);
    ck_assert(served[0].is_body_whole);
    ck_assert_int_eq(clients[0].status, 204);
    ck_assert(clients[0].has_ended && clients[0].err == FERRY_OK);
    free(body);
}
END_TEST

START_TEST(an_answer_may_come_before_the_body_was_read)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    uint8_t *body = calloc(1, 600000);
    size_t n_reset = 0;

    for (uint64_t seed = 0; seed < 20; seed++) {
        cfg.window_bytes = MAX_BYTES;
        rebuild(seed, &cfg);
        ck_assert_int_eq(dial(&clients[0], "http://b:80/hello", body, 200000), FERRY_OK);
        fy_sim_slow(node_b, node_a, ms(20)); /* the answer is late, the body is not */
        ck_assert_int_eq(dial(&clients[1], "http://b:80/hello", body, 600000), FERRY_OK);
        run_out();
        ck_assert_int_eq(clients[0].status, 200);
        ck_assert(clients[0].has_ended && clients[0].err == FERRY_OK);
        ck_assert(clients[1].has_ended); /* more than 256 KiB is not read: a reset may overtake the answer */
        ck_assert(clients[1].err == FERRY_OK || clients[1].err == FERRY_ERR_RESET);
        n_reset += clients[1].err == FERRY_ERR_RESET;
        ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
    }
    ck_assert_uint_gt(n_reset, 2);
    ck_assert_uint_lt(n_reset, 18);
    free(body);
}
END_TEST

/* ---- Streams ----------------------------------------------------------------------------------------------------- */

START_TEST(a_stream_flows_until_it_is_ended)
{
    struct served *it = stream(&clients[0]);

    ck_assert_str_eq(clients[0].header, "yes");
    for (size_t i = 1; i <= 20; i++) {
        send_more(it, i * 1000);
        ck_assert_uint_lt(it->was_read, it->to_send); /* wake reads nothing itself */
        run_for(ms(i % 3));
    }
    run_for(ms(20));
    ck_assert_uint_eq(clients[0].n_bytes, 210000);
    send_more(it, 500);
    run_for(0);
    fy_outflow_end(it->out);
    it->out = NULL;
    run_out();
    ck_assert(clients[0].has_ended && clients[0].err == FERRY_OK);
    ck_assert_uint_eq(clients[0].n_bytes, 210500);
    ck_assert(is_pattern(clients[0].bytes, 210500));
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
}
END_TEST

START_TEST(bytes_can_come_one_at_a_time)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    struct served *it;

    cfg.weather.bytes_ppm = 1000000;
    rebuild(3, &cfg);
    it = stream(&clients[0]);
    send_more(it, 10000);
    run_for(ms(100));
    ck_assert_uint_eq(clients[0].n_runs, 10000);
    ck_assert(is_pattern(clients[0].bytes, 10000));
}
END_TEST

START_TEST(an_aborted_stream_is_a_reset)
{
    struct served *it = stream(&clients[0]);

    send_more(it, 5000);
    run_for(0);
    fy_outflow_abort(it->out);
    it->out = NULL;
    run_out();
    ck_assert(clients[0].has_ended);
    ck_assert_int_eq(clients[0].err, FERRY_ERR_RESET);
    ck_assert(is_pattern(clients[0].bytes, clients[0].n_bytes));
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
}
END_TEST

START_TEST(a_source_may_end_its_outflow_from_inside_read)
{
    struct served *it = stream(&clients[0]);

    it->twist = END_AT_READ;
    send_more(it, 5000);
    run_out();
    ck_assert_ptr_null(it->out);
    ck_assert(clients[0].has_ended && clients[0].err == FERRY_OK);
    ck_assert_uint_eq(clients[0].n_bytes, 5000);

    it = stream(&clients[1]);
    it->twist = ABORT_AT_READ;
    send_more(it, 5000);
    run_out();
    ck_assert_ptr_null(it->out);
    ck_assert(clients[1].has_ended && clients[1].err == FERRY_ERR_RESET);
    ck_assert(!served[0].is_gone && !served[1].is_gone);
}
END_TEST

START_TEST(a_source_may_end_its_outflow_when_bytes_are_sent)
{
    struct served *it = stream(&clients[0]);

    it->twist = END_AT_SENT;
    send_more(it, 50000); /* more than is gathered at once */
    run_out();
    ck_assert_ptr_null(it->out);
    ck_assert(clients[0].has_ended && clients[0].err == FERRY_OK);
    ck_assert_uint_eq(clients[0].n_bytes, it->was_read);
    ck_assert_uint_lt(it->was_read, 50000);

    it = stream(&clients[1]);
    it->twist = ABORT_AT_SENT;
    send_more(it, 50000);
    run_out();
    ck_assert_ptr_null(it->out);
    ck_assert(clients[1].has_ended && clients[1].err == FERRY_ERR_RESET);
    ck_assert(!served[0].is_gone && !served[1].is_gone);
}
END_TEST

START_TEST(a_cancelled_call_is_gone_at_once_and_the_server_learns_of_it_later)
{
    struct served *it = stream(&clients[0]);

    it->twist = END_AT_GONE;
    get(&clients[1], "/wait");
    run_for(ms(20));
    cancel_all();
    ck_assert(!it->is_gone && !served[1].is_gone);
    run_out();
    ck_assert(it->is_gone && served[1].is_gone);
    ck_assert(it->gone_err == FERRY_ERR_EOF || it->gone_err == FERRY_ERR_RESET);
    ck_assert(!clients[0].has_ended && !clients[1].has_ended);
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
}
END_TEST

START_TEST(a_call_may_be_cancelled_from_any_of_its_events)
{
    for (int at = AT_HEAD; at <= AT_END; at++) {
        size_t n_events;

        rebuild(4, NULL);
        clients[0].cancel_at = at;
        get(&clients[0], "/hello");
        run_out();
        ck_assert_ptr_null(clients[0].call);
        n_events = clients[0].n_events;
        ck_assert_uint_eq(n_events, at == AT_HEAD ? 1 : 2); /* on_body counts only when it cancels */
        ck_assert_int_eq(clients[0].has_ended, at == AT_END);
        ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
    }
    clients[1].call = NULL;
    fy_call_cancel(NULL);
    fy_outflow_end(NULL);
    fy_outflow_abort(NULL);
    fy_listener_close(NULL);
}
END_TEST

START_TEST(a_call_may_be_cancelled_while_it_dials)
{
    get(&clients[0], "/hello");
    cancel_all();
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
    get(&clients[1], "/hello");
    run_for(50 * FY_SIM_US);
    cancel_all();
    run_out();
    ck_assert_uint_eq(n_served, 0);
    ck_assert_uint_eq(clients[0].n_events + clients[1].n_events, 0);
}
END_TEST

START_TEST(connections_overtake_each_other)
{
    size_t first_to_end[2] = {0, 0};

    for (uint64_t seed = 0; seed < 50; seed++) {
        rebuild(seed, NULL);
        get(&clients[0], "/hello");
        get(&clients[1], "/hello");
        run_out();
        ck_assert(clients[0].has_ended && clients[1].has_ended);
        first_to_end[clients[1].ended_ns < clients[0].ended_ns]++;
    }
    ck_assert_uint_gt(first_to_end[0], 5);
    ck_assert_uint_gt(first_to_end[1], 5);
}
END_TEST

/* ---- Addresses --------------------------------------------------------------------------------------------------- */

START_TEST(a_port_without_a_listener_refuses)
{
    ck_assert_int_eq(dial(&clients[0], "http://b:81/", NULL, 0), FERRY_OK);
    ck_assert_int_eq(dial(&clients[1], "http://nowhere:80/", NULL, 0), FERRY_OK);
    ck_assert(!clients[0].has_ended && !clients[1].has_ended);
    run_out();
    ck_assert_int_eq(clients[0].err, FERRY_ERR_CONNECT);
    ck_assert_int_eq(clients[1].err, FERRY_ERR_CONNECT);
    ck_assert_uint_ge(clients[0].ended_ns, 200 * FY_SIM_US);
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
}
END_TEST

START_TEST(urls_that_are_none_are_refused_at_once)
{
    static const char *const bad[] = {
        "",           "b:80",        "https://b:80",   "http://",          "http://:80", "http://b:x",
        "http://b:/", "http://b:-1", "http://b:65536", "http://b:0800000", "http:///x",  "http://b:8 0/",
        NULL};
    struct fy_listener *other = NULL;
    char detail[64];

    for (size_t i = 0; bad[i]; i++) {
        ck_assert_int_eq(dial(&clients[0], bad[i], NULL, 0), FERRY_ERR_URL);
        ck_assert_int_eq(fy_net_listen(net_b, bad[i], serve, NULL, &other, detail, sizeof(detail)), FERRY_ERR_URL);
    }
    ck_assert_ptr_null(clients[0].call);
    ck_assert_ptr_null(other);
}
END_TEST

START_TEST(a_listener_binds_its_own_host_and_a_free_port)
{
    struct fy_listener *other = NULL;
    struct fy_listener *another = NULL;
    char detail[64] = "";

    ck_assert_str_eq(fy_listener_url(listener), "http://b:80");
    ck_assert_int_eq(fy_net_listen(net_b, "http://b:80", serve, NULL, &other, detail, sizeof(detail)),
                     FERRY_ERR_LISTEN);
    ck_assert_ptr_nonnull(strstr(detail, "in use"));
    ck_assert_int_eq(fy_net_listen(net_b, "http://a:81", serve, NULL, &other, detail, sizeof(detail)),
                     FERRY_ERR_LISTEN);
    ck_assert_ptr_nonnull(strstr(detail, "not this node's host"));
    ck_assert_int_eq(fy_net_listen(net_b, "http://b:0", serve, NULL, &other, detail, sizeof(detail)), FERRY_OK);
    ck_assert_int_eq(fy_net_listen(net_b, "http://b:0", serve, NULL, &another, detail, sizeof(detail)), FERRY_OK);
    ck_assert_str_ne(fy_listener_url(other), fy_listener_url(another));
    ck_assert_int_eq(dial(&clients[0], fy_listener_url(another), NULL, 0), FERRY_OK);
    run_for(ms(20));
    ck_assert_uint_eq(n_served, 1);
    cancel_all();
    fy_listener_close(other);
    fy_listener_close(another);
    ck_assert(served[0].is_gone);
}
END_TEST

START_TEST(closing_a_listener_ends_what_came_by_it)
{
    stream(&clients[0]);
    get(&clients[1], "/wait");
    run_for(ms(20));
    get(&clients[2], "/hello");
    fy_listener_close(listener);
    listener = NULL;
    ck_assert(served[0].is_gone && served[1].is_gone); /* from inside */
    ck_assert(!clients[0].has_ended);
    run_out();
    ck_assert(clients[0].err == FERRY_ERR_EOF || clients[0].err == FERRY_ERR_RESET);
    ck_assert(clients[1].err == FERRY_ERR_EOF || clients[1].err == FERRY_ERR_RESET);
    ck_assert_int_eq(clients[2].err, FERRY_ERR_CONNECT);
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
}
END_TEST

/* ---- Cuts -------------------------------------------------------------------------------------------------------- */

START_TEST(a_dial_over_a_cut_link_times_out)
{
    for (int way = 0; way < 2; way++) { /* there, and back */
        uint64_t began_ns;

        rebuild(5, NULL);
        began_ns = fy_sim_now_ns(sim);
        fy_sim_cut(way == 0 ? node_a : node_b, way == 0 ? node_b : node_a);
        get(&clients[0], "/hello");
        run_out();
        ck_assert_int_eq(clients[0].err, FERRY_ERR_TIMEOUT);
        ck_assert_uint_eq(clients[0].ended_ns, began_ns + ms(200));
        ck_assert_uint_eq(n_served, 0);
        fy_sim_heal_all(sim);
        run_out();
        ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
    }
}
END_TEST

START_TEST(a_dial_that_waits_at_a_cut_goes_on_after_it)
{
    fy_sim_cut(node_a, node_b);
    get(&clients[0], "/hello");
    run_for(ms(150));
    ck_assert_uint_eq(n_served, 0);
    fy_sim_heal(node_a, node_b);
    ck_assert_uint_eq(n_served, 0);
    run_out();
    ck_assert(clients[0].has_ended && clients[0].err == FERRY_OK);
}
END_TEST

START_TEST(what_is_sent_over_a_cut_link_arrives_after_it)
{
    struct served *it = stream(&clients[0]);

    send_more(it, 1000);
    run_for(ms(20));
    fy_sim_cut(node_b, node_a);
    send_more(it, 2000);
    run_for(ms(1000));
    send_more(it, 3000);
    run_for(ms(1000));
    ck_assert_uint_eq(clients[0].n_bytes, 1000);
    fy_sim_heal(node_a, node_b); /* the other way: changes nothing */
    run_for(ms(100));
    ck_assert_uint_eq(clients[0].n_bytes, 1000);
    fy_sim_heal(node_b, node_a);
    run_for(ms(10));
    ck_assert_uint_eq(clients[0].n_bytes, 6000);
    ck_assert(is_pattern(clients[0].bytes, 6000));
}
END_TEST

START_TEST(bad_weather_has_sources_lend_at_times)
{
    const struct ferry_sim_weather weather = {.min_delay_ns = 1, .max_delay_ns = 1, .pieces_ppm = 500000};
    static uint8_t bytes[200000];
    struct served *it = stream(&clients[0]);

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = pattern(i);
    it->lent = bytes;
    fy_sim_set_weather(sim, &weather);
    send_more(it, sizeof(bytes));
    run_out();
    ck_assert_uint_eq(clients[0].n_bytes, sizeof(bytes));
    ck_assert(is_pattern(clients[0].bytes, clients[0].n_bytes));
    ck_assert_uint_gt(it->n_lent, 0);
}
END_TEST

START_TEST(a_source_is_read_no_further_than_the_window_and_times_out)
{
    struct served *it = stream(&clients[0]);
    uint64_t cut_ns = fy_sim_now_ns(sim);

    fy_sim_cut(node_b, node_a);
    send_more(it, 200000);
    run_for(ms(4999));
    ck_assert_uint_eq(it->was_read, 64u << 10);
    ck_assert(!it->is_gone);
    run_for(ms(2));
    ck_assert(it->is_gone);
    ck_assert_int_eq(it->gone_err, FERRY_ERR_TIMEOUT);
    ck_assert_uint_eq(it->gone_ns, cut_ns + ms(5000));
    ck_assert(!clients[0].has_ended);
    fy_sim_heal_all(sim);
    run_out();
    ck_assert_int_eq(clients[0].err, FERRY_ERR_RESET);
    ck_assert(is_pattern(clients[0].bytes, clients[0].n_bytes));
}
END_TEST

START_TEST(a_full_window_that_empties_in_time_goes_on)
{
    struct served *it = stream(&clients[0]);

    for (int i = 0; i < 4; i++) {
        fy_sim_cut(node_b, node_a);
        send_more(it, 200000);
        run_for(ms(4900));
        fy_sim_heal(node_b, node_a);
        run_for(ms(200));
        ck_assert(!it->is_gone);
        ck_assert_uint_eq(clients[0].n_bytes, it->to_send);
    }
    ck_assert(is_pattern(clients[0].bytes, clients[0].n_bytes));
}
END_TEST

START_TEST(a_window_that_is_full_all_the_time_but_moves_goes_on)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    struct served *it;

    cfg.window_bytes = 100;
    cfg.write_timeout_ms = 20;
    rebuild(7, &cfg);
    it = stream(&clients[0]);
    send_more(it, 200000);
    run_for(ms(500));
    ck_assert(!it->is_gone);
    ck_assert_uint_gt(clients[0].n_bytes, 5000);
    ck_assert_uint_lt(clients[0].n_bytes, 200000);
}
END_TEST

START_TEST(without_acknowledgements_the_window_fills_though_the_bytes_arrive)
{
    struct served *it = stream(&clients[0]);

    fy_sim_cut(node_a, node_b);
    send_more(it, 200000);
    run_for(ms(100));
    ck_assert_uint_eq(clients[0].n_bytes, 64u << 10);
    ck_assert_uint_eq(it->was_read, 64u << 10);
    fy_sim_heal(node_a, node_b);
    run_for(ms(100));
    ck_assert_uint_eq(clients[0].n_bytes, 200000);
    fy_sim_cut(node_a, node_b);
    send_more(it, 200000);
    run_for(ms(5100));
    ck_assert(it->is_gone);
    ck_assert_int_eq(it->gone_err, FERRY_ERR_TIMEOUT);
}
END_TEST

START_TEST(a_slow_link_is_slow_in_its_direction_alone)
{
    fy_sim_slow(node_a, node_b, ms(50));
    get(&clients[0], "/hello");
    run_out();
    ck_assert_uint_ge(clients[0].ended_ns, ms(100));
    ck_assert_uint_le(clients[0].ended_ns, ms(108));
    fy_sim_heal_all(sim);
    get(&clients[1], "/hello");
    run_out();
    ck_assert_uint_le(clients[1].ended_ns, clients[0].ended_ns + ms(8));
}
END_TEST

/* ---- Resets ------------------------------------------------------------------------------------------------------ */

START_TEST(a_reset_connection_tells_both_ends_even_over_a_cut)
{
    struct served *it = stream(&clients[0]);

    get(&clients[1], "/wait");
    run_for(ms(20));
    fy_sim_cut(node_a, node_b);
    fy_sim_cut(node_b, node_a);
    ck_assert_uint_eq(fy_sim_reset_connections(node_b, node_a, FERRY_SIM_RESET_BOTH), 2);
    ck_assert(!it->is_gone && !clients[0].has_ended);
    run_for(ms(20));
    ck_assert(it->is_gone && served[1].is_gone);
    ck_assert_int_eq(it->gone_err, FERRY_ERR_RESET);
    ck_assert_int_eq(clients[0].err, FERRY_ERR_RESET);
    ck_assert_int_eq(clients[1].err, FERRY_ERR_RESET);
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
}
END_TEST

START_TEST(a_half_open_connection_is_noticed_by_the_next_write)
{
    size_t n_client_knew = 0;

    for (uint64_t seed = 0; seed < 20; seed++) {
        struct served *it;

        rebuild(seed, NULL);
        it = stream(&clients[0]);
        ck_assert_uint_eq(fy_sim_reset_connections(node_a, node_b, FERRY_SIM_RESET_ONE), 1);
        run_for(ms(1000));
        ck_assert_int_ne(clients[0].has_ended, it->is_gone); /* one knows, the other does not */
        if (it->is_gone)
            continue; /* a reader that never writes can only find out by itself */
        n_client_knew++;
        send_more(it, 1);
        run_for(ms(20));
        ck_assert(it->is_gone);
        ck_assert_int_eq(it->gone_err, FERRY_ERR_RESET);
        ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
    }
    ck_assert_uint_gt(n_client_knew, 2);
    ck_assert_uint_lt(n_client_knew, 18);
}
END_TEST

START_TEST(random_resets_leave_a_clean_beginning)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    size_t n_broken = 0;

    cfg.weather.resets_ppm = 20000;
    cfg.weather.pieces_ppm = 500000;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct served *it;

        rebuild(seed, &cfg);
        it = stream(&clients[0]);
        send_more(it, 100000);
        run_for(ms(200));
        ck_assert(is_pattern(clients[0].bytes, clients[0].n_bytes));
        ck_assert_int_eq(clients[0].has_ended, it->is_gone);
        if (!clients[0].has_ended)
            continue;
        ck_assert_int_eq(clients[0].err, FERRY_ERR_RESET);
        ck_assert_int_eq(it->gone_err, FERRY_ERR_RESET);
        n_broken++;
    }
    ck_assert_uint_gt(n_broken, 5);
    ck_assert_uint_lt(n_broken, 50);
}
END_TEST

/* ---- Crashes ----------------------------------------------------------------------------------------------------- */

START_TEST(a_crashed_process_is_reset_and_refuses_until_it_is_back)
{
    struct served *it = stream(&clients[0]);
    char detail[64];

    send_more(it, 5000);
    fy_sim_crash_node(node_b, FERRY_SIM_CRASH_PROCESS);
    ck_assert(!fy_sim_node_is_up(node_b));
    run_for(ms(20));
    ck_assert_int_eq(clients[0].err, FERRY_ERR_RESET);
    ck_assert_uint_eq(it->was_read, 0); /* nothing happens on a node that is down */
    ck_assert(!it->is_gone);
    get(&clients[1], "/hello");
    run_for(ms(20));
    ck_assert_int_eq(clients[1].err, FERRY_ERR_CONNECT);

    fy_listener_close(listener);
    ck_assert(it->is_gone);
    fy_sim_restart_node(node_b);
    ck_assert(fy_sim_node_is_up(node_b));
    ck_assert_int_eq(fy_net_listen(net_b, "http://b:80", serve, NULL, &listener, detail, sizeof(detail)), FERRY_OK);
    get(&clients[2], "/hello");
    run_out();
    ck_assert(clients[2].has_ended && clients[2].err == FERRY_OK);
}
END_TEST

START_TEST(a_crashed_host_sends_nothing)
{
    struct served *it = stream(&clients[0]);

    fy_sim_crash_node(node_b, FERRY_SIM_CRASH_HOST);
    get(&clients[1], "/hello");
    run_for(ms(10000));
    ck_assert(!clients[0].has_ended);
    ck_assert_int_eq(clients[1].err, FERRY_ERR_TIMEOUT);
    fy_listener_close(listener);
    listener = NULL;
    ck_assert(it->is_gone);
    fy_sim_restart_node(node_b);
    get(&clients[2], "/hello");
    run_for(ms(1000));
    ck_assert_int_eq(clients[2].err, FERRY_ERR_CONNECT);
    ck_assert(!clients[0].has_ended); /* it never writes */
}
END_TEST

START_TEST(what_a_cut_held_up_dies_with_its_host)
{
    struct served *it = stream(&clients[0]);

    fy_sim_cut(node_b, node_a);
    send_more(it, 1000);
    run_for(ms(20));
    fy_sim_crash_node(node_b, FERRY_SIM_CRASH_HOST);
    fy_sim_heal_all(sim);
    run_for(ms(1000));
    ck_assert_uint_eq(clients[0].n_bytes, 0);
    ck_assert(!clients[0].has_ended);
}
END_TEST

START_TEST(a_writer_to_a_crashed_host_learns_when_that_is_back)
{
    struct served *it = stream(&clients[0]);

    fy_sim_crash_node(node_a, FERRY_SIM_CRASH_HOST);
    send_more(it, 100);
    run_for(ms(1000));
    ck_assert_uint_eq(it->was_read, 100);
    ck_assert(!it->is_gone);
    cancel_all();
    fy_sim_restart_node(node_a);
    run_for(ms(20));
    ck_assert(it->is_gone);
    ck_assert_int_eq(it->gone_err, FERRY_ERR_RESET);
    ck_assert_uint_eq(clients[0].n_bytes, 0);
}
END_TEST

static size_t n_wakes;

static void on_wake(void *arg)
{
    (void)arg;
    n_wakes++;
}

START_TEST(what_is_called_on_a_crashed_node_does_not_reach_the_network)
{
    struct served *it;

    fy_net_set_on_wake(net_b, on_wake, NULL);
    stream(&clients[0]);
    get(&clients[1], "/wait");
    run_for(ms(20));
    fy_net_wake(net_b);
    fy_sim_crash_node(node_b, FERRY_SIM_CRASH_HOST);
    fy_request_reply(served[1].req, 200, NULL, 0, "x", 1);
    served[1].req = NULL;
    fy_outflow_end(served[0].out);
    served[0].out = NULL;
    fy_net_wake(net_b);
    run_for(ms(1000));
    ck_assert_uint_eq(n_wakes, 0);
    ck_assert(!clients[0].has_ended && !clients[1].has_ended);
    ck_assert_int_eq(clients[1].status, 0);
    cancel_all();
    fy_listener_close(listener);
    listener = NULL;
    fy_sim_restart_node(node_b);

    /* The same for a dialler: its calls wait for ever and can be cancelled. */
    fy_sim_crash_node(node_a, FERRY_SIM_CRASH_PROCESS);
    get(&clients[2], "/hello");
    run_for(ms(1000));
    ck_assert(!clients[2].has_ended);
    ck_assert_uint_eq(n_served, 2);
    cancel_all();
    fy_sim_restart_node(node_a);
    run_out();
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
    it = &served[0];
    ck_assert(!it->is_gone);
}
END_TEST

/* ---- Time, chance, trace ----------------------------------------------------------------------------------------- */

static uint64_t fired_ns[3];

static void on_timer(void *arg)
{
    *(uint64_t *)arg = fy_net_now_ns(net_a);
}

START_TEST(many_wakes_are_one_event)
{
    fy_net_set_on_wake(net_a, on_wake, NULL);
    for (int i = 0; i < 10; i++)
        fy_net_wake(net_a);
    fy_net_wake(net_b); /* without a handler */
    ck_assert_uint_eq(n_wakes, 0);
    run_out();
    ck_assert_uint_eq(n_wakes, 1);
    fy_net_wake(net_a);
    run_out();
    ck_assert_uint_eq(n_wakes, 2);
    ck_assert_uint_eq(fy_sim_now_ns(sim), 0);
}
END_TEST

START_TEST(timers_fire_at_their_time_on_every_clock)
{
    struct fy_timer timers[3] = {{.fn = NULL}};
    uint64_t unix_ms = fy_net_unix_ms(net_a);

    for (size_t i = 0; i < 3; i++)
        fy_timer_init(&timers[i], fy_net_timers(i == 1 ? net_b : net_a), on_timer, &fired_ns[i]);
    fy_timer_set(&timers[0], ms(30));
    fy_timer_set(&timers[1], ms(20));
    fy_timer_set(&timers[2], ms(50));
    fy_sim_run_until(sim, ms(40));
    ck_assert_uint_eq(fired_ns[0], ms(30));
    ck_assert_uint_eq(fired_ns[1], ms(20));
    ck_assert_uint_eq(fired_ns[2], 0);
    ck_assert_uint_eq(fy_sim_now_ns(sim), ms(40));
    ck_assert_uint_eq(fy_net_unix_ms(net_b), unix_ms + 40);
    fy_timer_set(&timers[0], ms(10)); /* has passed: now */
    ck_assert(fy_sim_step(sim));
    ck_assert_uint_eq(fired_ns[0], ms(40));
    fy_sim_crash_node(node_a, FERRY_SIM_CRASH_PROCESS);
    fy_sim_run_until(sim, ms(60));
    ck_assert_uint_eq(fired_ns[2], 0);
    for (size_t i = 0; i < 3; i++)
        fy_timer_unset(&timers[i]);
}
END_TEST

START_TEST(each_node_draws_from_a_stream_of_its_own)
{
    uint64_t first_a = fy_net_random(net_a);
    uint64_t first_b = fy_net_random(net_b);

    ck_assert_uint_ne(first_a, first_b);
    rebuild(1, NULL);
    get(&clients[0], "/hello");
    run_out();
    ck_assert_uint_eq(fy_net_random(net_b), first_b);
    ck_assert_uint_eq(fy_net_random(net_a), first_a);
    rebuild(2, NULL);
    ck_assert_uint_ne(fy_net_random(net_a), first_a);
}
END_TEST

static size_t n_lines;

static void count_line(void *ctx, const char *line)
{
    (void)ctx;
    ck_assert_ptr_nonnull(strstr(line, " ms "));
    n_lines++;
}

/* Something of everything, ending in the trace's hash. */
static uint64_t bad_day(uint64_t seed)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    static uint8_t body[100000];
    struct served *it;

    cfg.weather.pieces_ppm = 300000;
    cfg.weather.resets_ppm = 1000;
    cfg.trace = count_line;
    n_lines = 0;
    rebuild(seed, &cfg);
    post(&clients[0], body, sizeof(body));
    get(&clients[1], "/stream");
    run_for(ms(30));
    fy_sim_cut(node_a, node_b);
    get(&clients[2], "/hello");
    it = strcmp(served[0].path, "/stream") == 0 ? &served[0] : &served[1];
    if (it->out)
        send_more(it, 100000);
    run_for(ms(30));
    fy_sim_heal_all(sim);
    fy_sim_reset_connections(node_a, node_b, FERRY_SIM_RESET_ONE);
    run_for(ms(500));
    fy_sim_crash_node(node_a, FERRY_SIM_CRASH_PROCESS);
    run_for(ms(500));
    ck_assert_uint_eq(n_lines, fy_sim_n_events(sim));
    return fy_sim_trace_hash(sim);
}

START_TEST(the_same_seed_gives_the_same_trace_and_another_seed_another)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        uint64_t hash = bad_day(seed);

        ck_assert_uint_eq(bad_day(seed), hash);
        ck_assert_uint_ne(bad_day(seed + 1), hash);
    }
    ck_assert_uint_gt(n_lines, 50);
}
END_TEST

START_TEST(a_network_that_cannot_be_is_refused)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;
    struct fy_sim *other = NULL;
    struct fy_sim_node *node = NULL;

    cfg.window_bytes = 0;
    ck_assert_int_eq(fy_sim_new(1, &cfg, &other), FERRY_ERR_INVALID);
    cfg.window_bytes = 1;
    cfg.weather.min_delay_ns = cfg.weather.max_delay_ns + 1;
    ck_assert_int_eq(fy_sim_new(1, &cfg, &other), FERRY_ERR_INVALID);
    ck_assert_ptr_null(other);
    ck_assert_int_eq(fy_sim_add_node(sim, "b", &node), FERRY_ERR_EXISTS);
    ck_assert_ptr_null(node);
    fy_sim_free(NULL);
}
END_TEST

START_TEST(a_window_of_one_byte_is_enough)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;

    cfg.window_bytes = 1;
    rebuild(6, &cfg);
    post(&clients[0], "abc", 3);
    get(&clients[1], "/hello");
    run_out();
    ck_assert_uint_eq(served[0].n_bytes + served[1].n_bytes, 3);
    ck_assert(clients[0].has_ended && clients[0].err == FERRY_OK);
    ck_assert_uint_eq(clients[1].n_bytes, 5);
}
END_TEST

/* ---- Without memory ---------------------------------------------------------------------------------------------- */

START_TEST(a_world_without_memory_is_refused_whole)
{
    struct fy_sim *other = NULL;
    struct fy_sim_node *nodes[3] = {NULL};
    static const char *const hosts[] = {"x", "y", "z"};
    int err = FERRY_ERR_NOMEM;
    long live = heap_live();

    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_sim_new(7, NULL, &other);
        for (size_t i = 0; err == FERRY_OK && i < 3; i++)
            err = fy_sim_add_node(other, hosts[i], &nodes[i]);
        ck_assert_int_eq(heap_has_failed(), err == FERRY_ERR_NOMEM);
        heap_fail_at(-1);
        fy_sim_free(other);
        other = NULL;
        ck_assert_int_eq(heap_live(), live);
    }
    ck_assert_int_eq(err, FERRY_OK);
}
END_TEST

START_TEST(listening_survives_every_failed_allocation)
{
    struct fy_listener *other = NULL;
    char detail[64];
    int err = FERRY_ERR_NOMEM;

    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_net_listen(net_b, "http://b:0", serve, NULL, &other, detail, sizeof(detail));
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    fy_listener_close(other);
}
END_TEST

START_TEST(a_call_survives_every_failed_allocation)
{
    int err = FERRY_ERR_NOMEM;

    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = dial(&clients[0], "http://b:80/hello", "body", 4);
        heap_fail_at(-1);
        ck_assert(err == FERRY_OK || !clients[0].call);
        ck_assert_uint_eq(fy_sim_n_connections(sim), err == FERRY_OK);
    }
    ck_assert_int_eq(err, FERRY_OK);
}
END_TEST

/* Each exchange ends either whole or with an error at both ends; none hangs. */
START_TEST(exchanges_survive_every_failed_allocation)
{
    static const struct {
        const char *path;
        int status;
        size_t n_bytes;
    } cases[] = {{"/hello", 200, 5}, {"/stream", 200, 100000}, {"/post", 204, 0}, {"/big", 200, 300000}};
    static uint8_t body[100000];

    for (size_t i = 0; i < 4; i++) {
        bool is_stream = strcmp(cases[i].path, "/stream") == 0;
        bool has_failed = true;
        size_t n_errors = 0;

        for (long nth = 0; has_failed; nth++) {
            rebuild(8, NULL);
            if (strcmp(cases[i].path, "/post") == 0)
                post(&clients[0], body, sizeof(body));
            else
                get(&clients[0], cases[i].path);
            served[0].to_send = 100000;
            heap_fail_at(nth);
            run_for(ms(100));
            has_failed = heap_has_failed();
            heap_fail_at(-1);
            ck_assert_ptr_null(served[0].req);
            if (!clients[0].has_ended || clients[0].err == FERRY_OK) {
                ck_assert_int_eq(clients[0].has_ended, !is_stream);
                ck_assert(clients[0].status == cases[i].status || clients[0].status == 500);
                ck_assert(clients[0].n_bytes == cases[i].n_bytes || clients[0].status == 500);
            } else {
                ck_assert(clients[0].err == FERRY_ERR_RESET || clients[0].err == FERRY_ERR_EOF);
                ck_assert_ptr_null(served[0].out);
                ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
                n_errors++;
            }
        }
        ck_assert_uint_ge(n_errors, 2);
    }
}
END_TEST

int main(void)
{
    return rig_main("sim", setup, teardown, a_whole_answer_comes_after_the_round_trips_it_takes,
                    a_url_without_path_or_port_is_asked_for_the_root_of_port_80,
                    an_answer_larger_than_the_window_comes_whole,
                    a_request_that_waits_may_be_answered_at_any_later_time, an_aborted_request_ends_without_an_answer,
                    a_posted_body_comes_in_order_and_in_pieces, an_answer_may_come_before_the_body_was_read,
                    a_stream_flows_until_it_is_ended, bytes_can_come_one_at_a_time, an_aborted_stream_is_a_reset,
                    a_source_may_end_its_outflow_from_inside_read, a_source_may_end_its_outflow_when_bytes_are_sent,
                    a_cancelled_call_is_gone_at_once_and_the_server_learns_of_it_later,
                    a_call_may_be_cancelled_from_any_of_its_events, a_call_may_be_cancelled_while_it_dials,
                    connections_overtake_each_other, a_port_without_a_listener_refuses,
                    urls_that_are_none_are_refused_at_once, a_listener_binds_its_own_host_and_a_free_port,
                    closing_a_listener_ends_what_came_by_it, a_dial_over_a_cut_link_times_out,
                    a_dial_that_waits_at_a_cut_goes_on_after_it, what_is_sent_over_a_cut_link_arrives_after_it,
                    bad_weather_has_sources_lend_at_times, a_source_is_read_no_further_than_the_window_and_times_out,
                    a_full_window_that_empties_in_time_goes_on, a_window_that_is_full_all_the_time_but_moves_goes_on,
                    without_acknowledgements_the_window_fills_though_the_bytes_arrive,
                    a_slow_link_is_slow_in_its_direction_alone, a_reset_connection_tells_both_ends_even_over_a_cut,
                    a_half_open_connection_is_noticed_by_the_next_write, random_resets_leave_a_clean_beginning,
                    a_crashed_process_is_reset_and_refuses_until_it_is_back, a_crashed_host_sends_nothing,
                    what_a_cut_held_up_dies_with_its_host, a_writer_to_a_crashed_host_learns_when_that_is_back,
                    what_is_called_on_a_crashed_node_does_not_reach_the_network, many_wakes_are_one_event,
                    timers_fire_at_their_time_on_every_clock, each_node_draws_from_a_stream_of_its_own,
                    the_same_seed_gives_the_same_trace_and_another_seed_another, a_network_that_cannot_be_is_refused,
                    a_window_of_one_byte_is_enough, a_world_without_memory_is_refused_whole,
                    listening_survives_every_failed_allocation, a_call_survives_every_failed_allocation,
                    exchanges_survive_every_failed_allocation, NULL);
}
