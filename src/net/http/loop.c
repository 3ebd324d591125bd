/*
 * loop - who works when: one epoll set, the timers, the wake-up, and the parts.
 *
 * A turn waits, hands each ready descriptor to its owner, fires due timers, and then lets the parts work until none has
 * anything left (or a bound is met: then the next wait does not sleep).  What a handler causes - an outflow woken, a
 * call begun or cancelled - is left work of a part: it is done before the loop sleeps, and never from inside the
 * handler's own call.
 *
 * A turn is short even when there is more to do: after TURN_NS no more rounds begin, so that new events are seen, and
 * parts limit what one stream moves in a turn (fy_share).  A heartbeat beside a full link waits for one turn at each
 * end.
 *
 * With more runnable threads than processors that alone would not do: the kernel lets a thread that never sleeps run
 * until its tick, for milliseconds, while a heartbeat's sender, a worker, or the loop of the other end is ready to run.
 * So the library's own thread yields after a long turn.  A thread that only computes would then take the processor
 * until the tick after each turn; so we do not yield again before we have run for as long as the last yield took, and
 * lose at most half.
 *
 * Wake-ups: a waker sets wake_pending first and reads sleeping second; the loop sets sleeping first and reads
 * wake_pending second, all in one total order.  So either the loop sees the wake, or the waker sees the sleep and
 * writes the eventfd.  That is watched edge-triggered and never read: each write is an edge.
 */
#include "net/http/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "ferry/ferry.h"

#define MAX_EVENTS 64
#define MAX_ROUNDS 16      /* of work in one turn */
#define MIN_ROUNDS 4       /* of them that are made however long they take */
#define TURN_NS 50000      /* after which no more are begun */
#define LONG_TURN_NS 20000 /* a turn that makes the loop yield */
#define RELAXES_PER_POLL 8 /* looks at the wake flag between two system calls */

uint64_t fy_clock_ns(int clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * FY_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void refresh_clock(struct fy_loop *loop)
{
    loop->now_ns = fy_clock_ns(CLOCK_MONOTONIC);
}

uint64_t fy_loop_deadline_ns(struct fy_loop *loop, uint64_t in_ms)
{
    refresh_clock(loop);
    return loop->now_ns + in_ms * FY_NS_PER_MS;
}

/* ---- Watches ---- */

int fy_watch_start(struct fy_loop *loop, struct fy_watch *watch, int fd, uint32_t events,
                   void (*fn)(struct fy_watch *watch, uint32_t events))
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return FERRY_ERR_SYSTEM;
    watch->fd = fd;
    watch->fn = fn;
    return FERRY_OK;
}

void fy_watch_change(struct fy_loop *loop, struct fy_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    assert(watch->fn);
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event); /* it is in the set: this cannot fail */
}

void fy_watch_end(struct fy_loop *loop, struct fy_watch *watch)
{
    if (!watch->fn)
        return;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL); /* as above */
    watch->fn = NULL;
}

void fy_watch_bury(struct fy_loop *loop, struct fy_watch *watch, void *memory)
{
    assert(!watch->fn);
    watch->dead_memory = memory;
    fy_list_append(&loop->dead, &watch->dead_node);
}

static void free_dead(struct fy_loop *loop)
{
    for (struct fy_node *node; (node = fy_list_take_first(&loop->dead));)
        free(fy_container(node, struct fy_watch, dead_node)->dead_memory);
}

/* ---- Bare descriptors: the datum of their events is the number, marked by being odd, which no pointer is ---- */

void fy_loop_set_on_bare(struct fy_loop *loop, void (*on_bare)(void *arg, int fd, uint32_t events), void *arg)
{
    loop->on_bare = on_bare;
    loop->on_bare_arg = arg;
}

int fy_loop_watch_bare(struct fy_loop *loop, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)fd << 1 | 1};

    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
        return FERRY_OK;
    if (errno != ENOENT || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return FERRY_ERR_SYSTEM;
    return FERRY_OK;
}

void fy_loop_unwatch_bare(struct fy_loop *loop, int fd)
{
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* one that is closed already has left the set */
}

/* ---- Waiting ---- */

static bool has_work(const struct fy_loop *loop)
{
    if (atomic_load(&loop->wake_pending))
        return true;
    for (const struct fy_loop_part *part = loop->parts; part; part = part->next)
        if (part->ops->has_work(part))
            return true;
    return false;
}

/* Milliseconds until one of the parts has work by itself; FY_NEVER. */
static uint64_t parts_timeout_ms(const struct fy_loop *loop)
{
    uint64_t least_ms = FY_NEVER;

    for (const struct fy_loop_part *part = loop->parts; part; part = part->next) {
        uint64_t ms = part->ops->timeout_ms ? part->ops->timeout_ms(part) : FY_NEVER;

        least_ms = ms < least_ms ? ms : least_ms;
    }
    return least_ms;
}

