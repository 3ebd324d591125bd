/*
 * it_kv - ferry-kv processes under load: agreement, durability, snapshots, members that come and go, TLS.
 *
 * FERRY_KV_WRITES: how many keys the load test writes, in place of 20000 (4000 with a sanitizer).
 */
#include "config.h" /* _GNU_SOURCE, for prlimit */

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <curl/curl.h>

#include "demo/cluster.h"
#include "demo/http_call.h"
#include "demo/load.h"
#include "harness/certificates.h"
#include "harness/kv_program.h"
#include "harness/patience.h"
#include "harness/rig.h"

#define IN_FLIGHT 64
#define VALUE_LEN 64
#define LINKS_MS 500 /* of a removed member that are watched: several times what it waits between two dials */

/* Elections are quick, unless a sanitizer makes all else slow. */
#if PATIENCE_SANITIZED
#define QUICK "--election-timeout", "2000"
#else
#define QUICK "--election-timeout", "400", "--heartbeat-interval", "40"
#endif

static const char *const usual[] = {QUICK, NULL};
static const char *const small_snapshots[] = {QUICK, "--snapshot-entries", "200", "--trailing-entries", "20", NULL};

static struct cluster cluster;
static struct load *load;
static const char *urls[CLUSTER_MAX];

static void begin(const char *scheme, const char *const *extra)
{
    ck_assert(cluster_init(&cluster, kv_program(), scheme, 3));
    cluster.extra = extra;
    for (size_t i = 0; i < cluster.n; i++) {
        urls[i] = cluster.members[i].client_url;
        ck_assert(cluster_start(&cluster, i + 1));
    }
    load = load_new(urls, cluster.n, IN_FLIGHT, VALUE_LEN);
}

static _Noreturn void give_up(const char *what)
{
    cluster_print_logs(&cluster);
    cluster_release(&cluster);
    ck_abort_msg("this did not come: %s", what);
    abort();
}

/* All members end well, which a sanitizer that has something to say would see to that they do not. */
static void end(void)
{
    for (uint64_t id = 1; id <= cluster.n; id++)
        if (cluster.members[id - 1].pid != 0 && cluster_stop(&cluster, id) != 0)
            give_up("a good end");
    cluster_release(&cluster);
    load_free(load);
}

