/*
 * it_snapshot - snapshots with their bodies between whole transports: that they come whole, and that whatever goes
 * wrong is told to both sides, leaves nothing behind, and does not keep the next one from coming.
 *
 * FERRY_SNAPSHOT_MIB: the size of the large bodies, in place of 256 (16 with a sanitizer).
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk/body_slots.h"
#include "ferry/ferry.h"
#include "harness/fake_peer.h"
#include "harness/fault_proxy.h"
#include "harness/member.h"
#include "harness/metrics_page.h"
#include "harness/pace.h"
#include "harness/patience.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"
#include "harness/snapshots.h"
#include "wire/encoder.h"
#include "wire/outgoing.h"

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define SEED 7
#define INDEX 0xabc
#define FINAL_NAME "0000000000000abc.snap.db"
#define N_CUTS 20

static struct member members[3];
static struct member *const sender = &members[0], *const receiver = &members[1], *const second = &members[2];
static struct vault vault;
static char dir[RIG_DIR_SIZE];

static void setup(void)
{
    for (size_t i = 0; i < 3; i++)
        member_init(&members[i], i + 1);
    vault_init(&vault, SEED);
    rig_make_dir(dir);
}

static size_t files_in_dir(void)
{
    DIR *list = opendir(dir);
    const struct dirent *entry;
    size_t n = 0;

    ck_assert_ptr_nonnull(list);
    while ((entry = readdir(list)))
        n += entry->d_name[0] != '.';
    closedir(list);
    return n;
}

static bool has_files(void *arg)
{
    const size_t *n = arg;

    return files_in_dir() == *n;
}

/* What was aborted is removed by a worker, maybe after the sender was told. */
static void await_files(size_t n)
{
    ck_assert_msg(members_wait(members, 3, has_files, &n, patience_ms(10000)), "%zu files, not %zu", files_in_dir(), n);
}

static void teardown(void)
{
    for (size_t i = 0; i < 3; i++)
        member_stop(&members[i]);
    for (size_t i = 0; i < 3; i++)
        member_release(&members[i]);
    ck_assert_uint_eq(vault.n_misuses, 0);
    ck_assert_uint_eq(vault.n_opened, vault.n_commits + vault.n_aborts);
    vault_release(&vault);
}

static const char *path_in_dir(const char *name)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static uint64_t large_size(void)
{
    return environment_number("FERRY_SNAPSHOT_MIB", PATIENCE_SANITIZED ? 16 : 256) * MIB;
}

/* ---- Sending and what comes of it ----------------------------------------------------------------------------------
 */

static const uint64_t voters[] = {1, 2, 3};
static const struct ferry_snapshot snapshot = {
    .index = INDEX, .term = 5, .conf_state = {.voters = voters, .n_voters = 3}};

static struct ferry_message snap_to(uint64_t to)
{
    return (struct ferry_message){.type = FERRY_MSG_SNAP, .from = 1, .to = to, .term = 6, .snapshot = &snapshot};
}

static int send_body(struct body *b, uint64_t to)
{
    struct ferry_message msg = snap_to(to);
    struct ferry_snapshot_source source = body_source(b);

    return ferry_transport_send_snapshot(sender->t, &msg, &source);
}

struct expected {
    size_t n_finish;
    size_t n_failure;
};

static bool has_reports(void *arg)
{
    const struct expected *e = arg;

    return recorder_snapshots(&sender->recorder, receiver->id, FERRY_SNAPSHOT_FINISH) >= e->n_finish &&
           recorder_snapshots(&sender->recorder, receiver->id, FERRY_SNAPSHOT_FAILURE) >= e->n_failure;
}

/* So many reports, no more, and every account says the same. */
static void await_reports(size_t n_finish, size_t n_failure, unsigned deadline_ms)
{
    struct expected e = {n_finish, n_failure};
    struct ferry_peer_status status;

    ck_assert_msg(members_wait(members, 3, has_reports, &e, deadline_ms), "%zu and %zu, not %zu and %zu: %s",
                  recorder_snapshots(&sender->recorder, receiver->id, FERRY_SNAPSHOT_FINISH),
                  recorder_snapshots(&sender->recorder, receiver->id, FERRY_SNAPSHOT_FAILURE), n_finish, n_failure,
                  journal_text(&sender->journal, JOURNAL_ANY));
    ck_assert_uint_eq(recorder_snapshots(&sender->recorder, receiver->id, FERRY_SNAPSHOT_FINISH), n_finish);
    ck_assert_uint_eq(recorder_snapshots(&sender->recorder, receiver->id, FERRY_SNAPSHOT_FAILURE), n_failure);
    status = member_status(sender, receiver->id);
    ck_assert_uint_eq(status.snapshot_out.n_finished, n_finish);
    ck_assert_uint_eq(status.snapshot_out.n_failed, n_failure);
    ck_assert_uint_eq(status.snapshot_out.n_active + status.snapshot_out.n_waiting, 0);
    ck_assert_uint_eq(status.counts.sent, status.counts.written + counts_dropped(&status.counts));
}

static struct body *closing;

static bool is_closed(void *arg)
{
    int err;

    (void)arg;
    return body_await_close(closing, 0, &err);
}

/* Send a body and wait for its end: FERRY_OK, or whatever the source was closed with. */
static int send_and_await(struct body *b)
{
    int err;

    closing = b;
    ck_assert_int_eq(send_body(b, receiver->id), FERRY_OK);
    ck_assert_msg(members_wait(members, 3, is_closed, NULL, patience_ms(60000)), "%s",
                  journal_text(&sender->journal, JOURNAL_ANY));
    ck_assert(body_await_close(b, 0, &err));
    ck_assert_uint_eq(b->n_closed, 1);
    return err;
}

static void send_whole(uint64_t size)
{
    struct body b;

    body_init(&b, SEED, size);
    ck_assert_msg(send_and_await(&b) == FERRY_OK, "%s", journal_text(&sender->journal, JOURNAL_ANY));
    body_release(&b);
}

/* The sender's peer is the receiver, at url (NULL: where it is).  The receiver knows the sender. */
static void connect_to(const char *url)
{
    member_add(sender, receiver->id, url ? url : member_url(receiver));
    member_add(receiver, sender->id, member_url(sender));
}

static void start_into_vault(void)
{
    receiver->config.snapshot_sink = vault_sink(&vault);
    member_start(sender);
    member_start(receiver);
    connect_to(NULL);
}

static void start_into_dir(void)
{
    receiver->config.snapshot_dir = dir;
    member_start(sender);
    member_start(receiver);
    connect_to(NULL);
}

static void check_file(uint64_t size)
{
    char expected[65], seen[65];
    uint64_t seen_size;

    body_sha256(SEED, size, expected);
    ck_assert(file_sha256(path_in_dir(FINAL_NAME), seen, &seen_size));
    ck_assert_uint_eq(seen_size, size);
    ck_assert_str_eq(seen, expected);
}

/* ---- What comes ----------------------------------------------------------------------------------------------------
 */

static void bodies_of_all_sizes(enum ferry_delivery delivery)
{
    static const uint64_t sizes[] = {0, 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, MIB, 3 * MIB + 7};
    static const size_t n = sizeof(sizes) / sizeof(sizes[0]);

    sender->config.delivery = receiver->config.delivery = delivery;
    start_into_vault();
    for (size_t i = 0; i < 2 * n; i++) {
        bool is_known = i < n;
        struct body b;

        body_init(&b, SEED, sizes[i % n]);
        b.announced = is_known ? sizes[i % n] : FERRY_SIZE_UNKNOWN;
        ck_assert_int_eq(send_and_await(&b), FERRY_OK);
        body_release(&b);
        ck_assert_uint_eq(vault.n_commits, i + 1);
        ck_assert_uint_eq(vault.size, sizes[i % n]);
        ck_assert_uint_eq(vault.announced, is_known ? sizes[i % n] : FERRY_SIZE_UNKNOWN);
        ck_assert(vault.is_right);
        await_reports(i + 1, 0, patience_ms(10000));
        ck_assert_uint_eq(recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP), i + 1);
    }
    ck_assert_uint_eq(member_status(receiver, 1).snapshot_in.n_finished, 2 * n);
    ck_assert_uint_eq(member_status(receiver, 1).snapshot_in.index, INDEX);
    ck_assert_uint_eq(vault.n_aborts, 0);
}

START_TEST(bodies_of_all_sizes_come_whole)
{
    bodies_of_all_sizes(FERRY_DELIVER_WORKERS);
}
END_TEST

START_TEST(and_with_inline_delivery)
{
    bodies_of_all_sizes(FERRY_DELIVER_INLINE);
}
END_TEST

