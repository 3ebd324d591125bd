/*
 * dispatch - the life of outgoing messages after they were accepted.
 *
 * Normal path: the head of a stream is sent as soon as its node has a place in flight, beside the store's work; the
 * answer settles it, and the next of the stream is sent.  A message that is settled before its record was stored is
 * taken back from the journal: it costs no write.
 */
#include "mailbox/dispatch.h"

#include <assert.h>
#include <string.h>

#include "mailbox/dead_letters.h"

#define MAX_DOUBLINGS 20

/* The legal successors of each state. */
#define BIT(state) (1u << (state))
static const unsigned successors[] = {
    [FY_MAIL_QUEUED] = BIT(FY_MAIL_FLIGHT) | BIT(FY_MAIL_BACKOFF) | BIT(FY_MAIL_PARKED) | BIT(FY_MAIL_SETTLED),
    [FY_MAIL_FLIGHT] = BIT(FY_MAIL_QUEUED) | BIT(FY_MAIL_BACKOFF) | BIT(FY_MAIL_PARKED) | BIT(FY_MAIL_SETTLED),
    [FY_MAIL_BACKOFF] = BIT(FY_MAIL_QUEUED) | BIT(FY_MAIL_PARKED) | BIT(FY_MAIL_SETTLED),
    [FY_MAIL_PARKED] = BIT(FY_MAIL_BACKOFF) | BIT(FY_MAIL_SETTLED),
    [FY_MAIL_SETTLED] = 0,
};

uint64_t fy_outbox_now_ns(const struct fy_outbox *box)
{
    return box->config.now_ns(box->config.clock_ctx);
}

/* xorshift64*: a number below n, which is not 0. */
static uint64_t random_below(struct fy_outbox *box, uint64_t n)
{
    box->random ^= box->random >> 12;
    box->random ^= box->random << 25;
    box->random ^= box->random >> 27;
    return (box->random * UINT64_C(0x2545f4914f6cdd1d) >> 11) % n;
}

/* The only writer of mail->state.  Leaving the flight ends the attempt, for the carrier and for those who count. */
static void set_state(struct fy_outbox *box, struct fy_mail *mail, enum fy_mail_state to)
{
    const struct fy_carrier *carrier = &box->config.carrier;

    assert(successors[mail->state] & BIT(to));
    if (mail->state == FY_MAIL_FLIGHT) {
        mail->stream->peer->n_in_flight--;
        box->counts.in_flight--;
        fy_timer_unset(&mail->retry);
        if (mail->wants_answer)
            carrier->forget(carrier->ctx, mail->sequence);
    } else if (mail->state == FY_MAIL_BACKOFF) {
        fy_timer_unset(&mail->retry);
    }
    if (to == FY_MAIL_FLIGHT) {
        mail->stream->peer->n_in_flight++;
        box->counts.in_flight++;
    }
    mail->state = to;
}

/* The head of a stream waits for a place in flight, or is parked if its node cannot be reached. */
static void make_ready(struct fy_outbox *box, struct fy_stream *stream)
{
    struct fy_mail *head = fy_stream_head(stream);
    const enum fy_mail_state to = stream->peer->is_up ? FY_MAIL_QUEUED : FY_MAIL_PARKED;

    if (!head)
        return;
    if (head->state != to)
        set_state(box, head, to);
    if (to == FY_MAIL_QUEUED && stream->n_holds == 0 && !fy_node_is_linked(&stream->ready))
        fy_list_append(&stream->peer->ready, &stream->ready);
}

/* ---- Settling ---- */

/* The end of a message is stored: the next one of its stream may go. */
static void release_stream(struct fy_outbox *box, struct fy_stream *stream)
{
    struct fy_peer_queue *peer = stream->peer;

    if (--stream->n_holds > 0 || box->is_stopped)
        return;
    if (!fy_queues_drop_idle_stream(&box->queues, stream))
        make_ready(box, stream);
    fy_outbox_pump(box, peer);
    fy_queues_drop_idle_peer(&box->queues, peer);
}

