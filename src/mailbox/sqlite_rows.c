/*
 * sqlite_rows - a row's checksum is fed with each column, its length first, in the order of the columns.
 */
#include "mailbox/sqlite_rows.h"

#include <zlib.h>

#include "wire/be64.h"

int fy_sqlite_error_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return FERRY_OK;
    case SQLITE_NOMEM:
        return FERRY_ERR_NOMEM;
    case SQLITE_FULL:
        return FERRY_ERR_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return FERRY_ERR_MALFORMED;
    default:
        return FERRY_ERR_SYSTEM;
    }
}

struct fy_row fy_row(sqlite3_stmt *statement, char table)
{
    return (struct fy_row){.statement = statement,
                           .checksum = (uint32_t)crc32_z(0, (const uint8_t *)&table, 1),
                           .code = SQLITE_OK};
}

static void add_int(struct fy_row *row, int64_t value)
{
    uint8_t bytes[FY_BE64_SIZE];

    fy_be64_put(bytes, (uint64_t)value);
    row->checksum = (uint32_t)crc32_z(row->checksum, bytes, sizeof(bytes));
}

static void add_bytes(struct fy_row *row, struct ferry_bytes bytes)
{
    add_int(row, (int64_t)bytes.len);
    if (bytes.len > 0)
        row->checksum = (uint32_t)crc32_z(row->checksum, bytes.data, bytes.len);
}

static void note(struct fy_row *row, int code)
{
    if (row->code == SQLITE_OK)
        row->code = code;
}

void fy_row_put_int(struct fy_row *row, int64_t value)
{
    add_int(row, value);
    note(row, sqlite3_bind_int64(row->statement, ++row->at, value));
}

void fy_row_put_text(struct fy_row *row, struct ferry_bytes text)
{
    add_bytes(row, text);
    note(row, sqlite3_bind_text64(row->statement, ++row->at, (const char *)text.data, text.len, SQLITE_STATIC,
                                  SQLITE_UTF8));
}

void fy_row_put_bytes(struct fy_row *row, struct ferry_bytes bytes)
{
    add_bytes(row, bytes);
    note(row, bytes.len > 0 ? sqlite3_bind_blob64(row->statement, ++row->at, bytes.data, bytes.len, SQLITE_STATIC)
                            : sqlite3_bind_zeroblob(row->statement, ++row->at, 0));
}

void fy_row_put_checksum(struct fy_row *row)
{
    note(row, sqlite3_bind_int64(row->statement, ++row->at, row->checksum));
}

int fy_row_run(struct fy_row *row)
{
    int code = row->code == SQLITE_OK ? sqlite3_step(row->statement) : row->code;

    (void)sqlite3_reset(row->statement); /* it tells the error of step again */
    (void)sqlite3_clear_bindings(row->statement);
    return fy_sqlite_error_of(code);
}

int64_t fy_row_get_int(struct fy_row *row)
{
    int64_t value = sqlite3_column_int64(row->statement, row->at++);

    add_int(row, value);
    return value;
}

struct ferry_bytes fy_row_get_bytes(struct fy_row *row)
{
    const void *data = sqlite3_column_blob(row->statement, row->at);
    struct ferry_bytes bytes = {data, (size_t)sqlite3_column_bytes(row->statement, row->at++)};

    if (!data)
        bytes.len = 0;
    add_bytes(row, bytes);
    return bytes;
}

bool fy_row_is_whole(struct fy_row *row)
{
    return sqlite3_column_int64(row->statement, row->at++) == row->checksum;
}
