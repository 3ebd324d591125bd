/*
 * check_vectors - the golden bytes of etcd, each decoded and encoded as tests/vectors/index.json says.
 *
 * Three tests run every vector: fed whole, byte by byte, and cut at random places.
 */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "harness/heap.h"
#include "harness/messages.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "wire/be64.h"
#include "wire/decoder.h"
#include "wire/message.h"

#define MAX_BYTES ((size_t)512 << 20)
#define N_CUTS (PATIENCE_SANITIZED ? 60 : 300)

/* How bytes are cut on their way into a decoder and out of an encoder. */
enum cut { WHOLE, SINGLE_BYTES, AT_RANDOM };

static struct pool pool;

static void setup(void)
{
    heap_setup();
    srandom(17);
}

static void teardown(void)
{
    pool_release(&pool);
    heap_teardown();
}

/* ---- The index ---- */

struct vector {
    const json_t *about;
    const char *file;
    struct ferry_bytes bytes; /* the file */
    enum ferry_wire_form form;
    enum fy_codec codec;
    enum cut cut;
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static uint64_t number_of(const json_t *value)
{
    char *end;
    uint64_t number;

    if (json_is_boolean(value))
        return json_is_true(value);
    if (json_is_integer(value))
        return (uint64_t)json_integer_value(value);
    number = strtoull(json_string_value(value), &end, 10);
    ck_assert_int_eq(*end, '\0');
    return number;
}

static uint64_t number_at(const json_t *object, const char *key)
{
    return number_of(json_object_get(object, key));
}

static void assert_sha256(struct ferry_bytes bytes, const json_t *about)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char text[2 * EVP_MAX_MD_SIZE + 1];
    unsigned len;

    ck_assert_int_eq(EVP_Digest(bytes.data, bytes.len, digest, &len, EVP_sha256(), NULL), 1);
    for (unsigned i = 0; i < len; i++)
        snprintf(text + (size_t)2 * i, 3, "%02x", digest[i]);
    ck_assert_str_eq(text, text_of(about, "sha256"));
}

/* null: absent; hex; or a fill that is told by its length and seed. */
static struct ferry_bytes bytes_of(const json_t *about)
{
    const char *hex = json_string_value(json_object_get(about, "hex"));
    const unsigned seed = (unsigned)json_integer_value(json_object_get(about, "fill_seed"));
    struct ferry_bytes bytes;
    uint8_t *data;

    if (json_is_null(about))
        return (struct ferry_bytes){NULL, 0};
    bytes.len = hex ? strlen(hex) / 2 : (size_t)number_at(about, "len");
    bytes.data = data = pool_take(&pool, 1, bytes.len);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned byte = (unsigned)(i * 31 + seed);

        if (hex && sscanf(hex + 2 * i, "%2x", &byte) != 1)
            ck_abort_msg("not hex: %s", hex);
        data[i] = (uint8_t)byte;
    }
    if (!hex)
        assert_sha256(bytes, about);
    return bytes;
}

static const uint64_t *ids_of(const json_t *list, size_t *ret_n)
{
    uint64_t *ids = pool_take(&pool, json_array_size(list), sizeof(*ids));

    *ret_n = json_array_size(list);
    for (size_t i = 0; i < *ret_n; i++)
        ids[i] = number_of(json_array_get(list, i));
    return ids;
}

static struct ferry_snapshot *snapshot_of(const json_t *about)
{
    const json_t *metadata = json_object_get(about, "metadata");
    const json_t *conf_state = json_object_get(metadata, "conf_state");
    struct ferry_snapshot *snapshot = pool_take(&pool, 1, sizeof(*snapshot));
    struct ferry_conf_state *state = &snapshot->conf_state;

    snapshot->data = bytes_of(json_object_get(about, "data"));
    snapshot->index = number_at(metadata, "index");
    snapshot->term = number_at(metadata, "term");
    state->voters = ids_of(json_object_get(conf_state, "voters"), &state->n_voters);
    state->learners = ids_of(json_object_get(conf_state, "learners"), &state->n_learners);
    state->voters_outgoing = ids_of(json_object_get(conf_state, "voters_outgoing"), &state->n_voters_outgoing);
    state->learners_next = ids_of(json_object_get(conf_state, "learners_next"), &state->n_learners_next);
    state->auto_leave = json_is_true(json_object_get(conf_state, "auto_leave"));
    return snapshot;
}

