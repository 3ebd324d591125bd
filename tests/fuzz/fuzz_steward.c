/*
 * fuzz_steward - Steward's message in both serializations: what was read is written to what reads and is written the
 * same.
 */
#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "wire/steward.h"

static void run(const struct fuzz_input *input, enum fy_steward_form form, enum fy_steward_serial serial)
{
    struct fy_steward_message *message, *again;
    struct fy_text first, second;
    struct ferry_bytes bytes = {input->data, input->len};

    if (fy_steward_read(form, serial, bytes, &message) != FERRY_OK)
        return;
    fy_text_init(&first);
    fy_text_init(&second);
    fy_steward_write(form, serial, message, &first);
    bytes = (struct ferry_bytes){(const uint8_t *)first.data, first.len};
    if (first.err == FERRY_OK && fy_steward_read(form, serial, bytes, &again) == FERRY_OK) {
        fy_steward_write(form, serial, again, &second);
        FUZZ_CHECK(second.err || (first.len == second.len && memcmp(first.data, second.data, first.len) == 0));
        fy_steward_free(again);
    }
    fy_text_release(&first);
    fy_text_release(&second);
    fy_steward_free(message);
}

static void headers(const struct fuzz_input *input)
{
    enum fy_steward_serial serial;
    enum fy_steward_packing packing;
    char text[8] = "";

    memcpy(text, input->data, input->len < 7 ? input->len : 7);
    if (fy_steward_read_headers(text, NULL, &serial, &packing) == FERRY_OK)
        (void)fy_steward_serial_header(serial);
    if (fy_steward_read_headers(NULL, text, &serial, &packing) == FERRY_OK)
        (void)fy_steward_packing_header(packing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;

    if (!fuzz_begin(&input, data, size))
        return 0;
    run(&input, input.options & 1 ? FY_STEWARD_25 : FY_STEWARD_26,
        input.options & 2 ? FY_STEWARD_GOB : FY_STEWARD_CBOR);
    headers(&input);
    fuzz_end(&input);
    return 0;
}
