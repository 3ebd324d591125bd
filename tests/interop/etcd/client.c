/*
 * client - the gateway takes and gives bytes in Base64.
 */
#include "interop/etcd/client.h"

#include <check.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interop/etcd/cluster.h"
#include "interop/etcd/http.h"

static char *to_base64(const char *text)
{
    size_t len = strlen(text);
    char *coded = malloc(4 * ((len + 2) / 3) + 1);

    ck_assert_ptr_nonnull(coded);
    EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)text, (int)len);
    return coded;
}

static char *from_base64(const char *coded)
{
    size_t len = strlen(coded), n_padding = 0;
    char *text = malloc(3 * (len / 4) + 1);
    int n;

    ck_assert_ptr_nonnull(text);
    while (n_padding < len && coded[len - 1 - n_padding] == '=')
        n_padding++;
    n = EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)coded, (int)len);
    ck_assert_int_ge(n, (int)n_padding);
    text[(size_t)n - n_padding] = '\0';
    return text;
}

char *client_put_body(const char *key, const char *value)
{
    char *coded_key = to_base64(key), *coded_value = to_base64(value);
    size_t size = strlen(coded_key) + strlen(coded_value) + 32;
    char *body = malloc(size);

    ck_assert_ptr_nonnull(body);
    snprintf(body, size, "{\"key\":\"%s\",\"value\":\"%s\"}", coded_key, coded_value);
    free(coded_key);
    free(coded_value);
    return body;
}

char *client_get_body(const char *key)
{
    char *coded = to_base64(key);
    size_t size = strlen(coded) + 16;
    char *body = malloc(size);

    ck_assert_ptr_nonnull(body);
    snprintf(body, size, "{\"key\":\"%s\"}", coded);
    free(coded);
    return body;
}

bool client_put(const struct server *etcd, const char *key, const char *value, unsigned deadline_ms)
{
    char *body = client_put_body(key, value), url[160];
    json_t *answer;

    snprintf(url, sizeof(url), "%s/v3/kv/put", etcd->client_url);
    answer = http_json(url, body, deadline_ms);
    free(body);
    json_decref(answer);
    return answer != NULL;
}

char *client_get(const struct server *etcd, const char *key, enum client_consistency consistency, unsigned deadline_ms)
{
    char *coded = to_base64(key), url[160], body[512], *value = NULL;
    const json_t *pair;
    json_t *answer;

    snprintf(url, sizeof(url), "%s/v3/kv/range", etcd->client_url);
    snprintf(body, sizeof(body), "{\"key\":\"%s\",\"serializable\":%s}", coded,
             consistency == READ_LOCAL ? "true" : "false");
    free(coded);
    answer = http_json(url, body, deadline_ms);
    pair = json_array_get(json_object_get(answer, "kvs"), 0);
    if (pair)
        value = from_base64(json_text(pair, "value"));
    json_decref(answer);
    return value;
}

bool client_has(const struct server *etcd, const char *key, const char *value, enum client_consistency consistency)
{
    char *found = client_get(etcd, key, consistency, 5000);
    bool has = found && strcmp(found, value) == 0;

    free(found);
    return has;
}

char *client_dump(const struct server *server)
{
    struct http_reply reply;
    char url[160];

    if (server->kind == SERVER_ETCD)
        return etcdctl_must(server, "get", "", "--prefix", "--consistency=s", NULL);
    snprintf(url, sizeof(url), "%s/dump", server->client_url);
    http_call(url, NULL, NULL, 10000, &reply);
    ck_assert_int_eq(reply.status, 200);
    return reply.body ? reply.body : strdup("");
}

/* Where the two part, for the message of a failure. */
static void assert_same(const char *a, const char *a_name, const char *b, const char *b_name)
{
    size_t at = 0, line = 0;

    for (; a[at] != '\0' && a[at] == b[at]; at++)
        if (a[at] == '\n')
            line = at + 1;
    ck_assert_msg(a[at] == b[at], "%s and %s part: %.80s... and %.80s...", a_name, b_name, a + line, b + line);
}

char *client_common_dump(void)
{
    const struct server *first = NULL;
    char *common = NULL;

    cluster_await_applied();
    for (unsigned i = 0; i < cluster.n; i++) {
        struct server *server = &cluster.servers[i];
        char *dump;

        if (!process_is_running(&server->process))
            continue;
        dump = client_dump(server);
        if (!common) {
            common = dump;
            first = server;
            continue;
        }
        assert_same(common, first->name, dump, server->name);
        free(dump);
    }
    ck_assert_ptr_nonnull(common);
    return common;
}
