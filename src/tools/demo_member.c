/*
 * demo_member - one member of the demo, in a process of its own.
 *
 * The core is a pretence: there is no Raft in it.  On every tick it sends each peer what a leader, a candidate and a
 * follower send, and answers whatever of that arrives.
 */
#include "tools/demo_member.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "tools/demo_link.h"
#include "tools/lines.h"
#include "tools/number.h"

#define CLUSTER_ID 0xde30
#define TICK_MS 10
#define TICKS_PER_STATUS 10
#define MAX_ENTRIES 4
#define MAX_ENTRY_BYTES 1000

struct peer {
    _Atomic uint64_t delivered; /* any thread */
    bool is_known;
    uint64_t last_index; /* of the log that we send it */
};

/* Ferry's workers read the first three, which stand before the start, and count; the rest is the main thread's. */
struct member {
    uint64_t id;
    uint64_t term;
    struct ferry_transport *transport;
    struct peer peers[DEMO_N_MEMBERS + 1]; /* by id */
    bool is_quiet;
    bool is_stopped;
    uint64_t n_ticks;
};

static void send_one(struct member *member, const struct ferry_message *msg)
{
    (void)ferry_transport_send(member->transport, msg, 1); /* what is dropped is counted, and shown */
}

/* ---- The pretence of a core ------------------------------------------------------------------------------------ */

/* What is answered to a message, or -1. */
static int answer_to(enum ferry_message_type type)
{
    switch (type) {
    case FERRY_MSG_APP:
        return FERRY_MSG_APP_RESP;
    case FERRY_MSG_HEARTBEAT:
        return FERRY_MSG_HEARTBEAT_RESP;
    case FERRY_MSG_VOTE:
        return FERRY_MSG_VOTE_RESP;
    case FERRY_MSG_PRE_VOTE:
        return FERRY_MSG_PRE_VOTE_RESP;
    case FERRY_MSG_READ_INDEX:
        return FERRY_MSG_READ_INDEX_RESP;
    default:
        return -1;
    }
}

static int process(void *ctx, const struct ferry_message *msg)
{
    struct member *member = ctx;
    int answer = answer_to(msg->type);

    if (msg->from >= 1 && msg->from <= DEMO_N_MEMBERS)
        atomic_fetch_add(&member->peers[msg->from].delivered, 1);
    if (answer >= 0)
        send_one(member, &(struct ferry_message){.type = (enum ferry_message_type)answer,
                                                 .from = member->id,
                                                 .to = msg->from,
                                                 .term = msg->term,
                                                 .index = msg->index + msg->n_entries,
                                                 .context = msg->context});
    return 0;
}

static void append(struct member *member, uint64_t to)
{
    static const uint8_t data[MAX_ENTRY_BYTES];
    struct ferry_entry entries[MAX_ENTRIES];
    size_t n_entries = 1 + member->n_ticks % MAX_ENTRIES;
    struct peer *peer = &member->peers[to];

    for (size_t i = 0; i < n_entries; i++)
        entries[i] = (struct ferry_entry){.term = member->term,
                                          .index = peer->last_index + 1 + i,
                                          .data = {data, (member->n_ticks * 7 + i * 300) % MAX_ENTRY_BYTES}};
    send_one(member, &(struct ferry_message){.type = FERRY_MSG_APP,
                                             .from = member->id,
                                             .to = to,
                                             .term = member->term,
                                             .log_term = member->term,
                                             .index = peer->last_index,
                                             .commit = peer->last_index,
                                             .entries = entries,
                                             .n_entries = n_entries});
    peer->last_index += n_entries;
}

static void talk_to(struct member *member, uint64_t to)
{
    static const struct {
        enum ferry_message_type type;
        unsigned every; /* ticks */
    } kinds[] = {{FERRY_MSG_HEARTBEAT, 1},
                 {FERRY_MSG_PRE_VOTE, 10},
                 {FERRY_MSG_VOTE, 15},
                 {FERRY_MSG_READ_INDEX, 20},
                 {FERRY_MSG_PROP, 25}};
    struct ferry_bytes context = {(const uint8_t *)&member->n_ticks, sizeof(member->n_ticks)};

    append(member, to);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct ferry_entry wish = {.data = context};
        struct ferry_message msg = {
            .type = kinds[i].type, .from = member->id, .to = to, .term = member->term, .context = context};

        if (member->n_ticks % kinds[i].every != 0)
            continue;
        if (msg.type == FERRY_MSG_PROP) {
            msg.entries = &wish;
            msg.n_entries = 1;
        }
        send_one(member, &msg);
    }
}

