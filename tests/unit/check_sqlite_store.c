/*
 * check_sqlite_store - the store on SQLite: what it returns, also after failed writes, crashes and flipped bits.
 *
 * A scenario of groups is stored, with a crash at each of its operations in turn.  Afterwards the store must contain
 * the result of a prefix of the groups that includes the last group reported as safe.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/crash_vfs.h"
#include "harness/heap.h"
#include "harness/mail_store.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "mailbox/sqlite_store.h"
#include "wire/mail_frame.h"

#define N_GROUPS 12
#define N_MAILS 4 /* in each group */
#define BLOCK 100
#define MAX_CHANGES 16

static struct fy_sqlite *store;
static struct fy_change changes[MAX_CHANGES];
static uint8_t frames[MAX_CHANGES][600];
static struct fy_list group;
static size_t n_changes;

/* What was loaded. */
static struct mail_store loaded;
static size_t n_damaged, n_left_out;

static void setup(void)
{
    heap_setup();
    crash_vfs_init();
    store = NULL;
}

static void teardown(void)
{
    fy_sqlite_close(store);
    crash_vfs_release();
    heap_teardown();
}

static int open_store(void)
{
    return fy_sqlite_open("mail", CRASH_VFS, BLOCK, &store);
}

static void close_store(void)
{
    fy_sqlite_close(store);
    store = NULL;
}

/* ---- The scenario ---- */

static struct fy_change *add(enum fy_change_kind kind, uint64_t sequence)
{
    struct fy_change *change = &changes[n_changes++];

    ck_assert_uint_le(n_changes, MAX_CHANGES);
    *change = (struct fy_change){.kind = kind, .sequence = sequence};
    fy_list_append(&group, &change->node);
    return change;
}

static void add_mail(enum fy_change_kind kind, uint64_t sequence)
{
    struct fy_change *change = add(kind, sequence);
    uint8_t *frame = frames[n_changes - 1];
    static const uint8_t payload[300] = {1, 2, 3};
    const struct fy_mail_head head = {.sequence = sequence,
                                      .incarnation = 1,
                                      .remaining_ms = FY_MAIL_NO_DEADLINE,
                                      .sender = {(const uint8_t *)"me", 2},
                                      .receiver = {(const uint8_t *)"you", 3},
                                      .subject = {(const uint8_t *)"subject", 7},
                                      .method = {(const uint8_t *)"method", 6},
                                      .payload = {payload, sizeof(payload)}};

    fy_mail_frame_write(&head, frame);
    change->mail = (struct fy_mail_row){.created_ms = 1000 + (int64_t)sequence,
                                        .expires_ms = sequence % 2 ? 9000 : 0,
                                        .max_attempts = 8,
                                        .ack_timeout_ms = 2000};
    ck_assert_int_eq(fy_mail_frame_size(&head, &change->mail.frame.len), FERRY_OK);
    change->mail.frame.data = frame;
    change->end = (struct fy_end_row){3, 5, -7, 2};
}

/* Group nth: it puts some mails, drops or buries those of the group before, and more. */
static void make_group(uint64_t nth)
{
    const uint64_t first = 1 + nth * N_MAILS;
    struct fy_change *change;

    n_changes = 0;
    fy_list_init(&group);
    for (uint64_t i = 0; i < N_MAILS; i++)
        add_mail(FY_CHANGE_PUT_MAIL, first + i);
    if (nth > 0) {
        add(FY_CHANGE_DROP_MAIL, first - 1);
        add(FY_CHANGE_DROP_MAIL, first - 2);
        add_mail(FY_CHANGE_BURY_MAIL, first - 3);
    }
    if (nth % 3 == 2)
        add(FY_CHANGE_DROP_DEAD, first - 3);
    if (nth % 4 == 1)
        add(FY_CHANGE_RESERVE, 1000 + nth);
    change = add(FY_CHANGE_PUT_SEEN, 0);
    change->drop_sequence = nth > 4 ? nth - 4 : 0;
    change->seen = (struct fy_seen_row){.sender = {(const uint8_t *)"other", 5},
                                        .subject = {(const uint8_t *)(nth % 2 ? "s" : "t"), 1},
                                        .incarnation = UINT64_MAX,
                                        .sequence = nth + 1,
                                        .status = 1,
                                        .flags = 2,
                                        .code = -3,
                                        .body = {(const uint8_t *)"result", nth % 2 ? 6 : 0}};
    if (nth == 7) {
        change = add(FY_CHANGE_DROP_WINDOW, 0);
        change->seen = (struct fy_seen_row){
            .sender = {(const uint8_t *)"other", 5}, .subject = {(const uint8_t *)"s", 1}, .incarnation = UINT64_MAX};
    }
}

