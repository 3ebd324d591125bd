/*
 * encoder.h - outgoing messages to the bytes of one connection.  A pure byte machine: no I/O, no allocation.
 *
 * One frame at a time: start it, then gather, read or skip it in pieces of any size until nothing of it is left.  A
 * copy of an encoder can run ahead of it, to say what comes without taking it.
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
    FY_CODEC_MSGAPPV2, /* type, then by type; has state */
    FY_CODEC_BARE      /* protobuf alone: the body of POST /raft */
};

/* The type byte of a msgappv2 frame. */
enum fy_frame_type {
    FY_FRAME_HEARTBEAT = 0, /* nothing */
    FY_FRAME_ENTRIES = 1,   /* the compact one: count, that many lengths and entries, commit */
    FY_FRAME_MESSAGE = 2    /* the full one: length, protobuf */
};

struct fy_encoder {
    enum fy_codec codec;
    enum ferry_wire_form form;
    uint64_t term;  /* msgappv2's state */
    uint64_t index; /* msgappv2's state */

    /* The frame being read is a row of runs.  The present one: */
    const uint8_t *run; /* its next byte */
    size_t run_len;     /* bytes of it still to be read */
    size_t left;        /* and of the whole frame */
    /* and what follows it: */
    unsigned step;                 /* encoder.c: enum step */
    const struct fy_outgoing *msg; /* lent; NULL for a heartbeat */
    const uint8_t *entry;          /* in msg: the next one of a full frame, at its length */
    size_t entries_left;
    uint8_t small[24]; /* where runs that are not in msg stand: a frame's start, an entry's tag, the commit index */
};

/* A fresh connection: state 0/0. */
void fy_encoder_init(struct fy_encoder *enc, enum fy_codec codec, enum ferry_wire_form form);

/* Begin the frame of msg, which is lent until the frame is read to its end.  The state moves at once. */
void fy_encoder_start(struct fy_encoder *enc, const struct fy_outgoing *msg);
void fy_encoder_start_heartbeat(struct fy_encoder *enc); /* not with FY_CODEC_BARE */

/* Bytes of the present frame still to be read; 0: none, start the next. */
size_t fy_encoder_left(const struct fy_encoder *enc);

/*
 * Add what is left of the frame to g, or as much of it as fits: less than all means that g is full.  Long runs are
 * lent, out of the message.
 */
void fy_encoder_gather(struct fy_encoder *enc, struct fy_gather *g);

/* Take n <= left bytes of the frame without looking at them. */
void fy_encoder_skip(struct fy_encoder *enc, size_t n);

/* Have copy stand where enc stands. */
void fy_encoder_copy(struct fy_encoder *copy, const struct fy_encoder *enc);

/* Copy up to cap bytes of the frame into buf; returns how many: min(cap, left). */
size_t fy_encoder_read(struct fy_encoder *enc, uint8_t *buf, size_t cap);

#endif
