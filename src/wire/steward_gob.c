/*
 * steward_gob - Steward's message as a gob stream: three descriptions of types, and the message.
 *
 * The reader goes by the descriptions that came, and matches fields by their names.  A field of a type other than
 * Steward's own is an error, as it is to Go; so is a message of which no field is known.
 */
#include <string.h>

#include "base/text.h"
#include "wire/gob.h"
#include "wire/steward_fields.h"

/* The ids that Go gives these types. */
enum { ID_MESSAGE = FY_GOB_FIRST_ID, ID_NODES, ID_TEXTS };

struct input {
    struct fy_gob_reader reader;
    struct fy_gob_types types;
    enum fy_steward_form form;
};

static int read_message(struct input *in, const struct fy_gob_type *type, unsigned depth,
                        struct fy_steward_message *message);

static int read_texts(struct input *in, int64_t type, struct fy_steward_list *list)
{
    const struct fy_gob_type *slice = fy_gob_find(&in->types, type);
    size_t n;
    int err;

    if (!slice || slice->is_struct || slice->element != FY_GOB_STRING)
        return FERRY_ERR_MALFORMED;
    err = fy_gob_read_count(&in->reader, &n);
    list->n = 0; /* a field that is sent again counts anew */
    if (!err)
        err = fy_steward_list_new(list, n);
    while (!err && list->n < n) {
        err = fy_gob_read_bytes(&in->reader, &list->items[list->n]);
        list->n += !err;
    }
    return err;
}

static int read_bytes(struct input *in, int64_t type, int64_t wanted, struct ferry_bytes *bytes)
{
    return type == wanted ? fy_gob_read_bytes(&in->reader, bytes) : FERRY_ERR_MALFORMED;
}

static int read_int(struct input *in, int64_t type, int64_t *value)
{
    return type == FY_GOB_INT ? fy_gob_read_int(&in->reader, value) : FERRY_ERR_MALFORMED;
}

static int read_bool(struct input *in, int64_t type, bool *value)
{
    uint64_t number;
    int err = type == FY_GOB_BOOL ? fy_gob_read_uint(&in->reader, &number) : FERRY_ERR_MALFORMED;

    if (!err)
        *value = number != 0;
    return err;
}

static int read_previous(struct input *in, int64_t type, unsigned depth, struct fy_steward_message **previous)
{
    const struct fy_gob_type *described = fy_gob_find(&in->types, type);

    if (!described || !described->is_struct)
        return FERRY_ERR_MALFORMED;
    if (depth == FY_STEWARD_MAX_DEPTH)
        return FERRY_ERR_DEPTH;
    if (*previous) /* a type with two fields of this name */
        return FERRY_ERR_MALFORMED;
    *previous = fy_steward_new();
    return *previous ? read_message(in, described, depth + 1, *previous) : FERRY_ERR_NOMEM;
}

static int read_field(struct input *in, int64_t type, unsigned depth, const struct fy_steward_field *field, void *value)
{
    switch (field->kind) {
    case FY_STEWARD_BYTES:
        return read_bytes(in, type, FY_GOB_BYTES, value);
    case FY_STEWARD_INT:
        return read_int(in, type, value);
    case FY_STEWARD_BOOL:
        return read_bool(in, type, value);
    case FY_STEWARD_TEXTS:
    case FY_STEWARD_NODES:
        return read_texts(in, type, value);
    case FY_STEWARD_MESSAGE:
        return read_previous(in, type, depth, value);
    default:
        return read_bytes(in, type, FY_GOB_STRING, value);
    }
}

static const struct fy_steward_field *find_field(enum fy_steward_form form, struct ferry_bytes name)
{
    const struct fy_steward_field *field;
    size_t at = 0;

    while ((field = fy_steward_next_field(form, &at))) {
        if (strlen(field->name) == name.len && memcmp(field->name, name.data, name.len) == 0)
            return field;
    }
    return NULL;
}

static bool knows_any(enum fy_steward_form form, const struct fy_gob_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        if (find_field(form, type->fields[i].name))
            return true;
    }
    return false;
}

static int read_message(struct input *in, const struct fy_gob_type *type, unsigned depth,
                        struct fy_steward_message *message)
{
    const struct fy_gob_field *sent;
    size_t index = FY_GOB_BEFORE_FIRST;

