/*
 * body_writer - from the loop into slots, and from there to a sink.
 *
 * Normal path: put collects bytes in a slot.  A job writes the oldest full slot, then the next.  commit passes the last
 * slot on, and when all slots are written a job commits.  There is only one job, so the sink is called by one thread at
 * a time.  A failed write aborts the body in the same job, before the failure is reported: the disk space is free again
 * when the sender retries.  After a failed commit the sink cleans up itself.
 */
#include "disk/body_writer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "disk/body_slots.h"
#include "disk/disk.h"
#include "net/net.h"

struct fy_body_writer {
    struct fy_disk_job job;
    struct fy_disk *disk;
    struct ferry_snapshot_sink sink; /* const */
    const struct ferry_message *msg; /* const; a reference */
    uint64_t size;                   /* const */

    /* the job's while it is busy, else the loop's */
    void *body;
    bool is_opened; /* and not yet committed or aborted */
    int step_err;

    /* the loop's */
    void (*on_change)(void *arg); /* NULL: after let_go */
    void (*on_freed)(void *arg);
    void *arg; /* of on_change; after let_go, of on_freed */
    struct fy_body_slots slots;
    size_t n_gathered; /* in the slot after the full ones */
    bool is_busy;
    bool wants_commit;
    bool was_begun; /* open of the sink was called */
    bool is_stored;
    int err;
};

static struct fy_body_writer *writer_of(struct fy_disk_job *job)
{
    return fy_container(job, struct fy_body_writer, job);
}

/* After let_go, when no job runs. */
static void writer_free(struct fy_body_writer *writer)
{
    void (*on_freed)(void *arg) = writer->on_freed;
    void *arg = writer->arg;

    assert(!writer->is_busy && !writer->is_opened);
    ferry_message_unref(writer->msg);
    fy_body_slots_release(&writer->slots);
    free(writer);
    on_freed(arg);
}

/* ---- On a worker --------------------------------------------------------------------------------------------------
 */

static void run_open(struct fy_disk_job *job)
{
    struct fy_body_writer *writer = writer_of(job);

    writer->step_err = writer->sink.open(writer->sink.ctx, writer->msg, writer->size, &writer->body);
    writer->is_opened = writer->step_err == 0;
}

static void run_abort(struct fy_disk_job *job)
{
    struct fy_body_writer *writer = writer_of(job);

    writer->is_opened = false;
    writer->sink.abort(writer->sink.ctx, writer->body);
}

static void run_write(struct fy_disk_job *job)
{
    struct fy_body_writer *writer = writer_of(job);
    unsigned slot = writer->slots.first; /* the loop does not touch it meanwhile */

    writer->step_err =
        writer->sink.write(writer->sink.ctx, writer->body, fy_body_slot(&writer->slots, slot), writer->slots.len[slot]);
    if (writer->step_err != 0)
        run_abort(job);
}

static void run_commit(struct fy_disk_job *job)
{
    struct fy_body_writer *writer = writer_of(job);

    writer->is_opened = false;
    writer->step_err = writer->sink.commit(writer->sink.ctx, writer->body);
}

/* ---- On the loop --------------------------------------------------------------------------------------------------
 */

static void submit(struct fy_body_writer *writer, void (*run)(struct fy_disk_job *job))
{
    writer->is_busy = true;
    writer->job.run = run;
    fy_disk_submit(writer->disk, &writer->job);
}

/* Submit the next job: open, write, commit or abort.  May free writer. */
static void go_on(struct fy_body_writer *writer)
{
    if (writer->is_busy)
        return;
    if (!writer->on_change) {
        if (writer->is_opened)
            submit(writer, run_abort);
        else
            writer_free(writer);
    } else if (!writer->was_begun) {
        writer->was_begun = true;
        submit(writer, run_open);
    } else if (writer->err != FERRY_OK || writer->is_stored) {
        return;
    } else if (writer->slots.n_full > 0) {
        submit(writer, run_write);
    } else if (writer->wants_commit) {
        submit(writer, run_commit);
    }
}

