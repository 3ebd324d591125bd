/*
 * it_prometheus - the metrics page before its judges: promtool, and a Prometheus that scrapes two members.
 *
 * it_prometheus.sh looks whether there are any, and gives a directory to work in: it_prometheus DIRECTORY.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ferry/ferry.h"
#include "harness/child.h"
#include "harness/http_get.h"
#include "harness/member.h"
#include "harness/metrics_page.h"
#include "harness/patience.h"
#include "harness/rig.h"

static const char *work; /* const after main began */
static struct member members[2];
static struct child judge;

static void setup(void)
{
    for (size_t i = 0; i < 2; i++) {
        member_init(&members[i], i + 1);
        members[i].config.probe_interval_ms = 50;
        member_start(&members[i]);
    }
    members_connect(members, 2);
    members_await_streams(members, 2);
    memset(&judge, 0, sizeof(judge));
}

static void teardown(void)
{
    child_stop(&judge);
    for (size_t i = 0; i < 2; i++)
        member_stop(&members[i]);
    for (size_t i = 0; i < 2; i++)
        member_release(&members[i]);
}

static bool are_probed(void *arg)
{
    (void)arg;
    return member_status(&members[0], 2).probe.n_good > 0 && member_status(&members[1], 1).probe.n_good > 0;
}

static char *page_of_first(void)
{
    struct http_page page;

    ck_assert(members_wait(members, 2, are_probed, NULL, patience_ms(10000)));
    http_get(member_url(&members[0]), "/metrics", &page, patience_ms(5000));
    ck_assert_int_eq(page.status, 200);
    return page.body;
}

/* ---- promtool -----------------------------------------------------------------------------------------------------
 */

static int ask_promtool(const char *page)
{
    static const char *const argv[] = {"promtool", "check", "metrics", NULL};

    child_stop(&judge);
    ck_assert(child_start(&judge, argv));
    child_give(&judge, page, strlen(page));
    return child_wait(&judge, patience_ms(20000));
}

/* What concerns families whose name begins with prefix. */
static char *only(const char *page, const char *prefix)
{
    char *part = malloc(strlen(page) + 1), *end = part;

    ck_assert_ptr_nonnull(part);
    while (*page) {
        size_t len = strcspn(page, "\n") + 1;
        const char *name = page[0] == '#' ? page + 7 : page;

        if (strncmp(name, prefix, strlen(prefix)) == 0) {
            memcpy(end, page, len);
            end += len;
        }
        page += len;
    }
    *end = '\0';
    return part;
}

START_TEST(promtool_has_nothing_against_ferrys_own_metrics)
{
    char *page = page_of_first(), *own = only(page, "ferry_");
    int status = ask_promtool(own);

    ck_assert_msg(status == 0 && judge.len == 0, "status %d: %s", status, judge.text ? judge.text : "");
    free(own);
    free(page);
}
END_TEST

/*
 * The page as a whole is well-formed; what promtool has against it is a matter of taste, and concerns names and labels
 * that are etcd's: status 3.
 */
START_TEST(promtool_reads_the_whole_page_and_dislikes_etcds_names_alone)
{
    static const char *const complaints[] = {
        "label names should be written in 'snake_case' not 'camelCase'",
        "counter metrics should have \"_total\" suffix",
        "non-counter metrics should not have \"_total\" suffix",
        "metric names should not contain abbreviated units",
    };
    char *page = page_of_first(), *save = NULL;
    int status = ask_promtool(page);

    ck_assert_msg(status == 0 || status == 3, "status %d: %s", status, judge.text ? judge.text : "");
    for (char *line = judge.text ? strtok_r(judge.text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        bool is_taste = false;

        ck_assert_msg(strncmp(line, "etcd_network_", 13) == 0, "%s", line);
        for (size_t i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++)
            is_taste |= strstr(line, complaints[i]) != NULL;
        ck_assert_msg(is_taste, "%s", line);
    }
    free(page);
}
END_TEST

START_TEST(promtool_notices_a_page_that_is_wrong)
{
    static const char wrong[] = "# HELP ferry_x A word.\n# TYPE ferry_x gauge\nferry_x{a=\"1} 1\n";

    ck_assert_int_eq(ask_promtool(wrong), 1);
}
END_TEST

/* ---- Prometheus ---------------------------------------------------------------------------------------------------
 */

static void write_config(const char *path)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    /* a late scrape makes all series stale: only a stall of the machine delays one so long */
    fprintf(file, "global:\n  scrape_interval: 5s\n  scrape_timeout: 5s\nscrape_configs:\n  - job_name: ferry\n"
                  "    static_configs:\n      - targets: [");
    for (size_t i = 0; i < 2; i++)
        fprintf(file, "%s'%s'", i > 0 ? ", " : "", strstr(member_url(&members[i]), "//") + 2);
    fprintf(file, "]\n");
    ck_assert_int_eq(fclose(file), 0);
}

