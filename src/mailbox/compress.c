/*
 * compress - zstd through libzstd, gzip through zlib.
 *
 * A context is made when its packing is first used and reset for each payload.  Packed bytes are unpacked into a
 * buffer that doubles up to the limit: gzip goes on where it stopped, zstd begins anew, because a stream of zstd would
 * allocate the window that the input asks for, up to 128 MiB, before a byte is there.
 */
#include "mailbox/compress.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/text.h"

#define ZSTD_LEVEL 3
#define GZIP_LEVEL 6
#define GZIP_WINDOW_BITS (15 + 16) /* 16: a gzip header, and no other */
#define GZIP_MEMORY_LEVEL 8
#define FIRST_ROOM ((size_t)4096)

struct fy_compressor {
    ZSTD_CCtx *zstd_out; /* NULL until it is needed, as the other one */
    ZSTD_DCtx *zstd_in;
    z_stream gzip_out;
    z_stream gzip_in;
    bool has_gzip_out;
    bool has_gzip_in;
};

struct fy_compressor *fy_compressor_new(void)
{
    return calloc(1, sizeof(struct fy_compressor));
}

void fy_compressor_free(struct fy_compressor *compressor)
{
    if (!compressor)
        return;
    ZSTD_freeCCtx(compressor->zstd_out);
    ZSTD_freeDCtx(compressor->zstd_in);
    if (compressor->has_gzip_out)
        (void)deflateEnd(&compressor->gzip_out); /* it may be in the middle of a payload that failed */
    if (compressor->has_gzip_in)
        (void)inflateEnd(&compressor->gzip_in);
    free(compressor);
}

/* ---- zlib's memory, from the heap that the tests fail ---- */

static voidpf gzip_alloc(voidpf opaque, uInt n, uInt size)
{
    (void)opaque;
    return calloc(n, size);
}

static void gzip_free(voidpf opaque, voidpf block)
{
    (void)opaque;
    free(block);
}

