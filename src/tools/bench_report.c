/*
 * bench_report - what was measured, as JSON or as a table.
 *
 * Both are made from one list of figures, so that neither can leave one out.
 */
#include "tools/bench_report.h"

#include <inttypes.h>

#include "ferry/ferry.h"
#include "tools/bench_mode.h"
#include "tools/bench_options.h"

struct figure {
    const char *key;
    const char *what; /* for the table */
    double value;
    int decimals; /* NO_VALUE: there is none */
};

#define NO_VALUE (-1)
#define N_FIGURES 11

static double per(uint64_t amount, double of)
{
    return of > 0 ? (double)amount / of : 0;
}

static struct figure percentile(const char *key, const char *what, const struct latency *latency, double share)
{
    return (struct figure){key, what, (double)latency_percentile_ns(latency, share) / 1e3,
                           latency->n > 0 ? 1 : NO_VALUE};
}

static void figures_of(const struct bench_options *options, const struct bench_result *result,
                       struct figure ret_figures[N_FIGURES])
{
    const struct usage *usage = &result->usage;
    double seconds = (double)usage->wall_ns / 1e9;
    const struct figure figures[N_FIGURES] = {
        {"size", "payload bytes", (double)options->size, 0},
        {"messages", "messages", (double)result->messages, 0},
        {"drops", "dropped", (double)result->drops, 0},
        {"msgs_per_s", "messages per second", per(result->messages, seconds), 0},
        {"mb_per_s", "payload MB per second", per(result->messages * options->size, seconds) / 1e6, 2},
        {"cpu_ns_per_msg", "processor ns per message", per(usage->cpu_ns, (double)result->messages), 1},
        percentile("p50_us", "p50 us", &result->latency, 0.5),
        percentile("p99_us", "p99 us", &result->latency, 0.99),
        percentile("p999_us", "p99.9 us", &result->latency, 0.999),
        {"rss_kb", "resident KiB", (double)usage->rss_kb, 0},
        {"threads", "threads", (double)usage->n_threads, 0},
    };

    for (size_t i = 0; i < N_FIGURES; i++)
        ret_figures[i] = figures[i];
}

static void print_json(const struct bench_options *options, const struct figure *figures, FILE *to)
{
    fprintf(to, "{\"impl\": \"ferry-%s\", \"mode\": \"%s\"", ferry_version(), options->mode->name);
    for (size_t i = 0; i < N_FIGURES; i++) {
        if (figures[i].decimals == NO_VALUE)
            fprintf(to, ", \"%s\": null", figures[i].key);
        else
            fprintf(to, ", \"%s\": %.*f", figures[i].key, figures[i].decimals, figures[i].value);
    }
    fputs("}\n", to);
}

static void print_table(const struct bench_options *options, const struct figure *figures, FILE *to)
{
    fprintf(to, "ferry %s, %s%s, delivery %s, busy poll %u us\n", ferry_version(), options->mode->name,
            options->tls ? ", TLS" : "", bench_delivery_name(options->delivery), options->busy_poll_us);
    for (size_t i = 0; i < N_FIGURES; i++) {
        if (figures[i].decimals == NO_VALUE)
            fprintf(to, "  %-26s %14s\n", figures[i].what, "-");
        else
            fprintf(to, "  %-26s %14.*f\n", figures[i].what, figures[i].decimals, figures[i].value);
    }
}

int bench_report_print(const struct bench_options *options, const struct bench_result *result, FILE *to)
{
    struct figure figures[N_FIGURES];

    figures_of(options, result, figures);
    if (options->json)
        print_json(options, figures, to);
    else
        print_table(options, figures, to);
    return fflush(to) == 0 && !ferror(to) ? 0 : -1;
}
