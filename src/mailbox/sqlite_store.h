/*
 * sqlite_store.h - the mailbox's store in an SQLite file, which people may look into with sqlite3 while it is in use.
 *
 * Write-ahead log, synchronous=FULL: a group is one transaction, and safe when fy_sqlite_apply returns.  Checkpoints
 * are made by fy_sqlite_checkpoint alone, on a connection of its own, so that they are on no commit's path.
 *
 * The schema, version FY_SQLITE_VERSION (PRAGMA user_version):
 *
 *    node    one row (id 1): incarnation, reserved (numbers below may be in use)
 *    outbox  messages that have not ended: sequence, receiver, subject, method, created_ms, expires_ms (0: never),
 *            max_attempts, ack_timeout_ms, frame (mail_frame.h)
 *    dead    those that ended badly: the same, and status (mail.h: enum fy_mail_end), answer, code, attempts
 *    seen    messages that were handled here: sender, incarnation, subject, sequence, status, flags, code, body
 *
 * Each row has a checksum of all of its columns, for SQLite does not notice a bit that was flipped on the disk; the
 * structure of the file is checked when it is opened.  A row of the outbox whose checksum is wrong is given as damaged;
 * one of the others is left out and counted.
 *
 * Threads: any, one at a time; fy_sqlite_checkpoint beside all others.
 */
#ifndef FY_MAILBOX_SQLITE_STORE_H
#define FY_MAILBOX_SQLITE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "ferry/ferry.h"
#include "mailbox/journal.h"

#define FY_SQLITE_VERSION 1

struct fy_sqlite;

/*
 * Open a store, or make one.  block numbers are reserved from the first one on that was never reserved.
 * vfs: a name of sqlite3_vfs, NULL: the system's.  FERRY_ERR_MALFORMED: the file is no store or is damaged;
 * FERRY_ERR_INCOMPATIBLE_VERSION: of a later schema; FERRY_ERR_FULL: no room on the disk; FERRY_ERR_SYSTEM;
 * FERRY_ERR_NOMEM.
 */
int fy_sqlite_open(const char *path, const char *vfs, uint64_t block, struct fy_sqlite **ret_store);
void fy_sqlite_close(struct fy_sqlite *store); /* NULL is fine */

uint64_t fy_sqlite_incarnation(const struct fy_sqlite *store);
uint64_t fy_sqlite_first_sequence(const struct fy_sqlite *store); /* the first of the block */
uint64_t fy_sqlite_reserved(const struct fy_sqlite *store);       /* behind the block */

/* What is in the store, as fy_outbox_load and so on take it.  An error ends the loading. */
struct fy_sqlite_reader {
    void *ctx;
    int (*dead)(void *ctx, uint64_t sequence, const struct fy_mail_row *row, const struct fy_end_row *end);
    int (*mail)(void *ctx, uint64_t sequence, const struct fy_mail_row *row); /* ascending */
    int (*damaged)(void *ctx, uint64_t sequence);
    int (*seen)(void *ctx, const struct fy_seen_row *row); /* ascending in each window */
};

/* Read it all: first the dead, then the mails, then what was seen.  *ret_n_left_out: damaged rows but of the outbox. */
int fy_sqlite_load(struct fy_sqlite *store, const struct fy_sqlite_reader *reader, size_t *ret_n_left_out);

/* Store a group of struct fy_change, all of it or, on any error, nothing. */
int fy_sqlite_apply(struct fy_sqlite *store, const struct fy_list *changes);

/* Move what is in the log into the file, as far as that disturbs nobody. */
int fy_sqlite_checkpoint(struct fy_sqlite *store);

/* SQLite's words on the last error of this store, for a log. */
const char *fy_sqlite_error(const struct fy_sqlite *store);

#endif
