/*
 * it_mailbox_sim - outboxes and receivers on a network and stores in memory, one bad day per seed.
 *
 * A seed makes three nodes that post messages to each other.  Frames and answers are lost, late, doubled and overtaken;
 * links are cut; stores fail, and nodes crash, among others at every point of a group's way into the store: before it
 * is there, after it is there and before anyone was told.  Then all is mended, and these must hold:
 *  - no sequence is used twice by a node, over all of its lives;
 *  - a message is told to have ended at most once in each life of its sender, and once in the last one, if it was
 *    accepted or loaded in it; one that was told to be durable is told to have ended in some life;
 *  - what was delivered was handled, unless its method answers before; a handler sees a message at most once in a life
 *    of its receiver, and never after its outcome was stored;
 *  - the messages of a sender and subject are handled in the order of their sequences;
 *  - nothing is left in the outboxes, the journals, the receivers, and in memory.
 *
 * FERRY_SIM_SEEDS: how many seeds, in place of 10000 (1000 with a sanitizer).  FERRY_SIM_SEED: this one alone, with a
 * trace on standard error.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/mail_store.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "harness/seed.h"
#include "mailbox/outbox.h"
#include "mailbox/receiver.h"
#include "net/sim/chance.h"

#define N_NODES 3
#define N_SUBJECTS 3
#define N_TESTS 4 /* that the seeds are dealt to */
#define MAX_MESSAGES 256
#define BLOCK 8 /* of numbers */
#define PAYLOAD_LEN (sizeof(uint32_t) + 200)
#define MS UINT64_C(1000000)
#define DAY_MS 20000
#define MEND_MS 200000

/* A message, as the test knows it. */
struct message {
    size_t sender, receiver, subject;
    uint64_t sequence;
    uint32_t payload;
    bool is_durable;
    bool wants_answer;
    bool is_accepted_kind; /* its method answers before it is handled */
    bool was_told_durable;
    unsigned told_in_life; /* the sender's life in which its end was told last; 0: never */
    unsigned accepted_in_life;
    unsigned handled_in_life; /* the receiver's; 0: never */
    unsigned n_handled;
    uint64_t handled_after; /* the sequence that its subject's handler saw before it */
};

struct node {
    size_t place;
    char name[8];
    unsigned life; /* 0: down; grows with each start */
    unsigned lives;
    struct mail_store store;
    struct fy_journal journal;
    struct fy_outbox *box;
    struct fy_receiver *receiver;
    const struct fy_list *storing; /* the group that is with the store */
    struct fy_timer stored;
    uint64_t incarnation;
    uint64_t highest_sequence;
    uint64_t last_handled[N_NODES][N_SUBJECTS];
    bool store_fails;
};

/* A frame on its way, an answer on its way, a handler that answers later. */
struct event {
    struct fy_node link;
    struct fy_timer timer;
    enum { EVENT_MESSAGE, EVENT_ANSWER, EVENT_HANDLED } kind;
    size_t from, to;
    unsigned epoch; /* of the pair's connection; of the receiver's life for EVENT_HANDLED */
    uint64_t token;
    size_t message;
    size_t len;
    uint8_t frame[];
};

/* What the carrier hands to the receiver, and gets back. */
struct request {
    struct fy_node link;
    size_t asker;
    unsigned epoch;
};

static uint64_t seed;
static bool traces;
static struct fy_chance chance;
static uint64_t now;
static int64_t wall_offset_ms;
static struct fy_timers timers;
static struct node nodes[N_NODES];
static bool is_cut[N_NODES][N_NODES];
static unsigned epochs[N_NODES][N_NODES]; /* of a pair, in both places */
static struct message messages[MAX_MESSAGES];
static size_t n_messages;
static struct fy_list events, requests;
static bool is_mended;

/* Over all seeds: a day on which nothing failed proves nothing. */
static uint64_t all_ends[FY_END_DAMAGED + 1], all_crashes, all_duplicates, all_reruns, all_failed_groups, all_replayed;