static struct ferry_message *message_of(const json_t *about)
{
    const json_t *entries = json_object_get(about, "entries");
    const json_t *responses = json_object_get(about, "responses"); /* not in schema 3.4 */
    struct ferry_message *msg = pool_take(&pool, 1, sizeof(*msg));
    struct ferry_entry *entry = pool_take(&pool, json_array_size(entries), sizeof(*entry));
    struct ferry_message *response = pool_take(&pool, json_array_size(responses), sizeof(*response));

    msg->type = (enum ferry_message_type)number_at(about, "type_num");
    ck_assert_str_eq(ferry_message_type_name(msg->type), text_of(about, "type"));
    msg->to = number_at(about, "to");
    msg->from = number_at(about, "from");
    msg->term = number_at(about, "term");
    msg->log_term = number_at(about, "logTerm");
    msg->index = number_at(about, "index");
    msg->commit = number_at(about, "commit");
    msg->reject = json_is_true(json_object_get(about, "reject"));
    msg->reject_hint = number_at(about, "rejectHint");
    msg->context = bytes_of(json_object_get(about, "context"));
    if (json_object_get(about, "vote"))
        msg->vote = number_at(about, "vote");
    if (!json_is_null(json_object_get(about, "snapshot")))
        msg->snapshot = snapshot_of(json_object_get(about, "snapshot"));
    msg->entries = entry;
    msg->n_entries = json_array_size(entries);
    for (size_t i = 0; i < msg->n_entries; i++) {
        const json_t *e = json_array_get(entries, i);

        entry[i] = (struct ferry_entry){
            .type = (enum ferry_entry_type)number_at(e, "type_num"),
            .term = number_at(e, "term"),
            .index = number_at(e, "index"),
            .data = bytes_of(json_object_get(e, "data")),
        };
    }
    msg->responses = response;
    msg->n_responses = json_array_size(responses);
    for (size_t i = 0; i < msg->n_responses; i++)
        response[i] = *message_of(json_array_get(responses, i));
    return msg;
}

static bool is_snapshot_empty(const struct ferry_snapshot *snapshot)
{
    const struct ferry_conf_state *state = &snapshot->conf_state;

    return !snapshot->data.data && snapshot->index == 0 && snapshot->term == 0 && state->n_voters == 0 &&
           state->n_learners == 0 && state->n_voters_outgoing == 0 && state->n_learners_next == 0 && !state->auto_leave;
}

/* got: what came off the wire, NULL for a link heartbeat. */
static void assert_message(const struct vector *v, const json_t *about, const struct ferry_message *got)
{
    struct ferry_message *expected = message_of(about);
    struct ferry_message link_heartbeat = {.type = FERRY_MSG_HEARTBEAT};
    const char *difference;

    if (!json_object_get(about, "vote") && got)
        expected->vote = got->vote; /* schema 3.4 cannot tell */
    difference = message_difference(expected, got ? got : &link_heartbeat);
    ck_assert_msg(!difference, "%s: %s differs", v->file, difference);
    if (!got)
        return;
    if (!expected->snapshot || (is_snapshot_empty(expected->snapshot) && expected->type != FERRY_MSG_SNAP))
        ck_assert_ptr_null(got->snapshot);
    else
        ck_assert_ptr_nonnull(got->snapshot);
}

/* ---- Cutting ---- */

static size_t piece(enum cut cut, size_t left)
{
    size_t n = left;

    if (cut == SINGLE_BYTES)
        n = 1;
    else if (cut == AT_RANDOM)
        n = random() % 3 == 0 ? 1 + (size_t)random() % 8 : 1 + (size_t)random() % (left + 1);
    return n < left ? n : left;
}

