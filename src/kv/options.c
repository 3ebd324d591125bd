/*
 * options - one table holds every option: its name, what it takes, and its line of the help.
 */
#include "kv/options.h"

#include <string.h>

#include "tools/number.h"

enum option_id {
    OPT_ID = 1,
    OPT_DATA_DIR,
    OPT_PEER_URL,
    OPT_CLIENT_URL,
    OPT_CLUSTER,
    OPT_CLUSTER_ID,
    OPT_PEER_CERT,
    OPT_PEER_KEY,
    OPT_PEER_CA,
    OPT_PEER_CRL,
    OPT_ELECTION,
    OPT_HEARTBEAT,
    OPT_SNAPSHOT,
    OPT_TRAILING,
    OPT_FAULTS,
    OPT_LOG
};

static const struct flag table[] = {
    {"id", "N", "this member's number, not 0", OPT_ID},
    {"data-dir", "DIR", "where it keeps its log; made if it is missing", OPT_DATA_DIR},
    {"peer-url", "URL", "where it listens for the other members, http or https", OPT_PEER_URL},
    {"client-url", "URL", "where it listens for clients, http", OPT_CLIENT_URL},
    {"cluster", "1=URL,2=URL,...", "the members that the cluster begins with; without this one it joins", OPT_CLUSTER},
    {"cluster-id", "N", "tells this cluster from others (1)", OPT_CLUSTER_ID},
    {"peer-cert-file", "FILE", "TLS between members: certificate", OPT_PEER_CERT},
    {"peer-key-file", "FILE", "its key", OPT_PEER_KEY},
    {"peer-trusted-ca-file", "FILE", "whom to trust", OPT_PEER_CA},
    {"peer-crl-file", "FILE", "whom no longer", OPT_PEER_CRL},
    {"election-timeout", "MS", "without a leader for so long there is an election (1000)", OPT_ELECTION},
    {"heartbeat-interval", "MS", "of the leader (100)", OPT_HEARTBEAT},
    {"snapshot-entries", "N", "entries applied between two snapshots (8192)", OPT_SNAPSHOT},
    {"trailing-entries", "N", "entries kept before a snapshot (1024)", OPT_TRAILING},
    {"enable-faults", NULL, "let clients cut links between members: for tests", OPT_FAULTS},
    {"log-level", "LEVEL", "of the transport: error, warn, info or debug (warn)", OPT_LOG},
};

static flags_take_fn take;
static const struct flags flags = {table, sizeof(table) / sizeof(table[0]), take};

void kv_options_print_help(FILE *to)
{
    fputs("usage: ferry-kv --id N --data-dir DIR --peer-url URL --client-url URL --cluster 1=URL,2=URL,...\n"
          "\n"
          "One member of a replicated key-value store.\n"
          "\n",
          to);
    flags_print_help(&flags, to);
    fputs("\n"
          "Clients: PUT, GET and DELETE /kv/KEY; POST /members?add=N&peer-url=URL and /members?remove=N; GET /status "
          "and\n"
          "/metrics; with --enable-faults POST /faults?cut=N and /faults?mend=N.\n"
          "Exit status: 0 after SIGTERM or SIGINT, 1 for what failed, 2 for wrong options.\n",
          to);
}

/* ---- Parts of options ---------------------------------------------------------------------------------------------
 */

