/*
 * check_duplex - upgraded connections, as their users at both ends see them through net.h, on each net there is.
 *
 * Each test runs once per row of the table of nets.  An end is a struct end, which sends what it was given and notes what
 * came.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/certificates.h"
#include "harness/heap.h"
#include "harness/http_rig.h"
#include "harness/rig.h"
#include "net/net.h"
#include "net/sim/sim.h"
#include "net/tls/tls.h"

#define MAX_BYTES ((size_t)4 << 20)
#define MAX_TURNS 2000000

/* A check for callbacks: ck_assert allocates, which a failing heap does not forgive. */
#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("%s", #condition);                                                                            \
    } while (0)

/* ---- The nets ---------------------------------------------------------------------------------------------------- */

static struct fy_net *client_net;
static struct fy_net *server_net;
static struct fy_listener *listener;

struct net_kind {
    const char *name;
    void (*setup)(void);
    void (*teardown)(void);
    bool (*turn)(void); /* false: no further events */
    const char *url;    /* to listen on */
    void (*cut)(bool is_cut); /* between client and server; NULL: cannot */
};

static struct fy_sim *sim;
static struct fy_sim_node *nodes[2];

static void setup_sim_with(const struct ferry_sim_config *cfg)
{
    heap_setup();
    ck_assert_int_eq(fy_sim_new(7, cfg, &sim), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "a", &nodes[0]), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "b", &nodes[1]), FERRY_OK);
    client_net = fy_sim_node_net(nodes[0]);
    server_net = fy_sim_node_net(nodes[1]);
}

static void setup_sim(void)
{
    setup_sim_with(NULL);
}

static void setup_bad_sim(void)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;

    cfg.weather.pieces_ppm = 500000;
    cfg.weather.bytes_ppm = 1000;
    cfg.window_bytes = 3000;
    setup_sim_with(&cfg);
}

static void teardown_sim(void)
{
    while (fy_sim_step(sim))
        ;
    ck_assert_uint_eq(fy_sim_n_connections(sim), 0);
    fy_sim_free(sim);
    heap_teardown();
}

static bool turn_sim(void)
{
    return fy_sim_step(sim);
}

static void cut_sim(bool is_cut)
{
    (is_cut ? fy_sim_cut : fy_sim_heal)(nodes[0], nodes[1]);
    (is_cut ? fy_sim_cut : fy_sim_heal)(nodes[1], nodes[0]);
}

/* Real sockets, both ends on one net: without TLS and with it. */
static struct fy_tls *tls;

static void setup_http(void)
{
    http_setup();
    client_net = server_net = http_net;
}

static void setup_https(void)
{
    struct fy_http_config http_cfg = *http_default_config();
    struct ferry_tls_config cfg = FERRY_TLS_CONFIG_INIT;
    struct certificate ca, leaf;

    certificates_setup();
    ca = certificate_make(&(struct certificate_spec){.common_name = "ca", .is_ca = true}, NULL);
    leaf = certificate_make(&(struct certificate_spec){.common_name = "leaf", .names = "IP:127.0.0.1"}, &ca);
    cfg.ca_file = certificate_write("ca.pem", &ca, NULL);
    cfg.cert_file = certificate_write("leaf.pem", &leaf, NULL);
    cfg.key_file = certificate_write_key("leaf.key", &leaf);
    ck_assert_int_eq(fy_tls_new(&cfg, http_cfg.log, &tls), FERRY_OK);
    certificate_release(&leaf);
    certificate_release(&ca);
    http_cfg.tls = tls;
    http_setup_with(&http_cfg);
    client_net = server_net = http_net;
}

static void teardown_http(void)
{
    for (int n = 0; n < 5; n++)
        fy_http_run_once(http_net, 1);
    http_teardown();
    fy_tls_free(tls);
    tls = NULL;
}

static bool turn_http(void)
{
    fy_http_run_once(http_net, 1);
    return true;
}

static const struct net_kind kinds[] = {
    {"sim", setup_sim, teardown_sim, turn_sim, "http://b:80", cut_sim},
    {"sim in bad weather", setup_bad_sim, teardown_sim, turn_sim, "http://b:80", cut_sim},
    {"http", setup_http, teardown_http, turn_http, "http://127.0.0.1:0", NULL},
    {"https", setup_https, teardown_http, turn_http, "https://127.0.0.1:0", NULL},
};
#define N_KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

static const struct net_kind *kind;

