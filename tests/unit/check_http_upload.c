/*
 * check_http_upload - long bodies: read piece by piece at one end, held back at the other, refused in the middle.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/heap.h"
#include "harness/http_rig.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"
#include "harness/snapshots.h"
#include "net/tls/tls.h"

#define SEED 5
#define LONG ((uint64_t)20 << 20)

/* The client's side. */
static struct {
    struct fy_call *call;
    uint64_t at, size;
    uint64_t gate; /* nothing is ready beyond it */
    uint64_t cancel_at;
    bool is_unknown;
    unsigned n_asked;
    int status;
    int n_ends, err;
    char answer[128];
    uint64_t n_answer;
    bool is_answer_right; /* when it is of SEED */
} up;

/* The server's. */
static struct {
    struct fy_request *req;
    uint64_t announced;
    uint64_t at;
    bool is_right;
    uint64_t pause_every; /* 0: never */
    uint64_t n_since_pause;
    bool is_paused;
    unsigned n_pauses;
    bool came_while_paused;
    uint64_t refuse_at; /* UINT64_MAX: never */
    uint64_t close_at;  /* the listener; the same */
    size_t answer_len;  /* of a refusal: so many bytes of SEED; 0: a word */
    bool must_fail;     /* the first allocation for it */
    bool has_room;      /* says where bytes may lie */
    uint64_t n_in_room; /* bytes that came to lie there */
    int n_body_ends, n_gone;
} down;

static uint8_t room[300000];
static uint8_t long_answer[8 << 20];

static struct fy_listener *listener;

static size_t read_body(void *arg, uint8_t *buf, size_t cap)
{
    uint64_t end = up.gate < up.size ? up.gate : up.size;
    size_t len = end - up.at < cap ? (size_t)(end - up.at) : cap;

    (void)arg;
    up.n_asked++;
    if (up.at >= up.cancel_at) {
        fy_call_cancel(up.call);
        up.call = NULL;
        return 0;
    }
    if (up.is_unknown && up.at == up.size)
        return FY_BODY_END;
    body_bytes(SEED, up.at, buf, len);
    up.at += len;
    return len;
}

static void on_head(void *arg, const struct fy_answer *answer)
{
    (void)arg;
    up.status = answer->status;
}

static void on_answer(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    snprintf(up.answer, sizeof(up.answer), "%.*s", (int)len, (const char *)data);
    up.is_answer_right &= body_matches(SEED, up.n_answer, data, len);
    up.n_answer += len;
}

static void on_end(void *arg, int err, const char *detail)
{
    (void)arg;
    (void)detail;
    up.call = NULL;
    up.n_ends++;
    up.err = err;
}

static void refuse(void)
{
    struct fy_request *req = down.req;

    down.req = NULL;
    heap_fail_at(down.must_fail ? 0 : -1);
    if (down.answer_len > 0)
        fy_request_reply(req, 507, NULL, 0, long_answer, down.answer_len);
    else
        fy_request_reply(req, 507, NULL, 0, "full\n", 5);
    heap_fail_at(-1);
}

static void on_body(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    ck_assert_uint_le(len, data == room ? sizeof(room) : FY_BODY_PIECE_MAX);
    down.n_in_room += data == room ? len : 0;
    down.is_right &= body_matches(SEED, down.at, data, len);
    down.at += len;
    down.n_since_pause += len;
    down.came_while_paused |= down.is_paused;
    if (down.at >= down.close_at) {
        struct fy_listener *closed = listener;

        listener = NULL;
        fy_listener_close(closed);
    } else if (down.at >= down.refuse_at) {
        refuse();
    } else if (down.pause_every && down.n_since_pause >= down.pause_every) {
        down.is_paused = true;
        down.n_since_pause = 0;
        down.n_pauses++;
        fy_request_pause_body(down.req);
    }
}

static void on_body_end(void *arg)
{
    (void)arg;
    down.n_body_ends++;
    down.came_while_paused |= down.is_paused;
    fy_request_reply(down.req, 204, NULL, 0, NULL, 0);
    down.req = NULL;
}

static void on_gone(void *arg)
{
    (void)arg;
    down.n_gone++;
    down.req = NULL;
}

