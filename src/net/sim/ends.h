/*
 * ends.h - what stands behind net.h: calls, listeners with their requests and outflows, and upgraded connections.
 */
#ifndef FY_NET_SIM_ENDS_H
#define FY_NET_SIM_ENDS_H

#include "net/sim/conn.h"

/* ---- call.c ---- */

int fy_sim_call(struct fy_net *net, const struct fy_call_spec *spec, const struct fy_call_events *events, void *arg,
                struct fy_call **ret_call);
void fy_sim_call_cancel(struct fy_call *call);
void fy_sim_call_wake(struct fy_call *call);
struct fy_sim_conn *fy_sim_call_conn(struct fy_call *call);

/* ---- serve.c ---- */

extern const struct fy_sim_end_ops fy_sim_serve_ops;

int fy_sim_listen(struct fy_net *net, const char *url, fy_request_fn *fn, void *arg, struct fy_listener **ret_listener,
                  char *ret_detail, size_t detail_size);
const char *fy_sim_listener_url(const struct fy_listener *listener);
void fy_sim_listener_close(struct fy_listener *listener);
const char *fy_sim_request_method(const struct fy_request *req);
const char *fy_sim_request_path(const struct fy_request *req);
const char *fy_sim_request_query(const struct fy_request *req);
const char *fy_sim_request_remote(const struct fy_request *req);
const char *fy_sim_request_header(const struct fy_request *req, const char *name);
void fy_sim_request_set_events(struct fy_request *req, const struct fy_request_events *events, void *arg);
void fy_sim_request_reply(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                          const void *body, size_t body_len);
void fy_sim_request_abort(struct fy_request *req);
void fy_sim_request_pause_body(struct fy_request *req);
void fy_sim_request_resume_body(struct fy_request *req);
struct fy_outflow *fy_sim_request_stream(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                         const struct fy_outflow_source *source, void *arg);
void fy_sim_outflow_wake(struct fy_outflow *out);
void fy_sim_outflow_end(struct fy_outflow *out);
void fy_sim_outflow_abort(struct fy_outflow *out);

/* The handler has the request: keep an answer's head and send it.  NULL: the request is aborted for want of memory. */
struct fy_sim_conn *fy_sim_request_begin_answer(struct fy_request *req, int status, const struct fy_header *headers,
                                                size_t n_headers);

/* ---- duplex.c ---- */

int fy_sim_duplex(struct fy_net *net, const struct fy_duplex_spec *spec, const struct fy_duplex_events *events,
                  void *arg, struct fy_duplex **ret_duplex);
struct fy_duplex *fy_sim_request_upgrade(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                         const struct fy_duplex_events *events, void *arg);
void fy_sim_duplex_wake(struct fy_duplex *duplex);
void fy_sim_duplex_pause(struct fy_duplex *duplex);
void fy_sim_duplex_resume(struct fy_duplex *duplex);
void fy_sim_duplex_end(struct fy_duplex *duplex);
void fy_sim_duplex_abort(struct fy_duplex *duplex);

#endif
