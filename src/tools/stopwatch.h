/*
 * stopwatch.h - what a stretch of this process's life took: time, processor, memory, threads.
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
    uint64_t rss_kb;    /* resident at the end; 0 when /proc does not tell */
    uint64_t growth_kb; /* the most that was resident meanwhile, less what was at the start; 0 likewise */
    uint64_t n_threads; /* at the end, this one included; 0 likewise */
};

uint64_t stopwatch_now_ns(void); /* monotonic */
uint64_t stopwatch_rss_kb(void); /* resident now; 0 when /proc does not tell */

/* One at a time: the kernel keeps one peak of resident memory, and start begins it anew. */
void stopwatch_start(struct stopwatch *watch);
void stopwatch_read(const struct stopwatch *watch, struct usage *ret_usage);

#endif
