/*
 * check_raft_safety - each of Raft's safety properties, kept and broken, to show that the checker finds violations.
 */
#include <string.h>

#include "adapters/libraft/raft_compat.h"
#include "ferry/sim.h"
#include "harness/heap.h"
#include "harness/raft_safety.h"
#include "harness/raft_store.h"
#include "harness/rig.h"

static struct raft_safety *safety;
static struct ferry_sim *sim;
static struct raft_store *disk;
static struct raft_io *io;
static struct raft_io_append append;
static int append_status;
static unsigned n_closed;

static void on_append(void *ctx, raft_index index, raft_term prev_term, const struct raft_store_entry *entry)
{
    (void)ctx;
    ck_assert_ptr_null(raft_safety_appended(safety, index, prev_term, entry));
}

static void on_appended(struct raft_io_append *req, int status)
{
    ck_assert_ptr_eq(req, &append);
    append_status = status;
}

static void on_closed(struct raft_io *closed)
{
    ck_assert_ptr_eq(closed, io);
    n_closed++;
}

static void setup(void)
{
    heap_setup();
    n_closed = 0;
    safety = raft_safety_new();
    ck_assert_int_eq(ferry_sim_new(1, NULL, &sim), FERRY_OK);
    ck_assert_int_eq(ferry_sim_add_member(sim, 1, "m1"), FERRY_OK);
    disk = raft_store_new(sim, 1, 1, &(struct raft_store_watch){.on_append = on_append});
    io = raft_store_io(disk);
    ck_assert_int_eq(io->init(io, 1, "http://m1:80"), 0);
}

static void teardown(void)
{
    io->close(io, on_closed);
    ck_assert_uint_eq(n_closed, 1);
    raft_store_free(disk);
    ferry_sim_free(sim);
    raft_safety_free(safety);
    heap_teardown();
}

/* Append an entry of this term, and let it come to the disk. */
static void log_entry(raft_term term)
{
    char text[] = "command";
    struct raft_entry entry = {.term = term, .type = RAFT_COMMAND, .buf = {.base = text, .len = sizeof(text)}};

    append_status = -1;
    ck_assert_int_eq(io->append(io, &append, &entry, 1, on_appended), 0);
    ck_assert_int_eq(append_status, -1); /* never from inside */
    while (append_status == -1)
        ck_assert(ferry_sim_step(sim));
    ck_assert_int_eq(append_status, 0);
}

static void is_wrong(const char *verdict, const char *word)
{
    ck_assert_msg(verdict && strstr(verdict, word), "no \"%s\" in: %s", word, verdict ? verdict : "(nothing)");
}

START_TEST(a_term_has_one_leader)
{
    ck_assert_ptr_null(raft_safety_elected(safety, 3, 1));
    ck_assert_ptr_null(raft_safety_elected(safety, 3, 1));
    ck_assert_ptr_null(raft_safety_elected(safety, 4, 2));
    is_wrong(raft_safety_elected(safety, 3, 2), "election safety");
    raft_safety_reset(safety);
    ck_assert_ptr_null(raft_safety_elected(safety, 3, 2));
}
END_TEST

START_TEST(an_index_and_a_term_stand_for_one_entry_and_all_before_it)
{
    struct raft_store_entry entry = {.term = 2, .type = RAFT_COMMAND, .digest = 7};
    struct raft_store_entry other = {.term = 2, .type = RAFT_COMMAND, .digest = 8};

    ck_assert_ptr_null(raft_safety_appended(safety, 5, 1, &entry));
    ck_assert_ptr_null(raft_safety_appended(safety, 5, 1, &entry));
    is_wrong(raft_safety_appended(safety, 5, 1, &other), "log matching");
    is_wrong(raft_safety_appended(safety, 5, 2, &entry), "log matching");
    ck_assert_ptr_null(raft_safety_appended(safety, 6, 2, &other));
    raft_safety_reset(safety);
    ck_assert_ptr_null(raft_safety_appended(safety, 5, 1, &other));
}
END_TEST

START_TEST(an_index_is_committed_as_one_entry)
{
    ck_assert_ptr_null(raft_safety_committed(safety, 1, 1, 1));
    ck_assert_ptr_null(raft_safety_committed(safety, 1, 1, 4));
    is_wrong(raft_safety_committed(safety, 1, 2, 4), "committed");
    ck_assert_uint_eq(raft_safety_last_committed(safety), 1);
}
END_TEST