static void finish_done(struct fy_change *change, int err)
{
    struct fy_mail *mail = fy_container(change, struct fy_mail, finish);

    if (mail->held && !err)
        release_stream(mail->box, mail->held);
    fy_mail_unref(mail);
}

/*
 * What the store has to know of the end of a durable message.
 *
 * One that was not delivered holds its stream: if it came back after a crash, it must not come after its successors.
 */
static void record_end(struct fy_outbox *box, struct fy_mail *mail, struct fy_stream *stream)
{
    const bool was_put = !fy_journal_take_back(&mail->put);

    if (!was_put)
        fy_mail_unref(mail); /* the journal's reference; the caller has one */
    if (fy_dead_takes(box, mail->end)) {
        mail->finish.mail = mail->put.mail;
        mail->finish.end = (struct fy_end_row){mail->end, mail->answer, mail->code, mail->sends};
        fy_mail_record(mail, box->config.journal, &mail->finish, FY_CHANGE_BURY_MAIL, finish_done);
    } else if (was_put) {
        fy_mail_record(mail, box->config.journal, &mail->finish, FY_CHANGE_DROP_MAIL, finish_done);
    }
    if (was_put && stream && mail->end != FY_END_DELIVERED) {
        mail->held = stream;
        stream->n_holds++;
    }
}

void fy_outbox_record_end(struct fy_outbox *box, struct fy_mail *mail)
{
    record_end(box, mail, NULL);
}

void fy_outbox_end(struct fy_outbox *box, struct fy_mail *mail, enum fy_mail_end end)
{
    struct fy_stream *stream = mail->stream;
    const bool was_head = fy_stream_head(stream) == mail;

    set_state(box, mail, FY_MAIL_SETTLED);
    fy_timer_unset(&mail->deadline);
    if (was_head && fy_node_is_linked(&stream->ready))
        fy_list_remove(&stream->ready);
    fy_queues_remove(&box->queues, mail);
    box->counts.messages--;
    box->counts.bytes -= mail->frame_len;
    box->counts.ended[end]++;
    mail->end = end;
    if (mail->is_durable && end != FY_END_SHUT_DOWN)
        record_end(box, mail, stream);
    fy_list_append(&box->settled, &mail->node);
    if (!fy_queues_drop_idle_stream(&box->queues, stream) && was_head)
        make_ready(box, stream);
}

void fy_outbox_settle(struct fy_outbox *box, struct fy_mail *mail, enum fy_mail_end end)
{
    struct fy_peer_queue *peer = mail->stream->peer;

    fy_outbox_end(box, mail, end);
    fy_outbox_pump(box, peer);
    fy_queues_drop_idle_peer(&box->queues, peer);
}

/* ---- Sending ---- */

static uint32_t remaining_ms(const struct fy_outbox *box, const struct fy_mail *mail)
{
    const uint64_t now = fy_outbox_now_ns(box);
    uint64_t left;

    if (mail->deadline_ns == FY_NEVER)
        return FY_MAIL_NO_DEADLINE;
    left = mail->deadline_ns > now ? (mail->deadline_ns - now) / FY_NS_PER_MS : 0;
    return left < FY_MAIL_NO_DEADLINE ? (uint32_t)left : FY_MAIL_NO_DEADLINE - 1;
}

static void back_off(struct fy_outbox *box, struct fy_mail *mail, uint64_t min_ms)
{
    const uint32_t doublings = mail->misses > MAX_DOUBLINGS ? MAX_DOUBLINGS : mail->misses;
    uint64_t most = (uint64_t)box->config.backoff_ms << (doublings > 0 ? doublings - 1 : 0), wait;

    if (most > box->config.max_backoff_ms)
        most = box->config.max_backoff_ms;
    wait = random_below(box, most + 1);
    set_state(box, mail, FY_MAIL_BACKOFF);
    fy_timer_set(&mail->retry, fy_outbox_now_ns(box) + (wait > min_ms ? wait : min_ms) * FY_NS_PER_MS);
}

