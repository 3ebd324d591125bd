/*
 * it_hostile - misbehaving peers: each gets a status and an error and causes few log lines, and two good members are
 * not affected.
 *
 * Many misbehaving peers connect at once, each with its own id, by which the log lines about it are found.
 */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "harness/fake_peer.h"
#include "harness/heap.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"

#define FIRST_BAD_ID 0x10
#define MAX_BAD 24
#define DIAL_RETRY_MS 50
#define READ_TIMEOUT_MS 1000 /* long enough for the good members on a busy machine */
#define DIAL_TIMEOUT_MS 600  /* and these for the fakes */
#define POST_TIMEOUT_MS 1000
#define QUIET_LINES 3       /* at most so many about one bad peer when a watch begins */
#define QUIET_LINES_PER_S 2 /* and then */

static struct member members[2];

/* ---- Two good members beside --------------------------------------------------------------------------------------
 */

static struct {
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    bool is_stopping; /* mu */
    uint64_t n_sent;  /* the thread's, and the test's once it is joined */
    bool is_over;     /* the test's: joined and checked */
} beat;

static void *beat_run(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&beat.mu);
    do {
        struct timespec next = monotonic_in_ms(5);

        pthread_mutex_unlock(&beat.mu);
        for (size_t i = 0; i < 2; i++) {
            struct ferry_message msgs[] = {{.type = FERRY_MSG_HEARTBEAT, .from = i + 1, .to = 2 - i},
                                           {.type = FERRY_MSG_APP, .from = i + 1, .to = 2 - i}};

            ck_assert_int_eq(ferry_transport_send(members[i].t, msgs, 2), FERRY_OK);
        }
        beat.n_sent++;
        pthread_mutex_lock(&beat.mu);
        if (!beat.is_stopping)
            pthread_cond_timedwait(&beat.changed, &beat.mu, &next);
    } while (!beat.is_stopping);
    pthread_mutex_unlock(&beat.mu);
    return NULL;
}

static void beat_start(void)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&beat.mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&beat.changed, &attr);
    pthread_condattr_destroy(&attr);
    beat.is_stopping = false;
    beat.n_sent = 0;
    beat.is_over = false;
    ck_assert_int_eq(pthread_create(&beat.thread, NULL, beat_run, NULL), 0);
}

/* Everything that the good members sent each other came, by streams that never broke. */
static void beat_stop_and_check(void)
{
    static const enum ferry_message_type types[] = {FERRY_MSG_HEARTBEAT, FERRY_MSG_APP};

    if (beat.is_over)
        return;
    beat.is_over = true;
    pthread_mutex_lock(&beat.mu);
    beat.is_stopping = true;
    pthread_cond_signal(&beat.changed);
    pthread_mutex_unlock(&beat.mu);
    pthread_join(beat.thread, NULL);
    pthread_cond_destroy(&beat.changed);
    pthread_mutex_destroy(&beat.mu);
    ck_assert_uint_gt(beat.n_sent, 0);
    for (size_t i = 0; i < 2; i++) {
        struct ferry_peer_status status = member_status(&members[i], members[1 - i].id);

        ck_assert(status.active);
        ck_assert_uint_eq(counts_dropped(&status.counts), 0);
        for (size_t k = 0; k < 2; k++) {
            ck_assert_msg(recorder_wait_of_type(&members[i].recorder, types[k], beat.n_sent, patience_ms(5000)),
                          "%llu of %llu %s came", (unsigned long long)recorder_of_type(&members[i].recorder, types[k]),
                          (unsigned long long)beat.n_sent, ferry_message_type_name(types[k]));
            ck_assert_uint_eq(recorder_of_type(&members[i].recorder, types[k]), beat.n_sent);
        }
        ck_assert_uint_eq(recorder_unreachable(&members[i].recorder, members[1 - i].id), 0);
        ck_assert_msg(journal_count(&members[i].journal, FERRY_LOG_WARN, members[1 - i].id, "") == 0, "%s",
                      journal_text(&members[i].journal, members[1 - i].id));
    }
}

static void setup(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct ferry_config *config = &members[i].config;

        member_init(&members[i], i + 1);
        config->dial_retry_ms = DIAL_RETRY_MS;
        config->read_timeout_ms = patience_ms(READ_TIMEOUT_MS);
        config->write_timeout_ms = patience_ms(READ_TIMEOUT_MS);
        config->post_timeout_ms = patience_ms(POST_TIMEOUT_MS);
        config->dial_timeout_ms = patience_ms(DIAL_TIMEOUT_MS);
        config->max_message_bytes = 1 << 20;
        member_start(&members[i]);
    }
    members_connect(members, 2);
    members_await_streams(members, 2);
    for (size_t i = 0; i < 2; i++)
        journal_clear(&members[i].journal); /* a dial that came before the other knew of us */
    beat_start();
}

static void teardown(void)
{
    beat_stop_and_check();
    for (size_t i = 0; i < 2; i++)
        member_stop(&members[i]);
    for (size_t i = 0; i < 2; i++)
        member_release(&members[i]);
}

/* ---- Bad servers --------------------------------------------------------------------------------------------------
 */

#define HEAD(status, more) "HTTP/1.1 " status "\r\n" more "\r\n"
#define V_3_4 "X-Server-Version: 3.4.0\r\n"
#define CLUSTER "X-Etcd-Cluster-ID: 1000\r\n"
#define GOOD HEAD("200 OK", V_3_4 CLUSTER "Connection: close\r\n")
#define SHORT_BODY(len) "Content-Length: " #len "\r\n"
#define BYTES(text) text, sizeof(text) - 1

struct bad_server {
    const char *name;
    const void *msgapp; /* what it answers to a dial */
    size_t msgapp_len;
    const void *message;
    size_t message_len;
    enum fake_end end;
    size_t at_once; /* with step_ms: before it begins to trickle */
    unsigned step_ms;
    bool is_final;     /* it is not dialled again */
    bool stays_active; /* nothing that it does makes it inactive */
    const char *error; /* in last_error */
    const char *line;  /* in a log line */
};

#define APART(to_msgapp, to_message)                                                                                   \
    .msgapp = to_msgapp, .msgapp_len = sizeof(to_msgapp) - 1, .message = to_message,                                   \
    .message_len = sizeof(to_message) - 1
