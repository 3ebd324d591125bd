/*
 * check_compress - payloads packed and unpacked: what is left alone, what is refused, what it costs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "mailbox/compress.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static const enum fy_packing packings[] = {FY_PACKING_ZSTD, FY_PACKING_GZIP};
#define N_PACKINGS 2

static struct fy_compressor *compressor;
static struct fy_text packed, plain;
static uint8_t text[MIB];

static void setup(void)
{
    static const char line[] = "a line that comes again and again, with a number: ";

    heap_setup();
    compressor = fy_compressor_new();
    ck_assert_ptr_nonnull(compressor);
    fy_text_init(&packed);
    fy_text_init(&plain);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 50 == 49 ? (uint8_t)('a' + i / 50 % 26) : (uint8_t)line[i % 50];
}

static void teardown(void)
{
    fy_text_release(&packed);
    fy_text_release(&plain);
    fy_compressor_free(compressor);
    heap_teardown();
}

static struct ferry_bytes bytes_of(const struct fy_text *from)
{
    return (struct ferry_bytes){(const uint8_t *)from->data, from->len};
}

static enum fy_packing pack(enum fy_packing wanted, struct ferry_bytes bytes)
{
    enum fy_packing used = FY_PACKING_NONE;

    packed.len = 0;
    ck_assert_int_eq(fy_pack(compressor, wanted, bytes, &packed, &used), FERRY_OK);
    return used;
}

static int unpack(enum fy_packing packing, size_t max_bytes)
{
    plain.len = 0;
    return fy_unpack(compressor, packing, bytes_of(&packed), max_bytes, &plain);
}

START_TEST(payloads_of_all_sizes_come_back)
{
    static const size_t sizes[] = {FY_PACK_MIN_BYTES, 1000, 4096, 4097, 8192, 8193, 100000, MIB};

    for (size_t i = 0; i < N_PACKINGS; i++) {
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            ck_assert_int_eq(pack(packings[i], (struct ferry_bytes){text, sizes[j]}), packings[i]);
            ck_assert_uint_lt(packed.len, sizes[j]);
            ck_assert_int_eq(unpack(packings[i], MIB), FERRY_OK);
            ck_assert_uint_eq(plain.len, sizes[j]);
            ck_assert_mem_eq(plain.data, text, sizes[j]);
        }
    }
}
END_TEST

START_TEST(short_payloads_and_those_that_do_not_shrink_are_left_alone)
{
    uint8_t noise[4096];

    srandom(5);
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)(random() >> 8);
    for (size_t i = 0; i < N_PACKINGS; i++) {
        ck_assert_int_eq(pack(packings[i], (struct ferry_bytes){text, FY_PACK_MIN_BYTES - 1}), FY_PACKING_NONE);
        ck_assert_mem_eq(packed.data, text, FY_PACK_MIN_BYTES - 1);
        ck_assert_int_eq(pack(packings[i], (struct ferry_bytes){noise, sizeof(noise)}), FY_PACKING_NONE);
        ck_assert_uint_eq(packed.len, sizeof(noise));
        ck_assert_mem_eq(packed.data, noise, sizeof(noise));
    }
    ck_assert_int_eq(pack(FY_PACKING_NONE, (struct ferry_bytes){text, 1000}), FY_PACKING_NONE);
    ck_assert_int_eq(unpack(FY_PACKING_NONE, 1000), FERRY_OK);
    ck_assert_mem_eq(plain.data, text, 1000);
    ck_assert_int_eq(unpack(FY_PACKING_NONE, 999), FERRY_ERR_TOO_LARGE);
    ck_assert_int_eq(pack(FY_PACKING_ZSTD, (struct ferry_bytes){NULL, 0}), FY_PACKING_NONE);
    ck_assert_uint_eq(packed.len, 0);
}
END_TEST

START_TEST(a_payload_may_be_as_long_as_the_limit_and_no_longer)
{
    static const size_t sizes[] = {200, 4095, 4096, 4097, 100000};

    for (size_t i = 0; i < N_PACKINGS; i++) {
        for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
            pack(packings[i], (struct ferry_bytes){text, sizes[j]});
            ck_assert_int_eq(unpack(packings[i], sizes[j]), FERRY_OK);
            ck_assert_int_eq(unpack(packings[i], sizes[j] - 1), FERRY_ERR_TOO_LARGE);
            ck_assert_uint_eq(plain.len, 0);
            ck_assert_int_eq(unpack(packings[i], sizes[j]), FERRY_OK); /* the context is as good as before */
        }
    }
}
END_TEST

