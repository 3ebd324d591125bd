/*
 * stream_reader - a GET whose answer does not end, and what to do when it does.
 *
 * Normal path: dial; the answer is 200 and of a version that serves the stream; bytes go through the decoder, link
 * heartbeats stop here, messages go up.  Any end leads to BACKOFF and from there to the next dial.
 *
 * A connection is given up when it makes no progress for the read timeout: progress is a whole frame, or MIN_PROGRESS
 * bytes of a long one, so that a peer which sends a byte a second is given up, too.  A live peer sends a link heartbeat
 * at least every third of that time.  The head of the answer may take the dial timeout and the read timeout together.
 * A silence that is noticed late has one more read timeout (excuse.h).
 *
 * What a status means is etcd's: 404 and 412 are retried, 410 says that this member was removed for good.
 */
#include "peer/stream_reader.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "member/local.h"
#include "peer/peer_base.h"
#include "peer/raft_local.h"
#include "wire/message.h"

#define MIN_PROGRESS 1024
#define MOST_HURRIED 8 /* dials in a row; then every second one has the whole dial timeout */
#define MAX_SLOWDOWN 4 /* refusals in a row double the interval at most so many times */
#define BIT(state) (1u << (state))

static const struct {
    const char *name;
    unsigned next; /* the set of legal successors */
} states[] = {
    [FERRY_READER_STOPPED] = {"stopped", BIT(FERRY_READER_DIALING) | BIT(FERRY_READER_BACKOFF)},
    [FERRY_READER_DIALING] = {"dialing", BIT(FERRY_READER_REFUSED) | BIT(FERRY_READER_ACTIVE) |
                                             BIT(FERRY_READER_BACKOFF) | BIT(FERRY_READER_STOPPED)},
    [FERRY_READER_REFUSED] = {"refused", BIT(FERRY_READER_BACKOFF) | BIT(FERRY_READER_STOPPED)},
    [FERRY_READER_ACTIVE] = {"active", BIT(FERRY_READER_BACKOFF) | BIT(FERRY_READER_STOPPED)},
    [FERRY_READER_BACKOFF] = {"backoff",
                              BIT(FERRY_READER_DIALING) | BIT(FERRY_READER_BACKOFF) | BIT(FERRY_READER_STOPPED)},
};

/* The only writer of r->state. */
static void set_state(struct fy_stream_reader *r, enum ferry_reader_state to)
{
    assert(states[r->state].next & BIT(to));
    fy_log(&r->base->member.local->log, FERRY_LOG_DEBUG, "stream", r->base->member.id, "reader of %s: %s -> %s",
           fy_stream_name(r->stream), states[r->state].name, states[to].name);
    r->state = to;
    if (to == FERRY_READER_ACTIVE)
        fy_link_end_up(&r->end);
    else
        fy_link_end_down(&r->end);
    atomic_store(&r->shown_state, (int)to);
    atomic_store(&r->since_ms, to == FERRY_READER_ACTIVE ? fy_net_unix_ms(r->base->member.local->net) : 0);
}

static uint64_t now_ns(const struct fy_stream_reader *r)
{
    return fy_net_now_ns(r->base->member.local->net);
}

/* Close the connection, whatever the state. */
static void hang_up(struct fy_stream_reader *r)
{
    fy_timer_unset(&r->watch);
    if (r->state == FERRY_READER_ACTIVE)
        fy_decoder_release(&r->decoder);
    fy_call_cancel(r->call);
    r->call = NULL;
}

static void wait_to_dial(struct fy_stream_reader *r)
{
    const struct fy_local *local = r->base->member.local;
    uint64_t interval = local->dial_retry_ns << (r->n_refusals < MAX_SLOWDOWN ? r->n_refusals : MAX_SLOWDOWN);
    uint64_t jitter = fy_net_random(local->net) % (interval / 2 + 1);
    uint64_t at_ns = r->last_dial_ns + interval + jitter;

    set_state(r, FERRY_READER_BACKOFF);
    fy_timer_set(&r->retry, at_ns > now_ns(r) ? at_ns : now_ns(r));
}

/* Log an end, unless its text is that of the last one.  If the last line is too recent, the next such end is logged. */
static void log_end(struct fy_stream_reader *r, enum ferry_log_level level, const char *what, const char *text)
{
    unsigned long long n_held;
    char row[32] = "";
    bool passes;

    r->n_failures++;
    if (strcmp(text, r->last_failure) == 0 && r->n_failures > 1)
        return;
    passes = fy_log_fold_pass(&r->fold, now_ns(r), &n_held);
    (void)snprintf(r->last_failure, sizeof(r->last_failure), "%s", passes ? text : "");
    if (r->n_failures > 1)
        (void)snprintf(row, sizeof(row), " (%u in a row)", r->n_failures);
    if (passes)
        fy_log(&r->base->member.local->log, level, "stream", r->base->member.id, "%s: %s %s: %s%s",
               fy_stream_name(r->stream), what, r->url.text, text, row);
}

