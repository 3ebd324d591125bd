/*
 * check_grid_vectors - the golden bytes of MinIO's grid, each decoded and encoded as tests/vectors/grid/index.json
 * says.
 *
 * Every message travels through a WebSocket reader, masked and plain, whole, byte by byte and cut at random, in one
 * frame and in fragments; what comes out is decoded, held against the index, and encoded to the same bytes.  Messages
 * that a real node refused are refused.  None of it allocates.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/lock.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "wire/grid_frame.h"
#include "wire/grid_names.h"
#include "wire/grid_payload.h"
#include "wire/websocket.h"
#include "wire/websocket_upgrade.h"
#include "wire/xxh3.h"

#define DIR "tests/vectors/grid/"
#define N_VECTORS 160
#define ROOM ((size_t)64 << 10)
#define MAX_RESOURCES 16

static uint8_t file_bytes[ROOM];
static size_t file_len;

static void setup(void)
{
    heap_setup();
    srandom(13);
}

static void teardown(void)
{
    heap_teardown();
}

/* ---- The index ---- */

static json_t *load(const char *name)
{
    char path[128];
    json_error_t error;
    json_t *json;

    snprintf(path, sizeof(path), DIR "%s", name);
    json = json_load_file(rig_path(path), 0, &error);
    ck_assert_msg(json != NULL, "%s: %s", path, error.text);
    return json;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* A number, or one that is too large for JSON as text. */
static uint64_t number_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    ck_assert_msg(json_is_integer(value) || json_is_string(value), "no number at %s", key);
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : strtoull(json_string_value(value), NULL, 10);
}

static void read_file(const char *name)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), DIR "%s", name);
    file = fopen(rig_path(path), "rb");
    ck_assert_msg(file != NULL, "%s", path);
    file_len = fread(file_bytes, 1, sizeof(file_bytes), file);
    fclose(file);
}

static size_t from_hex(const char *hex, uint8_t *bytes)
{
    size_t len = 0;
    unsigned byte;

    for (; sscanf(hex + 2 * len, "%2x", &byte) == 1; len++)
        bytes[len] = (uint8_t)byte;
    return len;
}

static void assert_hex(const uint8_t *data, size_t len, const char *hex)
{
    uint8_t *bytes = malloc(strlen(hex) / 2 + 1);

    ck_assert_uint_eq(from_hex(hex, bytes), len);
    if (len > 0) /* an absent run of bytes has no address */
        ck_assert_mem_eq(data, bytes, len);
    free(bytes);
}

static void assert_text(struct ferry_bytes got, const char *text)
{
    ck_assert_uint_eq(got.len, strlen(text));
    if (got.len > 0)
        ck_assert_mem_eq(got.data, text, got.len);
}

/* ---- Through a WebSocket ---- */

static void put_frame(uint8_t *stream, size_t *at, const uint8_t *data, size_t len, bool masked, unsigned opcode,
                      bool is_last)
{
    const uint8_t mask[4] = {(uint8_t)random(), (uint8_t)random(), (uint8_t)random(), (uint8_t)random()};

    *at += fy_ws_head_write(stream + *at, opcode, is_last, masked ? mask : NULL, len);
    if (masked)
        fy_ws_mask(stream + *at, data, len, mask, 0);
    else
        memcpy(stream + *at, data, len);
    *at += len;
}

/* Feed stream in cuts of at most max_cut bytes (0: any) and put the one message that it holds together. */
static size_t carry(uint8_t *stream, size_t len, bool masked, size_t max_cut, uint8_t *ret_message)
{
    struct fy_ws_reader reader;
    size_t n = 0, at = 0;
    bool is_complete = false;

    fy_ws_reader_init(&reader, masked, ROOM);
    while (at < len) {
        size_t cut = max_cut > 0 ? max_cut : (size_t)random() % 40 + 1, n_used;
        struct fy_ws_piece piece;
        int got = fy_ws_reader_feed(&reader, stream + at, cut < len - at ? cut : len - at, &n_used, &piece);

        ck_assert_int_ge(got, FY_WS_NOTHING);
        at += n_used;
        if (got == FY_WS_DATA) {
            ck_assert_uint_eq(piece.opcode, FY_WS_BINARY);
            memcpy(ret_message + n, piece.data, piece.len);
            n += piece.len;
            is_complete = piece.is_last;
        }
    }
    ck_assert(is_complete);
    ck_assert_int_eq(fy_ws_reader_end(&reader), FERRY_OK);
    return n;
}

