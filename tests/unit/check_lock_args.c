/*
 * check_lock_args - requests and answers of locks: the bytes of a real node, every length of text, bad input.
 */
#include <stdlib.h>
#include <string.h>

#include "ferry/lock.h"
#include "ferry/msgpack.h"
#include "harness/heap.h"
#include "harness/rig.h"

static uint8_t buf[300000];
static size_t len;

static void setup(void)
{
    heap_setup();
}

static void teardown(void)
{
    heap_teardown();
}

#define TEXT(text) ((struct ferry_bytes){(const uint8_t *)(text), sizeof(text) - 1})

static void assert_bytes(const char *bytes, size_t n)
{
    ck_assert_uint_eq(len, n);
    ck_assert_mem_eq(buf, bytes, n);
}

#define ASSERT_BYTES(bytes) assert_bytes(bytes, sizeof(bytes) - 1)

START_TEST(requests_are_those_of_a_real_node)
{
    const struct ferry_bytes resource = TEXT("obj.txt");
    const struct ferry_lock_args args = {.uid = TEXT("lid"),
                                         .resources = &resource,
                                         .n_resources = 1,
                                         .owner = TEXT("minio"),
                                         .source = TEXT("lockArgs.go"),
                                         .has_quorum = true,
                                         .quorum = 3};
    const struct ferry_lock_args none = {.n_resources = 0};

    ck_assert_int_eq(ferry_lock_args_encode(&args, buf, sizeof(buf), &len), FERRY_OK);
    ASSERT_BYTES(
        "\x85\xa3UID\xa3lid\xa9Resources\x91\xa7obj.txt\xa5Owner\xa5minio\xa6Source\xablockArgs.go\xa6Quorum\x03");
    ck_assert_int_eq(ferry_lock_args_encode(&none, buf, sizeof(buf), &len), FERRY_OK);
    ASSERT_BYTES("\x85\xa3UID\xa0\xa9Resources\x90\xa5Owner\xa0\xa6Source\xa0\xa6Quorum\xc0");
}
END_TEST

/* Texts of every length up to beyond the second width, and longer ones, in each place; nothing written beyond the end.
 */
START_TEST(texts_of_every_length_go_there_and_back)
{
    static uint8_t text[70000];
    struct ferry_bytes resources[2];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)('a' + i % 26);
    for (size_t n = 0; n < sizeof(text); n = n < 300 ? n + 1 : n * 2) {
        const struct ferry_bytes given[2] = {{text + 1, n}, {text + 2, n}};
        const struct ferry_lock_args args = {
            .uid = {text, n}, .resources = given, .n_resources = 2, .owner = {text + 3, n}, .source = {text + 4, n}};
        struct ferry_lock_args got;

        ck_assert_int_eq(ferry_lock_args_encode(&args, NULL, 0, &len), FERRY_ERR_TOO_LARGE);
        ck_assert_uint_le(len, sizeof(buf) - 1);
        buf[len] = 0xee;
        ck_assert_int_eq(ferry_lock_args_encode(&args, buf, len, &len), FERRY_OK);
        ck_assert_uint_eq(buf[len], 0xee);
        ck_assert_int_eq(ferry_lock_args_decode(buf, len, resources, 2, &got), FERRY_OK);
        ck_assert_uint_eq(got.uid.len, n);
        ck_assert_mem_eq(got.uid.data, text, n);
        ck_assert_mem_eq(got.resources[0].data, text + 1, n);
        ck_assert_mem_eq(got.resources[1].data, text + 2, n);
        ck_assert_mem_eq(got.owner.data, text + 3, n);
        ck_assert_uint_eq(got.source.len, n);
        ck_assert_mem_eq(got.source.data, text + 4, n);
        ck_assert(!got.has_quorum);
    }
}
END_TEST

