/*
 * metrics_page - one pass over the lines.
 */
#include "harness/metrics_page.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"

static void *grown(void *array, size_t n, size_t size)
{
    if ((n & (n - 1)) != 0 && n != 0)
        return array;
    array = realloc(array, (n ? 2 * n : 1) * size);
    ck_assert_ptr_nonnull(array);
    return array;
}

/* Copy the characters of a name; returns what follows. */
static const char *take_name(const char *at, char *buf, size_t size)
{
    size_t n = 0;

    for (; isalnum((unsigned char)*at) || *at == '_'; at++) {
        ck_assert_uint_lt(n + 1, size);
        buf[n++] = *at;
    }
    buf[n] = '\0';
    ck_assert_msg(n > 0 && !isdigit((unsigned char)buf[0]), "no name at: %.60s", at);
    return at;
}

static const char *take_quoted(const char *at, char *buf, size_t size)
{
    size_t n = 0;

    ck_assert_int_eq(*at++, '"');
    for (; *at != '"'; at++) {
        ck_assert_msg(*at != '\0' && *at != '\n', "a label's value does not end");
        if (*at == '\\')
            at++;
        ck_assert_uint_lt(n + 1, size);
        buf[n++] = *at;
    }
    buf[n] = '\0';
    return at + 1;
}

static const char *take_labels(const char *at, struct metric_sample *sample)
{
    if (*at != '{')
        return at;
    do {
        ck_assert_uint_lt(sample->n_labels, METRICS_MAX_LABELS);
        at = take_name(at + 1, sample->labels[sample->n_labels].name, sizeof(sample->labels[0].name));
        ck_assert_int_eq(*at, '=');
        at = take_quoted(at + 1, sample->labels[sample->n_labels].value, sizeof(sample->labels[0].value));
        sample->n_labels++;
    } while (*at == ',');
    ck_assert_int_eq(*at, '}');
    return at + 1;
}

static bool belongs(const struct metric_family *family, const char *name)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    size_t len = strlen(family->name);

    if (strncmp(name, family->name, len) != 0)
        return false;
    if (strcmp(family->type, "histogram") != 0)
        return name[len] == '\0';
    for (size_t i = 0; i < 3; i++)
        if (strcmp(name + len, suffixes[i]) == 0)
            return true;
    return false;
}

static bool are_same_series(const struct metric_sample *a, const struct metric_sample *b)
{
    if (strcmp(a->name, b->name) != 0 || a->n_labels != b->n_labels)
        return false;
    for (size_t i = 0; i < a->n_labels; i++)
        if (strcmp(a->labels[i].name, b->labels[i].name) != 0 || strcmp(a->labels[i].value, b->labels[i].value) != 0)
            return false;
    return true;
}

static void read_sample(struct metrics_page *page, const char *line)
{
    struct metric_sample sample;
    const char *at;
    char *end;

    memset(&sample, 0, sizeof(sample));
    at = take_labels(take_name(line, sample.name, sizeof(sample.name)), &sample);
    ck_assert_msg(*at == ' ', "no blank before the value: %s", line);
    sample.value = strtod(at + 1, &end);
    ck_assert_msg(end > at + 1 && *end == '\0', "no value: %s", line);
    ck_assert_msg(page->n_families > 0, "a sample before all families: %s", line);
    sample.family = page->n_families - 1;
    ck_assert_msg(belongs(&page->families[sample.family], sample.name), "%s stands among %s", line,
                  page->families[sample.family].name);
    for (size_t i = page->n_samples; i > 0 && page->samples[i - 1].family == sample.family; i--)
        ck_assert_msg(!are_same_series(&page->samples[i - 1], &sample), "twice: %s", line);
    page->families[sample.family].n_samples++;
    page->samples = grown(page->samples, page->n_samples, sizeof(sample));
    page->samples[page->n_samples++] = sample;
}

static void read_help(struct metrics_page *page, const char *line)
{
    struct metric_family family;
    const char *at;

    memset(&family, 0, sizeof(family));
    at = take_name(line, family.name, sizeof(family.name));
    ck_assert_msg(*at == ' ' && at[1] != '\0', "no help: %s", line);
    ck_assert_msg(!metrics_page_family(page, family.name), "two families are called %s", family.name);
    family.has_help = true;
    page->families = grown(page->families, page->n_families, sizeof(family));
    page->families[page->n_families++] = family;
}

