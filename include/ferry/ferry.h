/*
 * ferry.h - carry Raft messages between the members of a cluster.
 *
 * Ferry is the network half of a Raft implementation.  It speaks etcd's peer protocol (the Go package rafthttp)
 * byte for byte.  The embedder supplies a Raft core as four callbacks, adds the other members as peers and sends
 * messages; Ferry keeps two long-lived streams per peer and direction, falls back to single POSTs while they are
 * down, and delivers what arrives.
 *
 * The order of use: FERRY_CONFIG_INIT, ferry_transport_new, _start, _add_peer, _send ..., _stop, _free.
 *
 * Threads: unless a function says otherwise it may be called from any thread between new and free, callbacks
 * included.  With FERRY_DELIVER_HOST the library has no threads and every call belongs to the host's one, but
 * for those that read and store the bodies of snapshots, from the first snapshot on, and a short-lived one of libcurl's
 * for each host name that is looked up, which may outlast a transport that is freed meanwhile.  Pointers are never NULL
 * unless a function says so. The library writes to no file descriptor but its own, never exits and keeps no global
 * state of its own. Signals: no function may be called from a signal handler.  Ferry's threads block all signals but
 * those of their own faults, and raise no SIGPIPE. fork: a child that does not exec leaves the transport alone, _free
 * included; one that execs inherits no connection.
 *
 * Growth, as long as the soname stays: enums are appended to.  ferry_config grows at its end, and its size says how
 * much of it the program knows; so does each struct whose size is told to the function that fills it.  What Ferry alone
 * makes (ferry_http_request, ferry_http_response) may grow at its end, too.  All other structs lie in arrays or inside
 * another struct of the program's and keep their layout: a new callback, say, will be a field of ferry_config.
 */
#ifndef FERRY_FERRY_H
#define FERRY_FERRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FERRY_API __attribute__((visibility("default")))
#else
#define FERRY_API
#endif

/* ---- Errors ------------------------------------------------------------------------------------------------- */

/* Values are fixed for ever: new ones are appended, none is renumbered. */
#define FERRY_ERR_MAP(X)                                                                                               \
    X(NOMEM, -1, "out of memory")                                                                                      \
    X(INVALID, -2, "invalid argument")                                                                                 \
    X(CLOSED, -3, "the transport is stopped")                                                                          \
    X(FULL, -4, "the queue is full")                                                                                   \
    X(EXISTS, -5, "the peer exists already")                                                                           \
    X(NOT_FOUND, -6, "no such peer")                                                                                   \
    X(STATE, -7, "not possible in the transport's present state")                                                      \
    X(TOO_LARGE, -8, "larger than the configured limit")                                                               \
    X(MALFORMED, -9, "malformed bytes")                                                                                \
    X(TRUNCATED, -10, "the bytes end inside a frame")                                                                  \
    X(FRAME_TYPE, -11, "unknown frame type")                                                                           \
    X(DEPTH, -12, "messages nested too deeply")                                                                        \
    X(URL, -13, "not a peer URL (http or https://host:port without a path)")                                           \
    X(VERSION_TEXT, -14, "not a version (three dotted numbers)")                                                       \
    X(INCOMPATIBLE_VERSION, -15, "incompatible version")                                                               \
    X(CLUSTER_ID_MISMATCH, -16, "cluster ID mismatch")                                                                 \
    X(UNSUPPORTED_STREAM, -17, "the peer's version does not support the stream type")                                  \
    X(MEMBER_REMOVED, -18, "the member has been permanently removed from the cluster")                                 \
    X(LISTEN, -19, "cannot listen on the address")                                                                     \
    X(CONNECT, -20, "cannot connect")                                                                                  \
    X(TIMEOUT, -21, "timed out")                                                                                       \
    X(RESET, -22, "the connection was reset")                                                                          \
    X(EOF, -23, "the other end closed the connection")                                                                 \
    X(HTTP_STATUS, -24, "unexpected HTTP status")                                                                      \
    X(PROTOCOL, -25, "the other end broke the protocol")                                                               \
    X(SYSTEM, -26, "a system call failed")                                                                             \
    X(CANCELED, -27, "canceled")                                                                                       \
    X(TLS, -28, "no TLS connection")                                                                                   \
    X(TLS_CONFIG, -29, "the TLS settings or files cannot be used")                                                     \
    X(CHECKSUM, -30, "the checksum does not match")

#define FERRY_ERR_ENUM(name, value, text) FERRY_ERR_##name = (value),
enum ferry_err { FERRY_OK = 0, FERRY_ERR_MAP(FERRY_ERR_ENUM) };
#undef FERRY_ERR_ENUM

/*
 * The text of an error: a constant for every int, "unknown error" for one that is not in the list.
 * Threads: any, at any time.
 */
FERRY_API const char *ferry_strerror(int err);

/* The library's version, "MAJOR.MINOR.PATCH".  Threads: any, at any time. */
FERRY_API const char *ferry_version(void);

/* ---- Messages: raftpb, as etcd's Raft defines it -------------------------------------------------------------- */

