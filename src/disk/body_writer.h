/*
 * body_writer.h - the body of an incoming snapshot: given by the loop, stored in its sink by disk workers.
 *
 * The sink is opened at once and sees its body through to exactly one commit or abort, whatever happens here.
 * The loop's, but for the sink's callbacks.
 */
#ifndef FY_DISK_BODY_WRITER_H
#define FY_DISK_BODY_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "ferry/ferry.h"

struct fy_body_writer;
struct fy_disk;

/*
 * sink is copied; msg gains a reference; size: of the body, FERRY_SIZE_UNKNOWN when it is not known.  disk has been
 * prepared.  on_change comes, never from inside a call, when there is room again, and when the body is stored or cannot
 * be.  FERRY_OK or FERRY_ERR_NOMEM.
 */
int fy_body_writer_new(struct fy_disk *disk, const struct ferry_snapshot_sink *sink, const struct ferry_message *msg,
                       uint64_t size, void (*on_change)(void *arg), void *arg, struct fy_body_writer **ret_writer);

/* Is there no room for FY_BODY_PIECE_MAX bytes (net.h)?  Then nothing may be put until on_change. */
bool fy_body_writer_is_full(const struct fy_body_writer *writer);

/* Where the next bytes may lie, so that put need not copy them, and how many; there is room unless it is full. */
uint8_t *fy_body_writer_room(struct fy_body_writer *writer, size_t *ret_len);

/* len <= FY_BODY_PIECE_MAX, or data is what fy_body_writer_room gave, and len no more. */
void fy_body_writer_put(struct fy_body_writer *writer, const uint8_t *data, size_t len);
void fy_body_writer_commit(struct fy_body_writer *writer); /* nothing is put after it */

/* FERRY_OK, or what the sink said: a FERRY_ERR or an errno.  It has the body no more then. */
int fy_body_writer_error(const struct fy_body_writer *writer);
bool fy_body_writer_is_stored(const struct fy_body_writer *writer);

/*
 * on_change comes no more.  A body that is not committed is aborted.  writer is freed when its last job is done, and
 * on_freed comes then, maybe from inside the call: until then a job that runs may keep a worker, and writer its memory.
 */
void fy_body_writer_let_go(struct fy_body_writer *writer, void (*on_freed)(void *arg), void *arg);

#endif
