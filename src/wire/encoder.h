/*
 * encoder.h - turns outgoing messages into the bytes of one connection.  A pure byte machine: no I/O, no allocation.
 *
 * One frame at a time: start it, then gather, read or skip it in pieces of any size until nothing is left.  A copy of
 * an encoder can run ahead to show coming bytes without consuming them.
 */
#ifndef FY_WIRE_ENCODER_H
#define FY_WIRE_ENCODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/gather.h"
#include "wire/outgoing.h"

enum fy_codec {
    FY_CODEC_MESSAGE,  /* length, protobuf */
    FY_CODEC_MSGAPPV2, /* a type byte, then by type; has state */
    FY_CODEC_BARE      /* protobuf only: the body of POST /raft */
};

/* The type byte of a msgappv2 frame. */
enum fy_frame_type {
    FY_FRAME_HEARTBEAT = 0, /* a link heartbeat: nothing follows */
    FY_FRAME_ENTRIES = 1,   /* compact frame: count, entries each after its length, commit */
    FY_FRAME_MESSAGE = 2    /* full frame: length, protobuf */
};

struct fy_encoder {
    enum fy_codec codec;
    enum ferry_wire_form form;
    uint64_t term;  /* state of msgappv2 */
    uint64_t index; /* state of msgappv2 */

    /* The frame being read is a sequence of runs.  The current run: */
    const uint8_t *run; /* next byte */
    size_t run_len;     /* bytes left of the run */
    size_t left;        /* bytes left of the frame */
    /* and what follows it: */
    unsigned step;                 /* encoder.c: enum step */
    const struct fy_outgoing *msg; /* lent; NULL for a heartbeat */
    const uint8_t *entry;          /* full frame: the next entry in msg, at its length */
    size_t entries_left;
    uint8_t small[24]; /* runs that are not in msg: the start of a frame, the tag of an entry, the commit index */
};

/* A fresh connection: state 0/0. */
void fy_encoder_init(struct fy_encoder *enc, enum fy_codec codec, enum ferry_wire_form form);

/* Begin the frame of msg, which must stay valid until the frame is read completely.  The state changes at once. */
void fy_encoder_start(struct fy_encoder *enc, const struct fy_outgoing *msg);
void fy_encoder_start_heartbeat(struct fy_encoder *enc); /* not with FY_CODEC_BARE */

/* Bytes left of the current frame; 0: none, start the next. */
size_t fy_encoder_left(const struct fy_encoder *enc);

/*
 * Add the rest of the frame to g, or as much as fits: if anything is left, g is full.  Long runs are lent from the
 * message.
 */
void fy_encoder_gather(struct fy_encoder *enc, struct fy_gather *g);

/* Consume n <= left bytes of the frame. */
void fy_encoder_skip(struct fy_encoder *enc, size_t n);

/* Make copy a copy of enc at its current position. */
void fy_encoder_copy(struct fy_encoder *copy, const struct fy_encoder *enc);

/* Copy up to cap bytes of the frame into buf; returns how many: min(cap, left). */
size_t fy_encoder_read(struct fy_encoder *enc, uint8_t *buf, size_t cap);

#endif
