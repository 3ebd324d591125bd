/*
 * pipeline - POST /raft, four in flight.
 *
 * Normal path: a slot takes the oldest message, posts its bare bytes and waits; 204 means that the peer's core took it.
 * Any other answer, or none in time, drops the message: it is not posted again, because Raft sends again what matters.
 * A long body is encoded only when a connection takes it, piece by piece.  The POST fails when in post_timeout_ms
 * neither its body moved on nor the answer came.
 *
 * While the network is cut, POSTs hang and messages wait behind them.  They must not be delivered when it is open
 * again: old heartbeats of a leader that has meanwhile stepped down hold off the election, and members that follow it
 * because of them refuse others their pre-votes.  So when a POST gets no answer, messages that have waited behind it
 * for long are dropped with it, as a stream that breaks drops its queue; and its attempt to connect is as short as a
 * stream's dial.  Proposals and snapshots are never too old.
 *
 * A peer is dead once a POST to each of its URLs got no answer.  A dead peer gets one POST at a time, dial_retry_ms
 * after the last one failed, until one is answered: a core that sends without a pause costs no more than that.
 */
#include "peer/pipeline.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "member/local.h"
#include "peer/message_class.h"
#include "peer/peer_base.h"
#include "peer/raft_local.h"
#include "wire/encoder.h"
#include "wire/message.h"

#define MAX_SHORT_BODY FY_STALL_LEAST /* encoded at once, and sent along with the head */
#define STALE_NS UINT64_C(250000000)  /* a quarter of the election timeout that cores begin with */

/* A slot was taken or became free: note when the oldest message in flight was queued. */
static void note_oldest(struct fy_pipeline *p)
{
    uint64_t oldest_ns = 0;

    for (size_t i = 0; i < FY_PIPELINE_WIDTH; i++) {
        const struct fy_outgoing *msg = p->posts[i].msg;

        if (msg && (oldest_ns == 0 || msg->item.queued_ns < oldest_ns))
            oldest_ns = msg->item.queued_ns;
    }
    atomic_store_explicit(&p->oldest_ns, oldest_ns, memory_order_relaxed);
}

static void free_slot(struct fy_post *post)
{
    fy_timer_unset(&post->deadline);
    fy_call_cancel(post->call);
    post->call = NULL;
    free(post->body);
    post->body = NULL;
    post->msg = NULL;
    note_oldest(post->pipeline);
}

/* Drop the message of this slot. */
static void drop(struct fy_post *post, enum ferry_drop_reason reason)
{
    struct fy_pipeline *p = post->pipeline;
    struct fy_outgoing *msg = post->msg;
    size_t memory = msg->item.memory;

    free_slot(post);
    fy_channel_give_back(&p->channel, 1, memory);
    fy_account_dropped(&p->base->account, &msg->item, reason);
}

/* The POST failed; returns whether it was the first to fail at its URL. */
static bool fail(struct fy_post *post, const char *reason)
{
    struct fy_peer_base *base = post->pipeline->base;
    bool is_first = fy_url_picker_unreachable(&base->member.picker, &post->url);

    fy_member_request_failed(&base->member, "post", "pipeline", reason);
    drop(post, FERRY_DROP_POST_FAILED);
    return is_first;
}

/* Every URL was tried, and none has answered since. */
static bool is_dead(const struct fy_pipeline *p)
{
    return p->n_unheard >= p->base->member.picker.n;
}

/* The POST got no answer. */
static void fail_unheard(struct fy_post *post, const char *reason)
{
    struct fy_pipeline *p = post->pipeline;
    const struct fy_local *local = p->base->member.local;

    p->unheard_ns = fy_net_coarse_ns(local->net);
    if (fail(post, reason))
        p->n_unheard++;
    if (is_dead(p))
        fy_timer_set(&p->retry, fy_net_now_ns(local->net) + local->dial_retry_ns);
    fy_pipeline_wake(p);
}

/* The POST got an answer that refuses it. */
static void fail_refused(struct fy_post *post, const char *reason)
{
    (void)fail(post, reason);
    fy_pipeline_wake(post->pipeline);
}

/* A POST was answered, well or not: somebody is there. */
static void note_heard(struct fy_pipeline *p)
{
    p->n_unheard = 0;
    fy_timer_unset(&p->retry);
}

static void succeed(struct fy_post *post)
{
    struct fy_pipeline *p = post->pipeline;
    struct fy_peer_base *base = p->base;
    struct fy_outgoing *msg = post->msg;
    unsigned class = msg->item.class;
    size_t len = msg->packed_len, memory = msg->item.memory;

    free_slot(post);
    fy_peer_base_free_message(base, msg);
    fy_channel_give_back(&p->channel, 1, memory);
    fy_count(&base->account.counts.sent_bytes, len);
    fy_count(&base->account.counts.written[class], 1);
    fy_peer_status_activate(&base->member.status);
    if (class == FERRY_CLASS_SNAPSHOT)
        fy_peer_base_report_snapshot(base, FERRY_SNAPSHOT_FINISH);
    fy_pipeline_wake(p);
}

