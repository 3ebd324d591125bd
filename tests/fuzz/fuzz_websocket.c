/*
 * fuzz_websocket - frames: any cut of the input gives the same messages; and heads of an upgrade.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/websocket.h"
#include "wire/websocket_upgrade.h"

#define MAX_MESSAGE 300

static void trace_control(struct fuzz_trace *trace, const struct fy_ws_piece *piece)
{
    unsigned code = 0;

    fuzz_trace_number(trace, piece->opcode);
    fuzz_trace_add(trace, piece->data, piece->len);
    if (piece->opcode == FY_WS_CLOSE)
        fuzz_trace_number(trace, (uint64_t)fy_ws_close_read(piece->data, piece->len, &code) + code);
}

static uint64_t run(struct fuzz_input *input, bool whole)
{
    struct fuzz_trace trace = {0};
    struct fy_ws_reader reader;
    uint8_t *copy = malloc(input->len + 1);
    size_t at = 0, n_message = 0;
    int got = FY_WS_NOTHING;

    memcpy(copy, input->data, input->len);
    fy_ws_reader_init(&reader, input->options & 1, MAX_MESSAGE);
    while (at < input->len && got >= 0) {
        size_t n = fuzz_cut(input, input->len - at, whole), n_used = 0;

        do {
            const uint64_t left = fy_ws_reader_left(&reader);
            struct fy_ws_piece piece;

            n -= n_used;
            got = fy_ws_reader_feed(&reader, copy + at, n, &n_used, &piece);
            if (got < 0)
                break;
            FUZZ_CHECK(n_used <= n && (left == 0 || n_used == (left < n ? left : n)));
            if (got == FY_WS_CONTROL)
                trace_control(&trace, &piece);
            if (got == FY_WS_DATA) {
                fuzz_trace_add(&trace, piece.data, piece.len);
                n_message = piece.is_first ? piece.len : n_message + piece.len;
                FUZZ_CHECK(n_message <= reader.message_len && n_message <= MAX_MESSAGE);
                if (piece.is_last)
                    fuzz_trace_number(&trace, n_message + piece.opcode);
            }
            at += n_used;
        } while (got > 0);
    }
    if (got >= 0)
        got = fy_ws_reader_end(&reader);
    fuzz_trace_number(&trace, (uint64_t)got);
    fuzz_trace_number(&trace, fy_ws_close_code(got));
    free(copy);
    return trace.hash;
}

/* One frame of all the input is read as it was written. */
static void write_and_read(struct fuzz_input *input)
{
    const uint8_t mask[4] = {1, (uint8_t)input->seed, 3, 4};
    uint8_t *frame = malloc(input->len + FY_WS_MAX_HEAD);
    struct fy_ws_reader reader;
    struct fy_ws_piece piece;
    size_t head, n_used;

    head = fy_ws_head_write(frame, FY_WS_BINARY, true, mask, input->len);
    fy_ws_mask(frame + head, input->data, input->len, mask, 0);
    fy_ws_reader_init(&reader, true, input->len);
    FUZZ_CHECK(fy_ws_reader_feed(&reader, frame, head + input->len, &n_used, &piece) == FY_WS_DATA);
    FUZZ_CHECK(piece.len == input->len && memcmp(piece.data, input->data, piece.len) == 0 && piece.is_last);
    free(frame);
}

/* Lines "NAME:VALUE", and what they make of an upgrade. */
static void upgrade(struct fuzz_input *input)
{
    char *text = fuzz_text(input), head[512], accept[FY_WS_ACCEPT_SIZE];
    struct fy_ws_upgrade got = {0};
    uint8_t payload[FY_WS_MAX_CONTROL];
    unsigned code;
    char *save, *line;
    size_t len;

    len = fy_ws_close_write(payload, 1000, text);
    FUZZ_CHECK(fy_ws_close_read(payload, len, &code) == 0 && code == 1000);
    for (line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        char *colon = strchr(line, ':');

        if (colon) {
            *colon = '\0';
            fy_ws_upgrade_add(&got, line, colon + 1);
        }
    }
    if (fy_ws_upgrade_judge_request(&got) == 101) {
        FUZZ_CHECK(fy_ws_accept_make(got.key, accept) == 0);
        fy_ws_request_format(head, sizeof(head), "/", "h", got.key, "");
        fy_ws_answer_format(head, sizeof(head), accept);
    }
    fy_ws_upgrade_judge_answer(&got, input->options & 2 ? 101 : 200, got.key[0] ? got.key : "dGhlIHNhbXBsZSBub25jZQ==");
    fy_ws_key_make((const uint8_t *)"the sample nonce", got.key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;

    if (!fuzz_begin(&input, data, size))
        return 0;
    FUZZ_CHECK(run(&input, true) == run(&input, false));
    write_and_read(&input);
    upgrade(&input);
    fuzz_end(&input);
    return 0;
}
