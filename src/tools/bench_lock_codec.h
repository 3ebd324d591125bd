/*
 * bench_lock_codec.h - the lock messages' part of the mode codec.
 */
#ifndef TOOLS_BENCH_LOCK_CODEC_H
#define TOOLS_BENCH_LOCK_CODEC_H

struct bench_options;
struct bench_result;

/* Encode and decode options->messages lock requests; sets the lock_ figures of result.  0, or -1 after a message. */
int bench_lock_codec(const struct bench_options *options, struct bench_result *result);

#endif
