/*
 * options.h - ferry-etcd-member's command line.
 */
#ifndef ETCD_MEMBER_OPTIONS_H
#define ETCD_MEMBER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "etcd-member/cluster.h"

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
    char *admin_host; /* its own */
    uint16_t admin_port;
    const char *cert;
    const char *key;
    const char *ca;
    bool client_cert_auth;
    bool can_lead;
    unsigned campaign_after_ms;
    bool handover;
    unsigned election_ms;
};

/* False: *ret_why, to be freed, says what is wrong; NULL there: the help was asked for, and is printed. */
bool options_parse(int argc, char **argv, struct options *ret_options, char **ret_why);
void options_release(struct options *options);

/* The members that --initial-cluster names, with the ids that they have when a cluster begins so.  False as above. */
bool options_members(const struct options *options, struct cluster_members *ret_members, char **ret_why);

#endif