static void writer_on_done(struct fy_disk_job *job)
{
    struct fy_body_writer *writer = writer_of(job);

    writer->is_busy = false;
    writer->err = writer->step_err;
    if (writer->err == FERRY_OK && job->run == run_write)
        fy_body_slots_empty(&writer->slots);
    writer->is_stored = writer->err == FERRY_OK && job->run == run_commit;
    go_on(writer);
}

/* As writer_on_done, and call on_change, unless writer_on_done freed the writer. */
static void writer_on_done_and_tell(struct fy_disk_job *job)
{
    struct fy_body_writer *writer = writer_of(job);
    void (*on_change)(void *arg) = writer->on_change;
    void *arg = writer->arg;

    writer_on_done(job);
    if (on_change)
        on_change(arg);
}

int fy_body_writer_new(struct fy_disk *disk, const struct ferry_snapshot_sink *sink, const struct ferry_message *msg,
                       uint64_t size, void (*on_change)(void *arg), void *arg, struct fy_body_writer **ret_writer)
{
    struct fy_body_writer *writer = calloc(1, sizeof(*writer));

    if (!writer)
        return FERRY_ERR_NOMEM;
    if (fy_body_slots_init(&writer->slots, FY_BODY_WRITE_SIZE, size) != FERRY_OK) {
        free(writer);
        return FERRY_ERR_NOMEM;
    }
    writer->disk = disk;
    writer->sink = *sink;
    writer->msg = ferry_message_ref(msg);
    writer->size = size;
    writer->on_change = on_change;
    writer->arg = arg;
    writer->job.done = writer_on_done_and_tell;
    go_on(writer);
    *ret_writer = writer;
    return FERRY_OK;
}

bool fy_body_writer_is_full(const struct fy_body_writer *writer)
{
    size_t room = (FY_BODY_N_SLOTS - writer->slots.n_full) * FY_BODY_WRITE_SIZE - writer->n_gathered;

    return room < FY_BODY_PIECE_MAX;
}

static void hand_over(struct fy_body_writer *writer)
{
    fy_body_slots_fill(&writer->slots, writer->n_gathered);
    writer->n_gathered = 0;
}

uint8_t *fy_body_writer_room(struct fy_body_writer *writer, size_t *ret_len)
{
    assert(!writer->wants_commit && !fy_body_writer_is_full(writer));
    *ret_len = FY_BODY_WRITE_SIZE - writer->n_gathered;
    return fy_body_slot(&writer->slots, fy_body_slots_next(&writer->slots)) + writer->n_gathered;
}

void fy_body_writer_put(struct fy_body_writer *writer, const uint8_t *data, size_t len)
{
    assert(!writer->wants_commit && !fy_body_writer_is_full(writer));
    while (len > 0) {
        size_t room = FY_BODY_WRITE_SIZE - writer->n_gathered;
        size_t n = len < room ? len : room;
        uint8_t *at = fy_body_slot(&writer->slots, fy_body_slots_next(&writer->slots)) + writer->n_gathered;

        if (at != data) /* else it is there already */
            memcpy(at, data, n);
        writer->n_gathered += n;
        data += n;
        len -= n;
        if (writer->n_gathered == FY_BODY_WRITE_SIZE)
            hand_over(writer);
    }
    go_on(writer);
}

void fy_body_writer_commit(struct fy_body_writer *writer)
{
    writer->wants_commit = true;
    if (writer->n_gathered > 0)
        hand_over(writer);
    go_on(writer);
}

int fy_body_writer_error(const struct fy_body_writer *writer)
{
    return writer->err;
}

bool fy_body_writer_is_stored(const struct fy_body_writer *writer)
{
    return writer->is_stored;
}

void fy_body_writer_let_go(struct fy_body_writer *writer, void (*on_freed)(void *arg), void *arg)
{
    writer->on_change = NULL;
    writer->on_freed = on_freed;
    writer->arg = arg;
    go_on(writer);
}
