/*
 * check_http_stream - endless answers and long bodies, mostly from our own server to our own client.
 */
#include <errno.h>
#include <linux/sockios.h> /* SIOCOUTQNSD */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/heap.h"
#include "harness/http_rig.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"

#define MAX_TRIES 20

/* A source: gives its bytes in pieces, and does at times what the test wants. */
struct flow {
    struct fy_outflow *out; /* NULL: none, or no longer ours */
    uint64_t n_ready;       /* bytes that may be read: byte i is pattern(i) */
    uint64_t n_read;
    size_t max_piece;
    size_t largest_cap;
    int n_reads;
    int n_gone;
    int err;
    bool ends_at_last;                  /* after the last ready byte, from inside read */
    void (*in_read)(struct flow *flow); /* NULL: nothing */
    void (*in_sent)(struct flow *flow);
    void (*in_gone)(struct flow *flow);
};

static struct fy_listener *listener;
static struct flow flow;
static struct seen_call seen;
static int fd;
static struct raw_input input;

static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(33 + i * 31 + (i >> 8) + (i >> 16)); /* begins with printable ones */
}

static bool is_pattern(const struct seen_bytes *bytes)
{
    for (size_t i = 0; i < bytes->len; i++)
        if (bytes->data[i] != pattern(i))
            return false;
    return true;
}

/* What is lent lies here until it is sent, and no two flows are written at the same time. */
static uint8_t lent[256 << 10];

static void gather(void *arg, struct fy_gather *g)
{
    struct flow *f = arg;
    uint64_t n = f->n_ready - f->n_read;
    size_t at = 0;

    ck_assert_ptr_nonnull(f->out);
    f->n_reads++;
    f->largest_cap = g->max_len > f->largest_cap ? g->max_len : f->largest_cap;
    if (f->in_read)
        f->in_read(f);
    if (!f->out)
        return;
    n = n > f->max_piece ? f->max_piece : n;
    n = n > g->max_len ? g->max_len : n;
    n = n > sizeof(lent) ? sizeof(lent) : n;
    for (uint64_t i = 0; i < n; i++)
        lent[i] = pattern(f->n_read + i);
    while (at < n) { /* in pieces that are copied and pieces that are lent */
        size_t len = at % 7000 < 3 ? 1 : 6997;
        size_t added = fy_gather_add(g, lent + at, len < n - at ? len : n - at);

        if (added == 0)
            break;
        at += added;
    }
    if (n == 0 && f->ends_at_last) {
        fy_outflow_end(f->out);
        f->out = NULL;
    }
}

static void on_sent(void *arg, size_t n)
{
    struct flow *f = arg;

    ck_assert_ptr_nonnull(f->out);
    f->n_read += n;
    ck_assert_uint_le(f->n_read, f->n_ready);
    if (f->in_sent)
        f->in_sent(f);
}

static void on_gone(void *arg, int err)
{
    struct flow *f = arg;

    ck_assert_ptr_nonnull(f->out);
    f->out = NULL;
    f->n_gone++;
    f->err = err;
    if (f->in_gone)
        f->in_gone(f);
}

static const struct fy_outflow_source source = {.gather = gather, .sent = on_sent, .on_gone = on_gone};

static void begin_flow(void *arg, struct fy_request *req)
{
    const struct fy_header header = {"X-Test", "flow"};
    struct flow *f = arg;

    f->out = fy_request_stream(req, &header, 1, &source, f);
}

static void setup_with(const struct fy_http_config *cfg)
{
    http_setup_with(cfg);
    flow = (struct flow){.max_piece = SIZE_MAX};
    listener = http_listen(begin_flow, &flow);
    fd = -1;
    input = (struct raw_input){.len = 0};
}

static void setup(void)
{
    setup_with(http_default_config());
}

static void teardown(void)
{
    seen_call_release(&seen);
    fy_listener_close(listener);
    if (fd >= 0)
        close(fd);
    http_teardown();
}

static void ready(struct flow *f, uint64_t n)
{
    f->n_ready += n;
    fy_outflow_wake(f->out);
}

static void dial(void)
{
    seen_call_get(&seen, http_url(fy_listener_url(listener), "/raft/stream/msgapp/1"), true);
    HTTP_UNTIL(seen.n_heads > 0);
}

static bool has_all(void)
{
    return seen.body.len == flow.n_ready;
}

static bool has_input(const char *text)
{
    raw_receive(fd, &input);
    return strstr(input.text, text) != NULL;
}

