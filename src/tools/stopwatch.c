/*
 * stopwatch - what a stretch of this process's life took.
 */
#include "tools/stopwatch.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

static uint64_t cpu_ns(void)
{
    struct rusage used;

    (void)getrusage(RUSAGE_SELF, &used); /* cannot fail with these arguments */
    return ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * 1000000000u +
           ((uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec) * 1000u;
}

uint64_t stopwatch_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with these arguments */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void stopwatch_start(struct stopwatch *watch)
{
    watch->cpu_ns = cpu_ns();
    watch->started_ns = stopwatch_now_ns();
}

void stopwatch_read(const struct stopwatch *watch, struct usage *ret_usage)
{
    char line[128];
    FILE *status;

    *ret_usage = (struct usage){.wall_ns = stopwatch_now_ns() - watch->started_ns, .cpu_ns = cpu_ns() - watch->cpu_ns};
    status = fopen("/proc/self/status", "re");
    if (!status)
        return;
    while (fgets(line, sizeof(line), status)) {
        (void)sscanf(line, "VmRSS: %" SCNu64, &ret_usage->rss_kb); /* another line leaves the field alone */
        (void)sscanf(line, "Threads: %" SCNu64, &ret_usage->n_threads);
    }
    (void)fclose(status); /* was only read */
}
