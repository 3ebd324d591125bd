/*
 * message_class.h - the class of a Raft message: by it messages are counted, and items know it (base/item.h).
 */
#ifndef FY_PEER_MESSAGE_CLASS_H
#define FY_PEER_MESSAGE_CLASS_H

#include "ferry/ferry.h"

/* ferry_message_type_class, for each message that passes. */
static inline enum ferry_message_class fy_message_class(enum ferry_message_type type)
{
    switch (type) {
    case FERRY_MSG_APP:
    case FERRY_MSG_APP_RESP:
        return FERRY_CLASS_APPEND;
    case FERRY_MSG_PROP:
        return FERRY_CLASS_PROPOSAL;
    case FERRY_MSG_SNAP:
        return FERRY_CLASS_SNAPSHOT;
    default:
        return FERRY_CLASS_CONTROL;
    }
}

#endif
