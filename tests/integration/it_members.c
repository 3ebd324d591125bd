/*
 * it_members - transports and peers that begin, change and end.
 */
#include "config.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "harness/fake_peer.h"
#include "harness/heap.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "transport/transport.h"

#define N 3

static struct member members[N];

static void setup(void)
{
    for (size_t i = 0; i < N; i++)
        member_init(&members[i], i + 1);
}

static void teardown(void)
{
    for (size_t i = 0; i < N; i++)
        member_stop(&members[i]);
    for (size_t i = 0; i < N; i++)
        member_release(&members[i]);
}

static void start(size_t n)
{
    for (size_t i = 0; i < n; i++)
        member_start(&members[i]);
}

static void start_and_connect(size_t n)
{
    start(n);
    members_connect(members, n);
    members_await_streams(members, n);
}

static struct ferry_message heartbeat(uint64_t from, uint64_t to)
{
    return (struct ferry_message){.type = FERRY_MSG_HEARTBEAT, .from = from, .to = to};
}

static void send_and_await(size_t from, size_t to)
{
    struct ferry_message msg = heartbeat(members[from].id, members[to].id);
    uint64_t n = recorder_messages(&members[to].recorder);

    member_send(&members[from], &msg);
    ck_assert(recorder_wait_messages(&members[to].recorder, n + 1, patience_ms(10000)));
}

/* ---- What is no configuration ----------------------------------------------------------------------------------- */

static void refuse(int err, const char *part)
{
    struct ferry_transport *untouched = (struct ferry_transport *)(void *)&members[0];
    struct ferry_transport *t = untouched;

    journal_clear(&members[0].journal);
    ck_assert_int_eq(ferry_transport_new(&members[0].config, &t), err);
    ck_assert_ptr_eq(t, untouched);
    ck_assert_msg(journal_count(&members[0].journal, FERRY_LOG_ERROR, JOURNAL_ANY, part) > 0, "no \"%s\" in: %s", part,
                  journal_text(&members[0].journal, JOURNAL_ANY));
    members[0].config.log = NULL; /* and without a hook it says nothing and is refused all the same */
    ck_assert_int_eq(ferry_transport_new(&members[0].config, &t), err);
    ck_assert_ptr_eq(t, untouched);
    members[0].config.log = journal_log;
}

START_TEST(a_bad_configuration_is_refused_and_explained)
{
    static const char *const bad_urls[][2] = {{"ftp://127.0.0.1:1", NULL},
                                              {"http://127.0.0.1", NULL},
                                              {"http://127.0.0.1:1/path", NULL},
                                              {"", NULL},
                                              {"http://127.0.0.1:70000", NULL}};
    static const char *const undialable[][2] = {
        {"http://0.0.0.0:2380", NULL}, {"http://[::]:2380", NULL}, {"http://127.0.0.1:0", NULL}};
    static const char *const bad_versions[] = {"3.4", "v3.4.0", "abc", "", "3.4.0.1"};
    struct ferry_config *config = &members[0].config;
    const struct ferry_config good = *config;

    ck_assert_int_eq(ferry_transport_new(NULL, &members[0].t), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_new(config, NULL), FERRY_ERR_INVALID);
    config->core.process = NULL;
    refuse(FERRY_ERR_INVALID, "process");
    *config = good;
    config->id = 0;
    refuse(FERRY_ERR_INVALID, "id");
    for (size_t i = 0; i < sizeof(bad_versions) / sizeof(bad_versions[0]); i++) {
        *config = good;
        config->server_version = bad_versions[i];
        refuse(FERRY_ERR_VERSION_TEXT, "version");
        *config = good;
        config->min_cluster_version = bad_versions[i];
        refuse(FERRY_ERR_VERSION_TEXT, "version");
    }
    for (size_t i = 0; i < sizeof(bad_urls) / sizeof(bad_urls[0]); i++) {
        *config = good;
        config->listen_urls = bad_urls[i];
        refuse(FERRY_ERR_URL, "listen_urls");
        *config = good;
        config->advertise_urls = bad_urls[i];
        refuse(FERRY_ERR_URL, "advertise_urls");
    }
    for (size_t i = 0; i < sizeof(undialable) / sizeof(undialable[0]); i++) {
        *config = good;
        config->advertise_urls = undialable[i];
        refuse(FERRY_ERR_INVALID, undialable[i][0]);
        if (i < 2) { /* port 0 is for listening */
            *config = good;
            config->listen_urls = undialable[i];
            refuse(FERRY_ERR_INVALID, "set advertise_urls");
        }
    }
    *config = good;
    config->max_queue_messages = 0;
    refuse(FERRY_ERR_INVALID, "max_");
    *config = good;
    config->read_timeout_ms = 0;
    refuse(FERRY_ERR_INVALID, "timeout");
    *config = good;
    config->delivery = (enum ferry_delivery)99;
    refuse(FERRY_ERR_INVALID, "delivery");
    *config = good;
    config->n_workers = 0;
    refuse(FERRY_ERR_INVALID, "n_workers");
    *config = good;
    config->size = 0; /* not made by FERRY_CONFIG_INIT: not even its log hook can be trusted */
    ck_assert_int_eq(ferry_transport_new(config, &members[0].t), FERRY_ERR_INVALID);
    ck_assert_ptr_null(members[0].t);
    *config = good;
    start(1); /* which is what the good one does */
}
END_TEST