/* However it is carried, the file arrives as it is. */
static void assert_carried(void)
{
    static uint8_t stream[2 * ROOM], message[ROOM];
    static const size_t cuts[] = {2 * ROOM, 1, 0, 0};

    for (size_t i = 0; i < 2 * sizeof(cuts) / sizeof(cuts[0]); i++) {
        const bool masked = i % 2;
        const size_t middle = i < 4 ? 0 : (size_t)random() % (file_len + 1);
        size_t len = 0;

        if (i >= 4)
            put_frame(stream, &len, file_bytes, middle, masked, FY_WS_BINARY, false);
        put_frame(stream, &len, file_bytes + middle, file_len - middle, masked,
                  i < 4 ? FY_WS_BINARY : FY_WS_CONTINUATION, true);
        ck_assert_uint_eq(carry(stream, len, masked, cuts[i / 2], message), file_len);
        ck_assert_mem_eq(message, file_bytes, file_len);
    }
}

/* ---- Payloads ---- */

/* Re-encoded payloads are the same bytes, but for these. */
static bool is_other_form(const char *file)
{
    return strcmp(file, "lab-connect-extra-keys.bin") == 0 || strcmp(file, "lab-connect-time-ext-1.bin") == 0 ||
           strcmp(file, "lab-lockargs-unknown-key.bin") == 0 || strcmp(file, "lab-lockargs-missing-keys.bin") == 0;
}

static uint8_t written[ROOM];
static struct ferry_msgpack_writer writer;

static void assert_written(const char *file, struct ferry_bytes payload)
{
    size_t len = 0;

    ck_assert_int_eq(ferry_msgpack_writer_end(&writer, &len), FERRY_OK);
    if (is_other_form(file))
        return;
    ck_assert_uint_eq(len, payload.len);
    ck_assert_mem_eq(written, payload.data, len);
}

static void assert_time(struct fy_grid_time time, const json_t *about)
{
    uint8_t bytes[12];

    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)time.seconds >> 8 * (7 - i));
    for (unsigned i = 0; i < 4; i++)
        bytes[8 + i] = (uint8_t)(time.ns >> 8 * (3 - i));
    assert_hex(bytes, sizeof(bytes), text_at(about, "hex"));
}

static void check_connect(const char *file, struct ferry_bytes payload, const json_t *about)
{
    struct fy_grid_connect connect;

    ck_assert_int_eq(fy_grid_connect_read(payload, &connect), FERRY_OK);
    fy_grid_connect_write(&writer, &connect, NULL);
    assert_written(file, payload);
    if (!json_is_object(about))
        return;
    assert_hex(connect.id, sizeof(connect.id), text_at(json_object_get(about, "ID"), "hex"));
    assert_text(connect.host, text_at(about, "Host"));
    assert_text(connect.token, text_at(about, "Token"));
    assert_time(connect.time, json_object_get(about, "Time"));
}

static void check_connect_response(const char *file, struct ferry_bytes payload, const json_t *about)
{
    struct fy_grid_connect_response response;

    ck_assert_int_eq(fy_grid_connect_response_read(payload, &response), FERRY_OK);
    fy_grid_connect_response_write(&writer, &response, NULL);
    assert_written(file, payload);
    if (!json_is_object(about))
        return;
    assert_hex(response.id, sizeof(response.id), text_at(json_object_get(about, "ID"), "hex"));
    ck_assert_int_eq(response.is_accepted, json_is_true(json_object_get(about, "Accepted")));
    assert_text(response.reason, text_at(about, "RejectedReason"));
}

