/*
 * steward - read and write Steward's message in either serialization, and the headers that name the serialization.
 *
 * The two serializations are in files of their own; both walk the table in steward_fields.c.
 */
#include "wire/steward.h"

#include <stdlib.h>
#include <string.h>

#include "wire/steward_fields.h"

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