START_TEST(a_leader_has_what_was_committed_before_its_term)
{
    log_entry(1);
    log_entry(2);
    ck_assert_uint_eq(raft_store_last_index(disk), 2);
    ck_assert_ptr_null(raft_safety_committed(safety, 1, 1, 1));
    ck_assert_ptr_null(raft_safety_committed(safety, 2, 2, 2));
    ck_assert_ptr_null(raft_safety_is_complete(safety, 1, 3, disk, 0));

    ck_assert_ptr_null(raft_safety_committed(safety, 3, 3, 3)); /* which this log lacks */
    ck_assert_ptr_null(raft_safety_is_complete(safety, 1, 3, disk, 0));
    is_wrong(raft_safety_is_complete(safety, 1, 4, disk, 0), "leader completeness");
    is_wrong(raft_safety_is_complete(safety, 1, 4, disk, 2), "leader completeness");
    ck_assert_ptr_null(raft_safety_is_complete(safety, 1, 4, disk, 3));

    ck_assert_int_eq(io->truncate(io, 2), 0); /* another entry in its place */
    log_entry(4);
    log_entry(4);
    is_wrong(raft_safety_is_complete(safety, 1, 5, disk, 0), "leader completeness");
}
END_TEST

START_TEST(the_nth_command_is_the_same_for_all)
{
    ck_assert_ptr_null(raft_safety_applied(safety, 1, 10));
    ck_assert_ptr_null(raft_safety_applied(safety, 2, 11));
    ck_assert_ptr_null(raft_safety_applied(safety, 1, 10));
    is_wrong(raft_safety_applied(safety, 2, 12), "state machine safety");
    is_wrong(raft_safety_applied(safety, 4, 12), "when 2 are known");
    ck_assert_uint_eq(raft_safety_n_applied(safety), 2);
    ck_assert_uint_eq(raft_safety_command(safety, 2), 11);
}
END_TEST

/* What a disk has after a crash: all that was called back, and of the rest what comes first. */
START_TEST(a_disk_keeps_what_it_said_it_has)
{
    char text[] = "command";
    struct raft_entry entry = {.term = 1, .type = RAFT_COMMAND, .buf = {.base = text, .len = sizeof(text)}};
    struct raft_entry *entries;
    struct raft_snapshot *snapshot;
    raft_term term;
    raft_id vote;
    raft_index first;
    size_t n;

    ck_assert_int_eq(io->set_term(io, 1), 0);
    ck_assert_int_eq(io->set_vote(io, 3), 0);
    log_entry(1);
    log_entry(1);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(io->append(io, &append, &entry, 1, on_appended), 0);
    ck_assert_uint_eq(raft_store_last_index(disk), 7);
    ck_assert_int_eq(ferry_sim_crash(sim, 1, FERRY_SIM_CRASH_HOST), FERRY_OK);
    raft_store_crash(disk);
    io->close(io, NULL);
    ck_assert_int_eq(ferry_sim_restart(sim, 1), FERRY_OK);

    ck_assert_int_eq(io->init(io, 1, "http://m1:80"), 0);
    ck_assert_int_eq(io->load(io, &term, &vote, &snapshot, &first, &entries, &n), 0);
    ck_assert_uint_eq(term, 1);
    ck_assert_uint_eq(vote, 3);
    ck_assert_ptr_null(snapshot);
    ck_assert_uint_eq(first, 1);
    ck_assert(n >= 2 && n <= 7);
    ck_assert_uint_eq(raft_store_last_index(disk), n);
    for (size_t i = 0; i < n; i++) {
        ck_assert_str_eq(entries[i].buf.base, text);
        raft_free(entries[i].buf.base);
    }
    raft_free(entries);
}
END_TEST

int main(void)
{
    return rig_main("raft_safety", setup, teardown, a_term_has_one_leader,
                    an_index_and_a_term_stand_for_one_entry_and_all_before_it, an_index_is_committed_as_one_entry,
                    a_leader_has_what_was_committed_before_its_term, the_nth_command_is_the_same_for_all,
                    a_disk_keeps_what_it_said_it_has, NULL);
}