/* Let the client work, or time pass, until the condition holds. */
#define wait_for(condition)                                                                                            \
    do {                                                                                                               \
        uint64_t deadline = monotonic_ms() + patience_ms(20000);                                                       \
        while (!(condition)) {                                                                                         \
            if (monotonic_ms() > deadline || cluster_find_dead(&cluster))                                              \
                give_up(#condition);                                                                                   \
            work_ms(20);                                                                                               \
        }                                                                                                              \
    } while (0)

static void work_ms(unsigned ms)
{
    const struct timespec span = {.tv_nsec = ms * 1000000L};

    if (load_run(load, ms)) /* it has nothing to do */
        nanosleep(&span, NULL);
}

static uint64_t leader(void)
{
    uint64_t id;

    wait_for((id = cluster_leader(&cluster)) != 0);
    return id;
}

/* All of it is zero while the member does not answer. */
static struct member_status status_of(uint64_t id)
{
    struct member_status status;

    (void)cluster_status(&cluster, id, &status);
    return status;
}

/* Of one that runs: a busy machine may need more than one question. */
static struct member_status known_status_of(uint64_t id)
{
    struct member_status status;

    wait_for(cluster_status(&cluster, id, &status));
    return status;
}

/*
 * Has the member applied all that the leader has in its log?  Not only what the leader has applied: a leader that has
 * just been elected may not have applied all that was acknowledged before.
 */
static bool has_caught_up(uint64_t id)
{
    uint64_t first = cluster_leader(&cluster);
    uint64_t last_index = first == 0 ? 0 : status_of(first).last_index;

    return last_index != 0 && status_of(id).applied >= last_index;
}

/* Let the client work until it is done.  How fast that goes is the machine's matter; it may not stand still. */
static void finish_work(void)
{
    uint64_t deadline = monotonic_ms() + patience_ms(20000);
    uint64_t n_acknowledged = 0;

    while (!load_run(load, 1000)) {
        if (load_n_acknowledged(load) > n_acknowledged) {
            n_acknowledged = load_n_acknowledged(load);
            deadline = monotonic_ms() + patience_ms(20000);
        }
        if (monotonic_ms() > deadline || cluster_find_dead(&cluster))
            give_up("another write that is acknowledged");
    }
}

/* Write all keys below n. */
static void write_keys(uint64_t n)
{
    load_set_rate(load, 0);
    load_set_goal(load, n);
    finish_work();
}

static void write_on(unsigned rate_per_s)
{
    load_set_goal(load, UINT64_MAX);
    load_set_rate(load, rate_per_s);
}

static void assert_has_all(uint64_t id)
{
    wait_for(has_caught_up(id));
    ck_assert_uint_eq(load_count_missing(load, cluster.members[id - 1].client_url, true), 0);
}

static void wind_up(void)
{
    load_wind_up(load);
    finish_work();
}

START_TEST(three_members_agree_under_load)
{
    uint64_t n = environment_number("FERRY_KV_WRITES", PATIENCE_SANITIZED ? 4000 : 20000);
    uint64_t started_ms;
    uint64_t ms;

    begin("http", usual);
    (void)leader();
    started_ms = monotonic_ms();
    load_set_goal(load, n);
    finish_work();
    ms = monotonic_ms() - started_ms + 1;
    printf("# %" PRIu64 " writes with %d in flight in %" PRIu64 " ms, %" PRIu64 " a second, %" PRIu64 " retries\n", n,
           IN_FLIGHT, ms, n * 1000 / ms, load_n_retries(load));
    ck_assert_uint_eq(load_n_acknowledged(load), n);
    for (uint64_t id = 1; id <= 3; id++) {
        assert_has_all(id);
        ck_assert_uint_eq(known_status_of(id).keys, n);
    }
    end();
}
END_TEST

START_TEST(what_was_acknowledged_survives_that_all_are_killed)
{
    begin("http", usual);
    (void)leader();
    write_on(4000);
    wait_for(load_n_acknowledged(load) > 1000);
    for (uint64_t id = 1; id <= 3; id++)
        cluster_kill(&cluster, id);
    for (uint64_t id = 1; id <= 3; id++)
        ck_assert(cluster_start(&cluster, id));
    wind_up();
    for (uint64_t id = 1; id <= 3; id++)
        assert_has_all(id);
    end();
}
END_TEST

START_TEST(a_lagging_member_gets_a_snapshot)
{
    uint64_t first, laggard;

    begin("http", small_snapshots);
    first = leader();
    laggard = first % 3 + 1;
    write_keys(100);
    wait_for(has_caught_up(laggard));
    cluster_kill(&cluster, laggard);
    write_keys(2000);
    ck_assert(cluster_start(&cluster, laggard));
    assert_has_all(laggard);
    {
        struct member_status seen = known_status_of(laggard);
        uint64_t n_received = 0;

        ck_assert_uint_gt(seen.snapshot_index, 200);
        for (size_t i = 0; i < seen.n_members; i++)
            n_received += seen.members[i].snapshots_received;
        ck_assert_uint_ge(n_received, 1);
    }
    write_keys(2100); /* and it goes on from there */
    assert_has_all(laggard);
    end();
}
END_TEST

START_TEST(a_snapshot_is_enough_after_a_restart)
{
    begin("http", small_snapshots);
    (void)leader();
    write_keys(1500);
    for (uint64_t id = 1; id <= 3; id++)
        ck_assert_int_eq(cluster_stop(&cluster, id), 0);
    for (uint64_t id = 1; id <= 3; id++)
        ck_assert(cluster_start(&cluster, id));
    for (uint64_t id = 1; id <= 3; id++)
        assert_has_all(id);
    end();
}
END_TEST

static const char *role_of(uint64_t id, uint64_t other)
{
    static struct member_status status;

    status = status_of(id);
    for (size_t i = 0; i < status.n_members; i++)
        if (status.members[i].id == other)
            return status.members[i].role;
    return "";
}

static long add_member(uint64_t id)
{
    char path[400];

    (void)snprintf(path, sizeof(path), "/members?add=%" PRIu64 "&peer-url=%.64s", id, cluster.members[id - 1].peer_url);
    return cluster_post(&cluster, leader(), path, patience_ms(20000));
}

static long remove_member(uint64_t id)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/members?remove=%" PRIu64, id);
    return cluster_post(&cluster, leader(), path, patience_ms(20000));
}

