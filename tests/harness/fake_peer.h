/*
 * fake_peer.h - a member that misbehaves: a scripted HTTP server, and a client that says anything.
 *
 * The server runs in a thread of its own.  It takes a request's head (and a POST's body), notes it, and then does what
 * the script of that lane says: some bytes at once or one by one, some bytes again and again, and an end or none.
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
    FAKE_CLOSE, /* end it in order */
    FAKE_RESET  /* break it */
};

struct fake_script {
    const void *answer; /* sent once; lent until the fake is freed */
    size_t answer_len;
    size_t at_once;     /* so many bytes of it at once, and the rest one byte each step */
    unsigned step_ms;   /* 0: all of it at once */
    const void *repeat; /* sent after it, again and again; NULL: nothing */
    size_t repeat_len;
    unsigned repeat_ms;
    enum fake_end end;
};

struct fake_peer;

/* Listen on a loopback port.  Without scripts it takes requests and answers none. */
struct fake_peer *fake_peer_new(void);
void fake_peer_free(struct fake_peer *f); /* closes everything; NULL is fine */
const char *fake_peer_url(const struct fake_peer *f);

void fake_peer_set_script(struct fake_peer *f, enum fake_lane lane, const struct fake_script *script);
void fake_peer_set_deaf(struct fake_peer *f); /* from now on accept, and read nothing */

uint64_t fake_peer_accepted(struct fake_peer *f);                      /* connections */
uint64_t fake_peer_requests(struct fake_peer *f, enum fake_lane lane); /* whole heads */

/* The last request's head on a lane, "" if there was none. */
void fake_peer_last_request(struct fake_peer *f, enum fake_lane lane, char *buf, size_t size);

/* ---- The client ----------------------------------------------------------------------------------------------- */

struct fake_answer {
    int status;      /* 0: no whole head came */
    char head[2048]; /* with the blank line */
    char body[4096];
    size_t body_len;
    bool is_closed; /* the server ended the connection */
};

/* Connect to a transport's URL.  rcvbuf: of the socket, 0 for the system's.  Fails the test when it cannot. */
int fake_dial(const char *url, int rcvbuf);

/* False when the other end is gone. */
bool fake_send(int fd, const void *data, size_t len);

/* As fake_send, one byte each step_ms, and no further once an answer begins to come. */
bool fake_trickle(int fd, const void *data, size_t len, unsigned step_ms);

/* Read one answer: up to its Content-Length, or the head alone of a chunked one, or to the end of the connection. */
void fake_read_answer(int fd, struct fake_answer *ret_answer, unsigned deadline_ms);

/* Read and throw away until the other end closes or breaks the connection.  False when the deadline came first. */
bool fake_wait_closed(int fd, unsigned deadline_ms);

/* Dial, send, read one answer, close. */
void fake_ask(const char *url, const void *request, size_t len, struct fake_answer *ret_answer, unsigned deadline_ms);

/* The value of a header, in a static buffer; NULL when it is absent. */
const char *fake_answer_header(const struct fake_answer *answer, const char *name);

#endif
