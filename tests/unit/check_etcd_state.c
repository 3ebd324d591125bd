/*
 * check_etcd_state - the state that ferry-etcd-member builds from etcd's log and snapshots: keys, members, ids.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "etcd-member/cluster.h"
#include "etcd-member/database.h"
#include "etcd-member/etcdserver.pb-c.h"
#include "etcd-member/identity.h"
#include "etcd-member/json.h"
#include "etcd-member/proposals.h"
#include "etcd-member/say.h"
#include "etcd-member/state_machine.h"
#include "etcd-member/texts.h"
#include "harness/rig.h"
#include "raftpb/raft.pb-c.h"

/* In the place of the member's log: what is said here is not wanted. */
void say(const char *format, ...)
{
    (void)format;
}

void die(const char *format, ...)
{
    ck_abort_msg("%s", format);
    abort();
}

static struct cluster cluster;
static struct state_machine machine;
static uint64_t n_applied;

static void setup(void)
{
    cluster_init(&cluster, 1);
    state_machine_init(&machine, &cluster, "3.6.0");
    n_applied = 0;
}

static void teardown(void)
{
    state_machine_release(&machine);
    cluster_release(&cluster);
}

/* ---- Entries
 * ---------------------------------------------------------------------------------------------------------- */

static struct effect apply_bytes(enum ferry_entry_type type, const void *data, size_t len)
{
    const struct ferry_entry entry = {.index = ++n_applied, .term = 1, .type = type, .data = {data, len}};

    return state_machine_apply(&machine, &entry);
}

static void apply(Etcdserver__InternalRaftRequest *request)
{
    Etcdserver__RequestHeader header = ETCDSERVER__REQUEST_HEADER__INIT;
    uint8_t data[4096];

    header.has_id = true;
    header.id = 7;
    request->header = &header;
    ck_assert_uint_lt(etcdserver__internal_raft_request__get_packed_size(request), sizeof(data));
    (void)apply_bytes(FERRY_ENTRY_NORMAL, data, etcdserver__internal_raft_request__pack(request, data));
}

static ProtobufCBinaryData bytes(const char *text)
{
    return (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

static Etcdserver__PutRequest put_of(const char *key, const char *value)
{
    Etcdserver__PutRequest put = ETCDSERVER__PUT_REQUEST__INIT;

    put.has_key = put.has_value = true;
    put.key = bytes(key);
    put.value = bytes(value);
    return put;
}

static void apply_put(Etcdserver__PutRequest put)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;

    request.put = &put;
    apply(&request);
}

static void put(const char *key, const char *value)
{
    apply_put(put_of(key, value));
}

static const struct key *get(const char *key)
{
    return keyspace_get(machine.keys, (struct ferry_bytes){(const uint8_t *)key, strlen(key)});
}

static void expect(const char *key, const char *value)
{
    ck_assert_msg(get(key), "%s", key);
    ck_assert_uint_eq(get(key)->value.len, strlen(value));
    ck_assert_mem_eq(get(key)->value.data, value, strlen(value));
}

static void delete_range(const char *key, const void *end, size_t end_len)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__DeleteRangeRequest range = ETCDSERVER__DELETE_RANGE_REQUEST__INIT;

    range.has_key = true;
    range.key = bytes(key);
    range.has_range_end = end != NULL;
    range.range_end = (ProtobufCBinaryData){end_len, (uint8_t *)(uintptr_t)end};
    request.delete_range = &range;
    apply(&request);
}

START_TEST(keys_come_in_byte_order_and_keep_their_revisions)
{
    const struct key *key = NULL;
    const char *before = "";

    for (int i = 999; i >= 0; i--) {
        char name[8];

        snprintf(name, sizeof(name), "k%03d", (i * 7) % 1000);
        put(name, "v");
    }
    put("k500", "again");
    ck_assert_uint_eq(keyspace_count(machine.keys), 1000);
    ck_assert_int_eq(keyspace_revision(machine.keys), 1002);
    ck_assert_int_eq(get("k500")->version, 2);
    ck_assert_int_eq(get("k500")->mod_revision, 1002);
    ck_assert_int_lt(get("k500")->create_revision, 1002);
    while ((key = keyspace_next(machine.keys, key)) != NULL) {
        ck_assert_int_lt(strcmp(before, (const char *)key->key.data), 0);
        before = (const char *)key->key.data;
    }
}
END_TEST

