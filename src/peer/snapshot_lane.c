/*
 * snapshot_lane - a message, then a body, in one long POST.
 *
 * Normal path: put encodes the message and makes a reader of the source; the loop takes the oldest, has the reader
 * begin and starts the call; the net asks for bytes, and is given the message (its length first) and then what disk
 * workers have read, as fast as the common pace allows; the answer 204 means that the peer has stored the body and its
 * core took the message.
 *
 * The body has no mark at its end but the end of the request, so a snapshot that fails midway is cancelled, which
 * breaks the connection: a length that was announced, or the missing last chunk, tells the peer.
 * Nothing is sent again from here: the core is told, and Raft makes another snapshot.
 */
#include "peer/snapshot_lane.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "disk/body_reader.h"
#include "disk/disk.h"
#include "peer/local.h"
#include "peer/peer.h"
#include "wire/outgoing.h"

#define FRAME_HEAD_LEN 8 /* the length before the message */

#define MAX_BODY ((uint64_t)1 << 62) /* with the message before it still a length that HTTP libraries can bear */

static uint64_t now_ns(const struct fy_snapshot_lane *lane)
{
    return fy_net_now_ns(lane->peer->local->net);
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
static int snapshot_new(struct fy_local *local, const struct ferry_message *msg,
                        const struct ferry_snapshot_source *source, struct fy_snapshot **ret_snapshot)
{
    size_t max_len =
        local->max_message_bytes < FY_SNAPSHOT_MAX_MESSAGE ? local->max_message_bytes : FY_SNAPSHOT_MAX_MESSAGE;
    struct fy_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    int err;

    if (!snapshot)
        return FERRY_ERR_NOMEM;
    snapshot->size = source->size;
    snapshot->index = msg->snapshot->index;
    err = fy_outgoing_new(msg, local->form, max_len, &snapshot->msg);
    if (err == FERRY_ERR_DEPTH)
        err = FERRY_ERR_INVALID;
    if (err == FERRY_OK)
        err = fy_body_reader_new(local->disk, source, &snapshot->body);
    if (err == FERRY_OK)
        err = fy_disk_prepare(local->disk);
    if (err == FERRY_OK && !fy_local_reserve(local, snapshot->msg->item.memory))
        err = FERRY_ERR_FULL;
    if (err == FERRY_OK)
        *ret_snapshot = snapshot;
    else
        snapshot_free(snapshot);
    return err;
}

static bool admit(struct fy_local *local)
{
    if (atomic_fetch_add(&local->n_snapshots_out, 1) < local->max_snapshots_out)
        return true;
    atomic_fetch_sub(&local->n_snapshots_out, 1);
    return false;
}

int fy_snapshot_lane_put(struct fy_snapshot_lane *lane, const struct ferry_message *msg,
                         const struct ferry_snapshot_source *source)
{
    struct fy_peer *peer = lane->peer;
    struct fy_snapshot *snapshot;
    int err;

    if (msg->type != FERRY_MSG_SNAP || !msg->snapshot || !is_source(source))
        return FERRY_ERR_INVALID;
    if (!admit(peer->local))
        return FERRY_ERR_FULL;
    err = snapshot_new(peer->local, msg, source, &snapshot);
    if (err != FERRY_OK) {
        atomic_fetch_sub(&peer->local->n_snapshots_out, 1);
        return err;
    }
    fy_count(&peer->counts.sent[FERRY_CLASS_SNAPSHOT], 1);
    pthread_mutex_lock(&lane->mu);
    fy_list_append(&lane->queue, &snapshot->node); /* also when the peer is stopped: the loop drops it */
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

/* A source is closed: there is room for another snapshot.  The peer may be gone. */
static void on_closed(void *arg)
{
    struct fy_local *local = arg;

    atomic_fetch_sub(&local->n_snapshots_out, 1);
}

/* The account of a snapshot is settled: its source is closed with err. */
static void let_go(struct fy_snapshot_lane *lane, struct fy_snapshot *snapshot, size_t memory, int err)
{
    pthread_mutex_lock(&lane->mu);
    lane->n_bytes -= memory;
    pthread_mutex_unlock(&lane->mu);
    fy_body_reader_close(snapshot->body, err, on_closed, lane->peer->local);
    free(snapshot);
}

static void drop(struct fy_snapshot_lane *lane, struct fy_snapshot *snapshot, enum ferry_drop_reason reason, int err)
{
    size_t memory = snapshot->msg->item.memory;

    fy_peer_dropped(lane->peer, snapshot->msg, reason);
    let_go(lane, snapshot, memory, err);
}

/* The connection of the present one is over. */
static struct fy_snapshot *leave_current(struct fy_snapshot_lane *lane, bool is_finished)
{
    struct fy_snapshot *snapshot = lane->current;

    fy_timer_unset(&lane->deadline);
    fy_call_cancel(lane->call);
    fy_pace_leave(&lane->peer->local->snapshot_pace, &lane->pace);
    fy_snapshot_meter_end(&lane->meter, now_ns(lane), is_finished);
    lane->call = NULL;
    lane->current = NULL;
    return snapshot;
}

static void fail(struct fy_snapshot_lane *lane, enum ferry_drop_reason reason, int err, const char *text)
{
    struct fy_peer *peer = lane->peer;

    fy_log(&peer->local->log, FERRY_LOG_WARN, "snapshot", peer->id,
           "snapshot %" PRIu64 " failed after %" PRIu64 " bytes: %s", lane->current->index, lane->n_given, text);
    drop(lane, leave_current(lane, false), reason, err);
    fy_snapshot_lane_wake(lane);
}

/* The peer, or the way to it, is to blame. */
static void fail_at_peer(struct fy_snapshot_lane *lane, int err, const char *text)
{
    struct fy_peer *peer = lane->peer;

    fy_url_picker_unreachable(&peer->picker, &lane->url);
    fy_peer_status_deactivate(&peer->status, "post", "sendMsgSnap", text);
    fail(lane, FERRY_DROP_POST_FAILED, err, text);
}

static void succeed(struct fy_snapshot_lane *lane)
{
    struct fy_peer *peer = lane->peer;
    struct fy_snapshot *snapshot = leave_current(lane, true);
    size_t memory = snapshot->msg->item.memory;

    fy_log(&peer->local->log, FERRY_LOG_INFO, "snapshot", peer->id,
           "snapshot %" PRIu64 " was sent and stored, %" PRIu64 " bytes", snapshot->index, lane->n_given);
    fy_count(&peer->counts.sent_bytes, lane->n_given);
    fy_count(&peer->counts.written[FERRY_CLASS_SNAPSHOT], 1);
    fy_peer_free_message(peer, snapshot->msg);
    fy_peer_status_activate(&peer->status);
    peer->local->up.snapshot(peer->local->up.ctx, peer, FERRY_SNAPSHOT_FINISH);
    let_go(lane, snapshot, memory, FERRY_OK);
    fy_snapshot_lane_wake(lane);
}

/* ---- The body -----------------------------------------------------------------------------------------------------
 */

static void set_deadline(struct fy_snapshot_lane *lane)
{
    const struct fy_local *local = lane->peer->local;

    fy_timer_set(&lane->deadline,
                 now_ns(lane) + (lane->is_whole ? local->snapshot_answer_ns : local->snapshot_stall_ns));
}

/*
 * What the net was given at once may be long on its way: it asks for more when much of it has gone.  On a slow link
 * what moves meanwhile is what the peer acknowledges.
 */
static void note_acked(struct fy_snapshot_lane *lane)
{
    struct fy_vitals vitals;

    if (!fy_call_vitals(lane->call, &vitals))
        return;
    fy_stall_moved(&lane->stall, vitals.n_acked - lane->n_acked);
    lane->n_acked = vitals.n_acked;
}

static void on_deadline(void *arg)
{
    struct fy_snapshot_lane *lane = arg;
    uint64_t late_ns = now_ns(lane) - lane->deadline.deadline_ns;

    note_acked(lane);
    if (lane->is_whole)
        fail_at_peer(lane, FERRY_ERR_TIMEOUT, "no answer in time");
    else if (!fy_stall_pass(&lane->stall, late_ns, lane->peer->local->snapshot_stall_ns))
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

/* How many bytes could go at once.  Without a body the message is the end, so the source is asked first. */
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
static size_t on_read(void *arg, uint8_t *buf, size_t cap)
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
        n = fy_pace_take(&lane->peer->local->snapshot_pace, &lane->pace, n);
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

/* There is more: from now on it is the peer that may hold it up. */
static void wake_call(struct fy_snapshot_lane *lane)
{
    fy_stall_hold(&lane->stall, false);
    fy_call_wake(lane->call);
}

/* The source has given something. */
static void on_ready(void *arg)
{
    struct fy_snapshot_lane *lane = arg;
    int err = fy_body_reader_error(lane->current->body);

    if (err != FERRY_OK)
        fail_at_source(lane, err);
    else
        wake_call(lane);
}

static void on_turn(void *arg)
{
    wake_call(arg);
}

/* ---- The answer ---------------------------------------------------------------------------------------------------
 */

static void on_head(void *arg, const struct fy_answer *answer)
{
    struct fy_snapshot_lane *lane = arg;

    fy_refusal_begin(&lane->answer, answer);
}

static void on_body(void *arg, const uint8_t *data, size_t len)
{
    struct fy_snapshot_lane *lane = arg;

    fy_refusal_add(&lane->answer, data, len);
}

static void on_end(void *arg, int err, const char *detail)
{
    struct fy_snapshot_lane *lane = arg;
    const struct fy_local *local = lane->peer->local;
    char text[160];

    lane->call = NULL;
    if (lane->answer.status == 204 && lane->is_whole) {
        succeed(lane);
    } else if (lane->answer.status == 204) {
        fail_at_peer(lane, FERRY_ERR_PROTOCOL, "taken before it was sent");
    } else if (lane->answer.status == 403) {
        fail_at_peer(lane, FERRY_ERR_MEMBER_REMOVED, ferry_strerror(FERRY_ERR_MEMBER_REMOVED));
        local->up.fatal(local->up.ctx, FERRY_ERR_MEMBER_REMOVED);
    } else if (lane->answer.status != 0) { /* also when the peer broke the connection after it */
        err = fy_refusal_judge(&lane->answer, local->cluster_id_text.text, text, sizeof(text));
        fail_at_peer(lane, err, text);
    } else {
        fail_at_peer(lane, err, detail);
    }
}

/* ---- Beginning ----------------------------------------------------------------------------------------------------
 */

static int start_call(struct fy_snapshot_lane *lane)
{
    static const struct fy_call_events events = {.on_head = on_head, .on_body = on_body, .on_end = on_end};
    const struct fy_snapshot *snapshot = lane->current;
    const struct fy_local *local = lane->peer->local;
    struct fy_header headers[FY_LOCAL_HEADERS + 1];
    size_t n_headers = fy_local_headers(local, headers);
    char url[sizeof(lane->url.text) + sizeof(FY_PATH_SNAPSHOT)];
    struct fy_call_spec spec;

    (void)snprintf(url, sizeof(url), "%s" FY_PATH_SNAPSHOT, lane->url.text);
    headers[n_headers++] = (struct fy_header){"Content-Type", "application/octet-stream"};
    spec = (struct fy_call_spec){
        .method = "POST",
        .url = url,
        .headers = headers,
        .n_headers = n_headers,
        .read_body = on_read,
        .body_len = snapshot->size == FERRY_SIZE_UNKNOWN ? FY_LEN_UNKNOWN
                                                         : FRAME_HEAD_LEN + snapshot->msg->packed_len + snapshot->size,
        .own_connection = true,
        .connect_timeout_ms = (unsigned)(local->dial_timeout_ns / 1000000),
        .member = lane->peer->id,
    };
    return fy_net_call(local->net, &spec, &events, lane, &lane->call);
}

static void begin(struct fy_snapshot_lane *lane, struct fy_snapshot *snapshot)
{
    struct fy_peer *peer = lane->peer;
    const struct fy_local *local = peer->local;
    uint64_t size = snapshot->size;
    int err;

    lane->current = snapshot;
    lane->answer = (struct fy_refusal){.status = 0};
    lane->stall = (struct fy_stall){.n_bytes = 0};
    lane->n_given = lane->n_acked = 0;
    lane->is_whole = false;
    fy_url_picker_pick(&peer->picker, &lane->url);
    fy_encoder_init(&lane->encoder, FY_CODEC_MESSAGE, local->form);
    fy_encoder_start(&lane->encoder, snapshot->msg);
    fy_snapshot_meter_begin(&lane->meter, now_ns(lane), fy_net_unix_ms(local->net), snapshot->index,
                            size == FERRY_SIZE_UNKNOWN ? size : FRAME_HEAD_LEN + snapshot->msg->packed_len + size);
    err = start_call(lane);
    if (err != FERRY_OK) {
        fail(lane, err == FERRY_ERR_NOMEM ? FERRY_DROP_NOMEM : FERRY_DROP_POST_FAILED, err, ferry_strerror(err));
        return;
    }
    set_deadline(lane);
    fy_body_reader_start(snapshot->body, on_ready, lane);
}

/* Is the peer closed to what is sent now?  Then *ret_reason says why. */
static bool is_shut(struct fy_snapshot_lane *lane, enum ferry_drop_reason *ret_reason)
{
    const struct fy_peer *peer = lane->peer;

    if (peer->is_stopped || peer->is_silent)
        *ret_reason = (enum ferry_drop_reason)atomic_load(&peer->closed_reason);
    else if (atomic_load(&peer->is_paused))
        *ret_reason = FERRY_DROP_PAUSED;
    else if (atomic_load(&peer->is_cut))
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

void fy_snapshot_lane_init(struct fy_snapshot_lane *lane, struct fy_peer *peer)
{
    lane->peer = peer;                         /* the rest is zero */
    (void)pthread_mutex_init(&lane->mu, NULL); /* cannot fail for a default mutex on Linux */
    fy_list_init(&lane->queue);
    fy_snapshot_meter_init(&lane->meter);
    lane->pace = (struct fy_pace_user){.on_turn = on_turn, .arg = lane};
    fy_timer_init(&lane->deadline, fy_net_timers(peer->local->net), on_deadline, lane);
}

void fy_snapshot_lane_release(struct fy_snapshot_lane *lane)
{
    assert(!lane->current && fy_list_is_empty(&lane->queue) && lane->n_bytes == 0);
    pthread_mutex_destroy(&lane->mu);
}

void fy_snapshot_lane_stop(struct fy_snapshot_lane *lane, enum ferry_drop_reason reason)
{
    assert(lane->peer->is_stopped || lane->peer->is_silent);
    if (lane->current)
        drop(lane, leave_current(lane, false), reason, error_of(reason));
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
