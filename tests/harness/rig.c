/*
 * rig - the common main of the test programs.
 */
#include "config.h" /* _GNU_SOURCE, for nftw */

#include "harness/rig.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/heap.h"
#include "harness/patience.h"

/*
 * libcurl reports the end of a socket that was still connecting only after closing it (curl issue 14976).  By then the
 * number may belong to another transport, and removing it from our epoll set fails, which is harmless; but the thread
 * sanitizer sees one thread use a descriptor that another has just created.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:transfers_on_socket\n";
}

/* ---- Files ---- */

#define LOG_TAIL 4000 /* bytes */

static char work_dir[200]; /* of the whole program; "" before the first test */

static void make_work_dir(const char *name)
{
    const char *parent = getenv("TMPDIR");

    (void)snprintf(work_dir, sizeof(work_dir), "%s/ferry-%s-XXXXXX", parent && parent[0] ? parent : "/tmp", name);
    if (!mkdtemp(work_dir)) {
        perror(work_dir);
        exit(EXIT_FAILURE);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

void rig_remove_dir(const char *path)
{
    if (!getenv("RIG_KEEP"))
        (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int print_log(const char *path, const struct stat *st, int type, struct FTW *where)
{
    const char *dot = strrchr(path, '.');
    static char tail[LOG_TAIL + 1];
    FILE *file;

    if (type != FTW_F || where->level > 2 || !dot || strcmp(dot, ".log") != 0 || !(file = fopen(path, "r")))
        return 0;
    if (st->st_size > LOG_TAIL)
        (void)fseek(file, -LOG_TAIL, SEEK_END);
    tail[fread(tail, 1, LOG_TAIL, file)] = '\0';
    (void)fclose(file);
    fprintf(stderr, "# ---- the end of %s\n%s\n", path, tail);
    return 0;
}

/* Called by the process that outlives the tests: a failed test has removed nothing. */
static void remove_work_dir(void)
{
    (void)nftw(work_dir, print_log, 8, FTW_PHYS);
    rig_remove_dir(work_dir);
}

void rig_make_dir(char ret_path[RIG_DIR_SIZE])
{
    (void)snprintf(ret_path, RIG_DIR_SIZE, "%s/XXXXXX", work_dir);
    ck_assert_ptr_nonnull(mkdtemp(ret_path));
}

/* ---- Tests ---- */

static TCase *add_case(Suite *suite, const char *name, void (*setup)(void), void (*teardown)(void))
{
    const char *timeout = getenv("RIG_TIMEOUT");
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, timeout ? strtod(timeout, NULL) : patience_ms(60000) / 1000.0);
    if (setup || teardown)
        tcase_add_checked_fixture(tcase, setup, teardown);
    suite_add_tcase(suite, tcase);
    return tcase;
}

static int run(Suite *suite, const char *name)
{
    SRunner *runner;
    int n_failed;

    heap_setup(); /* also links the heap into tests that do not use it: the linker's wraps need it */
    make_work_dir(name);
    runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    remove_work_dir();
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int rig_main(const char *name, void (*setup)(void), void (*teardown)(void), const TTest *first, ...)
{
    Suite *suite = suite_create(name);
    TCase *tcase = add_case(suite, name, setup, teardown);
    va_list tests;

    va_start(tests, first);
    for (const TTest *test = first; test; test = va_arg(tests, const TTest *))
        tcase_add_test(tcase, test);
    va_end(tests);
    return run(suite, name);
}

int rig_main_cases(const char *name, void (*setup)(void), void (*teardown)(void), const struct rig_case *cases)
{
    Suite *suite = suite_create(name);

    for (; cases->name; cases++)
        cases->add_tests(add_case(suite, cases->name, setup, teardown));
    return run(suite, name);
}

void rig_step_aside(void)
{
    (void)!nice(10); /* if it is not available, tests run at normal priority */
    (void)setenv("RIG_TIMEOUT", "300", 0);
}

const char *rig_path(const char *relative)
{
    static char path[4096];
    const char *srcdir = getenv("FERRY_SRCDIR");

    snprintf(path, sizeof(path), "%s/%s", srcdir ? srcdir : ".", relative);
    return path;
}