static void pipeline_on_head(void *arg, const struct fy_answer *answer)
{
    struct fy_post *post = arg;

    fy_refusal_begin(&post->answer, answer);
}

static void pipeline_on_body(void *arg, const uint8_t *data, size_t len)
{
    struct fy_post *post = arg;

    fy_refusal_add(&post->answer, data, len);
}

static void pipeline_on_end(void *arg, int err, const char *detail)
{
    struct fy_post *post = arg;
    struct fy_peer_base *base = post->pipeline->base;
    char text[160];

    post->call = NULL;
    if (post->answer.status != 0)
        note_heard(post->pipeline);
    if (post->answer.status == 204) {
        succeed(post);
    } else if (err != FERRY_OK) {
        fail_unheard(post, detail);
    } else if (post->answer.status == 403) {
        fail_refused(post, ferry_strerror(FERRY_ERR_MEMBER_REMOVED));
        fy_peer_base_report_removed(base);
    } else {
        (void)fy_refusal_judge(&post->answer, base->raft->cluster_id_text.text, text, sizeof(text));
        fail_refused(post, text);
    }
}

static const struct fy_call_events events = {
    .on_head = pipeline_on_head, .on_body = pipeline_on_body, .on_end = pipeline_on_end};

/* ---- The body and its deadline ------------------------------------------------------------------------------------
 */

/* What the peer acknowledges is progress, too: the net may hold much of the body, and asks for no more until it is
 * sent.
 */
static void note_acked(struct fy_post *post)
{
    struct fy_vitals vitals;

    if (post->body || !fy_call_vitals(post->call, &vitals))
        return;
    if (post->is_acked_known)
        fy_stall_moved(&post->stall, vitals.n_acked - post->n_acked);
    post->n_acked = vitals.n_acked;
    post->is_acked_known = true;
}

static void set_deadline(struct fy_post *post)
{
    const struct fy_raft_local *raft = post->pipeline->base->raft;

    fy_timer_set(&post->deadline, fy_net_now_ns(raft->local->net) + raft->post_timeout_ns);
}

static void pipeline_on_deadline(void *arg)
{
    struct fy_post *post = arg;
    const struct fy_raft_local *raft = post->pipeline->base->raft;

    note_acked(post);
    if (fy_stall_pass(&post->stall, &post->deadline, raft->post_timeout_ns, fy_net_now_ns(raft->local->net)))
        set_deadline(post);
    else
        fail_unheard(post, "no answer in time");
}

/* The net has a connection, and asks for bytes. */
static size_t pipeline_on_read(void *arg, uint8_t *buf, size_t cap)
{
    struct fy_post *post = arg;
    size_t n = fy_encoder_read(&post->encoder, buf, cap);

    note_acked(post);
    fy_stall_moved(&post->stall, n);
    return n;
}

static void pipeline_on_rewind(void *arg)
{
    struct fy_post *post = arg;

    post->is_acked_known = false; /* it is another connection */
    fy_encoder_start(&post->encoder, post->msg);
}

/* Make the body of the slot's message ready, and name it in spec.  False: no memory. */
static bool prepare_body(struct fy_post *post, struct fy_call_spec *spec)
{
    size_t len = post->msg->packed_len;

    fy_encoder_init(&post->encoder, FY_CODEC_BARE, post->pipeline->base->raft->form);
    fy_encoder_start(&post->encoder, post->msg);
    post->stall = (struct fy_stall){.n_bytes = 0};
    post->is_acked_known = false;
    spec->body_len = len;
    if (len > MAX_SHORT_BODY) {
        spec->read_body = pipeline_on_read;
        spec->rewind_body = pipeline_on_rewind;
        return true;
    }
    post->body = malloc(len + 1); /* never 0 bytes */
    if (!post->body)
        return false;
    (void)fy_encoder_read(&post->encoder, post->body, len);
    assert(fy_encoder_left(&post->encoder) == 0);
    spec->body = post->body;
    return true;
}

/* ---- Posting ------------------------------------------------------------------------------------------------------
 */

/* Post msg, which the slot now owns. */
static void post_message(struct fy_post *post, struct fy_outgoing *msg)
{
    const struct fy_member *member = &post->pipeline->base->member;
    const struct fy_raft_local *raft = post->pipeline->base->raft;
    struct fy_header headers[FY_RAFT_HEADERS + 1];
    size_t n_headers = fy_raft_local_headers(raft, headers);
    char url[sizeof(post->url.text) + 16];
    struct fy_call_spec spec;
    int err;

    post->msg = msg;
    note_oldest(post->pipeline);
    post->answer = (struct fy_refusal){.status = 0};
    fy_url_picker_pick(&member->picker, &post->url);
    (void)snprintf(url, sizeof(url), "%s" FY_PATH_RAFT, post->url.text);
    headers[n_headers++] = (struct fy_header){"Content-Type", "application/protobuf"};
    spec = (struct fy_call_spec){
        .method = "POST",
        .url = url,
        .headers = headers,
        .n_headers = n_headers,
        .member = member->id,
    };
    fy_member_limit_dial(member, 1, &spec);
    err =
        prepare_body(post, &spec) ? fy_net_call(raft->local->net, &spec, &events, post, &post->call) : FERRY_ERR_NOMEM;
    if (err != FERRY_OK)
        drop(post, err == FERRY_ERR_NOMEM ? FERRY_DROP_NOMEM : FERRY_DROP_POST_FAILED);
    else
        set_deadline(post);
}

