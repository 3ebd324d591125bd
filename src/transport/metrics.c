/*
 * metrics - the table of a transport's metric families.
 *
 * A family is a row of a table: its name, its type, its help text, and a function that prints one peer's samples.  The
 * etcd_network_ families have etcd's names, types, labels and buckets, so that dashboards and alerts made for etcd
 * work; where a figure differs from etcd's, the row says how.  All series of a peer exist with 0 from the moment when
 * it is added, and go when it is removed: etcd's appear with the first event and stay for ever.
 */
#include "transport/metrics.h"

#include "base/exposition.h"
#include "transport/survey.h"
#include "wire/headers.h"

struct page {
    struct fy_exposition out;
    const struct fy_survey *survey;
};

/* ---- etcd's families -----------------------------------------------------------------------------------------------
 */

#define UNKNOWN "unknown"                                 /* the sender of a POST, if not known */
#define UNKNOWN_SNAPSHOT_SENDER "UNKNOWN_SNAPSHOT_SENDER" /* etcd's word */

typedef void peer_fn(struct page *page, const struct ferry_peer_status *peer, const char *id);

static void to_count(struct page *page, const char *id, uint64_t value)
{
    fy_exposition_count(&page->out, &(struct fy_label){"To", id}, 1, value);
}

static void from_count(struct page *page, const char *id, uint64_t value)
{
    fy_exposition_count(&page->out, &(struct fy_label){"From", id}, 1, value);
}

static void active_peers(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    fy_exposition_count(&page->out, (struct fy_label[]){{"Local", page->survey->id}, {"Remote", id}}, 2,
                        peer->active ? 1 : 0);
}

static void disconnected_peers(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    fy_exposition_count(&page->out, (struct fy_label[]){{"Local", page->survey->id}, {"Remote", id}}, 2,
                        peer->n_inactive);
}

static void sent_bytes(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    to_count(page, id, peer->counts.sent_bytes);
}

static void received_bytes(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    from_count(page, id, peer->counts.received_bytes);
}

/* Drops caused by the network or the peer, without those that were asked for (removed, paused, cut, stopped). */
static void sent_failures(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    static const enum ferry_drop_reason reasons[] = {
        FERRY_DROP_QUEUE_FULL,  FERRY_DROP_BUDGET,         FERRY_DROP_STREAM_CLOSED,
        FERRY_DROP_POST_FAILED, FERRY_DROP_TOO_LARGE,      FERRY_DROP_INVALID,
        FERRY_DROP_NOMEM,       FERRY_DROP_MEMBER_REMOVED, FERRY_DROP_STALE};
    uint64_t n = 0;

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        n += peer->counts.dropped[reasons[i]];
    to_count(page, id, n);
}

static void received_failures(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    from_count(page, id, peer->counts.received_failures + peer->snapshots_received.n_failed);
}

static void stranger_failures(struct page *page)
{
    from_count(page, UNKNOWN, page->survey->n_stranger_failures);
}

static void snapshot_sent(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    to_count(page, id, peer->snapshots_sent.n_good);
}

static void snapshot_send_failures(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    to_count(page, id, peer->snapshots_sent.n_failed);
}

static void snapshot_sending(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    to_count(page, id, peer->snapshots_sent.n_in_flight);
}

static void snapshot_send_seconds(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    fy_exposition_histogram(&page->out, &(struct fy_label){"To", id}, 1, &peer->snapshots_sent.durations);
}

static void snapshot_received(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    from_count(page, id, peer->snapshots_received.n_good);
}

static void stranger_snapshots(struct page *page)
{
    from_count(page, UNKNOWN_SNAPSHOT_SENDER, page->survey->stranger_snapshots.n_good);
}

static void snapshot_receive_failures(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    from_count(page, id, peer->snapshots_received.n_failed);
}

static void stranger_snapshot_failures(struct page *page)
{
    from_count(page, UNKNOWN_SNAPSHOT_SENDER, page->survey->stranger_snapshots.n_failed);
}