static uint8_t *on_room(void *arg, size_t *ret_len)
{
    (void)arg;
    *ret_len = sizeof(room);
    return down.has_room ? room : NULL;
}

static void on_request(void *arg, struct fy_request *req)
{
    static const struct fy_request_events events = {
        .on_body = on_body, .on_body_end = on_body_end, .on_gone = on_gone, .on_room = on_room};

    down.req = req;
    down.announced = fy_request_body_len(req);
    fy_request_set_events(req, &events, arg);
}

static void setup(void)
{
    http_setup();
    memset(&up, 0, sizeof(up));
    memset(&down, 0, sizeof(down));
    up.gate = up.cancel_at = UINT64_MAX;
    down.refuse_at = down.close_at = UINT64_MAX;
    down.is_right = true;
    listener = http_listen(on_request, NULL);
}

static void teardown(void)
{
    if (up.call)
        fy_call_cancel(up.call);
    fy_listener_close(listener);
    http_teardown();
}

static void upload(uint64_t size, bool is_unknown)
{
    static const struct fy_call_events events = {.on_head = on_head, .on_body = on_answer, .on_end = on_end};
    struct fy_call_spec spec = {.method = "POST",
                                .url = http_url(fy_listener_url(listener), "/up"),
                                .read_body = read_body,
                                .body_len = is_unknown ? FY_LEN_UNKNOWN : size,
                                .own_connection = true,
                                .connect_timeout_ms = 5000};

    up.size = size;
    up.is_unknown = is_unknown;
    ck_assert_int_eq(fy_net_call(http_net, &spec, &events, NULL, &up.call), FERRY_OK);
}

static void expect_whole(uint64_t size)
{
    HTTP_UNTIL(up.n_ends > 0);
    ck_assert_int_eq(up.err, FERRY_OK);
    ck_assert_int_eq(up.status, 204);
    ck_assert_uint_eq(down.announced, up.is_unknown ? FY_LEN_UNKNOWN : size);
    ck_assert_uint_eq(down.at, size);
    ck_assert(down.is_right);
    ck_assert_int_eq(down.n_body_ends, 1);
    ck_assert(!down.came_while_paused);
}

START_TEST(a_body_that_is_read_comes_whole)
{
    upload(LONG, false);
    expect_whole(LONG);
}
END_TEST

START_TEST(a_body_of_unknown_length_comes_whole)
{
    upload(LONG, true);
    expect_whole(LONG);
}
END_TEST

START_TEST(an_empty_one_too)
{
    upload(0, false);
    expect_whole(0);
    ck_assert_uint_eq(up.n_asked, 0);
}
END_TEST

START_TEST(nothing_is_asked_while_nothing_is_ready)
{
    unsigned n_asked;

    up.gate = 0;
    upload(100000, false);
    HTTP_UNTIL(down.req != NULL && up.n_asked > 0);
    n_asked = up.n_asked;
    http_turn_for_ms(50);
    ck_assert_uint_eq(up.n_asked, n_asked);
    for (uint64_t gate = 10000; gate <= 100000; gate += 10000) {
        up.gate = gate;
        fy_call_wake(up.call);
        fy_call_wake(up.call);
        HTTP_UNTIL(down.at == gate);
    }
    expect_whole(100000);
}
END_TEST

START_TEST(a_server_that_leaves_is_seen_while_nothing_is_ready)
{
    up.gate = 10000;
    upload(100000, false);
    HTTP_UNTIL(down.at == 10000); /* all is read: the end comes in order */
    fy_request_abort(down.req);
    HTTP_UNTIL(up.n_ends == 1);
    ck_assert_int_eq(up.err, FERRY_ERR_EOF);
}
END_TEST

START_TEST(a_body_that_is_canceled_from_inside_breaks_the_connection)
{
    up.cancel_at = LONG / 2;
    upload(LONG, false);
    HTTP_UNTIL(down.n_gone == 1);
    ck_assert_int_eq(up.n_ends, 0);
    ck_assert_int_eq(down.n_body_ends, 0);
}
END_TEST

START_TEST(and_so_does_one_in_chunks)
{
    up.cancel_at = LONG / 2;
    upload(LONG, true);
    HTTP_UNTIL(down.n_gone == 1);
    ck_assert_int_eq(down.n_body_ends, 0);
}
END_TEST

