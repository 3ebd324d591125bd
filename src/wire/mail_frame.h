/*
 * mail_frame.h - acknowledged messages and their answers, as bytes between Ferry nodes.
 *
 * A message frame: a header of fixed layout, then sender, receiver, subject, method and reply method, then the payload.
 * All numbers are big-endian.
 *
 *    0  "FM", version, kind (1 message, 2 answer)
 *    4  flags, packing of the payload, header length (2)
 *    8  lengths of sender, receiver, subject, method, reply method (1 each), hops, attempt (2)
 *   16  sequence (8)
 *   24  incarnation (8)
 *   32  cluster (8)
 *   40  sequence of the request that this message answers, or 0 (8)
 *   48  remaining milliseconds, all ones: no deadline (4)
 *   52  payload length (4)
 *   56  length of the payload when unpacked (4)
 *   60  checksum of all behind the header (4)
 *   64  checksum of the header (4): its last field, wherever a longer header puts it
 *
 * Later versions of the same number may make the header longer: readers skip what they do not know.  Attempt, remaining
 * time and hops change on the way and are under the header's checksum alone, so a frame is built once and stamped for
 * each send.
 *
 * The id of a message is (sender, incarnation, receiver, subject, sequence); it stays the same from end to end.  The
 * incarnation is a number that a sender draws when it begins without a store.
 */
#ifndef FY_WIRE_MAIL_FRAME_H
#define FY_WIRE_MAIL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

#define FY_MAIL_MAX_NAME 255         /* bytes of each name in a frame; none is empty but the reply method */
#define FY_MAIL_MAX_HEADER 1024      /* of a later version */
#define FY_MAIL_HEADER_SIZE 68
#define FY_MAIL_ANSWER_HEADER_SIZE 44
#define FY_MAIL_MAX_ANSWER_BODY 1024 /* bytes that come back with an answer */
#define FY_MAIL_NO_DEADLINE UINT32_MAX

enum fy_mail_flag {
    FY_MAIL_NO_ANSWER = 1, /* the sender waits for no answer */
    FY_MAIL_DURABLE = 2,   /* the receiver stores the outcome before it answers */
};
#define FY_MAIL_FLAGS (FY_MAIL_NO_ANSWER | FY_MAIL_DURABLE)

struct fy_mail_head {
    unsigned flags;   /* of enum fy_mail_flag */
    unsigned packing; /* enum fy_packing */
    unsigned hops;    /* how many nodes have passed the message on */
    unsigned attempt; /* which send this is, from 1 on; 65535 stands for any later one */
    uint64_t sequence;
    uint64_t incarnation;
    uint64_t cluster;
    uint64_t in_reply_to;
    uint32_t remaining_ms; /* FY_MAIL_NO_DEADLINE */
    uint32_t plain_len;
    struct ferry_bytes sender;
    struct ferry_bytes receiver;
    struct ferry_bytes subject;
    struct ferry_bytes method;
    struct ferry_bytes reply_method;
    struct ferry_bytes payload; /* packed */
};

/* What a receiver says.  Values are part of the wire format. */
enum fy_mail_answer_status {
    FY_MAIL_OK = 1,
    FY_MAIL_IN_PROGRESS = 2,  /* not final: the handler runs; keep waiting */
    FY_MAIL_BUSY = 3,         /* not final: come again after retry_after_ms */
    FY_MAIL_NOT_LEADER = 4,   /* not final: the body may name the leader */
    FY_MAIL_NO_HANDLER = 5,   /* this and all below: final */
    FY_MAIL_MALFORMED = 6,
    FY_MAIL_UNSUPPORTED = 7,  /* version, flags or packing */
    FY_MAIL_TOO_LARGE = 8,
    FY_MAIL_UNAUTHORIZED = 9,
    FY_MAIL_WRONG_CLUSTER = 10,
    FY_MAIL_WRONG_TARGET = 11,
    FY_MAIL_EXPIRED = 12,
    FY_MAIL_TOO_OLD = 13,     /* a later message of the subject has been taken already */
    FY_MAIL_HANDLER_FAILED = 14,
};
#define FY_MAIL_LAST_STATUS FY_MAIL_HANDLER_FAILED

enum fy_mail_answer_flag {
    FY_MAIL_ANSWER_DONE = 1,      /* the handler has ended; without it: the message was accepted */
    FY_MAIL_ANSWER_DUPLICATE = 2, /* an earlier answer, told again */
};

/*
 * An answer frame: "FM", version, kind; status, flags, header length (2); sequence (8); incarnation (8); attempt (2),
 * body length (2), retry after (4), code (4), checksum of the body (4), checksum of the header (4); then the body.
 */
struct fy_mail_answer {
    enum fy_mail_answer_status status;
    unsigned flags;
    uint64_t sequence;
    uint64_t incarnation;
    unsigned attempt;
    uint32_t retry_after_ms;
    int32_t code; /* the handler's */
    struct ferry_bytes body;
};

bool fy_mail_status_is_final(enum fy_mail_answer_status status);

/* The size of a message frame.  FERRY_ERR_INVALID: a name is empty or too long; FERRY_ERR_TOO_LARGE: over 4 GiB. */
int fy_mail_frame_size(const struct fy_mail_head *head, size_t *ret_size);

/* Write the frame of fy_mail_frame_size bytes.  payload may lie where it has to go already. */
void fy_mail_frame_write(const struct fy_mail_head *head, uint8_t *frame);

/* Change what changes with each send, in a frame that is whole. */
void fy_mail_frame_stamp(uint8_t *frame, unsigned attempt, uint32_t remaining_ms);

/*
 * Read a frame that is all of bytes; *ret_head lends from it.  FERRY_ERR_TRUNCATED; FERRY_ERR_MALFORMED: no frame, a
 * checksum that is wrong, bytes behind the end, names that are empty; FERRY_ERR_INCOMPATIBLE_VERSION: a version, flag or
 * packing that is not known.  *ret_head has sequence, incarnation and attempt whenever the header's checksum is right,
 * else zeros: what an answer needs.
 */
int fy_mail_frame_read(struct ferry_bytes bytes, struct fy_mail_head *ret_head);

size_t fy_mail_answer_size(const struct fy_mail_answer *answer); /* its body: up to FY_MAIL_MAX_ANSWER_BODY */
void fy_mail_answer_write(const struct fy_mail_answer *answer, uint8_t *frame);
int fy_mail_answer_read(struct ferry_bytes bytes, struct fy_mail_answer *ret_answer); /* as fy_mail_frame_read */

#endif
