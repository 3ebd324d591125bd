/*
 * snapshot_lane - one long POST with a message and then a body.
 *
 * Normal path: put encodes the message and makes a reader of the source; the loop takes the oldest, has the reader
 * begin and starts the call; the net asks for bytes, and gets the message (its length first) and then what disk
 * workers have read, as fast as the common pace allows; the answer 204 means that the peer has stored the body and its
 * core took the message.
 *
 * Only the end of the request marks the end of the body, so a snapshot that fails midway is cancelled, which breaks the
 * connection: the peer sees that the announced length, or the last chunk, is missing.
 * A snapshot that failed is not sent again: the core is told, and Raft makes another.
 */
#include "peer/snapshot_lane.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "disk/body_reader.h"
#include "disk/disk.h"
#include "member/local.h"
#include "peer/peer_base.h"
#include "peer/raft_local.h"
#include "wire/outgoing.h"

#define FRAME_HEAD_LEN 8 /* the length before the message */

#define MAX_BODY ((uint64_t)1 << 62) /* so that with the message it still fits the lengths of HTTP libraries */

static uint64_t now_ns(const struct fy_snapshot_lane *lane)
{
    return fy_net_now_ns(lane->base->member.local->net);
}

/* ---- Accepting: any thread ----------------------------------------------------------------------------------------
 */

static bool is_source(const struct ferry_snapshot_source *source)
{
    if (source->read)
        return source->size == FERRY_SIZE_UNKNOWN || source->size <= MAX_BODY;
    return source->fd >= 0 && source->size <= MAX_BODY && source->offset <= INT64_MAX - source->size;
}

static void snapshot_free(struct fy_snapshot *snapshot)
{
    if (!snapshot)
        return;
    fy_body_reader_free(snapshot->body);
    fy_outgoing_free(snapshot->msg);
    free(snapshot);
}

/* Encode and prepare, within limits. */
static int snapshot_new(struct fy_raft_local *raft, const struct ferry_message *msg,
                        const struct ferry_snapshot_source *source, struct fy_snapshot **ret_snapshot)
{
    size_t max_len =
        raft->max_message_bytes < FY_SNAPSHOT_MAX_MESSAGE ? raft->max_message_bytes : FY_SNAPSHOT_MAX_MESSAGE;
    struct fy_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    int err;

    if (!snapshot)
        return FERRY_ERR_NOMEM;
    snapshot->size = source->size;
    snapshot->index = msg->snapshot->index;
    err = fy_outgoing_new(msg, raft->form, max_len, &snapshot->msg);
    if (err == FERRY_ERR_DEPTH)
        err = FERRY_ERR_INVALID;
    if (err == FERRY_OK)
        err = fy_body_reader_new(raft->disk, source, &snapshot->body);
    if (err == FERRY_OK)
        err = fy_disk_prepare(raft->disk);
    if (err == FERRY_OK && !fy_local_reserve(raft->local, snapshot->msg->item.memory))
        err = FERRY_ERR_FULL;
    if (err != FERRY_OK) {
        snapshot_free(snapshot);
        return err;
    }
    snapshot->msg->item.class = FERRY_CLASS_SNAPSHOT;
    *ret_snapshot = snapshot;
    return FERRY_OK;
}

static bool admit(struct fy_raft_local *raft)
{
    if (atomic_fetch_add(&raft->n_snapshots_out, 1) < raft->max_snapshots_out)
        return true;
    atomic_fetch_sub(&raft->n_snapshots_out, 1);
    return false;
}

