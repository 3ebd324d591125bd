/*
 * outgoing.h - a message to be sent, encoded once for any lane.
 *
 * The framing is not known when a message is queued: msgappv2 chooses between its compact and its full frame by the
 * state of the connection, and the pipeline sends the bare message.  So the message is packed in three runs: its fields
 * before the entries, the entries, its fields after them.  Concatenated they are the protobuf message, and each entry
 * can be reached alone, which is all that a compact frame needs.
 * One block of memory, or two if the entries are shared by several messages.  Nothing in it points to the caller's
 * memory.
 */
#ifndef FY_WIRE_OUTGOING_H
#define FY_WIRE_OUTGOING_H

#include <stddef.h>
#include <stdint.h>

#include "base/item.h"
#include "base/shelf.h"
#include "ferry/ferry.h"

/* Entries that several messages share. */
struct fy_packed_entries;

struct fy_outgoing {
    struct fy_item item; /* first; memory includes shared entries, other fields are set by the owner */
    enum ferry_message_type type;
    uint64_t to;
    uint64_t from;
    uint64_t term;
    uint64_t log_term;
    uint64_t index;
    uint64_t commit;
    uint64_t last_index; /* of the last entry; index if there are none */
    size_t n_entries;
    size_t packed_len; /* of the bare protobuf message */

    /* The three runs, for the encoder. */
    const uint8_t *head;
    const uint8_t *entries; /* each: its length as in a compact frame (be64.h), then the Entry without its tag */
    const uint8_t *tail;
    size_t head_len;
    size_t entries_len;
    size_t tail_len;

    struct fy_shelf *shelf;           /* where the memory returns to; NULL: free */
    struct fy_packed_entries *shared; /* the block of the entries; NULL: in packed, like the rest */
    uint8_t packed[];
};

/*
 * Encode msg in one of etcd's forms.  FERRY_FORM_3_4 and _3_6 write every scalar, _3_7 only those that are not zero.
 * The 3.4 form omits vote and responses, which 3.4 does not know, if they are zero and empty.  A snapshot is always
 * written in full; 3.4 writes an empty one if there is none.
 *
 * FERRY_OK; FERRY_ERR_TOO_LARGE: the packed message would exceed max_bytes; FERRY_ERR_DEPTH: responses are nested more
 * than FY_MESSAGE_MAX_DEPTH deep; FERRY_ERR_INVALID: a count without its array; FERRY_ERR_NOMEM.
 */
int fy_outgoing_new(const struct ferry_message *msg, enum ferry_wire_form form, size_t max_bytes,
                    struct fy_outgoing **ret_out);
void fy_outgoing_free(struct fy_outgoing *out); /* NULL is fine; must not be linked */

/*
 * The same for several messages in a row.  Memory comes from a shelf and returns to it.  Entries that consecutive
 * messages share (the same array) are packed once.  All input must stay unchanged from the first call to
 * fy_packer_release.
 */
struct fy_packer {
    struct fy_shelf *shelf; /* NULL: none */
    enum ferry_wire_form form;
    size_t max_bytes;
    struct fy_packed_entries *shared; /* entries of the last message, if shared; it holds a reference */
};

/* next: the message that will be packed after msg, to see if sharing pays; NULL: none, or unknown. */
int fy_packer_pack(struct fy_packer *packer, const struct ferry_message *msg, const struct ferry_message *next,
                   struct fy_outgoing **ret_out);
void fy_packer_release(struct fy_packer *packer);

/* Free all messages in list; the list is empty afterwards.  All must be of one shelf. */
void fy_outgoing_free_all(struct fy_list *list);

#endif
