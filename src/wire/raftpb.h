/*
 * raftpb.h - the tags of raftpb/raft.proto, for the hand that reads and the hand that writes.
 */
#ifndef FY_WIRE_RAFTPB_H
#define FY_WIRE_RAFTPB_H

#include "wire/protobuf.h"

enum fy_message_tag {
    FY_MESSAGE_TYPE = FY_PB_TAG(1, FY_PB_VARINT),
    FY_MESSAGE_TO = FY_PB_TAG(2, FY_PB_VARINT),
    FY_MESSAGE_FROM = FY_PB_TAG(3, FY_PB_VARINT),
    FY_MESSAGE_TERM = FY_PB_TAG(4, FY_PB_VARINT),
    FY_MESSAGE_LOG_TERM = FY_PB_TAG(5, FY_PB_VARINT),
    FY_MESSAGE_INDEX = FY_PB_TAG(6, FY_PB_VARINT),
    FY_MESSAGE_ENTRIES = FY_PB_TAG(7, FY_PB_BYTES),
    FY_MESSAGE_COMMIT = FY_PB_TAG(8, FY_PB_VARINT),
    FY_MESSAGE_SNAPSHOT = FY_PB_TAG(9, FY_PB_BYTES),
    FY_MESSAGE_REJECT = FY_PB_TAG(10, FY_PB_VARINT),
    FY_MESSAGE_REJECT_HINT = FY_PB_TAG(11, FY_PB_VARINT),
    FY_MESSAGE_CONTEXT = FY_PB_TAG(12, FY_PB_BYTES),
    FY_MESSAGE_VOTE = FY_PB_TAG(13, FY_PB_VARINT),
    FY_MESSAGE_RESPONSES = FY_PB_TAG(14, FY_PB_BYTES),
    FY_MESSAGE_LAST_NUMBER = 14,
};

enum fy_entry_tag {
    FY_ENTRY_TYPE = FY_PB_TAG(1, FY_PB_VARINT),
    FY_ENTRY_TERM = FY_PB_TAG(2, FY_PB_VARINT),
    FY_ENTRY_INDEX = FY_PB_TAG(3, FY_PB_VARINT),
    FY_ENTRY_DATA = FY_PB_TAG(4, FY_PB_BYTES),
    FY_ENTRY_LAST_NUMBER = 4,
};

enum fy_snapshot_tag {
    FY_SNAPSHOT_DATA = FY_PB_TAG(1, FY_PB_BYTES),
    FY_SNAPSHOT_METADATA = FY_PB_TAG(2, FY_PB_BYTES),
    FY_SNAPSHOT_LAST_NUMBER = 2,
};

enum fy_metadata_tag {
    FY_METADATA_CONF_STATE = FY_PB_TAG(1, FY_PB_BYTES),
    FY_METADATA_INDEX = FY_PB_TAG(2, FY_PB_VARINT),
    FY_METADATA_TERM = FY_PB_TAG(3, FY_PB_VARINT),
    FY_METADATA_LAST_NUMBER = 3,
};

/* Numbers 1 to 4 are lists of ids: voters, learners, voters_outgoing, learners_next; each packed or not. */
enum fy_conf_state_tag {
    FY_CONF_STATE_N_LISTS = 4,
    FY_CONF_STATE_AUTO_LEAVE = FY_PB_TAG(5, FY_PB_VARINT),
    FY_CONF_STATE_LAST_NUMBER = 5,
};

#endif