/* An attempt has failed.  The next one begins at least min_ms from now, if there is one left. */
static void miss(struct fy_outbox *box, struct fy_mail *mail, int err, uint64_t min_ms)
{
    struct fy_peer_queue *peer = mail->stream->peer;

    mail->misses++;
    mail->last_err = err;
    box->counts.misses++;
    if (mail->max_attempts > 0 && mail->misses >= mail->max_attempts) {
        fy_outbox_settle(box, mail, FY_END_GAVE_UP);
    } else {
        back_off(box, mail, min_ms);
        fy_outbox_pump(box, peer);
    }
}

static void was_sent(struct fy_outbox *box, struct fy_mail *mail)
{
    mail->sends++;
    mail->last_sent_ns = fy_outbox_now_ns(box);
    if (mail->sends == 1)
        mail->first_sent_ns = mail->last_sent_ns;
    box->counts.sends++;
    set_state(box, mail, FY_MAIL_FLIGHT);
    if (mail->wants_answer)
        fy_timer_set(&mail->retry, mail->last_sent_ns + mail->ack_timeout_ms * FY_NS_PER_MS);
    else
        fy_outbox_end(box, mail, FY_END_SENT);
}

/* True: go on with the peer's next stream. */
static bool send_head(struct fy_outbox *box, struct fy_mail *mail)
{
    const struct fy_carrier *carrier = &box->config.carrier;
    int err;

    mail->keeps_waiting = false;
    fy_mail_frame_stamp(mail->frame, mail->sends + 1, remaining_ms(box, mail));
    err = carrier->send(carrier->ctx, mail->stream->peer->name, mail->wants_answer ? mail->sequence : 0,
                        (struct ferry_bytes){mail->frame, mail->frame_len});
    if (err == FERRY_OK) {
        was_sent(box, mail);
        return true;
    }
    mail->last_err = err;
    if (err == FERRY_ERR_TOO_LARGE) {
        fy_outbox_end(box, mail, FY_END_REFUSED);
        return true;
    }
    back_off(box, mail, box->config.backoff_ms); /* no room, or a link that is about to be told down: no miss */
    return false;
}

void fy_outbox_pump(struct fy_outbox *box, struct fy_peer_queue *peer)
{
    bool goes_on = !box->is_stopped && !peer->is_pumping;

    if (!goes_on)
        return;
    peer->is_pumping = true;
    while (goes_on && peer->is_up && peer->n_in_flight < box->config.max_peer_in_flight &&
           !fy_list_is_empty(&peer->ready)) {
        struct fy_node *node = fy_list_take_first(&peer->ready);

        goes_on = send_head(box, fy_stream_head(fy_container(node, struct fy_stream, ready)));
    }
    peer->is_pumping = false;
}

static void on_retry(void *arg)
{
    struct fy_mail *mail = arg;
    struct fy_outbox *box = mail->box;
    struct fy_peer_queue *peer = mail->stream->peer;

    if (mail->state == FY_MAIL_FLIGHT && !mail->keeps_waiting) {
        miss(box, mail, FERRY_ERR_TIMEOUT, 0);
        return;
    }
    make_ready(box, mail->stream); /* a back-off is over, or a handler that takes long is asked again */
    fy_outbox_pump(box, peer);
}

static void on_deadline(void *arg)
{
    struct fy_mail *mail = arg;

    fy_outbox_settle(mail->box, mail, FY_END_EXPIRED);
}

int fy_outbox_enqueue(struct fy_outbox *box, struct fy_mail *mail, struct ferry_bytes receiver,
                      struct ferry_bytes subject)
{
    struct fy_peer_queue *peer = fy_queues_make_peer(&box->queues, receiver);
    int err = peer ? fy_queues_add(&box->queues, peer, subject, mail) : FERRY_ERR_NOMEM;

