/*
 * lock.h - the messages of locks: what a client asks of a lock server, and what it answers.
 *
 * They are those of MinIO's lock grid: MessagePack maps, the same for all six handlers.  Encoding and decoding allocate
 * nothing; what is decoded is lent out of the bytes that were given.
 *
 * A refused lock is an ordinary answer, with the code FERRY_LOCK_CONFLICT.
 */
#ifndef FERRY_LOCK_H
#define FERRY_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The handlers of a lock server. */
enum ferry_lock_handler {
    FERRY_LOCK_LOCK = 1,   /* a write lock on all resources, or none of them */
    FERRY_LOCK_RLOCK = 2,  /* a read lock on one resource */
    FERRY_LOCK_UNLOCK = 3, /* also for one that is not held: both answer FERRY_LOCK_OK */
    FERRY_LOCK_RUNLOCK = 4,
    FERRY_LOCK_REFRESH = 5,      /* by uid alone */
    FERRY_LOCK_FORCE_UNLOCK = 6, /* by resource, or by uid */
};

/* What a server answers. */
enum ferry_lock_code {
    FERRY_LOCK_OK = 0,
    FERRY_LOCK_CONFLICT = 1,        /* held by another */
    FERRY_LOCK_NOT_INITIALIZED = 2, /* the server is not ready */
    FERRY_LOCK_NOT_FOUND = 3,       /* nothing to refresh */
    FERRY_LOCK_ERROR = 4,           /* the answer says why */
};

#define FERRY_LOCK_MAX_RESOURCES 1000 /* of one lock, as MinIO has it */

/* A request.  Texts need no NUL.  A text whose data is NULL is written as an empty one. */
struct ferry_lock_args {
    struct ferry_bytes uid;              /* of the lock */
    const struct ferry_bytes *resources; /* their names: n_resources of them */
    size_t n_resources;
    struct ferry_bytes owner;  /* host and port of the caller */
    struct ferry_bytes source; /* the place in the caller's program, for people */
    bool has_quorum;           /* a lock has one, unlocking and refreshing have none */
    int64_t quorum;            /* grants that the caller needs */
};

/* An answer. */
struct ferry_lock_response {
    uint8_t code;             /* enum ferry_lock_code, or a number that is not in it */
    struct ferry_bytes error; /* the text of FERRY_LOCK_ERROR */
};

/*
 * Write args into buf, of cap bytes.  *ret_len is their length, also when it is more than cap.
 * FERRY_OK; FERRY_ERR_TOO_LARGE: cap is too small, and nothing was written; FERRY_ERR_INVALID: a text of 4 GiB or more,
 * or as many resources.
 */
FERRY_API int ferry_lock_args_encode(const struct ferry_lock_args *args, uint8_t *buf, size_t cap, size_t *ret_len);

/*
 * Read a request from len bytes at data.  Its resources go to the array resources, which has room for max_resources.
 * Keys may come in any order, unknown ones are passed over, and what is missing is empty (data NULL).
 * FERRY_OK with *ret_args set; FERRY_ERR_TOO_LARGE for more resources than there is room for; FERRY_ERR_MALFORMED,
 * FERRY_ERR_TRUNCATED.
 */
FERRY_API int ferry_lock_args_decode(const uint8_t *data, size_t len, struct ferry_bytes *resources,
                                     size_t max_resources, struct ferry_lock_args *ret_args);

/* The same for an answer. */
FERRY_API int ferry_lock_response_encode(const struct ferry_lock_response *response, uint8_t *buf, size_t cap,
                                         size_t *ret_len);
FERRY_API int ferry_lock_response_decode(const uint8_t *data, size_t len, struct ferry_lock_response *ret_response);

#ifdef __cplusplus
}
#endif

#endif
