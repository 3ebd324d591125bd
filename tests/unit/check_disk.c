/*
 * check_disk - jobs with and without workers, the slots between a disk and the loop, and the snapshot directory.
 */
#include "config.h" /* mincore */

#include "disk/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "disk/body_reader.h"
#include "disk/body_slots.h"
#include "disk/body_writer.h"
#include "disk/snapshot_dir.h"
#include "harness/heap.h"
#include "harness/http_rig.h"
#include "harness/rig.h"
#include "harness/snapshots.h"
#include "net/sim/sim.h"
#include "wire/message.h"

static struct fy_errands errands;
static struct fy_disk disk;

static void on_wake(void *arg)
{
    (void)arg;
    fy_errands_run(&errands);
}

/* In place of the loop. */
static void stop_disk(void)
{
    fy_disk_join(&disk);
    fy_errands_drain(&errands);
    fy_disk_finish(&disk);
}

/* ---- On workers: a real loop ---------------------------------------------------------------------------------------
 */

static void setup(void)
{
    http_setup();
    fy_errands_init(&errands);
    fy_errands_start(&errands, http_net);
    fy_disk_init(&disk);
    fy_net_set_on_wake(http_net, on_wake, NULL);
}

static void teardown(void)
{
    stop_disk();
    fy_disk_release(&disk);
    fy_errands_release(&errands);
    fy_net_set_on_wake(http_net, NULL, NULL);
    http_teardown();
}

struct job {
    struct fy_disk_job job;
    pthread_t ran_on;
    sigset_t blocked;      /* there */
    atomic_bool *wait_for; /* NULL: nothing */
    bool is_done;
    struct job *then; /* submitted by done */
};

static void run(struct fy_disk_job *j)
{
    struct job *job = fy_container(j, struct job, job);

    job->ran_on = pthread_self();
    (void)pthread_sigmask(SIG_SETMASK, NULL, &job->blocked);
    while (job->wait_for && !atomic_load(job->wait_for))
        ;
}

static void done(struct fy_disk_job *j)
{
    struct job *job = fy_container(j, struct job, job);

    job->is_done = true;
    if (job->then)
        fy_disk_submit(&disk, &job->then->job);
}

static struct job new_job(void)
{
    return (struct job){.job = {.run = run, .done = done}};
}

START_TEST(a_job_runs_elsewhere_and_is_done_here)
{
    struct job job = new_job();

    ck_assert_int_eq(fy_disk_start(&disk, &errands, 2), FERRY_OK);
    ck_assert_int_eq(fy_disk_prepare(&disk), FERRY_OK);
    ck_assert_uint_eq(disk.n_threads, 1);
    fy_disk_submit(&disk, &job.job);
    HTTP_UNTIL(job.is_done);
    ck_assert(!pthread_equal(job.ran_on, pthread_self()));
}
END_TEST

/* An embedder's source or sink that crashes is its debugger's, or its handler's. */
START_TEST(a_job_gets_no_signals_but_those_of_its_own_faults)
{
    struct job job = new_job();

    ck_assert_int_eq(fy_disk_start(&disk, &errands, 1), FERRY_OK);
    ck_assert_int_eq(fy_disk_prepare(&disk), FERRY_OK);
    fy_disk_submit(&disk, &job.job);
    HTTP_UNTIL(job.is_done);
    ck_assert_int_eq(sigismember(&job.blocked, SIGTERM), 1);
    ck_assert_int_eq(sigismember(&job.blocked, SIGSEGV), 0);
    ck_assert_int_eq(sigismember(&job.blocked, SIGBUS), 0);
}
END_TEST

START_TEST(a_job_that_is_stuck_holds_no_other)
{
    atomic_bool may_go = false;
    struct job stuck = new_job(), other = new_job();

    stuck.wait_for = &may_go;
    ck_assert_int_eq(fy_disk_start(&disk, &errands, 2), FERRY_OK);
    ck_assert_int_eq(fy_disk_prepare(&disk), FERRY_OK);
    fy_disk_submit(&disk, &stuck.job);
    fy_disk_submit(&disk, &other.job);
    HTTP_UNTIL(other.is_done);
    ck_assert(!stuck.is_done);
    atomic_store(&may_go, true);
    HTTP_UNTIL(stuck.is_done);
    ck_assert_uint_le(disk.n_threads, 2);
}
END_TEST

