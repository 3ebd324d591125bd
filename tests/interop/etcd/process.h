/*
 * process.h - a server process: started, watched, paused and killed by a test, and never outliving it.
 */
#ifndef ETCD_PROCESS_H
#define ETCD_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
    pid_t pid; /* 0: it does not run */
};

struct process_usage {
    double cpu_s;    /* user and system, since its start */
    size_t rss_kib;  /* resident now */
    size_t peak_kib; /* the most that was */
};

/*
 * Run argv (NULL-ended; found in PATH) with its output appended to the file log; in the network namespace of netns_fd,
 * or in the caller's for -1.  The kernel kills it when the calling thread ends.
 */
void process_start(struct process *process, const char *const argv[], const char *log, int netns_fd);

bool process_is_running(struct process *process);
void process_kill(struct process *process);                           /* SIGKILL; fine when it does not run */
int process_terminate(struct process *process, unsigned deadline_ms); /* SIGTERM; its exit status, -1: none in time */
int process_wait(struct process *process, unsigned deadline_ms);      /* the same, without the signal */
void process_pause(const struct process *process);                    /* SIGSTOP */
void process_resume(const struct process *process);                   /* SIGCONT */
struct process_usage process_usage(const struct process *process);    /* of one that runs */

#endif
