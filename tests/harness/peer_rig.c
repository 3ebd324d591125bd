/*
 * peer_rig - the scripted member, and a record of the peer code's upcalls.
 *
 * No ck_assert inside an event: it allocates, which aborts under a failing heap.
 */
#include "harness/peer_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"
#include "wire/outgoing.h"
#include "wire/probe_answer.h"
#include "wire/url.h"

struct peer_rig rig;

#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("%s:%d: %s", __func__, __LINE__, #condition);                                                 \
    } while (0)

/* ---- What the peer code calls up ---- */

static struct rig_message note(const struct ferry_message *msg)
{
    return (struct rig_message){.type = msg->type,
                                .index = msg->index,
                                .term = msg->term,
                                .from = msg->from,
                                .to = msg->to,
                                .n_entries = msg->n_entries};
}

static void up_deliver(void *ctx, struct fy_peer *peer, const struct ferry_message *msg)
{
    must(ctx == &rig && peer == rig.peer);
    must(rig.n_delivered < RIG_MAX_SEEN);
    rig.delivered_ns[rig.n_delivered] = fy_sim_now_ns(rig.sim);
    rig.delivered[rig.n_delivered++] = note(msg);
    ferry_message_unref(msg);
}

static void up_attend(void *ctx, struct fy_peer *peer)
{
    must(ctx == &rig && peer == rig.peer);
    fy_net_wake(rig.us);
}

static void up_unreachable(void *ctx, struct fy_peer *peer)
{
    must(ctx == &rig && peer == rig.peer);
    atomic_fetch_add(&rig.n_unreachable, 1);
}

static void up_snapshot(void *ctx, struct fy_peer *peer, enum ferry_snapshot_result result)
{
    must(ctx == &rig && peer == rig.peer);
    if (result == FERRY_SNAPSHOT_FINISH)
        atomic_fetch_add(&rig.n_finish, 1);
    else
        atomic_fetch_add(&rig.n_failure, 1);
}

static void up_fatal(void *ctx, int err)
{
    must(ctx == &rig);
    rig.n_fatal++;
    rig.fatal_err = err;
}

static void on_wake(void *arg)
{
    struct fy_peer *peer = rig.peer;

    must(arg == &rig);
    if (!peer)
        return;
    atomic_store(&peer->base.needs_attention, false);
    fy_peer_attend(peer);
}

static void on_line(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    must(ctx == &rig && id && peer == RIG_THEM);
    if (rig.n_lines == RIG_MAX_SEEN)
        return;
    rig.lines[rig.n_lines].level = level;
    snprintf(rig.lines[rig.n_lines].text, sizeof(rig.lines[0].text), "%s", text);
    rig.n_lines++;
}

/* ---- Our server: what the transport does once a GET has passed its checks ---- */

static void on_our_request(void *arg, struct fy_request *req)
{
    enum ferry_stream stream;
    uint64_t id;

    must(arg == &rig);
    must(fy_stream_path_parse(fy_request_path(req), &stream, &id) == FERRY_OK && id == RIG_THEM);
    fy_stream_writer_attach(&rig.peer->writers[stream], req);
}

/* ---- Their server ---- */

static void feed_gather(void *arg, struct fy_gather *g)
{
    const struct rig_feed *feed = arg;

    if (feed->len > 0)
        (void)fy_gather_add(g, feed->bytes, feed->len);
}

static void feed_sent(void *arg, size_t n)
{
    struct rig_feed *feed = arg;

    memmove(feed->bytes, feed->bytes + n, feed->len - n);
    feed->len -= n;
}

static void feed_gone(void *arg, int err)
{
    struct rig_feed *feed = arg;

    (void)err;
    feed->out = NULL;
    feed->n_gone++;
}

static const struct fy_outflow_source feed_source = {.gather = feed_gather, .sent = feed_sent, .on_gone = feed_gone};

static void open_feed(struct rig_request *request, const struct fy_header *headers, size_t n_headers)
{
    enum ferry_stream stream;
    struct rig_feed *feed;
    uint64_t id;

    must(fy_stream_path_parse(request->path, &stream, &id) == FERRY_OK && id == RIG_US);
    feed = &rig.feeds[stream];
    if (feed->out)
        fy_outflow_end(feed->out);
    feed->len = 0;
    feed->n_opened++;
    fy_encoder_init(&feed->encoder, stream == FERRY_STREAM_MSGAPP ? FY_CODEC_MSGAPPV2 : FY_CODEC_MESSAGE,
                    FERRY_FORM_3_4);
    feed->out = fy_request_stream(request->req, headers, n_headers, &feed_source, feed);
    request->req = NULL;
}