START_TEST(no_more_workers_than_the_limit)
{
    struct job jobs[50];
    size_t n = 0;

    ck_assert_int_eq(fy_disk_start(&disk, &errands, 3), FERRY_OK);
    ck_assert_int_eq(fy_disk_prepare(&disk), FERRY_OK);
    for (size_t i = 0; i < 50; i++) {
        jobs[i] = new_job();
        fy_disk_submit(&disk, &jobs[i].job);
    }
    for (; n < 50; n++)
        HTTP_UNTIL(jobs[n].is_done);
    ck_assert_uint_le(disk.n_threads, 3);
}
END_TEST

START_TEST(stop_runs_all_that_waits_and_what_that_causes)
{
    struct job first = new_job(), second = new_job(), third = new_job();

    first.then = &second;
    second.then = &third;
    ck_assert_int_eq(fy_disk_start(&disk, &errands, 1), FERRY_OK);
    ck_assert_int_eq(fy_disk_prepare(&disk), FERRY_OK);
    fy_disk_submit(&disk, &first.job);
    stop_disk();
    ck_assert(first.is_done && second.is_done && third.is_done);
}
END_TEST

START_TEST(start_fails_without_memory)
{
    heap_fail_at(0);
    ck_assert_int_eq(fy_disk_start(&disk, &errands, 1), FERRY_ERR_NOMEM);
    heap_fail_at(-1);
}
END_TEST

/* ---- Without workers: each step of a reader and of a writer, one after the other ------------------------------------
 */

static struct fy_sim *sim;
static struct fy_sim_node *node;
static struct body body;
static struct vault vault;
static unsigned n_events, n_freed;

static void begin_without_workers(void)
{
    ck_assert_int_eq(fy_sim_new(1, NULL, &sim), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "us", &node), FERRY_OK);
    fy_net_set_on_wake(fy_sim_node_net(node), on_wake, NULL);
    fy_errands_start(&errands, fy_sim_node_net(node));
    ck_assert_int_eq(fy_disk_start(&disk, &errands, 0), FERRY_OK);
    ck_assert_int_eq(fy_disk_prepare(&disk), FERRY_OK);
    n_events = n_freed = 0;
}

static void end_without_workers(void)
{
    stop_disk();
    fy_sim_free(sim);
}

static void let_it_run(void)
{
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + FY_SIM_MS);
}

static void on_event(void *arg)
{
    (void)arg;
    n_events++;
}

static void on_freed(void *arg)
{
    (void)arg;
    n_freed++;
}

START_TEST(a_reader_reads_ahead_as_far_as_its_slots_go)
{
    static uint8_t buf[100000];
    struct ferry_snapshot_source source;
    struct fy_body_reader *reader;
    uint64_t n_read = 0;

    begin_without_workers();
    body_init(&body, 3, 4 * FY_BODY_READ_SIZE + 77777);
    source = body_source(&body);
    ck_assert_int_eq(fy_body_reader_new(&disk, &source, &reader), FERRY_OK);
    let_it_run();
    ck_assert_uint_eq(body.at, 0); /* it was not started */
    fy_body_reader_start(reader, on_event, NULL);
    let_it_run();
    ck_assert_uint_eq(body.at, FY_BODY_N_SLOTS * FY_BODY_READ_SIZE);
    ck_assert_uint_eq(n_events, FY_BODY_N_SLOTS);
    while (!fy_body_reader_is_at_end(reader)) {
        size_t n = fy_body_reader_read(reader, buf, sizeof(buf));

        ck_assert(body_matches(3, n_read, buf, n));
        n_read += n;
        let_it_run();
    }
    ck_assert_uint_eq(n_read, body.size);
    ck_assert_int_eq(fy_body_reader_error(reader), FERRY_OK);
    fy_body_reader_close(reader, FERRY_ERR_EOF, on_freed, NULL);
    ck_assert_uint_eq(n_freed, 0);
    let_it_run();
    ck_assert_uint_eq(n_freed, 1);
    ck_assert_uint_eq(body.n_closed, 1);
    ck_assert_int_eq(body.close_err, FERRY_ERR_EOF);
    body_release(&body);
    end_without_workers();
}
END_TEST