static bool is_closed(void)
{
    raw_receive(fd, &input);
    return input.is_closed;
}

static void dial_raw(const char *version)
{
    char text[128];

    snprintf(text, sizeof(text), "GET /raft/stream/msgapp/1 HTTP/%s\r\nHost: h\r\n\r\n", version);
    fd = raw_connect(fy_listener_url(listener));
    raw_send_text(fd, text);
    HTTP_UNTIL(has_input("\r\n\r\n"));
}

/* ---- Bytes ---- */

/* What comes and what is acknowledged is seen from either end of a stream, and of nothing else. */
START_TEST(the_vitals_of_a_stream_are_known_at_both_ends)
{
    struct fy_vitals before, now;
    uint64_t begin_ns = http_clock_ns();

    seen_call_get(&seen, http_url(fy_listener_url(listener), "/raft/stream/msgapp/1"), true);
    ck_assert(!fy_call_vitals(seen.call, &now)); /* it is not connected yet */
    HTTP_UNTIL(seen.n_heads > 0);
    ck_assert(fy_call_vitals(seen.call, &before));
    ck_assert_uint_gt(before.n_acked, 0);
    ready(&flow, 1000);
    HTTP_UNTIL(seen.body.len == 1000);
    ck_assert(fy_call_vitals(seen.call, &now));
    ck_assert_uint_gt(now.n_arrived, before.n_arrived);
    ck_assert(!now.is_owed);
    ck_assert(!now.is_awaited);
    ck_assert_uint_le(now.silence_ns, http_clock_ns() - begin_ns + 20000000); /* the kernel counts in its own ticks */
    HTTP_UNTIL(fy_outflow_vitals(flow.out, &now) && now.n_acked >= 1000);     /* a kernel may be slow to acknowledge */
}
END_TEST

/* The least time of several tries: what is held back is so each time, and a busy machine is busy in some of them. */
static uint64_t least_ns(uint64_t (*try)(void), uint64_t enough_ns)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < MAX_TRIES && least >= enough_ns; i++) {
        uint64_t took_ns = try();

        least = took_ns < least ? took_ns : least;
    }
    return least;
}

static uint64_t dial_anew(void)
{
    uint64_t begin_ns;

    seen_call_release(&seen);
    HTTP_UNTIL(!flow.out);
    begin_ns = http_clock_ns();
    dial();
    return http_clock_ns() - begin_ns;
}

START_TEST(the_head_goes_out_at_once_without_a_body_byte)
{
    ck_assert_uint_lt(least_ns(dial_anew, 100000000), 100000000); /* the kernel would hold it back for 200 ms */
    ck_assert_int_eq(seen.status, 200);
    ck_assert_str_eq(seen.header, "flow");
    ck_assert_uint_eq(seen.body.len, 0);
}
END_TEST

START_TEST(a_plain_client_sees_chunks)
{
    dial_raw("1.1");
    ck_assert(has_input("\r\nTransfer-Encoding: chunked\r\n"));
    ck_assert(!has_input("Content-Length"));
    ready(&flow, 2);
    HTTP_UNTIL(has_input("\r\n\r\n2\r\n"));
    fy_outflow_end(flow.out);
    HTTP_UNTIL(has_input("\r\n0\r\n\r\n"));
    ck_assert(!is_closed()); /* it may ask again */
    ck_assert_int_eq(flow.n_gone, 0);
}
END_TEST

START_TEST(a_client_that_asks_no_more_gets_chunks_as_well)
{
    fd = raw_connect(fy_listener_url(listener));
    raw_send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    HTTP_UNTIL(has_input("\r\n\r\n"));
    ck_assert(has_input("\r\nTransfer-Encoding: chunked\r\n"));
    ready(&flow, 2);
    HTTP_UNTIL(has_input("\r\n\r\n2\r\n"));
    fy_outflow_end(flow.out);
    HTTP_UNTIL(has_input("\r\n0\r\n\r\n"));
    HTTP_UNTIL(is_closed());
}
END_TEST

START_TEST(each_wake_is_answered_at_once)
{
    int n_late = 0;

    dial();
    for (int i = 0; i < 100; i++) {
        uint64_t begin_ns = http_clock_ns();

        ready(&flow, 7);
        HTTP_UNTIL(has_all());
        n_late += http_clock_ns() - begin_ns > 30000000; /* the kernel would hold each back for 40 ms at least */
    }
    ck_assert_int_lt(n_late, 50);
    ck_assert(is_pattern(&seen.body));
}
END_TEST

