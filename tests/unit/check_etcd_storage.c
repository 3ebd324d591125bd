/*
 * check_etcd_storage - ferry-etcd-member's disk: data is read back, a torn end is cut off, damage stops the member.
 */
#include "etcd-member/storage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/rig.h"

#define ID 0x52ba84520859f2a4
#define CLUSTER_ID 0x8166d837a655d5f9

static char dir[RIG_DIR_SIZE + 8];
static char file[RIG_DIR_SIZE + 32];
static struct storage *storage;
static struct stored stored;
static char *why;

static void open_storage(void)
{
    memset(&stored, 0, sizeof(stored));
    why = NULL;
    storage = storage_open(dir, &stored, &why);
}

static void close_storage(void)
{
    storage_close(storage);
    storage = NULL;
    stored_release(&stored);
}

static void reopen(void)
{
    close_storage();
    open_storage();
    ck_assert_msg(storage, "%s", why);
}

static void setup(void)
{
    char place[RIG_DIR_SIZE];

    rig_make_dir(place);
    snprintf(dir, sizeof(dir), "%s/data", place);
    snprintf(file, sizeof(file), "%s/raft.log", dir);
    open_storage();
    ck_assert_msg(storage, "%s", why);
    ck_assert_uint_eq(stored.id, 0);
    storage_begin(storage, ID, CLUSTER_ID);
}

static void teardown(void)
{
    close_storage();
    free(why);
}

static struct ferry_entry entry(uint64_t index, uint64_t term, const char *text)
{
    return (struct ferry_entry){.index = index, .term = term, .data = {(const uint8_t *)text, text ? strlen(text) : 0}};
}

static void append(uint64_t index, uint64_t term, const char *text)
{
    const struct raft_hard_state state = {.term = term, .vote = ID, .commit = index - 1};
    const struct ferry_entry one = entry(index, term, text);

    storage_append(storage, &state, &one, 1, true);
}

static off_t size(void)
{
    struct stat status;

    ck_assert_int_eq(stat(file, &status), 0);
    return status.st_size;
}

static void cut(off_t to)
{
    ck_assert_int_eq(truncate(file, to), 0);
}

