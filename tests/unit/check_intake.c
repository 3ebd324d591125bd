/*
 * check_intake - request bodies, their limit and their budget.  The test fakes the requests and the net's part.
 */
#include "node/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "net/net.h"

#define MAX_LEN 10000

/* A request, and what became of it. */
struct played {
    struct fy_net_object object; /* first: the seam's handle */
    struct fy_request_events events;
    void *arg;
    int status; /* 0: not answered */
    char text[64];
    size_t taken_len; /* of the body, when it was handed over */
    bool is_taken;
};

static struct fy_intake_budget budget;
static struct played a, b;
static uint8_t body[2 * MAX_LEN];

static void set_events(struct fy_request *req, const struct fy_request_events *events, void *arg)
{
    struct played *played = (struct played *)(void *)req;

    played->events = *events;
    played->arg = arg;
}

static void reply(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                  const void *text, size_t len)
{
    struct played *played = (struct played *)(void *)req;

    (void)headers;
    (void)n_headers;
    if (played->status != 0) /* not an assertion, which may allocate */
        ck_abort_msg("answered twice");
    played->status = status;
    snprintf(played->text, sizeof(played->text), "%.*s", (int)len, len > 0 ? (const char *)text : "");
}

static const struct fy_net_ops ops = {.request_set_events = set_events, .request_reply = reply};

static void on_whole(void *arg, struct fy_request *req, const uint8_t *data, size_t len)
{
    struct played *played = (struct played *)(void *)req;

    if (arg != &budget || (len > 0 && memcmp(data, body, len) != 0))
        ck_abort_msg("not what was sent");
    played->is_taken = true;
    played->taken_len = len;
    fy_request_reply(req, 204, NULL, 0, NULL, 0);
}

static void setup(void)
{
    heap_setup();
    fy_intake_budget_init(&budget, 3 * MAX_LEN);
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 31);
}

static void teardown(void)
{
    ck_assert_uint_eq(budget.used, 0);
    heap_teardown();
}

static void begin(struct played *played)
{
    *played = (struct played){.object.ops = &ops};
    fy_intake_start((struct fy_request *)(void *)played, &budget, MAX_LEN, on_whole, &budget);
}

/* The next len bytes of a body of which len_before came already. */
static void send_more(struct played *played, size_t len_before, size_t len)
{
    played->events.on_body(played->arg, body + len_before, len);
}

static void end(struct played *played)
{
    played->events.on_body_end(played->arg);
}

START_TEST(a_body_is_gathered_from_its_pieces)
{
    size_t len = 0;

    begin(&a);
    for (size_t piece = 1; len + piece <= MAX_LEN; piece++) {
        send_more(&a, len, piece);
        len += piece;
    }
    end(&a);
    ck_assert(a.is_taken);
    ck_assert_uint_eq(a.taken_len, len);
    begin(&a);
    end(&a);
    ck_assert(a.is_taken);
    ck_assert_uint_eq(a.taken_len, 0);
}
END_TEST

START_TEST(a_body_at_its_limit_takes_no_more_room_than_that)
{
    begin(&a);
    send_more(&a, 0, MAX_LEN - 1);
    ck_assert_uint_le(budget.used, MAX_LEN);
    send_more(&a, MAX_LEN - 1, 1);
    ck_assert_uint_eq(budget.used, MAX_LEN);
    end(&a);
    ck_assert_uint_eq(a.taken_len, MAX_LEN);
}
END_TEST

START_TEST(a_body_beyond_its_limit_holds_nothing_from_then_on)
{
    begin(&a);
    send_more(&a, 0, MAX_LEN);
    send_more(&a, MAX_LEN, 1);
    ck_assert_uint_eq(budget.used, 0);
    send_more(&a, MAX_LEN, 1); /* goes on for as long as the client likes */
    ck_assert_uint_eq(budget.used, 0);
    end(&a);
    ck_assert_int_eq(a.status, 413);
    ck_assert(!a.is_taken);
}
END_TEST

START_TEST(a_body_beyond_the_budget_is_refused_and_the_others_go_on)
{
    budget.max = MAX_LEN;
    begin(&a);
    begin(&b);
    send_more(&a, 0, MAX_LEN / 2);
    send_more(&b, 0, 1);
    send_more(&b, 1, MAX_LEN - 1);
    ck_assert_uint_le(budget.used, budget.max);
    send_more(&a, MAX_LEN / 2, 10);
    end(&b);
    ck_assert_int_eq(b.status, 503);
    ck_assert_str_eq(b.text, "too many request bodies at once\n");
    ck_assert(!b.is_taken);
    end(&a);
    ck_assert_int_eq(a.status, 204);
    ck_assert_uint_eq(a.taken_len, MAX_LEN / 2 + 10);
}
END_TEST

START_TEST(what_a_refused_body_held_is_there_for_others_before_it_ends)
{
    budget.max = MAX_LEN;
    begin(&a);
    begin(&b);
    send_more(&a, 0, 5000);
    send_more(&b, 0, 5000); /* one of them is too much */
    ck_assert_uint_le(budget.used, MAX_LEN);
    send_more(&a, 5000, 5000);
    end(&a);
    ck_assert_int_eq(a.status, 204);
    end(&b);
    ck_assert_int_eq(b.status, 503);
}
END_TEST

START_TEST(a_client_that_leaves_gives_back_what_it_held)
{
    budget.max = MAX_LEN;
    begin(&a);
    send_more(&a, 0, MAX_LEN);
    ck_assert_uint_eq(budget.used, MAX_LEN);
    a.events.on_gone(a.arg);
    ck_assert_uint_eq(budget.used, 0);
    begin(&b);
    send_more(&b, 0, MAX_LEN);
    end(&b);
    ck_assert_int_eq(b.status, 204);
}
END_TEST

START_TEST(gathering_survives_every_failed_allocation)
{
    bool has_failed = true;

    for (long nth = 0; has_failed; nth++) {
        heap_fail_at(nth);
        begin(&a);
        for (size_t len = 0; a.status == 0 && len < MAX_LEN; len += 100)
            send_more(&a, len, 100);
        if (a.status == 0)
            end(&a);
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        ck_assert_int_eq(a.status, has_failed ? 503 : 204);
        ck_assert_uint_eq(budget.used, 0);
    }
}
END_TEST

int main(void)
{
    return rig_main(
        "intake", setup, teardown, a_body_is_gathered_from_its_pieces, a_body_at_its_limit_takes_no_more_room_than_that,
        a_body_beyond_its_limit_holds_nothing_from_then_on, a_body_beyond_the_budget_is_refused_and_the_others_go_on,
        what_a_refused_body_held_is_there_for_others_before_it_ends, a_client_that_leaves_gives_back_what_it_held,
        gathering_survives_every_failed_allocation, NULL);
}