START_TEST(sixteen_megabytes_arrive_whole)
{
    dial();
    ready(&flow, 16 << 20);
    HTTP_UNTIL(has_all());
    ck_assert(is_pattern(&seen.body));
    ck_assert_uint_ge(flow.largest_cap, 48 << 10);
}
END_TEST

START_TEST(thousands_of_small_chunks_arrive_whole)
{
    flow.max_piece = 5;
    dial();
    ready(&flow, 50000);
    HTTP_UNTIL(has_all());
    ck_assert(is_pattern(&seen.body));
    ck_assert_int_ge(flow.n_reads, 10000);
}
END_TEST

static void wake_in_read(struct flow *f)
{
    if (f->n_ready < 10) {
        f->n_ready++;
        f->max_piece = f->n_ready % 2; /* every other time nothing is given, though a wake came */
        fy_outflow_wake(f->out);
    } else {
        f->max_piece = SIZE_MAX;
    }
}

START_TEST(a_wake_from_inside_read_is_not_lost)
{
    flow.in_read = wake_in_read;
    dial();
    HTTP_UNTIL(flow.n_ready == 10 && has_all());
}
END_TEST

START_TEST(nothing_is_read_without_a_wake)
{
    dial();
    HTTP_UNTIL(flow.n_reads == 1);
    http_turn_for_ms(50);
    ck_assert_int_eq(flow.n_reads, 1);
}
END_TEST

START_TEST(a_stream_stays_whole_though_its_memory_is_given_back)
{
    dial();
    for (int i = 0; i < 2; i++) {
        ready(&flow, 1 << 20);
        HTTP_UNTIL(has_all());
        http_turn_for_ms(1050);
        ready(&flow, 100); /* the burst is more than a second ago */
        HTTP_UNTIL(has_all());
    }
    ck_assert(is_pattern(&seen.body));
}
END_TEST

/* ---- Chunks that do not fit ---- */

static struct seen_bytes wire; /* the body of the answer as it comes to a plain client */

/* Take all that is there; true: there will be no more. */
static bool receive_wire(void)
{
    uint8_t buf[65536];
    ssize_t n;

    while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
        seen_bytes_append(&wire, buf, (size_t)n);
    return n == 0 || errno != EAGAIN;
}

/* Take the chunks apart; how many bytes they hold, all of them as the pattern has them.  *ret_is_whole: the last one is
 * there. */
static size_t check_chunks(bool *ret_is_whole)
{
    const uint8_t *at = wire.data, *end = wire.data + wire.len;
    size_t n = 0;

    *ret_is_whole = false;
    while (at < end) {
        char head[17] = "", *after;
        size_t len, here;

        memcpy(head, at, (size_t)(end - at) < 16 ? (size_t)(end - at) : 16);
        len = strtoull(head, &after, 16);
        if (after + 2 > head + strlen(head))
            break; /* in the middle of a head */
        ck_assert_mem_eq(after, "\r\n", 2);
        at += after + 2 - head;
        here = (size_t)(end - at) < len ? (size_t)(end - at) : len;
        for (size_t i = 0; i < here; i++)
            if (at[i] != pattern(n + i))
                ck_abort_msg("byte %zu is another", n + i);
        n += here;
        at += here;
        if (end - at < 2)
            break;
        ck_assert_mem_eq(at, "\r\n", 2);
        at += 2;
        if (len == 0) {
            ck_assert_ptr_eq(at, end);
            *ret_is_whole = true;
        }
    }
    return n;
}

/* Have a client that reads nothing yet be flooded until nothing moves. */
static void flood_raw_client(void)
{
    struct fy_http_config patient = *http_default_config();
    uint64_t n_read;

    teardown();
    patient.write_timeout_ms = 60000;
    setup_with(&patient);
    dial_raw("1.1");
    wire = (struct seen_bytes){.len = 0};
    ready(&flow, 32 << 20);
    do {
        n_read = flow.n_read;
        http_turn_for_ms(20);
    } while (flow.n_read > n_read);
    ck_assert_uint_gt(flow.n_read, 0);
    ck_assert_uint_lt(flow.n_read, flow.n_ready);
}

