/*
 * crash_vfs - each file has what its readers see, what is safe, and the list of writes between the two.
 */
#include "harness/crash_vfs.h"

#include <check.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "net/sim/chance.h"

#define MAX_FILES 4
#define MAX_REGIONS 16
#define SECTOR 512

struct image {
    uint8_t *bytes;
    size_t size;
};

/* A write, or a change of size (bytes NULL). */
struct change {
    struct change *next;
    size_t at;
    size_t len;
    uint8_t *bytes;
};

struct memory_file {
    char name[64];
    bool exists;
    struct image seen;
    struct image safe;
    struct change *changes; /* oldest first */
    struct change **end;
    void *regions[MAX_REGIONS]; /* shared memory */
    int n_locked;               /* by how many connections */
};

struct open_file {
    sqlite3_file base;
    struct memory_file *file;
    bool is_deleted_on_close;
    bool is_locked;
};

static struct memory_file files[MAX_FILES];
static unsigned long n_operations, fail_at, die_at;
static int fail_code;
static bool is_failing, is_dying;

/* ---- Images ---- */

static void resize(struct image *image, size_t size)
{
    uint8_t *bytes = realloc(image->bytes, size + 1);

    ck_assert_ptr_nonnull(bytes);
    if (size > image->size)
        memset(bytes + image->size, 0, size - image->size);
    image->bytes = bytes;
    image->size = size;
}

static void write_image(struct image *image, size_t at, const uint8_t *bytes, size_t len)
{
    if (at + len > image->size)
        resize(image, at + len);
    memcpy(image->bytes + at, bytes, len);
}

static void remember(struct memory_file *file, size_t at, const uint8_t *bytes, size_t len)
{
    struct change *change = calloc(1, sizeof(*change));

    ck_assert_ptr_nonnull(change);
    change->at = at;
    change->len = len;
    if (bytes) {
        change->bytes = malloc(len);
        ck_assert_ptr_nonnull(change->bytes);
        memcpy(change->bytes, bytes, len);
    }
    *file->end = change;
    file->end = &change->next;
}

static void forget_changes(struct memory_file *file)
{
    while (file->changes) {
        struct change *change = file->changes;

        file->changes = change->next;
        free(change->bytes);
        free(change);
    }
    file->end = &file->changes;
}

static void remove_file(struct memory_file *file)
{
    forget_changes(file);
    free(file->seen.bytes);
    free(file->safe.bytes);
    file->seen = file->safe = (struct image){NULL, 0};
    file->exists = false;
}

static void drop_regions(struct memory_file *file)
{
    for (int i = 0; i < MAX_REGIONS; i++) {
        free(file->regions[i]);
        file->regions[i] = NULL;
    }
}

static struct memory_file *find(const char *name)
{
    for (int i = 0; i < MAX_FILES; i++) {
        if (files[i].exists && strcmp(files[i].name, name) == 0)
            return &files[i];
    }
    return NULL;
}

static struct memory_file *make(const char *name)
{
    for (int i = 0; i < MAX_FILES; i++) {
        if (!files[i].exists) {
            ck_assert_uint_lt(strlen(name), sizeof(files[i].name));
            memcpy(files[i].name, name, strlen(name) + 1);
            files[i].exists = true;
            files[i].end = &files[i].changes;
            return &files[i];
        }
    }
    ck_abort_msg("more than %d files", MAX_FILES);
}

/* Has the next operation to fail?  SQLITE_OK: it has not. */
static int fate(int code)
{
    const unsigned long nth = n_operations++;

    if (is_dying && nth >= die_at)
        return code;
    if (is_failing && nth == fail_at) {
        is_failing = false;
        return fail_code;
    }
    return SQLITE_OK;
}

/* ---- One file ---- */

static struct memory_file *of(sqlite3_file *base)
{
    return ((struct open_file *)(void *)base)->file;
}

static int on_unlock(sqlite3_file *base, int lock);

static int on_close(sqlite3_file *base)
{
    (void)on_unlock(base, SQLITE_LOCK_NONE); /* it cannot fail */
    if (((struct open_file *)(void *)base)->is_deleted_on_close)
        remove_file(of(base));
    return SQLITE_OK;
}

