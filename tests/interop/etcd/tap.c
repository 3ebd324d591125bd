/*
 * tap - a packet socket, TCP put together again, and just enough HTTP and msgappv2 to count.
 *
 * One thread reads packets from the router's interface to the server.  Each direction of a connection is a flow.  The
 * network between two namespaces neither loses nor reorders, so a flow only has to leave out what was sent twice; a gap
 * counts as lost, and the test sees it.  Requests are found by their first line wherever it begins; the answers to the
 * requests for a msgapp stream are taken out of their chunks and cut into frames.
 */
#include "interop/etcd/tap.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "interop/etcd/cluster.h"
#include "interop/etcd/network.h"

#define PEER_PORT 2380
#define MAX_FLOWS 4096
#define MAX_PACKET (1 << 17)
#define MAX_LINE 32 /* the longest beginning of a request that is looked for */
#define MAX_FRAME (16u << 20)
#define SOCKET_BUFFER (64 << 20)

enum frame { FRAME_LINK_HEARTBEAT = 0, FRAME_ENTRIES = 1, FRAME_MESSAGE = 2 };

struct bytes {
    uint8_t *data;
    size_t len;
};

enum answer_state { ANSWER_HEAD, ANSWER_CHUNK_SIZE, ANSWER_CHUNK };

/* One direction of a connection. */
struct flow {
    uint32_t from, to; /* addresses and ports, as they came */
    uint16_t from_port, to_port;
    bool has_begun;
    uint32_t next; /* sequence number */

    char line[MAX_LINE]; /* the last bytes of a flow of requests: [line_len] */
    size_t line_len;

    bool is_msgapp; /* it answers a request for such a stream */
    enum answer_state state;
    struct bytes head;   /* of the answer, and of each chunk */
    size_t chunk_left;   /* with the line end behind it */
    struct bytes frames; /* taken out of the chunks, not yet whole */
};

struct tap {
    int fd;
    uint32_t server; /* its address */
    pthread_t thread;
    atomic_bool is_over;
    struct flow flows[MAX_FLOWS]; /* the thread's */
    size_t n_flows;
    pthread_mutex_t mu;
    struct tap_counts counts; /* mu */
};

static void append(struct bytes *bytes, const uint8_t *data, size_t len)
{
    bytes->data = realloc(bytes->data, bytes->len + len + 1);
    ck_assert_ptr_nonnull(bytes->data);
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    bytes->data[bytes->len] = '\0';
}

static void drop_front(struct bytes *bytes, size_t len)
{
    bytes->len -= len;
    memmove(bytes->data, bytes->data + len, bytes->len);
}

static void count(struct tap *tap, uint64_t *counter)
{
    pthread_mutex_lock(&tap->mu);
    (*counter)++;
    pthread_mutex_unlock(&tap->mu);
}

static enum tap_direction direction_of(const struct tap *tap, const struct flow *flow)
{
    return flow->from == tap->server ? TAP_FROM_SERVER : TAP_TO_SERVER;
}

static struct flow *find_flow(struct tap *tap, uint32_t from, uint16_t from_port, uint32_t to, uint16_t to_port)
{
    struct flow *flow;

    for (size_t i = 0; i < tap->n_flows; i++) {
        flow = &tap->flows[i];
        if (flow->from == from && flow->to == to && flow->from_port == from_port && flow->to_port == to_port)
            return flow;
    }
    ck_assert_uint_lt(tap->n_flows, MAX_FLOWS);
    flow = &tap->flows[tap->n_flows++];
    flow->from = from;
    flow->to = to;
    flow->from_port = from_port;
    flow->to_port = to_port;
    return flow;
}

/* ---- msgappv2 ------------------------------------------------------------------------------------------------------
 */

static uint64_t get_be64(const uint8_t *at)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | at[i];
    return value;
}

/* The length of the first frame: a byte for its type, and what the type says.  0: it is not whole. */
static size_t frame_len(struct tap *tap, struct flow *flow)
{
    const struct bytes *b = &flow->frames;
    size_t at = 1 + 8;

    if (b->len == 0)
        return 0;
    if (b->data[0] == FRAME_LINK_HEARTBEAT)
        return 1;
    if (b->len < at)
        return 0;
    switch (b->data[0]) {
    case FRAME_ENTRIES:
        for (uint64_t left = get_be64(b->data + 1); left > 0 && at < MAX_FRAME; left--) {
            if (b->len < at + 8)
                return 0;
            at += 8 + get_be64(b->data + at);
        }
        at += 8;
        break;
    case FRAME_MESSAGE:
        at += get_be64(b->data + 1);
        break;
    default:
        at = MAX_FRAME;
        break;
    }
    if (at >= MAX_FRAME) {
        count(tap, &tap->counts.lost);
        flow->is_msgapp = false;
        return 0;
    }
    return b->len >= at ? at : 0;
}

