/*
 * requests - what etcd's requests in the log do to the keys.
 *
 * Whether a transaction takes one branch or the other depends on revisions, versions and leases, so all of these are
 * kept as etcd keeps them: each request that changes something is one revision, whatever it changes, and what etcd
 * refuses when it applies it changes nothing.  The exception is authentication: see state_machine.c.
 */
#include "etcd-member/requests.h"

#include <string.h>

#define MAX_TXN_DEPTH 64 /* a client's request of 1.5 MiB could nest deeper; etcd has no use for it */

static struct ferry_bytes view(bool has, const ProtobufCBinaryData *data)
{
    return has ? (struct ferry_bytes){data->data, data->len} : (struct ferry_bytes){0};
}

static struct ferry_bytes put_key(const Etcdserver__PutRequest *put)
{
    return view(put->has_key, &put->key);
}

/* ---- Single changes, all of the revision to come
 * ---------------------------------------------------------------------- */

static bool may_put(const struct keyspace *keys, const Etcdserver__PutRequest *put)
{
    if ((put->ignore_value || put->ignore_lease) && !keyspace_get(keys, put_key(put)))
        return false;
    return put->lease == 0 || keyspace_has_lease(keys, put->lease);
}

static void do_put(struct keyspace *keys, const Etcdserver__PutRequest *put)
{
    const struct key *old = keyspace_get(keys, put_key(put));
    int64_t revision = keyspace_revision(keys) + 1;
    struct key key = {.key = put_key(put),
                      .value = view(put->has_value, &put->value),
                      .create_revision = old ? old->create_revision : revision,
                      .mod_revision = revision,
                      .version = old ? old->version + 1 : 1,
                      .lease = put->lease};

    if (old && put->ignore_value)
        key.value = old->value;
    if (old && put->ignore_lease)
        key.lease = old->lease;
    keyspace_set(keys, &key);
}

static bool do_delete_range(struct keyspace *keys, const Etcdserver__DeleteRangeRequest *range)
{
    struct ferry_bytes first = view(range->has_key, &range->key);
    struct ferry_bytes end = view(range->has_range_end, &range->range_end);
    const struct key *key;
    bool has_changed = false;

    while ((key = keyspace_first_in(keys, first, end)) != NULL)
        has_changed |= keyspace_delete(keys, key->key);
    return has_changed;
}

static void end_revision(struct keyspace *keys, bool has_changed)
{
    if (has_changed)
        keyspace_set_revision(keys, keyspace_revision(keys) + 1);
}

/* ---- Comparisons
 * -------------------------------------------------------------------------------------------------------- */