static void check_ping(const char *file, struct ferry_bytes payload, const json_t *about)
{
    struct fy_grid_time time;

    ck_assert_int_eq(fy_grid_ping_read(payload, &time), FERRY_OK);
    if (payload.len == 0) {
        ck_assert_int_eq(time.seconds, FY_GRID_NO_TIME.seconds);
        return;
    }
    fy_grid_ping_write(&writer, time);
    assert_written(file, payload);
    if (json_is_object(about))
        assert_time(time, json_object_get(about, "t"));
}

static void check_pong(const char *file, struct ferry_bytes payload, const json_t *about)
{
    struct fy_grid_pong pong;

    ck_assert_int_eq(fy_grid_pong_read(payload, &pong), FERRY_OK);
    fy_grid_pong_write(&writer, &pong);
    assert_written(file, payload);
    ck_assert_ptr_null(pong.error.data);
    ck_assert_int_eq(pong.is_unknown, strcmp(file, "lab-stream-pong-nf.bin") == 0);
    if (json_is_object(about))
        assert_time(pong.time, json_object_get(about, "t"));
}

static void check_mux_error(const char *file, struct ferry_bytes payload, const char *text)
{
    struct ferry_bytes error;

    ck_assert_int_eq(fy_grid_mux_error_read(payload, &error), FERRY_OK);
    fy_grid_mux_error_write(&writer, (const char *)error.data, error.len);
    assert_written(file, payload);
    if (*text)
        assert_text(error, text);
}

static void check_lock_args(const char *file, struct ferry_bytes payload, const json_t *about)
{
    struct ferry_bytes resources[MAX_RESOURCES];
    struct ferry_lock_args args;
    const json_t *names = json_object_get(about, "Resources");
    size_t len;

    ck_assert_int_eq(ferry_lock_args_decode(payload.data, payload.len, resources, MAX_RESOURCES, &args), FERRY_OK);
    ck_assert_int_eq(ferry_lock_args_encode(&args, written, sizeof(written), &len), FERRY_OK);
    writer.len = len;
    assert_written(file, payload);
    if (!json_is_object(about))
        return;
    assert_text(args.uid, text_at(about, "UID"));
    assert_text(args.owner, text_at(about, "Owner"));
    assert_text(args.source, text_at(about, "Source"));
    ck_assert_uint_eq(args.n_resources, json_array_size(names));
    for (size_t i = 0; i < args.n_resources; i++)
        assert_text(args.resources[i], json_string_value(json_array_get(names, i)));
    ck_assert_int_eq(args.has_quorum, !json_is_null(json_object_get(about, "Quorum")));
    if (args.has_quorum)
        ck_assert_int_eq(args.quorum, (int64_t)number_at(about, "Quorum"));
}

/* text: "code N", maybe with " TEXT" after it, or nothing that begins so. */
static void check_lock_response(const char *file, struct ferry_bytes payload, const json_t *about, const char *text)
{
    struct ferry_lock_response response;
    unsigned code;
    size_t len;

    ck_assert_int_eq(ferry_lock_response_decode(payload.data, payload.len, &response), FERRY_OK);
    ck_assert_int_eq(ferry_lock_response_encode(&response, written, sizeof(written), &len), FERRY_OK);
    writer.len = len;
    assert_written(file, payload);
    if (json_is_object(about)) {
        ck_assert_uint_eq(response.code, number_at(about, "Code"));
        assert_text(response.error, text_at(about, "Err"));
    }
    if (sscanf(text, "code %u", &code) == 1)
        ck_assert_uint_eq(response.code, code);
}

static void check_error(struct ferry_bytes payload, const char *text)
{
    if (*text)
        assert_text(payload, text);
}

/* ---- Messages ---- */

