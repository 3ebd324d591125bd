/*
 * http_call.h - one request to a ferry-kv, and its answer.
 */
#ifndef DEMO_HTTP_CALL_H
#define DEMO_HTTP_CALL_H

#include <stddef.h>

struct http_answer {
    long status; /* 0: no answer */
    char *body;  /* NUL-terminated; free() it */
    size_t len;
};

/* Follows one redirect. body: NULL for none. */
void http_call(const char *method, const char *url, const char *body, size_t len, unsigned timeout_ms,
               struct http_answer *ret_answer);

#endif
