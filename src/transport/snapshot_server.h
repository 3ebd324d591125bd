/*
 * snapshot_server.h - POST /raft/snapshot: a message and a body, which is stored before the core gets the message.
 */
#ifndef FY_TRANSPORT_SNAPSHOT_SERVER_H
#define FY_TRANSPORT_SNAPSHOT_SERVER_H

struct ferry_transport;
struct fy_request;

/* Make the sink that the configuration asks for.  FERRY_OK; FERRY_ERR_SYSTEM (the log says why) or _NOMEM. */
int fy_snapshot_server_open(struct ferry_transport *t);
void fy_snapshot_server_close(struct ferry_transport *t); /* no snapshot is being received */

/* End all requests that still receive.  Bodies that were received whole still go to the disk and the core.  The loop.
 */
void fy_snapshot_server_abort(struct ferry_transport *t);

/* Receive a snapshot.  Takes req, whose head has come and whose sender was admitted.  The loop. */
void fy_snapshot_server_serve(struct ferry_transport *t, struct fy_request *req);

#endif