/* Numbers are those of raftpb.MessageType; 19 and above exist from etcd 3.6 on. */
enum ferry_message_type {
    FERRY_MSG_HUP = 0,
    FERRY_MSG_BEAT = 1,
    FERRY_MSG_PROP = 2,
    FERRY_MSG_APP = 3,
    FERRY_MSG_APP_RESP = 4,
    FERRY_MSG_VOTE = 5,
    FERRY_MSG_VOTE_RESP = 6,
    FERRY_MSG_SNAP = 7,
    FERRY_MSG_HEARTBEAT = 8,
    FERRY_MSG_HEARTBEAT_RESP = 9,
    FERRY_MSG_UNREACHABLE = 10,
    FERRY_MSG_SNAP_STATUS = 11,
    FERRY_MSG_CHECK_QUORUM = 12,
    FERRY_MSG_TRANSFER_LEADER = 13,
    FERRY_MSG_TIMEOUT_NOW = 14,
    FERRY_MSG_READ_INDEX = 15,
    FERRY_MSG_READ_INDEX_RESP = 16,
    FERRY_MSG_PRE_VOTE = 17,
    FERRY_MSG_PRE_VOTE_RESP = 18,
    FERRY_MSG_STORAGE_APPEND = 19,
    FERRY_MSG_STORAGE_APPEND_RESP = 20,
    FERRY_MSG_STORAGE_APPLY = 21,
    FERRY_MSG_STORAGE_APPLY_RESP = 22,
    FERRY_MSG_FORGET_LEADER = 23,
};

enum ferry_entry_type {
    FERRY_ENTRY_NORMAL = 0,
    FERRY_ENTRY_CONF_CHANGE = 1,
    FERRY_ENTRY_CONF_CHANGE_V2 = 2,
};

/*
 * A run of bytes that may be absent.  data == NULL: absent (a nil slice in etcd); data != NULL with len == 0:
 * present and empty.  The wire keeps the difference.
 */
struct ferry_bytes {
    const uint8_t *data;
    size_t len;
};

struct ferry_entry {
    uint64_t term;
    uint64_t index;
    enum ferry_entry_type type;
    struct ferry_bytes data;
};

struct ferry_conf_state {
    const uint64_t *voters;
    size_t n_voters;
    const uint64_t *learners;
    size_t n_learners;
    const uint64_t *voters_outgoing;
    size_t n_voters_outgoing;
    const uint64_t *learners_next;
    size_t n_learners_next;
    bool auto_leave;
};

struct ferry_snapshot {
    struct ferry_bytes data;
    struct ferry_conf_state conf_state;
    uint64_t index;
    uint64_t term;
};

/*
 * One Raft message.  A zeroed struct is a valid MsgHup of zeros.
 * Pointers in a message that the embedder passes in are read during the call only; those in a message that
 * Ferry delivers belong to that message and live as long as a reference to it does.
 */
struct ferry_message {
    enum ferry_message_type type;
    uint64_t to;
    uint64_t from;
    uint64_t term;
    uint64_t log_term;
    uint64_t index;
    const struct ferry_entry *entries;
    size_t n_entries;
    uint64_t commit;
    const struct ferry_snapshot *snapshot; /* NULL: none.  etcd up to 3.5 always sends one; an empty one arrives as
                                              NULL unless the type is MsgSnap */
    bool reject;
    uint64_t reject_hint;
    struct ferry_bytes context;
    uint64_t vote;                         /* etcd 3.6 on; stays 0 between members of a cluster */
    const struct ferry_message *responses; /* etcd 3.6 on; stays empty between members of a cluster */
    size_t n_responses;
};

/*
 * Keep a message that Ferry delivered beyond the callback, and let it go again.  Only for the pointer that
 * process() was given, never for a message of the embedder's own making nor for one inside responses.
 * ref returns msg; unref takes NULL.  Threads: any, also after ferry_transport_free.
 */
FERRY_API const struct ferry_message *ferry_message_ref(const struct ferry_message *msg);
FERRY_API void ferry_message_unref(const struct ferry_message *msg);

/* "MsgApp" and so on, as etcd writes them; "MsgUnknown" outside the list.  Threads: any, at any time. */
FERRY_API const char *ferry_message_type_name(enum ferry_message_type type);

/* What messages are told apart by when they are counted. */
enum ferry_message_class {
    FERRY_CLASS_CONTROL,  /* heartbeats, votes, reads, and all that is none of the others */
    FERRY_CLASS_APPEND,   /* MsgApp, MsgAppResp */
    FERRY_CLASS_PROPOSAL, /* MsgProp */
    FERRY_CLASS_SNAPSHOT, /* MsgSnap */
    FERRY_N_CLASSES
};

/* The class of a type, and "control" and so on; "unknown" outside the list.  Threads: any, at any time. */
FERRY_API enum ferry_message_class ferry_message_type_class(enum ferry_message_type type);
FERRY_API const char *ferry_message_class_name(enum ferry_message_class message_class);

/* ---- The Raft core under which Ferry is put --------------------------------------------------------------------- */

enum ferry_snapshot_result {
    FERRY_SNAPSHOT_FINISH = 1, /* etcd's SnapshotFinish */
    FERRY_SNAPSHOT_FAILURE = 2 /* etcd's SnapshotFailure */
};

/*
 * What Ferry asks of the Raft core.  Which thread calls is decided by ferry_config.delivery; no lock of Ferry's is
 * held during a call, and a callback may call any function of this header but ferry_transport_stop, _free and _run,
 * which wait for callbacks: called from one they do nothing, log an error and return FERRY_ERR_STATE.
 */
struct ferry_core {
    void *ctx; /* the first argument of every callback */

    /*
     * A message arrived.  msg is borrowed for the call; ferry_message_ref keeps it.  Messages of one stream come in
     * the order in which they were sent; between streams there is no order.  Required.
     * from is who it says it is from, not who sent it: any client that knows the cluster id may POST a message.
     * Returns 0, or anything else to say that the core did not take it: for a message that came by POST the sender
     * is then answered with status 500, otherwise it is only counted.
     */
    int (*process)(void *ctx, const struct ferry_message *msg);

    /* Was this member removed from the cluster?  NULL: none ever was.  Called on the I/O thread; must not block. */
    bool (*is_id_removed)(void *ctx, uint64_t id);

    /*
     * Messages to id were dropped, for whatever reason but FERRY_DROP_PAUSED and _CUT, which only play it.  NULL: not
     * wanted.  One call stands for all that were dropped since the call before; there is at most one in 10 ms for each
     * id.
     */
    void (*report_unreachable)(void *ctx, uint64_t id);

