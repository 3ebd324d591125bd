/*
 * request_check - refuses a request's head that another HTTP parser may read differently (request smuggling).
 *
 * A proxy in front of us and libmicrohttpd must agree where a request ends.  Otherwise what follows it on the
 * connection is a body to one and a request to the other.  So a head is refused that RFC 9112 calls invalid, even where
 * the RFC allows a server to repair it.
 *
 * MHD_OPTION_STRICT_FOR_CLIENT (server.c) makes libmicrohttpd refuse part of that itself: a missing Host and spaces in
 * the target in every version; from 1.0 on also bare LF and CR, folded lines, NUL bytes and blanks around names.  A
 * Content-Length that is not a number it always refuses.  The rest is checked here.
 *
 * Before 1.0 libmicrohttpd repairs lines without a trace in what it reports, but it parses them in place: a line's end
 * becomes NUL bytes, a colon becomes one, and the names and values that it reports point into the head as it came.
 * Hence each distance between them must be that of one CR LF.  Bare LF is shorter, NUL bytes are longer, and a folded
 * line leads elsewhere.  Only pointers are compared here; memory between them is not read.
 */
#include "net/http/request_check.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define CRLF_LEN 2

struct head {
    bool is_repaired; /* libmicrohttpd repairs lines: their layout is to be checked */
    uintptr_t end;    /* of the last line so far, without its CR LF */
    unsigned n_hosts;
    unsigned n_lengths;
    unsigned n_codings;
    bool is_chunked; /* the last coding */
    const char *fault;
};

static bool is_token_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_token_char((unsigned char)text[i]))
            return false;
    return len > 0;
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return true;
    return false;
}

static bool equals(const char *text, size_t len, const char *other)
{
    return len == strlen(other) && strncasecmp(text, other, len) == 0;
}

static void count(struct head *head, const char *name, size_t name_len, const char *value, size_t value_len)
{
    if (equals(name, name_len, MHD_HTTP_HEADER_HOST)) {
        head->n_hosts++;
    } else if (equals(name, name_len, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        head->n_lengths++;
    } else if (equals(name, name_len, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        head->n_codings++;
        head->is_chunked = equals(value, value_len, "chunked");
    }
}

static enum MHD_Result check_on_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                       const char *value, size_t value_len)
{
    struct head *head = cls;

    (void)kind;
    if (!is_token(name, name_len))
        head->fault = "invalid header name\n";
    else if (value_len > 0 && memchr(value, '\r', value_len))
        head->fault = "CR inside a header line\n";
    else if (head->is_repaired && (uintptr_t)name - head->end != CRLF_LEN)
        head->fault = "invalid line end, folded line or NUL byte in the head\n";
    head->end = (uintptr_t)value + value_len;
    count(head, name, name_len, value, value_len);
    return head->fault ? MHD_NO : MHD_YES;
}

/* One space on either side of the target, and no NUL byte in the line. */
static bool is_line_whole(const struct fy_request *req, const char *url, const char *version)
{
    return (uintptr_t)url - (uintptr_t)req->method == strlen(req->method) + 1 &&
           (uintptr_t)version - (uintptr_t)url == req->target_len + 1;
}

/* The last line is followed by one empty line, and that by the body. */
static bool is_end_whole(const struct fy_request *req, const struct head *head)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return info && (uintptr_t)req->method + info->header_size - head->end == 2 * (uintptr_t)CRLF_LEN;
}

static const char *line_fault(const struct fy_request *req, const char *url, const char *version, bool is_repaired)
{
    if (!is_token(req->method, strlen(req->method)))
        return "invalid method\n";
    if (has_control(req->path) || has_control(req->query) || (is_repaired && !is_line_whole(req, url, version)))
        return "invalid request line\n";
    return NULL;
}

static const char *framing_fault(const struct fy_request *req, const struct head *head)
{
    if (head->n_hosts > 1)
        return "more than one Host\n";
    if (head->n_lengths > 1)
        return "more than one Content-Length\n";
    if (head->n_codings > 0 && head->n_lengths > 0)
        return "Content-Length together with Transfer-Encoding\n";
    if (head->n_codings > 1 || (head->n_codings == 1 && !head->is_chunked))
        return "Transfer-Encoding is not chunked\n";
    if (head->n_codings > 0 && !req->is_http_1_1)
        return "Transfer-Encoding in HTTP/1.0\n";
    return NULL;
}

const char *fy_request_fault(const struct fy_request *req, const char *url, const char *version)
{
    struct head head = {
        .is_repaired = strncmp(MHD_get_version(), "0.", 2) == 0,
        .end = (uintptr_t)version + strlen(version),
    };

    head.fault = line_fault(req, url, version, head.is_repaired);
    if (head.fault)
        return head.fault;
    (void)MHD_get_connection_values_n(req->mhd, MHD_HEADER_KIND, check_on_header, &head);
    if (head.fault)
        return head.fault;
    if (head.is_repaired && !is_end_whole(req, &head))
        return "invalid line end, folded line or NUL byte in the head\n";
    return framing_fault(req, &head);
}
