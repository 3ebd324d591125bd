/*
 * flags - reads a program's command line by one table of its flags.
 *
 * getopt finds where a flag ends and what its value is, but reports errors only as one character.  The table tells
 * which flag is meant, or which ones it could be.
 */
#include "tools/flags.h"

#include <assert.h>
#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_WRONG_FLAGS 2
#define FIRST_VAL 256 /* what getopt returns for the first flag: above all characters */

static const struct flag own[] = {
    {"help", NULL, "print this text", FLAGS_HELP},
    {"version", NULL, "print the version", FLAGS_VERSION},
};
#define N_OWN (sizeof(own) / sizeof(own[0]))

/* The program's flags, followed by our own. */
static const struct flag *flag_at(const struct flags *flags, size_t i)
{
    return i < flags->n ? &flags->list[i] : &own[i - flags->n];
}

enum flags_outcome flags_refuse(struct flags_fault *ret_fault, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(ret_fault->text, sizeof(ret_fault->text), format, args); /* cut off: one line is enough */
    va_end(args);
    for (char *at = ret_fault->text; *at; at++)
        if (iscntrl((unsigned char)*at))
            *at = '?';
    return FLAGS_WRONG;
}

/* Report a word that is no flag's name, or the beginning of several. */
static enum flags_outcome refuse_name(const struct flags *flags, const char *word, struct flags_fault *ret_fault)
{
    size_t len = strcspn(word, "=");
    char fitting[sizeof(ret_fault->text)] = "";

    if (len <= 2) /* it has no name */
        len = strlen(word);
    for (size_t i = 0; i < flags->n + N_OWN; i++) {
        const char *name = flag_at(flags, i)->name;
        size_t used = strlen(fitting);

        if (word[1] == '-' && strncmp(name, word + 2, len - 2) == 0)
            (void)snprintf(fitting + used, sizeof(fitting) - used, "%s--%s", used > 0 ? ", " : "", name);
    }
    if (*fitting)
        return flags_refuse(ret_fault, "%.*s is short for several options: %s", (int)len, word, fitting);
    return flags_refuse(ret_fault, "no such option: %.*s", (int)len, word);
}

/* Handle what getopt returned for the flag that begins with word: take it, or report the error. */
static enum flags_outcome take(const struct flags *flags, int got, const char *word, void *ctx,
                               struct flags_fault *ret_fault)
{
    int val = got < FIRST_VAL ? optopt : got;
    const struct flag *flag;
    const char *should_be;

    if (val < FIRST_VAL)
        return refuse_name(flags, word, ret_fault);
    flag = flag_at(flags, (size_t)(val - FIRST_VAL));
    if (got == '?')
        return flags_refuse(ret_fault, "--%s takes no value", flag->name);
    if (got == ':' || (flag->takes && !*optarg))
        return flags_refuse(ret_fault, "--%s needs a value: %s", flag->name, flag->takes);
    if (flag >= own && flag < own + N_OWN)
        return (enum flags_outcome)flag->id;
    should_be = flags->take(flag->id, optarg, ctx);
    if (should_be)
        return flags_refuse(ret_fault, "--%s takes %s, not '%s'", flag->name, should_be, optarg);
    return FLAGS_OK;
}

enum flags_outcome flags_parse(const struct flags *flags, int argc, char **argv, void *ctx,
                               struct flags_fault *ret_fault)
{
    struct option known[FLAGS_MAX + N_OWN + 1] = {{0}};

    assert(flags->n <= FLAGS_MAX);
    for (size_t i = 0; i < flags->n + N_OWN; i++) {
        const struct flag *flag = flag_at(flags, i);

        known[i] = (struct option){flag->name, flag->takes ? required_argument : no_argument, NULL, FIRST_VAL + (int)i};
    }
    optind = 0; /* start over, also after an earlier parse */
    opterr = 0;
    for (;;) {
        int at = optind > 0 ? optind : 1;
        int got = getopt_long(argc, argv, "+:", known, NULL);
        enum flags_outcome outcome;

        if (got == -1)
            break;
        outcome = take(flags, got, argv[at], ctx, ret_fault);
        if (outcome != FLAGS_OK)
            return outcome;
    }
    if (optind < argc)
        return flags_refuse(ret_fault, "not an option: '%s'", argv[optind]);
    return FLAGS_OK;
}

void flags_settle(enum flags_outcome outcome, const struct flags_fault *fault, const char *program, const char *version,
                  void (*print_help)(FILE *to))
{
    switch (outcome) {
    case FLAGS_OK:
        return;
    case FLAGS_HELP:
        print_help(stdout);
        exit(EXIT_SUCCESS);
    case FLAGS_VERSION:
        printf("%s %s\n", program, version);
        exit(EXIT_SUCCESS);
    case FLAGS_WRONG:
        fprintf(stderr, "%s: %s\n", program, fault->text);
        exit(EXIT_WRONG_FLAGS);
    }
}

/* ---- Help and words ---------------------------------------------------------------------------------------------- */

static int width_of(const struct flag *flag)
{
    return (int)(strlen(flag->name) + (flag->takes ? strlen(" ") + strlen(flag->takes) : 0));
}

void flags_print_help(const struct flags *flags, FILE *to)
{
    int widest = 0;

    for (size_t i = 0; i < flags->n + N_OWN; i++)
        if (width_of(flag_at(flags, i)) > widest)
            widest = width_of(flag_at(flags, i));
    for (size_t i = 0; i < flags->n + N_OWN; i++) {
        const struct flag *flag = flag_at(flags, i);

        fprintf(to, "  --%s%s%s%*s  %s\n", flag->name, flag->takes ? " " : "", flag->takes ? flag->takes : "",
                widest - width_of(flag), "", flag->help);
    }
}

int flags_find_word(const char *const *words, const char *word)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}