START_TEST(the_last_bytes_wait_for_the_end_to_be_seen)
{
    static const struct {
        uint64_t size, announced;
        int err;
    } cases[] = {{1000, 1000, FERRY_OK}, {1001, 1000, FERRY_ERR_TOO_LARGE}, {999, 1000, FERRY_ERR_TRUNCATED},
                 {0, 0, FERRY_OK},       {1, 0, FERRY_ERR_TOO_LARGE},       {5, FERRY_SIZE_UNKNOWN, FERRY_OK}};

    begin_without_workers();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ferry_snapshot_source source;
        struct fy_body_reader *reader;

        body_init(&body, 3, cases[i].size);
        body.announced = cases[i].announced;
        source = body_source(&body);
        ck_assert_int_eq(fy_body_reader_new(&disk, &source, &reader), FERRY_OK);
        fy_body_reader_start(reader, on_event, NULL);
        let_it_run();
        ck_assert_int_eq(fy_body_reader_error(reader), cases[i].err);
        if (cases[i].err == FERRY_ERR_TOO_LARGE)
            ck_assert_uint_eq(fy_body_reader_available(reader), 0);
        if (cases[i].err == FERRY_OK)
            ck_assert_uint_eq(fy_body_reader_available(reader), cases[i].size);
        ck_assert(!fy_body_reader_is_at_end(reader) || cases[i].size == 0);
        fy_body_reader_close(reader, 0, on_freed, NULL);
        fy_errands_run(&errands);
        body_release(&body);
    }
    end_without_workers();
}
END_TEST

static int64_t answer_of(void *ctx, void *buf, size_t len)
{
    (void)buf;
    (void)len;
    return *(const int64_t *)ctx;
}

/* What is neither a number of bytes nor an error must not be taken for success, nor asked for again and again. */
START_TEST(a_source_that_answers_nonsense_fails)
{
    static int64_t nonsense[] = {INT64_MIN, -(INT64_C(1) << 32), FY_BODY_READ_SIZE + 1, INT64_MAX};

    begin_without_workers();
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        struct ferry_snapshot_source source = {
            .ctx = &nonsense[i], .size = FERRY_SIZE_UNKNOWN, .read = answer_of, .fd = -1};
        struct fy_body_reader *reader;

        ck_assert_int_eq(fy_body_reader_new(&disk, &source, &reader), FERRY_OK);
        n_events = 0;
        fy_body_reader_start(reader, on_event, NULL);
        while (n_events == 0)
            ck_assert(fy_sim_step(sim));
        ck_assert_int_eq(fy_body_reader_error(reader), FERRY_ERR_INVALID);
        fy_body_reader_close(reader, FERRY_ERR_INVALID, on_freed, NULL);
        let_it_run();
    }
    end_without_workers();
}
END_TEST

START_TEST(a_file_that_cannot_be_read_says_why)
{
    struct ferry_snapshot_source source = {.size = 1000, .fd = open("/", O_RDONLY | O_DIRECTORY)};
    struct fy_body_reader *reader;

    ck_assert_int_ge(source.fd, 0);
    begin_without_workers();
    ck_assert_int_eq(fy_body_reader_new(&disk, &source, &reader), FERRY_OK);
    fy_body_reader_start(reader, on_event, NULL);
    let_it_run();
    ck_assert_int_eq(fy_body_reader_error(reader), FERRY_ERR_SYSTEM);
    ck_assert_str_eq(fy_body_reader_reason(reader), strerror(EISDIR));
    fy_body_reader_close(reader, FERRY_ERR_SYSTEM, on_freed, NULL);
    let_it_run();
    end_without_workers();
    close(source.fd);
}
END_TEST

static const struct ferry_message *decoded_snap(void)
{
    static const uint8_t bytes[] = {8, 7, 0x4a, 4, 0x12, 2, 0x10, 9}; /* MsgSnap, snapshot of index 9 */
    const struct ferry_message *msg;

    ck_assert_int_eq(fy_message_decode(bytes, sizeof(bytes), 1 << 16, &msg), FERRY_OK);
    ck_assert_ptr_nonnull(msg->snapshot);
    ck_assert_uint_eq(msg->snapshot->index, 9);
    return msg;
}

