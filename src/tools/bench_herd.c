/*
 * bench_herd - runs many transports in one loop.
 *
 * The descriptors of all members are in one epoll set.  Each member's next deadline is read after it has run, not
 * before each wait: with hundreds of idle members that would cost more than all their work.
 */
#include "tools/bench_herd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "tools/stopwatch.h"

#define MAX_EVENTS 64
#define NS_PER_MS UINT64_C(1000000)

static int watch(struct bench_herd *herd, int fd, struct bench_herd_member *member)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = member};

    if (epoll_ctl(herd->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    perror("ferry-bench: epoll_ctl");
    return -1;
}

int bench_herd_init(struct bench_herd *herd, size_t max_members)
{
    *herd = (struct bench_herd){.room = max_members};
    herd->members = calloc(max_members, sizeof(*herd->members));
    if (!herd->members)
        goto fail;
    herd->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (herd->epoll_fd < 0)
        goto free_members;
    if (progress_init(&herd->end))
        goto close_epoll;
    if (watch(herd, herd->end.wake_fd, NULL) == 0)
        return 0;
    progress_release(&herd->end);

close_epoll:
    (void)close(herd->epoll_fd); /* nothing was written, so no data is lost */
free_members:
    free(herd->members);
    herd->members = NULL;
fail:
    perror("ferry-bench");
    return -1;
}

void bench_herd_release(struct bench_herd *herd)
{
    if (!herd->members)
        return;
    progress_release(&herd->end);
    (void)close(herd->epoll_fd); /* as above */
    free(herd->members);
    herd->members = NULL;
}

int bench_herd_add(struct bench_herd *herd, struct ferry_transport *transport)
{
    struct bench_herd_member *member = &herd->members[herd->n];

    if (herd->n == herd->room || watch(herd, ferry_transport_fd(transport), member))
        return -1;
    *member = (struct bench_herd_member){.transport = transport};
    herd->n++;
    return 0;
}

static void run(struct bench_herd_member *member)
{
    int timeout_ms;

    (void)ferry_transport_run(member->transport, 0); /* fails only for a transport without host delivery */
    timeout_ms = ferry_transport_timeout_ms(member->transport);
    member->due_ns = timeout_ms < 0 ? UINT64_MAX : stopwatch_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

static int wait_ms(const struct bench_herd *herd, int timeout_ms)
{
    uint64_t first_ns = UINT64_MAX;
    uint64_t now_ns = stopwatch_now_ns();
    uint64_t ms;

    for (size_t i = 0; i < herd->n; i++)
        first_ns = herd->members[i].due_ns < first_ns ? herd->members[i].due_ns : first_ns;
    if (first_ns == UINT64_MAX)
        return timeout_ms;
    ms = first_ns > now_ns ? (first_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    return timeout_ms < 0 || ms < (uint64_t)timeout_ms ? (int)ms : timeout_ms;
}

void bench_herd_turn(struct bench_herd *herd, int timeout_ms)
{
    struct epoll_event events[MAX_EVENTS];
    int n = epoll_wait(herd->epoll_fd, events, MAX_EVENTS, wait_ms(herd, timeout_ms));
    uint64_t now_ns = stopwatch_now_ns();

    for (int i = 0; i < n; i++)
        if (events[i].data.ptr)
            run(events[i].data.ptr);
    for (size_t i = 0; i < herd->n; i++)
        if (herd->members[i].due_ns <= now_ns)
            run(&herd->members[i]);
}

static void *herd_main(void *arg)
{
    struct bench_herd *herd = arg;

    while (progress_fall_asleep(&herd->end, 1)) {
        bench_herd_turn(herd, -1);
        progress_wake_up(&herd->end);
    }
    return NULL;
}

int bench_herd_start(struct bench_herd *herd)
{
    int err = pthread_create(&herd->thread, NULL, herd_main, herd);

    if (err) {
        fprintf(stderr, "ferry-bench: no thread for the peers: %s\n", strerror(err));
        return -1;
    }
    herd->runs = true;
    return 0;
}

void bench_herd_stop(struct bench_herd *herd)
{
    if (!herd->runs)
        return;
    progress_raise(&herd->end);
    (void)pthread_join(herd->thread, NULL); /* cannot fail: joined once, and by another thread */
    herd->runs = false;
}