static void snapshot_receiving(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    from_count(page, id, peer->snapshots_received.n_in_flight);
}

static void snapshot_receive_seconds(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    fy_exposition_histogram(&page->out, &(struct fy_label){"From", id}, 1, &peer->snapshots_received.durations);
}

static void round_trips(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    fy_exposition_histogram(&page->out, &(struct fy_label){"To", id}, 1, &peer->round_trips);
}

/* ---- Ferry's own ---------------------------------------------------------------------------------------------------
 */

static void peer_count(struct page *page, const char *id, uint64_t value)
{
    fy_exposition_count(&page->out, &(struct fy_label){"peer", id}, 1, value);
}

static void with_label(struct page *page, const char *id, const char *name, const char *value, uint64_t count)
{
    fy_exposition_count(&page->out, (struct fy_label[]){{"peer", id}, {name, value}}, 2, count);
}

static const char *class_name(int class)
{
    return ferry_message_class_name((enum ferry_message_class) class);
}

static void accepted(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_CLASSES; i++)
        with_label(page, id, "class", class_name(i), peer->counts.by_class[i].sent);
}

static void written(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_CLASSES; i++)
        with_label(page, id, "class", class_name(i), peer->counts.by_class[i].written);
}

static void received(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_CLASSES; i++)
        with_label(page, id, "class", class_name(i), peer->counts.by_class[i].received);
}

static void dropped(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int reason = 0; reason < FERRY_N_DROP_REASONS; reason++) {
        const char *name = ferry_drop_reason_name((enum ferry_drop_reason)reason);

        if (reason == FERRY_DROP_UNKNOWN_PEER) /* counted for the transport */
            continue;
        for (int i = 0; i < FERRY_N_CLASSES; i++)
            fy_exposition_count(&page->out,
                                (struct fy_label[]){{"peer", id}, {"class", class_name(i)}, {"reason", name}}, 3,
                                peer->counts.by_class[i].dropped[reason]);
    }
}

static void received_dropped(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    peer_count(page, id, peer->counts.received_dropped);
}

static void refused(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    peer_count(page, id, peer->counts.refused);
}

static const char *const lane_names[FERRY_N_LANES] = {
    [FERRY_LANE_MSGAPP] = "msgapp", [FERRY_LANE_MESSAGE] = "message", [FERRY_LANE_PIPELINE] = "pipeline"};

static void queue_messages(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_LANES; i++)
        with_label(page, id, "lane", lane_names[i], peer->queues[i].messages);
}

static void queue_bytes(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_LANES; i++)
        with_label(page, id, "lane", lane_names[i], peer->queues[i].bytes);
}

static void queue_age(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_LANES; i++)
        fy_exposition_seconds(&page->out, (struct fy_label[]){{"peer", id}, {"lane", lane_names[i]}}, 2,
                              (int64_t)peer->queues[i].oldest_ms * 1000000);
}

static void inbox_messages(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    with_label(page, id, "queue", "receive", peer->inbox.messages);
    with_label(page, id, "queue", "propose", peer->proposals.messages);
}

static void inbox_bytes(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    with_label(page, id, "queue", "receive", peer->inbox.bytes);
    with_label(page, id, "queue", "propose", peer->proposals.bytes);
}

static const char *stream_name(int stream)
{
    return fy_stream_path_element((enum ferry_stream)stream);
}

static void for_stream(struct page *page, const char *id, int stream, const char *direction, uint64_t value)
{
    fy_exposition_count(&page->out,
                        (struct fy_label[]){{"peer", id}, {"stream", stream_name(stream)}, {"direction", direction}}, 3,
                        value);
}

static void attached(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        for_stream(page, id, i, "in", peer->reader_attached[i] ? 1 : 0);
        for_stream(page, id, i, "out", peer->writer_attached[i] ? 1 : 0);
    }
}

static void heartbeats(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        for_stream(page, id, i, "in", peer->heartbeats_received[i]);
        for_stream(page, id, i, "out", peer->heartbeats_sent[i]);
    }
}

