/*
 * it_tls - which certificates each side accepts and refuses; and replacing certificates while messages flow.
 */
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ferry/tls.h"
#include "harness/certificates.h"
#include "harness/fault_proxy.h"
#include "harness/heap.h"
#include "harness/member.h"
#include "harness/metrics_page.h"
#include "harness/patience.h"
#include "harness/raw_socket.h"
#include "harness/rig.h"
#include "harness/snapshots.h"
#include "harness/tls_peer.h"

#define WAIT_MS 20000
#define REVOKED 666
#define DAY_S (24L * 3600)
#define HERE "DNS:localhost,IP:127.0.0.1"

static const char *const secure[] = {"https://127.0.0.1:0", NULL};

/* ---- Certificates ------------------------------------------------------------------------------------------------ */

/* Everybody whom the tests know, issuers first. */
static struct person {
    const char *name;
    struct certificate_spec spec;
    const char *issuer; /* NULL: itself */
    bool has_chain;     /* shows its issuer's certificate along with its own */
    struct certificate certificate;
    const char *cert_file;
    const char *key_file;
} people[] = {
    {.name = "ca", .spec = {.common_name = "ca", .is_ca = true}},
    {.name = "twin", .spec = {.common_name = "ca", .is_ca = true}}, /* another CA of the same name */
    {.name = "other", .spec = {.common_name = "other", .is_ca = true}},
    {.name = "middle", .spec = {.common_name = "middle", .is_ca = true}, .issuer = "ca"},
    {.name = "good", .spec = {.common_name = "good", .names = HERE}, .issuer = "ca"},
    {.name = "member-1", .spec = {.common_name = "member-1", .names = HERE}, .issuer = "ca"},
    {.name = "member-2", .spec = {.common_name = "member-2", .names = HERE}, .issuer = "ca"},
    {.name = "expired", .spec = {.common_name = "e", .names = HERE, .from_s = -DAY_S, .until_s = -60}, .issuer = "ca"},
    {.name = "early",
     .spec = {.common_name = "f", .names = HERE, .from_s = DAY_S, .until_s = 2 * DAY_S},
     .issuer = "ca"},
    {.name = "alien", .spec = {.common_name = "alien", .names = HERE}, .issuer = "other"},
    {.name = "twin's", .spec = {.common_name = "good", .names = HERE}, .issuer = "twin"},
    {.name = "self", .spec = {.common_name = "self", .names = HERE}},
    {.name = "elsewhere", .spec = {.common_name = "elsewhere", .names = "IP:10.9.8.7,IP:10.9.8.6"}, .issuer = "ca"},
    {.name = "named", .spec = {.common_name = "named", .names = "DNS:peer.example"}, .issuer = "ca"},
    {.name = "wild", .spec = {.common_name = "wild", .names = "DNS:*.peer.example"}, .issuer = "ca"},
    {.name = "bare", .spec = {.common_name = "127.0.0.1"}, .issuer = "ca"},
    {.name = "server", .spec = {.common_name = "server", .names = HERE, .use = USE_SERVER}, .issuer = "ca"},
    {.name = "client", .spec = {.common_name = "client", .names = HERE, .use = USE_CLIENT}, .issuer = "ca"},
    {.name = "revoked", .spec = {.common_name = "revoked", .names = HERE, .serial = REVOKED}, .issuer = "ca"},
    {.name = "chained", .spec = {.common_name = "chained", .names = HERE}, .issuer = "middle", .has_chain = true},
    {.name = "unchained", .spec = {.common_name = "unchained", .names = HERE}, .issuer = "middle"},
};

static struct person *person(const char *name)
{
    for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++)
        if (strcmp(people[i].name, name) == 0)
            return &people[i];
    ck_abort_msg("no certificate is called %s", name);
}

static void make(struct person *p)
{
    struct person *issuer = p->issuer ? person(p->issuer) : NULL;
    char file[64];

    p->certificate = certificate_make(&p->spec, issuer ? &issuer->certificate : NULL);
    snprintf(file, sizeof(file), "%s.pem", p->name);
    p->cert_file = certificate_write(file, &p->certificate, p->has_chain ? &issuer->certificate : NULL);
    snprintf(file, sizeof(file), "%s.key", p->name);
    p->key_file = certificate_write_key(file, &p->certificate);
}

static struct member a, b;

static void setup(void)
{
    certificates_setup();
    for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++)
        make(&people[i]);
    certificate_write_crl("ca.crl", &person("ca")->certificate, REVOKED);
    certificate_write_crl("other.crl", &person("other")->certificate, REVOKED);
}

static void teardown(void)
{
    for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++)
        certificate_release(&people[i].certificate);
}

/* ---- The table --------------------------------------------------------------------------------------------------- */

#define ACCEPTED (-1)

/* One side of a connection: Ferry with a policy, or OpenSSL that believes anything. */
struct side {
    const char *shows;        /* its certificate; NULL for a client of OpenSSL's: none */
    const char *trusts;       /* NULL: the CA */
    const char *crl;          /* of this issuer */
    const char *allowed_cn;   /* and "good" is not */
    const char *allowed_host; /* likewise */
    const char *server_name;
    bool is_openssl;
    bool is_1_3_needed;
    bool skips_san;
    bool needs_no_client_certificate; /* clients need no certificate */
    bool binds;                       /* members to the common name member-ID */
    int max_version;
    const char *alpn;
};

