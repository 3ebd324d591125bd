/*
 * ferry-demo - kills and isolates the leader of three ferry-kv processes while a client writes.
 *
 * The demo has chapters.  Each tells what it does, waits until the members report the expected state, and fails with a
 * message if that takes too long.  The client writes all the time.  At the end every acknowledged key is read back,
 * through the leader and on each member.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "demo/cluster.h"
#include "demo/http_call.h"
#include "demo/load.h"
#include "tools/stopwatch.h"

#define N_MEMBERS 3
#define RATE_PER_S 400
#define IN_FLIGHT 16
#define VALUE_LEN 64
#define SOME 1000         /* this many writes show that writing works */
#define PATIENCE_MS 15000 /* limit for each expected event */

#define EXIT_INTERRUPTED 130
#define EXIT_WRONG_USE 2

#define USAGE                                                                                                          \
    "usage: ferry-demo [--lose-a-key]\n"                                                                               \
    "Kills and isolates the leader of a three-member key-value store while a client writes.\n"                         \
    "--lose-a-key deletes one key before the last check, which must then fail.\n"

struct story {
    struct cluster cluster;
    struct load *load;
    const char *urls[N_MEMBERS];
    uint64_t started_ns;
    uint64_t leader;   /* as last reported */
    uint64_t outsider; /* the member that the chapter kills or isolates */
    uint64_t wanted;   /* wait for this many acknowledged writes */
};

typedef bool condition_fn(struct story *story);

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

/* ---- Telling ------------------------------------------------------------------------------------------------------
 */