static void dials(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        with_label(page, id, "stream", stream_name(i), peer->dials[i]);
}

static void active_since(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    if (peer->active)
        fy_exposition_seconds(&page->out, &(struct fy_label){"peer", id}, 1, (int64_t)peer->active_since_ms * 1000000);
}

static void last_error_at(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    if (peer->last_error_ms > 0)
        fy_exposition_seconds(&page->out, &(struct fy_label){"peer", id}, 1, (int64_t)peer->last_error_ms * 1000000);
}

static void probes(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    with_label(page, id, "result", "good", peer->probe.n_good);
    with_label(page, id, "result", "failed", peer->probe.n_failed);
}

static void probe_healthy(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    peer_count(page, id, peer->probe.healthy ? 1 : 0);
}

static void smoothed_round_trip(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    if (peer->probe.n_good > 0)
        fy_exposition_seconds(&page->out, &(struct fy_label){"peer", id}, 1, (int64_t)peer->probe.smoothed_ns);
}

static void clock_ahead(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    if (peer->probe.has_clock)
        fy_exposition_seconds(&page->out, &(struct fy_label){"peer", id}, 1, peer->probe.clock_ahead_ns);
}

static void link_up(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    bool is_both = peer->link == FERRY_LINK_BOTH;

    with_label(page, id, "direction", "in", is_both || peer->link == FERRY_LINK_ONLY_IN ? 1 : 0);
    with_label(page, id, "direction", "out", is_both || peer->link == FERRY_LINK_ONLY_OUT ? 1 : 0);
}

static void snapshots_active(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    with_label(page, id, "direction", "in", peer->snapshot_in.n_active);
    with_label(page, id, "direction", "out", peer->snapshot_out.n_active);
}

static void snapshots_waiting(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    peer_count(page, id, peer->snapshot_out.n_waiting);
}

static void snapshot_bytes(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    with_label(page, id, "direction", "in", peer->snapshot_in.bytes);
    with_label(page, id, "direction", "out", peer->snapshot_out.bytes);
}

static void snapshot_total(struct page *page, const char *id, const char *direction,
                           const struct ferry_snapshot_progress *progress)
{
    if (progress->total_bytes != FERRY_SIZE_UNKNOWN)
        with_label(page, id, "direction", direction, progress->total_bytes);
}

static void snapshot_totals(struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    snapshot_total(page, id, "in", &peer->snapshot_in);
    snapshot_total(page, id, "out", &peer->snapshot_out);
}

/* ---- Of the transport ----------------------------------------------------------------------------------------------
 */

static void build_info(struct page *page)
{
    fy_exposition_count(
        &page->out, (struct fy_label[]){{"version", ferry_version()}, {"server_version", page->survey->server_version}},
        2, 1);
}

static void member_removed(struct page *page)
{
    fy_exposition_count(&page->out, NULL, 0, page->survey->is_removed ? 1 : 0);
}

static void send_budget_used(struct page *page)
{
    fy_exposition_count(&page->out, NULL, 0, page->survey->send_bytes);
}

static void send_budget(struct page *page)
{
    fy_exposition_count(&page->out, NULL, 0, page->survey->max_send_bytes);
}

static void unknown_peer(struct page *page)
{
    fy_exposition_count(&page->out, NULL, 0, page->survey->n_unknown);
}

static void remotes(struct page *page)
{
    fy_exposition_count(&page->out, NULL, 0, page->survey->n_remotes);
}

static void remotes_refused(struct page *page)
{
    fy_exposition_count(&page->out, NULL, 0, page->survey->n_remotes_refused);
}

static void crowd(struct page *page)
{
    static const char *const names[FY_N_CROWD_EVENTS] = {[FY_CROWD_REFUSED] = "refused",
                                                         [FY_CROWD_EVICTED] = "evicted",
                                                         [FY_CROWD_LATE_BODY] = "late_body"};

    for (int i = 0; i < FY_N_CROWD_EVENTS; i++)
        fy_exposition_count(&page->out, &(struct fy_label){"reason", names[i]}, 1, page->survey->crowd[i]);
}

