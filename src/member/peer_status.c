/*
 * peer_status - active or not, under a leaf lock.
 *
 * A change is logged at once, unless another was logged within the last second: then a timer logs the state as it is by
 * that time, so that the last line is true however often a peer changes.
 */
#include "member/peer_status.h"

#include <stdio.h>
#include <string.h>

#include "member/local.h"

/* Log the state as it is now, or soon if the last line is too recent. */
static void status_log(void *arg)
{
    struct fy_peer_status *status = arg;
    const struct fy_log *log = &status->local->log;
    unsigned long long n_held;
    char held[64] = "";

    if (!fy_log_fold_pass(&status->fold, fy_net_now_ns(status->local->net), &n_held)) {
        fy_timer_set(&status->settle, status->fold.next_ns);
        return;
    }
    fy_timer_unset(&status->settle);
    if (n_held > 0) /* one of them may be the change that is logged now, late */
        (void)snprintf(held, sizeof(held), " (changes in the last second: %llu)", n_held);
    if (atomic_load(&status->is_active))
        fy_log(log, FERRY_LOG_INFO, "peer", status->peer_id, "peer became active%s", held);
    else
        fy_log(log, FERRY_LOG_WARN, "peer", status->peer_id, "peer became inactive: %s%s", status->last_error,
               held); /* last_error is written on this thread alone */
}

void fy_peer_status_init(struct fy_peer_status *status, const struct fy_local *local, uint64_t peer_id)
{
    status->local = local; /* the rest is zero */
    status->peer_id = peer_id;
    (void)pthread_mutex_init(&status->mu, NULL); /* cannot fail for a default mutex on Linux */
    fy_timer_init(&status->settle, fy_net_timers(local->net), status_log, status);
}

void fy_peer_status_stop(struct fy_peer_status *status)
{
    fy_timer_unset(&status->settle);
}

void fy_peer_status_release(struct fy_peer_status *status)
{
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
        status_log(status);
}

void fy_peer_status_note_failure(struct fy_peer_status *status, const char *action, const char *source,
                                 const char *reason)
{
    struct fy_id_text id = fy_id_format(status->peer_id);
    unsigned long long n_held;
    char held[64] = "";

    if (!fy_log_fold_pass(&status->failure_fold, fy_net_now_ns(status->local->net), &n_held))
        return;
    if (n_held > 0)
        (void)snprintf(held, sizeof(held), " (%llu similar messages suppressed)", n_held);
    fy_log(&status->local->log, FERRY_LOG_WARN, "peer", status->peer_id, "failed to %s %s on %s (%s)%s", action,
           id.text, source, reason, held);
}

void fy_peer_status_deactivate(struct fy_peer_status *status, const char *action, const char *source,
                               const char *reason)
{
    char text[sizeof(status->last_error)];
    struct fy_id_text id = fy_id_format(status->peer_id);
    uint64_t now_ms = fy_net_unix_ms(status->local->net);
    bool was_active, is_news;

    (void)snprintf(text, sizeof(text), "failed to %s %s on %s (%s)", action, id.text, source, reason);
    pthread_mutex_lock(&status->mu);
    was_active = status->is_active;
    is_news = status->last_error[0] == '\0'; /* a peer that never was active is logged once, too */
    status->is_active = false;
    status->n_inactive += was_active ? 1 : 0;
    status->since_ms = 0;
    memcpy(status->last_error, text, sizeof(text));
    status->last_error_ms = now_ms;
    pthread_mutex_unlock(&status->mu);
    fy_log(&status->local->log, FERRY_LOG_DEBUG, "peer", status->peer_id, "%s", text);
    if (was_active || is_news)
        status_log(status);
}

void fy_peer_status_read(struct fy_peer_status *status, struct ferry_peer_status *ret_status)
{
    pthread_mutex_lock(&status->mu);
    ret_status->active = status->is_active;
    ret_status->active_since_ms = status->since_ms;
    ret_status->n_inactive = status->n_inactive;
    memcpy(ret_status->last_error, status->last_error, sizeof(status->last_error));
    ret_status->last_error_ms = status->last_error_ms;
    ret_status->last_error_is_over = status->is_active && status->last_error_ms > 0;
    pthread_mutex_unlock(&status->mu);
}
