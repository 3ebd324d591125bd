/*
 * rig - the common main of the test programs.
 */
#include "harness/rig.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/heap.h"

/*
 * libcurl tells of the end of a socket that was still connecting only after it has closed it (curl's issue 14976).  By
 * then the number may be another transport's, and taking it out of our own epoll set fails, which harms nobody; but the
 * thread sanitizer sees one thread use a descriptor that another one has just made.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:on_socket_change\n";
}

static TCase *add_case(Suite *suite, const char *name, void (*setup)(void), void (*teardown)(void))
{
    const char *timeout = getenv("RIG_TIMEOUT");
    TCase *tcase = tcase_create(name);

    tcase_set_timeout(tcase, timeout ? strtod(timeout, NULL) : 60);
    if (setup || teardown)
        tcase_add_checked_fixture(tcase, setup, teardown);
    suite_add_tcase(suite, tcase);
    return tcase;
}

static int run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int n_failed;

    heap_setup(); /* also links the heap into tests that do not use it: the linker's wraps need it */
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
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
    return run(suite);
}

int rig_main_cases(const char *name, void (*setup)(void), void (*teardown)(void), const struct rig_case *cases)
{
    Suite *suite = suite_create(name);

    for (; cases->name; cases++)
        cases->add_tests(add_case(suite, cases->name, setup, teardown));
    return run(suite);
}

const char *rig_path(const char *relative)
{
    static char path[4096];
    const char *srcdir = getenv("FERRY_SRCDIR");

    snprintf(path, sizeof(path), "%s/%s", srcdir ? srcdir : ".", relative);
    return path;
}
