/*
 * bench_wire.h - two ends of a bare connection: a socket pair, loopback TCP, or TLS on it.
 */
#ifndef TOOLS_BENCH_WIRE_H
#define TOOLS_BENCH_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/bench_options.h"

struct bench_wire_end {
    int fd;
    SSL *ssl; /* NULL: plain */
};

/* ends[0] has connected to ends[1].  0, or -1, which was said on standard error. */
int bench_wire_open(enum bench_socket socket, bool tls, struct bench_wire_end ends[2]);
void bench_wire_close(struct bench_wire_end ends[2]);

/* No more will be written by this end. */
void bench_wire_shut(struct bench_wire_end *end);

/* Each end may be read by one thread while another writes it, unless it has TLS: then it is one thread's. */
bool bench_wire_write(struct bench_wire_end *end, const uint8_t *data, size_t len); /* all of it */
size_t bench_wire_read(struct bench_wire_end *end, uint8_t *buf, size_t cap);       /* some; 0: the end, or an error */

/* Spin until there is something to read, for spin_ns at most. */
void bench_wire_spin(struct bench_wire_end *end, uint64_t spin_ns);

#endif
