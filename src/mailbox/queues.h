/*
 * queues.h - the outbox's messages by node, and within a node by subject, in the order of their acceptance.
 *
 * Nodes and streams are made when they are needed and dropped when they are empty.
 */
#ifndef FY_MAILBOX_QUEUES_H
#define FY_MAILBOX_QUEUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "ferry/ferry.h"
#include "mailbox/lookup.h"
#include "mailbox/mail.h"
#include "wire/mail_frame.h"

struct fy_peer_queue {
    struct fy_entry entry;
    struct fy_node node; /* queues->peers */
    struct fy_list streams;
    struct fy_list ready; /* streams whose head waits for a place in flight */
    size_t n_mails;
    size_t n_bytes;
    size_t n_in_flight;
    bool is_up;
    bool is_pumping; /* it is being used, and must not be dropped */
    char name[FY_MAIL_MAX_NAME + 1];
};

struct fy_stream {
    struct fy_entry entry; /* by peer and subject */
    struct fy_node node;   /* peer->streams */
    struct fy_node ready;  /* peer->ready */
    struct fy_list mails;  /* by sequence */
    size_t n_holds;        /* ends that have to be stored before the next message is sent */
    struct fy_peer_queue *peer;
    size_t subject_len;
    uint8_t subject[];
};

struct fy_queues {
    struct fy_list peers;
    struct fy_lookup by_name;
    struct fy_lookup by_subject;
    struct fy_lookup by_sequence;
};

void fy_queues_init(struct fy_queues *queues);
void fy_queues_release(struct fy_queues *queues); /* with its messages */

struct fy_peer_queue *fy_queues_find_peer(const struct fy_queues *queues, struct ferry_bytes name);
struct fy_peer_queue *fy_queues_make_peer(struct fy_queues *queues, struct ferry_bytes name); /* NULL: no memory */
void fy_queues_drop_idle_peer(struct fy_queues *queues, struct fy_peer_queue *peer); /* unless it is not idle */

struct fy_stream *fy_queues_find_stream(const struct fy_queues *queues, const struct fy_peer_queue *peer,
                                        struct ferry_bytes subject);
struct fy_mail *fy_queues_find_mail(const struct fy_queues *queues, uint64_t sequence);

/*
 * Put a message at the end of the stream, made if need be, of its peer.  FERRY_ERR_NOMEM: nothing has changed, but a
 * peer may be idle.
 */
int fy_queues_add(struct fy_queues *queues, struct fy_peer_queue *peer, struct ferry_bytes subject,
                  struct fy_mail *mail);

void fy_queues_remove(struct fy_queues *queues, struct fy_mail *mail);

/* Drop a stream that is empty and not held.  True: it is gone. */
bool fy_queues_drop_idle_stream(struct fy_queues *queues, struct fy_stream *stream);

size_t fy_stream_length(const struct fy_stream *stream);
struct fy_mail *fy_stream_head(const struct fy_stream *stream); /* NULL: it is empty */

#endif
