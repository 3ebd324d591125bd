/*
 * check_fault_proxy - the faults of the tests' own proxy.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/fault_proxy.h"
#include "harness/patience.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"

#define N_BYTES 40000

static struct fault_proxy *proxy;
static int listen_fd, client, server;
static struct raw_input input;
static char sent[N_BYTES];

static void setup(void)
{
    char url[64];

    listen_fd = raw_listen(4, url, sizeof(url));
    proxy = fault_proxy_new("127.0.0.1:0", url + strlen("http://"), 7);
    client = raw_connect(fault_proxy_url(proxy));
    while ((server = raw_accept(listen_fd)) < 0)
        (void)poll(&(struct pollfd){.fd = listen_fd, .events = POLLIN}, 1, 1000);
    memset(&input, 0, sizeof(input));
    for (size_t i = 0; i < N_BYTES; i++)
        sent[i] = (char)('a' + i % 23);
}

static void teardown(void)
{
    fault_proxy_free(proxy);
    close(client);
    close(server);
    close(listen_fd);
}

/* What the server gets until the connection ends, n bytes are there, or ms are over. */
static void receive(size_t n, unsigned ms)
{
    uint64_t until = monotonic_ms() + ms;

    while (input.len < n && !input.is_closed && monotonic_ms() < until) {
        (void)poll(&(struct pollfd){.fd = server, .events = POLLIN}, 1, (int)(until - monotonic_ms()));
        raw_receive(server, &input);
    }
}

static size_t count_differences(void)
{
    size_t n = 0;

    for (size_t i = 0; i < input.len; i++)
        n += input.text[i] != sent[i];
    return n;
}

START_TEST(in_fair_weather_all_passes_both_ways_and_so_does_the_end)
{
    raw_send(client, sent, N_BYTES);
    receive(N_BYTES, 5000);
    ck_assert_uint_eq(input.len, N_BYTES);
    ck_assert_uint_eq(count_differences(), 0);
    raw_send_text(server, "back");
    close(server);
    server = client;
    memset(&input, 0, sizeof(input));
    receive(sizeof(input.text), 5000);
    ck_assert_str_eq(input.text, "back");
    ck_assert(input.is_closed && !input.is_reset);
    client = raw_connect(fault_proxy_url(proxy));
    ck_assert_uint_eq(fault_proxy_n_faults(proxy), 0);
}
END_TEST

START_TEST(late_is_late_and_whole)
{
    uint64_t begin_ms = monotonic_ms();

    fault_proxy_set_weather(proxy, &(struct weather){.delay_ms = 200});
    raw_send(client, sent, 100);
    receive(100, 5000);
    ck_assert_uint_ge(monotonic_ms() - begin_ms, 200);
    ck_assert_uint_eq(count_differences(), 0);
}
END_TEST

START_TEST(a_stall_loses_nothing)
{
    fault_proxy_set_weather(proxy, &(struct weather){.is_stalled = true});
    raw_send(client, sent, N_BYTES);
    receive(1, 200);
    ck_assert_uint_eq(input.len, 0);
    fault_proxy_set_weather(proxy, &(struct weather){0});
    receive(N_BYTES, 5000);
    ck_assert_uint_eq(input.len, N_BYTES);
    ck_assert_uint_eq(count_differences(), 0);
}
END_TEST

START_TEST(a_reset_is_one)
{
    fault_proxy_set_weather(proxy, &(struct weather){.reset = 1});
    raw_send(client, sent, 100);
    receive(1, 5000);
    ck_assert(input.is_reset);
    ck_assert_uint_eq(input.len, 0);
    ck_assert_uint_eq(fault_proxy_n_faults(proxy), 1);
}
END_TEST

START_TEST(what_is_truncated_ends_in_order_by_half)
{
    fault_proxy_set_weather(proxy, &(struct weather){.truncation = 1});
    raw_send(client, sent, 100);
    receive(100, 5000);
    ck_assert_uint_eq(input.len, 50);
    ck_assert(input.is_closed && !input.is_reset);
    ck_assert_uint_eq(count_differences(), 0);
    ck_assert_uint_eq(fault_proxy_n_faults(proxy), 1);
}
END_TEST

START_TEST(a_lie_is_one_byte)
{
    fault_proxy_set_weather(proxy, &(struct weather){.corruption = 1});
    raw_send(client, sent, 100);
    receive(100, 5000);
    ck_assert_uint_eq(input.len, 100);
    ck_assert_uint_eq(count_differences(), 1);
    ck_assert_uint_eq(fault_proxy_n_faults(proxy), 1);
}
END_TEST

START_TEST(a_cut_comes_after_its_bytes_and_for_its_connection_alone)
{
    char url[64];
    int chosen;

    fault_proxy_cut(proxy, "POST", 10, CUT_CLOSE);
    raw_send(client, sent, 100);
    receive(100, 5000);
    ck_assert_uint_eq(input.len, 100);
    (void)snprintf(url, sizeof(url), "%s", fault_proxy_url(proxy));
    chosen = raw_connect(url);
    raw_send_text(chosen, "POST /and/more/than/that");
    close(server);
    while ((server = raw_accept(listen_fd)) < 0)
        (void)poll(&(struct pollfd){.fd = listen_fd, .events = POLLIN}, 1, 1000);
    memset(&input, 0, sizeof(input));
    receive(100, 5000);
    ck_assert_str_eq(input.text, "POST /and/");
    ck_assert_uint_eq(fault_proxy_n_cut(proxy), 1);
    close(chosen);
}
END_TEST

int main(void)
{
    return rig_main("fault_proxy", setup, teardown, in_fair_weather_all_passes_both_ways_and_so_does_the_end,
                    late_is_late_and_whole, a_stall_loses_nothing, a_reset_is_one,
                    what_is_truncated_ends_in_order_by_half, a_lie_is_one_byte,
                    a_cut_comes_after_its_bytes_and_for_its_connection_alone, NULL);
}