static void check_payload(const char *file, const struct fy_grid_message *msg, bool is_lock, const json_t *fields,
                          const char *text)
{
    const json_t *about = json_object_get(fields, "payload");

    ferry_msgpack_writer_init(&writer, written, sizeof(written));
    if (msg->op == FY_GRID_CONNECT)
        check_connect(file, msg->payload, about);
    else if (msg->op == FY_GRID_CONNECT_RESPONSE)
        check_connect_response(file, msg->payload, about);
    else if (msg->op == FY_GRID_PING)
        check_ping(file, msg->payload, about);
    else if (msg->op == FY_GRID_PONG)
        check_pong(file, msg->payload, about);
    else if (msg->op == FY_GRID_MUX_CONNECT_ERROR)
        check_mux_error(file, msg->payload, text);
    else if (msg->flags & FY_GRID_PAYLOAD_IS_ERR)
        check_error(msg->payload, *text_at(fields, "error") ? text_at(fields, "error") : text);
    else if (is_lock && msg->op == FY_GRID_REQUEST)
        check_lock_args(file, msg->payload, about);
    else if (is_lock && msg->op == FY_GRID_RESPONSE)
        check_lock_response(file, msg->payload, about, text);
}

static void check_fields(const struct fy_grid_message *msg, const json_t *fields)
{
    const json_t *payload = json_object_get(fields, "payload_hex");
    const char *key = *text_at(fields, "subroute") ? text_at(fields, "subroute") : text_at(fields, "sub");

    ck_assert_uint_eq(msg->mux, number_at(fields, "mux"));
    ck_assert_uint_eq(msg->seq, number_at(fields, "seq"));
    ck_assert_uint_eq(msg->deadline_ms, number_at(fields, "dl"));
    ck_assert_uint_eq(msg->handler, number_at(fields, "h"));
    ck_assert_uint_eq(msg->op, number_at(fields, "op"));
    ck_assert_uint_eq(msg->flags, number_at(fields, "flags"));
    if (json_object_get(fields, "opname"))
        ck_assert_str_eq(fy_grid_op_name(msg->op), text_at(fields, "opname"));
    assert_hex(msg->payload.data, msg->payload.len, payload ? json_string_value(payload) : text_at(fields, "payload"));
    ck_assert_int_eq(msg->payload.data != NULL, msg->payload.len > 0 || (msg->flags & FY_GRID_PAYLOAD_IS_ZERO));
    ck_assert_int_eq(msg->subroute != NULL, *key != '\0');
    if (msg->subroute)
        assert_hex(msg->subroute, FY_GRID_SUBROUTE_SIZE, key);
}

/* Encoded both ways, msg is the len bytes at data, except for what follows the array of a merged one. */
static void assert_encoded(const struct fy_grid_message *msg, const uint8_t *data, size_t len)
{
    static uint8_t again[ROOM], room[ROOM];
    struct fy_grid_runs runs;
    struct fy_gather all = fy_gather_copy(room, sizeof(room));
    size_t got;

    len -= msg->rest.len;
    ck_assert_uint_eq(fy_grid_encoded_len(msg), len);
    ck_assert_int_eq(fy_grid_encode(msg, again, sizeof(again), &got), FERRY_OK);
    ck_assert_uint_eq(got, len);
    ck_assert_mem_eq(again, data, len);
    ck_assert_uint_eq(fy_grid_runs_init(&runs, msg), len);
    ck_assert_uint_eq(fy_grid_runs_gather(&runs, 0, &all), len);
    ck_assert_mem_eq(room, data, len);
}

