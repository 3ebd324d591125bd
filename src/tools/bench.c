/*
 * ferry-bench - measures how fast two members exchange messages over loopback, and what it costs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "ferry/ferry.h"
#include "tools/bench_mode.h"
#include "tools/bench_options.h"
#include "tools/bench_report.h"

static int measure(const struct bench_options *options)
{
    struct bench_result *result = malloc(sizeof(*result)); /* too large for a stack */
    int failed = -1;

    if (!result) {
        perror("ferry-bench");
        return EXIT_FAILURE;
    }
    bench_result_init(result);
    if (options->mode->run(options, result) == 0) {
        failed = bench_report_print(options, result, stdout);
        if (failed)
            perror("ferry-bench: cannot print the result");
    }
    free(result);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct bench_options options;
    struct flags_fault fault;

    flags_settle(bench_options_parse(argc, argv, &options, &fault), &fault, "ferry-bench", ferry_version(),
                 bench_options_print_help);
    return measure(&options);
}
