/*
 * kv_program - the ferry-kv that tests run as processes.
 */
#include "harness/kv_program.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness/rig.h"

static void tell_thread_sanitizer(void)
{
    char options[1024];

    (void)snprintf(options, sizeof(options), "suppressions=%s", rig_path("tests/integration/tsan.supp"));
    (void)setenv("TSAN_OPTIONS", options, 0);
}

const char *kv_program(void)
{
    static char path[4096];
    const char *builddir = getenv("FERRY_BUILDDIR");

    tell_thread_sanitizer();
    (void)snprintf(path, sizeof(path), "%s/ferry-kv", builddir ? builddir : ".");
    return path;
}