START_TEST(a_buffer_that_is_too_small_stays_untouched)
{
    const struct ferry_lock_args args = {.uid = TEXT("uid"), .has_quorum = true, .quorum = -1000};
    const struct ferry_lock_response response = {.code = FERRY_LOCK_ERROR, .error = TEXT("why")};
    size_t need;

    ck_assert_int_eq(ferry_lock_args_encode(&args, buf, sizeof(buf), &need), FERRY_OK);
    for (size_t cap = 0; cap < need; cap++) {
        memset(buf, 0xee, need);
        ck_assert_int_eq(ferry_lock_args_encode(&args, buf, cap, &len), FERRY_ERR_TOO_LARGE);
        ck_assert_uint_eq(len, need);
        ck_assert_uint_eq(buf[0], 0xee);
    }
    ck_assert_int_eq(ferry_lock_response_encode(&response, buf, sizeof(buf), &need), FERRY_OK);
    for (size_t cap = 0; cap < need; cap++)
        ck_assert_int_eq(ferry_lock_response_encode(&response, buf, cap, &len), FERRY_ERR_TOO_LARGE);
}
END_TEST

START_TEST(what_has_no_form_is_refused)
{
    const struct ferry_bytes huge = {buf, (size_t)UINT32_MAX + 1}, endless = {buf, SIZE_MAX};
    const struct ferry_lock_args cases[] = {{.uid = huge},
                                            {.owner = huge},
                                            {.source = endless},
                                            {.resources = &huge, .n_resources = 1},
                                            {.n_resources = (size_t)UINT32_MAX + 1}};
    const struct ferry_lock_response response = {.error = huge};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_int_eq(ferry_lock_args_encode(&cases[i], buf, sizeof(buf), &len), FERRY_ERR_INVALID);
    ck_assert_int_eq(ferry_lock_response_encode(&response, buf, sizeof(buf), &len), FERRY_ERR_INVALID);
}
END_TEST

static struct ferry_bytes resources[3];
static struct ferry_lock_args got;

static int decode(const char *bytes, size_t n)
{
    memset(&got, 0xee, sizeof(got));
    return ferry_lock_args_decode((const uint8_t *)bytes, n, resources, 3, &got);
}

#define DECODE(bytes) decode(bytes, sizeof(bytes) - 1)

START_TEST(keys_may_be_missing_unknown_and_in_any_order)
{
    ck_assert_int_eq(DECODE("\x80"), FERRY_OK);
    ck_assert(!got.uid.data && !got.owner.data && !got.source.data && got.n_resources == 0 && !got.has_quorum);
    ck_assert_int_eq(
        DECODE("\x85\xa6Quorum\xcd\x01\0\xa3UIX\x92\x01\x02\xa5Owner\xa1o\xc4\x03UID\xa1u\xa9Resources\x92\xa1"
               "a\xa0"),
        FERRY_OK);
    ck_assert(got.has_quorum && got.quorum == 256 && got.n_resources == 2);
    ck_assert(ferry_msgpack_is_text(got.uid, "u") && ferry_msgpack_is_text(got.owner, "o"));
    ck_assert(ferry_msgpack_is_text(got.resources[0], "a") && ferry_msgpack_is_text(got.resources[1], ""));
    ck_assert_int_eq(DECODE("\x82\xa6Quorum\x03\xa6Quorum\xc0"), FERRY_OK);
    ck_assert(!got.has_quorum); /* the last of several counts */
}
END_TEST