static void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void give_up(const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ck_abort_msg("seed %" PRIu64 " at %" PRIu64 " ms: %s", seed, now / MS, text);
}

static void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void trace(const char *format, ...)
{
    va_list args;

    if (!traces)
        return;
    fprintf(stderr, "%8" PRIu64 ".%03" PRIu64 " ", now / MS, now / 1000 % 1000);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static bool happens(unsigned percent)
{
    return fy_chance_below(&chance, 100) < percent;
}

static uint64_t between(uint64_t low, uint64_t high)
{
    return fy_chance_between(&chance, low, high);
}

static uint64_t clock_ns(void *ctx)
{
    (void)ctx;
    return now;
}

static int64_t wall_ms(void *ctx)
{
    (void)ctx;
    return INT64_C(1700000000000) + (int64_t)(now / MS) + wall_offset_ms;
}

/* ---- The network ---- */

static void crash(struct node *node);
static void on_event(void *arg);

static struct event *schedule(int kind, size_t from, size_t to, unsigned epoch, uint64_t delay_ns, const uint8_t *frame,
                              size_t len)
{
    struct event *event = calloc(1, sizeof(*event) + len);

    ck_assert_ptr_nonnull(event);
    event->kind = kind;
    event->from = from;
    event->to = to;
    event->epoch = epoch;
    event->len = len;
    if (len > 0)
        memcpy(event->frame, frame, len);
    fy_timer_init(&event->timer, &timers, on_event, event);
    fy_timer_set(&event->timer, now + delay_ns);
    fy_list_append(&events, &event->link);
    return event;
}

/* Send bytes along: lost, late, twice, or none of it. */
static void carry(int kind, size_t from, size_t to, struct ferry_bytes frame)
{
    const unsigned copies = is_mended ? 1 : happens(10) ? 0 : happens(10) ? 2 : 1;

    for (unsigned i = 0; i < copies; i++) {
        uint64_t delay = between(MS / 10, 5 * MS);

        if (!is_mended && happens(8))
            delay += between(0, 1500) * MS; /* later than the sender waits */
        (void)schedule(kind, from, to, epochs[from][to], delay, frame.data, frame.len);
    }
}

static int carrier_send(void *ctx, const char *name, uint64_t call, struct ferry_bytes frame)
{
    const struct node *node = ctx;
    const size_t to = (size_t)(name[1] - '0');

    (void)call;
    if (is_cut[node->place][to] || nodes[to].life == 0)
        return FERRY_ERR_CONNECT;
    if (!is_mended && happens(3))
        return FERRY_ERR_FULL;
    carry(EVENT_MESSAGE, node->place, to, frame);
    return FERRY_OK;
}

static void carrier_forget(void *ctx, uint64_t call)
{
    (void)ctx;
    (void)call;
}

static void carrier_answer(void *ctx, void *arg, struct ferry_bytes frame)
{
    const struct node *node = ctx;
    struct request *request = arg;

    if (frame.len > 0 && request->epoch == epochs[node->place][request->asker])
        carry(EVENT_ANSWER, node->place, request->asker, frame);
    fy_list_remove(&request->link);
    free(request);
}

/* ---- Nodes ---- */

static void after_turn(void)
{
    for (size_t i = 0; i < N_NODES; i++) {
        if (nodes[i].life == 0)
            continue;
        fy_outbox_tell(nodes[i].box);
        fy_journal_flush(&nodes[i].journal);
    }
}

static struct message *message_of(const struct node *node, uint64_t sequence)
{
    for (size_t i = 0; i < n_messages; i++) {
        if (messages[i].sender == node->place && messages[i].sequence == sequence)
            return &messages[i];
    }
    give_up("%s tells of %" PRIu64 ", which it never accepted", node->name, sequence);
}

static void on_told(void *ctx, const struct fy_mail *mail)
{
    const struct node *node = ctx;
    struct message *message = message_of(node, mail->sequence);

    trace("%s: %" PRIu64 " ended as %d after %u sends", node->name, mail->sequence, mail->end, mail->sends);
    all_ends[mail->end]++;
    if (message->told_in_life == node->life)
        give_up("%s tells twice of %" PRIu64, node->name, mail->sequence);
    if (mail->end != FY_END_SHUT_DOWN || !mail->is_stored)
        message->told_in_life = node->life;
    if (mail->end == FY_END_DELIVERED && message->n_handled == 0 && !message->is_accepted_kind)
        give_up("%" PRIu64 " of %s was delivered and never handled", mail->sequence, node->name);
    if (mail->end == FY_END_DAMAGED || mail->end == FY_END_CANCELLED)
        give_up("%" PRIu64 " ended as %d", mail->sequence, mail->end);
    if (mail->end == FY_END_REFUSED && mail->answer != FY_MAIL_HANDLER_FAILED && mail->answer != FY_MAIL_EXPIRED)
        give_up("%" PRIu64 " was refused with %u", mail->sequence, mail->answer);
}

static void on_mail_stored(void *ctx, const struct fy_mail *mail)
{
    struct node *node = ctx;

    message_of(node, mail->sequence)->was_told_durable = true;
    if (!mail_store_has(&node->store, mail->sequence))
        give_up("%" PRIu64 " of %s is told to be stored and is not", mail->sequence, node->name);
}

/* A handler ends.  After "busy" the message is to come again, as if it had not come. */
static void end_handling(struct node *node, uint64_t token, struct message *message)
{
    const unsigned what = (unsigned)fy_chance_below(&chance, 100);
    const struct ferry_bytes body = {(const uint8_t *)"result", 6};
    enum fy_mail_answer_status status = FY_MAIL_OK;

    if (what < 10)
        status = FY_MAIL_HANDLER_FAILED;
    else if (what < 20 && !is_mended)
        status = FY_MAIL_BUSY;
    if (fy_receiver_answer(node->receiver, token, status, 7, body) != FERRY_OK || status != FY_MAIL_BUSY ||
        message->is_accepted_kind)
        return;
    message->handled_in_life = 0;
    if (node->last_handled[message->sender][message->subject] == message->sequence)
        node->last_handled[message->sender][message->subject] = message->handled_after;
}

static struct node *node_of(struct ferry_bytes name)
{
    ck_assert_uint_eq(name.len, 2);
    return &nodes[name.data[1] - '0'];
}

/* A method's handler: it ends now, later, or too late. */
static void on_message(void *arg, uint64_t token, const struct fy_mail_head *head, struct ferry_bytes payload)
{
    struct node *node = arg;
    const struct node *sender = node_of(head->sender);
    struct message *message = message_of(sender, head->sequence);
    uint64_t *last = &node->last_handled[sender->place][message->subject];

    trace("%s handles %" PRIu64 " of %s", node->name, head->sequence, sender->name);
    ck_assert_uint_eq(payload.len, PAYLOAD_LEN);
    if (message->receiver != node->place || memcmp(payload.data, &message->payload, sizeof(message->payload)) != 0)
        give_up("%s got something else than %" PRIu64, node->name, head->sequence);
    if (message->handled_in_life == node->life)
        give_up("%" PRIu64 " is handled twice in one life of %s", head->sequence, node->name);
    if (!message->is_accepted_kind && mail_store_has_seen(&node->store, sender->name, head->sequence))
        give_up("%" PRIu64 " is handled again after its outcome was stored", head->sequence);
    if (head->sequence < *last)
        give_up("%" PRIu64 " is handled after %" PRIu64, head->sequence, *last);
    message->handled_after = *last;
    *last = head->sequence;
    message->handled_in_life = node->life;
    all_reruns += message->n_handled++ > 0;
    if (happens(60)) {
        end_handling(node, token, message);
    } else {
        struct event *event = schedule(EVENT_HANDLED, node->place, node->place, node->life,
                                       between(1, happens(10) ? 8000 : 500) * MS, NULL, 0);

        event->token = token;
        event->message = (size_t)(message - messages);
    }
}

static void on_event(void *arg)
{
    struct event *event = arg;
    struct node *to = &nodes[event->to];
    const struct ferry_bytes frame = {event->frame, event->len};

    fy_list_remove(&event->link);
    if (to->life == 0 || event->epoch != (event->kind == EVENT_HANDLED ? to->life : epochs[event->from][event->to])) {
        free(event);
        return;
    }
    if (event->kind == EVENT_HANDLED) {
        end_handling(to, event->token, &messages[event->message]);
    } else if (event->kind == EVENT_ANSWER) {
        fy_outbox_answer(to->box, nodes[event->from].name, frame);
    } else {
        struct request *request = calloc(1, sizeof(*request));

        ck_assert_ptr_nonnull(request);
        request->asker = event->from;
        request->epoch = event->epoch;
        fy_list_append(&requests, &request->link);
        fy_receiver_take(to->receiver, nodes[event->from].name, frame, request);
    }
    free(event);
}

static void on_store(void *ctx, const struct fy_list *changes)
{
    struct node *node = ctx;

    node->storing = changes;
    fy_timer_set(&node->stored, now + between(MS / 10, is_mended ? MS : 30 * MS));
}

/* A group is done: stored, failed, or met by a crash on one side or the other of its becoming durable. */
static void on_stored(void *arg)
{
    struct node *node = arg;
    const struct fy_list *changes = node->storing;

    node->storing = NULL;
    if (!is_mended && happens(2)) {
        crash(node);
        return;
    }
    if (!is_mended && (node->store_fails || happens(3))) {
        all_failed_groups++;
        fy_journal_done(&node->journal, FERRY_ERR_SYSTEM);
        return;
    }
    mail_store_apply(&node->store, changes);
    if (!is_mended && happens(2))
        crash(node);
    else
        fy_journal_done(&node->journal, FERRY_OK);
}

static bool is_linked(size_t a, size_t b)
{
    return a != b && nodes[a].life > 0 && nodes[b].life > 0 && !is_cut[a][b];
}

static void tell_links(size_t place)
{
    for (size_t i = 0; i < N_NODES; i++) {
        const bool is_up = is_linked(place, i);

        if (nodes[place].life > 0 && i != place)
            fy_outbox_link(nodes[place].box, nodes[i].name, is_up);
        if (nodes[i].life > 0 && i != place)
            fy_outbox_link(nodes[i].box, nodes[place].name, is_up);
    }
}

static struct fy_outbox_config outbox_config(struct node *node)
{
    const struct fy_carrier carrier = {node, carrier_send, carrier_forget, carrier_answer};

    return (struct fy_outbox_config){
        .self = node->name,
        .cluster = 9,
        .incarnation = node->incarnation,
        .first_sequence = node->store.reserved,
        .reserved = node->store.reserved + BLOCK,
        .block = BLOCK,
        .seed = fy_chance_next(&chance),
        .max_messages = 60,
        .max_bytes = 40000,
        .max_peer_messages = 40,
        .max_peer_bytes = 30000,
        .max_message_bytes = 1000,
        .max_peer_in_flight = 2,
        .max_dead = 8,
        .backoff_ms = 50,
        .max_backoff_ms = 1000,
        .carrier = carrier,
        .journal = &node->journal,
        .timers = &timers,
        .now_ns = clock_ns,
        .wall_ms = wall_ms,
        .told = on_told,
        .stored = on_mail_stored,
        .ctx = node,
    };
}

static struct fy_receiver_config receiver_config(struct node *node)
{
    const struct fy_carrier carrier = {node, carrier_send, carrier_forget, carrier_answer};

    return (struct fy_receiver_config){
        .self = node->name,
        .cluster = 9,
        .max_messages = 20,
        .max_bytes = 20000,
        .max_waiting = 4,
        .max_payload = 500,
        .max_windows = 100,
        .window_size = 64,
        .retention_ms = 600000,
        .handler_timeout_ms = 4000,
        .busy_ms = 20,
        .carrier = carrier,
        .journal = &node->journal,
        .timers = &timers,
        .now_ns = clock_ns,
    };
}

static void start(struct node *node)
{
    const struct fy_outbox_config config = outbox_config(node);
    const struct fy_receiver_config receiver = receiver_config(node);

    node->life = ++node->lives;
    trace("%s starts, %zu messages stored", node->name, node->store.n_mails);
    all_replayed += node->store.n_mails;
    fy_timer_init(&node->stored, &timers, on_stored, node);
    fy_journal_init(&node->journal, (struct fy_store){node, on_store}, &timers, clock_ns, NULL);
    ck_assert_int_eq(fy_outbox_new(&config, &node->box), FERRY_OK);
    ck_assert_int_eq(fy_receiver_new(&receiver, &node->receiver), FERRY_OK);
    ck_assert_int_eq(fy_receiver_add_method(node->receiver, "work", FY_METHOD_DONE, on_message, node), FERRY_OK);
    ck_assert_int_eq(fy_receiver_add_method(node->receiver, "note", FY_METHOD_ACCEPTED, on_message, node), FERRY_OK);
    node->store.reserved += BLOCK; /* what opening a store does */
    for (size_t i = 0; i < n_messages; i++) {
        if (messages[i].sender == node->place && mail_store_has(&node->store, messages[i].sequence))
            messages[i].accepted_in_life = node->life;
    }
    mail_store_load(&node->store, node->box, node->receiver);
    for (size_t i = 0; i < N_NODES; i++)
        epochs[i][node->place] = ++epochs[node->place][i];
    tell_links(node->place);
}

static void take_down(struct node *node)
{
    fy_timer_unset(&node->stored);
    node->storing = NULL;
    fy_journal_release(&node->journal);
    fy_outbox_free(node->box);
    fy_receiver_free(node->receiver);
    node->life = 0;
    tell_links(node->place);
}

static void crash(struct node *node)
{
    trace("%s crashes", node->name);
    all_crashes++;
    if (node->storing && happens(50))
        mail_store_apply(&node->store, node->storing);
    take_down(node);
}

/* An orderly stop: pending messages are reported, then the store finishes. */
static void stop(struct node *node)
{
    trace("%s stops", node->name);
    fy_outbox_stop(node->box);
    fy_outbox_tell(node->box);
    take_down(node);
}

/* ---- A day ---- */

static void post(void)
{
    struct node *node = &nodes[fy_chance_below(&chance, N_NODES)];
    const size_t to = (node->place + 1 + fy_chance_below(&chance, N_NODES - 1)) % N_NODES;
    struct message *message = &messages[n_messages];
    char subject[2] = {(char)('a' + fy_chance_below(&chance, N_SUBJECTS)), '\0'};
    uint8_t payload[PAYLOAD_LEN] = {0};
    struct fy_post post;
    uint64_t sequence;

    if (node->life == 0 || n_messages == MAX_MESSAGES)
        return;
    *message = (struct message){.sender = node->place,
                                .receiver = to,
                                .subject = (size_t)(subject[0] - 'a'),
                                .payload = (uint32_t)n_messages,
                                .wants_answer = happens(90),
                                .is_accepted_kind = happens(20),
                                .accepted_in_life = node->life};
    message->is_durable = message->wants_answer && happens(75);
    memcpy(payload, &message->payload, sizeof(message->payload));
    post = (struct fy_post){
        .receiver = {(const uint8_t *)nodes[to].name, 2},
        .subject = {(const uint8_t *)subject, 1},
        .method = {(const uint8_t *)(message->is_accepted_kind ? "note" : "work"), 4},
        .payload = {payload, sizeof(payload)},
        .plain_len = sizeof(payload),
        .key = happens(10) ? 1 + fy_chance_below(&chance, 3) : 0,
        .timeout_ms = happens(80) ? between(2000, 60000) : 0,
        .ack_timeout_ms = 300,
        .max_attempts = (uint32_t)between(1, 8),
        .is_durable = message->is_durable,
        .wants_answer = message->wants_answer,
        .overflow = happens(50) ? FY_OVERFLOW_REJECT : FY_OVERFLOW_DROP_OLDEST,
    };
    if (fy_outbox_post(node->box, &post, &sequence) != FERRY_OK)
        return;
    n_messages++;
    if (sequence <= node->highest_sequence)
        give_up("%s uses %" PRIu64 " after %" PRIu64, node->name, sequence, node->highest_sequence);
    node->highest_sequence = message->sequence = sequence;
    trace("%s posts %" PRIu64 " to %s/%s%s", node->name, sequence, nodes[to].name, subject,
          message->is_durable ? ", durable" : "");
}

static void requeue_one(struct node *node)
{
    const struct fy_mail *mail = fy_outbox_next_dead(node->box, NULL);
    uint64_t sequence;

    if (!mail || n_messages == MAX_MESSAGES)
        return;
    if (happens(50)) {
        ck_assert_int_eq(fy_outbox_purge(node->box, mail->sequence), FERRY_OK);
        return;
    }
    messages[n_messages] = *message_of(node, mail->sequence);
    if (fy_outbox_requeue(node->box, mail->sequence, 30000, &sequence) != FERRY_OK)
        return;
    if (sequence <= node->highest_sequence)
        give_up("%s uses %" PRIu64 " after %" PRIu64, node->name, sequence, node->highest_sequence);
    node->highest_sequence = sequence;
    messages[n_messages].sequence = sequence;
    messages[n_messages].told_in_life = messages[n_messages].handled_in_life = messages[n_messages].n_handled = 0;
    messages[n_messages].was_told_durable = false;
    messages[n_messages].accepted_in_life = node->life;
    n_messages++;
}

static void cut_or_heal(void)
{
    const size_t a = fy_chance_below(&chance, N_NODES), b = (a + 1) % N_NODES;

    is_cut[a][b] = is_cut[b][a] = !is_cut[a][b];
    if (is_cut[a][b])
        epochs[a][b] = epochs[b][a] = epochs[a][b] + 1;
    tell_links(a);
}

static void act(void)
{
    struct node *node = &nodes[fy_chance_below(&chance, N_NODES)];
    const unsigned what = (unsigned)fy_chance_below(&chance, 100);

    if (what < 60) {
        post();
    } else if (what < 72) {
        cut_or_heal();
    } else if (node->life == 0) {
        start(node);
    } else if (what < 76) {
        crash(node);
    } else if (what < 79) {
        stop(node);
    } else if (what < 84) {
        node->store_fails = !node->store_fails;
    } else if (what < 88) {
        wall_offset_ms += (int64_t)between(0, 20000) - 10000;
    } else {
        requeue_one(node);
    }
}

/* Go on with what happens by itself until a time. */
static void run_until(uint64_t until)
{
    while (fy_timers_next_ns(&timers) <= until) {
        now = fy_timers_next_ns(&timers);
        (void)fy_timers_run_one(&timers, now);
        after_turn();
    }
    now = until;
}

static bool is_quiet(void)
{
    for (size_t i = 0; i < N_NODES; i++) {
        struct fy_outbox_counts counts;
        struct fy_receiver_counts taken;

        fy_outbox_read_counts(nodes[i].box, &counts);
        fy_receiver_read_counts(nodes[i].receiver, &taken);
        if (counts.messages > 0 || counts.bytes > 0 || counts.in_flight > 0 || taken.messages > 0 || taken.bytes > 0 ||
            !fy_journal_is_idle(&nodes[i].journal))
            return false;
    }
    return true;
}

static void mend(void)
{
    is_mended = true;
    memset(is_cut, 0, sizeof(is_cut));
    for (size_t i = 0; i < N_NODES; i++) {
        if (nodes[i].life == 0)
            start(&nodes[i]);
        nodes[i].store_fails = false;
    }
    for (size_t i = 0; i < N_NODES; i++)
        tell_links(i);
    after_turn();
    for (uint64_t end = now + MEND_MS * MS; !is_quiet() && now < end;)
        run_until(now + 100 * MS);
    if (!is_quiet())
        give_up("it does not come to rest");
    for (size_t i = 0; i < n_messages; i++) {
        const struct message *message = &messages[i];
        const struct node *sender = &nodes[message->sender];

        if (message->accepted_in_life == sender->life && message->told_in_life != sender->life)
            give_up("%" PRIu64 " of %s was never reported", message->sequence, sender->name);
        if (message->was_told_durable && message->told_in_life == 0)
            give_up("%" PRIu64 " of %s was durable, and is lost", message->sequence, sender->name);
        if (mail_store_has(&sender->store, message->sequence))
            give_up("%" PRIu64 " of %s is still stored", message->sequence, sender->name);
    }
}

static void release(void)
{
    struct fy_node *link;

    for (size_t i = 0; i < N_NODES; i++) {
        struct fy_receiver_counts counts;

        fy_receiver_read_counts(nodes[i].receiver, &counts);
        all_duplicates += counts.duplicates;
        take_down(&nodes[i]);
        mail_store_release(&nodes[i].store);
    }
    while ((link = fy_list_take_first(&events))) {
        fy_timer_unset(&fy_container(link, struct event, link)->timer);
        free(fy_container(link, struct event, link));
    }
    ck_assert(fy_list_is_empty(&requests));
    ck_assert_uint_eq(fy_timers_next_ns(&timers), FY_NEVER);
}

static void live_through(void)
{
    fy_chance_init(&chance, seed, 0);
    fy_timers_init(&timers);
    fy_list_init(&events);
    fy_list_init(&requests);
    now = MS;
    wall_offset_ms = 0;
    n_messages = 0;
    is_mended = false;
    memset(nodes, 0, sizeof(nodes));
    memset(is_cut, 0, sizeof(is_cut));
    memset(epochs, 0, sizeof(epochs));
    for (size_t i = 0; i < N_NODES; i++) {
        nodes[i].place = i;
        snprintf(nodes[i].name, sizeof(nodes[i].name), "n%zu", i);
        nodes[i].incarnation = fy_chance_next(&chance);
        mail_store_init(&nodes[i].store, 1);
        start(&nodes[i]);
    }
    while (now < DAY_MS * MS) {
        act();
        after_turn();
        run_until(now + between(1, 300) * MS);
    }
    mend();
    release();
}

START_TEST(nothing_is_lost_doubled_or_overtaken)
{
    const uint64_t n_seeds = environment_number("FERRY_SIM_SEEDS", PATIENCE_SANITIZED ? 1000 : 10000);

    if (getenv("FERRY_SIM_SEED")) {
        traces = true;
        seed = environment_number("FERRY_SIM_SEED", 0);
        if (_i == 0)
            live_through();
        return;
    }
    for (seed = (uint64_t)_i; seed < n_seeds; seed += N_TESTS)
        live_through();
    if (n_seeds < 4000) /* each test has a quarter */
        return;
    ck_assert_uint_gt(all_crashes, 0);
    ck_assert_uint_gt(all_duplicates, 0);
    ck_assert_uint_gt(all_reruns, 0);
    ck_assert_uint_gt(all_failed_groups, 0);
    ck_assert_uint_gt(all_replayed, 0);
    for (int end = FY_END_DELIVERED; end <= FY_END_SHUT_DOWN; end++) {
        if (end != FY_END_CANCELLED && end != FY_END_PEER_REMOVED) /* check_outbox has them */
            ck_assert_uint_gt(all_ends[end], 0);
    }
}
END_TEST

static void setup(void)
{
    heap_setup();
}

static void teardown(void)
{
    heap_teardown();
}

static void add_tests(TCase *tcase)
{
    tcase_add_loop_test(tcase, nothing_is_lost_doubled_or_overtaken, 0, N_TESTS);
}

int main(void)
{
    static const struct rig_case cases[] = {{"mailbox_sim", add_tests}, {NULL, NULL}};

    rig_step_aside();
    seed_tell_of_crashes("it_mailbox_sim", &seed);
    return rig_main_cases("mailbox_sim", setup, teardown, cases);
}
