/*
 * sqlite_store - groups of changes as transactions of SQLite.
 *
 * Statements are prepared once.  Any error rolls the whole transaction back, so that the journal can try it again.
 */
#include "mailbox/sqlite_store.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "mailbox/sqlite_rows.h"
#include "wire/mail_frame.h"

#define BUSY_TIMEOUT_MS 5000 /* somebody looks into the file */

enum statement {
    BEGIN,
    COMMIT,
    ROLLBACK,
    PUT_MAIL,
    DROP_MAIL,
    PUT_DEAD,
    DROP_DEAD,
    DROP_SEEN,
    PUT_SEEN,
    SET_NODE,
    GET_NODE,
    GET_DEAD,
    GET_MAIL,
    GET_SEEN,
    N_STATEMENTS
};

static const char *const statements[N_STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [PUT_MAIL] = "INSERT INTO outbox VALUES (?,?,?,?,?,?,?,?,?,?)",
    [DROP_MAIL] = "DELETE FROM outbox WHERE sequence = ?",
    [PUT_DEAD] = "INSERT INTO dead VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [DROP_DEAD] = "DELETE FROM dead WHERE sequence = ?",
    [DROP_SEEN] = "DELETE FROM seen WHERE sender = ? AND incarnation = ? AND subject = ? AND sequence <= ?",
    [PUT_SEEN] = "INSERT INTO seen VALUES (?,?,?,?,?,?,?,?,?)",
    [SET_NODE] = "INSERT OR REPLACE INTO node VALUES (1,?,?,?)",
    [GET_NODE] = "SELECT incarnation, reserved, checksum FROM node",
    [GET_DEAD] = "SELECT * FROM dead ORDER BY sequence",
    [GET_MAIL] = "SELECT * FROM outbox ORDER BY sequence",
    [GET_SEEN] = "SELECT * FROM seen ORDER BY sender, incarnation, subject, sequence",
};

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE node (id INTEGER PRIMARY KEY CHECK (id = 1), incarnation INTEGER, reserved INTEGER,"
    " checksum INTEGER);"
    "CREATE TABLE outbox (sequence INTEGER PRIMARY KEY, receiver TEXT, subject TEXT, method TEXT, created_ms INTEGER,"
    " expires_ms INTEGER, max_attempts INTEGER, ack_timeout_ms INTEGER, frame BLOB, checksum INTEGER);"
    "CREATE TABLE dead (sequence INTEGER PRIMARY KEY, receiver TEXT, subject TEXT, method TEXT, created_ms INTEGER,"
    " expires_ms INTEGER, max_attempts INTEGER, ack_timeout_ms INTEGER, frame BLOB, status INTEGER, answer INTEGER,"
    " code INTEGER, attempts INTEGER, checksum INTEGER);"
    "CREATE TABLE seen (sender TEXT, incarnation INTEGER, subject TEXT, sequence INTEGER, status INTEGER,"
    " flags INTEGER, code INTEGER, body BLOB, checksum INTEGER,"
    " PRIMARY KEY (sender, incarnation, subject, sequence)) WITHOUT ROWID;"
    "PRAGMA application_id = 1179468376;"
    "PRAGMA user_version = 1;"
    "COMMIT";

struct fy_sqlite {
    sqlite3 *db;
    sqlite3 *checkpointer;
    sqlite3_stmt *statements[N_STATEMENTS];
    uint64_t incarnation;
    uint64_t first_sequence;
    uint64_t reserved;
};

/* ---- Opening ---- */

/* The first column of the first row of a pragma or query. */
static int query_int(sqlite3 *db, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    if (code != SQLITE_OK)
        return fy_sqlite_error_of(code);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement); /* it tells the error of step again */
    return code == SQLITE_ROW ? FERRY_OK : code == SQLITE_DONE ? FERRY_ERR_MALFORMED : fy_sqlite_error_of(code);
}

/* SQLite's own check of the file: one row, "ok". */
static int check_structure(sqlite3 *db)
{
    sqlite3_stmt *statement;
    bool is_ok = false;
    int code = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement, NULL);

    if (code != SQLITE_OK)
        return fy_sqlite_error_of(code);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        is_ok = strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    (void)sqlite3_finalize(statement); /* it tells the error of step again */
    if (code != SQLITE_ROW)
        return fy_sqlite_error_of(code);
    return is_ok ? FERRY_OK : FERRY_ERR_MALFORMED;
}

