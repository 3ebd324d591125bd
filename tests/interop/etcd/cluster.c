/*
 * cluster - the flags, the files and the questions that a cluster of real servers takes.
 *
 * An etcd is asked through its JSON gateway and by etcdctl, a Ferry member through its admin port; what both can say is
 * asked in one way here.
 */
#include "interop/etcd/cluster.h"

#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/child.h"
#include "harness/rig.h"
#include "interop/etcd/http.h"

#define MAX_FLAGS 64
#define ETCDCTL_MS 30000
#define STATUS_MS 2000

struct etcd_release release;
struct cluster cluster;

void pause_ms(unsigned ms)
{
    (void)poll(NULL, 0, (int)ms);
}

unsigned release_minor(void)
{
    return (unsigned)strtoul(strchr(release.version, '.') + 1, NULL, 10);
}

/* ---- The set of servers --------------------------------------------------------------------------------------------
 */

void cluster_setup(void)
{
    memset(&cluster, 0, sizeof(cluster));
    snprintf(cluster.token, sizeof(cluster.token), "ferry-%d", (int)getpid());
    cluster.heartbeat_ms = 50;
    cluster.election_ms = 500;
    rig_make_dir(cluster.dir);
}

void cluster_be_slow_to_elect(void)
{
    cluster.heartbeat_ms = 100;
    cluster.election_ms = 2000;
}

void cluster_teardown(void)
{
    for (unsigned i = 0; i < cluster.n; i++)
        server_kill(&cluster.servers[i]);
    rig_remove_dir(cluster.dir);
}

static void set_path(char path[PATH_SIZE], const char *name, const char *suffix)
{
    ck_assert_int_lt(snprintf(path, PATH_SIZE, "%s/%s.%s", cluster.dir, name, suffix), PATH_SIZE);
}

struct server *cluster_add(enum server_kind kind)
{
    struct server *server = &cluster.servers[cluster.n];
    unsigned pid = (unsigned)getpid();
    char host[32];

    ck_assert_uint_lt(cluster.n, MAX_SERVERS);
    cluster.n++;
    memset(server, 0, sizeof(*server));
    server->kind = kind;
    server->netns_fd = -1;
    snprintf(server->name, sizeof(server->name), "%s%u", kind == SERVER_ETCD ? "e" : "f", cluster.n);
    snprintf(host, sizeof(host), "127.%u.%u.%u", 1 + (pid >> 8) % 250, pid & 255, cluster.n);
    server_set_host(server, host);
    set_path(server->data, server->name, "data");
    set_path(server->snapdir, server->name, "snap");
    set_path(server->log, server->name, "log");
    return server;
}

/* "e1=http://...,f2=http://...": all up to n that did not join later. */
static void print_initial(char *text, size_t size)
{
    size_t len = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < cluster.n; i++) {
        const struct server *s = &cluster.servers[i];

        if (s->is_existing)
            continue;
        len += (size_t)snprintf(text + len, size - len, "%s%s=%s", len > 0 ? "," : "", s->name, s->peer_url);
        ck_assert_uint_lt(len, size);
    }
}

/* etcdctl prints what a joining etcd has to be given; its order is what the server checks the ids by. */
struct server *cluster_join(enum server_kind kind, const struct server *asked, bool is_learner)
{
    struct server *server = cluster_add(kind);
    char urls[96], *output, *begin;

    server->is_existing = true;
    snprintf(urls, sizeof(urls), "--peer-urls=%s", server->peer_url);
    output = etcdctl_must(asked, "member", "add", server->name, urls, is_learner ? "--learner" : NULL, NULL);
    begin = strstr(output, "ETCD_INITIAL_CLUSTER=\"");
    ck_assert_ptr_nonnull(begin);
    ck_assert_int_eq(sscanf(begin, "ETCD_INITIAL_CLUSTER=\"%1023[^\"]", server->initial), 1);
    ck_assert_int_eq(sscanf(output, "Member %23s added", server->id), 1);
    free(output);
    return server;
}

void cluster_start_all(void)
{
    for (unsigned i = 0; i < cluster.n; i++)
        server_start(&cluster.servers[i]);
}