static struct fy_body_writer *new_writer(void)
{
    const struct ferry_message *msg = decoded_snap();
    struct ferry_snapshot_sink sink = vault_sink(&vault);
    struct fy_body_writer *writer;

    ck_assert_int_eq(fy_body_writer_new(&disk, &sink, msg, FERRY_SIZE_UNKNOWN, on_event, NULL, &writer), FERRY_OK);
    ferry_message_unref(msg);
    return writer;
}

START_TEST(a_writer_fills_up_and_has_room_again)
{
    static uint8_t piece[FY_BODY_PIECE_MAX];
    struct fy_body_writer *writer;
    uint64_t n_put = 0;

    begin_without_workers();
    vault_init(&vault, 4);
    writer = new_writer();
    for (int round = 0; round < 5; round++) {
        while (!fy_body_writer_is_full(writer)) {
            size_t len = sizeof(piece) - (size_t)round * 1000;

            body_bytes(4, n_put, piece, len);
            fy_body_writer_put(writer, piece, len);
            n_put += len;
        }
        n_events = 0;
        let_it_run();
        ck_assert_uint_gt(n_events, 0);
        ck_assert(!fy_body_writer_is_full(writer));
    }
    ck_assert(!fy_body_writer_is_stored(writer));
    fy_body_writer_commit(writer);
    let_it_run();
    ck_assert(fy_body_writer_is_stored(writer));
    ck_assert_uint_eq(vault.size, n_put);
    ck_assert(vault.is_right);
    fy_body_writer_let_go(writer, on_freed, NULL);
    ck_assert_uint_eq(vault.n_commits, 1);
    ck_assert_uint_eq(vault.n_aborts, 0);
    vault_release(&vault);
    end_without_workers();
}
END_TEST

/* Let go of a writer after so many steps of its: whatever it was doing, the sink sees one end. */
START_TEST(a_writer_that_is_let_go_at_any_time_ends_once)
{
    static uint8_t piece[1000];

    begin_without_workers();
    for (int steps = 0; steps < 6; steps++)
        for (int how = 0; how < 4; how++) {
            struct fy_body_writer *writer;

            vault_init(&vault, 4);
            vault.open_err = how == 1 ? FERRY_ERR_SYSTEM : 0;
            vault.write_err = how == 2 ? 28 : 0;
            vault.write_err_at = how == 2 ? 0 : UINT64_MAX;
            vault.commit_err = how == 3 ? 5 : 0;
            writer = new_writer();
            body_bytes(4, 0, piece, sizeof(piece));
            fy_body_writer_put(writer, piece, sizeof(piece));
            fy_body_writer_commit(writer);
            for (int i = 0; i < steps; i++)
                (void)fy_sim_step(sim);
            n_freed = 0;
            fy_body_writer_let_go(writer, on_freed, NULL);
            n_events = 0;
            let_it_run();
            ck_assert_uint_eq(n_freed, 1);
            ck_assert_uint_eq(n_events, 0);
            ck_assert_uint_eq(vault.n_opened, vault.n_commits + vault.n_aborts);
            ck_assert_uint_eq(vault.n_misuses, 0);
            if (steps >= 4 && how == 0)
                ck_assert_uint_eq(vault.n_commits, 1);
            vault_release(&vault);
        }
    end_without_workers();
}
END_TEST

START_TEST(a_body_is_aborted_before_its_failure_is_told)
{
    static uint8_t piece[1000];
    struct fy_body_writer *writer;

    begin_without_workers();
    vault_init(&vault, 4);
    vault.write_err = 28;
    vault.write_err_at = 0;
    writer = new_writer();
    fy_body_writer_put(writer, piece, sizeof(piece));
    fy_body_writer_commit(writer);
    while (fy_body_writer_error(writer) == FERRY_OK)
        ck_assert(fy_sim_step(sim));
    ck_assert_uint_eq(vault.n_aborts, 1);
    fy_body_writer_let_go(writer, on_freed, NULL);
    let_it_run();
    ck_assert_uint_eq(vault.n_aborts, 1);
    vault_release(&vault);
    end_without_workers();
}
END_TEST

