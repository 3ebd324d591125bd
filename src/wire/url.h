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
    char host[256]; /* a name, an IPv4 address, or an IPv6 address without brackets */
    uint16_t port;
    bool is_ipv6;
    bool is_https;
};

/*
 * Parse http://host:port, with at most one '/' after it.  The port is required, 0 to 65535 in at most five digits.
 * Nothing is resolved: a host is letters, digits, '-', '.' and '_', or an IPv6 address in brackets.  FERRY_OK or
 * FERRY_ERR_URL.
 */
int fy_url_parse(const char *text, struct fy_url *ret_url);

/* Is the host the address that stands for every address of this host, 0.0.0.0 or [::]?  Nobody can dial it. */
bool fy_url_is_wildcard(const struct fy_url *url);

/* Is it a valid URL whose port is 0, which is for listening? */
bool fy_url_has_port_0(const char *text);

/* Does a NULL-terminated array of valid URLs (NULL: empty) contain an https URL? */
bool fy_urls_have_https(char *const *urls);

/*
 * Split X-PeerURLs ("a,b,c"), or copy a NULL-terminated array of URLs, into a NULL-terminated array in one block, for
 * free().  Sorted as etcd does, without blanks around each and without trailing '/'.
 * FERRY_ERR_URL: an invalid URL, or none at all; FERRY_ERR_NOMEM.
 */
int fy_urls_split(const char *text, char ***ret_urls);
int fy_urls_copy(const char *const *urls, char ***ret_urls);

/* The same, in the given order. */
int fy_urls_copy_in_order(const char *const *urls, char ***ret_urls);

#endif
