/*
 * member - transports with test hooks and short timeouts, and functions that wait for them.
 */
#include "harness/member.h"

#include <check.h>
#include <poll.h>
#include <string.h>

#include "harness/patience.h"

#define MAX_HOSTED 8

static const char *const loopback[] = {"http://127.0.0.1:0", NULL};

void member_init(struct member *m, uint64_t id)
{
    memset(m, 0, sizeof(*m));
    m->id = id;
    recorder_init(&m->recorder);
    journal_init(&m->journal);
    m->config = (struct ferry_config)FERRY_CONFIG_INIT;
    m->config.id = id;
    m->config.cluster_id = MEMBER_CLUSTER_ID;
    m->config.core = recorder_core(&m->recorder);
    m->config.listen_urls = loopback;
    m->config.log = journal_log;
    m->config.log_ctx = &m->journal;
    m->config.dial_retry_ms = 20;
}

void member_release(struct member *m)
{
    member_stop(m);
    recorder_release(&m->recorder);
    journal_release(&m->journal);
}

void member_start(struct member *m)
{
    ck_assert_ptr_null(m->t);
    ck_assert_msg(ferry_transport_new(&m->config, &m->t) == FERRY_OK, "%s", journal_text(&m->journal, JOURNAL_ANY));
    ck_assert_msg(ferry_transport_start(m->t) == FERRY_OK, "%s", journal_text(&m->journal, JOURNAL_ANY));
}

void member_stop(struct member *m)
{
    ferry_transport_free(m->t);
    m->t = NULL;
}

const char *member_url(const struct member *m)
{
    const char *url = ferry_transport_listen_url(m->t, 0);

    ck_assert_ptr_nonnull(url);
    return url;
}

void member_add(struct member *m, uint64_t id, const char *url)
{
    const char *const urls[] = {url, NULL};

    ck_assert_int_eq(ferry_transport_add_peer(m->t, id, urls), FERRY_OK);
}

void member_send(struct member *m, const struct ferry_message *msg)
{
    ck_assert_int_eq(ferry_transport_send(m->t, msg, 1), FERRY_OK);
}

struct ferry_peer_status member_status(const struct member *m, uint64_t id)
{
    struct ferry_peer_status status;

    ck_assert_int_eq(ferry_transport_peer_status(m->t, id, &status), FERRY_OK);
    return status;
}

struct ferry_counts member_totals(const struct member *m)
{
    struct ferry_counts counts;

    ferry_transport_totals(m->t, &counts);
    return counts;
}

void members_connect(struct member *members, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            if (i != k)
                member_add(&members[i], members[k].id, member_url(&members[k]));
}

/* One turn of a host's loop: sleep until a transport has work, and run those that have. */
static void turn(struct member *members, size_t n, unsigned limit_ms)
{
    struct pollfd fds[MAX_HOSTED];
    uint64_t now = monotonic_ms();
    int wait_ms = (int)limit_ms;

    ck_assert_uint_le(n, MAX_HOSTED);
    for (size_t i = 0; i < n; i++) {
        struct member *m = &members[i];
        bool is_hosted = m->t && m->config.delivery == FERRY_DELIVER_HOST;
        int due_in_ms = is_hosted ? ferry_transport_timeout_ms(m->t) : -1;

        fds[i] = (struct pollfd){.fd = is_hosted ? ferry_transport_fd(m->t) : -1, .events = POLLIN};
        m->due_ms = due_in_ms < 0 ? UINT64_MAX : now + (uint64_t)due_in_ms;
        if (due_in_ms >= 0 && due_in_ms < wait_ms)
            wait_ms = due_in_ms;
    }
    ck_assert_int_ge(poll(fds, n, wait_ms), 0);
    now = monotonic_ms();
    for (size_t i = 0; i < n; i++)
        if (fds[i].fd >= 0 && (fds[i].revents != 0 || now >= members[i].due_ms))
            ck_assert_int_eq(ferry_transport_run(members[i].t, 0), FERRY_OK);
}

bool members_wait(struct member *members, size_t n, bool (*done)(void *arg), void *arg, unsigned deadline_ms)
{
    uint64_t deadline = monotonic_ms() + deadline_ms;
    bool has_host = false;

    for (size_t i = 0; i < n; i++)
        has_host |= members[i].config.delivery == FERRY_DELIVER_HOST;
    while (!done(arg)) {
        if (monotonic_ms() >= deadline)
            return done(arg);
        turn(members, n, has_host ? 10 : 1);
    }
    return true;
}

bool member_has_streams(const struct member *m, uint64_t id)
{
    struct ferry_peer_status status = member_status(m, id);

    for (int i = 0; i < FERRY_N_STREAMS; i++)
        if (!status.writer_attached[i] || !status.reader_attached[i])
            return false;
    return true;
}

struct group {
    struct member *members;
    size_t n;
};

static bool all_have_streams(void *arg)
{
    const struct group *g = arg;

    for (size_t i = 0; i < g->n; i++)
        for (size_t k = 0; k < g->n; k++)
            if (i != k && !member_has_streams(&g->members[i], g->members[k].id))
                return false;
    return true;
}

void members_await_streams(struct member *members, size_t n)
{
    struct group g = {members, n};

    if (!members_wait(members, n, all_have_streams, &g, patience_ms(10000)))
        ck_abort_msg("no streams; the log of the first: %s", journal_text(&members[0].journal, JOURNAL_ANY));
}

uint64_t counts_dropped(const struct ferry_counts *counts)
{
    uint64_t sum = 0;

    for (int i = 0; i < FERRY_N_DROP_REASONS; i++)
        sum += counts->dropped[i];
    return sum;
}

static bool all_at_rest(void *arg)
{
    const struct group *g = arg;

    for (size_t i = 0; i < g->n; i++) {
        struct ferry_counts totals = member_totals(&g->members[i]);

        if (totals.sent != totals.written + counts_dropped(&totals))
            return false;
    }
    return true;
}

void members_await_rest(struct member *members, size_t n)
{
    struct group g = {members, n};

    if (members_wait(members, n, all_at_rest, &g, patience_ms(10000)))
        return;
    for (size_t i = 0; i < n; i++) {
        struct ferry_counts totals = member_totals(&members[i]);

        ck_assert_msg(totals.sent == totals.written + counts_dropped(&totals),
                      "member %zu: %llu sent, %llu written, %llu dropped", i, (unsigned long long)totals.sent,
                      (unsigned long long)totals.written, (unsigned long long)counts_dropped(&totals));
    }
}
