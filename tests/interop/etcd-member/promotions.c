/*
 * promotions - promotions of learners that other members ask the leader for.
 */
#include "etcd-member/promotions.h"

#include <time.h>

#define MAX_AGE_MS 10000 /* an etcd asks for 5 s and two elections */

static uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void promotions_init(struct promotions *promotions)
{
    *promotions = (struct promotions){.state = PROMOTION_NONE};
    pthread_mutex_init(&promotions->mu, NULL);
}

void promotions_release(struct promotions *promotions)
{
    pthread_mutex_destroy(&promotions->mu);
}

enum promotion promotions_ask(struct promotions *promotions, uint64_t id)
{
    uint64_t now = now_ms();
    enum promotion state;

    pthread_mutex_lock(&promotions->mu);
    if (promotions->state != PROMOTION_NONE && now >= promotions->forgotten_at_ms)
        promotions->state = PROMOTION_NONE;
    if (promotions->state == PROMOTION_NONE) {
        state = PROMOTION_NONE;
        promotions->id = id;
        promotions->state = PROMOTION_PENDING;
        promotions->forgotten_at_ms = now + MAX_AGE_MS;
    } else if (promotions->id != id) {
        state = PROMOTION_PENDING; /* its turn comes */
    } else {
        state = promotions->state;
        if (state != PROMOTION_PENDING)
            promotions->state = PROMOTION_NONE;
    }
    pthread_mutex_unlock(&promotions->mu);
    return state;
}

uint64_t promotions_pending(struct promotions *promotions)
{
    uint64_t id;

    pthread_mutex_lock(&promotions->mu);
    id = promotions->state == PROMOTION_PENDING ? promotions->id : 0;
    pthread_mutex_unlock(&promotions->mu);
    return id;
}

void promotions_end(struct promotions *promotions, uint64_t id, enum promotion end)
{
    pthread_mutex_lock(&promotions->mu);
    if (promotions->state == PROMOTION_PENDING && promotions->id == id)
        promotions->state = end;
    pthread_mutex_unlock(&promotions->mu);
}
