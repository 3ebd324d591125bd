/*
 * prober.h - probes a peer now and then: is it healthy, how long does a round trip take, what does its clock say.
 *
 * One probe at a time, over the connections that POSTs use.  Its figures are shown and change nothing: a peer that does
 * not answer probes is treated as any other.
 */
#ifndef FY_PEER_PROBER_H
#define FY_PEER_PROBER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "ferry/ferry.h"
#include "net/net.h"
#include "net/timers.h"
#include "wire/probe_answer.h"

struct fy_peer_base;

struct fy_prober {
    struct fy_peer_base *base; /* const */

    /* the loop's */
    bool is_running;
    bool is_patient;      /* the next probe is far away: see prober.c */
    bool is_alarmed;      /* the clocks differ by more than the bound, and the log says so */
    size_t turn;          /* modulo their number: which of the peer's URLs is probed */
    struct fy_call *call; /* NULL: waiting for the next */
    uint64_t began_ns;    /* of the probe under way, or the last */
    uint64_t took_ns;     /* from its sending until the head of its answer came */
    char body[FY_PROBE_ANSWER_MAX];
    size_t len;
    struct fy_timer next;
    struct fy_timer deadline;

    struct fy_histogram round_trips;  /* written by the loop, read by any thread */
    pthread_mutex_t mu;               /* leaf lock */
    struct ferry_probe_status status; /* mu; written by the loop, which reads it without */
};

void fy_prober_init(struct fy_prober *prober, struct fy_peer_base *base);
void fy_prober_release(struct fy_prober *prober); /* stopped */

void fy_prober_start(struct fy_prober *prober);   /* does nothing when probing is off */
void fy_prober_stop(struct fy_prober *prober);    /* its figures stay */
void fy_prober_restart(struct fy_prober *prober); /* the peer's URLs changed: probe the first of them soon */
void fy_prober_hurry(struct fy_prober *prober);   /* a stream has ended */

/* Any thread. */
void fy_prober_read(struct fy_prober *prober, struct ferry_probe_status *ret_status,
                    struct ferry_histogram *ret_round_trips);

#endif
