/*
 * url.h - peer URLs: scheme, host and port, nothing after it.
 */
#ifndef FY_WIRE_URL_H
#define FY_WIRE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct fy_url {
    char host[256]; /* a name, an IPv4 address, or an IPv6 address without its brackets */
    uint16_t port;
    bool is_ipv6;
    bool is_https;
};

/*
 * http://host:port, with one '/' after it at most.  The port is needed, 0 to 65535 in five digits at most.  Nothing is
 * looked up: a host is letters, digits, '-', '.' and '_', or an IPv6 address in brackets.  FERRY_OK or FERRY_ERR_URL.
 */
int fy_url_parse(const char *text, struct fy_url *ret_url);

/* Does one of a NULL-ended array of good URLs (NULL: an empty one) ask for TLS? */
bool fy_urls_have_https(char *const *urls);

/*
 * Split X-PeerURLs ("a,b,c"), or copy a NULL-ended array of URLs, into a NULL-ended array in one block, for free():
 * sorted as etcd sorts them, each without blanks around it and without a trailing '/'.
 * FERRY_ERR_URL for a bad URL or for none at all, _NOMEM.
 */
int fy_urls_split(const char *text, char ***ret_urls);
int fy_urls_copy(const char *const *urls, char ***ret_urls);

/* The same, in the order given. */
int fy_urls_copy_in_order(const char *const *urls, char ***ret_urls);

#endif
