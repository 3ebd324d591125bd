/*
 * metrics - families of series, one after the other, each with a sample or more of every peer.
 *
 * A family is a row of a table: its name, its type, what it says, and a function that prints one peer's samples.  The
 * etcd_network_ families carry etcd's names, types, labels and buckets, so that what was built for etcd works; where
 * a figure cannot be etcd's to the letter, the row says in what it differs.  All series of a peer are there from its
 * first moment, with 0, and go with the peer: etcd's appear with the first event and stay for ever.
 *
 * Numbers are printed from integers: a host's locale has no say in the decimal point.
 */
#include "transport/metrics.h"

#include <inttypes.h>

#include "base/text.h"
#include "transport/survey.h"
#include "wire/headers.h"

struct page {
    struct fy_text *text;
    const char *name; /* of the family */
    const struct fy_survey *survey;
};

struct label {
    const char *name;
    const char *value;
};

/* ---- Samples -------------------------------------------------------------------------------------------------------
 */

/* A label's value: backslash, quote and newline are escaped. */
static void put_escaped(struct fy_text *text, const char *value)
{
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            fy_text_add(text, "\\", 1);
        if (*value == '\n')
            fy_text_put(text, "\\n");
        else
            fy_text_add(text, value, 1);
    }
}

/* The name and the labels, up to the blank before the value. */
static void put_series(const struct page *page, const char *suffix, const struct label *labels, size_t n_labels)
{
    fy_text_put(page->text, page->name);
    fy_text_put(page->text, suffix);
    for (size_t i = 0; i < n_labels; i++) {
        fy_text_put(page->text, i == 0 ? "{" : ",");
        fy_text_put(page->text, labels[i].name);
        fy_text_put(page->text, "=\"");
        put_escaped(page->text, labels[i].value);
        fy_text_put(page->text, "\"");
    }
    fy_text_put(page->text, n_labels > 0 ? "} " : " ");
}

static void put_count(const struct page *page, const struct label *labels, size_t n_labels, uint64_t value)
{
    put_series(page, "", labels, n_labels);
    fy_text_print(page->text, "%" PRIu64 "\n", value);
}

/* Nanoseconds as seconds, without the zeros at the end that say nothing. */
static void put_seconds(struct fy_text *text, uint64_t ns)
{
    uint64_t fraction = ns % 1000000000;
    int n_digits = 9;

    fy_text_print(text, "%" PRIu64, ns / 1000000000);
    if (fraction == 0)
        return;
    for (; fraction % 10 == 0; fraction /= 10)
        n_digits--;
    fy_text_print(text, ".%0*" PRIu64, n_digits, fraction);
}

static void put_duration(const struct page *page, const struct label *labels, size_t n_labels, int64_t ns)
{
    put_series(page, "", labels, n_labels);
    fy_text_put(page->text, ns < 0 ? "-" : "");
    put_seconds(page->text, ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns);
    fy_text_put(page->text, "\n");
}

static void put_histogram(const struct page *page, struct label label, const struct ferry_histogram *h)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i <= h->n_buckets; i++) {
        sum += h->counts[i];
        fy_text_put(page->text, page->name);
        fy_text_put(page->text, "_bucket{");
        fy_text_put(page->text, label.name);
        fy_text_put(page->text, "=\"");
        put_escaped(page->text, label.value);
        fy_text_put(page->text, "\",le=\"");
        if (i < h->n_buckets)
            put_seconds(page->text, h->first_ns << i);
        else
            fy_text_put(page->text, "+Inf");
        fy_text_print(page->text, "\"} %" PRIu64 "\n", sum);
    }
    put_series(page, "_sum", &label, 1);
    put_seconds(page->text, h->sum_ns);
    fy_text_put(page->text, "\n");
    put_series(page, "_count", &label, 1);
    fy_text_print(page->text, "%" PRIu64 "\n", sum);
}

/* ---- etcd's families -----------------------------------------------------------------------------------------------
 */

#define UNKNOWN "unknown"                                 /* whoever posted it */
#define UNKNOWN_SNAPSHOT_SENDER "UNKNOWN_SNAPSHOT_SENDER" /* etcd's word */

typedef void peer_fn(const struct page *page, const struct ferry_peer_status *peer, const char *id);

