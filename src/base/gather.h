/*
 * gather.h - collects bytes from several places for one write.
 *
 * The source of the bytes adds them piece by piece.  The writer sets a limit, and a buffer for short pieces.  Short
 * pieces are copied; long ones are lent and must stay in place until the write is over.
 *
 * Without a run array everything is copied into the buffer.
 */
#ifndef FY_BASE_GATHER_H
#define FY_BASE_GATHER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/* A piece of this length or more is lent.  A shorter one is copied, which is cheaper than one more iovec. */
#define FY_GATHER_MIN_LENT ((size_t)2048)

struct fy_gather {
    struct iovec *runs; /* n_runs of at most max_runs, in order */
    size_t n_runs;
    size_t max_runs;
    uint8_t *room; /* where the next copy goes */
    size_t room_left;
    size_t len; /* bytes gathered so far */
    size_t max_len;
};

/* Gather into runs, max_len bytes at most; short pieces are copied into room. */
static inline struct fy_gather fy_gather_runs(struct iovec *runs, size_t max_runs, uint8_t *room, size_t room_size,
                                              size_t max_len)
{
    return (struct fy_gather){
        .runs = runs, .max_runs = max_runs, .room = room, .room_left = room_size, .max_len = max_len};
}

/* Gather by copying into buf. */
static inline struct fy_gather fy_gather_copy(uint8_t *buf, size_t cap)
{
    return (struct fy_gather){.room = buf, .room_left = cap, .max_len = cap};
}

/* Add a run, or extend the last one if this data follows it in memory. */
static inline void fy_gather_add_run(struct fy_gather *g, const uint8_t *data, size_t len)
{
    struct iovec *last = g->n_runs > 0 ? &g->runs[g->n_runs - 1] : NULL;

    g->len += len;
    if (last && (uint8_t *)last->iov_base + last->iov_len == data)
        last->iov_len += len;
    else
        g->runs[g->n_runs++] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = len};
}

/* Add as much of data as there is room for, and return how much.  Less than len: it is full. */
static inline size_t fy_gather_add(struct fy_gather *g, const uint8_t *data, size_t len)
{
    size_t left = g->max_len - g->len;

    len = len < left ? len : left;
    if (g->max_runs > 0 && g->n_runs == g->max_runs)
        return 0;
    if (g->max_runs > 0 && len >= FY_GATHER_MIN_LENT) {
        fy_gather_add_run(g, data, len);
        return len;
    }
    len = len < g->room_left ? len : g->room_left;
    if (len == 0)
        return 0;
    memcpy(g->room, data, len);
    if (g->max_runs > 0)
        fy_gather_add_run(g, g->room, len);
    else
        g->len += len;
    g->room += len;
    g->room_left -= len;
    return len;
}

#endif
