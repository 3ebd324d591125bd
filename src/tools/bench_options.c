/*
 * bench_options - ferry-bench's command line.
 *
 * One table holds every option: its name, what it takes, and its line of the help.  What an option's default is may
 * depend on the mode, so defaults are filled in when all options are read.
 */
#include "tools/bench_options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "tools/bench_mode.h"
#include "tools/number.h"

#define MAX_MESSAGES 100000000000
#define MAX_SIZE ((uint64_t)256 << 20)
#define MAX_WINDOW 1000000
#define MAX_BYTES_UNDER_WAY ((uint64_t)4 << 30)
#define MAX_BUSY_POLL_US 1000000

static const char *const deliveries[] = {
    [FERRY_DELIVER_WORKERS] = "workers", [FERRY_DELIVER_INLINE] = "inline", [FERRY_DELIVER_HOST] = "host"};
#define N_DELIVERIES (sizeof(deliveries) / sizeof(deliveries[0]))

enum option_id {
    OPT_MODE = 1,
    OPT_MESSAGES,
    OPT_SIZE,
    OPT_WINDOW,
    OPT_DELIVERY,
    OPT_BUSY_POLL,
    OPT_JSON,
    OPT_HELP,
    OPT_VERSION
};

static const struct {
    const char *name;
    const char *takes; /* NULL: nothing */
    const char *help;
    enum option_id id;
} table[] = {
    {"mode", "MODE", "what to measure, see below (msgapp)", OPT_MODE},
    {"messages", "N", "how many messages, or round trips (1000000 msgapp, 100000 pingpong)", OPT_MESSAGES},
    {"size", "BYTES", "the entry's data, or the heartbeat's context (64 msgapp, 0 pingpong)", OPT_SIZE},
    {"window", "W", "msgapp: messages sent and not yet delivered, at most (2048)", OPT_WINDOW},
    {"delivery", "HOW", "who calls the core: inline, workers or host (workers)", OPT_DELIVERY},
    {"busy-poll-us", "N", "how long a loop may spin before it sleeps (the library's default)", OPT_BUSY_POLL},
    {"json", NULL, "print one JSON object instead of a table", OPT_JSON},
    {"help", NULL, "print this text", OPT_HELP},
    {"version", NULL, "print the version", OPT_VERSION},
};
#define N_OPTIONS (sizeof(table) / sizeof(table[0]))

/* What was said on the command line, and whether it was. */
struct said {
    bool messages;
    bool size;
};

const char *bench_delivery_name(enum ferry_delivery delivery)
{
    return deliveries[delivery];
}

void bench_options_print_help(FILE *to)
{
    fputs("usage: ferry-bench [OPTION...]\n"
          "\n"
          "Measures two members in one process that talk over loopback sockets.\n"
          "\n",
          to);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        char left[40];

        (void)snprintf(left, sizeof(left), "--%s %s", table[i].name, table[i].takes ? table[i].takes : "");
        fprintf(to, "  %-20s %s\n", left, table[i].help);
    }
    fputs("\nModes:\n", to);
    for (size_t i = 0; bench_modes[i]; i++)
        fprintf(to, "  %-20s %s\n", bench_modes[i]->name, bench_modes[i]->summary);
    fputs("\n"
          "Exit status: 0 measured, 1 could not be measured, 2 wrong options.\n",
          to);
}

__attribute__((format(printf, 3, 4))) static enum bench_options_outcome wrong(char *text, size_t size,
                                                                              const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, size, format, args); /* cut when it is long: one line is enough */
    va_end(args);
    return BENCH_OPTIONS_WRONG;
}

static const struct bench_mode *mode_by_name(const char *name)
{
    for (size_t i = 0; bench_modes[i]; i++)
        if (strcmp(bench_modes[i]->name, name) == 0)
            return bench_modes[i];
    return NULL;
}

