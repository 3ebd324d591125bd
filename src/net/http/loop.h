/*
 * loop.h - one epoll set with its watches, the timers, the wake-up from other threads, and the parts that work.
 *
 * The loop knows three kinds of work: a descriptor became ready, a timer is due, and a part has something left to do
 * before the loop may sleep.  It knows nothing of HTTP: what works on it registers by functions.
 *
 * Whoever calls fy_loop_run or fy_loop_run_once is the loop's thread; all here belongs to it unless a function says
 * "any thread".
 */
#ifndef FY_NET_HTTP_LOOP_H
#define FY_NET_HTTP_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/spin.h"
#include "net/timers.h"

#define FY_NS_PER_MS UINT64_C(1000000)
#define FY_NS_PER_S UINT64_C(1000000000)

#define FY_LOOP_SCRATCH ((size_t)64 << 10) /* bytes of fy_loop.scratch */

/*
 * A descriptor in the epoll set: a member of what it belongs to.  One batch of events may name a watch that an earlier
 * event of the batch ended, so the memory around it is freed by fy_watch_bury, when the turn is over.
 */
struct fy_watch {
    void (*fn)(struct fy_watch *watch, uint32_t events); /* NULL: ended */
    int fd;
    struct fy_node dead_node; /* fy_loop.dead */
    void *dead_memory;
};

struct fy_loop_part;

struct fy_loop_part_ops {
    bool (*has_work)(const struct fy_loop_part *part);
    void (*work)(struct fy_loop_part *part);
    void (*end_turn)(struct fy_loop_part *part);             /* NULL: nothing to do at a turn's end */
    uint64_t (*timeout_ms)(const struct fy_loop_part *part); /* until it has work; FY_NEVER.  NULL: it uses timers */
};

/* What works on the loop: a member of the part's own struct. */
struct fy_loop_part {
    const struct fy_loop_part_ops *ops;
    struct fy_loop_part *next;
};

struct fy_loop {
    int epoll_fd;
    struct fy_watch wake_watch; /* an eventfd */

    atomic_bool wake_pending; /* fy_loop_wake was called since on_wake last began */
    atomic_bool sleeping;     /* the loop waits, or nobody turns it: a wake has to write the eventfd */
    atomic_bool stop;

    void (*on_wake)(void *arg);
    void *on_wake_arg;
    void (*on_bare)(void *arg, int fd, uint32_t events);
    void *on_bare_arg;
    struct fy_loop_part *parts; /* in the order in which they work */
    uint64_t now_ns;            /* monotonic; read at the turn's beginning and after each round of work */
    uint64_t n_turns;
    uint64_t woken_ns;      /* when the wait of this turn, or of the last, ended */
    uint64_t next_yield_ns; /* before which the loop's own thread does not yield */
    struct fy_timers timers;
    struct fy_spin spin;
    struct fy_list dead; /* struct fy_watch.dead_node; freed when the turn ends */

    /* For bytes on their way from one call to the next.  Nothing stays in it when a handler of the user's is called,
       but for what is handed to that very handler. */
    uint8_t *scratch;
};

/* How many bytes of a stream were moved in the present turn: see fy_share_of_turn. */
struct fy_share {
    uint64_t turn; /* which n_bytes counts */
    size_t n_bytes;
};

/* What was moved in this turn, to be added to: 0 at its beginning. */
static inline size_t *fy_share_of_turn(struct fy_share *share, const struct fy_loop *loop)
{
    if (share->turn != loop->n_turns)
        *share = (struct fy_share){.turn = loop->n_turns};
    return &share->n_bytes;
}

/* max_spin_ns: how long a wait may spin before it sleeps; 0: never.  FERRY_OK, FERRY_ERR_NOMEM or FERRY_ERR_SYSTEM. */
int fy_loop_init(struct fy_loop *loop, uint64_t max_spin_ns);
void fy_loop_release(struct fy_loop *loop); /* every watch has ended and every timer is unset */

/* A part works after those that were added before it.  It stays until the loop is released. */
void fy_loop_add_part(struct fy_loop *loop, struct fy_loop_part *part, const struct fy_loop_part_ops *ops);

void fy_loop_run(struct fy_loop *loop);  /* until fy_loop_stop; one that came before makes it return at once */
void fy_loop_stop(struct fy_loop *loop); /* any thread */
void fy_loop_run_once(struct fy_loop *loop, int timeout_ms); /* one turn; -1: it waits without a limit */
int fy_loop_timeout_ms(const struct fy_loop *loop);          /* until run_once has work by itself; -1: never */

/* Have on_wake called on the loop soon, once for any number of calls before it.  Any thread. */
void fy_loop_wake(struct fy_loop *loop);
void fy_loop_set_on_wake(struct fy_loop *loop, void (*on_wake)(void *arg), void *arg);

uint64_t fy_clock_ns(int clock); /* of time.h: CLOCK_MONOTONIC, CLOCK_REALTIME ... */

/* A deadline from now; the clock is read, for now_ns may lag behind a long event. */
uint64_t fy_loop_deadline_ns(struct fy_loop *loop, uint64_t in_ms);

/* Add a descriptor to the loop.  FERRY_OK or FERRY_ERR_SYSTEM. */
int fy_watch_start(struct fy_loop *loop, struct fy_watch *watch, int fd, uint32_t events,
                   void (*fn)(struct fy_watch *watch, uint32_t events));
void fy_watch_change(struct fy_loop *loop, struct fy_watch *watch, uint32_t events);
/* Take it out, before the descriptor is closed.  One that was never started is fine. */
void fy_watch_end(struct fy_loop *loop, struct fy_watch *watch);
/* Free memory, which holds this ended watch, when no event can name it any more. */
void fy_watch_bury(struct fy_loop *loop, struct fy_watch *watch, void *memory);

/*
 * Descriptors of a library's, watched without memory of ours; events of all of them go to one function.  An event may
 * still come for one that was unwatched or closed in the same turn.
 */
void fy_loop_set_on_bare(struct fy_loop *loop, void (*on_bare)(void *arg, int fd, uint32_t events), void *arg);
int fy_loop_watch_bare(struct fy_loop *loop, int fd, uint32_t events); /* also changes; FERRY_OK or FERRY_ERR_SYSTEM */
void fy_loop_unwatch_bare(struct fy_loop *loop, int fd);               /* fine for one that is closed already */

#endif