static void answer_probe(struct rig_request *request)
{
    char body[FY_PROBE_ANSWER_SIZE];
    struct rig_answer answer = rig.on_probe;

    if (answer.status == 200 && !answer.body) {
        body[fy_probe_answer_format(fy_net_unix_ns(rig.them) + (uint64_t)rig.their_clock_ahead_ns, body)] = '\0';
        answer.body = body;
    }
    rig_reply(request, &answer);
}

void rig_reply(struct rig_request *request, const struct rig_answer *answer)
{
    struct fy_header headers[2];
    size_t n_headers = 0;

    must(request->req);
    if (answer->version)
        headers[n_headers++] = (struct fy_header){FY_HEADER_SERVER_VERSION, answer->version};
    if (answer->cluster_id)
        headers[n_headers++] = (struct fy_header){FY_HEADER_CLUSTER_ID, answer->cluster_id};
    if (answer->aborts) {
        fy_request_abort(request->req);
        request->req = NULL;
    } else if (answer->status == 200 && strncmp(request->path, FY_PATH_STREAM, strlen(FY_PATH_STREAM)) == 0) {
        open_feed(request, headers, n_headers);
    } else if (answer->status != 0) {
        fy_request_reply(request->req, answer->status, headers, n_headers, answer->body,
                         answer->body ? strlen(answer->body) : 0);
        request->req = NULL;
    }
}

static void on_request_body(void *arg, const uint8_t *data, size_t len)
{
    struct rig_request *request = arg;

    must(request->body_len + len <= RIG_MAX_BODY);
    memcpy(request->body + request->body_len, data, len);
    request->body_len += len;
}

static void on_request_body_end(void *arg)
{
    struct rig_request *request = arg;

    request->is_body_whole = true;
    if (strcmp(request->method, "POST") == 0)
        rig_reply(request, &rig.on_post);
}

static void on_request_gone(void *arg)
{
    struct rig_request *request = arg;

    request->req = NULL;
    request->is_gone = true;
}

static const struct fy_request_events request_events = {
    .on_body = on_request_body, .on_body_end = on_request_body_end, .on_gone = on_request_gone};

static void copy_header(const struct fy_request *req, const char *name, char *buf, size_t size)
{
    const char *value = fy_request_header(req, name);

    snprintf(buf, size, "%s", value ? value : "(absent)");
}

static void note_request(struct rig_request *request, struct fy_request *req)
{
    request->at_ns = fy_sim_now_ns(rig.sim);
    request->req = req;
    snprintf(request->method, sizeof(request->method), "%s", fy_request_method(req));
    snprintf(request->path, sizeof(request->path), "%s", fy_request_path(req));
    copy_header(req, FY_HEADER_SERVER_FROM, request->from, sizeof(request->from));
    copy_header(req, FY_HEADER_SERVER_VERSION, request->version, sizeof(request->version));
    copy_header(req, FY_HEADER_MIN_CLUSTER_VERSION, request->min_version, sizeof(request->min_version));
    copy_header(req, FY_HEADER_CLUSTER_ID, request->cluster_id, sizeof(request->cluster_id));
    copy_header(req, FY_HEADER_PEER_URLS, request->peer_urls, sizeof(request->peer_urls));
    copy_header(req, FY_HEADER_RAFT_TO, request->raft_to, sizeof(request->raft_to));
    copy_header(req, "Content-Type", request->content_type, sizeof(request->content_type));
}

static void on_their_request(void *arg, struct fy_request *req)
{
    bool is_post = strcmp(fy_request_method(req), "POST") == 0;
    bool is_probe = strcmp(fy_request_path(req), FY_PATH_PROBING) == 0;
    struct rig_request *requests = is_post ? rig.posts : is_probe ? rig.probes : rig.gets;
    size_t *n_requests = is_post ? &rig.n_posts : is_probe ? &rig.n_probes : &rig.n_gets;
    struct rig_request *request = &requests[*n_requests];

    must(*n_requests < RIG_MAX_SEEN);
    *n_requests += 1;
    must(!request->body);
    *request = (struct rig_request){.port = *(const uint16_t *)arg};
    note_request(request, req);
    if (is_post) {
        request->body = malloc(RIG_MAX_BODY);
        if (!request->body) {
            fy_request_abort(req);
            request->req = NULL;
            return;
        }
    }
    fy_request_set_events(req, &request_events, request);
    if (is_probe)
        answer_probe(request);
    else if (!is_post)
        rig_reply(request, &rig.on_get);
}

/* ---- Their client ---- */