START_TEST(what_did_not_fit_goes_on_in_its_chunk)
{
    bool is_whole;

    flood_raw_client();
    HTTP_UNTIL((receive_wire(), flow.n_read == flow.n_ready));
    fy_outflow_end(flow.out);
    HTTP_UNTIL((receive_wire(), wire.len > 5 && memcmp(wire.data + wire.len - 5, "0\r\n\r\n", 5) == 0));
    ck_assert_uint_eq(check_chunks(&is_whole), flow.n_ready);
    ck_assert(is_whole);
    free(wire.data);
}
END_TEST

START_TEST(an_end_in_the_middle_of_a_chunk_is_not_clean)
{
    uint64_t n_read;
    bool is_whole;

    flood_raw_client();
    n_read = flow.n_read;
    fy_outflow_end(flow.out);
    HTTP_UNTIL(receive_wire());
    ck_assert_uint_eq(check_chunks(&is_whole), n_read);
    ck_assert(!is_whole);
    ck_assert_int_eq(flow.n_gone, 0);
    free(wire.data);
}
END_TEST

/* Our end of the raw client's connection, which the net has opened. */
static int served_fd(void)
{
    struct sockaddr_storage ours, theirs;
    socklen_t len = sizeof(ours);

    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ours, &len), 0);
    for (int other = 3; other < 1024; other++) {
        socklen_t other_len = sizeof(theirs);

        if (other != fd && getpeername(other, (struct sockaddr *)&theirs, &other_len) == 0 && other_len == len &&
            memcmp(&ours, &theirs, len) == 0)
            return other;
    }
    ck_abort_msg("there is no other end");
}

/* Leave the outflow no room in its socket, not even for a first byte. */
static void fill_the_socket(struct flow *f)
{
    static const char filling[65536];

    ck_assert_uint_eq(f->n_read, 0);
    while (send(served_fd(), filling, sizeof(filling), MSG_DONTWAIT) > 0)
        continue;
}

static bool is_wire_at_its_end(void)
{
    return receive_wire() || (wire.len > 5 && memcmp(wire.data + wire.len - 5, "0\r\n\r\n", 5) == 0);
}

START_TEST(an_end_before_a_chunk_was_announced_is_clean)
{
    dial_raw("1.1");
    wire = (struct seen_bytes){.len = 0};
    flow.in_read = fill_the_socket;
    ready(&flow, 1000);
    HTTP_UNTIL(flow.n_reads > 1);
    fy_outflow_end(flow.out);
    HTTP_UNTIL(is_wire_at_its_end());
    ck_assert(!receive_wire());
    ck_assert_int_eq(flow.n_gone, 0);
    free(wire.data);
}
END_TEST

START_TEST(the_kernel_holds_little_of_what_is_not_read)
{
    int n_unsent = 0;

    flood_raw_client();
    ck_assert_int_eq(ioctl(served_fd(), SIOCOUTQNSD, &n_unsent), 0);
    ck_assert_int_gt(n_unsent, 0);
    ck_assert_int_le(n_unsent, 192 << 10); /* 64 KiB, and what one packet of loopback holds */
}
END_TEST

/* Read as fast as it is written: only the share ends a turn's writes. */
static void drain(struct flow *f)
{
    (void)f;
    (void)receive_wire();
}

static uint64_t n_written_in_a_turn(void)
{
    uint64_t n_before = flow.n_read;

    drain(&flow);
    fy_http_run_once(http_net, 0);
    return flow.n_read - n_before;
}

START_TEST(a_turn_writes_a_share_of_a_stream)
{
    uint64_t most = 0;

    dial_raw("1.1");
    flow.max_piece = 16 << 10;
    flow.in_read = drain;
    ready(&flow, UINT64_C(1) << 40);
    for (int i = 0; i < 20; i++) {
        uint64_t n = n_written_in_a_turn();

        ck_assert_uint_le(n, 256 << 10);
        most = n > most ? n : most;
    }
    ck_assert_uint_gt(most, 192 << 10);
    free(wire.data);
}
END_TEST

/* Have nothing for this time, and a piece for the next, which comes in another round of the same turn. */
static void have_a_piece_each_round(struct flow *f)
{
    drain(f);
    f->max_piece = 16 << 10;
    if (f->n_read == f->n_ready) {
        f->max_piece = 0;
        ready(f, 96 << 10);
    }
}