static void resume(void)
{
    down.is_paused = false;
    fy_request_resume_body(down.req);
}

static void pass_with_pauses(bool is_unknown)
{
    down.pause_every = 1 << 20;
    upload(LONG, is_unknown);
    while (up.n_ends == 0) {
        HTTP_UNTIL(down.is_paused || up.n_ends > 0);
        if (down.is_paused)
            resume();
    }
    expect_whole(LONG);
    ck_assert_uint_gt(down.n_pauses, 10);
}

START_TEST(a_paused_body_waits)
{
    pass_with_pauses(false);
}
END_TEST

START_TEST(a_paused_body_in_chunks_waits)
{
    pass_with_pauses(true);
}
END_TEST

static void hold_back(void)
{
    uint64_t at;

    down.pause_every = 1 << 20;
    upload((uint64_t)1 << 30, false);
    HTTP_UNTIL(down.is_paused);
    do { /* whatever the sockets hold */
        at = up.at;
        http_turn_for_ms(100);
        ck_assert_uint_lt(up.at, (uint64_t)64 << 20);
    } while (up.at != at);
    ck_assert(!down.came_while_paused);
}

START_TEST(a_pause_holds_the_client_back)
{
    hold_back();
}
END_TEST

static void break_off_in_a_pause(void)
{
    down.pause_every = 1 << 20;
    upload(LONG * 10, false);
    HTTP_UNTIL(down.is_paused);
    http_turn_for_ms(100); /* so that there are unread bytes, and the end is a reset */
    fy_call_cancel(up.call);
    up.call = NULL;
    if (down.n_gone == 0)
        resume(); /* an end in order is seen behind what was sent before it */
    down.pause_every = 0;
    HTTP_UNTIL(down.n_gone == 1);
}

START_TEST(a_client_that_breaks_off_is_seen_in_a_pause)
{
    break_off_in_a_pause();
}
END_TEST

static void refuse_in_the_middle(void)
{
    for (int is_paused = 0; is_paused < 2; is_paused++) {
        up.n_ends = up.status = 0;
        up.at = down.at = 0;
        down.n_since_pause = 0;
        down.is_paused = false;
        down.pause_every = is_paused ? 1 << 20 : 0;
        down.refuse_at = is_paused ? UINT64_MAX : 1 << 20;
        upload((uint64_t)1 << 30, false);
        if (is_paused) {
            HTTP_UNTIL(down.is_paused);
            refuse();
        }
        HTTP_UNTIL(up.n_ends > 0);
        ck_assert_int_eq(up.status, 507);
        ck_assert_str_eq(up.answer, "full\n");
        ck_assert_uint_lt(up.at, (uint64_t)1 << 29); /* it stopped sending */
        up.answer[0] = '\0';
    }
    ck_assert_int_eq(down.n_gone, 0);
}

START_TEST(a_refusal_in_the_middle_reaches_the_client)
{
    refuse_in_the_middle();
}
END_TEST

START_TEST(a_client_that_ends_its_side_in_the_middle_is_gone)
{
    static uint8_t data[30000];
    int fd = raw_connect(fy_listener_url(listener));

    raw_send_text(fd, "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 30001\r\n\r\n");
    body_bytes(SEED, 0, data, sizeof(data));
    raw_send(fd, data, sizeof(data));
    close(fd);
    HTTP_UNTIL(down.n_gone == 1);
    ck_assert_uint_eq(down.at, sizeof(data));
    ck_assert_int_eq(down.n_body_ends, 0);
}
END_TEST

/* ---- Read to where it is to lie ---------------------------------------------------------------------------------
 */

START_TEST(a_long_body_is_read_to_where_it_is_to_lie)
{
    down.has_room = true;
    upload(LONG, false);
    expect_whole(LONG);
    ck_assert_uint_gt(down.n_in_room, LONG - FY_BODY_PIECE_MAX);
}
END_TEST

