/*
 * lessor - when leases end, while this member leads.
 */
#include "etcd-member/lessor.h"

#include <stdlib.h>
#include <time.h>

#include "etcd-member/mem.h"

uint64_t lessor_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void lessor_init(struct lessor *lessor)
{
    *lessor = (struct lessor){.leads = false};
    pthread_mutex_init(&lessor->mu, NULL);
}

void lessor_release(struct lessor *lessor)
{
    free(lessor->list);
    pthread_mutex_destroy(&lessor->mu);
}

static uint64_t end_of(const struct lease *lease, uint64_t now_ms)
{
    return now_ms + (uint64_t)lease->ttl_s * 1000;
}

static struct lessor_lease *find(struct lessor *lessor, int64_t id)
{
    for (size_t i = 0; i < lessor->n; i++)
        if (lessor->list[i].lease.id == id)
            return &lessor->list[i];
    return NULL;
}

/* Under mu. */
static void add(struct lessor *lessor, const struct lease *lease, uint64_t ends_ms)
{
    lessor->list = mem_grow(lessor->list, lessor->n, &lessor->room, sizeof(*lessor->list));
    lessor->list[lessor->n++] = (struct lessor_lease){.lease = *lease, .ends_ms = ends_ms};
}

void lessor_lead(struct lessor *lessor, const struct keyspace *keys, uint64_t now_ms, unsigned extend_ms)
{
    size_t n;
    const struct lease *leases = keyspace_leases(keys, &n);

    pthread_mutex_lock(&lessor->mu);
    lessor->leads = true;
    lessor->n = 0;
    for (size_t i = 0; i < n; i++)
        add(lessor, &leases[i], end_of(&leases[i], now_ms) + extend_ms);
    pthread_mutex_unlock(&lessor->mu);
}

void lessor_follow(struct lessor *lessor)
{
    pthread_mutex_lock(&lessor->mu);
    lessor->leads = false;
    lessor->n = 0;
    pthread_mutex_unlock(&lessor->mu);
}

void lessor_add(struct lessor *lessor, const struct lease *lease, uint64_t now_ms)
{
    pthread_mutex_lock(&lessor->mu);
    if (lessor->leads && !find(lessor, lease->id))
        add(lessor, lease, end_of(lease, now_ms));
    pthread_mutex_unlock(&lessor->mu);
}

void lessor_drop(struct lessor *lessor, int64_t id)
{
    struct lessor_lease *lease;

    pthread_mutex_lock(&lessor->mu);
    lease = find(lessor, id);
    if (lease)
        *lease = lessor->list[--lessor->n];
    pthread_mutex_unlock(&lessor->mu);
}

bool lessor_take_ended(struct lessor *lessor, uint64_t now_ms, unsigned retry_ms, int64_t *ret_id)
{
    bool is_found = false;

    pthread_mutex_lock(&lessor->mu);
    for (size_t i = 0; i < lessor->n && !is_found; i++) {
        struct lessor_lease *lease = &lessor->list[i];

        if (lease->ends_ms > now_ms || lease->asked_ms > now_ms)
            continue;
        lease->asked_ms = now_ms + retry_ms;
        *ret_id = lease->lease.id;
        is_found = true;
    }
    pthread_mutex_unlock(&lessor->mu);
    return is_found;
}

/* Under mu. */
static enum lessor_answer judge(const struct lessor *lessor, const struct lessor_lease *lease, uint64_t now_ms)
{
    if (!lessor->leads)
        return LESSOR_FOLLOWS;
    if (!lease)
        return LESSOR_UNKNOWN;
    return lease->ends_ms <= now_ms ? LESSOR_ENDS : LESSOR_OK;
}

enum lessor_answer lessor_renew(struct lessor *lessor, int64_t id, uint64_t now_ms, struct lease *ret_lease)
{
    struct lessor_lease *lease;
    enum lessor_answer answer;

    pthread_mutex_lock(&lessor->mu);
    lease = find(lessor, id);
    answer = judge(lessor, lease, now_ms);
    if (answer == LESSOR_OK) {
        lease->ends_ms = end_of(&lease->lease, now_ms);
        *ret_lease = lease->lease;
    }
    pthread_mutex_unlock(&lessor->mu);
    return answer;
}

enum lessor_answer lessor_look(struct lessor *lessor, int64_t id, uint64_t now_ms, struct lease *ret_lease,
                               uint64_t *ret_left_ms)
{
    const struct lessor_lease *lease;
    enum lessor_answer answer;

    pthread_mutex_lock(&lessor->mu);
    lease = find(lessor, id);
    answer = judge(lessor, lease, now_ms);
    if (answer == LESSOR_OK || answer == LESSOR_ENDS) {
        *ret_lease = lease->lease;
        *ret_left_ms = answer == LESSOR_OK ? lease->ends_ms - now_ms : 0;
    }
    pthread_mutex_unlock(&lessor->mu);
    return answer;
}