    if (!knows_any(in->form, type))
        return FERRY_ERR_MALFORMED;
    for (;;) {
        const struct fy_steward_field *field;
        int err = fy_gob_next_field(&in->reader, type, &index, &sent);

        if (err || !sent)
            return err;
        field = find_field(in->form, sent->name);
        err = field ? read_field(in, sent->type, depth, field, fy_steward_at(message, field))
                    : fy_gob_skip(&in->reader, &in->types, sent->type, FY_GOB_MAX_DEPTH);
        if (err)
            return err;
    }
}

int fy_steward_gob_read(enum fy_steward_form form, struct ferry_bytes bytes, struct fy_steward_message *message)
{
    const struct fy_gob_type *type;
    struct input in;
    int err;

    in.form = form;
    err = fy_gob_open(bytes, &in.types, &in.reader, &type);
    if (!err)
        err = read_message(&in, type, 1, message);
    return !err && in.reader.at != in.reader.end ? FERRY_ERR_MALFORMED : err;
}

/* ---- Writing ---- */

static int64_t type_of(enum fy_steward_kind kind)
{
    switch (kind) {
    case FY_STEWARD_BYTES:
        return FY_GOB_BYTES;
    case FY_STEWARD_INT:
        return FY_GOB_INT;
    case FY_STEWARD_BOOL:
        return FY_GOB_BOOL;
    case FY_STEWARD_TEXTS:
        return ID_TEXTS;
    case FY_STEWARD_NODES:
        return ID_NODES;
    case FY_STEWARD_MESSAGE:
        return ID_MESSAGE;
    default:
        return FY_GOB_STRING;
    }
}

static void write_types(enum fy_steward_form form, struct fy_text *out)
{
    struct fy_gob_field described[FY_STEWARD_26];
    struct fy_gob_type message = {.id = ID_MESSAGE, .is_struct = true, .fields = described};
    const struct fy_steward_field *field;
    size_t at = 0;

    while ((field = fy_steward_next_field(form, &at)))
        described[message.n_fields++] = (struct fy_gob_field){
            .name = {(const uint8_t *)field->name, strlen(field->name)}, .type = type_of(field->kind)};
    fy_gob_put_type(out, "Message", &message);
    fy_gob_put_type(out, "[]steward.Node", &(struct fy_gob_type){.id = ID_NODES, .element = FY_GOB_STRING});
    fy_gob_put_type(out, "[]string", &(struct fy_gob_type){.id = ID_TEXTS, .element = FY_GOB_STRING});
}

static bool is_zero(enum fy_steward_kind kind, const void *value)
{
    switch (kind) {
    case FY_STEWARD_INT:
        return *(const int64_t *)value == 0;
    case FY_STEWARD_BOOL:
        return !*(const bool *)value;
    case FY_STEWARD_TEXTS:
    case FY_STEWARD_NODES:
        return ((const struct fy_steward_list *)value)->n == 0;
    case FY_STEWARD_MESSAGE:
        return !*(struct fy_steward_message *const *)value;
    default:
        return ((const struct ferry_bytes *)value)->len == 0;
    }
}

static void write_texts(const struct fy_steward_list *list, struct fy_text *out)
{
    fy_gob_put_uint(out, list->n);
    for (size_t i = 0; i < list->n; i++)
        fy_gob_put_bytes(out, list->items[i]);
}

static void write_fields(enum fy_steward_form form, const struct fy_steward_message *message, struct fy_text *out)
{
    const struct fy_steward_field *field;
    size_t at = 0;
    unsigned distance = 0;

    while ((field = fy_steward_next_field(form, &at))) {
        const void *value = fy_steward_at_const(message, field);

        distance++;
        if (is_zero(field->kind, value))
            continue;
        fy_gob_put_uint(out, distance);
        distance = 0;
        if (field->kind == FY_STEWARD_INT)
            fy_gob_put_int(out, *(const int64_t *)value);
        else if (field->kind == FY_STEWARD_BOOL)
            fy_gob_put_uint(out, 1);
        else if (field->kind == FY_STEWARD_TEXTS || field->kind == FY_STEWARD_NODES)
            write_texts(value, out);
        else if (field->kind == FY_STEWARD_MESSAGE)
            write_fields(form, *(struct fy_steward_message *const *)value, out);
        else
            fy_gob_put_bytes(out, *(const struct ferry_bytes *)value);
    }
    fy_gob_put_uint(out, 0);
}

void fy_steward_gob_write(enum fy_steward_form form, const struct fy_steward_message *message, struct fy_text *out)
{
    struct fy_text value;

    write_types(form, out);
    fy_text_init(&value);
    fy_gob_put_int(&value, ID_MESSAGE);
    write_fields(form, message, &value);
    fy_gob_put_part(out, &value);
    fy_text_release(&value);
}