START_TEST(a_short_one_or_one_of_unknown_length_is_not)
{
    down.has_room = true;
    upload(1 << 20, false);
    expect_whole(1 << 20);
    up.n_ends = down.n_body_ends = 0;
    up.at = down.at = 0;
    upload(LONG, true);
    expect_whole(LONG);
    ck_assert_uint_eq(down.n_in_room, 0);
}
END_TEST

START_TEST(one_that_is_waits_when_it_is_paused)
{
    down.has_room = true;
    pass_with_pauses(false);
    ck_assert_uint_gt(down.n_in_room, LONG / 2);
}
END_TEST

START_TEST(and_holds_its_client_back)
{
    down.has_room = true;
    hold_back();
    ck_assert_uint_gt(down.n_in_room, 0);
}
END_TEST

START_TEST(and_sees_one_that_breaks_off)
{
    down.has_room = true;
    break_off_in_a_pause();
    ck_assert_uint_gt(down.n_in_room, 0);
}
END_TEST

START_TEST(and_may_be_refused)
{
    down.has_room = true;
    refuse_in_the_middle();
    ck_assert_uint_gt(down.n_in_room, 0);
}
END_TEST

START_TEST(and_ends_with_its_listener)
{
    down.has_room = true;
    down.close_at = LONG / 2;
    upload(LONG, false);
    HTTP_UNTIL(up.n_ends > 0);
    ck_assert_int_ne(up.err, FERRY_OK);
    ck_assert_int_eq(down.n_gone, 1);
    ck_assert_uint_gt(down.n_in_room, 0);
}
END_TEST

/* Send the head of a body of announced bytes, and n bytes of it, from a plain socket. */
static int send_part(uint64_t announced, uint64_t n)
{
    static uint8_t data[60000];
    int fd = raw_connect(fy_listener_url(listener));
    char head[128];

    snprintf(head, sizeof(head), "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: %llu\r\n\r\n",
             (unsigned long long)announced);
    raw_send_text(fd, head);
    for (uint64_t at = 0; at < n; at += sizeof(data)) {
        body_bytes(SEED, at, data, sizeof(data));
        raw_send(fd, data, sizeof(data));
        HTTP_UNTIL(down.at == at + sizeof(data));
    }
    return fd;
}

static bool is_closed(int fd, struct raw_input *input)
{
    raw_receive(fd, input);
    return input->is_closed;
}