static int on_read(sqlite3_file *base, void *room, int len, sqlite3_int64 at)
{
    const struct image *image = &of(base)->seen;
    const size_t left = (size_t)at < image->size ? image->size - (size_t)at : 0;
    const size_t n = left < (size_t)len ? left : (size_t)len;

    if (n > 0)
        memcpy(room, image->bytes + at, n);
    memset((uint8_t *)room + n, 0, (size_t)len - n);
    return n == (size_t)len ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *base, const void *bytes, int len, sqlite3_int64 at)
{
    const int code = fate(SQLITE_IOERR_WRITE);

    if (code != SQLITE_OK)
        return code;
    write_image(&of(base)->seen, (size_t)at, bytes, (size_t)len);
    remember(of(base), (size_t)at, bytes, (size_t)len);
    return SQLITE_OK;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    const int code = fate(SQLITE_IOERR_TRUNCATE);

    if (code != SQLITE_OK)
        return code;
    resize(&of(base)->seen, (size_t)size);
    remember(of(base), (size_t)size, NULL, 0);
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *base, int flags)
{
    const int code = fate(SQLITE_IOERR_FSYNC);

    (void)flags;
    if (code != SQLITE_OK)
        return code;
    resize(&of(base)->safe, of(base)->seen.size);
    if (of(base)->seen.size > 0)
        memcpy(of(base)->safe.bytes, of(base)->seen.bytes, of(base)->seen.size);
    forget_changes(of(base));
    return SQLITE_OK;
}

static int on_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    *ret_size = (sqlite3_int64)of(base)->seen.size;
    return SQLITE_OK;
}

/* One process without threads: all that locks tell is whether another connection has the file open. */
static int on_lock(sqlite3_file *base, int lock)
{
    struct open_file *open = (struct open_file *)(void *)base;

    if (lock == SQLITE_LOCK_EXCLUSIVE && open->file->n_locked > open->is_locked)
        return SQLITE_BUSY;
    open->file->n_locked += !open->is_locked;
    open->is_locked = true;
    return SQLITE_OK;
}

static int on_unlock(sqlite3_file *base, int lock)
{
    struct open_file *open = (struct open_file *)(void *)base;

    if (lock == SQLITE_LOCK_NONE && open->is_locked) {
        open->file->n_locked--;
        open->is_locked = false;
    }
    return SQLITE_OK;
}

static int on_check_lock(sqlite3_file *base, int *ret_is_locked)
{
    (void)base;
    *ret_is_locked = 0;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *base, int operation, void *arg)
{
    (void)base;
    (void)operation;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *base)
{
    (void)base;
    return SECTOR;
}

static int on_characteristics(sqlite3_file *base)
{
    (void)base;
    return 0;
}

static int on_map(sqlite3_file *base, int region, int size, int extend, void volatile **ret_memory)
{
    struct memory_file *file = of(base);

    ck_assert_int_lt(region, MAX_REGIONS);
    if (!file->regions[region] && extend)
        file->regions[region] = calloc(1, (size_t)size);
    *ret_memory = file->regions[region];
    return SQLITE_OK;
}

static int on_shared_lock(sqlite3_file *base, int offset, int n, int flags)
{
    (void)base;
    (void)offset;
    (void)n;
    (void)flags;
    return SQLITE_OK;
}

static void on_barrier(sqlite3_file *base)
{
    (void)base;
}

static int on_unmap(sqlite3_file *base, int is_deleted)
{
    if (is_deleted)
        drop_regions(of(base));
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_map,
    .xShmLock = on_shared_lock,
    .xShmBarrier = on_barrier,
    .xShmUnmap = on_unmap,
};

/* ---- The directory ---- */

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
    struct open_file *open = (struct open_file *)(void *)base;
    struct memory_file *file = find(name ? name : "temporary");

    (void)vfs;
    base->pMethods = NULL;
    if (!file && (flags & SQLITE_OPEN_CREATE)) {
        const int code = fate(SQLITE_CANTOPEN);

        if (code != SQLITE_OK)
            return code;
        file = make(name ? name : "temporary");
    }
    if (!file)
        return SQLITE_CANTOPEN;
    open->file = file;
    open->is_locked = false;
    open->is_deleted_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    base->pMethods = &methods;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    const int code = fate(SQLITE_IOERR_DELETE);
    struct memory_file *file = find(name);

    (void)vfs;
    (void)sync;
    if (code == SQLITE_OK && file)
        remove_file(file);
    return code == SQLITE_OK && !file ? SQLITE_IOERR_DELETE_NOENT : code;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret_exists)
{
    (void)vfs;
    (void)flags;
    *ret_exists = find(name) != NULL;
    return SQLITE_OK;
}

