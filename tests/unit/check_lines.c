/*
 * check_lines - the lines that come through a pipe.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "harness/rig.h"
#include "tools/lines.h"

static struct lines lines;
static int writer;
static char seen[4096]; /* every line, with a '|' after it */

static void on_line(void *arg, const char *line)
{
    ck_assert_ptr_eq(arg, &lines);
    strncat(seen, line, sizeof(seen) - strlen(seen) - 1);
    strncat(seen, "|", sizeof(seen) - strlen(seen) - 1);
}

static void setup(void)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    memset(&lines, 0, sizeof(lines));
    lines.fd = fds[0];
    writer = fds[1];
    seen[0] = '\0';
}

static void teardown(void)
{
    close(lines.fd);
    close(writer);
}

static bool give(const char *text, size_t len)
{
    ck_assert_int_eq(write(writer, text, len), (ssize_t)len);
    return lines_read(&lines, on_line, &lines);
}

START_TEST(lines_come_out_whole_wherever_the_text_is_cut)
{
    static const char text[] = "one\n\nthree and more\nfour\n";

    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        seen[0] = '\0';
        ck_assert(give(text, cut));
        ck_assert(give(text + cut, sizeof(text) - 1 - cut));
        ck_assert_str_eq(seen, "one||three and more|four|");
    }
}
END_TEST

START_TEST(an_empty_pipe_is_no_end)
{
    ck_assert(lines_read(&lines, on_line, &lines));
    ck_assert_str_eq(seen, "");
}
END_TEST

START_TEST(the_end_of_the_file_ends_the_reading)
{
    ck_assert(give("a\nrest", 6));
    close(writer);
    writer = -1;
    ck_assert(!lines_read(&lines, on_line, &lines));
    ck_assert_str_eq(seen, "a|");
}
END_TEST

START_TEST(a_line_beyond_the_limit_ends_the_reading)
{
    char text[LINES_MAX];

    memset(text, 'x', sizeof(text));
    text[LINES_MAX - 1] = '\n';
    ck_assert(give(text, LINES_MAX));
    ck_assert_uint_eq(strlen(seen), LINES_MAX);
    text[LINES_MAX - 1] = 'x';
    ck_assert(!give(text, LINES_MAX));
}
END_TEST

int main(void)
{
    return rig_main("lines", setup, teardown, lines_come_out_whole_wherever_the_text_is_cut, an_empty_pipe_is_no_end,
                    the_end_of_the_file_ends_the_reading, a_line_beyond_the_limit_ends_the_reading, NULL);
}
