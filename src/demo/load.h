/*
 * load.h - a client that writes keys 0, 1, 2, ... with several requests in flight, and reads them back.
 *
 * Each key is written until it is acknowledged.  Its value contains the key's number.
 */
#ifndef DEMO_LOAD_H
#define DEMO_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_MAX_URLS 8
#define LOAD_MAX_IN_FLIGHT 64

struct load;

/* urls: of the members, must stay valid. value_len: bytes of each value, at least 24. */
struct load *load_new(const char *const *urls, size_t n_urls, unsigned in_flight, size_t value_len);
void load_free(struct load *load);

/* Write all keys below n. */
void load_set_goal(struct load *load, uint64_t n);

/* Begin at most this many keys a second; 0: no limit. */
void load_set_rate(struct load *load, unsigned per_s);

/* Begin no further keys: the goal is what has been begun. */
void load_wind_up(struct load *load);

/* Work for at most ms, or until the goal is reached.  True: reached. */
bool load_run(struct load *load, unsigned ms);

uint64_t load_n_acknowledged(const struct load *load);
uint64_t load_n_retries(const struct load *load); /* requests without acknowledgement */

/* The longest time without an acknowledgement since the last call, up to now, in milliseconds. */
uint64_t load_take_gap_ms(struct load *load);

/*
 * Count the keys that url lacks or has with another value. local: read that member's own state.  Only after load_run
 * has reached its goal.
 */
uint64_t load_count_missing(struct load *load, const char *url, bool local);

#endif