static void to_count(const struct page *page, const char *id, uint64_t value)
{
    put_count(page, &(struct label){"To", id}, 1, value);
}

static void from_count(const struct page *page, const char *id, uint64_t value)
{
    put_count(page, &(struct label){"From", id}, 1, value);
}

static void active_peers(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    put_count(page, (struct label[]){{"Local", page->survey->id}, {"Remote", id}}, 2, peer->active ? 1 : 0);
}

static void disconnected_peers(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    put_count(page, (struct label[]){{"Local", page->survey->id}, {"Remote", id}}, 2, peer->n_inactive);
}

static void sent_bytes(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    to_count(page, id, peer->counts.sent_bytes);
}

static void received_bytes(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    from_count(page, id, peer->counts.received_bytes);
}

/* Drops that are the network's or the peer's, not those that somebody asked for. */
static void sent_failures(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    static const enum ferry_drop_reason reasons[] = {
        FERRY_DROP_QUEUE_FULL, FERRY_DROP_BUDGET,  FERRY_DROP_STREAM_CLOSED, FERRY_DROP_POST_FAILED,
        FERRY_DROP_TOO_LARGE,  FERRY_DROP_INVALID, FERRY_DROP_NOMEM,         FERRY_DROP_MEMBER_REMOVED,
        FERRY_DROP_STALE};
    uint64_t n = 0;

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        n += peer->counts.dropped[reasons[i]];
    to_count(page, id, n);
}

static void received_failures(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    from_count(page, id, peer->counts.received_failures + peer->snapshots_received.n_failed);
}

static void stranger_failures(const struct page *page)
{
    from_count(page, UNKNOWN, page->survey->n_stranger_failures);
}

static void snapshot_sent(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    to_count(page, id, peer->snapshots_sent.n_good);
}

static void snapshot_send_failures(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    to_count(page, id, peer->snapshots_sent.n_failed);
}

static void snapshot_sending(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    to_count(page, id, peer->snapshots_sent.n_in_flight);
}

static void snapshot_send_seconds(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    put_histogram(page, (struct label){"To", id}, &peer->snapshots_sent.durations);
}

static void snapshot_received(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    from_count(page, id, peer->snapshots_received.n_good);
}

static void stranger_snapshots(const struct page *page)
{
    from_count(page, UNKNOWN_SNAPSHOT_SENDER, page->survey->stranger_snapshots.n_good);
}

static void snapshot_receive_failures(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    from_count(page, id, peer->snapshots_received.n_failed);
}

static void stranger_snapshot_failures(const struct page *page)
{
    from_count(page, UNKNOWN_SNAPSHOT_SENDER, page->survey->stranger_snapshots.n_failed);
}

static void snapshot_receiving(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    from_count(page, id, peer->snapshots_received.n_in_flight);
}

static void snapshot_receive_seconds(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    put_histogram(page, (struct label){"From", id}, &peer->snapshots_received.durations);
}

static void round_trips(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    put_histogram(page, (struct label){"To", id}, &peer->round_trips);
}

/* ---- Ferry's own ---------------------------------------------------------------------------------------------------
 */

static void peer_count(const struct page *page, const char *id, uint64_t value)
{
    put_count(page, &(struct label){"peer", id}, 1, value);
}

static void with_label(const struct page *page, const char *id, const char *name, const char *value, uint64_t count)
{
    put_count(page, (struct label[]){{"peer", id}, {name, value}}, 2, count);
}

static const char *class_name(int class)
{
    return ferry_message_class_name((enum ferry_message_class) class);
}

static void accepted(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_CLASSES; i++)
        with_label(page, id, "class", class_name(i), peer->counts.by_class[i].sent);
}

static void written(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_CLASSES; i++)
        with_label(page, id, "class", class_name(i), peer->counts.by_class[i].written);
}

static void received(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_CLASSES; i++)
        with_label(page, id, "class", class_name(i), peer->counts.by_class[i].received);
}

