/*
 * steward_fields - the table of the fields of Steward's message, and the allocations that reading one needs.
 *
 * The fields are in the order in which they are sent.
 */
#include "wire/steward_fields.h"

#include <stdlib.h>

#define FIELD(name, kind, member)                                                                                      \
    {                                                                                                                  \
        name, FY_STEWARD_##kind, 0, offsetof(struct fy_steward_message, member)                                        \
    }
#define FIELD_OF(form, name, kind, member)                                                                             \
    {                                                                                                                  \
        name, FY_STEWARD_##kind, FY_STEWARD_##form, offsetof(struct fy_steward_message, member)                        \
    }

static const struct fy_steward_field fields[] = {
    FIELD("ToNode", TEXT, to_node),
    FIELD("ToNodes", NODES, to_nodes),
    FIELD("ID", INT, id),
    FIELD_OF(25, "Data", TEXTS, data_lines),
    FIELD_OF(26, "Data", BYTES, data),
    FIELD("Method", TEXT, method),
    FIELD("MethodArgs", TEXTS, method_args),
    FIELD_OF(26, "ArgSignature", BYTES, arg_signature),
    FIELD("ReplyMethod", TEXT, reply_method),
    FIELD("ReplyMethodArgs", TEXTS, reply_method_args),
    FIELD("IsReply", BOOL, is_reply),
    FIELD("FromNode", TEXT, from_node),
    FIELD("ACKTimeout", INT, ack_timeout),
    FIELD("Retries", INT, retries),
    FIELD("ReplyACKTimeout", INT, reply_ack_timeout),
    FIELD("ReplyRetries", INT, reply_retries),
    FIELD("MethodTimeout", INT, method_timeout),
    FIELD("ReplyMethodTimeout", INT, reply_method_timeout),
    FIELD("Directory", TEXT, directory),
    FIELD("FileName", TEXT, file_name),
    FIELD("PreviousMessage", MESSAGE, previous),
    FIELD("RelayViaNode", TEXT, relay_via_node),
    FIELD("RelayOriginalViaNode", TEXT, relay_original_via_node),
    FIELD("RelayFromNode", TEXT, relay_from_node),
    FIELD("RelayToNode", TEXT, relay_to_node),
    FIELD("RelayOriginalMethod", TEXT, relay_original_method),
    FIELD("RelayReplyMethod", TEXT, relay_reply_method),
};

const struct fy_steward_field *fy_steward_next_field(enum fy_steward_form form, size_t *at)
{
    while (*at < sizeof(fields) / sizeof(fields[0])) {
        const struct fy_steward_field *field = &fields[(*at)++];

        if (field->only == 0 || field->only == form)
            return field;
    }
    return NULL;
}

struct fy_steward_message *fy_steward_new(void)
{
    return calloc(1, sizeof(struct fy_steward_message));
}

int fy_steward_list_new(struct fy_steward_list *list, size_t n)
{
    struct ferry_bytes *items = NULL;

    if (n > FY_STEWARD_MAX_ITEMS)
        return FERRY_ERR_TOO_LARGE;
    if (n > 0) {
        items = realloc(list->items, n * sizeof(*items));
        if (!items)
            return FERRY_ERR_NOMEM;
        list->items = items;
    }
    list->is_present = true;
    return FERRY_OK;
}
