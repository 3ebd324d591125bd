/*
 * lock_args - requests and answers of locks, made to be fast: a lock is little else than these few bytes.
 *
 * The encoder adds up the length first, and then writes without looking at the room again.
 */
#include "ferry/lock.h"
#include "wire/msgpack.h"

/* ---- Encoding ---- */

/*
 * memcpy for what is nearly always short: the two copies of a step overlap, so none of them has a loop.  Both ends are
 * read before anything is written.
 */
static uint8_t *put_short(uint8_t *at, const uint8_t *data, size_t len)
{
    uint64_t low, high;
    uint32_t low_half, high_half;

    if (len > 16) {
        memcpy(at, data, len);
    } else if (len >= 8) {
        memcpy(&low, data, 8);
        memcpy(&high, data + len - 8, 8);
        memcpy(at, &low, 8);
        memcpy(at + len - 8, &high, 8);
    } else if (len >= 4) {
        memcpy(&low_half, data, 4);
        memcpy(&high_half, data + len - 4, 4);
        memcpy(at, &low_half, 4);
        memcpy(at + len - 4, &high_half, 4);
    } else {
        for (size_t i = 0; i < len; i++)
            at[i] = data[i];
    }
    return at + len;
}

static uint8_t *put_text(uint8_t *at, struct ferry_bytes text)
{
    return put_short(fy_msgpack_put_str_head(at, (uint32_t)text.len), text.data, text.len);
}

/* A key, written with what surrounds it: a string constant. */
#define PUT(at, constant) ((uint8_t *)memcpy((at), (constant), sizeof(constant) - 1) + sizeof(constant) - 1)

static uint8_t *put_args(uint8_t *at, const struct ferry_lock_args *args)
{
    at = PUT(at, "\x85\xa3UID");
    at = put_text(at, args->uid);
    at = PUT(at, "\xa9Resources");
    at = fy_msgpack_put_array_head(at, (uint32_t)args->n_resources);
    for (size_t i = 0; i < args->n_resources; i++)
        at = put_text(at, args->resources[i]);
    at = PUT(at, "\xa5Owner");
    at = put_text(at, args->owner);
    at = PUT(at, "\xa6Source");
    at = put_text(at, args->source);
    at = PUT(at, "\xa6Quorum");
    if (args->has_quorum)
        return fy_msgpack_put_int(at, args->quorum);
    *at = FY_MSGPACK_NIL;
    return at + 1;
}

static size_t str_head_len(size_t len)
{
    return len < 32 ? 1 : len <= UINT8_MAX ? 2 : len <= UINT16_MAX ? 3 : 5;
}

/* Can a text of len more bytes be added to *sum without a wrap, and has it a form? */
static bool add_text(size_t *sum, size_t len)
{
    if (len > UINT32_MAX || SIZE_MAX - *sum < len + FY_MSGPACK_MAX_HEAD)
        return false;
    *sum += str_head_len(len) + len;
    return true;
}

/* The exact length; false: it has none. */
static bool args_len(const struct ferry_lock_args *args, size_t *ret_len)
{
    uint8_t number[FY_MSGPACK_MAX_INT];
    const size_t n = args->n_resources;
    size_t len = sizeof("\x85\xa3UID\xa9Resources\xa5Owner\xa6Source\xa6Quorum") - 1;

    if (n > UINT32_MAX || !add_text(&len, args->uid.len) || !add_text(&len, args->owner.len) ||
        !add_text(&len, args->source.len))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!add_text(&len, args->resources[i].len))
            return false;
    len += (size_t)(fy_msgpack_put_array_head(number, (uint32_t)n) - number);
    *ret_len = len + (args->has_quorum ? (size_t)(fy_msgpack_put_int(number, args->quorum) - number) : 1);
    return true;
}

int ferry_lock_args_encode(const struct ferry_lock_args *args, uint8_t *buf, size_t cap, size_t *ret_len)
{
    if (!args_len(args, ret_len))
        return FERRY_ERR_INVALID;
    if (*ret_len > cap)
        return FERRY_ERR_TOO_LARGE;
    put_args(buf, args);
    return FERRY_OK;
}

