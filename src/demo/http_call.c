/*
 * http_call - one request with libcurl, on a handle of its own.
 */
#include "demo/http_call.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct http_answer *answer = ctx;
    char *body = realloc(answer->body, answer->len + size * n + 1);

    if (!body)
        return 0;
    memcpy(body + answer->len, data, size * n);
    answer->body = body;
    answer->len += size * n;
    body[answer->len] = '\0';
    return size * n;
}

void http_call(const char *method, const char *url, const char *body, size_t len, unsigned timeout_ms,
               struct http_answer *ret_answer)
{
    CURL *easy = curl_easy_init();

    *ret_answer = (struct http_answer){.body = calloc(1, 1)};
    if (!easy || !ret_answer->body)
        abort(); /* the demo cannot continue without memory */
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
    if (body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
    }
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, ret_answer);
    if (curl_easy_perform(easy) == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &ret_answer->status);
    curl_easy_cleanup(easy);
}
