/*
 * message_class - the public functions on classes of messages.
 */
#include "peer/message_class.h"

#include "base/item.h"

_Static_assert((int)FERRY_N_CLASSES <= FY_N_ITEM_CLASSES, "more classes than an account counts");

enum ferry_message_class ferry_message_type_class(enum ferry_message_type type)
{
    return fy_message_class(type);
}

const char *ferry_message_class_name(enum ferry_message_class message_class)
{
    switch (message_class) {
    case FERRY_CLASS_CONTROL:
        return "control";
    case FERRY_CLASS_APPEND:
        return "append";
    case FERRY_CLASS_PROPOSAL:
        return "proposal";
    case FERRY_CLASS_SNAPSHOT:
        return "snapshot";
    default:
        return "unknown";
    }
}