START_TEST(a_stream_that_is_woken_again_has_one_share_in_a_turn)
{
    uint64_t most = 0;

    dial_raw("1.1");
    flow.in_read = have_a_piece_each_round;
    ready(&flow, 1);
    for (int i = 0; i < 20; i++) {
        uint64_t n = n_written_in_a_turn();

        ck_assert_uint_le(n, 256 << 10);
        most = n > most ? n : most;
    }
    ck_assert_uint_gt(most, 96 << 10); /* there were several rounds */
    free(wire.data);
}
END_TEST

/* Two streams, one in each direction, as two members have them. */
static struct flow back_flow;
static struct fy_listener *back_listener;
static struct seen_call back_seen;

static void answer_ping(struct seen_call *call, const char *event)
{
    if (strcmp(event, "body") == 0 && call->body.len % 64 == 0)
        ready(&back_flow, 64);
}

START_TEST(ping_and_pong_over_two_streams)
{
    back_flow = (struct flow){.max_piece = SIZE_MAX};
    back_listener = http_listen(begin_flow, &back_flow);
    seen.then = answer_ping;
    dial();
    seen_call_get(&back_seen, fy_listener_url(back_listener), true);
    HTTP_UNTIL(back_seen.n_heads > 0);
    for (size_t i = 1; i <= 1000; i++) {
        ready(&flow, 64);
        HTTP_UNTIL(back_seen.body.len == i * 64);
    }
    ck_assert(is_pattern(&back_seen.body));
    seen_call_release(&back_seen);
    fy_listener_close(back_listener);
    ck_assert_int_eq(back_flow.n_gone, 1);
}
END_TEST

START_TEST(a_client_of_http_1_0_gets_a_body_that_ends_with_the_connection)
{
    const char *body;

    dial_raw("1.0");
    ck_assert(!has_input("chunked"));
    ready(&flow, 100);
    HTTP_UNTIL(flow.n_read == 100);
    http_turn_for_ms(10);
    ck_assert(!is_closed());
    ready(&flow, 40000);
    HTTP_UNTIL(flow.n_read == 40100);
    fy_outflow_end(flow.out);
    HTTP_UNTIL(is_closed());
    body = strstr(input.text, "\r\n\r\n") + 4;
    ck_assert_uint_eq(input.len - (size_t)(body - input.text), 40100);
    for (size_t i = 0; i < 40100; i++)
        ck_assert_uint_eq((uint8_t)body[i], pattern(i));
}
END_TEST

/* ---- Ends of ours ---- */

START_TEST(a_clean_end_is_seen_as_one)
{
    dial();
    ready(&flow, 1000);
    HTTP_UNTIL(has_all());
    fy_outflow_end(flow.out);
    HTTP_UNTIL(!seen.call);
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_int_eq(flow.n_gone, 0);
    fy_outflow_end(NULL);
}
END_TEST

START_TEST(an_end_from_inside_read_is_clean)
{
    flow.ends_at_last = true;
    flow.n_ready = 300000;
    seen_call_get(&seen, fy_listener_url(listener), true);
    HTTP_UNTIL(!seen.call);
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_uint_eq(seen.body.len, 300000);
    ck_assert(is_pattern(&seen.body));
    ck_assert_int_eq(flow.n_gone, 0);
}
END_TEST

static void end_before_it_began(void *arg, struct fy_request *req)
{
    begin_flow(arg, req);
    fy_outflow_end(flow.out);
    flow.out = NULL;
}

START_TEST(an_outflow_may_end_before_its_first_byte)
{
    fy_listener_close(listener);
    listener = http_listen(end_before_it_began, &flow);
    seen_call_get(&seen, fy_listener_url(listener), true);
    HTTP_UNTIL(!seen.call);
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_int_eq(seen.status, 200);
    ck_assert_int_eq(flow.n_reads, 0);
}
END_TEST

START_TEST(an_ended_outflow_sends_what_was_read_first)
{
    dial();
    ready(&flow, 40000); /* which the socket takes whole */
    HTTP_UNTIL(flow.n_read > 0);
    fy_outflow_end(flow.out);
    HTTP_UNTIL(!seen.call);
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_uint_eq(seen.body.len, flow.n_read);
    ck_assert(is_pattern(&seen.body));
}
END_TEST

START_TEST(a_broken_outflow_is_seen_as_one)
{
    dial();
    ready(&flow, 1000);
    HTTP_UNTIL(has_all());
    fy_outflow_abort(flow.out);
    HTTP_UNTIL(!seen.call);
    ck_assert_msg(seen.err == FERRY_ERR_RESET || seen.err == FERRY_ERR_EOF, "%s", seen.detail);
    ck_assert_int_eq(flow.n_gone, 0);
    fy_outflow_abort(NULL);
}
END_TEST

