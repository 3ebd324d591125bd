/*
 * ferry-demo - three members lose one of them, and get it back.
 *
 * The story runs in chapters.  Each says what it waits for, waits for it - for what the members report, not for time
 * to pass - and fails with a line when it does not come.  In between the members just talk, and a table shows every
 * second what each of them knows about each other one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ferry/ferry.h"
#include "tools/demo_cluster.h"
#include "tools/demo_link.h"
#include "tools/demo_member.h"
#include "tools/number.h"
#include "tools/stopwatch.h"

#define VICTIM 2
#define TABLE_MS 1000
#define PATIENCE_S 10 /* for anything that has to happen */
#define MANY 100      /* messages that show that a link carries them again */

#define EXIT_INTERRUPTED 130
#define EXIT_WRONG_USE 2

#define USAGE "usage: ferry-demo\nThree members talk, lose one of them, and get it back; about twelve seconds.\n"

struct story {
    struct demo_cluster cluster;
    uint64_t started_ns;
    uint64_t table_due_ns;
    struct demo_link before[DEMO_N_MEMBERS + 1][DEMO_N_MEMBERS + 1]; /* at the last remember(): by member and peer */
};

typedef bool condition_fn(const struct story *story);

/* ---- Telling ----------------------------------------------------------------------------------------------------- */

static double seconds_in(const struct story *story)
{
    return (double)(stopwatch_now_ns() - story->started_ns) / 1e9;
}

__attribute__((format(printf, 2, 3))) static void tell(const struct story *story, const char *format, ...)
{
    va_list args;

    printf("[%5.2f s] ", seconds_in(story));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static void print_since(uint64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm local;
    char text[16];

    if (unix_ms == 0 || !localtime_r(&seconds, &local) || !strftime(text, sizeof(text), "%H:%M:%S", &local))
        printf("  %-4s  %-12s", "down", "");
    else
        printf("  %-4s  %s.%03u", "up", text, (unsigned)(unix_ms % 1000));
}

static void print_drops(const struct demo_link *link)
{
    const char *between = " (";

    printf("  %7" PRIu64, demo_link_n_dropped(link));
    for (int i = 0; i < FERRY_N_DROP_REASONS; i++) {
        if (link->dropped[i] == 0)
            continue;
        printf("%s%s %" PRIu64, between, ferry_drop_reason_name((enum ferry_drop_reason)i), link->dropped[i]);
        between = ", ";
    }
    puts(strcmp(between, ", ") == 0 ? ")" : "");
}

static void print_table(struct story *story)
{
    printf("  member  peer  link  since            sent  received   KiB out    KiB in  dropped\n");
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++) {
        for (uint64_t peer = 1; peer <= DEMO_N_MEMBERS; peer++) {
            const struct demo_link *link = &story->cluster.members[id].links[peer];

            if (id == peer || story->cluster.members[id].pid == 0 || link->peer == 0)
                continue;
            printf("  %6" PRIu64 "  %4" PRIu64, id, peer);
            print_since(link->active_since_ms);
            printf("  %7" PRIu64 "  %8" PRIu64 "  %8.1f  %8.1f", link->sent, link->received,
                   (double)link->sent_bytes / 1024, (double)link->received_bytes / 1024);
            print_drops(link);
        }
    }
    putchar('\n');
    story->table_due_ns = stopwatch_now_ns() + TABLE_MS * UINT64_C(1000000);
}

/* ---- Waiting ------------------------------------------------------------------------------------------------------
 */

/* Let the members talk until condition holds (NULL: never), for so many seconds at most.  Did it come to hold? */
static bool go_on_until(struct story *story, condition_fn *condition, unsigned seconds)
{
    uint64_t until = stopwatch_now_ns() + seconds * UINT64_C(1000000000);

    while (!condition || !condition(story)) {
        uint64_t now = stopwatch_now_ns();
        uint64_t next = until < story->table_due_ns ? until : story->table_due_ns;

        if (now >= until || story->cluster.outcome != DEMO_ON)
            return false;
        if (now >= story->table_due_ns)
            print_table(story);
        else
            (void)demo_cluster_turn(&story->cluster, (int)((next - now) / 1000000) + 1); /* the outcome stays there */
    }
    return true;
}

