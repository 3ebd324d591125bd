/*
 * recorder - one lock, one condition, and tallies.
 */
#include "harness/recorder.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "harness/patience.h"

static void keep(struct recorder *r, const struct ferry_message *msg)
{
    if (r->n_kept == r->kept_room) {
        size_t room = r->kept_room ? 2 * r->kept_room : 64;
        const struct ferry_message **kept = calloc(room, sizeof(*kept));

        ck_assert_ptr_nonnull(kept);
        if (r->n_kept > 0)
            memcpy(kept, r->kept, r->n_kept * sizeof(*kept));
        free(r->kept);
        r->kept = kept;
        r->kept_room = room;
    }
    r->kept[r->n_kept++] = ferry_message_ref(msg);
}

static int on_process(void *ctx, const struct ferry_message *msg)
{
    struct recorder *r = ctx;
    int answer;

    if (r->on_message)
        r->on_message(r->arg, msg);
    pthread_mutex_lock(&r->mu);
    if (msg->type == FERRY_MSG_PROP && r->hold_proposals) {
        r->n_held++;
        pthread_cond_broadcast(&r->changed);
        while (r->hold_proposals)
            pthread_cond_wait(&r->changed, &r->mu);
        r->n_held--;
    }
    if (r->keep)
        keep(r, msg);
    r->n_messages++;
    if ((unsigned)msg->type < RECORDER_TYPES)
        r->n_of_type[msg->type]++;
    answer = r->answer;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mu);
    return answer;
}

static bool on_is_id_removed(void *ctx, uint64_t id)
{
    struct recorder *r = ctx;
    bool removed;

    pthread_mutex_lock(&r->mu);
    removed = id != 0 && id == r->removed_id;
    pthread_mutex_unlock(&r->mu);
    return removed;
}

static void on_report_unreachable(void *ctx, uint64_t id)
{
    struct recorder *r = ctx;
    size_t i = 0;

    if (r->on_unreachable)
        r->on_unreachable(r->arg, id);
    pthread_mutex_lock(&r->mu);
    while (i < RECORDER_IDS && r->unreachable_id[i] != 0 && r->unreachable_id[i] != id)
        i++;
    ck_assert_uint_lt(i, RECORDER_IDS);
    r->unreachable_id[i] = id;
    r->n_unreachable[i]++;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mu);
}

static void on_report_snapshot(void *ctx, uint64_t id, enum ferry_snapshot_result result)
{
    struct recorder *r = ctx;

    pthread_mutex_lock(&r->mu);
    if (r->n_snapshots < RECORDER_SNAPSHOTS) {
        r->snapshots[r->n_snapshots].id = id;
        r->snapshots[r->n_snapshots].result = result;
    }
    r->n_snapshots++;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mu);
}

static void on_report_fatal(void *ctx, int err)
{
    struct recorder *r = ctx;

    pthread_mutex_lock(&r->mu);
    r->fatal = err;
    r->n_fatal++;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mu);
}

void recorder_init(struct recorder *r)
{
    pthread_condattr_t attr;

    memset(r, 0, sizeof(*r));
    pthread_mutex_init(&r->mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &attr);
    pthread_condattr_destroy(&attr);
}

static void let_go(struct recorder *r)
{
    for (size_t i = 0; i < r->n_kept; i++)
        ferry_message_unref(r->kept[i]);
    r->n_kept = 0;
}

void recorder_release(struct recorder *r)
{
    let_go(r);
    free(r->kept);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mu);
}

struct ferry_core recorder_core(struct recorder *r)
{
    return (struct ferry_core){
        .ctx = r,
        .process = on_process,
        .is_id_removed = on_is_id_removed,
        .report_unreachable = on_report_unreachable,
        .report_snapshot = on_report_snapshot,
        .report_fatal = on_report_fatal,
    };
}

void recorder_clear(struct recorder *r)
{
    pthread_mutex_lock(&r->mu);
    let_go(r);
    r->n_messages = 0;
    memset(r->n_of_type, 0, sizeof(r->n_of_type));
    memset(r->unreachable_id, 0, sizeof(r->unreachable_id));
    memset(r->n_unreachable, 0, sizeof(r->n_unreachable));
    r->n_snapshots = 0;
    r->n_fatal = 0;
    pthread_mutex_unlock(&r->mu);
}

