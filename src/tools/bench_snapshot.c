/*
 * bench_snapshot - measures snapshot bodies, one after the other, from a function to a directory or discarded.
 *
 * The body is written into each send buffer, as a source that copies would do.  The time runs from the send to the end
 * of the source: the receiver has then stored the body and its core has the message.  The files are checked and removed
 * after the measurement, since deleting is the disk's work.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench_mode.h"
#include "tools/bench_options.h"
#include "tools/bench_pair.h"
#include "tools/bench_report.h"
#include "tools/progress.h"

struct snapshots {
    uint64_t size;
    char directory[256]; /* "": discard */
    struct progress ended;
    uint64_t n_left;           /* bytes of the body read so far */
    _Atomic int err;           /* result of the last one that ended */
    _Atomic uint64_t n_stored; /* bytes received by the discarding sink */
};

static int accept(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    (void)msg;
    return 0;
}

/* ---- The sender's side ---- */

static int64_t read_body(void *ctx, void *buf, size_t len)
{
    struct snapshots *run = ctx;
    size_t n = run->n_left < len ? (size_t)run->n_left : len;

    memset(buf, 0x5a, n);
    run->n_left -= n;
    return (int64_t)n;
}

static void close_source(void *ctx, int err)
{
    struct snapshots *run = ctx;

    atomic_store(&run->err, err);
    progress_raise(&run->ended);
}

/* ---- The receiver's side ---- */

static int open_nothing(void *ctx, const struct ferry_message *msg, uint64_t size, void **ret_body)
{
    (void)msg;
    (void)size;
    *ret_body = ctx;
    return 0;
}

static int count_bytes(void *ctx, void *body, const void *data, size_t len)
{
    struct snapshots *run = ctx;

    (void)body;
    (void)data;
    atomic_fetch_add(&run->n_stored, len);
    return 0;
}

static int commit_nothing(void *ctx, void *body)
{
    (void)ctx;
    (void)body;
    return 0;
}

static void abort_nothing(void *ctx, void *body)
{
    (void)ctx;
    (void)body;
}

static void set_sink(void *ctx, struct ferry_config *cfg)
{
    struct snapshots *run = ctx;

    if (run->directory[0] != '\0')
        cfg->snapshot_dir = run->directory;
    else
        cfg->snapshot_sink = (struct ferry_snapshot_sink){
            .ctx = ctx, .open = open_nothing, .write = count_bytes, .commit = commit_nothing, .abort = abort_nothing};
}

/* ---- The measurement ---- */

static int send_one(struct snapshots *run, struct bench_pair *pair, uint64_t index)
{
    const uint64_t voters[] = {1, 2};
    const struct ferry_snapshot snapshot = {.index = index, .term = 1, .conf_state = {.voters = voters, .n_voters = 2}};
    const struct ferry_message msg = {.type = FERRY_MSG_SNAP, .from = 1, .to = 2, .term = 1, .snapshot = &snapshot};
    const struct ferry_snapshot_source source = {
        .ctx = run, .size = run->size, .read = read_body, .close = close_source};

    run->n_left = run->size;
    bench_pair_send_snapshot(pair, &msg, &source);
    if (!bench_pair_wait(pair, &run->ended, index))
        return -1;
    if (atomic_load(&run->err)) {
        fprintf(stderr, "ferry-bench: a snapshot failed: %s\n", ferry_strerror(atomic_load(&run->err)));
        return -1;
    }
    return 0;
}

/* Remove the files of n snapshots that were reported as stored. */
static int remove_files(const struct snapshots *run, uint64_t n)
{
    char path[sizeof(run->directory) + 32];
    int failed = 0;

    for (uint64_t i = 1; i <= n; i++) {
        (void)snprintf(path, sizeof(path), "%s/%016" PRIx64 ".snap.db", run->directory, i);
        if (unlink(path) != 0) {
            perror(path);
            failed = -1;
        }
    }
    return failed;
}

static int measure(struct snapshots *run, const struct bench_options *options, struct bench_result *ret_result)
{
    const struct bench_pair_cores cores = {run, accept, accept, set_sink};
    struct bench_pair *pair;
    int failed = 0;

    if (bench_pair_open(options, &cores, &pair))
        return -1;
    bench_result_begin(ret_result);
    for (uint64_t i = 1; i <= options->messages && failed == 0; i++)
        failed = send_one(run, pair, i);
    bench_result_end(ret_result);
    ret_result->messages = progress_count(&run->ended);
    ret_result->bytes = ret_result->messages * options->size;
    ret_result->drops = bench_pair_lost(pair);
    bench_pair_close(pair);
    if (run->directory[0] != '\0' && remove_files(run, ret_result->messages) != 0)
        failed = -1;
    if (failed == 0 && run->directory[0] == '\0' && atomic_load(&run->n_stored) != ret_result->bytes) {
        fprintf(stderr, "ferry-bench: the sink got %" PRIu64 " bytes\n", atomic_load(&run->n_stored));
        failed = -1;
    }
    return failed;
}

static int make_directory(char *path, size_t size)
{
    const char *parent = getenv("TMPDIR");
    int len = snprintf(path, size, "%s/ferry-bench-XXXXXX", parent && parent[0] ? parent : "/tmp");

    if (len > 0 && (size_t)len < size && mkdtemp(path))
        return 0;
    perror("ferry-bench: no directory for snapshots");
    return -1;
}

static int run_snapshot(const struct bench_options *options, struct bench_result *ret_result)
{
    struct snapshots run = {.size = options->size};
    int failed;

    if (progress_init(&run.ended)) {
        perror("ferry-bench");
        return -1;
    }
    failed = options->sink == BENCH_SINK_FILE ? make_directory(run.directory, sizeof(run.directory)) : 0;
    if (failed == 0) {
        failed = measure(&run, options, ret_result);
        if (run.directory[0] != '\0')
            (void)rmdir(run.directory); /* on failure, what is left in it may be of interest */
    }
    progress_release(&run.ended);
    return failed;
}

const struct bench_mode bench_snapshot = {
    .name = "snapshot",
    .summary = "snapshot bodies, one after the other",
    .has = BENCH_HAS_MESSAGES | BENCH_HAS_SIZE | BENCH_HAS_DELIVERY | BENCH_HAS_HOST | BENCH_HAS_TLS | BENCH_HAS_SINK,
    .messages = 1,
    .size = 1u << 30,
    .window = 1,
    .peers = 1,
    .max_size = (uint64_t)64 << 30,
    .run = run_snapshot,
};
