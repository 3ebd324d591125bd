/*
 * tls.h - the TLS of a transport: the policy that is in force, and what came of it.
 */
#ifndef FY_NET_TLS_TLS_H
#define FY_NET_TLS_TLS_H

#include "base/log.h"
#include "ferry/tls.h"

struct fy_tls;
struct fy_tls_policy;

enum fy_tls_side { FY_TLS_ACCEPTING, FY_TLS_DIALING, FY_TLS_N_SIDES };

/* FERRY_OK, FERRY_ERR_NOMEM or FERRY_ERR_TLS_CONFIG, with a log line.  log outlives it.  Reads files. */
int fy_tls_new(const struct ferry_tls_config *cfg, const struct fy_log *log, struct fy_tls **ret_tls);
void fy_tls_free(struct fy_tls *tls); /* NULL is fine */

/* As ferry_transport_reload_tls.  Any thread. */
int fy_tls_reload(struct fy_tls *tls, const struct ferry_tls_config *cfg);

/* The policy in force, with a reference of the caller's.  Any thread. */
struct fy_tls_policy *fy_tls_policy(struct fy_tls *tls);

/* Any thread. */
void fy_tls_count_done(struct fy_tls *tls, enum fy_tls_side side);
void fy_tls_read_counts(const struct fy_tls *tls, struct ferry_tls_counts *ret_counts);

/* Count a refusal and, for a connection that came to us, say so: once a second for each reason.  The loop's. */
void fy_tls_refused(struct fy_tls *tls, enum fy_tls_side side, enum ferry_tls_refusal reason, uint64_t now_ns,
                    const char *remote, const char *detail);

#endif