START_TEST(readers_and_writers_are_made_whole_or_not_at_all)
{
    struct ferry_snapshot_source source;
    struct ferry_snapshot_sink sink;
    const struct ferry_message *msg;
    struct fy_body_reader *reader;
    struct fy_body_writer *writer;
    int err = FERRY_ERR_NOMEM;

    begin_without_workers();
    body_init(&body, 1, 1 << 30); /* long enough for memory of its own */
    source = body_source(&body);
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_body_reader_new(&disk, &source, &reader);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    fy_body_reader_close(reader, FERRY_OK, on_freed, NULL);
    let_it_run();
    body_release(&body);

    vault_init(&vault, 4);
    msg = decoded_snap();
    sink = vault_sink(&vault);
    err = FERRY_ERR_NOMEM;
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_body_writer_new(&disk, &sink, msg, 1 << 30, on_event, NULL, &writer);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ferry_message_unref(msg);
    fy_body_writer_let_go(writer, on_freed, NULL);
    let_it_run();
    vault_release(&vault);
    end_without_workers();
}
END_TEST

/* Does the kernel know of advice for the memory at that address? */
static bool is_advised(const void *at)
{
    FILE *file = fopen("/proc/self/smaps", "r");
    bool is_there = false, is_advised = false;
    uintptr_t begin, end;
    char line[512];

    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
            is_there = begin <= (uintptr_t)at && (uintptr_t)at < end;
        else if (is_there && strncmp(line, "VmFlags:", 8) == 0)
            is_advised |= strstr(line, " hg") != NULL;
    }
    (void)fclose(file);
    return is_advised;
}

/* The kernel may have been built without large pages. */
static bool can_be_advised(void)
{
    return access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0;
}

START_TEST(a_long_body_alone_has_large_pages_and_the_heap_never)
{
    const size_t size = FY_BODY_N_SLOTS * FY_BODY_WRITE_SIZE;
    const uint64_t sizes[] = {0, size - 1, FERRY_SIZE_UNKNOWN, size, (uint64_t)1 << 40};
    struct fy_body_slots slots;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *memory;

        ck_assert_int_eq(fy_body_slots_init(&slots, FY_BODY_WRITE_SIZE, sizes[i]), FERRY_OK);
        memory = slots.memory;
        ck_assert_uint_eq((uintptr_t)memory % FY_BODY_ALIGNMENT, 0);
        memset(memory, 1, size);
        ck_assert_int_eq(is_advised(memory), i >= 3 && can_be_advised());
        ck_assert_int_eq(is_advised(memory + size - 1), i >= 3 && can_be_advised());
        fy_body_slots_release(&slots);
        ck_assert(!is_advised(memory)); /* whatever lies there now */
    }
}
END_TEST

/* ---- To a file ----------------------------------------------------------------------------------------------------
 */

#define IN_DIR "0000000000000009.snap.db" /* decoded_snap's */

static char dir_path[RIG_DIR_SIZE];

static const char *path_in_dir(void)
{
    static char path[RIG_DIR_SIZE + sizeof(IN_DIR)];

    snprintf(path, sizeof(path), "%s/" IN_DIR, dir_path);
    return path;
}

static void check_file(uint64_t size)
{
    char expected[65], seen[65];
    uint64_t seen_size;

    body_sha256(4, size, expected);
    ck_assert(file_sha256(path_in_dir(), seen, &seen_size));
    ck_assert_uint_eq(seen_size, size);
    ck_assert_str_eq(seen, expected);
}

/* Whole blocks and parts of them, from aligned memory and from any other: a disk takes only the first of each. */
START_TEST(a_directory_takes_pieces_of_any_size_from_anywhere)
{
    static const size_t lens[] = {8192, 4096, 1, 4095, 8192, 100000, 4096 - 1696, 12288, 77};
    static const size_t places[] = {0, 1, 512};
    static _Alignas(4096) uint8_t memory[200000];
    const struct ferry_message *msg = decoded_snap();
    struct fy_snapshot_dir *snapshots;
    struct ferry_snapshot_sink sink;

    rig_make_dir(dir_path);
    ck_assert_int_eq(fy_snapshot_dir_new(dir_path, &snapshots), FERRY_OK);
    sink = fy_snapshot_dir_sink(snapshots);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint64_t n = 0;
        void *stored;

        ck_assert_int_eq(sink.open(sink.ctx, msg, FERRY_SIZE_UNKNOWN, &stored), 0);
        for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
            body_bytes(4, n, memory + places[i], lens[k]);
            ck_assert_int_eq(sink.write(sink.ctx, stored, memory + places[i], lens[k]), 0);
            n += lens[k];
        }
        ck_assert_int_eq(sink.commit(sink.ctx, stored), 0);
        check_file(n);
        ck_assert_int_eq(unlink(path_in_dir()), 0);
    }
    fy_snapshot_dir_free(snapshots);
    ferry_message_unref(msg);
    rig_remove_dir(dir_path);
}
END_TEST

