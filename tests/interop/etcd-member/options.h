/*
 * options.h - ferry-etcd-member's command line.
 */
#ifndef ETCD_MEMBER_OPTIONS_H
#define ETCD_MEMBER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "etcd-member/cluster.h"
#include "tools/flags.h"

/* Texts are the command line's. */
struct options {
    const char *name;
    const char *peer_url;
    const char *initial_cluster; /* NAME=URL,... */
    const char *token;
    bool is_existing; /* --state */
    const char *data;
    const char *snapdir;
    const char *server_version;
    char admin_host[256]; /* empty: none */
    uint16_t admin_port;
    const char *cert;
    const char *key;
    const char *ca;
    bool client_cert_auth;
    unsigned max_learners;
    bool can_lead;
    unsigned campaign_after_ms;
    bool handover;
    unsigned election_ms;
};

/* *ret_options is set when they are good. */
enum flags_outcome options_parse(int argc, char **argv, struct options *ret_options, struct flags_fault *ret_fault);
void options_print_help(FILE *to);

/*
 * The members that --initial-cluster names, with the ids that they have when a cluster begins so.  False: *ret_why, to
 * be freed, says what is wrong.
 */
bool options_members(const struct options *options, struct cluster_members *ret_members, char **ret_why);

#endif