int fy_snapshot_lane_put(struct fy_snapshot_lane *lane, const struct ferry_message *msg,
                         const struct ferry_snapshot_source *source)
{
    struct fy_raft_local *raft = lane->base->raft;
    struct fy_snapshot *snapshot;
    int err;

    if (msg->type != FERRY_MSG_SNAP || !msg->snapshot || !is_source(source))
        return FERRY_ERR_INVALID;
    if (!admit(raft))
        return FERRY_ERR_FULL;
    err = snapshot_new(raft, msg, source, &snapshot);
    if (err != FERRY_OK) {
        atomic_fetch_sub(&raft->n_snapshots_out, 1);
        return err;
    }
    fy_count(&lane->base->account.counts.sent[FERRY_CLASS_SNAPSHOT], 1);
    pthread_mutex_lock(&lane->mu);
    fy_list_append(&lane->queue, &snapshot->node); /* also while the peer is stopped: the loop drops it */
    lane->n_waiting++;
    lane->n_bytes += snapshot->msg->item.memory;
    pthread_mutex_unlock(&lane->mu);
    return FERRY_OK;
}

static struct fy_snapshot *take_first(struct fy_snapshot_lane *lane)
{
    struct fy_node *node;

    pthread_mutex_lock(&lane->mu);
    node = fy_list_take_first(&lane->queue);
    if (node)
        lane->n_waiting--;
    pthread_mutex_unlock(&lane->mu);
    return node ? fy_container(node, struct fy_snapshot, node) : NULL;
}

/* ---- Ending -------------------------------------------------------------------------------------------------------
 */

/* A source is closed: there is room for another snapshot.  The peer may have been freed. */
static void snapshot_on_closed(void *arg)
{
    struct fy_raft_local *raft = arg;

    atomic_fetch_sub(&raft->n_snapshots_out, 1);
}

/* A snapshot was counted as written or dropped: close its source with err, and free it. */
static void finish(struct fy_snapshot_lane *lane, struct fy_snapshot *snapshot, size_t memory, int err)
{
    pthread_mutex_lock(&lane->mu);
    lane->n_bytes -= memory;
    pthread_mutex_unlock(&lane->mu);
    fy_body_reader_close(snapshot->body, err, snapshot_on_closed, lane->base->raft);
    free(snapshot);
}

static void drop(struct fy_snapshot_lane *lane, struct fy_snapshot *snapshot, enum ferry_drop_reason reason, int err)
{
    size_t memory = snapshot->msg->item.memory;

    fy_account_dropped(&lane->base->account, &snapshot->msg->item, reason);
    finish(lane, snapshot, memory, err);
}

/* End the call of the current snapshot, which the caller drops or counts as written. */
static struct fy_snapshot *end_call(struct fy_snapshot_lane *lane, bool is_finished)
{
    struct fy_snapshot *snapshot = lane->current;

    fy_timer_unset(&lane->deadline);
    fy_call_cancel(lane->call);
    fy_pace_leave(&lane->base->raft->snapshot_pace, &lane->pace);
    fy_snapshot_meter_end(&lane->meter, now_ns(lane), is_finished);
    lane->call = NULL;
    lane->current = NULL;
    return snapshot;
}

static void fail(struct fy_snapshot_lane *lane, enum ferry_drop_reason reason, int err, const char *text)
{
    const struct fy_member *member = &lane->base->member;

    fy_log(&member->local->log, FERRY_LOG_WARN, "snapshot", member->id,
           "snapshot %" PRIu64 " failed after %" PRIu64 " bytes: %s", lane->current->index, lane->n_given, text);
    drop(lane, end_call(lane, false), reason, err);
    fy_snapshot_lane_wake(lane);
}

/* The peer or the network failed. */
static void fail_at_peer(struct fy_snapshot_lane *lane, int err, const char *text)
{
    struct fy_member *member = &lane->base->member;

    fy_url_picker_unreachable(&member->picker, &lane->url);
    fy_member_request_failed(member, "post", "sendMsgSnap", text);
    fail(lane, FERRY_DROP_POST_FAILED, err, text);
}

static void succeed(struct fy_snapshot_lane *lane)
{
    struct fy_peer_base *base = lane->base;
    struct fy_snapshot *snapshot = end_call(lane, true);
    size_t memory = snapshot->msg->item.memory;

    fy_log(&base->member.local->log, FERRY_LOG_INFO, "snapshot", base->member.id,
           "snapshot %" PRIu64 " was sent and stored, %" PRIu64 " bytes", snapshot->index, lane->n_given);
    fy_count(&base->account.counts.sent_bytes, lane->n_given);
    fy_count(&base->account.counts.written[FERRY_CLASS_SNAPSHOT], 1);
    fy_peer_base_free_message(base, snapshot->msg);
    fy_peer_status_activate(&base->member.status);
    fy_peer_base_report_snapshot(base, FERRY_SNAPSHOT_FINISH);
    finish(lane, snapshot, memory, FERRY_OK);
    fy_snapshot_lane_wake(lane);
}

