/*
 * data_dir - DIR/lock is locked and names the member; DIR/log is libraft's.
 *
 * A log that is started under another number would make one member of two: so the first start writes the number down,
 * durably, before anything else is kept, and later ones compare it.
 */
#include "config.h" /* syncfs */

#include "kv/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static int fail(char *text, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, size, format, args); /* cut when it is long */
    va_end(args);
    return -1;
}

static int make_dir(const char *path, char *text, size_t size)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return 0;
    return fail(text, size, "%s: %s", path, strerror(errno));
}

static int open_dir(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* fd, which is path's, is closed; -1: it could not be opened. */
static int sync_by(int (*sync)(int fd), int fd, const char *path, char *text, size_t size)
{
    int rv = fd >= 0 && sync(fd) == 0 ? 0 : fail(text, size, "%s: %s", path, strerror(errno));

    if (fd >= 0)
        (void)close(fd); /* nothing was written to it */
    return rv;
}

/*
 * What was made in a directory is there after a power failure once the directory is on disk.  A parent that may not be
 * read cannot be opened for that; then all of the file system that it shares with path is written.
 */
static int sync_with_parent(const char *path, const char *parent_path, char *text, size_t size)
{
    int fd;

    if (sync_by(fsync, open_dir(path), path, text, size) != 0)
        return -1;
    fd = open_dir(parent_path);
    if (fd < 0 && errno == EACCES)
        return sync_by(syncfs, open_dir(path), path, text, size);
    return sync_by(fsync, fd, parent_path, text, size);
}

/* Whose it is, or has just become. */
static int claim(int fd, const char *path, uint64_t id, uint64_t cluster_id, char *text, size_t size)
{
    char ours[80];
    char seen[80] = "";
    ssize_t len;

    (void)snprintf(ours, sizeof(ours), "member %" PRIu64 " of cluster %" PRIu64 "\n", id, cluster_id);
    len = pread(fd, seen, sizeof(seen) - 1, 0);
    if (len < 0)
        return fail(text, size, "%s: %s", path, strerror(errno));
    if (len == 0) {
        if (pwrite(fd, ours, strlen(ours), 0) != (ssize_t)strlen(ours) || fsync(fd) != 0)
            return fail(text, size, "%s: %s", path, strerror(errno));
        return 0;
    }
    if (strcmp(seen, ours) == 0)
        return 0;
    seen[strcspn(seen, "\n")] = '\0';
    ours[strcspn(ours, "\n")] = '\0';
    return fail(text, size, "%s is that of %s, not of %s", path, seen, ours);
}

int kv_data_dir_open(struct kv_data_dir *dir, const char *path, uint64_t id, uint64_t cluster_id, char *text,
                     size_t size)
{
    char lock_path[KV_MAX_PATH], parent_path[KV_MAX_PATH];

    dir->lock_fd = -1;
    if (snprintf(lock_path, sizeof(lock_path), "%s/lock", path) >= (int)sizeof(lock_path) ||
        snprintf(dir->log_path, sizeof(dir->log_path), "%s/log", path) >= (int)sizeof(dir->log_path) ||
        snprintf(parent_path, sizeof(parent_path), "%s/..", path) >= (int)sizeof(parent_path))
        return fail(text, size, "the name of the data directory is too long");
    if (make_dir(path, text, size) != 0)
        return -1;
    dir->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (dir->lock_fd < 0)
        return fail(text, size, "%s: %s", lock_path, strerror(errno));
    if (flock(dir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        int err = errno;

        kv_data_dir_close(dir);
        return err == EWOULDBLOCK ? fail(text, size, "the data directory %s is in use by another process", path)
                                  : fail(text, size, "%s: %s", lock_path, strerror(err));
    }
    if (claim(dir->lock_fd, lock_path, id, cluster_id, text, size) == 0 && make_dir(dir->log_path, text, size) == 0 &&
        sync_with_parent(path, parent_path, text, size) == 0)
        return 0;
    kv_data_dir_close(dir);
    return -1;
}

void kv_data_dir_close(struct kv_data_dir *dir)
{
    if (dir->lock_fd >= 0)
        (void)close(dir->lock_fd); /* nothing is buffered */
    dir->lock_fd = -1;
}
