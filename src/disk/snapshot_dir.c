/*
 * snapshot_dir - temporary file, fsync, rename, fsync of the directory.
 *
 * The body is written by direct I/O (O_DIRECT): that saves a copy into the page cache, and does not evict other files
 * from it.  Direct I/O needs whole blocks in aligned memory.  The rest, which is the end of a body, is written through
 * the page cache, and so is the whole body on a file system without direct I/O.
 *
 * All calls use the directory's descriptor, so a directory that is renamed meanwhile stays the same one.  The rename
 * never replaces a file; on a file system that cannot guarantee this, the name is checked before.  An existing file of
 * the name is the snapshot of that index, as in etcd; anything else of that name is an error.
 */
#include "config.h" /* _GNU_SOURCE, for renameat2 */

#include "disk/snapshot_dir.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Size of one write to the page cache: longer ones were not faster (doc/performance.md). */
#define CACHED_WRITE_SIZE ((size_t)64 << 10)

#define BLOCK ((size_t)4 << 10) /* of a disk, or a multiple; a disk with larger blocks answers EINVAL */

#define MAX_NAMES_TRIED 100

struct fy_snapshot_dir {
    int fd;
};

struct stored {
    int fd;
    bool is_direct;      /* fd has O_DIRECT */
    uint64_t n_bytes;    /* written */
    char name[32];       /* of the temporary file */
    char final_name[32]; /* and what it becomes */
};

/* ---- A body --------------------------------------------------------------------------------------------------- */

static void discard(const struct fy_snapshot_dir *dir, struct stored *body)
{
    if (body->fd >= 0)
        (void)close(body->fd); /* an error does not matter: its contents are dropped */
    (void)unlinkat(dir->fd, body->name, 0);
    free(body);
}

