/*
 * queues - three tables and the lists of nodes, streams and messages.
 */
#include "mailbox/queues.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void fy_queues_init(struct fy_queues *queues)
{
    fy_list_init(&queues->peers);
    fy_lookup_init(&queues->by_name);
    fy_lookup_init(&queues->by_subject);
    fy_lookup_init(&queues->by_sequence);
}

struct fy_peer_queue *fy_queues_find_peer(const struct fy_queues *queues, struct ferry_bytes name)
{
    struct fy_entry *entry = fy_lookup_find(&queues->by_name, fy_hash(0, name.data, name.len));

    for (; entry; entry = fy_lookup_find_next(entry)) {
        struct fy_peer_queue *peer = fy_container(entry, struct fy_peer_queue, entry);

        if (strlen(peer->name) == name.len && memcmp(peer->name, name.data, name.len) == 0)
            return peer;
    }
    return NULL;
}

struct fy_peer_queue *fy_queues_make_peer(struct fy_queues *queues, struct ferry_bytes name)
{
    struct fy_peer_queue *peer = fy_queues_find_peer(queues, name);

    assert(name.len <= FY_MAIL_MAX_NAME);
    if (peer)
        return peer;
    peer = calloc(1, sizeof(*peer));
    if (!peer)
        return NULL;
    memcpy(peer->name, name.data, name.len);
    fy_list_init(&peer->streams);
    fy_list_init(&peer->ready);
    fy_list_append(&queues->peers, &peer->node);
    fy_lookup_add(&queues->by_name, &peer->entry, fy_hash(0, name.data, name.len));
    return peer;
}

void fy_queues_drop_idle_peer(struct fy_queues *queues, struct fy_peer_queue *peer)
{
    if (peer->is_up || peer->is_pumping || !fy_list_is_empty(&peer->streams))
        return;
    fy_list_remove(&peer->node);
    fy_lookup_remove(&queues->by_name, &peer->entry);
    free(peer);
}

static uint64_t stream_hash(const struct fy_peer_queue *peer, struct ferry_bytes subject)
{
    return fy_hash((uint64_t)(uintptr_t)peer, subject.data, subject.len);
}

struct fy_stream *fy_queues_find_stream(const struct fy_queues *queues, const struct fy_peer_queue *peer,
                                        struct ferry_bytes subject)
{
    struct fy_entry *entry = fy_lookup_find(&queues->by_subject, stream_hash(peer, subject));

    for (; entry; entry = fy_lookup_find_next(entry)) {
        struct fy_stream *stream = fy_container(entry, struct fy_stream, entry);

        if (stream->peer == peer && stream->subject_len == subject.len &&
            memcmp(stream->subject, subject.data, subject.len) == 0)
            return stream;
    }
    return NULL;
}

static struct fy_stream *make_stream(struct fy_queues *queues, struct fy_peer_queue *peer, struct ferry_bytes subject)
{
    struct fy_stream *stream = fy_queues_find_stream(queues, peer, subject);

    if (stream)
        return stream;
    stream = calloc(1, sizeof(*stream) + subject.len);
    if (!stream)
        return NULL;
    stream->peer = peer;
    stream->subject_len = subject.len;
    memcpy(stream->subject, subject.data, subject.len);
    fy_list_init(&stream->mails);
    fy_list_append(&peer->streams, &stream->node);
    fy_lookup_add(&queues->by_subject, &stream->entry, stream_hash(peer, subject));
    return stream;
}

struct fy_mail *fy_queues_find_mail(const struct fy_queues *queues, uint64_t sequence)
{
    struct fy_entry *entry = fy_lookup_find(&queues->by_sequence, sequence);

    return entry ? fy_container(entry, struct fy_mail, entry) : NULL;
}

int fy_queues_add(struct fy_queues *queues, struct fy_peer_queue *peer, struct ferry_bytes subject,
                  struct fy_mail *mail)
{
    struct fy_stream *stream = make_stream(queues, peer, subject);

    if (!stream)
        return FERRY_ERR_NOMEM;
    mail->stream = stream;
    fy_list_append(&stream->mails, &mail->node);
    fy_lookup_add(&queues->by_sequence, &mail->entry, mail->sequence);
    peer->n_mails++;
    peer->n_bytes += mail->frame_len;
    return FERRY_OK;
}

void fy_queues_remove(struct fy_queues *queues, struct fy_mail *mail)
{
    fy_list_remove(&mail->node);
    fy_lookup_remove(&queues->by_sequence, &mail->entry);
    mail->stream->peer->n_mails--;
    mail->stream->peer->n_bytes -= mail->frame_len;
    mail->stream = NULL;
}

bool fy_queues_drop_idle_stream(struct fy_queues *queues, struct fy_stream *stream)
{
    if (!fy_list_is_empty(&stream->mails) || stream->n_holds > 0)
        return false;
    if (fy_node_is_linked(&stream->ready))
        fy_list_remove(&stream->ready);
    fy_list_remove(&stream->node);
    fy_lookup_remove(&queues->by_subject, &stream->entry);
    free(stream);
    return true;
}

struct fy_mail *fy_stream_head(const struct fy_stream *stream)
{
    struct fy_node *node = fy_list_first(&stream->mails);

    return node ? fy_container(node, struct fy_mail, node) : NULL;
}

size_t fy_stream_length(const struct fy_stream *stream)
{
    size_t n = 0;

    for (struct fy_node *node = fy_list_first(&stream->mails); node; node = fy_list_next(&stream->mails, node))
        n++;
    return n;
}

static void free_stream(struct fy_queues *queues, struct fy_stream *stream)
{
    struct fy_mail *mail;

    while ((mail = fy_stream_head(stream))) {
        fy_timer_unset(&mail->retry);
        fy_timer_unset(&mail->deadline);
        fy_queues_remove(queues, mail);
        fy_mail_unref(mail);
    }
    stream->n_holds = 0;
    (void)fy_queues_drop_idle_stream(queues, stream); /* it is idle now */
}

void fy_queues_release(struct fy_queues *queues)
{
    struct fy_node *node;

    while ((node = fy_list_first(&queues->peers))) {
        struct fy_peer_queue *peer = fy_container(node, struct fy_peer_queue, node);

        peer->is_up = false;
        while ((node = fy_list_first(&peer->streams)))
            free_stream(queues, fy_container(node, struct fy_stream, node));
        fy_queues_drop_idle_peer(queues, peer);
    }
    fy_lookup_release(&queues->by_name);
    fy_lookup_release(&queues->by_subject);
    fy_lookup_release(&queues->by_sequence);
}
