/*
 * check_headers - ids, versions and stream paths as text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/rig.h"
#include "wire/headers.h"

START_TEST(ids_are_lower_case_hex_without_padding)
{
    ck_assert_str_eq(fy_id_format(0).text, "0");
    ck_assert_str_eq(fy_id_format(0xabc).text, "abc");
    ck_assert_str_eq(fy_id_format(UINT64_MAX).text, "ffffffffffffffff");
    ck_assert_str_eq(fy_id_format(0x9d355f4e8ce901cf).text, "9d355f4e8ce901cf");
}
END_TEST

START_TEST(ids_are_read_in_either_case_and_with_leading_zeros)
{
    static const struct {
        const char *text;
        uint64_t id;
    } good[] = {
        {"0", 0},
        {"9d355f4e8ce901cf", 0x9d355f4e8ce901cf},
        {"9D355F4E8CE901CF", 0x9d355f4e8ce901cf},
        {"ffffffffffffffff", UINT64_MAX},
        {"0000000000000000000000000000012", 0x12},
    };
    static const char *const bad[] = {"", "0x1", "-1", "+1", " 1", "1 ", "g", "1\n", "10000000000000000", "1/2"};
    uint64_t id;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_int_eq(fy_id_parse(good[i].text, &id), FERRY_OK);
        ck_assert_uint_eq(id, good[i].id);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        id = 77;
        ck_assert_msg(fy_id_parse(bad[i], &id) == FERRY_ERR_MALFORMED, "\"%s\"", bad[i]);
        ck_assert_uint_eq(id, 77);
    }
}
END_TEST

START_TEST(every_id_is_read_back)
{
    srandom(3);
    for (int i = 0; i < 10000; i++) {
        uint64_t id = ((uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random()) >> (random() % 64);
        uint64_t back;

        ck_assert_int_eq(fy_id_parse(fy_id_format(id).text, &back), FERRY_OK);
        ck_assert_uint_eq(back, id);
    }
}
END_TEST

START_TEST(versions_are_three_numbers_and_perhaps_a_tail)
{
    static const char *const good[] = {"3.4.0",         "3.4.0-rc.0", "3.4.0+git",      "3.4.0-rc.0+git.1", "03.4.0",
                                       "3.4.0-a-b+c-d", "3.4.0-",     "4294967295.0.0", "3.4.0-~x"};
    static const char *const bad[] = {"",
                                      "3",
                                      "3.4",
                                      "v3.4.0",
                                      "3.4.0.1",
                                      "abc",
                                      "3..0",
                                      "3.4.",
                                      ".4.0",
                                      "3.4.x",
                                      "3.4.0 ",
                                      " 3.4.0",
                                      "3.-4.0",
                                      "+3.4.0",
                                      "3.4.0-rc..0",
                                      "3.4.0-.",
                                      "4294967296.0.0",
                                      "3.4.0+a+b",
                                      "3.4.0-rc.",
                                      "3.4.0_1",
                                      "99999999999999999999999.0.0"};
    struct fy_version version;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(fy_version_parse(good[i], &version) == FERRY_OK, "\"%s\"", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(fy_version_parse(bad[i], &version) == FERRY_ERR_VERSION_TEXT, "\"%s\"", bad[i]);
    ck_assert_int_eq(fy_version_parse("3.14.159-pre+meta", &version), FERRY_OK);
    ck_assert_uint_eq(version.major, 3);
    ck_assert_uint_eq(version.minor, 14);
    ck_assert_uint_eq(version.patch, 159);
}
END_TEST

START_TEST(an_absent_version_header_means_two_zero)
{
    struct fy_version version;

    ck_assert_int_eq(fy_version_parse_header(NULL, &version), FERRY_OK);
    ck_assert_uint_eq(version.major, 2);
    ck_assert_uint_eq(version.minor, 0);
    ck_assert_int_eq(fy_version_parse_header("", &version), FERRY_ERR_VERSION_TEXT);
    ck_assert_int_eq(fy_version_parse_header("3.5.1", &version), FERRY_OK);
    ck_assert_uint_eq(version.minor, 5);
}
END_TEST

static struct fy_version v(uint32_t major, uint32_t minor)
{
    return (struct fy_version){major, minor, 9};
}

START_TEST(versions_are_compared_without_their_patch)
{
    struct fy_version patched = {3, 4, 23};

    ck_assert_int_eq(fy_version_compare(patched, v(3, 4)), 0);
    ck_assert_int_lt(fy_version_compare(v(3, 4), v(3, 10)), 0);
    ck_assert_int_gt(fy_version_compare(v(4, 0), v(3, 10)), 0);
    ck_assert_int_lt(fy_version_compare(v(2, 9), v(3, 0)), 0);
}
END_TEST

START_TEST(a_server_refuses_what_is_too_old_and_what_asks_for_more)
{
    const struct fy_version local = v(3, 4);
    const struct fy_version min = v(3, 0);

    ck_assert_int_eq(fy_version_check(local, min, v(3, 4), v(3, 0)), FERRY_OK);
    ck_assert_int_eq(fy_version_check(local, min, v(3, 0), v(3, 0)), FERRY_OK);
    ck_assert_int_eq(fy_version_check(local, min, v(9, 9), v(3, 4)), FERRY_OK);
    ck_assert_int_eq(fy_version_check(local, min, v(2, 3), v(2, 0)), FERRY_ERR_INCOMPATIBLE_VERSION);
    ck_assert_int_eq(fy_version_check(local, min, v(3, 6), v(3, 5)), FERRY_ERR_INCOMPATIBLE_VERSION);
}
END_TEST

START_TEST(a_dialler_reads_streams_from_all_but_two_zero)
{
    const struct fy_version local = v(3, 7);

    ck_assert(!fy_version_supports_stream(local, v(2, 0)));
    for (uint32_t minor = 1; minor <= 3; minor++)
        ck_assert(fy_version_supports_stream(local, v(2, minor)));
    for (uint32_t minor = 0; minor <= 9; minor++)
        ck_assert(fy_version_supports_stream(local, v(3, minor)));
    ck_assert(fy_version_supports_stream(v(2, 0), v(2, 0)));
    ck_assert(!fy_version_supports_stream(local, v(1, 9)));
}
END_TEST

START_TEST(stream_paths_name_a_stream_and_a_member)
{
    static const char *const unknown[] = {"/raft/stream/msgappv2/1",
                                          "/raft/stream/1",
                                          "/raft/stream",
                                          "/raft/stream/",
                                          "/raft/stream/msgapp",
                                          "",
                                          "/raft",
                                          "/raft/stream//1",
                                          "/raft/stream/msgapp/1/2",
                                          "/raft/stream/messages/1",
                                          "/raft/streams/msgapp/1"};
    static const char *const no_id[] = {"/raft/stream/msgapp/", "/raft/stream/message/xyz", "/raft/stream/msgapp/0x1",
                                        "/raft/stream/msgapp/10000000000000000"};
    enum ferry_stream stream = FERRY_N_STREAMS;
    uint64_t id = 0;

    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        char path[64];

        snprintf(path, sizeof(path), "%s/%s/%s", FY_PATH_STREAM, fy_stream_path_element((enum ferry_stream)i), "1f");
        ck_assert_int_eq(fy_stream_path_parse(path, &stream, &id), FERRY_OK);
        ck_assert_int_eq((int)stream, i);
        ck_assert_uint_eq(id, 0x1f);
    }
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        ck_assert_msg(fy_stream_path_parse(unknown[i], &stream, &id) == FERRY_ERR_NOT_FOUND, "\"%s\"", unknown[i]);
    for (size_t i = 0; i < sizeof(no_id) / sizeof(no_id[0]); i++)
        ck_assert_msg(fy_stream_path_parse(no_id[i], &stream, &id) == FERRY_ERR_MALFORMED, "\"%s\"", no_id[i]);
    ck_assert_str_eq(fy_stream_path_element(FERRY_STREAM_MSGAPP), "msgapp");
    ck_assert_str_eq(fy_stream_name(FERRY_STREAM_MSGAPP), "stream MsgApp v2");
    ck_assert_str_eq(fy_stream_name(FERRY_STREAM_MESSAGE), "stream Message");
}
END_TEST

int main(void)
{
    return rig_main("headers", heap_setup, heap_teardown, ids_are_lower_case_hex_without_padding,
                    ids_are_read_in_either_case_and_with_leading_zeros, every_id_is_read_back,
                    versions_are_three_numbers_and_perhaps_a_tail, an_absent_version_header_means_two_zero,
                    versions_are_compared_without_their_patch, a_server_refuses_what_is_too_old_and_what_asks_for_more,
                    a_dialler_reads_streams_from_all_but_two_zero, stream_paths_name_a_stream_and_a_member, NULL);
}
