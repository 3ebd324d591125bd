/*
 * target.h - what a URL names, as curl reads it.
 */
#ifndef FY_NET_HTTP_TARGET_H
#define FY_NET_HTTP_TARGET_H

#include <stdbool.h>
#include <stddef.h>

struct fy_header;

struct fy_target {
    bool is_https;
    char host[256]; /* without the brackets of an IPv6 address */
};

/* FERRY_OK, FERRY_ERR_URL or _NOMEM. */
int fy_target_read(const char *url, struct fy_target *ret_target);

/*
 * The request that a GET of the URL sends: request line, Host, these headers and the empty line, and no others.  For
 * free().  FERRY_OK, FERRY_ERR_URL or _NOMEM.
 */
int fy_target_format_get(const char *url, const struct fy_header *headers, size_t n_headers, char **ret_text,
                         size_t *ret_len);

#endif
