/*
 * flags.h - reads a program's command line by one table of its flags.
 *
 * A flag is --NAME VALUE or --NAME=VALUE, or --NAME alone if it takes no value.  There are no short flags and no other
 * arguments, also after "--", which ends the flags.  A name may be shortened while it stays unique.  If a flag is given
 * twice the last value counts, so that the flags of a script can be overridden; each value must be valid.  No value is
 * empty. --help and --version are in every table; the first of them ends the parsing.
 */
#ifndef TOOLS_FLAGS_H
#define TOOLS_FLAGS_H

#include <stddef.h>
#include <stdio.h>

#define FLAGS_MAX 30 /* flags in a table */

struct flag {
    const char *name;  /* without the dashes */
    const char *takes; /* the value's name in the help; NULL: no value */
    const char *help;  /* one line */
    int id;            /* chosen by the program, passed to take */
};

/*
 * Take the value of a flag; NULL if it takes none.  The text is argv's and stays valid.  Returns NULL if it is good,
 * otherwise what it should have been, as it follows "takes": "a number from 1 to 9".
 */
typedef const char *flags_take_fn(int id, const char *text, void *ctx);

struct flags {
    const struct flag *list;
    size_t n; /* <= FLAGS_MAX */
    flags_take_fn *take;
};

enum flags_outcome {
    FLAGS_OK,
    FLAGS_HELP,    /* --help was given */
    FLAGS_VERSION, /* --version was given */
    FLAGS_WRONG    /* an error; the fault tells it */
};

struct flags_fault {
    char text[512]; /* one line without its end */
};

/* Parse argv, passing each flag to take with ctx, up to the first fault.  Not thread-safe: it uses getopt. */
enum flags_outcome flags_parse(const struct flags *flags, int argc, char **argv, void *ctx,
                               struct flags_fault *ret_fault);

/* Report a fault that the program found itself.  A text that is too long is cut, and control characters are masked. */
enum flags_outcome flags_refuse(struct flags_fault *ret_fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Handle the outcome for main: returns if all is good.  Otherwise prints the help, the version, or the fault on stderr,
 * and exits, with status 2 for a fault.
 */
void flags_settle(enum flags_outcome outcome, const struct flags_fault *fault, const char *program, const char *version,
                  void (*print_help)(FILE *to));

/* Print a line for each flag: its name and value in one column, its purpose in the other. */
void flags_print_help(const struct flags *flags, FILE *to);

/* The index of a word in a NULL-terminated list; -1: not found. */
int flags_find_word(const char *const *words, const char *word);

#endif