static void log_failure(struct fy_stream_reader *r, const char *action, const char *text)
{
    char what[32];

    (void)snprintf(what, sizeof(what), "failed to %s", action);
    log_end(r, FERRY_LOG_WARN, what, text);
}

/* Log that we read.  Once, until a frame came: some servers answer 200 and then break the connection every time. */
static void log_active(struct fy_stream_reader *r)
{
    unsigned long long n_held;
    char after[32] = "";

    if (r->n_failures > 0)
        (void)snprintf(after, sizeof(after), " after %u failures", r->n_failures);
    if (r->is_proven && fy_log_fold_pass(&r->active_fold, now_ns(r), &n_held))
        fy_log(&r->base->member.local->log, FERRY_LOG_INFO, "stream", r->base->member.id, "%s: reading from %s%s",
               fy_stream_name(r->stream), r->url.text, after);
    r->is_proven = false;
}

/* The dial or the stream failed: log it, and dial again later. */
static void fail(struct fy_stream_reader *r, const char *action, const char *text)
{
    if (r->state == FERRY_READER_ACTIVE)
        fy_link_end_broke(&r->end);
    hang_up(r);
    log_failure(r, action, text);
    fy_peer_status_deactivate(&r->base->member.status, action, fy_stream_name(r->stream), text);
    if (r->state != FERRY_READER_ACTIVE)
        fy_url_picker_unreachable(&r->base->member.picker, &r->url);
    wait_to_dial(r);
}

static void fail_refused(struct fy_stream_reader *r, const char *text)
{
    r->n_refusals++;
    fail(r, "dial", text);
}

/* The body of a refusal is complete, or as much of it as we keep. */
static void act_on_refusal(struct fy_stream_reader *r)
{
    struct fy_id_text peer_id = fy_id_format(r->base->member.id);
    char text[sizeof(r->last_failure)];

    switch (r->refusal.status) {
    case 404:
        (void)snprintf(text, sizeof(text), "peer %s failed to find local node %s: add it there, or check the URL",
                       peer_id.text, r->base->member.local->id_text.text);
        fail_refused(r, text);
        return;
    case 410:
        hang_up(r);
        log_failure(r, "dial", ferry_strerror(FERRY_ERR_MEMBER_REMOVED));
        fy_peer_status_deactivate(&r->base->member.status, "dial", fy_stream_name(r->stream),
                                  ferry_strerror(FERRY_ERR_MEMBER_REMOVED));
        set_state(r, FERRY_READER_STOPPED);
        fy_peer_base_report_removed(r->base);
        return;
    default:
        (void)fy_refusal_judge(&r->refusal, r->base->raft->cluster_id_text.text, text, sizeof(text));
        fail_refused(r, text);
    }
}

static void become_active(struct fy_stream_reader *r)
{
    const struct fy_local *local = r->base->member.local;

    fy_decoder_init(&r->decoder, r->stream == FERRY_STREAM_MSGAPP ? FY_CODEC_MSGAPPV2 : FY_CODEC_MESSAGE, local->id,
                    r->base->member.id, r->base->raft->max_message_bytes);
    set_state(r, FERRY_READER_ACTIVE);
    r->last_progress_ns = now_ns(r);
    r->n_bytes_since = 0;
    fy_excuse_renew(&r->excuse);
    fy_timer_set(&r->watch, r->last_progress_ns + local->read_timeout_ns);
    log_active(r);
    r->n_refusals = 0;
    r->n_hurried = 0;
    fy_member_note_dial(&r->base->member, r->url.text, now_ns(r) - r->last_dial_ns);
    fy_peer_status_activate(&r->base->member.status);
}

/* An answer without a version counts as one of 2.0.0, as in etcd; it is rather some other server's. */
static void explain_version(const char *version_text, struct fy_version version, char *text, size_t text_size)
{
    const char *etcds_words = ferry_strerror(FERRY_ERR_UNSUPPORTED_STREAM);

    if (version_text)
        (void)snprintf(text, text_size, "%s (its answer's version is %u.%u.%u: update it)", etcds_words, version.major,
                       version.minor, version.patch);
    else
        (void)snprintf(text, text_size, "%s (no %s: not a member, check its URL)", etcds_words,
                       FY_HEADER_SERVER_VERSION);
}

