/*
 * probe_answer.h - the answer to GET /raft/probing: {"OK":true,"Now":"2026-11-21T01:09:57.600416765Z"}.
 */
#ifndef FY_WIRE_PROBE_ANSWER_H
#define FY_WIRE_PROBE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FY_PROBE_ANSWER_MAX 512 /* the most bytes that are read; etcd's answers have about 60 */

struct fy_probe_answer {
    bool ok;
    bool has_now;
    int64_t now_ns; /* Unix time */
};

/* Write the answer of a healthy member whose clock is at unix_ns, with a newline, as etcd does.  Returns its length. */
#define FY_PROBE_ANSWER_SIZE 80
size_t fy_probe_answer_format(uint64_t unix_ns, char text[FY_PROBE_ANSWER_SIZE]);

/*
 * Read an answer as etcd does: a JSON object with the keys OK and Now in any letter case.  Other keys and anything
 * after the object are ignored, and of duplicate keys the last counts.  Now is RFC 3339, with an optional fraction,
 * within the years that 64 bits of nanoseconds hold (1678 to 2262).  FERRY_OK or FERRY_ERR_MALFORMED.
 */
int fy_probe_answer_parse(const char *text, size_t len, struct fy_probe_answer *ret_answer);

#endif