START_TEST(and_in_a_hosts_loop)
{
    bodies_of_all_sizes(FERRY_DELIVER_HOST);
}
END_TEST

static bool was_there_first;

static void look_for_file(void *arg, const struct ferry_message *msg)
{
    struct stat st;

    (void)arg;
    if (msg->type == FERRY_MSG_SNAP)
        was_there_first = stat(path_in_dir(FINAL_NAME), &st) == 0 && st.st_size == 1000000;
}

START_TEST(the_directory_holds_the_file_before_the_core_hears_of_it)
{
    struct stat st;

    receiver->recorder.on_message = look_for_file;
    start_into_dir();
    send_whole(1000000);
    ck_assert(was_there_first);
    check_file(1000000);
    ck_assert_int_eq(stat(path_in_dir(FINAL_NAME), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    await_files(1);
    await_reports(1, 0, patience_ms(10000));
}
END_TEST

START_TEST(a_part_of_a_file_is_sent_by_its_descriptor)
{
    struct ferry_message msg = snap_to(2);
    struct body b;
    struct ferry_snapshot_source source;
    FILE *file = tmpfile();
    uint8_t data[300000];
    int fd, err;

    ck_assert_ptr_nonnull(file);
    fd = dup(fileno(file));
    ck_assert_int_ge(fd, 0);
    (void)fclose(file);
    body_bytes(SEED, 0, data, sizeof(data));
    ck_assert_int_eq(pwrite(fd, data, sizeof(data), 5000), sizeof(data));
    start_into_dir();
    body_init(&b, SEED, 0);
    closing = &b;
    source = body_source(&b); /* for its close */
    source.read = NULL;
    source.fd = fd;
    source.offset = 5000;
    source.size = 290000;
    ck_assert_int_eq(ferry_transport_send_snapshot(sender->t, &msg, &source), FERRY_OK);
    ck_assert(body_await_close(&b, patience_ms(10000), &err));
    ck_assert_int_eq(err, FERRY_OK);
    check_file(290000);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0); /* its position is its owner's */

    b.n_closed = 0;
    source.size = 300001; /* a byte more than there is */
    ck_assert_int_eq(ferry_transport_send_snapshot(sender->t, &msg, &source), FERRY_OK);
    ck_assert(body_await_close(&b, patience_ms(10000), &err));
    ck_assert_int_eq(err, FERRY_ERR_TRUNCATED);
    await_reports(1, 1, patience_ms(10000));
    body_release(&b);
    close(fd);
}
END_TEST

START_TEST(a_snapshot_that_is_there_stays_and_counts)
{
    int fd = open(path_in_dir(FINAL_NAME), O_WRONLY | O_CREAT, 0600);
    struct stat st;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "first", 5), 5);
    close(fd);
    start_into_dir();
    send_whole(MIB);
    await_reports(1, 0, patience_ms(10000));
    ck_assert_int_eq(stat(path_in_dir(FINAL_NAME), &st), 0);
    ck_assert_int_eq(st.st_size, 5);
    await_files(1);
    ck_assert_uint_eq(recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP), 1);
}
END_TEST

static int make_dangling_link(const char *path, mode_t mode)
{
    (void)mode;
    return symlink("nowhere", path);
}

START_TEST(what_is_in_the_way_of_the_file_is_no_snapshot)
{
    static int (*const make[])(const char *path, mode_t mode) = {mkdir, make_dangling_link, mkfifo};
    char why[200]; /* with what the snapshot's own line has before it, and that of the peer's state has not */

    (void)snprintf(why, sizeof(why), "bytes: unexpected http status 500 \"failed to save KV snapshot (%s)\"",
                   strerror(EEXIST));
    start_into_dir();
    for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
        struct body b;

        ck_assert_int_eq(make[i](path_in_dir(FINAL_NAME), 0700), 0);
        body_init(&b, SEED, MIB);
        ck_assert_int_eq(send_and_await(&b), FERRY_ERR_HTTP_STATUS);
        body_release(&b);
        await_reports(0, i + 1, patience_ms(10000));
        await_files(1);
        ck_assert_uint_eq(journal_count(&sender->journal, FERRY_LOG_WARN, receiver->id, why), i + 1);
        ck_assert_int_eq(remove(path_in_dir(FINAL_NAME)), 0);
    }
    ck_assert_uint_eq(recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP), 0);
    send_whole(MIB);
    check_file(MIB);
}
END_TEST

START_TEST(what_a_dead_process_left_is_removed_at_the_start)
{
    static const char *const names[] = {"tmp123", "tmp", "tmpfile", "tmp12x", "0000000000000001.snap.db"};

    for (size_t i = 0; i < 5; i++)
        close(open(path_in_dir(names[i]), O_WRONLY | O_CREAT, 0600));
    ck_assert_int_eq(mkdir(path_in_dir("tmp9"), 0700), 0); /* no file of ours */
    receiver->config.snapshot_dir = dir;
    member_start(receiver);
    ck_assert_uint_eq(files_in_dir(), 5);
    ck_assert_int_ne(access(path_in_dir("tmp123"), F_OK), 0);
}
END_TEST

