/*
 * encoder.h - outgoing messages to the bytes of one connection.  A pure byte machine: no I/O, no allocation.
 *
 * One frame at a time: start it, then read it out in pieces of any size until read returns less than it was offered.
 */
#ifndef FY_WIRE_ENCODER_H
#define FY_WIRE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/outgoing.h"

enum fy_codec {
    FY_CODEC_MESSAGE,  /* length, protobuf */
    FY_CODEC_MSGAPPV2, /* type, then by type; has state */
    FY_CODEC_BARE      /* protobuf alone: the body of POST /raft */
};

struct fy_encoder {
    enum fy_codec codec;
    enum ferry_wire_form form;
    uint64_t term;  /* msgappv2's state */
    uint64_t index; /* msgappv2's state */
    /* the frame being read: its fields stand here */
};

/* A fresh connection: state 0/0. */
void fy_encoder_init(struct fy_encoder *enc, enum fy_codec codec, enum ferry_wire_form form);

/* Begin the frame of msg, which is lent until the frame is read to its end.  The state moves at once. */
void fy_encoder_start(struct fy_encoder *enc, const struct fy_outgoing *msg);
void fy_encoder_start_heartbeat(struct fy_encoder *enc); /* not with FY_CODEC_BARE */

/* Bytes of the present frame still to be read; 0: none, start the next. */
size_t fy_encoder_left(const struct fy_encoder *enc);

/* Copy up to cap bytes of the frame into buf; returns how many: min(cap, left). */
size_t fy_encoder_read(struct fy_encoder *enc, uint8_t *buf, size_t cap);

#endif
