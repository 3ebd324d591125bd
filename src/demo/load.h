/*
 * load.h - a client that writes keys 0, 1, 2, ... with so many requests in flight, and checks them afterwards.
 *
 * Each key is written until a write of it is acknowledged.  Its value tells which key it is.
 */
#ifndef DEMO_LOAD_H
#define DEMO_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_MAX_URLS 8
#define LOAD_MAX_IN_FLIGHT 64

struct load;

/* urls: of members, which outlive it.  value_len: bytes of each value, at least 24. */
struct load *load_new(const char *const *urls, size_t n_urls, unsigned in_flight, size_t value_len);
void load_free(struct load *load);

/* Write all keys below n. */
void load_set_goal(struct load *load, uint64_t n);

/* Begin at most so many a second from now on; 0: as many as will go. */
void load_set_rate(struct load *load, unsigned per_s);

/* The goal is what has been begun. */
void load_wind_up(struct load *load);

/* Let it work for at most ms, or until the goal is reached.  True: it is. */
bool load_run(struct load *load, unsigned ms);

uint64_t load_n_acknowledged(const struct load *load);
uint64_t load_n_retries(const struct load *load); /* requests that were not acknowledged */

/* The longest time without an acknowledgement since the last call of this, now included, in milliseconds. */
uint64_t load_take_gap_ms(struct load *load);

/*
 * How many keys url has not, or with another value.  local: as that very member has them.  Only when the last load_run
 * has reached its goal.
 */
uint64_t load_count_missing(struct load *load, const char *url, bool local);

#endif
