/*
 * peer_rig.h - one member whose peer code is tested, and another played by the test, on a simulated net.
 *
 * We are member 1 at http://us:80, with one peer, member 2, at http://them:80; it is created but not started.  Bytes
 * take exactly a millisecond each way: a dial reaches its server after 3 ms, and the answer's head is back after 4.
 * All upcalls of the peer code are recorded.  Each test runs in its own process, so there is one rig.
 */
#ifndef UNIT_PEER_RIG_H
#define UNIT_PEER_RIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "member/local.h"
#include "net/net.h"
#include "net/sim/sim.h"
#include "peer/peer.h"
#include "peer/raft_local.h"
#include "wire/decoder.h"
#include "wire/encoder.h"

#define RIG_MAX_SEEN 512
#define RIG_MAX_BODY (1u << 17)

#define RIG_US 0x1
#define RIG_THEM 0x2

#define RIG_ARRIVAL_MS 3 /* from a dial to its request at the server */
#define RIG_ANSWER_MS 4  /* and to the answer's head */

/* What is kept of a received message. */
struct rig_message {
    enum ferry_message_type type;
    uint64_t index;
    uint64_t term;
    uint64_t from;
    uint64_t to;
    size_t n_entries;
};

/* How a request to them is answered. */
struct rig_answer {
    int status;             /* 0: not at all; 200 to a GET: with a stream */
    const char *version;    /* X-Server-Version; NULL: absent */
    const char *cluster_id; /* X-Etcd-Cluster-ID; NULL: absent */
    const char *body;
    bool aborts; /* close the connection without an answer */
};

/* A request that they received. */
struct rig_request {
    uint64_t at_ns;
    uint16_t port; /* of the listener that it came by */
    char method[8];
    char path[64];
    char from[32];
    char version[32];
    char min_version[32];
    char cluster_id[32];
    char peer_urls[128];
    char raft_to[32];
    char content_type[64];
    struct fy_request *req; /* NULL: answered or gone */
    uint8_t *body;          /* POST */
    size_t body_len;
    bool is_body_whole;
    bool is_gone; /* we left before it was answered */
};

/* A stream that they write and our reader reads: the newest of its kind. */
struct rig_feed {
    struct fy_outflow *out; /* NULL: none */
    struct fy_encoder encoder;
    uint8_t *bytes; /* not taken yet */
    size_t len;
    unsigned n_opened;
    unsigned n_gone;
};

/* A GET of theirs, by which they read one of our writers. */
struct rig_call {
    struct fy_call *call; /* NULL: over */
    enum ferry_stream stream;
    int status;
    char version[32];
    char cluster_id[32];
    struct fy_decoder decoder;
    bool is_decoding;
    int decode_err;
    size_t n_bytes;
    size_t n_heartbeats;
    uint64_t heartbeat_ns[RIG_MAX_SEEN];
    size_t n_messages;
    struct rig_message messages[RIG_MAX_SEEN];
    uint64_t message_ns[RIG_MAX_SEEN];
    bool has_ended;
    int err;
};

struct peer_rig {
    struct fy_sim *sim;
    struct fy_sim_node *our_node;
    struct fy_sim_node *their_node;
    struct fy_net *us;
    struct fy_net *them;
    struct fy_local local;
    struct fy_raft_local raft;
    struct fy_peer *peer;
    bool is_peer_freed;

    struct fy_listener *our_listener;
    struct fy_listener *their_listener; /* port 80 */
    struct fy_listener *their_second;   /* port 81: the same member */

    struct rig_answer on_get;
    struct rig_answer on_post;
    struct rig_answer on_probe;   /* 200 without a body: a healthy member's answer */
    int64_t their_clock_ahead_ns; /* in that answer */
    size_t n_gets;                /* of streams */
    struct rig_request gets[RIG_MAX_SEEN];
    size_t n_probes;
    struct rig_request probes[RIG_MAX_SEEN];
    size_t n_posts;
    struct rig_request posts[RIG_MAX_SEEN];
    struct rig_feed feeds[FERRY_N_STREAMS];

    /* what was called up */
    size_t n_delivered;
    struct rig_message delivered[RIG_MAX_SEEN];
    uint64_t delivered_ns[RIG_MAX_SEEN];
    atomic_size_t n_unreachable; /* any thread */
    atomic_size_t n_finish;
    atomic_size_t n_failure;
    size_t n_fatal;
    int fatal_err;

    size_t n_lines;
    struct {
        enum ferry_log_level level;
        char text[200];
    } lines[RIG_MAX_SEEN];
};

extern struct peer_rig rig;

void rig_setup(void);
void rig_setup_with(const struct ferry_sim_config *cfg);
void rig_teardown(void);

/* Make the peer again, after changes to rig.local that it only looks at when it is made. */
void rig_remake_peer(void);

void rig_run_ms(uint64_t ms);
uint64_t rig_now_ns(void);

/* A message to them with its index for a mark, and n_entries of len bytes each. */
struct ferry_message rig_message(enum ferry_message_type type, uint64_t index, size_t n_entries, size_t len);
void rig_send(enum ferry_message_type type, uint64_t index);
void rig_send_sized(enum ferry_message_type type, uint64_t index, size_t len);

/* As it comes off the wire: with one reference. */
const struct ferry_message *rig_decoded(enum ferry_message_type type, uint64_t index, size_t len);

/* Answer a request that is held. */
void rig_reply(struct rig_request *request, const struct rig_answer *answer);

/* Abort those that are held, and forget all. */
void rig_forget_posts(void);

/* Have one end of the link believe that the link is lost. */
void rig_lose_link(struct fy_link_end *end, const char *why);

/* Give bytes, a message or a heartbeat to the stream that they write. */
void rig_feed_bytes(enum ferry_stream stream, const void *bytes, size_t len);
void rig_feed_message(enum ferry_stream stream, const struct ferry_message *msg);
void rig_feed_heartbeat(enum ferry_stream stream);

/* Dial one of our writers, as they do. */
void rig_dial(struct rig_call *call, enum ferry_stream stream);
void rig_hang_up(struct rig_call *call);

/* Counts and status as they are; and the one rule: sent == written + dropped + queued, the budget holds the queued. */
struct ferry_peer_status rig_status(void);
uint64_t rig_dropped(enum ferry_drop_reason reason);
void rig_check_account(void);

/* How many log lines of a level hold the text. */
size_t rig_lines_with(enum ferry_log_level level, const char *text);

#endif
