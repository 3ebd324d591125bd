/*
 * intake.h - the body of a request, gathered up to a limit.
 */
#ifndef FY_TRANSPORT_INTAKE_H
#define FY_TRANSPORT_INTAKE_H

#include <stddef.h>
#include <stdint.h>

#include "net/net.h"

/*
 * The body is whole: req is handed over, data lives for the call only.  Not called when the body was too large (the
 * request was answered with 413), memory ran out (503) or the client left.
 */
typedef void fy_intake_fn(void *arg, struct fy_request *req, const uint8_t *data, size_t len);

/* Gather the body of req, which is taken, and call fn. */
void fy_intake_start(struct fy_request *req, size_t max_len, fy_intake_fn *fn, void *arg);

#endif
