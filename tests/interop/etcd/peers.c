/*
 * peers - /debug/peers of a Ferry member, /metrics of an etcd.
 *
 * An etcd's page has more than the harness' strict reader takes, so one sample is looked for as a line.
 */
#include "interop/etcd/peers.h"

#include <check.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interop/etcd/cluster.h"
#include "interop/etcd/http.h"

#define CALL_MS 2000

bool peers_is_listening(const struct server *server)
{
    CURL *curl = curl_easy_init();
    bool listens;

    ck_assert_ptr_nonnull(curl);
    curl_easy_setopt(curl, CURLOPT_URL, server->peer_url);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)CALL_MS);
    listens = curl_easy_perform(curl) == CURLE_OK;
    curl_easy_cleanup(curl);
    return listens;
}

/* A guard, not a limit: an etcd on a busy disk has taken more than 10 s. */
#define LISTEN_MS 60000

void peers_await_listening(struct server *server)
{
    uint64_t until = monotonic_ms() + patience_ms(LISTEN_MS);

    while (!peers_is_listening(server)) {
        ck_assert_msg(process_is_running(&server->process), "%s has ended; its log says why", server->name);
        ck_assert_msg(monotonic_ms() < until, "%s runs, and does not listen", server->name);
        pause_ms(10);
    }
}

bool peers_is_removed(const struct server *ferry)
{
    json_t *status = server_status(ferry);
    bool is_removed = json_is_true(json_object_get(status, "removed"));

    json_decref(status);
    return is_removed;
}

static json_t *debug_peers(const struct server *ferry)
{
    char url[160];

    snprintf(url, sizeof(url), "%s/debug/peers", ferry->peer_url);
    return http_json(url, NULL, CALL_MS);
}

static const json_t *nth_peer(const json_t *page, size_t i)
{
    return json_array_get(json_object_get(page, "peers"), i);
}

unsigned peers_count(const struct server *ferry)
{
    json_t *page = debug_peers(ferry);
    unsigned n = 0;

    for (size_t i = 0; i < json_array_size(json_object_get(page, "peers")); i++)
        n += json_is_false(json_object_get(nth_peer(page, i), "remote")) ? 1 : 0;
    json_decref(page);
    return n;
}

static unsigned is_attached(const json_t *peer, const char *stream, const char *direction)
{
    const json_t *streams = json_object_get(peer, "streams");
    const json_t *end = json_object_get(json_object_get(streams, stream), direction);

    return json_is_true(json_object_get(end, "attached")) ? 1 : 0;
}

unsigned peers_streams(const struct server *ferry)
{
    json_t *page = debug_peers(ferry);
    unsigned n = 0;

    for (size_t i = 0; i < json_array_size(json_object_get(page, "peers")); i++) {
        const json_t *peer = nth_peer(page, i);

        n += is_attached(peer, "msgapp", "in") + is_attached(peer, "msgapp", "out") +
             is_attached(peer, "message", "in") + is_attached(peer, "message", "out");
    }
    json_decref(page);
    return n;
}

uint64_t peers_number(const struct server *ferry, const struct server *of, const char *group, const char *key)
{
    json_t *page = debug_peers(ferry);
    uint64_t number = 0;

    for (size_t i = 0; i < json_array_size(json_object_get(page, "peers")); i++) {
        const json_t *peer = nth_peer(page, i);

        if (strcmp(json_text(peer, "id"), of->id) == 0)
            number = json_number(json_object_get(peer, group), key);
    }
    json_decref(page);
    return number;
}

double peers_metric(const struct server *etcd, const char *name, const char *labels)
{
    struct http_reply reply;
    char url[160], sample[256];
    const char *at = NULL;
    double value = -1;

    snprintf(url, sizeof(url), "%s/metrics", etcd->client_url);
    http_call(url, NULL, NULL, CALL_MS, &reply);
    ck_assert_int_eq(reply.status, 200);
    snprintf(sample, sizeof(sample), "\n%s{%s} ", name, labels);
    at = strstr(reply.body, sample);
    if (at)
        value = strtod(at + strlen(sample), NULL);
    http_reply_release(&reply);
    return value;
}
