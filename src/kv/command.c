/*
 * command - a fixed head, then key and value.
 */
#include "kv/command.h"

#include <string.h>

#define HEAD_LEN ((size_t)24)

static void put_be(uint8_t *p, uint64_t value, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(value >> (8 * (n - 1 - i)));
}

static uint64_t get_be(const uint8_t *p, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

static size_t padded(size_t len)
{
    return (len + 7) / 8 * 8;
}

int kv_command_encode(const struct kv_command *command, struct raft_buffer *ret_buf)
{
    size_t len = padded(HEAD_LEN + command->key_len + command->value_len);
    uint8_t *p = raft_calloc(1, len);

    if (!p)
        return RAFT_NOMEM;
    p[0] = (uint8_t)command->kind;
    put_be(p + 4, command->value_len, 4);
    put_be(p + 8, command->id, 8);
    put_be(p + 16, command->key_len, 4);
    if (command->key_len > 0)
        memcpy(p + HEAD_LEN, command->key, command->key_len);
    if (command->value_len > 0)
        memcpy(p + HEAD_LEN + command->key_len, command->value, command->value_len);
    *ret_buf = (struct raft_buffer){.base = p, .len = len};
    return 0;
}

int kv_command_decode(const struct raft_buffer *buf, struct kv_command *ret_command)
{
    const uint8_t *p = buf->base;

    if (buf->len < HEAD_LEN || p[0] < KV_PUT || p[0] > KV_REMOVED)
        return RAFT_MALFORMED;
    *ret_command = (struct kv_command){.kind = (enum kv_command_kind)p[0],
                                       .id = get_be(p + 8, 8),
                                       .key_len = (size_t)get_be(p + 16, 4),
                                       .value_len = (size_t)get_be(p + 4, 4)};
    if (ret_command->key_len > KV_MAX_KEY || ret_command->value_len > KV_MAX_VALUE ||
        buf->len != padded(HEAD_LEN + ret_command->key_len + ret_command->value_len))
        return RAFT_MALFORMED;
    ret_command->key = p + HEAD_LEN;
    ret_command->value = p + HEAD_LEN + ret_command->key_len;
    return 0;
}