int ferry_lock_response_encode(const struct ferry_lock_response *response, uint8_t *buf, size_t cap, size_t *ret_len)
{
    uint8_t *at;

    if (response->error.len > UINT32_MAX)
        return FERRY_ERR_INVALID;
    *ret_len = sizeof("\x82\xa4"
                      "Code\xa3"
                      "Err") -
               1 + (response->code < 0x80 ? 1 : 2) + str_head_len(response->error.len) + response->error.len;
    if (*ret_len > cap)
        return FERRY_ERR_TOO_LARGE;
    at = PUT(buf, "\x82\xa4"
                  "Code");
    at = fy_msgpack_put_uint(at, response->code);
    at = PUT(at, "\xa3"
                 "Err");
    put_text(at, response->error);
    return FERRY_OK;
}

/* ---- Decoding ---- */

#define IS_KEY(key, constant) fy_msgpack_is_text((key), (constant), sizeof(constant) - 1)

static int read_resources(struct ferry_msgpack_reader *reader, struct ferry_bytes *resources, size_t max, size_t *ret_n)
{
    uint32_t n;
    int err = fy_msgpack_read_array(reader, &n);

    if (err != FERRY_OK)
        return err;
    if (n > max)
        return FERRY_ERR_TOO_LARGE;
    for (uint32_t i = 0; i < n; i++) {
        err = fy_msgpack_read_str(reader, &resources[i]);
        if (err != FERRY_OK)
            return err;
    }
    *ret_n = n;
    return FERRY_OK;
}

static int read_quorum(struct ferry_msgpack_reader *reader, struct ferry_lock_args *args)
{
    args->has_quorum = ferry_msgpack_read_nil(reader) != FERRY_OK;
    args->quorum = 0;
    return args->has_quorum ? ferry_msgpack_read_int(reader, &args->quorum) : FERRY_OK;
}

int ferry_lock_args_decode(const uint8_t *data, size_t len, struct ferry_bytes *resources, size_t max_resources,
                           struct ferry_lock_args *ret_args)
{
    struct ferry_msgpack_reader reader = {.data = data, .len = len};
    struct ferry_lock_args args = {.resources = resources};
    uint32_t n = 0;
    int err = fy_msgpack_read_map(&reader, &n);

    for (; err == FERRY_OK && n > 0; n--) {
        struct ferry_bytes key;

        err = fy_msgpack_read_key(&reader, &key);
        if (err != FERRY_OK)
            return err;
        if (IS_KEY(key, "UID"))
            err = fy_msgpack_read_str(&reader, &args.uid);
        else if (IS_KEY(key, "Resources"))
            err = read_resources(&reader, resources, max_resources, &args.n_resources);
        else if (IS_KEY(key, "Owner"))
            err = fy_msgpack_read_str(&reader, &args.owner);
        else if (IS_KEY(key, "Source"))
            err = fy_msgpack_read_str(&reader, &args.source);
        else if (IS_KEY(key, "Quorum"))
            err = read_quorum(&reader, &args);
        else
            err = ferry_msgpack_skip(&reader);
    }
    if (err == FERRY_OK)
        *ret_args = args;
    return err;
}

int ferry_lock_response_decode(const uint8_t *data, size_t len, struct ferry_lock_response *ret_response)
{
    struct ferry_msgpack_reader reader = {.data = data, .len = len};
    struct ferry_lock_response response = {.code = FERRY_LOCK_OK};
    uint32_t n = 0;
    int err = fy_msgpack_read_map(&reader, &n);

    for (; err == FERRY_OK && n > 0; n--) {
        struct ferry_bytes key;
        uint64_t code = response.code;

        err = fy_msgpack_read_key(&reader, &key);
        if (err != FERRY_OK)
            return err;
        if (IS_KEY(key, "Code"))
            err = fy_msgpack_read_uint(&reader, UINT8_MAX, &code);
        else if (IS_KEY(key, "Err"))
            err = fy_msgpack_read_str(&reader, &response.error);
        else
            err = ferry_msgpack_skip(&reader);
        response.code = (uint8_t)code;
    }
    if (err == FERRY_OK)
        *ret_response = response;
    return err;
}