static void check_parts(const char *file, const struct fy_grid_message *merged, const json_t *parts, bool is_lock)
{
    static uint8_t again[ROOM];
    struct fy_grid_parts walk;
    struct ferry_bytes part;
    size_t n = 0, len = fy_grid_merged_head(again, merged->seq);

    ck_assert_int_eq(fy_grid_parts_init(&walk, merged), FERRY_OK);
    for (; fy_grid_parts_next(&walk, &part); n++) {
        const json_t *about = json_array_get(parts, n);
        struct fy_grid_message msg;

        ck_assert_int_eq(fy_grid_decode(part.data, part.len, &msg), FERRY_OK);
        if (json_is_object(about)) {
            check_fields(&msg, about);
            check_payload(file, &msg, is_lock, about, "");
        } else {
            assert_hex(part.data, part.len, json_string_value(about));
        }
        assert_encoded(&msg, part.data, part.len);
        len += fy_grid_part_head(again + len, (uint32_t)part.len);
        memcpy(again + len, part.data, part.len);
        len += part.len;
    }
    ck_assert_uint_eq(n, json_array_size(parts));
    ck_assert_uint_eq(len, file_len);
    ck_assert_mem_eq(again, file_bytes, len);
}

static void check_message(const char *file, const json_t *about)
{
    const json_t *fields = json_object_get(about, "fields");
    const json_t *parts = json_object_get(about, "parts");
    const bool is_lock = strcmp(text_at(about, "route"), "lock") == 0 || strncmp(file, "lab-req-refresh", 15) == 0;
    struct fy_grid_message msg;

    ck_assert_int_eq(fy_grid_decode(file_bytes, file_len, &msg), FERRY_OK);
    check_fields(&msg, fields);
    assert_encoded(&msg, file_bytes, file_len);
    if (msg.op == FY_GRID_MERGED)
        check_parts(file, &msg, parts ? parts : json_object_get(fields, "parts"), is_lock);
    else
        check_payload(file, &msg, is_lock, fields, text_at(about, "text"));
}

/* ---- What a real node refused ---- */

static int decode_connect(void)
{
    struct fy_grid_message msg;
    struct fy_grid_connect connect;
    int err = fy_grid_decode(file_bytes, file_len, &msg);

    return err == FERRY_OK ? fy_grid_connect_read(msg.payload, &connect) : FERRY_ERR_STATE; /* the envelope is good */
}

static int decode_merged(void)
{
    struct fy_grid_message msg;
    struct fy_grid_parts parts;
    int err = fy_grid_decode(file_bytes, file_len, &msg);

    return err == FERRY_OK ? fy_grid_parts_init(&parts, &msg) : FERRY_ERR_STATE;
}

static int decode_envelope(void)
{
    struct fy_grid_message msg;

    return fy_grid_decode(file_bytes, file_len, &msg);
}

static int decode_lock_args(void)
{
    struct ferry_bytes resources[MAX_RESOURCES];
    struct ferry_lock_args args;

    return ferry_lock_args_decode(file_bytes, file_len, resources, MAX_RESOURCES, &args);
}

static const struct refusal {
    const char *file;
    int (*decode)(void);
    int err;
} refusals[] = {
    {"lab-connect-id-15.bin", decode_connect, FERRY_ERR_MALFORMED},
    {"lab-connect-id-nil.bin", decode_connect, FERRY_ERR_MALFORMED},
    {"lab-req-crc-wrong.bin", decode_envelope, FERRY_ERR_CHECKSUM},
    {"lab-merged-count-5-of-1.bin", decode_merged, FERRY_ERR_TRUNCATED},
    {"lab-bad-array6.bin", decode_envelope, FERRY_ERR_MALFORMED},
    {"lab-bad-nil-payload.bin", decode_envelope, FERRY_ERR_MALFORMED},
    {"lab-lockargs-array.bin", decode_lock_args, FERRY_ERR_MALFORMED},
};

static const struct refusal *refusal_of(const char *file)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (strcmp(refusals[i].file, file) == 0)
            return &refusals[i];
    return NULL;
}

/* As a real node refused it, and nothing was allocated. */
static void assert_refused(const struct refusal *refusal)
{
    size_t largest;
    int err;

    heap_reset_largest();
    err = refusal->decode();
    largest = heap_largest(); /* Check allocates, too */
    ck_assert_int_eq(err, refusal->err);
    ck_assert_uint_eq(largest, 0);
}

