/*
 * flags.h - a program's command line, by one table of its flags.
 *
 * A flag is --NAME VALUE or --NAME=VALUE, or --NAME alone when it takes none; there are no short ones, and nothing but
 * flags, also after "--", which ends them.  A name may be shortened as long as one flag alone begins so.  Of a flag
 * that is given twice the last value counts, so that what a script says can be overruled; each of them has to be good.
 * No value is empty.  --help and --version are part of every table, and whichever comes first ends the reading.
 */
#ifndef TOOLS_FLAGS_H
#define TOOLS_FLAGS_H

#include <stddef.h>
#include <stdio.h>

#define FLAGS_MAX 30 /* in a table */

struct flag {
    const char *name;  /* without the dashes */
    const char *takes; /* what the help calls its value; NULL: it takes none */
    const char *help;  /* one line */
    int id;            /* the program's own, for take */
};

/*
 * Take the value of a flag, NULL when it takes none, which is argv's and stays.  NULL when it is good, else what it
 * should have been, to come behind "takes": "a number from 1 to 9".
 */
typedef const char *flags_take_fn(int id, const char *text, void *ctx);

struct flags {
    const struct flag *list;
    size_t n; /* <= FLAGS_MAX */
    flags_take_fn *take;
};

enum flags_outcome {
    FLAGS_OK,
    FLAGS_HELP,    /* asked for */
    FLAGS_VERSION, /* likewise */
    FLAGS_WRONG    /* and the fault says why */
};

struct flags_fault {
    char text[512]; /* one line without its end */
};

/* Read argv, giving each flag to take, with ctx, up to the first fault.  Not beside another thread: it uses getopt. */
enum flags_outcome flags_parse(const struct flags *flags, int argc, char **argv, void *ctx,
                               struct flags_fault *ret_fault);

/* A fault that the program itself has found.  A text that is too long is cut, and what would end the line is masked. */
enum flags_outcome flags_refuse(struct flags_fault *ret_fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * What a main does with an outcome: return when all is good; else print the help or the version, or the fault on
 * stderr, and exit, with 2 for a fault.
 */
void flags_settle(enum flags_outcome outcome, const struct flags_fault *fault, const char *program, const char *version,
                  void (*print_help)(FILE *to));

/* A line for each flag, what they take in one column and what they do in another. */
void flags_print_help(const struct flags *flags, FILE *to);

/* The place of a word in a NULL-ended list; -1: it is not there. */
int flags_find_word(const char *const *words, const char *word);

#endif
