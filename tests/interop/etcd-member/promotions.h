/*
 * promotions.h - promotions of learners that other members ask the leader for.
 *
 * A route of the peer port has to answer at once, and a promotion takes an entry of the log.  So the first question
 * begins it and is answered with "not yet"; whoever asks then asks again at once, as etcd does, until there is an end.
 */
#ifndef ETCD_MEMBER_PROMOTIONS_H
#define ETCD_MEMBER_PROMOTIONS_H

#include <pthread.h>
#include <stdint.h>

enum promotion {
    PROMOTION_NONE,
    PROMOTION_PENDING,
    PROMOTION_DONE,
    PROMOTION_NO_MEMBER,
    PROMOTION_NO_LEARNER,
    PROMOTION_NOT_READY,
    PROMOTION_NO_LEADER
};

/* One at a time, as there is one change of the configuration at a time. */
struct promotions {
    pthread_mutex_t mu;
    uint64_t id; /* mu, as all */
    enum promotion state;
    uint64_t forgotten_at_ms; /* nobody asks for it any more, or its entry was lost */
};

void promotions_init(struct promotions *promotions);
void promotions_release(struct promotions *promotions);

/*
 * The state of id's promotion, any thread.  PROMOTION_NONE: it is pending from now on, and the caller has to begin it.
 * An end is told once.
 */
enum promotion promotions_ask(struct promotions *promotions, uint64_t id);

uint64_t promotions_pending(struct promotions *promotions); /* 0: none */
void promotions_end(struct promotions *promotions, uint64_t id, enum promotion end);

#endif