/* ---- Frames and heads ---- */

static void check_frame(const json_t *about)
{
    static uint8_t copy[ROOM], message[ROOM], again[ROOM];
    const bool masked = json_is_true(json_object_get(about, "masked"));
    static const size_t cuts[] = {ROOM, 1, 0, 0};
    const char *begin = text_at(about, "message_hex"); /* of the message, not all of it */
    const uint8_t *mask;
    struct fy_grid_message msg;
    size_t len = 0, head_len;

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        memcpy(copy, file_bytes, file_len);
        len = carry(copy, file_len, masked, cuts[i], message);
        ck_assert_uint_eq(len, number_at(about, "message_len"));
        assert_hex(message, strlen(begin) / 2, begin);
        ck_assert_int_eq(fy_grid_decode(message, len, &msg), FERRY_OK);
    }
    mask = file_bytes + file_len - len - 4;
    head_len = fy_ws_head_write(again, FY_WS_BINARY, true, masked ? mask : NULL, len);
    if (masked)
        fy_ws_mask(again + head_len, message, len, mask, 0);
    else
        memcpy(again + head_len, message, len);
    ck_assert_uint_eq(head_len + len, file_len);
    ck_assert_mem_eq(again, file_bytes, file_len);
}

/* The value of a header in a head, in value. */
static const char *header(const char *head, const char *name, char value[512])
{
    const char *at = strstr(head, name);

    ck_assert_ptr_nonnull(at);
    snprintf(value, 512, "%.*s", (int)strcspn(at + strlen(name), "\r"), at + strlen(name));
    return value;
}

static struct fy_ws_upgrade upgrade_of(char *head)
{
    struct fy_ws_upgrade upgrade = {0};

    for (char *line = strstr(head, "\r\n") + 2; *line != '\r'; line = strstr(line, "\r\n") + 2) {
        char name[64], value[512];

        ck_assert_int_eq(sscanf(line, "%63[^:]: %511[^\r]", name, value), 2);
        fy_ws_upgrade_add(&upgrade, name, value);
    }
    return upgrade;
}

static void check_head(void)
{
    char *head = (char *)file_bytes, text[1024], path[512], host[512], key[512], bearer[512], time[512], more[1024];
    struct fy_ws_upgrade upgrade;
    size_t len;

    file_bytes[file_len] = '\0';
    upgrade = upgrade_of(head);
    if (strncmp(head, "HTTP/1.1 101 ", 13) == 0) {
        ck_assert(upgrade.has_upgrade && upgrade.has_connection && !upgrade.has_offer);
        len = fy_ws_answer_format(text, sizeof(text), upgrade.accept);
    } else {
        ck_assert_int_eq(fy_ws_upgrade_judge_request(&upgrade), 101);
        ck_assert_int_eq(sscanf(head, "GET %511s", path), 1);
        snprintf(more, sizeof(more), "Authorization: %s\r\nX-Minio-Time: %s\r\n",
                 header(head, "Authorization: ", bearer), header(head, "X-Minio-Time: ", time));
        len = fy_ws_request_format(text, sizeof(text), path, header(head, "Host: ", host),
                                   header(head, "Sec-WebSocket-Key: ", key), more);
    }
    ck_assert_uint_eq(len, file_len);
    ck_assert_mem_eq(text, file_bytes, len);
}

/* ---- All of them ---- */