/* Start one on a port of its own; its URL. */
static void start_prometheus(char *ret_url, size_t size)
{
    static const char mark[] = "msg=\"Listening on\" address=";
    char config[512], config_flag[600], data_flag[600];
    const char *argv[] = {"prometheus", config_flag, data_flag, "--web.listen-address=127.0.0.1:0", NULL};
    const char *address;

    snprintf(config, sizeof(config), "%s/prometheus.yml", work);
    snprintf(config_flag, sizeof(config_flag), "--config.file=%s", config);
    snprintf(data_flag, sizeof(data_flag), "--storage.tsdb.path=%s/data", work);
    write_config(config);
    ck_assert(child_start(&judge, argv));
    ck_assert_msg(child_await(&judge, mark, patience_ms(20000)), "%s", judge.text ? judge.text : "");
    address = strstr(judge.text, mark) + strlen(mark);
    ck_assert(child_await(&judge, "Server is ready", patience_ms(20000)));
    address = strstr(judge.text, mark) + strlen(mark); /* the text may have moved */
    snprintf(ret_url, size, "http://%.*s", (int)strcspn(address, "\n "), address);
}

/* What its API answers; the answer's data. */
static json_t *ask_prometheus(const char *url, const char *path)
{
    struct http_page page;
    json_t *answer, *data;

    http_get(url, path, &page, patience_ms(5000));
    ck_assert_msg(page.status == 200, "%s: status %d: %s", path, page.status, page.body ? page.body : "");
    answer = json_loadb(page.body, page.len, 0, NULL);
    ck_assert_ptr_nonnull(answer);
    http_page_release(&page);
    data = json_incref(json_object_get(answer, "data"));
    ck_assert_ptr_nonnull(data);
    json_decref(answer);
    return data;
}

static size_t n_results(const char *url, const char *query)
{
    char path[300];
    json_t *data;
    size_t n;

    snprintf(path, sizeof(path), "/api/v1/query?query=%s", query);
    data = ask_prometheus(url, path);
    n = json_array_size(json_object_get(data, "result"));
    json_decref(data);
    return n;
}

static bool has_scraped_both(void *arg)
{
    return n_results(arg, "up==1") == 2;
}

static void check_type(const json_t *metadata, const struct metric_family *family)
{
    const json_t *entries = json_object_get(metadata, family->name);
    const char *type = json_string_value(json_object_get(json_array_get(entries, 0), "type"));

    ck_assert_msg(type && strcmp(type, family->type) == 0, "%s: type %s", family->name, type ? type : "unknown");
}

START_TEST(a_prometheus_gets_every_series_of_two_members)
{
    char url[100];
    char *text = page_of_first();
    struct metrics_page page = metrics_page_read(text);
    json_t *metadata;

    start_prometheus(url, sizeof(url));
    ck_assert_msg(members_wait(members, 2, has_scraped_both, url, patience_ms(20000)), "%s", judge.text);
    metadata = ask_prometheus(url, "/api/v1/metadata");
    for (size_t i = 0; i < page.n_families; i++) {
        const struct metric_family *family = &page.families[i];
        bool is_histogram = strcmp(family->type, "histogram") == 0;
        size_t n_expected = is_histogram ? 0 : 2 * family->n_samples, n;
        char name[100];

        check_type(metadata, family);
        snprintf(name, sizeof(name), "%s%s", family->name, is_histogram ? "_bucket" : "");
        for (size_t k = 0; k < page.n_samples && is_histogram; k++)
            n_expected += strcmp(page.samples[k].name, name) == 0 ? 2 : 0;
        n = n_results(url, name);
        ck_assert_msg(n == n_expected && (n > 0 || family->n_samples == 0), "%s: %zu series, not %zu", name, n,
                      n_expected);
    }
    /* and queries as dashboards for etcd have them */
    ck_assert_uint_eq(n_results(url, "etcd_network_active_peers%7BLocal=%221%22,Remote=%222%22%7D==1"), 1);
    ck_assert_uint_eq(n_results(url, "sum(etcd_network_peer_sent_failures_total)==0"), 1);
    ck_assert_uint_eq(n_results(url, "histogram_quantile(0.99,etcd_network_peer_round_trip_time_seconds_bucket)%3E0"),
                      2);
    json_decref(metadata);
    metrics_page_release(&page);
    free(text);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: it_prometheus DIRECTORY\n");
        return EXIT_FAILURE;
    }
    work = argv[1];
    return rig_main("prometheus", setup, teardown, promtool_has_nothing_against_ferrys_own_metrics,
                    promtool_reads_the_whole_page_and_dislikes_etcds_names_alone, promtool_notices_a_page_that_is_wrong,
                    a_prometheus_gets_every_series_of_two_members, NULL);
}
