/*
 * bench_raw - sends the same bytes over a plain connection: the upper limit for members over it.
 *
 * First as many bytes as the messages take on the msgapp stream, written by one thread and read by another in pieces as
 * large as the library's; processor time is measured here.  Then round trips of one such frame, where both ends spin
 * for a moment before they sleep.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench_mode.h"
#include "tools/bench_options.h"
#include "tools/bench_report.h"
#include "tools/bench_wire.h"

#define FRAME_OVERHEAD 39 /* of a compact msgappv2 frame around one entry's data, with indices of three bytes */
#define PIECE ((size_t)128 << 10)
#define MAX_ROUNDS 10000
#define SPIN_NS 50000

struct raw {
    struct bench_wire_end ends[2];
    uint64_t n_frames;
    uint64_t n_rounds;
    size_t frame;
    size_t n_piece; /* bytes per write: complete frames, at least one */
    uint64_t n_read;
    uint8_t *out;
    uint8_t *in;
    uint8_t *echo;
};

static bool read_all(struct bench_wire_end *end, uint8_t *buf, size_t len)
{
    while (len > 0) {
        size_t n;

        bench_wire_spin(end, SPIN_NS);
        n = bench_wire_read(end, buf, len);
        if (n == 0)
            return false;
        buf += n;
        len -= n;
    }
    return true;
}

/* The reading end: counts all frames, confirms with one byte, and then returns each further frame. */
static void *reader_main(void *arg)
{
    struct raw *run = arg;
    struct bench_wire_end *end = &run->ends[1];
    uint64_t left = run->n_frames * run->frame;

    while (left > 0) {
        size_t n = bench_wire_read(end, run->in, left < PIECE ? (size_t)left : PIECE);

        if (n == 0)
            return NULL;
        left -= n;
        run->n_read += n;
    }
    if (!bench_wire_write(end, (const uint8_t *)"", 1))
        return NULL;
    for (uint64_t i = 0; i < run->n_rounds; i++)
        if (!read_all(end, run->echo, run->frame) || !bench_wire_write(end, run->echo, run->frame))
            return NULL;
    return NULL;
}

static bool stream(struct raw *run)
{
    uint64_t left = run->n_frames * run->frame;
    uint8_t done;

    while (left > 0) {
        size_t n = left < run->n_piece ? (size_t)left : run->n_piece;

        if (!bench_wire_write(&run->ends[0], run->out, n))
            return false;
        left -= n;
    }
    return bench_wire_read(&run->ends[0], &done, 1) == 1;
}

static bool go_round(struct raw *run, struct latency *latency)
{
    for (uint64_t i = 0; i < run->n_rounds; i++) {
        uint64_t began_ns = stopwatch_now_ns();

        if (!bench_wire_write(&run->ends[0], run->out, run->frame) || !read_all(&run->ends[0], run->out, run->frame))
            return false;
        latency_add(latency, stopwatch_now_ns() - began_ns);
    }
    return true;
}

static int measure(struct raw *run, struct bench_result *ret_result)
{
    pthread_t reader;
    bool is_fine;
    int err = pthread_create(&reader, NULL, reader_main, run);

    if (err) {
        fprintf(stderr, "ferry-bench: no thread for the reader: %s\n", strerror(err));
        return -1;
    }
    bench_result_begin(ret_result);
    is_fine = stream(run);
    bench_result_end(ret_result);
    is_fine = is_fine && go_round(run, &ret_result->latency);
    bench_wire_shut(&run->ends[0]);
    (void)pthread_join(reader, NULL); /* cannot fail: joined once, and by another thread */
    if (!is_fine)
        fputs("ferry-bench: the connection broke\n", stderr);
    return is_fine ? 0 : -1;
}

static int run_raw(const struct bench_options *options, struct bench_result *ret_result)
{
    struct raw run = {.n_frames = options->messages,
                      .n_rounds = options->messages < MAX_ROUNDS ? options->messages : MAX_ROUNDS,
                      .frame = options->size + FRAME_OVERHEAD};
    int failed = -1;

    run.n_piece = run.frame < PIECE ? PIECE / run.frame * run.frame : run.frame;
    run.out = calloc(1, run.n_piece);
    run.in = malloc(PIECE);
    run.echo = malloc(run.frame);
    if (!run.out || !run.in || !run.echo) {
        perror("ferry-bench");
    } else if (bench_wire_open(options->socket, options->tls, run.ends) == 0) {
        failed = measure(&run, ret_result);
        bench_wire_close(run.ends);
        ret_result->messages = run.n_read / run.frame;
        ret_result->bytes = ret_result->messages * options->size;
    }
    free(run.echo);
    free(run.in);
    free(run.out);
    return failed;
}

const struct bench_mode bench_raw = {
    .name = "raw",
    .summary = "the same bytes over a plain connection: the upper limit",
    .has = BENCH_HAS_MESSAGES | BENCH_HAS_SIZE | BENCH_HAS_SOCKET | BENCH_HAS_TLS,
    .messages = 100000,
    .size = 64,
    .window = 1,
    .peers = 1,
    .max_size = (uint64_t)256 << 20,
    .run = run_raw,
};
