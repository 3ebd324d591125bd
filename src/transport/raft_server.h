/*
 * raft_server.h - the /raft endpoints: streams that peers dial, messages that they post, the probe.
 */
#ifndef FY_TRANSPORT_RAFT_SERVER_H
#define FY_TRANSPORT_RAFT_SERVER_H

#include <stdbool.h>

struct ferry_transport;
struct fy_request;

/* Is the path /raft or below it? */
bool fy_raft_server_owns(const char *path);

/* Answer a request to one of them.  Takes req.  The loop. */
void fy_raft_server_serve(struct ferry_transport *t, struct fy_request *req);

#endif
