/*
 * frame.h - memory that a long frame is gathered in, and that its message then uses.
 *
 * The message takes over the memory of its frame, so the bytes of its entries are not copied again.  When the message
 * is freed, the memory returns to its store for the next long frame.  Returning it to the system instead would make the
 * kernel zero fresh pages each time, which costs as much as a copy.
 *
 * A store keeps at most FY_FRAMES_KEPT bytes, and nothing that was not used between two calls of fy_frames_trim.
 */
#ifndef FY_WIRE_FRAME_H
#define FY_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define FY_FRAMES_KEPT ((size_t)8 << 20)

struct fy_frames; /* a store; its owner and each frame in use hold a reference */

struct fy_frame {
    struct fy_frames *home; /* const */
    struct fy_node node;    /* home->kept */
    size_t cap;             /* of bytes */
    uint8_t bytes[];
};

struct fy_frames *fy_frames_new(void); /* NULL: out of memory */

/* The owner drops it: kept frames are freed, and later ones as they come back.  NULL is fine. */
void fy_frames_close(struct fy_frames *frames);

/* Free the kept frames, unless one was asked for since the last call.  Owner's thread. */
void fy_frames_trim(struct fy_frames *frames);

/* Take a kept frame of at least size bytes, but not many times as large; NULL: none fits.  Owner's thread. */
struct fy_frame *fy_frames_take(struct fy_frames *frames, size_t size);

/*
 * Make frame (NULL: a new one) at least size bytes large, and keep its contents.  NULL: out of memory, frame is
 * unchanged.  Owner's thread.
 */
struct fy_frame *fy_frames_grow(struct fy_frames *frames, struct fy_frame *frame, size_t size);

/* Return a frame.  Any thread, also after the store was closed.  NULL is fine. */
void fy_frame_put(struct fy_frame *frame);

#endif