static void end_in_sent(struct flow *f)
{
    fy_outflow_end(f->out);
    f->out = NULL;
}

/* It is asked for nothing more; gather looks. */
START_TEST(an_outflow_may_end_when_bytes_are_sent)
{
    dial();
    flow.in_sent = end_in_sent;
    flow.max_piece = 700;
    ready(&flow, 1000);
    HTTP_UNTIL(!seen.call);
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_uint_eq(seen.body.len, 700);
    ck_assert_int_eq(flow.n_gone, 0);
}
END_TEST

START_TEST(what_was_sent_when_an_outflow_ended_arrives_by_libmicrohttpd_too)
{
    const char *body;

    dial_raw("1.0");
    flow.in_sent = end_in_sent;
    ready(&flow, 100);
    HTTP_UNTIL(is_closed());
    body = strstr(input.text, "\r\n\r\n") + 4;
    ck_assert_uint_eq(flow.n_read, 100);
    ck_assert_uint_eq(input.len - (size_t)(body - input.text), 100);
    ck_assert_int_eq(flow.n_gone, 0);
}
END_TEST

static void close_in_sent(struct flow *f)
{
    (void)f;
    fy_listener_close(listener);
    listener = NULL;
}

START_TEST(a_listener_may_be_closed_when_bytes_are_sent)
{
    dial();
    flow.in_sent = close_in_sent;
    ready(&flow, 1000);
    HTTP_UNTIL(!seen.call);
    ck_assert_int_eq(flow.n_gone, 1);
    ck_assert_ptr_null(listener);
}
END_TEST

static void abort_in_read(struct flow *f)
{
    if (f->n_read > 0) {
        fy_outflow_abort(f->out);
        f->out = NULL;
    }
}

START_TEST(an_outflow_may_be_broken_from_inside_read)
{
    flow.in_read = abort_in_read;
    dial();
    ready(&flow, 1000);
    HTTP_UNTIL(!seen.call);
    ck_assert_int_ne(seen.err, FERRY_OK);
    ck_assert_int_eq(flow.n_gone, 0);
}
END_TEST

START_TEST(a_connection_serves_again_after_a_clean_end)
{
    dial_raw("1.1");
    fy_outflow_end(flow.out);
    HTTP_UNTIL(has_input("\r\n0\r\n\r\n"));
    input = (struct raw_input){.len = 0};
    raw_send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    HTTP_UNTIL(has_input("chunked"));
    ready(&flow, 3);
    HTTP_UNTIL(has_input("\r\n\r\n3\r\n"));
}
END_TEST

/* ---- Ends of theirs ---- */

static uint64_t close_idle_reader(void)
{
    int n_gone = flow.n_gone, n_reads = flow.n_reads;
    uint64_t begin_ns;

    dial();
    HTTP_UNTIL(flow.n_reads == n_reads + 1);
    seen_call_release(&seen);
    begin_ns = http_clock_ns();
    HTTP_UNTIL(flow.n_gone == n_gone + 1);
    ck_assert_int_eq(flow.err, FERRY_ERR_EOF);
    return http_clock_ns() - begin_ns;
}

START_TEST(an_idle_reader_that_closes_is_noticed_at_once)
{
    ck_assert_uint_lt(least_ns(close_idle_reader, 200000000), 200000000);
}
END_TEST

static uint64_t reset_idle_reader(void)
{
    int n_gone = flow.n_gone;
    uint64_t begin_ns;

    input = (struct raw_input){.len = 0};
    dial_raw("1.1");
    raw_reset(fd);
    fd = -1;
    begin_ns = http_clock_ns();
    HTTP_UNTIL(flow.n_gone == n_gone + 1);
    ck_assert_int_eq(flow.err, FERRY_ERR_RESET);
    return http_clock_ns() - begin_ns;
}

START_TEST(an_idle_reader_that_resets_is_noticed_at_once)
{
    ck_assert_uint_lt(least_ns(reset_idle_reader, 200000000), 200000000);
}
END_TEST

START_TEST(a_reader_that_is_gone_before_its_request_was_seen_is_noticed)
{
    fd = raw_connect(fy_listener_url(listener));
    raw_send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    close(fd);
    fd = -1;
    HTTP_UNTIL(flow.n_gone == 1);
}
END_TEST