static void take_frames(struct tap *tap, struct flow *flow)
{
    enum tap_direction direction = direction_of(tap, flow);
    size_t len;

    while ((len = frame_len(tap, flow)) > 0) {
        uint8_t type = flow->frames.data[0];

        count(tap, type == FRAME_LINK_HEARTBEAT ? &tap->counts.link_heartbeats[direction]
                   : type == FRAME_ENTRIES      ? &tap->counts.compact[direction]
                                                : &tap->counts.full[direction]);
        drop_front(&flow->frames, len);
    }
}

/* ---- HTTP ----------------------------------------------------------------------------------------------------------
 */

/* Take bytes up to the mark into the head; true when it is there.  *at moves on. */
static bool take_head(struct flow *flow, const uint8_t **at, const uint8_t *end, const char *mark)
{
    size_t len = strlen(mark);

    while (*at < end) {
        append(&flow->head, (*at)++, 1);
        if (flow->head.len >= len && memcmp(flow->head.data + flow->head.len - len, mark, len) == 0)
            return true;
    }
    return false;
}

static void read_answer(struct tap *tap, struct flow *flow, const uint8_t *at, const uint8_t *end)
{
    while (at < end && flow->is_msgapp) {
        if (flow->state == ANSWER_HEAD) {
            if (!take_head(flow, &at, end, "\r\n\r\n"))
                return;
            if (strncmp((const char *)flow->head.data, "HTTP/1.1 200", 12) != 0) {
                flow->is_msgapp = false; /* refused */
                return;
            }
            flow->state = ANSWER_CHUNK_SIZE;
            flow->head.len = 0;
        } else if (flow->state == ANSWER_CHUNK_SIZE) {
            if (!take_head(flow, &at, end, "\r\n"))
                return;
            flow->chunk_left = strtoul((const char *)flow->head.data, NULL, 16);
            flow->head.len = 0;
            if (flow->chunk_left == 0) {
                flow->is_msgapp = false; /* the last one */
                return;
            }
            flow->chunk_left += 2;
            flow->state = ANSWER_CHUNK;
        } else {
            size_t n = (size_t)(end - at) < flow->chunk_left ? (size_t)(end - at) : flow->chunk_left;
            size_t n_data = n;

            if (flow->chunk_left - n < 2) /* not the line end */
                n_data = flow->chunk_left > 2 ? flow->chunk_left - 2 : 0;
            append(&flow->frames, at, n_data);
            flow->chunk_left -= n;
            at += n;
            take_frames(tap, flow);
            if (flow->chunk_left == 0)
                flow->state = ANSWER_CHUNK_SIZE;
        }
    }
}

static bool ends_with(const struct flow *flow, const char *text)
{
    size_t len = strlen(text);

    return flow->line_len >= len && memcmp(flow->line + flow->line_len - len, text, len) == 0;
}

static void read_requests(struct tap *tap, struct flow *flow, const uint8_t *at, const uint8_t *end)
{
    for (; at < end; at++) {
        if (flow->line_len == MAX_LINE)
            memmove(flow->line, flow->line + 1, --flow->line_len);
        flow->line[flow->line_len++] = (char)*at;
        if (*at == ' ' && ends_with(flow, "POST /raft "))
            count(tap, &tap->counts.posts);
        else if (*at == ' ' && ends_with(flow, "POST /raft/snapshot "))
            count(tap, &tap->counts.snapshots);
        else if (*at == '/' && ends_with(flow, "GET /raft/stream/message/"))
            count(tap, &tap->counts.dials[direction_of(tap, flow)]);
        else if (*at == '/' && ends_with(flow, "GET /raft/stream/msgapp/")) {
            struct flow *answer = find_flow(tap, flow->to, flow->to_port, flow->from, flow->from_port);

            count(tap, &tap->counts.dials[direction_of(tap, flow)]);
            answer->is_msgapp = true;
            answer->state = ANSWER_HEAD;
            answer->head.len = answer->frames.len = 0;
        }
    }
}

