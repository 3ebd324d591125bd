/*
 * recorder.h - a Raft core that only remembers: what it was given and what was reported to it.
 */
#ifndef HARNESS_RECORDER_H
#define HARNESS_RECORDER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

#define RECORDER_TYPES 24
#define RECORDER_IDS 64
#define RECORDER_SNAPSHOTS 64

struct recorder {
    /* Set before the transport starts, if at all. */
    bool keep;                                                      /* hold a reference to every message */
    void (*on_message)(void *arg, const struct ferry_message *msg); /* first thing in process, no lock held */
    void (*on_unreachable)(void *arg, uint64_t id);                 /* likewise */
    void *arg;

    pthread_mutex_t mu;
    pthread_cond_t changed; /* mu; anything below */

    const struct ferry_message **kept; /* mu; oldest first */
    size_t n_kept;                     /* mu */
    size_t kept_room;                  /* mu */
    uint64_t n_messages;               /* mu */
    uint64_t n_of_type[RECORDER_TYPES];
    int answer;                            /* mu; what process returns */
    bool hold_proposals;                   /* mu; process waits while it is set when it is given a MsgProp */
    size_t n_held;                         /* mu; how many calls wait so */
    uint64_t removed_id;                   /* mu; is_id_removed says yes to it; 0: to none */
    uint64_t unreachable_id[RECORDER_IDS]; /* mu; slots are taken in the order of the first report */
    uint64_t n_unreachable[RECORDER_IDS];  /* mu */
    struct {
        uint64_t id;
        enum ferry_snapshot_result result;
    } snapshots[RECORDER_SNAPSHOTS]; /* mu */
    size_t n_snapshots;              /* mu; may pass the array's end */
    int fatal;                       /* mu; the last */
    size_t n_fatal;                  /* mu */
};

void recorder_init(struct recorder *r);
void recorder_release(struct recorder *r); /* lets go of what was kept; the transport is gone or stopped */
struct ferry_core recorder_core(struct recorder *r);

void recorder_clear(struct recorder *r); /* forget what was received and reported */
void recorder_hold_proposals(struct recorder *r, bool hold);
void recorder_set_answer(struct recorder *r, int answer);
void recorder_set_removed(struct recorder *r, uint64_t id);

uint64_t recorder_messages(struct recorder *r);
uint64_t recorder_of_type(struct recorder *r, enum ferry_message_type type);
uint64_t recorder_unreachable(struct recorder *r, uint64_t id);
size_t recorder_fatal(struct recorder *r, int *ret_last);
size_t recorder_snapshots(struct recorder *r, uint64_t id, enum ferry_snapshot_result result);

/* Wait until done, which runs with the recorder locked, says so.  False when the deadline came first. */
typedef bool recorder_done_fn(const struct recorder *r, uint64_t number);
bool recorder_wait(struct recorder *r, recorder_done_fn *done, uint64_t number, unsigned deadline_ms);
bool recorder_wait_messages(struct recorder *r, uint64_t n, unsigned deadline_ms);
bool recorder_wait_of_type(struct recorder *r, enum ferry_message_type type, uint64_t n, unsigned deadline_ms);
bool recorder_wait_held(struct recorder *r, uint64_t n, unsigned deadline_ms);
bool recorder_wait_unreachable(struct recorder *r, uint64_t id, unsigned deadline_ms);
bool recorder_wait_snapshots(struct recorder *r, uint64_t n, unsigned deadline_ms); /* reports of any result */

#endif
