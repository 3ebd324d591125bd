/*
 * options - ferry-etcd-member's command line.
 */
#include "etcd-member/options.h"

#include <stdlib.h>
#include <string.h>

#include "etcd-member/identity.h"
#include "etcd-member/mem.h"
#include "etcd-member/texts.h"
#include "tools/number.h"

enum option_id {
    OPT_NAME = 1,
    OPT_PEER_URL,
    OPT_INITIAL_CLUSTER,
    OPT_TOKEN,
    OPT_STATE,
    OPT_DATA,
    OPT_SNAPDIR,
    OPT_SERVER_VERSION,
    OPT_ADMIN,
    OPT_CERT,
    OPT_KEY,
    OPT_CA,
    OPT_CLIENT_CERT_AUTH,
    OPT_MAX_LEARNERS,
    OPT_CAN_LEAD,
    OPT_CAMPAIGN_AFTER,
    OPT_HANDOVER,
    OPT_ELECTION
};

static const struct flag table[] = {
    {"name", "NAME", "of this member; required", OPT_NAME},
    {"peer-url", "URL", "where it listens, and what it tells the others; required", OPT_PEER_URL},
    {"initial-cluster", "NAME=URL,...", "the members to begin with, or to ask; required", OPT_INITIAL_CLUSTER},
    {"token", "TEXT", "of the cluster, for the ids (etcd-cluster)", OPT_TOKEN},
    {"state", "new|existing", "begin with the cluster, or join it after a member add (new)", OPT_STATE},
    {"data", "DIR", "where term, vote and log are kept; required", OPT_DATA},
    {"snapdir", "DIR", "where the bodies of snapshots are kept (DATA/snap)", OPT_SNAPDIR},
    {"server-version", "X.Y.Z", "the etcd version to speak as (3.4.0)", OPT_SERVER_VERSION},
    {"admin", "HOST:PORT", "where to be looked at and told what to do (none)", OPT_ADMIN},
    {"cert", "FILE", "certificate, for https:// URLs", OPT_CERT},
    {"key", "FILE", "its key", OPT_KEY},
    {"ca", "FILE", "whom to trust", OPT_CA},
    {"client-cert-auth", NULL, "demand a certificate of those who dial", OPT_CLIENT_CERT_AUTH},
    {"max-learners", "N", "the cluster's limit, as its etcds are told it (1)", OPT_MAX_LEARNERS},
    {"can-lead", NULL, "stand for elections", OPT_CAN_LEAD},
    {"campaign-after", "SECONDS", "without a leader; may have a fraction (2.5 election timeouts)", OPT_CAMPAIGN_AFTER},
    {"handover", NULL, "as leader hand over as soon as another member is level", OPT_HANDOVER},
    {"election", "MS", "the cluster's election timeout (1000)", OPT_ELECTION},
};

static flags_take_fn take;
static const struct flags flags = {table, sizeof(table) / sizeof(table[0]), take};

void options_print_help(FILE *to)
{
    fputs("usage: ferry-etcd-member --name NAME --peer-url URL --initial-cluster NAME=URL,... --data DIR\n"
          "\n"
          "A member of an etcd cluster that is not etcd: it votes, keeps the log, and can lead.\n"
          "\n",
          to);
    flags_print_help(&flags, to);
    fputs("\n"
          "Exit status: 0 after SIGTERM or SIGINT, 1 for what failed, 2 for wrong options.\n",
          to);
}

static bool parse_seconds(const char *text, unsigned *ret_ms)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0.001) || seconds > 86400)
        return false;
    *ret_ms = (unsigned)(seconds * 1000);
    return true;
}

static bool parse_admin(const char *text, struct options *options)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;

    if (!colon || colon == text || (size_t)(colon - text) >= sizeof(options->admin_host) ||
        !number_parse(colon + 1, 0, UINT16_MAX, &port))
        return false;
    memcpy(options->admin_host, text, (size_t)(colon - text));
    options->admin_host[colon - text] = '\0';
    options->admin_port = (uint16_t)port;
    return true;
}