/* ---- Packets -------------------------------------------------------------------------------------------------------
 */

static void read_packet(struct tap *tap, const uint8_t *packet, size_t len)
{
    const struct iphdr *ip_head = (const void *)packet;
    const struct tcphdr *tcp;
    const uint8_t *at, *end;
    struct flow *flow;
    uint32_t seq;

    if (len < sizeof(*ip_head) || ip_head->protocol != IPPROTO_TCP || len < ip_head->ihl * 4u + sizeof(*tcp))
        return;
    tcp = (const void *)(packet + ip_head->ihl * 4u);
    if (ntohs(tcp->source) != PEER_PORT && ntohs(tcp->dest) != PEER_PORT)
        return;
    flow = find_flow(tap, ip_head->saddr, tcp->source, ip_head->daddr, tcp->dest);
    seq = ntohl(tcp->seq);
    if (tcp->syn) {
        free(flow->head.data);
        free(flow->frames.data);
        *flow = (struct flow){.from = flow->from,
                              .to = flow->to,
                              .from_port = flow->from_port,
                              .to_port = flow->to_port,
                              .has_begun = true,
                              .next = seq + 1};
        return;
    }
    at = packet + ip_head->ihl * 4u + tcp->doff * 4u;
    end = packet + (ntohs(ip_head->tot_len) ? ntohs(ip_head->tot_len) : len); /* 0: larger than it could say */
    if (!flow->has_begun || at >= end || end > packet + len)
        return;
    if ((int32_t)(flow->next - seq) < 0) {
        count(tap, &tap->counts.lost);
        flow->next = seq;
    }
    if ((ptrdiff_t)(flow->next - seq) >= end - at)
        return; /* sent twice */
    at += flow->next - seq;
    flow->next += (uint32_t)(end - at);
    if (ntohs(flow->to_port) == PEER_PORT)
        read_requests(tap, flow, at, end);
    else if (flow->is_msgapp)
        read_answer(tap, flow, at, end);
}

static void *run(void *arg)
{
    struct tap *tap = arg;
    uint8_t *packet = malloc(MAX_PACKET);

    ck_assert_ptr_nonnull(packet);
    while (!atomic_load(&tap->is_over)) {
        struct pollfd fd = {.fd = tap->fd, .events = POLLIN};
        struct sockaddr_ll source = {.sll_family = AF_PACKET};
        socklen_t source_len = sizeof(source);
        ssize_t n;

        if (poll(&fd, 1, 50) <= 0)
            continue;
        n = recvfrom(tap->fd, packet, MAX_PACKET, 0, (struct sockaddr *)&source, &source_len);
        if (n > 0 && source.sll_protocol == htons(ETH_P_IP))
            read_packet(tap, packet, (size_t)n);
    }
    free(packet);
    return NULL;
}

struct tap *tap_start(const struct server *server)
{
    struct tap *tap = calloc(1, sizeof(*tap));
    struct sockaddr_ll interface = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    char host[32];
    int size = SOCKET_BUFFER;

    ck_assert_ptr_nonnull(tap);
    ck_assert_int_eq(sscanf(server->peer_url, "http://%31[0-9.]", host), 1);
    ck_assert_int_eq(inet_pton(AF_INET, host, &tap->server), 1);
    pthread_mutex_init(&tap->mu, NULL);
    tap->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL)); /* ETH_P_IP alone sees what comes in */
    ck_assert_int_ge(tap->fd, 0);
    (void)setsockopt(tap->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
                     sizeof(size)); /* what is lost for want of it is seen */
    interface.sll_ifindex = (int)if_nametoindex(network_interface(server));
    ck_assert_int_eq(bind(tap->fd, (const struct sockaddr *)&interface, sizeof(interface)), 0);
    ck_assert_int_eq(pthread_create(&tap->thread, NULL, run, tap), 0);
    return tap;
}

struct tap_counts tap_read(struct tap *tap)
{
    struct tap_counts counts;

    pthread_mutex_lock(&tap->mu);
    counts = tap->counts;
    pthread_mutex_unlock(&tap->mu);
    return counts;
}

void tap_stop(struct tap *tap)
{
    atomic_store(&tap->is_over, true);
    pthread_join(tap->thread, NULL);
    close(tap->fd);
    for (size_t i = 0; i < tap->n_flows; i++) {
        free(tap->flows[i].head.data);
        free(tap->flows[i].frames.data);
    }
    pthread_mutex_destroy(&tap->mu);
    free(tap);
}