static void dropped(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int reason = 0; reason < FERRY_N_DROP_REASONS; reason++) {
        const char *name = ferry_drop_reason_name((enum ferry_drop_reason)reason);

        if (reason == FERRY_DROP_UNKNOWN_PEER) /* those are no peer's */
            continue;
        for (int i = 0; i < FERRY_N_CLASSES; i++)
            put_count(page, (struct label[]){{"peer", id}, {"class", class_name(i)}, {"reason", name}}, 3,
                      peer->counts.by_class[i].dropped[reason]);
    }
}

static void received_dropped(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    peer_count(page, id, peer->counts.received_dropped);
}

static void refused(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    peer_count(page, id, peer->counts.refused);
}

static const char *const lane_names[FERRY_N_LANES] = {
    [FERRY_LANE_MSGAPP] = "msgapp", [FERRY_LANE_MESSAGE] = "message", [FERRY_LANE_PIPELINE] = "pipeline"};

static void queue_messages(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_LANES; i++)
        with_label(page, id, "lane", lane_names[i], peer->queues[i].messages);
}

static void queue_bytes(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_LANES; i++)
        with_label(page, id, "lane", lane_names[i], peer->queues[i].bytes);
}

static void queue_age(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_LANES; i++)
        put_duration(page, (struct label[]){{"peer", id}, {"lane", lane_names[i]}}, 2,
                     (int64_t)peer->queues[i].oldest_ms * 1000000);
}

static void inbox_messages(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    with_label(page, id, "queue", "receive", peer->inbox.messages);
    with_label(page, id, "queue", "propose", peer->proposals.messages);
}

static void inbox_bytes(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    with_label(page, id, "queue", "receive", peer->inbox.bytes);
    with_label(page, id, "queue", "propose", peer->proposals.bytes);
}

static const char *stream_name(int stream)
{
    return fy_stream_path_element((enum ferry_stream)stream);
}

static void for_stream(const struct page *page, const char *id, int stream, const char *direction, uint64_t value)
{
    put_count(page, (struct label[]){{"peer", id}, {"stream", stream_name(stream)}, {"direction", direction}}, 3,
              value);
}

static void attached(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        for_stream(page, id, i, "in", peer->reader_attached[i] ? 1 : 0);
        for_stream(page, id, i, "out", peer->writer_attached[i] ? 1 : 0);
    }
}

static void heartbeats(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        for_stream(page, id, i, "in", peer->heartbeats_received[i]);
        for_stream(page, id, i, "out", peer->heartbeats_sent[i]);
    }
}

static void dials(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    for (int i = 0; i < FERRY_N_STREAMS; i++)
        with_label(page, id, "stream", stream_name(i), peer->dials[i]);
}

static void active_since(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    if (peer->active)
        put_duration(page, &(struct label){"peer", id}, 1, (int64_t)peer->active_since_ms * 1000000);
}

static void probes(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    with_label(page, id, "result", "good", peer->probe.n_good);
    with_label(page, id, "result", "failed", peer->probe.n_failed);
}

static void probe_healthy(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    peer_count(page, id, peer->probe.healthy ? 1 : 0);
}

static void smoothed_round_trip(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    if (peer->probe.n_good > 0)
        put_duration(page, &(struct label){"peer", id}, 1, (int64_t)peer->probe.smoothed_ns);
}

static void clock_ahead(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    if (peer->probe.has_clock)
        put_duration(page, &(struct label){"peer", id}, 1, peer->probe.clock_ahead_ns);
}

static void link_up(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    bool is_both = peer->link == FERRY_LINK_BOTH;

    with_label(page, id, "direction", "in", is_both || peer->link == FERRY_LINK_ONLY_IN ? 1 : 0);
    with_label(page, id, "direction", "out", is_both || peer->link == FERRY_LINK_ONLY_OUT ? 1 : 0);
}

static void snapshots_active(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    with_label(page, id, "direction", "in", peer->snapshot_in.n_active);
    with_label(page, id, "direction", "out", peer->snapshot_out.n_active);
}

static void snapshots_waiting(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    peer_count(page, id, peer->snapshot_out.n_waiting);
}

static void snapshot_bytes(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    with_label(page, id, "direction", "in", peer->snapshot_in.bytes);
    with_label(page, id, "direction", "out", peer->snapshot_out.bytes);
}

