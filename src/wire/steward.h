/*
 * steward.h - the message of Steward, a command and control agent over NATS, in both of its serializations.
 *
 * Two forms of the message exist, of 25 fields (3 January 2022) and of 26 (31 January 2022), in which Data is bytes and
 * ArgSignature is new.  Either goes as CBOR, an array in the order of the fields, or as gob, whose reader finds fields
 * by their names.  The writers give the bytes that Steward itself gives.
 *
 * Nodes of different forms do not understand each other's CBOR, so the form is a setting and never guessed.
 */
#ifndef FY_WIRE_STEWARD_H
#define FY_WIRE_STEWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

struct fy_text;

enum fy_steward_form { FY_STEWARD_25 = 25, FY_STEWARD_26 = 26 };
enum fy_steward_serial { FY_STEWARD_GOB, FY_STEWARD_CBOR };
enum fy_steward_packing { FY_STEWARD_PLAIN, FY_STEWARD_ZSTD, FY_STEWARD_GZIP };

#define FY_STEWARD_MAX_DEPTH 8       /* of messages inside messages, the outer one included */
#define FY_STEWARD_MAX_ITEMS 65536   /* of a list */

/* A list of strings.  is_present is false for Go's nil: CBOR tells it from an empty list, gob does not. */
struct fy_steward_list {
    struct ferry_bytes *items; /* n of them; NULL without any */
    size_t n;
    bool is_present;
};

/*
 * All times are in seconds.  Strings are lent: by whoever fills the message to be written, by the input of a message
 * that was read.  An absent string and an empty one are the same, but in data and arg_signature.
 */
struct fy_steward_message {
    struct ferry_bytes to_node;
    struct fy_steward_list to_nodes;
    int64_t id;
    struct fy_steward_list data_lines; /* form 25 */
    struct ferry_bytes data;           /* form 26 */
    struct ferry_bytes method;
    struct fy_steward_list method_args;
    struct ferry_bytes arg_signature; /* form 26 */
    struct ferry_bytes reply_method;
    struct fy_steward_list reply_method_args;
    bool is_reply;
    struct ferry_bytes from_node;
    int64_t ack_timeout;
    int64_t retries; /* attempts in total */
    int64_t reply_ack_timeout;
    int64_t reply_retries;
    int64_t method_timeout;
    int64_t reply_method_timeout;
    struct ferry_bytes directory;
    struct ferry_bytes file_name;
    struct fy_steward_message *previous; /* the request that this one answers; NULL: none */
    struct ferry_bytes relay_via_node;
    struct ferry_bytes relay_original_via_node;
    struct ferry_bytes relay_from_node;
    struct ferry_bytes relay_to_node;
    struct ferry_bytes relay_original_method;
    struct ferry_bytes relay_reply_method;
};

/*
 * Read a message that is all of bytes.  Fields that were not sent are zero.  Gob: fields are matched by name, unknown
 * ones are skipped, and one that is known has to have the type that Steward gives it.
 * On success *ret_message is to be freed, and lends from bytes.  FERRY_ERR_TRUNCATED and FERRY_ERR_MALFORMED;
 * FERRY_ERR_DEPTH: more than FY_STEWARD_MAX_DEPTH messages inside each other; FERRY_ERR_TOO_LARGE: a list of more than
 * FY_STEWARD_MAX_ITEMS, or more types than gob.h has room for; FERRY_ERR_NOMEM.
 */
int fy_steward_read(enum fy_steward_form form, enum fy_steward_serial serial, struct ferry_bytes bytes,
                    struct fy_steward_message **ret_message);

void fy_steward_free(struct fy_steward_message *message); /* NULL is fine */

/* Append the message to out, which remembers that memory ran out. */
void fy_steward_write(enum fy_steward_form form, enum fy_steward_serial serial,
                      const struct fy_steward_message *message, struct fy_text *out);

/*
 * The headers of a NATS message; NULL: absent.  A message without "serial" is gob, one without "cmp" is not compressed.
 * Names of headers are case-sensitive.  FERRY_ERR_INVALID: a value that is not in use; Steward goes on as without the
 * header then, and fails to read what follows.
 */
#define FY_STEWARD_HEADER_SERIAL "serial"
#define FY_STEWARD_HEADER_PACKING "cmp"
int fy_steward_read_headers(const char *serial, const char *packing, enum fy_steward_serial *ret_serial,
                            enum fy_steward_packing *ret_packing);

/* The value of a header for what is to be sent; NULL: the header is left out. */
const char *fy_steward_serial_header(enum fy_steward_serial serial);
const char *fy_steward_packing_header(enum fy_steward_packing packing);

#endif