/* One frame out of *in, which moves past what was used.  FY_DECODED_NOTHING: the input ended. */
static int next_frame(struct fy_decoder *dec, enum cut cut, struct ferry_bytes *in,
                      const struct ferry_message **ret_msg, size_t *ret_frame_len)
{
    int ret = FY_DECODED_NOTHING;

    *ret_msg = NULL;
    while (in->len > 0 && ret == FY_DECODED_NOTHING) {
        size_t n = piece(cut, in->len);
        uint8_t *exact = pool_take(&pool, 1, n); /* so that a reader past the piece meets the sanitizer */
        size_t used;

        memcpy(exact, in->data, n);
        ret = fy_decoder_feed(dec, exact, n, &used, ret_msg, ret_frame_len);
        if (ret < 0)
            return ret;
        if (used > n || (ret == FY_DECODED_NOTHING && used < n)) /* an assert costs a system call: not for each byte */
            ck_abort_msg("%zu of %zu bytes used", used, n);
        in->data += used;
        in->len -= used;
        if (cut != WHOLE)
            pool_release(&pool);
    }
    return ret;
}

static struct ferry_bytes read_out(struct fy_encoder *enc, enum cut cut)
{
    size_t len = fy_encoder_left(enc);
    uint8_t *bytes = pool_take(&pool, 1, len);
    size_t at = 0;

    while (fy_encoder_left(enc) > 0) {
        size_t left = fy_encoder_left(enc);
        size_t n = piece(cut, left);

        if (fy_encoder_read(enc, bytes + at, n) != n || fy_encoder_left(enc) != left - n)
            ck_abort_msg("%zu of %zu bytes left after reading %zu", fy_encoder_left(enc), left, n);
        at += n;
    }
    ck_assert_uint_eq(at, len);
    return (struct ferry_bytes){bytes, len};
}

/* ---- Streams of frames ---- */

static void init_decoder(const struct vector *v, struct fy_decoder *dec)
{
    const json_t *local = json_object_get(v->about, "decoder_local_id");
    const json_t *remote = json_object_get(v->about, "decoder_remote_id");

    fy_decoder_init(dec, v->codec, local ? number_of(local) : 1, remote ? number_of(remote) : 2, MAX_BYTES);
}

static void assert_state(const struct vector *v, const json_t *frame, uint64_t term, uint64_t index)
{
    const json_t *state = json_object_get(frame, "state_after");

    if (v->codec != FY_CODEC_MSGAPPV2)
        return;
    ck_assert_msg(term == number_at(state, "term") && index == number_at(state, "index"), "%s: state", v->file);
}

static void assert_frame_type(const struct vector *v, const json_t *frame, uint8_t type)
{
    static const char *const names[] = {"link-heartbeat", "app-entries", "app"};

    if (v->codec != FY_CODEC_MSGAPPV2)
        return;
    ck_assert_uint_lt(type, 3);
    ck_assert_str_eq(names[type], text_of(frame, "frame"));
}

static void decode_frames(const struct vector *v)
{
    const json_t *frames = json_object_get(v->about, "frames");
    struct ferry_bytes in = v->bytes;
    struct fy_decoder dec;
    const json_t *frame;
    size_t i;

    init_decoder(v, &dec);
    json_array_foreach(frames, i, frame)
    {
        const struct ferry_message *msg;
        size_t frame_len;
        int ret;

        ck_assert_uint_eq((size_t)(in.data - v->bytes.data), number_at(frame, "offset"));
        assert_frame_type(v, frame, in.data[0]);
        ret = next_frame(&dec, v->cut, &in, &msg, &frame_len);
        ck_assert_msg(ret == FY_DECODED_MESSAGE || ret == FY_DECODED_HEARTBEAT, "%s: %s", v->file, ferry_strerror(ret));
        ck_assert_uint_eq(frame_len, number_at(frame, "length"));
        assert_message(v, json_object_get(frame, "message"), ret == FY_DECODED_MESSAGE ? msg : NULL);
        assert_state(v, frame, dec.term, dec.index);
        ck_assert_int_eq(fy_decoder_end(&dec), FERRY_OK);
        ferry_message_unref(msg);
    }
    ck_assert_uint_eq(in.len, 0);
    fy_decoder_release(&dec);
}

/* Does schema 3.7 hold zeros that are present?  A ferry_message cannot say so, and our encoder leaves them out. */
static bool has_present_zeros(const json_t *frame)
{
    const json_t *message = json_object_get(frame, "message");
    const json_t *name;
    const json_t *entry;
    size_t i;

    json_array_foreach(json_object_get(frame, "present"), i, name)
    {
        const json_t *value = json_object_get(message, json_string_value(name));

        if (json_is_string(value) && strcmp(json_string_value(name), "type") != 0 && number_of(value) == 0)
            return true;
    }
    json_array_foreach(json_object_get(message, "entries"), i, entry)
    {
        if (number_at(entry, "term") == 0 || number_at(entry, "index") == 0)
            return true;
    }
    return false;
}

