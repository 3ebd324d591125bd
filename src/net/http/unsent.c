/*
 * unsent - outflows whose bytes the client has to take in time.
 *
 * Those that wait form a list, oldest first, and one timer of the listener is set for the oldest.
 */
#include "net/http/unsent.h"

#include "ferry/ferry.h"
#include "net/http/outflow.h"

static uint64_t write_timeout_ns(const struct fy_listener *listener)
{
    return listener->cfg->write_timeout_ms * FY_NS_PER_MS;
}

void fy_unsent_forget(struct fy_outflow *out)
{
    if (fy_node_is_linked(&out->unsent_node))
        fy_list_remove(&out->unsent_node);
}

void fy_unsent_note(struct fy_outflow *out)
{
    struct fy_listener *listener = out->req->conn->listener;

    fy_unsent_forget(out);
    out->unsent_since_ns = listener->loop->now_ns;
    fy_list_append(&listener->unsent, &out->unsent_node);
    if (!fy_timer_is_set(&listener->unsent_timer))
        fy_timer_set(&listener->unsent_timer, out->unsent_since_ns + write_timeout_ns(listener));
}

static void unsent_on_timer(void *arg)
{
    struct fy_listener *listener = arg;
    uint64_t timeout_ns = write_timeout_ns(listener);
    struct fy_node *node = fy_list_first(&listener->unsent);
    struct fy_outflow *out;

    if (!node)
        return;
    out = fy_container(node, struct fy_outflow, unsent_node);
    /* Set before the drop, which may close the listener.  It fires again at once if the next is overdue too. */
    fy_timer_set(&listener->unsent_timer, out->unsent_since_ns + timeout_ns);
    if (out->unsent_since_ns + timeout_ns > listener->loop->now_ns)
        return;
    fy_unsent_forget(out);
    fy_request_drop(out->req, FERRY_ERR_TIMEOUT);
}

void fy_unsent_init(struct fy_listener *listener)
{
    fy_list_init(&listener->unsent);
    fy_timer_init(&listener->unsent_timer, &listener->loop->timers, unsent_on_timer, listener);
}

void fy_unsent_release(struct fy_listener *listener)
{
    fy_timer_unset(&listener->unsent_timer);
}