    /*
     * The fate of one MsgSnap to id: exactly one call for each that was sent to a peer (ferry_transport_send,
     * _send_snapshot), whatever became of it, but for one that was sent while ferry_transport_stop ran.  NULL: not
     * wanted.
     */
    void (*report_snapshot)(void *ctx, uint64_t id, enum ferry_snapshot_result result);

    /*
     * The cluster refuses this member for good (FERRY_ERR_MEMBER_REMOVED): a peer answered a stream with 410 or a POST
     * with 403.  Called once, on the I/O thread; must not block.  NULL: not wanted.  From then on the transport dials
     * and posts to nobody (FERRY_DROP_MEMBER_REMOVED); streams that stand go on until the peers end them.  It waits to
     * be stopped, and only a new one can join again.
     */
    void (*report_fatal)(void *ctx, int err);
};

/* ---- The bodies of snapshots ------------------------------------------------------------------------------------ */

#define FERRY_SIZE_UNKNOWN UINT64_MAX

/*
 * Where the body of an outgoing snapshot comes from: a part of a file, or a function.  It is read by threads of the
 * library that may block, one call at a time.
 */
struct ferry_snapshot_source {
    void *ctx;       /* the first argument of read and close */
    uint64_t size;   /* of the body in bytes, at most 2^62; FERRY_SIZE_UNKNOWN, with read alone: until it returns 0 */
    uint64_t offset; /* of the body in fd */
    int fd;          /* when read is NULL: a file, read by pread, so that its position does not matter.  Never closed
                        here, and open until close is called */

    /*
     * Put up to len bytes into buf.  Returns how many; 0 at the end; a negative FERRY_ERR to fail.  A body of known
     * size has to end there: a shorter one fails (FERRY_ERR_TRUNCATED), and so does a longer one (FERRY_ERR_TOO_LARGE),
     * before the receiver can take it for complete.
     */
    int64_t (*read)(void *ctx, void *buf, size_t len);

    /*
     * No more will be read.  err: FERRY_OK when the receiver has stored and taken the snapshot, else why not.  Exactly
     * one call for each ferry_transport_send_snapshot, whatever that returns.  NULL: not wanted.
     */
    void (*close)(void *ctx, int err);
};

/*
 * Where the bodies of incoming snapshots go.  All functions are called by threads of the library that may block; those
 * of one body one at a time, those of different bodies also at the same time.  Each returns 0, a FERRY_ERR, or a
 * (positive) errno, whose text is told to the sender.
 */
struct ferry_snapshot_sink {
    void *ctx; /* the first argument of each */

    /*
     * A snapshot begins to arrive.  msg is the MsgSnap, lent for the call; size is that of its body, or
     * FERRY_SIZE_UNKNOWN.  After success exactly one of commit and abort follows, after a failure none.
     */
    int (*open)(void *ctx, const struct ferry_message *msg, uint64_t size, void **ret_body);
    int (*write)(void *ctx, void *body, const void *data, size_t len);
    /* The body is whole.  Once this has returned 0 it must survive a crash: the core is told of it.  The last call. */
    int (*commit)(void *ctx, void *body);
    /* The body will not be completed, or a write failed: forget it.  The last call. */
    void (*abort)(void *ctx, void *body);
};

/* ---- Configuration ---------------------------------------------------------------------------------------------- */

enum ferry_delivery {
    FERRY_DELIVER_WORKERS, /* worker threads call the core; a peer's messages stay in order, and proposals have
                              workers of their own, so that one that blocks delays nothing else */
    FERRY_DELIVER_INLINE,  /* the I/O thread calls the core: the shortest way, for a core that only enqueues */
    FERRY_DELIVER_HOST     /* Ferry has no loop of its own: the host polls ferry_transport_fd and calls
                              ferry_transport_run */
};

/* How messages are encoded.  Every etcd decodes all three; 3.4 is the form that all of them have always met. */
enum ferry_wire_form {
    FERRY_FORM_3_4, /* etcd 3.4 and 3.5: zero scalars and an empty snapshot are written */
    FERRY_FORM_3_6, /* etcd 3.6: zero scalars are written, a snapshot only when there is one */
    FERRY_FORM_3_7  /* etcd 3.7: only what is not zero is written */
};

enum ferry_log_level { FERRY_LOG_ERROR, FERRY_LOG_WARN, FERRY_LOG_INFO, FERRY_LOG_DEBUG };

/*
 * A line for the log, without a newline.  id: a stable word for the kind of line ("stream", "pipeline", ...);
 * peer: the member it is about, 0 for none.  text lives for the call only.  Called from any of Ferry's threads, with
 * no lock held; must not call back into the transport.
 */
typedef void ferry_log_fn(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text);

struct ferry_tls_config;

/* Everything about a transport that is fixed at its birth.  Begin with FERRY_CONFIG_INIT or ferry_config_init. */
struct ferry_config {
    size_t size; /* of this struct: set by FERRY_CONFIG_INIT, so that it can grow */

    uint64_t id;         /* this member; not 0 */
    uint64_t cluster_id; /* compared as text with every peer's */
    struct ferry_core core;

    const char *const *listen_urls; /* NULL-ended; NULL: serve nothing.  Port 0 picks a free one */

    /* NULL-ended, sent as X-PeerURLs, so that others can dial them: no port 0, no 0.0.0.0 or [::]; NULL: the listen
       URLs as bound, which then are none of these. */
    const char *const *advertise_urls;

    const char *server_version;      /* X-Server-Version: three dotted numbers; etcd peers require it to be so */
    const char *min_cluster_version; /* X-Min-Cluster-Version */
    enum ferry_wire_form form;