START_TEST(ranges_are_deleted_as_etcd_reads_them)
{
    put("a", "1");
    put("b", "2");
    put("b1", "3");
    put("c", "4");
    delete_range("a", NULL, 0);
    ck_assert_ptr_null(get("a"));
    delete_range("b", "c", 1);
    ck_assert_uint_eq(keyspace_count(machine.keys), 1);
    put("d", "5");
    delete_range("c", "\0", 1);
    ck_assert_uint_eq(keyspace_count(machine.keys), 0);
    delete_range("nothing", NULL, 0);
    ck_assert_int_eq(keyspace_revision(machine.keys), 9); /* five puts and three deletions that did something */
}
END_TEST

START_TEST(a_lease_takes_its_keys_with_it)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__LeaseGrantRequest grant = ETCDSERVER__LEASE_GRANT_REQUEST__INIT;
    Etcdserver__LeaseRevokeRequest revoke = ETCDSERVER__LEASE_REVOKE_REQUEST__INIT;
    Etcdserver__PutRequest leased = put_of("leased", "1");

    leased.has_lease = true;
    leased.lease = -5; /* any number is one */
    apply_put(leased);
    ck_assert_ptr_null(get("leased")); /* there is no such lease */
    grant.has_id = revoke.has_id = true;
    grant.id = revoke.id = -5;
    request.lease_grant = &grant;
    apply(&request);
    apply_put(leased);
    put("free", "2");
    expect("leased", "1");
    request.lease_grant = NULL;
    request.lease_revoke = &revoke;
    apply(&request);
    ck_assert_ptr_null(get("leased"));
    expect("free", "2");
}
END_TEST

/* if value(x) == 1: put x then; else put x otherwise */
static void compare_and_put(Etcdserver__CompareTarget target, int64_t number, const char *value)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__TxnRequest txn = ETCDSERVER__TXN_REQUEST__INIT;
    Etcdserver__Compare compare = ETCDSERVER__COMPARE__INIT;
    Etcdserver__RequestOp then = ETCDSERVER__REQUEST_OP__INIT;
    Etcdserver__RequestOp otherwise = ETCDSERVER__REQUEST_OP__INIT;
    Etcdserver__PutRequest puts[] = {put_of("x", "then"), put_of("x", "otherwise")};
    Etcdserver__Compare *compares[] = {&compare};
    Etcdserver__RequestOp *success[] = {&then};
    Etcdserver__RequestOp *failure[] = {&otherwise};

    compare.has_result = compare.has_target = compare.has_key = true;
    compare.result = ETCDSERVER__COMPARE_RESULT__EQUAL;
    compare.target = target;
    compare.key = bytes("x");
    compare.has_value = value != NULL;
    if (value)
        compare.value = bytes(value);
    compare.has_version = compare.has_create_revision = compare.has_mod_revision = compare.has_lease = true;
    compare.version = compare.create_revision = compare.mod_revision = compare.lease = number;
    then.request_put = &puts[0];
    otherwise.request_put = &puts[1];
    txn.n_compare = txn.n_success = txn.n_failure = 1;
    txn.compare = compares;
    txn.success = success;
    txn.failure = failure;
    request.txn = &txn;
    apply(&request);
}

