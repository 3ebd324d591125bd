/*
 * pages - GET /metrics and GET /debug/peers: a survey of the transport, printed on the loop.
 */
#include "transport/pages.h"

#include "ferry/ferry.h"
#include "transport/debug_peers.h"
#include "transport/metrics.h"
#include "transport/survey.h"
#include "transport/transport.h"

static int pages_on_metrics(void *arg, struct fy_text *text)
{
    return fy_survey_print(arg, fy_metrics_print, text);
}

static int pages_on_debug_peers(void *arg, struct fy_text *text)
{
    return fy_survey_print(arg, fy_debug_peers_print, text);
}

void fy_pages_init(struct ferry_transport *t)
{
    if (t->serves_metrics)
        t->pages[t->service.n_pages++] = (struct fy_page){
            .path = "/metrics", .content_type = "text/plain; version=0.0.4; charset=utf-8", .print = pages_on_metrics};
    if (t->serves_debug_peers)
        t->pages[t->service.n_pages++] =
            (struct fy_page){.path = "/debug/peers", .content_type = "application/json", .print = pages_on_debug_peers};
    t->service.pages = t->pages;
}
