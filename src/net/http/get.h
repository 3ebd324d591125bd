/*
 * get.h - a GET on a connection of its own: curl connects, and the request, the answer's head and its body are ours.
 */
#ifndef FY_NET_HTTP_GET_H
#define FY_NET_HTTP_GET_H

#include "net/http/dial.h"
#include "net/net.h"
#include "wire/answer_body.h"
#include "wire/answer_head.h"

/* The GETs of a net. */
struct fy_gets {
    struct fy_list full;   /* struct fy_get.rest_node: had their share of this turn, and more may be there */
    struct fy_list rested; /* the same, of the turn before: they go on */
};

void fy_gets_init(struct fy_gets *gets);
bool fy_gets_have_work(const struct fy_gets *gets);
void fy_gets_work(struct fy_gets *gets);
void fy_gets_end_turn(struct fy_gets *gets);

/* A part of what wants the answer. */
struct fy_get {
    struct fy_loop *loop;
    struct fy_gets *gets;
    struct fy_dial dial;
    struct fy_watch watch; /* of the connection, once it stands */
    unsigned state;        /* get.c */
    char *request;         /* NULL: sent */
    size_t request_len;
    size_t n_sent;
    uint64_t asked_ns; /* when it began to be sent */
    struct fy_answer_head head;
    struct fy_answer_body body;
    struct fy_node rest_node; /* gets->full or rested */
    struct fy_share share;    /* that it brought of this turn */
    void *memory;             /* to be freed */
    struct fy_call_events events;
    void *arg;
    /*
     * The answer is 101, on_head has come, and the connection is the owner's: get->dial, which it closes.  data are the
     * first bytes of the other protocol, maybe none.  NULL: 101 is an error.
     */
    void (*on_upgraded)(void *arg, const uint8_t *data, size_t len);
};

struct fy_get_spec {
    struct fy_dial_spec dial;
    const struct fy_header *headers;
    size_t n_headers;
};

/*
 * Begin.  get is zeroed but for events, arg, memory and on_upgraded.  Errors as fy_dial_start, with nothing left behind.
 * on_end is the last event, and closes it.
 */
int fy_get_start(struct fy_get *get, struct fy_gets *gets, struct fy_transfers *transfers,
                 const struct fy_get_spec *spec);

/*
 * Close the connection; no event comes any more, and get->memory is freed when nothing needs it, not before the
 * turn is over.  At any time; a second time does nothing.
 */
void fy_get_close(struct fy_get *get);

bool fy_get_vitals(const struct fy_get *get, struct fy_vitals *ret_vitals);

#endif
