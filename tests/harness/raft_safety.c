/*
 * raft_safety - records what a cluster did, in tables that only grow.
 *
 * An appended entry costs one look-up in a hash table, a commit one comparison, an election one walk over the committed
 * entries.  So all of it can be checked after each event.
 */
#include "harness/raft_safety.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/sim/chance.h"

/* Limits of one run; a test that exceeds them must raise them. */
#define MAX_INDEX 16384
#define MAX_TERM 4096
#define N_SLOTS 65536 /* a power of two; of the table of entries */

struct slot { /* an entry that some log has, or had */
    uint64_t day;
    raft_index index;
    raft_term term;
    raft_term prev_term;
    uint64_t digest;
};

struct raft_safety {
    uint64_t day; /* slots of other days are empty */
    size_t n_slots;
    struct slot slots[N_SLOTS];
    raft_id leaders[MAX_TERM];
    raft_term max_term;
    raft_term committed[MAX_INDEX + 1];    /* the entry's term; 0: not known */
    raft_term committed_in[MAX_INDEX + 1]; /* the leader's */
    raft_index last_committed;
    uint64_t commands[MAX_INDEX + 1];
    uint64_t n_applied;
    char text[256];
};

#define wrong(safety, ...) (snprintf((safety)->text, sizeof((safety)->text), __VA_ARGS__), (safety)->text)

struct raft_safety *raft_safety_new(void)
{
    struct raft_safety *safety = calloc(1, sizeof(*safety));

    ck_assert_ptr_nonnull(safety);
    raft_safety_reset(safety);
    return safety;
}

void raft_safety_free(struct raft_safety *safety)
{
    free(safety);
}

void raft_safety_reset(struct raft_safety *safety)
{
    memset(safety->leaders, 0, (size_t)(safety->max_term + 1) * sizeof(*safety->leaders));
    memset(safety->committed, 0, (size_t)(safety->last_committed + 1) * sizeof(*safety->committed));
    safety->max_term = safety->last_committed = safety->n_applied = 0;
    safety->n_slots = 0;
    safety->day++;
}

const char *raft_safety_elected(struct raft_safety *safety, raft_term term, raft_id leader)
{
    if (term >= MAX_TERM)
        return wrong(safety, "term %llu is beyond what the test can hold", term);
    if (term > safety->max_term)
        safety->max_term = term;
    if (safety->leaders[term] != 0 && safety->leaders[term] != leader)
        return wrong(safety, "election safety: %llu and %llu are leaders of term %llu", safety->leaders[term], leader,
                     term);
    safety->leaders[term] = leader;
    return NULL;
}

/* The slot of an index and a term, maybe an empty one. */
static struct slot *find(struct raft_safety *safety, raft_index index, raft_term term)
{
    uint64_t hash = fy_chance_mix(index * UINT64_C(0x9e3779b97f4a7c15) ^ term);

    for (;; hash++) {
        struct slot *slot = &safety->slots[hash % N_SLOTS];

        if (slot->day != safety->day || (slot->index == index && slot->term == term))
            return slot;
    }
}

const char *raft_safety_appended(struct raft_safety *safety, raft_index index, raft_term prev_term,
                                 const struct raft_store_entry *entry)
{
    struct slot *slot = find(safety, index, entry->term);

    if (slot->day != safety->day) {
        if (++safety->n_slots > N_SLOTS / 2 || index > MAX_INDEX)
            return wrong(safety, "index %llu is beyond what the test can hold", index);
        *slot = (struct slot){
            .day = safety->day, .index = index, .term = entry->term, .prev_term = prev_term, .digest = entry->digest};
        return NULL;
    }
    if (slot->prev_term != prev_term)
        return wrong(safety, "log matching: entry %llu of term %llu comes after one of term %llu and one of term %llu",
                     index, entry->term, slot->prev_term, prev_term);
    if (slot->digest != entry->digest)
        return wrong(safety, "log matching: there are two entries %llu of term %llu", index, entry->term);
    return NULL;
}

const char *raft_safety_committed(struct raft_safety *safety, raft_index index, raft_term term, raft_term in_term)
{
    if (index > MAX_INDEX)
        return wrong(safety, "index %llu is beyond what the test can hold", index);
    if (safety->committed[index] != 0 && safety->committed[index] != term)
        return wrong(safety, "two entries %llu are committed, of term %llu and of term %llu", index,
                     safety->committed[index], term);
    if (safety->committed[index] == 0)
        safety->committed_in[index] = in_term;
    safety->committed[index] = term;
    if (index > safety->last_committed)
        safety->last_committed = index;
    return NULL;
}

raft_index raft_safety_last_committed(const struct raft_safety *safety)
{
    return safety->last_committed;
}

const char *raft_safety_is_complete(struct raft_safety *safety, raft_id leader, raft_term term,
                                    const struct raft_store *log, raft_index after)
{
    for (raft_index index = safety->last_committed; index > after; index--) {
        raft_term has = raft_store_term_at(log, index);

        if (has == 0 && index < raft_store_last_index(log))
            break; /* what comes before was compacted */
        if (safety->committed[index] != 0 && safety->committed_in[index] < term && safety->committed[index] != has)
            return wrong(safety,
                         "leader completeness: %llu leads term %llu, and its entry %llu is of term %llu (0: it has "
                         "none), while one of term %llu was committed in term %llu",
                         leader, term, index, has, safety->committed[index], safety->committed_in[index]);
    }
    return NULL;
}

const char *raft_safety_applied(struct raft_safety *safety, uint64_t nth, uint64_t command)
{
    if (nth > MAX_INDEX || nth == 0 || nth > safety->n_applied + 1)
        return wrong(safety, "command %llu is applied when %llu are known", (unsigned long long)nth,
                     (unsigned long long)safety->n_applied);
    if (nth <= safety->n_applied && safety->commands[nth] != command)
        return wrong(safety, "state machine safety: command %llu is %llx for one, %llx for another",
                     (unsigned long long)nth, (unsigned long long)safety->commands[nth], (unsigned long long)command);
    if (nth > safety->n_applied)
        safety->n_applied = nth;
    safety->commands[nth] = command;
    return NULL;
}

uint64_t raft_safety_n_applied(const struct raft_safety *safety)
{
    return safety->n_applied;
}

uint64_t raft_safety_command(const struct raft_safety *safety, uint64_t nth)
{
    return safety->commands[nth];
}