START_TEST(a_reader_that_leaves_in_the_middle_of_a_flood_is_noticed)
{
    dial_raw("1.1");
    ready(&flow, UINT64_C(1) << 40);
    HTTP_UNTIL(flow.n_read > 100000);
    raw_reset(fd);
    fd = -1;
    HTTP_UNTIL(flow.n_gone == 1);
}
END_TEST

START_TEST(a_reader_that_takes_nothing_is_cut_in_time)
{
    uint64_t begin_ns, next_ns; /* the last bytes went after the one and before the other */
    uint64_t n_read;

    dial_raw("1.1");
    ready(&flow, UINT64_C(1) << 40);
    next_ns = http_clock_ns();
    do {
        n_read = flow.n_read;
        begin_ns = next_ns;
        next_ns = http_clock_ns();
        http_turn_for_ms(20);
    } while (flow.n_read > n_read);
    HTTP_UNTIL(flow.n_gone == 1);
    ck_assert_int_eq(flow.err, FERRY_ERR_TIMEOUT);
    ck_assert_uint_ge(http_clock_ns() - begin_ns, 200000000); /* write_timeout_ms is 300 */
    ck_assert_uint_lt(http_clock_ns() - next_ns, UINT64_C(10000000000));
    HTTP_UNTIL(is_closed() || input.len == sizeof(input.text) - 1);
}
END_TEST

START_TEST(an_idle_outflow_is_never_cut)
{
    dial(); /* idle_timeout_s is 1, write_timeout_ms 300 */
    http_turn_for_ms(2500);
    ck_assert_int_eq(flow.n_gone, 0);
    ready(&flow, 10);
    HTTP_UNTIL(has_all());
}
END_TEST

/* For longer than a write timeout, which must be longer than any stall of the machine. */
START_TEST(a_reader_that_is_slow_but_steady_is_not_cut)
{
    struct fy_http_config patient = *http_default_config();
    size_t n_received = 0;
    uint64_t until_ns;

    teardown();
    patient.write_timeout_ms = 2000;
    setup_with(&patient);
    until_ns = http_clock_ns() + UINT64_C(3000000000);
    dial_raw("1.1");
    ready(&flow, UINT64_C(1) << 40);
    while (http_clock_ns() < until_ns) {
        for (int i = 0; i < 16; i++) {
            input.len = 0;
            raw_receive(fd, &input);
            n_received += input.len;
        }
        http_turn_for_ms(30);
    }
    ck_assert_int_eq(flow.n_gone, 0);
    ck_assert_uint_gt(n_received, 1 << 20);
}
END_TEST

static void close_in_gone(struct flow *f)
{
    (void)f;
    fy_listener_close(listener);
    listener = NULL;
}

START_TEST(a_listener_may_be_closed_from_on_gone)
{
    flow.in_gone = close_in_gone;
    dial_raw("1.1");
    close(fd);
    fd = -1;
    HTTP_UNTIL(!listener);
    ck_assert_int_eq(flow.n_gone, 1);
}
END_TEST

static void close_in_read(struct flow *f)
{
    (void)f;
    fy_listener_close(listener);
    listener = NULL;
}

START_TEST(a_listener_may_be_closed_from_read)
{
    dial();
    flow.in_read = close_in_read;
    fy_outflow_wake(flow.out);
    HTTP_UNTIL(!seen.call);
    ck_assert_int_eq(flow.n_gone, 1);
    ck_assert_ptr_null(listener);
    ck_assert_int_ne(seen.err, FERRY_OK);
}
END_TEST

START_TEST(closing_tells_outflows_idle_and_busy)
{
    dial_raw("1.1");
    ready(&flow, UINT64_C(1) << 40);
    http_turn_for_ms(20);
    ck_assert_int_eq(flow.n_gone, 0);
    fy_listener_close(listener);
    listener = NULL;
    ck_assert_int_eq(flow.n_gone, 1);
    ck_assert_int_eq(flow.err, FERRY_ERR_RESET);
    flow = (struct flow){.max_piece = SIZE_MAX};
    listener = http_listen(begin_flow, &flow);
    dial();
    fy_listener_close(listener);
    listener = NULL;
    ck_assert_int_eq(flow.n_gone, 1);
    HTTP_UNTIL(!seen.call);
    ck_assert_int_ne(seen.err, FERRY_OK);
}
END_TEST