static int connect(const char *path, const char *vfs, sqlite3 **ret_db)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX;
    int code = sqlite3_open_v2(path, ret_db, flags, vfs);

    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(*ret_db, BUSY_TIMEOUT_MS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(*ret_db,
                            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
                            "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF",
                            NULL, NULL, NULL);
    return fy_sqlite_error_of(code);
}

static int prepare_schema(sqlite3 *db)
{
    int64_t version = 0, n_tables = 0;
    int err = query_int(db, "PRAGMA user_version", &version);

    if (!err)
        err = query_int(db, "SELECT count(*) FROM sqlite_schema", &n_tables);
    if (err)
        return err;
    if (version == 0 && n_tables == 0)
        return fy_sqlite_error_of(sqlite3_exec(db, schema, NULL, NULL, NULL));
    if (version > FY_SQLITE_VERSION)
        return FERRY_ERR_INCOMPATIBLE_VERSION;
    return version == FY_SQLITE_VERSION ? check_structure(db) : FERRY_ERR_MALFORMED;
}

static int prepare_statements(struct fy_sqlite *store)
{
    for (int i = 0; i < N_STATEMENTS; i++) {
        int code = sqlite3_prepare_v3(store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i],
                                      NULL);

        if (code == SQLITE_ERROR) /* a table or a column is missing: it is no store of ours */
            return FERRY_ERR_MALFORMED;
        if (code != SQLITE_OK)
            return fy_sqlite_error_of(code);
    }
    return FERRY_OK;
}

static int set_node(struct fy_sqlite *store, uint64_t reserved)
{
    struct fy_row row = fy_row(store->statements[SET_NODE], 'n');

    fy_row_put_int(&row, (int64_t)store->incarnation);
    fy_row_put_int(&row, (int64_t)reserved);
    fy_row_put_checksum(&row);
    return fy_row_run(&row);
}

static int get_node(struct fy_sqlite *store)
{
    struct fy_row row = fy_row(store->statements[GET_NODE], 'n');
    int code = sqlite3_step(row.statement), err = fy_sqlite_error_of(code);

    if (code == SQLITE_ROW) {
        store->incarnation = (uint64_t)fy_row_get_int(&row);
        store->first_sequence = (uint64_t)fy_row_get_int(&row);
        if (!fy_row_is_whole(&row) || store->first_sequence == 0)
            err = FERRY_ERR_MALFORMED;
    } else if (code == SQLITE_DONE) { /* it is new */
        sqlite3_randomness(sizeof(store->incarnation), &store->incarnation);
        store->first_sequence = 1;
    }
    (void)sqlite3_reset(row.statement); /* it tells the error of step again */
    return err;
}

int fy_sqlite_open(const char *path, const char *vfs, uint64_t block, struct fy_sqlite **ret_store)
{
    struct fy_sqlite *store = calloc(1, sizeof(*store));
    int err;

    assert(block > 0);
    if (!store)
        return FERRY_ERR_NOMEM;
    err = connect(path, vfs, &store->db);
    if (!err)
        err = prepare_schema(store->db);
    if (!err)
        err = prepare_statements(store);
    if (!err)
        err = get_node(store);
    store->reserved = store->first_sequence + block;
    if (!err)
        err = set_node(store, store->reserved);
    if (!err)
        err = connect(path, vfs, &store->checkpointer);
    if (err)
        fy_sqlite_close(store);
    else
        *ret_store = store;
    return err;
}

void fy_sqlite_close(struct fy_sqlite *store)
{
    if (!store)
        return;
    for (int i = 0; i < N_STATEMENTS; i++)
        (void)sqlite3_finalize(store->statements[i]); /* it tells old errors */
    (void)sqlite3_close(store->checkpointer);          /* it has no statements, so it cannot fail */
    (void)sqlite3_close(store->db);
    free(store);
}

uint64_t fy_sqlite_incarnation(const struct fy_sqlite *store)
{
    return store->incarnation;
}

uint64_t fy_sqlite_first_sequence(const struct fy_sqlite *store)
{
    return store->first_sequence;
}

uint64_t fy_sqlite_reserved(const struct fy_sqlite *store)
{
    return store->reserved;
}

const char *fy_sqlite_error(const struct fy_sqlite *store)
{
    return sqlite3_errmsg(store->db);
}

/* ---- Storing ---- */