static int on_full_path(sqlite3_vfs *vfs, const char *name, int size, char *ret_path)
{
    (void)vfs;
    sqlite3_snprintf(size, ret_path, "%s", name);
    return SQLITE_OK;
}

static int on_randomness(sqlite3_vfs *vfs, int len, char *room)
{
    (void)vfs;
    memset(room, 17, (size_t)len);
    return len;
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int on_time(sqlite3_vfs *vfs, sqlite3_int64 *ret_ms)
{
    (void)vfs;
    *ret_ms = INT64_C(212000000000000);
    return SQLITE_OK;
}

static int on_last_error(sqlite3_vfs *vfs, int size, char *text)
{
    (void)vfs;
    (void)size;
    (void)text;
    return 0;
}

static sqlite3_vfs crash_vfs = {
    .iVersion = 2,
    .szOsFile = sizeof(struct open_file),
    .mxPathname = 64,
    .zName = CRASH_VFS,
    .xOpen = on_open,
    .xDelete = on_delete,
    .xAccess = on_access,
    .xFullPathname = on_full_path,
    .xRandomness = on_randomness,
    .xSleep = on_sleep,
    .xGetLastError = on_last_error,
    .xCurrentTimeInt64 = on_time,
};

/* ---- For the tests ---- */

void crash_vfs_init(void)
{
    n_operations = 0;
    is_failing = is_dying = false;
    ck_assert_int_eq(sqlite3_vfs_register(&crash_vfs, 0), SQLITE_OK);
}

void crash_vfs_release(void)
{
    for (int i = 0; i < MAX_FILES; i++) {
        drop_regions(&files[i]);
        remove_file(&files[i]);
    }
    ck_assert_int_eq(sqlite3_vfs_unregister(&crash_vfs), SQLITE_OK);
}

unsigned long crash_vfs_count(void)
{
    return n_operations;
}

void crash_vfs_fail_at(unsigned long nth, int code)
{
    is_failing = true;
    fail_at = n_operations + nth;
    fail_code = code;
}

void crash_vfs_die_at(unsigned long nth)
{
    is_dying = true;
    die_at = n_operations + nth;
}

bool crash_vfs_is_dead(void)
{
    return is_dying && n_operations > die_at;
}

/* A change that may be there, in part, or not. */
static void survive(struct image *safe, const struct change *change, struct fy_chance *chance)
{
    const uint64_t what = fy_chance_below(chance, 3);

    if (what == 0)
        return;
    if (!change->bytes) {
        resize(safe, change->at);
        return;
    }
    for (size_t at = 0; at < change->len; at += SECTOR) {
        const size_t n = change->len - at < SECTOR ? change->len - at : SECTOR;

        if (what == 1 || fy_chance_below(chance, 2) == 0)
            write_image(safe, change->at + at, change->bytes + at, n);
    }
}

void crash_vfs_crash(uint64_t seed)
{
    struct fy_chance chance;

    fy_chance_init(&chance, seed, 1);
    for (int i = 0; i < MAX_FILES; i++) {
        struct memory_file *file = &files[i];

        drop_regions(file);
        if (!file->exists)
            continue;
        for (const struct change *change = file->changes; change; change = change->next)
            survive(&file->safe, change, &chance);
        resize(&file->seen, file->safe.size);
        if (file->safe.size > 0)
            memcpy(file->seen.bytes, file->safe.bytes, file->safe.size);
        forget_changes(file);
    }
    is_dying = is_failing = false;
}

uint8_t *crash_vfs_bytes(const char *name, size_t *ret_size)
{
    struct memory_file *file = find(name);

    if (!file)
        return NULL;
    *ret_size = file->seen.size;
    return file->seen.bytes;
}

uint8_t *crash_vfs_put(const char *name, const uint8_t *bytes, size_t size)
{
    struct memory_file *file = make(name);

    write_image(&file->seen, 0, bytes, size);
    write_image(&file->safe, 0, bytes, size);
    return file->seen.bytes;
}
