/*
 * load.h - many puts or reads at a time, and which of them were answered.
 */
#ifndef ETCD_LOAD_H
#define ETCD_LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define LOAD_MAX_TARGETS 4

struct server;

struct load {
    const char *prefix; /* the keys are PREFIX00000000 and so on */
    unsigned count;
    unsigned concurrency;
    size_t value_size; /* bytes; 0: a few */
    unsigned put_ms;   /* for one put; 0: ten seconds */
    bool reads;        /* linearizable reads of such keys instead, each of which has to find a value */
    const struct server *targets[LOAD_MAX_TARGETS]; /* etcds, in turn */
    unsigned n_targets;

    atomic_uint n_acked; /* what came of it */
    atomic_uint n_failed;
    char last_failure[128]; /* once it has ended */
    double seconds;
    unsigned n_begun;
    bool *acked; /* [count] */

    pthread_t thread;
    atomic_bool is_over;
};

void load_run(struct load *load); /* all of it, on this thread; a put that failed is not repeated */

void load_start(struct load *load); /* on a thread of its own */
void load_stop(struct load *load);  /* begin no more puts, and wait for those that are under way */
void load_join(struct load *load);  /* wait for all of it */
void load_release(struct load *load);

void load_assert_all(const struct load *load); /* each was answered well; once it has ended */

/* Each acknowledged put is in the dump, with its value. */
void load_assert_kept(const struct load *load, const char *dump);

#endif
