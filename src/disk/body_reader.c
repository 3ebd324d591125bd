/*
 * body_reader - from a source into slots, and from there to the loop.
 *
 * Normal path: a job reads once from the source into the next slot.  Its done makes the slot available to the loop, and
 * submits the next job while a slot is free.  The last job also checks that the source ends at its declared size,
 * before its bytes become available: so a source that is too long fails before the receiver has a complete body.  There
 * is only one job, so reads and the close never overlap.
 */
#include "disk/body_reader.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk/body_slots.h"
#include "disk/disk.h"

struct fy_body_reader {
    struct fy_disk_job job;
    struct fy_disk *disk;
    struct ferry_snapshot_source source; /* const */

    /* the job's while it is busy, else the loop's */
    uint64_t n_read;
    struct {
        unsigned slot;
        size_t len;
        bool is_end;
        int err;
        int cause;         /* errno of a file that could not be read; else 0 */
        const char *words; /* the fault of the source, if err alone does not tell; else NULL */
    } step;

    /* the loop's */
    void (*on_ready)(void *arg);
    void (*on_closed)(void *arg);
    void *arg; /* of on_ready; once it is closing, of on_closed */
    struct fy_body_slots slots;
    size_t n_taken; /* of the oldest full slot */
    bool is_busy;   /* the job is with the disk */
    bool is_at_end;
    bool is_closing;
    int err;
    int cause; /* errno, where it is known */
    const char *words;
    int close_err; /* const once is_closing is set */
};

int fy_body_reader_new(struct fy_disk *disk, const struct ferry_snapshot_source *source,
                       struct fy_body_reader **ret_reader)
{
    struct fy_body_reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return FERRY_ERR_NOMEM;
    if (fy_body_slots_init(&reader->slots, FY_BODY_READ_SIZE, source->size) != FERRY_OK) {
        free(reader);
        return FERRY_ERR_NOMEM;
    }
    reader->disk = disk;
    reader->source = *source;
    *ret_reader = reader;
    return FERRY_OK;
}

void fy_body_reader_free(struct fy_body_reader *reader)
{
    if (!reader)
        return;
    assert(!reader->is_busy);
    fy_body_slots_release(&reader->slots);
    free(reader);
}

/* ---- On a worker --------------------------------------------------------------------------------------------------
 */