static bool is_settled(const struct server *server)
{
    json_t *status;
    bool settled;

    if (server->kind == SERVER_ETCD)
        return server_is_healthy(server);
    status = server_status(server);
    settled = status && strcmp(json_text(status, "lead"), "0") != 0 && json_text(status, "lead")[0] != '\0' &&
              json_number(status, "applied") > 0;
    json_decref(status);
    return settled;
}

static bool all_are_settled(void)
{
    for (unsigned i = 0; i < cluster.n; i++)
        if (process_is_running(&cluster.servers[i].process) && !is_settled(&cluster.servers[i]))
            return false;
    return true;
}

void cluster_await_healthy(void)
{
    await(all_are_settled(), 30000);
    for (unsigned i = 0; i < cluster.n; i++)
        if (cluster.servers[i].process.pid > 0 && cluster.servers[i].id[0] == '\0')
            server_identify(&cluster.servers[i]);
}

struct server *cluster_leader(void)
{
    for (unsigned i = 0; i < cluster.n; i++)
        if (process_is_running(&cluster.servers[i].process) && server_leads(&cluster.servers[i]))
            return &cluster.servers[i];
    return NULL;
}

struct server *cluster_await_leader(void)
{
    struct server *leader = NULL;

    await((leader = cluster_leader()) != NULL, 30000);
    return leader;
}

struct server *cluster_by_id(const char *id)
{
    for (unsigned i = 0; i < cluster.n; i++)
        if (strcmp(cluster.servers[i].id, id) == 0)
            return &cluster.servers[i];
    return NULL;
}

/* An election may come between: what counts is who leads in the end. */
void cluster_lead(struct server *next)
{
    uint64_t until = monotonic_ms() + patience_ms(30000);
    struct server *leader;
    char url[160], *output;

    while ((leader = cluster_await_leader()) != next) {
        ck_assert_msg(monotonic_ms() < until, "%s does not get to lead", next->name);
        if (leader->kind == SERVER_ETCD) {
            (void)etcdctl(leader, &output, "move-leader", next->id, NULL);
            free(output);
        } else {
            struct http_reply reply;

            snprintf(url, sizeof(url), "%s/transfer?to=%s", leader->client_url, next->id);
            http_call(url, NULL, NULL, STATUS_MS, &reply);
            http_reply_release(&reply);
        }
        for (int i = 0; i < 50 && !server_leads(next); i++)
            pause_ms(10);
    }
}

static bool all_have_applied(uint64_t index)
{
    for (unsigned i = 0; i < cluster.n; i++)
        if (process_is_running(&cluster.servers[i].process) && server_applied(&cluster.servers[i]) < index)
            return false;
    return true;
}

void cluster_await_applied(void)
{
    uint64_t index = server_applied(cluster_await_leader());

    ck_assert_uint_gt(index, 0);
    await(all_have_applied(index), 30000);
}

/* ---- One server ----------------------------------------------------------------------------------------------------
 */

struct flags {
    const char *argv[MAX_FLAGS];
    unsigned n;
    char text[2048]; /* of those that are made here */
    size_t len;
};

static void add_flag(struct flags *flags, const char *flag)
{
    ck_assert_uint_lt(flags->n + 1, MAX_FLAGS);
    flags->argv[flags->n++] = flag;
    flags->argv[flags->n] = NULL;
}

static void add_value(struct flags *flags, const char *flag, const char *value)
{
    add_flag(flags, flag);
    add_flag(flags, value);
}

static void add_number(struct flags *flags, const char *flag, unsigned value)
{
    char *at = flags->text + flags->len;

    flags->len += (size_t)snprintf(at, sizeof(flags->text) - flags->len, "%u", value) + 1;
    ck_assert_uint_lt(flags->len, sizeof(flags->text));
    add_value(flags, flag, at);
}