/*
 * A leader that loses its leadership meanwhile does not know what came of the change, and the next one is asked: to it
 * a change that has been made is none.
 */
static bool has_added(uint64_t id)
{
    return add_member(id) == 200 || strcmp(role_of(leader(), id), "voter") == 0;
}

static bool has_removed(uint64_t id)
{
    long status = remove_member(id);

    return status == 200 || status == 404;
}

static uint64_t n_dials(uint64_t id)
{
    struct member_status status = known_status_of(id);
    uint64_t n = 0;

    for (size_t i = 0; i < status.n_members; i++)
        n += status.members[i].dials;
    return n;
}

static bool knows(uint64_t id, uint64_t other)
{
    struct member_status status = status_of(id);

    for (size_t i = 0; i < status.n_members; i++)
        if (status.members[i].id == other)
            return true;
    return false;
}

/* It has been told, and for a while nothing comes from it. */
static void assert_falls_silent(uint64_t id)
{
    uint64_t before;

    wait_for(status_of(id).was_removed);
    before = n_dials(id);
    for (int i = 0; i < 5; i++)
        work_ms(LINKS_MS / 5);
    ck_assert_uint_eq(n_dials(id), before);
}

START_TEST(a_fourth_member_joins_while_writes_go_on_and_another_leaves)
{
    uint64_t fourth, leaver;

    begin("http", small_snapshots);
    (void)leader();
    write_keys(1000);
    write_on(1000);
    fourth = cluster_add(&cluster);
    ck_assert_uint_eq(fourth, 4);
    ck_assert(cluster_start(&cluster, fourth));
    wait_for(status_of(fourth).role[0] != '\0');
    wait_for(has_added(fourth));
    wait_for(strcmp(role_of(leader(), fourth), "voter") == 0);
    ck_assert_uint_gt(known_status_of(fourth).snapshot_index, 0); /* the start of the log was compacted */

    leaver = leader() % 3 + 1;
    wait_for(has_removed(leaver));
    assert_falls_silent(leaver);
    for (uint64_t id = 1; id <= 4; id++)
        if (id != leaver)
            wait_for(!knows(id, leaver));

    cluster_kill(&cluster, leaver); /* it is told again when it comes back */
    ck_assert(cluster_start(&cluster, leaver));
    assert_falls_silent(leaver);
    wait_for(add_member(leaver) == 409); /* and its number is spent */

    wind_up();
    for (uint64_t id = 1; id <= 4; id++)
        if (id != leaver)
            assert_has_all(id);
    end();
}
END_TEST

START_TEST(a_leader_that_is_to_leave_gives_its_leadership_away)
{
    uint64_t first;

    begin("http", usual);
    first = leader();
    write_keys(100);
    wait_for(has_removed(first)); /* the next leader is not known at once */
    wait_for(status_of(first).was_removed);
    ck_assert_uint_ne(leader(), first);
    cluster_kill(&cluster, first);
    write_keys(200); /* two are a majority of two */
    end();
}
END_TEST

/*
 * Following where the member points.  It points nowhere, with a 503, while it does not know the leader's client URL,
 * and by itself it has no such key while it lags.
 */
static bool is_read_through(const char *url)
{
    bool may_lag = strstr(url, "?local") != NULL;
    struct http_answer answer;
    bool is_whole;

    http_call("GET", url, NULL, 0, patience_ms(5000), &answer);
    ck_assert_msg(answer.status == 200 || answer.status == 503 || (may_lag && answer.status == 404), "%ld",
                  answer.status);
    is_whole = answer.status == 200 && answer.len == VALUE_LEN;
    free(answer.body);
    return is_whole;
}