/* What the first n groups make. */
static struct mail_store model_of(uint64_t n)
{
    struct mail_store model;

    mail_store_init(&model, 1);
    for (uint64_t i = 0; i < n; i++) {
        make_group(i);
        mail_store_apply(&model, &group);
    }
    return model;
}

/* ---- What is in the store ---- */

/* A row that was read becomes one of the model's kind. */
static int apply_read(struct fy_change *change)
{
    struct fy_list one;

    fy_list_init(&one);
    fy_list_append(&one, &change->node);
    mail_store_apply(&loaded, &one);
    return FERRY_OK;
}

static int on_mail(void *ctx, uint64_t sequence, const struct fy_mail_row *row)
{
    (void)ctx;
    return apply_read(&(struct fy_change){.kind = FY_CHANGE_PUT_MAIL, .sequence = sequence, .mail = *row});
}

static int on_dead(void *ctx, uint64_t sequence, const struct fy_mail_row *row, const struct fy_end_row *end)
{
    (void)ctx;
    return apply_read(
        &(struct fy_change){.kind = FY_CHANGE_BURY_MAIL, .sequence = sequence, .mail = *row, .end = *end});
}

static int on_damaged(void *ctx, uint64_t sequence)
{
    (void)ctx;
    (void)sequence;
    n_damaged++;
    return FERRY_OK;
}

static int on_seen(void *ctx, const struct fy_seen_row *row)
{
    (void)ctx;
    return apply_read(&(struct fy_change){.kind = FY_CHANGE_PUT_SEEN, .seen = *row});
}

static int load(void)
{
    static const struct fy_sqlite_reader reader = {
        .dead = on_dead, .mail = on_mail, .damaged = on_damaged, .seen = on_seen};

    mail_store_init(&loaded, 0);
    n_damaged = n_left_out = 0;
    return fy_sqlite_load(store, &reader, &n_left_out);
}

static bool same_bytes(struct ferry_bytes a, struct ferry_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool same_mail(const struct stored_mail *a, const struct stored_mail *b, bool is_dead)
{
    return a->sequence == b->sequence && a->row.created_ms == b->row.created_ms &&
           a->row.expires_ms == b->row.expires_ms && a->row.max_attempts == b->row.max_attempts &&
           a->row.ack_timeout_ms == b->row.ack_timeout_ms && same_bytes(a->row.frame, b->row.frame) &&
           (!is_dead || memcmp(&a->end, &b->end, sizeof(a->end)) == 0);
}

static bool same_seen(const struct fy_seen_row *a, const struct fy_seen_row *b)
{
    return same_bytes(a->sender, b->sender) && same_bytes(a->subject, b->subject) && a->incarnation == b->incarnation &&
           a->sequence == b->sequence && a->status == b->status && a->flags == b->flags && a->code == b->code &&
           same_bytes(a->body, b->body);
}

static bool is_loaded_as(const struct mail_store *model)
{
    if (loaded.n_mails != model->n_mails || loaded.n_dead != model->n_dead || loaded.n_seen != model->n_seen)
        return false;
    for (size_t i = 0; i < model->n_mails; i++) {
        if (!same_mail(&loaded.mails[i], &model->mails[i], false))
            return false;
    }
    for (size_t i = 0; i < model->n_dead; i++) {
        if (!same_mail(&loaded.dead[i], &model->dead[i], true))
            return false;
    }
    for (size_t i = 0; i < model->n_seen; i++) {
        if (!same_seen(&loaded.seen[i].row, &model->seen[i].row))
            return false;
    }
    return true;
}

/* Is the store what the first n groups make? */
static bool is_as_after(uint64_t n)
{
    struct mail_store model = model_of(n);
    const bool is_same = is_loaded_as(&model);

    mail_store_release(&model);
    return is_same;
}

static void assert_is_as_after(uint64_t n)
{
    ck_assert_int_eq(load(), FERRY_OK);
    ck_assert(is_as_after(n));
    ck_assert_uint_eq(n_damaged + n_left_out, 0);
    mail_store_release(&loaded);
}

static void store_groups(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i++) {
        make_group(i);
        ck_assert_int_eq(fy_sqlite_apply(store, &group), FERRY_OK);
    }
}

/* ---- Tests ---- */