/* Milliseconds that the loop may sleep if no descriptor becomes ready; -1: for ever. */
static int sleep_ms(const struct fy_loop *loop)
{
    uint64_t now_ns = fy_clock_ns(CLOCK_MONOTONIC);
    uint64_t next_ns = fy_timers_next_ns(&loop->timers);
    uint64_t ms = parts_timeout_ms(loop);

    if (next_ns != FY_NEVER) {
        uint64_t timer_ms = next_ns <= now_ns ? 0 : (next_ns - now_ns + FY_NS_PER_MS - 1) / FY_NS_PER_MS;

        ms = timer_ms < ms ? timer_ms : ms;
    }
    if (ms == FY_NEVER)
        return -1;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static int poll_now(const struct fy_loop *loop, struct epoll_event *events)
{
    return epoll_wait(loop->epoll_fd, events, MAX_EVENTS, 0);
}

static bool is_interrupted(const struct fy_loop *loop)
{
    return atomic_load(&loop->wake_pending) || atomic_load(&loop->stop);
}

/* Poll until an event or a wake came or the time is over, which makes *ret_found false.  The number of events. */
static int spin(const struct fy_loop *loop, struct epoll_event *events, uint64_t until_ns, bool *ret_found)
{
    do {
        int n = poll_now(loop, events);

        *ret_found = n != 0;
        if (n != 0)
            return n;
        fy_spin_yield(); /* what is awaited may need this very processor */
        *ret_found = is_interrupted(loop);
        for (int i = 0; i < RELAXES_PER_POLL && !*ret_found; i++) {
            fy_spin_relax();
            *ret_found = is_interrupted(loop);
        }
    } while (!*ret_found && fy_clock_ns(CLOCK_MONOTONIC) < until_ns);
    return 0;
}

/* Wait at most wait_ms, -1 for ever, spinning first if that pays.  The number of events. */
static int wait_events(struct fy_loop *loop, struct epoll_event *events, int wait_ms)
{
    struct fy_spin *s = &loop->spin;
    uint64_t begin_ns;
    int n;

    if (wait_ms == 0)
        return poll_now(loop, events);
    begin_ns = s->max_ns > 0 ? fy_clock_ns(CLOCK_MONOTONIC) : 0;
    if (s->budget_ns > 0) {
        bool found;

        n = spin(loop, events, begin_ns + s->budget_ns, &found);
        if (found) {
            fy_spin_caught(s);
            return n;
        }
    }
    atomic_store(&loop->sleeping, true);
    n = epoll_wait(loop->epoll_fd, events, MAX_EVENTS, is_interrupted(loop) ? 0 : wait_ms);
    atomic_store(&loop->sleeping, false);
    if (s->max_ns > 0)
        fy_spin_slept(s, fy_clock_ns(CLOCK_MONOTONIC) - begin_ns);
    return n;
}

/* ---- Turning ---- */

static void dispatch(struct fy_loop *loop, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        struct fy_watch *watch = events[i].data.ptr;

        if (events[i].data.u64 & 1)
            loop->on_bare(loop->on_bare_arg, (int)(events[i].data.u64 >> 1), events[i].events);
        else if (watch->fn)
            watch->fn(watch, events[i].events);
    }
}

static bool may_go_on(const struct fy_loop *loop, int round, uint64_t began_ns)
{
    return round < MIN_ROUNDS || (round < MAX_ROUNDS && loop->now_ns - began_ns < TURN_NS);
}

static void work(struct fy_loop *loop)
{
    uint64_t began_ns = loop->now_ns;

    fy_timers_run(&loop->timers, loop->now_ns);
    for (int round = 0; may_go_on(loop, round, began_ns) && has_work(loop); round++) {
        if (atomic_exchange(&loop->wake_pending, false) && loop->on_wake)
            loop->on_wake(loop->on_wake_arg);
        for (struct fy_loop_part *part = loop->parts; part; part = part->next)
            part->ops->work(part);
        refresh_clock(loop);
        fy_timers_run(&loop->timers, loop->now_ns);
    }
}

static void end_turn(struct fy_loop *loop)
{
    loop->n_turns++;
    for (struct fy_loop_part *part = loop->parts; part; part = part->next)
        if (part->ops->end_turn)
            part->ops->end_turn(part);
    free_dead(loop);
}