/* ---- Long bodies the other way ---- */

static struct seen_request request;

static void take(void *arg, struct fy_request *req)
{
    struct seen_request *r = arg;

    r->req = req;
    fy_request_set_events(req, &seen_request_events, r);
}

START_TEST(a_post_of_sixteen_megabytes_arrives_whole_and_so_does_its_answer)
{
    size_t len = 16 << 20;
    uint8_t *body = malloc(len);

    for (size_t i = 0; i < len; i++)
        body[i] = pattern(i);
    fy_listener_close(listener);
    listener = http_listen(take, &request);
    seen_call_post(&seen, http_url(fy_listener_url(listener), "/raft"), body, len);
    HTTP_UNTIL(request.n_body_ends == 1);
    ck_assert_uint_eq(request.body.len, len);
    ck_assert(is_pattern(&request.body));
    ck_assert_uint_ge(request.body.largest_piece, 16 << 10);
    fy_request_reply(request.req, 200, NULL, 0, body, len);
    HTTP_UNTIL(!seen.call);
    ck_assert_int_eq(seen.err, FERRY_OK);
    ck_assert_uint_eq(seen.body.len, len);
    ck_assert(is_pattern(&seen.body));
    free(body);
    free(request.body.data);
}
END_TEST

/* ---- Memory ---- */

static bool is_begun_or_gone(void)
{
    raw_receive(fd, &input);
    return input.is_closed || strstr(input.text, "\r\n\r\n");
}

START_TEST(an_outflow_without_memory_ends_its_connection_only)
{
    long nth = 0;

    for (;; nth++) {
        flow.out = NULL;
        if (fd >= 0)
            close(fd);
        input = (struct raw_input){.len = 0};
        fd = raw_connect(fy_listener_url(listener));
        raw_send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        http_fail_until(nth, is_begun_or_gone);
        if (!input.is_closed)
            break;
        ck_assert_ptr_null(flow.out);
    }
    ck_assert_int_ge(nth, 3);
    ck_assert_ptr_nonnull(flow.out);
}
END_TEST

int main(void)
{
    return rig_main(
        "http_stream", setup, teardown, the_vitals_of_a_stream_are_known_at_both_ends,
        the_head_goes_out_at_once_without_a_body_byte, a_plain_client_sees_chunks,
        a_client_that_asks_no_more_gets_chunks_as_well, each_wake_is_answered_at_once, sixteen_megabytes_arrive_whole,
        thousands_of_small_chunks_arrive_whole, a_wake_from_inside_read_is_not_lost, nothing_is_read_without_a_wake,
        a_stream_stays_whole_though_its_memory_is_given_back, what_did_not_fit_goes_on_in_its_chunk,
        an_end_in_the_middle_of_a_chunk_is_not_clean, an_end_before_a_chunk_was_announced_is_clean,
        the_kernel_holds_little_of_what_is_not_read, a_turn_writes_a_share_of_a_stream,
        a_stream_that_is_woken_again_has_one_share_in_a_turn, ping_and_pong_over_two_streams,
        a_client_of_http_1_0_gets_a_body_that_ends_with_the_connection, a_clean_end_is_seen_as_one,
        an_end_from_inside_read_is_clean, an_outflow_may_end_before_its_first_byte,
        an_ended_outflow_sends_what_was_read_first, a_broken_outflow_is_seen_as_one,
        an_outflow_may_be_broken_from_inside_read, an_outflow_may_end_when_bytes_are_sent,
        what_was_sent_when_an_outflow_ended_arrives_by_libmicrohttpd_too, a_listener_may_be_closed_when_bytes_are_sent,
        a_connection_serves_again_after_a_clean_end, an_idle_reader_that_closes_is_noticed_at_once,
        an_idle_reader_that_resets_is_noticed_at_once, a_reader_that_is_gone_before_its_request_was_seen_is_noticed,
        a_reader_that_leaves_in_the_middle_of_a_flood_is_noticed, a_reader_that_takes_nothing_is_cut_in_time,
        an_idle_outflow_is_never_cut, a_reader_that_is_slow_but_steady_is_not_cut,
        a_listener_may_be_closed_from_on_gone, a_listener_may_be_closed_from_read, closing_tells_outflows_idle_and_busy,
        a_post_of_sixteen_megabytes_arrives_whole_and_so_does_its_answer,
        an_outflow_without_memory_ends_its_connection_only, NULL);
}