/* Take the option whose value is text.  NULL when it is fine, else what it should have been. */
static const char *take(int id, const char *text, void *ctx)
{
    struct options *options = ctx;
    uint64_t number;

    switch ((enum option_id)id) {
    case OPT_NAME:
        options->name = text;
        break;
    case OPT_PEER_URL:
        options->peer_url = text;
        break;
    case OPT_INITIAL_CLUSTER:
        options->initial_cluster = text;
        break;
    case OPT_TOKEN:
        options->token = text;
        break;
    case OPT_STATE:
        options->is_existing = strcmp(text, "existing") == 0;
        return options->is_existing || strcmp(text, "new") == 0 ? NULL : "new or existing";
    case OPT_DATA:
        options->data = text;
        break;
    case OPT_SNAPDIR:
        options->snapdir = text;
        break;
    case OPT_SERVER_VERSION:
        options->server_version = text; /* the transport judges it */
        break;
    case OPT_ADMIN:
        return parse_admin(text, options) ? NULL : "HOST:PORT";
    case OPT_CERT:
        options->cert = text;
        break;
    case OPT_KEY:
        options->key = text;
        break;
    case OPT_CA:
        options->ca = text;
        break;
    case OPT_CLIENT_CERT_AUTH:
        options->client_cert_auth = true;
        break;
    case OPT_MAX_LEARNERS:
        if (!number_parse(text, 1, 10000, &number))
            return "a number from 1 to 10000";
        options->max_learners = (unsigned)number;
        break;
    case OPT_CAN_LEAD:
        options->can_lead = true;
        break;
    case OPT_CAMPAIGN_AFTER:
        return parse_seconds(text, &options->campaign_after_ms) ? NULL : "a number of seconds from 0.001 to 86400";
    case OPT_HANDOVER:
        options->handover = true;
        break;
    case OPT_ELECTION:
        if (!number_parse(text, 10, 600000, &number))
            return "a number of milliseconds from 10 to 600000";
        options->election_ms = (unsigned)number;
        break;
    }
    return NULL;
}

/* What is missing, and what does not go together. */
static enum flags_outcome check(const struct options *options, struct flags_fault *ret_fault)
{
    if (!options->name)
        return flags_refuse(ret_fault, "--name is missing");
    if (!options->peer_url)
        return flags_refuse(ret_fault, "--peer-url is missing");
    if (!options->initial_cluster)
        return flags_refuse(ret_fault, "--initial-cluster is missing");
    if (!options->data)
        return flags_refuse(ret_fault, "--data is missing");
    if (!options->cert != !options->key || !options->cert != !options->ca)
        return flags_refuse(ret_fault, "TLS needs --cert, --key and --ca");
    return FLAGS_OK;
}

enum flags_outcome options_parse(int argc, char **argv, struct options *ret_options, struct flags_fault *ret_fault)
{
    struct options options = {
        .token = "etcd-cluster", .server_version = "3.4.0", .election_ms = 1000, .max_learners = 1};
    enum flags_outcome outcome = flags_parse(&flags, argc, argv, &options, ret_fault);

    if (outcome == FLAGS_OK)
        outcome = check(&options, ret_fault);
    if (outcome != FLAGS_OK)
        return outcome;
    if (options.campaign_after_ms == 0)
        options.campaign_after_ms = options.election_ms * 5 / 2;
    *ret_options = options;
    return FLAGS_OK;
}

/* ---- --initial-cluster ------------------------------------------------------------------------------------------- */

static struct cluster_member *named(struct cluster_member *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

bool options_members(const struct options *options, struct cluster_members *ret_members, char **ret_why)
{
    char **pairs = texts_split(options->initial_cluster, ',');
    struct cluster_member *list = mem_zero((texts_count(pairs) + 1) * sizeof(*list));
    struct cluster_members members = {0};
    char *why = NULL;
    size_t n = 0;

    for (size_t i = 0; pairs && pairs[i] && !why; i++) {
        char *equals = strchr(pairs[i], '=');
        struct cluster_member *member;

        if (!equals || equals == pairs[i] || !equals[1]) {
            why = mem_print("--initial-cluster: '%s' is not NAME=URL", pairs[i]);
            break;
        }
        *equals = '\0';
        member = named(list, n, pairs[i]);
        if (!member) {
            member = &list[n++];
            member->name = pairs[i];
        }
        member->peer_urls = texts_add(member->peer_urls, equals + 1);
    }
    if (!why && !named(list, n, options->name))
        why = mem_print("--initial-cluster: there is no member %s in it", options->name);
    for (size_t i = 0; i < n; i++) {
        list[i].id = identity_of_member(list[i].peer_urls, options->token);
        if (!why)
            cluster_members_set(&members, &list[i]);
        texts_free(list[i].peer_urls);
    }
    free(list);
    texts_free(pairs);
    if (why) {
        *ret_why = why;
        return false;
    }
    *ret_members = members;
    return true;
}