    if (err) {
        if (peer)
            fy_queues_drop_idle_peer(&box->queues, peer);
        return err;
    }
    mail->box = box;
    fy_timer_init(&mail->retry, box->config.timers, on_retry, mail);
    fy_timer_init(&mail->deadline, box->config.timers, on_deadline, mail);
    if (mail->deadline_ns != FY_NEVER)
        fy_timer_set(&mail->deadline, mail->deadline_ns);
    box->counts.messages++;
    box->counts.bytes += mail->frame_len;
    if (fy_stream_head(mail->stream) == mail)
        make_ready(box, mail->stream);
    return FERRY_OK;
}

/* ---- What the carrier tells ---- */

static void park_all(struct fy_outbox *box, struct fy_peer_queue *peer)
{
    while (fy_list_take_first(&peer->ready))
        ;
    for (struct fy_node *node = fy_list_first(&peer->streams); node; node = fy_list_next(&peer->streams, node)) {
        struct fy_mail *head = fy_stream_head(fy_container(node, struct fy_stream, node));

        if (head && head->state == FY_MAIL_FLIGHT)
            head->last_err = FERRY_ERR_RESET;
        if (head)
            set_state(box, head, FY_MAIL_PARKED);
    }
}

/* What was sent before is sent again at random times, so that a node that is back is not flooded; the rest at once. */
static void unpark_all(struct fy_outbox *box, struct fy_peer_queue *peer)
{
    for (struct fy_node *node = fy_list_first(&peer->streams); node; node = fy_list_next(&peer->streams, node)) {
        struct fy_stream *stream = fy_container(node, struct fy_stream, node);
        struct fy_mail *head = fy_stream_head(stream);

        if (!head)
            continue;
        back_off(box, head, 0);
        if (head->sends == 0)
            make_ready(box, stream);
    }
}

void fy_outbox_link(struct fy_outbox *box, const char *node, bool is_up)
{
    const struct ferry_bytes name = {(const uint8_t *)node, strlen(node)};
    struct fy_peer_queue *peer =
        is_up ? fy_queues_make_peer(&box->queues, name) : fy_queues_find_peer(&box->queues, name);

    if (!peer || peer->is_up == is_up)
        return; /* without memory for an idle peer its link is told again by the next post that fails to be sent */
    peer->is_up = is_up;
    if (is_up)
        unpark_all(box, peer);
    else
        park_all(box, peer);
    fy_outbox_pump(box, peer);
    fy_queues_drop_idle_peer(&box->queues, peer);
}

static void on_final(struct fy_outbox *box, struct fy_mail *mail, const struct fy_mail_answer *answer)
{
    fy_mail_keep_body(mail, answer->body);
    fy_outbox_settle(box, mail, answer->status == FY_MAIL_OK ? FY_END_DELIVERED : FY_END_REFUSED);
}

static void on_interim(struct fy_outbox *box, struct fy_mail *mail, const struct fy_mail_answer *answer)
{
    if (mail->state != FY_MAIL_FLIGHT)
        return;
    if (answer->status == FY_MAIL_IN_PROGRESS) {
        mail->keeps_waiting = true;
        fy_timer_set(&mail->retry, fy_outbox_now_ns(box) + mail->ack_timeout_ms * FY_NS_PER_MS);
    } else if (answer->attempt == mail->sends || answer->attempt == UINT16_MAX) {
        miss(box, mail, FERRY_ERR_FULL, answer->retry_after_ms);
    }
}

void fy_outbox_answer(struct fy_outbox *box, const char *from, struct ferry_bytes frame)
{
    struct fy_mail_answer answer;
    struct fy_mail *mail;

    if (fy_mail_answer_read(frame, &answer) != FERRY_OK || answer.incarnation != box->config.incarnation)
        return;
    mail = fy_queues_find_mail(&box->queues, answer.sequence);
    if (!mail || mail->sends == 0 || !mail->wants_answer || strcmp(mail->stream->peer->name, from) != 0)
        return;
    mail->answer = answer.status;
    mail->answer_flags = answer.flags;
    mail->code = answer.code;
    if (fy_mail_status_is_final(answer.status))
        on_final(box, mail, &answer);
    else
        on_interim(box, mail, &answer);
}
