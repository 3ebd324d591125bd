/*
 * peer_status.h - is the peer active, since when, and if not, why.
 *
 * One status for all connections with a peer, as in etcd: what worked last makes it active, what failed last inactive.
 * Other than in etcd, a request that fails while a stream stands does not make it inactive (member.h).  Changes are
 * logged, repeats only at debug level.  When a peer changes more often than once a second (a stream that fails while
 * POSTs succeed), the changes are counted, and the next line tells their number.  Written by the loop, read by any
 * thread.
 */
#ifndef FY_MEMBER_PEER_STATUS_H
#define FY_MEMBER_PEER_STATUS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "ferry/ferry.h"
#include "net/timers.h"

struct fy_local;

struct fy_peer_status {
    const struct fy_local *local;
    uint64_t peer_id;
    struct fy_log_fold fold;         /* the loop's; of changes */
    struct fy_log_fold failure_fold; /* the loop's; of failures that change nothing */
    struct fy_timer settle;          /* set while the log lags behind: then the state is logged */

    pthread_mutex_t mu;                                                   /* leaf lock */
    atomic_bool is_active;                                                /* written under mu, read also without */
    uint64_t since_ms;                                                    /* mu; Unix time, 0 while inactive */
    uint64_t n_inactive;                                                  /* mu; how often it became inactive */
    char last_error[sizeof(((struct ferry_peer_status *)0)->last_error)]; /* mu */
    uint64_t last_error_ms;                                               /* mu; Unix time, 0: none */
};

void fy_peer_status_init(struct fy_peer_status *status, const struct fy_local *local, uint64_t peer_id);
void fy_peer_status_release(struct fy_peer_status *status); /* stopped, or never used */

/* The loop: log no more. */
void fy_peer_status_stop(struct fy_peer_status *status);

void fy_peer_status_activate(struct fy_peer_status *status);

/* etcd's text: failed to ACTION ID on SOURCE (REASON). */
void fy_peer_status_deactivate(struct fy_peer_status *status, const char *action, const char *source,
                               const char *reason);

/* Something failed, but the peer is known to be there: only log it. */
void fy_peer_status_note_failure(struct fy_peer_status *status, const char *action, const char *source,
                                 const char *reason);

/* Fill active, active_since_ms, n_inactive and what is of last_error. */
void fy_peer_status_read(struct fy_peer_status *status, struct ferry_peer_status *ret_status);

#endif