void recorder_hold_proposals(struct recorder *r, bool hold)
{
    pthread_mutex_lock(&r->mu);
    r->hold_proposals = hold;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->mu);
}

void recorder_set_answer(struct recorder *r, int answer)
{
    pthread_mutex_lock(&r->mu);
    r->answer = answer;
    pthread_mutex_unlock(&r->mu);
}

void recorder_set_removed(struct recorder *r, uint64_t id)
{
    pthread_mutex_lock(&r->mu);
    r->removed_id = id;
    pthread_mutex_unlock(&r->mu);
}

uint64_t recorder_messages(struct recorder *r)
{
    uint64_t n;

    pthread_mutex_lock(&r->mu);
    n = r->n_messages;
    pthread_mutex_unlock(&r->mu);
    return n;
}

uint64_t recorder_of_type(struct recorder *r, enum ferry_message_type type)
{
    uint64_t n;

    pthread_mutex_lock(&r->mu);
    n = r->n_of_type[type];
    pthread_mutex_unlock(&r->mu);
    return n;
}

static uint64_t unreachable_of(const struct recorder *r, uint64_t id)
{
    for (size_t i = 0; i < RECORDER_IDS; i++)
        if (r->unreachable_id[i] == id)
            return r->n_unreachable[i];
    return 0;
}

uint64_t recorder_unreachable(struct recorder *r, uint64_t id)
{
    uint64_t n;

    pthread_mutex_lock(&r->mu);
    n = unreachable_of(r, id);
    pthread_mutex_unlock(&r->mu);
    return n;
}

size_t recorder_fatal(struct recorder *r, int *ret_last)
{
    size_t n;

    pthread_mutex_lock(&r->mu);
    n = r->n_fatal;
    if (ret_last)
        *ret_last = r->fatal;
    pthread_mutex_unlock(&r->mu);
    return n;
}

size_t recorder_snapshots(struct recorder *r, uint64_t id, enum ferry_snapshot_result result)
{
    size_t n = 0;

    pthread_mutex_lock(&r->mu);
    for (size_t i = 0; i < r->n_snapshots && i < RECORDER_SNAPSHOTS; i++)
        if (r->snapshots[i].id == id && r->snapshots[i].result == result)
            n++;
    pthread_mutex_unlock(&r->mu);
    return n;
}

bool recorder_wait(struct recorder *r, recorder_done_fn *done, uint64_t number, unsigned deadline_ms)
{
    struct timespec deadline = monotonic_in_ms(deadline_ms);
    bool is_done;

    pthread_mutex_lock(&r->mu);
    while (!done(r, number) && pthread_cond_timedwait(&r->changed, &r->mu, &deadline) == 0)
        ;
    is_done = done(r, number);
    pthread_mutex_unlock(&r->mu);
    return is_done;
}

static bool has_messages(const struct recorder *r, uint64_t n)
{
    return r->n_messages >= n;
}

bool recorder_wait_messages(struct recorder *r, uint64_t n, unsigned deadline_ms)
{
    return recorder_wait(r, has_messages, n, deadline_ms);
}

static bool has_of_type(const struct recorder *r, uint64_t type_and_n)
{
    return r->n_of_type[type_and_n >> 56] >= (type_and_n & (UINT64_MAX >> 8));
}

bool recorder_wait_of_type(struct recorder *r, enum ferry_message_type type, uint64_t n, unsigned deadline_ms)
{
    return recorder_wait(r, has_of_type, (uint64_t)type << 56 | n, deadline_ms);
}

static bool holds(const struct recorder *r, uint64_t n)
{
    return r->n_held >= n;
}

bool recorder_wait_held(struct recorder *r, uint64_t n, unsigned deadline_ms)
{
    return recorder_wait(r, holds, n, deadline_ms);
}

static bool was_reported(const struct recorder *r, uint64_t id)
{
    return unreachable_of(r, id) > 0;
}

bool recorder_wait_unreachable(struct recorder *r, uint64_t id, unsigned deadline_ms)
{
    return recorder_wait(r, was_reported, id, deadline_ms);
}

static bool has_snapshots(const struct recorder *r, uint64_t n)
{
    return r->n_snapshots >= n;
}

bool recorder_wait_snapshots(struct recorder *r, uint64_t n, unsigned deadline_ms)
{
    return recorder_wait(r, has_snapshots, n, deadline_ms);
}