START_TEST(a_transaction_takes_the_branch_that_etcd_takes)
{
    compare_and_put(ETCDSERVER__COMPARE_TARGET__VALUE, 0, ""); /* of no key no value holds */
    expect("x", "otherwise");
    compare_and_put(ETCDSERVER__COMPARE_TARGET__VALUE, 0, "otherwise");
    expect("x", "then");
    compare_and_put(ETCDSERVER__COMPARE_TARGET__VERSION, 2, NULL);
    expect("x", "then");
    compare_and_put(ETCDSERVER__COMPARE_TARGET__CREATE, 9, NULL);
    expect("x", "otherwise");
    compare_and_put(ETCDSERVER__COMPARE_TARGET__MOD, 5, NULL);
    expect("x", "then");
    compare_and_put(ETCDSERVER__COMPARE_TARGET__LEASE, 0, NULL);
    expect("x", "then");
    delete_range("x", NULL, 0);
    compare_and_put(ETCDSERVER__COMPARE_TARGET__VERSION, 0, NULL); /* but its version is 0 */
    expect("x", "then");
}
END_TEST

START_TEST(all_comparisons_of_a_transaction_see_the_keys_before_it)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__TxnRequest outer = ETCDSERVER__TXN_REQUEST__INIT;
    Etcdserver__TxnRequest inner = ETCDSERVER__TXN_REQUEST__INIT;
    Etcdserver__Compare no_x = ETCDSERVER__COMPARE__INIT;
    Etcdserver__RequestOp ops[] = {ETCDSERVER__REQUEST_OP__INIT, ETCDSERVER__REQUEST_OP__INIT,
                                   ETCDSERVER__REQUEST_OP__INIT};
    Etcdserver__PutRequest puts[] = {put_of("x", "1"), put_of("y", "2")};
    Etcdserver__RequestOp *outer_ops[] = {&ops[0], &ops[1]};
    Etcdserver__RequestOp *inner_ops[] = {&ops[2]};
    Etcdserver__Compare *compares[] = {&no_x};

    no_x.has_key = no_x.has_target = no_x.has_version = true;
    no_x.target = ETCDSERVER__COMPARE_TARGET__VERSION;
    no_x.key = bytes("x");
    ops[0].request_put = &puts[0];
    ops[1].request_txn = &inner;
    ops[2].request_put = &puts[1];
    outer.n_success = 2;
    outer.success = outer_ops;
    inner.n_compare = inner.n_success = 1;
    inner.compare = compares;
    inner.success = inner_ops;
    request.txn = &outer;
    apply(&request);
    expect("x", "1");
    expect("y", "2");
    ck_assert_int_eq(keyspace_revision(machine.keys), 2); /* all of it is one */
}
END_TEST

/* ---- Refusals ---- */

static void set_alarm(Etcdserver__AlarmAction action, Etcdserver__AlarmType type, uint64_t member)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__AlarmRequest alarm = ETCDSERVER__ALARM_REQUEST__INIT;

    alarm.has_action = alarm.has_alarm = alarm.has_member_id = true;
    alarm.action = action;
    alarm.alarm = type;
    alarm.member_id = member;
    request.alarm = &alarm;
    apply(&request);
}

START_TEST(without_space_nothing_is_put_and_keys_can_be_deleted)
{
    put("kept", "1");
    put("gone", "1");
    set_alarm(ETCDSERVER__ALARM_ACTION__ACTIVATE, ETCDSERVER__ALARM_TYPE__NOSPACE, 1);
    set_alarm(ETCDSERVER__ALARM_ACTION__ACTIVATE, ETCDSERVER__ALARM_TYPE__NOSPACE, 2);
    put("kept", "2");
    compare_and_put(ETCDSERVER__COMPARE_TARGET__VERSION, 0, NULL);
    delete_range("gone", NULL, 0);
    set_alarm(ETCDSERVER__ALARM_ACTION__DEACTIVATE, ETCDSERVER__ALARM_TYPE__NOSPACE, 1);
    put("kept", "3"); /* the other member's alarm is on */
    expect("kept", "1");
    ck_assert_ptr_null(get("x"));
    ck_assert_ptr_null(get("gone"));
    ck_assert_int_eq(keyspace_revision(machine.keys), 4);
    set_alarm(ETCDSERVER__ALARM_ACTION__DEACTIVATE, ETCDSERVER__ALARM_TYPE__NOSPACE, 2);
    put("kept", "4");
    expect("kept", "4");
}
END_TEST

