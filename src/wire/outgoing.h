/*
 * outgoing.h - a message to be sent, encoded once and ready for any lane.
 *
 * A lane's framing is not known when a message is queued: msgappv2 decides between its compact and its full frame only
 * when the connection's state is known, and the pipeline sends the bare message.  So the message is packed in three
 * runs - its fields before the entries, the entries, its fields after them - whose concatenation is the protobuf
 * message, and each entry can also be reached alone, which is all that a compact frame needs.
 * One allocation; nothing in it points to the caller's memory.
 */
#ifndef FY_WIRE_OUTGOING_H
#define FY_WIRE_OUTGOING_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "ferry/ferry.h"

struct fy_outgoing {
    struct fy_node node; /* its owner's */
    uint64_t queued_ns;  /* its owner's: when it was given to a lane */
    enum ferry_message_type type;
    uint64_t to;
    uint64_t from;
    uint64_t term;
    uint64_t log_term;
    uint64_t index;
    uint64_t commit;
    uint64_t last_index; /* of the last entry; index when there are none */
    size_t n_entries;
    size_t memory;     /* of the whole block */
    size_t packed_len; /* of the bare protobuf message */

    /* For the encoder: where the runs lie in packed, one after the other. */
    size_t head_len;
    size_t entries_len; /* each entry: its length as a compact frame has it (be64.h), then the Entry without its tag */
    size_t tail_len;
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

#endif