/* Returns how many frames were compared byte by byte. */
static size_t encode_frames(const struct vector *v)
{
    const json_t *frames = json_object_get(v->about, "frames");
    struct fy_encoder enc;
    const json_t *frame;
    size_t n_compared = 0;
    size_t i;

    fy_encoder_init(&enc, v->codec, v->form);
    json_array_foreach(frames, i, frame)
    {
        const json_t *input = json_object_get(frame, "encoder_input_differs");
        struct ferry_message *msg = message_of(input ? input : json_object_get(frame, "message"));
        const uint8_t *expected = v->bytes.data + number_at(frame, "offset");
        struct fy_outgoing *out;
        struct ferry_bytes bytes;

        ck_assert_int_eq(fy_outgoing_new(msg, v->form, MAX_BYTES, &out), FERRY_OK);
        fy_encoder_start(&enc, out);
        bytes = read_out(&enc, v->cut);
        assert_state(v, frame, enc.term, enc.index);
        assert_frame_type(v, frame, bytes.data[0]);
        if (v->form != FERRY_FORM_3_7 || !has_present_zeros(frame)) {
            ck_assert_msg(bytes.len == number_at(frame, "length"), "%s: frame %zu is %zu bytes", v->file, i, bytes.len);
            ck_assert_msg(memcmp(bytes.data, expected, bytes.len) == 0, "%s: frame %zu", v->file, i);
            n_compared++;
        }
        fy_outgoing_free(out);

        if (msg->type == FERRY_MSG_HEARTBEAT && msg->from == 0 && msg->to == 0) {
            fy_encoder_start_heartbeat(&enc);
            bytes = read_out(&enc, v->cut);
            ck_assert_uint_eq(bytes.len, number_at(frame, "length"));
            ck_assert_mem_eq(bytes.data, expected, bytes.len);
        }
    }
    return n_compared;
}

static void run_frames(const struct vector *v)
{
    size_t n_frames = json_array_size(json_object_get(v->about, "frames"));
    size_t n_compared;

    ck_assert_uint_gt(n_frames, 0);
    decode_frames(v);
    n_compared = encode_frames(v);
    if (v->form != FERRY_FORM_3_7)
        ck_assert_uint_eq(n_compared, n_frames);
    else if (strcmp(v->file, "msg37-heartbeat.bin") != 0) /* its commit is a present zero */
        ck_assert_uint_gt(n_compared, 0);
}

/* ---- Hostile streams ---- */

static void run_hostile(const struct vector *v)
{
    const char *expect = text_of(v->about, "expect");
    const json_t *messages = json_object_get(v->about, "messages_before_result");
    struct ferry_bytes in = v->bytes;
    struct fy_decoder dec;
    const struct ferry_message *msg;
    size_t n_messages = 0;
    size_t frame_len;
    size_t largest;
    int ret;

    init_decoder(v, &dec);
    for (;;) {
        heap_reset_largest();
        ret = next_frame(&dec, v->cut, &in, &msg, &frame_len);
        largest = heap_largest();
        ck_assert_uint_lt(largest, 65536 + v->bytes.len);
        if (ret != FY_DECODED_MESSAGE && ret != FY_DECODED_HEARTBEAT)
            break;
        if (strcmp(expect, "either") != 0) {
            ck_assert_msg(n_messages < json_array_size(messages), "%s: too many messages", v->file);
            assert_message(v, json_array_get(messages, n_messages), ret == FY_DECODED_MESSAGE ? msg : NULL);
        }
        n_messages++;
        ferry_message_unref(msg);
    }
    if (ret == FY_DECODED_NOTHING)
        ret = fy_decoder_end(&dec);
    if (strcmp(expect, "either") != 0)
        ck_assert_uint_eq(n_messages, json_array_size(messages));
    if (strcmp(expect, "accept") == 0)
        ck_assert_msg(ret == FERRY_OK, "%s: %s", v->file, ferry_strerror(ret));
    else if (strcmp(expect, "reject") == 0)
        ck_assert_msg(ret == FERRY_ERR_MALFORMED || ret == FERRY_ERR_TOO_LARGE || ret == FERRY_ERR_TRUNCATED ||
                          ret == FERRY_ERR_FRAME_TYPE,
                      "%s: %d", v->file, ret);
    else
        ck_assert_str_eq(expect, "either");
    fy_decoder_release(&dec);
}