    enum ferry_delivery delivery;
    unsigned n_workers;         /* FERRY_DELIVER_WORKERS: threads for all but proposals, 1 to 256 */
    unsigned n_propose_workers; /* and for proposals, 1 to 256 */
    unsigned busy_poll_us;      /* how long the I/O thread, and one worker, may spin before sleep; adaptive; 0: never */

    /* None of these is 0. */
    unsigned dial_timeout_ms;  /* name lookup and TCP; TLS has ferry_tls_config.handshake_timeout_ms beside it */
    unsigned read_timeout_ms;  /* silence on a stream after which it is redialled; heartbeats go out at a third */
    unsigned write_timeout_ms; /* a stream that takes no byte for so long is cut */
    unsigned post_timeout_ms;  /* a POST without an answer, and without progress of its body, for so long has failed */
    unsigned dial_retry_ms;    /* least time between two dials of one stream; jitter is added */

    /* Nor of these. */
    size_t max_queue_messages;    /* of each outgoing stream queue, and of each receive and propose queue */
    size_t max_queue_bytes;       /* the same queues, in bytes of memory; an empty one takes any one message */
    size_t max_pipeline_messages; /* of each peer that wait to be posted, besides the four in flight */
    size_t max_send_bytes;        /* all outgoing queues of the transport together, hence also any one message; of what
                                     is freed again, at most 16 MiB are kept for the next messages */
    size_t max_message_bytes;     /* one message, on the wire and, decoded, in memory */
    size_t max_receive_bytes;     /* bodies of requests that are coming in, together; when spent: 503 */
    size_t max_connections;       /* accepted at one time, on each listener: 128 KiB each at most.  For one more, the
                                     least useful is closed: see reserved_connections */

    /* Incoming snapshots go to snapshot_sink or, without one (open is NULL), are stored as etcd stores them: as
       DIR/%016x.snap.db by their index; a file that is there already stays, and counts.  The directory is made if it
       is missing, is this transport's alone (what it finds of another's that is half written, it removes), and has to
       stay: one that is made anew in its place is not seen.  Bodies pass the system's cache by where its file system
       lets them.  Without either they are refused. */
    struct ferry_snapshot_sink snapshot_sink;
    const char *snapshot_dir;
    uint64_t max_snapshot_bytes;   /* of one body that comes */
    unsigned max_snapshots_in;     /* received at one time, at most 256, in 4 MiB of memory each; a sink's call that
                                      runs keeps the place of its body */
    unsigned max_snapshots_out;    /* accepted at one time, at most 256, all peers together, until their sources are
                                      closed; one that is being sent takes 2.5 MiB */
    uint64_t snapshot_bytes_per_s; /* all outgoing ones together; 0: no limit, else at least 1024 */
    unsigned snapshot_stall_ms;    /* one that moves less than 16 KiB in so long, by the other end's fault, has failed;
                                      seen within twice that */
    unsigned snapshot_answer_ms;   /* and so has one that was sent whole and is not answered: the receiver stores it
                                      before it does */

    unsigned probe_interval_ms; /* between two probes of a peer, eight times as long while all its streams stand and it
                                   answers; 0: none */
    unsigned clock_alarm_ms;    /* warn when a peer's clock differs from ours by more; 0: never */
    size_t max_remotes;         /* members learned from their requests alone, at one time; 0: none is learned */
    bool serve_metrics;         /* GET /metrics: ferry_metrics_write; a route of the embedder's comes first */
    bool serve_debug_peers;     /* GET /debug/peers: all of ferry_peer_status, as JSON; likewise */
    /*
     * Packets of a peer's that do not come for so long, or do not get there, mean that the link is lost: its streams
     * are given up and dialled anew.  Judged by TCP's acknowledgements, so the peer's program has no part in it.  A
     * link that stands still for longer than three quarters of this while nothing is wrong with it needs more; 0: off,
     * and silence is found by read_timeout_ms alone.  At least 500.
     */
    unsigned link_timeout_ms;

    enum ferry_log_level log_level;
    ferry_log_fn *log; /* NULL: silent */
    void *log_ctx;

    const struct ferry_tls_config *tls; /* of ferry/tls.h; NULL: no TLS, and no https:// URLs */

    bool allow_foreign_from; /* false: ferry_transport_send refuses messages whose from is not this member */

    /*
     * Shares of max_connections.  A connection is a stranger's until a request on it names a peer (with
     * verify_member: one that its certificate may speak for), or until it carries a stream.  When the strangers' share
     * is in use, their least useful connection is closed for the newcomer.  From an address from which a peer came
     * lately, strangers may use the reserve too.
     */
    size_t reserved_connections; /* of max_connections, for peers; more than half counts as half; 0: none */
    /* That strangers have from one IPv4 address, or IPv6 network (/64); 0: no limit. */
    size_t max_connections_per_address;
    unsigned body_timeout_ms; /* a request whose body is not whole after so long is ended, snapshots apart; a peer has
                                 16 s more for each MiB.  Not 0 */
};

#define FERRY_CONFIG_INIT                                                                                              \
    {                                                                                                                  \
        .size = sizeof(struct ferry_config), .server_version = "3.4.0", .min_cluster_version = "3.0.0",                \
        .form = FERRY_FORM_3_4, .delivery = FERRY_DELIVER_WORKERS, .n_workers = 2, .n_propose_workers = 2,             \
        .busy_poll_us = 50, .dial_timeout_ms = 2000, .read_timeout_ms = 5000, .write_timeout_ms = 5000,                \
        .post_timeout_ms = 10000, .dial_retry_ms = 100, .max_queue_messages = 4096, .max_queue_bytes = 64u << 20,      \
        .max_pipeline_messages = 64, .max_send_bytes = (size_t)256 << 20, .max_message_bytes = (size_t)512 << 20,      \
        .max_receive_bytes = (size_t)1 << 30, .max_connections = 1024, .max_snapshot_bytes = (uint64_t)64 << 30,       \
        .max_snapshots_in = 4, .max_snapshots_out = 4, .snapshot_stall_ms = 10000, .snapshot_answer_ms = 600000,       \
        .probe_interval_ms = 4000, .max_remotes = 16, .serve_metrics = true, .serve_debug_peers = true,                \
        .link_timeout_ms = 2000, .log_level = FERRY_LOG_INFO, .reserved_connections = 256,                             \
        .max_connections_per_address = 256, .body_timeout_ms = 30000,                                                  \
    }