#define SAME(text) APART(text, text)

struct bad_peer {
    const struct bad_server *how;
    struct fake_peer *fake;
    uint64_t id;
};

static struct bad_peer bad[MAX_BAD];
static size_t n_bad;

static bool shows(const struct bad_peer *b)
{
    struct ferry_peer_status status = member_status(&members[0], b->id);

    if (b->how->stays_active)
        return status.active && status.dials[FERRY_STREAM_MSGAPP] > 0 && status.dials[FERRY_STREAM_MESSAGE] > 0;
    return strstr(status.last_error, b->how->error) &&
           journal_count(&members[0].journal, FERRY_LOG_INFO, b->id, b->how->line) > 0;
}

static bool all_show(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < n_bad; i++)
        if (!shows(&bad[i]))
            return false;
    return true;
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void meet(const struct bad_server *servers, size_t n)
{
    n_bad = n;
    for (size_t i = 0; i < n; i++) {
        const struct bad_server *how = &servers[i];
        struct fake_script script = {.end = how->end, .step_ms = patience_ms(how->step_ms), .at_once = how->at_once};

        bad[i] = (struct bad_peer){how, fake_peer_new(), FIRST_BAD_ID + i};
        script.answer = how->msgapp;
        script.answer_len = how->msgapp_len;
        fake_peer_set_script(bad[i].fake, FAKE_MSGAPP, &script);
        script.answer = how->message;
        script.answer_len = how->message_len;
        fake_peer_set_script(bad[i].fake, FAKE_MESSAGE, &script);
    }
    heap_reset_largest(); /* the fakes are large themselves */
    for (size_t i = 0; i < n; i++)
        member_add(&members[0], bad[i].id, fake_peer_url(bad[i].fake));
    if (members_wait(members, 2, all_show, NULL, patience_ms(5000)))
        return;
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(shows(&bad[i]), "%s: %s, last error \"%s\", log: %s", bad[i].how->name,
                      member_status(&members[0], bad[i].id).active ? "active" : "inactive",
                      member_status(&members[0], bad[i].id).last_error, journal_text(&members[0].journal, bad[i].id));
}

/* The short question and the long one have the same answer, unless the peer comes or goes in between. */
static void check_active_since(uint64_t id)
{
    struct ferry_peer_status before, after;
    uint64_t since_ms;

    do {
        before = member_status(&members[0], id);
        since_ms = ferry_transport_active_since_ms(members[0].t, id);
        after = member_status(&members[0], id);
    } while (after.n_inactive != before.n_inactive || after.active != before.active);
    ck_assert_uint_eq(since_ms, after.active_since_ms);
}

/* For a while: it is dialled again and again but no oftener than allowed, and the log stays quiet about it. */
static void watch(unsigned for_ms)
{
    struct ferry_peer_status before[MAX_BAD];
    size_t lines[MAX_BAD];
    uint64_t began_ms = monotonic_ms();
    uint64_t took_ms;

    for (size_t i = 0; i < n_bad; i++) {
        before[i] = member_status(&members[0], bad[i].id);
        lines[i] = journal_count(&members[0].journal, FERRY_LOG_INFO, bad[i].id, "");
    }
    (void)members_wait(members, 2, never, NULL, for_ms);
    for (size_t i = 0; i < n_bad; i++) {
        const struct bad_server *how = bad[i].how;
        struct ferry_peer_status now = member_status(&members[0], bad[i].id);
        size_t n_lines = journal_count(&members[0].journal, FERRY_LOG_INFO, bad[i].id, "") - lines[i];

        took_ms = monotonic_ms() - began_ms;
        for (int k = 0; k < FERRY_N_STREAMS; k++) {
            uint64_t dials = now.dials[k] - before[i].dials[k];

            ck_assert_msg(dials <= took_ms / DIAL_RETRY_MS + 2, "%s: %llu dials in %llu ms", how->name,
                          (unsigned long long)dials, (unsigned long long)took_ms);
            ck_assert_msg(how->stays_active || how->is_final || dials >= 1, "%s: %llu dials in %llu ms", how->name,
                          (unsigned long long)dials, (unsigned long long)took_ms);
        }
        ck_assert_msg(n_lines <= QUIET_LINES + QUIET_LINES_PER_S * took_ms / 1000, "%s: %zu lines in %llu dials: %s",
                      how->name, n_lines,
                      (unsigned long long)(now.dials[0] + now.dials[1] - before[i].dials[0] - before[i].dials[1]),
                      journal_text(&members[0].journal, bad[i].id));
        ck_assert_msg(now.counts.received == 0, "%s: a message came", how->name);
        check_active_since(bad[i].id);
    }
    ck_assert_uint_le(heap_largest(), 1 << 20); /* nothing was allocated for what a length promised */
}

static void part(void)
{
    for (size_t i = 0; i < n_bad; i++) {
        ck_assert_int_eq(ferry_transport_remove_peer(members[0].t, bad[i].id), FERRY_OK);
        fake_peer_free(bad[i].fake);
    }
    n_bad = 0;
}

static void suffer(const struct bad_server *servers, size_t n, unsigned for_ms)
{
    meet(servers, n);
    watch(patience_ms(for_ms));
    part();
}

