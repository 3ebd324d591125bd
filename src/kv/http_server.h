/*
 * http_server.h - requests of clients, on libmicrohttpd in libuv's loop.
 *
 * Everything belongs to the loop's thread.
 */
#ifndef KV_HTTP_SERVER_H
#define KV_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct uv_loop_s;
struct kv_http_server;
struct kv_http_request;

/* A request came, with its whole body.  To be answered by kv_http_reply, now or at any later time. */
typedef void kv_http_fn(void *ctx, struct kv_http_request *req);

/* Bodies over max_body are answered with 413.  0, or -1 with one line in text. */
int kv_http_server_new(struct uv_loop_s *loop, const char *host, const char *port, size_t max_body, kv_http_fn *fn,
                       void *ctx, struct kv_http_server **ret_server, char *text, size_t size);

/*
 * Answer what is not answered yet with 503, stop, and call done once it can be freed (after the callback has returned).
 * From then on requests are gone: nobody may answer one.
 */
void kv_http_server_close(struct kv_http_server *server, void (*done)(void *ctx), void *ctx);
void kv_http_server_free(struct kv_http_server *server); /* closed.  Takes NULL */

const char *kv_http_method(const struct kv_http_request *req);
const char *kv_http_path(const struct kv_http_request *req); /* as it came, without the query */
char *
kv_http_target(const struct kv_http_request *req); /* path and query, as they came; to be freed; NULL: no memory */
const char *kv_http_argument(const struct kv_http_request *req, const char *name); /* of the query; NULL: no value */
bool kv_http_has_argument(const struct kv_http_request *req, const char *name);    /* with a value or without */
const void *kv_http_body(const struct kv_http_request *req, size_t *ret_len);

/* Copies body.  type: the content's; location: NULL for none.  req is gone after it. */
void kv_http_reply(struct kv_http_request *req, unsigned status, const char *type, const void *body, size_t len,
                   const char *location);

/* Undo %-escapes of text in place; its length, or SIZE_MAX for a bad one. */
size_t kv_http_unescape(char *text);

#endif
