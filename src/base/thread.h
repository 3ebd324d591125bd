/*
 * thread.h - threads of the library's own, inside a host that has its own idea of signals.
 */
#ifndef FY_BASE_THREAD_H
#define FY_BASE_THREAD_H

#include <pthread.h>

/*
 * Start a thread that is called name (15 characters at most) and that no signal interrupts: those are for the host's
 * threads.  Only what a thread brings upon itself (SIGSEGV and its like) is let through, to the host's handler if it
 * has one: a fault while it is blocked would kill the process past every crash reporter.
 * FERRY_OK or FERRY_ERR_SYSTEM.
 */
int fy_thread_start(pthread_t *ret_thread, const char *name, void *(*fn)(void *arg), void *arg);

/*
 * For a thread of ours that does little at a time and is waited for: ask the kernel for short slices, which get it a
 * processor soon after it wakes up and take it away as soon.  It gets no larger share.  Does what can be done: kernels
 * before 6.12 take no notice, and a thread of another policy, which the host has chosen, is left alone.
 * Threads that it starts inherit the wish.
 */
void fy_thread_be_prompt(void);

#endif
