/*
 * stopwatch - measures what a part of this process's run took.
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

/* Read a field of /proc/self/status; it stays 0 if missing. */
struct status {
    uint64_t rss_kb;
    uint64_t peak_kb;
    uint64_t n_threads;
};

static struct status read_status(void)
{
    struct status found = {0};
    FILE *file = fopen("/proc/self/status", "re");
    char line[128];

    while (file && fgets(line, sizeof(line), file)) {
        (void)sscanf(line, "VmRSS: %" SCNu64, &found.rss_kb); /* other lines leave the field unchanged */
        (void)sscanf(line, "VmHWM: %" SCNu64, &found.peak_kb);
        (void)sscanf(line, "Threads: %" SCNu64, &found.n_threads);
    }
    if (file)
        (void)fclose(file); /* only read */
    return found;
}

static void forget_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we");

    if (!file)
        return;
    (void)fputs("5", file); /* if the peak cannot be reset, growth is too large, not too small */
    (void)fclose(file);
}

uint64_t stopwatch_rss_kb(void)
{
    return read_status().rss_kb;
}

void stopwatch_start(struct stopwatch *watch)
{
    forget_peak();
    watch->rss_kb = read_status().rss_kb;
    watch->cpu_ns = cpu_ns();
    watch->started_ns = stopwatch_now_ns();
}

void stopwatch_read(const struct stopwatch *watch, struct usage *ret_usage)
{
    struct usage usage = {.wall_ns = stopwatch_now_ns() - watch->started_ns, .cpu_ns = cpu_ns() - watch->cpu_ns};
    struct status now = read_status();

    usage.rss_kb = now.rss_kb;
    usage.growth_kb = now.peak_kb > watch->rss_kb ? now.peak_kb - watch->rss_kb : 0;
    usage.n_threads = now.n_threads;
    *ret_usage = usage;
}
