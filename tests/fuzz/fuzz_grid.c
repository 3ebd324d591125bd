/*
 * fuzz_grid - envelopes, their parts and payloads: what was decoded is encoded to what decodes the same.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "wire/grid_frame.h"
#include "wire/grid_names.h"
#include "wire/grid_payload.h"

static uint8_t buf[1 << 16];

/* Each reader sees the bytes; what it accepts is written, and reads again. */
static void payloads(struct ferry_bytes payload)
{
    struct ferry_msgpack_writer writer;
    struct ferry_msgpack_reader value;
    struct ferry_bytes again = {.data = buf}, error;
    const struct fy_grid_extra extra = {.n = 1, .pairs = {(const uint8_t *)"\xa1x\x01", 3}};
    struct fy_grid_connect connect;
    struct fy_grid_connect_response response;
    struct fy_grid_time time;
    struct fy_grid_pong pong;

    ferry_msgpack_writer_init(&writer, buf, sizeof(buf));
    if (fy_grid_connect_read(payload, &connect) == FERRY_OK) {
        fy_grid_connect_write(&writer, &connect, &extra);
        FUZZ_CHECK(ferry_msgpack_writer_end(&writer, &again.len) == FERRY_OK);
        FUZZ_CHECK(fy_grid_connect_read(again, &connect) == FERRY_OK);
        FUZZ_CHECK(fy_grid_map_find(again, "x", &value) == FERRY_OK && *value.data == 1);
    }
    ferry_msgpack_writer_init(&writer, buf, sizeof(buf));
    if (fy_grid_connect_response_read(payload, &response) == FERRY_OK) {
        fy_grid_connect_response_write(&writer, &response, &extra);
        FUZZ_CHECK(ferry_msgpack_writer_end(&writer, &again.len) == FERRY_OK);
        FUZZ_CHECK(fy_grid_connect_response_read(again, &response) == FERRY_OK);
    }
    ferry_msgpack_writer_init(&writer, buf, sizeof(buf));
    if (fy_grid_ping_read(payload, &time) == FERRY_OK) {
        fy_grid_ping_write(&writer, time);
        FUZZ_CHECK(ferry_msgpack_writer_end(&writer, &again.len) == FERRY_OK);
        FUZZ_CHECK(fy_grid_ping_read(again, &time) == FERRY_OK);
    }
    ferry_msgpack_writer_init(&writer, buf, sizeof(buf));
    if (fy_grid_pong_read(payload, &pong) == FERRY_OK) {
        fy_grid_pong_write(&writer, &pong);
        FUZZ_CHECK(ferry_msgpack_writer_end(&writer, &again.len) == FERRY_OK);
        FUZZ_CHECK(fy_grid_pong_read(again, &pong) == FERRY_OK);
    }
    ferry_msgpack_writer_init(&writer, buf, sizeof(buf));
    if (fy_grid_mux_error_read(payload, &error) == FERRY_OK) {
        fy_grid_mux_error_write(&writer, (const char *)error.data, error.len);
        FUZZ_CHECK(ferry_msgpack_writer_end(&writer, &again.len) == FERRY_OK);
        FUZZ_CHECK(fy_grid_mux_error_read(again, &error) == FERRY_OK);
    }
    (void)fy_grid_map_find(payload, "Error", &value);
}

static void encode_again(const struct fy_grid_message *msg)
{
    static uint8_t row[sizeof(buf)];
    struct fy_gather g = fy_gather_copy(row, sizeof(row));
    struct fy_grid_runs runs;
    struct fy_grid_message again;
    size_t len;

    FUZZ_CHECK(fy_grid_encode(msg, buf, 3, &len) == FERRY_ERR_TOO_LARGE);
    FUZZ_CHECK(fy_grid_encode(msg, buf, sizeof(buf), &len) == FERRY_OK && len == fy_grid_encoded_len(msg));
    FUZZ_CHECK(fy_grid_decode(buf, len, &again) == FERRY_OK && again.rest.len == 0);
    FUZZ_CHECK(again.mux == msg->mux && again.seq == msg->seq && again.deadline_ms == msg->deadline_ms);
    FUZZ_CHECK(again.handler == msg->handler && again.op == msg->op && again.flags == msg->flags);
    FUZZ_CHECK(again.payload.len == msg->payload.len && !again.payload.data == !msg->payload.data);
    FUZZ_CHECK(fy_grid_runs_init(&runs, msg) == len && fy_grid_runs_gather(&runs, 0, &g) == len);
    FUZZ_CHECK(memcmp(row, buf, len) == 0);
    g = fy_gather_copy(row, len / 2);
    FUZZ_CHECK(fy_grid_runs_gather(&runs, 0, &g) == len / 2);
    (void)fy_grid_op_name(msg->op);
}

static void names(struct fuzz_input *input)
{
    const char *text = fuzz_text(input);
    uint8_t key[32];

    FUZZ_CHECK(!(fy_grid_dials(text, "b") && fy_grid_dials("b", text)));
    FUZZ_CHECK(fy_grid_subroute_key(text, 7, key) == FERRY_OK && key[0] == 7 && key[1] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;
    struct fy_grid_message msg, part_msg;
    struct fy_grid_parts parts;
    struct ferry_bytes part;
    uint32_t n = 0;
    uint8_t head[FY_GRID_MAX_HEAD];

    if (!fuzz_begin(&input, data, size))
        return 0;
    if (fy_grid_decode(input.data, input.len, &msg) == FERRY_OK) {
        encode_again(&msg);
        payloads(msg.payload);
        if (fy_grid_parts_init(&parts, &msg) == FERRY_OK) {
            for (; fy_grid_parts_next(&parts, &part); n++) {
                fy_grid_part_head(head, (uint32_t)part.len);
                if (fy_grid_decode(part.data, part.len, &part_msg) == FERRY_OK)
                    encode_again(&part_msg);
            }
            FUZZ_CHECK(n == msg.seq);
        }
        fy_grid_merged_head(head, msg.seq);
    }
    payloads((struct ferry_bytes){input.data, input.len});
    names(&input);
    fuzz_end(&input);
    return 0;
}
