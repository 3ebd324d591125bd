/*
 * stopwatch.h - measures what a part of this process's run took: time, processor time, memory, threads.
 */
#ifndef TOOLS_STOPWATCH_H
#define TOOLS_STOPWATCH_H

#include <stdint.h>

struct stopwatch {
    uint64_t started_ns;
    uint64_t cpu_ns;
    uint64_t rss_kb;
};

struct usage {
    uint64_t wall_ns;
    uint64_t cpu_ns;    /* of all threads, user and system */
    uint64_t rss_kb;    /* resident at the end; 0 if /proc is not available */
    uint64_t growth_kb; /* peak of resident memory minus its value at the start; 0 as above */
    uint64_t n_threads; /* at the end, including this one; 0 as above */
};

uint64_t stopwatch_now_ns(void); /* monotonic */
uint64_t stopwatch_rss_kb(void); /* resident now; 0 if /proc is not available */

/* Use one at a time: the kernel keeps one peak of resident memory, and start resets it. */
void stopwatch_start(struct stopwatch *watch);
void stopwatch_read(const struct stopwatch *watch, struct usage *ret_usage);

#endif