START_TEST(a_directory_that_cannot_be_is_said_at_the_start)
{
    receiver->config.snapshot_dir = "/proc/no/such/directory";
    ck_assert_int_eq(ferry_transport_new(&receiver->config, &receiver->t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(receiver->t), FERRY_ERR_SYSTEM);
    ck_assert_uint_gt(journal_count(&receiver->journal, FERRY_LOG_ERROR, JOURNAL_ANY, "/proc/no/such"), 0);
}
END_TEST

static size_t peak_rss_kib(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];
    size_t kib = 0;

    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "VmHWM: %zu", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

START_TEST(a_large_body_comes_whole_in_little_memory)
{
    uint64_t size = large_size();
    size_t before, after;
    uint64_t begin_ns;

    start_into_dir();
    send_whole(1000); /* so that everything is there once */
    ck_assert_int_eq(unlink(path_in_dir(FINAL_NAME)), 0);
    before = peak_rss_kib();
    begin_ns = monotonic_ns();
    send_whole(size);
    printf("# %" PRIu64 " MiB stored in %.2f s, the peak of memory grew by %zu KiB\n", size / MIB,
           (double)(monotonic_ns() - begin_ns) / 1e9, peak_rss_kib() - before);
    after = peak_rss_kib();
    check_file(size);
    await_reports(2, 0, patience_ms(10000));
    if (!PATIENCE_SANITIZED) /* sender and receiver are both in this process */
        ck_assert_uint_lt(after - before, 2 * 8 * 1024);
}
END_TEST

/* ---- What does not -------------------------------------------------------------------------------------------------
 */

START_TEST(what_cannot_be_accepted_is_an_error_and_closes_the_source)
{
    struct ferry_message msg = snap_to(2), other = {.type = FERRY_MSG_APP, .to = 2}, bare = snap_to(2);
    struct body b;
    struct ferry_snapshot_source source, none, endless;
    unsigned n = 0;

    bare.snapshot = NULL;
    body_init(&b, SEED, 100);
    source = none = endless = body_source(&b);
    none.read = NULL;
    endless.size = FERRY_SIZE_UNKNOWN - 1; /* with the message, beyond any number */
    member_start(receiver);
    ck_assert_int_eq(ferry_transport_new(&sender->config, &sender->t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_send_snapshot(sender->t, &msg, &source), FERRY_ERR_STATE);
    ck_assert_uint_eq(b.n_closed, ++n);
    ck_assert_int_eq(ferry_transport_start(sender->t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_send_snapshot(sender->t, &msg, &source), FERRY_ERR_NOT_FOUND);
    ck_assert_uint_eq(b.n_closed, ++n);
    ck_assert_int_eq(b.close_err, FERRY_ERR_NOT_FOUND);
    connect_to(NULL);
    ck_assert_int_eq(ferry_transport_send_snapshot(sender->t, &other, &source), FERRY_ERR_INVALID);
    ck_assert_uint_eq(b.n_closed, ++n);
    ck_assert_int_eq(ferry_transport_send_snapshot(sender->t, &bare, &source), FERRY_ERR_INVALID);
    ck_assert_uint_eq(b.n_closed, ++n);
    ck_assert_int_eq(ferry_transport_send_snapshot(sender->t, &msg, &none), FERRY_ERR_INVALID);
    ck_assert_uint_eq(b.n_closed, ++n);
    ck_assert_int_eq(ferry_transport_send_snapshot(sender->t, &msg, &endless), FERRY_ERR_INVALID);
    ck_assert_uint_eq(b.n_closed, ++n);
    endless.size = INT64_MAX;
    ck_assert_int_eq(ferry_transport_send_snapshot(sender->t, &msg, &endless), FERRY_ERR_INVALID);
    ck_assert_uint_eq(b.n_closed, ++n);
    ferry_transport_stop(sender->t);
    ck_assert_int_eq(ferry_transport_send_snapshot(sender->t, &msg, &source), FERRY_ERR_CLOSED);
    ck_assert_uint_eq(b.n_closed, ++n);
    ck_assert_uint_eq(recorder_snapshots(&sender->recorder, 2, FERRY_SNAPSHOT_FAILURE), 0);
    ck_assert_uint_eq(b.at, 0);
    body_release(&b);
}
END_TEST

START_TEST(no_more_than_the_limit_are_under_way)
{
    struct metrics_page page;
    struct body bodies[3];

    sender->config.max_snapshots_out = 2;
    start_into_vault();
    for (size_t i = 0; i < 3; i++)
        body_init(&bodies[i], SEED, 10 * MIB);
    bodies[0].hold_at = bodies[1].hold_at = 5 * MIB;
    ck_assert_int_eq(send_body(&bodies[0], 2), FERRY_OK);
    ck_assert_int_eq(send_body(&bodies[1], 2), FERRY_OK);
    ck_assert_int_eq(send_body(&bodies[2], 2), FERRY_ERR_FULL);
    ck_assert_uint_eq(bodies[2].n_closed, 1);
    ck_assert(body_await_held(&bodies[0], patience_ms(10000)));
    ck_assert_uint_eq(member_status(sender, 2).snapshot_out.n_active, 1);
    ck_assert_uint_eq(member_status(sender, 2).snapshot_out.n_waiting, 1);
    ck_assert_uint_eq(member_status(sender, 2).queued_messages, 2);
    page = metrics_page_of(sender->t);
    ck_assert(metrics_page_value(&page, "ferry_peer_snapshots_active", "peer=2,direction=out") == 1);
    ck_assert(metrics_page_value(&page, "ferry_peer_snapshots_waiting", "peer=2") == 1);
    ck_assert(metrics_page_value(&page, "ferry_peer_snapshot_size_bytes", "peer=2,direction=out") >= 10 * MIB);
    ck_assert(metrics_page_value(&page, "ferry_peer_snapshot_bytes", "peer=2,direction=out") <= 6 * MIB);
    metrics_page_release(&page);
    body_release_hold(&bodies[0]);
    body_release_hold(&bodies[1]);
    await_reports(2, 0, patience_ms(20000));
    for (size_t i = 0; i < 3; i++)
        body_release(&bodies[i]);
}
END_TEST

/* Each of these sources fails, with what it is closed with. */
START_TEST(a_source_that_fails_is_told_of_and_stores_nothing)
{
    static const struct {
        uint64_t size, announced, fail_at;
        int err;
        const char *words;
    } cases[] = {
        {MIB - 1, MIB, UINT64_MAX, FERRY_ERR_TRUNCATED, "its source: it ends before its size"},    /* a byte short */
        {MIB + 1, MIB, UINT64_MAX, FERRY_ERR_TOO_LARGE, "its source: it goes on beyond its size"}, /* a byte long */
        {1, 0, UINT64_MAX, FERRY_ERR_TOO_LARGE, "beyond its size"},              /* where nothing was announced */
        {0, 1, UINT64_MAX, FERRY_ERR_TRUNCATED, "before its size"},              /* */
        {5 * MIB, 5 * MIB, 3 * MIB, FERRY_ERR_SYSTEM, "its source: "},           /* in the middle */
        {5 * MIB, 5 * MIB, 0, FERRY_ERR_SYSTEM, "its source: "},                 /* at once */
        {5 * MIB, FERRY_SIZE_UNKNOWN, 3 * MIB, FERRY_ERR_SYSTEM, "its source: "} /* where no length tells */
    };
    size_t n = sizeof(cases) / sizeof(cases[0]);

    start_into_dir();
    for (size_t i = 0; i < n; i++) {
        struct body b;

        body_init(&b, SEED, cases[i].size);
        b.announced = cases[i].announced;
        b.fail_at = cases[i].fail_at;
        ck_assert_int_eq(send_and_await(&b), cases[i].err);
        body_release(&b);
        await_reports(i, i + 1, patience_ms(10000));
        ck_assert_uint_gt(journal_count(&sender->journal, FERRY_LOG_WARN, 2, cases[i].words), 0);
        send_whole(MIB);
        check_file(MIB);
        await_files(1);
        ck_assert_int_eq(unlink(path_in_dir(FINAL_NAME)), 0);
        ck_assert_uint_eq(recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP), i + 1);
    }
}
END_TEST

START_TEST(a_sink_that_fails_tells_the_sender_why)
{
    struct body b;
    size_t n = 0;

    start_into_vault();
    body_init(&b, SEED, 40 * MIB);
    vault.open_err = EACCES;
    ck_assert_int_eq(send_and_await(&b), FERRY_ERR_HTTP_STATUS);
    await_reports(0, ++n, patience_ms(10000));
    ck_assert_uint_gt(
        journal_count(&sender->journal, FERRY_LOG_WARN, 2, "failed to save KV snapshot (Permission denied)"), 0);
    ck_assert_uint_eq(vault.n_opened, 0);

    b.n_closed = 0;
    vault.open_err = 0;
    vault.write_err = ENOSPC;
    vault.write_err_at = 10 * MIB;
    ck_assert_int_eq(send_and_await(&b), FERRY_ERR_HTTP_STATUS);
    await_reports(0, ++n, patience_ms(10000));
    ck_assert_uint_gt(
        journal_count(&sender->journal, FERRY_LOG_WARN, 2, "failed to save KV snapshot (No space left on device)"), 0);
    ck_assert_uint_eq(vault.n_aborts, 1);

    b.n_closed = 0;
    vault.write_err_at = UINT64_MAX;
    vault.commit_err = FERRY_ERR_SYSTEM;
    ck_assert_int_eq(send_and_await(&b), FERRY_ERR_HTTP_STATUS);
    await_reports(0, ++n, patience_ms(10000));
    ck_assert_uint_gt(
        journal_count(&sender->journal, FERRY_LOG_WARN, 2, "failed to save KV snapshot (a system call failed)"), 0);
    ck_assert_uint_eq(vault.n_commits, 1);

    b.n_closed = 0;
    vault.commit_err = 0;
    recorder_set_answer(&receiver->recorder, -1);
    ck_assert_int_eq(send_and_await(&b), FERRY_ERR_HTTP_STATUS);
    await_reports(0, ++n, patience_ms(10000));
    ck_assert_uint_gt(journal_count(&sender->journal, FERRY_LOG_WARN, 2, "failed to process raft message"), 0);
    recorder_set_answer(&receiver->recorder, 0);

    send_whole(MIB);
    await_reports(1, n, patience_ms(10000));
    body_release(&b);
}
END_TEST

START_TEST(a_member_that_stores_none_says_so)
{
    struct body b;

    member_start(sender);
    member_start(receiver);
    connect_to(NULL);
    body_init(&b, SEED, 20 * MIB);
    ck_assert_int_eq(send_and_await(&b), FERRY_ERR_HTTP_STATUS);
    await_reports(0, 1, patience_ms(10000));
    ck_assert_uint_gt(journal_count(&sender->journal, FERRY_LOG_WARN, 2, "501"), 0);
    ck_assert_uint_eq(recorder_fatal(&sender->recorder, NULL), 0);
    body_release(&b);
}
END_TEST

START_TEST(a_body_above_the_limit_is_refused)
{
    struct body b;

    receiver->config.max_snapshot_bytes = MIB;
    start_into_dir();
    for (int is_known = 0; is_known < 2; is_known++) {
        body_init(&b, SEED, 20 * MIB);
        b.announced = is_known ? 20 * MIB : FERRY_SIZE_UNKNOWN;
        ck_assert_int_eq(send_and_await(&b), FERRY_ERR_HTTP_STATUS);
        await_reports(0, (size_t)is_known + 1, patience_ms(10000));
        body_release(&b);
    }
    ck_assert_uint_gt(journal_count(&sender->journal, FERRY_LOG_WARN, 2, "413"), 1);
    send_whole(MIB);
    await_reports(1, 2, patience_ms(10000));
    await_files(1);
}
END_TEST

static bool has_place(void *arg)
{
    (void)arg;
    return member_status(receiver, 1).snapshot_in.n_active == 1;
}

START_TEST(a_sender_above_the_limit_is_refused)
{
    struct body held, b;

    receiver->config.max_snapshots_in = 1;
    receiver->config.snapshot_sink = vault_sink(&vault);
    member_start(sender);
    member_start(receiver);
    member_start(second);
    connect_to(NULL);
    member_add(second, receiver->id, member_url(receiver));
    body_init(&held, SEED, 10 * MIB);
    held.hold_at = 5 * MIB;
    ck_assert_int_eq(send_body(&held, 2), FERRY_OK);
    ck_assert(body_await_held(&held, patience_ms(10000)));
    ck_assert(members_wait(members, 3, has_place, NULL, patience_ms(10000)));
    body_init(&b, SEED, 10 * MIB);
    {
        struct ferry_message msg = snap_to(2);
        struct ferry_snapshot_source source = body_source(&b);
        int err;

        msg.from = second->id;
        ck_assert_int_eq(ferry_transport_send_snapshot(second->t, &msg, &source), FERRY_OK);
        ck_assert(body_await_close(&b, patience_ms(10000), &err));
        ck_assert_int_eq(err, FERRY_ERR_HTTP_STATUS);
        ck_assert_uint_gt(journal_count(&second->journal, FERRY_LOG_WARN, 2, "503"), 0);
    }
    body_release_hold(&held);
    await_reports(1, 0, patience_ms(20000));
    body_release(&held);
    body_release(&b);
}
END_TEST

/* ---- Cuts ----------------------------------------------------------------------------------------------------------
 */

START_TEST(a_link_that_is_cut_anywhere_is_told_of_and_the_next_attempt_succeeds)
{
    const uint64_t size = 4 * MIB;
    struct fault_proxy *proxy;
    size_t n_finish = 0, n_failure = 0;

    srandom(11);
    receiver->config.snapshot_dir = dir;
    member_start(sender);
    member_start(receiver);
    proxy = fault_proxy_new("127.0.0.1:0", member_url(receiver) + strlen("http://"), SEED);
    connect_to(fault_proxy_url(proxy));
    for (unsigned i = 0; i < N_CUTS; i++) {
        /* in the head, in the message, at the very end, and anywhere */
        uint64_t at = i == 0 ? 30 : i == 1 ? 400 : i == 2 ? size + 150 : (uint64_t)random() % size;
        struct body b;

        body_init(&b, SEED, size);
        fault_proxy_cut(proxy, "POST /raft/snapshot", at, i % 2 ? CUT_RESET : CUT_CLOSE);
        ck_assert_int_ne(send_and_await(&b), FERRY_OK);
        body_release(&b);
        await_reports(n_finish, ++n_failure, patience_ms(10000));
        ck_assert_uint_eq(fault_proxy_n_cut(proxy), i + 1);

        send_whole(size);
        await_reports(++n_finish, n_failure, patience_ms(10000));
        check_file(size);
        await_files(1);
        ck_assert_int_eq(unlink(path_in_dir(FINAL_NAME)), 0);
    }
    ck_assert_uint_eq(recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP), N_CUTS);
    member_stop(sender);
    fault_proxy_free(proxy);
}
END_TEST

/* A child process with a member in it; its URL comes by a pipe. */
struct child {
    pid_t pid;
    int up_fd;   /* from it */
    int down_fd; /* to it */
    char url[64];
};

static void read_line(int fd, char *line, size_t size)
{
    size_t len = 0;

    while (len + 1 < size && read(fd, line + len, 1) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
}

/* Forked before this process has any thread; it does nothing yet. */
static struct child child_fork(void (*fn)(int up_fd, int down_fd))
{
    struct child child = {.url = ""};
    int up[2], down[2];

    ck_assert(pipe(up) == 0 && pipe(down) == 0);
    child.pid = fork();
    ck_assert_int_ge(child.pid, 0);
    if (child.pid == 0) {
        char line[8];

        close(up[0]);
        close(down[1]);
        read_line(down[0], line, sizeof(line));
        if (strcmp(line, "begin") == 0)
            fn(up[1], down[0]);
        _exit(0);
    }
    close(up[1]);
    close(down[0]);
    child.up_fd = up[0];
    child.down_fd = down[1];
    return child;
}

static void child_begin(struct child *child)
{
    dprintf(child->down_fd, "begin\n");
    read_line(child->up_fd, child->url, sizeof(child->url));
    ck_assert_msg(strncmp(child->url, "http://", 7) == 0, "the child says: %s", child->url);
}

static void child_kill(struct child *child)
{
    int status;

    ck_assert_int_eq(kill(child->pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
    ck_assert(WIFSIGNALED(status));
    close(child->up_fd);
    close(child->down_fd);
}

/* The receiver in a process of its own: it says where it is, and lives until it is killed or nobody listens. */
static void receiver_child(int up_fd, int down_fd)
{
    char line[64];

    receiver->config.snapshot_dir = dir;
    member_start(receiver);
    dprintf(up_fd, "%s\n", member_url(receiver));
    read_line(down_fd, line, sizeof(line));
}

static bool has_moved(void *arg)
{
    const uint64_t *n = arg;

    return member_status(sender, receiver->id).snapshot_out.bytes > *n;
}

START_TEST(a_receiver_that_is_killed_is_told_of_and_its_successor_takes_the_next)
{
    struct child first = child_fork(receiver_child), next = child_fork(receiver_child);
    uint64_t moved = 8 * MIB;
    struct body b;
    int err;

    child_begin(&first);
    member_start(sender);
    member_add(sender, receiver->id, first.url);
    body_init(&b, SEED, 40 * MIB);
    b.hold_at = 20 * MIB; /* in the middle of the body */
    ck_assert_int_eq(send_body(&b, 2), FERRY_OK);
    ck_assert(members_wait(members, 3, has_moved, &moved, patience_ms(20000)));
    ck_assert(body_await_held(&b, patience_ms(10000)));
    child_kill(&first);
    await_reports(0, 1, patience_ms(10000));
    await_files(1); /* the part received: its process is dead */
    ck_assert_int_ne(access(path_in_dir(FINAL_NAME), F_OK), 0);
    body_release_hold(&b);
    ck_assert(body_await_close(&b, patience_ms(10000), &err));
    ck_assert_int_ne(err, FERRY_OK);
    body_release(&b);

    child_begin(&next);
    await_files(0);
    {
        const char *const urls[] = {next.url, NULL};

        ck_assert_int_eq(ferry_transport_update_peer(sender->t, 2, urls), FERRY_OK);
    }
    send_whole(4 * MIB);
    check_file(4 * MIB);
    await_files(1);
    child_kill(&next);
}
END_TEST

static int sender_up_fd;

static void on_ready_to_die(struct body *b)
{
    if (body_await_held(b, patience_ms(20000)))
        dprintf(sender_up_fd, "half\n");
}

/* The sender in a process of its own: it is told where to send, says when half is gone, and waits to be killed. */
static void sender_child(int up_fd, int down_fd)
{
    struct body b;
    char url[64];

    sender_up_fd = up_fd;
    member_start(sender);
    dprintf(up_fd, "%s\n", member_url(sender));
    read_line(down_fd, url, sizeof(url));
    member_add(sender, receiver->id, url);
    body_init(&b, SEED, 40 * MIB);
    b.hold_at = 20 * MIB;
    (void)send_body(&b, 2);
    on_ready_to_die(&b);
    read_line(down_fd, url, sizeof(url));
}

static bool has_lost_one(void *arg)
{
    (void)arg;
    return member_status(receiver, 1).snapshot_in.n_failed == 1;
}

START_TEST(a_sender_that_is_killed_leaves_nothing)
{
    struct child child = child_fork(sender_child);
    char line[64];

    receiver->config.snapshot_dir = dir;
    member_start(receiver);
    child_begin(&child);
    member_add(receiver, sender->id, child.url);
    dprintf(child.down_fd, "%s\n", member_url(receiver));
    read_line(child.up_fd, line, sizeof(line));
    ck_assert_str_eq(line, "half");
    child_kill(&child);
    ck_assert(members_wait(members, 3, has_lost_one, NULL, patience_ms(10000)));
    member_start(sender);
    member_add(sender, receiver->id, member_url(receiver));
    send_whole(4 * MIB);
    check_file(4 * MIB);
    await_files(1);
    ck_assert_uint_eq(recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP), 1);
}
END_TEST

/* For this process and as long as it lives. */
static bool mount_small_disk(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", dir, "tmpfs", 0, "size=8m") == 0;
}

START_TEST(a_full_disk_is_told_of_and_has_its_room_back)
{
    struct body b;

    if (!mount_small_disk()) {
        printf("# SKIP a small tmpfs cannot be mounted: %s\n", strerror(errno));
        return;
    }
    start_into_dir();
    body_init(&b, SEED, 64 * MIB);
    ck_assert_int_eq(send_and_await(&b), FERRY_ERR_HTTP_STATUS);
    body_release(&b);
    await_reports(0, 1, patience_ms(10000));
    ck_assert_uint_gt(
        journal_count(&sender->journal, FERRY_LOG_WARN, 2, "failed to save KV snapshot (No space left on device)"), 0);
    await_files(0);
    send_whole(6 * MIB);
    await_reports(1, 1, patience_ms(10000));
    check_file(6 * MIB);
}
END_TEST

/* ---- What others may say -------------------------------------------------------------------------------------------
 */

/* The length and the message of a POST's body, in a static buffer. */
static const uint8_t *frame_of(const struct ferry_message *msg, size_t *ret_len)
{
    static uint8_t frame[4096];
    struct fy_outgoing *out;
    struct fy_encoder encoder;

    ck_assert_int_eq(fy_outgoing_new(msg, FERRY_FORM_3_4, sizeof(frame), &out), FERRY_OK);
    fy_encoder_init(&encoder, FY_CODEC_MESSAGE, FERRY_FORM_3_4);
    fy_encoder_start(&encoder, out);
    *ret_len = fy_encoder_read(&encoder, frame, sizeof(frame));
    fy_outgoing_free(out);
    return frame;
}

static const char good_headers[] = "X-Server-From: 1\r\nX-Server-Version: 3.4.0\r\nX-Min-Cluster-Version: 3.0.0\r\n"
                                   "X-Etcd-Cluster-ID: 1000\r\n";

static void post(const char *head, const void *body, size_t len, struct fake_answer *ret_answer)
{
    static uint8_t request[1 << 20];
    size_t head_len = strlen(head);

    ck_assert_uint_le(head_len + len, sizeof(request));
    memcpy(request, head, head_len);
    memcpy(request + head_len, body, len);
    fake_ask(member_url(receiver), request, head_len + len, ret_answer, patience_ms(10000));
}

static void post_snapshot(const void *body, size_t len, size_t announced, struct fake_answer *ret_answer)
{
    char head[512];

    snprintf(head, sizeof(head),
             "POST /raft/snapshot HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
             good_headers, announced);
    post(head, body, len, ret_answer);
}

static void expect_answer(const struct fake_answer *answer, int status, const char *text)
{
    ck_assert_msg(answer->status == status && answer->body_len == strlen(text) &&
                      memcmp(answer->body, text, strlen(text)) == 0,
                  "%d \"%.*s\", not %d \"%s\"", answer->status, (int)answer->body_len, answer->body, status, text);
}

static void expect_refusal(const void *body, size_t len, int status, const char *text)
{
    struct fake_answer answer;

    post_snapshot(body, len, len, &answer);
    expect_answer(&answer, status, text);
    ck_assert_ptr_nonnull(fake_answer_header(&answer, "X-Etcd-Cluster-ID"));
}

START_TEST(each_refusal_has_etcds_words)
{
    static const struct {
        const char *head;
        int status;
        const char *text;
    } heads[] = {
        {"GET /raft/snapshot HTTP/1.1\r\nHost: a\r\n\r\n", 405, "Method Not Allowed\n"},
        {"POST /raft/snapshot HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 412, "incompatible version\n"},
        {"POST /raft/snapshot HTTP/1.1\r\nHost: a\r\nX-Server-Version: 3.4.0\r\nX-Min-Cluster-Version: "
         "3.0.0\r\nX-Etcd-Cluster-ID: 2\r\nContent-Length: 0\r\n\r\n",
         412, "cluster ID mismatch\n"},
        {"POST /raft/snapshot HTTP/1.1\r\nHost: a\r\nX-Server-Version: x\r\nContent-Length: 0\r\n\r\n", 400,
         "malformed X-Server-Version\n"},
    };
    static const uint8_t huge[8] = {0, 0, 0, 0, 4, 0, 0, 1}, garbage[12] = {0, 0, 0, 0, 0, 0, 0, 4, 255, 255, 255, 255};
    static const uint8_t zero[8], heartbeat[10] = {0, 0, 0, 0, 0, 0, 0, 2, 8, 8};
    static const uint8_t bare_snap[10] = {0, 0, 0, 0, 0, 0, 0, 2, 8, 7};
    struct ferry_message msg = snap_to(2), astray = snap_to(3);
    struct fake_answer answer;
    const uint8_t *frame;
    size_t len;

    start_into_dir();
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        post(heads[i].head, "", 0, &answer);
        expect_answer(&answer, heads[i].status, heads[i].text);
    }
    expect_refusal("", 0, 400, "failed to decode raft message (EOF)\n");
    expect_refusal(huge, 5, 400, "failed to decode raft message (unexpected EOF)\n");
    expect_refusal(huge, 8, 400, "failed to decode raft message (rafthttp: error limit exceeded)\n");
    expect_refusal(garbage, 12, 400, "failed to decode raft message (malformed bytes)\n");
    expect_refusal(zero, 8, 400, "wrong raft message type\n");
    expect_refusal(heartbeat, 10, 400, "wrong raft message type\n");
    expect_refusal(bare_snap, 10, 400, "failed to decode raft message (MsgSnap without a snapshot)\n");
    frame = frame_of(&astray, &len);
    expect_refusal(frame, len, 412, "to field mismatch\n");
    await_files(0);
    ck_assert_uint_eq(recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP), 0);

    frame = frame_of(&msg, &len);
    post_snapshot(frame, len, len, &answer); /* and this one is right */
    ck_assert_int_eq(answer.status, 204);
    ck_assert_str_eq(fake_answer_header(&answer, "X-Etcd-Cluster-ID"), "1000");
    check_file(0);
}
END_TEST

/* A long body and a refusal of its first bytes: the answer comes although the rest is still being sent. */
START_TEST(a_long_body_is_answered_before_its_end)
{
    static uint8_t body[512 * 1024];
    struct fake_answer answer;

    start_into_dir();
    memset(body, 255, sizeof(body));
    post_snapshot(body, sizeof(body), 100 * MIB, &answer);
    expect_answer(&answer, 400, "failed to decode raft message (rafthttp: error limit exceeded)\n");
    await_files(0);
}
END_TEST

/* An empty snapshot by raw POST, with the headers of a sender. */
static void post_as(const char *sender_headers, struct fake_answer *ret_answer)
{
    struct ferry_message msg = snap_to(2);
    const uint8_t *frame;
    char head[512];
    size_t len;

    frame = frame_of(&msg, &len);
    snprintf(head, sizeof(head),
             "POST /raft/snapshot HTTP/1.1\r\nHost: a\r\nX-Server-Version: 3.4.0\r\nX-Min-Cluster-Version: 3.0.0\r\n"
             "X-Etcd-Cluster-ID: 1000\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
             sender_headers, len);
    post(head, frame, len, ret_answer);
}

START_TEST(a_removed_members_snapshot_is_refused_before_it_is_stored)
{
    static const char body[] = "{\"message\":\"cannot process message from removed member\"}";
    struct fake_answer answer;

    receiver->config.snapshot_sink = vault_sink(&vault);
    recorder_set_removed(&receiver->recorder, 1);
    member_start(receiver);
    post_as("X-Server-From: 1\r\n", &answer);
    expect_answer(&answer, 403, body);
    ck_assert_str_eq(fake_answer_header(&answer, "Content-Type"), "application/json");
    ck_assert_str_eq(fake_answer_header(&answer, "X-Etcd-Cluster-ID"), "1000");
    ck_assert_uint_eq(vault.n_opened, 0);
    ck_assert_uint_eq(recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP), 0);
}
END_TEST

/* Is an empty snapshot taken now? */
static bool is_taken(void *arg)
{
    struct fake_answer *answer = arg;

    post_as("X-Server-From: 1\r\n", answer);
    return answer->status == 204;
}

START_TEST(who_sends_a_snapshot_is_remembered_and_who_is_unknown_is_counted)
{
    struct fake_answer answer;
    struct metrics_page page;

    receiver->config.snapshot_dir = dir;
    member_start(receiver);
    post_as("X-Server-From: 9\r\nX-PeerURLs: http://127.0.0.1:1\r\n", &answer);
    ck_assert_int_eq(answer.status, 204);
    ck_assert(member_status(receiver, 9).remote);
    ck_assert_uint_eq(member_status(receiver, 9).snapshot_in.n_finished, 1);
    post_as("X-Server-From: 8\r\n", &answer);
    ck_assert_int_eq(answer.status, 204);
    post_snapshot("", 0, 0, &answer);
    ck_assert_int_eq(answer.status, 400);
    page = metrics_page_of(receiver->t);
    ck_assert(metrics_page_value(&page, "etcd_network_snapshot_receive_success", "From=9") == 1);
    ck_assert(metrics_page_value(&page, "etcd_network_snapshot_receive_success", "From=UNKNOWN_SNAPSHOT_SENDER") == 1);
    ck_assert(metrics_page_value(&page, "etcd_network_snapshot_receive_failures", "From=UNKNOWN_SNAPSHOT_SENDER") == 1);
    metrics_page_release(&page);
}
END_TEST

static bool has_failed(void *arg)
{
    const uint64_t *n = arg;

    return member_status(receiver, 1).snapshot_in.n_failed == *n;
}

static bool has_come(void *arg)
{
    const uint64_t *n = arg;

    return recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP) == *n;
}

