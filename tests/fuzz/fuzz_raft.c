/*
 * fuzz_raft - messages for libraft: any Raft message with any Context becomes one of the core's or is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/libraft/raft_context.h"
#include "adapters/libraft/raft_message.h"
#include "fuzz.h"
#include "fuzz_heap.h"
#include "wire/message.h"

#define MAX_MEMORY ((size_t)1 << 20)

/* A Context that was read can be written, and reads the same. */
static void context(const struct fuzz_input *input)
{
    struct fy_raft_context got, again;
    struct raft_configuration conf;
    raft_index index;
    uint8_t small[FY_RAFT_CONTEXT_SMALL];

    if (fy_raft_context_read(input->data, input->len, &got) == FERRY_OK) {
        FUZZ_CHECK(fy_raft_context_read(small, fy_raft_context_write(&got, small), &again) == FERRY_OK);
        FUZZ_CHECK(got.is_disrupting == again.is_disrupting && got.is_pre_vote_unknown == again.is_pre_vote_unknown);
        FUZZ_CHECK(strcmp(got.sender, again.sender) == 0);
    }
    if (fy_raft_context_read_conf(input->data, input->len, &got, &conf, &index) == FERRY_OK) {
        uint8_t *written;
        size_t len;

        if (fy_raft_context_write_conf(&got, &conf, index, &written, &len) == FERRY_OK)
            free(written);
        raft_configuration_close(&conf);
    }
}

static void to_the_core(const struct ferry_message *msg)
{
    char sender[FERRY_LIBRAFT_ADDRESS_MAX + 1];
    struct raft_message message;
    struct fy_raft_out out;

    if (fy_raft_in_init(&message, msg, NULL, sender) != FERRY_OK)
        return;
    if (fy_raft_out_init(&out, &message, 1, sender, 1 << 20) == FERRY_OK)
        fy_raft_out_release(&out);
    fy_raft_in_release(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;
    const struct ferry_message *msg;

    if (!fuzz_begin(&input, data, size))
        return 0;
    context(&input);
    if (fy_message_decode(input.data, input.len, MAX_MEMORY, &msg) == FERRY_OK) {
        to_the_core(msg);
        ferry_message_unref(msg);
    }
    fuzz_end(&input);
    return 0;
}
