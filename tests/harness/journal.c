/*
 * journal - an array of lines and a lock.
 */
#include "harness/journal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/patience.h"

void journal_init(struct journal *j)
{
    pthread_condattr_t attr;

    memset(j, 0, sizeof(*j));
    pthread_mutex_init(&j->mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&j->changed, &attr);
    pthread_condattr_destroy(&attr);
}

void journal_release(struct journal *j)
{
    free(j->lines);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->mu);
}

void journal_log(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    struct journal *j = ctx;
    struct journal_line *line;

    ck_assert_ptr_nonnull(id);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_null(strchr(text, '\n'));
    if (getenv("FERRY_TEST_LOG"))
        fprintf(stderr, "# %llu %d %s %llx %s\n", (unsigned long long)monotonic_ms(), (int)level, id,
                (unsigned long long)peer, text);
    pthread_mutex_lock(&j->mu);
    if (j->n_lines == j->room) {
        j->room = j->room ? 2 * j->room : 64;
        j->lines = realloc(j->lines, j->room * sizeof(*j->lines));
        ck_assert_ptr_nonnull(j->lines);
    }
    line = &j->lines[j->n_lines++];
    line->level = level;
    line->peer = peer;
    snprintf(line->id, sizeof(line->id), "%s", id);
    snprintf(line->text, sizeof(line->text), "%s", text);
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->mu);
}

void journal_clear(struct journal *j)
{
    pthread_mutex_lock(&j->mu);
    j->n_lines = 0;
    pthread_mutex_unlock(&j->mu);
}

static size_t count(const struct journal *j, enum ferry_log_level level, uint64_t peer, const char *part)
{
    size_t n = 0;

    for (size_t i = 0; i < j->n_lines; i++)
        if (j->lines[i].level <= level && (peer == JOURNAL_ANY || j->lines[i].peer == peer) &&
            strstr(j->lines[i].text, part))
            n++;
    return n;
}

size_t journal_count(struct journal *j, enum ferry_log_level level, uint64_t peer, const char *part)
{
    size_t n;

    pthread_mutex_lock(&j->mu);
    n = count(j, level, peer, part);
    pthread_mutex_unlock(&j->mu);
    return n;
}

bool journal_ends_with(struct journal *j, uint64_t peer, const char *part, const char *end)
{
    bool ends = false;

    pthread_mutex_lock(&j->mu);
    for (size_t i = 0; i < j->n_lines; i++)
        if (j->lines[i].peer == peer && strstr(j->lines[i].text, part))
            ends = strstr(j->lines[i].text, end) != NULL;
    pthread_mutex_unlock(&j->mu);
    return ends;
}

bool journal_wait(struct journal *j, uint64_t peer, const char *part, unsigned deadline_ms)
{
    struct timespec deadline = monotonic_in_ms(deadline_ms);
    bool found;

    pthread_mutex_lock(&j->mu);
    while (count(j, FERRY_LOG_DEBUG, peer, part) == 0 && pthread_cond_timedwait(&j->changed, &j->mu, &deadline) == 0)
        ;
    found = count(j, FERRY_LOG_DEBUG, peer, part) > 0;
    pthread_mutex_unlock(&j->mu);
    return found;
}

const char *journal_text(struct journal *j, uint64_t peer)
{
    static char text[2048]; /* Check's messages are limited to 4 KiB */
    size_t used = 0;

    pthread_mutex_lock(&j->mu);
    text[0] = '\0';
    for (size_t i = 0; i < j->n_lines && used < sizeof(text); i++)
        if (j->lines[i].level < FERRY_LOG_DEBUG && (peer == JOURNAL_ANY || j->lines[i].peer == peer))
            used += (size_t)snprintf(text + used, sizeof(text) - used, "[%d %s %llx] %s; ", (int)j->lines[i].level,
                                     j->lines[i].id, (unsigned long long)j->lines[i].peer, j->lines[i].text);
    pthread_mutex_unlock(&j->mu);
    return text;
}
