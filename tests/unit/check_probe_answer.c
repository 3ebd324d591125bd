/*
 * check_probe_answer - etcd's answers to probes, other valid answers, and invalid ones.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "harness/rig.h"
#include "wire/probe_answer.h"

#define NOW "2026-11-21T01:09:57.600416765Z"
#define NOW_NS INT64_C(1795223397600416765)

/* The bytes lie at the end of their block, so that a sanitizer sees a read beyond them. */
static int parse(const char *text, size_t len, struct fy_probe_answer *ret_answer)
{
    char *copy = malloc(len + 1);
    int err;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy + 1, text, len);
    err = fy_probe_answer_parse(copy + 1, len, ret_answer);
    free(copy);
    return err;
}

START_TEST(etcds_answer_is_understood)
{
    static const char text[] = "{\"OK\":true,\"Now\":\"" NOW "\"}\n";
    struct fy_probe_answer answer;

    ck_assert_int_eq(parse(text, sizeof(text) - 1, &answer), FERRY_OK);
    ck_assert(answer.ok);
    ck_assert(answer.has_now);
    ck_assert_int_eq(answer.now_ns, NOW_NS);
}
END_TEST

static const struct {
    const char *text;
    bool ok;
    bool has_now;
    int64_t now_ns;
} good[] = {
    {"{}", false, false, 0},
    {" {\n\"ok\" :\ttrue } trailing", true, false, 0},
    {"{\"oK\":false,\"OK\":true}", true, false, 0},
    {"{\"OK\":true,\"OK\":null}", true, false, 0},
    {"{\"OK\":false}", false, false, 0},
    {"{\"OK\":true,\"Now\":null}", true, false, 0},
    {"{\"NOW\":\"1970-01-01T00:00:00Z\",\"OK\":true}", true, true, 0},
    {"{\"Now\":\"1970-01-01T00:00:00.000000001z\"}", false, true, 1},
    {"{\"Now\":\"1969-12-31T23:59:59.5Z\"}", false, true, -500000000},
    {"{\"Now\":\"2026-11-21T02:39:57.6004167650001+01:30\"}", false, true, NOW_NS},
    {"{\"Now\":\"2026-11-20t23:09:57.600416765-02:00\"}", false, true, NOW_NS},
    {"{\"Now\":\"2000-02-29T00:00:00Z\"}", false, true, INT64_C(951782400000000000)},
    {"{\"Now\":\"1678-01-01T00:00:00+24:00\"}", false, true, INT64_C(-9214646400000000000)},
    {"{\"Now\":\"2261-12-31T23:59:59.999999999-24:00\"}", false, true, INT64_C(9214732799999999999)},
    {"{\"x\":[1,-2.5e+7,{\"y\":\"\\\"}\"},[],{},null,true,false],\"\\u004fK\":3,\"OK\":true}", true, false, 0},
};

START_TEST(other_answers_are_understood_as_well)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct fy_probe_answer answer;

        ck_assert_msg(parse(good[i].text, strlen(good[i].text), &answer) == FERRY_OK, "%s", good[i].text);
        ck_assert_msg(answer.ok == good[i].ok, "%s", good[i].text);
        ck_assert_msg(answer.has_now == good[i].has_now, "%s", good[i].text);
        ck_assert_msg(!answer.has_now || answer.now_ns == good[i].now_ns, "%s: %" PRId64, good[i].text, answer.now_ns);
    }
}
END_TEST

START_TEST(what_is_no_answer_is_refused)
{
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "true",
        "<html>",
        "{",
        "{\"OK\"",
        "{\"OK\":",
        "{\"OK\":true",
        "{\"OK\":true,",
        "{\"OK\":true,}",
        "{\"OK\" true}",
        "{OK:true}",
        "{\"OK\":1}",
        "{\"OK\":\"true\"}",
        "{\"OK\":tru}",
        "{\"x\":\"\\",
        "{\"x\":\"\n\"}",
        "{\"x\":}",
        "{\"x\":[1,]}",
        "{\"x\":[1 2]}",
        "{\"x\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}",
        "{\"Now\":0}",
        "{\"Now\":\"\"}",
        "{\"Now\":\"0001-01-01T00:00:00Z\"}", /* beyond what nanoseconds reach */
        "{\"Now\":\"2262-01-01T00:00:00Z\"}",
        "{\"Now\":\"2026-00-21T01:09:57Z\"}",
        "{\"Now\":\"2026-13-21T01:09:57Z\"}",
        "{\"Now\":\"2026-11-00T01:09:57Z\"}",
        "{\"Now\":\"2026-11-31T01:09:57Z\"}",
        "{\"Now\":\"2025-02-29T01:09:57Z\"}",
        "{\"Now\":\"1900-02-29T01:09:57Z\"}",
        "{\"Now\":\"2026-11-21T24:09:57Z\"}",
        "{\"Now\":\"2026-11-21T01:60:57Z\"}",
        "{\"Now\":\"2026-11-21T01:09:60Z\"}",
        "{\"Now\":\"2026-11-21T01:09:57\"}",
        "{\"Now\":\"2026-11-21T01:09:57.Z\"}",
        "{\"Now\":\"2026-11-21T01:09:57+0100\"}",
        "{\"Now\":\"2026-11-21T01:09:57+25:00\"}",
        "{\"Now\":\"2026-11-21T01:09:57Zx\"}",
        "{\"Now\":\"2026-11-21 01:09:57Z\"}",
        "{\"Now\":\"26-11-21T01:09:57Z\"}",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fy_probe_answer answer = {.now_ns = 7};

        ck_assert_msg(parse(bad[i], strlen(bad[i]), &answer) == FERRY_ERR_MALFORMED, "%s", bad[i]);
        ck_assert_int_eq(answer.now_ns, 7); /* untouched */
    }
}
END_TEST

START_TEST(every_cut_and_every_changed_byte_is_survived)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        size_t len = strlen(good[i].text);
        struct fy_probe_answer answer;
        char changed[128];

        ck_assert_uint_lt(len, sizeof(changed));
        for (size_t cut = 0; cut < len; cut++)
            (void)parse(good[i].text, cut, &answer);
        for (size_t at = 0; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                memcpy(changed, good[i].text, len);
                changed[at] = (char)byte;
                (void)parse(changed, len, &answer);
            }
        }
    }
}
END_TEST

START_TEST(what_is_written_is_etcds_form_and_reads_back)
{
    static const uint64_t times[] = {
        0, 1, 999999999, 1000000000, UINT64_C(1795223397600416765), UINT64_C(9000000000000000000)};
    char text[FY_PROBE_ANSWER_SIZE];
    struct fy_probe_answer answer;

    ck_assert_uint_eq(fy_probe_answer_format((uint64_t)NOW_NS, text), 51);
    ck_assert_mem_eq(text, "{\"OK\":true,\"Now\":\"" NOW "\"}\n", 51);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        size_t len = fy_probe_answer_format(times[i], text);

        ck_assert_uint_lt(len, sizeof(text));
        ck_assert_int_eq(text[len - 1], '\n');
        ck_assert_int_eq(parse(text, len, &answer), FERRY_OK);
        ck_assert(answer.ok && answer.has_now);
        ck_assert_int_eq(answer.now_ns, (int64_t)times[i]);
    }
}
END_TEST

int main(void)
{
    return rig_main("probe_answer", NULL, NULL, etcds_answer_is_understood, other_answers_are_understood_as_well,
                    what_is_no_answer_is_refused, every_cut_and_every_changed_byte_is_survived,
                    what_is_written_is_etcds_form_and_reads_back, NULL);
}
