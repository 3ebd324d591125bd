/*
 * http_header.h - a header of an HTTP message.
 */
#ifndef FY_WIRE_HTTP_HEADER_H
#define FY_WIRE_HTTP_HEADER_H

struct fy_header {
    const char *name;
    const char *value;
};

#endif
