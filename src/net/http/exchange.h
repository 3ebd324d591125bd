/*
 * exchange.h - a request as libmicrohttpd tells of it, and its answer as the handler gives it.
 */
#ifndef FY_NET_HTTP_EXCHANGE_H
#define FY_NET_HTTP_EXCHANGE_H

#include "net/http/request.h"

/* libmicrohttpd's callbacks; cls is the listener. */
void *fy_exchange_on_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result fy_exchange_on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                      const char *version, const char *data, size_t *len, void **request);
void fy_exchange_on_completed(void *cls, struct MHD_Connection *mhd, void **request,
                              enum MHD_RequestTerminationCode code);

/* The connection is gone, and libmicrohttpd did not complete the request. */
void fy_exchange_on_lost(struct fy_request *req);

/* As in net.h. */
void fy_server_request_reply(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                             const void *body, size_t body_len);
void fy_server_request_pause_body(struct fy_request *req);
void fy_server_request_resume_body(struct fy_request *req);

#endif
