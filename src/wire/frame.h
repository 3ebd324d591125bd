/*
 * frame.h - the memory that a long frame is gathered in, and that its message goes on to live in.
 *
 * A message whose frame was gathered takes that memory over, so that the bytes of its entries are not copied once more.
 * When the message is freed the memory goes back to the store it came from, where the next long frame finds it: memory
 * that is given back to the system and taken anew has to be zeroed by the kernel page by page, which costs as much as a
 * copy.
 *
 * A store keeps no more than FY_FRAMES_KEPT bytes, and none that nobody asked for between two calls of
 * fy_frames_trim.
 */
#ifndef FY_WIRE_FRAME_H
#define FY_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

#define FY_FRAMES_KEPT ((size_t)8 << 20)

struct fy_frames; /* a store: counted by its owner, and by each frame that is not in it */

struct fy_frame {
    struct fy_frames *home; /* const */
    struct fy_node node;    /* home->kept */
    size_t cap;             /* of bytes */
    uint8_t bytes[];
};

struct fy_frames *fy_frames_new(void); /* NULL: no memory */

/* The owner wants it no more: what it keeps is freed, and what comes back later as well.  NULL is fine. */
void fy_frames_close(struct fy_frames *frames);

/* Free what it keeps, unless a frame was asked for since the last call.  The owner's thread. */
void fy_frames_trim(struct fy_frames *frames);

/* A kept frame for at least size bytes, though not for many times as much; NULL: there is none.  The owner's thread. */
struct fy_frame *fy_frames_take(struct fy_frames *frames, size_t size);

/*
 * Make frame (NULL: a new one) hold at least size bytes, keeping those that are in it.  NULL: no memory, and frame is
 * as it was.  The owner's thread.
 */
struct fy_frame *fy_frames_grow(struct fy_frames *frames, struct fy_frame *frame, size_t size);

/* Give it back.  Any thread, also after the store was closed.  NULL is fine. */
void fy_frame_put(struct fy_frame *frame);

#endif
