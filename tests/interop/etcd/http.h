/*
 * http.h - one HTTP call after another, through libcurl.
 */
#ifndef ETCD_HTTP_H
#define ETCD_HTTP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct http_reply {
    long status; /* 0: no whole answer in time */
    char *body;  /* ended by a NUL; NULL when there is none */
    size_t len;
    char cluster_id[32]; /* X-Etcd-Cluster-ID, "" without */
};

/* body NULL: GET, otherwise POST with that JSON.  headers: "Name: value" each, NULL-ended; NULL: none. */
void http_call(const char *url, const char *const headers[], const char *body, unsigned deadline_ms,
               struct http_reply *ret_reply);
void http_reply_release(struct http_reply *reply);

/* The JSON of an answer 200, for json_decref; NULL: there was none. */
json_t *http_json(const char *url, const char *body, unsigned deadline_ms);

#endif
