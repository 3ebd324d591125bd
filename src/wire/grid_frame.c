/*
 * grid_frame - array, key, checksum: from the front and from the back.
 *
 * The array is read from the front.  Then the trailers are taken from the end, the checksum first; what is between the
 * two are the parts of a merged message.  A checksum covers all that lies before it.
 */
#include "wire/grid_frame.h"

#include "wire/msgpack.h"
#include "wire/xxh3.h"

#define N_FIELDS 7

const char *fy_grid_op_name(unsigned op)
{
    switch (op) {
#define NAME(name, value, text)                                                                                        \
    case value:                                                                                                        \
        return text;
        FY_GRID_OP_MAP(NAME)
#undef NAME
    default:
        return "unknown";
    }
}

/* ---- Decoding ---- */

static int read_small(struct ferry_msgpack_reader *reader, uint8_t *ret_value)
{
    uint64_t value = 0;
    int err = fy_msgpack_read_uint(reader, UINT8_MAX, &value);

    *ret_value = (uint8_t)value;
    return err;
}

static int read_medium(struct ferry_msgpack_reader *reader, uint32_t *ret_value)
{
    uint64_t value = 0;
    int err = fy_msgpack_read_uint(reader, UINT32_MAX, &value);

    *ret_value = (uint32_t)value;
    return err;
}

static int read_array(struct ferry_msgpack_reader *reader, struct fy_grid_message *msg)
{
    int err;

    if (reader->len == 0)
        return FERRY_ERR_TRUNCATED;
    if (reader->data[0] != (FY_MSGPACK_FIXARRAY | N_FIELDS))
        return FERRY_ERR_MALFORMED;
    reader->data++;
    reader->len--;
    if ((err = fy_msgpack_read_uint(reader, UINT64_MAX, &msg->mux)) != FERRY_OK ||
        (err = read_medium(reader, &msg->seq)) != FERRY_OK ||
        (err = read_medium(reader, &msg->deadline_ms)) != FERRY_OK ||
        (err = read_small(reader, &msg->handler)) != FERRY_OK || (err = read_small(reader, &msg->op)) != FERRY_OK ||
        (err = read_small(reader, &msg->flags)) != FERRY_OK)
        return err;
    return fy_msgpack_read_bin(reader, &msg->payload);
}

static uint32_t checksum(const uint8_t *data, size_t len)
{
    return (uint32_t)fy_xxh3(data, len);
}

static uint32_t read_le32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint8_t *put_le32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

int fy_grid_decode(const uint8_t *data, size_t len, struct fy_grid_message *ret_msg)
{
    struct ferry_msgpack_reader reader = {.data = data, .len = len};
    struct fy_grid_message msg;
    int err = read_array(&reader, &msg);

    if (err != FERRY_OK)
        return err;
    if (msg.flags & FY_GRID_CRC) {
        if (reader.len < FY_GRID_CRC_SIZE)
            return FERRY_ERR_TRUNCATED;
        reader.len -= FY_GRID_CRC_SIZE;
        if (checksum(data, len - FY_GRID_CRC_SIZE) != read_le32(reader.data + reader.len))
            return FERRY_ERR_CHECKSUM;
    }
    msg.subroute = NULL;
    if (msg.flags & FY_GRID_SUBROUTE) {
        if (reader.len < FY_GRID_SUBROUTE_SIZE)
            return FERRY_ERR_TRUNCATED;
        reader.len -= FY_GRID_SUBROUTE_SIZE;
        msg.subroute = reader.data + reader.len;
    }
    msg.rest = (struct ferry_bytes){.data = reader.data, .len = reader.len};
    if (msg.payload.len == 0 && !(msg.flags & FY_GRID_PAYLOAD_IS_ZERO))
        msg.payload.data = NULL;
    *ret_msg = msg;
    return FERRY_OK;
}

int fy_grid_parts_init(struct fy_grid_parts *parts, const struct fy_grid_message *merged)
{
    struct ferry_msgpack_reader reader = {.data = merged->rest.data, .len = merged->rest.len};
    struct ferry_bytes part;

    *parts = (struct fy_grid_parts){.reader = reader, .left = merged->seq};
    for (uint32_t i = 0; i < merged->seq; i++) {
        int err = fy_msgpack_read_bin(&reader, &part);

        if (err != FERRY_OK)
            return err;
    }
    return reader.len == 0 ? FERRY_OK : FERRY_ERR_MALFORMED;
}

bool fy_grid_parts_next(struct fy_grid_parts *parts, struct ferry_bytes *ret_part)
{
    if (parts->left == 0)
        return false;
    parts->left--;
    return fy_msgpack_read_bin(&parts->reader, ret_part) == FERRY_OK;
}

