/*
 * database - the keys and leases in etcd's database.
 *
 * Bucket "key" holds each change under its revision (8 bytes, '_', 8 bytes), in their order: a pair, or, when a 't'
 * follows, the deletion of a key.  What is left at the end is what there is.
 */
#include "etcd-member/database.h"

#include <stdlib.h>

#include "etcd-member/bolt.h"
#include "etcd-member/etcdserver.pb-c.h"

#define REVISION_LEN 17

static uint64_t big_endian(const uint8_t *at)
{
    uint64_t value = 0;

    for (size_t i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return value;
}

static void reach_revision(struct keyspace *keys, struct ferry_bytes revision)
{
    int64_t main_part = (int64_t)big_endian(revision.data);

    if (main_part > keyspace_revision(keys))
        keyspace_set_revision(keys, main_part);
}

static bool on_change(void *ctx, struct ferry_bytes revision, struct ferry_bytes value)
{
    struct keyspace *keys = ctx;
    Etcdserver__KeyValue *pair = etcdserver__key_value__unpack(NULL, value.len, value.data);
    struct key key;

    if (!pair || revision.len < REVISION_LEN) {
        etcdserver__key_value__free_unpacked(pair, NULL);
        return false;
    }
    key = (struct key){.key = {pair->key.data, pair->key.len},
                       .value = {pair->value.data, pair->value.len},
                       .create_revision = pair->create_revision,
                       .mod_revision = pair->mod_revision,
                       .version = pair->version,
                       .lease = pair->lease};
    if (revision.len == REVISION_LEN)
        keyspace_set(keys, &key);
    else
        (void)keyspace_delete(keys, key.key); /* what it deletes may have been compacted away */
    reach_revision(keys, revision);
    etcdserver__key_value__free_unpacked(pair, NULL);
    return true;
}

static bool on_lease(void *ctx, struct ferry_bytes id, struct ferry_bytes value)
{
    (void)value;
    if (id.len != 8)
        return false;
    keyspace_add_lease(ctx, (int64_t)big_endian(id.data));
    return true;
}

/* After a compaction the last change may be gone: the revision is at least that of the compaction. */
static bool on_meta(void *ctx, struct ferry_bytes name, struct ferry_bytes value)
{
    if (name.len > 10 && value.len == REVISION_LEN)
        reach_revision(ctx, value); /* finishedCompactRev and scheduledCompactRev alone have that form */
    return true;
}

struct keyspace *database_read(const char *path)
{
    struct bolt *bolt = bolt_open(path);
    struct keyspace *keys;

    if (!bolt)
        return NULL;
    keys = keyspace_new();
    if (!bolt_each(bolt, "key", on_change, keys) || !bolt_each(bolt, "lease", on_lease, keys) ||
        !bolt_each(bolt, "meta", on_meta, keys)) {
        keyspace_free(keys);
        keys = NULL;
    }
    bolt_close(bolt);
    return keys;
}
