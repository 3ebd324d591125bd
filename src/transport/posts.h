/*
 * posts.h - messages that were posted, and whose answers wait for the core.
 */
#ifndef FY_TRANSPORT_POSTS_H
#define FY_TRANSPORT_POSTS_H

struct ferry_message;
struct ferry_transport;
struct fy_peer;
struct fy_request;

/*
 * Bring a message that was posted to the core, and answer the request with the core's result: 204, or 500 with failure,
 * a text of static storage; 503 when the core was not asked.  req: taken; NULL: the client has left.  peer: NULL for a
 * stranger.  Takes the reference to msg.  The loop.
 */
void fy_posts_deliver(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer,
                      const struct ferry_message *msg, const char *failure);

#endif
