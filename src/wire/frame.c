/*
 * frame - reuses the memory of long frames.
 *
 * The decoder takes and grows frames.  Whoever frees the last reference to a message puts its frame back, on any
 * thread.  The frame that was put back last is taken first, since the CPU's caches may still hold it.  When the store
 * is full, the oldest goes.
 */
#include "wire/frame.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define MIN_KEPT 8192 /* malloc is as fast for smaller ones */
#define MAX_WASTE 4   /* a kept frame is used only for at least this share (1/n) of its size */
#define GRAIN 4096    /* kept frames are multiples of this, so that they fit the next frame too */

struct fy_frames {
    pthread_mutex_t mu;  /* leaf lock */
    struct fy_list kept; /* mu; struct fy_frame, oldest first */
    size_t n_kept;       /* mu; their bytes */
    size_t n_out;        /* mu; frames in use */
    bool is_closed;      /* mu */
    bool is_in_use;      /* owner only: was one asked for since the last trim? */
};

struct fy_frames *fy_frames_new(void)
{
    struct fy_frames *frames = calloc(1, sizeof(*frames));

    if (!frames)
        return NULL;
    (void)pthread_mutex_init(&frames->mu, NULL); /* cannot fail for a default mutex on Linux */
    fy_list_init(&frames->kept);
    return frames;
}

static void free_store(struct fy_frames *frames)
{
    pthread_mutex_destroy(&frames->mu);
    free(frames);
}

static void free_all(struct fy_list *frames)
{
    for (struct fy_node *node; (node = fy_list_take_first(frames));)
        free(fy_container(node, struct fy_frame, node));
}

/* Unlink all kept frames, to free them after unlocking.  Under mu. */
static void empty(struct fy_frames *frames, struct fy_list *ret_kept)
{
    fy_list_init(ret_kept);
    fy_list_splice(ret_kept, &frames->kept);
    frames->n_kept = 0;
}

void fy_frames_close(struct fy_frames *frames)
{
    struct fy_list kept;
    bool is_last;

    if (!frames)
        return;
    pthread_mutex_lock(&frames->mu);
    frames->is_closed = true;
    empty(frames, &kept);
    is_last = frames->n_out == 0;
    pthread_mutex_unlock(&frames->mu);
    free_all(&kept);
    if (is_last)
        free_store(frames);
}

void fy_frames_trim(struct fy_frames *frames)
{
    struct fy_list kept;

    if (!frames->is_in_use) {
        pthread_mutex_lock(&frames->mu);
        empty(frames, &kept);
        pthread_mutex_unlock(&frames->mu);
        free_all(&kept);
    }
    frames->is_in_use = false;
}

static bool is_fit(const struct fy_frame *frame, size_t size)
{
    return frame->cap >= size && frame->cap / MAX_WASTE <= size;
}

struct fy_frame *fy_frames_take(struct fy_frames *frames, size_t size)
{
    struct fy_frame *found = NULL;

    frames->is_in_use = true;
    pthread_mutex_lock(&frames->mu);
    for (struct fy_node *node = fy_list_last(&frames->kept); node && !found;
         node = fy_list_previous(&frames->kept, node)) {
        struct fy_frame *frame = fy_container(node, struct fy_frame, node);

        if (is_fit(frame, size))
            found = frame;
    }
    if (found) {
        fy_list_remove(&found->node);
        frames->n_kept -= found->cap;
        frames->n_out++;
    }
    pthread_mutex_unlock(&frames->mu);
    return found;
}

struct fy_frame *fy_frames_grow(struct fy_frames *frames, struct fy_frame *frame, size_t size)
{
    size_t grain = size < MIN_KEPT ? 1 : GRAIN;
    size_t whole = (sizeof(*frame) + size + grain - 1) / grain * grain;
    struct fy_frame *grown = realloc(frame, whole); /* a frame in use is in no list, so it may move */

    if (!grown)
        return NULL;
    grown->cap = whole - sizeof(*grown);
    if (frame)
        return grown;
    grown->home = frames;
    grown->node = (struct fy_node){NULL, NULL};
    pthread_mutex_lock(&frames->mu);
    frames->n_out++;
    pthread_mutex_unlock(&frames->mu);
    return grown;
}

/* Keep frame, and unlink the kept frames that must go to make room.  Under mu. */
static void keep(struct fy_frames *frames, struct fy_frame *frame, struct fy_list *ret_surplus)
{
    fy_list_append(&frames->kept, &frame->node);
    frames->n_kept += frame->cap;
    while (frames->n_kept > FY_FRAMES_KEPT) {
        struct fy_node *first = fy_list_take_first(&frames->kept);

        frames->n_kept -= fy_container(first, struct fy_frame, node)->cap;
        fy_list_append(ret_surplus, first);
    }
}

void fy_frame_put(struct fy_frame *frame)
{
    struct fy_frames *frames;
    struct fy_list surplus;
    bool is_last;

    if (!frame)
        return;
    frames = frame->home;
    fy_list_init(&surplus);
    pthread_mutex_lock(&frames->mu);
    assert(frames->n_out > 0);
    frames->n_out--;
    if (frames->is_closed || frame->cap < MIN_KEPT)
        fy_list_append(&surplus, &frame->node);
    else
        keep(frames, frame, &surplus);
    is_last = frames->is_closed && frames->n_out == 0;
    pthread_mutex_unlock(&frames->mu);
    free_all(&surplus);
    if (is_last)
        free_store(frames);
}
