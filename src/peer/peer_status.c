/*
 * peer_status - active or not, under a leaf lock.
 */
#include "peer/peer_status.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "peer/local.h"

/* Log the state that the peer is in; n_untold changes before it were not. */
static void tell_now(struct fy_peer_status *status, unsigned long long n_untold)
{
    bool is_active = status->is_active;
    enum ferry_log_level level = is_active ? FERRY_LOG_INFO : FERRY_LOG_WARN;
    const char *what = is_active ? "peer became active" : "peer became inactive: ";
    const char *why = is_active ? "" : status->last_error; /* the loop alone writes it */

    status->told_active = is_active;
    if (n_untold > 0)
        fy_log(&status->local->log, level, "peer", status->peer_id, "%s%s (%llu changes before were not logged)", what,
               why, n_untold);
    else
        fy_log(&status->local->log, level, "peer", status->peer_id, "%s%s", what, why);
}

/* The state changed: log it, or see to it that it is logged, if it lasts, when the last line is no longer fresh. */
static void tell(struct fy_peer_status *status)
{
    unsigned long long n_held;

    if (fy_log_fold_pass(&status->fold, fy_net_now_ns(status->local->net), &n_held))
        tell_now(status, n_held);
    else
        fy_timer_set(&status->held, status->fold.next_ns);
}

static void on_held(void *arg)
{
    struct fy_peer_status *status = arg;
    unsigned long long n_held;

    if (status->is_active != status->told_active &&
        fy_log_fold_pass(&status->fold, fy_net_now_ns(status->local->net), &n_held))
        tell_now(status, n_held - 1); /* the last of those held is the one that is told */
}

void fy_peer_status_init(struct fy_peer_status *status, const struct fy_local *local, uint64_t peer_id)
{
    status->local = local; /* the rest is zero */
    status->peer_id = peer_id;
    fy_timer_init(&status->held, fy_net_timers(local->net), on_held, status);
    (void)pthread_mutex_init(&status->mu, NULL); /* cannot fail for a default mutex on Linux */
}

void fy_peer_status_stop(struct fy_peer_status *status)
{
    fy_timer_unset(&status->held);
}

void fy_peer_status_release(struct fy_peer_status *status)
{
    assert(!fy_timer_is_set(&status->held));
    pthread_mutex_destroy(&status->mu);
}

void fy_peer_status_activate(struct fy_peer_status *status)
{
    uint64_t now_ms = fy_net_unix_ms(status->local->net);
    bool changed;

    pthread_mutex_lock(&status->mu);
    changed = !status->is_active;
    if (changed) {
        status->is_active = true;
        status->since_ms = now_ms;
    }
    pthread_mutex_unlock(&status->mu);
    if (changed)
        tell(status);
}

void fy_peer_status_deactivate(struct fy_peer_status *status, const char *action, const char *source,
                               const char *reason)
{
    char text[sizeof(status->last_error)];
    struct fy_id_text id = fy_id_format(status->peer_id);
    bool was_active, is_news;

    (void)snprintf(text, sizeof(text), "failed to %s %s on %s (%s)", action, id.text, source, reason);
    pthread_mutex_lock(&status->mu);
    was_active = status->is_active;
    is_news = status->last_error[0] == '\0'; /* a peer that never was active is told of once, too */
    status->is_active = false;
    status->since_ms = 0;
    memcpy(status->last_error, text, sizeof(text));
    pthread_mutex_unlock(&status->mu);
    if (was_active || is_news)
        tell(status);
    else
        fy_log(&status->local->log, FERRY_LOG_DEBUG, "peer", status->peer_id, "%s", text);
}

void fy_peer_status_read(struct fy_peer_status *status, struct ferry_peer_status *ret_status)
{
    pthread_mutex_lock(&status->mu);
    ret_status->active = status->is_active;
    ret_status->active_since_ms = status->since_ms;
    memcpy(ret_status->last_error, status->last_error, sizeof(status->last_error));
    pthread_mutex_unlock(&status->mu);
}
