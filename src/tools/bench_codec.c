/*
 * bench_codec - measures encoding and decoding alone: no network, no threads, one message at a time.
 *
 * Encoding is the sender's and the stream writer's part of a message: into a block of its own, and from there as a
 * frame into a buffer.  Decoding is the stream reader's part.  The frames are compact msgappv2 frames, as in a steady
 * log.  This is the only mode that uses functions below ferry.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/bench_lock_codec.h"
#include "tools/bench_mode.h"
#include "tools/bench_options.h"
#include "tools/bench_report.h"
#include "wire/decoder.h"
#include "wire/encoder.h"
#include "wire/outgoing.h"

#define BATCH_BYTES ((size_t)128 << 10) /* frames that are encoded, and then decoded, per round */
#define MAX_BYTES ((size_t)512 << 20)
#define FORM FERRY_FORM_3_4

struct codec {
    const struct bench_options *options;
    const uint8_t *data;
    struct fy_encoder encoder;
    struct fy_decoder decoder;
    uint8_t *frames;
    size_t cap;
    size_t len;
    uint64_t n_encoded;
    uint64_t n_decoded;
    uint64_t encode_ns;
    uint64_t decode_ns;
};

static int tell(const char *what, int err)
{
    fprintf(stderr, "ferry-bench: cannot %s: %s\n", what, ferry_strerror(err));
    return -1;
}

/* Append message i to frames. */
static int encode_one(struct codec *run, uint64_t i)
{
    const struct ferry_entry entry = {
        .term = 1, .index = i + 1, .data = {.data = run->data, .len = run->options->size}};
    const struct ferry_message msg = {.type = FERRY_MSG_APP,
                                      .from = 1,
                                      .to = 2,
                                      .term = 1,
                                      .log_term = 1,
                                      .index = i,
                                      .entries = &entry,
                                      .n_entries = 1};
    struct fy_outgoing *out;
    int err = fy_outgoing_new(&msg, FORM, MAX_BYTES, &out);

    if (err != FERRY_OK)
        return tell("encode", err);
    fy_encoder_start(&run->encoder, out);
    run->len += fy_encoder_read(&run->encoder, run->frames + run->len, run->cap - run->len);
    fy_outgoing_free(out);
    return 0;
}

/* Fill frames, or encode those left.  All frames have the length of the last one, except for the growing index. */
static int encode_batch(struct codec *run)
{
    size_t frame = 0;
    uint64_t began_ns = stopwatch_now_ns();

    run->len = 0;
    while (run->n_encoded < run->options->messages && run->cap - run->len >= frame) {
        size_t before = run->len;

        if (encode_one(run, run->n_encoded))
            return -1;
        run->n_encoded++;
        frame = run->len - before + 16; /* the next index may need more bytes */
    }
    run->encode_ns += stopwatch_now_ns() - began_ns;
    return 0;
}

static int decode_batch(struct codec *run)
{
    const uint8_t *at = run->frames;
    size_t left = run->len;
    uint64_t began_ns = stopwatch_now_ns();

    while (left > 0) {
        const struct ferry_message *msg;
        size_t n_used, frame_len;
        int got = fy_decoder_feed(&run->decoder, at, left, &n_used, &msg, &frame_len);

        if (got != FY_DECODED_MESSAGE || msg->index != run->n_decoded)
            return tell("decode", got < 0 ? got : FERRY_ERR_MALFORMED);
        ferry_message_unref(msg);
        run->n_decoded++;
        at += n_used;
        left -= n_used;
    }
    run->decode_ns += stopwatch_now_ns() - began_ns;
    return 0;
}

static int run_codec(const struct bench_options *options, struct bench_result *ret_result)
{
    struct codec run = {.options = options, .cap = BATCH_BYTES + options->size};
    uint8_t *data = calloc(1, options->size + 1);
    int failed = 0;

    run.data = data;
    run.frames = malloc(run.cap);
    if (!data || !run.frames) {
        perror("ferry-bench");
        free(run.frames);
        free(data);
        return -1;
    }
    fy_encoder_init(&run.encoder, FY_CODEC_MSGAPPV2, FORM);
    fy_decoder_init(&run.decoder, FY_CODEC_MSGAPPV2, 2, 1, MAX_BYTES);
    bench_result_begin(ret_result);
    while (failed == 0 && run.n_encoded < options->messages)
        failed = encode_batch(&run) || decode_batch(&run) ? -1 : 0;
    bench_result_end(ret_result);
    fy_decoder_release(&run.decoder);
    ret_result->messages = run.n_decoded;
    ret_result->bytes = run.n_decoded * options->size;
    ret_result->encode_ns_per_msg = (double)run.encode_ns / (double)options->messages;
    ret_result->decode_ns_per_msg = (double)run.decode_ns / (double)options->messages;
    free(run.frames);
    free(data);
    return failed ? failed : bench_lock_codec(options, ret_result);
}

const struct bench_mode bench_codec = {
    .name = "codec",
    .summary = "encoding and decoding only, no network",
    .has = BENCH_HAS_MESSAGES | BENCH_HAS_SIZE,
    .messages = 1000000,
    .size = 64,
    .window = 1,
    .peers = 1,
    .max_size = (uint64_t)256 << 20,
    .run = run_codec,
};
