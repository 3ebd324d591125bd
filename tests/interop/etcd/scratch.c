/*
 * scratch - mkdtemp and nftw.
 *
 * Check ends a failed test without its teardown, so that its directory is still there in the end.  With FERRY_ETCD_KEEP
 * in the environment everything stays, for a look at it.
 */
#include "config.h"

#include "interop/etcd/scratch.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DESCRIPTORS 16
#define LOG_TAIL 4000 /* bytes */

static char root[96];
static char current[128];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
    (void)st;
    (void)type;
    (void)place;
    (void)remove(path); /* what cannot be removed shows when its directory cannot */
    return 0;
}

static int print_log(const char *path, const struct stat *st, int type, struct FTW *place)
{
    const char *dot = strrchr(path, '.');
    static char tail[LOG_TAIL + 1];
    FILE *file;
    size_t n;

    (void)place;
    if (type != FTW_F || !dot || strcmp(dot, ".log") != 0 || !(file = fopen(path, "r")))
        return 0;
    if (st->st_size > LOG_TAIL)
        (void)fseek(file, -LOG_TAIL, SEEK_END);
    n = fread(tail, 1, LOG_TAIL, file);
    fclose(file);
    tail[n] = '\0';
    fprintf(stderr, "# ---- the end of %s\n%s\n", path, tail);
    return 0;
}

static void remove_all(const char *path)
{
    if (!getenv("FERRY_ETCD_KEEP"))
        (void)nftw(path, remove_one, MAX_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

void scratch_setup(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(root, sizeof(root), "%s/ferry-etcd-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(root)) {
        perror(root);
        exit(EXIT_FAILURE);
    }
    if (getenv("FERRY_ETCD_KEEP"))
        fprintf(stderr, "# what the servers write stays in %s\n", root);
}

void scratch_teardown(void)
{
    (void)nftw(root, print_log, MAX_DESCRIPTORS, FTW_PHYS);
    remove_all(root);
}

void scratch_enter(void)
{
    snprintf(current, sizeof(current), "%s/%d", root, (int)getpid());
    ck_assert(mkdir(current, 0700) == 0 || errno == EEXIST);
}

void scratch_leave(void)
{
    remove_all(current);
}

void scratch_path(char *path, size_t size, const char *format, ...)
{
    size_t len = (size_t)snprintf(path, size, "%s/", current);
    va_list args;
    int n;

    ck_assert_uint_lt(len, size);
    va_start(args, format);
    n = vsnprintf(path + len, size - len, format, args);
    va_end(args);
    ck_assert_uint_lt((size_t)n, size - len);
}
