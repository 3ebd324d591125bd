/*
 * metrics_page.h - a strict parser of Prometheus' text format: any mistake on a page fails the test.
 */
#ifndef HARNESS_METRICS_PAGE_H
#define HARNESS_METRICS_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct ferry_transport;

#define METRICS_MAX_LABELS 4

struct metric_sample {
    char name[80]; /* with _bucket, _sum or _count */
    size_t n_labels;
    struct {
        char name[24];
        char value[64];
    } labels[METRICS_MAX_LABELS];
    double value;
    size_t family; /* its place in families */
};

struct metric_family {
    char name[80];
    char type[16];
    bool has_help;
    size_t n_samples;
};

struct metrics_page {
    struct metric_family *families;
    size_t n_families;
    struct metric_sample *samples;
    size_t n_samples;
};

/* What a transport prints, parsed. */
struct metrics_page metrics_page_of(const struct ferry_transport *t);

/*
 * Checks that every line is HELP, TYPE or a sample of the current family, that no series occurs twice, and that
 * histograms add up.
 */
struct metrics_page metrics_page_read(const char *text);
void metrics_page_release(struct metrics_page *page);

const struct metric_family *metrics_page_family(const struct metrics_page *page, const char *name); /* NULL: none */

/* The sample with this name and exactly these labels: "To=2", "Local=1,Remote=2"; NULL: there is none. */
const struct metric_sample *metrics_page_sample(const struct metrics_page *page, const char *name, const char *labels);
double metrics_page_value(const struct metrics_page *page, const char *name, const char *labels); /* must be there */

#endif
