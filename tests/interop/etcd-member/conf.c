/*
 * conf - who votes and who only learns.
 */
#include "etcd-member/conf.h"

#include <stdlib.h>

#include "etcd-member/mem.h"

void conf_release(struct conf *conf)
{
    ids_release(&conf->voters);
    ids_release(&conf->outgoing);
    ids_release(&conf->learners);
    ids_release(&conf->learners_next);
    conf->auto_leave = false;
}

void conf_copy(const struct conf *from, struct conf *to)
{
    const struct ferry_conf_state state = conf_to_state(from);

    conf_from_state(&state, to);
}

void conf_from_state(const struct ferry_conf_state *state, struct conf *conf)
{
    ids_set(&conf->voters, state->voters, state->n_voters);
    ids_set(&conf->outgoing, state->voters_outgoing, state->n_voters_outgoing);
    ids_set(&conf->learners, state->learners, state->n_learners);
    ids_set(&conf->learners_next, state->learners_next, state->n_learners_next);
    conf->auto_leave = state->auto_leave;
}

struct ferry_conf_state conf_to_state(const struct conf *conf)
{
    return (struct ferry_conf_state){.voters = conf->voters.list,
                                     .n_voters = conf->voters.n,
                                     .learners = conf->learners.list,
                                     .n_learners = conf->learners.n,
                                     .voters_outgoing = conf->outgoing.list,
                                     .n_voters_outgoing = conf->outgoing.n,
                                     .learners_next = conf->learners_next.list,
                                     .n_learners_next = conf->learners_next.n,
                                     .auto_leave = conf->auto_leave};
}

bool conf_is_joint(const struct conf *conf)
{
    return conf->outgoing.n > 0;
}

bool conf_votes(const struct conf *conf, uint64_t id)
{
    return ids_have(&conf->voters, id) || ids_have(&conf->outgoing, id);
}

bool conf_has(const struct conf *conf, uint64_t id)
{
    return conf_votes(conf, id) || ids_have(&conf->learners, id) || ids_have(&conf->learners_next, id);
}

/* ---- Changes ----------------------------------------------------------------------------------------------------- */

static void make_change(struct conf *conf, const struct conf_change *change)
{
    uint64_t id = change->id;

    if (id == 0 || change->type == CONF_UPDATE_NODE)
        return;
    if (change->type == CONF_ADD_LEARNER && (ids_have(&conf->learners, id) || ids_have(&conf->learners_next, id)))
        return;
    ids_remove(&conf->voters, id);
    ids_remove(&conf->learners, id);
    ids_remove(&conf->learners_next, id);
    if (change->type == CONF_ADD_NODE)
        ids_add(&conf->voters, id);
    else if (change->type == CONF_ADD_LEARNER && ids_have(&conf->outgoing, id))
        ids_add(&conf->learners_next, id); /* nobody is a voter and a learner at one time */
    else if (change->type == CONF_ADD_LEARNER)
        ids_add(&conf->learners, id);
}

static void leave_joint(struct conf *conf)
{
    for (size_t i = 0; i < conf->learners_next.n; i++)
        ids_add(&conf->learners, conf->learners_next.list[i]);
    ids_release(&conf->learners_next);
    ids_release(&conf->outgoing);
    conf->auto_leave = false;
}

bool conf_apply(struct conf *conf, const struct conf_change *changes, size_t n, enum conf_transition transition)
{
    struct conf changed = {0};

    if (n == 0) {
        leave_joint(conf);
        return true;
    }
    conf_copy(conf, &changed);
    if (n > 1 || transition != CONF_AUTO) {
        ids_set(&changed.outgoing, conf->voters.list, conf->voters.n);
        changed.auto_leave = transition != CONF_JOINT_EXPLICIT;
    }
    for (size_t i = 0; i < n; i++)
        make_change(&changed, &changes[i]);
    if (changed.voters.n == 0) {
        conf_release(&changed);
        return false;
    }
    conf_release(conf);
    *conf = changed;
    return true;
}

/* ---- Majorities ---------------------------------------------------------------------------------------------------
 */

static bool is_majority(const struct ids *voters, bool (*says)(const void *ctx, uint64_t id), const void *ctx)
{
    size_t n = 0;

    for (size_t i = 0; i < voters->n; i++)
        n += says(ctx, voters->list[i]);
    return n > voters->n / 2 || voters->n == 0;
}

bool conf_is_quorum(const struct conf *conf, bool (*says)(const void *ctx, uint64_t id), const void *ctx)
{
    return conf->voters.n > 0 && is_majority(&conf->voters, says, ctx) && is_majority(&conf->outgoing, says, ctx);
}

static int descending(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return (*left < *right) - (*left > *right);
}

static uint64_t majority_index(const struct ids *voters, uint64_t (*has)(const void *ctx, uint64_t id), const void *ctx)
{
    uint64_t *indexes = mem_zero(voters->n * sizeof(*indexes));
    uint64_t index = UINT64_MAX;

    for (size_t i = 0; i < voters->n; i++)
        indexes[i] = has(ctx, voters->list[i]);
    qsort(indexes, voters->n, sizeof(*indexes), descending);
    if (voters->n > 0)
        index = indexes[voters->n / 2];
    free(indexes);
    return index;
}

uint64_t conf_quorum_index(const struct conf *conf, uint64_t (*has)(const void *ctx, uint64_t id), const void *ctx)
{
    uint64_t now = majority_index(&conf->voters, has, ctx);
    uint64_t before = majority_index(&conf->outgoing, has, ctx);

    if (conf->voters.n == 0)
        return 0;
    return now < before ? now : before;
}
