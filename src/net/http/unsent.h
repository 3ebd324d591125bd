/*
 * unsent.h - outflows whose bytes the client has to take in time.
 */
#ifndef FY_NET_HTTP_UNSENT_H
#define FY_NET_HTTP_UNSENT_H

struct fy_listener;
struct fy_outflow;

void fy_unsent_init(struct fy_listener *listener);
void fy_unsent_release(struct fy_listener *listener);

/* Bytes of it are on their way, from now on: when the write timeout is over its request is dropped. */
void fy_unsent_note(struct fy_outflow *out);
void fy_unsent_forget(struct fy_outflow *out); /* fine for one that was not noted */

#endif
