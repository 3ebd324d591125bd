/*
 * check_refusal - the meaning of HTTP refusals.
 */
#include <string.h>

#include "harness/rig.h"
#include "member/refusal.h"

static struct fy_refusal refusal;
static char text[300];

static void begin(int status, const char *cluster_id)
{
    const struct fy_header headers[] = {{"X-Etcd-Cluster-Id", cluster_id}};
    const struct fy_answer answer = {.status = status, .headers = headers, .n_headers = cluster_id ? 1 : 0};

    fy_refusal_begin(&refusal, &answer);
}

static void add(const char *body)
{
    fy_refusal_add(&refusal, (const uint8_t *)body, strlen(body));
}

static int judge(void)
{
    return fy_refusal_judge(&refusal, "1000", text, sizeof(text));
}

#define INCOMPATIBLE "incompatible version: update the older of the two members"

START_TEST(a_precondition_is_told_by_its_body)
{
    static const struct {
        const char *body;
        int err;
        const char *text;
    } cases[] = {
        {"incompatible version\n", FERRY_ERR_INCOMPATIBLE_VERSION, INCOMPATIBLE},
        {"incompatible version", FERRY_ERR_INCOMPATIBLE_VERSION, INCOMPATIBLE},
        {"cluster ID mismatch\n", FERRY_ERR_CLUSTER_ID_MISMATCH,
         "cluster ID mismatch: the peer's is \"2000\", ours is \"1000\""},
        {"to field mismatch\n", FERRY_ERR_HTTP_STATUS, "to field mismatch: another member answers at this URL"},
        {"incompatible version\n\n", FERRY_ERR_HTTP_STATUS,
         "unhandled error \"incompatible version?\" when precondition failed"},
        {"", FERRY_ERR_HTTP_STATUS, "unhandled error \"\" when precondition failed"},
        {"\n", FERRY_ERR_HTTP_STATUS, "unhandled error \"\" when precondition failed"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(412, "2000");
        add(cases[i].body);
        ck_assert_int_eq(judge(), cases[i].err);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(the_body_may_come_in_pieces)
{
    static const char body[] = "cluster ID mismatch\n";

    begin(412, NULL);
    for (size_t i = 0; body[i]; i++)
        fy_refusal_add(&refusal, (const uint8_t *)&body[i], 1);
    ck_assert_int_eq(judge(), FERRY_ERR_CLUSTER_ID_MISMATCH);
    ck_assert_str_eq(text, "cluster ID mismatch: the peer's is \"\", ours is \"1000\"");
}
END_TEST

START_TEST(any_other_status_is_told_as_it_came)
{
    begin(500, "1000");
    add("incompatible version\n"); /* means nothing under another status */
    ck_assert_int_eq(judge(), FERRY_ERR_HTTP_STATUS);
    ck_assert_str_eq(text, "unexpected http status 500 \"incompatible version\"");
}
END_TEST

START_TEST(a_web_server_is_told_as_such)
{
    begin(404, "1000");
    add("<html>\n");
    ck_assert_int_eq(judge(), FERRY_ERR_HTTP_STATUS);
    ck_assert_str_eq(text, "unexpected http status 404, not a member's, check its URL: \"<html>\"");
    begin(405, "1000");
    ck_assert_int_eq(judge(), FERRY_ERR_HTTP_STATUS);
    ck_assert_str_eq(text, "unexpected http status 405, not a member's, check its URL: \"\"");
}
END_TEST

START_TEST(a_long_body_is_cut_and_an_endless_one_does_no_harm)
{
    char piece[100];

    memset(piece, 'x', sizeof(piece));
    begin(503, NULL);
    for (int i = 0; i < 1000; i++)
        fy_refusal_add(&refusal, (const uint8_t *)piece, sizeof(piece));
    ck_assert_uint_eq(refusal.len, FY_REFUSAL_MAX);
    ck_assert_int_eq(judge(), FERRY_ERR_HTTP_STATUS);
    ck_assert_uint_eq(strspn(strchr(text, '"') + 1, "x"), FY_REFUSAL_MAX);
}
END_TEST

START_TEST(what_a_stranger_wrote_is_made_printable)
{
    begin(412, "20\x1b[1m\xff");
    add("cluster ID mismatch\n");
    ck_assert_int_eq(judge(), FERRY_ERR_CLUSTER_ID_MISMATCH);
    ck_assert_str_eq(text, "cluster ID mismatch: the peer's is \"20?[1m?\", ours is \"1000\"");
    begin(400, NULL);
    add("a\r\nb\t\x80");
    (void)judge();
    ck_assert_str_eq(text, "unexpected http status 400 \"a??b??\"");
}
END_TEST

START_TEST(a_long_cluster_id_is_cut)
{
    char id[200];

    memset(id, 'a', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    begin(412, id);
    ck_assert_uint_eq(strlen(refusal.cluster_id), sizeof(refusal.cluster_id) - 1);
    add("cluster ID mismatch");
    ck_assert_int_eq(fy_refusal_judge(&refusal, "1000", text, 20), FERRY_ERR_CLUSTER_ID_MISMATCH);
    ck_assert_uint_eq(strlen(text), 19);
}
END_TEST

int main(void)
{
    return rig_main("refusal", NULL, NULL, a_precondition_is_told_by_its_body, the_body_may_come_in_pieces,
                    any_other_status_is_told_as_it_came, a_web_server_is_told_as_such,
                    a_long_body_is_cut_and_an_endless_one_does_no_harm, what_a_stranger_wrote_is_made_printable,
                    a_long_cluster_id_is_cut, NULL);
}
