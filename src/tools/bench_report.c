/*
 * bench_report - prints the results, as JSON or as a table.
 *
 * Both are made from one list of figures, so that they agree.  A figure that a mode does not measure is null in JSON,
 * and left out of the table.
 */
#include "tools/bench_report.h"

#include <inttypes.h>

#include "ferry/ferry.h"
#include "tools/allocations.h"
#include "tools/bench_mode.h"
#include "tools/bench_options.h"

struct figure {
    const char *key;
    const char *what; /* in the table */
    double value;     /* negative: not measured */
    int decimals;
};

#define MAX_FIGURES 24

void bench_result_init(struct bench_result *result)
{
    *result = (struct bench_result){.rss_kb_per_link_pair = BENCH_NOT_MEASURED,
                                    .idle_cpu_ms_per_s = BENCH_NOT_MEASURED,
                                    .encode_ns_per_msg = BENCH_NOT_MEASURED,
                                    .decode_ns_per_msg = BENCH_NOT_MEASURED,
                                    .lock_encode_ns_per_msg = BENCH_NOT_MEASURED,
                                    .lock_decode_ns_per_msg = BENCH_NOT_MEASURED,
                                    .lock_allocs_per_msg = BENCH_NOT_MEASURED};
}

void bench_result_begin(struct bench_result *result)
{
    stopwatch_start(&result->watch);
    result->n_allocations = allocations_count();
}

void bench_result_end(struct bench_result *result)
{
    result->n_allocations = allocations_count() - result->n_allocations;
    stopwatch_read(&result->watch, &result->usage);
}

/* Not measured if the divisor is 0. */
static double per(double amount, double of)
{
    return of > 0 ? amount / of : BENCH_NOT_MEASURED;
}

static double percentile_us(const struct latency *latency, double share)
{
    return latency->n > 0 ? (double)latency_percentile_ns(latency, share) / 1e3 : BENCH_NOT_MEASURED;
}

static size_t figures_of(const struct bench_options *options, const struct bench_result *result,
                         struct figure ret_figures[MAX_FIGURES])
{
    const struct usage *usage = &result->usage;
    double n = (double)result->messages;
    double seconds = (double)usage->wall_ns / 1e9;
    double allocations = allocations_are_counted() ? (double)result->n_allocations : BENCH_NOT_MEASURED;
    const struct figure figures[] = {
        {"size", "payload bytes", (double)options->size, 0},
        {"window", "messages under way", (double)options->window, 0},
        {"peers", "peers", (double)options->peers, 0},
        {"messages", "messages", n, 0},
        {"drops", "dropped", (double)result->drops, 0},
        {"msgs_per_s", "messages per second", n > 0 ? per(n, seconds) : BENCH_NOT_MEASURED, 0},
        {"mb_per_s", "payload MB per second", n > 0 ? per((double)result->bytes, seconds * 1e6) : BENCH_NOT_MEASURED,
         2},
        {"cpu_ns_per_msg", "processor ns per message", per((double)usage->cpu_ns, n), 1},
        {"cpu_ns_per_kb", "processor ns per KiB", per((double)usage->cpu_ns, (double)result->bytes / 1024), 2},
        {"allocs_per_msg", "allocations per message", per(allocations, n), 3},
        {"p50_us", "p50 us", percentile_us(&result->latency, 0.5), 1},
        {"p99_us", "p99 us", percentile_us(&result->latency, 0.99), 1},
        {"p999_us", "p99.9 us", percentile_us(&result->latency, 0.999), 1},
        {"encode_ns_per_msg", "encoding ns per message", result->encode_ns_per_msg, 1},
        {"decode_ns_per_msg", "decoding ns per message", result->decode_ns_per_msg, 1},
        {"lock_encode_ns_per_msg", "encoding ns per lock request", result->lock_encode_ns_per_msg, 1},
        {"lock_decode_ns_per_msg", "decoding ns per lock request", result->lock_decode_ns_per_msg, 1},
        {"lock_allocs_per_msg", "allocations per lock request", result->lock_allocs_per_msg, 3},
        {"rss_kb", "resident KiB", (double)usage->rss_kb, 0},
        {"rss_growth_kb", "growth of resident KiB", (double)usage->growth_kb, 0},
        {"rss_kb_per_link_pair", "resident KiB per link pair", result->rss_kb_per_link_pair, 1},
        {"idle_cpu_ms_per_s", "idle processor ms per s", result->idle_cpu_ms_per_s, 2},
        {"threads", "threads", (double)usage->n_threads, 0},
    };
    size_t n_figures = sizeof(figures) / sizeof(figures[0]);

    _Static_assert(sizeof(figures) / sizeof(figures[0]) <= MAX_FIGURES, "there is room for all");
    for (size_t i = 0; i < n_figures; i++)
        ret_figures[i] = figures[i];
    return n_figures;
}

static void print_json(const struct bench_options *options, const struct figure *figures, size_t n, FILE *to)
{
    fprintf(to, "{\"impl\": \"ferry-%s\", \"mode\": \"%s\", \"delivery\": \"%s\", \"tls\": %s", ferry_version(),
            options->mode->name, options->delivery_name, options->tls ? "true" : "false");
    for (size_t i = 0; i < n; i++) {
        if (figures[i].value < 0)
            fprintf(to, ", \"%s\": null", figures[i].key);
        else
            fprintf(to, ", \"%s\": %.*f", figures[i].key, figures[i].decimals, figures[i].value);
    }
    fputs("}\n", to);
}

static void print_table(const struct bench_options *options, const struct figure *figures, size_t n, FILE *to)
{
    fprintf(to, "ferry %s, %s%s", ferry_version(), options->mode->name, options->tls ? ", TLS" : "");
    if (options->mode->has & BENCH_HAS_DELIVERY)
        fprintf(to, ", delivery %s, busy poll %u us", options->delivery_name, options->busy_poll_us);
    fputs("\n", to);
    for (size_t i = 0; i < n; i++)
        if (figures[i].value >= 0)
            fprintf(to, "  %-27s %14.*f\n", figures[i].what, figures[i].decimals, figures[i].value);
}

int bench_report_print(const struct bench_options *options, const struct bench_result *result, FILE *to)
{
    struct figure figures[MAX_FIGURES];
    size_t n = figures_of(options, result, figures);

    if (options->json)
        print_json(options, figures, n, to);
    else
        print_table(options, figures, n, to);
    return fflush(to) == 0 && !ferror(to) ? 0 : -1;
}