static const struct row {
    const char *name;
    struct side client;
    struct side server;
    int dialing; /* what the client makes of it, and the server: ACCEPTED or a reason.  OpenSSL knows no reasons */
    int accepting;
} table[] = {
#define REASON(name) FERRY_TLS_REFUSED_##name
#define GOOD                                                                                                           \
    {                                                                                                                  \
        .shows = "good"                                                                                                \
    }
    {"valid on both sides", GOOD, GOOD, ACCEPTED, ACCEPTED},
    {"TLS 1.3 on both sides",
     {.shows = "good", .is_1_3_needed = true},
     {.shows = "good", .is_1_3_needed = true},
     ACCEPTED,
     ACCEPTED},
    {"a client without a certificate where none is asked for",
     {.is_openssl = true},
     {.shows = "good", .needs_no_client_certificate = true},
     ACCEPTED,
     ACCEPTED},
    {"a client without a certificate", {.is_openssl = true}, GOOD, REASON(REJECTED), REASON(NO_CERTIFICATE)},
    {"a client without a certificate, TLS 1.2",
     {.is_openssl = true, .max_version = TLS1_2_VERSION},
     GOOD,
     REASON(REJECTED),
     REASON(NO_CERTIFICATE)},
    {"an alien client where none is asked for a certificate",
     {.shows = "alien"},
     {.shows = "good", .needs_no_client_certificate = true},
     REASON(REJECTED),
     REASON(UNKNOWN_CA)},
    {"an expired server", GOOD, {.shows = "expired", .is_openssl = true}, REASON(EXPIRED), REASON(REJECTED)},
    {"an expired client", {.shows = "expired", .is_openssl = true}, GOOD, REASON(REJECTED), REASON(EXPIRED)},
    {"an expired client, TLS 1.2",
     {.shows = "expired", .is_openssl = true, .max_version = TLS1_2_VERSION},
     GOOD,
     REASON(REJECTED),
     REASON(EXPIRED)},
    {"a server that is not valid yet",
     GOOD,
     {.shows = "early", .is_openssl = true},
     REASON(NOT_YET_VALID),
     REASON(REJECTED)},
    {"a client that is not valid yet",
     {.shows = "early", .is_openssl = true},
     GOOD,
     REASON(REJECTED),
     REASON(NOT_YET_VALID)},
    {"a server of another CA", GOOD, {.shows = "alien"}, REASON(UNKNOWN_CA), REASON(REJECTED)},
    {"a client of another CA", {.shows = "alien"}, GOOD, REASON(REJECTED), REASON(UNKNOWN_CA)},
    {"a server of a CA with the right name", GOOD, {.shows = "twin's"}, REASON(UNKNOWN_CA), REASON(REJECTED)},
    {"a client of a CA with the right name", {.shows = "twin's"}, GOOD, REASON(REJECTED), REASON(UNKNOWN_CA)},
    {"a self-signed server", GOOD, {.shows = "self"}, REASON(UNKNOWN_CA), REASON(REJECTED)},
    {"a self-signed client", {.shows = "self"}, GOOD, REASON(REJECTED), REASON(UNKNOWN_CA)},
    {"a client of the allowed common name", GOOD, {.shows = "good", .allowed_cn = "good"}, ACCEPTED, ACCEPTED},
    {"a client of another common name",
     GOOD,
     {.shows = "good", .allowed_cn = "goo"},
     REASON(REJECTED),
     REASON(NOT_ALLOWED)},
    {"a server of another common name",
     {.shows = "good", .allowed_cn = "better"},
     GOOD,
     REASON(NOT_ALLOWED),
     REASON(REJECTED)},
    {"a client of the allowed host", GOOD, {.shows = "good", .allowed_host = "localhost"}, ACCEPTED, ACCEPTED},
    {"a client of the allowed address", GOOD, {.shows = "good", .allowed_host = "127.0.0.1"}, ACCEPTED, ACCEPTED},
    {"a client of another host",
     GOOD,
     {.shows = "good", .allowed_host = "good"},
     REASON(REJECTED),
     REASON(NOT_ALLOWED)},
    {"a server of another host",
     {.shows = "good", .allowed_host = "peer.example"},
     GOOD,
     REASON(NOT_ALLOWED),
     REASON(REJECTED)},
    {"a server at another address", GOOD, {.shows = "elsewhere", .skips_san = true}, REASON(NAME), REASON(REJECTED)},
    {"a client at another address", {.shows = "elsewhere"}, GOOD, REASON(REJECTED), REASON(NAME)},
    {"a client at another address, unchecked",
     {.shows = "elsewhere"},
     {.shows = "good", .skips_san = true},
     ACCEPTED,
     ACCEPTED},
    {"a client with a name and no address", {.shows = "named"}, GOOD, ACCEPTED, ACCEPTED},
    {"a client without names", {.shows = "bare"}, GOOD, ACCEPTED, ACCEPTED},
    {"a server whose common name alone is right", GOOD, {.shows = "bare"}, REASON(NAME), REASON(REJECTED)},
    {"a server of another name", GOOD, {.shows = "named"}, REASON(NAME), REASON(REJECTED)},
    {"a server of the name that is asked for",
     {.shows = "good", .server_name = "peer.example"},
     {.shows = "named"},
     ACCEPTED,
     ACCEPTED},
    {"a server whose wildcard fits",
     {.shows = "good", .server_name = "a.peer.example"},
     {.shows = "wild"},
     ACCEPTED,
     ACCEPTED},
    {"a server whose wildcard does not fit",
     {.shows = "good", .server_name = "b.a.peer.example"},
     {.shows = "wild"},
     REASON(NAME),
     REASON(REJECTED)},
    {"a revoked server", {.shows = "good", .crl = "ca"}, {.shows = "revoked"}, REASON(REVOKED), REASON(REJECTED)},
    {"a revoked client", {.shows = "revoked"}, {.shows = "good", .crl = "ca"}, REASON(REJECTED), REASON(REVOKED)},
    {"a client that is not the revoked one", GOOD, {.shows = "good", .crl = "ca"}, ACCEPTED, ACCEPTED},
    {"a number that another issuer has revoked",
     {.shows = "revoked"},
     {.shows = "good", .crl = "other"},
     ACCEPTED,
     ACCEPTED},
    {"a client that knows TLS 1.0 only",
     {.shows = "good", .is_openssl = true, .max_version = TLS1_VERSION},
     GOOD,
     REASON(REJECTED),
     REASON(VERSION)},
    {"a client that knows TLS 1.1 only",
     {.shows = "good", .is_openssl = true, .max_version = TLS1_1_VERSION},
     GOOD,
     REASON(REJECTED),
     REASON(VERSION)},
    {"a client that knows TLS 1.2 only",
     {.shows = "good", .is_openssl = true, .max_version = TLS1_2_VERSION},
     GOOD,
     ACCEPTED,
     ACCEPTED},
    {"a client that knows TLS 1.2 only, and needs more",
     {.shows = "good", .is_openssl = true, .max_version = TLS1_2_VERSION},
     {.shows = "good", .is_1_3_needed = true},
     REASON(REJECTED),
     REASON(VERSION)},
    {"a server that knows TLS 1.1 only",
     GOOD,
     {.shows = "good", .is_openssl = true, .max_version = TLS1_1_VERSION},
     REASON(VERSION),
     REASON(VERSION)},
    {"a server that knows TLS 1.2 only, and needs more",
     {.shows = "good", .is_1_3_needed = true},
     {.shows = "good", .is_openssl = true, .max_version = TLS1_2_VERSION},
     REASON(VERSION),
     REASON(VERSION)},
    {"a server with a client's certificate", GOOD, {.shows = "client"}, REASON(PURPOSE), REASON(REJECTED)},
    {"a client with a server's certificate", {.shows = "server"}, GOOD, REASON(REJECTED), REASON(PURPOSE)},
    {"certificates for one side each", {.shows = "client"}, {.shows = "server"}, ACCEPTED, ACCEPTED},
    {"a server with its chain", GOOD, {.shows = "chained"}, ACCEPTED, ACCEPTED},
    {"a client with its chain", {.shows = "chained"}, GOOD, ACCEPTED, ACCEPTED},
    {"a server without its chain", GOOD, {.shows = "unchained"}, REASON(UNKNOWN_CA), REASON(REJECTED)},
    {"a client without its chain", {.shows = "unchained"}, GOOD, REASON(REJECTED), REASON(UNKNOWN_CA)},
    {"a server whose intermediate CA is trusted",
     {.shows = "good", .trusts = "middle"},
     {.shows = "unchained"},
     ACCEPTED,
     ACCEPTED},
    {"a client that offers h2", {.shows = "good", .is_openssl = true, .alpn = "\2h2"}, GOOD, ACCEPTED, ACCEPTED},
    {"members with their own certificates",
     {.shows = "member-2", .binds = true},
     {.shows = "member-1", .binds = true},
     ACCEPTED,
     ACCEPTED},
    {"a server with another member's certificate",
     {.shows = "member-2", .binds = true},
     {.shows = "member-2"},
     REASON(MEMBER),
     REASON(REJECTED)},
#undef GOOD
#undef REASON
};

