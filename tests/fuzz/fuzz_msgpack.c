/*
 * fuzz_msgpack - every value that is read can be written, and reads the same; what a value takes is what is passed
 * over.
 */
#include <stdlib.h>
#include <string.h>

#include "ferry/msgpack.h"
#include "fuzz.h"

/* Read one value or head with the function of its type, and write it.  The number of values in it, or an error. */
static int64_t transcribe(struct ferry_msgpack_reader *reader, struct ferry_msgpack_writer *writer)
{
    enum ferry_msgpack_type type;
    struct ferry_bytes bytes;
    uint64_t number;
    int64_t integer, seconds;
    uint32_t n, ns;
    double real;
    int8_t ext;
    bool truth;
    int err = ferry_msgpack_peek(reader, &type);

    if (err)
        return err;
    switch (type) {
    case FERRY_MSGPACK_NIL:
        ferry_msgpack_write_nil(writer);
        return ferry_msgpack_read_nil(reader);
    case FERRY_MSGPACK_BOOL:
        if (!(err = ferry_msgpack_read_bool(reader, &truth)))
            ferry_msgpack_write_bool(writer, truth);
        return err;
    case FERRY_MSGPACK_INT:
        if (!(err = ferry_msgpack_read_int(reader, &integer)))
            ferry_msgpack_write_int(writer, integer);
        else if (!(err = ferry_msgpack_read_uint(reader, &number)))
            ferry_msgpack_write_uint(writer, number);
        return err;
    case FERRY_MSGPACK_FLOAT:
        if (!(err = ferry_msgpack_read_double(reader, &real)))
            ferry_msgpack_write_double(writer, real);
        return err;
    case FERRY_MSGPACK_STR:
        if (!(err = ferry_msgpack_read_str(reader, &bytes)))
            ferry_msgpack_write_str(writer, (const char *)bytes.data, bytes.len);
        return err;
    case FERRY_MSGPACK_BIN:
        if (!(err = ferry_msgpack_read_bin(reader, &bytes)))
            ferry_msgpack_write_bin(writer, bytes.data, bytes.len);
        return err;
    case FERRY_MSGPACK_EXT:
        if (!(err = ferry_msgpack_read_time(reader, &seconds, &ns)))
            ferry_msgpack_write_time(writer, seconds, ns);
        else if (!(err = ferry_msgpack_read_ext(reader, &ext, &bytes)))
            ferry_msgpack_write_ext(writer, ext, bytes.data, bytes.len);
        return err;
    case FERRY_MSGPACK_ARRAY:
        if ((err = ferry_msgpack_read_array(reader, &n)))
            return err;
        ferry_msgpack_write_array(writer, n);
        return n;
    case FERRY_MSGPACK_MAP:
        if ((err = ferry_msgpack_read_map(reader, &n)))
            return err;
        ferry_msgpack_write_map(writer, n);
        return (int64_t)n * 2;
    }
    return -1;
}

/* The whole value.  FERRY_OK or an error. */
static int transcribe_all(struct ferry_msgpack_reader *reader, struct ferry_msgpack_writer *writer)
{
    for (int64_t open = 1; open > 0; open--) {
        int64_t n = transcribe(reader, writer);

        if (n < 0)
            return (int)n;
        open += n;
    }
    return FERRY_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input;
    struct ferry_msgpack_reader reader, skipper;
    struct ferry_msgpack_writer writer, again;
    struct ferry_bytes raw, key;
    uint8_t *first, *second;
    size_t len, cap, len_again;
    int err;

    if (!fuzz_begin(&input, data, size))
        return 0;
    cap = 9 * input.len + 64;
    first = malloc(cap);
    second = malloc(cap);
    ferry_msgpack_reader_init(&reader, input.data, input.len);
    skipper = reader;
    (void)ferry_msgpack_read_key(&skipper, &key);
    skipper = reader;
    ferry_msgpack_writer_init(&writer, first, input.options & 1 ? cap : input.options);
    err = transcribe_all(&reader, &writer);
    if (err == FERRY_OK) {
        FUZZ_CHECK(ferry_msgpack_read_raw(&skipper, &raw) == FERRY_OK);
        FUZZ_CHECK(skipper.data == reader.data && raw.len == input.len - reader.len);
        if (ferry_msgpack_writer_end(&writer, &len) == FERRY_OK) {
            ferry_msgpack_reader_init(&reader, first, len);
            ferry_msgpack_writer_init(&again, second, cap);
            FUZZ_CHECK(transcribe_all(&reader, &again) == FERRY_OK && reader.len == 0);
            FUZZ_CHECK(ferry_msgpack_writer_end(&again, &len_again) == FERRY_OK);
            FUZZ_CHECK(len_again == len && memcmp(first, second, len) == 0);
            FUZZ_CHECK(!ferry_msgpack_is_text(raw, "") || raw.len == 0);
        }
    } else {
        FUZZ_CHECK(ferry_msgpack_skip(&skipper) != FERRY_OK);
    }
    ferry_msgpack_write_raw(&writer, input.data, input.len);
    ferry_msgpack_write_float(&writer, 1.0f);
    free(first);
    free(second);
    fuzz_end(&input);
    return 0;
}