static void on_call_head(void *arg, const struct fy_answer *answer)
{
    struct rig_call *call = arg;
    const char *version = fy_answer_header(answer, FY_HEADER_SERVER_VERSION);
    const char *cluster_id = fy_answer_header(answer, FY_HEADER_CLUSTER_ID);

    call->status = answer->status;
    snprintf(call->version, sizeof(call->version), "%s", version ? version : "(absent)");
    snprintf(call->cluster_id, sizeof(call->cluster_id), "%s", cluster_id ? cluster_id : "(absent)");
}

static void on_call_body(void *arg, const uint8_t *data, size_t len)
{
    struct rig_call *call = arg;

    call->n_bytes += len;
    while (len > 0 && call->decode_err == FERRY_OK) {
        const struct ferry_message *msg;
        size_t n_used, frame_len;
        int got = fy_decoder_feed(&call->decoder, data, len, &n_used, &msg, &frame_len);

        if (got < 0) {
            call->decode_err = got;
            return;
        }
        data += n_used;
        len -= n_used;
        if (got == FY_DECODED_HEARTBEAT) {
            must(call->n_heartbeats < RIG_MAX_SEEN);
            call->heartbeat_ns[call->n_heartbeats++] = fy_sim_now_ns(rig.sim);
        } else if (got == FY_DECODED_MESSAGE) {
            if (call->n_messages < RIG_MAX_SEEN) {
                call->message_ns[call->n_messages] = fy_sim_now_ns(rig.sim);
                call->messages[call->n_messages] = note(msg);
            }
            call->n_messages++;
            ferry_message_unref(msg);
        }
    }
}

static void on_call_end(void *arg, int err, const char *detail)
{
    struct rig_call *call = arg;

    must(detail);
    call->call = NULL;
    call->has_ended = true;
    call->err = err;
    if (err == FERRY_OK && call->decode_err == FERRY_OK)
        call->decode_err = fy_decoder_end(&call->decoder);
}

static const struct fy_call_events call_events = {
    .on_head = on_call_head, .on_body = on_call_body, .on_end = on_call_end};

void rig_dial(struct rig_call *call, enum ferry_stream stream)
{
    char url[96];
    struct fy_call_spec spec = {.method = "GET", .url = url, .own_connection = true, .connect_timeout_ms = 2000};

    must(!call->call && !call->is_decoding);
    *call = (struct rig_call){.stream = stream, .is_decoding = true};
    fy_decoder_init(&call->decoder, stream == FERRY_STREAM_MSGAPP ? FY_CODEC_MSGAPPV2 : FY_CODEC_MESSAGE, RIG_THEM,
                    RIG_US, 1u << 20);
    snprintf(url, sizeof(url), "http://us:80/raft/stream/%s/2", fy_stream_path_element(stream));
    if (fy_net_call(rig.them, &spec, &call_events, call, &call->call) != FERRY_OK) {
        call->call = NULL;
        call->has_ended = true;
        call->err = FERRY_ERR_NOMEM;
    }
}

void rig_hang_up(struct rig_call *call)
{
    if (call->call)
        fy_call_cancel(call->call);
    call->call = NULL;
    if (call->is_decoding)
        fy_decoder_release(&call->decoder);
    call->is_decoding = false;
}

/* ---- Life ---- */

static void free_peer(void *arg, struct fy_peer *peer)
{
    must(arg == &rig);
    fy_peer_free(peer);
    rig.is_peer_freed = true;
}

static void make_peer(void)
{
    static const char *const urls[] = {"http://them:80", NULL};
    char **copy;

    ck_assert_int_eq(fy_urls_copy(urls, &copy), FERRY_OK);
    ck_assert_int_eq(fy_peer_new(&rig.raft, RIG_THEM, copy, &rig.peer), FERRY_OK);
    rig.peer->ties.on_last_unref = free_peer;
    rig.peer->ties.arg = &rig;
    rig.is_peer_freed = false;
}

static void unmake_peer(void)
{
    struct fy_peer *peer = rig.peer;

    fy_peer_stop(peer, FERRY_DROP_REMOVED);
    rig_check_account();
    ck_assert_uint_eq(rig_status().queued_messages, 0);
    rig.peer = NULL;
    fy_peer_unref(peer);
    ck_assert(rig.is_peer_freed);
    ck_assert_uint_eq(atomic_load(&rig.local.send_bytes), 0);
}

void rig_remake_peer(void)
{
    unmake_peer();
    make_peer();
    rig.n_unreachable = 0;
    rig.n_finish = 0;
    rig.n_failure = 0;
}