/* Does the file system of dir_path write past the cache?  One in memory takes the flag, and is a cache itself. */
static bool has_direct_writes(void)
{
    int fd = open(dir_path, O_TMPFILE | O_WRONLY, 0600);
    bool can = fd >= 0 && fcntl(fd, F_SETFL, O_DIRECT) == 0;
    struct statfs fs;

    if (fd >= 0)
        (void)close(fd);
    return can && statfs(dir_path, &fs) == 0 && fs.f_type != 0x01021994; /* tmpfs */
}

static size_t count_cached_pages(uint64_t size)
{
    static unsigned char is_cached[(8 << 20) / 4096];
    size_t n_pages = (size + 4095) / 4096;
    size_t n = 0;
    int fd = open(path_in_dir(), O_RDWR);
    void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

    ck_assert_ptr_ne(memory, MAP_FAILED);
    ck_assert_int_eq(mincore(memory, size, is_cached), 0);
    for (size_t i = 0; i < n_pages; i++)
        n += is_cached[i] & 1;
    (void)munmap(memory, size);
    (void)close(fd);
    return n;
}

START_TEST(a_stored_body_passes_the_cache_by_but_for_its_end)
{
    static uint8_t piece[FY_BODY_PIECE_MAX];
    const uint64_t size = 3 * FY_BODY_WRITE_SIZE + 77;
    const struct ferry_message *msg = decoded_snap();
    struct fy_snapshot_dir *snapshots;
    struct ferry_snapshot_sink sink;
    struct fy_body_writer *writer;

    rig_make_dir(dir_path);
    begin_without_workers();
    ck_assert_int_eq(fy_snapshot_dir_new(dir_path, &snapshots), FERRY_OK);
    sink = fy_snapshot_dir_sink(snapshots);
    ck_assert_int_eq(fy_body_writer_new(&disk, &sink, msg, size, on_event, NULL, &writer), FERRY_OK);
    for (uint64_t n_put = 0; n_put < size;) {
        size_t len = size - n_put < sizeof(piece) ? (size_t)(size - n_put) : sizeof(piece);

        body_bytes(4, n_put, piece, len);
        fy_body_writer_put(writer, piece, len);
        n_put += len;
    }
    fy_body_writer_commit(writer);
    let_it_run();
    ck_assert(fy_body_writer_is_stored(writer));
    if (has_direct_writes())
        ck_assert_uint_le(count_cached_pages(size), 1); /* before it is read */
    else
        printf("# SKIP this file system writes by the cache alone\n");
    check_file(size);
    fy_body_writer_let_go(writer, on_freed, NULL);
    fy_snapshot_dir_free(snapshots);
    ferry_message_unref(msg);
    rig_remove_dir(dir_path);
    end_without_workers();
}
END_TEST

int main(void)
{
    return rig_main(
        "disk", setup, teardown, a_job_runs_elsewhere_and_is_done_here,
        a_job_gets_no_signals_but_those_of_its_own_faults, a_job_that_is_stuck_holds_no_other,
        no_more_workers_than_the_limit, stop_runs_all_that_waits_and_what_that_causes, start_fails_without_memory,
        a_reader_reads_ahead_as_far_as_its_slots_go, the_last_bytes_wait_for_the_end_to_be_seen,
        a_source_that_answers_nonsense_fails, a_file_that_cannot_be_read_says_why, a_writer_fills_up_and_has_room_again,
        a_writer_that_is_let_go_at_any_time_ends_once, a_body_is_aborted_before_its_failure_is_told,
        readers_and_writers_are_made_whole_or_not_at_all, a_long_body_alone_has_large_pages_and_the_heap_never,
        a_directory_takes_pieces_of_any_size_from_anywhere, a_stored_body_passes_the_cache_by_but_for_its_end, NULL);
}