/* ---- One row ------------------------------------------------------------------------------------------------------
 */

static bool has_own_name(void *ctx, uint64_t id, const struct ferry_certificate *certificate)
{
    char name[32];

    (void)ctx;
    snprintf(name, sizeof(name), "member-%u", (unsigned)id);
    return certificate && strcmp(certificate->common_name, name) == 0;
}

/* What a policy points to. */
struct policy {
    struct ferry_tls_config cfg;
    const char *cns[3];
    const char *hosts[3];
};

static void fill_policy(struct policy *policy, const struct side *side)
{
    char crl[32];

    *policy = (struct policy){.cfg = FERRY_TLS_CONFIG_INIT,
                              .cns = {"somebody", side->allowed_cn},
                              .hosts = {"somewhere.example", side->allowed_host}};
    policy->cfg.cert_file = person(side->shows)->cert_file;
    policy->cfg.key_file = person(side->shows)->key_file;
    policy->cfg.ca_file = person(side->trusts ? side->trusts : "ca")->cert_file;
    policy->cfg.allowed_cns = side->allowed_cn ? policy->cns : NULL;
    policy->cfg.allowed_hostnames = side->allowed_host ? policy->hosts : NULL;
    policy->cfg.server_name = side->server_name;
    policy->cfg.skip_client_san_check = side->skips_san;
    policy->cfg.client_cert_auth = !side->needs_no_client_certificate;
    policy->cfg.min_version = side->is_1_3_needed ? FERRY_TLS_1_3 : FERRY_TLS_1_2;
    policy->cfg.verify_member = side->binds ? has_own_name : NULL;
    if (side->crl) {
        snprintf(crl, sizeof(crl), "%s.crl", side->crl);
        policy->cfg.crl_file = certificate_write_crl(crl, &person(side->crl)->certificate, REVOKED);
    }
}

static struct tls_peer_config openssl_config(const struct side *side)
{
    return (struct tls_peer_config){.cert_file = side->shows ? person(side->shows)->cert_file : NULL,
                                    .key_file = side->shows ? person(side->shows)->key_file : NULL,
                                    .max_version = side->max_version,
                                    .alpn = side->alpn};
}

static struct ferry_tls_counts counts_of(const struct member *m)
{
    struct ferry_tls_counts counts;

    ferry_transport_tls_counts(m->t, &counts);
    return counts;
}

static uint64_t sum(const uint64_t *refused)
{
    uint64_t n = 0;

    for (size_t i = 0; i < FERRY_N_TLS_REFUSALS; i++)
        n += refused[i];
    return n;
}

static bool has_accepted_or_refused(void *arg)
{
    struct ferry_tls_counts counts = counts_of(arg);

    return counts.accepted + sum(counts.refused_accepting) > 0;
}

static bool has_dialed(void *arg)
{
    struct ferry_tls_counts counts = counts_of(arg);

    return counts.dialed + sum(counts.refused_dialing) > 0;
}

static void await(struct member *m, bool (*done)(void *arg))
{
    ck_assert_msg(members_wait(m, 1, done, m, patience_ms(WAIT_MS)), "timed out waiting for: %s",
                  journal_text(&m->journal, JOURNAL_ANY));
}

