/*
 * http_get.h - fetch a complete page over a loopback socket.
 */
#ifndef HARNESS_HTTP_GET_H
#define HARNESS_HTTP_GET_H

#include <stddef.h>

struct http_page {
    int status;
    char *body; /* NUL-terminated */
    size_t len;
    char content_type[96];
};

/* GET base followed by path (http://127.0.0.1:PORT/...).  Status 0: no connection, or no complete answer in time. */
void http_get(const char *base, const char *path, struct http_page *ret_page, unsigned deadline_ms);
void http_page_release(struct http_page *page);

#endif