START_TEST(silent_and_slow_servers_time_out)
{
    static const struct bad_server servers[] = {
        {.name = "never answers", .error = "no answer within", .line = "no answer within"},
        {.name = "trickles the head",
         SAME(GOOD),
         .step_ms = 40,
         .error = "no answer within",
         .line = "no answer within"},
        {.name = "answers and says no more",
         SAME(GOOD),
         .error = "no frame within the read timeout",
         .line = "no frame within the read timeout"},
        {.name = "trickles a frame",
         APART(GOOD "\2\0\0\0\0\0\0\4\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
               GOOD "\0\0\0\0\0\0\4\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
         .at_once = sizeof(GOOD) - 1,
         .step_ms = 40,
         .error = "no frame within the read timeout",
         .line = "no frame within the read timeout"},
    };

    suffer(servers, sizeof(servers) / sizeof(servers[0]), 3000);
}
END_TEST

START_TEST(garbage_breaks_the_stream_and_nothing_else)
{
    static const struct bad_server servers[] = {
        {.name = "no HTTP",
         SAME("\0\377\1 this is no HTTP at all\r\n\r\n"),
         .error = "failed to dial",
         .line = "failed to dial"},
        {.name = "no HTTP, in order",
         SAME("SSH-2.0-x\r\n\r\n"),
         .end = FAKE_CLOSE,
         .error = "failed to dial",
         .line = "failed to dial"},
        {.name = "garbage frames",
         APART(GOOD "aaaaaaaaaaaaaaaa", GOOD "\0\0\0\0\0\0\0\4\377\377\377\377"),
         .error = "failed to read",
         .line = "failed to read"},
        {.name = "a length over the limit",
         APART(GOOD "\2\0\0\0\0\0\20\0\1aaaa", GOOD "\0\0\0\0\0\20\0\1aaaa"),
         .error = "larger than the configured limit",
         .line = "larger than the configured limit"},
        {.name = "a length of 2^64-1",
         APART(GOOD "\2\377\377\377\377\377\377\377\377aaaa", GOOD "\377\377\377\377\377\377\377\377aaaa"),
         .error = "larger than the configured limit",
         .line = "larger than the configured limit"},
        {.name = "a count of 2^64-1",
         APART(GOOD "\1\377\377\377\377\377\377\377\377aaaa", GOOD "\377\377\377\377\377\377\377\377aaaa"),
         .error = "larger than the configured limit",
         .line = "larger than the configured limit"},
        {.name = "a head that does not end",
         SAME("HTTP/1.1 200 OK\r\nX-Server-Version: 3.4.0\r\n"),
         .end = FAKE_CLOSE,
         .error = "failed to dial",
         .line = "failed to dial"},
        {.name = "a connection closed in a frame",
         APART(GOOD "\2\0\0\0\0\0\0\0\20abc", GOOD "\0\0\0\0\0\0\0\20abc"),
         .end = FAKE_CLOSE,
         .error = "failed to read",
         .line = "failed to read"},
        {.name = "a connection reset in a frame",
         APART(GOOD "\2\0\0\0\0\0\0\0\20abc", GOOD "\0\0\0\0\0\0\0\20abc"),
         .end = FAKE_RESET,
         .error = "failed to",
         .line = "failed to"},
        {.name = "a chunked body cut off",
         SAME(HEAD("200 OK", V_3_4 CLUSTER "Transfer-Encoding: chunked\r\n") "20\r\n\2\0"),
         .end = FAKE_CLOSE,
         .error = "failed to read",
         .line = "failed to read"},
    };

    suffer(servers, sizeof(servers) / sizeof(servers[0]), 1500);
}
END_TEST

START_TEST(refusals_are_understood)
{
#define REFUSAL(status, len, text) HEAD(status, V_3_4 CLUSTER SHORT_BODY(len)) text
    static const struct bad_server servers[] = {
        {.name = "412 incompatible version",
         SAME(REFUSAL("412 Precondition Failed", 21, "incompatible version\n")),
         .error = "incompatible version",
         .line = "incompatible version"},
        {.name = "412 cluster ID mismatch",
         SAME(HEAD("412 Precondition Failed",
                   V_3_4 "X-Etcd-Cluster-ID: beef\r\n" SHORT_BODY(20)) "cluster ID mismatch\n"),
         .error = "cluster ID mismatch",
         .line = "beef"},
        {.name = "412 to field mismatch",
         SAME(REFUSAL("412 Precondition Failed", 18, "to field mismatch\n")),
         .error = "to field mismatch",
         .line = "to field mismatch"},
        {.name = "412 of another kind",
         SAME(REFUSAL("412 Precondition Failed", 6, "other\n")),
         .error = "other",
         .line = "other"},
        {.name = "412 without a word",
         SAME(REFUSAL("412 Precondition Failed", 0, "")),
         .error = "precondition failed",
         .line = "precondition failed"},
        {.name = "404",
         SAME(REFUSAL("404 Not Found", 23, "error sender not found\n")),
         .error = "failed to find local node",
         .line = "failed to find local node"},
        {.name = "500", SAME(REFUSAL("500 Internal Server Error", 3, "no\n")), .error = "500", .line = "500"},
        {.name = "a redirect",
         SAME(HEAD("301 Moved Permanently", V_3_4 CLUSTER "Location: http://127.0.0.1:1/\r\n" SHORT_BODY(0))),
         .error = "301",
         .line = "301"},
        {.name = "204", SAME(HEAD("204 No Content", V_3_4 CLUSTER)), .error = "204", .line = "204"},
        {.name = "a version too old",
         SAME(HEAD("200 OK", "X-Server-Version: 2.0.0\r\n" CLUSTER)),
         .error = "does not support the stream type",
         .line = "does not support the stream type"},
        {.name = "no version",
         SAME(HEAD("200 OK", CLUSTER)),
         .error = "does not support the stream type",
         .line = "does not support the stream type"},
        {.name = "no version in text",
         SAME(HEAD("200 OK", "X-Server-Version: abc\r\n" CLUSTER)),
         .error = "is not a version",
         .line = "is not a version"},
        {.name = "a refusal that does not end",
         SAME(HEAD("412 Precondition Failed", V_3_4 CLUSTER SHORT_BODY(1000)) "x"),
         .error = "failed to dial",
         .line = "failed to dial"},
    };

    suffer(servers, sizeof(servers) / sizeof(servers[0]), 2500);
    ck_assert_uint_eq(recorder_fatal(&members[0].recorder, NULL), 0); /* none of them is fatal */
#undef REFUSAL
}
END_TEST

START_TEST(a_removed_member_is_told_once)
{
    static const struct bad_server server = {
        .name = "410",
        .is_final = true,
        SAME(HEAD("410 Gone", V_3_4 CLUSTER SHORT_BODY(15)) "removed member\n"),
        .error = "removed",
        .line = "removed",
    };
    int err;

    beat_stop_and_check(); /* a removed member reads no streams */
    meet(&server, 1);
    watch(patience_ms(1000));
    part();
    ck_assert_uint_eq(recorder_fatal(&members[0].recorder, &err), 1);
    ck_assert_int_eq(err, FERRY_ERR_MEMBER_REMOVED);
}
END_TEST

static bool warned_of_mismatch(void *arg)
{
    (void)arg;
    return journal_count(&members[0].journal, FERRY_LOG_WARN, bad[0].id, "cluster ID mismatch") > 0;
}

START_TEST(a_failure_of_another_kind_is_told_even_when_it_comes_soon)
{
    static const char mismatch[] =
        HEAD("412 Precondition Failed", V_3_4 CLUSTER SHORT_BODY(20)) "cluster ID mismatch\n";
    static const struct bad_server server = {
        .name = "500, then 412", SAME(HEAD("500 No", V_3_4 CLUSTER SHORT_BODY(0))), .error = "500", .line = "500"};
    struct fake_script script = {.answer = mismatch, .answer_len = sizeof(mismatch) - 1};

    meet(&server, 1);
    fake_peer_set_script(bad[0].fake, FAKE_MSGAPP, &script);
    fake_peer_set_script(bad[0].fake, FAKE_MESSAGE, &script);
    ck_assert_msg(journal_wait(&members[0].journal, bad[0].id, "cluster ID mismatch", patience_ms(5000)) &&
                      members_wait(members, 2, warned_of_mismatch, NULL, patience_ms(5000)),
                  "%s", journal_text(&members[0].journal, bad[0].id));
    part();
}
END_TEST

START_TEST(a_stream_that_ends_in_order_is_redialled_without_fuss)
{
    static const struct bad_server servers[] = {
        {.name = "ends by closing", SAME(GOOD), .end = FAKE_CLOSE, .stays_active = true},
        {.name = "ends by its last chunk",
         SAME(HEAD("200 OK", V_3_4 CLUSTER "Transfer-Encoding: chunked\r\n") "0\r\n\r\n"),
         .stays_active = true},
    };

    meet(servers, 2);
    watch(patience_ms(1000));
    for (size_t i = 0; i < n_bad; i++) {
        struct ferry_peer_status status = member_status(&members[0], bad[i].id);

        ck_assert_msg(status.dials[FERRY_STREAM_MSGAPP] > 4, "%s: %llu dials", bad[i].how->name,
                      (unsigned long long)status.dials[FERRY_STREAM_MSGAPP]);
        ck_assert_msg(status.active, "%s: %s", bad[i].how->name, status.last_error);
    }
    part();
}
END_TEST

START_TEST(endless_heartbeats_are_a_good_stream)
{
    struct fake_peer *fake = fake_peer_new();
    struct fake_script script = {.answer = GOOD, .answer_len = sizeof(GOOD) - 1, .repeat_ms = 1};
    static const struct bad_server beats = {.name = "heartbeats only", .stays_active = true};
    struct ferry_peer_status status;

    script.repeat = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    script.repeat_len = 16;
    fake_peer_set_script(fake, FAKE_MSGAPP, &script);
    script.repeat = "\0\0\0\0\0\0\0\2\10\10\0\0\0\0\0\0\0\2\10\10";
    script.repeat_len = 20;
    fake_peer_set_script(fake, FAKE_MESSAGE, &script);
    bad[0] = (struct bad_peer){&beats, fake, FIRST_BAD_ID};
    n_bad = 1;
    heap_reset_largest();
    member_add(&members[0], FIRST_BAD_ID, fake_peer_url(fake));
    ck_assert(members_wait(members, 2, all_show, NULL, patience_ms(5000)));
    watch(patience_ms(1000));
    status = member_status(&members[0], FIRST_BAD_ID);
    ck_assert(status.reader_attached[FERRY_STREAM_MSGAPP]);
    ck_assert(status.reader_attached[FERRY_STREAM_MESSAGE]);
    ck_assert_uint_eq(status.dials[FERRY_STREAM_MSGAPP], 1);
    ck_assert_uint_eq(status.dials[FERRY_STREAM_MESSAGE], 1);
    part();
}
END_TEST

START_TEST(a_dial_says_who_we_are)
{
    static const struct bad_server server = {.name = "silent", .error = "no answer", .line = "no answer"};
    static const char *const wanted[] = {"\r\nX-Server-From: 1\r\n", "\r\nX-Server-Version: 3.4.0\r\n",
                                         "\r\nX-Min-Cluster-Version: 3.0.0\r\n", "\r\nX-Etcd-Cluster-ID: 1000\r\n",
                                         "\r\nX-Raft-To: 10\r\n"};
    char head[4096];
    char urls[128];

    meet(&server, 1);
    for (int lane = FAKE_MSGAPP; lane <= FAKE_MESSAGE; lane++) {
        const char *first =
            lane == FAKE_MSGAPP ? "GET /raft/stream/msgapp/1 HTTP/1.1\r\n" : "GET /raft/stream/message/1 HTTP/1.1\r\n";

        fake_peer_last_request(bad[0].fake, (enum fake_lane)lane, head, sizeof(head));
        ck_assert_msg(strncmp(head, first, strlen(first)) == 0, "%s", head);
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
            ck_assert_msg(strcasestr(head, wanted[i]), "no %s in %s", wanted[i], head);
        snprintf(urls, sizeof(urls), "\r\nX-PeerURLs: %s\r\n", member_url(&members[0]));
        ck_assert_msg(strcasestr(head, urls), "no %s in %s", urls, head);
    }
    part();
}
END_TEST

/* ---- Bad answers to posts -----------------------------------------------------------------------------------------
 */

struct bad_post {
    const char *name;
    const void *answer;
    size_t len;
    enum fake_end end;
    const char *error;
};

/* Add a member whose streams are good, and which answers posts so. */
static void add_bad_poster(struct bad_peer *b, uint64_t id, const struct bad_post *how)
{
    struct fake_script post = {.answer = how->answer, .answer_len = how->len, .end = how->end};
    struct fake_script stream = {.answer = GOOD, .answer_len = sizeof(GOOD) - 1, .repeat_ms = 50};

    *b = (struct bad_peer){NULL, fake_peer_new(), id};
    stream.repeat = "\0";
    stream.repeat_len = 1;
    fake_peer_set_script(b->fake, FAKE_MSGAPP, &stream);
    stream.repeat = "\0\0\0\0\0\0\0\2\10\10";
    stream.repeat_len = 10;
    fake_peer_set_script(b->fake, FAKE_MESSAGE, &stream);
    fake_peer_set_script(b->fake, FAKE_POST, &post);
    member_add(&members[0], id, fake_peer_url(b->fake));
}

static bool all_are_read(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < n_bad; i++) {
        struct ferry_peer_status status = member_status(&members[0], bad[i].id);

        if (!status.reader_attached[FERRY_STREAM_MSGAPP] || !status.reader_attached[FERRY_STREAM_MESSAGE])
            return false;
    }
    return true;
}

