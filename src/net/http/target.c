/*
 * target - URLs, read by curl's own parser, so that a dial and a request mean the same place.
 */
#include "net/http/target.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ferry/ferry.h"
#include "wire/http_header.h"

/* Why a URL could not be read. */
static int error_of_url(CURLUcode code)
{
    if (code == CURLUE_OK)
        return FERRY_OK;
    return code == CURLUE_OUT_OF_MEMORY ? FERRY_ERR_NOMEM : FERRY_ERR_URL;
}

static int open_url(const char *text, CURLU **ret_url)
{
    CURLU *url = curl_url();
    int err;

    if (!url)
        return FERRY_ERR_NOMEM;
    err = error_of_url(curl_url_set(url, CURLUPART_URL, text, 0));
    if (err)
        curl_url_cleanup(url);
    else
        *ret_url = url;
    return err;
}

static int read_host(CURLU *url, struct fy_target *target)
{
    char *host = NULL;
    int err = error_of_url(curl_url_get(url, CURLUPART_HOST, &host, 0));

    if (!err && strlen(host) >= sizeof(target->host))
        err = FERRY_ERR_URL;
    if (!err) {
        size_t is_bracketed = host[0] == '[';

        (void)snprintf(target->host, sizeof(target->host), "%s", host + is_bracketed);
        if (is_bracketed)
            target->host[strcspn(target->host, "%]")] = '\0';
    }
    curl_free(host);
    return err;
}

int fy_target_read(const char *text, struct fy_target *ret_target)
{
    CURLU *url;
    char *scheme = NULL;
    int err = open_url(text, &url);

    if (err)
        return err;
    err = error_of_url(curl_url_get(url, CURLUPART_SCHEME, &scheme, 0));
    if (!err) {
        ret_target->is_https = strcmp(scheme, "https") == 0;
        err = ret_target->is_https || strcmp(scheme, "http") == 0 ? read_host(url, ret_target) : FERRY_ERR_URL;
    }
    curl_free(scheme);
    curl_url_cleanup(url);
    return err;
}

/* A part that may be missing: "" then. */
static int append_part(struct fy_text *text, CURLU *url, CURLUPart part, const char *before)
{
    char *value = NULL;
    CURLUcode code = curl_url_get(url, part, &value, CURLU_NO_DEFAULT_PORT);

    if (code == CURLUE_OK)
        fy_text_print(text, "%s%s", before, value);
    curl_free(value);
    return code == CURLUE_OUT_OF_MEMORY ? FERRY_ERR_NOMEM : FERRY_OK;
}

int fy_target_format_get(const char *url_text, const struct fy_header *headers, size_t n_headers, char **ret_text,
                         size_t *ret_len)
{
    struct fy_text text;
    char *shrunk;
    CURLU *url;
    int err = open_url(url_text, &url);

    if (err)
        return err;
    fy_text_init(&text);
    fy_text_put(&text, "GET ");
    err = append_part(&text, url, CURLUPART_PATH, "");
    if (!err)
        err = append_part(&text, url, CURLUPART_QUERY, "?");
    fy_text_put(&text, " HTTP/1.1\r\nHost: ");
    if (!err)
        err = append_part(&text, url, CURLUPART_HOST, "");
    if (!err)
        err = append_part(&text, url, CURLUPART_PORT, ":");
    curl_url_cleanup(url);
    fy_text_put(&text, "\r\n");
    for (size_t i = 0; i < n_headers; i++)
        fy_text_print(&text, "%s:%s%s\r\n", headers[i].name, headers[i].value[0] ? " " : "", headers[i].value);
    fy_text_put(&text, "\r\n");
    if (!err)
        err = text.err;
    if (err) {
        fy_text_release(&text);
        return err;
    }
    shrunk = realloc(text.data, text.len); /* hundreds may wait for their connections at once */
    *ret_text = shrunk ? shrunk : text.data;
    *ret_len = text.len;
    return FERRY_OK;
}
