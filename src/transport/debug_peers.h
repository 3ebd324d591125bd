/*
 * debug_peers.h - a survey as JSON: one object for the transport, with an array of peers.
 */
#ifndef FY_TRANSPORT_DEBUG_PEERS_H
#define FY_TRANSPORT_DEBUG_PEERS_H

struct fy_survey;
struct fy_text;

void fy_debug_peers_print(const struct fy_survey *survey, struct fy_text *text);

#endif
