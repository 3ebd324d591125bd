/*
 * http - the loop: one epoll set, the timers, the wake-up, and who works when.
 *
 * A turn waits, hands each ready descriptor to its owner, fires due timers, and then lets the parts work until none has
 * anything left (or a bound is met: then the next wait does not sleep).  What a handler causes - an outflow woken, a
 * call begun or cancelled - is left work of a part, so it is acted on before the loop sleeps, and never from inside the
 * handler's own call.
 *
 * A turn is short also when there is more to do: after TURN_NS its rounds end, so that what came meanwhile is seen, and
 * no stream brings more than its share.  A heartbeat beside a full link waits for one turn at each end.
 *
 * It would wait for far longer where there are more threads to run than processors: the kernel lets a thread that has
 * always something to do go on until its tick, for milliseconds, while the sender of the heartbeat, a worker, or the
 * other end's loop is ready to run.  So the library's own thread yields after a turn that took long.  Whoever only
 * computes would then keep the processor until the tick, turn after turn; what it took we have for ourselves before we
 * yield again, so that no more than half goes.
 *
 * Wake-ups: a waker sets wake_pending first and looks at sleeping second; the loop sets sleeping first and looks at
 * wake_pending second, all in one total order.  So either the loop sees the wake, or the waker sees the sleep and
 * writes the eventfd.  That is watched edge-triggered and never read: each write is an edge.
 */
#include "net/http/http_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "net/http/server.h"

#define MAX_EVENTS 64
#define MAX_ROUNDS 16      /* of work in one turn */
#define MIN_ROUNDS 4       /* of them that are made however long they take */
#define TURN_NS 50000      /* after which no more are begun */
#define LONG_TURN_NS 20000 /* a turn that makes the loop yield */
#define RELAXES_PER_POLL 8 /* looks at the wake flag between two system calls */

static uint64_t read_clock_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * FY_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void refresh_clock(struct fy_http *http)
{
    http->now_ns = read_clock_ns(CLOCK_MONOTONIC);
}

uint64_t fy_http_deadline_ns(struct fy_http *http, uint64_t in_ms)
{
    refresh_clock(http);
    return http->now_ns + in_ms * FY_NS_PER_MS;
}

/* ---- Watches ---- */