START_TEST(a_body_a_byte_short_is_nothing_and_one_a_byte_long_is_what_was_announced)
{
    struct ferry_message msg = snap_to(2);
    uint8_t body[20000];
    struct fake_answer answer;
    char head[512];
    size_t len;
    uint64_t one = 1;
    int fd;

    start_into_dir();
    memcpy(body, frame_of(&msg, &len), 100);
    body_bytes(SEED, 0, body + len, sizeof(body) - len);
    snprintf(head, sizeof(head), "POST /raft/snapshot HTTP/1.1\r\nHost: a\r\n%sContent-Length: %zu\r\n\r\n",
             good_headers, sizeof(body));
    fd = fake_dial(member_url(receiver), 0);
    ck_assert(fake_send(fd, head, strlen(head)) && fake_send(fd, body, sizeof(body) - 1));
    close(fd);
    ck_assert(members_wait(members, 3, has_failed, &one, patience_ms(10000)));
    ck_assert_uint_eq(recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP), 0);

    post_snapshot(body, sizeof(body), sizeof(body) - 1, &answer);
    ck_assert_int_eq(answer.status, 204);
    ck_assert(members_wait(members, 3, has_come, &one, patience_ms(10000)));
    check_file(sizeof(body) - 1 - len);
    await_files(1);
}
END_TEST

