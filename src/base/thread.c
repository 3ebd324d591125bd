/*
 * thread - a new thread inherits the signal mask of the one that starts it, so the mask is changed around the start.
 */
#include "config.h" /* _GNU_SOURCE, for pthread_setname_np */

#include "base/thread.h"

#include <signal.h>
#include <stddef.h>

#include "ferry/ferry.h"

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
    if (failed)
        return FERRY_ERR_SYSTEM;
    (void)pthread_setname_np(thread, name); /* only for those who look at the process */
    *ret_thread = thread;
    return FERRY_OK;
}