/* A member that follows the leader, and knows that it does; 0: none just now. */
static uint64_t follower(void)
{
    uint64_t first = leader(), other = first % 3 + 1;

    return status_of(other).leader == first ? other : 0;
}

/* It follows, and takes along what is asked. */
static bool is_refused(const char *url, long status)
{
    struct http_answer answer;

    http_call("POST", url, NULL, 0, patience_ms(5000), &answer);
    ck_assert_msg(answer.status == status || answer.status == 503, "%ld", answer.status);
    free(answer.body);
    return answer.status == status;
}

START_TEST(a_member_that_does_not_lead_answers_with_the_leader)
{
    char url[300];
    uint64_t other;

    begin("http", usual);
    (void)leader();
    write_keys(1);
    wait_for((other = follower()) != 0);
    (void)snprintf(url, sizeof(url), "%s/kv/key-0", cluster.members[other - 1].client_url);
    wait_for(is_read_through(url));
    (void)snprintf(url, sizeof(url), "%s/kv/key-0?local", cluster.members[other - 1].client_url);
    wait_for(is_read_through(url)); /* by itself */
    (void)snprintf(url, sizeof(url), "%s/members?remove=9", cluster.members[other - 1].client_url);
    wait_for(is_refused(url, 404));
    end();
}
END_TEST

static long call(const char *method, const char *path, const char *body, const char *expected)
{
    struct http_answer answer;
    char url[2600];
    long status;

    (void)snprintf(url, sizeof(url), "%s%s", cluster.members[leader() - 1].client_url, path);
    http_call(method, url, body, body ? strlen(body) : 0, patience_ms(5000), &answer);
    status = answer.status;
    if (!strstr(answer.body, expected))
        ck_abort_msg("%s %s: %ld, %s, without %s", method, path, status, answer.body, expected);
    free(answer.body);
    return status;
}

/* Reads of one member, one after the other, whatever it answers. */
static const char *read_url;
static atomic_bool is_read_enough;

static void *read_on(void *arg)
{
    (void)arg;
    while (!atomic_load(&is_read_enough)) {
        struct http_answer answer;

        http_call("GET", read_url, NULL, 0, patience_ms(5000), &answer);
        free(answer.body);
    }
    return NULL;
}

static void set_links(uint64_t id, const char *what)
{
    char path[64];

    for (uint64_t other = 1; other <= 3; other++) {
        if (other == id)
            continue;
        (void)snprintf(path, sizeof(path), "/faults?%s=%" PRIu64, what, other);
        ck_assert_int_eq(cluster_post(&cluster, id, path, patience_ms(5000)), 200);
    }
}

START_TEST(a_leader_that_is_cut_off_lets_its_reads_go)
{
    static const char *const faults[] = {QUICK, "--enable-faults", NULL};
    pthread_t readers[4];
    char url[300];
    uint64_t first;

    begin("http", faults);
    first = leader();
    write_keys(10);
    (void)snprintf(url, sizeof(url), "%s/kv/key-0", cluster.members[first - 1].client_url);
    read_url = url;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    set_links(first, "cut");
    wait_for(strcmp(status_of(first).role, "leader") != 0);
    wait_for(cluster_leader(&cluster) != first && cluster_leader(&cluster) != 0);
    set_links(first, "mend");
    wait_for(status_of(first).leader == leader());
    atomic_store(&is_read_enough, true);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(readers[i], NULL), 0);
    write_keys(20);
    assert_has_all(first);
    end();
}
END_TEST

static bool has_said(uint64_t id, const char *words)
{
    static char log[1 << 16];
    FILE *file = fopen(cluster.members[id - 1].log_path, "r");
    size_t len = file ? fread(log, 1, sizeof(log) - 1, file) : 0;

    if (file)
        (void)fclose(file);
    log[len] = '\0';
    return strstr(log, words) != NULL;
}

