/*
 * bulk.h - long bodies, read straight to where they are to lie.
 */
#ifndef FY_NET_HTTP_BULK_H
#define FY_NET_HTTP_BULK_H

#include "net/http/request.h"

bool fy_bulk_is_due(const struct fy_request *req); /* is the rest of its body better read past libmicrohttpd? */
void fy_bulk_begin(struct fy_request *req);        /* libmicrohttpd holds none of the body, and is suspended */
void fy_bulk_pause(struct fy_request *req);
void fy_bulk_resume(struct fy_request *req);

#endif
