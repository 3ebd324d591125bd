/*
 * bodies - the bodies of snapshots.
 *
 * They lie as etcd's do, DIR/%016x.snap.db, and come into a file of another name that takes this one when it is whole
 * and on disk.  A body whose keys cannot be read is refused, and so is a snapshot whose data names no members: its
 * sender hears why.
 */
#include "etcd-member/bodies.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "etcd-member/cluster.h"
#include "etcd-member/database.h"
#include "etcd-member/mem.h"
#include "etcd-member/say.h"

#define SUFFIX ".snap.db"
#define COMING "coming-" /* and six letters: a body that is not whole */

struct body {
    char *path; /* while it comes */
    uint64_t index;
    int fd;
};

static char *path_of(const struct bodies *bodies, uint64_t index)
{
    return mem_print("%s/%016" PRIx64 SUFFIX, bodies->dir, index);
}

/* ---- Receiving
 * ---------------------------------------------------------------------------------------------------------- */

static int on_open(void *ctx, const struct ferry_message *msg, uint64_t size, void **ret_body)
{
    struct bodies *bodies = ctx;
    struct body *body;

    (void)size; /* etcd does not tell it */
    if (!msg->snapshot || !cluster_can_load(msg->snapshot->data))
        return FERRY_ERR_MALFORMED;
    body = mem_zero(sizeof(*body));
    body->index = msg->snapshot->index;
    body->path = mem_print("%s/" COMING "XXXXXX", bodies->dir);
    body->fd = mkostemp(body->path, O_CLOEXEC);
    if (body->fd < 0) {
        int err = errno;

        free(body->path);
        free(body);
        return err;
    }
    *ret_body = body;
    return 0;
}

static int on_write(void *ctx, void *arg, const void *data, size_t len)
{
    const struct body *body = arg;
    const char *at = data;

    (void)ctx;
    while (len > 0) {
        ssize_t n = write(body->fd, at, len);

        if (n < 0 && errno != EINTR)
            return errno;
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static void body_free(struct body *body)
{
    (void)close(body->fd); /* what had to be on disk is */
    free(body->path);
    free(body);
}

static void on_abort(void *ctx, void *arg)
{
    struct body *body = arg;

    (void)ctx;
    (void)unlink(body->path); /* what stays is no harm */
    body_free(body);
}

static int keep(const struct bodies *bodies, const struct body *body)
{
    char *path = path_of(bodies, body->index);
    int dir = open(bodies->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = 0;

    if (dir < 0 || fsync(body->fd) || rename(body->path, path) || fsync(dir))
        err = errno;
    if (dir >= 0)
        (void)close(dir);
    free(path);
    return err;
}

static int on_commit(void *ctx, void *arg)
{
    struct bodies *bodies = ctx;
    struct body *body = arg;
    struct keyspace *keys = database_read(body->path);
    struct keyspace *old;
    int err;

    if (!keys) {
        on_abort(ctx, arg);
        return FERRY_ERR_MALFORMED;
    }
    err = keep(bodies, body);
    if (err) {
        keyspace_free(keys);
        on_abort(ctx, arg);
        return err;
    }
    pthread_mutex_lock(&bodies->mu);
    old = bodies->keys;
    bodies->keys = keys;
    bodies->keys_index = body->index;
    pthread_mutex_unlock(&bodies->mu);
    keyspace_free(old);
    body_free(body);
    return 0;
}

struct ferry_snapshot_sink bodies_sink(struct bodies *bodies)
{
    return (struct ferry_snapshot_sink){
        .ctx = bodies, .open = on_open, .write = on_write, .commit = on_commit, .abort = on_abort};
}

struct keyspace *bodies_take_keys(struct bodies *bodies, uint64_t index)
{
    struct keyspace *keys = NULL;
    char *path;

    pthread_mutex_lock(&bodies->mu);
    if (bodies->keys && bodies->keys_index == index) {
        keys = bodies->keys;
        bodies->keys = NULL;
    }
    pthread_mutex_unlock(&bodies->mu);
    if (keys)
        return keys;
    path = path_of(bodies, index);
    keys = database_read(path);
    free(path);
    return keys;
}

/* ---- Sending
 * -------------------------------------------------------------------------------------------------------------- */

static void on_sent(void *ctx, int err)
{
    int *fd = ctx;

    if (err)
        say("a snapshot was not taken: %s", ferry_strerror(err));
    (void)close(*fd); /* read only */
    free(fd);
}

bool bodies_source(const struct bodies *bodies, uint64_t index, struct ferry_snapshot_source *ret_source)
{
    char *path = path_of(bodies, index);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat file;

    free(path);
    if (fd < 0)
        return false;
    if (fstat(fd, &file)) {
        (void)close(fd); /* read only */
        return false;
    }
    *ret_source = (struct ferry_snapshot_source){
        .ctx = mem_copy(&fd, sizeof(fd)), .size = (uint64_t)file.st_size, .fd = fd, .close = on_sent};
    return true;
}

/* ---- Files
 * ---------------------------------------------------------------------------------------------------------------- */

/* Remove each file whose name goes(ctx, name). */
static void remove_files(const struct bodies *bodies, bool (*goes)(const void *ctx, const char *name), const void *ctx)
{
    DIR *dir = opendir(bodies->dir);
    const struct dirent *file;

    while (dir && (file = readdir(dir)) != NULL)
        if (goes(ctx, file->d_name))
            (void)unlinkat(dirfd(dir), file->d_name, 0); /* one that stays is no harm */
    if (dir)
        (void)closedir(dir);
}

/* Is it an older body than the one of this name? */
static bool is_older(const void *kept, const char *name)
{
    return strlen(name) == strlen(kept) && strcmp(name + 16, SUFFIX) == 0 && strcmp(name, kept) < 0;
}

void bodies_forget_older(const struct bodies *bodies, uint64_t index)
{
    char *kept = mem_print("%016" PRIx64 SUFFIX, index);

    remove_files(bodies, is_older, kept);
    free(kept);
}

static bool was_coming(const void *ctx, const char *name)
{
    (void)ctx;
    return strncmp(name, COMING, strlen(COMING)) == 0;
}

bool bodies_init(struct bodies *bodies, const char *dir)
{
    if (mkdir(dir, 0700) && errno != EEXIST)
        return false;
    *bodies = (struct bodies){.dir = mem_print("%s", dir)};
    pthread_mutex_init(&bodies->mu, NULL);
    remove_files(bodies, was_coming, NULL); /* when we died */
    return true;
}

void bodies_release(struct bodies *bodies)
{
    keyspace_free(bodies->keys);
    pthread_mutex_destroy(&bodies->mu);
    free(bodies->dir);
}