START_TEST(what_was_stored_is_there_after_a_restart)
{
    uint64_t incarnation;

    ck_assert_int_eq(open_store(), FERRY_OK);
    incarnation = fy_sqlite_incarnation(store);
    ck_assert_uint_eq(fy_sqlite_first_sequence(store), 1);
    ck_assert_uint_eq(fy_sqlite_reserved(store), 1 + BLOCK);
    assert_is_as_after(0);
    for (uint64_t i = 0; i < N_GROUPS; i++) {
        store_groups(i, i + 1);
        assert_is_as_after(i + 1);
        if (i % 2)
            ck_assert_int_eq(fy_sqlite_checkpoint(store), FERRY_OK);
        if (i % 5 == 4) {
            close_store();
            ck_assert_int_eq(open_store(), FERRY_OK);
            assert_is_as_after(i + 1);
        }
    }
    ck_assert_uint_eq(fy_sqlite_incarnation(store), incarnation);
    close_store();
    ck_assert_int_eq(open_store(), FERRY_OK);
    ck_assert_uint_ge(fy_sqlite_first_sequence(store), 1000);
    ck_assert_str_eq(fy_sqlite_error(store), "not an error");
}
END_TEST

/* Store groups until the power is lost; how many were told to be safe. */
static uint64_t store_until_death(void)
{
    uint64_t n = 0;

    if (open_store() != FERRY_OK)
        return 0;
    for (; n < N_GROUPS; n++) {
        make_group(n);
        if (fy_sqlite_apply(store, &group) != FERRY_OK)
            break;
        if (n % 4 == 3)
            (void)fy_sqlite_checkpoint(store); /* it fails when the power is lost */
    }
    return n;
}

START_TEST(a_crash_at_any_operation_loses_nothing_that_was_told_to_be_safe)
{
    const int n_seeds = PATIENCE_SANITIZED ? 1 : 3;
    bool is_over = false;

    for (unsigned long nth = 0; !is_over; nth++) {
        for (int seed = 0; seed < n_seeds; seed++) {
            uint64_t n_safe, first;

            crash_vfs_release();
            crash_vfs_init();
            crash_vfs_die_at(nth);
            n_safe = store_until_death();
            first = store ? fy_sqlite_first_sequence(store) : 0;
            is_over = !crash_vfs_is_dead();
            close_store();
            crash_vfs_crash(nth * 100 + (uint64_t)seed);
            ck_assert_int_eq(open_store(), FERRY_OK);
            if (first > 0) /* numbers that may have been used are not used again */
                ck_assert_uint_ge(fy_sqlite_first_sequence(store), first + BLOCK);
            ck_assert_int_eq(load(), FERRY_OK);
            ck_assert_msg(is_as_after(n_safe) || is_as_after(n_safe + 1),
                          "crash at %lu, seed %d: not what %lu groups make", nth, seed, (unsigned long)n_safe);
            mail_store_release(&loaded);
            close_store();
        }
    }
}
END_TEST

START_TEST(an_operation_that_fails_is_told_and_the_group_can_be_tried_again)
{
    static const int codes[] = {SQLITE_IOERR_WRITE, SQLITE_FULL, SQLITE_IOERR_FSYNC};
    bool has_failed = true;

    for (unsigned long nth = 0; has_failed; nth++) {
        has_failed = false;
        for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
            crash_vfs_release();
            crash_vfs_init();
            ck_assert_int_eq(open_store(), FERRY_OK);
            crash_vfs_fail_at(nth, codes[i]);
            for (uint64_t n = 0; n < N_GROUPS; n++) {
                int err;

                make_group(n);
                err = fy_sqlite_apply(store, &group);
                if (!err)
                    continue;
                has_failed = true;
                ck_assert_int_eq(err, codes[i] == SQLITE_FULL ? FERRY_ERR_FULL : FERRY_ERR_SYSTEM);
                assert_is_as_after(n);
                make_group(n);
                ck_assert_int_eq(fy_sqlite_apply(store, &group), FERRY_OK);
            }
            assert_is_as_after(N_GROUPS);
            close_store();
        }
    }
}
END_TEST

START_TEST(opening_survives_each_failing_operation)
{
    int err = FERRY_ERR_SYSTEM;

    for (unsigned long nth = 0; err; nth++) {
        crash_vfs_release();
        crash_vfs_init();
        crash_vfs_fail_at(nth, SQLITE_FULL);
        err = open_store();
        if (err)
            ck_assert_ptr_null(store);
        else if (nth < 5)
            err = 1; /* what failed was not needed */
        close_store();
        ck_assert_int_eq(open_store(), FERRY_OK); /* the disk has room again */
        assert_is_as_after(0);
        close_store();
    }
}
END_TEST