START_TEST(corrupt_keys_are_not_changed)
{
    put("kept", "1");
    set_alarm(ETCDSERVER__ALARM_ACTION__ACTIVATE, ETCDSERVER__ALARM_TYPE__CORRUPT, 1);
    put("kept", "2");
    delete_range("kept", NULL, 0);
    expect("kept", "1");
    set_alarm(ETCDSERVER__ALARM_ACTION__DEACTIVATE, ETCDSERVER__ALARM_TYPE__CORRUPT, 1);
    delete_range("kept", NULL, 0);
    ck_assert_ptr_null(get("kept"));
}
END_TEST

static void compact(int64_t revision)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__CompactionRequest compaction = ETCDSERVER__COMPACTION_REQUEST__INIT;

    compaction.has_revision = true;
    compaction.revision = revision;
    request.compaction = &compaction;
    apply(&request);
}

/* A transaction that puts x and reads at a revision, the read within a transaction of its own if it is inner. */
static void read_and_put(int64_t revision, bool is_inner)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__TxnRequest outer = ETCDSERVER__TXN_REQUEST__INIT;
    Etcdserver__TxnRequest inner = ETCDSERVER__TXN_REQUEST__INIT;
    Etcdserver__RangeRequest range = ETCDSERVER__RANGE_REQUEST__INIT;
    Etcdserver__RequestOp ops[] = {ETCDSERVER__REQUEST_OP__INIT, ETCDSERVER__REQUEST_OP__INIT,
                                   ETCDSERVER__REQUEST_OP__INIT};
    Etcdserver__PutRequest put_x = put_of("x", "1");
    Etcdserver__RequestOp *outer_ops[] = {&ops[0], is_inner ? &ops[1] : &ops[2]};
    Etcdserver__RequestOp *inner_ops[] = {&ops[2]};

    range.has_revision = true;
    range.revision = revision;
    ops[0].request_put = &put_x;
    ops[1].request_txn = &inner;
    ops[2].request_range = &range;
    outer.n_success = 2;
    outer.success = outer_ops;
    inner.n_success = 1;
    inner.success = inner_ops;
    request.txn = &outer;
    apply(&request);
}

static bool is_taken(int64_t revision, bool is_inner)
{
    int64_t before = keyspace_revision(machine.keys);

    read_and_put(revision, is_inner);
    return keyspace_revision(machine.keys) > before;
}

START_TEST(a_transaction_that_reads_what_is_compacted_or_to_come_is_refused)
{
    for (int i = 0; i < 9; i++)
        put("k", "v");
    compact(11); /* to come: refused */
    ck_assert(is_taken(1, true));
    compact(5);
    compact(3); /* done */
    ck_assert(!is_taken(4, true));
    ck_assert(is_taken(5, true));
    ck_assert(is_taken(keyspace_revision(machine.keys), true));
    ck_assert(!is_taken(keyspace_revision(machine.keys) + 1, true));
    ck_assert(is_taken(4, false)); /* until 3.6 only the member whose client asked sees it */
    machine.sees_reads = true;
    ck_assert(!is_taken(4, false));
}
END_TEST

START_TEST(with_authentication_on_the_keys_count_as_diverged)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__AuthEnableRequest enable = ETCDSERVER__AUTH_ENABLE_REQUEST__INIT;
    Etcdserver__AuthDisableRequest disable = ETCDSERVER__AUTH_DISABLE_REQUEST__INIT;

    request.auth_enable = &enable;
    apply(&request);
    request.auth_enable = NULL;
    request.auth_disable = &disable;
    apply(&request);
    put("a", "1");
    ck_assert_uint_eq(keyspace_rules(machine.keys)->diverged_at, 0); /* nothing changed meanwhile */
    request.auth_disable = NULL;
    request.auth_enable = &enable;
    apply(&request);
    put("b", "1");
    put("c", "1");
    ck_assert_uint_eq(keyspace_rules(machine.keys)->diverged_at, n_applied - 1);
}
END_TEST