START_TEST(a_sender_that_does_not_move_is_let_go)
{
    struct ferry_message msg = snap_to(2);
    char head[512];
    const uint8_t *frame;
    struct fake_answer answer;
    size_t len;
    int fd;

    receiver->config.snapshot_stall_ms = 200; /* whatever takes longer is what is tested */
    start_into_dir();
    frame = frame_of(&msg, &len);
    snprintf(head, sizeof(head), "POST /raft/snapshot HTTP/1.1\r\nHost: a\r\n%sContent-Length: %" PRIu64 "\r\n\r\n",
             good_headers, 10 * MIB);
    fd = fake_dial(member_url(receiver), 0);
    ck_assert(fake_send(fd, head, strlen(head)) && fake_send(fd, frame, len));
    (void)fake_trickle(fd, head, strlen(head), 5); /* alive, but too slow to ever end */
    fake_read_answer(fd, &answer, patience_ms(10000));
    ck_assert_int_eq(answer.status, 408);
    close(fd);
    await_files(0);
    ck_assert_uint_eq(member_status(receiver, 1).snapshot_in.n_active, 0);
}
END_TEST

START_TEST(a_receiver_that_takes_nothing_is_given_up)
{
    struct fake_peer *fake = fake_peer_new();
    struct metrics_page page;
    struct body b;

    fake_peer_set_deaf(fake);
    sender->config.snapshot_stall_ms = patience_ms(300);
    member_start(sender);
    member_add(sender, receiver->id, fake_peer_url(fake));
    body_init(&b, SEED, 100 * MIB);
    ck_assert_int_eq(send_and_await(&b), FERRY_ERR_TIMEOUT);
    await_reports(0, 1, patience_ms(10000));
    page = metrics_page_of(sender->t);
    ck_assert(metrics_page_value(&page, "etcd_network_snapshot_send_failures", "To=2") == 1);
    ck_assert(metrics_page_value(&page, "etcd_network_peer_sent_failures_total", "To=2") == 1);
    metrics_page_release(&page);
    body_release(&b);
    member_stop(sender);
    fake_peer_free(fake);
}
END_TEST