/*
 * Fill *cfg as FERRY_CONFIG_INIT does, for C++ before C++20 and for other languages.  ferry_config_init is what to
 * call; the sized one is told how large the program's struct is, which may be older than the library's.
 */
FERRY_API void ferry_config_init_sized(struct ferry_config *cfg, size_t size);

static inline void ferry_config_init(struct ferry_config *cfg)
{
    ferry_config_init_sized(cfg, sizeof(*cfg));
}

/* ---- Life ------------------------------------------------------------------------------------------------------- */

struct ferry_transport;

/*
 * Make a transport.  Everything in cfg is copied.  Starts no thread and opens no socket.
 * Returns FERRY_OK with *ret_t set; FERRY_ERR_INVALID, _URL, _VERSION_TEXT, _TLS_CONFIG or _NOMEM with *ret_t
 * untouched.  When cfg.log is set, what was wrong is also said there, unless cfg.size is, with which nothing in cfg can
 * be trusted.
 */
FERRY_API int ferry_transport_new(const struct ferry_config *cfg, struct ferry_transport **ret_t);

/*
 * Bind the listen URLs and begin to serve, dial and deliver.  Once only.
 * Returns FERRY_OK; FERRY_ERR_LISTEN (the log names the address and the cause), _SYSTEM (the log names the cause),
 * _NOMEM, and nothing is left running; FERRY_ERR_STATE when started or stopped before.
 */
FERRY_API int ferry_transport_start(struct ferry_transport *t);

/*
 * Refuse new work at once, close every connection, and wait until no callback runs and none will: for one call of
 * process per thread at most, however much has arrived, and for a read of a source or a call to a sink that runs.
 * Queued messages are dropped and counted as FERRY_DROP_STOPPED, snapshots under way are ended.  A second call does
 * nothing.  Not beside ferry_transport_start.  After 5 s of waiting the log says for what.
 * Returns FERRY_OK; FERRY_ERR_STATE from a callback: nothing was done.
 */
FERRY_API int ferry_transport_stop(struct ferry_transport *t);

/*
 * Stop if need be, and free.  Takes NULL.  Messages with references outlive it.
 * Returns FERRY_OK; FERRY_ERR_STATE from a callback: nothing was done.
 */
FERRY_API int ferry_transport_free(struct ferry_transport *t);

/*
 * The URL that listener number i (in the order of listen_urls) is really bound to, with the port that was picked.
 * NULL before start or beyond the last.  The text lives until free.
 */
FERRY_API const char *ferry_transport_listen_url(const struct ferry_transport *t, size_t i);

/* ---- FERRY_DELIVER_HOST ------------------------------------------------------------------------------------------ */

/*
 * A descriptor that polls readable when ferry_transport_run has work, and the milliseconds after which it has some in
 * any case (-1: no limit).  Valid from start to stop; the transport owns it.  fd is -1 in the other deliveries.
 */
FERRY_API int ferry_transport_fd(const struct ferry_transport *t);
FERRY_API int ferry_transport_timeout_ms(const struct ferry_transport *t);

/*
 * Do what there is to do, waiting at most timeout_ms for it (0: not at all, -1: until there is something).
 * Callbacks run inside.  FERRY_ERR_STATE from a callback, in the other deliveries, before start and after stop.
 */
FERRY_API int ferry_transport_run(struct ferry_transport *t, int timeout_ms);

/* ---- Members ------------------------------------------------------------------------------------------------------
 *
 * Each of these returns FERRY_ERR_STATE before start and FERRY_ERR_CLOSED after stop, beside what it says.
 */

/*
 * Add a member and begin to dial it.  urls: NULL-ended, at least one, http or https://host:port each.  Copied.
 * A remote of that id becomes the peer: what is on its way to it goes on, and it is no remote any more.
 * Returns FERRY_OK; FERRY_ERR_EXISTS (nothing changes); FERRY_ERR_INVALID for id 0 or the own id; FERRY_ERR_URL,
 * _NOMEM, _CLOSED; _TLS_CONFIG for an https URL when ferry_config.tls was NULL; _STATE before start.
 */
FERRY_API int ferry_transport_add_peer(struct ferry_transport *t, uint64_t id, const char *const *urls);

/*
 * Add a member that can be answered but is no peer yet: messages to it go by POST, nothing is dialled or probed, and
 * the core is not told of messages that its queue does not hold (a MsgSnap's fate it is told in any case).  Meant for
 * a member that has just joined and does not know the whole cluster.  Members that present the right cluster id and
 * their URLs in a request become remotes by themselves, max_remotes of them at a time; one more takes the place of the
 * one that has been silent for longest, if that is at least half a minute.  None is learned for which is_id_removed.
 * Errors as add_peer's; FERRY_ERR_EXISTS when it is a remote or a peer.
 */
FERRY_API int ferry_transport_add_remote(struct ferry_transport *t, uint64_t id, const char *const *urls);

/*
 * Replace a member's or a remote's URLs.  Streams that stand stay where they are (as in etcd); the next dial uses the
 * new list, a stream that is waiting to dial does so at once, and so does the probe.  FERRY_ERR_NOT_FOUND for an
 * unknown id; FERRY_ERR_URL, _TLS_CONFIG and _NOMEM as from add_peer.
 */
