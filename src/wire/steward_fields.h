/*
 * steward_fields.h - the fields of Steward's message as a table, which both serializations walk.
 */
#ifndef FY_WIRE_STEWARD_FIELDS_H
#define FY_WIRE_STEWARD_FIELDS_H

#include "wire/steward.h"

enum fy_steward_kind {
    FY_STEWARD_TEXT,
    FY_STEWARD_BYTES,
    FY_STEWARD_INT,
    FY_STEWARD_BOOL,
    FY_STEWARD_TEXTS,
    FY_STEWARD_NODES, /* texts of a Go type of their own */
    FY_STEWARD_MESSAGE,
};

struct fy_steward_field {
    const char *name;
    enum fy_steward_kind kind;
    enum fy_steward_form only; /* the form that has it; 0: both */
    size_t offset;             /* in struct fy_steward_message */
};

/* The next field of a form at or after *at, which is moved behind it; NULL: there is no more. */
const struct fy_steward_field *fy_steward_next_field(enum fy_steward_form form, size_t *at);

struct fy_steward_message *fy_steward_new(void);

/* Make room for n items.  FERRY_ERR_TOO_LARGE or FERRY_ERR_NOMEM: list is as it was. */
int fy_steward_list_new(struct fy_steward_list *list, size_t n);

/* A field's value in a message. */
static inline void *fy_steward_at(struct fy_steward_message *message, const struct fy_steward_field *field)
{
    return (char *)message + field->offset;
}

static inline const void *fy_steward_at_const(const struct fy_steward_message *message,
                                              const struct fy_steward_field *field)
{
    return (const char *)message + field->offset;
}

/* Each serialization's own half of fy_steward_read and fy_steward_write. */
int fy_steward_cbor_read(enum fy_steward_form form, struct ferry_bytes bytes, struct fy_steward_message *message);
int fy_steward_gob_read(enum fy_steward_form form, struct ferry_bytes bytes, struct fy_steward_message *message);
void fy_steward_cbor_write(enum fy_steward_form form, const struct fy_steward_message *message, struct fy_text *out);
void fy_steward_gob_write(enum fy_steward_form form, const struct fy_steward_message *message, struct fy_text *out);

#endif
