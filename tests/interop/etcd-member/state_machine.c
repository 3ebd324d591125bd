/*
 * state_machine - what committed entries do.
 *
 * An ordinary entry is an InternalRaftRequest or, if its bytes are none, a request of etcd's second interface, by which
 * members up to 3.5 tell their names and the cluster's version.
 *
 * What etcd refuses for an alarm, or for a revision that is compacted or to come, is refused here too.  Users, roles
 * and permissions are not kept: once a request changes keys while authentication is on, the keys count as diverged,
 * and /status and /dump say so, until a snapshot brings etcd's keys.
 */
#include "etcd-member/state_machine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/etcdserver.pb-c.h"
#include "etcd-member/json.h"
#include "etcd-member/mem.h"
#include "etcd-member/requests.h"
#include "etcd-member/say.h"
#include "etcd-member/texts.h"
#include "etcd-member/version.h"
#include "raftpb/raft.pb-c.h"

void state_machine_init(struct state_machine *machine, struct cluster *cluster, const char *server_version)
{
    machine->cluster = cluster;
    machine->is_old = !version_is_at_least(server_version, 3, 5);
    machine->sees_reads = version_is_at_least(server_version, 3, 7);
    machine->keys = keyspace_new();
}

void state_machine_release(struct state_machine *machine)
{
    keyspace_free(machine->keys);
}

/* ---- Requests
 * --------------------------------------------------------------------------------------------------------- */

static void set_attributes(struct state_machine *machine, const char *val, struct publication *publication)
{
    json_t *attributes = json_read(val, strlen(val));
    const char *name = json_string_value(json_object_get(attributes, "name"));
    char **client_urls = json_texts(json_object_get(attributes, "clientURLs"));

    cluster_set_attributes(machine->cluster, publication->member, name ? name : "", client_urls);
    publication->has_client_urls = client_urls != NULL;
    texts_free(client_urls);
    json_decref(attributes);
}

static struct publication apply_v2(struct state_machine *machine, const Etcdserver__V2Request *request)
{
    struct publication publication = {0};
    char hex[17];
    int end = 0;

    if (!request->method || strcmp(request->method, "PUT") != 0 || !request->path || !request->val)
        return publication; /* SYNC, and whatever else the old interface could do: no member and no key of ours */
    if (strcmp(request->path, "/0/version") == 0) {
        cluster_set_version(machine->cluster, request->val);
    } else if (sscanf(request->path, "/0/members/%16[0-9a-f]/attributes%n", hex, &end) == 1 && end > 0 &&
               request->path[end] == '\0') {
        publication = (struct publication){.member = strtoull(hex, NULL, 16), .request = request->id};
        set_attributes(machine, request->val, &publication);
    }
    return publication;
}

static struct publication apply_attributes(struct state_machine *machine,
                                           const Etcdserver__ClusterMemberAttrSetRequest *set, uint64_t request_id)
{
    const Etcdserver__Attributes *own = set->member_attributes;
    char **client_urls = NULL;

    if (!own)
        return (struct publication){0};
    for (size_t i = 0; i < own->n_client_urls; i++)
        client_urls = texts_add(client_urls, own->client_urls[i]);
    cluster_set_attributes(machine->cluster, set->member_id, own->name ? own->name : "", client_urls);
    texts_free(client_urls);
    return (struct publication){set->member_id, request_id, own->n_client_urls > 0};
}

static void grant_lease(struct state_machine *machine, const Etcdserver__LeaseGrantRequest *grant)
{
    struct lease lease = {grant->id, grant->ttl > machine->min_ttl_s ? grant->ttl : machine->min_ttl_s};

    keyspace_add_lease(machine->keys, &lease);
    if (machine->lessor)
        lessor_add(machine->lessor, &lease, lessor_now_ms());
}

static void apply_to_keys(struct state_machine *machine, const Etcdserver__InternalRaftRequest *request)
{
    if (request->put)
        requests_put(machine->keys, request->put);
    if (request->delete_range)
        requests_delete_range(machine->keys, request->delete_range);
    if (request->txn)
        requests_txn(machine->keys, request->txn, machine->sees_reads);
    if (request->compaction)
        requests_compact(machine->keys, request->compaction);
    if (request->lease_grant)
        grant_lease(machine, request->lease_grant);
    if (request->lease_revoke)
        requests_revoke_lease(machine->keys, request->lease_revoke->id);
    if (request->lease_revoke && machine->lessor)
        lessor_drop(machine->lessor, request->lease_revoke->id);
}

/* See to alarms and authentication.  False: the request is refused. */
static bool pass_rules(struct state_machine *machine, const Etcdserver__InternalRaftRequest *request, uint64_t index)
{
    struct keyspace_rules *rules = keyspace_rules(machine->keys);

    if (request->alarm)
        requests_set_alarm(rules, request->alarm);
    if (request->auth_enable || request->auth_disable)
        rules->has_auth = request->auth_enable != NULL; /* if etcd takes it, which depends on the users there are */
    if (rules->has_auth && requests_are_changes(request))
        keyspace_diverge(machine->keys, index, "authentication is on, and permissions are not known here");
    return !requests_are_barred(rules, request, machine->is_old);
}

