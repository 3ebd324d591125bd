/*
 * join - ask a running cluster who we are in it.
 */
#include "etcd-member/join.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "etcd-member/json.h"
#include "etcd-member/mem.h"
#include "etcd-member/texts.h"

#define TRY_MS 2000L
#define PATIENCE_S 30
#define PAUSE_US 100000
#define CLUSTER_ID_HEADER "X-Etcd-Cluster-ID:"
#define MAX_ANSWER ((size_t)1 << 20)

struct answer {
    char *body;
    size_t len;
    uint64_t cluster_id;
};

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct answer *answer = ctx;

    if (size * n > MAX_ANSWER - answer->len)
        return 0;
    answer->body = mem_resize(answer->body, answer->len + size * n + 1, 1);
    memcpy(answer->body + answer->len, data, size * n);
    answer->len += size * n;
    return size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
    struct answer *answer = ctx;
    size_t name_len = strlen(CLUSTER_ID_HEADER);
    char text[32] = "";

    if (size * n > name_len && size * n - name_len < sizeof(text) &&
        strncasecmp(data, CLUSTER_ID_HEADER, name_len) == 0) {
        memcpy(text, data + name_len, size * n - name_len);
        answer->cluster_id = strtoull(text, NULL, 16);
    }
    return size * n;
}

/* GET /members at url.  NULL, or what went wrong. */
static char *get_members(const struct options *options, const char *url, struct answer *answer)
{
    char wrong[CURL_ERROR_SIZE] = "";
    char *path = mem_print("%s/members", url);
    char *why = NULL;
    CURL *easy = curl_easy_init();
    CURLcode code;

    if (!easy)
        return mem_print("no curl");
    curl_easy_setopt(easy, CURLOPT_URL, path);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, wrong);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TRY_MS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
    if (options->cert) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, options->cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, options->key);
        curl_easy_setopt(easy, CURLOPT_CAINFO, options->ca);
        curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    }
    code = curl_easy_perform(easy);
    if (code != CURLE_OK)
        why = mem_print("%s: %s", path, wrong[0] ? wrong : curl_easy_strerror(code));
    else if (answer->cluster_id == 0)
        why = mem_print("%s: the answer names no cluster", path);
    curl_easy_cleanup(easy);
    free(path);
    return why;
}

static void read_member(const json_t *element, struct cluster_members *members)
{
    struct cluster_member member = {0};

    if (!json_number(json_object_get(element, "id"), 10, &member.id))
        return;
    member.name = (char *)(uintptr_t)json_string_value(json_object_get(element, "name")); /* copied, as all */
    member.peer_urls = json_texts(json_object_get(element, "peerURLs"));
    member.client_urls = json_texts(json_object_get(element, "clientURLs"));
    member.is_learner = json_is_true(json_object_get(element, "isLearner"));
    cluster_members_set(members, &member);
    texts_free(member.peer_urls);
    texts_free(member.client_urls);
}

static char *ask(const struct options *options, const char *url, uint64_t *ret_id, uint64_t *ret_cluster_id,
                 struct cluster_members *ret_members)
{
    struct answer answer = {0};
    struct cluster_members members = {0};
    char *why = get_members(options, url, &answer);
    json_t *list = why ? NULL : json_read(answer.body, answer.len);
    uint64_t id = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        read_member(json_array_get(list, i), &members);
    for (size_t i = 0; i < members.n; i++)
        if (texts_have(members.list[i].peer_urls, options->peer_url))
            id = members.list[i].id;
    if (!why && id == 0)
        why = mem_print("%s/members: no member has the peer URL %s", url, options->peer_url);
    json_decref(list);
    free(answer.body);
    if (why) {
        cluster_members_release(&members);
        return why;
    }
    *ret_id = id;
    *ret_cluster_id = answer.cluster_id;
    *ret_members = members;
    return NULL;
}

char *join_cluster(const struct options *options, const struct cluster_members *configured, uint64_t *ret_id,
                   uint64_t *ret_cluster_id, struct cluster_members *ret_members)
{
    time_t until = time(NULL) + PATIENCE_S;
    char *why = mem_print("--initial-cluster names nobody else");

    do {
        for (size_t i = 0; i < configured->n; i++) {
            const char *url = configured->list[i].peer_urls[0];

            if (strcmp(url, options->peer_url) == 0)
                continue;
            free(why);
            why = ask(options, url, ret_id, ret_cluster_id, ret_members);
            if (!why)
                return NULL;
        }
        (void)usleep(PAUSE_US); /* nobody would tell us when one comes */
    } while (time(NULL) < until);
    return why;
}
