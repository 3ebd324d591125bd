/*
 * seed - prints the seed when a run crashes.
 */
#include "harness/seed.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static const char *name;
static const uint64_t *current;

/* An assert in the library does not print the seed. */
static void on_crash(int signal_number)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%s: signal %d in seed %" PRIu64 "\n", name, signal_number, *current);

    (void)!write(STDERR_FILENO, text, (size_t)len);
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

void seed_tell_of_crashes(const char *program, const uint64_t *seed)
{
    name = program;
    current = seed;
    (void)signal(SIGABRT, on_crash);
    (void)signal(SIGSEGV, on_crash);
}