static bool talk_for(struct story *story, unsigned seconds)
{
    (void)go_on_until(story, NULL, seconds); /* a condition that never holds does not */
    return story->cluster.outcome == DEMO_ON;
}

static bool await(struct story *story, condition_fn *condition, const char *what)
{
    if (go_on_until(story, condition, PATIENCE_S))
        return true;
    if (story->cluster.outcome == DEMO_ON)
        fprintf(stderr, "ferry-demo: waited %d s in vain for this: %s\n", PATIENCE_S, what);
    return false;
}

static void remember(struct story *story)
{
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++)
        memcpy(story->before[id], story->cluster.members[id].links, sizeof(story->before[id]));
}

/* ---- What is waited for -------------------------------------------------------------------------------------------
 */

static const struct demo_link *link_of(const struct story *story, uint64_t id, uint64_t peer)
{
    return &story->cluster.members[id].links[peer];
}

/* Does it hold of every pair of two members? */
static bool of_all_links(const struct story *story, bool (*holds)(const struct story *, uint64_t id, uint64_t peer))
{
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++)
        for (uint64_t peer = 1; peer <= DEMO_N_MEMBERS; peer++)
            if (id != peer && !holds(story, id, peer))
                return false;
    return true;
}

static bool all_listen(const struct story *story)
{
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++)
        if (!story->cluster.members[id].has_said_url)
            return false;
    return true;
}

static bool is_up(const struct story *story, uint64_t id, uint64_t peer)
{
    const struct demo_link *link = link_of(story, id, peer);

    return link->active_since_ms > 0 && link->n_streams == DEMO_LINK_ALL_STREAMS;
}

static bool all_are_up(const struct story *story)
{
    return of_all_links(story, is_up);
}

static bool carries(const struct story *story, uint64_t id, uint64_t peer)
{
    return link_of(story, id, peer)->received >= story->before[id][peer].received + MANY;
}

static bool all_carry(const struct story *story)
{
    return of_all_links(story, carries);
}

static bool all_miss_the_victim(const struct story *story)
{
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++)
        if (id != VICTIM && link_of(story, id, VICTIM)->active_since_ms > 0)
            return false;
    return true;
}

static bool survivors_carry(const struct story *story)
{
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++)
        for (uint64_t peer = 1; peer <= DEMO_N_MEMBERS; peer++)
            if (id != peer && id != VICTIM && peer != VICTIM && (!is_up(story, id, peer) || !carries(story, id, peer)))
                return false;
    return true;
}

static bool drops_are_counted(const struct story *story)
{
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++)
        if (id != VICTIM && demo_link_n_dropped(link_of(story, id, VICTIM)) == 0)
            return false;
    return true;
}

/*
 * At rest: everything sent was written or dropped, and what was written was delivered.  The link that broke swallowed
 * what was on its way then, so with the victim only its new life counts: before[] was remembered while it was dead.
 */
static bool adds_up(const struct story *story, uint64_t id, uint64_t peer)
{
    const struct demo_link *out = link_of(story, id, peer);
    const struct demo_link *in = link_of(story, peer, id);
    bool broke = id == VICTIM || peer == VICTIM;
    uint64_t written = out->written - (broke ? story->before[id][peer].written : 0);
    uint64_t delivered = in->delivered - (broke ? story->before[peer][id].delivered : 0);

    return demo_link_adds_up(out) && written == delivered;
}

static bool all_add_up(const struct story *story)
{
    return of_all_links(story, adds_up);
}

/* ---- The chapters --------------------------------------------------------------------------------------------------
 */

static bool start_member(struct story *story, uint64_t id)
{
    if (demo_cluster_start(&story->cluster, id) == 0)
        return true;
    fprintf(stderr, "ferry-demo: member %" PRIu64 " does not start: %s\n", id, strerror(errno));
    return false;
}