/* scheme://HOST:PORT, nothing more; what stands before the port's colon goes to host, without the scheme. */
static bool split_url(const char *url, const char *scheme, char *ret_host, size_t host_size, char *ret_port,
                      size_t port_size)
{
    const char *host = url + strlen(scheme);
    const char *colon;
    uint64_t port;

    if (strncmp(url, scheme, strlen(scheme)) != 0 || strlen(url) > KV_MAX_URL)
        return false;
    for (const char *at = url; *at; at++) /* it goes into texts and JSON as it is */
        if (*at <= ' ' || *at > '~' || *at == '"' || *at == '\\')
            return false;
    colon = strrchr(host, ':');
    if (!colon || colon == host || (size_t)(colon - host) >= host_size || strlen(colon + 1) >= port_size ||
        strpbrk(host, "/?#@ ") || !number_parse(colon + 1, 1, 65535, &port))
        return false;
    memcpy(ret_host, host, (size_t)(colon - host));
    ret_host[colon - host] = '\0';
    memcpy(ret_port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

bool kv_options_is_peer_url(const char *url)
{
    char host[KV_MAX_URL + 1];
    char port[6];

    return split_url(url, "http://", host, sizeof(host), port, sizeof(port)) ||
           split_url(url, "https://", host, sizeof(host), port, sizeof(port));
}

static const struct kv_cluster_member *find_member(const struct kv_options *options, uint64_t id)
{
    for (size_t i = 0; i < options->n_cluster; i++)
        if (options->cluster[i].id == id)
            return &options->cluster[i];
    return NULL;
}

/* "1=URL", of len bytes. */
static bool parse_member(struct kv_options *options, const char *text, size_t len)
{
    struct kv_cluster_member *member = &options->cluster[options->n_cluster];
    const char *equals = memchr(text, '=', len);
    char id_text[21];
    uint64_t id;

    if (!equals || (size_t)(equals - text) >= sizeof(id_text) || options->n_cluster == KV_MAX_CLUSTER)
        return false;
    memcpy(id_text, text, (size_t)(equals - text));
    id_text[equals - text] = '\0';
    len -= (size_t)(equals + 1 - text);
    if (!number_parse(id_text, 1, UINT64_MAX, &id) || find_member(options, id) || len > KV_MAX_URL)
        return false;
    member->id = id;
    memcpy(member->url, equals + 1, len);
    member->url[len] = '\0';
    for (size_t i = 0; i < options->n_cluster; i++)
        if (strcmp(options->cluster[i].url, member->url) == 0)
            return false;
    options->n_cluster++;
    return kv_options_is_peer_url(member->url);
}

static bool parse_cluster(struct kv_options *options, const char *text)
{
    options->n_cluster = 0;
    for (;;) {
        size_t len = strcspn(text, ",");

        if (!parse_member(options, text, len))
            return false;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

/* ---- The whole ----------------------------------------------------------------------------------------------------
 */

/* Take the option whose value is text.  NULL when it is fine, else what it should have been. */
static const char *take(int id, const char *text, void *ctx)
{
    static const char *const levels[] = {[FERRY_LOG_ERROR] = "error",
                                         [FERRY_LOG_WARN] = "warn",
                                         [FERRY_LOG_INFO] = "info",
                                         [FERRY_LOG_DEBUG] = "debug",
                                         NULL};
    struct kv_options *options = ctx;
    int place;

    switch ((enum option_id)id) {
    case OPT_ID:
        return number_parse(text, 1, UINT64_MAX, &options->id) ? NULL : "a number from 1 to 18446744073709551615";
    case OPT_DATA_DIR:
        options->data_dir = text;
        return NULL;
    case OPT_PEER_URL:
        options->peer_url = text;
        return kv_options_is_peer_url(text) ? NULL : "http://HOST:PORT or https://HOST:PORT";
    case OPT_CLIENT_URL:
        options->client_url = text;
        return split_url(text, "http://", options->client_host, sizeof(options->client_host), options->client_port,
                         sizeof(options->client_port))
                   ? NULL
                   : "http://HOST:PORT";
    case OPT_CLUSTER:
        return parse_cluster(options, text) ? NULL : "1=URL,2=URL,... with no number or URL twice";
    case OPT_CLUSTER_ID:
        return number_parse(text, 1, UINT64_MAX, &options->cluster_id) ? NULL
                                                                       : "a number from 1 to 18446744073709551615";
    case OPT_PEER_CERT:
        options->peer_cert_file = text;
        return NULL;
    case OPT_PEER_KEY:
        options->peer_key_file = text;
        return NULL;
    case OPT_PEER_CA:
        options->peer_ca_file = text;
        return NULL;
    case OPT_PEER_CRL:
        options->peer_crl_file = text;
        return NULL;
    case OPT_ELECTION:
        return number_parse(text, 10, 60000, &options->election_timeout_ms)
                   ? NULL
                   : "a number of milliseconds from 10 to 60000";
    case OPT_HEARTBEAT:
        return number_parse(text, 1, 60000, &options->heartbeat_ms) ? NULL : "a number of milliseconds from 1 to 60000";
    case OPT_SNAPSHOT:
        return number_parse(text, 1, UINT32_MAX, &options->snapshot_entries) ? NULL : "a number from 1 to 4294967295";
    case OPT_TRAILING:
        return number_parse(text, 1, UINT32_MAX, &options->trailing_entries) ? NULL : "a number from 1 to 4294967295";
    case OPT_FAULTS:
        options->allows_faults = true;
        return NULL;
    case OPT_LOG:
        place = flags_find_word(levels, text);
        options->log_level = (enum ferry_log_level)(place < 0 ? 0 : place);
        return place >= 0 ? NULL : "error, warn, info or debug";
    }
    return NULL;
}

bool kv_options_is_founder(const struct kv_options *options)
{
    return find_member(options, options->id) != NULL;
}

/* What is missing, and what does not go together. */
static enum flags_outcome check(const struct kv_options *options, struct flags_fault *ret_fault)
{
    const struct kv_cluster_member *self = find_member(options, options->id);
    bool has_tls = options->peer_cert_file || options->peer_key_file || options->peer_ca_file || options->peer_crl_file;

    if (options->id == 0)
        return flags_refuse(ret_fault, "--id is missing");
    if (!options->data_dir)
        return flags_refuse(ret_fault, "--data-dir is missing");
    if (!options->peer_url)
        return flags_refuse(ret_fault, "--peer-url is missing");
    if (!options->client_url)
        return flags_refuse(ret_fault, "--client-url is missing");
    if (options->n_cluster == 0)
        return flags_refuse(ret_fault, "--cluster is missing");
    if (self && strcmp(self->url, options->peer_url) != 0)
        return flags_refuse(ret_fault, "--cluster has %s for this member, and --peer-url %s", self->url,
                            options->peer_url);
    if (has_tls && (!options->peer_cert_file || !options->peer_key_file || !options->peer_ca_file))
        return flags_refuse(ret_fault, "TLS needs --peer-cert-file, --peer-key-file and --peer-trusted-ca-file");
    if (strncmp(options->peer_url, "https:", 6) == 0 && !has_tls)
        return flags_refuse(ret_fault, "--peer-url is https: TLS needs --peer-cert-file and the like");
    if (options->heartbeat_ms >= options->election_timeout_ms)
        return flags_refuse(ret_fault, "--heartbeat-interval must be less than --election-timeout");
    return FLAGS_OK;
}

enum flags_outcome kv_options_parse(int argc, char **argv, struct kv_options *options, struct flags_fault *ret_fault)
{
    enum flags_outcome outcome;

    *options = (struct kv_options){.cluster_id = 1,
                                   .election_timeout_ms = 1000,
                                   .heartbeat_ms = 100,
                                   .snapshot_entries = 8192,
                                   .trailing_entries = 1024,
                                   .log_level = FERRY_LOG_WARN};
    outcome = flags_parse(&flags, argc, argv, options, ret_fault);
    return outcome == FLAGS_OK ? check(options, ret_fault) : outcome;
}
