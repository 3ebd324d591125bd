/*
 * steward_cbor - Steward's message as a CBOR array in the order of the fields.
 *
 * The number of items is the only sign of the form, so an array of any other length is malformed.  Null stands for the
 * zero value of any field, as Steward's own reader takes it.
 */
#include "base/text.h"
#include "wire/cbor.h"
#include "wire/steward_fields.h"

/* A list of unknown length grows by doubling. */
static int reserve(struct fy_steward_list *list, size_t *room)
{
    size_t more = *room < FY_STEWARD_MAX_ITEMS / 2 ? 2 * *room : FY_STEWARD_MAX_ITEMS;
    int err;

    if (list->n < *room)
        return FERRY_OK;
    if (list->n == FY_STEWARD_MAX_ITEMS)
        return FERRY_ERR_TOO_LARGE;
    err = fy_steward_list_new(list, more > 4 ? more : 4);
    *room = more > 4 ? more : 4;
    return err;
}

static int read_text(struct fy_cbor_reader *reader, struct ferry_bytes *text)
{
    return fy_cbor_skip_null(reader) ? FERRY_OK : fy_cbor_read_text(reader, text);
}

static int read_texts(struct fy_cbor_reader *reader, struct fy_steward_list *list)
{
    size_t n, room;
    int err;

    if (fy_cbor_skip_null(reader))
        return FERRY_OK;
    err = fy_cbor_read_array(reader, &n);
    room = n == FY_CBOR_INDEFINITE ? 0 : n;
    if (!err)
        err = fy_steward_list_new(list, room);
    while (!err && (n == FY_CBOR_INDEFINITE ? !fy_cbor_skip_break(reader) : list->n < n)) {
        err = reserve(list, &room);
        if (!err) {
            list->items[list->n] = (struct ferry_bytes){.len = 0};
            err = read_text(reader, &list->items[list->n]);
        }
        list->n += !err;
    }
    return err;
}

static int read_message(struct fy_cbor_reader *reader, enum fy_steward_form form, unsigned depth,
                        struct fy_steward_message *message);

static int read_previous(struct fy_cbor_reader *reader, enum fy_steward_form form, unsigned depth,
                         struct fy_steward_message **previous)
{
    if (depth == FY_STEWARD_MAX_DEPTH)
        return FERRY_ERR_DEPTH;
    *previous = fy_steward_new();
    return *previous ? read_message(reader, form, depth + 1, *previous) : FERRY_ERR_NOMEM;
}

static int read_field(struct fy_cbor_reader *reader, enum fy_steward_form form, unsigned depth,
                      const struct fy_steward_field *field, void *value)
{
    switch (field->kind) {
    case FY_STEWARD_TEXTS:
    case FY_STEWARD_NODES:
        return read_texts(reader, value);
    default:
        break;
    }
    if (fy_cbor_skip_null(reader))
        return FERRY_OK;
    switch (field->kind) {
    case FY_STEWARD_BYTES:
        return fy_cbor_read_bytes(reader, value);
    case FY_STEWARD_INT:
        return fy_cbor_read_int(reader, value);
    case FY_STEWARD_BOOL:
        return fy_cbor_read_bool(reader, value);
    case FY_STEWARD_MESSAGE:
        return read_previous(reader, form, depth, value);
    default:
        return fy_cbor_read_text(reader, value);
    }
}

static int read_message(struct fy_cbor_reader *reader, enum fy_steward_form form, unsigned depth,
                        struct fy_steward_message *message)
{
    const struct fy_steward_field *field;
    size_t at = 0, n;
    int err = fy_cbor_read_array(reader, &n);

    if (!err && n != FY_CBOR_INDEFINITE && n != (size_t)form)
        err = FERRY_ERR_MALFORMED;
    while (!err && (field = fy_steward_next_field(form, &at)))
        err = read_field(reader, form, depth, field, fy_steward_at(message, field));
    if (!err && n == FY_CBOR_INDEFINITE && !fy_cbor_skip_break(reader))
        err = reader->at == reader->end ? FERRY_ERR_TRUNCATED : FERRY_ERR_MALFORMED;
    return err;
}

int fy_steward_cbor_read(enum fy_steward_form form, struct ferry_bytes bytes, struct fy_steward_message *message)
{
    struct fy_cbor_reader reader = fy_cbor_reader(bytes);
    int err = read_message(&reader, form, 1, message);

    return !err && reader.at != reader.end ? FERRY_ERR_MALFORMED : err;
}

/* ---- Writing ---- */

static void write_texts(const struct fy_steward_list *list, struct fy_text *out)
{
    if (!list->is_present) {
        fy_cbor_put_null(out);
        return;
    }
    fy_cbor_put_array(out, list->n);
    for (size_t i = 0; i < list->n; i++)
        fy_cbor_put_text(out, list->items[i]);
}

static void write_bytes(const struct ferry_bytes *bytes, struct fy_text *out)
{
    if (bytes->data)
        fy_cbor_put_bytes(out, *bytes);
    else
        fy_cbor_put_null(out);
}

static void write_previous(enum fy_steward_form form, const struct fy_steward_message *previous, struct fy_text *out)
{
    if (previous)
        fy_steward_cbor_write(form, previous, out);
    else
        fy_cbor_put_null(out);
}

void fy_steward_cbor_write(enum fy_steward_form form, const struct fy_steward_message *message, struct fy_text *out)
{
    const struct fy_steward_field *field;
    size_t at = 0;

    fy_cbor_put_array(out, (size_t)form);
    while ((field = fy_steward_next_field(form, &at))) {
        const void *value = fy_steward_at_const(message, field);

        switch (field->kind) {
        case FY_STEWARD_TEXT:
            fy_cbor_put_text(out, *(const struct ferry_bytes *)value);
            break;
        case FY_STEWARD_BYTES:
            write_bytes(value, out);
            break;
        case FY_STEWARD_INT:
            fy_cbor_put_int(out, *(const int64_t *)value);
            break;
        case FY_STEWARD_BOOL:
            fy_cbor_put_bool(out, *(const bool *)value);
            break;
        case FY_STEWARD_TEXTS:
        case FY_STEWARD_NODES:
            write_texts(value, out);
            break;
        case FY_STEWARD_MESSAGE:
            write_previous(form, *(struct fy_steward_message *const *)value, out);
            break;
        }
    }
}