static int open_gzip_out(struct fy_compressor *compressor)
{
    z_stream *stream = &compressor->gzip_out;

    if (compressor->has_gzip_out)
        return deflateReset(stream) == Z_OK ? FERRY_OK : FERRY_ERR_NOMEM;
    *stream = (z_stream){.zalloc = gzip_alloc, .zfree = gzip_free};
    if (deflateInit2(stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return FERRY_ERR_NOMEM;
    compressor->has_gzip_out = true;
    return FERRY_OK;
}

static int open_gzip_in(struct fy_compressor *compressor)
{
    z_stream *stream = &compressor->gzip_in;

    if (compressor->has_gzip_in)
        return inflateReset(stream) == Z_OK ? FERRY_OK : FERRY_ERR_NOMEM;
    *stream = (z_stream){.zalloc = gzip_alloc, .zfree = gzip_free};
    if (inflateInit2(stream, GZIP_WINDOW_BITS) != Z_OK)
        return FERRY_ERR_NOMEM;
    compressor->has_gzip_in = true;
    return FERRY_OK;
}

/* ---- Packing ---- */

/* Pack into room, which is a byte shorter than plain: *ret_len is 0 if it does not fit. */
static int pack_zstd(struct fy_compressor *compressor, struct ferry_bytes plain, uint8_t *room, size_t *ret_len)
{
    size_t len;

    if (!compressor->zstd_out)
        compressor->zstd_out = ZSTD_createCCtx();
    if (!compressor->zstd_out)
        return FERRY_ERR_NOMEM;
    len = ZSTD_compressCCtx(compressor->zstd_out, room, plain.len - 1, plain.data, plain.len, ZSTD_LEVEL);
    *ret_len = ZSTD_isError(len) ? 0 : len;
    return FERRY_OK;
}

static int pack_gzip(struct fy_compressor *compressor, struct ferry_bytes plain, uint8_t *room, size_t *ret_len)
{
    z_stream *stream = &compressor->gzip_out;
    int err = open_gzip_out(compressor);

    if (err)
        return err;
    stream->next_in = (Bytef *)(uintptr_t)plain.data;
    stream->avail_in = (uInt)plain.len;
    stream->next_out = room;
    stream->avail_out = (uInt)(plain.len - 1);
    *ret_len = deflate(stream, Z_FINISH) == Z_STREAM_END ? plain.len - 1 - stream->avail_out : 0;
    return FERRY_OK;
}

int fy_pack(struct fy_compressor *compressor, enum fy_packing wanted, struct ferry_bytes plain, struct fy_text *out,
            enum fy_packing *ret_used)
{
    size_t len = 0;
    uint8_t *room = NULL;
    int err = FERRY_OK;

    if (wanted != FY_PACKING_NONE && plain.len >= FY_PACK_MIN_BYTES && plain.len <= UINT32_MAX) {
        room = malloc(plain.len - 1);
        if (!room)
            return FERRY_ERR_NOMEM;
        err = wanted == FY_PACKING_ZSTD ? pack_zstd(compressor, plain, room, &len)
                                        : pack_gzip(compressor, plain, room, &len);
    }
    if (!err && len > 0)
        fy_text_add(out, (const char *)room, len);
    else if (!err)
        fy_text_add(out, (const char *)plain.data, plain.len);
    free(room);
    if (err || out->err)
        return err ? err : out->err;
    *ret_used = len > 0 ? wanted : FY_PACKING_NONE;
    return FERRY_OK;
}

/* ---- Unpacking: each returns how much it has put into room, *ret_is_full when that was too small ---- */

static int unpack_zstd(struct fy_compressor *compressor, struct ferry_bytes packed, uint8_t *room, size_t size,
                       size_t *ret_len, bool *ret_is_full)
{
    size_t len;

    if (!compressor->zstd_in)
        compressor->zstd_in = ZSTD_createDCtx();
    if (!compressor->zstd_in)
        return FERRY_ERR_NOMEM;
    len = ZSTD_decompressDCtx(compressor->zstd_in, room, size, packed.data, packed.len);
    *ret_is_full = ZSTD_isError(len) && ZSTD_getErrorCode(len) == ZSTD_error_dstSize_tooSmall;
    if (ZSTD_isError(len))
        return *ret_is_full ? FERRY_OK : FERRY_ERR_MALFORMED;
    *ret_len = len;
    return FERRY_OK;
}

/* Go on with the payload that open_gzip_in began.  Members follow each other, as gzip allows. */
static int unpack_gzip(z_stream *stream, uint8_t *room, size_t size, size_t *ret_len, bool *ret_is_full)
{
    int status;

    stream->next_out = room + *ret_len;
    stream->avail_out = (uInt)(size - *ret_len);
    do {
        status = inflate(stream, Z_NO_FLUSH);
    } while (status == Z_STREAM_END && stream->avail_in > 0 && inflateReset(stream) == Z_OK);
    *ret_len = size - stream->avail_out;
    *ret_is_full = (status == Z_OK || status == Z_BUF_ERROR) && stream->avail_out == 0;
    if (status == Z_MEM_ERROR)
        return FERRY_ERR_NOMEM;
    return status == Z_STREAM_END || *ret_is_full ? FERRY_OK : FERRY_ERR_MALFORMED;
}

static int unpack_once(struct fy_compressor *compressor, enum fy_packing packing, struct ferry_bytes packed,
                       uint8_t *room, size_t size, size_t *len, bool *ret_is_full)
{
    if (packing == FY_PACKING_ZSTD)
        return unpack_zstd(compressor, packed, room, size, len, ret_is_full);
    return unpack_gzip(&compressor->gzip_in, room, size, len, ret_is_full);
}

static int unpack_into(struct fy_compressor *compressor, enum fy_packing packing, struct ferry_bytes packed,
                       size_t max_bytes, struct fy_text *out)
{
    size_t size = max_bytes < FIRST_ROOM ? max_bytes : FIRST_ROOM, len = 0;
    uint8_t *room = NULL;
    bool is_full = true;
    int err = FERRY_OK;

    while (!err && is_full) {
        uint8_t *grown = realloc(room, size + 1); /* a byte more than allowed tells what is too long from what fits */

        if (!grown)
            err = FERRY_ERR_NOMEM;
        room = grown ? grown : room;
        if (!err)
            err = unpack_once(compressor, packing, packed, room, size + 1, &len, &is_full);
        if (!err && (len > max_bytes || (is_full && size == max_bytes)))
            err = FERRY_ERR_TOO_LARGE;
        size = size > max_bytes / 2 ? max_bytes : 2 * size;
    }
    if (!err) {
        fy_text_add(out, (const char *)room, len);
        err = out->err;
    }
    free(room);
    return err;
}

int fy_unpack(struct fy_compressor *compressor, enum fy_packing packing, struct ferry_bytes packed, size_t max_bytes,
              struct fy_text *out)
{
    int err;

    assert(max_bytes < UINT32_MAX); /* zlib counts so far */
    if (packing != FY_PACKING_NONE && packed.len == 0)
        return FERRY_ERR_MALFORMED; /* libzstd takes nothing for an empty payload */
    switch (packing) {
    case FY_PACKING_NONE:
        if (packed.len > max_bytes)
            return FERRY_ERR_TOO_LARGE;
        fy_text_add(out, (const char *)packed.data, packed.len);
        return out->err;
    case FY_PACKING_GZIP:
        if (packed.len > UINT32_MAX)
            return FERRY_ERR_TOO_LARGE;
        err = open_gzip_in(compressor);
        if (err)
            return err;
        compressor->gzip_in.next_in = (Bytef *)(uintptr_t)packed.data;
        compressor->gzip_in.avail_in = (uInt)packed.len;
        return unpack_into(compressor, packing, packed, max_bytes, out);
    case FY_PACKING_ZSTD:
        return unpack_into(compressor, packing, packed, max_bytes, out);
    }
    return FERRY_ERR_MALFORMED;
}