START_TEST(a_taken_port_is_named)
{
    const char *urls[2] = {NULL, NULL};
    const char *port;

    start(1);
    urls[0] = member_url(&members[0]);
    port = strrchr(urls[0], ':');
    members[1].config.listen_urls = urls;
    ck_assert_int_eq(ferry_transport_new(&members[1].config, &members[1].t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(members[1].t), FERRY_ERR_LISTEN);
    ck_assert_msg(journal_count(&members[1].journal, FERRY_LOG_ERROR, JOURNAL_ANY, port) > 0, "%s",
                  journal_text(&members[1].journal, JOURNAL_ANY));
    ck_assert_msg(journal_count(&members[1].journal, FERRY_LOG_ERROR, JOURNAL_ANY, "in use") > 0, "%s",
                  journal_text(&members[1].journal, JOURNAL_ANY));
}
END_TEST

/* Whichever descriptor it is that it cannot have. */
START_TEST(what_the_system_refuses_is_named)
{
    struct rlimit before, fewer;
    int err = FERRY_ERR_SYSTEM;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    fewer = before;
    for (fewer.rlim_cur = 0; err != FERRY_OK; fewer.rlim_cur++) {
        ck_assert_int_eq(ferry_transport_new(&members[0].config, &members[0].t), FERRY_OK);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &fewer), 0);
        err = ferry_transport_start(members[0].t);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        if (err == FERRY_OK)
            break;
        ck_assert_msg(err == FERRY_ERR_SYSTEM || err == FERRY_ERR_LISTEN, "%s", ferry_strerror(err));
        ck_assert_uint_gt(journal_count(&members[0].journal, FERRY_LOG_ERROR, JOURNAL_ANY, "Too many open files"),
                          fewer.rlim_cur);
        ferry_transport_free(members[0].t);
        members[0].t = NULL;
    }
    ck_assert_uint_gt(fewer.rlim_cur, 4);
}
END_TEST