static bool all_posts_failed(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < n_bad; i++)
        if (member_status(&members[0], bad[i].id).counts.dropped[FERRY_DROP_POST_FAILED] == 0)
            return false;
    return true;
}

static void post_to_all(const struct bad_post *posts, size_t n, bool is_fatal)
{
    n_bad = n;
    for (size_t i = 0; i < n; i++)
        add_bad_poster(&bad[i], FIRST_BAD_ID + i, &posts[i]);
    ck_assert(members_wait(members, 2, all_are_read, NULL, patience_ms(5000)));
    for (size_t i = 0; i < n; i++) {
        struct ferry_message msg = {.type = FERRY_MSG_VOTE, .from = 1, .to = bad[i].id};

        member_send(&members[0], &msg);
    }
    ck_assert(members_wait(members, 2, all_posts_failed, NULL, patience_ms(5000)));
    for (size_t i = 0; i < n; i++) {
        struct ferry_peer_status status = member_status(&members[0], bad[i].id);

        /* Its streams stand, so that it is there; the log tells of the POST. */
        ck_assert_msg(is_fatal || status.active, "%s", posts[i].name);
        ck_assert_msg(journal_wait(&members[0].journal, bad[i].id, "failed to post", patience_ms(5000)), "%s: %s",
                      posts[i].name, journal_text(&members[0].journal, bad[i].id));
        ck_assert_msg(journal_wait(&members[0].journal, bad[i].id, posts[i].error, patience_ms(5000)), "%s: %s",
                      posts[i].name, journal_text(&members[0].journal, bad[i].id));
        ck_assert_msg(recorder_wait_unreachable(&members[0].recorder, bad[i].id, patience_ms(5000)), "%s",
                      posts[i].name);
        ck_assert_uint_eq(status.counts.sent, 1);
        ck_assert_uint_eq(status.counts.written, 0);
        ck_assert_msg(is_fatal || all_are_read(NULL), "%s: a stream broke", posts[i].name);
    }
    part();
}

