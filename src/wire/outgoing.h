/*
 * outgoing.h - a message to be sent, encoded once and ready for any lane.
 *
 * A lane's framing is not known when a message is queued: msgappv2 decides between its compact and its full frame only
 * when the connection's state is known, and the pipeline sends the bare message.  So the message is packed in three
 * runs - its fields before the entries, the entries, its fields after them - whose concatenation is the protobuf
 * message, and each entry can also be reached alone, which is all that a compact frame needs.
 * One block of memory, or two when the entries are packed once for several messages; nothing in it points to the
 * caller's memory.
 */
#ifndef FY_WIRE_OUTGOING_H
#define FY_WIRE_OUTGOING_H

#include <stddef.h>
#include <stdint.h>

#include "base/item.h"
#include "base/shelf.h"
#include "ferry/ferry.h"

/* Entries that several messages have in common. */
struct fy_packed_entries;

struct fy_outgoing {
    struct fy_item item; /* first; memory counts shared entries as if they were its own, the rest is its owner's */
    enum ferry_message_type type;
    uint64_t to;
    uint64_t from;
    uint64_t term;
    uint64_t log_term;
    uint64_t index;
    uint64_t commit;
    uint64_t last_index; /* of the last entry; index when there are none */
    size_t n_entries;
    size_t packed_len; /* of the bare protobuf message */

    /* For the encoder: the three runs. */
    const uint8_t *head;
    const uint8_t *entries; /* each: its length as a compact frame has it (be64.h), then the Entry without its tag */
    const uint8_t *tail;
    size_t head_len;
    size_t entries_len;
    size_t tail_len;

    struct fy_shelf *shelf;           /* to which it goes back; NULL: none */
    struct fy_packed_entries *shared; /* where entries lies; NULL: in packed, as the others */
    uint8_t packed[];
};

/*
 * Encode msg in one of etcd's forms.  In FERRY_FORM_3_4 and _3_6 every scalar is written, in _3_7 those that are not
 * zero; vote and responses, which 3.4 does not know, are left out of its form when they are zero and empty.  A
 * snapshot is always written whole; 3.4 writes an empty one where there is none.
 *
 * FERRY_OK; FERRY_ERR_TOO_LARGE when the packed message would exceed max_bytes; FERRY_ERR_DEPTH when responses are
 * nested more than FY_MESSAGE_MAX_DEPTH deep; FERRY_ERR_INVALID when something is counted but NULL; FERRY_ERR_NOMEM.
 */
int fy_outgoing_new(const struct ferry_message *msg, enum ferry_wire_form form, size_t max_bytes,
                    struct fy_outgoing **ret_out);
void fy_outgoing_free(struct fy_outgoing *out); /* NULL is fine; must not be linked */

/*
 * The same for one message after the other: memory is taken from a shelf, to which it goes back, and entries that
 * several messages in a row have in common, which is the same array of them, are packed once.  All that is in messages
 * must stay as it is from the first to fy_packer_release.
 */
struct fy_packer {
    struct fy_shelf *shelf; /* NULL: none */
    enum ferry_wire_form form;
    size_t max_bytes;
    struct fy_packed_entries *shared; /* of the last message, if it shares; it holds a reference */
};

/* next: the message that will be packed after msg, to see whether sharing pays; NULL: none, or not known. */
int fy_packer_pack(struct fy_packer *packer, const struct ferry_message *msg, const struct ferry_message *next,
                   struct fy_outgoing **ret_out);
void fy_packer_release(struct fy_packer *packer);

/* Free all that are in list, which is left empty.  They are of one shelf. */
void fy_outgoing_free_all(struct fy_list *list);

#endif
