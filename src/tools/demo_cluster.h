/*
 * demo_cluster.h - the members of the demo as their parent sees them: processes, pipes, and what they last said.
 *
 * One thread.  Members are named by their ids, 1 to DEMO_N_MEMBERS.
 */
#ifndef TOOLS_DEMO_CLUSTER_H
#define TOOLS_DEMO_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/demo_link.h"
#include "tools/demo_member.h"
#include "tools/lines.h"

struct demo_process {
    pid_t pid;    /* 0: not running */
    int commands; /* its standard input */
    struct lines lines;
    uint64_t n_lives;
    bool has_said_url;                          /* in this life */
    char url[128];                              /* "": not said in any life */
    struct demo_link links[DEMO_N_MEMBERS + 1]; /* by peer; all zero before it has said anything of it in this life */
};

enum demo_outcome {
    DEMO_ON,          /* all is as it should be */
    DEMO_INTERRUPTED, /* Ctrl-C or a friend of it */
    DEMO_BROKEN       /* a member ended by itself, or a system call failed: said on standard error */
};

struct demo_cluster {
    int signals; /* signalfd */
    enum demo_outcome outcome;
    struct demo_process members[DEMO_N_MEMBERS + 1]; /* [0] is not used */
};

/* Take over SIGINT, SIGTERM and SIGHUP of this process.  0, or -1 with errno. */
int demo_cluster_init(struct demo_cluster *cluster);

/* Kill and reap what still runs.  Safe at any time after init, also twice. */
void demo_cluster_release(struct demo_cluster *cluster);

/* Start a member, where it was if it has been before.  0, or -1 with errno. */
int demo_cluster_start(struct demo_cluster *cluster, uint64_t id);

/* SIGKILL, and reap. */
void demo_cluster_kill(struct demo_cluster *cluster, uint64_t id);

/* Ask a member to stop, and reap it.  Its exit status, or -1 when it did not exit by itself within five seconds. */
int demo_cluster_stop(struct demo_cluster *cluster, uint64_t id);

/* Tell a member where another one is. */
void demo_cluster_introduce(struct demo_cluster *cluster, uint64_t id, uint64_t peer);

/* Tell all members to send nothing of their own accord any more. */
void demo_cluster_quiet(struct demo_cluster *cluster);

/* Wait for something to be said, timeout_ms at most, and take it in. */
enum demo_outcome demo_cluster_turn(struct demo_cluster *cluster, int timeout_ms);

#endif
