/*
 * outbox - the outbox as its owner sees it: made, told to cancel, to stop, to tell, and freed.
 *
 * How messages come in is in outbox_post.c and outbox_load.c, what becomes of them in dispatch.c.
 */
#include "mailbox/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mailbox/dead_letters.h"
#include "mailbox/dispatch.h"

int fy_outbox_new(const struct fy_outbox_config *config, struct fy_outbox **ret_box)
{
    struct fy_outbox *box = calloc(1, sizeof(*box));

    assert(config->first_sequence > 0);
    if (!box)
        return FERRY_ERR_NOMEM;
    box->config = *config;
    box->next_sequence = config->first_sequence;
    box->reserved = config->reserved;
    box->random = config->seed ? config->seed : 1;
    fy_queues_init(&box->queues);
    fy_list_init(&box->settled);
    fy_list_init(&box->dead);
    *ret_box = box;
    return FERRY_OK;
}

static void free_list(struct fy_list *mails)
{
    struct fy_node *node;

    while ((node = fy_list_take_first(mails)))
        fy_mail_unref(fy_container(node, struct fy_mail, node));
}

void fy_outbox_free(struct fy_outbox *box)
{
    if (!box)
        return;
    fy_queues_release(&box->queues);
    free_list(&box->settled);
    free_list(&box->dead);
    free(box);
}

/* ---- What the owner wants ---- */

int fy_outbox_cancel(struct fy_outbox *box, uint64_t sequence)
{
    struct fy_mail *mail = fy_queues_find_mail(&box->queues, sequence);

    if (!mail)
        return FERRY_ERR_NOT_FOUND;
    fy_outbox_settle(box, mail, FY_END_CANCELLED);
    return FERRY_OK;
}

static void end_all(struct fy_outbox *box, struct fy_peer_queue *peer, enum fy_mail_end end)
{
    struct fy_node *node, *next;

    peer->is_pumping = true; /* what comes next in a stream is not sent */
    for (node = fy_list_first(&peer->streams); node; node = next) {
        struct fy_stream *stream = fy_container(node, struct fy_stream, node);

        next = fy_list_next(&peer->streams, node); /* the last end drops the stream */
        for (size_t n = fy_stream_length(stream); n > 0; n--)
            fy_outbox_end(box, fy_stream_head(stream), end);
    }
    peer->is_pumping = false;
}

void fy_outbox_remove_peer(struct fy_outbox *box, const char *node)
{
    struct fy_peer_queue *peer =
        fy_queues_find_peer(&box->queues, (struct ferry_bytes){(const uint8_t *)node, strlen(node)});

    if (!peer)
        return;
    end_all(box, peer, FY_END_PEER_REMOVED);
    fy_queues_drop_idle_peer(&box->queues, peer);
}

void fy_outbox_stop(struct fy_outbox *box)
{
    box->is_stopped = true;
    for (struct fy_node *node = fy_list_first(&box->queues.peers); node;
         node = fy_list_next(&box->queues.peers, node))
        end_all(box, fy_container(node, struct fy_peer_queue, node), FY_END_SHUT_DOWN);
}

void fy_outbox_tell(struct fy_outbox *box)
{
    struct fy_node *node;

    while ((node = fy_list_take_first(&box->settled))) {
        struct fy_mail *mail = fy_container(node, struct fy_mail, node);

        box->config.told(box->config.ctx, mail);
        fy_dead_bury(box, mail);
    }
}

void fy_outbox_read_counts(const struct fy_outbox *box, struct fy_outbox_counts *ret_counts)
{
    *ret_counts = box->counts;
}
