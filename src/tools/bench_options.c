/*
 * bench_options - ferry-bench's command line.
 *
 * One table holds every option: its name, its argument, and its line in the help.  Defaults may depend on the mode, so
 * they are filled in after all options are read.
 */
#include "tools/bench_options.h"

#include <inttypes.h>
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
    OPT_JSON
};

static const struct flag table[] = {
    {"mode", "MODE", "what to measure, see below (msgapp)", OPT_MODE},
    {"messages", "N", "how many messages, or round trips", OPT_MESSAGES},
    {"size", "BYTES", "the entry's data, the heartbeat's context, or the snapshot's body", OPT_SIZE},
    {"window", "W", "messages sent and not yet delivered, at most", OPT_WINDOW},
    {"peers", "N", "how many peers the measured member has", OPT_PEERS},
    {"seconds", "S", "how long to measure idle peers (5)", OPT_SECONDS},
    {"delivery", "HOW", "which threads call the core: inline, workers or host (workers)", OPT_DELIVERY},
    {"busy-poll-us", "N", "how long a thread may spin before it sleeps (the library's default)", OPT_BUSY_POLL},
    {"sink", "WHERE", "where a received snapshot goes: discard or file (discard)", OPT_SINK},
    {"socket", "KIND", "socket of mode raw: tcp or pair (tcp)", OPT_SOCKET},
    {"tls", NULL, "use mutual TLS, with certificates made for the measurement", OPT_TLS},
    {"json", NULL, "print one JSON object instead of a table", OPT_JSON},
};
#define N_OPTIONS (sizeof(table) / sizeof(table[0]))

/* What a mode has to have for an option; of those that are not here: nothing. */
static const unsigned needs[] = {
    [OPT_MESSAGES] = BENCH_HAS_MESSAGES,
    [OPT_SIZE] = BENCH_HAS_SIZE,
    [OPT_WINDOW] = BENCH_HAS_WINDOW,
    [OPT_PEERS] = BENCH_HAS_PEERS,
    [OPT_SECONDS] = BENCH_HAS_SECONDS,
    [OPT_DELIVERY] = BENCH_HAS_DELIVERY,
    [OPT_BUSY_POLL] = BENCH_HAS_DELIVERY,
    [OPT_SINK] = BENCH_HAS_SINK,
    [OPT_SOCKET] = BENCH_HAS_SOCKET,
    [OPT_TLS] = BENCH_HAS_TLS,
    [OPT_JSON] = 0,
};

static flags_take_fn take;
static const struct flags flags = {table, N_OPTIONS, take};

/* What has been read so far. */
struct reading {
    struct bench_options options;
    unsigned said; /* a set of option ids */
};

/* In a set of the options that were given. */
#define SAID(id) (1u << (id))

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
          "Measures members in one process that exchange messages over loopback sockets.\n"
          "\n",
          to);
    flags_print_help(&flags, to);
    fputs("\nModes, each with its defaults:\n", to);
    for (size_t i = 0; bench_modes[i]; i++)
        print_mode(bench_modes[i], to);
    fputs("\n"
          "Exit status: 0 measured, 1 could not be measured, 2 wrong options.\n",
          to);
}

static const struct bench_mode *mode_by_name(const char *name)
{
    for (size_t i = 0; bench_modes[i]; i++)
        if (strcmp(bench_modes[i]->name, name) == 0)
            return bench_modes[i];
    return NULL;
}

/* Take the option whose value is text.  NULL when it is fine, else what it should have been. */
static const char *take(int id, const char *text, void *ctx)
{
    struct reading *reading = ctx;
    struct bench_options *options = &reading->options;
    uint64_t number = 0;
    int place;

    reading->said |= SAID(id);
    switch ((enum option_id)id) {
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
        place = flags_find_word(deliveries, text);
        options->delivery = (enum ferry_delivery)(place < 0 ? 0 : place);
        return place >= 0 ? NULL : "inline, workers or host";
    case OPT_SINK:
        place = flags_find_word(sinks, text);
        options->sink = (enum bench_sink)(place < 0 ? 0 : place);
        return place >= 0 ? NULL : "discard or file";
    case OPT_SOCKET:
        place = flags_find_word(sockets, text);
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
    options->delivery_name = deliveries[options->delivery];
}

/* What was said, and each for itself is good, has to fit together. */
static enum flags_outcome check(const struct bench_options *options, unsigned said, struct flags_fault *ret_fault)
{
    const struct bench_mode *mode = options->mode;

    for (size_t i = 0; i < N_OPTIONS; i++)
        if (said & SAID(table[i].id) && ~mode->has & needs[table[i].id])
            return flags_refuse(ret_fault, "--%s has no effect in mode %s", table[i].name, mode->name);
    if (options->delivery == FERRY_DELIVER_HOST && !(mode->has & BENCH_HAS_HOST))
        return flags_refuse(ret_fault, "mode %s cannot be measured with --delivery host", mode->name);
    if (options->size > mode->max_size)
        return flags_refuse(ret_fault, "--size takes a number of bytes from 0 to %" PRIu64 ", not '%zu'",
                            mode->max_size, options->size);
    if (options->window > MAX_BYTES_UNDER_WAY / (options->size + 1) && mode->has & BENCH_HAS_WINDOW)
        return flags_refuse(ret_fault, "--size times --window exceeds 4 GiB, use a smaller window: %zu x %" PRIu64,
                            options->size, options->window);
    if (options->tls && options->socket == BENCH_SOCKET_PAIR)
        return flags_refuse(ret_fault, "--tls needs --socket tcp");
    return FLAGS_OK;
}

enum flags_outcome bench_options_parse(int argc, char **argv, struct bench_options *ret_options,
                                       struct flags_fault *ret_fault)
{
    const struct ferry_config defaults = FERRY_CONFIG_INIT;
    struct reading reading = {.options = {.mode = bench_modes[0],
                                          .seconds = DEFAULT_SECONDS,
                                          .delivery = defaults.delivery,
                                          .busy_poll_us = defaults.busy_poll_us}};
    enum flags_outcome outcome = flags_parse(&flags, argc, argv, &reading, ret_fault);

    if (outcome != FLAGS_OK)
        return outcome;
    fill_defaults(&reading.options, reading.said);
    outcome = check(&reading.options, reading.said, ret_fault);
    if (outcome == FLAGS_OK)
        *ret_options = reading.options;
    return outcome;
}
