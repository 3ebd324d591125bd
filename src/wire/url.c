/*
 * url - peer URLs, single and in lists.
 *
 * A list is one block: the array of pointers, its NULL, then the texts.  Both functions that make lists sort and trim
 * as etcd does, so that two members with the same URLs try them in the same order.
 */
#include "wire/url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_PORT_LEN 5 /* leading zeros included: limits the whole text, together with the host's limit */

/* A piece of text, not NUL-terminated. */
struct span {
    const char *text;
    size_t len;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_host_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_';
}

static int parse_port(struct span port, uint16_t *ret_port)
{
    uint32_t value = 0;

    if (port.len == 0 || port.len > MAX_PORT_LEN)
        return FERRY_ERR_URL;
    for (size_t i = 0; i < port.len; i++) {
        if (!is_digit(port.text[i]))
            return FERRY_ERR_URL;
        value = value * 10 + (uint32_t)(port.text[i] - '0');
        if (value > UINT16_MAX)
            return FERRY_ERR_URL;
    }
    *ret_port = (uint16_t)value;
    return FERRY_OK;
}

/* Copy the host at the start of rest into url; *ret_len: its length in rest, brackets included. */
static int parse_host(struct span rest, struct fy_url *url, size_t *ret_len)
{
    struct in6_addr address;
    size_t skip = rest.len > 0 && rest.text[0] == '[';
    size_t len = 0;

    while (skip + len < rest.len && (skip ? rest.text[skip + len] != ']' : is_host_char(rest.text[len])))
        len++;
    if (len == 0 || len >= sizeof(url->host) || skip + len == rest.len)
        return FERRY_ERR_URL;
    memcpy(url->host, rest.text + skip, len);
    url->host[len] = '\0';
    url->is_ipv6 = skip;
    if (skip && inet_pton(AF_INET6, url->host, &address) != 1)
        return FERRY_ERR_URL;
    *ret_len = len + 2 * skip;
    return FERRY_OK;
}

static bool skip_scheme(struct span *text, const char *scheme)
{
    size_t len = strlen(scheme);

    if (text->len < len || strncasecmp(text->text, scheme, len) != 0)
        return false;
    text->text += len;
    text->len -= len;
    return true;
}

static int parse_span(struct span text, struct fy_url *ret_url)
{
    struct fy_url url = {.port = 0};
    struct span rest = text;
    size_t host_len;
    int err;

    url.is_https = skip_scheme(&rest, "https://");
    if (!url.is_https && !skip_scheme(&rest, "http://"))
        return FERRY_ERR_URL;
    if (rest.len > 0 && rest.text[rest.len - 1] == '/')
        rest.len--;
    err = parse_host(rest, &url, &host_len);
    if (err != FERRY_OK)
        return err;
    if (host_len == rest.len || rest.text[host_len] != ':')
        return FERRY_ERR_URL;
    rest.text += host_len + 1;
    rest.len -= host_len + 1;
    err = parse_port(rest, &url.port);
    if (err == FERRY_OK)
        *ret_url = url;
    return err;
}

int fy_url_parse(const char *text, struct fy_url *ret_url)
{
    return parse_span((struct span){text, strlen(text)}, ret_url);
}

bool fy_url_is_wildcard(const struct fy_url *url)
{
    struct in6_addr address = {.s6_addr = {1}};

    if (url->is_ipv6)
        return inet_pton(AF_INET6, url->host, &address) == 1 && memcmp(&address, &in6addr_any, sizeof(address)) == 0;
    return inet_pton(AF_INET, url->host, &address) == 1 && memcmp(&address, &in6addr_any, 4) == 0;
}

bool fy_url_has_port_0(const char *text)
{
    struct fy_url url;

    return fy_url_parse(text, &url) == FERRY_OK && url.port == 0;
}

bool fy_urls_have_https(char *const *urls)
{
    struct fy_url url;

    for (size_t i = 0; urls && urls[i]; i++)
        if (fy_url_parse(urls[i], &url) == FERRY_OK && url.is_https)
            return true;
    return false;
}

/* ---- Lists ---- */

/* Source of a list: an array, or a text separated by commas. */
struct source {
    const char *const *array; /* NULL-terminated, or NULL */
    const char *text;         /* NULL at the end */
};

static struct span trim(struct span s)
{
    while (s.len > 0 && (s.text[0] == ' ' || s.text[0] == '\t')) {
        s.text++;
        s.len--;
    }
    while (s.len > 0 && (s.text[s.len - 1] == ' ' || s.text[s.len - 1] == '\t'))
        s.len--;
    return s;
}

static bool next_piece(struct source *source, struct span *ret_piece)
{
    struct span piece;

    if (source->array) {
        piece.text = *source->array;
        if (!piece.text)
            return false;
        piece.len = strlen(piece.text);
        source->array++;
    } else {
        piece.text = source->text;
        if (!piece.text)
            return false;
        piece.len = strcspn(piece.text, ",");
        source->text = piece.text[piece.len] == ',' ? piece.text + piece.len + 1 : NULL;
    }
    *ret_piece = trim(piece);
    return true;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int make_list(struct source source, bool sort, char ***ret_urls)
{
    struct source again = source;
    struct fy_url url;
    struct span piece;
    size_t n = 0;
    size_t size = 0;
    char **urls;
    char *at;

    while (next_piece(&source, &piece)) {
        int err = parse_span(piece, &url);

        if (err != FERRY_OK)
            return err;
        n++;
        size += piece.len + 1;
    }
    if (n == 0)
        return FERRY_ERR_URL;
    urls = malloc((n + 1) * sizeof(*urls) + size); /* both are limited by memory that the caller holds */
    if (!urls)
        return FERRY_ERR_NOMEM;
    at = (char *)(urls + n + 1);
    for (size_t i = 0; i < n; i++) {
        (void)next_piece(&again, &piece); /* exactly as many as were counted */
        if (piece.text[piece.len - 1] == '/')
            piece.len--;
        memcpy(at, piece.text, piece.len);
        at[piece.len] = '\0';
        urls[i] = at;
        at += piece.len + 1;
    }
    urls[n] = NULL;
    if (sort)
        qsort(urls, n, sizeof(*urls), compare_texts);
    *ret_urls = urls;
    return FERRY_OK;
}

int fy_urls_split(const char *text, char ***ret_urls)
{
    return make_list((struct source){.text = text}, true, ret_urls);
}

int fy_urls_copy(const char *const *urls, char ***ret_urls)
{
    return make_list((struct source){.array = urls}, true, ret_urls);
}

int fy_urls_copy_in_order(const char *const *urls, char ***ret_urls)
{
    return make_list((struct source){.array = urls}, false, ret_urls);
}
