/*
 * fuzz_mail - frames of the mailbox: what was read is written to the same bytes.
 *
 * Option 1 writes the checksums into the input first, so that what they guard is reached.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"
#include "wire/mail_frame.h"

static void put32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * (3 - i));
}

/* Make both checksums right, as far as there is room for them. */
static void seal(struct fuzz_input *input)
{
    uint8_t *frame = input->data;
    const size_t header = input->len < 8 ? 0 : (size_t)frame[6] << 8 | frame[7];
    const size_t body_at = input->len > 3 && frame[3] == 1 ? 60 : 36;

    if (header < body_at + 8 || header > input->len)
        return;
    put32(frame + body_at, (uint32_t)crc32_z(0, frame + header, input->len - header));
    put32(frame + header - 4, (uint32_t)crc32_z(0, frame, header - 4));
}

static void message(struct fuzz_input *input)
{
    struct fy_mail_head head;
    size_t len;

    if (fy_mail_frame_read((struct ferry_bytes){input->data, input->len}, &head) != FERRY_OK)
        return;
    if (fy_mail_frame_size(&head, &len) == FERRY_OK) {
        uint8_t *frame = malloc(len);
        struct fy_mail_head again;

        fy_mail_frame_write(&head, frame);
        FUZZ_CHECK(fy_mail_frame_read((struct ferry_bytes){frame, len}, &again) == FERRY_OK);
        FUZZ_CHECK(again.sequence == head.sequence && again.payload.len == head.payload.len);
        fy_mail_frame_stamp(frame, 70000, 5);
        FUZZ_CHECK(fy_mail_frame_read((struct ferry_bytes){frame, len}, &again) == FERRY_OK);
        FUZZ_CHECK(again.attempt == 65535 && again.remaining_ms == 5);
        free(frame);
    }
}

static void answer(struct fuzz_input *input)
{
    struct fy_mail_answer got, again;

    if (fy_mail_answer_read((struct ferry_bytes){input->data, input->len}, &got) == FERRY_OK) {
        const size_t len = fy_mail_answer_size(&got);
        uint8_t *frame = malloc(len);

        fy_mail_answer_write(&got, frame);
        FUZZ_CHECK(fy_mail_answer_read((struct ferry_bytes){frame, len}, &again) == FERRY_OK);
        FUZZ_CHECK(again.sequence == got.sequence && again.status == got.status && again.body.len == got.body.len);
        (void)fy_mail_status_is_final(got.status);
        free(frame);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;

    if (!fuzz_begin(&input, data, size))
        return 0;
    if (input.options & 1)
        seal(&input);
    message(&input);
    answer(&input);
    fuzz_end(&input);
    return 0;
}