START_TEST(a_post_that_is_not_answered_with_204_has_failed)
{
    static const struct bad_post posts[] = {
        {"never answers", NULL, 0, FAKE_KEEP, "no answer in time"},
        {"no HTTP", BYTES("\0\377garbage\r\n\r\n"), FAKE_KEEP, "pipeline ("},
        {"closes", NULL, 0, FAKE_CLOSE, "pipeline ("},
        {"resets", NULL, 0, FAKE_RESET, "pipeline ("},
        {"200", BYTES(HEAD("200 OK", CLUSTER SHORT_BODY(0))), FAKE_KEEP, "unexpected http status 200"},
        {"500", BYTES(HEAD("500 No", CLUSTER SHORT_BODY(3)) "no\n"), FAKE_KEEP, "unexpected http status 500"},
        {"412 version", BYTES(HEAD("412 No", CLUSTER SHORT_BODY(21)) "incompatible version\n"), FAKE_KEEP,
         "incompatible version"},
        {"412 cluster", BYTES(HEAD("412 No", CLUSTER SHORT_BODY(20)) "cluster ID mismatch\n"), FAKE_KEEP,
         "cluster ID mismatch"},
    };
    static const struct bad_post removed[] = {
        {"403", BYTES(HEAD("403 Forbidden", CLUSTER SHORT_BODY(0))), FAKE_KEEP, "removed"}};
    int err;

    post_to_all(posts, sizeof(posts) / sizeof(posts[0]), false);
    ck_assert_uint_eq(recorder_fatal(&members[0].recorder, NULL), 0);
    beat_stop_and_check(); /* a removed member reads no streams */
    post_to_all(removed, 1, true);
    ck_assert_uint_eq(recorder_fatal(&members[0].recorder, &err), 1);
    ck_assert_int_eq(err, FERRY_ERR_MEMBER_REMOVED);
}
END_TEST

/* ---- Bad clients --------------------------------------------------------------------------------------------------
 */

struct bad_client {
    const char *name;
    const char *request;
    size_t len;
    int status;
    const char *body;
    const char *allow;
    bool has_version; /* X-Server-Version in the answer */
    bool has_cluster; /* X-Etcd-Cluster-ID in it */
};

#define WHO(from, version, min, cluster)                                                                               \
    "Host: x\r\nX-Server-From: " from "\r\nX-Server-Version: " version "\r\nX-Min-Cluster-Version: " min               \
    "\r\nX-Etcd-Cluster-ID: " cluster "\r\n"
#define ME WHO("2", "3.4.0", "3.0.0", "1000")
#define GET(path, headers) BYTES("GET " path " HTTP/1.1\r\n" headers "\r\n")
#define TO_1 "X-Raft-To: 1\r\n"

static void ask_all(const struct bad_client *clients, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct bad_client *c = &clients[i];
        struct fake_answer answer;
        const char *value;

        fake_ask(member_url(&members[0]), c->request, c->len, &answer, patience_ms(3000));
        ck_assert_msg(answer.status == c->status, "%s: %d, not %d: %s", c->name, answer.status, c->status, answer.head);
        ck_assert_msg(answer.body_len == strlen(c->body) && memcmp(answer.body, c->body, answer.body_len) == 0,
                      "%s: \"%s\"", c->name, answer.body);
        value = fake_answer_header(&answer, "X-Server-Version");
        ck_assert_msg(c->has_version ? value && strcmp(value, "3.4.0") == 0 : !value, "%s: %s", c->name, answer.head);
        value = fake_answer_header(&answer, "X-Etcd-Cluster-ID");
        ck_assert_msg(c->has_cluster ? value && strcmp(value, "1000") == 0 : !value, "%s: %s", c->name, answer.head);
        value = fake_answer_header(&answer, "Allow");
        ck_assert_msg(c->allow ? value && strcmp(value, c->allow) == 0 : !value, "%s: %s", c->name, answer.head);
        if (*c->body) {
            value = fake_answer_header(&answer, "Content-Type");
            ck_assert_msg(value && strcmp(value, "text/plain; charset=utf-8") == 0, "%s: %s", c->name, answer.head);
            value = fake_answer_header(&answer, "X-Content-Type-Options");
            ck_assert_msg(value && strcmp(value, "nosniff") == 0, "%s: %s", c->name, answer.head);
        }
    }
}

