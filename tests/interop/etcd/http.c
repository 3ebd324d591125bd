/*
 * http - libcurl's easy interface.  Each call has a connection of its own: servers come and go here.
 */
#include "interop/etcd/http.h"

#include <check.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "harness/patience.h"

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct http_reply *reply = arg;

    reply->body = realloc(reply->body, reply->len + size * n + 1);
    ck_assert_ptr_nonnull(reply->body);
    memcpy(reply->body + reply->len, data, size * n);
    reply->len += size * n;
    reply->body[reply->len] = '\0';
    return size * n;
}

void http_call(const char *url, const char *const headers[], const char *body, unsigned deadline_ms,
               struct http_reply *ret_reply)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *list = NULL;
    struct curl_header *header;

    ck_assert_ptr_nonnull(curl);
    memset(ret_reply, 0, sizeof(*ret_reply));
    for (; headers && *headers; headers++)
        list = curl_slist_append(list, *headers);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)patience_ms(deadline_ms));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, ret_reply);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
    if (body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    if (curl_easy_perform(curl) == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret_reply->status);
        if (curl_easy_header(curl, "X-Etcd-Cluster-ID", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
            snprintf(ret_reply->cluster_id, sizeof(ret_reply->cluster_id), "%s", header->value);
    }
    curl_slist_free_all(list);
    curl_easy_cleanup(curl);
}

void http_reply_release(struct http_reply *reply)
{
    free(reply->body);
    memset(reply, 0, sizeof(*reply));
}

json_t *http_json(const char *url, const char *body, unsigned deadline_ms)
{
    struct http_reply reply;
    json_t *json = NULL;

    http_call(url, NULL, body, deadline_ms, &reply);
    if (reply.status == 200 && reply.body)
        json = json_loadb(reply.body, reply.len, 0, NULL);
    http_reply_release(&reply);
    return json;
}