static struct fy_listener *listen_at(struct fy_net *net, const char *url, fy_request_fn *fn, void *arg)
{
    struct fy_listener *listener;
    char detail[100];

    ck_assert_int_eq(fy_net_listen(net, url, fn, arg, &listener, detail, sizeof(detail)), FERRY_OK);
    return listener;
}

static void fill_local(void)
{
    static char version[] = "3.4.0", min_version[] = "3.0.0", peer_urls[] = "http://us:80";

    rig.local = (struct fy_local){
        .id = RIG_US,
        .id_text = fy_id_format(RIG_US),
        .dial_timeout_ns = 2 * FY_SIM_S,
        .read_timeout_ns = 5 * FY_SIM_S,
        .dial_retry_ns = 100 * FY_SIM_MS,
        .max_send_bytes = 4u << 20,
        .net = rig.us,
        .log = {.fn = on_line, .ctx = &rig, .max_level = FERRY_LOG_DEBUG},
    };
    rig.raft = (struct fy_raft_local){
        .local = &rig.local,
        .cluster_id_text = fy_id_format(0x1000),
        .version_text = version,
        .min_version_text = min_version,
        .version = {3, 4, 0},
        .min_version = {3, 0, 0},
        .peer_urls = peer_urls,
        .form = FERRY_FORM_3_4,
        .post_timeout_ns = 10 * FY_SIM_S,
        .max_queue_messages = 16,
        .max_queue_bytes = 1u << 20,
        .max_pipeline_messages = 64,
        .max_message_bytes = 1u << 20,
        .up = {.deliver = up_deliver,
               .attend = up_attend,
               .unreachable = up_unreachable,
               .snapshot = up_snapshot,
               .fatal = up_fatal,
               .ctx = &rig},
    };
}

void rig_setup_with(const struct ferry_sim_config *cfg)
{
    static const uint16_t ports[] = {80, 81};

    heap_setup();
    memset(&rig, 0, sizeof(rig));
    ck_assert_int_eq(fy_sim_new(1, cfg, &rig.sim), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(rig.sim, "us", &rig.our_node), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(rig.sim, "them", &rig.their_node), FERRY_OK);
    rig.us = fy_sim_node_net(rig.our_node);
    rig.them = fy_sim_node_net(rig.their_node);
    fill_local();
    fy_local_start(&rig.local);
    rig.on_get = (struct rig_answer){.status = 200, .version = "3.4.0", .cluster_id = "1000"};
    rig.on_probe = (struct rig_answer){.status = 200};
    rig.on_post = (struct rig_answer){.status = 204, .cluster_id = "1000"};
    rig.our_listener = listen_at(rig.us, "http://us:80", on_our_request, &rig);
    rig.their_listener = listen_at(rig.them, "http://them:80", on_their_request, (void *)(uintptr_t)&ports[0]);
    rig.their_second = listen_at(rig.them, "http://them:81", on_their_request, (void *)(uintptr_t)&ports[1]);
    fy_net_set_on_wake(rig.us, on_wake, &rig);
    make_peer();
}

void rig_setup(void)
{
    struct ferry_sim_config cfg = FERRY_SIM_CONFIG_INIT;

    cfg.weather.min_delay_ns = cfg.weather.max_delay_ns = FY_SIM_MS;
    rig_setup_with(&cfg);
}

void rig_teardown(void)
{
    heap_fail_at(-1);
    unmake_peer();
    fy_net_set_on_wake(rig.us, NULL, NULL);
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        if (rig.feeds[i].out)
            fy_outflow_abort(rig.feeds[i].out);
        free(rig.feeds[i].bytes);
    }
    fy_listener_close(rig.our_listener);
    fy_listener_close(rig.their_listener);
    fy_listener_close(rig.their_second);
    rig_forget_posts();
    fy_local_stop(&rig.local);
    fy_sim_free(rig.sim);
    heap_teardown();
}

void rig_forget_posts(void)
{
    for (size_t i = 0; i < rig.n_posts; i++) {
        if (rig.posts[i].req)
            fy_request_abort(rig.posts[i].req);
        rig.posts[i].req = NULL;
        free(rig.posts[i].body);
        rig.posts[i].body = NULL;
    }
    rig.n_posts = 0;
}

void rig_lose_link(struct fy_link_end *end, const char *why)
{
    end->ops->on_lost(end->arg, why);
}

void rig_run_ms(uint64_t ms)
{
    fy_sim_run_until(rig.sim, fy_sim_now_ns(rig.sim) + ms * FY_SIM_MS);
}

uint64_t rig_now_ns(void)
{
    return fy_sim_now_ns(rig.sim);
}

