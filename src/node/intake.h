/*
 * intake.h - collect the body of a request in memory, up to a limit of its own and a budget of its service.
 */
#ifndef FY_NODE_INTAKE_H
#define FY_NODE_INTAKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "net/net.h"

/* The bodies that are being gathered for one service, and their memory.  The loop's. */
struct fy_intake_budget {
    size_t max;          /* const after init */
    size_t used;         /* <= max */
    struct fy_list list; /* struct fy_intake */
};

void fy_intake_budget_init(struct fy_intake_budget *budget, size_t max);

/* End every request whose body is being gathered, without an answer: the service goes. */
void fy_intake_abort_all(struct fy_intake_budget *budget);

/*
 * The whole body was received.  Takes req; data is valid during the call.  Not called if the body was too large
 * (answered with 413), if memory or the budget was used up (503), or if the client left.
 */
typedef void fy_intake_fn(void *arg, struct fy_request *req, const uint8_t *data, size_t len);

/* Collect the body of req, which is taken, and call fn.  budget outlives the request. */
void fy_intake_start(struct fy_request *req, struct fy_intake_budget *budget, size_t max_len, fy_intake_fn *fn,
                     void *arg);

#endif
