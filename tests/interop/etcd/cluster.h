/*
 * cluster.h - real etcd servers and Ferry members, started as processes, as one cluster.
 *
 * Each test has addresses of its own in 127.0.0.0/8, made from its process id, so that ports never clash, and a
 * directory of its own, which goes with it.  All of this fails the test when it cannot do what it is asked.
 */
#ifndef ETCD_CLUSTER_H
#define ETCD_CLUSTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "harness/patience.h"
#include "harness/rig.h"
#include "interop/etcd/process.h"

#define MAX_SERVERS 8
#define PATH_SIZE (RIG_DIR_SIZE + 24)

/* Wait until condition holds, looking every few milliseconds; the test fails when it does not within ms. */
#define await(condition, ms)                                                                                           \
    do {                                                                                                               \
        uint64_t await_until = monotonic_ms() + patience_ms(ms);                                                       \
                                                                                                                       \
        while (!(condition)) {                                                                                         \
            ck_assert_msg(monotonic_ms() < await_until, "not within %u ms: %s", patience_ms(ms), #condition);          \
            pause_ms(10);                                                                                              \
        }                                                                                                              \
    } while (0)

/* What is tested with what; set by main. */
extern struct etcd_release {
    const char *version; /* "3.4.23" */
    const char *etcd;    /* programs */
    const char *etcdctl;
    const char *older_etcd; /* the program of the minor version before; NULL: it cannot be had */
    const char *ferry_member;
    const char *load;    /* etcd-load; NULL: it cannot be had */
    const char *no_load; /* and why */
    bool is_full;        /* all counts as they are asked for, however long it takes */
} release;

unsigned release_minor(void); /* 4 of 3.4.23 */

enum server_kind { SERVER_ETCD, SERVER_FERRY };

struct tls_files {
    const char *cert;
    const char *key;
    const char *ca;
};

struct server {
    enum server_kind kind;
    char name[16];
    char peer_url[64];
    char client_url[64]; /* an etcd's; a Ferry member's admin port */
    char data[PATH_SIZE];
    char snapdir[PATH_SIZE]; /* a Ferry member's */
    char log[PATH_SIZE];
    char id[24];          /* hex; "" before server_identify */
    bool is_existing;     /* joins a cluster that stands */
    char initial[1024];   /* --initial-cluster; "": the cluster's */
    const char *token;    /* NULL: the cluster's */
    const char *version;  /* a Ferry member's --server-version; NULL: the release's */
    const char *program;  /* an etcd's; NULL: the release's */
    struct tls_files tls; /* for peers; of NULLs: plain HTTP */
    int netns_fd;
    struct process process;
};

extern struct cluster {
    struct server servers[MAX_SERVERS];
    unsigned n;
    char token[32];
    char dir[RIG_DIR_SIZE];
    unsigned snapshot_count;  /* 0: etcd's own default */
    unsigned catchup_entries; /* 0: the same; from 3.5 on */
    unsigned max_learners;    /* 0: one, as etcd without the flag; from 3.6 on */
    unsigned heartbeat_ms;    /* cluster_setup's choice may be changed before the start */
    unsigned election_ms;
    bool can_lead;             /* Ferry members */
    unsigned campaign_after_s; /* 0: never of its own accord */
    bool handover;
    bool has_tls;
    bool is_strict; /* etcd's strict reconfiguration check */
} cluster;

void cluster_setup(void);
void cluster_teardown(void);

/* Another initial member, not yet started. */
struct server *cluster_add(enum server_kind kind);

/* The same for one that joins: `etcdctl member add` at asked, with --learner if it is to be one.  Not yet started. */
struct server *cluster_join(enum server_kind kind, const struct server *asked, bool is_learner);

/* Before any is started: nobody is to be elected because a busy machine has kept a leader waiting. */
void cluster_be_slow_to_elect(void);

void cluster_start_all(void);
void cluster_await_healthy(
    void); /* each running etcd says that it is, and each Ferry member follows a leader or leads */
struct server *cluster_leader(void); /* NULL: none is known to lead */
struct server *cluster_await_leader(void);
struct server *cluster_by_id(const char *id);
void cluster_lead(struct server *next); /* move leadership there */
void cluster_await_applied(void);       /* all that run have applied as much as the leader */

void server_set_host(struct server *server, const char *host); /* an IPv4 address; before the start */
void server_start(struct server *server);
void server_kill(struct server *server);
void server_identify(struct server *server);         /* fills in id */
json_t *server_status(const struct server *server);  /* a Ferry member's /status, an etcd's maintenance status; NULL */
bool server_is_healthy(const struct server *server); /* etcd's /health, which reads through the quorum */
bool server_leads(const struct server *server);
uint64_t server_applied(const struct server *server); /* index; 0: no answer */

/* How many lines of its log hold text, counted from the byte from; NULL: any line. */
unsigned server_log_count(const struct server *server, const char *text, long from);
long server_log_end(const struct server *server);

/* Run etcdctl against server; its output, for free.  Returns its status; -1: it did not end in time. */
int etcdctl(const struct server *server, char **ret_output, ...) __attribute__((sentinel));

/* The same, and it has to succeed. */
char *etcdctl_must(const struct server *server, ...) __attribute__((sentinel));

const char *json_text(const json_t *object, const char *key); /* "" without */
uint64_t json_number(const json_t *object, const char *key);  /* a number, or one in a text; 0 without */
void pause_ms(unsigned ms);

#endif