static bool delivery_by_name(const char *name, enum ferry_delivery *ret_delivery)
{
    for (size_t i = 0; i < N_DELIVERIES; i++) {
        if (strcmp(deliveries[i], name) == 0) {
            *ret_delivery = (enum ferry_delivery)i;
            return true;
        }
    }
    return false;
}

/* Take the option whose value is text.  NULL when it is fine, else what it should have been. */
static const char *take(enum option_id id, const char *text, struct bench_options *options, struct said *said)
{
    uint64_t number;

    switch (id) {
    case OPT_MODE:
        options->mode = mode_by_name(text);
        return options->mode ? NULL : "a mode (see --help)";
    case OPT_MESSAGES:
        said->messages = number_parse(text, 1, MAX_MESSAGES, &options->messages);
        return said->messages ? NULL : "a number from 1 to 100000000000";
    case OPT_SIZE:
        said->size = number_parse(text, 0, MAX_SIZE, &number);
        options->size = said->size ? (size_t)number : 0;
        return said->size ? NULL : "a number of bytes from 0 to 268435456";
    case OPT_WINDOW:
        return number_parse(text, 1, MAX_WINDOW, &options->window) ? NULL : "a number from 1 to 1000000";
    case OPT_DELIVERY:
        return delivery_by_name(text, &options->delivery) ? NULL : "inline, workers or host";
    case OPT_BUSY_POLL:
        if (!number_parse(text, 0, MAX_BUSY_POLL_US, &number))
            return "a number of microseconds from 0 to 1000000";
        options->busy_poll_us = (unsigned)number;
        return NULL;
    case OPT_JSON:
        options->json = true;
        return NULL;
    case OPT_HELP:
    case OPT_VERSION:
        break;
    }
    return NULL;
}

enum bench_options_outcome bench_options_parse(int argc, char **argv, struct bench_options *ret_options,
                                               char *ret_wrong, size_t wrong_size)
{
    const struct ferry_config defaults = FERRY_CONFIG_INIT;
    struct bench_options options = {
        .mode = bench_modes[0], .window = 2048, .delivery = defaults.delivery, .busy_poll_us = defaults.busy_poll_us};
    struct option known[N_OPTIONS + 1] = {{0}};
    struct said said = {0};
    int at;
    int id;

    for (size_t i = 0; i < N_OPTIONS; i++)
        known[i] = (struct option){table[i].name, table[i].takes ? required_argument : no_argument, NULL, table[i].id};
    optind = 0; /* begin anew, also after an earlier parse */
    opterr = 0;
    for (;;) {
        const char *should_be;

        at = optind > 0 ? optind : 1;
        id = getopt_long(argc, argv, "+:", known, NULL);
        if (id == -1)
            break;
        if (id == OPT_HELP)
            return BENCH_OPTIONS_HELP;
        if (id == OPT_VERSION)
            return BENCH_OPTIONS_VERSION;
        if (id == '?')
            return wrong(ret_wrong, wrong_size, "no such option, or one that takes no value: %s", argv[at]);
        if (id == ':')
            return wrong(ret_wrong, wrong_size, "%s needs a value", argv[at]);
        should_be = take((enum option_id)id, optarg, &options, &said);
        if (should_be)
            return wrong(ret_wrong, wrong_size, "--%s: '%s' is not %s", table[id - 1].name, optarg, should_be);
    }
    if (optind < argc)
        return wrong(ret_wrong, wrong_size, "not an option: %s", argv[optind]);
    if (!said.messages)
        options.messages = options.mode->default_messages;
    if (!said.size)
        options.size = options.mode->default_size;
    if (!options.mode->has_window)
        options.window = 1;
    if (options.window > options.messages)
        options.window = options.messages;
    if (options.window * options.size > MAX_BYTES_UNDER_WAY)
        return wrong(ret_wrong, wrong_size,
                     "--size times --window is more than 4 GiB under way, take a smaller window: %zu x %" PRIu64,
                     options.size, options.window);
    *ret_options = options;
    return BENCH_OPTIONS_RUN;
}