static void check(const struct row *row, const char *who, int expected, uint64_t n_done, const uint64_t *refused)
{
    if (expected == ACCEPTED) {
        ck_assert_msg(n_done > 0, "%s: the %s saw no handshake succeed", row->name, who);
        for (size_t i = 0; i < FERRY_N_TLS_REFUSALS; i++)
            ck_assert_msg(refused[i] == 0, "%s: the %s said %s", row->name, who, ferry_tls_refusal_name(i));
        return;
    }
    ck_assert_msg(n_done == 0, "%s: the %s saw a handshake succeed", row->name, who);
    for (size_t i = 0; i < FERRY_N_TLS_REFUSALS; i++)
        ck_assert_msg((refused[i] > 0) == ((int)i == expected), "%s: the %s said %s %u times", row->name, who,
                      ferry_tls_refusal_name(i), (unsigned)refused[i]);
}

static void check_client(const struct row *row)
{
    struct ferry_tls_counts counts;

    await(&b, has_dialed);
    counts = counts_of(&b);
    check(row, "client", row->dialing, counts.dialed, counts.refused_dialing);
    if (row->dialing != ACCEPTED) {
        char text[64];

        snprintf(text, sizeof(text), "TLS (%s): ", ferry_tls_refusal_name((enum ferry_tls_refusal)row->dialing));
        ck_assert_msg(journal_wait(&b.journal, JOURNAL_ANY, text, patience_ms(WAIT_MS)), "%s: no \"%s\" in: %s",
                      row->name, text, journal_text(&b.journal, JOURNAL_ANY));
    }
}

/* The page says what the counts say. */
static void check_page(const struct member *m, const char *side, const char *reason)
{
    struct metrics_page page = metrics_page_of(m->t);
    char labels[64];

    snprintf(labels, sizeof(labels), "side=%s,reason=%s", side, reason);
    ck_assert(metrics_page_value(&page, "ferry_tls_refused_total", labels) >= 1);
    metrics_page_release(&page);
}

static void check_server(const struct row *row)
{
    struct ferry_tls_counts counts;

    await(&a, has_accepted_or_refused);
    counts = counts_of(&a);
    check(row, "server", row->accepting, counts.accepted, counts.refused_accepting);
    if (row->accepting != ACCEPTED) {
        ck_assert_msg(journal_wait(&a.journal, JOURNAL_ANY, "refused 127.0.0.1:", patience_ms(WAIT_MS)), "%s",
                      row->name);
        check_page(&a, "accepting", ferry_tls_refusal_name((enum ferry_tls_refusal)row->accepting));
    }
}

static void check_openssl(const struct row *row, struct tls_peer_result result, int expected)
{
    bool is_chosen_by_us = row->client.is_openssl && expected == ACCEPTED; /* as Go's servers do */

    ck_assert_msg(result.is_answered == (expected == ACCEPTED), "%s: OpenSSL says otherwise", row->name);
    ck_assert_msg((result.alert >= 0) == (expected == FERRY_TLS_REFUSED_REJECTED), "%s: the alert was %d", row->name,
                  result.alert);
    ck_assert_msg(!result.has_alpn, "%s: a protocol was chosen", row->name);
    ck_assert_msg(!is_chosen_by_us || strstr(result.cipher, "AES128-GCM") || strstr(result.cipher, "AES_128_GCM"),
                  "%s: the cipher was %s", row->name, result.cipher);
}

static void start_secure(struct member *m, uint64_t id, const struct policy *policy)
{
    member_init(m, id);
    m->config.tls = &policy->cfg;
    m->config.listen_urls = secure;
    m->config.log_level = FERRY_LOG_DEBUG;
    m->config.probe_interval_ms = 0; /* handshakes are counted, and a probe would have one of its own */
    member_start(m);
}

static void try(const struct row *row)
{
    struct tls_peer_config openssl = openssl_config(row->client.is_openssl ? &row->client : &row->server);
    struct tls_peer_server server;
    struct policy of_a, of_b;

    if (row->server.is_openssl) {
        tls_peer_server_start(&server, &openssl);
    } else {
        fill_policy(&of_a, &row->server);
        start_secure(&a, 1, &of_a);
    }
    if (row->client.is_openssl) {
        check_openssl(row, tls_peer_dial(member_url(&a), &openssl), row->dialing);
    } else {
        fill_policy(&of_b, &row->client);
        start_secure(&b, 2, &of_b);
        member_add(&b, 1, row->server.is_openssl ? server.url : member_url(&a));
        check_client(row);
    }
    if (!row->server.is_openssl)
        check_server(row);
    if (!row->client.is_openssl)
        member_release(&b);
    if (row->server.is_openssl)
        check_openssl(row, tls_peer_server_stop(&server), row->accepting);
    else
        member_release(&a);
}

START_TEST(each_case_has_its_verdict_on_both_sides)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        try(&table[i]);
}
END_TEST

/* ---- Two members --------------------------------------------------------------------------------------------------
 */

static struct policy of_a, of_b;

static void start_two(const char *shown_by_a, const char *shown_by_b)
{
    fill_policy(&of_a, &(struct side){.shows = shown_by_a});
    fill_policy(&of_b, &(struct side){.shows = shown_by_b});
    start_secure(&a, 1, &of_a);
    start_secure(&b, 2, &of_b);
    member_add(&a, 2, member_url(&b));
    member_add(&b, 1, member_url(&a));
}

static bool are_connected(void *arg)
{
    (void)arg;
    return member_has_streams(&a, 2) && member_has_streams(&b, 1);
}

static void await_streams(void)
{
    ck_assert(members_wait(&a, 1, are_connected, NULL, patience_ms(WAIT_MS)));
}

static void release_two(void)
{
    member_release(&a);
    member_release(&b);
}

START_TEST(a_member_cannot_speak_for_another)
{
    const struct side bound = {.shows = "member-1", .binds = true};

    fill_policy(&of_a, &bound);
    fill_policy(&of_b, &(struct side){.shows = "good"});
    start_secure(&a, 1, &of_a);
    start_secure(&b, 2, &of_b);
    member_add(&a, 2, member_url(&b));
    member_add(&b, 1, member_url(&a));
    ck_assert(journal_wait(&b.journal, 1, "the certificate does not belong to the member", patience_ms(WAIT_MS)));
    ck_assert_uint_gt(counts_of(&a).refused_accepting[FERRY_TLS_REFUSED_MEMBER], 0);
    ck_assert(journal_wait(&a.journal, 2, "TLS (member): ", patience_ms(WAIT_MS)));
    ck_assert(!member_has_streams(&a, 2));
    ck_assert_uint_eq(recorder_fatal(&b.recorder, NULL), 0); /* refused, not removed */
    release_two();
}
END_TEST

