/*
 * grid_payload - maps to structs and back.
 *
 * All maps are read by one loop, which hands each pair to the function of its message; that one takes the value or says
 * that it does not know the key.
 */
#include "wire/grid_payload.h"

#include <string.h>

#include "wire/msgpack.h"

/* ---- Writing ---- */

static void write_bytes_text(struct ferry_msgpack_writer *writer, const char *key, struct ferry_bytes text)
{
    ferry_msgpack_write_text(writer, key);
    ferry_msgpack_write_str(writer, (const char *)text.data, text.len);
}

static void write_id(struct ferry_msgpack_writer *writer, const uint8_t *id)
{
    ferry_msgpack_write_text(writer, "ID");
    ferry_msgpack_write_bin(writer, id, FY_GRID_ID_SIZE);
}

static void write_time(struct ferry_msgpack_writer *writer, const char *key, struct fy_grid_time time)
{
    ferry_msgpack_write_text(writer, key);
    ferry_msgpack_write_time(writer, time.seconds, time.ns);
}

static void write_extra(struct ferry_msgpack_writer *writer, const struct fy_grid_extra *extra)
{
    if (extra)
        ferry_msgpack_write_raw(writer, extra->pairs.data, extra->pairs.len);
}

void fy_grid_connect_write(struct ferry_msgpack_writer *writer, const struct fy_grid_connect *connect,
                           const struct fy_grid_extra *extra)
{
    ferry_msgpack_write_map(writer, 4 + (extra ? extra->n : 0));
    write_id(writer, connect->id);
    write_bytes_text(writer, "Host", connect->host);
    write_time(writer, "Time", connect->time);
    write_bytes_text(writer, "Token", connect->token);
    write_extra(writer, extra);
}

void fy_grid_connect_response_write(struct ferry_msgpack_writer *writer,
                                    const struct fy_grid_connect_response *response, const struct fy_grid_extra *extra)
{
    ferry_msgpack_write_map(writer, 3 + (extra ? extra->n : 0));
    write_id(writer, response->id);
    ferry_msgpack_write_text(writer, "Accepted");
    ferry_msgpack_write_bool(writer, response->is_accepted);
    write_bytes_text(writer, "RejectedReason", response->reason);
    write_extra(writer, extra);
}

void fy_grid_ping_write(struct ferry_msgpack_writer *writer, struct fy_grid_time time)
{
    ferry_msgpack_write_map(writer, 1);
    write_time(writer, "t", time);
}

void fy_grid_pong_write(struct ferry_msgpack_writer *writer, const struct fy_grid_pong *pong)
{
    ferry_msgpack_write_map(writer, 3);
    ferry_msgpack_write_text(writer, "nf");
    ferry_msgpack_write_bool(writer, pong->is_unknown);
    if (pong->error.data) {
        write_bytes_text(writer, "e", pong->error);
    } else {
        ferry_msgpack_write_text(writer, "e");
        ferry_msgpack_write_nil(writer);
    }
    write_time(writer, "t", pong->time);
}

void fy_grid_mux_error_write(struct ferry_msgpack_writer *writer, const char *error, size_t len)
{
    ferry_msgpack_write_map(writer, 1);
    ferry_msgpack_write_text(writer, "Error");
    ferry_msgpack_write_str(writer, error, len);
}

/* ---- Reading ---- */

/* Take the value of a key into *ret; FERRY_ERR_NOT_FOUND: the key is not known, and nothing was taken. */
typedef int field_fn(void *ret, struct ferry_bytes key, struct ferry_msgpack_reader *value);

static int read_pairs(struct ferry_bytes payload, field_fn *field, void *ret)
{
    struct ferry_msgpack_reader reader = {.data = payload.data, .len = payload.len};
    uint32_t n = 0;
    int err = fy_msgpack_read_map(&reader, &n);

    for (; err == FERRY_OK && n > 0; n--) {
        struct ferry_bytes key;

        err = fy_msgpack_read_key(&reader, &key);
        if (err == FERRY_OK)
            err = field(ret, key, &reader);
        if (err == FERRY_ERR_NOT_FOUND)
            err = ferry_msgpack_skip(&reader);
    }
    return err;
}

static int read_id(struct ferry_msgpack_reader *value, uint8_t *ret_id)
{
    struct ferry_bytes id;
    int err = fy_msgpack_read_bin(value, &id);

    if (err != FERRY_OK)
        return err;
    if (id.len != FY_GRID_ID_SIZE)
        return FERRY_ERR_MALFORMED;
    memcpy(ret_id, id.data, id.len);
    return FERRY_OK;
}