static bool meet_and_talk(struct story *story)
{
    tell(story, "Three members start, each in a process of its own.");
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++)
        if (!start_member(story, id))
            return false;
    if (!await(story, all_listen, "all members listen"))
        return false;
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++) {
        tell(story, "Member %" PRIu64 " listens on %s.", id, story->cluster.members[id].url);
        for (uint64_t peer = 1; peer <= DEMO_N_MEMBERS; peer++)
            if (id != peer)
                demo_cluster_introduce(&story->cluster, id, peer);
    }
    remember(story);
    if (!await(story, all_are_up, "every member has both streams from and to both others"))
        return false;
    tell(story, "Every member has both streams from and to both others. They talk.");
    if (!talk_for(story, 3) || !await(story, all_carry, "messages flow on all links"))
        return false;
    tell(story, "Messages flow on all links.");
    return true;
}

static bool lose_one(struct story *story)
{
    remember(story);
    tell(story, "Member %d is killed (SIGKILL).", VICTIM);
    demo_cluster_kill(&story->cluster, VICTIM);
    if (!await(story, all_miss_the_victim, "the survivors see the link to the dead member go down"))
        return false;
    tell(story, "Both survivors have noticed: their links to member %d are down.", VICTIM);
    print_table(story);
    if (!talk_for(story, 3) || !await(story, survivors_carry, "the survivors' messages flow on") ||
        !await(story, drops_are_counted, "what was meant for the dead member is counted as dropped"))
        return false;
    tell(story, "The survivors talk on; what they had for member %d is dropped and counted.", VICTIM);
    return true;
}

static bool get_it_back(struct story *story)
{
    remember(story);
    tell(story, "Member %d is started again.", VICTIM);
    memset(story->before[VICTIM], 0, sizeof(story->before[VICTIM])); /* a new life counts from zero */
    if (!start_member(story, VICTIM) || !await(story, all_listen, "the restarted member listens"))
        return false;
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++) {
        if (id == VICTIM)
            continue;
        demo_cluster_introduce(&story->cluster, VICTIM, id);
        demo_cluster_introduce(&story->cluster, id, VICTIM);
    }
    if (!await(story, all_are_up, "all links are up again"))
        return false;
    tell(story, "All links are up again.");
    print_table(story);
    if (!talk_for(story, 3) || !await(story, all_carry, "messages flow on all links again"))
        return false;
    tell(story, "Messages flow on all links again.");
    return true;
}

static bool settle(struct story *story)
{
    tell(story, "All fall silent, to count.");
    demo_cluster_quiet(&story->cluster);
    if (!await(story, all_add_up,
               "every message that was sent was written or dropped, and what was written was delivered")) {
        print_table(story);
        return false;
    }
    print_table(story);
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++) {
        int status = demo_cluster_stop(&story->cluster, id);

        if (status != 0) {
            fprintf(stderr, "ferry-demo: member %" PRIu64 " did not stop as it should (status %d)\n", id, status);
            return false;
        }
    }
    tell(story,
         "The counts add up: every message was written or dropped for a reason, and what was written was delivered.");
    return true;
}

static int tell_the_story(void)
{
    struct story story = {.started_ns = stopwatch_now_ns()};
    bool came_true;

    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* to be watched, also through a pipe; unbuffered it would do as well */
    story.table_due_ns = story.started_ns + TABLE_MS * UINT64_C(1000000);
    if (demo_cluster_init(&story.cluster)) {
        perror("ferry-demo");
        return EXIT_FAILURE;
    }
    came_true = meet_and_talk(&story) && lose_one(&story) && get_it_back(&story) && settle(&story);
    demo_cluster_release(&story.cluster);
    if (story.cluster.outcome == DEMO_INTERRUPTED) {
        tell(&story, "Interrupted.");
        return EXIT_INTERRUPTED;
    }
    return came_true ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    uint64_t id;
    uint64_t life;

    if (argc == 1)
        return tell_the_story();
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(USAGE, stdout);
        return EXIT_SUCCESS;
    }
    if (argc == 5 && strcmp(argv[1], "--member") == 0 && number_parse(argv[2], 1, DEMO_N_MEMBERS, &id) &&
        number_parse(argv[3], 1, UINT32_MAX, &life))
        return demo_member_main(id, life, argv[4]);
    fputs(USAGE, stderr);
    return EXIT_WRONG_USE;
}
