/*
 * check_etcd_options - ferry-etcd-member's command line.
 */
#include <stdio.h>
#include <string.h>

#include "etcd-member/options.h"
#include "harness/rig.h"

#define MAX_WORDS 24

static struct options options;
static struct flags_fault fault;

/* What a member cannot do without, and behind it two words (NULL: fewer). */
static enum flags_outcome parse(const char *flag, const char *value)
{
    const char *const words[] = {"ferry-etcd-member", "--name", "ours", "--peer-url",
                                 "http://h:1",        "--data", "d",    "--initial-cluster",
                                 "ours=http://h:1",   flag,     value};
    static char copies[MAX_WORDS][320]; /* the options borrow */
    char *argv[MAX_WORDS + 1] = {NULL};
    int argc = 0;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && words[i]; i++) {
        ck_assert_uint_lt(strlen(words[i]), sizeof(copies[i]));
        argv[argc++] = memcpy(copies[i], words[i], strlen(words[i]) + 1);
    }
    memset(&options, 0, sizeof(options));
    return options_parse(argc, argv, &options, &fault);
}

static void assert_refused(const char *flag, const char *value, const char *why)
{
    ck_assert_int_eq(parse(flag, value), FLAGS_WRONG);
    ck_assert_str_eq(fault.text, why);
}

START_TEST(what_is_not_said_has_its_default)
{
    ck_assert_int_eq(parse(NULL, NULL), FLAGS_OK);
    ck_assert_str_eq(options.name, "ours");
    ck_assert_str_eq(options.peer_url, "http://h:1");
    ck_assert_str_eq(options.data, "d");
    ck_assert_str_eq(options.initial_cluster, "ours=http://h:1");
    ck_assert_str_eq(options.token, "etcd-cluster");
    ck_assert_str_eq(options.server_version, "3.4.0");
    ck_assert_str_eq(options.admin_host, "");
    ck_assert_uint_eq(options.election_ms, 1000);
    ck_assert_uint_eq(options.campaign_after_ms, 2500);
    ck_assert_uint_eq(options.max_learners, 1);
    ck_assert(!options.is_existing);
    ck_assert(!options.can_lead);
}
END_TEST

START_TEST(values_are_read)
{
    ck_assert_int_eq(parse("--admin", "::1:12031"), FLAGS_OK);
    ck_assert_str_eq(options.admin_host, "::1");
    ck_assert_uint_eq(options.admin_port, 12031);
    ck_assert_int_eq(parse("--state", "existing"), FLAGS_OK);
    ck_assert(options.is_existing);
    ck_assert_int_eq(parse("--campaign-after", "0.5"), FLAGS_OK);
    ck_assert_uint_eq(options.campaign_after_ms, 500);
    ck_assert_int_eq(parse("--election", "10"), FLAGS_OK);
    ck_assert_uint_eq(options.campaign_after_ms, 25);
    ck_assert_int_eq(parse("--max-learners", "5"), FLAGS_OK);
    ck_assert_uint_eq(options.max_learners, 5);
    ck_assert_int_eq(parse("--can-lead", "--name=theirs"), FLAGS_OK);
    ck_assert(options.can_lead);
    ck_assert_str_eq(options.name, "theirs");
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    char host[300];

    memset(host, 'h', sizeof(host));
    memcpy(host + sizeof(host) - 3, ":1", 3);
    ck_assert_int_eq(parse("--admin", host), FLAGS_WRONG);
    assert_refused("--admin", ":1", "--admin takes HOST:PORT, not ':1'");
    assert_refused("--admin", "h:65536", "--admin takes HOST:PORT, not 'h:65536'");
    assert_refused("--admin", "h:", "--admin takes HOST:PORT, not 'h:'");
    assert_refused("--state", "old", "--state takes new or existing, not 'old'");
    assert_refused("--max-learners", "0", "--max-learners takes a number from 1 to 10000, not '0'");
    assert_refused("--election", "9", "--election takes a number of milliseconds from 10 to 600000, not '9'");
    assert_refused("--campaign-after", "0.0001", /* would be no milliseconds, and so not said */
                   "--campaign-after takes a number of seconds from 0.001 to 86400, not '0.0001'");
    assert_refused("--campaign-after", "nan",
                   "--campaign-after takes a number of seconds from 0.001 to 86400, not 'nan'");
    assert_refused("--name=", NULL, "--name needs a value: NAME");
    assert_refused("--cert", "c", "TLS needs --cert, --key and --ca");
    assert_refused("--c", "c",
                   "--c is short for several options: --cert, --ca, --client-cert-auth, --can-lead, --campaign-after");
}
END_TEST

START_TEST(what_is_missing_is_named)
{
    char *argv[] = {(char[]){"ferry-etcd-member"}, (char[]){"--name=ours"}, (char[]){"--peer-url=http://h:1"},
                    (char[]){"--initial-cluster=ours=http://h:1"}, NULL};
    const char *const missing[] = {"--name", "--peer-url", "--initial-cluster", "--data"};

    for (int n = 0; n < 4; n++) {
        char why[64];

        ck_assert_int_eq(options_parse(1 + n, argv, &options, &fault), FLAGS_WRONG);
        (void)snprintf(why, sizeof(why), "%s is missing", missing[n]);
        ck_assert_str_eq(fault.text, why);
    }
}
END_TEST

int main(void)
{
    return rig_main("etcd_options", NULL, NULL, what_is_not_said_has_its_default, values_are_read,
                    what_makes_no_sense_is_refused, what_is_missing_is_named, NULL);
}
