/*
 * check_url - peer URLs, alone and in lists.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/rig.h"
#include "wire/url.h"

START_TEST(a_url_is_scheme_host_and_port)
{
    static const struct {
        const char *text;
        const char *host;
        uint16_t port;
        bool is_ipv6;
        bool is_https;
    } good[] = {
        {"http://127.0.0.1:2380", "127.0.0.1", 2380, false, false},
        {"http://10.0.0.1:0/", "10.0.0.1", 0, false, false},
        {"HTTP://Node-1.example.com:65535", "Node-1.example.com", 65535, false, false},
        {"http://my_host:00080", "my_host", 80, false, false},
        {"http://[::1]:2380", "::1", 2380, true, false},
        {"http://[fe80::1:2:3:4]:1/", "fe80::1:2:3:4", 1, true, false},
        {"https://127.0.0.1:2380", "127.0.0.1", 2380, false, true},
        {"HttpS://[::1]:2380/", "::1", 2380, true, true},
    };
    struct fy_url url;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_msg(fy_url_parse(good[i].text, &url) == FERRY_OK, "%s", good[i].text);
        ck_assert_str_eq(url.host, good[i].host);
        ck_assert_uint_eq(url.port, good[i].port);
        ck_assert(url.is_ipv6 == good[i].is_ipv6);
        ck_assert(url.is_https == good[i].is_https);
    }
}
END_TEST

START_TEST(anything_else_is_no_url)
{
    static const char *const bad[] = {"",
                                      "http",
                                      "http://",
                                      "http:///",
                                      "127.0.0.1:2380",
                                      "ftp://a:1",
                                      "httpss://a:1",
                                      "https:/a:1",
                                      "https://a",
                                      "http://a",
                                      "http://a/",
                                      "http://a:",
                                      "http://a:/",
                                      "http://:2380",
                                      "http://a:65536",
                                      "http://a:4294967297",
                                      "http://a:-1",
                                      "http://a:+1",
                                      "http://a:1x",
                                      "http://a:1//",
                                      "http://a:1/path",
                                      "http://a:1?q",
                                      "http://a:1#f",
                                      "http://user@a:1",
                                      "http://a b:1",
                                      " http://a:1",
                                      "http://a:1 ",
                                      "http://a:1\r\nX: y",
                                      "http://::1:2380",
                                      "http://[::1]",
                                      "http://[::1]/",
                                      "http://[::1]2380",
                                      "http://[::1:2380",
                                      "http://[]:1",
                                      "http://[",
                                      "http://[1.2.3.4]:1",
                                      "http://[nonsense]:1"};
    char longest[300];
    struct fy_url url;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(fy_url_parse(bad[i], &url) == FERRY_ERR_URL, "\"%s\"", bad[i]);

    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "http://", 7);
    memcpy(longest + 7 + 255, ":1", 3);
    ck_assert_int_eq(fy_url_parse(longest, &url), FERRY_OK);
    ck_assert_uint_eq(strlen(url.host), 255);
    memcpy(longest + 7 + 255, "a:1", 4);
    ck_assert_int_eq(fy_url_parse(longest, &url), FERRY_ERR_URL);
}
END_TEST

static void assert_list(char **urls, const char *const *expected)
{
    size_t n = 0;

    for (; expected[n]; n++) {
        ck_assert_ptr_nonnull(urls[n]);
        ck_assert_str_eq(urls[n], expected[n]);
    }
    ck_assert_ptr_null(urls[n]);
}

START_TEST(wildcards_and_port_0_are_recognized)
{
    static const char *const wildcards[] = {"http://0.0.0.0:1", "https://[::]:1", "http://[0:0::0]:1"};
    static const char *const others[] = {"http://0.0.0.1:1", "http://[::1]:1", "http://localhost:1", "http://0-0:1"};
    struct fy_url url;

    for (size_t i = 0; i < sizeof(wildcards) / sizeof(wildcards[0]); i++) {
        ck_assert_int_eq(fy_url_parse(wildcards[i], &url), FERRY_OK);
        ck_assert_msg(fy_url_is_wildcard(&url), "%s", wildcards[i]);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert_int_eq(fy_url_parse(others[i], &url), FERRY_OK);
        ck_assert_msg(!fy_url_is_wildcard(&url), "%s", others[i]);
    }
    ck_assert(fy_url_has_port_0("http://a:0") && fy_url_has_port_0("http://a:00"));
    ck_assert(!fy_url_has_port_0("http://a:10") && !fy_url_has_port_0("nonsense"));
}
END_TEST

START_TEST(lists_are_sorted_and_trimmed)
{
    static const char *const sorted[] = {"http://10.0.0.1:2380", "http://10.0.0.2:2380", "http://[::1]:1", "http://a:1",
                                         NULL};
    static const char *const array[] = {"http://a:1/", "http://10.0.0.2:2380", "http://[::1]:1",
                                        " http://10.0.0.1:2380", NULL};
    static const char *const in_order[] = {"http://a:1", "http://10.0.0.2:2380", "http://[::1]:1",
                                           "http://10.0.0.1:2380", NULL};
    char **urls;

    ck_assert_int_eq(fy_urls_split("http://a:1,http://10.0.0.2:2380/, http://[::1]:1 ,http://10.0.0.1:2380", &urls),
                     FERRY_OK);
    assert_list(urls, sorted);
    free(urls);
    ck_assert_int_eq(fy_urls_copy_in_order(array, &urls), FERRY_OK);
    assert_list(urls, in_order);
    free(urls);
    ck_assert_int_eq(fy_urls_copy(array, &urls), FERRY_OK);
    assert_list(urls, sorted);
    free(urls);
}
END_TEST

START_TEST(one_bad_url_spoils_the_list)
{
    static const char *const bad[] = {
        "", ",", "http://a:1,", ",http://a:1", "http://a:1,,http://b:1", "http://a:1;http://b:1", "http://a:1,b"};
    static const char *const empty[] = {NULL};
    static const char *const bad_array[] = {"http://a:1", "b", NULL};
    char **urls = NULL;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(fy_urls_split(bad[i], &urls) == FERRY_ERR_URL, "\"%s\"", bad[i]);
    ck_assert_int_eq(fy_urls_copy(empty, &urls), FERRY_ERR_URL);
    ck_assert_int_eq(fy_urls_copy(bad_array, &urls), FERRY_ERR_URL);
    ck_assert_ptr_null(urls);
}
END_TEST

START_TEST(a_list_survives_every_failed_allocation)
{
    char **urls;
    int err = FERRY_ERR_NOMEM;
    long nth = 0;

    for (; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_urls_split("http://b:1,http://a:1", &urls);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ck_assert_int_eq(nth, 2);
    ck_assert_str_eq(urls[0], "http://a:1");
    free(urls);
}
END_TEST

int main(void)
{
    return rig_main("url", heap_setup, heap_teardown, a_url_is_scheme_host_and_port, anything_else_is_no_url,
                    wildcards_and_port_0_are_recognized, lists_are_sorted_and_trimmed, one_bad_url_spoils_the_list,
                    a_list_survives_every_failed_allocation, NULL);
}