static void snapshot_total(const struct page *page, const char *id, const char *direction,
                           const struct ferry_snapshot_progress *progress)
{
    if (progress->total_bytes != FERRY_SIZE_UNKNOWN)
        with_label(page, id, "direction", direction, progress->total_bytes);
}

static void snapshot_totals(const struct page *page, const struct ferry_peer_status *peer, const char *id)
{
    snapshot_total(page, id, "in", &peer->snapshot_in);
    snapshot_total(page, id, "out", &peer->snapshot_out);
}

/* ---- Of the transport ----------------------------------------------------------------------------------------------
 */

static void build_info(const struct page *page)
{
    put_count(page, (struct label[]){{"version", ferry_version()}, {"server_version", page->survey->server_version}}, 2,
              1);
}

static void member_removed(const struct page *page)
{
    put_count(page, NULL, 0, page->survey->is_removed ? 1 : 0);
}

static void send_budget_used(const struct page *page)
{
    put_count(page, NULL, 0, page->survey->send_bytes);
}

static void send_budget(const struct page *page)
{
    put_count(page, NULL, 0, page->survey->max_send_bytes);
}

static void unknown_peer(const struct page *page)
{
    put_count(page, NULL, 0, page->survey->n_unknown);
}

static void remotes(const struct page *page)
{
    put_count(page, NULL, 0, page->survey->n_remotes);
}

static void remotes_refused(const struct page *page)
{
    put_count(page, NULL, 0, page->survey->n_remotes_refused);
}

static void stranger_inbox(const struct page *page)
{
    put_count(page, NULL, 0, page->survey->stranger_inbox.messages);
}

static void tls_handshakes(const struct page *page)
{
    put_count(page, &(struct label){"side", "accepting"}, 1, page->survey->tls.accepted);
    put_count(page, &(struct label){"side", "dialing"}, 1, page->survey->tls.dialed);
}

static void tls_refused(const struct page *page)
{
    for (int i = 0; i < FERRY_N_TLS_REFUSALS; i++) {
        const char *reason = ferry_tls_refusal_name((enum ferry_tls_refusal)i);

        put_count(page, (struct label[]){{"side", "accepting"}, {"reason", reason}}, 2,
                  page->survey->tls.refused_accepting[i]);
        put_count(page, (struct label[]){{"side", "dialing"}, {"reason", reason}}, 2,
                  page->survey->tls.refused_dialing[i]);
    }
}

static void tls_reloads(const struct page *page)
{
    put_count(page, &(struct label){"result", "taken"}, 1, page->survey->tls.reloads);
    put_count(page, &(struct label){"result", "refused"}, 1, page->survey->tls.refused_reloads);
}

/* ---- The page ------------------------------------------------------------------------------------------------------
 */

/* of: samples of each peer; with_remotes: and of each remote; too: samples that are no peer's. */
enum of { OF_PEERS, OF_PEERS_AND_REMOTES };

