/*
 * options.h - ferry-kv's command line.
 */
#ifndef KV_OPTIONS_H
#define KV_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <ferry/ferry.h>

#include "tools/flags.h"

#define KV_MAX_CLUSTER 64
#define KV_MAX_URL 255 /* bytes; as FERRY_LIBRAFT_ADDRESS_MAX */

struct kv_cluster_member {
    uint64_t id;
    char url[KV_MAX_URL + 1];
};

struct kv_options {
    uint64_t id;
    const char *data_dir;
    const char *peer_url;
    const char *client_url; /* http://HOST:PORT */
    char client_host[KV_MAX_URL + 1];
    char client_port[6];
    struct kv_cluster_member cluster[KV_MAX_CLUSTER]; /* as it is first made; without id: this member joins later */
    size_t n_cluster;
    uint64_t cluster_id;

    const char *peer_cert_file; /* NULL: no TLS */
    const char *peer_key_file;
    const char *peer_ca_file;
    const char *peer_crl_file; /* NULL: none */

    uint64_t election_timeout_ms;
    uint64_t heartbeat_ms;
    uint64_t snapshot_entries; /* applied since the last one before a snapshot is taken */
    uint64_t trailing_entries; /* kept before it */
    bool allows_faults;
    enum ferry_log_level log_level;
};

/* Read argv into *options, which borrows from it, and see that all of it goes together. */
enum flags_outcome kv_options_parse(int argc, char **argv, struct kv_options *options, struct flags_fault *ret_fault);
void kv_options_print_help(FILE *to);

/* http://HOST:PORT or https://HOST:PORT, of at most KV_MAX_URL bytes. */
bool kv_options_is_peer_url(const char *url);

/* Is this member one of those that the cluster begins with? */
bool kv_options_is_founder(const struct kv_options *options);

#endif