static int create(const struct fy_snapshot_dir *dir, struct stored *body)
{
    for (int i = 0; i < MAX_NAMES_TRIED; i++) {
        uint64_t number;

        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            return errno;
        snprintf(body->name, sizeof(body->name), "tmp%" PRIu64, number);
        body->fd = openat(dir->fd, body->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (body->fd >= 0)
            return 0;
        if (errno != EEXIST && errno != EINTR)
            return errno;
    }
    return EEXIST;
}

/* Set or clear O_DIRECT, on an open file: an open with it that fails could leave the file behind. */
static void set_direct(struct stored *body, bool is_direct)
{
    int flags = fcntl(body->fd, F_GETFL);
    int wanted = is_direct ? flags | O_DIRECT : flags & ~O_DIRECT;

    if (flags >= 0 && fcntl(body->fd, F_SETFL, wanted) == 0)
        body->is_direct = is_direct;
}

static int dir_open(void *ctx, const struct ferry_message *msg, uint64_t size, void **ret_body)
{
    struct stored *body = calloc(1, sizeof(*body));
    int err;

    (void)size;
    if (!body)
        return ENOMEM;
    snprintf(body->final_name, sizeof(body->final_name), "%016" PRIx64 ".snap.db", msg->snapshot->index);
    err = create(ctx, body);
    if (err) {
        free(body);
        return err;
    }
    set_direct(body, true);
    *ret_body = body;
    return 0;
}

/* How many bytes can be written by direct I/O; 0: none. */
static size_t direct_len(const struct stored *body, const char *data, size_t len)
{
    bool is_aligned = body->n_bytes % BLOCK == 0 && (uintptr_t)data % BLOCK == 0;

    return body->is_direct && is_aligned ? len - len % BLOCK : 0;
}

/* One write of up to len bytes.  Returns how many, or -1 with errno set. */
static ssize_t write_some(struct stored *body, const char *data, size_t len)
{
    size_t n_direct = direct_len(body, data, len);
    ssize_t n;

    if (n_direct > 0) {
        n = write(body->fd, data, n_direct);
        if (n >= 0 || errno != EINVAL)
            return n; /* EINVAL: a disk with larger blocks */
    }
    if (body->is_direct)
        set_direct(body, false);
    return write(body->fd, data, len < CACHED_WRITE_SIZE ? len : CACHED_WRITE_SIZE);
}

static int dir_write(void *ctx, void *arg, const void *data, size_t len)
{
    struct stored *body = arg;
    const char *at = data;

    (void)ctx;
    while (len > 0) {
        ssize_t n = write_some(body, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        at += n;
        len -= (size_t)n;
        body->n_bytes += (uint64_t)n;
    }
    return 0;
}

/* Do not fsync again after a failure: the kernel reports a lost write only once. */
static int sync_fd(int fd)
{
    while (fsync(fd) != 0)
        if (errno != EINTR)
            return errno;
    return 0;
}

/* 0; EEXIST when the final name is taken; another errno. */
static int rename_without_replacing(const struct fy_snapshot_dir *dir, const struct stored *body)
{
    struct stat st;

    if (renameat2(dir->fd, body->name, dir->fd, body->final_name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    if (fstatat(dir->fd, body->final_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return EEXIST;
    return renameat(dir->fd, body->name, dir->fd, body->final_name) == 0 ? 0 : errno;
}

static bool is_file(const struct fy_snapshot_dir *dir, const char *name)
{
    struct stat st;

    return fstatat(dir->fd, name, &st, 0) == 0 && S_ISREG(st.st_mode);
}

static int dir_commit(void *ctx, void *arg)
{
    const struct fy_snapshot_dir *dir = ctx;
    struct stored *body = arg;
    int err = sync_fd(body->fd);
    int renamed;

    if (close(body->fd) != 0 && !err)
        err = errno;
    body->fd = -1;
    if (err) {
        discard(dir, body);
        return err;
    }
    renamed = rename_without_replacing(dir, body);
    if (renamed != 0 && (renamed != EEXIST || !is_file(dir, body->final_name))) {
        discard(dir, body);
        return renamed;
    }
    err = sync_fd(dir->fd);
    if (renamed == EEXIST) {
        discard(dir, body);
    } else {
        if (err) /* it may or may not survive a crash: remove it */
            (void)unlinkat(dir->fd, body->final_name, 0);
        free(body);
    }
    return err;
}

static void dir_abort(void *ctx, void *body)
{
    discard(ctx, body);
}

struct ferry_snapshot_sink fy_snapshot_dir_sink(struct fy_snapshot_dir *dir)
{
    return (struct ferry_snapshot_sink){
        .ctx = dir, .open = dir_open, .write = dir_write, .commit = dir_commit, .abort = dir_abort};
}

/* ---- The directory ------------------------------------------------------------------------------------------------
 */

static bool is_temporary(const char *name)
{
    return strncmp(name, "tmp", 3) == 0 && name[3] != '\0' && strspn(name + 3, "0123456789") == strlen(name + 3);
}

static int remove_leftovers(const struct fy_snapshot_dir *dir)
{
    int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* closedir closes its own */
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    int err = 0;

    if (!list) {
        err = errno;
        if (fd >= 0)
            (void)close(fd);
        return err;
    }
    while (!err && (errno = 0, entry = readdir(list)))
        if (is_temporary(entry->d_name) && unlinkat(dir->fd, entry->d_name, 0) != 0 && errno != EISDIR)
            err = errno; /* a directory is not ours */
    if (!err)
        err = errno;      /* readdir's */
    (void)closedir(list); /* it was only read */
    return err;
}

int fy_snapshot_dir_new(const char *path, struct fy_snapshot_dir **ret_dir)
{
    struct fy_snapshot_dir *dir = calloc(1, sizeof(*dir));
    int cause;

    if (!dir)
        return FERRY_ERR_NOMEM;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        goto free_dir;
    dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir->fd < 0)
        goto free_dir;
    cause = remove_leftovers(dir);
    if (cause) {
        (void)close(dir->fd);
        errno = cause;
        goto free_dir;
    }
    *ret_dir = dir;
    return FERRY_OK;

free_dir:
    cause = errno;
    free(dir);
    errno = cause;
    return FERRY_ERR_SYSTEM;
}

void fy_snapshot_dir_free(struct fy_snapshot_dir *dir)
{
    if (!dir)
        return;
    (void)close(dir->fd); /* nothing was written through it */
    free(dir);
}