START_TEST(our_own_proposals_are_requests)
{
    struct proposals proposals;
    struct ferry_bytes data;

    proposals_init(&proposals, 0x200581e3e09d13b1);
    data = proposals_put(&proposals, "min", "imal");
    (void)apply_bytes(FERRY_ENTRY_NORMAL, data.data, data.len);
    proposals_free(data);
    expect("min", "imal");
    ck_assert_uint_eq(proposals.next_id >> 48, 0x13b1);
}
END_TEST

START_TEST(garbage_changes_nothing)
{
    uint8_t garbage[64];

    for (unsigned seed = 0; seed < 5000; seed++) {
        struct effect effect;

        for (size_t i = 0; i < sizeof(garbage); i++)
            garbage[i] = (uint8_t)((seed * 2654435761u) >> (i % 4 * 8)) ^ (uint8_t)(seed * (i + 1));
        effect = apply_bytes((enum ferry_entry_type)(seed % 3), garbage, seed % sizeof(garbage));
        for (size_t i = 0; i < effect.n_changes; i++)
            ck_assert(effect.changes[i].id == 0 || cluster_members_find(&cluster.applied, effect.changes[i].id));
        free(effect.changes);
    }
}
END_TEST

/* ---- Members
 * ------------------------------------------------------------------------------------------------------------ */

/* Apply a change of the configuration.  Is it one? */
static bool change(Raftpb__ConfChangeType type, uint64_t id, const char *context)
{
    Raftpb__ConfChange conf = RAFTPB__CONF_CHANGE__INIT;
    struct effect effect;
    uint8_t data[1024];
    bool is_one;

    conf.has_type = conf.has_node_id = true;
    conf.type = type;
    conf.node_id = id;
    conf.has_context = true;
    conf.context = bytes(context);
    effect = apply_bytes(FERRY_ENTRY_CONF_CHANGE, data, raftpb__conf_change__pack(&conf, data));
    ck_assert(effect.is_conf_change);
    ck_assert_uint_eq(effect.n_changes, 1);
    is_one = effect.changes[0].id == id;
    free(effect.changes);
    return is_one;
}

#define BIG 17966690605572607295u /* beyond 2^63, as two of three ids are */

static bool add(uint64_t id, const char *url)
{
    char context[128];

    snprintf(context, sizeof(context), "{\"id\":%llu,\"peerURLs\":[\"%s\"],\"name\":\"\"}", (unsigned long long)id,
             url);
    return change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeAddNode, id, context);
}

START_TEST(members_are_served_as_etcd_writes_them)
{
    Etcdserver__V2Request request = ETCDSERVER__V2_REQUEST__INIT;
    uint8_t data[256];
    char path[64];
    char *json;

    ck_assert(add(BIG, "http://b:1"));
    ck_assert(add(5, "http://a:1"));
    snprintf(path, sizeof(path), "/0/members/%llx/attributes", (unsigned long long)BIG);
    request.has_id = true;
    request.id = 9;
    request.method = (char *)(uintptr_t) "PUT";
    request.path = path;
    request.val = (char *)(uintptr_t) "{\"name\":\"big\",\"clientURLs\":[\"http://b:2\"]}";
    (void)apply_bytes(FERRY_ENTRY_NORMAL, data, etcdserver__v2_request__pack(&request, data));
    json = cluster_members_json(&cluster);
    ck_assert_str_eq(json, "[{\"id\":5,\"peerURLs\":[\"http://a:1\"]},"
                           "{\"id\":17966690605572607295,\"peerURLs\":[\"http://b:1\"],\"name\":\"big\","
                           "\"clientURLs\":[\"http://b:2\"]}]\n");
    free(json);
}
END_TEST