START_TEST(a_bomb_costs_what_the_limit_says)
{
    const size_t size = 64 * MIB;
    uint8_t *zeros = calloc(1, size);

    ck_assert_ptr_nonnull(zeros);
    for (size_t i = 0; i < N_PACKINGS; i++) {
        pack(packings[i], (struct ferry_bytes){zeros, size});
        heap_reset_largest();
        ck_assert_int_eq(unpack(packings[i], 64 * KIB), FERRY_ERR_TOO_LARGE);
        ck_assert_uint_le(heap_largest(), 64 * KIB + 1);
    }
    free(zeros);
}
END_TEST

START_TEST(damage_and_cuts_are_refused)
{
    for (size_t i = 0; i < N_PACKINGS; i++) {
        pack(packings[i], (struct ferry_bytes){text, 10000});
        for (size_t len = 0; len < packed.len; len++) {
            struct ferry_bytes part = {(const uint8_t *)packed.data, len};

            plain.len = 0;
            ck_assert_int_eq(fy_unpack(compressor, packings[i], part, MIB, &plain), FERRY_ERR_MALFORMED);
            ck_assert_uint_eq(plain.len, 0);
        }
        fy_text_put(&packed, "and more");
        ck_assert_int_eq(unpack(packings[i], MIB), FERRY_ERR_MALFORMED);
        ck_assert_int_eq(unpack(packings[1 - i], MIB), FERRY_ERR_MALFORMED); /* by the other one */
    }
    ck_assert_int_eq(unpack((enum fy_packing)7, MIB), FERRY_ERR_MALFORMED);
}
END_TEST

START_TEST(payloads_one_after_the_other_are_one)
{
    struct ferry_bytes both;

    for (size_t i = 0; i < N_PACKINGS; i++) {
        size_t half;

        pack(packings[i], (struct ferry_bytes){text, 5000});
        half = packed.len;
        fy_text_add(&packed, packed.data, half);
        both = bytes_of(&packed);
        plain.len = 0;
        ck_assert_int_eq(fy_unpack(compressor, packings[i], both, MIB, &plain), FERRY_OK);
        ck_assert_uint_eq(plain.len, 10000);
        ck_assert_mem_eq(plain.data + 5000, text, 5000);
    }
}
END_TEST

START_TEST(contexts_are_kept_from_one_payload_to_the_next)
{
    long live;

    for (size_t i = 0; i < N_PACKINGS; i++) {
        pack(packings[i], (struct ferry_bytes){text, 10000});
        ck_assert_int_eq(unpack(packings[i], MIB), FERRY_OK);
        live = heap_live();
        heap_reset_largest();
        for (int n = 0; n < 100; n++) {
            pack(packings[i], (struct ferry_bytes){text, 10000});
            ck_assert_int_eq(unpack(packings[i], MIB), FERRY_OK);
        }
        ck_assert_int_eq(heap_live(), live);
        ck_assert_uint_le(heap_largest(), 16 * KIB + 1); /* a context of zlib has larger blocks */
    }
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    for (size_t i = 0; i < N_PACKINGS; i++) {
        int err = FERRY_ERR_NOMEM;

        for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
            struct fy_compressor *fresh;
            enum fy_packing used;

            fy_text_release(&packed);
            fy_text_release(&plain);
            heap_fail_at(nth);
            fresh = fy_compressor_new();
            err = fresh ? fy_pack(fresh, packings[i], (struct ferry_bytes){text, 10000}, &packed, &used)
                        : FERRY_ERR_NOMEM;
            if (!err)
                err = fy_unpack(fresh, packings[i], bytes_of(&packed), MIB, &plain);
            heap_fail_at(-1);
            fy_compressor_free(fresh);
        }
        ck_assert_int_eq(err, FERRY_OK);
        ck_assert_uint_eq(plain.len, 10000);
    }
    fy_compressor_free(NULL);
}
END_TEST

int main(void)
{
    return rig_main("compress", setup, teardown, payloads_of_all_sizes_come_back,
                    short_payloads_and_those_that_do_not_shrink_are_left_alone,
                    a_payload_may_be_as_long_as_the_limit_and_no_longer, a_bomb_costs_what_the_limit_says,
                    damage_and_cuts_are_refused, payloads_one_after_the_other_are_one,
                    contexts_are_kept_from_one_payload_to_the_next, every_allocation_may_fail, NULL);
}
