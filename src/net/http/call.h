/*
 * call.h - what a call is made of, for call.c (a call as curl is told of it), taken.c (streams without curl) and
 * client.c (all calls of a net, and curl itself).  All of it is the loop's.
 */
#ifndef FY_NET_HTTP_CALL_H
#define FY_NET_HTTP_CALL_H

#include "wire/answer_head.h"
#include "wire/chunks.h"
#include "net/http/client_tls.h"
#include "net/http/client.h"
#include "net/http/loop.h"

struct fy_call {
    struct fy_net_object object;
    struct fy_client *client;
    struct fy_node node; /* client->calls_new, calls or calls_doomed; unlinked while on_end runs */
    struct fy_call_events events;
    void *arg;
    CURL *easy; /* NULL: curl has no part in it any more */
    struct curl_slist *headers;
    struct fy_client_tls tls;
    struct fy_answer_head head;
    bool is_headed;
    bool is_canceled;
    bool is_stream;   /* const after the beginning: a connection of its own, on which it only reads */
    bool is_raw;      /* const after the beginning: of a body in chunks, curl hands on the chunks as they are */
    bool is_chunked;  /* that is what came */
    bool is_held;     /* curl was told to read its connection no more, though that stays open */
    bool is_taken;    /* its connection is ours */
    bool may_be_kept; /* const after the beginning: the connection, by curl, for other calls */
    struct fy_chunks chunks;
    struct fy_watch watch; /* of the connection, once it was taken */
    int err;               /* why a callback of ours refused to go on */
    const uint8_t *body;   /* lent; NULL when curl has a copy */
    fy_body_fn *read_body;
    uint64_t body_len;
    uint64_t body_pos;
    int fd;                    /* its connection, as far as curl has had it watched; -1: none */
    int socket_errno;          /* why there was no socket; 0: there was one.  Curl does not keep it */
    bool is_body_paused;       /* curl asks for no more until it is told to */
    struct fy_node pause_node; /* client->calls_paused or calls_woken, then */
    struct fy_node rest_node;  /* client->calls_full or calls_rested, when it is a stream that had its share */
    struct fy_share share;     /* that it brought of this turn */
    char error[CURL_ERROR_SIZE];
};

/* ---- call.c ---- */

/* What a URL names, as curl reads it: the scheme, and the host without the brackets of an IPv6 address. */
struct fy_target {
    bool is_https;
    char host[256];
};

/* FERRY_OK, FERRY_ERR_URL or _NOMEM. */
int fy_client_read_target(const char *url, struct fy_target *ret_target);

/* Tell the call's handle what to do, and whom to call back.  FERRY_OK or FERRY_ERR_NOMEM. */
int fy_client_set_options(struct fy_call *call, const struct fy_call_spec *spec, bool is_https);

/* Hand bytes of the body to the owner, unless the call is cancelled. */
void fy_client_deliver_body(struct fy_call *call, const uint8_t *data, size_t len);

/* ---- taken.c ---- */

/* What stands on the connection is the body in chunks.  FY_CHUNKS_NOTHING, _END, or FERRY_ERR_PROTOCOL. */
int fy_client_deliver_chunks(struct fy_call *call, const uint8_t *data, size_t len);

/* From inside a callback of curl's: have it read no more of a connection, which is to be taken over. */
void fy_client_stop_reading(struct fy_call *call);

/* Take over the connections of the streams in client->calls_headed. */
void fy_client_take_headed(struct fy_client *client);

/* ---- client.c ---- */

/* Take it from curl, which closes its connection or keeps it. */
void fy_client_leave_curl(struct fy_call *call);
void fy_client_free_easy(struct fy_call *call); /* fine when curl has no part in it any more */

/* Have done with its connection, whoever reads it. */
void fy_client_leave(struct fy_call *call);

/* It has been left: tell the owner how it ended, and free it. */
void fy_client_finish(struct fy_call *call, CURLcode code);

#endif