static void stranger_inbox(struct page *page)
{
    fy_exposition_count(&page->out, NULL, 0, page->survey->stranger_inbox.messages);
}

static void tls_handshakes(struct page *page)
{
    fy_exposition_count(&page->out, &(struct fy_label){"side", "accepting"}, 1, page->survey->tls.accepted);
    fy_exposition_count(&page->out, &(struct fy_label){"side", "dialing"}, 1, page->survey->tls.dialed);
}

static void tls_refused(struct page *page)
{
    for (int i = 0; i < FERRY_N_TLS_REFUSALS; i++) {
        const char *reason = ferry_tls_refusal_name((enum ferry_tls_refusal)i);

        fy_exposition_count(&page->out, (struct fy_label[]){{"side", "accepting"}, {"reason", reason}}, 2,
                            page->survey->tls.refused_accepting[i]);
        fy_exposition_count(&page->out, (struct fy_label[]){{"side", "dialing"}, {"reason", reason}}, 2,
                            page->survey->tls.refused_dialing[i]);
    }
}

static void tls_reloads(struct page *page)
{
    fy_exposition_count(&page->out, &(struct fy_label){"result", "taken"}, 1, page->survey->tls.reloads);
    fy_exposition_count(&page->out, &(struct fy_label){"result", "refused"}, 1, page->survey->tls.refused_reloads);
}

/* ---- The page ------------------------------------------------------------------------------------------------------
 */

/* Whose samples a family has. */
enum of { OF_PEERS, OF_PEERS_AND_REMOTES };

