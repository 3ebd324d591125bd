/*
 * raft_server.h - the /raft endpoints: streams that peers dial, messages that they post, the probe.
 */
#ifndef FY_TRANSPORT_RAFT_SERVER_H
#define FY_TRANSPORT_RAFT_SERVER_H

#include <stdbool.h>

struct ferry_message;
struct ferry_transport;
struct fy_peer;
struct fy_request;

/* Is the path one of these endpoints' or below them? */
bool fy_raft_server_owns(const char *path);

/* Answer a request to one of them.  Takes req.  The loop. */
void fy_raft_server_serve(struct ferry_transport *t, struct fy_request *req);

/*
 * Bring a message that was posted to the core, and answer the request with what it says: 204, or 500 with failure, a
 * text of static storage.  req: taken; NULL: nobody waits for the answer.  peer: NULL for a stranger.  Takes the
 * reference to msg.  The loop.
 */
void fy_raft_server_deliver(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer,
                            const struct ferry_message *msg, const char *failure);

/*
 * The peer that posted, with a reference, or NULL for a stranger.  The header tells, not the message: one that is
 * forwarded, such as a MsgTransferLeader, names the member that it began with.
 */
struct fy_peer *fy_raft_server_find_sender(struct ferry_transport *t, struct fy_request *req);

/* The 403 to a removed member, by which etcd's code means to end it.  Takes req. */
void fy_raft_server_refuse_removed(struct ferry_transport *t, struct fy_request *req);

#endif
