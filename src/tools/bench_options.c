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
#define MAX_WINDOW 1000000
#define MAX_PEERS 1000
#define MAX_SECONDS 86400
#define MAX_BYTES_UNDER_WAY ((uint64_t)4 << 30)
#define MAX_BUSY_POLL_US 1000000
#define DEFAULT_SECONDS 5

/* The words that an option takes, each standing for its place. */
static const char *const deliveries[] = {
    [FERRY_DELIVER_WORKERS] = "workers", [FERRY_DELIVER_INLINE] = "inline", [FERRY_DELIVER_HOST] = "host", NULL};
static const char *const sinks[] = {[BENCH_SINK_DISCARD] = "discard", [BENCH_SINK_FILE] = "file", NULL};
static const char *const sockets[] = {[BENCH_SOCKET_TCP] = "tcp", [BENCH_SOCKET_PAIR] = "pair", NULL};

enum option_id {
    OPT_MODE = 1,
    OPT_MESSAGES,
    OPT_SIZE,
    OPT_WINDOW,
    OPT_PEERS,
    OPT_SECONDS,
    OPT_DELIVERY,
    OPT_BUSY_POLL,
    OPT_SINK,
    OPT_SOCKET,
    OPT_TLS,
    OPT_JSON,
    OPT_HELP,
    OPT_VERSION
};

static const struct {
    const char *name;
    const char *takes; /* NULL: nothing */
    const char *help;
    enum option_id id;
    unsigned needs; /* what a mode has to have for it; 0: nothing */
} table[] = {
    {"mode", "MODE", "what to measure, see below (msgapp)", OPT_MODE, 0},
    {"messages", "N", "how many messages, or round trips", OPT_MESSAGES, BENCH_HAS_MESSAGES},
    {"size", "BYTES", "the entry's data, the heartbeat's context, or the snapshot's body", OPT_SIZE, BENCH_HAS_SIZE},
    {"window", "W", "messages sent and not yet delivered, at most", OPT_WINDOW, BENCH_HAS_WINDOW},
    {"peers", "N", "how many peers the one in the middle has", OPT_PEERS, BENCH_HAS_PEERS},
    {"seconds", "S", "how long to look at what is idle (5)", OPT_SECONDS, BENCH_HAS_SECONDS},
    {"delivery", "HOW", "who calls the core: inline, workers or host (workers)", OPT_DELIVERY, BENCH_HAS_DELIVERY},
    {"busy-poll-us", "N", "how long a thread may spin before it sleeps (the library's default)", OPT_BUSY_POLL,
     BENCH_HAS_DELIVERY},
    {"sink", "WHERE", "what becomes of a snapshot: discard or file (discard)", OPT_SINK, BENCH_HAS_SINK},
    {"socket", "KIND", "what raw bytes go over: tcp or pair (tcp)", OPT_SOCKET, BENCH_HAS_SOCKET},
    {"tls", NULL, "talk over mutual TLS, with certificates made for the measurement", OPT_TLS, BENCH_HAS_TLS},
    {"json", NULL, "print one JSON object instead of a table", OPT_JSON, 0},
    {"help", NULL, "print this text", OPT_HELP, 0},
    {"version", NULL, "print the version", OPT_VERSION, 0},
};
#define N_OPTIONS (sizeof(table) / sizeof(table[0]))

/* In a set of the options that were given. */
#define SAID(id) (1u << (id))

const char *bench_delivery_name(enum ferry_delivery delivery)
{
    return deliveries[delivery];
}

/* A size as a person would say it. */
static const char *size_text(uint64_t size, char *text, size_t text_size)
{
    static const char *const units[] = {"", " KiB", " MiB", " GiB"};
    unsigned unit = 0;

    for (; size > 0 && size % 1024 == 0 && unit < 3; unit++)
        size /= 1024;
    (void)snprintf(text, text_size, "%" PRIu64 "%s", size, units[unit]);
    return text;
}

static void print_mode(const struct bench_mode *mode, FILE *to)
{
    char size[32];
    const char *before = "";

    fprintf(to, "  %-20s %s (", mode->name, mode->summary);
    if (mode->has & BENCH_HAS_MESSAGES) {
        fprintf(to, "%" PRIu64 " messages", mode->messages);
        before = ", ";
    }
    if (mode->has & BENCH_HAS_SIZE) {
        fprintf(to, "%ssize %s", before, size_text(mode->size, size, sizeof(size)));
        before = ", ";
    }
    if (mode->has & BENCH_HAS_WINDOW)
        fprintf(to, ", window %" PRIu64, mode->window);
    if (mode->has & BENCH_HAS_PEERS)
        fprintf(to, "%s%" PRIu64 " peers", before, mode->peers);
    fputs(")\n", to);
}