static const struct family {
    const char *name;
    const char *type;
    const char *help; /* needs no escaping */
    enum of of;
    peer_fn *of_peer;                              /* NULL: none */
    void (*of_transport)(const struct page *page); /* NULL: none */
} families[] = {
#define ETCD(name) "etcd_network_" name
    {ETCD("active_peers"), "gauge", "Whether what was last tried with the member worked.", OF_PEERS_AND_REMOTES,
     active_peers, NULL},
    {ETCD("disconnected_peers_total"), "counter", "How often the member went from active to inactive.",
     OF_PEERS_AND_REMOTES, disconnected_peers, NULL},
    /* etcd counts link heartbeats, and a whole message where the frame is a compact one */
    {ETCD("peer_sent_bytes_total"), "counter", "Bytes of the frames and bodies that were written to the member.",
     OF_PEERS_AND_REMOTES, sent_bytes, NULL},
    {ETCD("peer_received_bytes_total"), "counter", "Bytes of the frames and bodies that came from the member.",
     OF_PEERS_AND_REMOTES, received_bytes, NULL},
    /* etcd counts a stream's end once, however many messages it cost */
    {ETCD("peer_sent_failures_total"), "counter", "Messages and snapshots that did not reach the member.",
     OF_PEERS_AND_REMOTES, sent_failures, NULL},
    /* etcd's From is the client's address for what cannot be decoded: one series per port */
    {ETCD("peer_received_failures_total"), "counter",
     "Messages and snapshots of the member that could not be decoded, or were too many for the core.",
     OF_PEERS_AND_REMOTES, received_failures, stranger_failures},
    {ETCD("snapshot_send_success"), "counter", "Snapshots that the member took.", OF_PEERS, snapshot_sent, NULL},
    {ETCD("snapshot_send_failures"), "counter", "Snapshots that the member did not take.", OF_PEERS,
     snapshot_send_failures, NULL},
    {ETCD("snapshot_send_inflights_total"), "gauge", "Snapshots on their way to the member.", OF_PEERS,
     snapshot_sending, NULL},
    {ETCD("snapshot_send_total_duration_seconds"), "histogram", "How long snapshots took to be sent.", OF_PEERS,
     snapshot_send_seconds, NULL},
    {ETCD("snapshot_receive_success"), "counter", "Snapshots that came from the member and were stored.",
     OF_PEERS_AND_REMOTES, snapshot_received, stranger_snapshots},
    {ETCD("snapshot_receive_failures"), "counter", "Snapshots of the member that were refused or broke off.",
     OF_PEERS_AND_REMOTES, snapshot_receive_failures, stranger_snapshot_failures},
    {ETCD("snapshot_receive_inflights_total"), "gauge", "Snapshots that are being received from the member.",
     OF_PEERS_AND_REMOTES, snapshot_receiving, NULL},
    {ETCD("snapshot_receive_total_duration_seconds"), "histogram", "How long snapshots took to be received.",
     OF_PEERS_AND_REMOTES, snapshot_receive_seconds, NULL},
    /* etcd enters the smoothed time, at most every five seconds; this has every probe's own */
    {ETCD("peer_round_trip_time_seconds"), "histogram", "How long probes of the member took to be answered.", OF_PEERS,
     round_trips, NULL},
#define FERRY(name) "ferry_" name
    {FERRY("build_info"), "gauge", "Always 1; the labels say what this is.", OF_PEERS, NULL, build_info},
    {FERRY("member_removed"), "gauge", "1 once the cluster has refused this member for good.", OF_PEERS, NULL,
     member_removed},
    {FERRY("peer_messages_accepted_total"), "counter", "Messages to the peer that were given to send.",
     OF_PEERS_AND_REMOTES, accepted, NULL},
    {FERRY("peer_messages_written_total"), "counter", "Messages to the peer that were written to a connection.",
     OF_PEERS_AND_REMOTES, written, NULL},
    {FERRY("peer_messages_dropped_total"), "counter", "Messages to the peer that were not written.",
     OF_PEERS_AND_REMOTES, dropped, NULL},
    {FERRY("peer_messages_received_total"), "counter", "Messages from the peer.", OF_PEERS_AND_REMOTES, received, NULL},
    {FERRY("peer_messages_received_dropped_total"), "counter", "Messages from the peer that were kept from the core.",
     OF_PEERS_AND_REMOTES, received_dropped, NULL},
    {FERRY("peer_messages_refused_total"), "counter", "Messages from the peer that the core did not take.",
     OF_PEERS_AND_REMOTES, refused, NULL},
    {FERRY("peer_queue_messages"), "gauge", "Messages to the peer that wait or are being written.",
     OF_PEERS_AND_REMOTES, queue_messages, NULL},
    {FERRY("peer_queue_bytes"), "gauge", "Their memory.", OF_PEERS_AND_REMOTES, queue_bytes, NULL},
    {FERRY("peer_queue_oldest_age_seconds"), "gauge", "How long the oldest of them has waited.", OF_PEERS_AND_REMOTES,
     queue_age, NULL},
    {FERRY("peer_inbox_messages"), "gauge", "Messages from the peer that wait for a worker.", OF_PEERS, inbox_messages,
     NULL},
    {FERRY("peer_inbox_bytes"), "gauge", "Their memory.", OF_PEERS, inbox_bytes, NULL},
    {FERRY("stranger_inbox_messages"), "gauge", "Posted messages of those who are no peers that wait for a worker.",
     OF_PEERS, NULL, stranger_inbox},
    {FERRY("stream_attached"), "gauge", "Whether a stream stands, in either direction.", OF_PEERS, attached, NULL},
    {FERRY("stream_heartbeats_total"), "counter", "Link heartbeats of a stream.", OF_PEERS, heartbeats, NULL},
    {FERRY("stream_dials_total"), "counter", "Attempts to read a stream from the peer.", OF_PEERS, dials, NULL},
    {FERRY("peer_active_since_timestamp_seconds"), "gauge", "Since when the peer is active.", OF_PEERS_AND_REMOTES,
     active_since, NULL},
    {FERRY("peer_probes_total"), "counter", "Probes of the peer.", OF_PEERS, probes, NULL},
    {FERRY("peer_probe_healthy"), "gauge", "Whether the last probe was answered well.", OF_PEERS, probe_healthy, NULL},
    {FERRY("peer_smoothed_round_trip_seconds"), "gauge", "The round-trip time, smoothed.", OF_PEERS,
     smoothed_round_trip, NULL},
    {FERRY("peer_clock_ahead_seconds"), "gauge", "By how much our clock is ahead of the peer's.", OF_PEERS, clock_ahead,
     NULL},
    {FERRY("peer_link_up"), "gauge", "Whether the way from the peer, or to it, is open.", OF_PEERS, link_up, NULL},
    {FERRY("peer_snapshots_active"), "gauge", "Snapshots under way.", OF_PEERS_AND_REMOTES, snapshots_active, NULL},
    {FERRY("peer_snapshots_waiting"), "gauge", "Snapshots to the peer that wait for the one under way.",
     OF_PEERS_AND_REMOTES, snapshots_waiting, NULL},
    {FERRY("peer_snapshot_bytes"), "gauge", "How much of the latest snapshot has moved.", OF_PEERS_AND_REMOTES,
     snapshot_bytes, NULL},
    {FERRY("peer_snapshot_size_bytes"), "gauge", "The size of the latest snapshot, where it is known.",
     OF_PEERS_AND_REMOTES, snapshot_totals, NULL},
    {FERRY("tls_handshakes_total"), "counter", "TLS handshakes that succeeded.", OF_PEERS, NULL, tls_handshakes},
    {FERRY("tls_refused_total"), "counter", "TLS connections that were refused.", OF_PEERS, NULL, tls_refused},
    {FERRY("tls_reloads_total"), "counter", "New TLS settings, by what became of them.", OF_PEERS, NULL, tls_reloads},
    {FERRY("send_budget_used_bytes"), "gauge", "Memory of all messages that wait to be written.", OF_PEERS, NULL,
     send_budget_used},
    {FERRY("send_budget_bytes"), "gauge", "The most that may be.", OF_PEERS, NULL, send_budget},
    {FERRY("unknown_peer_messages_total"), "counter", "Messages to members that nobody knew.", OF_PEERS, NULL,
     unknown_peer},
    {FERRY("remotes"), "gauge", "Members that are answered but are no peers.", OF_PEERS, NULL, remotes},
    {FERRY("remotes_refused_total"), "counter", "Strangers that were not remembered for want of room.", OF_PEERS, NULL,
     remotes_refused},
};

static void print_family(const struct family *family, const struct fy_survey *survey, struct fy_text *text)
{
    struct page page = {.text = text, .name = family->name, .survey = survey};
    size_t n = survey->n_peers - (family->of == OF_PEERS ? survey->n_remotes : 0);

    fy_text_put(text, "# HELP ");
    fy_text_put(text, family->name);
    fy_text_put(text, " ");
    fy_text_put(text, family->help);
    fy_text_put(text, "\n# TYPE ");
    fy_text_put(text, family->name);
    fy_text_put(text, " ");
    fy_text_put(text, family->type);
    fy_text_put(text, "\n");
    for (size_t i = 0; i < n && family->of_peer; i++)
        family->of_peer(&page, &survey->peers[i], fy_id_format(survey->peers[i].id).text);
    if (family->of_transport)
        family->of_transport(&page);
}

void fy_metrics_print(const struct fy_survey *survey, struct fy_text *text)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        print_family(&families[i], survey, text);
}

int ferry_metrics_write(const struct ferry_transport *t, ferry_write_fn *fn, void *ctx)
{
    return fy_survey_write(t, fy_metrics_print, fn, ctx);
}
