/*
 * node.h - what the services of one process share: the loop, the listeners, the TLS policy, the errands, the pages.
 *
 * A service (a transport is one) is mounted on a node and then gets the requests to its paths.  Services come and go
 * while the node runs, in any order.  A service's own threads, such as its disk workers, are not the node's: a service
 * whose threads are stuck must not hold up another.
 *
 * Threads: one thread at a time may start, stop and free the node and mount and unmount services; never one of the
 * node's own.  Errands may be posted from any thread.
 */
#ifndef FY_NODE_NODE_H
#define FY_NODE_NODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/log.h"
#include "net/errands.h"
#include "net/http/http.h"
#include "node/intake.h"
#include "node/service.h"

struct fy_listener;
struct fy_net;
struct fy_tls;

/* What is not copied outlives the node. */
struct fy_service_node_config {
    struct fy_log log;         /* copied */
    char **listen_urls;        /* not copied; NULL-ended; NULL: none */
    struct fy_tls *tls;        /* not copied; NULL: none */
    unsigned write_timeout_ms; /* these seven as in ferry_config */
    unsigned link_timeout_ms;
    unsigned busy_poll_us;
    size_t max_connections;
    size_t reserved_connections;
    size_t max_per_address;
    unsigned body_timeout_ms;
    bool is_hosted;     /* no thread: the owner turns the loop by fy_service_node_turn */
    struct fy_net *net; /* not copied; NULL: one of its own on sockets.  Else the owner turns the net: no thread */
};

struct fy_service_node {
    struct fy_service_node_config cfg; /* const */

    struct fy_net *net; /* const from open to free; NULL before */
    struct fy_listener **listeners;
    size_t n_listeners;
    char **bound_urls; /* of the listeners, in one block; NULL: none.  Const from listen to free */
    struct fy_errands errands;

    pthread_t thread;
    bool has_thread;       /* const from run to stop */
    pthread_t loop_thread; /* written by the thread itself, before has_loop_thread */
    atomic_bool has_loop_thread;
    unsigned n_turning;            /* without a thread: calls of fy_service_node_turn that run */
    bool (*is_turning)(void *arg); /* with a given net: does it call this node just now?  NULL: never.  Set after new */
    void *is_turning_arg;

    struct fy_crowd_counts crowd;   /* of all listeners */
    struct fy_list services;        /* the loop's */
    struct fy_intake_budget intake; /* the loop's; bodies of requests for pages */

    pthread_mutex_t mu; /* leaf lock */
    pthread_cond_t called;
};

int fy_service_node_new(const struct fy_service_node_config *cfg, struct fy_service_node **ret_node); /* or _NOMEM */
void fy_service_node_free(struct fy_service_node *node); /* stopped, with no service.  NULL is fine */

/*
 * Start in three steps, so that services can be mounted when there is a net and before the first request comes: make
 * the net; listen; start the thread, if it has one.  _start does all three. FERRY_OK; FERRY_ERR_NOMEM, _SYSTEM,
 * _LISTEN, _TLS_CONFIG or _URL (the log says more): then stop undoes what was done.
 */
int fy_service_node_open(struct fy_service_node *node);
int fy_service_node_listen(struct fy_service_node *node);
int fy_service_node_run(struct fy_service_node *node);
int fy_service_node_start(struct fy_service_node *node);

/* Tell the services, close the listeners, and end the thread.  A second stop does nothing. */
void fy_service_node_stop(struct fy_service_node *node);

/*
 * Mount a service; the node is open.  FERRY_ERR_EXISTS: another has its path.
 * Unmount one: it gets no further request; those that it has are its own to end.  Does nothing if it is not mounted.
 */
int fy_service_node_mount(struct fy_service_node *node, struct fy_service *service);
void fy_service_node_unmount(struct fy_service_node *node, struct fy_service *service);

/*
 * Call fn on the loop and wait until it has returned; errands that were posted before have run by then.  Without a
 * thread it is called here, after all errands.  Never from a thread of the node's.
 */
void fy_service_node_call(struct fy_service_node *node, void (*fn)(void *arg), void *arg);

/* Without a thread, on a net of its own: turn the loop once, for timeout_ms at most (-1: until something happens). */
void fy_service_node_turn(struct fy_service_node *node, int timeout_ms);

/* Is the caller inside a call of the loop's?  Any thread. */
bool fy_service_node_is_inside(struct fy_service_node *node);

#endif
