/*
 * proposals - entries of our own for the log.
 *
 * Whoever applies them panics at what is no request, so these are encoded by protobuf-c, from the schema of those that
 * we read.  No client URLs are told: clients would come, and we serve none.
 */
#include "etcd-member/proposals.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "etcd-member/etcdserver.pb-c.h"
#include "etcd-member/json.h"
#include "etcd-member/mem.h"
#include "etcd-member/version.h"
#include "raftpb/raft.pb-c.h"

void proposals_init(struct proposals *proposals, uint64_t id)
{
    struct timespec now;

    /* As in etcd: two bytes of the member, then the time in ms, and room to count in a byte. */
    clock_gettime(CLOCK_REALTIME, &now);
    proposals->id = id;
    proposals->next_id = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    proposals->next_id = (proposals->next_id << 8 & UINT64_C(0xffffffffffff)) | id << 48;
}

static struct ferry_bytes pack(const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *data = mem_zero(len);

    (void)protobuf_c_message_pack(message, data); /* as long as it said */
    return (struct ferry_bytes){data, len};
}

void proposals_free(struct ferry_bytes data)
{
    free((void *)(uintptr_t)data.data); /* made by pack */
}

struct ferry_bytes proposals_put(struct proposals *proposals, const char *key, const char *value)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__RequestHeader header = ETCDSERVER__REQUEST_HEADER__INIT;
    Etcdserver__PutRequest put = ETCDSERVER__PUT_REQUEST__INIT;

    header.has_id = true;
    header.id = proposals->next_id++;
    put.has_key = put.has_value = true;
    put.key = (ProtobufCBinaryData){strlen(key), (uint8_t *)(uintptr_t)key};
    put.value = (ProtobufCBinaryData){strlen(value), (uint8_t *)(uintptr_t)value};
    request.header = &header;
    request.put = &put;
    return pack(&request.base);
}

struct ferry_bytes proposals_revocation(struct proposals *proposals, int64_t lease)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__RequestHeader header = ETCDSERVER__REQUEST_HEADER__INIT;
    Etcdserver__LeaseRevokeRequest revoke = ETCDSERVER__LEASE_REVOKE_REQUEST__INIT;

    header.has_id = revoke.has_id = true;
    header.id = proposals->next_id++;
    revoke.id = lease;
    request.header = &header;
    request.lease_revoke = &revoke;
    return pack(&request.base);
}

/* Until 3.5 by the second interface. */
static struct ferry_bytes name_v2(struct proposals *proposals, const char *name)
{
    Etcdserver__V2Request request = ETCDSERVER__V2_REQUEST__INIT;
    char *path = mem_print("/0/members/%" PRIx64 "/attributes", proposals->id);
    char *json = NULL;
    size_t json_len = 0;
    FILE *to = open_memstream(&json, &json_len);
    struct ferry_bytes data;

    if (to) {
        fputs("{\"name\":", to);
        json_write_text(to, name);
        putc('}', to);
        (void)fclose(to); /* memory */
    }
    request.has_id = true;
    request.id = proposals->next_id++;
    request.method = (char *)(uintptr_t) "PUT";
    request.path = path;
    request.val = json;
    data = pack(&request.base);
    free(json);
    free(path);
    return data;
}

struct ferry_bytes proposals_name(struct proposals *proposals, const char *name, const char *server_version)
{
    Etcdserver__InternalRaftRequest request = ETCDSERVER__INTERNAL_RAFT_REQUEST__INIT;
    Etcdserver__RequestHeader header = ETCDSERVER__REQUEST_HEADER__INIT;
    Etcdserver__ClusterMemberAttrSetRequest set = ETCDSERVER__CLUSTER_MEMBER_ATTR_SET_REQUEST__INIT;
    Etcdserver__Attributes attributes = ETCDSERVER__ATTRIBUTES__INIT;

    if (!version_is_at_least(server_version, 3, 6))
        return name_v2(proposals, name);
    header.has_id = true;
    header.id = proposals->next_id++;
    attributes.name = (char *)(uintptr_t)name;
    set.has_member_id = true;
    set.member_id = proposals->id;
    set.member_attributes = &attributes;
    request.header = &header;
    request.cluster_member_attr_set = &set;
    return pack(&request.base);
}

struct ferry_bytes proposals_promotion(struct proposals *proposals, uint64_t id)
{
    Raftpb__ConfChange change = RAFTPB__CONF_CHANGE__INIT;
    char *context = mem_print("{\"id\":%" PRIu64 ",\"peerURLs\":null,\"isPromote\":true}", id);
    struct ferry_bytes data;

    change.has_id = change.has_type = change.has_node_id = change.has_context = true;
    change.id = proposals->next_id++;
    change.type = RAFTPB__CONF_CHANGE_TYPE__ConfChangeAddNode;
    change.node_id = id;
    change.context = (ProtobufCBinaryData){strlen(context), (uint8_t *)context};
    data = pack(&change.base);
    free(context);
    return data;
}
