/*
 * exposition.h - metrics in Prometheus' text format 0.0.4.
 *
 * A family has a name, a type and a help text, and then samples, each with its labels.  Numbers are printed from
 * integers, so the host's locale does not matter.
 */
#ifndef FY_BASE_EXPOSITION_H
#define FY_BASE_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>

struct ferry_histogram;
struct fy_text;

struct fy_label {
    const char *name;
    const char *value; /* any text: it is escaped */
};

struct fy_exposition {
    struct fy_text *text;
    const char *name; /* of the present family */
};

void fy_exposition_init(struct fy_exposition *exposition, struct fy_text *text);

/* Begin a family.  name is kept until the next one begins.  type: "counter", "gauge" or "histogram". */
void fy_exposition_family(struct fy_exposition *exposition, const char *name, const char *type, const char *help);

/* One sample of the present family. */
void fy_exposition_count(struct fy_exposition *exposition, const struct fy_label *labels, size_t n_labels,
                         uint64_t value);
void fy_exposition_seconds(struct fy_exposition *exposition, const struct fy_label *labels, size_t n_labels,
                           int64_t value_ns);

/* The samples of one histogram, in seconds: its buckets, its sum and its count. */
void fy_exposition_histogram(struct fy_exposition *exposition, const struct fy_label *labels, size_t n_labels,
                             const struct ferry_histogram *histogram);

#endif