__attribute__((format(printf, 2, 3))) static void tell(const struct story *story, const char *format, ...)
{
    va_list args;

    printf("[%5.2f s] ", (double)(stopwatch_now_ns() - story->started_ns) / 1e9);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static _Noreturn void give_up(struct story *story, int status)
{
    if (status == EXIT_FAILURE)
        cluster_print_logs(&story->cluster);
    cluster_release(&story->cluster);
    load_free(story->load);
    exit(status);
}

static void print_links(const struct member_status *status)
{
    for (size_t i = 0; i < status->n_members; i++) {
        const struct link_status *link = &status->members[i];

        if (!link->is_self)
            printf(" %" PRIu64 ":%s", link->id, link->is_cut ? "cut" : link->is_active ? "up" : "down");
    }
}

static void print_table(const struct story *story)
{
    printf("  member  role       term   applied      keys  links\n");
    for (uint64_t id = 1; id <= N_MEMBERS; id++) {
        struct member_status status;

        if (story->cluster.members[id - 1].pid == 0 || !cluster_status(&story->cluster, id, &status)) {
            printf("  %6" PRIu64 "  (does not run)\n", id);
            continue;
        }
        printf("  %6" PRIu64 "  %-9s %5" PRIu64 " %9" PRIu64 " %9" PRIu64 " ", id, status.role, status.term,
               status.applied, status.keys);
        print_links(&status);
        putchar('\n');
    }
    fflush(stdout);
}

/* ---- Waiting ------------------------------------------------------------------------------------------------------
 */

/* Let the client write until the condition is met. */
static void wait_for(struct story *story, condition_fn *holds, const char *what)
{
    uint64_t deadline = stopwatch_now_ns() + PATIENCE_MS * UINT64_C(1000000);

    while (!holds(story)) {
        uint64_t dead = cluster_find_dead(&story->cluster);

        if (is_interrupted) {
            tell(story, "Interrupted.");
            give_up(story, EXIT_INTERRUPTED);
        }
        if (dead) {
            tell(story, "Member %" PRIu64 " ended unexpectedly.", dead);
            give_up(story, EXIT_FAILURE);
        }
        if (stopwatch_now_ns() > deadline) {
            tell(story, "Not reached within %d s: %s.", PATIENCE_MS / 1000, what);
            print_table(story);
            give_up(story, EXIT_FAILURE);
        }
        (void)load_run(story->load, 50);
    }
}

static bool has_leader(struct story *story)
{
    story->leader = cluster_leader(&story->cluster);
    return story->leader != 0;
}

static bool has_another_leader(struct story *story)
{
    return has_leader(story) && story->leader != story->outsider;
}

static bool has_written(struct story *story)
{
    return load_n_acknowledged(story->load) >= story->wanted;
}

/* Does the outsider follow the leader, behind only by requests under way? */
static bool has_caught_up(struct story *story)
{
    struct member_status leader, outsider;

    return has_leader(story) && cluster_status(&story->cluster, story->leader, &leader) &&
           cluster_status(&story->cluster, story->outsider, &outsider) && outsider.leader == story->leader &&
           outsider.applied + 4 * IN_FLIGHT >= leader.applied;
}

/* Has the outsider noticed that it has lost its leadership? */
static bool has_stepped_down(struct story *story)
{
    struct member_status status;

    return cluster_status(&story->cluster, story->outsider, &status) && strcmp(status.role, "leader") != 0;
}

static bool all_have_applied_the_same(struct story *story)
{
    struct member_status status[N_MEMBERS];

    for (uint64_t id = 1; id <= N_MEMBERS; id++)
        if (!cluster_status(&story->cluster, id, &status[id - 1]) || status[id - 1].applied != status[0].applied)
            return false;
    return has_leader(story);
}

static void wait_for_writes(struct story *story, uint64_t n)
{
    story->wanted = load_n_acknowledged(story->load) + n;
    wait_for(story, has_written, "the writes");
}

/* ---- The chapters -------------------------------------------------------------------------------------------------
 */

static void start(struct story *story, uint64_t id)
{
    if (cluster_start(&story->cluster, id))
        return;
    tell(story, "Member %" PRIu64 " cannot be started: %s.", id, strerror(errno));
    give_up(story, EXIT_FAILURE);
}

static void begin(struct story *story)
{
    tell(story, "Three ferry-kv processes start, with empty directories.");
    for (uint64_t id = 1; id <= N_MEMBERS; id++)
        start(story, id);
    wait_for(story, has_leader, "a leader");
    tell(story, "Member %" PRIu64 " is elected.  A client begins to write %d keys a second.", story->leader,
         RATE_PER_S);
    load_set_goal(story->load, UINT64_MAX);
    load_set_rate(story->load, RATE_PER_S);
    wait_for_writes(story, SOME);
    tell(story, "%d writes are acknowledged.", SOME);
    print_table(story);
    (void)load_take_gap_ms(story->load);
}

static void kill_the_leader(struct story *story)
{
    story->outsider = story->leader;
    cluster_kill(&story->cluster, story->outsider);
    tell(story, "The leader, member %" PRIu64 ", is killed (SIGKILL).", story->outsider);
    wait_for(story, has_another_leader, "a new leader");
    tell(story, "Member %" PRIu64 " is elected.", story->leader);
    wait_for_writes(story, SOME);
    tell(story, "%d more writes are acknowledged; the longest pause was %" PRIu64 " ms.", SOME,
         load_take_gap_ms(story->load));
    print_table(story);
    start(story, story->outsider);
    tell(story, "Member %" PRIu64 " is started again, with what it had on disk.", story->outsider);
    wait_for(story, has_caught_up, "the member catches up");
    tell(story, "It follows, and has caught up.");
    (void)load_take_gap_ms(story->load);
}

static void cut_or_mend(struct story *story, const char *what)
{
    for (uint64_t id = 1; id <= N_MEMBERS; id++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "/faults?%s=%" PRIu64, what, id);
        if (id == story->outsider || cluster_post(&story->cluster, story->outsider, path, PATIENCE_MS) == 200)
            continue;
        tell(story, "The links of member %" PRIu64 " cannot be changed.", story->outsider);
        give_up(story, EXIT_FAILURE);
    }
}

/* Write to the outsider directly: this must not be acknowledged. */
static void write_to_outsider(struct story *story)
{
    struct http_answer answer;
    char url[300];

    (void)snprintf(url, sizeof(url), "%s/kv/lonely", story->cluster.members[story->outsider - 1].client_url);
    http_call("PUT", url, "x", 1, PATIENCE_MS, &answer);
    free(answer.body);
    if (answer.status == 200) {
        tell(story, "Member %" PRIu64 " acknowledged a write that it could not replicate.", story->outsider);
        give_up(story, EXIT_FAILURE);
    }
    tell(story, "It has stepped down and rejects a write (status %ld).", answer.status);
}

static void part_and_heal(struct story *story)
{
    if (!has_leader(story))
        wait_for(story, has_leader, "a leader");
    story->outsider = story->leader;
    cut_or_mend(story, "cut");
    tell(story, "The leader, member %" PRIu64 ", is cut off: nothing passes between it and the others.",
         story->outsider);
    wait_for(story, has_another_leader, "a leader of the majority");
    tell(story, "Member %" PRIu64 " is elected by the majority.", story->leader);
    wait_for_writes(story, SOME);
    tell(story, "%d more writes are acknowledged; the longest pause was %" PRIu64 " ms.", SOME,
         load_take_gap_ms(story->load));
    wait_for(story, has_stepped_down, "the isolated leader steps down");
    write_to_outsider(story);
    print_table(story);
    cut_or_mend(story, "mend");
    tell(story, "The links are mended.");
    wait_for(story, has_caught_up, "the member catches up");
    tell(story, "Member %" PRIu64 " follows again, and has caught up.", story->outsider);
}