/* From now on the member's files stay as small as they are, or become no larger than this. */
static void fill_disk_of(uint64_t id)
{
    const struct rlimit limit = {.rlim_cur = 32 << 10, .rlim_max = RLIM_INFINITY};

    ck_assert_int_eq(prlimit(cluster.members[id - 1].pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static int wait_for_end_of(uint64_t id)
{
    struct cluster_member *member = &cluster.members[id - 1];
    uint64_t deadline = monotonic_ms() + patience_ms(20000);
    int status = 0;

    while (waitpid(member->pid, &status, WNOHANG) != member->pid) {
        if (monotonic_ms() > deadline)
            give_up("the end of a member");
        work_ms(20);
    }
    member->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(a_member_that_cannot_write_ends_and_the_others_go_on)
{
    uint64_t first;

    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR); /* the members inherit it: a failed write does not kill it */
    begin("http", usual);
    first = leader();
    write_keys(100);
    fill_disk_of(first);
    write_on(1000);
    ck_assert_int_eq(wait_for_end_of(first), 1);
    ck_assert(has_said(first, "cannot be written"));
    wait_for(cluster_leader(&cluster) != 0);
    write_keys(load_n_acknowledged(load) + 500);
    ck_assert(cluster_start(&cluster, first));
    for (uint64_t id = 1; id <= 3; id++)
        assert_has_all(id);
    end();
}
END_TEST

/* Some bytes of an entry in the last file of its log that is full or was closed. */
static void damage_log_of(uint64_t id)
{
    char dir[400], path[700];
    struct dirent **files;
    FILE *file = NULL;
    int n;

    (void)snprintf(dir, sizeof(dir), "%.300s/log", cluster.members[id - 1].data_dir);
    n = scandir(dir, &files, NULL, alphasort);
    ck_assert_int_gt(n, 0);
    while (n-- > 0) {
        if (!file && files[n]->d_name[0] == '0') { /* the others are words */
            (void)snprintf(path, sizeof(path), "%.390s/%.256s", dir, files[n]->d_name);
            file = fopen(path, "r+");
        }
        free(files[n]);
    }
    free(files);
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 40, SEEK_SET), 0);
    ck_assert_int_ge(fputs("damaged", file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(a_member_whose_log_is_damaged_does_not_begin)
{
    begin("http", usual);
    (void)leader();
    write_keys(100);
    ck_assert_int_eq(cluster_stop(&cluster, 1), 0);
    damage_log_of(1);
    ck_assert(cluster_start(&cluster, 1));
    ck_assert_int_eq(wait_for_end_of(1), 1);
    ck_assert(has_said(1, "checksum mismatch"));
    wait_for(cluster_leader(&cluster) != 0);
    write_keys(200);
    end();
}
END_TEST

START_TEST(the_last_member_cannot_be_removed)
{
    uint64_t last;
    char path[64];

    begin("http", usual);
    last = leader();
    for (uint64_t id = 1; id <= 3; id++)
        if (id != last) {
            wait_for(has_removed(id));
            cluster_kill(&cluster, id);
        }
    write_keys(10);
    (void)snprintf(path, sizeof(path), "/members?remove=%" PRIu64, last);
    ck_assert_int_eq(call("POST", path, "", "the last member"), 409);
    write_keys(20);
    end();
}
END_TEST

START_TEST(clients_are_answered_in_words)
{
    char long_path[2200] = "/kv/";
    char *big = malloc((1 << 20) + 2);

    begin("http", usual);
    ck_assert_int_eq(call("PUT", "/kv/a%2Fb%20c", "1", "\"existed\":false"), 200);
    ck_assert_int_eq(call("PUT", "/kv/a%2Fb%20c", "2", "\"existed\":true"), 200);
    ck_assert_int_eq(call("GET", "/kv/a%2Fb%20c", NULL, "2"), 200);
    ck_assert_int_eq(call("GET", "/kv/a%2Fb", NULL, "no such key"), 404);
    ck_assert_int_eq(call("DELETE", "/kv/a%2Fb%20c", NULL, "\"existed\":true"), 200);
    ck_assert_int_eq(call("DELETE", "/kv/a%2Fb%20c", NULL, "\"existed\":false"), 200);
    ck_assert_int_eq(call("GET", "/kv/a%2Fb%20c", NULL, "no such key"), 404);
    ck_assert_int_eq(call("PUT", "/kv/nul%00nul", "3", "existed"), 200);
    ck_assert_int_eq(call("GET", "/kv/nul", NULL, "no such key"), 404);
    ck_assert_int_eq(call("GET", "/kv/nul%00nul", NULL, "3"), 200);
    ck_assert_int_eq(call("GET", "/kv/", NULL, "1 to 1024"), 400);
    ck_assert_int_eq(call("GET", "/kv/%4", NULL, "escape"), 400);
    memset(long_path + 4, 'k', 1025);
    ck_assert_int_eq(call("GET", long_path, NULL, "1 to 1024"), 400);
    ck_assert_int_eq(call("POST", "/kv/a", "", "GET, PUT and DELETE"), 405);
    ck_assert_int_eq(call("GET", "/nowhere", NULL, "no such path"), 404);
    ck_assert_int_eq(call("PUT", "/status", "", "/status takes GET"), 405);
    ck_assert_int_eq(call("GET", "/members", NULL, "/members takes POST"), 405);
    ck_assert_int_eq(call("HEAD", "/status", NULL, ""), 200);
    ck_assert_int_eq(call("HEAD", "/kv/none", NULL, ""), 404);
    ck_assert_int_eq(call("POST", "/members", "", "add=N or remove=N"), 400);
    ck_assert_int_eq(call("POST", "/members?add=9", "", "peer-url"), 400);
    ck_assert_int_eq(call("POST", "/members?add=9&peer-url=ftp://x:1", "", "peer-url"), 400);
    ck_assert_int_eq(call("POST", "/members?remove=9", "", "no such member"), 404);
    ck_assert_int_eq(call("POST", "/faults?cut=2", "", "--enable-faults"), 403);
    ck_assert_int_eq(call("GET", "/metrics", NULL, "ferry_kv_keys 1\n"), 200);
    memset(big, 'x', (1 << 20) + 1);
    big[(1 << 20) + 1] = '\0';
    ck_assert_int_eq(call("PUT", "/kv/big", big, "too large\",\"outcome\":\"none\"}"), 413);
    big[1 << 20] = '\0';
    ck_assert_int_eq(call("PUT", "/kv/big", big, "existed"), 200);
    free(big);
    end();
}
END_TEST

START_TEST(members_talk_over_tls)
{
    const struct certificate_spec ca_spec = {.common_name = "ca", .is_ca = true};
    const struct certificate_spec spec = {.common_name = "member", .names = "IP:127.0.0.1"};
    struct certificate ca, member;
    const char *extra[7];

    certificates_setup();
    ca = certificate_make(&ca_spec, NULL);
    member = certificate_make(&spec, &ca);
    extra[0] = "--peer-cert-file";
    extra[1] = certificate_write("member.pem", &member, NULL);
    extra[2] = "--peer-key-file";
    extra[3] = certificate_write_key("member.key", &member);
    extra[4] = "--peer-trusted-ca-file";
    extra[5] = certificate_write("ca.pem", &ca, NULL);
    extra[6] = NULL;
    begin("https", extra);
    (void)leader();
    write_keys(500);
    for (uint64_t id = 1; id <= 3; id++)
        assert_has_all(id);
    end();
    certificate_release(&member);
    certificate_release(&ca);
}
END_TEST

static void setup(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void teardown(void)
{
    curl_global_cleanup();
}

int main(void)
{
    return rig_main("it_kv", setup, teardown, three_members_agree_under_load,
                    what_was_acknowledged_survives_that_all_are_killed, a_lagging_member_gets_a_snapshot,
                    a_snapshot_is_enough_after_a_restart, a_fourth_member_joins_while_writes_go_on_and_another_leaves,
                    a_leader_that_is_to_leave_gives_its_leadership_away,
                    a_member_that_does_not_lead_answers_with_the_leader, a_leader_that_is_cut_off_lets_its_reads_go,
                    a_member_that_cannot_write_ends_and_the_others_go_on, a_member_whose_log_is_damaged_does_not_begin,
                    the_last_member_cannot_be_removed, clients_are_answered_in_words, members_talk_over_tls, NULL);
}