/* ---- The body -----------------------------------------------------------------------------------------------------
 */

static void set_deadline(struct fy_snapshot_lane *lane)
{
    const struct fy_raft_local *raft = lane->base->raft;

    fy_timer_set(&lane->deadline, now_ns(lane) + (lane->is_whole ? raft->snapshot_answer_ns : raft->snapshot_stall_ns));
}

/*
 * On a slow link the bytes that the net holds may take long to go out, and it asks for no more until then.  What the
 * peer acknowledges meanwhile is progress.
 */
static void note_acked(struct fy_snapshot_lane *lane)
{
    struct fy_vitals vitals;

    if (!fy_call_vitals(lane->call, &vitals))
        return;
    fy_stall_moved(&lane->stall, vitals.n_acked - lane->n_acked);
    lane->n_acked = vitals.n_acked;
}

static void snapshot_on_deadline(void *arg)
{
    struct fy_snapshot_lane *lane = arg;

    note_acked(lane);
    if (lane->is_whole)
        fail_at_peer(lane, FERRY_ERR_TIMEOUT, "no answer in time");
    else if (!fy_stall_pass(&lane->stall, &lane->deadline, lane->base->raft->snapshot_stall_ns, now_ns(lane)))
        fail_at_peer(lane, FERRY_ERR_TIMEOUT, "the peer takes no more of the body");
    else
        set_deadline(lane);
}

static void fail_at_source(struct fy_snapshot_lane *lane, int err)
{
    char text[128];

    (void)snprintf(text, sizeof(text), "its source: %s", fy_body_reader_reason(lane->current->body));
    fail(lane, FERRY_DROP_POST_FAILED, err, text);
}

static void note_whole(struct fy_snapshot_lane *lane)
{
    lane->is_whole = true;
    set_deadline(lane);
}

/* How many bytes are there to send.  Without a body the message is the end, so the source must be known to be empty. */
static size_t count_ready(const struct fy_snapshot_lane *lane)
{
    const struct fy_snapshot *snapshot = lane->current;

    if (snapshot->size == 0 && !fy_body_reader_is_at_end(snapshot->body))
        return 0;
    if (fy_encoder_left(&lane->encoder) > 0)
        return fy_encoder_left(&lane->encoder);
    return fy_body_reader_available(snapshot->body);
}

static size_t copy_next(struct fy_snapshot_lane *lane, uint8_t *buf, size_t cap)
{
    if (fy_encoder_left(&lane->encoder) > 0)
        return fy_encoder_read(&lane->encoder, buf, cap);
    return fy_body_reader_read(lane->current->body, buf, cap);
}

/* The net asks for bytes. */
static size_t snapshot_on_read(void *arg, uint8_t *buf, size_t cap)
{
    struct fy_snapshot_lane *lane = arg;
    const struct fy_snapshot *snapshot = lane->current;
    size_t n_ready = count_ready(lane);
    size_t n;

    if (n_ready == 0 && fy_body_reader_is_at_end(snapshot->body)) {
        note_whole(lane);
        return FY_BODY_END;
    }
    n = n_ready < cap ? n_ready : cap;
    if (n > 0)
        n = fy_pace_take(&lane->base->raft->snapshot_pace, &lane->pace, n);
    fy_stall_hold(&lane->stall, n == 0);
    if (n == 0)
        return 0;
    n = copy_next(lane, buf, n);
    lane->n_given += n;
    fy_stall_moved(&lane->stall, n);
    fy_snapshot_meter_move(&lane->meter, now_ns(lane), n);
    if (snapshot->size != FERRY_SIZE_UNKNOWN &&
        lane->n_given == FRAME_HEAD_LEN + snapshot->msg->packed_len + snapshot->size)
        note_whole(lane);
    return n;
}

