/*
 * go_peer.h - a rafthttp-peer process and the lines that go to and from it.
 */
#ifndef INTEROP_GO_PEER_H
#define INTEROP_GO_PEER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct go_peer;

/* PEM files for mutual TLS. */
struct go_peer_tls {
    const char *cert_file;
    const char *key_file;
    const char *ca_file;
};

/* Start the program; tls NULL: in plain HTTP.  NULL when that fails; errno says why. */
struct go_peer *go_peer_start(const char *program, uint64_t id, uint64_t cluster_id, const struct go_peer_tls *tls);

/* One line to its standard input, without the newline.  Threads: any; a line is written whole. */
void go_peer_command(struct go_peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The next line that it prints, for json_decref; NULL when none came within timeout_ms or it has ended. */
json_t *go_peer_event(struct go_peer *peer, unsigned timeout_ms);

/* Tell it to stop and wait; kill it when it does not within timeout_ms.  True when it ended by itself with status 0. */
bool go_peer_stop(struct go_peer *peer, unsigned timeout_ms);

#endif
