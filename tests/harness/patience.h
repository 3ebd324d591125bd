/*
 * patience.h - how long tests wait: real time, multiplied if a sanitizer slows the program down.
 */
#ifndef HARNESS_PATIENCE_H
#define HARNESS_PATIENCE_H

#include <stdint.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PATIENCE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PATIENCE_SANITIZED 1
#endif
#endif
#ifndef PATIENCE_SANITIZED
#define PATIENCE_SANITIZED 0
#endif

/* ms, or a multiple of it under a sanitizer.  For deadlines and for the transports' timeouts. */
unsigned patience_ms(unsigned ms);

uint64_t monotonic_ns(void);
uint64_t monotonic_ms(void);
struct timespec monotonic_in_ms(unsigned ms); /* a point in time this far from now, for pthread_cond_timedwait */

/* An environment variable's number, or otherwise if it is not set. */
unsigned long environment_number(const char *name, unsigned long otherwise);

#endif
