/*
 * survey - read one peer after the other, without holding the lock in between.
 *
 * Peers that are added or removed meanwhile may or may not be included.  A page is printed on the caller's thread; the
 * pages of the peer port on the loop.
 */
#include "transport/survey.h"

#include <stdlib.h>

#include "base/text.h"
#include "peer/peer.h"
#include "transport/transport.h"

/* Reading takes locks, so the object is not const in the sense of C. */
static struct ferry_transport *mutable_transport(const struct ferry_transport *t)
{
    return (struct ferry_transport *)(uintptr_t)t;
}

static int make_room(struct fy_survey *survey)
{
    size_t n_room = survey->n_room ? 2 * survey->n_room : 8;
    struct ferry_peer_status *peers;

    if (survey->n_peers < survey->n_room)
        return FERRY_OK;
    peers = realloc(survey->peers, n_room * sizeof(*peers));
    if (!peers)
        return FERRY_ERR_NOMEM;
    survey->peers = peers;
    survey->n_room = n_room;
    return FERRY_OK;
}

static struct fy_peer *next_peer(struct ferry_transport *t, const struct fy_peer_table *table, uint64_t id)
{
    struct fy_peer *peer;

    pthread_mutex_lock(&t->mu);
    peer = fy_peer_table_after(table, id);
    if (peer)
        fy_peer_ref(peer);
    pthread_mutex_unlock(&t->mu);
    return peer;
}

static int look_at_table(struct ferry_transport *t, const struct fy_peer_table *table, struct fy_survey *survey)
{
    struct fy_peer *peer;
    uint64_t id = 0;

    while ((peer = next_peer(t, table, id))) {
        int err = make_room(survey);

        id = fy_peer_id(peer);
        if (err == FERRY_OK)
            fy_peer_read_status(peer, &survey->peers[survey->n_peers++]);
        fy_peer_unref(peer);
        if (err != FERRY_OK)
            return err;
    }
    return FERRY_OK;
}

static void look_at_transport(struct ferry_transport *t, struct fy_survey *survey)
{
    struct ferry_queue_status received, proposed;

    fy_inbox_read(&t->delivery.strangers, &received, &proposed);
    *survey = (struct fy_survey){
        .id = t->local.id_text.text,
        .cluster_id = t->raft.cluster_id_text.text,
        .server_version = t->raft.version_text,
        .is_removed = atomic_load(&t->was_fatal),
        .n_remotes_refused = atomic_load(&t->n_remotes_refused),
        .n_unknown = atomic_load(&t->n_unknown),
        .n_stranger_failures = atomic_load(&t->n_stranger_failures),
        .send_bytes = atomic_load(&t->local.send_bytes),
        .max_send_bytes = t->local.max_send_bytes,
        .stranger_inbox = {.messages = received.messages + proposed.messages, .bytes = received.bytes + proposed.bytes},
    };
    for (int i = 0; i < FY_N_CROWD_EVENTS; i++)
        survey->crowd[i] = atomic_load(&t->node->crowd.of[i]);
    fy_snapshot_meter_read_sums(&t->stranger_snapshots, &survey->stranger_snapshots);
    ferry_transport_tls_counts(t, &survey->tls);
}

int fy_survey_take(const struct ferry_transport *t, struct fy_survey *ret_survey)
{
    struct ferry_transport *seen = mutable_transport(t);
    struct fy_survey survey;
    size_t n_true_peers;
    int err;

    look_at_transport(seen, &survey);
    err = look_at_table(seen, &seen->peers, &survey);
    n_true_peers = survey.n_peers;
    if (err == FERRY_OK)
        err = look_at_table(seen, &seen->remotes, &survey);
    if (err != FERRY_OK) {
        fy_survey_release(&survey);
        return err;
    }
    survey.n_remotes = survey.n_peers - n_true_peers;
    *ret_survey = survey;
    return FERRY_OK;
}

void fy_survey_release(struct fy_survey *survey)
{
    free(survey->peers);
    survey->peers = NULL;
}

int fy_survey_print(const struct ferry_transport *t, fy_survey_page_fn *page, struct fy_text *text)
{
    struct fy_survey survey;
    int err;

    err = fy_survey_take(t, &survey);
    if (err != FERRY_OK)
        return err;
    page(&survey, text);
    fy_survey_release(&survey);
    return text->err;
}

int fy_survey_write(const struct ferry_transport *t, fy_survey_page_fn *page, ferry_write_fn *fn, void *ctx)
{
    struct fy_text text;
    int err;

    fy_text_init(&text);
    err = fy_survey_print(t, page, &text);
    if (err == FERRY_OK)
        err = fn(ctx, text.data, text.len);
    fy_text_release(&text);
    return err;
}