START_TEST(plain_http_to_a_tls_port_is_told_so)
{
    struct raw_input input = {.len = 0};
    char url[80];
    int fd;

    fill_policy(&of_a, &(struct side){.shows = "good"});
    start_secure(&a, 1, &of_a);
    member_init(&b, 2);
    member_start(&b);
    snprintf(url, sizeof(url), "http%s", member_url(&a) + 5);
    member_add(&b, 1, url);
    ck_assert(journal_wait(&b.journal, 1, "Client sent an HTTP request to an HTTPS server.", patience_ms(WAIT_MS)));
    ck_assert_uint_gt(counts_of(&a).refused_accepting[FERRY_TLS_REFUSED_PLAIN], 0);

    fd = raw_connect(url);
    raw_send_text(fd, "GET / HTTP/1.1\r\n\r\n");
    for (uint64_t end_ms = monotonic_ms() + patience_ms(WAIT_MS); !input.is_closed && monotonic_ms() < end_ms;)
        raw_receive(fd, &input);
    ck_assert(input.is_closed && !input.is_reset);
    ck_assert(strncmp(input.text, "HTTP/1.1 400 ", 13) == 0);
    close(fd);
    release_two();
}
END_TEST

START_TEST(tls_to_a_plain_port_is_told_so)
{
    struct ferry_tls_counts counts;
    char url[80];

    fill_policy(&of_b, &(struct side){.shows = "good"});
    member_init(&a, 1);
    member_start(&a);
    start_secure(&b, 2, &of_b);
    snprintf(url, sizeof(url), "https%s", member_url(&a) + 4);
    member_add(&b, 1, url);
    ck_assert(journal_wait(&b.journal, 1, "TLS (plain): ", patience_ms(WAIT_MS)));
    counts = counts_of(&b); /* it goes on dialling */
    ck_assert_uint_gt(counts.refused_dialing[FERRY_TLS_REFUSED_PLAIN], 0);
    ck_assert_uint_eq(sum(counts.refused_dialing), counts.refused_dialing[FERRY_TLS_REFUSED_PLAIN]);
    release_two();
}
END_TEST

START_TEST(without_tls_there_is_no_https)
{
    const char *const urls[] = {"https://127.0.0.1:1", NULL};
    struct ferry_transport *t;

    member_init(&a, 1);
    member_start(&a);
    ck_assert_int_eq(ferry_transport_add_peer(a.t, 2, urls), FERRY_ERR_TLS_CONFIG);
    ck_assert_int_eq(ferry_transport_reload_tls(a.t, NULL), FERRY_ERR_STATE);
    ck_assert_uint_eq(counts_of(&a).accepted, 0);
    member_stop(&a);
    a.config.listen_urls = secure;
    ck_assert_int_eq(ferry_transport_new(&a.config, &t), FERRY_ERR_TLS_CONFIG);
    member_release(&a);
}
END_TEST

/* ---- Settings that do not fit --------------------------------------------------------------------------------------
 */

static void refuse_policy(const struct policy *policy, const char *why)
{
    struct ferry_transport *t;

    journal_clear(&a.journal);
    a.config.tls = &policy->cfg;
    ck_assert_msg(ferry_transport_new(&a.config, &t) == FERRY_ERR_TLS_CONFIG, "\"%s\" was not refused", why);
    ck_assert_msg(journal_count(&a.journal, FERRY_LOG_ERROR, 0, why) == 1, "no \"%s\" in: %s", why,
                  journal_text(&a.journal, JOURNAL_ANY));
}