static void put_mail_columns(struct fy_row *row, const struct fy_change *change)
{
    struct fy_mail_head head;

    (void)fy_mail_frame_read(change->mail.frame, &head); /* what cannot be read has empty names */
    fy_row_put_int(row, (int64_t)change->sequence);
    fy_row_put_text(row, head.receiver);
    fy_row_put_text(row, head.subject);
    fy_row_put_text(row, head.method);
    fy_row_put_int(row, change->mail.created_ms);
    fy_row_put_int(row, change->mail.expires_ms);
    fy_row_put_int(row, change->mail.max_attempts);
    fy_row_put_int(row, change->mail.ack_timeout_ms);
    fy_row_put_bytes(row, change->mail.frame);
}

static int put_mail(struct fy_sqlite *store, const struct fy_change *change)
{
    struct fy_row row = fy_row(store->statements[PUT_MAIL], 'o');

    put_mail_columns(&row, change);
    fy_row_put_checksum(&row);
    return fy_row_run(&row);
}

static int put_dead(struct fy_sqlite *store, const struct fy_change *change)
{
    struct fy_row row = fy_row(store->statements[PUT_DEAD], 'd');

    put_mail_columns(&row, change);
    fy_row_put_int(&row, change->end.status);
    fy_row_put_int(&row, change->end.answer);
    fy_row_put_int(&row, change->end.code);
    fy_row_put_int(&row, change->end.attempts);
    fy_row_put_checksum(&row);
    return fy_row_run(&row);
}

static int drop(struct fy_sqlite *store, enum statement statement, uint64_t sequence)
{
    struct fy_row row = fy_row(store->statements[statement], '-');

    fy_row_put_int(&row, (int64_t)sequence);
    return fy_row_run(&row);
}

static int drop_seen(struct fy_sqlite *store, const struct fy_seen_row *window, int64_t up_to)
{
    struct fy_row row = fy_row(store->statements[DROP_SEEN], '-');

    fy_row_put_text(&row, window->sender);
    fy_row_put_int(&row, (int64_t)window->incarnation);
    fy_row_put_text(&row, window->subject);
    fy_row_put_int(&row, up_to);
    return fy_row_run(&row);
}

static int put_seen(struct fy_sqlite *store, const struct fy_change *change)
{
    const struct fy_seen_row *seen = &change->seen;
    struct fy_row row = fy_row(store->statements[PUT_SEEN], 's');
    int err = change->drop_sequence > 0 ? drop_seen(store, seen, (int64_t)change->drop_sequence) : FERRY_OK;

    if (err)
        return err;
    fy_row_put_text(&row, seen->sender);
    fy_row_put_int(&row, (int64_t)seen->incarnation);
    fy_row_put_text(&row, seen->subject);
    fy_row_put_int(&row, (int64_t)seen->sequence);
    fy_row_put_int(&row, seen->status);
    fy_row_put_int(&row, seen->flags);
    fy_row_put_int(&row, seen->code);
    fy_row_put_bytes(&row, seen->body);
    fy_row_put_checksum(&row);
    return fy_row_run(&row);
}

static int apply_one(struct fy_sqlite *store, const struct fy_change *change)
{
    int err;

    switch (change->kind) {
    case FY_CHANGE_PUT_MAIL:
        return put_mail(store, change);
    case FY_CHANGE_DROP_MAIL:
        return drop(store, DROP_MAIL, change->sequence);
    case FY_CHANGE_BURY_MAIL:
        err = drop(store, DROP_MAIL, change->sequence);
        return err ? err : put_dead(store, change);
    case FY_CHANGE_DROP_DEAD:
        return drop(store, DROP_DEAD, change->sequence);
    case FY_CHANGE_PUT_SEEN:
        return put_seen(store, change);
    case FY_CHANGE_DROP_WINDOW:
        return drop_seen(store, &change->seen, INT64_MAX);
    case FY_CHANGE_RESERVE:
        return set_node(store, change->sequence);
    }
    return FERRY_ERR_INVALID;
}

static int run(struct fy_sqlite *store, enum statement statement)
{
    struct fy_row row = fy_row(store->statements[statement], '-');

    return fy_row_run(&row);
}

int fy_sqlite_apply(struct fy_sqlite *store, const struct fy_list *changes)
{
    int err = run(store, BEGIN);

    for (struct fy_node *node = fy_list_first(changes); !err && node; node = fy_list_next(changes, node))
        err = apply_one(store, fy_container(node, struct fy_change, node));
    if (!err)
        err = run(store, COMMIT);
    if (err && !sqlite3_get_autocommit(store->db))
        (void)run(store, ROLLBACK); /* what fails here was rolled back by SQLite */
    return err;
}