START_TEST(changes_that_etcd_refuses_are_void)
{
    static const char learner[] = "{\"peerURLs\":[\"http://l:1\"],\"isLearner\":true}";
    static const char other_learner[] = "{\"peerURLs\":[\"http://m:1\"],\"isLearner\":true}";
    static const char promotion[] = "{\"peerURLs\":null,\"isPromote\":true}";

    ck_assert(add(1, "http://a:1"));
    ck_assert(!add(1, "http://b:1")); /* known */
    ck_assert(!add(2, "http://a:1")); /* its URL is taken */
    ck_assert(change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeAddLearnerNode, 3, learner));
    ck_assert(!change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeAddLearnerNode, 4, other_learner)); /* one is the limit */
    ck_assert(!change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeAddNode, 1, promotion));            /* a voter */
    ck_assert(!change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeAddNode, 9, promotion));            /* unknown */
    ck_assert(change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeAddNode, 3, promotion));
    ck_assert(!cluster_members_find(&cluster.applied, 3)->is_learner);
    ck_assert(!change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeUpdateNode, 9, "{\"peerURLs\":[\"http://n:1\"]}"));
    ck_assert(!change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeUpdateNode, 1, "{\"peerURLs\":[\"http://l:1\"]}"));
    ck_assert(change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeUpdateNode, 1, "{\"peerURLs\":[\"http://n:1\"]}"));
    ck_assert_str_eq(cluster_members_find(&cluster.applied, 1)->peer_urls[0], "http://n:1");
    ck_assert(!change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeRemoveNode, 9, ""));
    ck_assert(change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeRemoveNode, 1, ""));
    ck_assert(cluster_is_removed(&cluster, 1));
    ck_assert(!add(1, "http://z:1")); /* never again */
}
END_TEST

START_TEST(as_many_learners_join_and_are_promoted_as_the_limit_allows)
{
    char context[128];

    cluster.max_learners = 5;
    ck_assert(add(1, "http://a:1"));
    for (uint64_t id = 2; id <= 7; id++) {
        snprintf(context, sizeof(context), "{\"peerURLs\":[\"http://l:%u\"],\"isLearner\":true}", (unsigned)id);
        ck_assert_int_eq(change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeAddLearnerNode, id, context), id <= 6);
    }
    for (uint64_t id = 2; id <= 6; id++)
        ck_assert(change(RAFTPB__CONF_CHANGE_TYPE__ConfChangeAddNode, id, "{\"peerURLs\":null,\"isPromote\":true}"));
    ck_assert_uint_eq(cluster.applied.n, 6);
}
END_TEST

static const char snapshot_data[] =
    "{\"Root\":{\"Path\":\"/\",\"CreatedIndex\":0,\"Children\":{\"0\":{\"Path\":\"/0\",\"Children\":{"
    "\"members\":{\"Children\":{\"5a09fe59c2e84\":{\"Children\":{"
    "\"attributes\":{\"Value\":\"{\\\"name\\\":\\\"e\\\\u0031\\\"}\"},"
    "\"raftAttributes\":{\"Value\":\"{\\\"peerURLs\\\":[\\\"http://a:1\\\"],\\\"isLearner\\\":true}\"}}}}},"
    "\"removed_members\":{\"Children\":{\"f95681ea0680cd3f\":{\"Value\":\"removed\"}}},"
    "\"version\":{\"Value\":\"3.4.0\"}}}}},\"WatcherHub\":{\"EventHistory\":{\"LastIndex\":18446744073709551615}}}";

START_TEST(a_snapshots_data_names_the_members)
{
    const struct cluster_member *member;
    struct ferry_bytes data = {(const uint8_t *)snapshot_data, strlen(snapshot_data)};

    ck_assert(add(1, "http://z:1"));
    ck_assert(cluster_load(&cluster, data));
    ck_assert_uint_eq(cluster.applied.n, 1);
    member = cluster_members_find(&cluster.applied, 0x5a09fe59c2e84);
    ck_assert_str_eq(member->name, "e1");
    ck_assert_str_eq(member->peer_urls[0], "http://a:1");
    ck_assert(member->is_learner);
    ck_assert(cluster_is_removed(&cluster, 0xf95681ea0680cd3f));
    ck_assert_str_eq(cluster.version, "3.4.0");
    for (data.len = 0; data.len < strlen(snapshot_data); data.len++)
        ck_assert(!cluster_load(&cluster, data));
    ck_assert_uint_eq(cluster.applied.n, 1); /* what cannot be read changes nothing */
}
END_TEST