/* Had it waited for long already when a POST last got no answer? */
static bool is_stale(const struct fy_pipeline *p, const struct fy_outgoing *msg)
{
    unsigned class = msg->item.class;
    bool can_be_stale = class == FERRY_CLASS_CONTROL || class == FERRY_CLASS_APPEND;

    return can_be_stale && p->unheard_ns > msg->item.queued_ns + STALE_NS;
}

/* The oldest message that is still of use; NULL: there is none. */
static struct fy_outgoing *take_fresh(struct fy_pipeline *p)
{
    struct fy_item *item;

    while ((item = fy_channel_take_one(&p->channel))) {
        struct fy_outgoing *msg = fy_container(item, struct fy_outgoing, item);

        if (!is_stale(p, msg))
            return msg;
        fy_channel_give_back(&p->channel, 1, item->memory);
        fy_account_dropped(&p->base->account, item, FERRY_DROP_STALE);
    }
    return NULL;
}

/* How many POSTs may be in flight now: to a dead peer one at a time, and none before the retry is due. */
static size_t width(const struct fy_pipeline *p)
{
    if (p->is_stopped || fy_timer_is_set(&p->retry))
        return 0;
    return is_dead(p) ? 1 : FY_PIPELINE_WIDTH;
}

static size_t count_in_flight(const struct fy_pipeline *p)
{
    size_t n = 0;

    for (size_t i = 0; i < FY_PIPELINE_WIDTH; i++)
        n += p->posts[i].msg != NULL;
    return n;
}

/* The post's slot is free. */
static void fill(struct fy_post *post)
{
    struct fy_pipeline *p = post->pipeline;
    struct fy_outgoing *msg;

    while (!post->msg && count_in_flight(p) < width(p) && (msg = take_fresh(p)))
        post_message(post, msg);
}

void fy_pipeline_wake(struct fy_pipeline *p)
{
    for (size_t i = 0; i < FY_PIPELINE_WIDTH; i++)
        fill(&p->posts[i]);
    atomic_store_explicit(&p->is_unreachable, is_dead(p) && count_in_flight(p) >= width(p), memory_order_relaxed);
}

static void pipeline_on_retry(void *arg)
{
    fy_pipeline_wake(arg);
}

void fy_pipeline_urls_changed(struct fy_pipeline *p)
{
    note_heard(p);
    fy_pipeline_wake(p);
}

void fy_pipeline_init(struct fy_pipeline *p, struct fy_peer_base *base)
{
    struct fy_timers *timers = fy_net_timers(base->member.local->net);
    size_t max_waiting = base->raft->max_pipeline_messages;

    p->base = base;
    p->is_stopped = false;
    p->unheard_ns = 0;
    p->n_unheard = 0;
    fy_timer_init(&p->retry, timers, pipeline_on_retry, p);
    atomic_init(&p->oldest_ns, 0);
    atomic_init(&p->is_unreachable, false);
    fy_channel_init(&p->channel, /* messages in flight count there, too, but not against the limit */
                    max_waiting < SIZE_MAX - FY_PIPELINE_WIDTH ? max_waiting + FY_PIPELINE_WIDTH : SIZE_MAX,
                    base->raft->max_queue_bytes);
    fy_channel_open(&p->channel);
    for (size_t i = 0; i < FY_PIPELINE_WIDTH; i++) {
        p->posts[i] = (struct fy_post){.pipeline = p};
        fy_timer_init(&p->posts[i].deadline, timers, pipeline_on_deadline, &p->posts[i]);
    }
}

void fy_pipeline_release(struct fy_pipeline *p)
{
    assert(p->is_stopped);
    fy_channel_release(&p->channel);
}

void fy_pipeline_stop(struct fy_pipeline *p, enum ferry_drop_reason reason)
{
    struct fy_list dropped;
    size_t n, n_bytes;

    p->is_stopped = true;
    fy_timer_unset(&p->retry);
    atomic_store_explicit(&p->is_unreachable, false, memory_order_relaxed);
    for (size_t i = 0; i < FY_PIPELINE_WIDTH; i++)
        if (p->posts[i].msg)
            drop(&p->posts[i], reason);
    fy_list_init(&dropped);
    fy_channel_close(&p->channel, &dropped);
    fy_account_dropped_all(&p->base->account, &dropped, reason, &n, &n_bytes);
    fy_channel_give_back(&p->channel, n, n_bytes);
}
