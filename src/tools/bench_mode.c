/*
 * bench_mode - the list of what ferry-bench can measure.
 */
#include "tools/bench_mode.h"

const struct bench_mode *const bench_modes[] = {&bench_msgapp,   &bench_pingpong, &bench_mixed,
                                                &bench_snapshot, &bench_peers,    &bench_fanout,
                                                &bench_raw,      &bench_codec,    NULL};
