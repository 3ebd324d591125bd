/*
 * chunks - reads the chunked transfer coding.
 *
 * A chunk is its size in hexadecimal, optional extensions, a line end, the bytes, and a line end.  A chunk of size 0
 * ends the body, followed by optional trailers.  Extensions and trailers are skipped, up to a limit.
 *
 * A line may end without a carriage return, as most readers allow.  A chunk's bytes must be followed directly by a line
 * end: after one wrong size the position in the connection is lost.
 */
#include "wire/chunks.h"

#include <stdbool.h>

#include "ferry/ferry.h"

#define MAX_DIGITS 15                 /* digits of a size; more could overflow */
#define MAX_LINE ((unsigned)16 << 10) /* of a size line with extensions, and of all trailers together */

enum step {
    STEP_SIZE,
    STEP_EXTENSION, /* skip to the line end */
    STEP_BODY,
    STEP_BODY_CR,
    STEP_BODY_LF,
    STEP_TRAILER_BEGIN, /* at the start of a line; an empty line is the end */
    STEP_TRAILER,
    STEP_TRAILER_LF, /* after the carriage return of what may be the empty line */
    STEP_END
};

void fy_chunks_init(struct fy_chunks *chunks)
{
    *chunks = (struct fy_chunks){.step = STEP_SIZE};
}

static int digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

static void begin(struct fy_chunks *chunks, enum step step)
{
    chunks->step = step;
    chunks->n_line = 0;
}

/* The size line is complete. */
static void begin_chunk(struct fy_chunks *chunks)
{
    begin(chunks, chunks->left > 0 ? STEP_BODY : STEP_TRAILER_BEGIN);
}

static bool take_size(struct fy_chunks *chunks, uint8_t byte)
{
    int digit = digit_of(byte);

    if (digit >= 0) {
        chunks->left = chunks->left << 4 | (unsigned)digit;
        return chunks->n_line <= MAX_DIGITS;
    }
    if (chunks->n_line == 1)
        return false; /* no digit at all */
    if (byte == '\n')
        begin_chunk(chunks);
    else
        chunks->step = STEP_EXTENSION;
    return byte == '\n' || byte == '\r' || byte == ';' || byte == ' ' || byte == '\t';
}

/* Handle one framing byte. false: it is not allowed here. */
static bool take(struct fy_chunks *chunks, uint8_t byte)
{
    if (++chunks->n_line > MAX_LINE)
        return false;
    switch ((enum step)chunks->step) {
    case STEP_SIZE:
        return take_size(chunks, byte);
    case STEP_EXTENSION:
        if (byte == '\n')
            begin_chunk(chunks);
        return true;
    case STEP_BODY_CR:
        if (byte == '\r') {
            chunks->step = STEP_BODY_LF;
            return true;
        }
        /* fall through */
    case STEP_BODY_LF:
        begin(chunks, STEP_SIZE);
        return byte == '\n';
    case STEP_TRAILER_BEGIN:
        if (byte == '\n')
            chunks->step = STEP_END;
        else
            chunks->step = byte == '\r' ? STEP_TRAILER_LF : STEP_TRAILER;
        return true;
    case STEP_TRAILER:
        if (byte == '\n')
            chunks->step = STEP_TRAILER_BEGIN;
        return true;
    case STEP_TRAILER_LF:
        chunks->step = byte == '\n' ? STEP_END : STEP_TRAILER;
        return true;
    case STEP_BODY:
    case STEP_END:
        break;
    }
    return false; /* not reached: these steps do not take single bytes */
}

int fy_chunks_feed(struct fy_chunks *chunks, const uint8_t *data, size_t len, size_t *ret_used, size_t *ret_len)
{
    size_t used = 0;

    while (used < len && chunks->step != STEP_BODY && chunks->step != STEP_END)
        if (!take(chunks, data[used++]))
            return FERRY_ERR_PROTOCOL;
    *ret_used = used;
    if (chunks->step == STEP_END)
        return FY_CHUNKS_END;
    if (used == len)
        return FY_CHUNKS_NOTHING;
    *ret_len = len - used < chunks->left ? len - used : (size_t)chunks->left;
    *ret_used += *ret_len;
    chunks->left -= *ret_len;
    if (chunks->left == 0)
        begin(chunks, STEP_BODY_CR);
    return FY_CHUNKS_BODY;
}

uint64_t fy_chunks_left(const struct fy_chunks *chunks)
{
    return chunks->step == STEP_BODY ? chunks->left : 0;
}