/* How many bytes, 0 at the end, or a negative FERRY_ERR. */
static int64_t read_some(struct fy_body_reader *reader, uint8_t *buf, size_t len)
{
    const struct ferry_snapshot_source *source = &reader->source;
    ssize_t n;

    if (source->read) {
        int64_t answer = source->read(source->ctx, buf, len);

        if (answer >= INT_MIN && answer <= (int64_t)len)
            return answer;
        reader->step.words = "its read returned neither a count nor an error";
        return FERRY_ERR_INVALID; /* more than the buffer holds */
    }
    do {
        n = pread(source->fd, buf, len, (off_t)(source->offset + reader->n_read));
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    reader->step.cause = errno;
    return FERRY_ERR_SYSTEM;
}

/* Does the source end at its declared size?  A file may go on: only the declared part is the source. */
static int check_end(struct fy_body_reader *reader)
{
    uint8_t byte;
    int64_t n;

    if (!reader->source.read)
        return FERRY_OK;
    n = read_some(reader, &byte, 1);
    if (n <= 0)
        return (int)n; /* 0 is FERRY_OK */
    reader->step.words = "it goes on beyond its size";
    return FERRY_ERR_TOO_LARGE;
}

/* The source is at its end, or has yielded its declared size. */
static int judge_size(struct fy_body_reader *reader)
{
    if (reader->source.size == FERRY_SIZE_UNKNOWN)
        return FERRY_OK;
    if (reader->n_read == reader->source.size)
        return check_end(reader);
    reader->step.words = "it ends before its size";
    return FERRY_ERR_TRUNCATED;
}

static void run_read(struct fy_disk_job *job)
{
    struct fy_body_reader *reader = fy_container(job, struct fy_body_reader, job);
    uint64_t left = reader->source.size - reader->n_read; /* huge if the size is unknown */
    size_t cap = left < FY_BODY_READ_SIZE ? (size_t)left : FY_BODY_READ_SIZE;
    int64_t n = cap > 0 ? read_some(reader, fy_body_slot(&reader->slots, reader->step.slot), cap) : 0;

    reader->step.len = n > 0 ? (size_t)n : 0;
    reader->n_read += reader->step.len;
    reader->step.is_end = n == 0 || reader->n_read == reader->source.size;
    if (n < 0)
        reader->step.err = (int)n;
    else if (reader->step.is_end)
        reader->step.err = judge_size(reader);
}

static void run_close(struct fy_disk_job *job)
{
    struct fy_body_reader *reader = fy_container(job, struct fy_body_reader, job);

    if (reader->source.close)
        reader->source.close(reader->source.ctx, reader->close_err);
}

/* ---- On the loop --------------------------------------------------------------------------------------------------
 */

static void reader_on_close_done(struct fy_disk_job *job)
{
    struct fy_body_reader *reader = fy_container(job, struct fy_body_reader, job);
    void (*on_closed)(void *arg) = reader->on_closed;
    void *arg = reader->arg;

    reader->is_busy = false;
    fy_body_reader_free(reader);
    on_closed(arg);
}

static void submit(struct fy_body_reader *reader, void (*run)(struct fy_disk_job *job),
                   void (*done)(struct fy_disk_job *job))
{
    reader->is_busy = true;
    reader->job.run = run;
    reader->job.done = done;
    fy_disk_submit(reader->disk, &reader->job);
}

static void reader_on_read_done(struct fy_disk_job *job);

/* Submit a job: fill the next slot, if one is free and the source has more; or close the source. */
static void go_on(struct fy_body_reader *reader)
{
    if (reader->is_busy)
        return;
    if (reader->is_closing) {
        submit(reader, run_close, reader_on_close_done);
    } else if (!reader->is_at_end && reader->err == FERRY_OK && reader->slots.n_full < FY_BODY_N_SLOTS) {
        reader->step.slot = fy_body_slots_next(&reader->slots);
        submit(reader, run_read, reader_on_read_done);
    }
}

static void reader_on_read_done(struct fy_disk_job *job)
{
    struct fy_body_reader *reader = fy_container(job, struct fy_body_reader, job);

    reader->is_busy = false;
    reader->err = reader->step.err;
    reader->cause = reader->step.cause;
    reader->words = reader->step.words;
    reader->is_at_end = reader->step.is_end;
    if (reader->err == FERRY_OK && reader->step.len > 0)
        fy_body_slots_fill(&reader->slots, reader->step.len);
    go_on(reader);
    if (!reader->is_closing)
        reader->on_ready(reader->arg);
}

void fy_body_reader_start(struct fy_body_reader *reader, void (*on_ready)(void *arg), void *arg)
{
    reader->on_ready = on_ready;
    reader->arg = arg;
    go_on(reader);
}

size_t fy_body_reader_available(const struct fy_body_reader *reader)
{
    return reader->slots.n_full > 0 ? reader->slots.len[reader->slots.first] - reader->n_taken : 0;
}

size_t fy_body_reader_read(struct fy_body_reader *reader, uint8_t *buf, size_t cap)
{
    size_t len = fy_body_reader_available(reader);

    if (len == 0)
        return 0;
    if (len > cap)
        len = cap;
    memcpy(buf, fy_body_slot(&reader->slots, reader->slots.first) + reader->n_taken, len);
    reader->n_taken += len;
    if (fy_body_reader_available(reader) == 0) {
        reader->n_taken = 0;
        fy_body_slots_empty(&reader->slots);
        go_on(reader);
    }
    return len;
}

bool fy_body_reader_is_at_end(const struct fy_body_reader *reader)
{
    return reader->is_at_end && reader->err == FERRY_OK && reader->slots.n_full == 0;
}

int fy_body_reader_error(const struct fy_body_reader *reader)
{
    return reader->err;
}

const char *fy_body_reader_reason(const struct fy_body_reader *reader)
{
    if (reader->words)
        return reader->words;
    return reader->cause ? strerror(reader->cause) : ferry_strerror(reader->err);
}

void fy_body_reader_close(struct fy_body_reader *reader, int err, void (*on_closed)(void *arg), void *arg)
{
    assert(!reader->is_closing);
    reader->is_closing = true;
    reader->close_err = err;
    reader->on_closed = on_closed;
    reader->arg = arg;
    go_on(reader);
}