static const struct family {
    const char *name;
    const char *type;
    const char *help; /* needs no escaping */
    enum of of;
    peer_fn *of_peer;                        /* NULL: none */
    void (*of_transport)(struct page *page); /* NULL: none */
} families[] = {
#define ETCD(name) "etcd_network_" name
    {ETCD("active_peers"), "gauge", "1 if the last operation with the member succeeded.", OF_PEERS_AND_REMOTES,
     active_peers, NULL},
    {ETCD("disconnected_peers_total"), "counter", "Changes of the member from active to inactive.",
     OF_PEERS_AND_REMOTES, disconnected_peers, NULL},
    /* etcd also counts link heartbeats, and the full message for a compact frame */
    {ETCD("peer_sent_bytes_total"), "counter", "Bytes of frames and POST bodies written to the member.",
     OF_PEERS_AND_REMOTES, sent_bytes, NULL},
    {ETCD("peer_received_bytes_total"), "counter", "Bytes of frames and POST bodies received from the member.",
     OF_PEERS_AND_REMOTES, received_bytes, NULL},
    /* etcd counts a broken stream once, however many messages were lost */
    {ETCD("peer_sent_failures_total"), "counter", "Messages and snapshots that did not reach the member.",
     OF_PEERS_AND_REMOTES, sent_failures, NULL},
    /* for a message that cannot be decoded, etcd's From is the client's address: one series per port */
    {ETCD("peer_received_failures_total"), "counter",
     "Messages and snapshots from the member that could not be decoded or stored.", OF_PEERS_AND_REMOTES,
     received_failures, stranger_failures},
    {ETCD("snapshot_send_success"), "counter", "Snapshots that the member accepted.", OF_PEERS, snapshot_sent, NULL},
    {ETCD("snapshot_send_failures"), "counter", "Snapshots to the member that failed.", OF_PEERS,
     snapshot_send_failures, NULL},
    {ETCD("snapshot_send_inflights_total"), "gauge", "Snapshots being sent to the member.", OF_PEERS, snapshot_sending,
     NULL},
    {ETCD("snapshot_send_total_duration_seconds"), "histogram", "Duration of sending a snapshot.", OF_PEERS,
     snapshot_send_seconds, NULL},
    {ETCD("snapshot_receive_success"), "counter", "Snapshots received from the member and stored.",
     OF_PEERS_AND_REMOTES, snapshot_received, stranger_snapshots},
    {ETCD("snapshot_receive_failures"), "counter", "Snapshots from the member that were refused or aborted.",
     OF_PEERS_AND_REMOTES, snapshot_receive_failures, stranger_snapshot_failures},
    {ETCD("snapshot_receive_inflights_total"), "gauge", "Snapshots being received from the member.",
     OF_PEERS_AND_REMOTES, snapshot_receiving, NULL},
    {ETCD("snapshot_receive_total_duration_seconds"), "histogram", "Duration of receiving a snapshot.",
     OF_PEERS_AND_REMOTES, snapshot_receive_seconds, NULL},
    /* etcd observes the smoothed time, at most every five seconds; here every probe is observed */
    {ETCD("peer_round_trip_time_seconds"), "histogram", "Round-trip time of probes of the member.", OF_PEERS,
     round_trips, NULL},
#define FERRY(name) "ferry_" name
    {FERRY("build_info"), "gauge", "Always 1; the labels hold the versions.", OF_PEERS, NULL, build_info},
    {FERRY("member_removed"), "gauge", "1 if the cluster has removed this member.", OF_PEERS, NULL, member_removed},
    {FERRY("peer_messages_accepted_total"), "counter", "Messages to the peer accepted by ferry_transport_send.",
     OF_PEERS_AND_REMOTES, accepted, NULL},
    {FERRY("peer_messages_written_total"), "counter", "Messages to the peer written to a connection.",
     OF_PEERS_AND_REMOTES, written, NULL},
    {FERRY("peer_messages_dropped_total"), "counter", "Messages to the peer dropped before they were written.",
     OF_PEERS_AND_REMOTES, dropped, NULL},
    {FERRY("peer_messages_received_total"), "counter", "Messages received from the peer.", OF_PEERS_AND_REMOTES,
     received, NULL},
    {FERRY("peer_messages_received_dropped_total"), "counter",
     "Messages from the peer dropped before they reached the core.", OF_PEERS_AND_REMOTES, received_dropped, NULL},
    {FERRY("peer_messages_refused_total"), "counter", "Messages from the peer that the core refused.",
     OF_PEERS_AND_REMOTES, refused, NULL},
    {FERRY("peer_queue_messages"), "gauge", "Messages to the peer that are queued or being written.",
     OF_PEERS_AND_REMOTES, queue_messages, NULL},
    {FERRY("peer_queue_bytes"), "gauge", "Memory of the messages to the peer that are queued or being written.",
     OF_PEERS_AND_REMOTES, queue_bytes, NULL},
    {FERRY("peer_queue_oldest_age_seconds"), "gauge",
     "Age of the oldest message to the peer that is queued or being written.", OF_PEERS_AND_REMOTES, queue_age, NULL},
    {FERRY("peer_inbox_messages"), "gauge", "Messages from the peer that wait for a worker.", OF_PEERS, inbox_messages,
     NULL},
    {FERRY("peer_inbox_bytes"), "gauge", "Memory of the messages from the peer that wait for a worker.", OF_PEERS,
     inbox_bytes, NULL},
    {FERRY("stranger_inbox_messages"), "gauge", "Messages posted by members that are not peers, waiting for a worker.",
     OF_PEERS, NULL, stranger_inbox},
    {FERRY("stream_attached"), "gauge", "1 if the stream is connected.", OF_PEERS, attached, NULL},
    {FERRY("stream_heartbeats_total"), "counter", "Link heartbeats sent or received on the stream.", OF_PEERS,
     heartbeats, NULL},
    {FERRY("stream_dials_total"), "counter", "Attempts to dial a stream of the peer.", OF_PEERS, dials, NULL},
    {FERRY("peer_active_since_timestamp_seconds"), "gauge", "Time at which the peer became active.",
     OF_PEERS_AND_REMOTES, active_since, NULL},
    {FERRY("peer_last_error_timestamp_seconds"), "gauge",
     "Time of the last failure that made or kept the peer inactive.", OF_PEERS_AND_REMOTES, last_error_at, NULL},
    {FERRY("peer_probes_total"), "counter", "Probes of the peer, by result.", OF_PEERS, probes, NULL},
    {FERRY("peer_probe_healthy"), "gauge", "1 if the last probe of the peer succeeded.", OF_PEERS, probe_healthy, NULL},
    {FERRY("peer_smoothed_round_trip_seconds"), "gauge", "Smoothed round-trip time of probes.", OF_PEERS,
     smoothed_round_trip, NULL},
    {FERRY("peer_clock_ahead_seconds"), "gauge", "Difference of our clock to the peer's; positive if ours is ahead.",
     OF_PEERS, clock_ahead, NULL},
    {FERRY("peer_link_up"), "gauge", "1 if packets pass in this direction.", OF_PEERS, link_up, NULL},
    {FERRY("peer_snapshots_active"), "gauge", "Snapshots being transferred.", OF_PEERS_AND_REMOTES, snapshots_active,
     NULL},
    {FERRY("peer_snapshots_waiting"), "gauge", "Snapshots to the peer that wait for the present one to end.",
     OF_PEERS_AND_REMOTES, snapshots_waiting, NULL},
    {FERRY("peer_snapshot_bytes"), "gauge", "Bytes of the latest snapshot transferred so far.", OF_PEERS_AND_REMOTES,
     snapshot_bytes, NULL},
    {FERRY("peer_snapshot_size_bytes"), "gauge", "Size of the latest snapshot, if known.", OF_PEERS_AND_REMOTES,
     snapshot_totals, NULL},
    {FERRY("tls_handshakes_total"), "counter", "TLS handshakes that succeeded.", OF_PEERS, NULL, tls_handshakes},
    {FERRY("tls_refused_total"), "counter", "TLS connections that were refused.", OF_PEERS, NULL, tls_refused},
    {FERRY("tls_reloads_total"), "counter", "Reloads of the TLS settings, by result.", OF_PEERS, NULL, tls_reloads},
    {FERRY("send_budget_used_bytes"), "gauge", "Memory of all outgoing messages that are queued or being written.",
     OF_PEERS, NULL, send_budget_used},
    {FERRY("send_budget_bytes"), "gauge", "Limit of the memory of outgoing messages (max_send_bytes).", OF_PEERS, NULL,
     send_budget},
    {FERRY("unknown_peer_messages_total"), "counter", "Messages to ids that are neither peers nor remotes.", OF_PEERS,
     NULL, unknown_peer},
    {FERRY("remotes"), "gauge", "Remotes: members that are not peers, to which answers can be sent.", OF_PEERS, NULL,
     remotes},
    {FERRY("connections_closed_total"), "counter",
     "Connections closed: newcomers without room, others to make room for them, and those whose body was late.",
     OF_PEERS, NULL, crowd},
    {FERRY("remotes_refused_total"), "counter",
     "Strangers that did not become remotes because max_remotes was reached.", OF_PEERS, NULL, remotes_refused},
};

static void print_family(struct page *page, const struct family *family)
{
    const struct fy_survey *survey = page->survey;
    size_t n = survey->n_peers - (family->of == OF_PEERS ? survey->n_remotes : 0);

    fy_exposition_family(&page->out, family->name, family->type, family->help);
    for (size_t i = 0; i < n && family->of_peer; i++)
        family->of_peer(page, &survey->peers[i], fy_id_format(survey->peers[i].id).text);
    if (family->of_transport)
        family->of_transport(page);
}

void fy_metrics_print(const struct fy_survey *survey, struct fy_text *text)
{
    struct page page = {.survey = survey};

    fy_exposition_init(&page.out, text);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        print_family(&page, &families[i]);
}

int ferry_metrics_write(const struct ferry_transport *t, ferry_write_fn *fn, void *ctx)
{
    return fy_survey_write(t, fy_metrics_print, fn, ctx);
}
