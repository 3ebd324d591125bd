/*
 * thread - starts threads with all signals blocked.  A thread inherits the mask of its creator, so the mask is changed
 * around the start.
 *
 * The time slice is set by a system call that the C library does not wrap, with a struct that the kernel header cannot
 * declare next to the C library's sched.h.
 */
#include "config.h" /* _GNU_SOURCE, for pthread_setname_np */

#include "base/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "ferry/ferry.h"

#define SLICE_NS 100000 /* the kernel's minimum; its default is some milliseconds */

/* The kernel's struct sched_attr, first version. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns; /* time slice of a thread with normal scheduling */
    uint64_t deadline_ns;
    uint64_t period_ns;
};

int fy_thread_start(pthread_t *ret_thread, const char *name, void *(*fn)(void *arg), void *arg)
{
    static const int own_faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t blocked, before;
    pthread_t thread;
    int failed;

    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(own_faults) / sizeof(own_faults[0]); i++)
        sigdelset(&blocked, own_faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    failed = pthread_create(&thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        errno = failed;
        return FERRY_ERR_SYSTEM;
    }
    (void)pthread_setname_np(thread, name); /* only helps debugging */
    *ret_thread = thread;
    return FERRY_OK;
}

void fy_thread_log_wait(const struct fy_log *log, const char *what)
{
    if (log)
        fy_log(log, FERRY_LOG_WARN, "stop", 0, "stop has been waiting for %d s for %s", FY_STOP_PATIENCE_S, what);
}

void fy_thread_join(pthread_t thread, const struct fy_log *log, const char *what)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until); /* a jump of this clock only moves the log line */
    until.tv_sec += FY_STOP_PATIENCE_S;
    if (pthread_timedjoin_np(thread, NULL, &until) == 0) /* ThreadSanitizer does not know pthread_clockjoin_np */
        return;
    fy_thread_log_wait(log, what);
    (void)pthread_join(thread, NULL); /* fails only for a thread that is not ours to join */
}

void fy_thread_be_prompt(void)
{
    struct attributes own = {.size = sizeof(own)};

    if (syscall(SYS_sched_getattr, 0, &own, sizeof(own), 0) != 0 || own.policy != SCHED_OTHER)
        return;
    own.size = sizeof(own);
    own.runtime_ns = SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &own, 0); /* on failure the thread only runs with the default slice */
}