static void print_etcd_flags(struct flags *flags, const struct server *server, const char *initial)
{
    add_flag(flags, server->program ? server->program : release.etcd);
    add_value(flags, "--name", server->name);
    add_value(flags, "--data-dir", server->data);
    add_value(flags, "--listen-peer-urls", server->peer_url);
    add_value(flags, "--initial-advertise-peer-urls", server->peer_url);
    add_value(flags, "--listen-client-urls", server->client_url);
    add_value(flags, "--advertise-client-urls", server->client_url);
    add_value(flags, "--initial-cluster", initial);
    add_value(flags, "--initial-cluster-state", server->is_existing ? "existing" : "new");
    add_value(flags, "--initial-cluster-token", server->token ? server->token : cluster.token);
    add_number(flags, "--heartbeat-interval", cluster.heartbeat_ms);
    add_number(flags, "--election-timeout", cluster.election_ms);
    add_value(flags, "--logger", "zap");
    add_value(flags, "--log-outputs", "stderr");
    add_value(flags, "--metrics", "extensive");
    if (!cluster.is_strict)
        add_flag(flags, "--strict-reconfig-check=false");
    if (cluster.snapshot_count > 0)
        add_number(flags, "--snapshot-count", cluster.snapshot_count);
    if (cluster.catchup_entries > 0 && release_minor() >= 5)
        add_number(flags,
                   release_minor() == 5 ? "--experimental-snapshot-catchup-entries" : "--snapshot-catchup-entries",
                   cluster.catchup_entries);
    if (cluster.max_learners > 0)
        add_number(flags, "--max-learners", cluster.max_learners);
    if (server->tls.cert) {
        add_value(flags, "--peer-cert-file", server->tls.cert);
        add_value(flags, "--peer-key-file", server->tls.key);
        add_value(flags, "--peer-trusted-ca-file", server->tls.ca);
        add_flag(flags, "--peer-client-cert-auth");
    }
}

static void print_ferry_flags(struct flags *flags, const struct server *server, const char *initial)
{
    add_flag(flags, release.ferry_member);
    add_value(flags, "--name", server->name);
    add_value(flags, "--data", server->data);
    add_value(flags, "--snapdir", server->snapdir);
    add_value(flags, "--peer-url", server->peer_url);
    add_value(flags, "--admin", server->client_url + strlen("http://"));
    add_value(flags, "--initial-cluster", initial);
    add_value(flags, "--state", server->is_existing ? "existing" : "new");
    add_value(flags, "--token", server->token ? server->token : cluster.token);
    add_value(flags, "--server-version", server->version ? server->version : release.version);
    add_number(flags, "--election", cluster.election_ms);
    if (cluster.max_learners > 0)
        add_number(flags, "--max-learners", cluster.max_learners);
    if (cluster.can_lead)
        add_flag(flags, "--can-lead");
    if (cluster.campaign_after_s > 0)
        add_number(flags, "--campaign-after", cluster.campaign_after_s);
    if (cluster.handover)
        add_flag(flags, "--handover");
    if (server->tls.cert) {
        add_value(flags, "--cert", server->tls.cert);
        add_value(flags, "--key", server->tls.key);
        add_value(flags, "--ca", server->tls.ca);
        add_flag(flags, "--client-cert-auth");
    }
}

void server_set_host(struct server *server, const char *host)
{
    snprintf(server->peer_url, sizeof(server->peer_url), "%s://%s:2380", cluster.has_tls ? "https" : "http", host);
    snprintf(server->client_url, sizeof(server->client_url), "http://%s:2379", host);
}

void server_start(struct server *server)
{
    struct flags flags = {.n = 0};
    char initial[1024];

    print_initial(initial, sizeof(initial));
    if (server->initial[0] != '\0')
        snprintf(initial, sizeof(initial), "%s", server->initial);
    if (server->kind == SERVER_ETCD) {
        print_etcd_flags(&flags, server, initial);
    } else {
        ck_assert(mkdir(server->data, 0700) == 0 || errno == EEXIST);
        ck_assert(mkdir(server->snapdir, 0700) == 0 || errno == EEXIST);
        print_ferry_flags(&flags, server, initial);
    }
    process_start(&server->process, flags.argv, server->log, server->netns_fd);
}

void server_kill(struct server *server)
{
    process_kill(&server->process);
}

