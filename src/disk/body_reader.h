/*
 * body_reader.h - the body of an outgoing snapshot: read from its source by disk workers, taken by the loop.
 *
 * Reads ahead as far as its buffers go.  The loop's, but for new, free and, on disk workers, the source's callbacks.
 */
#ifndef FY_DISK_BODY_READER_H
#define FY_DISK_BODY_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "ferry/ferry.h"

struct fy_body_reader;
struct fy_disk;

/* source is copied.  disk has been prepared.  FERRY_OK or FERRY_ERR_NOMEM.  Any thread. */
int fy_body_reader_new(struct fy_disk *disk, const struct ferry_snapshot_source *source,
                       struct fy_body_reader **ret_reader);

/* One that was never started, without closing the source.  NULL is fine.  Any thread. */
void fy_body_reader_free(struct fy_body_reader *reader);

/* Begin to read.  on_ready comes, never from inside a call, when there is something new: bytes, the end or an error. */
void fy_body_reader_start(struct fy_body_reader *reader, void (*on_ready)(void *arg), void *arg);

size_t fy_body_reader_available(const struct fy_body_reader *reader); /* at least so many bytes are ready; 0: none */
size_t fy_body_reader_read(struct fy_body_reader *reader, uint8_t *buf, size_t cap); /* returns how many */

/* Was all read and taken?  A source of known size was then seen to hold that much and no more. */
bool fy_body_reader_is_at_end(const struct fy_body_reader *reader);

/* Why there will be no more: FERRY_OK; _TRUNCATED or _TOO_LARGE against the source's size; what its read returned. */
int fy_body_reader_error(const struct fy_body_reader *reader);

/* The same for people: the system's own words, where a file could not be read.  Valid until the next call. */
const char *fy_body_reader_reason(const struct fy_body_reader *reader);

/*
 * Read no more, have the source closed with err by a worker, and free reader after that.  Started or not.  on_closed
 * comes then, never from inside the call: until then a read that runs may keep a worker, and reader its memory.
 */
void fy_body_reader_close(struct fy_body_reader *reader, int err, void (*on_closed)(void *arg), void *arg);

#endif