/* ---- Bodies of POSTs ---- */

static void run_snapshot_body(const struct vector *v)
{
    const size_t expected_len = (size_t)number_at(v->about, "message_frame_length");
    struct ferry_bytes database = bytes_of(json_object_get(v->about, "database"));
    struct ferry_bytes in = v->bytes;
    struct fy_decoder dec;
    struct fy_encoder enc;
    struct fy_outgoing *out;
    struct ferry_bytes bytes;
    const struct ferry_message *msg;
    uint8_t *copy = pool_take(&pool, 1, database.len);
    size_t frame_len;

    memcpy(copy, database.data, database.len);
    ck_assert_uint_eq(v->bytes.len, expected_len + database.len);
    ck_assert_mem_eq(v->bytes.data + expected_len, copy, database.len);

    fy_decoder_init(&dec, FY_CODEC_MESSAGE, 1, 2, MAX_BYTES);
    ck_assert_int_eq(next_frame(&dec, v->cut, &in, &msg, &frame_len), FY_DECODED_MESSAGE);
    ck_assert_uint_eq(frame_len, expected_len);
    ck_assert_uint_eq(in.len, v->bytes.len - expected_len); /* not a byte of the database was used */
    assert_message(v, json_object_get(v->about, "message"), msg);

    ck_assert_int_eq(fy_outgoing_new(msg, v->form, MAX_BYTES, &out), FERRY_OK);
    fy_encoder_init(&enc, FY_CODEC_MESSAGE, v->form);
    fy_encoder_start(&enc, out);
    bytes = read_out(&enc, v->cut);
    ck_assert_uint_eq(bytes.len, expected_len);
    ck_assert_mem_eq(bytes.data, v->bytes.data, expected_len);
    fy_outgoing_free(out);
    ferry_message_unref(msg);
    fy_decoder_release(&dec);
}

static void run_pipeline_body(const struct vector *v)
{
    const struct ferry_message *msg;
    struct fy_outgoing *out;
    struct fy_encoder enc;
    struct ferry_bytes bytes;

    ck_assert_int_eq(fy_message_decode(v->bytes.data, v->bytes.len, MAX_BYTES, &msg), FERRY_OK);
    assert_message(v, json_object_get(v->about, "message"), msg);
    ck_assert_int_eq(fy_outgoing_new(msg, v->form, MAX_BYTES, &out), FERRY_OK);
    fy_encoder_init(&enc, FY_CODEC_BARE, v->form);
    fy_encoder_start(&enc, out);
    bytes = read_out(&enc, v->cut);
    ck_assert_uint_eq(bytes.len, v->bytes.len);
    ck_assert_mem_eq(bytes.data, v->bytes.data, bytes.len);
    fy_outgoing_free(out);
    ferry_message_unref(msg);
}

/* ---- Bare payloads, through the generated code ---- */

static const ProtobufCMessageDescriptor *descriptor_of(const char *name)
{
    static const struct {
        const char *name;
        const ProtobufCMessageDescriptor *descriptor;
    } known[] = {
        {"Entry", &raftpb__entry__descriptor},
        {"ConfChange", &raftpb__conf_change__descriptor},
        {"ConfChangeV2", &raftpb__conf_change_v2__descriptor},
        {"ConfState", &raftpb__conf_state__descriptor},
        {"HardState", &raftpb__hard_state__descriptor},
        {"Snapshot", &raftpb__snapshot__descriptor},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].descriptor;
    ck_abort_msg("no message %s in the schema", name);
    return NULL;
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *descriptor, const char *key)
{
    size_t len = strlen(key);

    if (len > 4 && strcmp(key + len - 4, "_num") == 0)
        len -= 4; /* an enum's number beside its name */
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        if (strlen(descriptor->fields[i].name) == len && strncasecmp(descriptor->fields[i].name, key, len) == 0)
            return &descriptor->fields[i];
    ck_abort_msg("no field %s in %s", key, descriptor->name);
    return NULL;
}