START_TEST(settings_that_do_not_fit_are_refused)
{
    struct policy good, policy;
    const char *empty = certificate_write_text("empty", "");
    const char *junk = certificate_write_text("junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const char *words = certificate_write_text("words", "no certificate\n");
    const char *forged = certificate_write_crl("forged.crl", &person("twin")->certificate, REVOKED);
    const char *none[] = {NULL};

#define REFUSE(change, why)                                                                                            \
    do {                                                                                                               \
        policy = good;                                                                                                 \
        policy.cfg.change;                                                                                             \
        refuse_policy(&policy, why);                                                                                   \
    } while (0)
    member_init(&a, 1);
    fill_policy(&good, &(struct side){.shows = "good"});
    REFUSE(size = 0, "FERRY_TLS_CONFIG_INIT");
    REFUSE(size = sizeof(policy.cfg) + 1, "newer library");
    REFUSE(cert_file = NULL, "cert_file and key_file are required");
    REFUSE(key_file = NULL, "cert_file and key_file are required");
    REFUSE(ca_file = NULL, "ca_file is required");
    REFUSE(client_cert_file = good.cfg.cert_file, "go together");
    REFUSE(allowed_cns = none, "is empty");
    good.cfg.allowed_hostnames = good.hosts;
    REFUSE(allowed_cns = good.cns, "exclude each other");
    good.cfg.allowed_hostnames = NULL;
    REFUSE(min_version = (enum ferry_tls_version)7, "min_version");
    REFUSE(handshake_timeout_ms = 0, "handshake_timeout_ms");
    REFUSE(key_file = person("alien")->key_file, "is not the key of");
    REFUSE(key_file = words, "no private key");
    REFUSE(cert_file = "/nowhere/at/all.pem", "No such file");
    REFUSE(cert_file = "/tmp", "not a regular file");
    REFUSE(ca_file = empty, "the file is empty");
    REFUSE(ca_file = words, "no certificate in it");
    REFUSE(ca_file = junk, "junk: ");
    REFUSE(ca_file = person("expired")->cert_file, "no certificate in it is valid now");
    REFUSE(crl_file = words, "not a revocation list");
    REFUSE(crl_file = forged, "not signed by its issuer");
    fill_policy(&good, &(struct side){.shows = "expired"});
    refuse_policy(&good, "the certificate has expired");
    fill_policy(&good, &(struct side){.shows = "early"});
    refuse_policy(&good, "the certificate is not valid yet");
#undef REFUSE
    if (geteuid() != 0) { /* nothing is unreadable to root */
        fill_policy(&good, &(struct side){.shows = "good"});
        ck_assert_int_eq(chmod(good.cfg.key_file, 0), 0);
        refuse_policy(&good, "Permission denied");
    }
    member_release(&a);
}
END_TEST

START_TEST(a_policy_without_memory_is_refused)
{
    const struct side full = {.shows = "chained", .crl = "ca", .allowed_cn = "x"};
    struct ferry_transport *t = NULL;
    int err = FERRY_ERR_NOMEM;

    fill_policy(&of_a, &full);
    member_init(&a, 1);
    a.config.tls = &of_a.cfg;
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = ferry_transport_new(&a.config, &t);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    err = FERRY_ERR_NOMEM;
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = ferry_transport_reload_tls(t, NULL);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ferry_transport_free(t);
    member_release(&a);
}
END_TEST

/* ---- Handshakes that do not end ------------------------------------------------------------------------------------
 */

#define N_HANGING 40

static bool have_all_timed_out(void *arg)
{
    (void)arg;
    return counts_of(&a).refused_accepting[FERRY_TLS_REFUSED_TIMEOUT] >= N_HANGING;
}

START_TEST(a_handshake_that_hangs_is_cut_and_delays_no_other)
{
    static const char hello_begins[] = "\x16\x03\x01\x02\x00\x01\x00";
    int fds[N_HANGING];

    fill_policy(&of_a, &(struct side){.shows = "good"});
    fill_policy(&of_b, &(struct side){.shows = "good"});
    of_a.cfg.handshake_timeout_ms = patience_ms(1000);
    start_secure(&a, 1, &of_a);
    for (size_t i = 0; i < N_HANGING; i++) { /* silent ones, and ones that stop half-way */
        fds[i] = raw_connect(member_url(&a));
        if (i % 2)
            raw_send(fds[i], hello_begins, sizeof(hello_begins) - 1);
    }
    start_secure(&b, 2, &of_b);
    member_add(&a, 2, member_url(&b));
    member_add(&b, 1, member_url(&a));
    await_streams();
    ck_assert(members_wait(&a, 1, have_all_timed_out, NULL, patience_ms(WAIT_MS)));
    for (size_t i = 0; i < N_HANGING; i++) {
        static struct raw_input input;

        input = (struct raw_input){.len = 0};
        for (uint64_t end_ms = monotonic_ms() + patience_ms(WAIT_MS); !input.is_closed && monotonic_ms() < end_ms;)
            raw_receive(fds[i], &input);
        ck_assert(input.is_closed);
        close(fds[i]);
    }
    ck_assert(are_connected(NULL));
    release_two();
}
END_TEST

/* ---- Ways that are slow ---- */

/* OpenSSL's presets, as curl dials with: a server that wants another group than it guessed costs a round trip more. */
START_TEST(a_dial_has_one_hello)
{
    struct side good = {.shows = "good"};
    struct tls_peer_config openssl = openssl_config(&good);
    struct tls_peer_result result;

    fill_policy(&of_a, &good);
    start_secure(&a, 1, &of_a);
    result = tls_peer_dial(member_url(&a), &openssl);
    ck_assert(result.is_answered);
    ck_assert_uint_eq(result.n_hellos, 1);
    member_release(&a);
}
END_TEST

static struct fault_proxy *new_slow_way(const struct member *to, char url[64])
{
    const char *address = strstr(member_url(to), "//") + 2;
    struct fault_proxy *proxy = fault_proxy_new("127.0.0.1:0", address, 1);

    fault_proxy_set_weather(proxy, &(struct weather){.delay_ms = 700});
    snprintf(url, 64, "https://%s", strstr(fault_proxy_url(proxy), "//") + 2);
    return proxy;
}

/* With a round trip of 1.4 s and the preset timeouts. */
START_TEST(streams_stand_on_a_slow_way)
{
    struct fault_proxy *to_a, *to_b;
    char url[64];

    fill_policy(&of_a, &(struct side){.shows = "good"});
    fill_policy(&of_b, &(struct side){.shows = "good"});
    start_secure(&a, 1, &of_a);
    start_secure(&b, 2, &of_b);
    to_a = new_slow_way(&a, url);
    member_add(&b, 1, url);
    to_b = new_slow_way(&b, url);
    member_add(&a, 2, url);
    await_streams();
    release_two();
    fault_proxy_free(to_a);
    fault_proxy_free(to_b);
}
END_TEST

static bool is_timed_out(void *arg)
{
    (void)arg;
    return strstr(member_status(&a, 2).last_error, "no TLS within the handshake timeout") != NULL;
}

/* A peer that accepts and says nothing has the handshake's time beside that of the dial. */
START_TEST(a_handshake_has_its_own_time)
{
    char url[80], secure_url[80];
    int fd = raw_listen(16, url, sizeof(url));
    uint64_t begin_ms;

    fill_policy(&of_a, &(struct side){.shows = "good"});
    of_a.cfg.handshake_timeout_ms = 1500;
    member_init(&a, 1);
    a.config.tls = &of_a.cfg;
    a.config.listen_urls = secure;
    a.config.probe_interval_ms = 0;
    a.config.dial_timeout_ms = 300;
    member_start(&a);
    snprintf(secure_url, sizeof(secure_url), "https://%s", strstr(url, "//") + 2);
    begin_ms = monotonic_ms();
    member_add(&a, 2, secure_url);
    ck_assert(members_wait(&a, 1, is_timed_out, NULL, patience_ms(WAIT_MS)));
    ck_assert_uint_ge(monotonic_ms() - begin_ms, 1500);
    member_release(&a);
    close(fd);
}
END_TEST

/* ---- Messages ------------------------------------------------------------------------------------------------------
 */

static void send_app(struct member *from, struct member *to, size_t size)
{
    uint8_t *data = calloc(1, size + 1);
    struct ferry_entry entry = {.term = 1, .index = 1, .data = {data, size}};
    struct ferry_message msg = {.type = FERRY_MSG_APP,
                                .from = from->id,
                                .to = to->id,
                                .term = 1,
                                .log_term = 1,
                                .entries = &entry,
                                .n_entries = 1};
    uint64_t n = recorder_messages(&to->recorder);

    ck_assert_ptr_nonnull(data);
    member_send(from, &msg);
    ck_assert_msg(recorder_wait_messages(&to->recorder, n + 1, patience_ms(WAIT_MS)), "%zu bytes do not arrive", size);
    free(data);
}

/* What a record holds too much, or the libraries keep back, would wait for the next message: here there is none. */
START_TEST(every_message_arrives_by_itself)
{
    static const size_t sizes[] = {0, 1, 100, 16300, 16384, 16385, 32768, 65536, 100000, 262144, 1 << 20, 3000001};
    struct ferry_message beat = {.type = FERRY_MSG_HEARTBEAT};
    uint64_t n_handshakes;

    start_two("good", "chained");
    await_streams();
    n_handshakes = counts_of(&a).accepted;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        send_app(&a, &b, sizes[i]);
        send_app(&b, &a, sizes[i]);
    }
    for (int i = 0; i < 200; i++) {
        uint64_t n = recorder_messages(&b.recorder);

        beat.from = 1;
        beat.to = 2;
        member_send(&a, &beat);
        ck_assert(recorder_wait_messages(&b.recorder, n + 1, patience_ms(WAIT_MS)));
    }
    ck_assert_uint_eq(counts_of(&a).accepted, n_handshakes); /* nothing was dialled again */
    release_two();
}
END_TEST

