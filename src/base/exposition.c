/*
 * exposition - lines of text: HELP, TYPE, samples.
 */
#include "base/exposition.h"

#include <inttypes.h>

#include "base/text.h"
#include "ferry/ferry.h"

/* Backslash and newline are escaped in help texts and in labels' values; in the latter the quote is, too. */
static void put_escaped(struct fy_text *text, const char *value, bool is_quoted)
{
    for (; *value; value++) {
        if (*value == '\\' || (*value == '"' && is_quoted))
            fy_text_add(text, "\\", 1);
        if (*value == '\n')
            fy_text_put(text, "\\n");
        else
            fy_text_add(text, value, 1);
    }
}

/* A label with the mark before it. */
static void put_label(struct fy_text *text, const char *mark, const char *name, const char *value)
{
    fy_text_put(text, mark);
    fy_text_put(text, name);
    fy_text_put(text, "=\"");
    put_escaped(text, value, true);
    fy_text_put(text, "\"");
}

/* The name and the labels, without the end of them.  Returns the mark before a further label. */
static const char *put_name(const struct fy_exposition *exposition, const char *suffix, const struct fy_label *labels,
                            size_t n_labels)
{
    fy_text_put(exposition->text, exposition->name);
    fy_text_put(exposition->text, suffix);
    for (size_t i = 0; i < n_labels; i++)
        put_label(exposition->text, i == 0 ? "{" : ",", labels[i].name, labels[i].value);
    return n_labels == 0 ? "{" : ",";
}

/* All that is before the value. */
static void put_series(const struct fy_exposition *exposition, const char *suffix, const struct fy_label *labels,
                       size_t n_labels)
{
    (void)put_name(exposition, suffix, labels, n_labels);
    fy_text_put(exposition->text, n_labels > 0 ? "} " : " ");
}

/* Nanoseconds as seconds, without trailing zeros. */
static void put_seconds(struct fy_text *text, uint64_t ns)
{
    uint64_t fraction = ns % 1000000000;
    int n_digits = 9;

    fy_text_print(text, "%" PRIu64, ns / 1000000000);
    if (fraction == 0)
        return;
    for (; fraction % 10 == 0; fraction /= 10)
        n_digits--;
    fy_text_print(text, ".%0*" PRIu64, n_digits, fraction);
}

void fy_exposition_init(struct fy_exposition *exposition, struct fy_text *text)
{
    *exposition = (struct fy_exposition){.text = text};
}

void fy_exposition_family(struct fy_exposition *exposition, const char *name, const char *type, const char *help)
{
    struct fy_text *text = exposition->text;

    exposition->name = name;
    fy_text_put(text, "# HELP ");
    fy_text_put(text, name);
    fy_text_put(text, " ");
    put_escaped(text, help, false);
    fy_text_put(text, "\n# TYPE ");
    fy_text_put(text, name);
    fy_text_put(text, " ");
    fy_text_put(text, type);
    fy_text_put(text, "\n");
}

void fy_exposition_count(struct fy_exposition *exposition, const struct fy_label *labels, size_t n_labels,
                         uint64_t value)
{
    put_series(exposition, "", labels, n_labels);
    fy_text_print(exposition->text, "%" PRIu64 "\n", value);
}

void fy_exposition_seconds(struct fy_exposition *exposition, const struct fy_label *labels, size_t n_labels,
                           int64_t value_ns)
{
    put_series(exposition, "", labels, n_labels);
    fy_text_put(exposition->text, value_ns < 0 ? "-" : "");
    put_seconds(exposition->text, value_ns < 0 ? 0 - (uint64_t)value_ns : (uint64_t)value_ns);
    fy_text_put(exposition->text, "\n");
}

/* One bucket: all samples up to its bound, which is the last label. */
static void put_bucket(const struct fy_exposition *exposition, const struct fy_label *labels, size_t n_labels,
                       const struct ferry_histogram *histogram, unsigned i, uint64_t sum)
{
    struct fy_text *text = exposition->text;

    fy_text_put(text, put_name(exposition, "_bucket", labels, n_labels));
    fy_text_put(text, "le=\"");
    if (i < histogram->n_buckets)
        put_seconds(text, histogram->first_ns << i);
    else
        fy_text_put(text, "+Inf");
    fy_text_print(text, "\"} %" PRIu64 "\n", sum);
}

void fy_exposition_histogram(struct fy_exposition *exposition, const struct fy_label *labels, size_t n_labels,
                             const struct ferry_histogram *histogram)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i <= histogram->n_buckets; i++) {
        sum += histogram->counts[i];
        put_bucket(exposition, labels, n_labels, histogram, i, sum);
    }
    put_series(exposition, "_sum", labels, n_labels);
    put_seconds(exposition->text, histogram->sum_ns);
    fy_text_put(exposition->text, "\n");
    put_series(exposition, "_count", labels, n_labels);
    fy_text_print(exposition->text, "%" PRIu64 "\n", sum);
}