json_t *server_status(const struct server *server)
{
    char url[160];

    if (server->kind == SERVER_ETCD) {
        snprintf(url, sizeof(url), "%s/v3/maintenance/status", server->client_url);
        return http_json(url, "{}", STATUS_MS);
    }
    snprintf(url, sizeof(url), "%s/status", server->client_url);
    return http_json(url, NULL, STATUS_MS);
}

bool server_is_healthy(const struct server *server)
{
    char url[160];
    json_t *health;
    bool healthy;

    snprintf(url, sizeof(url), "%s/health", server->client_url);
    health = http_json(url, NULL, STATUS_MS);
    healthy = health && strcmp(json_text(health, "health"), "true") == 0;
    json_decref(health);
    return healthy;
}

void server_identify(struct server *server)
{
    json_t *status = server_status(server);

    ck_assert_msg(status, "%s has no status", server->name);
    if (server->kind == SERVER_FERRY)
        snprintf(server->id, sizeof(server->id), "%s", json_text(status, "id"));
    else
        snprintf(server->id, sizeof(server->id), "%" PRIx64,
                 json_number(json_object_get(status, "header"), "member_id"));
    json_decref(status);
}

bool server_leads(const struct server *server)
{
    json_t *status = server_status(server);
    bool leads;

    if (server->kind == SERVER_FERRY)
        leads = status && strcmp(json_text(status, "role"), "leader") == 0;
    else
        leads = status && json_number(status, "leader") != 0 &&
                json_number(status, "leader") == json_number(json_object_get(status, "header"), "member_id");
    json_decref(status);
    return leads;
}

uint64_t server_applied(const struct server *server)
{
    json_t *status = server_status(server);
    uint64_t applied = json_number(status, server->kind == SERVER_FERRY ? "applied" : "raftAppliedIndex");

    json_decref(status);
    return applied;
}

long server_log_end(const struct server *server)
{
    struct stat st;

    return stat(server->log, &st) == 0 ? (long)st.st_size : 0;
}

unsigned server_log_count(const struct server *server, const char *text, long from)
{
    FILE *file = fopen(server->log, "r");
    char *line = NULL;
    size_t size = 0;
    unsigned n = 0;

    if (!file)
        return 0;
    ck_assert_int_eq(fseek(file, from, SEEK_SET), 0);
    while (getline(&line, &size, file) > 0)
        n += !text || strstr(line, text) ? 1 : 0;
    free(line);
    fclose(file);
    return n;
}

/* ---- etcdctl -------------------------------------------------------------------------------------------------------
 */

static int run_etcdctl(const struct server *server, char **ret_output, va_list args)
{
    const char *argv[16] = {release.etcdctl, "--endpoints", server->client_url, "--dial-timeout=5s",
                            "--command-timeout=20s"};
    struct child child;
    unsigned n = 5;
    int status;

    if (release_minor() == 4)
        setenv("ETCDCTL_API", "3", 1);
    for (const char *arg; n < 15 && (arg = va_arg(args, const char *));)
        argv[n++] = arg;
    argv[n] = NULL;
    ck_assert(child_start(&child, argv));
    status = child_wait(&child, patience_ms(ETCDCTL_MS));
    *ret_output = child.text ? child.text : strdup("");
    ck_assert_ptr_nonnull(*ret_output);
    return status;
}

int etcdctl(const struct server *server, char **ret_output, ...)
{
    va_list args;
    int status;

    va_start(args, ret_output);
    status = run_etcdctl(server, ret_output, args);
    va_end(args);
    return status;
}

char *etcdctl_must(const struct server *server, ...)
{
    va_list args;
    char *output;
    int status;

    va_start(args, server);
    status = run_etcdctl(server, &output, args);
    va_end(args);
    ck_assert_msg(status == 0, "etcdctl ended with %d: %s", status, output);
    return output;
}

/* ---- JSON ----------------------------------------------------------------------------------------------------------
 */

const char *json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* The gateway writes 64-bit numbers as text; jansson's integers are signed, and no id of ours goes through them. */
uint64_t json_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (json_is_string(value))
        return strtoull(json_string_value(value), NULL, 10);
    return (uint64_t)json_integer_value(value);
}
