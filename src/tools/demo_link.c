/*
 * demo_link - what a member of the demo knows about its link to one other.
 *
 * All fields are 64-bit numbers, and on their way to the parent they are just that: one after the other.
 */
#include "tools/demo_link.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_NUMBERS (sizeof(struct demo_link) / sizeof(uint64_t))

_Static_assert(N_NUMBERS * 21 < DEMO_LINK_TEXT_SIZE, "the text has room for all numbers");

void demo_link_from_status(const struct ferry_peer_status *status, uint64_t delivered, struct demo_link *ret_link)
{
    const struct ferry_counts *counts = &status->counts;

    *ret_link = (struct demo_link){
        .peer = status->id,
        .active_since_ms = status->active ? status->active_since_ms : 0,
        .n_queued = status->queued_messages,
        .sent = counts->sent,
        .written = counts->written,
        .sent_bytes = counts->sent_bytes,
        .received = counts->received,
        .received_bytes = counts->received_bytes,
        .delivered = delivered,
    };
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        ret_link->n_streams += (uint64_t)status->writer_attached[i] + (uint64_t)status->reader_attached[i];
    memcpy(ret_link->dropped, counts->dropped, sizeof(ret_link->dropped));
}

void demo_link_format(const struct demo_link *link, char text[DEMO_LINK_TEXT_SIZE])
{
    uint64_t numbers[N_NUMBERS];
    size_t len = 0;

    memcpy(numbers, link, sizeof(numbers));
    for (size_t i = 0; i < N_NUMBERS; i++)
        len += (size_t)snprintf(text + len, DEMO_LINK_TEXT_SIZE - len, i > 0 ? " %" PRIu64 : "%" PRIu64, numbers[i]);
    assert(len < DEMO_LINK_TEXT_SIZE);
}

bool demo_link_parse(const char *text, struct demo_link *ret_link)
{
    uint64_t numbers[N_NUMBERS];

    for (size_t i = 0; i < N_NUMBERS; i++) {
        char *end;

        numbers[i] = strtoull(text, &end, 10);
        if (end == text)
            return false;
        text = end;
    }
    if (*text)
        return false;
    memcpy(ret_link, numbers, sizeof(numbers));
    return true;
}

uint64_t demo_link_n_dropped(const struct demo_link *link)
{
    uint64_t n = 0;

    for (size_t i = 0; i < FERRY_N_DROP_REASONS; i++)
        n += link->dropped[i];
    return n;
}

bool demo_link_adds_up(const struct demo_link *link)
{
    return link->n_queued == 0 && link->sent == link->written + demo_link_n_dropped(link);
}