START_TEST(bad_stream_requests_are_answered_as_etcd_does)
{
    static const struct bad_client clients[] = {
        {"POST", BYTES("POST /raft/stream/msgapp/2 HTTP/1.1\r\n" ME TO_1 "Content-Length: 0\r\n\r\n"), 405,
         "Method Not Allowed\n", "GET", false, false},
        {"no version in text", GET("/raft/stream/msgapp/2", WHO("2", "abc", "3.0.0", "1000") TO_1), 400,
         "malformed X-Server-Version\n", NULL, true, true},
        {"no minimum in text", GET("/raft/stream/msgapp/2", WHO("2", "3.4.0", "3.x.0", "1000") TO_1), 400,
         "malformed X-Min-Cluster-Version\n", NULL, true, true},
        {"too old", GET("/raft/stream/msgapp/2", WHO("2", "2.3.0", "2.0.0", "1000") TO_1), 412,
         "incompatible version\n", NULL, true, true},
        {"no version", GET("/raft/stream/message/2", "Host: x\r\nX-Etcd-Cluster-ID: 1000\r\n" TO_1), 412,
         "incompatible version\n", NULL, true, true},
        {"asks for more than we are", GET("/raft/stream/message/2", WHO("2", "3.6.0", "3.5.0", "1000") TO_1), 412,
         "incompatible version\n", NULL, true, true},
        {"another cluster", GET("/raft/stream/message/2", WHO("2", "3.4.0", "3.0.0", "1001") TO_1), 412,
         "cluster ID mismatch\n", NULL, true, true},
        {"a padded cluster", GET("/raft/stream/message/2", WHO("2", "3.4.0", "3.0.0", "01000") TO_1), 412,
         "cluster ID mismatch\n", NULL, true, true},
        {"no cluster",
         GET("/raft/stream/message/2", "Host: x\r\nX-Server-Version: 3.4.0\r\nX-Min-Cluster-Version: 3.0.0\r\n" TO_1),
         412, "cluster ID mismatch\n", NULL, true, true},
        {"another stream", GET("/raft/stream/msgappv2/2", ME TO_1), 404, "invalid path\n", NULL, true, true},
        {"a deeper path", GET("/raft/stream/msgapp/2/3", ME TO_1), 404, "invalid path\n", NULL, true, true},
        {"no id", GET("/raft/stream/msgapp/", ME TO_1), 404, "invalid from\n", NULL, true, true},
        {"an id of letters", GET("/raft/stream/message/xyz", ME TO_1), 404, "invalid from\n", NULL, true, true},
        {"an id with a prefix", GET("/raft/stream/message/0x2", ME TO_1), 404, "invalid from\n", NULL, true, true},
        {"an id too long", GET("/raft/stream/message/10000000000000002", ME TO_1), 404, "invalid from\n", NULL, true,
         true},
        {"a removed id", GET("/raft/stream/message/77", ME TO_1), 410, "removed member\n", NULL, true, true},
        {"an unknown id", GET("/raft/stream/message/78", ME TO_1), 404, "error sender not found\n", NULL, true, true},
        {"for another member", GET("/raft/stream/message/2", ME "X-Raft-To: 3\r\n"), 412, "to field mismatch\n", NULL,
         true, true},
        {"without a receiver", GET("/raft/stream/message/2", ME), 412, "to field mismatch\n", NULL, true, true},
        {"nothing of ours", GET("/raft/other", ME), 404, "404 page not found\n", NULL, false, false},
        {"nothing at all", GET("/", ME), 404, "404 page not found\n", NULL, false, false},
    };

    recorder_set_removed(&members[0].recorder, 0x77);
    ask_all(clients, sizeof(clients) / sizeof(clients[0]));
    ck_assert_uint_le(journal_count(&members[0].journal, FERRY_LOG_INFO, JOURNAL_ANY, ""), 2 * 21);
}
END_TEST

#define POST(headers, len, body) BYTES("POST /raft HTTP/1.1\r\n" headers "Content-Length: " #len "\r\n\r\n" body)

START_TEST(bad_posts_are_answered_as_etcd_does)
{
    static const struct bad_client clients[] = {
        {"GET", GET("/raft", ME), 405, "Method Not Allowed\n", "POST", false, false},
        {"PUT", BYTES("PUT /raft HTTP/1.1\r\n" ME "Content-Length: 2\r\n\r\n\10\5"), 405, "Method Not Allowed\n",
         "POST", false, false},
        {"no version in text", POST(WHO("2", "3.4", "3.0.0", "1000"), 2, "\10\5"), 400, "malformed X-Server-Version\n",
         NULL, false, true},
        {"too old", POST(WHO("2", "2.3.0", "2.0.0", "1000"), 2, "\10\5"), 412, "incompatible version\n", NULL, false,
         true},
        {"another cluster", POST(WHO("2", "3.4.0", "3.0.0", "FF"), 2, "\10\5"), 412, "cluster ID mismatch\n", NULL,
         false, true},
        {"another cluster, a long body",
         POST(WHO("2", "3.4.0", "3.0.0", "ff"), 200,
              "0123456789012345678901234567890123456789012345678901234567890123456789"
              "0123456789012345678901234567890123456789012345678901234567890123456789"
              "012345678901234567890123456789012345678901234567890123456789"),
         412, "cluster ID mismatch\n", NULL, false, true},
        {"a body that is no message", POST(ME, 4, "\377\377\377\377"), 400, "error unmarshalling raft message\n", NULL,
         false, true},
        {"half a message", POST(ME, 3, "\72\5\1"), 400, "error unmarshalling raft message\n", NULL, false, true},
    };

    ask_all(clients, sizeof(clients) / sizeof(clients[0]));
    ck_assert_uint_eq(recorder_of_type(&members[0].recorder, FERRY_MSG_VOTE), 0);
}
END_TEST

