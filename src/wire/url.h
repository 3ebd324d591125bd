/*
 * url.h - peer URLs: scheme, host and port, nothing after it.
 */
#ifndef FY_WIRE_URL_H
#define FY_WIRE_URL_H

#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct fy_url {
    char host[256]; /* a name, an IPv4 address, or an IPv6 address without its brackets */
    uint16_t port;
    bool is_ipv6;
};

/*
 * http://host:port, with one '/' after it at most.  The port is needed, 0 to 65535.  FERRY_OK or FERRY_ERR_URL.
 */
int fy_url_parse(const char *text, struct fy_url *ret_url);

/* Split X-PeerURLs ("a,b,c") into a NULL-ended array in one block, for free().  FERRY_ERR_URL for a bad one, _NOMEM. */
int fy_urls_split(const char *text, char ***ret_urls);

/* Copy a NULL-ended array of URLs into one block, for free(), sorted as etcd sorts them, each without a trailing '/'.
 * FERRY_ERR_URL for an empty array or a bad URL, _NOMEM. */
int fy_urls_copy(const char *const *urls, char ***ret_urls);

#endif
