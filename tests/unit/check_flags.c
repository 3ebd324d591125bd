/*
 * check_flags - parsing a command line by a table, and the messages for errors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/rig.h"
#include "tools/flags.h"

#define MAX_WORDS 8

enum { ID_NAME = 1, ID_NAMES, ID_SIZE, ID_QUIET };

static const struct flag table[] = {
    {"name", "TEXT", "what to call it", ID_NAME},
    {"names-from", "FILE", "more of them", ID_NAMES},
    {"size", "N", "how large", ID_SIZE},
    {"quiet", NULL, "say nothing", ID_QUIET},
};

static char taken[256]; /* ID=VALUE and a blank for each that was taken */
static struct flags_fault fault;

static const char *take(int id, const char *text, void *ctx)
{
    size_t used = strlen(ctx);

    (void)snprintf((char *)ctx + used, sizeof(taken) - used, "%d=%s ", id, text ? text : "nothing");
    return id == ID_SIZE && strcmp(text, "7") != 0 ? "a seven" : NULL;
}

static const struct flags flags = {table, sizeof(table) / sizeof(table[0]), take};

static void setup(void)
{
    taken[0] = '\0';
    fault.text[0] = '\0';
}

/* Words up to NULL, as main would get them. */
static enum flags_outcome parse(const char *const *words)
{
    char *argv[MAX_WORDS + 2] = {(char[]){"program"}};
    enum flags_outcome outcome;
    int argc = 1;

    setup();
    for (; words[argc - 1]; argc++)
        argv[argc] = strdup(words[argc - 1]);
    outcome = flags_parse(&flags, argc, argv, taken, &fault);
    while (argc > 1)
        free(argv[--argc]);
    return outcome;
}

#define WORDS(...) ((const char *const[MAX_WORDS + 1]){__VA_ARGS__})

#define ck_assert_taken(expected, ...)                                                                                 \
    do {                                                                                                               \
        ck_assert_int_eq(parse(WORDS(__VA_ARGS__)), FLAGS_OK);                                                         \
        ck_assert_str_eq(taken, (expected));                                                                           \
        ck_assert_str_eq(fault.text, "");                                                                              \
    } while (0)

#define ck_assert_refused(expected, ...)                                                                               \
    do {                                                                                                               \
        ck_assert_int_eq(parse(WORDS(__VA_ARGS__)), FLAGS_WRONG);                                                      \
        ck_assert_str_eq(fault.text, (expected));                                                                      \
    } while (0)

START_TEST(flags_reach_the_program_in_their_order)
{
    ck_assert_taken("", NULL);
    ck_assert_taken("3=7 1=x 4=nothing ", "--size", "7", "--name=x", "--quiet");
    ck_assert_taken("1=a=b 2=--quiet ", "--name=a=b", "--names-from", "--quiet");
}
END_TEST

START_TEST(a_name_may_be_shortened_while_it_is_one_flags)
{
    ck_assert_taken("3=7 4=nothing 2=f ", "--s=7", "--q", "--names", "f");
    ck_assert_taken("1=x ", "--name", "x"); /* whole, though another one begins so */
    ck_assert_refused("--na is short for several options: --name, --names-from", "--na", "x");
    ck_assert_refused("--n is short for several options: --name, --names-from", "--n=x");
}
END_TEST

START_TEST(of_a_flag_given_twice_the_last_value_counts)
{
    ck_assert_taken("1=a 1=b 4=nothing 4=nothing ", "--name", "a", "--name", "b", "--quiet", "--quiet");
    ck_assert_refused("--size takes a seven, not '6'", "--size", "6", "--size", "7");
}
END_TEST

START_TEST(a_flag_that_there_is_not_is_named)
{
    ck_assert_refused("no such option: --colour", "--colour");
    ck_assert_refused("no such option: --colour", "--colour=red");
    ck_assert_refused("no such option: --namesake", "--namesake");
    ck_assert_refused("no such option: -x", "-x");
    ck_assert_refused("no such option: -name", "-name", "x");
    ck_assert_refused("no such option: -q", "--name", "x", "-q", "--size");
    ck_assert_refused("no such option: --=x", "--=x");
    ck_assert_refused("no such option: -=", "-=");
    ck_assert_refused("no such option: -?", "-\1"); /* not the number of a flag */
}
END_TEST

START_TEST(a_value_is_there_where_one_is_taken_and_nowhere_else)
{
    ck_assert_refused("--quiet takes no value", "--quiet=yes");
    ck_assert_refused("--quiet takes no value", "--qui=");
    ck_assert_refused("--help takes no value", "--help=1");
    ck_assert_refused("--names-from needs a value: FILE", "--quiet", "--names");
    ck_assert_refused("--name needs a value: TEXT", "--name=", "x");
    ck_assert_refused("--name needs a value: TEXT", "--name", "");
    ck_assert_str_eq(taken, "");
}
END_TEST