static int read_time(struct ferry_msgpack_reader *value, struct fy_grid_time *ret_time)
{
    return ferry_msgpack_read_time(value, &ret_time->seconds, &ret_time->ns);
}

static int connect_field(void *ret, struct ferry_bytes key, struct ferry_msgpack_reader *value)
{
    struct fy_grid_connect *connect = ret;

    if (ferry_msgpack_is_text(key, "ID"))
        return read_id(value, connect->id);
    if (ferry_msgpack_is_text(key, "Host"))
        return fy_msgpack_read_str(value, &connect->host);
    if (ferry_msgpack_is_text(key, "Time"))
        return read_time(value, &connect->time);
    if (ferry_msgpack_is_text(key, "Token"))
        return fy_msgpack_read_str(value, &connect->token);
    return FERRY_ERR_NOT_FOUND;
}

int fy_grid_connect_read(struct ferry_bytes payload, struct fy_grid_connect *ret_connect)
{
    *ret_connect = (struct fy_grid_connect){.time = FY_GRID_NO_TIME};
    return read_pairs(payload, connect_field, ret_connect);
}

static int response_field(void *ret, struct ferry_bytes key, struct ferry_msgpack_reader *value)
{
    struct fy_grid_connect_response *response = ret;

    if (ferry_msgpack_is_text(key, "ID"))
        return read_id(value, response->id);
    if (ferry_msgpack_is_text(key, "Accepted"))
        return ferry_msgpack_read_bool(value, &response->is_accepted);
    if (ferry_msgpack_is_text(key, "RejectedReason"))
        return fy_msgpack_read_str(value, &response->reason);
    return FERRY_ERR_NOT_FOUND;
}

int fy_grid_connect_response_read(struct ferry_bytes payload, struct fy_grid_connect_response *ret_response)
{
    *ret_response = (struct fy_grid_connect_response){.is_accepted = false};
    return read_pairs(payload, response_field, ret_response);
}

static int ping_field(void *ret, struct ferry_bytes key, struct ferry_msgpack_reader *value)
{
    return ferry_msgpack_is_text(key, "t") ? read_time(value, ret) : FERRY_ERR_NOT_FOUND;
}

int fy_grid_ping_read(struct ferry_bytes payload, struct fy_grid_time *ret_time)
{
    *ret_time = FY_GRID_NO_TIME;
    return payload.len == 0 ? FERRY_OK : read_pairs(payload, ping_field, ret_time);
}

static int pong_field(void *ret, struct ferry_bytes key, struct ferry_msgpack_reader *value)
{
    struct fy_grid_pong *pong = ret;

    if (ferry_msgpack_is_text(key, "nf"))
        return ferry_msgpack_read_bool(value, &pong->is_unknown);
    if (ferry_msgpack_is_text(key, "t"))
        return read_time(value, &pong->time);
    if (!ferry_msgpack_is_text(key, "e"))
        return FERRY_ERR_NOT_FOUND;
    pong->error = (struct ferry_bytes){NULL, 0};
    return ferry_msgpack_read_nil(value) == FERRY_OK ? FERRY_OK : fy_msgpack_read_str(value, &pong->error);
}

int fy_grid_pong_read(struct ferry_bytes payload, struct fy_grid_pong *ret_pong)
{
    *ret_pong = (struct fy_grid_pong){.time = FY_GRID_NO_TIME};
    return payload.len == 0 ? FERRY_OK : read_pairs(payload, pong_field, ret_pong);
}

static int mux_error_field(void *ret, struct ferry_bytes key, struct ferry_msgpack_reader *value)
{
    return ferry_msgpack_is_text(key, "Error") ? fy_msgpack_read_str(value, ret) : FERRY_ERR_NOT_FOUND;
}

int fy_grid_mux_error_read(struct ferry_bytes payload, struct ferry_bytes *ret_error)
{
    *ret_error = (struct ferry_bytes){NULL, 0};
    return read_pairs(payload, mux_error_field, ret_error);
}

int fy_grid_map_find(struct ferry_bytes payload, const char *key, struct ferry_msgpack_reader *ret_value)
{
    struct ferry_msgpack_reader reader = {.data = payload.data, .len = payload.len};
    uint32_t n = 0;
    int err = fy_msgpack_read_map(&reader, &n);

    for (; err == FERRY_OK && n > 0; n--) {
        struct ferry_bytes got;

        err = fy_msgpack_read_key(&reader, &got);
        if (err == FERRY_OK && ferry_msgpack_is_text(got, key)) {
            *ret_value = reader;
            return FERRY_OK;
        }
        if (err == FERRY_OK)
            err = ferry_msgpack_skip(&reader);
    }
    return err == FERRY_OK ? FERRY_ERR_NOT_FOUND : err;
}