/* Read the snapshot from one connection; the others wait for nothing. */
static int accept_snapshot(int listen_fd)
{
    static const char line[] = "POST /raft/snapshot ";
    uint64_t deadline_ms = monotonic_ms() + patience_ms(10000);
    char start[sizeof(line)] = "";

    for (;;) {
        struct pollfd fds = {.fd = listen_fd, .events = POLLIN};
        int fd;

        ck_assert_uint_lt(monotonic_ms(), deadline_ms);
        (void)poll(&fds, 1, 100);
        fd = raw_accept(listen_fd);
        if (fd < 0)
            continue;
        fds.fd = fd;
        ck_assert_int_eq(poll(&fds, 1, (int)patience_ms(10000)), 1);
        (void)recv(fd, start, sizeof(start) - 1, MSG_PEEK);
        if (strcmp(start, line) == 0)
            return fd;
    }
}

/*
 * A receiver behind a slow link.  The kernel takes much at once and then nothing for long: what counts is that it is
 * acknowledged bit by bit.  The bits are small against the time of a stall: the kernel opens a window again when a good
 * part of the receive buffer is free.
 */
START_TEST(a_link_that_is_slow_but_moves_is_no_stall)
{
    static const char answer[] = "HTTP/1.1 204 No Content\r\nX-Etcd-Cluster-ID: 1000\r\n\r\n";
    static char junk[4 * KIB];
    const struct timespec gap = {.tv_nsec = 10000000};
    int rcvbuf = 16 * KIB;
    struct body b;
    char url[64];
    int listen_fd = raw_listen(16, url, sizeof(url));
    int fd;

    ck_assert_int_eq(setsockopt(listen_fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
    sender->config.snapshot_stall_ms = patience_ms(300);
    member_start(sender);
    member_add(sender, receiver->id, url);
    body_init(&b, SEED, 4 * MIB - 256 * KIB);
    ck_assert_int_eq(send_body(&b, receiver->id), FERRY_OK);
    fd = accept_snapshot(listen_fd);
    while (member_status(sender, receiver->id).snapshot_out.bytes < b.size &&
           recorder_snapshots(&sender->recorder, receiver->id, FERRY_SNAPSHOT_FAILURE) == 0) {
        (void)recv(fd, junk, sizeof(junk), MSG_DONTWAIT);
        (void)nanosleep(&gap, NULL); /* the rate of the link, not a wait for something */
    }
    (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    while (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 100) == 1 && recv(fd, junk, sizeof(junk), 0) > 0)
        ;
    await_reports(1, 0, patience_ms(10000));
    close(fd);
    close(listen_fd);
    body_release(&b);
}
END_TEST

/* A slot takes the sink more than two windows of a stall, and the body is more than all slots hold. */
START_TEST(a_slow_sink_is_not_a_stall_of_the_sender)
{
    receiver->config.snapshot_stall_ms = 300;
    vault.bytes_per_s = FY_BODY_WRITE_SIZE * 3 / 2;
    start_into_vault();
    sender->config.snapshot_stall_ms = 60000;
    send_whole((FY_BODY_N_SLOTS + 2) * FY_BODY_WRITE_SIZE);
    await_reports(1, 0, patience_ms(20000));
    ck_assert(vault.is_right);
}
END_TEST

/* ---- Ends ----------------------------------------------------------------------------------------------------------
 */

static void begin_and_hold(struct body *b)
{
    body_init(b, SEED, 40 * MIB);
    b->hold_at = 20 * MIB;
    ck_assert_int_eq(send_body(b, 2), FERRY_OK);
    ck_assert(body_await_held(b, patience_ms(10000)));
}

START_TEST(removing_the_peer_cancels_what_is_under_way)
{
    struct body b, waiting;
    struct expected e = {0, 2};
    uint64_t one = 1;
    int err;

    start_into_dir();
    begin_and_hold(&b);
    body_init(&waiting, SEED, MIB);
    ck_assert_int_eq(send_body(&waiting, 2), FERRY_OK);
    ck_assert_int_eq(ferry_transport_remove_peer(sender->t, 2), FERRY_OK);
    ck_assert(members_wait(members, 3, has_reports, &e, patience_ms(10000)));
    ck_assert(body_await_close(&waiting, patience_ms(10000), &err));
    ck_assert_int_eq(err, FERRY_ERR_CANCELED);
    ck_assert_uint_eq(b.n_closed, 0); /* a read of it runs */
    body_release_hold(&b);
    ck_assert(body_await_close(&b, patience_ms(10000), &err));
    ck_assert_int_eq(err, FERRY_ERR_CANCELED);
    ck_assert(members_wait(members, 3, has_failed, &one, patience_ms(10000)));
    member_add(sender, 2, member_url(receiver));
    send_whole(MIB);
    check_file(MIB);
    await_files(1);
    body_release(&b);
    body_release(&waiting);
}
END_TEST

static bool is_accepted(void *arg)
{
    return send_body(arg, 2) == FERRY_OK;
}

/* Its worker and its memory are still in use, although its end was reported. */
START_TEST(a_source_that_is_stuck_counts_until_it_is_closed)
{
    struct body b, next;

    sender->config.max_snapshots_out = 1;
    start_into_dir();
    begin_and_hold(&b);
    ck_assert_int_eq(ferry_transport_remove_peer(sender->t, 2), FERRY_OK);
    ck_assert(members_wait(members, 3, has_reports, &(struct expected){0, 1}, patience_ms(10000)));
    member_add(sender, 2, member_url(receiver));
    body_init(&next, SEED, MIB);
    ck_assert_int_eq(send_body(&next, 2), FERRY_ERR_FULL);
    body_release_hold(&b);
    ck_assert(members_wait(members, 3, is_accepted, &next, patience_ms(10000)));
    ck_assert(members_wait(members, 3, has_reports, &(struct expected){1, 1}, patience_ms(10000)));
    body_release(&b);
    body_release(&next);
}
END_TEST

static bool is_stuck(void *arg)
{
    (void)arg;
    return vault_is_held(&vault);
}

START_TEST(a_sink_that_is_stuck_counts_until_it_has_ended)
{
    static uint8_t piece[2 * MIB]; /* more than is gathered before a write */
    struct ferry_message msg = snap_to(2);
    struct fake_answer answer;
    uint64_t one = 1;
    const uint8_t *frame;
    char head[512];
    size_t len;
    int fd;

    receiver->config.max_snapshots_in = 1;
    vault_hold(&vault, true);
    start_into_vault();
    frame = frame_of(&msg, &len);
    snprintf(head, sizeof(head), "POST /raft/snapshot HTTP/1.1\r\nHost: a\r\n%sContent-Length: %" PRIu64 "\r\n\r\n",
             good_headers, 10 * MIB);
    fd = fake_dial(member_url(receiver), 0);
    ck_assert(fake_send(fd, head, strlen(head)) && fake_send(fd, frame, len) && fake_send(fd, piece, sizeof(piece)));
    ck_assert(members_wait(members, 3, is_stuck, NULL, patience_ms(10000)));
    close(fd);
    ck_assert(members_wait(members, 3, has_failed, &one, patience_ms(10000)));
    post_snapshot(frame, len, len, &answer);
    ck_assert_int_eq(answer.status, 503);
    vault_hold(&vault, false);
    ck_assert(members_wait(members, 3, is_taken, &answer, patience_ms(10000)));
}
END_TEST

static bool has_arrived(void *arg)
{
    const uint64_t *n = arg;

    return member_status(receiver, 1).snapshot_in.bytes == *n;
}

/* Its last byte finds the writer full, and then it is gone before the sink goes on. */
START_TEST(a_sender_that_leaves_when_its_last_byte_waits_for_the_sink_leaves_nothing)
{
    static uint8_t body[4 * MIB - 128 * KIB + 1]; /* less than a piece is left of the slots, but only at the end */
    const struct linger reset = {.l_onoff = 1};
    struct ferry_message msg = snap_to(2);
    struct fake_answer answer;
    uint64_t one = 1, total;
    const uint8_t *frame;
    char head[512];
    size_t len;
    int fd;

    vault_hold(&vault, true);
    start_into_vault();
    frame = frame_of(&msg, &len);
    total = len + sizeof(body);
    snprintf(head, sizeof(head), "POST /raft/snapshot HTTP/1.1\r\nHost: a\r\n%sContent-Length: %" PRIu64 "\r\n\r\n",
             good_headers, total);
    fd = fake_dial(member_url(receiver), 0);
    ck_assert(fake_send(fd, head, strlen(head)) && fake_send(fd, frame, len) && fake_send(fd, body, sizeof(body)));
    ck_assert(members_wait(members, 3, has_arrived, &total, patience_ms(10000)));
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    close(fd);
    ck_assert(members_wait(members, 3, has_failed, &one, patience_ms(10000)));
    vault_hold(&vault, false);
    ck_assert(vault_await_end(&vault, 1, patience_ms(10000)));
    ck_assert_uint_eq(vault.n_aborts, 1);
    frame = frame_of(&msg, &len);
    post_snapshot(frame, len, len, &answer);
    ck_assert_int_eq(answer.status, 204);
}
END_TEST

START_TEST(a_paused_peer_is_sent_none)
{
    struct body b;

    start_into_dir();
    ferry_transport_pause(sender->t);
    body_init(&b, SEED, MIB);
    ck_assert_int_eq(send_and_await(&b), FERRY_ERR_CANCELED);
    await_reports(0, 1, patience_ms(10000));
    body_release(&b);
    ferry_transport_resume(sender->t);
    send_whole(MIB);
    await_reports(1, 1, patience_ms(10000));
}
END_TEST

START_TEST(a_member_that_was_removed_sends_none)
{
    static const enum ferry_drop_reason reason = FERRY_DROP_MEMBER_REMOVED;
    struct body under_way, waiting, late;
    struct body *const all[] = {&under_way, &waiting, &late};
    struct expected e = {0, 2};
    uint64_t one = 1;
    int err;

    start_into_dir();
    begin_and_hold(&under_way);
    body_init(&waiting, SEED, MIB);
    ck_assert_int_eq(send_body(&waiting, 2), FERRY_OK);
    recorder_set_removed(&second->recorder, 1);
    member_start(second);
    member_add(second, 1, member_url(sender));
    member_add(sender, second->id, member_url(second)); /* whose answer is 410 */
    ck_assert(members_wait(members, 3, has_reports, &e, patience_ms(10000)));
    ck_assert(members_wait(members, 3, has_failed, &one, patience_ms(10000)));
    body_init(&late, SEED, MIB);
    ck_assert_int_eq(send_body(&late, 2), FERRY_OK);
    await_reports(0, 3, patience_ms(10000));
    body_release_hold(&under_way);
    for (size_t i = 0; i < 3; i++) {
        ck_assert(body_await_close(all[i], patience_ms(10000), &err));
        ck_assert_int_eq(err, FERRY_ERR_MEMBER_REMOVED);
        body_release(all[i]);
    }
    ck_assert_uint_eq(member_status(sender, 2).counts.by_class[FERRY_CLASS_SNAPSHOT].dropped[reason], 3);
    ck_assert_uint_eq(recorder_of_type(&receiver->recorder, FERRY_MSG_SNAP), 0);
    await_files(0);
}
END_TEST

START_TEST(stopping_either_side_ends_it_once)
{
    struct body b;
    int err;

    start_into_dir();
    begin_and_hold(&b);
    member_stop(receiver);
    body_release_hold(&b);
    await_reports(0, 1, patience_ms(10000));
    ck_assert(body_await_close(&b, patience_ms(10000), &err));
    ck_assert_int_ne(err, FERRY_OK);
    await_files(0);
    body_release(&b);

    member_start(receiver);
    member_add(receiver, 1, member_url(sender));
    {
        const char *const urls[] = {member_url(receiver), NULL};

        ck_assert_int_eq(ferry_transport_update_peer(sender->t, 2, urls), FERRY_OK);
    }
    body_init(&b, SEED, 400 * MIB);
    b.bytes_per_s = 100 * MIB;
    ck_assert_int_eq(send_body(&b, 2), FERRY_OK);
    {
        uint64_t moved = 8 * MIB;

        ck_assert(members_wait(members, 3, has_moved, &moved, patience_ms(10000)));
    }
    member_stop(sender);
    ck_assert_uint_eq(b.n_closed, 1); /* stop has waited for it */
    ck_assert_int_eq(b.close_err, FERRY_ERR_CANCELED);
    ck_assert_uint_eq(recorder_snapshots(&sender->recorder, 2, FERRY_SNAPSHOT_FAILURE), 2);
    body_release(&b);
}
END_TEST

/* ---- Pace ----------------------------------------------------------------------------------------------------------
 */

START_TEST(all_snapshots_together_keep_to_the_rate)
{
    const uint64_t rate = 8 * MIB, size = 4 * MIB;
    struct vault other;
    struct body bodies[2];
    uint64_t begin_ns, took_ms;
    int err;

    vault_init(&other, SEED);
    sender->config.snapshot_bytes_per_s = rate;
    receiver->config.snapshot_sink = vault_sink(&vault);
    second->config.snapshot_sink = vault_sink(&other);
    for (size_t i = 0; i < 3; i++)
        member_start(&members[i]);
    member_add(sender, 2, member_url(receiver));
    member_add(sender, 3, member_url(second));
    begin_ns = monotonic_ns();
    for (size_t i = 0; i < 2; i++) {
        body_init(&bodies[i], SEED, size);
        ck_assert_int_eq(send_body(&bodies[i], i + 2), FERRY_OK);
    }
    for (size_t i = 0; i < 2; i++) {
        ck_assert(body_await_close(&bodies[i], patience_ms(20000), &err));
        ck_assert_int_eq(err, FERRY_OK);
        body_release(&bodies[i]);
    }
    took_ms = (monotonic_ns() - begin_ns) / 1000000;
    printf("# 8 MiB at 8 MiB/s took %" PRIu64 " ms\n", took_ms);
    ck_assert_uint_ge(took_ms, 900);
    ck_assert_uint_le(took_ms, patience_ms(3000));
    ck_assert(vault.is_right && other.is_right);
    ck_assert_uint_eq(other.n_commits, 1);
    member_stop(second);
    vault_release(&other);
}
END_TEST

/* ---- Heartbeats beside a snapshot ----------------------------------------------------------------------------------
 */

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The receiver answers a heartbeat. */
static void answer_heartbeat(void *arg, const struct ferry_message *msg)
{
    struct ferry_message response = {
        .type = FERRY_MSG_HEARTBEAT_RESP, .from = 2, .to = 1, .term = msg->term, .commit = msg->commit};

    (void)arg;
    if (msg->type == FERRY_MSG_HEARTBEAT)
        (void)ferry_transport_send(receiver->t, &response, 1);
}

#define MAX_ROUNDS 200000
#define HEARTBEAT_MS 2

#define N_ALONE 500

/* Sorts them. */
static uint64_t percentile_99(uint64_t *ns, size_t n)
{
    qsort(ns, n, sizeof(ns[0]), by_size);
    return ns[n * 99 / 100];
}

/* One heartbeat to the receiver and back, and then a moment's rest. */
static uint64_t round_trip_ns(void)
{
    struct timespec gap = {.tv_nsec = HEARTBEAT_MS * 1000000};
    struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2, .term = 6};
    uint64_t n = recorder_of_type(&sender->recorder, FERRY_MSG_HEARTBEAT_RESP);
    uint64_t begin_ns = monotonic_ns(), rtt_ns;

    member_send(sender, &msg);
    ck_assert(recorder_wait_of_type(&sender->recorder, FERRY_MSG_HEARTBEAT_RESP, n + 1, patience_ms(10000)));
    rtt_ns = monotonic_ns() - begin_ns;
    (void)nanosleep(&gap, NULL); /* the rate of heartbeats, not a wait for something */
    return rtt_ns;
}

START_TEST(heartbeats_keep_their_time_beside_a_snapshot_to_a_slow_disk)
{
    static uint64_t rtt_ns[MAX_ROUNDS], pace_ns[MAX_ROUNDS];
    uint64_t size = environment_number("FERRY_SNAPSHOT_MIB", PATIENCE_SANITIZED ? 16 : 256) * MIB;
    struct body b;
    struct pace pace;
    uint64_t limit_ns = 5000000, alone_ns, pace_99_ns;
    size_t n = 0, before;
    int err;

    receiver->recorder.on_message = answer_heartbeat;
    sender->config.delivery = receiver->config.delivery = FERRY_DELIVER_INLINE;
    sender->config.snapshot_stall_ms = receiver->config.snapshot_stall_ms = 60000;
    vault.bytes_per_s = environment_number("FERRY_SNAPSHOT_MIB_PER_S", PATIENCE_SANITIZED ? 16 : 128) * MIB;
    start_into_vault();
    members_await_streams(members, 2);
    for (size_t i = 0; i < N_ALONE; i++)
        rtt_ns[i] = round_trip_ns();
    alone_ns = percentile_99(rtt_ns, N_ALONE);
    if (limit_ns < rtt_ns[N_ALONE - 1])
        limit_ns = rtt_ns[N_ALONE - 1];
    before = peak_rss_kib();
    pace_start(&pace);
    body_init(&b, SEED, size);
    ck_assert_int_eq(send_body(&b, 2), FERRY_OK);
    while (!body_await_close(&b, 0, &err) && n < MAX_ROUNDS) {
        pace_ns[n] = pace_round_trip_ns(&pace);
        rtt_ns[n++] = round_trip_ns();
    }
    pace_stop(&pace);
    ck_assert(body_await_close(&b, patience_ms(60000), &err));
    ck_assert_int_eq(err, FERRY_OK);
    await_reports(1, 0, patience_ms(10000));
    ck_assert(vault.is_right && vault.size == size);
    (void)percentile_99(rtt_ns, n);
    pace_99_ns = percentile_99(pace_ns, n);
    if (limit_ns < 4 * alone_ns) /* the machine is busy with other things, before */
        limit_ns = 4 * alone_ns;
    if (limit_ns < 4 * pace_99_ns) /* or meanwhile */
        limit_ns = 4 * pace_99_ns;
    printf("# %" PRIu64 " MiB beside %zu heartbeats: p50 %" PRIu64 " us, p99 %" PRIu64 " us, most %" PRIu64
           " us (alone: p99 %" PRIu64 " us; the machine's own pace: p99 %" PRIu64
           " us); the peak of memory grew by %zu KiB\n",
           size / MIB, n, rtt_ns[n / 2] / 1000, rtt_ns[n * 99 / 100] / 1000, rtt_ns[n - 1] / 1000, alone_ns / 1000,
           pace_99_ns / 1000, peak_rss_kib() - before);
    ck_assert_uint_gt(n, 50);
    if (!PATIENCE_SANITIZED) {
        ck_assert_uint_lt(rtt_ns[n * 99 / 100], limit_ns);
        ck_assert_uint_lt(peak_rss_kib() - before, 2 * 8 * 1024);
    }
    body_release(&b);
}
END_TEST

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return rig_main(
        "snapshot", setup, teardown, bodies_of_all_sizes_come_whole, and_with_inline_delivery, and_in_a_hosts_loop,
        the_directory_holds_the_file_before_the_core_hears_of_it, a_part_of_a_file_is_sent_by_its_descriptor,
        a_snapshot_that_is_there_stays_and_counts, what_is_in_the_way_of_the_file_is_no_snapshot,
        what_a_dead_process_left_is_removed_at_the_start, a_directory_that_cannot_be_is_said_at_the_start,
        a_large_body_comes_whole_in_little_memory, what_cannot_be_accepted_is_an_error_and_closes_the_source,
        no_more_than_the_limit_are_under_way, a_source_that_fails_is_told_of_and_stores_nothing,
        a_sink_that_fails_tells_the_sender_why, a_member_that_stores_none_says_so, a_body_above_the_limit_is_refused,
        a_sender_above_the_limit_is_refused, a_link_that_is_cut_anywhere_is_told_of_and_the_next_attempt_succeeds,
        a_receiver_that_is_killed_is_told_of_and_its_successor_takes_the_next, a_sender_that_is_killed_leaves_nothing,
        a_full_disk_is_told_of_and_has_its_room_back, each_refusal_has_etcds_words,
        a_long_body_is_answered_before_its_end, a_removed_members_snapshot_is_refused_before_it_is_stored,
        who_sends_a_snapshot_is_remembered_and_who_is_unknown_is_counted,
        a_body_a_byte_short_is_nothing_and_one_a_byte_long_is_what_was_announced, a_sender_that_does_not_move_is_let_go,
        a_receiver_that_takes_nothing_is_given_up, a_link_that_is_slow_but_moves_is_no_stall,
        a_slow_sink_is_not_a_stall_of_the_sender, removing_the_peer_cancels_what_is_under_way,
        a_source_that_is_stuck_counts_until_it_is_closed, a_sink_that_is_stuck_counts_until_it_has_ended,
        a_sender_that_leaves_when_its_last_byte_waits_for_the_sink_leaves_nothing, a_paused_peer_is_sent_none,
        a_member_that_was_removed_sends_none, stopping_either_side_ends_it_once,
        all_snapshots_together_keep_to_the_rate, heartbeats_keep_their_time_beside_a_snapshot_to_a_slow_disk, NULL);
}