START_TEST(a_value_that_the_program_refuses_ends_it)
{
    ck_assert_refused("--size takes a seven, not '77'", "--quiet", "--si=77", "--name", "x");
    ck_assert_str_eq(taken, "4=nothing 3=77 ");
}
END_TEST

START_TEST(there_is_nothing_but_flags)
{
    ck_assert_refused("not an option: 'leftover'", "--size", "7", "leftover", "--colour");
    ck_assert_refused("not an option: ''", "");
    ck_assert_refused("not an option: '-'", "-");
    ck_assert_refused("not an option: '--size'", "--", "--size", "7");
    ck_assert_str_eq(taken, "");
    ck_assert_taken("4=nothing ", "--quiet", "--");
    ck_assert_taken("1=-- ", "--name", "--");
}
END_TEST

START_TEST(help_and_version_end_the_reading)
{
    ck_assert_int_eq(parse(WORDS("--quiet", "--help", "--colour")), FLAGS_HELP);
    ck_assert_str_eq(taken, "4=nothing ");
    ck_assert_int_eq(parse(WORDS("--v", "--help")), FLAGS_VERSION);
    ck_assert_int_eq(parse(WORDS("--h")), FLAGS_HELP);
    ck_assert_int_eq(parse(WORDS("--colour", "--help")), FLAGS_WRONG);
    ck_assert_int_eq(parse(WORDS("--", "--help")), FLAGS_WRONG);
}
END_TEST

START_TEST(a_fault_is_one_line_of_bounded_length)
{
    char word[2000];

    ck_assert_refused("not an option: 'two?lines?'", "two\nlines\r");
    memset(word, 'x', sizeof(word));
    word[0] = word[1] = '-';
    word[sizeof(word) - 1] = '\0';
    ck_assert_int_eq(parse(WORDS(word)), FLAGS_WRONG);
    ck_assert_uint_eq(strlen(fault.text), sizeof(fault.text) - 1);
    ck_assert_int_eq(strncmp(fault.text, "no such option: --xxx", 21), 0);
    memcpy(word, "--size=", 7);
    ck_assert_int_eq(parse(WORDS(word)), FLAGS_WRONG);
    ck_assert_int_eq(strncmp(fault.text, "--size takes a seven, not 'xxx", 30), 0);
    ck_assert_int_eq(flags_refuse(&fault, "%s\n%d", "a", 1), FLAGS_WRONG);
    ck_assert_str_eq(fault.text, "a?1");
}
END_TEST

START_TEST(a_command_line_without_a_name_is_empty)
{
    char *argv[] = {NULL};

    ck_assert_int_eq(flags_parse(&flags, 0, argv, taken, &fault), FLAGS_OK);
    ck_assert_str_eq(taken, "");
}
END_TEST

START_TEST(the_help_has_a_line_for_each_in_columns)
{
    static const char expected[] = "  --name TEXT        what to call it\n"
                                   "  --names-from FILE  more of them\n"
                                   "  --size N           how large\n"
                                   "  --quiet            say nothing\n"
                                   "  --help             print this text\n"
                                   "  --version          print the version\n";
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);

    ck_assert_ptr_nonnull(to);
    flags_print_help(&flags, to);
    ck_assert_int_eq(fclose(to), 0);
    ck_assert_str_eq(text, expected);
    free(text);
}
END_TEST

START_TEST(a_word_has_its_place)
{
    static const char *const words[] = {"one", "two", NULL};

    ck_assert_int_eq(flags_find_word(words, "one"), 0);
    ck_assert_int_eq(flags_find_word(words, "two"), 1);
    ck_assert_int_eq(flags_find_word(words, "tw"), -1);
    ck_assert_int_eq(flags_find_word(words, ""), -1);
}
END_TEST

int main(void)
{
    return rig_main(
        "flags", setup, NULL, flags_reach_the_program_in_their_order, a_name_may_be_shortened_while_it_is_one_flags,
        of_a_flag_given_twice_the_last_value_counts, a_flag_that_there_is_not_is_named,
        a_value_is_there_where_one_is_taken_and_nowhere_else, a_value_that_the_program_refuses_ends_it,
        there_is_nothing_but_flags, help_and_version_end_the_reading, a_fault_is_one_line_of_bounded_length,
        a_command_line_without_a_name_is_empty, the_help_has_a_line_for_each_in_columns, a_word_has_its_place, NULL);
}