/* ---- Messages ---- */

struct ferry_message rig_message(enum ferry_message_type type, uint64_t index, size_t n_entries, size_t len)
{
    static uint8_t bytes[RIG_MAX_BODY];
    static struct ferry_entry entries[8];

    must(n_entries <= 8 && len <= sizeof(bytes));
    for (size_t i = 0; i < n_entries; i++)
        entries[i] = (struct ferry_entry){.term = 1, .index = index + 1 + i, .data = {.data = bytes, .len = len}};
    return (struct ferry_message){.type = type,
                                  .to = RIG_THEM,
                                  .from = RIG_US,
                                  .term = 1,
                                  .log_term = 1,
                                  .index = index,
                                  .entries = entries,
                                  .n_entries = n_entries};
}

void rig_send_sized(enum ferry_message_type type, uint64_t index, size_t len)
{
    struct ferry_message msg = rig_message(type, index, len > 0 ? 1 : 0, len);

    fy_peer_send(rig.peer, &msg);
}

void rig_send(enum ferry_message_type type, uint64_t index)
{
    rig_send_sized(type, index, 0);
}

static struct fy_outgoing *encoded(const struct ferry_message *msg)
{
    struct fy_outgoing *out;

    ck_assert_int_eq(fy_outgoing_new(msg, FERRY_FORM_3_4, 1u << 20, &out), FERRY_OK);
    return out;
}

const struct ferry_message *rig_decoded(enum ferry_message_type type, uint64_t index, size_t len)
{
    struct ferry_message msg = rig_message(type, index, len > 0 ? 1 : 0, len);
    struct fy_outgoing *out = encoded(&msg);
    uint8_t *bytes = malloc(out->packed_len + 1);
    const struct ferry_message *decoded;
    struct fy_encoder encoder;

    fy_encoder_init(&encoder, FY_CODEC_BARE, FERRY_FORM_3_4);
    fy_encoder_start(&encoder, out);
    ck_assert_uint_eq(fy_encoder_read(&encoder, bytes, out->packed_len), out->packed_len);
    ck_assert_int_eq(fy_message_decode(bytes, out->packed_len, 1u << 20, &decoded), FERRY_OK);
    free(bytes);
    fy_outgoing_free(out);
    return decoded;
}

void rig_feed_bytes(enum ferry_stream stream, const void *bytes, size_t len)
{
    struct rig_feed *feed = &rig.feeds[stream];

    ck_assert_ptr_nonnull(feed->out);
    if (len == 0)
        return;
    feed->bytes = realloc(feed->bytes, feed->len + len);
    ck_assert_ptr_nonnull(feed->bytes);
    memcpy(feed->bytes + feed->len, bytes, len);
    feed->len += len;
    fy_outflow_wake(feed->out);
}

static void feed_frame(enum ferry_stream stream)
{
    struct fy_encoder *encoder = &rig.feeds[stream].encoder;
    uint8_t buf[4096];

    while (fy_encoder_left(encoder) > 0)
        rig_feed_bytes(stream, buf, fy_encoder_read(encoder, buf, sizeof(buf)));
}

void rig_feed_message(enum ferry_stream stream, const struct ferry_message *msg)
{
    struct fy_outgoing *out = encoded(msg);

    fy_encoder_start(&rig.feeds[stream].encoder, out);
    feed_frame(stream);
    fy_outgoing_free(out);
}

void rig_feed_heartbeat(enum ferry_stream stream)
{
    fy_encoder_start_heartbeat(&rig.feeds[stream].encoder);
    feed_frame(stream);
}

/* ---- The account ---- */

struct ferry_peer_status rig_status(void)
{
    struct ferry_peer_status status;

    fy_peer_read_status(rig.peer, &status);
    return status;
}

uint64_t rig_dropped(enum ferry_drop_reason reason)
{
    return rig_status().counts.dropped[reason];
}

void rig_check_account(void)
{
    struct ferry_peer_status status = rig_status();
    uint64_t n_dropped = 0;

    for (size_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        n_dropped += status.counts.dropped[i];
    ck_assert_uint_eq(status.counts.sent, status.counts.written + n_dropped + status.queued_messages);
    ck_assert_uint_eq(status.queued_bytes, atomic_load(&rig.local.send_bytes));
}

size_t rig_lines_with(enum ferry_log_level level, const char *text)
{
    size_t n = 0;

    for (size_t i = 0; i < rig.n_lines; i++)
        n += rig.lines[i].level == level && strstr(rig.lines[i].text, text) ? 1 : 0;
    return n;
}