FERRY_API int ferry_transport_update_peer(struct ferry_transport *t, uint64_t id, const char *const *urls);

/*
 * Forget a member: queued messages to it are dropped (FERRY_DROP_REMOVED), its connections closed.  Returns before the
 * connections are closed; no message to it is accepted after the return, and one that is being delivered may still
 * be.  A remote is forgotten in the same way; _all_peers leaves remotes alone, as etcd does.  FERRY_ERR_NOT_FOUND for
 * an unknown id, which changes nothing.
 * The member is not told.  What it goes on to post reaches the core, and makes it a remote again, until
 * core.is_id_removed says that it was removed.
 */
FERRY_API int ferry_transport_remove_peer(struct ferry_transport *t, uint64_t id);
FERRY_API int ferry_transport_remove_all_peers(struct ferry_transport *t);

/* ---- Sending ------------------------------------------------------------------------------------------------------
 */

/*
 * Send msgs[0..n) to the members named in their .to; those with .to == 0 are skipped.  Never blocks on the network and
 * never calls back.
 *
 * Each message is encoded before the call returns, so the caller keeps msgs and may free them at once.  MsgApp goes by
 * the msgapp stream, MsgSnap by POST, all else by the message stream; while the stream is down, by the other stream
 * and then by POST, as in etcd.  Order is kept per peer and stream.
 * Each message ends as exactly one of written (handed whole to the connection; for a POST: answered with 204) or
 * dropped for one reason; both are counted (ferry_transport_peer_status, ferry_transport_totals), and drops are
 * reported through core.report_unreachable and, for MsgSnap, core.report_snapshot; never from inside the call.  What is
 * for an id that is no peer's is counted (FERRY_DROP_UNKNOWN_PEER), logged (at most once a second), and not reported.
 * from has to be this member's id, unless allow_foreign_from is set or the type is one that a Raft core forwards as it
 * came (MsgProp, MsgReadIndex, MsgTransferLeader).
 * Returns FERRY_OK, also when some were dropped; FERRY_ERR_CLOSED after stop; FERRY_ERR_STATE before start;
 * FERRY_ERR_INVALID for another from, or a type outside of enum ferry_message_type: with those before it queued.
 */
FERRY_API int ferry_transport_send(struct ferry_transport *t, const struct ferry_message *msgs, size_t n);

/*
 * Send msg, a MsgSnap, to the member named in its .to, followed by the body that source yields: etcd's POST
 * /raft/snapshot.  Never blocks, and calls back only to close the source when it fails.
 *
 * msg is encoded before the call returns, and source is copied; its callbacks are called from threads of the library
 * until its close.  A peer is sent one snapshot at a time, beside its streams, on a connection of its own; more wait.
 * Each accepted snapshot is counted as a message that ends as written or dropped, and reported through
 * core.report_snapshot, exactly once; ferry_transport_stop and _remove_peer end those under way as failures.
 * Returns FERRY_OK when it was accepted; else source was closed with the same error and nothing is reported:
 * FERRY_ERR_INVALID (no MsgSnap, no snapshot in it, or no such source), _NOT_FOUND (no peer has this id), _TOO_LARGE
 * (msg alone), _FULL (max_snapshots_out or max_send_bytes), _NOMEM, _SYSTEM, _CLOSED, _STATE.
 */
FERRY_API int ferry_transport_send_snapshot(struct ferry_transport *t, const struct ferry_message *msg,
                                            const struct ferry_snapshot_source *source);

/* ---- Looking at it -------------------------------------------------------------------------------------------------
 */

/* Why a message that was to be sent was not. */
#define FERRY_DROP_MAP(X)                                                                                              \
    X(QUEUE_FULL, "queue_full", "the queue held its limit of messages or bytes")                                       \
    X(BUDGET, "budget", "all queues together held max_send_bytes")                                                     \
    X(STREAM_CLOSED, "stream_closed", "queued on a stream that broke or was replaced")                                 \
    X(POST_FAILED, "post_failed", "the POST failed or was not answered with 204")                                      \
    X(TOO_LARGE, "too_large", "larger than max_message_bytes")                                                         \
    X(INVALID, "invalid", "not a message: bytes or entries that are not there, or nested too deeply")                  \
    X(NOMEM, "nomem", "no memory to encode it")                                                                        \
    X(PAUSED, "paused", "the peer or the transport is paused")                                                         \
    X(CUT, "cut", "the peer is cut off for a test")                                                                    \
    X(REMOVED, "removed", "the peer was removed while it was queued")                                                  \
    X(STOPPED, "stopped", "the transport was stopped while it was queued")                                             \
    X(UNKNOWN_PEER, "unknown_peer", "no peer has this id")                                                             \
    X(MEMBER_REMOVED, "member_removed", "the cluster has removed this member")                                         \
    X(STALE, "stale", "it waited behind a POST that got no answer, and would mislead the peer")                        \
    X(UNREACHABLE, "unreachable", "64 KiB or more, to a peer without streams whose POSTs get no answer: not copied")

#define FERRY_DROP_ENUM(reason, name, text) FERRY_DROP_##reason,
enum ferry_drop_reason { FERRY_DROP_MAP(FERRY_DROP_ENUM) FERRY_N_DROP_REASONS };
#undef FERRY_DROP_ENUM

/* "queue_full" and so on; "unknown" outside the list.  Threads: any, at any time. */
FERRY_API const char *ferry_drop_reason_name(enum ferry_drop_reason reason);

enum ferry_stream { FERRY_STREAM_MSGAPP, FERRY_STREAM_MESSAGE, FERRY_N_STREAMS };

/* The room that structs have for reasons: new ones do not move what follows. */
#define FERRY_DROP_ROOM 24

