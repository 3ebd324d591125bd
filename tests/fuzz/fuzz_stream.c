/*
 * fuzz_stream - the two codecs of streams: any cut of the input gives the same messages, and a message that was read
 * can be written for every lane.
 */
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/shelf.h"
#include "fuzz.h"
#include "wire/decoder.h"
#include "wire/encoder.h"
#include "wire/outgoing.h"

#define MAX_BYTES ((size_t)256 << 10)

static uint8_t written[2 * MAX_BYTES];

/* Read the frame in pieces of different kinds; its bytes go to the trace. */
static void read_frame(struct fy_encoder *enc, struct fuzz_trace *trace)
{
    struct fy_encoder ahead;
    size_t left = fy_encoder_left(enc), n = 0;

    FUZZ_CHECK(left <= sizeof(written));
    fy_encoder_copy(&ahead, enc);
    fy_encoder_skip(&ahead, left / 2);
    FUZZ_CHECK(fy_encoder_left(&ahead) == left - left / 2);
    while (fy_encoder_left(enc) > 0) {
        struct iovec iov[3];
        uint8_t room[40];
        struct fy_gather g = fy_gather_runs(iov, 3, room, sizeof(room), left);

        n += fy_encoder_read(enc, written + n, 7);
        fy_encoder_gather(enc, &g);
        for (size_t i = 0; i < g.n_runs; i++) {
            memcpy(written + n, iov[i].iov_base, iov[i].iov_len);
            n += iov[i].iov_len;
        }
    }
    FUZZ_CHECK(n == left);
    fuzz_trace_add(trace, written, n);
}

/* Pack the message twice, as a send to two peers does, and frame it for each lane. */
static void write_again(const struct ferry_message *msg, enum ferry_wire_form form, struct fuzz_trace *trace)
{
    struct fy_shelf shelf;
    struct fy_packer packer = {.shelf = &shelf, .form = form, .max_bytes = MAX_BYTES};
    struct fy_outgoing *out[2] = {NULL, NULL};
    struct fy_list all;

    fy_list_init(&all);
    fy_shelf_init(&shelf, MAX_BYTES);
    for (int i = 0; i < 2; i++)
        if (fy_packer_pack(&packer, msg, i == 0 ? msg : NULL, &out[i]) != FERRY_OK)
            out[i] = NULL;
    fy_packer_release(&packer);
    for (int codec = FY_CODEC_MESSAGE; codec <= FY_CODEC_BARE && out[0] && out[1]; codec++) {
        struct fy_encoder enc;
        struct fuzz_trace traces[2] = {{0}, {0}};

        for (int i = 0; i < 2; i++) {
            fy_encoder_init(&enc, (enum fy_codec)codec, form);
            fy_encoder_start(&enc, out[i]);
            read_frame(&enc, &traces[i]);
        }
        FUZZ_CHECK(traces[0].hash == traces[1].hash);
        fuzz_trace_number(trace, traces[0].hash);
        if (codec != FY_CODEC_BARE) {
            fy_encoder_start_heartbeat(&enc);
            read_frame(&enc, trace);
        }
    }
    for (int i = 0; i < 2; i++)
        if (out[i])
            fy_list_append(&all, &out[i]->item.node);
    fy_outgoing_free_all(&all);
    fy_shelf_release(&shelf);
}

/* The same with entries that are long enough to be shared between messages. */
static void write_long(const struct ferry_message *msg, enum ferry_wire_form form, struct fuzz_trace *trace)
{
    static const uint8_t data[20000];
    const struct ferry_entry entry = {.term = msg->term, .index = msg->index + 1, .data = {data, sizeof(data)}};
    struct ferry_message with = *msg;

    with.entries = &entry;
    with.n_entries = 1;
    write_again(&with, form, trace);
}

static void take(int got, const struct ferry_message *msg, enum ferry_wire_form form, bool also_long,
                 struct fuzz_trace *trace)
{
    fuzz_trace_number(trace, (uint64_t)got);
    if (got != FY_DECODED_MESSAGE)
        return;
    FUZZ_CHECK(ferry_message_type_name(msg->type)[0] == 'M');
    write_again(msg, form, trace);
    if (also_long)
        write_long(msg, form, trace);
    ferry_message_unref(ferry_message_ref(msg));
    ferry_message_unref(msg);
}

static uint64_t run(struct fuzz_input *input, bool whole)
{
    const enum fy_codec codec = input->options & 1 ? FY_CODEC_MSGAPPV2 : FY_CODEC_MESSAGE;
    const enum ferry_wire_form form = (enum ferry_wire_form)((input->options >> 2) % 3);
    struct fuzz_trace trace = {0};
    struct fy_decoder dec;
    size_t at = 0;
    int got = 0;

    fy_decoder_init(&dec, codec, 1, 2, MAX_BYTES);
    while (at < input->len && got >= 0) {
        size_t cap, n = fuzz_cut(input, input->len - at, whole), n_used, len;
        uint8_t *room = input->options & 2 ? fy_decoder_room(&dec, &cap) : NULL;
        const uint8_t *from = input->data + at;
        const struct ferry_message *msg;

        if (room && cap > 0) {
            n = n < cap ? n : cap;
            from = memcpy(room, from, n);
        }
        got = fy_decoder_feed(&dec, from, n, &n_used, &msg, &len);
        if (got == FY_DECODED_NOTHING)
            FUZZ_CHECK(n_used == n);
        else
            take(got, msg, form, input->options & 16, &trace);
        at += got < 0 ? 0 : n_used;
        if (at % 64 == 0)
            fy_decoder_trim(&dec);
    }
    if (got >= 0)
        fuzz_trace_number(&trace, (uint64_t)fy_decoder_end(&dec));
    fy_decoder_release(&dec);
    return trace.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;
    uint64_t cut, whole;

    if (!fuzz_begin(&input, data, size))
        return 0;
    cut = run(&input, false);
    whole = run(&input, true);
    FUZZ_CHECK(data[2] != 255 || cut == whole); /* a failing heap hits them at different places */
    fuzz_end(&input);
    return 0;
}
