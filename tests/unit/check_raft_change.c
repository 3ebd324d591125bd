/*
 * check_raft_change - configurations as libraft encodes them, cut, damaged and made up.
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/libraft/raft_change.h"
#include "adapters/libraft/raft_compat.h"
#include "harness/rig.h"

static struct raft_configuration conf;
static struct raft_buffer encoded;

static void setup(void)
{
    raft_configuration_init(&conf);
    ck_assert_int_eq(raft_configuration_add(&conf, 1, "http://n1:80", RAFT_VOTER), 0);
    ck_assert_int_eq(raft_configuration_add(&conf, 300, "http://n300:80", RAFT_STANDBY), 0);
    ck_assert_int_eq(raft_configuration_add(&conf, UINT64_MAX, "x", RAFT_SPARE), 0);
    ck_assert_int_eq(raft_configuration_encode(&conf, &encoded), 0);
}

static void teardown(void)
{
    raft_free(encoded.base);
    raft_configuration_close(&conf);
}

static bool is_valid(size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1); /* of just that size, for the sanitizers */
    bool result;

    memcpy(copy, encoded.base, len);
    result = fy_raft_change_is_valid(copy, len);
    free(copy);
    return result;
}

static uint8_t *at(size_t offset)
{
    return (uint8_t *)encoded.base + offset;
}

START_TEST(what_libraft_encodes_is_valid)
{
    ck_assert(is_valid(encoded.len));
}
END_TEST

START_TEST(a_cut_one_is_not)
{
    size_t whole = 1 + 8 + 3 * (8 + 1) + sizeof("http://n1:80") + sizeof("http://n300:80") + sizeof("x");

    for (size_t len = 0; len < encoded.len; len++)
        ck_assert_int_eq(is_valid(len), len >= whole); /* the padding may be missing */
}
END_TEST

START_TEST(each_field_is_checked)
{
    uint8_t *first = at(9), *second = first + 8 + sizeof("http://n1:80") + 1;

    *at(0) = 2; /* version */
    ck_assert(!is_valid(encoded.len));
    *at(0) = 1;
    *at(1) = 0; /* no servers */
    ck_assert(!is_valid(encoded.len));
    *at(1) = 4; /* more than there are */
    ck_assert(!is_valid(encoded.len));
    *at(1) = 2; /* fewer */
    ck_assert(!is_valid(encoded.len));
    *at(1) = 3;
    *at(8) = 0x80; /* 2^63 */
    ck_assert(!is_valid(encoded.len));
    *at(8) = 0;
    *first = 0; /* id 0 */
    ck_assert(!is_valid(encoded.len));
    memcpy(first, second, 8); /* an id twice */
    ck_assert(!is_valid(encoded.len));
    memset(first, 0, 8);
    *first = 1;
    second[-1] = 3; /* role */
    ck_assert(!is_valid(encoded.len));
    second[-1] = 1;
    first[8] = 0; /* an empty address */
    ck_assert(!is_valid(encoded.len));
    first[8] = 'h';
    ck_assert(is_valid(encoded.len));
}
END_TEST

START_TEST(no_more_follows_than_padding)
{
    size_t whole = 1 + 8 + 3 * (8 + 1) + sizeof("http://n1:80") + sizeof("http://n300:80") + sizeof("x");
    uint8_t *longer = calloc(1, whole + 8);

    memcpy(longer, encoded.base, whole);
    memset(longer + whole, 0xee, 8); /* libraft does not set it */
    ck_assert(fy_raft_change_is_valid(longer, whole + 7));
    ck_assert(!fy_raft_change_is_valid(longer, whole + 8));
    free(longer);
}
END_TEST

START_TEST(an_address_stands_once)
{
    raft_free(encoded.base);
    raft_configuration_close(&conf);
    raft_configuration_init(&conf);
    ck_assert_int_eq(raft_configuration_add(&conf, 1, "aa", RAFT_VOTER), 0);
    ck_assert_int_eq(raft_configuration_add(&conf, 2, "ab", RAFT_VOTER), 0);
    ck_assert_int_eq(raft_configuration_encode(&conf, &encoded), 0);
    ck_assert(is_valid(encoded.len));
    *at(1 + 8 + 8 + 1) = 'b'; /* the first becomes "ab", too */
    ck_assert(!is_valid(encoded.len));
}
END_TEST

int main(void)
{
    return rig_main("raft_change", setup, teardown, what_libraft_encodes_is_valid, a_cut_one_is_not,
                    each_field_is_checked, no_more_follows_than_padding, an_address_stands_once, NULL);
}
