/*
 * gather.h - bytes from several places, put in a row for one write.
 *
 * Whoever has bytes adds them one after the other; whoever writes says how many at most and where short ones may be
 * copied to.  Long ones are not copied but lent: they have to stay where they are until the write is over.
 *
 * Without any runs all is copied, one after the other into the room, which then holds what was gathered.
 */
#ifndef FY_BASE_GATHER_H
#define FY_BASE_GATHER_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

/* From here a run is lent.  Below it a copy is cheaper than one more piece for the kernel to look at. */
#define FY_GATHER_MIN_LENT ((size_t)2048)

struct fy_gather {
    struct iovec *runs; /* n_runs of at most max_runs, in the order of the bytes */
    size_t n_runs;
    size_t max_runs;
    uint8_t *room; /* the next byte to copy to */
    size_t room_left;
    size_t len; /* gathered so far */
    size_t max_len;
};

/* Into runs, of at most max_len bytes, copying into room. */
static inline struct fy_gather fy_gather_runs(struct iovec *runs, size_t max_runs, uint8_t *room, size_t room_size,
                                              size_t max_len)
{
    return (struct fy_gather){
        .runs = runs, .max_runs = max_runs, .room = room, .room_left = room_size, .max_len = max_len};
}

/* Into buf alone. */
static inline struct fy_gather fy_gather_copy(uint8_t *buf, size_t cap)
{
    return (struct fy_gather){.room = buf, .room_left = cap, .max_len = cap};
}

/* Would a run begin where the last one ends, it is made longer instead. */
static inline void fy_gather_add_run(struct fy_gather *g, const uint8_t *data, size_t len)
{
    struct iovec *last = g->n_runs > 0 ? &g->runs[g->n_runs - 1] : NULL;

    g->len += len;
    if (last && (uint8_t *)last->iov_base + last->iov_len == data)
        last->iov_len += len;
    else
        g->runs[g->n_runs++] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = len};
}

/* Add as much of data as there is room for; how much that was.  Less than len: it is full. */
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