struct ferry_class_counts {
    uint64_t sent;
    uint64_t written;
    uint64_t received;
    uint64_t dropped[FERRY_DROP_ROOM];
};

/*
 * Sums since the peer was added (a peer that was a remote: since it was that).
 * sent == written + the sum of dropped + queued, at every moment of rest.
 */
struct ferry_counts {
    uint64_t sent;       /* messages given to ferry_transport_send */
    uint64_t written;    /* messages */
    uint64_t sent_bytes; /* frames of written messages, link heartbeats not counted */
    uint64_t dropped[FERRY_DROP_ROOM];
    uint64_t received;          /* messages decoded, link heartbeats not counted */
    uint64_t received_bytes;    /* their frames */
    uint64_t received_dropped;  /* decoded, but not given to the core: its queue was full, the peer is paused, cut or
                                   gone, or the transport is being stopped */
    uint64_t refused;           /* given to the core, which did not take it */
    uint64_t received_failures; /* could not be decoded, or the core's queue was full */
    struct ferry_class_counts by_class[FERRY_N_CLASSES];
};

/* The snapshots of one direction, and how far the latest has got. */
struct ferry_snapshot_progress {
    unsigned n_active;    /* under way; at most one to a peer */
    unsigned n_waiting;   /* to a peer: accepted, not begun */
    uint64_t n_finished;  /* stored and taken */
    uint64_t n_failed;    /* all others that have ended */
    uint64_t index;       /* of the latest: its place in the log */
    uint64_t since_ms;    /* when it began, Unix time; 0: there was none */
    uint64_t bytes;       /* of it that have moved, message included */
    uint64_t total_bytes; /* FERRY_SIZE_UNKNOWN when it is not known */
    uint64_t bytes_per_s; /* in the last second or so in which bytes moved */
};

/* The ways out, in the order of trying. */
enum ferry_lane { FERRY_LANE_MSGAPP, FERRY_LANE_MESSAGE, FERRY_LANE_PIPELINE, FERRY_N_LANES };

struct ferry_queue_status {
    size_t messages;
    size_t bytes;
    uint64_t oldest_ms; /* how long the oldest has been there, to a few milliseconds; 0 when there is none */
};

enum ferry_reader_state {
    FERRY_READER_STOPPED, /* not started, stopped, or this member was removed */
    FERRY_READER_DIALING, /* the answer is not there yet */
    FERRY_READER_REFUSED, /* the answer is no, and its reason is being read */
    FERRY_READER_ACTIVE,  /* messages come */
    FERRY_READER_BACKOFF  /* waiting to dial */
};

/* "stopped" and so on; "unknown" outside the list.  Threads: any, at any time. */
FERRY_API const char *ferry_reader_state_name(enum ferry_reader_state state);

/* Durations in buckets that double: counts[i] are those of at most first_ns * 2^i that fit in none before. */
#define FERRY_HISTOGRAM_BUCKETS 16
struct ferry_histogram {
    uint64_t first_ns;
    unsigned n_buckets;                           /* at most FERRY_HISTOGRAM_BUCKETS */
    uint64_t counts[FERRY_HISTOGRAM_BUCKETS + 1]; /* counts[n_buckets]: longer than all */
    uint64_t count;                               /* their sum */
    uint64_t sum_ns;
};

/* GET /raft/probing of the peer: see probe_interval_ms. */
struct ferry_probe_status {
    bool healthy;           /* the last probe was answered well; false before the first */
    uint64_t n_good;        /* probes */
    uint64_t n_failed;      /* probes */
    uint64_t last_good_ms;  /* Unix time; 0: never */
    uint64_t rtt_ns;        /* of the last good one, from its request to its answer: without connecting */
    uint64_t smoothed_ns;   /* 7/8 of what it was and 1/8 of the last; begins with the first */
    bool has_clock;         /* the peer said what time it has */
    int64_t clock_ahead_ns; /* our clock's reading less the peer's: positive when ours is ahead */
    char last_error[96];    /* why the last that failed did; "" if none did */
};

/* Streamed snapshots in one direction. */
struct ferry_snapshot_status {
    uint64_t n_good;
    uint64_t n_failed;
    uint64_t n_in_flight;
    struct ferry_histogram durations; /* of the good ones */
};

/* Which ways are open between this member and a peer. */
enum ferry_link {
    FERRY_LINK_NONE,    /* nothing arrives; whether anything gets there cannot be known then */
    FERRY_LINK_BOTH,    /* we read from the peer, and it reads from us */
    FERRY_LINK_ONLY_IN, /* the peer is heard, but nothing gets there: our packets are not acknowledged, or it does not
                           read from us */
    FERRY_LINK_ONLY_OUT /* the peer reads from us, but we cannot read from it */
};

/* "both" and so on; "unknown" outside the list.  Threads: any, at any time. */
FERRY_API const char *ferry_link_name(enum ferry_link link);

/* New fields are appended only, and structs inside keep their size: see ferry_transport_peer_status_sized. */
struct ferry_peer_status {
    uint64_t id;
    /* The last dial, POST or snapshot worked; one that fails while a stream stands leaves the peer active. */
    bool active;
    uint64_t active_since_ms; /* Unix time; 0 while not active */
    bool paused;
    bool cut;

    bool writer_attached[FERRY_N_STREAMS]; /* the peer has dialled us: we can write */
    bool reader_attached[FERRY_N_STREAMS]; /* we have dialled the peer: we can read */
    uint64_t dials[FERRY_N_STREAMS];       /* attempts since the peer was added */
    enum ferry_link link;                  /* when all streams are gone: as it was when they were lost */

    size_t queued_messages; /* accepted, not yet written or dropped */
    size_t queued_bytes;
    struct ferry_counts counts;

    struct ferry_snapshot_progress snapshot_out;
    struct ferry_snapshot_progress snapshot_in;