static void lose_a_key(struct story *story)
{
    struct http_answer answer;
    char url[300];

    (void)snprintf(url, sizeof(url), "%s/kv/key-7", story->cluster.members[story->leader - 1].client_url);
    http_call("DELETE", url, NULL, 0, PATIENCE_MS, &answer);
    free(answer.body);
    tell(story, "One key is deleted, as requested (status %ld).", answer.status);
}

/* Count the keys that are missing at url. */
static uint64_t check(struct story *story, const char *url, bool local, const char *where)
{
    uint64_t n_missing = load_count_missing(story->load, url, local);

    tell(story, "%-28s %" PRIu64 " keys, %" PRIu64 " missing or wrong.", where, load_n_acknowledged(story->load),
         n_missing);
    return n_missing;
}

static int count(struct story *story, bool loses)
{
    uint64_t n_missing;

    load_wind_up(story->load);
    tell(story, "The client stops.");
    wait_for(story, all_have_applied_the_same, "all members have applied the same");
    while (!load_run(story->load, 100))
        wait_for(story, has_leader, "a leader");
    if (loses)
        lose_a_key(story);
    wait_for(story, all_have_applied_the_same, "all members have applied the same");
    print_table(story);
    tell(story, "%" PRIu64 " writes were acknowledged, %" PRIu64 " attempts were not; now all keys are read back.",
         load_n_acknowledged(story->load), load_n_retries(story->load));
    n_missing = check(story, story->urls[story->leader - 1], false, "Through the leader:");
    for (uint64_t id = 1; id <= N_MEMBERS; id++) {
        char where[40];

        (void)snprintf(where, sizeof(where), "As member %" PRIu64 " has them:", id);
        n_missing += check(story, story->urls[id - 1], true, where);
    }
    if (n_missing > 0) {
        tell(story, "Acknowledged writes are missing.");
        return EXIT_FAILURE;
    }
    tell(story, "Every acknowledged write is there, on every member.");
    return EXIT_SUCCESS;
}

/* ---- The program --------------------------------------------------------------------------------------------------
 */

/* ferry-kv is in the same directory as this program. */
static bool find_program(char *path, size_t size)
{
    ssize_t len = readlink("/proc/self/exe", path, size - 1);
    char *slash;

    if (len < 0)
        return false;
    path[len] = '\0';
    slash = strrchr(path, '/');
    return slash && (size_t)snprintf(slash + 1, size - (size_t)(slash + 1 - path), "ferry-kv") == strlen("ferry-kv") &&
           access(path, X_OK) == 0;
}

int main(int argc, char **argv)
{
    static const char *const extra[] = {"--enable-faults", "--log-level", "error", NULL};
    static struct story story;
    bool loses = argc == 2 && strcmp(argv[1], "--lose-a-key") == 0;
    char program[4096];
    int status;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(USAGE, stdout);
        return EXIT_SUCCESS;
    }
    if (argc > 2 || (argc == 2 && !loses)) {
        fputs(USAGE, stderr);
        return EXIT_WRONG_USE;
    }
    if (!find_program(program, sizeof(program))) {
        fputs("ferry-demo: no ferry-kv in the same directory\n", stderr);
        return EXIT_FAILURE;
    }
    (void)signal(SIGINT, on_signal); /* fails only for invalid signal numbers */
    (void)signal(SIGTERM, on_signal);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    story.started_ns = stopwatch_now_ns();
    if (!cluster_init(&story.cluster, program, "http", N_MEMBERS))
        return EXIT_FAILURE;
    story.cluster.extra = extra;
    for (size_t i = 0; i < N_MEMBERS; i++)
        story.urls[i] = story.cluster.members[i].client_url;
    story.load = load_new(story.urls, N_MEMBERS, IN_FLIGHT, VALUE_LEN);
    begin(&story);
    kill_the_leader(&story);
    part_and_heal(&story);
    status = count(&story, loses);
    cluster_release(&story.cluster);
    load_free(story.load);
    curl_global_cleanup();
    return status;
}