START_TEST(a_message_is_posted_whatever_its_size)
{
    static const size_t sizes[] = {1, 16384, 70000, 1 << 20, 5000000};
    struct ferry_snapshot snapshot = {.index = 1, .term = 1};
    uint64_t n_handshakes;

    start_two("good", "good");
    await_streams();
    n_handshakes = counts_of(&b).accepted;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *data = calloc(1, sizes[i]);
        struct ferry_message msg = {.type = FERRY_MSG_SNAP, .from = 1, .to = 2, .snapshot = &snapshot};
        uint64_t n = recorder_messages(&b.recorder);

        snapshot.data = (struct ferry_bytes){data, sizes[i]};
        member_send(&a, &msg);
        ck_assert(recorder_wait_messages(&b.recorder, n + 1, patience_ms(WAIT_MS)));
        members_await_rest(&a, 1); /* the answer is there, and the connection free again */
        free(data);
    }
    ck_assert_uint_eq(counts_of(&b).accepted, n_handshakes + 1); /* one connection was kept for all posts */
    ck_assert_int_eq(ferry_transport_reload_tls(a.t, NULL), FERRY_OK);
    {
        struct ferry_message msg = {.type = FERRY_MSG_SNAP, .from = 1, .to = 2, .snapshot = &snapshot};
        uint64_t n = recorder_messages(&b.recorder);

        snapshot.data = (struct ferry_bytes){NULL, 0};
        member_send(&a, &msg);
        ck_assert(recorder_wait_messages(&b.recorder, n + 1, patience_ms(WAIT_MS)));
    }
    ck_assert_uint_eq(counts_of(&b).accepted, n_handshakes + 2); /* and not used under a new policy */
    release_two();
}
END_TEST

/* The disk fills up in the middle of a body: the answer comes although much of it is still to be sent. */
START_TEST(a_snapshot_that_cannot_be_stored_is_told_why)
{
    static const struct ferry_snapshot snapshot = {.index = 1, .term = 1};
    struct ferry_message msg = {.type = FERRY_MSG_SNAP, .from = 1, .to = 2, .snapshot = &snapshot};
    struct ferry_snapshot_source source;
    struct vault vault;
    struct body body;
    int err;

    vault_init(&vault, 1);
    vault.write_err = ENOSPC;
    vault.write_err_at = 1 << 20;
    body_init(&body, 1, 40 << 20);
    source = body_source(&body);
    fill_policy(&of_a, &(struct side){.shows = "good"});
    fill_policy(&of_b, &(struct side){.shows = "good"});
    start_secure(&a, 1, &of_a);
    member_init(&b, 2);
    b.config.tls = &of_b.cfg;
    b.config.listen_urls = secure;
    b.config.snapshot_sink = vault_sink(&vault);
    member_start(&b);
    member_add(&a, 2, member_url(&b));
    ck_assert_int_eq(ferry_transport_send_snapshot(a.t, &msg, &source), FERRY_OK);
    ck_assert(body_await_close(&body, patience_ms(WAIT_MS), &err));
    ck_assert_int_eq(err, FERRY_ERR_HTTP_STATUS);
    ck_assert_uint_gt(journal_count(&a.journal, FERRY_LOG_WARN, 2, "No space left on device"), 0);
    release_two();
    body_release(&body);
    vault_release(&vault);
}
END_TEST

/* ---- Reloads -------------------------------------------------------------------------------------------------------
 */

#define N_RELOADS 200

static void reload_both(void)
{
    ck_assert_msg(ferry_transport_reload_tls(a.t, NULL) == FERRY_OK, "%s", journal_text(&a.journal, JOURNAL_ANY));
    ck_assert_msg(ferry_transport_reload_tls(b.t, NULL) == FERRY_OK, "%s", journal_text(&b.journal, JOURNAL_ANY));
}