static int order_of(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int order_of_values(struct ferry_bytes a, struct ferry_bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static bool holds_for(const Etcdserver__Compare *compare, const struct key *key)
{
    int order = 0;

    switch (compare->target) {
    case ETCDSERVER__COMPARE_TARGET__VERSION:
        order = order_of(key->version, compare->version);
        break;
    case ETCDSERVER__COMPARE_TARGET__CREATE:
        order = order_of(key->create_revision, compare->create_revision);
        break;
    case ETCDSERVER__COMPARE_TARGET__MOD:
        order = order_of(key->mod_revision, compare->mod_revision);
        break;
    case ETCDSERVER__COMPARE_TARGET__VALUE:
        order = order_of_values(key->value, view(compare->has_value, &compare->value));
        break;
    case ETCDSERVER__COMPARE_TARGET__LEASE:
        order = order_of(key->lease, compare->lease);
        break;
    default:
        break;
    }
    switch (compare->result) {
    case ETCDSERVER__COMPARE_RESULT__EQUAL:
        return order == 0;
    case ETCDSERVER__COMPARE_RESULT__NOT_EQUAL:
        return order != 0;
    case ETCDSERVER__COMPARE_RESULT__GREATER:
        return order > 0;
    case ETCDSERVER__COMPARE_RESULT__LESS:
        return order < 0;
    default:
        return true;
    }
}

static bool holds(const struct keyspace *keys, const Etcdserver__Compare *compare)
{
    static const struct key no_key;
    struct ferry_bytes first = view(compare->has_key, &compare->key);
    struct ferry_bytes end = view(compare->has_range_end, &compare->range_end);
    const struct key *key = keyspace_first_in(keys, first, end);

    if (!key)
        return compare->target != ETCDSERVER__COMPARE_TARGET__VALUE && holds_for(compare, &no_key);
    for (; key && keyspace_is_in(key, first, end); key = keyspace_next(keys, key))
        if (!holds_for(compare, key))
            return false;
    return true;
}

/* ---- Transactions
 * ----------------------------------------------------------------------------------------------------- */

struct branch {
    Etcdserver__RequestOp **ops;
    size_t n;
};

/* All comparisons, those of inner transactions too, see the keys as they were before the outermost began. */
static struct branch choose(const struct keyspace *keys, const Etcdserver__TxnRequest *txn)
{
    for (size_t i = 0; i < txn->n_compare; i++)
        if (!holds(keys, txn->compare[i]))
            return (struct branch){txn->failure, txn->n_failure};
    return (struct branch){txn->success, txn->n_success};
}

/* compacted is the keys'. */
static bool may_read(const struct keyspace *keys, int64_t compacted, const Etcdserver__RangeRequest *range)
{
    return range->revision == 0 || (range->revision <= keyspace_revision(keys) && range->revision >= compacted);
}

static bool may_txn(struct keyspace *keys, const Etcdserver__TxnRequest *txn, bool sees_reads, unsigned depth)
{
    struct branch branch = choose(keys, txn);
    int64_t compacted = keyspace_rules(keys)->compacted;

    for (size_t i = 0; i < branch.n; i++) {
        const Etcdserver__RequestOp *op = branch.ops[i];

        if (op->request_put && !may_put(keys, op->request_put))
            return false;
        if (op->request_range && sees_reads && !may_read(keys, compacted, op->request_range))
            return false;
        if (op->request_txn && (depth == MAX_TXN_DEPTH || !may_txn(keys, op->request_txn, true, depth + 1)))
            return false;
    }
    return true;
}

/* The operations that a transaction comes to, in their order, into ops if there is room. */
static size_t flatten(const struct keyspace *keys, const Etcdserver__TxnRequest *txn, const Etcdserver__RequestOp **ops,
                      size_t room)
{
    struct branch branch = choose(keys, txn);
    size_t n = 0;

    for (size_t i = 0; i < branch.n; i++) {
        if (branch.ops[i]->request_txn) {
            size_t n_inner = flatten(keys, branch.ops[i]->request_txn, ops + n, room > n ? room - n : 0);

            n += n_inner;
            continue;
        }
        if (n < room)
            ops[n] = branch.ops[i];
        n++;
    }
    return n;
}

#define MAX_TXN_OPS 4096 /* etcd's default is 128 */

void requests_txn(struct keyspace *keys, const Etcdserver__TxnRequest *txn, bool sees_reads)
{
    const Etcdserver__RequestOp *ops[MAX_TXN_OPS];
    bool has_changed = false;
    size_t n;

    if (!may_txn(keys, txn, sees_reads, 0))
        return;
    n = flatten(keys, txn, ops, MAX_TXN_OPS);
    for (size_t i = 0; i < n && i < MAX_TXN_OPS; i++) {
        if (ops[i]->request_put) {
            do_put(keys, ops[i]->request_put);
            has_changed = true;
        } else if (ops[i]->request_delete_range) {
            has_changed |= do_delete_range(keys, ops[i]->request_delete_range);
        }
    }
    end_revision(keys, has_changed);
}

/* ---- Alarms ------------------------------------------------------------------------------------------------------ */

static bool has_put(const Etcdserver__TxnRequest *txn, bool is_old, unsigned depth);

static bool any_puts(Etcdserver__RequestOp *const *ops, size_t n, bool is_old, unsigned depth)
{
    for (size_t i = 0; i < n; i++)
        if (ops[i]->request_put || (ops[i]->request_txn && !is_old && depth < MAX_TXN_DEPTH &&
                                    has_put(ops[i]->request_txn, is_old, depth + 1)))
            return true;
    return false;
}

/* In either branch: etcd does not ask which one it takes. */
static bool has_put(const Etcdserver__TxnRequest *txn, bool is_old, unsigned depth)
{
    return any_puts(txn->success, txn->n_success, is_old, depth) ||
           any_puts(txn->failure, txn->n_failure, is_old, depth);
}

bool requests_are_changes(const Etcdserver__InternalRaftRequest *request)
{
    return request->put || request->delete_range || request->txn || request->compaction || request->lease_grant ||
           request->lease_revoke;
}

bool requests_are_barred(const struct keyspace_rules *rules, const Etcdserver__InternalRaftRequest *request,
                         bool is_old)
{
    if (rules->corrupt.n > 0)
        return requests_are_changes(request);
    return rules->no_space.n > 0 &&
           (request->put || request->lease_grant || (request->txn && has_put(request->txn, is_old, 0)));
}

void requests_set_alarm(struct keyspace_rules *rules, const Etcdserver__AlarmRequest *alarm)
{
    struct ids *members = alarm->alarm == ETCDSERVER__ALARM_TYPE__NOSPACE   ? &rules->no_space
                          : alarm->alarm == ETCDSERVER__ALARM_TYPE__CORRUPT ? &rules->corrupt
                                                                            : NULL;

    if (members && alarm->action == ETCDSERVER__ALARM_ACTION__ACTIVATE)
        ids_add(members, alarm->member_id);
    else if (members && alarm->action == ETCDSERVER__ALARM_ACTION__DEACTIVATE)
        ids_remove(members, alarm->member_id);
}

/* ---- The others
 * --------------------------------------------------------------------------------------------------------- */

void requests_put(struct keyspace *keys, const Etcdserver__PutRequest *put)
{
    if (!may_put(keys, put))
        return;
    do_put(keys, put);
    end_revision(keys, true);
}

void requests_delete_range(struct keyspace *keys, const Etcdserver__DeleteRangeRequest *range)
{
    end_revision(keys, do_delete_range(keys, range));
}

void requests_compact(struct keyspace *keys, const Etcdserver__CompactionRequest *compaction)
{
    struct keyspace_rules *rules = keyspace_rules(keys);

    if (compaction->revision > rules->compacted && compaction->revision <= keyspace_revision(keys))
        rules->compacted = compaction->revision;
}

void requests_revoke_lease(struct keyspace *keys, int64_t lease)
{
    bool has_changed = false;
    const struct key *key = keyspace_next(keys, NULL);

    while (key) {
        const struct key *next = keyspace_next(keys, key);

        if (key->lease == lease)
            has_changed |= keyspace_delete(keys, key->key);
        key = next;
    }
    keyspace_drop_lease(keys, lease);
    end_revision(keys, has_changed);
}