/* ---- Encoding ---- */

static uint8_t *put_head(uint8_t *at, const struct fy_grid_message *msg)
{
    *at++ = FY_MSGPACK_FIXARRAY | N_FIELDS;
    at = fy_msgpack_put_uint(at, msg->mux);
    at = fy_msgpack_put_uint(at, msg->seq);
    at = fy_msgpack_put_uint(at, msg->deadline_ms);
    at = fy_msgpack_put_uint(at, msg->handler);
    at = fy_msgpack_put_uint(at, msg->op);
    at = fy_msgpack_put_uint(at, msg->flags);
    return fy_msgpack_put_bin_head(at, (uint32_t)msg->payload.len);
}

static size_t tail_len(const struct fy_grid_message *msg)
{
    return (msg->flags & FY_GRID_SUBROUTE ? FY_GRID_SUBROUTE_SIZE : 0) +
           (msg->flags & FY_GRID_CRC ? FY_GRID_CRC_SIZE : 0);
}

static uint8_t *put_subroute(uint8_t *at, const struct fy_grid_message *msg)
{
    if (!(msg->flags & FY_GRID_SUBROUTE))
        return at;
    memcpy(at, msg->subroute, FY_GRID_SUBROUTE_SIZE);
    return at + FY_GRID_SUBROUTE_SIZE;
}

size_t fy_grid_encoded_len(const struct fy_grid_message *msg)
{
    uint8_t head[FY_GRID_MAX_HEAD];

    return (size_t)(put_head(head, msg) - head) + msg->payload.len + tail_len(msg);
}

int fy_grid_encode(const struct fy_grid_message *msg, uint8_t *buf, size_t cap, size_t *ret_len)
{
    uint8_t head[FY_GRID_MAX_HEAD];
    const size_t head_len = (size_t)(put_head(head, msg) - head);
    uint8_t *at = buf;

    if (msg->payload.len > UINT32_MAX)
        return FERRY_ERR_TOO_LARGE;
    *ret_len = head_len + msg->payload.len + tail_len(msg);
    if (*ret_len > cap)
        return FERRY_ERR_TOO_LARGE;
    memcpy(at, head, head_len);
    at += head_len;
    if (msg->payload.len > 0)
        memcpy(at, msg->payload.data, msg->payload.len);
    at = put_subroute(at + msg->payload.len, msg);
    if (msg->flags & FY_GRID_CRC)
        put_le32(at, checksum(buf, (size_t)(at - buf)));
    return FERRY_OK;
}

/* The checksum of bytes that do not lie in one row. */
static uint32_t runs_checksum(const struct fy_grid_runs *runs)
{
    const struct ferry_bytes rows[] = {{runs->head, runs->head_len}, runs->payload, {runs->tail, runs->tail_len}};

    return (uint32_t)fy_xxh3_runs(rows, sizeof(rows) / sizeof(rows[0]));
}

size_t fy_grid_runs_init(struct fy_grid_runs *runs, const struct fy_grid_message *msg)
{
    runs->payload = msg->payload;
    runs->head_len = (size_t)(put_head(runs->head, msg) - runs->head);
    runs->tail_len = (size_t)(put_subroute(runs->tail, msg) - runs->tail);
    if (msg->flags & FY_GRID_CRC) {
        put_le32(runs->tail + runs->tail_len, runs_checksum(runs));
        runs->tail_len += FY_GRID_CRC_SIZE;
    }
    return runs->head_len + runs->payload.len + runs->tail_len;
}

size_t fy_grid_runs_gather(const struct fy_grid_runs *runs, size_t at, struct fy_gather *g)
{
    const struct ferry_bytes rows[] = {{runs->head, runs->head_len}, runs->payload, {runs->tail, runs->tail_len}};
    size_t begin = 0; /* of the row, in the message */

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t end = begin + rows[i].len;

        if (at < end) {
            at += fy_gather_add(g, rows[i].data + (at - begin), end - at);
            if (at < end)
                return at;
        }
        begin = end;
    }
    return at;
}

size_t fy_grid_merged_head(uint8_t head[FY_GRID_MAX_HEAD], uint32_t n_parts)
{
    const struct fy_grid_message msg = {.op = FY_GRID_MERGED, .seq = n_parts};

    return (size_t)(put_head(head, &msg) - head);
}

size_t fy_grid_part_head(uint8_t head[FY_GRID_MAX_PART_HEAD], uint32_t len)
{
    return (size_t)(fy_msgpack_put_bin_head(head, len) - head);
}