static void assert_fields(const ProtobufCMessage *pb, json_t *fields);

static void assert_value(const ProtobufCFieldDescriptor *field, const void *at, json_t *expected)
{
    const ProtobufCEnumValue *value;
    const ProtobufCBinaryData *binary;
    struct ferry_bytes bytes;

    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT64:
        ck_assert_uint_eq(*(const uint64_t *)at, number_of(expected));
        break;
    case PROTOBUF_C_TYPE_BOOL:
        ck_assert_int_eq(*(const protobuf_c_boolean *)at, json_is_true(expected));
        break;
    case PROTOBUF_C_TYPE_ENUM:
        value = protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)at);
        ck_assert_ptr_nonnull(value);
        if (json_is_string(expected))
            ck_assert_str_eq(value->name, json_string_value(expected));
        else
            ck_assert_int_eq(value->value, json_integer_value(expected));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        binary = at;
        bytes = bytes_of(expected);
        ck_assert_uint_eq(binary->len, bytes.len);
        if (bytes.len > 0)
            ck_assert_mem_eq(binary->data, bytes.data, bytes.len);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        assert_fields(*(ProtobufCMessage *const *)at, expected);
        break;
    default:
        ck_abort_msg("field %s has a type that the schema does not use", field->name);
    }
}

static void assert_fields(const ProtobufCMessage *pb, json_t *fields)
{
    const char *key;
    json_t *expected;

    json_object_foreach(fields, key, expected)
    {
        const ProtobufCFieldDescriptor *field = field_of(pb->descriptor, key);
        const char *at = (const char *)pb + field->offset;
        const void *quantifier = (const char *)pb + field->quantifier_offset;

        if (field->label == PROTOBUF_C_LABEL_REPEATED) { /* of ids or messages: 8 bytes each, or a pointer */
            const char *array = *(const char *const *)(const void *)at;

            ck_assert_uint_eq(*(const size_t *)quantifier, json_array_size(expected));
            for (size_t i = 0; i < json_array_size(expected); i++)
                assert_value(field, array + 8 * i, json_array_get(expected, i));
        } else {
            if (field->type != PROTOBUF_C_TYPE_MESSAGE)
                ck_assert_int_eq(*(const protobuf_c_boolean *)quantifier, !json_is_null(expected));
            assert_value(field, at, expected);
        }
    }
}

/* An entry alone is also what a compact frame holds. */
static void assert_entry(const struct vector *v, const json_t *fields)
{
    static const struct ferry_message head = {.type = FERRY_MSG_APP};
    uint8_t *framed = pool_take(&pool, 1, FY_BE64_SIZE + v->bytes.len);
    const struct ferry_entry expected = {
        .type = (enum ferry_entry_type)number_at(fields, "type_num"),
        .term = number_at(fields, "term"),
        .index = number_at(fields, "index"),
        .data = bytes_of(json_object_get(fields, "data")),
    };
    const struct ferry_message wanted = {.type = FERRY_MSG_APP, .entries = &expected, .n_entries = 1};
    const struct ferry_message *msg;
    struct fy_outgoing *out;

    fy_be64_put(framed, v->bytes.len);
    memcpy(framed + FY_BE64_SIZE, v->bytes.data, v->bytes.len);
    ck_assert_int_eq(fy_message_decode_entries(&head, framed, FY_BE64_SIZE + v->bytes.len, 1, MAX_BYTES, NULL, &msg),
                     FERRY_OK);
    ck_assert_ptr_null(message_difference(&wanted, msg));
    ck_assert_int_eq(fy_outgoing_new(msg, v->form, MAX_BYTES, &out), FERRY_OK);
    ck_assert_uint_eq(out->entries_len, FY_BE64_SIZE + v->bytes.len);
    ck_assert_mem_eq(out->packed + out->head_len, framed, out->entries_len);
    fy_outgoing_free(out);
    ferry_message_unref(msg);
}

