/*
 * cluster.h - ferry-kv processes on this machine: their ports, directories, start and end.
 *
 * They end with the process that started them.
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
    pid_t pid;                     /* 0: not running */
    int port_fds[CLUSTER_N_PORTS]; /* reserve its ports, also while it does not run */
};

/* Members are numbered from 1. */
struct cluster {
    char program[4096];
    char dir[256];
    const char *peer_scheme; /* "http" or "https" */
    size_t n_founders;
    size_t n; /* includes members that join later */
    struct cluster_member members[CLUSTER_MAX];
    const char *const *extra; /* NULL-terminated arguments for each; NULL: none */
};

/*
 * Choose numbers, ports and a directory under TMPDIR; starts nothing.  False after printing the error on standard
 * error.
 */
bool cluster_init(struct cluster *cluster, const char *program, const char *peer_scheme, size_t n_founders);
void cluster_release(struct cluster *cluster); /* kills running members and removes the directory */

/* Add a member that does not run and is not in the configuration yet.  Its number, or 0. */
uint64_t cluster_add(struct cluster *cluster);

bool cluster_start(struct cluster *cluster, uint64_t id);
void cluster_kill(struct cluster *cluster, uint64_t id); /* SIGKILL */
int cluster_stop(struct cluster *cluster, uint64_t id);  /* SIGTERM; returns its exit status; -1: it had to be killed */
void cluster_wipe(struct cluster *cluster, uint64_t id); /* removes its directory, so that it has no data */

/* A member that ended without being stopped, or 0. */
uint64_t cluster_find_dead(struct cluster *cluster);

bool cluster_status(const struct cluster *cluster, uint64_t id, struct member_status *ret_status);

/* The member that reports to be leader in the highest term; 0: none. */
uint64_t cluster_leader(const struct cluster *cluster);

/* POST to the member, following the redirect to the leader.  The answer's status, or 0. */
long cluster_post(const struct cluster *cluster, uint64_t id, const char *path, unsigned timeout_ms);

/* Print the members' logs on standard error. */
void cluster_print_logs(const struct cluster *cluster);

#endif