START_TEST(the_second_of_two_listen_urls_fails_and_nothing_is_left)
{
    const char *urls[3] = {"http://127.0.0.1:0", NULL, NULL};

    start(1);
    urls[1] = member_url(&members[0]);
    members[1].config.listen_urls = urls;
    ck_assert_int_eq(ferry_transport_new(&members[1].config, &members[1].t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(members[1].t), FERRY_ERR_LISTEN);
    ck_assert_ptr_null(ferry_transport_listen_url(members[1].t, 0));
}
END_TEST

START_TEST(two_listen_urls_both_serve)
{
    static const char *const urls[] = {"http://127.0.0.2:0", "http://127.0.0.1:0", NULL};
    const char *first;

    members[0].config.listen_urls = urls;
    start(3);
    first = ferry_transport_listen_url(members[0].t, 0);
    ck_assert_msg(first && strncmp(first, "http://127.0.0.2:", 17) == 0, "%s is not the first", first);
    ck_assert_ptr_nonnull(ferry_transport_listen_url(members[0].t, 1));
    ck_assert_ptr_null(ferry_transport_listen_url(members[0].t, 2));
    member_add(&members[1], 1, ferry_transport_listen_url(members[0].t, 0));
    member_add(&members[2], 1, ferry_transport_listen_url(members[0].t, 1));
    send_and_await(1, 0);
    send_and_await(2, 0);
    ferry_transport_stop(members[0].t);
    ck_assert_str_ne(first, ""); /* the text lives until free */
}
END_TEST

/* ---- The order of life ------------------------------------------------------------------------------------------ */

START_TEST(before_start_and_after_stop_things_are_refused)
{
    static const char *const urls[] = {"http://127.0.0.1:1", NULL};
    struct ferry_message msg = heartbeat(1, 2);
    struct ferry_peer_status status;
    struct ferry_transport *t;

    ck_assert_int_eq(ferry_transport_new(&members[0].config, &t), FERRY_OK);
    members[0].t = t;
    ck_assert_int_eq(ferry_transport_add_peer(t, 2, urls), FERRY_ERR_STATE);
    ck_assert_int_eq(ferry_transport_send(t, &msg, 1), FERRY_ERR_STATE);
    ck_assert_int_eq(ferry_transport_run(t, 0), FERRY_ERR_STATE);
    ck_assert_int_eq(ferry_transport_fd(t), -1);
    ck_assert_ptr_null(ferry_transport_listen_url(t, 0));
    ck_assert_int_eq(ferry_transport_start(t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(t), FERRY_ERR_STATE);
    ck_assert_int_eq(ferry_transport_run(t, 0), FERRY_ERR_STATE); /* not in this delivery */
    ck_assert_int_eq(ferry_transport_fd(t), -1);
    ck_assert_int_eq(ferry_transport_add_peer(t, 2, urls), FERRY_OK);
    ferry_transport_stop(t);
    ferry_transport_stop(t);
    ck_assert_int_eq(ferry_transport_start(t), FERRY_ERR_STATE);
    ck_assert_int_eq(ferry_transport_add_peer(t, 3, urls), FERRY_ERR_CLOSED);
    ck_assert_int_eq(ferry_transport_send(t, &msg, 1), FERRY_ERR_CLOSED);
    ck_assert_int_eq(ferry_transport_peer_status(t, 99, &status), FERRY_ERR_NOT_FOUND);
    ck_assert_uint_eq(ferry_transport_active_peers(t), 0);
    member_stop(&members[0]);
    ferry_transport_free(NULL);
}
END_TEST

START_TEST(a_transport_that_never_started_is_freed)
{
    ck_assert_int_eq(ferry_transport_new(&members[0].config, &members[0].t), FERRY_OK);
    ferry_transport_stop(members[0].t);
    ck_assert_int_eq(ferry_transport_start(members[0].t), FERRY_ERR_STATE);
    member_stop(&members[0]);
    members[0].config.listen_urls = NULL; /* one that serves nothing can still send */
    start(2);
    ck_assert_ptr_null(ferry_transport_listen_url(members[0].t, 0));
    member_add(&members[0], 2, member_url(&members[1]));
    send_and_await(0, 1);
}
END_TEST

static bool has_one(void *arg)
{
    return recorder_messages(arg) == 1;
}

static size_t entries_of(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;

    ck_assert_ptr_nonnull(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* A thread that was joined is still listed for a moment, be it now or when they were counted. */
static bool has_no_more_threads(void *arg)
{
    return entries_of("/proc/self/task") <= *(const size_t *)arg;
}

START_TEST(a_hundred_transports_leave_nothing_behind)
{
    size_t n_fds = 0;
    size_t n_threads = 0;
    long n_blocks = 0;

    for (int i = 0; i < 102; i++) {
        members[0].config.delivery = members[1].config.delivery =
            i % 3 == 2 ? FERRY_DELIVER_HOST : (enum ferry_delivery)(i % 3);
        if (i % 10 == 0) {
            struct ferry_message msg = heartbeat(1, 2);

            recorder_clear(&members[1].recorder);
            start_and_connect(2);
            member_send(&members[0], &msg);
            ck_assert(members_wait(members, 2, has_one, &members[1].recorder, patience_ms(5000)));
        } else {
            start(2);
            members_connect(members, 2); /* stopped in the midst of dialling */
        }
        member_stop(&members[0]);
        member_stop(&members[1]);
        journal_release(&members[0].journal); /* whose array has grown */
        journal_release(&members[1].journal);
        journal_init(&members[0].journal);
        journal_init(&members[1].journal);
        if (i == 1) { /* what libraries keep for ever they have by now */
            n_fds = entries_of("/proc/self/fd");
            n_threads = entries_of("/proc/self/task");
            n_blocks = heap_live();
        }
    }
    ck_assert_uint_eq(entries_of("/proc/self/fd"), n_fds);
    ck_assert_msg(members_wait(members, 2, has_no_more_threads, &n_threads, patience_ms(5000)), "%zu threads, not %zu",
                  entries_of("/proc/self/task"), n_threads);
    ck_assert_int_eq(heap_live(), n_blocks);
}
END_TEST

START_TEST(every_failed_allocation_at_birth_is_survived)
{
    long nth = 0;
    bool is_done = false;
    size_t n_failed = 0;

    while (!is_done) {
        static const char *const urls[] = {"http://127.0.0.1:1", NULL};
        struct ferry_transport *t = NULL;
        int err;

        heap_fail_at(nth++);
        err = ferry_transport_new(&members[0].config, &t);
        if (err == FERRY_OK)
            err = ferry_transport_start(t);
        if (err == FERRY_OK)
            err = ferry_transport_add_peer(t, 2, urls);
        is_done = err == FERRY_OK && !heap_has_failed();
        heap_fail_at(-1);
        ck_assert_msg(err == FERRY_OK || err == FERRY_ERR_NOMEM || err == FERRY_ERR_LISTEN || err == FERRY_ERR_SYSTEM,
                      "%ld: %s", nth, ferry_strerror(err));
        n_failed += err != FERRY_OK;
        ferry_transport_free(t);
    }
    ck_assert_uint_gt(n_failed, 3);
}
END_TEST

/* ---- Peers ------------------------------------------------------------------------------------------------------ */

START_TEST(peers_that_cannot_be_are_refused)
{
    static const char *const good[] = {"http://127.0.0.1:1", NULL};
    static const char *const none[] = {NULL};
    static const char *const bad[][3] = {{"http://127.0.0.1:1/raft", NULL},
                                         {"127.0.0.1:1", NULL},
                                         {"", NULL},
                                         {"http://127.0.0.1:1", "gopher://127.0.0.1:1", NULL},
                                         {"http://127.0.0.1:1", "http://127.0.0.1:0", NULL}};
    struct ferry_transport *t;

    start(1);
    t = members[0].t;
    ck_assert_int_eq(ferry_transport_add_peer(t, 0, good), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_add_peer(t, 1, good), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_transport_add_peer(t, 2, none), FERRY_ERR_URL);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(ferry_transport_add_peer(t, 2, bad[i]), FERRY_ERR_URL);
    ck_assert_int_eq(ferry_transport_update_peer(t, 2, good), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_transport_remove_peer(t, 2), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_transport_cut_peer(t, 2), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_transport_mend_peer(t, 2), FERRY_ERR_NOT_FOUND);
    ck_assert_uint_eq(ferry_transport_active_since_ms(t, 2), 0);
    ck_assert_int_eq(ferry_transport_add_peer(t, 2, good), FERRY_OK);
    ck_assert_int_eq(ferry_transport_add_peer(t, 2, good), FERRY_ERR_EXISTS);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(ferry_transport_update_peer(t, 2, bad[i]), FERRY_ERR_URL);
    ck_assert_int_eq(ferry_transport_remove_peer(t, 2), FERRY_OK);
    ck_assert_int_eq(ferry_transport_remove_peer(t, 2), FERRY_ERR_NOT_FOUND);
    ck_assert_int_eq(ferry_transport_add_peer(t, 2, good), FERRY_OK);
    ck_assert_int_eq(ferry_transport_remove_all_peers(t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_remove_all_peers(t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_remove_peer(t, 2), FERRY_ERR_NOT_FOUND);
}
END_TEST

/* A stream that stands is one thing, and what is made of it another that follows. */
static bool first_has_second(void *arg)
{
    (void)arg;
    return member_status(&members[0], 2).active;
}

static bool first_lost_second(void *arg)
{
    (void)arg;
    return !member_status(&members[0], 2).active;
}

/* Changes within a second are told as one, soon, and as they have ended: how many lines that makes depends on when. */
static bool log_says(void *arg)
{
    return journal_ends_with(&members[0].journal, 2, "peer became", arg);
}

/* By all addresses of the host, with others' own way to it advertised. */
START_TEST(a_wildcard_is_listened_on_when_another_url_is_advertised)
{
    static const char *const anywhere[] = {"http://0.0.0.0:0", NULL};
    static const char *const somewhere[] = {"http://127.0.0.1:2380", NULL};

    members[0].config.listen_urls = anywhere;
    members[0].config.advertise_urls = somewhere;
    start(1);
    ck_assert_int_eq(strncmp(member_url(&members[0]), "http://0.0.0.0:", 15), 0);
}
END_TEST

START_TEST(messages_that_cannot_be_ours_are_refused)
{
    struct ferry_message msgs[] = {heartbeat(1, 2), heartbeat(3, 2), heartbeat(1, 2)};
    const enum ferry_message_type forwarded[] = {FERRY_MSG_PROP, FERRY_MSG_READ_INDEX, FERRY_MSG_TRANSFER_LEADER};

    start_and_connect(2);
    ck_assert_int_eq(ferry_transport_send(members[0].t, msgs, 3), FERRY_ERR_INVALID);
    ck_assert_uint_eq(member_totals(&members[0]).sent, 1); /* the one before it */
    msgs[0].type = (enum ferry_message_type)99;
    ck_assert_int_eq(ferry_transport_send(members[0].t, msgs, 1), FERRY_ERR_INVALID);
    ck_assert_uint_eq(member_totals(&members[0]).sent, 1);
    for (size_t i = 0; i < 3; i++) { /* a core forwards these as they came */
        msgs[1].type = forwarded[i];
        member_send(&members[0], &msgs[1]);
    }
    member_stop(&members[0]);
    members[0].config.allow_foreign_from = true;
    member_start(&members[0]);
    member_add(&members[0], 2, member_url(&members[1]));
    msgs[1] = heartbeat(3, 2);
    member_send(&members[0], &msgs[1]);
    ck_assert_uint_eq(member_totals(&members[0]).sent, 1);
}
END_TEST

START_TEST(messages_to_nobody_are_told_once_a_second)
{
    struct ferry_message msg = heartbeat(1, 9);

    start(1);
    for (int i = 0; i < 100; i++)
        member_send(&members[0], &msg);
    ck_assert_uint_eq(member_totals(&members[0]).dropped[FERRY_DROP_UNKNOWN_PEER], 100);
    ck_assert_uint_ge(journal_count(&members[0].journal, FERRY_LOG_WARN, 9, "neither a peer nor a remote"), 1);
    ck_assert_uint_le(journal_count(&members[0].journal, FERRY_LOG_WARN, 9, "neither a peer nor a remote"), 5);
}
END_TEST

START_TEST(a_member_restarts_on_another_port)
{
    char active[] = "became active", inactive[] = "became inactive";
    const char *urls[2] = {NULL, NULL};
    struct ferry_peer_status status;

    start_and_connect(2);
    ck_assert(members_wait(members, 2, first_has_second, NULL, patience_ms(5000)));
    status = member_status(&members[0], 2);
    ck_assert_uint_gt(status.active_since_ms, 1600000000000u);
    ck_assert_uint_eq(ferry_transport_active_peers(members[0].t), 1);
    send_and_await(0, 1);
    ck_assert(members_wait(members, 2, log_says, active, patience_ms(5000)));

    member_stop(&members[1]);
    ck_assert(members_wait(members, 1, first_lost_second, NULL, patience_ms(5000)));
    ck_assert(members_wait(members, 1, log_says, inactive, patience_ms(5000)));
    status = member_status(&members[0], 2);
    ck_assert_uint_eq(status.active_since_ms, 0);
    ck_assert_str_ne(status.last_error, "");
    ck_assert_uint_eq(ferry_transport_active_peers(members[0].t), 0);

    member_start(&members[1]);
    member_add(&members[1], 1, member_url(&members[0]));
    urls[0] = member_url(&members[1]);
    ck_assert_int_eq(ferry_transport_update_peer(members[0].t, 2, urls), FERRY_OK);
    members_await_streams(members, 2);
    send_and_await(0, 1);
    send_and_await(1, 0);
    ck_assert(members_wait(members, 2, log_says, active, patience_ms(5000)));
}
END_TEST

START_TEST(of_several_urls_the_one_that_lives_is_found)
{
    const char *urls[4] = {"http://127.0.0.1:1", "http://127.0.0.1:2", NULL, NULL};

    start(2);
    urls[2] = member_url(&members[1]);
    ck_assert_int_eq(ferry_transport_add_peer(members[0].t, 2, urls), FERRY_OK);
    member_add(&members[1], 1, member_url(&members[0]));
    members_await_streams(members, 2);
    send_and_await(0, 1);
}
END_TEST

static bool is_told_of_another_member(void *arg)
{
    (void)arg;
    return strstr(member_status(&members[0], 3).last_error, "to field mismatch: another member answers") != NULL;
}

/* Member 1 has the URL of member 2 for member 3's. */
START_TEST(a_stream_for_another_member_is_refused)
{
    struct ferry_peer_status status;

    start(2);
    member_add(&members[1], 1, member_url(&members[0]));
    member_add(&members[0], 3, member_url(&members[1]));
    ck_assert(members_wait(members, 2, is_told_of_another_member, NULL, patience_ms(10000)));
    status = member_status(&members[0], 3);
    ck_assert(!status.active);
    ck_assert(!status.reader_attached[FERRY_STREAM_MSGAPP] && !status.reader_attached[FERRY_STREAM_MESSAGE]);
}
END_TEST

START_TEST(a_removed_peer_is_gone_and_can_come_back)
{
    struct ferry_message msg = heartbeat(1, 2);
    struct ferry_peer_status status;

    start_and_connect(3);
    send_and_await(0, 1);
    members_await_rest(members, 3); /* it may have come before it is counted */
    ck_assert_int_eq(ferry_transport_remove_peer(members[0].t, 2), FERRY_OK);
    ck_assert_int_eq(ferry_transport_peer_status(members[0].t, 2, &status), FERRY_ERR_NOT_FOUND);
    member_send(&members[0], &msg);
    ck_assert_uint_eq(member_totals(&members[0]).dropped[FERRY_DROP_UNKNOWN_PEER], 1);
    ck_assert_uint_eq(member_totals(&members[0]).sent, 2); /* those of the removed one are not forgotten */
    ck_assert_uint_eq(member_totals(&members[0]).written, 1);
    send_and_await(0, 2); /* the others stay */
    member_add(&members[0], 2, member_url(&members[1]));
    members_await_streams(members, 3);
    ck_assert_uint_eq(member_status(&members[0], 2).counts.sent, 0); /* counted anew */
    send_and_await(0, 1);
    send_and_await(1, 0);
}
END_TEST

static bool first_keeps_no_memory(void *arg)
{
    struct fy_shelf *shelf = &members[0].t->local.shelf;
    size_t n_bytes;

    (void)arg;
    pthread_mutex_lock(&shelf->mu);
    n_bytes = shelf->n_bytes;
    pthread_mutex_unlock(&shelf->mu);
    return n_bytes == 0;
}

START_TEST(all_peers_are_removed_at_once)
{
    start_and_connect(3);
    send_and_await(0, 1); /* its memory is kept for the next message for a while, also when the peers are gone */
    ck_assert_int_eq(ferry_transport_remove_all_peers(members[0].t), FERRY_OK);
    ck_assert_uint_eq(ferry_transport_active_peers(members[0].t), 0);
    ck_assert_int_eq(ferry_transport_remove_peer(members[0].t, 3), FERRY_ERR_NOT_FOUND);
    ck_assert(members_wait(members, 3, first_keeps_no_memory, NULL, patience_ms(5000)));
    send_and_await(1, 2);
}
END_TEST

/* ---- Faults on purpose --------------------------------------------------------------------------------------------
 */

static bool first_dropped_one(void *arg)
{
    (void)arg;
    return member_totals(&members[0]).received_dropped == 1;
}

START_TEST(a_paused_transport_drops_in_both_directions)
{
    struct ferry_message out = heartbeat(1, 2);
    struct ferry_message in = heartbeat(2, 1);
    uint64_t dials;

    start_and_connect(3);
    dials = member_status(&members[0], 2).dials[FERRY_STREAM_MESSAGE];
    ferry_transport_pause(members[0].t);
    ck_assert(member_status(&members[0], 2).paused);
    ck_assert(member_status(&members[0], 3).paused);
    member_send(&members[0], &out);
    ck_assert_uint_eq(member_totals(&members[0]).dropped[FERRY_DROP_PAUSED], 1);
    member_send(&members[1], &in);
    ck_assert(members_wait(members, 3, first_dropped_one, NULL, patience_ms(5000)));
    ferry_transport_resume(members[0].t);
    ck_assert(!member_status(&members[0], 2).paused);
    send_and_await(0, 1);
    send_and_await(1, 0);
    ck_assert_uint_eq(recorder_messages(&members[0].recorder), 1);
    ck_assert_uint_eq(member_totals(&members[0]).received_dropped, 1);
    ck_assert_uint_eq(member_status(&members[0], 2).dials[FERRY_STREAM_MESSAGE], dials); /* the streams stood */
}
END_TEST

START_TEST(a_cut_peer_is_cut_off_alone)
{
    struct ferry_message out = heartbeat(1, 2);

    start_and_connect(3);
    ck_assert_int_eq(ferry_transport_cut_peer(members[0].t, 2), FERRY_OK);
    ck_assert(member_status(&members[0], 2).cut);
    ck_assert(!member_status(&members[0], 3).cut);
    member_send(&members[0], &out);
    ck_assert_uint_eq(member_totals(&members[0]).dropped[FERRY_DROP_CUT], 1);
    send_and_await(0, 2);
    send_and_await(2, 0);
    ck_assert_int_eq(ferry_transport_mend_peer(members[0].t, 2), FERRY_OK);
    ck_assert(!member_status(&members[0], 2).cut);
    members_await_streams(members, 3);
    send_and_await(0, 1);
    send_and_await(1, 0);
}
END_TEST

static bool reads_no_stream(void *arg)
{
    const struct member *m = arg;

    for (uint64_t id = 2; id <= 3; id++) {
        struct ferry_peer_status status = member_status(m, id);

        for (int i = 0; i < FERRY_N_STREAMS; i++)
            if (status.reader_state[i] != FERRY_READER_STOPPED)
                return false;
    }
    return true;
}

static bool is_read(void *arg)
{
    struct ferry_peer_status status = member_status(arg, 3);

    return status.writer_attached[FERRY_STREAM_MSGAPP] && status.writer_attached[FERRY_STREAM_MESSAGE];
}

/* Has the third seen that the first reads no more?  Until then what it sends is written to a connection that is over.
 */
static bool third_has_lost_first(void *arg)
{
    struct ferry_peer_status status = member_status(&members[2], 1);

    (void)arg;
    return !status.writer_attached[FERRY_STREAM_MSGAPP] && !status.writer_attached[FERRY_STREAM_MESSAGE];
}

static bool was_dropped_as_removed(void *arg)
{
    return member_status(arg, 77).counts.dropped[FERRY_DROP_MEMBER_REMOVED] == 1;
}

START_TEST(a_removed_id_hears_so_and_tells_its_core_once)
{
    struct ferry_message msg = heartbeat(1, 77);
    int err;

    recorder_set_removed(&members[1].recorder, 1);
    start(3);
    members_connect(members, 3);
    ck_assert(journal_wait(&members[0].journal, 2, "removed", patience_ms(5000)));
    ck_assert(members_wait(members, 3, reads_no_stream, &members[0], patience_ms(5000)));
    ck_assert(strstr(member_status(&members[0], 2).last_error, "removed"));
    /* the one that has not heard of it goes on to dial it, and to post to it */
    ck_assert(members_wait(members, 3, is_read, &members[0], patience_ms(5000)));
    send_and_await(0, 2);
    ck_assert(members_wait(members, 3, third_has_lost_first, NULL, patience_ms(5000)));
    send_and_await(2, 0);

    /* a peer that is added now is not dialled, and what cannot go by a stream is dropped for the reason */
    member_add(&members[0], 77, "http://127.0.0.1:1");
    member_send(&members[0], &msg);
    ck_assert(members_wait(members, 3, was_dropped_as_removed, &members[0], patience_ms(5000)));
    ck_assert_uint_eq(member_status(&members[0], 77).dials[FERRY_STREAM_MSGAPP], 0);
    ck_assert_uint_eq(member_status(&members[0], 77).dials[FERRY_STREAM_MESSAGE], 0);
    member_stop(&members[0]);
    ck_assert_uint_eq(recorder_fatal(&members[0].recorder, &err), 1);
    ck_assert_int_eq(err, FERRY_ERR_MEMBER_REMOVED);
}
END_TEST

/* ---- A core that blocks -------------------------------------------------------------------------------------------
 */

START_TEST(a_core_that_holds_proposals_delays_no_other_message)
{
    struct ferry_message proposal = {.type = FERRY_MSG_PROP, .from = 1, .to = 2};
    struct ferry_message beat = heartbeat(1, 2);

    recorder_hold_proposals(&members[1].recorder, true);
    start_and_connect(2);
    for (int i = 0; i < 20; i++) /* more than there are workers for them */
        member_send(&members[0], &proposal);
    ck_assert(recorder_wait_held(&members[1].recorder, 1, patience_ms(5000)));
    for (uint64_t i = 1; i <= 200; i++) { /* one that waited for them would wait for ever */
        member_send(&members[0], &beat);
        ck_assert(recorder_wait_of_type(&members[1].recorder, FERRY_MSG_HEARTBEAT, i, patience_ms(5000)));
    }
    ck_assert_uint_eq(recorder_of_type(&members[1].recorder, FERRY_MSG_PROP), 0);
    recorder_hold_proposals(&members[1].recorder, false);
    ck_assert(recorder_wait_of_type(&members[1].recorder, FERRY_MSG_PROP, 20, patience_ms(5000)));
    ck_assert_uint_eq(member_totals(&members[1]).received_dropped, 0);
}
END_TEST

START_TEST(held_proposals_by_post_delay_no_other_message)
{
    struct ferry_message proposal = {.type = FERRY_MSG_PROP, .from = 1, .to = 2};
    struct ferry_message beat = heartbeat(1, 2);

    recorder_hold_proposals(&members[1].recorder, true);
    start(2);
    member_add(&members[0], 2, member_url(&members[1])); /* no stream: the other does not know us */
    member_send(&members[0], &proposal);
    ck_assert(recorder_wait_held(&members[1].recorder, 1, patience_ms(5000)));
    for (uint64_t i = 1; i <= 20; i++) {
        member_send(&members[0], &beat);
        ck_assert(recorder_wait_of_type(&members[1].recorder, FERRY_MSG_HEARTBEAT, i, patience_ms(5000)));
    }
    recorder_hold_proposals(&members[1].recorder, false);
    members_await_rest(members, 2);
    ck_assert_uint_eq(member_totals(&members[0]).written, 21);
}
END_TEST

START_TEST(a_full_propose_queue_drops_and_counts)
{
    struct ferry_message proposal = {.type = FERRY_MSG_PROP, .from = 1, .to = 2};
    struct ferry_counts totals;

    members[1].config.max_queue_messages = 10;
    recorder_hold_proposals(&members[1].recorder, true);
    start_and_connect(2);
    for (int i = 0; i < 100; i++)
        member_send(&members[0], &proposal);
    members_await_rest(members, 2);
    send_and_await(0, 1); /* it came behind them all */
    totals = member_totals(&members[1]);
    ck_assert_uint_eq(totals.received, 101);
    ck_assert_uint_ge(totals.received_dropped, 100 - 2 * 10); /* a queue full, and a worker that took another */
    recorder_hold_proposals(&members[1].recorder, false);
    ck_assert(
        recorder_wait_of_type(&members[1].recorder, FERRY_MSG_PROP, 100 - totals.received_dropped, patience_ms(5000)));
}
END_TEST

static bool second_dropped_ten(void *arg)
{
    (void)arg;
    return member_totals(&members[1]).received_dropped == 10;
}

START_TEST(what_waits_for_the_core_when_its_peer_goes_is_counted_as_dropped)
{
    struct ferry_message proposal = {.type = FERRY_MSG_PROP, .from = 1, .to = 2};

    members[1].config.n_propose_workers = 1;
    recorder_hold_proposals(&members[1].recorder, true);
    start_and_connect(2);
    member_send(&members[0], &proposal);
    ck_assert(recorder_wait_held(&members[1].recorder, 1, patience_ms(5000)));
    for (int i = 0; i < 10; i++)
        member_send(&members[0], &proposal);
    members_await_rest(members, 2);
    send_and_await(0, 1); /* it came behind them all */
    ck_assert_int_eq(ferry_transport_remove_peer(members[1].t, 1), FERRY_OK);
    ck_assert_msg(members_wait(members, 2, second_dropped_ten, NULL, patience_ms(5000)), "%llu",
                  (unsigned long long)member_totals(&members[1]).received_dropped);
    recorder_hold_proposals(&members[1].recorder, false);
    ck_assert(recorder_wait_of_type(&members[1].recorder, FERRY_MSG_PROP, 1, patience_ms(5000)));
}
END_TEST

/* ---- Calls from inside a callback ----------------------------------------------------------------------------------
 */

static atomic_int n_inside;

static void call_everything(void *arg, const struct ferry_message *msg)
{
    struct member *m = arg;
    struct ferry_message answer = {.type = FERRY_MSG_HEARTBEAT_RESP, .from = m->id, .to = msg->from};
    struct ferry_peer_status status;
    struct ferry_counts totals;
    const char *const urls[] = {"http://127.0.0.1:1", NULL};

    if (msg->type != FERRY_MSG_HEARTBEAT)
        return;
    ck_assert_int_eq(ferry_transport_send(m->t, &answer, 1), FERRY_OK);
    ck_assert_int_eq(ferry_transport_peer_status(m->t, msg->from, &status), FERRY_OK);
    ferry_transport_totals(m->t, &totals);
    ck_assert_uint_ge(ferry_transport_active_peers(m->t), 1);
    ck_assert_int_eq(ferry_transport_add_peer(m->t, 77, urls), FERRY_OK);
    ck_assert_int_eq(ferry_transport_update_peer(m->t, 77, urls), FERRY_OK);
    ck_assert_int_eq(ferry_transport_remove_peer(m->t, 77), FERRY_OK);
    if (msg->commit == 9)
        ck_assert_int_eq(ferry_transport_remove_peer(m->t, msg->from), FERRY_OK);
    ck_assert_int_eq(ferry_transport_stop(m->t), FERRY_ERR_STATE);
    ck_assert_int_eq(ferry_transport_free(m->t), FERRY_ERR_STATE);
    ck_assert_int_eq(ferry_transport_run(m->t, 0), FERRY_ERR_STATE);
    atomic_fetch_add(&n_inside, 1);
}

static bool was_inside(void *arg)
{
    return atomic_load(&n_inside) >= *(const int *)arg;
}

static void call_inside(enum ferry_delivery delivery)
{
    struct ferry_message msg = heartbeat(2, 1);
    struct ferry_peer_status status;

    atomic_store(&n_inside, 0);
    for (size_t i = 0; i < 2; i++)
        members[i].config.delivery = delivery;
    members[0].config.max_remotes = 0; /* a peer that is removed is not to come back as a remote */
    members[0].recorder.on_message = call_everything;
    members[0].recorder.arg = &members[0];
    start_and_connect(2);
    for (msg.commit = 0; msg.commit < 10; msg.commit++) {
        int n = (int)msg.commit + 1;

        member_send(&members[1], &msg);
        ck_assert(members_wait(members, 2, was_inside, &n, patience_ms(5000)));
    }
    ck_assert_int_eq(ferry_transport_peer_status(members[0].t, 2, &status), FERRY_ERR_NOT_FOUND);
    ck_assert_uint_eq(member_totals(&members[0]).sent, 10);
    ck_assert_uint_eq(
        journal_count(&members[0].journal, FERRY_LOG_ERROR, 0, "ferry_transport_stop was called from a callback"), 10);
    ck_assert_uint_eq(
        journal_count(&members[0].journal, FERRY_LOG_ERROR, 0, "ferry_transport_free was called from a callback"), 10);
    journal_clear(&members[0].journal);
    for (size_t i = 0; i < 2; i++)
        member_stop(&members[i]);
}

START_TEST(a_callback_may_call_anything_but_stop)
{
    call_inside(FERRY_DELIVER_WORKERS);
    call_inside(FERRY_DELIVER_INLINE);
    call_inside(FERRY_DELIVER_HOST);
}
END_TEST

static int close_results[3]; /* of the calls in stop_on_close */

/* On a disk worker. */
static void stop_on_close(void *ctx, int err)
{
    struct member *m = ctx;

    (void)err;
    close_results[0] = ferry_transport_stop(m->t);
    close_results[1] = ferry_transport_free(m->t);
    close_results[2] = ferry_transport_run(m->t, 0);
    atomic_fetch_add(&n_inside, 1);
}

static int64_t read_nothing(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    (void)buf;
    (void)len;
    return 0;
}

START_TEST(the_source_of_a_snapshot_cannot_stop_either)
{
    struct ferry_snapshot snapshot = {.index = 1, .term = 1};
    struct ferry_message msg = {.type = FERRY_MSG_SNAP, .from = 1, .to = 2, .term = 1, .snapshot = &snapshot};
    struct ferry_snapshot_source source = {
        .ctx = &members[0], .size = FERRY_SIZE_UNKNOWN, .fd = -1, .read = read_nothing, .close = stop_on_close};
    int once = 1;

    atomic_store(&n_inside, 0);
    start_and_connect(2);
    ck_assert_int_eq(ferry_transport_send_snapshot(members[0].t, &msg, &source), FERRY_OK);
    ck_assert(members_wait(members, 2, was_inside, &once, patience_ms(5000)));
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(close_results[i], FERRY_ERR_STATE);
}
END_TEST

static void remove_the_unreachable(void *arg, uint64_t id)
{
    struct member *m = arg;
    int err = ferry_transport_remove_peer(m->t, id);

    ck_assert(err == FERRY_OK || err == FERRY_ERR_NOT_FOUND || err == FERRY_ERR_CLOSED);
    atomic_fetch_add(&n_inside, 1);
}

START_TEST(a_report_may_remove_the_peer_it_is_about)
{
    struct ferry_message msg = heartbeat(1, 99);
    int once = 1;

    atomic_store(&n_inside, 0);
    members[0].recorder.on_unreachable = remove_the_unreachable;
    members[0].recorder.arg = &members[0];
    start(1);
    member_add(&members[0], 99, "http://127.0.0.1:1");
    for (int i = 0; i < 10; i++)
        member_send(&members[0], &msg);
    ck_assert(members_wait(members, 1, was_inside, &once, patience_ms(5000)));
    members_await_rest(members, 1);
    ck_assert_int_eq(ferry_transport_remove_peer(members[0].t, 99), FERRY_ERR_NOT_FOUND);
}
END_TEST

/* ---- A host's loop --------------------------------------------------------------------------------------------------
 */

START_TEST(an_idle_host_is_told_how_long_it_may_sleep)
{
    struct ferry_message msg = heartbeat(1, 2);
    int timeout_ms;

    members[0].config.delivery = members[1].config.delivery = FERRY_DELIVER_HOST;
    start_and_connect(2);
    ck_assert_int_ge(ferry_transport_fd(members[0].t), 0);
    timeout_ms = ferry_transport_timeout_ms(members[0].t);
    ck_assert_int_ge(timeout_ms, 0); /* the next link heartbeat at the latest */
    ck_assert_int_le(timeout_ms, (int)members[0].config.read_timeout_ms);
    member_send(&members[0], &msg);
    ck_assert(members_wait(members, 2, has_one, &members[1].recorder, patience_ms(5000)));
    ferry_transport_stop(members[0].t);
    ck_assert_int_eq(ferry_transport_run(members[0].t, 0), FERRY_ERR_STATE);
}
END_TEST

int main(void)
{
    return rig_main("members", setup, teardown, a_bad_configuration_is_refused_and_explained, a_taken_port_is_named,
                    what_the_system_refuses_is_named, the_second_of_two_listen_urls_fails_and_nothing_is_left,
                    two_listen_urls_both_serve, before_start_and_after_stop_things_are_refused,
                    a_transport_that_never_started_is_freed, a_hundred_transports_leave_nothing_behind,
                    every_failed_allocation_at_birth_is_survived, peers_that_cannot_be_are_refused,
                    a_wildcard_is_listened_on_when_another_url_is_advertised, messages_that_cannot_be_ours_are_refused,
                    messages_to_nobody_are_told_once_a_second, a_member_restarts_on_another_port,
                    of_several_urls_the_one_that_lives_is_found, a_stream_for_another_member_is_refused,
                    a_removed_peer_is_gone_and_can_come_back, all_peers_are_removed_at_once,
                    a_paused_transport_drops_in_both_directions, a_cut_peer_is_cut_off_alone,
                    a_removed_id_hears_so_and_tells_its_core_once, a_core_that_holds_proposals_delays_no_other_message,
                    held_proposals_by_post_delay_no_other_message, a_full_propose_queue_drops_and_counts,
                    what_waits_for_the_core_when_its_peer_goes_is_counted_as_dropped,
                    a_callback_may_call_anything_but_stop, the_source_of_a_snapshot_cannot_stop_either,
                    a_report_may_remove_the_peer_it_is_about, an_idle_host_is_told_how_long_it_may_sleep, NULL);
}
