/*
 * bench_wire.h - two ends of a plain connection: a socket pair, loopback TCP, or TLS over it.
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
    SSL *ssl; /* NULL: no TLS */
};

/* Connect ends[0] to ends[1]. 0, or -1 after printing the error on standard error. */
int bench_wire_open(enum bench_socket socket, bool tls, struct bench_wire_end ends[2]);
void bench_wire_close(struct bench_wire_end ends[2]);

/* This end will write nothing more. */
void bench_wire_shut(struct bench_wire_end *end);

/* One thread may read an end while another writes to it.  With TLS, an end belongs to one thread. */
bool bench_wire_write(struct bench_wire_end *end, const uint8_t *data, size_t len); /* all bytes */
size_t bench_wire_read(struct bench_wire_end *end, uint8_t *buf, size_t cap);       /* 0: the end, or an error */

/* Spin until there is something to read, spin_ns at most. */
void bench_wire_spin(struct bench_wire_end *end, uint64_t spin_ns);

#endif