static void run_protobuf(const struct vector *v)
{
    const char *name = text_of(v->about, "pb_type");
    json_t *fields = json_object_get(v->about, "fields");
    ProtobufCMessage *pb = protobuf_c_message_unpack(descriptor_of(name), NULL, v->bytes.len, v->bytes.data);
    uint8_t *again = pool_take(&pool, 1, v->bytes.len);

    ck_assert_ptr_nonnull(pb);
    assert_fields(pb, fields);
    ck_assert_uint_eq(protobuf_c_message_get_packed_size(pb), v->bytes.len);
    ck_assert_uint_eq(protobuf_c_message_pack(pb, again), v->bytes.len);
    ck_assert_mem_eq(again, v->bytes.data, v->bytes.len);
    protobuf_c_message_free_unpacked(pb, NULL);
    if (strcmp(name, "Entry") == 0)
        assert_entry(v, fields);
}

/* ---- All of them ---- */

static uint8_t *read_file(const char *name, size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    char relative[256];
    FILE *file;

    snprintf(relative, sizeof(relative), "tests/vectors/%s", name);
    file = fopen(rig_path(relative), "rb");
    ck_assert_msg(file, "%s cannot be read", relative);
    ck_assert_uint_eq(fread(bytes, 1, len + 1, file), len);
    fclose(file);
    return bytes;
}

/* Returns the file's bytes, for free(). */
static uint8_t *init_vector(struct vector *v, const json_t *about, enum cut cut)
{
    const char *schema = text_of(about, "schema");
    uint8_t *file;

    *v = (struct vector){.about = about, .file = text_of(about, "file"), .cut = cut};
    v->form = strcmp(schema, "3.4") == 0   ? FERRY_FORM_3_4
              : strcmp(schema, "3.6") == 0 ? FERRY_FORM_3_6
                                           : FERRY_FORM_3_7;
    ck_assert(v->form != FERRY_FORM_3_7 || strcmp(schema, "3.7") == 0);
    v->codec = strcmp(text_of(about, "framing"), "msgappv2") == 0 ? FY_CODEC_MSGAPPV2 : FY_CODEC_MESSAGE;
    v->bytes.len = (size_t)number_at(about, "size");
    v->bytes.data = file = read_file(v->file, v->bytes.len);
    assert_sha256(v->bytes, about);
    return file;
}

static bool run_vector(const struct vector *v)
{
    static const struct {
        const char *kind;
        void (*run)(const struct vector *v);
    } kinds[] = {
        {"frames", run_frames},
        {"hostile", run_hostile},
        {"snapshot-body", run_snapshot_body},
        {"pipeline-body", run_pipeline_body},
        {"protobuf", run_protobuf},
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].kind, text_of(v->about, "kind")) == 0) {
            kinds[i].run(v);
            pool_release(&pool);
            return true;
        }
    }
    return false;
}

static void run_all(enum cut cut, size_t times)
{
    json_error_t error;
    json_t *index = json_load_file(rig_path("tests/vectors/index.json"), 0, &error);
    const json_t *vectors = json_object_get(index, "vectors");
    const json_t *about;
    size_t n_run = 0;
    size_t i;

    ck_assert_msg(index, "index.json: %s", error.text);
    json_array_foreach(vectors, i, about)
    {
        struct vector v;
        uint8_t *file = init_vector(&v, about, cut);

        for (size_t k = 0; k < (v.bytes.len < 65536 ? times : (times + 19) / 20); k++)
            if (run_vector(&v))
                n_run += k == 0;
        free(file);
    }
    ck_assert_uint_gt(n_run, 0);
    ck_assert_uint_eq(n_run, json_array_size(vectors));
    json_decref(index);
}

START_TEST(every_vector_is_met_when_it_comes_whole)
{
    run_all(WHOLE, 1);
}
END_TEST

START_TEST(every_vector_is_met_byte_by_byte)
{
    run_all(SINGLE_BYTES, 1);
}
END_TEST

START_TEST(every_vector_is_met_when_cut_at_random)
{
    run_all(AT_RANDOM, N_CUTS);
}
END_TEST

int main(void)
{
    rig_step_aside();
    return rig_main("vectors", setup, teardown, every_vector_is_met_when_it_comes_whole,
                    every_vector_is_met_byte_by_byte, every_vector_is_met_when_cut_at_random, NULL);
}
