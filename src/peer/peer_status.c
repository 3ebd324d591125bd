/*
 * peer_status - active or not, under a leaf lock.
 */
#include "peer/peer_status.h"

#include <stdio.h>
#include <string.h>

#include "peer/local.h"

void fy_peer_status_init(struct fy_peer_status *status, const struct fy_local *local, uint64_t peer_id)
{
    status->local = local; /* the rest is zero */
    status->peer_id = peer_id;
    (void)pthread_mutex_init(&status->mu, NULL); /* cannot fail for a default mutex on Linux */
}

void fy_peer_status_release(struct fy_peer_status *status)
{
    pthread_mutex_destroy(&status->mu);
}

/* Log a change of state, or only count it when the last line is too fresh. */
static void tell(struct fy_peer_status *status, enum ferry_log_level level, const char *what, const char *why)
{
    unsigned long long n_held;

    if (!fy_log_fold_pass(&status->fold, fy_net_now_ns(status->local->net), &n_held))
        return;
    if (n_held > 0)
        fy_log(&status->local->log, level, "peer", status->peer_id, "%s%s (%llu changes before were not logged)", what,
               why, n_held);
    else
        fy_log(&status->local->log, level, "peer", status->peer_id, "%s%s", what, why);
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
        tell(status, FERRY_LOG_INFO, "peer became active", "");
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
        tell(status, FERRY_LOG_WARN, "peer became inactive: ", text);
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