/* There are bytes to send: from now on only the peer or the network can hold them up. */
static void wake_call(struct fy_snapshot_lane *lane)
{
    fy_stall_hold(&lane->stall, false);
    fy_call_wake(lane->call);
}

/* The source has given bytes, or failed. */
static void snapshot_on_ready(void *arg)
{
    struct fy_snapshot_lane *lane = arg;
    int err = fy_body_reader_error(lane->current->body);

    if (err != FERRY_OK)
        fail_at_source(lane, err);
    else
        wake_call(lane);
}

static void snapshot_on_turn(void *arg)
{
    wake_call(arg);
}

/* ---- The answer ---------------------------------------------------------------------------------------------------
 */

static void snapshot_on_head(void *arg, const struct fy_answer *answer)
{
    struct fy_snapshot_lane *lane = arg;

    fy_refusal_begin(&lane->answer, answer);
}

static void snapshot_on_body(void *arg, const uint8_t *data, size_t len)
{
    struct fy_snapshot_lane *lane = arg;

    fy_refusal_add(&lane->answer, data, len);
}

static void snapshot_on_end(void *arg, int err, const char *detail)
{
    struct fy_snapshot_lane *lane = arg;
    struct fy_peer_base *base = lane->base;
    char text[160];

    lane->call = NULL;
    if (lane->answer.status == 204 && lane->is_whole) {
        succeed(lane);
    } else if (lane->answer.status == 204) {
        fail_at_peer(lane, FERRY_ERR_PROTOCOL, "taken before it was sent");
    } else if (lane->answer.status == 403) {
        fail_at_peer(lane, FERRY_ERR_MEMBER_REMOVED, ferry_strerror(FERRY_ERR_MEMBER_REMOVED));
        fy_peer_base_report_removed(base);
    } else if (lane->answer.status != 0) { /* also when the peer broke the connection after it */
        err = fy_refusal_judge(&lane->answer, base->raft->cluster_id_text.text, text, sizeof(text));
        fail_at_peer(lane, err, text);
    } else {
        fail_at_peer(lane, err, detail);
    }
}

/* ---- Beginning ----------------------------------------------------------------------------------------------------
 */

static int start_call(struct fy_snapshot_lane *lane)
{
    static const struct fy_call_events events = {
        .on_head = snapshot_on_head, .on_body = snapshot_on_body, .on_end = snapshot_on_end};
    const struct fy_snapshot *snapshot = lane->current;
    const struct fy_member *member = &lane->base->member;
    struct fy_header headers[FY_RAFT_HEADERS + 1];
    size_t n_headers = fy_raft_local_headers(lane->base->raft, headers);
    char url[sizeof(lane->url.text) + sizeof(FY_PATH_SNAPSHOT)];
    struct fy_call_spec spec;

    (void)snprintf(url, sizeof(url), "%s" FY_PATH_SNAPSHOT, lane->url.text);
    headers[n_headers++] = (struct fy_header){"Content-Type", "application/octet-stream"};
    spec = (struct fy_call_spec){
        .method = "POST",
        .url = url,
        .headers = headers,
        .n_headers = n_headers,
        .read_body = snapshot_on_read,
        .body_len = snapshot->size == FERRY_SIZE_UNKNOWN ? FY_LEN_UNKNOWN
                                                         : FRAME_HEAD_LEN + snapshot->msg->packed_len + snapshot->size,
        .own_connection = true,
        .member = member->id,
    };
    fy_member_limit_dial(member, 0, &spec);
    return fy_net_call(member->local->net, &spec, &events, lane, &lane->call);
}

