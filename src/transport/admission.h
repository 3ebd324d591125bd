/*
 * admission.h - which requests to /raft are accepted: the checks, and the answers to refused requests.
 *
 * Everything here belongs to the loop.
 */
#ifndef FY_TRANSPORT_ADMISSION_H
#define FY_TRANSPORT_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/net.h"
#include "wire/headers.h"

struct ferry_transport;
struct fy_peer;

/* The headers that every answer of an endpoint has. */
struct fy_own_headers {
    struct fy_header headers[2];
    size_t n;
};

struct fy_own_headers fy_admission_headers(const struct ferry_transport *t, bool with_version);

/* Answer with a status, these headers and a text.  Takes req. */
void fy_admission_refuse(struct fy_request *req, int status, const struct fy_own_headers *own, const char *text);

/* Is the method the endpoint's?  false: the request was answered with 405. */
bool fy_admission_check_method(struct fy_request *req, const char *method);

/* Do versions, cluster id and certificate fit?  false: the request was answered. */
bool fy_admission_check_sender(struct ferry_transport *t, struct fy_request *req, const struct fy_own_headers *own);

/*
 * May this stream be served?  200; then *ret_stream and *ret_peer say which.  Any other status: *ret_why is its text.
 * *ret_peer has a reference for the caller, or is NULL.
 */
int fy_admission_judge_stream(struct ferry_transport *t, const struct fy_request *req, enum ferry_stream *ret_stream,
                              struct fy_peer **ret_peer, const char **ret_why);

/*
 * The peer that posted, with a reference, or NULL for a stranger.  The header names it, not the message: a forwarded
 * message, such as a MsgTransferLeader, names the member that made it.
 */
struct fy_peer *fy_admission_find_sender(struct ferry_transport *t, struct fy_request *req);

/* Remember the sender as a remote, if the request names it and its URLs. */
void fy_admission_learn_sender(struct ferry_transport *t, const struct fy_request *req);

/* The 403 to a removed member, on which etcd stops.  Takes req. */
void fy_admission_refuse_removed(struct ferry_transport *t, struct fy_request *req);

#endif
