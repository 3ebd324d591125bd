/*
 * body_writer.h - the body of an incoming snapshot: filled by the loop, passed to its sink by disk workers.
 *
 * The sink is opened at once; then exactly one commit or abort follows.  All functions belong to the loop; the sink's
 * callbacks are called on disk workers.
 */
#ifndef FY_DISK_BODY_WRITER_H
#define FY_DISK_BODY_WRITER_H

#include <stdbool.h>
#include <stddef.h>

#include "ferry/ferry.h"

struct fy_body_writer;
struct fy_disk;

/*
 * sink is copied, and msg referenced.  size: of the body, or FERRY_SIZE_UNKNOWN.  fy_disk_prepare succeeded before.
 * on_change is called, never during a call, when there is room again, when the body is stored, and on an error.
 * FERRY_OK or FERRY_ERR_NOMEM.
 */
int fy_body_writer_new(struct fy_disk *disk, const struct ferry_snapshot_sink *sink, const struct ferry_message *msg,
                       uint64_t size, void (*on_change)(void *arg), void *arg, struct fy_body_writer **ret_writer);

/* Is there no room for FY_BODY_PIECE_MAX bytes (net.h)?  Then nothing may be put until on_change. */
bool fy_body_writer_is_full(const struct fy_body_writer *writer);

/* Memory for the next bytes, so that put need not copy them; not NULL unless it is full. */
uint8_t *fy_body_writer_room(struct fy_body_writer *writer, size_t *ret_len);

/* len <= FY_BODY_PIECE_MAX; or data is from fy_body_writer_room, with at most its length. */
void fy_body_writer_put(struct fy_body_writer *writer, const uint8_t *data, size_t len);
void fy_body_writer_commit(struct fy_body_writer *writer); /* no put after it */

/* FERRY_OK, or the error of the sink: a FERRY_ERR or an errno.  The sink has closed the body then. */
int fy_body_writer_error(const struct fy_body_writer *writer);
bool fy_body_writer_is_stored(const struct fy_body_writer *writer);

/*
 * No further on_change.  A body that is not committed is aborted.  When the last job is done, writer is freed and
 * on_freed called, possibly during this call.  Until then a running job may occupy a worker, and the writer its memory.
 */
void fy_body_writer_let_go(struct fy_body_writer *writer, void (*on_freed)(void *arg), void *arg);

#endif
