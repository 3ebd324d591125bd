/*
 * demo_link.h - what a member of the demo knows about its link to one other, and how that travels to the parent.
 */
#ifndef TOOLS_DEMO_LINK_H
#define TOOLS_DEMO_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

/* Sums as in struct ferry_counts. */
struct demo_link {
    uint64_t peer;
    uint64_t active_since_ms; /* 0: inactive */
    uint64_t n_streams;       /* of four: both types, both directions */
    uint64_t n_queued;
    uint64_t sent;
    uint64_t written;
    uint64_t sent_bytes;
    uint64_t received;
    uint64_t received_bytes;
    uint64_t delivered; /* to the core, those included that came before the peer was known */
    uint64_t dropped[FERRY_N_DROP_REASONS];
};

#define DEMO_LINK_ALL_STREAMS (2 * FERRY_N_STREAMS)
#define DEMO_LINK_TEXT_SIZE 600

void demo_link_from_status(const struct ferry_peer_status *status, uint64_t delivered, struct demo_link *ret_link);

/* Numbers with blanks between, no newline. */
void demo_link_format(const struct demo_link *link, char text[DEMO_LINK_TEXT_SIZE]);
bool demo_link_parse(const char *text, struct demo_link *ret_link);

uint64_t demo_link_n_dropped(const struct demo_link *link);

/* Is every message accounted for, with none still queued? */
bool demo_link_adds_up(const struct demo_link *link);

#endif