int fy_watch_start(struct fy_http *http, struct fy_watch *watch, int fd, uint32_t events,
                   void (*fn)(struct fy_watch *watch, uint32_t events))
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (epoll_ctl(http->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return FERRY_ERR_SYSTEM;
    watch->fd = fd;
    watch->fn = fn;
    return FERRY_OK;
}

void fy_watch_change(struct fy_http *http, struct fy_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    assert(watch->fn);
    (void)epoll_ctl(http->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event); /* it is in the set: this cannot fail */
}

void fy_watch_end(struct fy_http *http, struct fy_watch *watch)
{
    if (!watch->fn)
        return;
    (void)epoll_ctl(http->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL); /* as above */
    watch->fn = NULL;
}

void fy_watch_bury(struct fy_http *http, struct fy_watch *watch, void *memory)
{
    assert(!watch->fn);
    watch->dead_memory = memory;
    fy_list_append(&http->dead, &watch->dead_node);
}

static void free_dead(struct fy_http *http)
{
    for (struct fy_node *node; (node = fy_list_take_first(&http->dead));)
        free(fy_container(node, struct fy_watch, dead_node)->dead_memory);
}

static void on_wake_fd(struct fy_watch *watch, uint32_t events)
{
    (void)watch; /* it only had to end the sleep */
    (void)events;
}

/* ---- Waiting ---- */

static bool has_work(const struct fy_http *http)
{
    return atomic_load(&http->wake_pending) || fy_client_has_work(http) || fy_bypass_has_work(http) ||
           fy_server_has_work(http);
}

/* Milliseconds that the loop may sleep as far as the net itself is concerned; -1: for ever. */
static int sleep_ms(const struct fy_http *http)
{
    uint64_t now_ns = read_clock_ns(CLOCK_MONOTONIC);
    uint64_t next_ns = fy_timers_next_ns(&http->timers);
    uint64_t ms = fy_server_timeout_ms(http);

    if (next_ns != FY_NEVER) {
        uint64_t timer_ms = next_ns <= now_ns ? 0 : (next_ns - now_ns + FY_NS_PER_MS - 1) / FY_NS_PER_MS;

        ms = timer_ms < ms ? timer_ms : ms;
    }
    if (ms == FY_NEVER)
        return -1;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static int poll_now(const struct fy_http *http, struct epoll_event *events)
{
    return epoll_wait(http->epoll_fd, events, MAX_EVENTS, 0);
}

static bool is_interrupted(const struct fy_http *http)
{
    return atomic_load(&http->wake_pending) || atomic_load(&http->stop);
}

/* Look again and again until something came or the budget is spent; the number of events, 0 also for a wake. */
static int spin(const struct fy_http *http, struct epoll_event *events, uint64_t until_ns, bool *ret_found)
{
    do {
        int n = poll_now(http, events);

        *ret_found = n != 0;
        if (n != 0)
            return n;
        fy_spin_yield(); /* what is awaited may need this very processor */
        *ret_found = is_interrupted(http);
        for (int i = 0; i < RELAXES_PER_POLL && !*ret_found; i++) {
            fy_spin_relax();
            *ret_found = is_interrupted(http);
        }
    } while (!*ret_found && read_clock_ns(CLOCK_MONOTONIC) < until_ns);
    return 0;
}

/* Wait as long as said, spinning first if it pays.  The number of events. */
static int wait_events(struct fy_http *http, struct epoll_event *events, int wait_ms)
{
    struct fy_spin *s = &http->spin;
    uint64_t begin_ns;
    int n;

    if (wait_ms == 0)
        return poll_now(http, events);
    begin_ns = s->max_ns > 0 ? read_clock_ns(CLOCK_MONOTONIC) : 0;
    if (s->budget_ns > 0) {
        bool found;

        n = spin(http, events, begin_ns + s->budget_ns, &found);
        if (found) {
            fy_spin_caught(s);
            return n;
        }
    }
    atomic_store(&http->sleeping, true);
    n = epoll_wait(http->epoll_fd, events, MAX_EVENTS, is_interrupted(http) ? 0 : wait_ms);
    atomic_store(&http->sleeping, false);
    if (s->max_ns > 0)
        fy_spin_slept(s, read_clock_ns(CLOCK_MONOTONIC) - begin_ns);
    return n;
}

/* ---- Turning ---- */

static void dispatch(struct fy_http *http, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        struct fy_watch *watch = events[i].data.ptr;

        if (events[i].data.u64 & 1)
            fy_client_on_socket(http, events[i].data.u64, events[i].events);
        else if (watch->fn)
            watch->fn(watch, events[i].events);
    }
}

static bool may_go_on(const struct fy_http *http, int round, uint64_t began_ns)
{
    return round < MIN_ROUNDS || (round < MAX_ROUNDS && http->now_ns - began_ns < TURN_NS);
}

static void work(struct fy_http *http)
{
    uint64_t began_ns = http->now_ns;

    fy_timers_run(&http->timers, http->now_ns);
    for (int round = 0; may_go_on(http, round, began_ns) && has_work(http); round++) {
        if (atomic_exchange(&http->wake_pending, false) && http->on_wake)
            http->on_wake(http->on_wake_arg);
        fy_bypass_work(http);
        fy_server_work(http);
        fy_client_work(http);
        refresh_clock(http);
        fy_timers_run(&http->timers, http->now_ns);
    }
}

static void turn(struct fy_http *http, int timeout_ms)
{
    struct epoll_event events[MAX_EVENTS];
    int wait_ms = 0;
    int n;

    if (timeout_ms != 0 && !has_work(http)) {
        wait_ms = sleep_ms(http);
        if (wait_ms < 0 || (timeout_ms > 0 && timeout_ms < wait_ms))
            wait_ms = timeout_ms;
    }
    n = wait_events(http, events, wait_ms);
    assert(n >= 0 || errno == EINTR);
    refresh_clock(http);
    http->woken_ns = http->now_ns;
    dispatch(http, events, n);
    work(http);
    fy_client_end_turn(http);
    fy_bypass_end_turn(http);
    free_dead(http);
}

static void ring(const struct fy_http *http)
{
    /* The counter cannot get near its end, and a signal does not interrupt a write that need not wait. */
    (void)!write(http->wake.fd, &(uint64_t){1}, sizeof(uint64_t));
}

static void begin_turning(struct fy_http *http)
{
    atomic_store(&http->sleeping, false);
}

/* From here a wake has to make the descriptor readable; one that came too early to know is made up for. */
static void end_turning(struct fy_http *http)
{
    atomic_store(&http->sleeping, true);
    if (atomic_load(&http->wake_pending))
        ring(http);
}

/* After a turn: if it was a long one let others go first, unless they have just had as much as we had since. */
static void yield_if_long(struct fy_http *http)
{
    uint64_t before_ns = read_clock_ns(CLOCK_MONOTONIC);
    uint64_t after_ns;

    if (before_ns - http->woken_ns < LONG_TURN_NS || before_ns < http->next_yield_ns)
        return;
    fy_spin_yield();
    after_ns = read_clock_ns(CLOCK_MONOTONIC);
    http->next_yield_ns = after_ns + (after_ns - before_ns);
}

void fy_http_run(struct fy_net *net)
{
    struct fy_http *http = fy_http_of(net);

    begin_turning(http);
    while (!atomic_exchange(&http->stop, false)) {
        turn(http, -1);
        yield_if_long(http);
    }
    end_turning(http);
}

void fy_http_run_once(struct fy_net *net, int timeout_ms)
{
    struct fy_http *http = fy_http_of(net);

    begin_turning(http);
    turn(http, timeout_ms);
    end_turning(http);
}

void fy_http_stop(struct fy_net *net)
{
    struct fy_http *http = fy_http_of(net);

    atomic_store(&http->stop, true);
    if (atomic_load(&http->sleeping))
        ring(http);
}

int fy_http_fd(const struct fy_net *net)
{
    return fy_http_of_const(net)->epoll_fd;
}

int fy_http_timeout_ms(const struct fy_net *net)
{
    const struct fy_http *http = fy_http_of_const(net);

    return has_work(http) ? 0 : sleep_ms(http);
}

/* ---- The net's own functions ---- */

static uint64_t net_now_ns(const struct fy_net *net)
{
    return fy_http_of_const(net)->now_ns;
}

static uint64_t net_unix_ns(const struct fy_net *net)
{
    (void)net;
    return read_clock_ns(CLOCK_REALTIME);
}

static uint64_t net_coarse_ns(const struct fy_net *net)
{
    (void)net;
    return read_clock_ns(CLOCK_MONOTONIC_COARSE);
}

/* splitmix64: any seed is good, and two nets hardly ever share one. */
static uint64_t net_random(struct fy_net *net)
{
    uint64_t z = fy_http_of(net)->random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static struct fy_timers *net_timers(struct fy_net *net)
{
    return &fy_http_of(net)->timers;
}

static void net_wake(struct fy_net *net)
{
    struct fy_http *http = fy_http_of(net);

    if (atomic_exchange(&http->wake_pending, true))
        return;
    if (atomic_load(&http->sleeping))
        ring(http);
}

static void net_set_on_wake(struct fy_net *net, void (*on_wake)(void *arg), void *arg)
{
    struct fy_http *http = fy_http_of(net);

    http->on_wake = on_wake;
    http->on_wake_arg = arg;
}

const struct fy_net_ops fy_http_ops = {
    .call = fy_client_call,
    .call_cancel = fy_client_cancel,
    .call_wake = fy_client_wake,
    .listen = fy_server_listen,
    .listener_url = fy_server_listener_url,
    .listener_close = fy_server_listener_close,
    .request_method = fy_server_request_method,
    .request_path = fy_server_request_path,
    .request_query = fy_server_request_query,
    .request_remote = fy_server_request_remote,
    .request_header = fy_server_request_header,
    .request_body_len = fy_server_request_body_len,
    .request_is_from = fy_server_request_is_from,
    .request_set_events = fy_server_request_set_events,
    .request_pause_body = fy_server_request_pause_body,
    .request_resume_body = fy_server_request_resume_body,
    .request_reply = fy_server_request_reply,
    .request_abort = fy_server_request_abort,
    .request_stream = fy_server_outflow_begin,
    .outflow_wake = fy_server_outflow_wake,
    .outflow_end = fy_server_outflow_end,
    .outflow_abort = fy_server_outflow_abort,
    .call_vitals = fy_client_call_vitals,
    .outflow_vitals = fy_server_outflow_vitals,
    .now_ns = net_now_ns,
    .unix_ns = net_unix_ns,
    .coarse_ns = net_coarse_ns,
    .random = net_random,
    .timers = net_timers,
    .wake = net_wake,
    .set_on_wake = net_set_on_wake,
};

/* ---- Life ---- */

static int open_descriptors(struct fy_http *http)
{
    int fd;

    http->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (http->epoll_fd < 0)
        return FERRY_ERR_SYSTEM;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        goto close_epoll;
    if (fy_watch_start(http, &http->wake, fd, EPOLLIN | EPOLLET, on_wake_fd) != FERRY_OK)
        goto close_wake;
    return FERRY_OK;

close_wake:
    close(fd);
close_epoll:
    close(http->epoll_fd);
    return FERRY_ERR_SYSTEM;
}

static void close_descriptors(struct fy_http *http)
{
    close(http->wake.fd);
    close(http->epoll_fd);
}

static void set_config(struct fy_http *http, const struct fy_http_config *cfg)
{
    http->cfg = *cfg;
    if (http->cfg.write_timeout_ms == 0)
        http->cfg.write_timeout_ms = 5000;
    if (http->cfg.idle_timeout_s == 0)
        http->cfg.idle_timeout_s = 10;
    if (http->cfg.max_connections == 0)
        http->cfg.max_connections = 1024;
    fy_spin_init(&http->spin, UINT64_C(1000) * cfg->busy_poll_us);
}

int fy_http_new(const struct fy_http_config *cfg, struct fy_net **ret_net)
{
    struct fy_http *http = calloc(1, sizeof(*http));
    int err;

    if (!http)
        return FERRY_ERR_NOMEM;
    http->net.ops = &fy_http_ops;
    set_config(http, cfg);
    atomic_store(&http->sleeping, true);
    fy_list_init(&http->dead);
    fy_list_init(&http->listeners);
    fy_list_init(&http->outflows_ready);
    fy_list_init(&http->outflows_rested);
    fy_timers_init(&http->timers);
    refresh_clock(http);
    if (getrandom(&http->random_state, sizeof(http->random_state), GRND_NONBLOCK) < 0)
        http->random_state = http->now_ns ^ (uintptr_t)http; /* early in boot; jitter needs no better */

    http->room = malloc(FY_HTTP_ROOM);
    err = http->room ? open_descriptors(http) : FERRY_ERR_NOMEM;
    if (err)
        goto free_http;
    fy_linger_init(http);
    err = fy_client_init(http);
    if (err)
        goto release_linger;
    *ret_net = &http->net;
    return FERRY_OK;

release_linger:
    fy_linger_release(http);
    close_descriptors(http);
free_http:
    free(http->room);
    free(http);
    return err;
}

void fy_http_free(struct fy_net *net)
{
    struct fy_http *http;

    if (!net)
        return;
    http = fy_http_of(net);
    assert(fy_list_is_empty(&http->listeners));
    fy_client_release(http);
    fy_linger_release(http);
    free_dead(http);
    close_descriptors(http);
    free(http->room);
    free(http);
}