START_TEST(a_good_post_is_answered_with_204)
{
    struct fake_answer answer;

    fake_ask(member_url(&members[0]), POST(ME, 6, "\10\5\20\1\30\2"), &answer, patience_ms(3000));
    ck_assert_int_eq(answer.status, 204);
    ck_assert_uint_eq(answer.body_len, 0);
    ck_assert_str_eq(fake_answer_header(&answer, "X-Etcd-Cluster-ID"), "1000");
    ck_assert(recorder_wait_of_type(&members[0].recorder, FERRY_MSG_VOTE, 1, patience_ms(3000)));
    fake_ask(member_url(&members[0]), POST(ME, 0, ""), &answer, patience_ms(3000));
    ck_assert_int_eq(answer.status, 204); /* no bytes are a message of zeros */
    ck_assert_uint_eq(recorder_of_type(&members[0].recorder, FERRY_MSG_HUP), 1);
}
END_TEST

#define LONG_POST(len) "POST /raft HTTP/1.1\r\n" ME "Content-Length: " len "\r\n\r\n\10\5"

/* Clients that hold a connection and give nothing for it, met all at one time: the server's patience is long. */
START_TEST(a_client_that_stalls_is_cut_off_and_no_room_is_made_for_what_it_promised)
{
    static const struct {
        const char *name;
        const char *request;
        bool trickles; /* a header without an end follows, byte by byte */
    } stalls[] = {
        {"says nothing", "", false},
        {"stops in the head", "GET /raft/stream/msgapp/2 HTTP/1.1\r\nHost:", false},
        {"never ends the head", "GET /raft/stream/msgapp/2 HTTP/1.1\r\nHost:", true},
        {"stops in the body", LONG_POST("100"), false},
        {"has too long a body", LONG_POST("1048577"), false},
        {"has far too long a body", LONG_POST("1099511627776"), false},
        {"has a body of 2^64-1", LONG_POST("18446744073709551615"), false},
    };
    enum { N_STALLS = sizeof(stalls) / sizeof(stalls[0]) };
    struct pollfd fds[N_STALLS];
    size_t n_left = N_STALLS;
    uint64_t deadline = monotonic_ms() + 25000;
    char scrap[4096];

    heap_reset_largest();
    for (size_t i = 0; i < N_STALLS; i++) {
        fds[i] = (struct pollfd){.fd = fake_dial(member_url(&members[0]), 0), .events = POLLIN};
        ck_assert(fake_send(fds[i].fd, stalls[i].request, strlen(stalls[i].request)));
    }
    while (n_left > 0) {
        ck_assert_int_ge(poll(fds, N_STALLS, 100), 0);
        for (size_t i = 0; i < N_STALLS; i++) {
            if (fds[i].fd < 0)
                continue;
            ck_assert_msg(monotonic_ms() < deadline, "%s", stalls[i].name);
            if (fds[i].revents != 0 && recv(fds[i].fd, scrap, sizeof(scrap), 0) <= 0) {
                close(fds[i].fd);
                fds[i].fd = -1;
                n_left--;
            } else if (stalls[i].trickles) {
                (void)fake_send(fds[i].fd, "x", 1); /* its end is seen above */
            }
        }
    }
    ck_assert_uint_lt(heap_largest(), 1 << 20);
}
END_TEST

START_TEST(a_trickled_post_arrives_or_is_cut_off)
{
    static const char request[] = "POST /raft HTTP/1.1\r\n" ME "Content-Length: 6\r\n\r\n\10\5\20\1\30\2";
    struct fake_answer answer;
    int fd = fake_dial(member_url(&members[0]), 0);

    (void)fake_trickle(fd, request, sizeof(request) - 1, 5);
    fake_read_answer(fd, &answer, patience_ms(3000));
    ck_assert_msg(answer.status == 204 || answer.is_closed, "%d", answer.status);
    close(fd);
}
END_TEST

START_TEST(garbage_and_oversized_heads_are_refused)
{
    static char request[300000];
    struct fake_answer answer;
    size_t len;

    fake_ask(member_url(&members[0]), BYTES("\26\3\1\2\0\1\0\1\374\3\3 a TLS hello\r\n\r\n\r\n"), &answer,
             patience_ms(12000));
    ck_assert_msg(answer.status / 100 == 4 || answer.is_closed, "%d", answer.status);

    len = (size_t)snprintf(request, sizeof(request), "GET /raft/stream/msgapp/2 HTTP/1.1\r\n" ME TO_1 "X-Long: ");
    memset(request + len, 'a', sizeof(request) - 5 - len);
    memcpy(request + sizeof(request) - 5, "\r\n\r\n", 4);
    fake_ask(member_url(&members[0]), request, sizeof(request) - 1, &answer, patience_ms(5000));
    ck_assert_msg(answer.status / 100 == 4 || answer.is_closed, "%d", answer.status);

    len = (size_t)snprintf(request, sizeof(request), "GET /");
    memset(request + len, 'a', sizeof(request) - len);
    fake_ask(member_url(&members[0]), request, sizeof(request), &answer, patience_ms(12000));
    ck_assert_msg(answer.status / 100 == 4 || answer.is_closed, "%d", answer.status);
}
END_TEST

/* ---- Good requests of an unusual kind ------------------------------------------------------------------------------
 */

static void read_until(int fd, char *buf, size_t size, size_t want, unsigned deadline_ms)
{
    size_t len = 0;
    uint64_t deadline = monotonic_ms() + deadline_ms;

    while (len < want) {
        ssize_t n;

        ck_assert_uint_lt(monotonic_ms(), deadline);
        n = recv(fd, buf + len, size - len, 0);
        ck_assert_int_gt(n, 0);
        len += (size_t)n;
    }
}

static bool has_writer(void *arg)
{
    return member_status(&members[0], 0x30).writer_attached[*(const enum ferry_stream *)arg];
}