/* ---- The parent ------------------------------------------------------------------------------------------------- */

static void report(struct member *member)
{
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS; id++) {
        struct ferry_peer_status status;
        struct demo_link link;
        char text[DEMO_LINK_TEXT_SIZE];

        if (!member->peers[id].is_known || ferry_transport_peer_status(member->transport, id, &status))
            continue;
        demo_link_from_status(&status, atomic_load(&member->peers[id].delivered), &link);
        demo_link_format(&link, text);
        printf("link %s\n", text);
    }
    (void)fflush(stdout); /* when the parent is gone, so are we: by the end of the input, or SIGPIPE */
}

static void meet(struct member *member, const char *id_text, const char *url)
{
    const char *const urls[] = {url, NULL};
    uint64_t id = 0;
    int err = FERRY_ERR_INVALID;

    if (number_parse(id_text, 1, DEMO_N_MEMBERS, &id)) {
        err = ferry_transport_add_peer(member->transport, id, urls);
        if (err == FERRY_ERR_EXISTS)
            err = ferry_transport_update_peer(member->transport, id, urls);
        if (!err)
            member->peers[id].is_known = true;
    }
    if (err)
        fprintf(stderr, "ferry-demo: member %" PRIu64 ": peer %s at %s: %s\n", member->id, id_text, url,
                ferry_strerror(err));
}

static void on_command(void *arg, const char *line)
{
    struct member *member = arg;
    char id_text[8];
    char url[128];

    if (strcmp(line, "quiet") == 0)
        member->is_quiet = true;
    else if (strcmp(line, "stop") == 0)
        member->is_stopped = true;
    else if (sscanf(line, "peer %7s %127s", id_text, url) == 2)
        meet(member, id_text, url);
    else
        fprintf(stderr, "ferry-demo: member %" PRIu64 ": what is \"%s\"?\n", member->id, line);
}

static void tick(struct member *member)
{
    member->n_ticks++;
    for (uint64_t id = 1; id <= DEMO_N_MEMBERS && !member->is_quiet; id++)
        if (member->peers[id].is_known)
            talk_to(member, id);
    if (member->n_ticks % TICKS_PER_STATUS == 0)
        report(member);
}

static int serve(struct member *member)
{
    struct itimerspec every = {{0, TICK_MS * 1000000L}, {0, TICK_MS * 1000000L}};
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), .events = POLLIN}};
    struct lines commands = {.fd = STDIN_FILENO};
    int status = EXIT_SUCCESS;

    if (fds[1].fd < 0 || timerfd_settime(fds[1].fd, 0, &every, NULL)) {
        perror("ferry-demo: timer");
        return EXIT_FAILURE;
    }
    while (!member->is_stopped) {
        uint64_t n_expired;

        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            perror("ferry-demo: poll");
            status = EXIT_FAILURE;
            break;
        }
        if (fds[0].revents && !lines_read(&commands, on_command, member))
            break;
        if (read(fds[1].fd, &n_expired, sizeof(n_expired)) == sizeof(n_expired))
            tick(member); /* once, however late it is */
    }
    (void)close(fds[1].fd); /* a timer: nothing can be lost */
    return status;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static int start(struct member *member, const char *url)
{
    const char *const urls[] = {url, NULL};
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    int err;

    cfg.id = member->id;
    cfg.cluster_id = CLUSTER_ID;
    cfg.core.ctx = member;
    cfg.core.process = process;
    cfg.listen_urls = urls;
    err = ferry_transport_new(&cfg, &member->transport);
    if (err)
        return err;
    err = ferry_transport_start(member->transport);
    if (err) {
        ferry_transport_free(member->transport);
        member->transport = NULL;
    }
    return err;
}

int demo_member_main(uint64_t id, uint64_t term, const char *listen_url)
{
    struct member member = {.id = id, .term = term};
    int status;
    int err = start(&member, listen_url);

    if (err == FERRY_ERR_LISTEN) /* somebody took the port in the meantime */
        err = start(&member, "http://127.0.0.1:0");
    if (err) {
        fprintf(stderr, "ferry-demo: member %" PRIu64 " does not start: %s\n", id, ferry_strerror(err));
        return EXIT_FAILURE;
    }
    printf("listen %s\n", ferry_transport_listen_url(member.transport, 0));
    (void)fflush(stdout);
    status = serve(&member);
    ferry_transport_stop(member.transport);
    ferry_transport_free(member.transport);
    return status;
}