int fy_sqlite_checkpoint(struct fy_sqlite *store)
{
    return fy_sqlite_error_of(
        sqlite3_wal_checkpoint_v2(store->checkpointer, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL));
}

/* ---- Loading ---- */

/* The columns of a mail, as put_mail_columns has bound them. */
static uint64_t get_mail_columns(struct fy_row *row, struct fy_mail_row *ret_mail)
{
    const uint64_t sequence = (uint64_t)fy_row_get_int(row);

    (void)fy_row_get_bytes(row); /* the names are in the frame, too: these are for people and the checksum */
    (void)fy_row_get_bytes(row);
    (void)fy_row_get_bytes(row);
    ret_mail->created_ms = fy_row_get_int(row);
    ret_mail->expires_ms = fy_row_get_int(row);
    ret_mail->max_attempts = (uint32_t)fy_row_get_int(row);
    ret_mail->ack_timeout_ms = (uint32_t)fy_row_get_int(row);
    ret_mail->frame = fy_row_get_bytes(row);
    return sequence;
}

static int load_mail(struct fy_row *row, const struct fy_sqlite_reader *reader, size_t *n_left_out)
{
    struct fy_mail_row mail;
    const uint64_t sequence = get_mail_columns(row, &mail);

    (void)n_left_out;
    return fy_row_is_whole(row) ? reader->mail(reader->ctx, sequence, &mail) : reader->damaged(reader->ctx, sequence);
}

static int load_dead(struct fy_row *row, const struct fy_sqlite_reader *reader, size_t *n_left_out)
{
    struct fy_mail_row mail;
    struct fy_end_row end;
    const uint64_t sequence = get_mail_columns(row, &mail);

    end.status = (uint32_t)fy_row_get_int(row);
    end.answer = (uint32_t)fy_row_get_int(row);
    end.code = (int32_t)fy_row_get_int(row);
    end.attempts = (uint32_t)fy_row_get_int(row);
    if (fy_row_is_whole(row))
        return reader->dead(reader->ctx, sequence, &mail, &end);
    (*n_left_out)++;
    return FERRY_OK;
}

static int load_seen(struct fy_row *row, const struct fy_sqlite_reader *reader, size_t *n_left_out)
{
    struct fy_seen_row seen;

    seen.sender = fy_row_get_bytes(row);
    seen.incarnation = (uint64_t)fy_row_get_int(row);
    seen.subject = fy_row_get_bytes(row);
    seen.sequence = (uint64_t)fy_row_get_int(row);
    seen.status = (uint32_t)fy_row_get_int(row);
    seen.flags = (uint32_t)fy_row_get_int(row);
    seen.code = (int32_t)fy_row_get_int(row);
    seen.body = fy_row_get_bytes(row);
    if (fy_row_is_whole(row))
        return reader->seen(reader->ctx, &seen);
    (*n_left_out)++;
    return FERRY_OK;
}

typedef int load_fn(struct fy_row *row, const struct fy_sqlite_reader *reader, size_t *n_left_out);

static int load_table(struct fy_sqlite *store, enum statement statement, char table, load_fn *load,
                      const struct fy_sqlite_reader *reader, size_t *n_left_out)
{
    sqlite3_stmt *rows = store->statements[statement];
    int code, err = FERRY_OK;

    while (!err && (code = sqlite3_step(rows)) != SQLITE_DONE) {
        struct fy_row row = fy_row(rows, table);

        err = code == SQLITE_ROW ? load(&row, reader, n_left_out) : fy_sqlite_error_of(code);
    }
    (void)sqlite3_reset(rows); /* it tells the error of step again */
    return err;
}

int fy_sqlite_load(struct fy_sqlite *store, const struct fy_sqlite_reader *reader, size_t *ret_n_left_out)
{
    size_t n_left_out = 0;
    int err = load_table(store, GET_DEAD, 'd', load_dead, reader, &n_left_out);

    if (!err)
        err = load_table(store, GET_MAIL, 'o', load_mail, reader, &n_left_out);
    if (!err)
        err = load_table(store, GET_SEEN, 's', load_seen, reader, &n_left_out);
    if (!err)
        *ret_n_left_out = n_left_out;
    return err;
}
