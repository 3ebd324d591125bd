/*
 * sqlite_rows.h - columns in and out of SQLite's statements, with a checksum over all of a row.
 */
#ifndef FY_MAILBOX_SQLITE_ROWS_H
#define FY_MAILBOX_SQLITE_ROWS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "ferry/ferry.h"

/* An error of SQLite's as one of ours; SQLITE_OK, SQLITE_ROW and SQLITE_DONE as FERRY_OK. */
int fy_sqlite_error_of(int code);

/* A statement whose columns are bound or read from left to right. */
struct fy_row {
    sqlite3_stmt *statement;
    int at;
    uint32_t checksum;
    int code; /* the first error of binding */
};

/* table: a letter for each, so that a row of one does not pass for one of another. */
struct fy_row fy_row(sqlite3_stmt *statement, char table);

/* Bind parameters, the checksum last. */
void fy_row_put_int(struct fy_row *row, int64_t value);
void fy_row_put_text(struct fy_row *row, struct ferry_bytes text);  /* lent until the statement is reset */
void fy_row_put_bytes(struct fy_row *row, struct ferry_bytes bytes);
void fy_row_put_checksum(struct fy_row *row);

/* Run a statement without results, and reset it. */
int fy_row_run(struct fy_row *row);

/* Read columns, the checksum last.  Bytes are SQLite's until the next step. */
int64_t fy_row_get_int(struct fy_row *row);
struct ferry_bytes fy_row_get_bytes(struct fy_row *row); /* a text, too */
bool fy_row_is_whole(struct fy_row *row);                /* reads the checksum */

#endif
