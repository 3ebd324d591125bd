/*
 * compress.h - payloads made smaller by zstd or gzip, and back, with contexts that are kept from one to the next.
 *
 * Threads: one at a time.
 */
#ifndef FY_MAILBOX_COMPRESS_H
#define FY_MAILBOX_COMPRESS_H

#include <stddef.h>

#include "ferry/ferry.h"

struct fy_text;
struct fy_compressor;

/* Values are part of the wire format of mail frames: they are not renumbered. */
enum fy_packing {
    FY_PACKING_NONE = 0,
    FY_PACKING_ZSTD = 1,
    FY_PACKING_GZIP = 2,
};

#define FY_PACK_MIN_BYTES 128 /* shorter payloads are left alone: a header costs what is saved */

struct fy_compressor *fy_compressor_new(void); /* NULL: no memory */
void fy_compressor_free(struct fy_compressor *compressor);

/*
 * Append plain to out, packed if that makes it shorter, and say how in *ret_used: as wanted, or FY_PACKING_NONE for a
 * payload that is short or does not get smaller.  FERRY_ERR_NOMEM: out is as it was, but remembers the error if it is
 * its own.
 */
int fy_pack(struct fy_compressor *compressor, enum fy_packing wanted, struct ferry_bytes plain, struct fy_text *out,
            enum fy_packing *ret_used);

/*
 * Append to out what packed holds, of at most max_bytes (below 4 GiB).  The memory for it doubles as it fills, whatever
 * packed says about its size, and does not grow past max_bytes.  FERRY_ERR_TOO_LARGE: it holds more;
 * FERRY_ERR_MALFORMED: it is damaged, cut off, or not of this packing; FERRY_ERR_NOMEM.  Then out is as it was.
 */
int fy_unpack(struct fy_compressor *compressor, enum fy_packing packing, struct ferry_bytes packed, size_t max_bytes,
              struct fy_text *out);

#endif