static void reader_on_head(void *arg, const struct fy_answer *answer)
{
    struct fy_stream_reader *r = arg;
    const char *version_text = fy_answer_header(answer, FY_HEADER_SERVER_VERSION);
    struct fy_version version;
    char text[sizeof(r->last_failure)];

    if (!version_text && answer->status == 400) { /* no member: the body says why */
        set_state(r, FERRY_READER_REFUSED);
        fy_refusal_begin(&r->refusal, answer);
    } else if (fy_version_parse_header(version_text, &version) != FERRY_OK) {
        fail_refused(r, "the answer's " FY_HEADER_SERVER_VERSION " is not a version");
    } else if (!fy_version_supports_stream(r->base->raft->version, version)) {
        explain_version(version_text, version, text, sizeof(text));
        fail_refused(r, text);
    } else if (answer->status == 200) {
        become_active(r);
    } else {
        set_state(r, FERRY_READER_REFUSED);
        fy_refusal_begin(&r->refusal, answer);
    }
}

/* Decode what came.  The core may call anything meanwhile, but this reader is not stopped or freed before we return. */
static void decode(struct fy_stream_reader *r, const uint8_t *data, size_t len)
{
    r->n_bytes_since += len;
    while (len > 0) {
        const struct ferry_message *msg;
        size_t n_used, frame_len;
        int got = fy_decoder_feed(&r->decoder, data, len, &n_used, &msg, &frame_len);

        if (got < 0) {
            fy_count(&r->base->account.counts.received_failures, 1);
            fail(r, "read", ferry_strerror(got));
            return;
        }
        data += n_used;
        len -= n_used;
        if (got == FY_DECODED_NOTHING)
            break;
        r->n_bytes_since = MIN_PROGRESS;
        r->n_failures = 0;
        r->is_proven = true;
        if (got == FY_DECODED_MESSAGE)
            fy_peer_base_received(r->base, msg, frame_len);
        else
            fy_count(&r->heartbeats, 1);
    }
    if (r->n_bytes_since >= MIN_PROGRESS) {
        r->n_bytes_since = 0;
        r->last_progress_ns = now_ns(r);
        fy_excuse_renew(&r->excuse);
    }
}

static void reader_on_body(void *arg, const uint8_t *data, size_t len)
{
    struct fy_stream_reader *r = arg;

    if (r->state == FERRY_READER_ACTIVE) {
        decode(r, data, len);
        return;
    }
    assert(r->state == FERRY_READER_REFUSED);
    fy_refusal_add(&r->refusal, data, len);
    if (r->refusal.len == FY_REFUSAL_MAX)
        act_on_refusal(r);
}

static void reader_on_end(void *arg, int err, const char *detail)
{
    struct fy_stream_reader *r = arg;

    r->call = NULL;
    if (r->state == FERRY_READER_REFUSED) {
        act_on_refusal(r); /* part of a reason is better than none */
    } else if (r->state == FERRY_READER_DIALING) {
        fail(r, "dial", err == FERRY_OK ? "no answer" : detail);
    } else if (err != FERRY_OK) {
        fail(r, "read", detail);
    } else if (fy_decoder_end(&r->decoder) != FERRY_OK) {
        fail(r, "read", ferry_strerror(FERRY_ERR_TRUNCATED));
    } else {
        /* a clean end between frames: the peer replaced the connection or is stopping, so its status stays */
        log_end(r, FERRY_LOG_INFO, "stopped reading from", "the peer ended the stream");
        hang_up(r);
        wait_to_dial(r);
    }
}

/* A long frame is read into the memory that its message will have. */
static uint8_t *reader_room(void *arg, size_t *ret_cap)
{
    struct fy_stream_reader *r = arg;

    return r->state == FERRY_READER_ACTIVE ? fy_decoder_room(&r->decoder, ret_cap) : NULL;
}

static const struct fy_call_events events = {
    .on_head = reader_on_head, .on_body = reader_on_body, .on_end = reader_on_end, .room = reader_room};

/* The read timeout is over.  Did its timer fire late, for the first time in this silence?  Then it begins anew. */
static bool excuse(struct fy_stream_reader *r)
{
    uint64_t timeout_ns = r->base->member.local->read_timeout_ns;
    bool is_excused = fy_excuse_give(&r->excuse, &r->watch, timeout_ns, now_ns(r));

    if (is_excused)
        r->last_progress_ns = now_ns(r);
    return is_excused;
}