static struct publication apply_internal(struct state_machine *machine, const Etcdserver__InternalRaftRequest *request,
                                         uint64_t index)
{
    if (request->v2)
        return apply_v2(machine, request->v2);
    if (pass_rules(machine, request, index))
        apply_to_keys(machine, request);
    if (request->cluster_version_set && request->cluster_version_set->ver)
        cluster_set_version(machine->cluster, request->cluster_version_set->ver);
    if (request->cluster_member_attr_set)
        return apply_attributes(machine, request->cluster_member_attr_set, request->header ? request->header->id : 0);
    return (struct publication){0};
}

static struct publication apply_request(struct state_machine *machine, const struct ferry_entry *entry)
{
    Etcdserver__InternalRaftRequest *request =
        etcdserver__internal_raft_request__unpack(NULL, entry->data.len, entry->data.data);
    Etcdserver__V2Request *old = NULL;
    struct publication publication = {0};

    if (request && (request->header || request->has_id || request->v2)) {
        publication = apply_internal(machine, request, entry->index);
    } else {
        old = etcdserver__v2_request__unpack(NULL, entry->data.len, entry->data.data);
        if (old)
            publication = apply_v2(machine, old);
        else
            say("entry %" PRIu64 " is no request of etcd's", entry->index);
    }
    etcdserver__v2_request__free_unpacked(old, NULL);
    etcdserver__internal_raft_request__free_unpacked(request, NULL);
    return publication;
}

/* ---- Membership
 * ------------------------------------------------------------------------------------------------------- */

/* Change the membership as one change of a configuration and its context say.  False: it is void. */
static bool change_membership(struct state_machine *machine, const struct conf_change *conf, const uint8_t *context,
                              size_t context_len)
{
    json_t *member = json_read(context, context_len); /* NULL when there is none, as in a removal */
    struct cluster_change change = {.type = CLUSTER_ADD, .member = {.id = conf->id}};
    const char *why;

    if (conf->type == CONF_REMOVE_NODE)
        change.type = CLUSTER_REMOVE;
    else if (conf->type == CONF_UPDATE_NODE)
        change.type = CLUSTER_UPDATE;
    else if (json_is_true(json_object_get(member, "isPromote")))
        change.type = CLUSTER_PROMOTE;
    change.member.name = (char *)(uintptr_t)json_string_value(json_object_get(member, "name")); /* copied, as all */
    if (change.member.name && !*change.member.name)
        change.member.name = NULL;
    change.member.peer_urls = json_texts(json_object_get(member, "peerURLs"));
    change.member.client_urls = json_texts(json_object_get(member, "clientURLs"));
    change.member.is_learner = json_is_true(json_object_get(member, "isLearner"));
    why = (unsigned)conf->type > CONF_ADD_LEARNER ? "it is of no known type" : cluster_apply(machine->cluster, &change);
    if (why)
        say("a change of member %" PRIx64 " is void: %s", conf->id, why);
    texts_free(change.member.peer_urls);
    texts_free(change.member.client_urls);
    json_decref(member);
    return why == NULL;
}

static struct effect apply_conf_change(struct state_machine *machine, const struct ferry_entry *entry)
{
    Raftpb__ConfChange *conf = raftpb__conf_change__unpack(NULL, entry->data.len, entry->data.data);
    struct effect effect = {.is_conf_change = true, .n_changes = 1};

    effect.changes = mem_zero(sizeof(*effect.changes)); /* id 0: void */
    if (!conf) {
        say("entry %" PRIu64 " is no change of the configuration", entry->index);
        return effect;
    }
    effect.changes[0] = (struct conf_change){(enum conf_change_type)conf->type, conf->node_id};
    if (!change_membership(machine, &effect.changes[0], conf->context.data, conf->context.len))
        effect.changes[0].id = 0;
    raftpb__conf_change__free_unpacked(conf, NULL);
    return effect;
}

static struct effect apply_conf_change_v2(struct state_machine *machine, const struct ferry_entry *entry)
{
    Raftpb__ConfChangeV2 *conf = raftpb__conf_change_v2__unpack(NULL, entry->data.len, entry->data.data);
    struct effect effect = {.is_conf_change = true};

    if (!conf) {
        say("entry %" PRIu64 " is no change of the configuration", entry->index);
        effect.changes = mem_zero(sizeof(*effect.changes));
        effect.n_changes = 1;
        return effect;
    }
    effect.transition = (enum conf_transition)conf->transition;
    effect.n_changes = conf->n_changes;
    effect.changes = mem_zero(conf->n_changes * sizeof(*effect.changes));
    for (size_t i = 0; i < conf->n_changes; i++) {
        struct conf_change *change = &effect.changes[i];

        *change = (struct conf_change){(enum conf_change_type)conf->changes[i]->type, conf->changes[i]->node_id};
        if (!change_membership(machine, change, conf->context.data, conf->context.len))
            change->id = 0;
    }
    raftpb__conf_change_v2__free_unpacked(conf, NULL);
    return effect;
}

struct effect state_machine_apply(struct state_machine *machine, const struct ferry_entry *entry)
{
    switch (entry->type) {
    case FERRY_ENTRY_CONF_CHANGE:
        return apply_conf_change(machine, entry);
    case FERRY_ENTRY_CONF_CHANGE_V2:
        return apply_conf_change_v2(machine, entry);
    case FERRY_ENTRY_NORMAL:
        break;
    }
    if (entry->data.len == 0) /* a new leader's first entry */
        return (struct effect){0};
    return (struct effect){.publication = apply_request(machine, entry)};
}