static void flip(off_t at)
{
    int fd = open(file, O_RDWR);
    uint8_t byte;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

START_TEST(what_was_written_comes_back)
{
    append(1, 1, "one");
    append(2, 1, NULL);
    append(3, 2, "");
    reopen();
    ck_assert_uint_eq(stored.id, ID);
    ck_assert_uint_eq(stored.cluster_id, CLUSTER_ID);
    ck_assert_uint_eq(stored.state.term, 2);
    ck_assert_uint_eq(stored.state.vote, ID);
    ck_assert_uint_eq(stored.state.commit, 2);
    ck_assert_uint_eq(raft_log_last_index(&stored.log), 3);
    ck_assert_uint_eq(raft_log_get(&stored.log, 1)->data.len, 3);
    ck_assert_mem_eq(raft_log_get(&stored.log, 1)->data.data, "one", 3);
    ck_assert_ptr_null(raft_log_get(&stored.log, 2)->data.data);
    ck_assert_ptr_nonnull(raft_log_get(&stored.log, 3)->data.data);
    ck_assert_uint_eq(raft_log_get(&stored.log, 3)->term, 2);
    append(4, 2, "four"); /* and it goes on */
    reopen();
    ck_assert_uint_eq(raft_log_last_index(&stored.log), 4);
}
END_TEST

START_TEST(an_entry_replaces_the_one_at_its_index_and_all_behind_it)
{
    for (uint64_t i = 1; i <= 5; i++)
        append(i, 1, "old");
    append(3, 2, "new");
    reopen();
    ck_assert_uint_eq(raft_log_last_index(&stored.log), 3);
    ck_assert_uint_eq(raft_log_last_term(&stored.log), 2);
    ck_assert_mem_eq(raft_log_get(&stored.log, 3)->data.data, "new", 3);
    ck_assert_mem_eq(raft_log_get(&stored.log, 2)->data.data, "old", 3);
}
END_TEST

/* Wherever a crash cuts the last write off, what was before it is there, and the next write is good. */
START_TEST(a_torn_write_is_cut_off_at_every_byte)
{
    off_t before;
    off_t after;

    append(1, 1, "kept");
    before = size();
    append(2, 1, "torn");
    after = size();
    for (off_t at = before; at < after; at++) {
        close_storage();
        cut(at);
        open_storage();
        ck_assert_msg(storage, "%ld: %s", (long)at, why);
        ck_assert_uint_eq(raft_log_last_index(&stored.log), 1);
        ck_assert_uint_eq(stored.n_torn, (uint64_t)(at - before));
        ck_assert_int_eq(size(), before);
        append(2, 1, "torn");
        reopen();
        ck_assert_uint_eq(stored.n_torn, 0);
        ck_assert_uint_eq(raft_log_last_index(&stored.log), 2);
    }
}
END_TEST

START_TEST(a_last_write_of_wrong_bytes_is_cut_off)
{
    off_t before;

    append(1, 1, "kept");
    before = size();
    append(2, 1, "torn");
    close_storage();
    flip(size() - 1);
    open_storage();
    ck_assert_msg(storage, "%s", why);
    ck_assert_uint_eq(raft_log_last_index(&stored.log), 1);
    ck_assert_int_eq(size(), before);
}
END_TEST

START_TEST(room_that_was_never_filled_is_cut_off)
{
    off_t before;

    append(1, 1, "kept");
    before = size();
    close_storage();
    cut(before + 4096);
    open_storage();
    ck_assert_msg(storage, "%s", why);
    ck_assert_uint_eq(stored.n_torn, 4096);
    ck_assert_uint_eq(raft_log_last_index(&stored.log), 1);
}
END_TEST

/* What others follow was once on disk: it may have been acknowledged. */
START_TEST(damage_before_the_last_write_is_an_error_at_every_byte)
{
    off_t begin = size();
    off_t end;

    append(1, 1, "damaged");
    end = size();
    append(2, 1, "good");
    close_storage();
    for (off_t at = begin; at < end; at++) {
        flip(at);
        open_storage();
        ck_assert_msg(!storage, "byte %ld", (long)at);
        ck_assert_ptr_nonnull(strstr(why, "raft.log: damaged at byte"));
        free(why);
        flip(at);
    }
    open_storage();
    ck_assert_uint_eq(raft_log_last_index(&stored.log), 2);
}
END_TEST

START_TEST(a_snapshot_begins_a_new_log)
{
    uint64_t voters[] = {1, 2, ID};
    uint64_t learners[] = {7};
    const struct raft_hard_state state = {.term = 5, .vote = 2, .commit = 100};
    const struct ferry_snapshot view = {.data = {(const uint8_t *)"{}", 2},
                                        .conf_state = {.voters = voters,
                                                       .n_voters = 3,
                                                       .learners = learners,
                                                       .n_learners = 1,
                                                       .voters_outgoing = voters,
                                                       .n_voters_outgoing = 2,
                                                       .auto_leave = true},
                                        .index = 100,
                                        .term = 4};
    struct snapshot snapshot = {0};

    append(1, 1, "gone");
    snapshot_set(&snapshot, &view);
    storage_restart(storage, &snapshot, &state);
    append(101, 5, "behind");
    snapshot_release(&snapshot);
    reopen();
    ck_assert_uint_eq(stored.id, ID);
    ck_assert_uint_eq(stored.snapshot.index, 100);
    ck_assert_uint_eq(stored.snapshot.term, 4);
    ck_assert_uint_eq(stored.snapshot.data.len, 2);
    ck_assert_uint_eq(stored.snapshot.conf.voters.n, 3);
    ck_assert_uint_eq(stored.snapshot.conf.outgoing.n, 2);
    ck_assert(ids_have(&stored.snapshot.conf.learners, 7));
    ck_assert(stored.snapshot.conf.auto_leave);
    ck_assert_uint_eq(stored.log.base_index, 100);
    ck_assert_uint_eq(stored.log.base_term, 4);
    ck_assert_uint_eq(raft_log_last_index(&stored.log), 101);
    ck_assert_uint_eq(stored.state.term, 5);
}
END_TEST

START_TEST(a_directory_that_cannot_be_had_is_named)
{
    close_storage();
    snprintf(dir, sizeof(dir), "/proc/nothing/data");
    open_storage();
    ck_assert_ptr_null(storage);
    ck_assert_ptr_nonnull(strstr(why, "/proc/nothing/data"));
}
END_TEST

int main(void)
{
    return rig_main("etcd_storage", setup, teardown, what_was_written_comes_back,
                    an_entry_replaces_the_one_at_its_index_and_all_behind_it, a_torn_write_is_cut_off_at_every_byte,
                    a_last_write_of_wrong_bytes_is_cut_off, room_that_was_never_filled_is_cut_off,
                    damage_before_the_last_write_is_an_error_at_every_byte, a_snapshot_begins_a_new_log,
                    a_directory_that_cannot_be_had_is_named, NULL);
}