/* A new CA is trusted by both, along with the one before it, before it is used. */
static void renew_ca(struct certificate *cas)
{
    struct certificate_spec spec = {.common_name = "rolling", .is_ca = true};

    certificate_release(&cas[1]);
    cas[1] = cas[0];
    cas[0] = certificate_make(&spec, NULL);
    certificate_write("rolling-ca.pem", &cas[0], cas[1].x509 ? &cas[1] : &person("ca")->certificate);
    reload_both();
}

static void renew_leaf(const struct certificate *ca, long serial)
{
    struct certificate_spec spec = {.common_name = "good", .names = HERE, .serial = serial};
    struct certificate leaf = certificate_make(&spec, ca);

    certificate_write("rolling.pem", &leaf, NULL);
    certificate_write_key("rolling.key", &leaf);
    certificate_release(&leaf);
    reload_both();
}

static void use_rolling_files(struct policy *policy)
{
    policy->cfg.cert_file = certificate_write("rolling.pem", &person("good")->certificate, NULL);
    policy->cfg.key_file = certificate_write_key("rolling.key", &person("good")->certificate);
    policy->cfg.ca_file = certificate_write("rolling-ca.pem", &person("ca")->certificate, NULL);
}

static void send_beat(struct member *from, struct member *to)
{
    struct ferry_message beat = {.type = FERRY_MSG_HEARTBEAT, .from = from->id, .to = to->id};

    member_send(from, &beat);
}

START_TEST(two_hundred_reloads_lose_no_message)
{
    struct certificate cas[2] = {{.x509 = NULL}, {.x509 = NULL}};
    struct ferry_message snap = {.type = FERRY_MSG_SNAP, .from = 1, .to = 2};
    struct ferry_snapshot snapshot = {.index = 1, .term = 1};
    struct tls_peer_config show = {.cert_file = person("good")->cert_file, .key_file = person("good")->key_file};
    uint64_t n_sent = 0;

    snap.snapshot = &snapshot;
    fill_policy(&of_a, &(struct side){.shows = "good"});
    fill_policy(&of_b, &(struct side){.shows = "good"});
    use_rolling_files(&of_a);
    use_rolling_files(&of_b);
    start_secure(&a, 1, &of_a);
    start_secure(&b, 2, &of_b);
    member_add(&a, 2, member_url(&b));
    member_add(&b, 1, member_url(&a));
    await_streams();
    for (size_t round = 0; round < N_RELOADS; round++) {
        if (round % 10 == 0)
            renew_ca(cas);
        renew_leaf(&cas[0], 5000 + (long)round);
        for (int i = 0; i < 20; i++, n_sent++)
            send_beat(&a, &b);
        member_send(&a, &snap); /* a POST, and so a handshake under the new policies */
        n_sent++;
        ck_assert_msg(recorder_wait_messages(&b.recorder, n_sent, patience_ms(WAIT_MS)), "round %zu: %s", round,
                      journal_text(&a.journal, JOURNAL_ANY));
        if (round % 20 == 0)
            ck_assert_int_eq(tls_peer_dial(member_url(&b), &show).serial, 5000 + (long)round);
    }
    members_await_rest(&a, 1);
    {
        struct ferry_counts counts = member_totals(&a);

        ck_assert_uint_eq(counts.sent, n_sent);
        ck_assert_uint_eq(counts_dropped(&counts), 0);
    }
    ck_assert_uint_eq(counts_of(&a).reloads, N_RELOADS + N_RELOADS / 10);
    ck_assert_uint_eq(sum(counts_of(&a).refused_dialing), 0);
    ck_assert(are_connected(NULL));
    certificate_release(&cas[0]);
    certificate_release(&cas[1]);
    release_two();
}
END_TEST

START_TEST(a_broken_reload_leaves_what_there_was)
{
    struct tls_peer_config show = {.cert_file = person("good")->cert_file, .key_file = person("good")->key_file};
    struct policy policy;
    long serial;

    fill_policy(&of_a, &(struct side){.shows = "good"});
    use_rolling_files(&of_a);
    start_secure(&a, 1, &of_a);
    serial = tls_peer_dial(member_url(&a), &show).serial;
    ck_assert_int_ne(serial, 0);

    certificate_write("rolling.pem", &person("member-1")->certificate, NULL);
    ck_assert_int_eq(ferry_transport_reload_tls(a.t, NULL), FERRY_ERR_TLS_CONFIG);
    ck_assert_uint_eq(journal_count(&a.journal, FERRY_LOG_ERROR, 0, "is not the key of"), 1);
    ck_assert_int_eq(tls_peer_dial(member_url(&a), &show).serial, serial);
    certificate_write_key("rolling.key", &person("member-1")->certificate);
    ck_assert_int_eq(ferry_transport_reload_tls(a.t, NULL), FERRY_OK);
    ck_assert_int_ne(tls_peer_dial(member_url(&a), &show).serial, serial);

    fill_policy(&policy, &(struct side){.shows = "good", .trusts = "other"});
    ck_assert_int_eq(ferry_transport_reload_tls(a.t, &policy.cfg), FERRY_OK);
    ck_assert(!tls_peer_dial(member_url(&a), &show).is_answered); /* its CA is no longer trusted */
    ck_assert_uint_eq(counts_of(&a).reloads, 2);
    ck_assert_uint_eq(counts_of(&a).refused_reloads, 1);
    member_release(&a);
}
END_TEST

int main(void)
{
    return rig_main("tls", setup, teardown, each_case_has_its_verdict_on_both_sides, a_member_cannot_speak_for_another,
                    plain_http_to_a_tls_port_is_told_so, tls_to_a_plain_port_is_told_so, without_tls_there_is_no_https,
                    settings_that_do_not_fit_are_refused, a_policy_without_memory_is_refused,
                    a_handshake_that_hangs_is_cut_and_delays_no_other, a_dial_has_one_hello,
                    streams_stand_on_a_slow_way, a_handshake_has_its_own_time, every_message_arrives_by_itself,
                    a_message_is_posted_whatever_its_size, a_snapshot_that_cannot_be_stored_is_told_why,
                    two_hundred_reloads_lose_no_message, a_broken_reload_leaves_what_there_was, NULL);
}
