/*
 * database - the keys, leases and alarms in etcd's database.
 *
 * Bucket "key" holds each change under its revision (8 bytes, '_', 8 bytes), in their order: a pair, or, when a 't'
 * follows, the deletion of a key.  What is left at the end is what there is.
 */
#include "etcd-member/database.h"

#include <stdlib.h>
#include <string.h>

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
    Etcdserver__Lease *granted = etcdserver__lease__unpack(NULL, value.len, value.data);

    if (!granted || id.len != 8) {
        etcdserver__lease__free_unpacked(granted, NULL);
        return false;
    }
    keyspace_add_lease(ctx, &(struct lease){(int64_t)big_endian(id.data), granted->ttl});
    etcdserver__lease__free_unpacked(granted, NULL);
    return true;
}

/* After a compaction the last change may be gone: the revision is at least that of the compaction. */
static bool on_meta(void *ctx, struct ferry_bytes name, struct ferry_bytes value)
{
    struct keyspace_rules *rules = keyspace_rules(ctx);

    if (name.len <= 10 || value.len != REVISION_LEN) /* finishedCompactRev and scheduledCompactRev alone are so */
        return true;
    reach_revision(ctx, value);
    if ((int64_t)big_endian(value.data) > rules->compacted)
        rules->compacted = (int64_t)big_endian(value.data);
    return true;
}

static bool on_alarm(void *ctx, struct ferry_bytes alarm, struct ferry_bytes value)
{
    struct keyspace_rules *rules = keyspace_rules(ctx);
    Etcdserver__AlarmMember *member = etcdserver__alarm_member__unpack(NULL, alarm.len, alarm.data);

    (void)value;
    if (!member)
        return false;
    if (member->alarm == ETCDSERVER__ALARM_TYPE__NOSPACE)
        ids_add(&rules->no_space, member->member_id);
    else if (member->alarm == ETCDSERVER__ALARM_TYPE__CORRUPT)
        ids_add(&rules->corrupt, member->member_id);
    etcdserver__alarm_member__free_unpacked(member, NULL);
    return true;
}

static bool on_auth(void *ctx, struct ferry_bytes name, struct ferry_bytes value)
{
    static const char enabled[] = "authEnabled";

    if (name.len == strlen(enabled) && memcmp(name.data, enabled, name.len) == 0)
        keyspace_rules(ctx)->has_auth = value.len == 1 && value.data[0] == 1;
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
        !bolt_each(bolt, "meta", on_meta, keys) || !bolt_each(bolt, "alarm", on_alarm, keys) ||
        !bolt_each(bolt, "auth", on_auth, keys)) {
        keyspace_free(keys);
        keys = NULL;
    }
    bolt_close(bolt);
    return keys;
}