START_TEST(bad_requests_are_refused)
{
    static const char whole[] =
        "\x85\xa3UID\xa3lid\xa9Resources\x91\xa7obj.txt\xa5Owner\xa5minio\xa6Source\xa1s\xa6Quorum\x03";

    for (size_t n = 0; n < sizeof(whole) - 1; n++)
        ck_assert_int_eq(decode(whole, n), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(DECODE("\x93\xa1x\x90\xc0"), FERRY_ERR_MALFORMED); /* an array */
    ck_assert_int_eq(DECODE("\x81\x01\x01"), FERRY_ERR_MALFORMED);      /* a number as key */
    ck_assert_int_eq(DECODE("\x81\xa3UID\xc0"), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(DECODE("\x81\xa5Owner\x01"), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(DECODE("\x81\xa6Source\xc4\x01s"), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(DECODE("\x81\xa6Quorum\xa1"
                            "3"),
                     FERRY_ERR_MALFORMED);
    ck_assert_int_eq(DECODE("\x81\xa9Resources\xc0"), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(DECODE("\x81\xa9Resources\x92\xa1"
                            "a\x01"),
                     FERRY_ERR_MALFORMED);
    ck_assert_int_eq(DECODE("\x81\xa3XXX\xc1"), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(DECODE("\x81\xa9Resources\x93\xa1"
                            "a\xa1"
                            "b\xa1"
                            "c"),
                     FERRY_OK);
    ck_assert_int_eq(DECODE("\x81\xa9Resources\x94\xa1"
                            "a\xa1"
                            "b\xa1"
                            "c\xa1"
                            "d"),
                     FERRY_ERR_TOO_LARGE);
    ck_assert_uint_eq(got.n_resources, 0xeeeeeeeeeeeeeeee); /* a refusal sets nothing */
}
END_TEST

START_TEST(answers_go_there_and_back)
{
    struct ferry_lock_response response = {.code = FERRY_LOCK_OK};

    ck_assert_int_eq(ferry_lock_response_encode(&response, buf, sizeof(buf), &len), FERRY_OK);
    ASSERT_BYTES("\x82\xa4"
                 "Code\x00\xa3"
                 "Err\xa0");
    response = (struct ferry_lock_response){.code = FERRY_LOCK_ERROR, .error = TEXT("x")};
    ck_assert_int_eq(ferry_lock_response_encode(&response, buf, sizeof(buf), &len), FERRY_OK);
    ASSERT_BYTES("\x82\xa4"
                 "Code\x04\xa3"
                 "Err\xa1x");
    memset(&response, 0xee, sizeof(response));
    ck_assert_int_eq(ferry_lock_response_decode(buf, len, &response), FERRY_OK);
    ck_assert_uint_eq(response.code, FERRY_LOCK_ERROR);
    ck_assert(ferry_msgpack_is_text(response.error, "x"));
    response = (struct ferry_lock_response){.code = 200, .error = TEXT("x")};
    ck_assert_int_eq(ferry_lock_response_encode(&response, buf, sizeof(buf), &len), FERRY_OK);
    ASSERT_BYTES("\x82\xa4"
                 "Code\xcc\xc8\xa3"
                 "Err\xa1x");
    for (size_t n = 0; n < len; n++)
        ck_assert_int_eq(ferry_lock_response_decode(buf, n, &response), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(ferry_lock_response_decode((const uint8_t *)"\x81\xa1X\x05", 4, &response), FERRY_OK);
    ck_assert(response.code == FERRY_LOCK_OK && !response.error.data);
    ck_assert_int_eq(ferry_lock_response_decode((const uint8_t *)"\x81\xa4"
                                                                 "Code\xcd\1\0",
                                                9, &response),
                     FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_lock_response_decode((const uint8_t *)"\x81\xa3"
                                                                 "Err\xc0",
                                                6, &response),
                     FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_lock_response_decode((const uint8_t *)"\x81\xc0\xc0", 3, &response), FERRY_ERR_MALFORMED);
    ck_assert_int_eq(ferry_lock_response_decode((const uint8_t *)"\x90", 1, &response), FERRY_ERR_MALFORMED);
}
END_TEST

int main(void)
{
    return rig_main("lock_args", setup, teardown, requests_are_those_of_a_real_node,
                    texts_of_every_length_go_there_and_back, a_buffer_that_is_too_small_stays_untouched,
                    what_has_no_form_is_refused, keys_may_be_missing_unknown_and_in_any_order, bad_requests_are_refused,
                    answers_go_there_and_back, NULL);
}