static void reader_on_watch(void *arg)
{
    struct fy_stream_reader *r = arg;
    uint64_t timeout_ns = r->base->member.local->read_timeout_ns;

    if (r->state == FERRY_READER_ACTIVE)
        fy_decoder_trim(&r->decoder); /* of memory for long frames, as this timer is periodic */
    if (r->state == FERRY_READER_ACTIVE && (r->last_progress_ns + timeout_ns > now_ns(r) || excuse(r)))
        fy_timer_set(&r->watch, r->last_progress_ns + timeout_ns);
    else if (r->state == FERRY_READER_ACTIVE)
        fail(r, "read", "no frame within the read timeout");
    else if (r->state == FERRY_READER_REFUSED)
        act_on_refusal(r);
    else
        fail(r, "dial", "no answer within the dial and read timeouts");
}

/* The way to the peer may have become slower: after a miss every second dial has more time, at last all of it. */
static unsigned patience_of(struct fy_stream_reader *r)
{
    unsigned n = r->n_hurried++;

    return n % 2 == 0 ? 1 : n < MOST_HURRIED ? n + 1 : 0;
}

static void reader_dial(void *arg)
{
    struct fy_stream_reader *r = arg;
    const struct fy_member *member = &r->base->member;
    const struct fy_local *local = member->local;
    struct fy_id_text peer_id = fy_id_format(member->id);
    struct fy_header headers[FY_RAFT_HEADERS + 1];
    size_t n_headers = fy_raft_local_headers(r->base->raft, headers);
    char url[sizeof(r->url.text) + 64];
    struct fy_call_spec spec = {
        .method = "GET",
        .url = url,
        .headers = headers,
        .own_connection = true,
        .member = member->id,
    };
    int err;

    headers[n_headers++] = (struct fy_header){FY_HEADER_RAFT_TO, peer_id.text};
    spec.n_headers = n_headers;
    fy_url_picker_pick(&member->picker, &r->url);
    (void)snprintf(url, sizeof(url), "%s" FY_PATH_STREAM "/%s/%s", r->url.text, fy_stream_path_element(r->stream),
                   local->id_text.text);

    fy_member_limit_dial(member, patience_of(r), &spec);
    r->last_dial_ns = now_ns(r);
    atomic_fetch_add(&r->dials, 1);
    set_state(r, FERRY_READER_DIALING);
    err = fy_net_call(local->net, &spec, &events, r, &r->call);
    if (err != FERRY_OK) {
        fail(r, "dial", ferry_strerror(err));
        return;
    }
    fy_timer_set(&r->watch,
                 r->last_dial_ns + local->dial_timeout_ns + local->handshake_timeout_ns + local->read_timeout_ns);
}

const char *ferry_reader_state_name(enum ferry_reader_state state)
{
    size_t n = sizeof(states) / sizeof(states[0]);

    return (size_t)state < n ? states[state].name : "unknown";
}

/* ---- As an end of the link ---- */

static bool reader_vitals(void *arg, struct fy_vitals *ret_vitals)
{
    struct fy_stream_reader *r = arg;

    return fy_call_vitals(r->call, ret_vitals);
}

/* End the connection or the dial, and dial again. */
static void reader_on_link_lost(void *arg, const char *why)
{
    struct fy_stream_reader *r = arg;

    if (r->state == FERRY_READER_ACTIVE)
        fail(r, "read", why);
    else if (r->state == FERRY_READER_DIALING)
        fail(r, "dial", why);
}

/* ---- Life ---- */

void fy_stream_reader_init(struct fy_stream_reader *r, struct fy_peer_base *base, enum ferry_stream stream)
{
    static const struct fy_link_end_ops end_ops = {.vitals = reader_vitals, .on_lost = reader_on_link_lost};
    struct fy_timers *timers = fy_net_timers(base->member.local->net);

    *r = (struct fy_stream_reader){.base = base, .stream = stream, .state = FERRY_READER_STOPPED, .is_proven = true};
    fy_link_register(&base->member.link, &r->end, FY_LINK_IN, &end_ops, r);
    fy_timer_init(&r->retry, timers, reader_dial, r);
    fy_timer_init(&r->watch, timers, reader_on_watch, r);
}

void fy_stream_reader_release(struct fy_stream_reader *r)
{
    assert(r->state == FERRY_READER_STOPPED);
    (void)r;
}

void fy_stream_reader_start(struct fy_stream_reader *r)
{
    set_state(r, FERRY_READER_BACKOFF);
    fy_timer_set(&r->retry, now_ns(r));
}

void fy_stream_reader_stop(struct fy_stream_reader *r)
{
    if (r->state == FERRY_READER_STOPPED)
        return;
    fy_timer_unset(&r->retry);
    hang_up(r);
    set_state(r, FERRY_READER_STOPPED);
}

void fy_stream_reader_urls_changed(struct fy_stream_reader *r)
{
    r->n_refusals = 0;
    if (r->state == FERRY_READER_BACKOFF)
        wait_to_dial(r);
}
