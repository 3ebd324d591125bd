/*
 * options - ferry-etcd-member's command line.
 */
#include "etcd-member/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/identity.h"
#include "etcd-member/mem.h"
#include "etcd-member/texts.h"

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
    OPT_CAN_LEAD,
    OPT_CAMPAIGN_AFTER,
    OPT_HANDOVER,
    OPT_ELECTION,
    OPT_HELP
};

static const struct {
    const char *name;
    const char *takes; /* NULL: nothing */
    const char *help;
    enum option_id id;
} table[] = {
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
    {"can-lead", NULL, "stand for elections", OPT_CAN_LEAD},
    {"campaign-after", "SECONDS", "without a leader; may have a fraction (2.5 election timeouts)", OPT_CAMPAIGN_AFTER},
    {"handover", NULL, "as leader hand over as soon as another member is level", OPT_HANDOVER},
    {"election", "MS", "the cluster's election timeout (1000)", OPT_ELECTION},
    {"help", NULL, "print this text", OPT_HELP},
};
#define N_OPTIONS (sizeof(table) / sizeof(table[0]))

static void print_help(void)
{
    puts("usage: ferry-etcd-member OPTION...\n\nA member of an etcd cluster that is not etcd: it votes, keeps the log, "
         "and can lead.\n");
    for (size_t i = 0; i < N_OPTIONS; i++) {
        char *left = mem_print("--%s %s", table[i].name, table[i].takes ? table[i].takes : "");

        printf("  %-32s %s\n", left, table[i].help);
        free(left);
    }
}

static bool parse_number(const char *text, unsigned long max, unsigned long *ret_number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    *ret_number = strtoul(text, &end, 10);
    return *end == '\0' && *ret_number <= max;
}

static bool parse_seconds(const char *text, unsigned *ret_ms)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds > 0) || seconds > 86400)
        return false;
    *ret_ms = (unsigned)(seconds * 1000);
    return true;
}

static bool parse_admin(const char *text, struct options *options)
{
    const char *colon = strrchr(text, ':');
    unsigned long port;

    if (!colon || colon == text || !parse_number(colon + 1, UINT16_MAX, &port))
        return false;
    free(options->admin_host);
    options->admin_host = mem_copy(text, (size_t)(colon - text));
    options->admin_port = (uint16_t)port;
    return true;
}

/* Take the option whose value is text.  NULL when it is fine, else what it should have been. */
static const char *take(enum option_id id, const char *text, struct options *options)
{
    unsigned long number;

    switch (id) {
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
    case OPT_CAN_LEAD:
        options->can_lead = true;
        break;
    case OPT_CAMPAIGN_AFTER:
        return parse_seconds(text, &options->campaign_after_ms) ? NULL : "a number of seconds";
    case OPT_HANDOVER:
        options->handover = true;
        break;
    case OPT_ELECTION:
        if (!parse_number(text, 600000, &number) || number < 10)
            return "a number of milliseconds from 10 to 600000";
        options->election_ms = (unsigned)number;
        break;
    case OPT_HELP:
        break;
    }
    return NULL;
}

static char *find_missing(const struct options *options)
{
    if (!options->name || !options->peer_url || !options->initial_cluster || !options->data)
        return mem_print("--name, --peer-url, --initial-cluster and --data are required");
    if (!options->cert != !options->key || !options->cert != !options->ca)
        return mem_print("--cert, --key and --ca go together");
    return NULL;
}

bool options_parse(int argc, char **argv, struct options *ret_options, char **ret_why)
{
    struct options options = {.token = "etcd-cluster", .server_version = "3.4.0", .election_ms = 1000};
    struct option known[N_OPTIONS + 1] = {{0}};
    char *why = NULL;
    int id = 0;

    for (size_t i = 0; i < N_OPTIONS; i++)
        known[i] = (struct option){table[i].name, table[i].takes ? required_argument : no_argument, NULL, table[i].id};
    opterr = 0;
    while (!why && (id = getopt_long(argc, argv, "+:", known, NULL)) != -1 && id != OPT_HELP) {
        const char *should_be = NULL;

        if (id == '?' || id == ':')
            why = mem_print("%s: %s", argv[optind - 1], id == ':' ? "needs a value" : "no such option");
        else
            should_be = take((enum option_id)id, optarg, &options);
        if (should_be)
            why = mem_print("--%s: '%s' is not %s", table[id - 1].name, optarg, should_be);
    }
    if (id == OPT_HELP)
        print_help();
    else if (!why && optind < argc)
        why = mem_print("not an option: %s", argv[optind]);
    else if (!why)
        why = find_missing(&options);
    if (id == OPT_HELP || why) {
        options_release(&options);
        *ret_why = why;
        return false;
    }
    if (options.campaign_after_ms == 0)
        options.campaign_after_ms = options.election_ms * 5 / 2;
    *ret_options = options;
    return true;
}

void options_release(struct options *options)
{
    free(options->admin_host);
    options->admin_host = NULL;
}

/* ---- --initial-cluster
 * --------------------------------------------------------------------------------------------------- */

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