START_TEST(ids_are_those_that_etcd_computes)
{
    char **url = texts_split("http://127.0.0.1:12010", ',');
    char **urls = texts_split("http://127.0.0.1:12015,http://127.0.0.1:12010", ',');
    const uint64_t ids[] = {0x21c95c3b4c2e583a, 0x3d39dd6aa7652e55, 0x52ba84520859f2a4};

    ck_assert_uint_eq(identity_of_member(url, "etcd-cluster"), 0x52ba84520859f2a4);
    ck_assert_uint_eq(identity_of_member(urls, "tok"), 0x93d6685757e8824e);
    ck_assert_uint_eq(identity_of_cluster(ids, 3), 0x8166d837a655d5f9);
    texts_free(url);
    texts_free(urls);
}
END_TEST

START_TEST(numbers_in_json_keep_all_their_digits)
{
    static const char text[] =
        "{\"a\":18446744073709551615,\"b\":\"1\\\"2\",\"c\":-1.5e3,\"d\":[1,2],\"e\":18446744073709551616}";
    json_t *read = json_read(text, strlen(text));
    uint64_t number;

    ck_assert_ptr_nonnull(read);
    ck_assert(json_number(json_object_get(read, "a"), 10, &number));
    ck_assert_uint_eq(number, UINT64_MAX);
    ck_assert_str_eq(json_string_value(json_object_get(read, "b")), "1\"2");
    ck_assert(!json_number(json_object_get(read, "c"), 10, &number));
    ck_assert_uint_eq(json_array_size(json_object_get(read, "d")), 2);
    ck_assert(!json_number(json_object_get(read, "e"), 10, &number));
    json_decref(read);
}
END_TEST

/* ---- Databases
 * ---------------------------------------------------------------------------------------------------------- */

#define PAGE 4096
#define N_PAGES 5

static uint8_t database[N_PAGES * PAGE];

static void set(size_t at, uint64_t value, size_t len)
{
    for (size_t i = 0; i < len; i++)
        database[at + i] = (uint8_t)(value >> (8 * i));
}

static void set_meta(size_t page, uint64_t transaction)
{
    size_t at = page * PAGE + 16;
    uint64_t hash = 14695981039346656037u;

    set(at, 0xED0CDAED, 4);
    set(at + 4, 2, 4);
    set(at + 8, PAGE, 4);
    set(at + 16, 2, 8); /* the root's page */
    set(at + 48, transaction, 8);
    for (size_t i = 0; i < 56; i++)
        hash = (hash ^ database[at + i]) * 1099511628211u;
    set(at + 56, hash, 8);
}

/* Put element i of a leaf; value_at: where its bytes go in the page. */
static size_t set_pair(size_t page, size_t i, unsigned flags, const void *key, size_t key_len, const void *value,
                       size_t value_len, size_t value_at)
{
    size_t element = page * PAGE + 16 + i * 16;

    set(page * PAGE + 8, 2, 2);
    set(page * PAGE + 10, i + 1, 2);
    set(element, flags, 4);
    set(element + 4, page * PAGE + value_at - element, 4);
    set(element + 8, key_len, 4);
    set(element + 12, value_len, 4);
    memcpy(database + page * PAGE + value_at, key, key_len);
    memcpy(database + page * PAGE + value_at + key_len, value, value_len);
    return value_at + key_len + value_len;
}

static size_t set_change(size_t i, uint8_t revision, bool is_deletion, const char *key, const char *value, size_t at)
{
    Etcdserver__KeyValue pair = ETCDSERVER__KEY_VALUE__INIT;
    uint8_t name[18] = {[7] = revision, [8] = '_', [17] = 't'};
    uint8_t packed[128];

    pair.has_key = true;
    pair.key = bytes(key);
    pair.has_value = !is_deletion;
    pair.value = bytes(value);
    return set_pair(4, i, 0, name, is_deletion ? 18 : 17, packed, etcdserver__key_value__pack(&pair, packed), at);
}

