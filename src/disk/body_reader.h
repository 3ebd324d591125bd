/*
 * body_reader.h - the body of an outgoing snapshot: read from its source by disk workers, consumed by the loop.
 *
 * Reads ahead until its buffers are full.  All functions belong to the loop, except new and free.  The callbacks of the
 * source are called on disk workers.
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

/* Free a reader that was never started, without closing the source.  NULL is fine.  Any thread. */
void fy_body_reader_free(struct fy_body_reader *reader);

/* Begin to read.  on_ready is called, never during a call, when there are new bytes, at the end, or on an error. */
void fy_body_reader_start(struct fy_body_reader *reader, void (*on_ready)(void *arg), void *arg);

size_t fy_body_reader_available(const struct fy_body_reader *reader);                /* a lower bound; 0: none */
size_t fy_body_reader_read(struct fy_body_reader *reader, uint8_t *buf, size_t cap); /* returns how many */

/* Was everything read and consumed?  Then a source of known size had exactly that size. */
bool fy_body_reader_is_at_end(const struct fy_body_reader *reader);

/* FERRY_OK, or why reading ended: _TRUNCATED or _TOO_LARGE for a wrong size, else the error of the source's read. */
int fy_body_reader_error(const struct fy_body_reader *reader);

/* The error as text, with the system's message for a file.  Valid until the next call. */
const char *fy_body_reader_reason(const struct fy_body_reader *reader);

/*
 * Stop reading, close the source with err on a worker, then free reader and call on_closed, never during this call.
 * Until then a running read may occupy a worker, and the reader its memory.  The reader need not be started.
 */
void fy_body_reader_close(struct fy_body_reader *reader, int err, void (*on_closed)(void *arg), void *arg);

#endif
