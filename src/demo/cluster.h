/*
 * cluster.h - ferry-kv processes on this machine: their ports, directories, beginnings and ends.
 *
 * They do not outlive the process that started them.
 */
#ifndef DEMO_CLUSTER_H
#define DEMO_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "demo/member_status.h"

#define CLUSTER_MAX 8
#define CLUSTER_N_PORTS 2

struct cluster_member {
    char peer_url[48];
    char client_url[48];
    char data_dir[300];
    char log_path[300];
    pid_t pid;                     /* 0: it does not run */
    int port_fds[CLUSTER_N_PORTS]; /* keep its ports for it, while it does not run, too */
};

/* Members are numbered from 1. */
struct cluster {
    char program[4096];
    char dir[256];
    const char *peer_scheme; /* "http" or "https" */
    size_t n_founders;
    size_t n; /* with those that join */
    struct cluster_member members[CLUSTER_MAX];
    const char *const *extra; /* arguments for each, NULL-ended; NULL: none */
};

/* Numbers, ports and a directory under TMPDIR; nothing runs yet.  False, with a line on standard error: it cannot be.
 */
bool cluster_init(struct cluster *cluster, const char *program, const char *peer_scheme, size_t n_founders);
void cluster_release(struct cluster *cluster); /* kills what runs and removes the directory */

/* One more, that does not run yet and is no member; its number, or 0. */
uint64_t cluster_add(struct cluster *cluster);

bool cluster_start(struct cluster *cluster, uint64_t id);
void cluster_kill(struct cluster *cluster, uint64_t id); /* SIGKILL */
int cluster_stop(struct cluster *cluster, uint64_t id);  /* SIGTERM; its exit status; -1: it had to be killed */
void cluster_wipe(struct cluster *cluster, uint64_t id); /* its directory: it forgets everything */

/* A member that has ended by itself, or 0. */
uint64_t cluster_find_dead(struct cluster *cluster);

bool cluster_status(const struct cluster *cluster, uint64_t id, struct member_status *ret_status);

/* The member that leads in the highest term, as it says itself; 0: none. */
uint64_t cluster_leader(const struct cluster *cluster);

/* POST path to the member, following to the leader; the answer's status, 0 for none. */
long cluster_post(const struct cluster *cluster, uint64_t id, const char *path, unsigned timeout_ms);

/* What the members said, on standard error. */
void cluster_print_logs(const struct cluster *cluster);

#endif