/* Two keys stay, one was deleted; the bucket is a branch page (3) above a leaf (4). */
static void make_database(void)
{
    uint8_t bucket[16] = {3};
    size_t at = 512;

    memset(database, 0, sizeof(database));
    set_meta(0, 1);
    set_meta(1, 2);
    (void)set_pair(2, 0, 1, "key", 3, bucket, sizeof(bucket), 512);
    set(3 * PAGE + 8, 1, 2);
    set(3 * PAGE + 10, 1, 2);
    set(3 * PAGE + 16 + 8, 4, 8);
    at = set_change(0, 2, false, "a", "1", at);
    at = set_change(1, 3, false, "b", "2", at);
    at = set_change(2, 4, false, "a", "3", at);
    (void)set_change(3, 5, true, "b", "", at);
}

static struct keyspace *read_database(size_t len)
{
    char place[RIG_DIR_SIZE];
    char path[RIG_DIR_SIZE + 4];
    struct keyspace *keys;
    FILE *file;

    rig_make_dir(place);
    snprintf(path, sizeof(path), "%s/db", place);
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(database, 1, len, file), len);
    fclose(file);
    keys = database_read(path);
    unlink(path);
    rmdir(place);
    return keys;
}

START_TEST(a_databases_last_changes_are_its_keys)
{
    struct keyspace *keys;

    make_database();
    keys = read_database(sizeof(database));
    ck_assert_ptr_nonnull(keys);
    ck_assert_uint_eq(keyspace_count(keys), 1);
    ck_assert_int_eq(keyspace_revision(keys), 5);
    ck_assert_mem_eq(keyspace_next(keys, NULL)->key.data, "a", 1);
    ck_assert_mem_eq(keyspace_next(keys, NULL)->value.data, "3", 1);
    keyspace_free(keys);
}
END_TEST

START_TEST(a_database_that_ends_early_is_none)
{
    make_database();
    for (size_t len = 0; len < sizeof(database); len += 512)
        ck_assert_msg(!read_database(len), "%zu", len);
}
END_TEST

/* Positions that lead out of the file or in a circle do no harm. */
START_TEST(a_damaged_database_does_no_harm)
{
    static const size_t places[] = {2 * PAGE + 8,  2 * PAGE + 10,  2 * PAGE + 16, 2 * PAGE + 20, 2 * PAGE + 24,
                                    2 * PAGE + 28, 2 * PAGE + 515, 3 * PAGE + 8,  3 * PAGE + 10, 3 * PAGE + 24,
                                    4 * PAGE + 8,  4 * PAGE + 10,  4 * PAGE + 20, 4 * PAGE + 24, 4 * PAGE + 28};
    static const uint64_t values[] = {0, 1, 2, 3, 4, 5, 0x7fff, 0xffff, 0xfffffff0, 0xffffffff};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            make_database();
            set(places[i], values[k], places[i] % PAGE < 16 ? 2 : 4);
            keyspace_free(read_database(sizeof(database)));
        }
    make_database();
    set(3 * PAGE + 24, 3, 8); /* a branch below itself */
    ck_assert_ptr_null(read_database(sizeof(database)));
}
END_TEST

int main(void)
{
    return rig_main(
        "etcd_state", setup, teardown, keys_come_in_byte_order_and_keep_their_revisions,
        ranges_are_deleted_as_etcd_reads_them, a_lease_takes_its_keys_with_it,
        a_transaction_takes_the_branch_that_etcd_takes, all_comparisons_of_a_transaction_see_the_keys_before_it,
        our_own_proposals_are_requests, without_space_nothing_is_put_and_keys_can_be_deleted,
        corrupt_keys_are_not_changed, a_transaction_that_reads_what_is_compacted_or_to_come_is_refused,
        with_authentication_on_the_keys_count_as_diverged, garbage_changes_nothing,
        members_are_served_as_etcd_writes_them, changes_that_etcd_refuses_are_void,
        as_many_learners_join_and_are_promoted_as_the_limit_allows, a_snapshots_data_names_the_members,
        ids_are_those_that_etcd_computes, numbers_in_json_keep_all_their_digits, a_databases_last_changes_are_its_keys,
        a_database_that_ends_early_is_none, a_damaged_database_does_no_harm, NULL);
}