/* Is each row that was loaded one that was stored? */
static bool is_part_of(const struct mail_store *model)
{
    size_t n = 0;

    for (size_t i = 0; i < loaded.n_mails; i++) {
        for (size_t j = 0; j < model->n_mails; j++)
            n += same_mail(&loaded.mails[i], &model->mails[j], false);
    }
    for (size_t i = 0; i < loaded.n_dead; i++) {
        for (size_t j = 0; j < model->n_dead; j++)
            n += same_mail(&loaded.dead[i], &model->dead[j], true);
    }
    for (size_t i = 0; i < loaded.n_seen; i++) {
        for (size_t j = 0; j < model->n_seen; j++)
            n += same_seen(&loaded.seen[i].row, &model->seen[j].row);
    }
    return n == loaded.n_mails + loaded.n_dead + loaded.n_seen;
}

/* The file as it was, with one bit flipped: what opening and loading make of it.  Is anything said? */
static bool is_flip_found(const uint8_t *bytes, size_t size, size_t bit, const struct mail_store *model)
{
    bool is_found;

    crash_vfs_release();
    crash_vfs_init();
    crash_vfs_put("mail", bytes, size)[bit / 8] ^= (uint8_t)(1 << bit % 8);
    if (open_store() != FERRY_OK)
        return true;
    is_found = load() != FERRY_OK || n_damaged + n_left_out > 0;
    ck_assert_msg(is_part_of(model), "bit %zu: a row that was never stored is given", bit);
    ck_assert_msg(is_found || is_loaded_as(model), "bit %zu: rows are missing, and nothing is said", bit);
    mail_store_release(&loaded);
    close_store();
    return is_found;
}

START_TEST(a_flipped_bit_is_noticed)
{
    struct mail_store model = model_of(N_GROUPS);
    size_t size, n_found = 0, n_tried = 0;
    uint8_t *copy;

    ck_assert_int_eq(open_store(), FERRY_OK);
    store_groups(0, N_GROUPS);
    close_store(); /* all of it goes into the file */
    ck_assert_ptr_nonnull(crash_vfs_bytes("mail", &size));
    copy = malloc(size);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, crash_vfs_bytes("mail", &size), size);
    for (size_t bit = 0; bit < 8 * size; bit += PATIENCE_SANITIZED ? 61 : 13, n_tried++)
        n_found += is_flip_found(copy, size, bit, &model);
    ck_assert_uint_gt(n_found, n_tried / 4); /* the rest is in free space */
    free(copy);
    mail_store_release(&model);
}
END_TEST

static void write_file(const char *sql)
{
    sqlite3 *db;

    close_store();
    crash_vfs_release();
    crash_vfs_init();
    ck_assert_int_eq(sqlite3_open_v2("mail", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, CRASH_VFS), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

START_TEST(files_that_are_no_stores_are_refused)
{
    static const uint8_t text[] = "This is a text, and longer than a header of SQLite's, which has 100 bytes; so it is "
                                  "taken for what it is and not for a file that is empty.";

    crash_vfs_put("mail", text, sizeof(text));
    ck_assert_int_eq(open_store(), FERRY_ERR_MALFORMED);
    write_file("CREATE TABLE somebody_elses (a)");
    ck_assert_int_eq(open_store(), FERRY_ERR_MALFORMED);
    write_file("PRAGMA user_version = 1; CREATE TABLE node (a)");
    ck_assert_int_eq(open_store(), FERRY_ERR_MALFORMED);
    write_file("PRAGMA user_version = 2");
    ck_assert_int_eq(open_store(), FERRY_ERR_INCOMPATIBLE_VERSION);
    ck_assert_int_eq(fy_sqlite_open("/nowhere/at/all", NULL, BLOCK, &store), FERRY_ERR_SYSTEM);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    heap_fail_at(0);
    ck_assert_int_eq(open_store(), FERRY_ERR_NOMEM);
    heap_fail_at(-1);
}
END_TEST

int main(void)
{
    rig_step_aside();
    return rig_main("sqlite_store", setup, teardown, what_was_stored_is_there_after_a_restart,
                    a_crash_at_any_operation_loses_nothing_that_was_told_to_be_safe,
                    an_operation_that_fails_is_told_and_the_group_can_be_tried_again,
                    opening_survives_each_failing_operation, a_flipped_bit_is_noticed,
                    files_that_are_no_stores_are_refused, every_allocation_may_fail, NULL);
}
