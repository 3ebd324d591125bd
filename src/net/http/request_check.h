/*
 * request_check.h - refuses a request's head that another HTTP parser may read differently (request smuggling).
 */
#ifndef FY_NET_HTTP_REQUEST_CHECK_H
#define FY_NET_HTTP_REQUEST_CHECK_H

#include "net/http/request.h"

/*
 * What is wrong with a whole head that libmicrohttpd accepted, as text for the client; NULL: nothing.  url and version
 * are what libmicrohttpd gave to the access handler.  Call it before anything of the body is read.
 */
const char *fy_request_fault(const struct fy_request *req, const char *url, const char *version);

#endif
