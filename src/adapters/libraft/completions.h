/*
 * completions.h - sends whose callbacks are still to come.
 *
 * libraft uses a request after its send has returned, so none may be called back from inside the send.
 */
#ifndef FY_ADAPTERS_LIBRAFT_COMPLETIONS_H
#define FY_ADAPTERS_LIBRAFT_COMPLETIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "adapters/libraft/raft_compat.h"

struct fy_completion {
    struct raft_io_send *req;
    raft_id to;
    bool is_append; /* of an AppendEntries */
    int status;     /* 0: Ferry has the message; else why it could not be sent */
};

/* Zeroed: empty. */
struct fy_completions {
    struct fy_completion *items;
    size_t n;
    size_t cap;
};

/* Make room for one more, so that add cannot fail.  False: no memory. */
bool fy_completions_reserve(struct fy_completions *list);
void fy_completions_add(struct fy_completions *list, const struct fy_completion *item);
void fy_completions_release(struct fy_completions *list);

#endif