START_TEST(its_answer_is_the_last_of_its_connection_and_says_so)
{
    struct raw_input input = {.len = 0};
    int fd;

    down.has_room = true;
    fd = send_part(3000000, 3000000);
    HTTP_UNTIL(is_closed(fd, &input));
    ck_assert_str_eq(input.text, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    ck_assert(down.is_right);
    ck_assert_int_eq(down.n_gone, 0);
    close(fd);
}
END_TEST

START_TEST(a_client_of_one_that_ends_its_side_in_the_middle_is_gone)
{
    int fd;

    down.has_room = true;
    fd = send_part(3000000, 1800000);
    ck_assert_uint_gt(down.n_in_room, 0);
    close(fd);
    HTTP_UNTIL(down.n_gone == 1);
    ck_assert_int_eq(down.n_body_ends, 0);
}
END_TEST

/* A body whose last byte fills what it is put into: its end waits as the rest of it would. */
START_TEST(one_that_is_paused_at_its_last_byte_ends_after_the_pause)
{
    down.has_room = true;
    down.pause_every = LONG;
    upload(LONG, false);
    HTTP_UNTIL(down.is_paused);
    http_turn_for_ms(50);
    ck_assert_int_eq(down.n_body_ends, 0);
    resume();
    ck_assert_int_eq(down.n_body_ends, 0); /* not from inside the call */
    expect_whole(LONG);
}
END_TEST

START_TEST(and_is_gone_if_its_client_resets_in_it)
{
    int fd;

    down.has_room = true;
    down.pause_every = 3000000;
    fd = send_part(3000000, 3000000);
    ck_assert(down.is_paused);
    raw_reset(fd);
    HTTP_UNTIL(down.n_gone == 1);
    ck_assert_int_eq(down.n_body_ends, 0);
}
END_TEST

START_TEST(one_that_is_answered_at_its_last_byte_is_over_then)
{
    struct raw_input input = {.len = 0};
    int fd;

    down.has_room = true;
    down.refuse_at = 3000000;
    fd = send_part(3000000, 3000000);
    raw_receive(fd, &input); /* no more turns: nothing of the client's is waited for */
    ck_assert_str_eq(input.text,
                     "HTTP/1.1 507 Insufficient Storage\r\nConnection: close\r\nContent-Length: 5\r\n\r\nfull\n");
    ck_assert(input.is_closed);
    close(fd);
}
END_TEST

/* ---- Long answers to them -----------------------------------------------------------------------------------------
 */

/* Read an answer of len bytes of SEED to the connection's end. */
static void expect_long_answer(int fd, size_t len)
{
    static struct raw_input input;
    const char *body = NULL;
    uint64_t at = 0;
    char announced[64];

    memset(&input, 0, sizeof(input));
    HTTP_UNTIL((raw_receive(fd, &input), body = strstr(input.text, "\r\n\r\n")) != NULL);
    (void)snprintf(announced, sizeof(announced), "Content-Length: %zu\r\n", len);
    ck_assert_ptr_nonnull(strstr(input.text, announced));
    body += 4;
    for (size_t n = input.len - (size_t)(body - input.text);; n = input.len, body = input.text) {
        ck_assert(body_matches(SEED, at, body, n));
        at += n;
        if (at >= len || input.is_closed)
            break;
        input.len = 0;
        HTTP_UNTIL((raw_receive(fd, &input), input.len > 0 || input.is_closed));
    }
    ck_assert_uint_eq(at, len);
    close(fd);
}

/* The same length in both ways that a body comes, and an answer at its last byte, which leaves nothing to come. */
static void answer_at_length(size_t len)
{
    down.answer_len = len;
    body_bytes(SEED, 0, long_answer, len);
    for (int i = 0; i < 3; i++) {
        down.at = 0;
        down.has_room = i > 0;
        down.refuse_at = i == 2 ? 3000000 : 1800000;
        expect_long_answer(send_part(3000000, down.refuse_at), len);
    }
    ck_assert_int_eq(down.n_gone, 0);
}

START_TEST(an_answer_may_be_long)
{
    answer_at_length(64 << 10);
}
END_TEST

START_TEST(and_longer_than_a_socket_takes_at_once)
{
    answer_at_length(sizeof(long_answer));
}
END_TEST

/* A record at a time, and the session may have to wait in the middle of one. */
START_TEST(and_all_of_that_in_tls)
{
    struct fy_http_config cfg = *http_default_config();
    struct ferry_tls_config files;
    char detail[128];

    fy_listener_close(listener);
    http_teardown();
    cfg.tls = http_tls_new(&files);
    http_setup_with(&cfg);
    ck_assert_int_eq(
        fy_net_listen(http_net, "https://127.0.0.1:0", on_request, NULL, &listener, detail, sizeof(detail)), FERRY_OK);
    down.refuse_at = 1800000;
    down.answer_len = sizeof(long_answer);
    body_bytes(SEED, 0, long_answer, sizeof(long_answer));
    up.is_answer_right = true;
    upload((uint64_t)1 << 30, false);
    HTTP_UNTIL(up.n_ends > 0);
    ck_assert_int_eq(up.status, 507);
    ck_assert_uint_eq(up.n_answer, sizeof(long_answer));
    ck_assert(up.is_answer_right);
    fy_listener_close(listener);
    http_teardown();
    fy_tls_free(cfg.tls);
    http_setup();
    listener = http_listen(on_request, NULL);
}
END_TEST

/* The end of the connection may be in order or a reset, but it comes, and the listener is of use after it. */
static void expect_no_whole_answer(void (*meanwhile)(int fd))
{
    struct raw_input input = {.len = 0};
    int fd = send_part(3000000, down.refuse_at);

    if (meanwhile)
        meanwhile(fd);
    HTTP_UNTIL((input.len = 0, is_closed(fd, &input)));
    close(fd);
    down.refuse_at = UINT64_MAX;
    down.at = 0;
    upload(LONG, false);
    expect_whole(LONG);
}

/* More than the socket takes at once. */
static void refuse_at_length_in_the_middle(void)
{
    down.has_room = true;
    down.refuse_at = 1800000;
    down.answer_len = sizeof(long_answer);
}

static void take_nothing(int fd)
{
    (void)fd;
    http_turn_for_ms(2000); /* twice the idle timeout */
}

START_TEST(a_client_that_does_not_take_it_is_let_go)
{
    refuse_at_length_in_the_middle();
    expect_no_whole_answer(take_nothing);
}
END_TEST

START_TEST(one_that_resets_is_noticed)
{
    int fd;

    refuse_at_length_in_the_middle();
    fd = send_part(3000000, down.refuse_at);
    raw_reset(fd);
    http_turn_for_ms(50);
    down.refuse_at = UINT64_MAX;
    down.at = 0;
    upload(LONG, false);
    expect_whole(LONG);
}
END_TEST

START_TEST(a_listener_may_be_closed_meanwhile)
{
    int fd;

    refuse_at_length_in_the_middle();
    fd = send_part(3000000, down.refuse_at);
    fy_listener_close(listener);
    listener = NULL;
    close(fd);
}
END_TEST

START_TEST(without_memory_for_it_the_connection_ends)
{
    down.has_room = true;
    down.refuse_at = 1800000;
    down.must_fail = true;
    expect_no_whole_answer(NULL);
}
END_TEST

/* ---- Memory ------------------------------------------------------------------------------------------------------
 */

static bool has_ended(void)
{
    return up.n_ends > 0 || !up.call;
}

START_TEST(no_failed_allocation_is_more_than_a_failed_call)
{
    bool failed = true;

    for (long nth = 0; failed && nth < 400; nth++) {
        static const struct fy_call_events events = {.on_head = on_head, .on_body = on_answer, .on_end = on_end};
        struct fy_call_spec spec = {.method = "POST",
                                    .url = http_url(fy_listener_url(listener), "/up"),
                                    .read_body = read_body,
                                    .body_len = 100000,
                                    .own_connection = true,
                                    .connect_timeout_ms = 5000};
        int err;

        up.n_ends = up.status = 0;
        up.at = down.at = 0;
        up.size = 100000;
        heap_fail_at(nth);
        err = fy_net_call(http_net, &spec, &events, NULL, &up.call);
        failed = heap_has_failed();
        heap_fail_at(-1);
        if (err != FERRY_OK) {
            ck_assert_int_eq(err, FERRY_ERR_NOMEM);
            up.call = NULL;
            continue;
        }
        HTTP_UNTIL(has_ended());
        ck_assert_int_eq(up.status, 204);
    }
    ck_assert(!failed);
}
END_TEST

int main(void)
{
    return rig_main(
        "http_upload", setup, teardown, a_body_that_is_read_comes_whole, a_body_of_unknown_length_comes_whole,
        an_empty_one_too, nothing_is_asked_while_nothing_is_ready, a_server_that_leaves_is_seen_while_nothing_is_ready,
        a_body_that_is_canceled_from_inside_breaks_the_connection, and_so_does_one_in_chunks, a_paused_body_waits,
        a_paused_body_in_chunks_waits, a_pause_holds_the_client_back, a_client_that_breaks_off_is_seen_in_a_pause,
        a_refusal_in_the_middle_reaches_the_client, a_client_that_ends_its_side_in_the_middle_is_gone,
        a_long_body_is_read_to_where_it_is_to_lie, a_short_one_or_one_of_unknown_length_is_not,
        one_that_is_waits_when_it_is_paused, and_holds_its_client_back, and_sees_one_that_breaks_off,
        and_may_be_refused, and_ends_with_its_listener, its_answer_is_the_last_of_its_connection_and_says_so,
        a_client_of_one_that_ends_its_side_in_the_middle_is_gone,
        one_that_is_paused_at_its_last_byte_ends_after_the_pause, and_is_gone_if_its_client_resets_in_it,
        one_that_is_answered_at_its_last_byte_is_over_then, an_answer_may_be_long,
        and_longer_than_a_socket_takes_at_once, and_all_of_that_in_tls, a_client_that_does_not_take_it_is_let_go,
        one_that_resets_is_noticed, a_listener_may_be_closed_meanwhile, without_memory_for_it_the_connection_ends,
        no_failed_allocation_is_more_than_a_failed_call, NULL);
}
