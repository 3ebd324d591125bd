/*
 * net - the calls of net.h, each passed to the implementation that the object came from.
 */
#include "net/net.h"

#include <strings.h>

#define OPS(object) (((const struct fy_net_object *)(const void *)(object))->ops)

const char *fy_answer_header(const struct fy_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->n_headers; i++)
        if (strcasecmp(answer->headers[i].name, name) == 0)
            return answer->headers[i].value;
    return NULL;
}

int fy_net_call(struct fy_net *net, const struct fy_call_spec *spec, const struct fy_call_events *events, void *arg,
                struct fy_call **ret_call)
{
    return net->ops->call(net, spec, events, arg, ret_call);
}

void fy_call_cancel(struct fy_call *call)
{
    if (call)
        OPS(call)->call_cancel(call);
}

void fy_call_wake(struct fy_call *call)
{
    OPS(call)->call_wake(call);
}

int fy_net_listen(struct fy_net *net, const char *url, fy_request_fn *fn, void *arg, struct fy_listener **ret_listener,
                  char *ret_detail, size_t detail_size)
{
    return net->ops->listen(net, url, fn, arg, ret_listener, ret_detail, detail_size);
}

const char *fy_listener_url(const struct fy_listener *listener)
{
    return OPS(listener)->listener_url(listener);
}

void fy_listener_close(struct fy_listener *listener)
{
    if (listener)
        OPS(listener)->listener_close(listener);
}

const char *fy_request_method(const struct fy_request *req)
{
    return OPS(req)->request_method(req);
}

const char *fy_request_path(const struct fy_request *req)
{
    return OPS(req)->request_path(req);
}

const char *fy_request_query(const struct fy_request *req)
{
    return OPS(req)->request_query(req);
}

const char *fy_request_remote(const struct fy_request *req)
{
    return OPS(req)->request_remote(req);
}

const char *fy_request_header(const struct fy_request *req, const char *name)
{
    return OPS(req)->request_header(req, name);
}

uint64_t fy_request_body_len(const struct fy_request *req)
{
    return OPS(req)->request_body_len ? OPS(req)->request_body_len(req) : FY_LEN_UNKNOWN;
}

bool fy_request_is_from(const struct fy_request *req, uint64_t member)
{
    return !OPS(req)->request_is_from || OPS(req)->request_is_from(req, member);
}

void fy_request_set_known(struct fy_request *req)
{
    if (OPS(req)->request_set_known)
        OPS(req)->request_set_known(req);
}

void fy_request_set_events(struct fy_request *req, const struct fy_request_events *events, void *arg)
{
    OPS(req)->request_set_events(req, events, arg);
}

void fy_request_pause_body(struct fy_request *req)
{
    OPS(req)->request_pause_body(req);
}

void fy_request_resume_body(struct fy_request *req)
{
    OPS(req)->request_resume_body(req);
}

void fy_request_reply(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                      const void *body, size_t body_len)
{
    OPS(req)->request_reply(req, status, headers, n_headers, body, body_len);
}

void fy_request_abort(struct fy_request *req)
{
    OPS(req)->request_abort(req);
}

struct fy_outflow *fy_request_stream(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                     const struct fy_outflow_source *source, void *arg)
{
    return OPS(req)->request_stream(req, headers, n_headers, source, arg);
}

void fy_outflow_wake(struct fy_outflow *out)
{
    OPS(out)->outflow_wake(out);
}

void fy_outflow_end(struct fy_outflow *out)
{
    if (out)
        OPS(out)->outflow_end(out);
}

void fy_outflow_abort(struct fy_outflow *out)
{
    if (out)
        OPS(out)->outflow_abort(out);
}

size_t fy_outflow_source_read(const struct fy_outflow_source *source, void *arg, uint8_t *buf, size_t cap)
{
    struct fy_gather g = fy_gather_copy(buf, cap);

    source->gather(arg, &g);
    if (g.len > 0)
        source->sent(arg, g.len);
    return g.len;
}

bool fy_call_vitals(const struct fy_call *call, struct fy_vitals *ret_vitals)
{
    return call && OPS(call)->call_vitals && OPS(call)->call_vitals(call, ret_vitals);
}

bool fy_outflow_vitals(const struct fy_outflow *out, struct fy_vitals *ret_vitals)
{
    return out && OPS(out)->outflow_vitals && OPS(out)->outflow_vitals(out, ret_vitals);
}

int fy_net_duplex(struct fy_net *net, const struct fy_duplex_spec *spec, const struct fy_duplex_events *events,
                  void *arg, struct fy_duplex **ret_duplex)
{
    return net->ops->duplex(net, spec, events, arg, ret_duplex);
}

struct fy_duplex *fy_request_upgrade(struct fy_request *req, const struct fy_header *headers, size_t n_headers,
                                     const struct fy_duplex_events *events, void *arg)
{
    return OPS(req)->request_upgrade(req, headers, n_headers, events, arg);
}

void fy_duplex_wake(struct fy_duplex *duplex)
{
    OPS(duplex)->duplex_wake(duplex);
}

void fy_duplex_pause(struct fy_duplex *duplex)
{
    OPS(duplex)->duplex_pause(duplex);
}

void fy_duplex_resume(struct fy_duplex *duplex)
{
    OPS(duplex)->duplex_resume(duplex);
}

void fy_duplex_end(struct fy_duplex *duplex)
{
    OPS(duplex)->duplex_end(duplex);
}

void fy_duplex_abort(struct fy_duplex *duplex)
{
    if (duplex)
        OPS(duplex)->duplex_abort(duplex);
}

bool fy_duplex_vitals(const struct fy_duplex *duplex, struct fy_vitals *ret_vitals)
{
    return duplex && OPS(duplex)->duplex_vitals && OPS(duplex)->duplex_vitals(duplex, ret_vitals);
}

uint64_t fy_net_now_ns(const struct fy_net *net)
{
    return net->ops->now_ns(net);
}

uint64_t fy_net_unix_ns(const struct fy_net *net)
{
    return net->ops->unix_ns(net);
}

uint64_t fy_net_unix_ms(const struct fy_net *net)
{
    return fy_net_unix_ns(net) / 1000000;
}

uint64_t fy_net_coarse_ns(const struct fy_net *net)
{
    return net->ops->coarse_ns(net);
}

uint64_t fy_net_random(struct fy_net *net)
{
    return net->ops->random(net);
}

struct fy_timers *fy_net_timers(struct fy_net *net)
{
    return net->ops->timers(net);
}

void fy_net_wake(struct fy_net *net)
{
    net->ops->wake(net);
}

void fy_net_set_on_wake(struct fy_net *net, void (*on_wake)(void *arg), void *arg)
{
    net->ops->set_on_wake(net, on_wake, arg);
}