START_TEST(a_second_stream_replaces_the_first)
{
    static const char request[] =
        "GET /raft/stream/msgapp/30 HTTP/1.1\r\n" WHO("30", "3.4.0", "3.0.0", "1000") TO_1 "\r\n";
    enum ferry_stream stream = FERRY_STREAM_MSGAPP;
    struct fake_peer *fake = fake_peer_new();
    struct fake_answer answer;
    struct timeval limit = {.tv_sec = (time_t)patience_ms(5000) / 1000};
    char text[256];
    size_t len = 0;
    ssize_t n;
    int fds[2];

    member_add(&members[0], 0x30, fake_peer_url(fake));
    for (size_t i = 0; i < 2; i++) {
        fds[i] = fake_dial(member_url(&members[0]), 0);
        ck_assert_int_eq(setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
        ck_assert(fake_send(fds[i], request, sizeof(request) - 1));
        fake_read_answer(fds[i], &answer, patience_ms(3000));
        ck_assert_int_eq(answer.status, 200);
        ck_assert_str_eq(fake_answer_header(&answer, "X-Server-Version"), "3.4.0");
        ck_assert_str_eq(fake_answer_header(&answer, "X-Etcd-Cluster-ID"), "1000");
        ck_assert_ptr_null(fake_answer_header(&answer, "Content-Type"));
        ck_assert_ptr_null(fake_answer_header(&answer, "Content-Length"));
        ck_assert(members_wait(members, 2, has_writer, &stream, patience_ms(3000)));
    }
    do { /* heartbeats, and then the body's end */
        ck_assert_uint_lt(len, sizeof(text));
        n = recv(fds[0], text + len, sizeof(text) - len, 0);
        ck_assert_int_gt(n, 0);
        len += (size_t)n;
    } while (len < 5 || memcmp(text + len - 5, "0\r\n\r\n", 5) != 0);
    ck_assert(has_writer(&stream));
    read_until(fds[1], text, sizeof(text), 6, patience_ms(5000)); /* "1\r\n", a heartbeat, "\r\n" */
    ck_assert_int_eq(memcmp(text, "1\r\n\0\r\n", 6), 0);
    close(fds[0]);
    close(fds[1]);
    ck_assert_int_eq(ferry_transport_remove_peer(members[0].t, 0x30), FERRY_OK);
    fake_peer_free(fake);
}
END_TEST

START_TEST(a_client_that_redials_all_the_time_does_not_flood_the_log)
{
    static const char request[] =
        "GET /raft/stream/msgapp/30 HTTP/1.1\r\n" WHO("30", "3.4.0", "3.0.0", "1000") TO_1 "\r\n";
    struct fake_peer *fake = fake_peer_new();
    struct fake_answer answer;
    uint64_t began_ms = monotonic_ms(), took_ms;
    size_t n_lines;

    member_add(&members[0], 0x30, fake_peer_url(fake));
    for (int i = 0; i < 200; i++) {
        fake_ask(member_url(&members[0]), request, sizeof(request) - 1, &answer, patience_ms(3000));
        ck_assert_int_eq(answer.status, 200);
    }
    took_ms = monotonic_ms() - began_ms;
    n_lines = journal_count(&members[0].journal, FERRY_LOG_INFO, 0x30, "");
    ck_assert_msg(n_lines <= 2 * QUIET_LINES + 2 * QUIET_LINES_PER_S * took_ms / 1000, "%zu lines in %llu ms: %s",
                  n_lines, (unsigned long long)took_ms, journal_text(&members[0].journal, 0x30));
    ck_assert_int_eq(ferry_transport_remove_peer(members[0].t, 0x30), FERRY_OK);
    fake_peer_free(fake);
}
END_TEST

START_TEST(http_1_0_gets_its_stream_up_to_the_connections_end)
{
    static const char request[] =
        "GET /raft/stream/message/30 HTTP/1.0\r\n" WHO("30", "3.4.0", "3.0.0", "1000") TO_1 "\r\n";
    static const char heartbeat[] = "\0\0\0\0\0\0\0\x1e\x08\x08\x10\0\x18\0\x20\0\x28\0\x30\0\x40\0\x4a\x0a\x12\x08\x0a"
                                    "\x02\x28\0\x10\0\x18\0\x50\0\x58\0";
    struct timeval limit = {.tv_sec = (time_t)patience_ms(5000) / 1000};
    struct fake_peer *fake = fake_peer_new();
    char text[1024] = "";
    const char *body;
    size_t len = 0;
    int fd;

    member_add(&members[0], 0x30, fake_peer_url(fake));
    fd = fake_dial(member_url(&members[0]), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    ck_assert(fake_send(fd, request, sizeof(request) - 1));
    do {
        ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, 0);

        ck_assert_int_gt(n, 0);
        len += (size_t)n;
        body = memmem(text, len, "\r\n\r\n", 4);
    } while (!body || (size_t)(text + len - body) < 4 + sizeof(heartbeat) - 1);
    ck_assert_int_eq(strncmp(text + 8, " 200", 4), 0);
    ck_assert_ptr_null(strcasestr(text, "chunked"));
    ck_assert_int_eq(memcmp(body + 4, heartbeat, sizeof(heartbeat) - 1), 0);
    close(fd);
    ck_assert_int_eq(ferry_transport_remove_peer(members[0].t, 0x30), FERRY_OK);
    fake_peer_free(fake);
}
END_TEST

int main(void)
{
    return rig_main("hostile", setup, teardown, silent_and_slow_servers_time_out,
                    garbage_breaks_the_stream_and_nothing_else, refusals_are_understood, a_removed_member_is_told_once,
                    a_failure_of_another_kind_is_told_even_when_it_comes_soon,
                    a_stream_that_ends_in_order_is_redialled_without_fuss, endless_heartbeats_are_a_good_stream,
                    a_dial_says_who_we_are, a_post_that_is_not_answered_with_204_has_failed,
                    bad_stream_requests_are_answered_as_etcd_does, bad_posts_are_answered_as_etcd_does,
                    a_good_post_is_answered_with_204,
                    a_client_that_stalls_is_cut_off_and_no_room_is_made_for_what_it_promised,
                    a_trickled_post_arrives_or_is_cut_off, garbage_and_oversized_heads_are_refused,
                    a_second_stream_replaces_the_first, a_client_that_redials_all_the_time_does_not_flood_the_log,
                    http_1_0_gets_its_stream_up_to_the_connections_end, NULL);
}
