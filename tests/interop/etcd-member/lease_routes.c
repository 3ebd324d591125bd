/*
 * lease_routes - what etcds ask their leader about leases: to renew one, and how long one lasts.
 *
 * An etcd takes 404 for the end of the lease, and asks again after any other refusal.
 */
#include "etcd-member/lease_routes.h"

#include <stdlib.h>
#include <string.h>

#include "etcd-member/etcdserver.pb-c.h"
#include "etcd-member/mem.h"

static void refuse(struct ferry_http_response *res, int status, const char *why)
{
    char *text = mem_print("%s\n", why);

    res->status = status;
    res->body = (struct ferry_bytes){(const uint8_t *)text, strlen(text)};
    res->free_body = free;
}

static void refuse_answer(struct ferry_http_response *res, enum lessor_answer answer)
{
    if (answer == LESSOR_UNKNOWN)
        refuse(res, 404, "requested lease not found");
    else if (answer == LESSOR_ENDS) /* until its revocation is applied */
        refuse(res, 408, "waiting for node to catch up its applied index has timed out");
    else
        refuse(res, 400, "not a primary lessor");
}

static void answer_with(struct ferry_http_response *res, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *data = mem_zero(len);

    (void)protobuf_c_message_pack(message, data); /* as long as it said */
    res->content_type = "application/protobuf";
    res->body = (struct ferry_bytes){data, len};
    res->free_body = free;
}

static bool is_post(const struct ferry_http_request *req, struct ferry_http_response *res)
{
    bool is_one = strcmp(req->method, "POST") == 0;

    if (!is_one)
        refuse(res, 405, "Method Not Allowed");
    return is_one;
}

static void on_renew(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    struct lessor *lessor = ctx;
    Etcdserver__LeaseKeepAliveResponse renewed = ETCDSERVER__LEASE_KEEP_ALIVE_RESPONSE__INIT;
    Etcdserver__LeaseKeepAliveRequest *request;
    struct lease lease = {0};
    enum lessor_answer answer;

    if (!is_post(req, res))
        return;
    request = etcdserver__lease_keep_alive_request__unpack(NULL, req->body.len, req->body.data);
    if (!request) {
        refuse(res, 400, "error unmarshalling request");
        return;
    }
    answer = lessor_renew(lessor, request->id, lessor_now_ms(), &lease);
    etcdserver__lease_keep_alive_request__free_unpacked(request, NULL);
    if (answer != LESSOR_OK) {
        refuse_answer(res, answer);
        return;
    }
    renewed.has_id = renewed.has_ttl = true;
    renewed.id = lease.id;
    renewed.ttl = lease.ttl_s;
    answer_with(res, &renewed.base);
}

static void answer_how_long(struct ferry_http_response *res, const struct lease *lease, uint64_t left_ms)
{
    Etcdserver__LeaseInternalResponse outer = ETCDSERVER__LEASE_INTERNAL_RESPONSE__INIT;
    Etcdserver__LeaseTimeToLiveResponse inner = ETCDSERVER__LEASE_TIME_TO_LIVE_RESPONSE__INIT;
    Etcdserver__RequestHeader header = ETCDSERVER__REQUEST_HEADER__INIT; /* empty, but there */

    inner.header = &header;
    inner.has_id = inner.has_ttl = inner.has_granted_ttl = true;
    inner.id = lease->id;
    inner.ttl = (int64_t)(left_ms / 1000);
    inner.granted_ttl = lease->ttl_s;
    outer.lease_time_to_live_response = &inner;
    answer_with(res, &outer.base);
}

static void on_how_long(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    struct lessor *lessor = ctx;
    Etcdserver__LeaseInternalRequest *request;
    struct lease lease = {0};
    uint64_t left_ms = 0;
    enum lessor_answer answer;

    if (!is_post(req, res))
        return;
    request = etcdserver__lease_internal_request__unpack(NULL, req->body.len, req->body.data);
    if (!request || !request->lease_time_to_live_request) {
        refuse(res, 400, "error unmarshalling request");
    } else if (request->lease_time_to_live_request->keys) {
        refuse(res, 501, "this member does not list the keys of a lease"); /* they are another thread's */
    } else {
        answer = lessor_look(lessor, request->lease_time_to_live_request->id, lessor_now_ms(), &lease, &left_ms);
        if (answer == LESSOR_OK || answer == LESSOR_ENDS)
            answer_how_long(res, &lease, left_ms);
        else
            refuse_answer(res, answer);
    }
    etcdserver__lease_internal_request__free_unpacked(request, NULL);
}

int lease_routes_add(struct lessor *lessor, struct ferry_transport *transport)
{
    int err = ferry_transport_handle(transport, "/leases", on_renew, lessor);

    return err ? err : ferry_transport_handle(transport, "/leases/internal", on_how_long, lessor);
}