    char last_error[160]; /* why it last became inactive; "" if it never did.  See last_error_ms */

    bool remote;         /* no peer: see ferry_transport_add_remote */
    uint64_t n_inactive; /* how often it became inactive */

    uint64_t writer_since_ms[FERRY_N_STREAMS]; /* Unix time of the last attachment; 0 while there is none */
    uint64_t reader_since_ms[FERRY_N_STREAMS];
    enum ferry_reader_state reader_state[FERRY_N_STREAMS];
    uint64_t heartbeats_sent[FERRY_N_STREAMS]; /* link heartbeats */
    uint64_t heartbeats_received[FERRY_N_STREAMS];

    struct ferry_queue_status queues[FERRY_N_LANES];
    struct ferry_queue_status inbox;     /* decoded, waiting for a worker; oldest_ms is not kept */
    struct ferry_queue_status proposals; /* the same */

    struct ferry_probe_status probe;
    struct ferry_histogram round_trips; /* of all good probes */

    struct ferry_snapshot_status snapshots_sent;
    struct ferry_snapshot_status snapshots_received;

    uint64_t last_error_ms;  /* Unix time at which last_error was last seen; 0: never */
    bool last_error_is_over; /* the peer has become active since */
};

/*
 * Fill the first size bytes of *ret_status, so that a program goes on to work with a library whose struct has grown.
 * ferry_transport_peer_status is what to call.  FERRY_ERR_NOT_FOUND for an id that is neither a peer's nor a remote's,
 * and for every one after stop; FERRY_ERR_INVALID for a size beyond the library's own: the program was built for a
 * newer one.
 */
FERRY_API int ferry_transport_peer_status_sized(const struct ferry_transport *t, uint64_t id,
                                                struct ferry_peer_status *ret_status, size_t size);

static inline int ferry_transport_peer_status(const struct ferry_transport *t, uint64_t id,
                                              struct ferry_peer_status *ret_status)
{
    return ferry_transport_peer_status_sized(t, id, ret_status, sizeof(*ret_status));
}

/*
 * Write figures on all peers and remotes in Prometheus' text format: etcd's etcd_network_* series under their own
 * names, and Ferry's under ferry_.  What /metrics serves.  fn is called with the text, in one piece or in several; what
 * it returns, if not 0, ends the writing and is returned.
 * Threads: any.  Works from new to free.  FERRY_ERR_NOMEM when there is no memory for the text.
 */
typedef int ferry_write_fn(void *ctx, const char *text, size_t len);
FERRY_API int ferry_metrics_write(const struct ferry_transport *t, ferry_write_fn *fn, void *ctx);

/* The same figures on each peer and remote, one by one, as a JSON document.  What /debug/peers serves. */
FERRY_API int ferry_debug_peers_write(const struct ferry_transport *t, ferry_write_fn *fn, void *ctx);

/* The sums of all peers, removed ones included, and the messages for peers that nobody knew. */
FERRY_API void ferry_transport_totals(const struct ferry_transport *t, struct ferry_counts *ret_counts);

/* Since when the peer is active (Unix ms; 0: it is not, or is unknown), and how many are.  etcd's words. */
FERRY_API uint64_t ferry_transport_active_since_ms(const struct ferry_transport *t, uint64_t id);
FERRY_API size_t ferry_transport_active_peers(const struct ferry_transport *t);

/* ---- Faults, for tests ---------------------------------------------------------------------------------------------
 */

/*
 * A paused peer's messages are dropped in both directions while its connections stand; etcd's Pause and Resume are
 * _pause and _resume: all peers, and peers added later.  A cut peer's are dropped in both directions too, until mend.
 * What waits for a worker already is still delivered.  _cut_peer and _mend_peer: FERRY_ERR_NOT_FOUND for an id that is
 * neither a peer's nor a remote's.
 */
FERRY_API void ferry_transport_pause(struct ferry_transport *t);
FERRY_API void ferry_transport_resume(struct ferry_transport *t);
FERRY_API int ferry_transport_cut_peer(struct ferry_transport *t, uint64_t id);
FERRY_API int ferry_transport_mend_peer(struct ferry_transport *t, uint64_t id);

/* ---- Routes of the embedder's own on the peer port ------------------------------------------------------------------
 */

struct ferry_http_request {
    const char *method;
    const char *path;   /* without the query; %-escapes as they came */
    const char *query;  /* without the '?'; "" when there is none */
    const char *remote; /* the client's address as text */
    struct ferry_bytes body;
};

/* What a handler answers.  The fields are copied after it returns; what cannot be sent is replaced by a 500. */
struct ferry_http_response {
    int status;               /* preset to 200; 200 to 599 */
    const char *content_type; /* preset to "text/plain; charset=utf-8"; one line; NULL: not sent */
    struct ferry_bytes body;
    void (*free_body)(void *body); /* called with body.data once it is copied; NULL: nothing to free */

    /* More headers: names and values in turn, ended by NULL, FERRY_MAX_HEADERS pairs at most; neither Content-Type nor
       Content-Length.  Preset to NULL: none. */
    const char *const *headers;
};

#define FERRY_MAX_HEADERS 8

/*
 * Answers a request.  req and what it points to live for the call only.  Called on the I/O thread (the host's with
 * FERRY_DELIVER_HOST); must not block.
 */
typedef void ferry_http_fn(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res);

/*
 * Serve path with fn, such as "/version" or "/members".  A path that ends in '/' serves all below it; the longest
 * match wins.  /raft and what is below it stay Ferry's.  Bodies are limited to 1 MiB.  Before start only.
 * Returns FERRY_OK; FERRY_ERR_INVALID (not absolute, or Ferry's own), _EXISTS, _STATE, _NOMEM.
 */
FERRY_API int ferry_transport_handle(struct ferry_transport *t, const char *path, ferry_http_fn *fn, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