static void begin(struct fy_snapshot_lane *lane, struct fy_snapshot *snapshot)
{
    const struct fy_member *member = &lane->base->member;
    uint64_t size = snapshot->size;
    int err;

    lane->current = snapshot;
    lane->answer = (struct fy_refusal){.status = 0};
    lane->stall = (struct fy_stall){.n_bytes = 0};
    lane->n_given = lane->n_acked = 0;
    lane->is_whole = false;
    fy_url_picker_pick(&member->picker, &lane->url);
    fy_encoder_init(&lane->encoder, FY_CODEC_MESSAGE, lane->base->raft->form);
    fy_encoder_start(&lane->encoder, snapshot->msg);
    fy_snapshot_meter_begin(&lane->meter, now_ns(lane), fy_net_unix_ms(member->local->net), snapshot->index,
                            size == FERRY_SIZE_UNKNOWN ? size : FRAME_HEAD_LEN + snapshot->msg->packed_len + size);
    err = start_call(lane);
    if (err != FERRY_OK) {
        fail(lane, err == FERRY_ERR_NOMEM ? FERRY_DROP_NOMEM : FERRY_DROP_POST_FAILED, err, ferry_strerror(err));
        return;
    }
    set_deadline(lane);
    fy_body_reader_start(snapshot->body, snapshot_on_ready, lane);
}

/* Must snapshots be dropped now?  Then *ret_reason says why. */
static bool is_shut(struct fy_snapshot_lane *lane, enum ferry_drop_reason *ret_reason)
{
    const struct fy_peer_base *base = lane->base;

    if (base->is_closed)
        *ret_reason = (enum ferry_drop_reason)atomic_load(&base->closed_reason);
    else if (atomic_load(&base->is_paused))
        *ret_reason = FERRY_DROP_PAUSED;
    else if (atomic_load(&base->is_cut))
        *ret_reason = FERRY_DROP_CUT;
    else
        return false;
    return true;
}

/* What the source of a snapshot is closed with that we broke off, or never began. */
static int error_of(enum ferry_drop_reason reason)
{
    return reason == FERRY_DROP_MEMBER_REMOVED ? FERRY_ERR_MEMBER_REMOVED : FERRY_ERR_CANCELED;
}

void fy_snapshot_lane_wake(struct fy_snapshot_lane *lane)
{
    struct fy_snapshot *snapshot;
    enum ferry_drop_reason reason;

    while (!lane->current && (snapshot = take_first(lane))) {
        if (!is_shut(lane, &reason)) {
            begin(lane, snapshot);
            continue;
        }
        fy_snapshot_meter_refuse(&lane->meter);
        drop(lane, snapshot, reason, error_of(reason));
    }
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

void fy_snapshot_lane_init(struct fy_snapshot_lane *lane, struct fy_peer_base *base)
{
    lane->base = base;                         /* the rest is zero */
    (void)pthread_mutex_init(&lane->mu, NULL); /* cannot fail for a default mutex on Linux */
    fy_list_init(&lane->queue);
    fy_snapshot_meter_init(&lane->meter);
    lane->pace = (struct fy_pace_user){.on_turn = snapshot_on_turn, .arg = lane};
    fy_timer_init(&lane->deadline, fy_net_timers(base->member.local->net), snapshot_on_deadline, lane);
}

void fy_snapshot_lane_release(struct fy_snapshot_lane *lane)
{
    assert(!lane->current && fy_list_is_empty(&lane->queue) && lane->n_bytes == 0);
    pthread_mutex_destroy(&lane->mu);
}

void fy_snapshot_lane_stop(struct fy_snapshot_lane *lane, enum ferry_drop_reason reason)
{
    assert(lane->base->is_closed);
    if (lane->current)
        drop(lane, end_call(lane, false), reason, error_of(reason));
    fy_snapshot_lane_wake(lane); /* drops what waits */
}

void fy_snapshot_lane_read(struct fy_snapshot_lane *lane, size_t *ret_n, size_t *ret_n_bytes,
                           struct ferry_snapshot_progress *ret_progress)
{
    fy_snapshot_meter_read(&lane->meter, ret_progress);
    pthread_mutex_lock(&lane->mu);
    *ret_n = lane->n_waiting + ret_progress->n_active;
    *ret_n_bytes = lane->n_bytes;
    ret_progress->n_waiting = (unsigned)lane->n_waiting;
    pthread_mutex_unlock(&lane->mu);
}
