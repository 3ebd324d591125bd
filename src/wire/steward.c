/*
 * steward - Steward's message: its fields, its life in memory, the headers that tell how it was written.
 *
 * The fields stand in one table in the order of the wire.  The two serializations are in files of their own.
 */
#include "wire/steward.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/steward_fields.h"

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

void fy_steward_free(struct fy_steward_message *message)
{
    while (message) {
        struct fy_steward_message *previous = message->previous;

        free(message->to_nodes.items);
        free(message->data_lines.items);
        free(message->method_args.items);
        free(message->reply_method_args.items);
        free(message);
        message = previous;
    }
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

int fy_steward_read(enum fy_steward_form form, enum fy_steward_serial serial, struct ferry_bytes bytes,
                    struct fy_steward_message **ret_message)
{
    struct fy_steward_message *message = fy_steward_new();
    int err;

    if (!message)
        return FERRY_ERR_NOMEM;
    err = serial == FY_STEWARD_CBOR ? fy_steward_cbor_read(form, bytes, message)
                                    : fy_steward_gob_read(form, bytes, message);
    if (err)
        fy_steward_free(message);
    else
        *ret_message = message;
    return err;
}

void fy_steward_write(enum fy_steward_form form, enum fy_steward_serial serial,
                      const struct fy_steward_message *message, struct fy_text *out)
{
    if (serial == FY_STEWARD_CBOR)
        fy_steward_cbor_write(form, message, out);
    else
        fy_steward_gob_write(form, message, out);
}

int fy_steward_read_headers(const char *serial, const char *packing, enum fy_steward_serial *ret_serial,
                            enum fy_steward_packing *ret_packing)
{
    if (serial && strcmp(serial, "cbor") != 0)
        return FERRY_ERR_INVALID;
    if (packing && strcmp(packing, "z") != 0 && strcmp(packing, "g") != 0)
        return FERRY_ERR_INVALID;
    *ret_serial = serial ? FY_STEWARD_CBOR : FY_STEWARD_GOB;
    *ret_packing = !packing ? FY_STEWARD_PLAIN : *packing == 'z' ? FY_STEWARD_ZSTD : FY_STEWARD_GZIP;
    return FERRY_OK;
}

const char *fy_steward_serial_header(enum fy_steward_serial serial)
{
    return serial == FY_STEWARD_CBOR ? "cbor" : NULL;
}

const char *fy_steward_packing_header(enum fy_steward_packing packing)
{
    return packing == FY_STEWARD_ZSTD ? "z" : packing == FY_STEWARD_GZIP ? "g" : NULL;
}