/* Turn the net until the condition holds. */
#define UNTIL(condition)                                                                                               \
    do {                                                                                                               \
        for (int n_turns = 0; !(condition); n_turns++)                                                                 \
            ck_assert_msg(kind->turn() && n_turns < MAX_TURNS, "%s: timed out waiting for " #condition, kind->name);   \
    } while (0)

/* ---- An end ------------------------------------------------------------------------------------------------------ */

enum what_then { NOTHING, ABORT, END, PAUSE };

struct end {
    struct fy_duplex *duplex; /* NULL: over */
    const uint8_t *out;       /* to be sent */
    size_t out_len;
    size_t n_sent;
    uint8_t *in;
    size_t in_len;
    int status;
    char header[32]; /* X-Test of the answer */
    bool is_paused;
    bool has_room;
    size_t n_roomed;
    size_t n_gathers;
    int n_ends;
    int err;
    const char *then_at; /* "head", "gather", "sent", "data", "room": what to do in that event */
    enum what_then then;
};

static struct end client;
static struct end server;
static uint8_t pattern[MAX_BYTES];
static uint8_t room[100];

static void do_then(struct end *end, const char *event)
{
    enum what_then then = end->then;

    if (!end->then_at || strcmp(end->then_at, event) != 0 || !end->duplex)
        return;
    end->then = NOTHING;
    if (then == ABORT) {
        fy_duplex_abort(end->duplex);
        end->duplex = NULL;
    } else if (then == END) {
        fy_duplex_end(end->duplex);
    } else if (then == PAUSE) {
        fy_duplex_pause(end->duplex);
        end->is_paused = true;
    }
}

static void end_on_head(void *arg, const struct fy_answer *answer)
{
    struct end *end = arg;
    const char *value = fy_answer_header(answer, "x-test");

    must(end->status == 0 && end->n_ends == 0);
    end->status = answer->status;
    snprintf(end->header, sizeof(end->header), "%s", value ? value : "");
    do_then(end, "head");
}

static void end_gather(void *arg, struct fy_gather *g)
{
    struct end *end = arg;

    must(end->duplex && end->n_ends == 0);
    end->n_gathers++;
    do_then(end, "gather");
    if (end->duplex && (end->then_at == NULL || strcmp(end->then_at, "gather") != 0))
        fy_gather_add(g, end->out + end->n_sent, end->out_len - end->n_sent);
}

static void end_sent(void *arg, size_t n)
{
    struct end *end = arg;

    must(n > 0 && n <= end->out_len - end->n_sent);
    end->n_sent += n;
    do_then(end, "sent");
}

static void end_on_data(void *arg, const uint8_t *data, size_t len)
{
    struct end *end = arg;

    must(end->duplex && len > 0 && !end->is_paused && end->n_ends == 0);
    must(end->in_len + len <= MAX_BYTES);
    if (data == room)
        end->n_roomed += len;
    memcpy(end->in + end->in_len, data, len);
    end->in_len += len;
    do_then(end, "data");
}

static uint8_t *end_room(void *arg, size_t *ret_cap)
{
    struct end *end = arg;

    do_then(end, "room");
    *ret_cap = sizeof(room);
    return end->has_room ? room : NULL;
}

static void end_on_end(void *arg, int err, const char *detail)
{
    struct end *end = arg;

    must(end->duplex && end->n_ends == 0 && detail);
    end->n_ends++;
    end->err = err;
    end->duplex = NULL;
}

static const struct fy_duplex_events end_events = {.on_head = end_on_head,
                                                   .gather = end_gather,
                                                   .sent = end_sent,
                                                   .on_data = end_on_data,
                                                   .room = end_room,
                                                   .on_end = end_on_end};

static void send_more(struct end *end, size_t len)
{
    end->out_len += len;
    fy_duplex_wake(end->duplex);
}

static bool has_all_of(const struct end *end, const struct end *other)
{
    return end->in_len == other->out_len && memcmp(end->in, pattern, end->in_len) == 0;
}

/* ---- The server -------------------------------------------------------------------------------------------------- */

static bool refuses;
static int n_requests;

static void serve(void *arg, struct fy_request *req)
{
    const struct fy_header headers[] = {{"Connection", "Upgrade"}, {"Upgrade", "test"}, {"X-Test", "yes"}};
    const char *upgrade = fy_request_header(req, "Upgrade");

    (void)arg;
    n_requests++;
    must(upgrade && strcmp(upgrade, "test") == 0);
    must(strcmp(fy_request_path(req), "/up") == 0 && strcmp(fy_request_query(req), "x=1") == 0);
    if (refuses)
        fy_request_reply(req, 403, NULL, 0, "not for you", strlen("not for you"));
    else
        server.duplex = fy_request_upgrade(req, headers, 3, &end_events, &server);
}

static int dial(void)
{
    static const struct fy_header headers[] = {{"Connection", "Upgrade"}, {"Upgrade", "test"}};
    char url[128];
    struct fy_duplex_spec spec = {.url = url, .headers = headers, .n_headers = 2, .connect_timeout_ms = 2000};

    snprintf(url, sizeof(url), "%s/up?x=1", fy_listener_url(listener));
    return fy_net_duplex(client_net, &spec, &end_events, &client, &client.duplex);
}

static void listen_on(void)
{
    char detail[128] = "";

    ck_assert_msg(fy_net_listen(server_net, kind->url, serve, NULL, &listener, detail, sizeof(detail)) == FERRY_OK,
                  "%s", detail);
}

static void begin(int i)
{
    kind = &kinds[i];
    for (size_t k = 0; k < MAX_BYTES; k++)
        pattern[k] = (uint8_t)(k * 31 + (k >> 8) * 7 + (k >> 16));
    refuses = false;
    n_requests = 0;
    kind->setup();
    client = (struct end){.out = pattern, .in = malloc(MAX_BYTES)};
    server = (struct end){.out = pattern, .in = malloc(MAX_BYTES)};
    listen_on();
}

static void open_both(int i)
{
    begin(i);
    ck_assert_int_eq(dial(), FERRY_OK);
    UNTIL(client.status != 0);
    ck_assert_int_eq(client.status, 101);
    ck_assert_ptr_nonnull(server.duplex);
}

static void finish(void)
{
    fy_duplex_abort(client.duplex);
    fy_duplex_abort(server.duplex);
    fy_listener_close(listener);
    free(client.in);
    free(server.in);
    kind->teardown();
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

START_TEST(an_upgrade_opens_both_ends)
{
    open_both(_i);
    ck_assert_str_eq(client.header, "yes");
    ck_assert_int_eq(server.status, 0);
    ck_assert_int_eq(n_requests, 1);
    finish();
}
END_TEST

START_TEST(bytes_go_both_ways_at_once_and_arrive_whole)
{
    open_both(_i);
    send_more(&client, MAX_BYTES / 4);
    send_more(&server, MAX_BYTES / 2);
    UNTIL(client.in_len == server.out_len && server.in_len == client.out_len);
    ck_assert(has_all_of(&client, &server));
    ck_assert(has_all_of(&server, &client));
    ck_assert_uint_eq(client.n_sent, client.out_len);
    finish();
}
END_TEST

START_TEST(each_wake_is_answered)
{
    open_both(_i);
    for (int n = 0; n < 100; n++) {
        send_more(n % 2 ? &client : &server, 5);
        UNTIL(server.in_len == client.out_len && client.in_len == server.out_len);
    }
    finish();
}
END_TEST

START_TEST(nothing_is_gathered_without_a_wake)
{
    size_t n;

    open_both(_i);
    send_more(&client, 5);
    UNTIL(server.in_len == 5);
    n = client.n_gathers;
    send_more(&server, 50000);
    UNTIL(client.in_len == 50000);
    ck_assert_uint_le(client.n_gathers, n + 1); /* the one that found nothing */
    finish();
}
END_TEST

START_TEST(bytes_are_put_where_the_user_has_room)
{
    open_both(_i);
    client.has_room = true;
    for (int n = 0; n < 100; n++) {
        send_more(&server, 50);
        UNTIL(client.in_len == server.out_len);
    }
    ck_assert(has_all_of(&client, &server));
    ck_assert_uint_gt(client.n_roomed, 0);
    finish();
}
END_TEST

START_TEST(a_pause_holds_the_other_end_back)
{
    open_both(_i);
    fy_duplex_pause(client.duplex);
    fy_duplex_pause(client.duplex);
    client.is_paused = true;
    send_more(&server, MAX_BYTES);
    send_more(&client, 1000); /* goes on */
    UNTIL(server.in_len == 1000);
    ck_assert_uint_eq(client.in_len, 0);
    ck_assert_uint_lt(server.n_sent, MAX_BYTES);
    client.is_paused = false;
    fy_duplex_resume(client.duplex);
    fy_duplex_resume(client.duplex);
    UNTIL(client.in_len == MAX_BYTES);
    ck_assert(has_all_of(&client, &server));
    finish();
}
END_TEST

static void give_up(struct end *sender, struct end *receiver)
{
    fy_duplex_pause(receiver->duplex);
    receiver->is_paused = true;
    send_more(sender, MAX_BYTES);
    UNTIL(sender->n_ends == 1);
    ck_assert_int_eq(sender->err, FERRY_ERR_TIMEOUT);
    UNTIL(receiver->n_ends == 1); /* though it is paused */
    ck_assert_int_eq(receiver->err, FERRY_ERR_RESET);
    finish();
}

START_TEST(an_end_that_takes_nothing_for_long_is_given_up)
{
    open_both(_i);
    give_up(&server, &client);
    open_both(_i);
    give_up(&client, &server);
}
END_TEST

/* Bytes may come together with the answer's head. */
START_TEST(a_pause_before_it_is_open_counts_from_then)
{
    begin(_i);
    client.then_at = "head";
    client.then = PAUSE;
    server.out_len = 1000;
    ck_assert_int_eq(dial(), FERRY_OK);
    UNTIL(client.status == 101 && server.n_sent == 1000);
    for (int n = 0; n < 10; n++)
        (void)kind->turn();
    ck_assert_uint_eq(client.in_len, 0);
    client.is_paused = false;
    fy_duplex_resume(client.duplex);
    UNTIL(client.in_len == 1000);
    ck_assert(has_all_of(&client, &server));
    finish();
}
END_TEST

static void end_in_order(struct end *first, struct end *second)
{
    send_more(first, 100000);
    fy_duplex_end(first->duplex);
    fy_duplex_end(first->duplex);
    UNTIL(second->n_ends == 1);
    ck_assert_int_eq(second->err, FERRY_ERR_EOF);
    ck_assert(has_all_of(second, first));
    UNTIL(first->n_ends == 1);
    ck_assert_int_eq(first->err, FERRY_OK);
}

START_TEST(an_end_flushes_and_then_ends)
{
    open_both(_i);
    end_in_order(&client, &server);
    finish();
    open_both(_i);
    end_in_order(&server, &client);
    finish();
}
END_TEST

START_TEST(an_end_before_it_is_open_is_done_then)
{
    begin(_i);
    ck_assert_int_eq(dial(), FERRY_OK);
    client.out_len = 10;
    fy_duplex_end(client.duplex);
    UNTIL(client.n_ends == 1);
    ck_assert_int_eq(client.err, FERRY_OK);
    ck_assert_int_eq(server.err, FERRY_ERR_EOF);
    ck_assert(has_all_of(&server, &client));
    finish();
}
END_TEST

START_TEST(both_may_end_at_once)
{
    open_both(_i);
    fy_duplex_end(client.duplex);
    fy_duplex_end(server.duplex);
    UNTIL(client.n_ends == 1 && server.n_ends == 1);
    ck_assert_int_eq(client.err, FERRY_OK);
    ck_assert_int_eq(server.err, FERRY_OK);
    finish();
}
END_TEST

START_TEST(an_abort_is_a_reset_at_the_other_end)
{
    open_both(_i);
    fy_duplex_abort(client.duplex);
    client.duplex = NULL;
    UNTIL(server.n_ends == 1);
    ck_assert_int_eq(server.err, FERRY_ERR_RESET);
    finish();
    open_both(_i);
    fy_duplex_abort(server.duplex);
    server.duplex = NULL;
    UNTIL(client.n_ends == 1);
    ck_assert_int_eq(client.err, FERRY_ERR_RESET);
    fy_duplex_abort(NULL);
    finish();
}
END_TEST

START_TEST(a_duplex_may_be_aborted_while_it_dials)
{
    begin(_i);
    ck_assert_int_eq(dial(), FERRY_OK);
    fy_duplex_abort(client.duplex);
    client.duplex = NULL;
    ck_assert_int_eq(dial(), FERRY_OK);
    UNTIL(client.status == 101);
    finish();
}
END_TEST

START_TEST(a_refusal_brings_status_and_body)
{
    begin(_i);
    refuses = true;
    ck_assert_int_eq(dial(), FERRY_OK);
    fy_duplex_wake(client.duplex);
    UNTIL(client.n_ends == 1);
    ck_assert_int_eq(client.err, FERRY_OK);
    ck_assert_int_eq(client.status, 403);
    ck_assert_uint_eq(client.in_len, strlen("not for you"));
    ck_assert_int_eq(memcmp(client.in, "not for you", client.in_len), 0);
    ck_assert_uint_eq(client.n_gathers, 0);
    finish();
}
END_TEST

START_TEST(a_duplex_may_be_ended_and_aborted_in_its_events)
{
    static const char *const events[] = {"head", "gather", "sent", "data", "room"};

    for (size_t k = 0; k < sizeof(events) / sizeof(events[0]); k++) {
        for (enum what_then then = ABORT; then <= END; then++) {
            begin(_i);
            client.then_at = events[k];
            client.then = then;
            ck_assert_int_eq(dial(), FERRY_OK);
            client.out_len = 300000;
            UNTIL(server.duplex || server.n_ends);
            if (server.duplex)
                send_more(&server, 300000);
            UNTIL(!client.duplex && !server.duplex);
            ck_assert_int_eq(client.n_ends, then == END);
            finish();
        }
    }
}
END_TEST

START_TEST(closing_the_listener_ends_what_came_by_it)
{
    open_both(_i);
    fy_listener_close(listener);
    ck_assert_int_eq(server.n_ends, 1);
    ck_assert_int_eq(server.err, FERRY_ERR_EOF);
    UNTIL(client.n_ends == 1);
    ck_assert(client.err == FERRY_ERR_EOF || client.err == FERRY_ERR_RESET);
    listen_on();
    finish();
}
END_TEST

START_TEST(what_is_sent_over_a_cut_arrives_after_it)
{
    open_both(_i);
    if (kind->cut) {
        kind->cut(true);
        send_more(&client, 100);
        while (kind->turn() && client.n_sent < 100)
            ;
        ck_assert_uint_eq(server.in_len, 0);
        kind->cut(false);
        UNTIL(server.in_len == 100);
    }
    finish();
}
END_TEST

START_TEST(an_end_that_the_other_does_not_answer_is_given_up)
{
    open_both(_i);
    if (kind->cut) {
        kind->cut(true);
        fy_duplex_end(client.duplex);
        UNTIL(client.n_ends == 1);
        ck_assert_int_eq(client.err, FERRY_ERR_TIMEOUT);
        kind->cut(false);
    }
    finish();
}
END_TEST

START_TEST(dialling_survives_every_failed_allocation)
{
    long nth = 0;
    int err = FERRY_ERR_NOMEM;

    begin(_i);
    for (; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = dial();
        heap_fail_at(-1);
        ck_assert(err == FERRY_OK || !client.duplex);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ck_assert_int_gt(nth, 1);
    finish();
}
END_TEST

/* Whichever allocation fails: both ends are told, or neither notices. */
START_TEST(an_exchange_survives_every_failed_allocation)
{
    int has_failed = 1;

    for (long nth = 0; has_failed; nth++) {
        begin(_i);
        ck_assert_int_eq(dial(), FERRY_OK);
        client.out_len = 5000;
        server.out_len = 5000;
        heap_fail_at(nth);
        for (int n = 0; n < MAX_TURNS && !client.n_ends && (client.in_len < 5000 || server.in_len < 5000); n++)
            if (!kind->turn())
                break;
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        if (!client.n_ends)
            ck_assert(has_all_of(&client, &server) && has_all_of(&server, &client));
        finish();
    }
}
END_TEST

static void add_tests(TCase *tcase)
{
    static const TTest **const tests[] = {
        &an_upgrade_opens_both_ends, &bytes_go_both_ways_at_once_and_arrive_whole, &each_wake_is_answered,
        &nothing_is_gathered_without_a_wake, &bytes_are_put_where_the_user_has_room, &a_pause_holds_the_other_end_back,
        &an_end_that_takes_nothing_for_long_is_given_up, &a_pause_before_it_is_open_counts_from_then, &an_end_flushes_and_then_ends,
        &an_end_before_it_is_open_is_done_then, &both_may_end_at_once, &an_abort_is_a_reset_at_the_other_end,
        &a_duplex_may_be_aborted_while_it_dials, &a_refusal_brings_status_and_body,
        &a_duplex_may_be_ended_and_aborted_in_its_events, &closing_the_listener_ends_what_came_by_it,
        &what_is_sent_over_a_cut_arrives_after_it, &an_end_that_the_other_does_not_answer_is_given_up,
        &dialling_survives_every_failed_allocation, &an_exchange_survives_every_failed_allocation};

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_loop_test(tcase, *tests[i], 0, N_KINDS);
}

int main(void)
{
    static const struct rig_case cases[] = {{"duplex", add_tests}, {NULL, NULL}};

    return rig_main_cases("duplex", NULL, NULL, cases);
}