static void check_vector(const json_t *about)
{
    const char *file = text_at(about, "file");
    const struct refusal *refusal = refusal_of(file);

    read_file(file);
    ck_assert_uint_eq(file_len, number_at(about, "size"));
    ferry_msgpack_writer_init(&writer, written, sizeof(written));
    if (strncmp(file, "real-upgrade-", 13) == 0) {
        check_head();
    } else if (strncmp(file, "real-wsframe-", 13) == 0) {
        check_frame(about);
    } else if (refusal) {
        assert_refused(refusal);
    } else if (strncmp(file, "lab-lockargs-", 13) == 0) {
        check_lock_args(file, (struct ferry_bytes){file_bytes, file_len}, json_object_get(about, "decoded"));
    } else if (strncmp(file, "lab-lockresp-", 13) == 0) {
        char text[64];

        snprintf(text, sizeof(text), "code %c", file[13]);
        check_lock_response(file, (struct ferry_bytes){file_bytes, file_len}, NULL, text);
    } else {
        check_message(file, about);
        assert_carried();
    }
}

START_TEST(every_vector_is_as_the_index_says)
{
    json_t *index = load("index.json");
    const json_t *about;
    size_t i, n_refused = 0;

    json_array_foreach(index, i, about)
    {
        check_vector(about);
        n_refused += refusal_of(text_at(about, "file")) != NULL;
    }
    ck_assert_uint_eq(i, N_VECTORS);
    ck_assert_uint_eq(n_refused, sizeof(refusals) / sizeof(refusals[0]));
    json_decref(index);
}
END_TEST

/* No message that is cut short is taken for a whole one, and no bit of one that has a checksum can turn unseen. */
START_TEST(messages_that_are_damaged_are_refused)
{
    json_t *index = load("index.json");
    const json_t *about;
    size_t i, n_flipped = 0;

    json_array_foreach(index, i, about)
    {
        const json_t *fields = json_object_get(about, "fields");
        struct fy_grid_message msg;

        if (!fields || refusal_of(text_at(about, "file")) || number_at(fields, "op") == FY_GRID_MERGED)
            continue;
        read_file(text_at(about, "file"));
        for (size_t len = 0; len < file_len; len++)
            ck_assert_int_ne(fy_grid_decode(file_bytes, len, &msg), FERRY_OK);
        if (!(number_at(fields, "flags") & FY_GRID_CRC))
            continue;
        for (size_t bit = 0; bit < 8 * file_len && file_len < 200; bit++, n_flipped++) {
            file_bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (fy_grid_decode(file_bytes, file_len, &msg) == FERRY_OK)
                ck_assert(!(msg.flags & FY_GRID_CRC)); /* it was the flag itself */
            file_bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    ck_assert_uint_gt(n_flipped, 10000);
    json_decref(index);
}
END_TEST

START_TEST(tables_of_names_hold)
{
    json_t *tables = load("tables.json");
    const json_t *about;
    uint8_t bytes[4096];
    size_t i, n = 0;

    json_array_foreach(json_object_get(tables, "dialler"), i, about)
    {
        const char *local = text_at(about, "local"), *remote = text_at(about, "remote");
        const bool dials = json_is_true(json_object_get(about, "local_dials"));

        ck_assert_int_eq(fy_grid_dials(local, remote), dials);
        ck_assert_int_eq(fy_grid_dials(remote, local), !dials);
        n++;
    }
    json_array_foreach(json_object_get(tables, "subroute"), i, about)
    {
        uint8_t key[32];

        ck_assert_int_eq(fy_grid_subroute_key(text_at(about, "text"), (uint8_t)number_at(about, "handler"), key),
                         FERRY_OK);
        assert_hex(key, sizeof(key), text_at(about, "key"));
        n++;
    }
    json_array_foreach(json_object_get(tables, "xxh3_64"), i, about)
    {
        char hex[17];
        size_t len = from_hex(text_at(about, "hex"), bytes);

        snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)fy_xxh3(bytes, len));
        ck_assert_str_eq(hex, text_at(about, "h"));
        n++;
    }
    ck_assert_uint_eq(n, 27);
    json_decref(tables);
}
END_TEST

int main(void)
{
    return rig_main("grid_vectors", setup, teardown, every_vector_is_as_the_index_says,
                    messages_that_are_damaged_are_refused, tables_of_names_hold, NULL);
}