static void read_type(struct metrics_page *page, const char *line)
{
    char name[sizeof(page->families[0].name)];
    struct metric_family *family;
    const char *at = take_name(line, name, sizeof(name));

    ck_assert_uint_gt(page->n_families, 0);
    family = &page->families[page->n_families - 1];
    ck_assert_str_eq(family->name, name);
    ck_assert_uint_eq(family->n_samples, 0);
    ck_assert_str_eq(family->type, "");
    ck_assert_int_eq(*at, ' ');
    ck_assert_msg(strcmp(at + 1, "gauge") == 0 || strcmp(at + 1, "counter") == 0 || strcmp(at + 1, "histogram") == 0,
                  "no type: %s", line);
    snprintf(family->type, sizeof(family->type), "%s", at + 1);
}

/* Buckets rise and end in +Inf, which is the count. */
static void check_histograms(const struct metrics_page *page)
{
    double last = 0;

    for (size_t i = 0; i < page->n_samples; i++) {
        const struct metric_sample *s = &page->samples[i];
        size_t len = strlen(s->name);

        if (len > 7 && strcmp(s->name + len - 7, "_bucket") == 0) {
            ck_assert_str_eq(s->labels[s->n_labels - 1].name, "le");
            ck_assert(s->value >= last);
            last = s->value;
            if (strcmp(s->labels[s->n_labels - 1].value, "+Inf") != 0)
                continue;
            ck_assert_uint_lt(i + 2, page->n_samples);
            ck_assert_ptr_nonnull(strstr(s[1].name, "_sum"));
            ck_assert_ptr_nonnull(strstr(s[2].name, "_count"));
            ck_assert(s[2].value == s->value);
            last = 0;
        }
    }
}

struct metrics_page metrics_page_read(const char *text)
{
    struct metrics_page page;
    char *copy = strdup(text), *save = NULL;

    memset(&page, 0, sizeof(page));
    ck_assert_ptr_nonnull(copy);
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# HELP ", 7) == 0)
            read_help(&page, line + 7);
        else if (strncmp(line, "# TYPE ", 7) == 0)
            read_type(&page, line + 7);
        else if (line[0] != '#')
            read_sample(&page, line);
    }
    free(copy);
    for (size_t i = 0; i < page.n_families; i++)
        ck_assert_msg(page.families[i].type[0] != '\0', "%s has no type", page.families[i].name);
    check_histograms(&page);
    return page;
}

void metrics_page_release(struct metrics_page *page)
{
    free(page->families);
    free(page->samples);
    memset(page, 0, sizeof(*page));
}

const struct metric_family *metrics_page_family(const struct metrics_page *page, const char *name)
{
    for (size_t i = 0; i < page->n_families; i++)
        if (strcmp(page->families[i].name, name) == 0)
            return &page->families[i];
    return NULL;
}

const struct metric_sample *metrics_page_sample(const struct metrics_page *page, const char *name, const char *labels)
{
    for (size_t i = 0; i < page->n_samples; i++) {
        const struct metric_sample *s = &page->samples[i];
        char text[METRICS_MAX_LABELS * 96] = "";

        if (strcmp(s->name, name) != 0)
            continue;
        for (size_t k = 0; k < s->n_labels; k++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s=%s", k > 0 ? "," : "", s->labels[k].name,
                     s->labels[k].value);
        if (strcmp(text, labels) == 0)
            return s;
    }
    return NULL;
}

double metrics_page_value(const struct metrics_page *page, const char *name, const char *labels)
{
    const struct metric_sample *sample = metrics_page_sample(page, name, labels);

    ck_assert_msg(sample, "no sample %s{%s}", name, labels);
    return sample->value;
}

/* ---- Of a transport ---- */

struct collected {
    char *text;
    size_t len;
};

static int collect(void *ctx, const char *text, size_t len)
{
    struct collected *all = ctx;

    all->text = realloc(all->text, all->len + len + 1);
    ck_assert_ptr_nonnull(all->text);
    memcpy(all->text + all->len, text, len);
    all->len += len;
    all->text[all->len] = '\0';
    return 0;
}

struct metrics_page metrics_page_of(const struct ferry_transport *t)
{
    struct collected all = {0};
    struct metrics_page page;

    ck_assert_int_eq(ferry_metrics_write(t, collect, &all), FERRY_OK);
    ck_assert_ptr_nonnull(all.text);
    page = metrics_page_read(all.text);
    free(all.text);
    return page;
}