static void turn(struct fy_loop *loop, int timeout_ms)
{
    struct epoll_event events[MAX_EVENTS];
    int wait_ms = 0;
    int n;

    if (timeout_ms != 0 && !has_work(loop)) {
        wait_ms = sleep_ms(loop);
        if (wait_ms < 0 || (timeout_ms > 0 && timeout_ms < wait_ms))
            wait_ms = timeout_ms;
    }
    n = wait_events(loop, events, wait_ms);
    assert(n >= 0 || errno == EINTR);
    refresh_clock(loop);
    loop->woken_ns = loop->now_ns;
    dispatch(loop, events, n);
    work(loop);
    end_turn(loop);
}

static void ring(const struct fy_loop *loop)
{
    /* The counter cannot get near its end, and a signal does not interrupt a write that need not wait. */
    (void)!write(loop->wake_watch.fd, &(uint64_t){1}, sizeof(uint64_t));
}

static void begin_turning(struct fy_loop *loop)
{
    atomic_store(&loop->sleeping, false);
}

/* From here on a wake writes the eventfd.  One that came before, and did not write it, is caught up on. */
static void end_turning(struct fy_loop *loop)
{
    atomic_store(&loop->sleeping, true);
    if (atomic_load(&loop->wake_pending))
        ring(loop);
}

/* After a long turn: yield, unless other threads had as much time in the last yield as we have had since. */
static void yield_if_long(struct fy_loop *loop)
{
    uint64_t before_ns = fy_clock_ns(CLOCK_MONOTONIC);
    uint64_t after_ns;

    if (before_ns - loop->woken_ns < LONG_TURN_NS || before_ns < loop->next_yield_ns)
        return;
    fy_spin_yield();
    after_ns = fy_clock_ns(CLOCK_MONOTONIC);
    loop->next_yield_ns = after_ns + (after_ns - before_ns);
}

void fy_loop_run(struct fy_loop *loop)
{
    begin_turning(loop);
    while (!atomic_exchange(&loop->stop, false)) {
        turn(loop, -1);
        yield_if_long(loop);
    }
    end_turning(loop);
}

void fy_loop_run_once(struct fy_loop *loop, int timeout_ms)
{
    begin_turning(loop);
    turn(loop, timeout_ms);
    end_turning(loop);
}

void fy_loop_stop(struct fy_loop *loop)
{
    atomic_store(&loop->stop, true);
    if (atomic_load(&loop->sleeping))
        ring(loop);
}

int fy_loop_timeout_ms(const struct fy_loop *loop)
{
    return has_work(loop) ? 0 : sleep_ms(loop);
}

/* ---- Waking ---- */

void fy_loop_wake(struct fy_loop *loop)
{
    if (atomic_exchange(&loop->wake_pending, true))
        return;
    if (atomic_load(&loop->sleeping))
        ring(loop);
}

void fy_loop_set_on_wake(struct fy_loop *loop, void (*on_wake)(void *arg), void *arg)
{
    loop->on_wake = on_wake;
    loop->on_wake_arg = arg;
}

static void loop_on_wake_event(struct fy_watch *watch, uint32_t events)
{
    (void)watch; /* it only had to end the sleep */
    (void)events;
}

/* ---- Life ---- */

static int open_descriptors(struct fy_loop *loop)
{
    int fd;

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return FERRY_ERR_SYSTEM;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        goto close_epoll;
    if (fy_watch_start(loop, &loop->wake_watch, fd, EPOLLIN | EPOLLET, loop_on_wake_event) != FERRY_OK)
        goto close_wake;
    return FERRY_OK;

close_wake:
    close(fd);
close_epoll:
    close(loop->epoll_fd);
    return FERRY_ERR_SYSTEM;
}

int fy_loop_init(struct fy_loop *loop, uint64_t max_spin_ns)
{
    int err;

    *loop = (struct fy_loop){.scratch = malloc(FY_LOOP_SCRATCH)};
    if (!loop->scratch)
        return FERRY_ERR_NOMEM;
    atomic_store(&loop->sleeping, true);
    fy_spin_init(&loop->spin, max_spin_ns);
    fy_list_init(&loop->dead);
    fy_timers_init(&loop->timers);
    refresh_clock(loop);
    err = open_descriptors(loop);
    if (err)
        free(loop->scratch);
    return err;
}

void fy_loop_add_part(struct fy_loop *loop, struct fy_loop_part *part, const struct fy_loop_part_ops *ops)
{
    struct fy_loop_part **end = &loop->parts;

    while (*end)
        end = &(*end)->next;
    part->ops = ops;
    part->next = NULL;
    *end = part;
}

void fy_loop_release(struct fy_loop *loop)
{
    free_dead(loop);
    close(loop->wake_watch.fd);
    close(loop->epoll_fd);
    free(loop->scratch);
}
