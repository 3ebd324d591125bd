/*
 * fake_peer.h - a misbehaving member: a scripted HTTP server, and a client that can send anything.
 *
 * The server runs in its own thread.  It reads a request's head (and a POST's body), records it, and then follows the
 * script of that lane: some bytes at once or one by one, some bytes repeatedly, and an end or none.
 */
#ifndef HARNESS_FAKE_PEER_H
#define HARNESS_FAKE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- The server ----------------------------------------------------------------------------------------------- */

enum fake_lane { FAKE_MSGAPP, FAKE_MESSAGE, FAKE_POST, FAKE_N_LANES };

enum fake_end {
    FAKE_KEEP,  /* leave the connection open and silent */
    FAKE_CLOSE, /* close it in an orderly way */
    FAKE_RESET  /* reset it */
};

struct fake_script {
    const void *answer; /* sent once; lent until the fake is freed */
    size_t answer_len;
    size_t at_once;     /* this many bytes of it at once, the rest one byte per step */
    unsigned step_ms;   /* 0: all of it at once */
    const void *repeat; /* sent repeatedly after it; NULL: nothing */
    size_t repeat_len;
    unsigned repeat_ms;
    enum fake_end end;
};

struct fake_peer;

/* Listen on a loopback port.  Without scripts it reads requests and answers none. */
struct fake_peer *fake_peer_new(void);
void fake_peer_free(struct fake_peer *f); /* closes everything; NULL is fine */
const char *fake_peer_url(const struct fake_peer *f);

void fake_peer_set_script(struct fake_peer *f, enum fake_lane lane, const struct fake_script *script);
void fake_peer_set_deaf(struct fake_peer *f); /* from now on accept connections, but read nothing */

uint64_t fake_peer_accepted(struct fake_peer *f);                      /* connections */
uint64_t fake_peer_requests(struct fake_peer *f, enum fake_lane lane); /* complete heads */

/* The last request's head on a lane, "" if there was none. */
void fake_peer_last_request(struct fake_peer *f, enum fake_lane lane, char *buf, size_t size);

/* ---- The client ----------------------------------------------------------------------------------------------- */

struct fake_answer {
    int status;      /* 0: no complete head was received */
    char head[2048]; /* including the empty line */
    char body[4096];
    size_t body_len;
    bool is_closed; /* the server closed the connection */
};

/* Connect to a transport's URL. rcvbuf: of the socket; 0: the system's default.  Fails the test on errors. */
int fake_dial(const char *url, int rcvbuf);

/* False if the other end is closed. */
bool fake_send(int fd, const void *data, size_t len);

/* Like fake_send, one byte each step_ms, until an answer begins to arrive. */
bool fake_trickle(int fd, const void *data, size_t len, unsigned step_ms);

/* Read one answer: to its Content-Length, only the head if it is chunked, or to the end of the connection. */
void fake_read_answer(int fd, struct fake_answer *ret_answer, unsigned deadline_ms);

/* Read and discard until the other end closes or resets the connection.  False if the deadline passed first. */
bool fake_wait_closed(int fd, unsigned deadline_ms);

/* Dial, send, read one answer, close. */
void fake_ask(const char *url, const void *request, size_t len, struct fake_answer *ret_answer, unsigned deadline_ms);

/* The value of a header, in a static buffer; NULL when it is absent. */
const char *fake_answer_header(const struct fake_answer *answer, const char *name);

#endif
