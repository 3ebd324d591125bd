/*
 * fuzz_message - a bare protobuf message: what is accepted protobuf-c reads the same, as it came and as we write it.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "harness/messages.h"
#include "raftpb/raft.pb-c.h"
#include "wire/encoder.h"
#include "wire/message.h"
#include "wire/outgoing.h"

#define MAX_MEMORY ((size_t)1 << 20)

/*
 * Of a snapshot that came in several parts the last value of each field counts.  protobuf-c takes an empty one in a
 * later part for none, and keeps the earlier one.
 */
static bool is_fault_of_protobuf_c(const struct ferry_message *msg, const char *difference)
{
    bool found = msg->snapshot && msg->snapshot->data.data && msg->snapshot->data.len == 0;

    for (size_t i = 0; i < msg->n_responses && !found; i++)
        found = is_fault_of_protobuf_c(&msg->responses[i], difference);
    return found && strcmp(difference, "snapshot.data") == 0;
}

static bool compare(const struct ferry_message *msg, const uint8_t *data, size_t len)
{
    Raftpb__Message *judge = raftpb__message__unpack(NULL, len, data);
    struct pool pool = {NULL};
    const char *difference = NULL;

    if (judge)
        difference = message_difference(msg, message_from_protobuf(&pool, judge));
    FUZZ_CHECK(!difference || is_fault_of_protobuf_c(msg, difference));
    pool_release(&pool);
    if (judge)
        raftpb__message__free_unpacked(judge, NULL);
    return judge != NULL;
}

/*
 * protobuf-c refuses some bytes that Go reads, such as tags that take more bytes than they need; it must read what we
 * write.
 */
static void compare_written(const struct ferry_message *msg)
{
    struct fy_outgoing *out;
    struct fy_encoder enc;
    uint8_t *data;
    size_t len;

    if (fy_outgoing_new(msg, FERRY_FORM_3_7, MAX_MEMORY, &out) != FERRY_OK)
        return;
    data = malloc(out->packed_len + 1);
    FUZZ_CHECK(data != NULL);
    fy_encoder_init(&enc, FY_CODEC_BARE, FERRY_FORM_3_7);
    fy_encoder_start(&enc, out);
    len = fy_encoder_read(&enc, data, out->packed_len);
    FUZZ_CHECK(len == out->packed_len && fy_encoder_left(&enc) == 0);
    FUZZ_CHECK(compare(msg, data, len));
    free(data);
    fy_outgoing_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;
    const struct ferry_message *msg;

    if (!fuzz_begin(&input, data, size))
        return 0;
    if (fy_message_decode(input.data, input.len, MAX_MEMORY, &msg) == FERRY_OK) {
        (void)compare(msg, input.data, input.len);
        compare_written(msg);
        FUZZ_CHECK(fy_message_memory(msg) <= MAX_MEMORY);
        ferry_message_unref(msg);
    }
    if (fy_message_decode_unless_heartbeat(input.data, input.len, MAX_MEMORY, NULL, &msg) == FERRY_OK && msg)
        ferry_message_unref(msg);
    fuzz_end(&input);
    return 0;
}
