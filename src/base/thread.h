/*
 * thread.h - the library's own threads.  They leave signals to the host program.
 */
#ifndef FY_BASE_THREAD_H
#define FY_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

struct fy_log;

/*
 * Start a thread with a name of at most 15 characters.  Signals are blocked in it: they are for the host's threads.
 * Only faults of the thread itself (SIGSEGV and the like) stay open, so that the host's handler can report them.
 * FERRY_OK or FERRY_ERR_SYSTEM.
 */
int fy_thread_start(pthread_t *ret_thread, const char *name, void *(*fn)(void *arg), void *arg);

/* A stop that takes longer than this says so in the log. */
#define FY_STOP_PATIENCE_S 5

/*
 * Wait for the end of a thread.  If that takes longer than FY_STOP_PATIENCE_S, log once what it waits for.
 * log: NULL: none.
 */
void fy_thread_join(pthread_t thread, const struct fy_log *log, const char *what);

/* The log line of a stop that takes long.  log: NULL: none. */
void fy_thread_log_wait(const struct fy_log *log, const char *what);

/*
 * Ask the kernel for short time slices for the calling thread.  Use it in a thread that does little work at a time and
 * that others wait for: it then gets a processor soon after waking, but no larger share.  Kernels before 6.12 ignore
 * this.  A thread whose scheduling policy the host has chosen is left alone.  Threads started by this one inherit the
 * setting.
 */
void fy_thread_be_prompt(void);

#endif
