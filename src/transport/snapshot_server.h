/*
 * snapshot_server.h - POST /raft/snapshot: a message and a body that is stored before the core hears of it.
 */
#ifndef FY_TRANSPORT_SNAPSHOT_SERVER_H
#define FY_TRANSPORT_SNAPSHOT_SERVER_H

struct ferry_transport;
struct fy_request;

/* Make the sink that the configuration asks for.  FERRY_OK; FERRY_ERR_SYSTEM (the log says why) or _NOMEM. */
int fy_snapshot_server_open(struct ferry_transport *t);
void fy_snapshot_server_close(struct ferry_transport *t); /* nothing arrives any more */

/* End the requests of all that arrive.  What was received whole goes on to the disk and the core.  The loop. */
void fy_snapshot_server_abort(struct ferry_transport *t);

/* Receive a snapshot of a sender that may speak.  Takes req, at its head.  The loop. */
void fy_snapshot_server_serve(struct ferry_transport *t, struct fy_request *req);

#endif