void bench_options_print_help(FILE *to)
{
    fputs("usage: ferry-bench [OPTION...]\n"
          "\n"
          "Measures members in one process that talk over loopback sockets.\n"
          "\n",
          to);
    for (size_t i = 0; i < N_OPTIONS; i++) {
        char left[40];

        (void)snprintf(left, sizeof(left), "--%s %s", table[i].name, table[i].takes ? table[i].takes : "");
        fprintf(to, "  %-20s %s\n", left, table[i].help);
    }
    fputs("\nModes, each with its defaults:\n", to);
    for (size_t i = 0; bench_modes[i]; i++)
        print_mode(bench_modes[i], to);
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

/* The place of a word in a NULL-ended list; -1: it is not there. */
static int place_of(const char *const *words, const char *word)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

/* Take the option whose value is text.  NULL when it is fine, else what it should have been. */
static const char *take(enum option_id id, const char *text, struct bench_options *options)
{
    uint64_t number = 0;
    int place;

    switch (id) {
    case OPT_MODE:
        options->mode = mode_by_name(text);
        return options->mode ? NULL : "a mode (see --help)";
    case OPT_MESSAGES:
        return number_parse(text, 1, MAX_MESSAGES, &options->messages) ? NULL : "a number from 1 to 100000000000";
    case OPT_SIZE:
        if (!number_parse(text, 0, SIZE_MAX / 2, &number))
            return "a number of bytes";
        options->size = (size_t)number;
        return NULL;
    case OPT_WINDOW:
        return number_parse(text, 1, MAX_WINDOW, &options->window) ? NULL : "a number from 1 to 1000000";
    case OPT_PEERS:
        return number_parse(text, 1, MAX_PEERS, &options->peers) ? NULL : "a number from 1 to 1000";
    case OPT_SECONDS:
        return number_parse(text, 1, MAX_SECONDS, &options->seconds) ? NULL : "a number from 1 to 86400";
    case OPT_DELIVERY:
        place = place_of(deliveries, text);
        options->delivery = (enum ferry_delivery)(place < 0 ? 0 : place);
        return place >= 0 ? NULL : "inline, workers or host";
    case OPT_SINK:
        place = place_of(sinks, text);
        options->sink = (enum bench_sink)(place < 0 ? 0 : place);
        return place >= 0 ? NULL : "discard or file";
    case OPT_SOCKET:
        place = place_of(sockets, text);
        options->socket = (enum bench_socket)(place < 0 ? 0 : place);
        return place >= 0 ? NULL : "tcp or pair";
    case OPT_BUSY_POLL:
        if (!number_parse(text, 0, MAX_BUSY_POLL_US, &number))
            return "a number of microseconds from 0 to 1000000";
        options->busy_poll_us = (unsigned)number;
        return NULL;
    case OPT_TLS:
        options->tls = true;
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

/* Fill in what was not said, now that the mode is known. */
static void fill_defaults(struct bench_options *options, unsigned said)
{
    const struct bench_mode *mode = options->mode;

    if (!(said & SAID(OPT_MESSAGES)))
        options->messages = mode->messages;
    if (!(said & SAID(OPT_SIZE)))
        options->size = (size_t)mode->size;
    if (!(said & SAID(OPT_WINDOW)))
        options->window = mode->window;
    if (!(said & SAID(OPT_PEERS)))
        options->peers = mode->peers;
    if (options->window > options->messages && mode->has & BENCH_HAS_MESSAGES)
        options->window = options->messages;
}

/* What was said, and each for itself is good, has to fit together. */
static enum bench_options_outcome check(const struct bench_options *options, unsigned said, char *text, size_t size)
{
    const struct bench_mode *mode = options->mode;

    for (size_t i = 0; i < N_OPTIONS; i++)
        if (said & SAID(table[i].id) && (mode->has & table[i].needs) != table[i].needs)
            return wrong(text, size, "--%s means nothing to mode %s", table[i].name, mode->name);
    if (options->delivery == FERRY_DELIVER_HOST && !(mode->has & BENCH_HAS_HOST))
        return wrong(text, size, "mode %s cannot be measured with --delivery host", mode->name);
    if (options->size > mode->max_size)
        return wrong(text, size, "--size: '%zu' is not a number of bytes from 0 to %" PRIu64, options->size,
                     mode->max_size);
    if (options->window > MAX_BYTES_UNDER_WAY / (options->size + 1) && mode->has & BENCH_HAS_WINDOW)
        return wrong(text, size,
                     "--size times --window is more than 4 GiB under way, take a smaller window: %zu x %" PRIu64,
                     options->size, options->window);
    if (options->tls && options->socket == BENCH_SOCKET_PAIR)
        return wrong(text, size, "--tls goes over --socket tcp alone");
    return BENCH_OPTIONS_RUN;
}

enum bench_options_outcome bench_options_parse(int argc, char **argv, struct bench_options *ret_options,
                                               char *ret_wrong, size_t wrong_size)
{
    const struct ferry_config defaults = FERRY_CONFIG_INIT;
    struct bench_options options = {.mode = bench_modes[0],
                                    .seconds = DEFAULT_SECONDS,
                                    .delivery = defaults.delivery,
                                    .busy_poll_us = defaults.busy_poll_us};
    struct option known[N_OPTIONS + 1] = {{0}};
    enum bench_options_outcome outcome;
    unsigned said = 0;
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
        should_be = take((enum option_id)id, optarg, &options);
        if (should_be)
            return wrong(ret_wrong, wrong_size, "--%s: '%s' is not %s", table[id - 1].name, optarg, should_be);
        said |= SAID(id);
    }
    if (optind < argc)
        return wrong(ret_wrong, wrong_size, "not an option: %s", argv[optind]);
    fill_defaults(&options, said);
    outcome = check(&options, said, ret_wrong, wrong_size);
    if (outcome == BENCH_OPTIONS_RUN)
        *ret_options = options;
    return outcome;
}
