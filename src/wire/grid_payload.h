/*
 * grid_payload.h - the payloads of the grid's own messages: maps whose keys may come in any order.
 *
 * A reader passes over keys that it does not know, takes the last of several, and leaves at zero what is missing.
 * Texts and bytes are lent.  A writer adds to a struct ferry_msgpack_writer, which tells how it went.
 */
#ifndef FY_WIRE_GRID_PAYLOAD_H
#define FY_WIRE_GRID_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/msgpack.h"

#define FY_GRID_ID_SIZE 16

/* A time since 1970. */
struct fy_grid_time {
    int64_t seconds;
    uint32_t ns;
};

/* Go's zero: the beginning of the year 1. */
#define FY_GRID_NO_TIME ((struct fy_grid_time){.seconds = -INT64_C(62135596800)})

/* FY_GRID_CONNECT: who dials. */
struct fy_grid_connect {
    uint8_t id[FY_GRID_ID_SIZE]; /* of this run of its program */
    struct ferry_bytes host;
    struct fy_grid_time time;
    struct ferry_bytes token;
};

/* FY_GRID_CONNECT_RESPONSE. */
struct fy_grid_connect_response {
    uint8_t id[FY_GRID_ID_SIZE];
    bool is_accepted;
    struct ferry_bytes reason; /* "" if it is accepted */
};

/* FY_GRID_PONG. */
struct fy_grid_pong {
    bool is_unknown;          /* no such stream */
    struct ferry_bytes error; /* why the stream is broken; data NULL: it is not */
    struct fy_grid_time time; /* of the ping */
};

/* Pairs that a message has besides its own: n of them, encoded.  NULL: none. */
struct fy_grid_extra {
    uint32_t n;
    struct ferry_bytes pairs;
};

void fy_grid_connect_write(struct ferry_msgpack_writer *writer, const struct fy_grid_connect *connect,
                           const struct fy_grid_extra *extra);
void fy_grid_connect_response_write(struct ferry_msgpack_writer *writer,
                                    const struct fy_grid_connect_response *response, const struct fy_grid_extra *extra);
void fy_grid_ping_write(struct ferry_msgpack_writer *writer, struct fy_grid_time time);
void fy_grid_pong_write(struct ferry_msgpack_writer *writer, const struct fy_grid_pong *pong);
void fy_grid_mux_error_write(struct ferry_msgpack_writer *writer, const char *error, size_t len);

/*
 * FERRY_OK, or FERRY_ERR_MALFORMED or _TRUNCATED.  An id must have FY_GRID_ID_SIZE bytes.  An empty payload is a ping
 * or a pong without a time (FY_GRID_NO_TIME).
 */
int fy_grid_connect_read(struct ferry_bytes payload, struct fy_grid_connect *ret_connect);
int fy_grid_connect_response_read(struct ferry_bytes payload, struct fy_grid_connect_response *ret_response);
int fy_grid_ping_read(struct ferry_bytes payload, struct fy_grid_time *ret_time);
int fy_grid_pong_read(struct ferry_bytes payload, struct fy_grid_pong *ret_pong);
int fy_grid_mux_error_read(struct ferry_bytes payload, struct ferry_bytes *ret_error);

/*
 * Look a key of the map up, for keys that a message has besides its own: *ret_value is then at its value.
 * FERRY_OK; FERRY_ERR_NOT_FOUND; FERRY_ERR_MALFORMED, _TRUNCATED.
 */
int fy_grid_map_find(struct ferry_bytes payload, const char *key, struct ferry_msgpack_reader *ret_value);

#endif
