/*
 * it_node - transports and a service of the test's own on one node, over sockets, in any order of start and stop.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "ferry/ferry.h"
#include "harness/fake_peer.h"
#include "harness/http_get.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"
#include "harness/snapshots.h"
#include "net/net.h"
#include "node/answers.h"
#include "node/node.h"
#include "transport/transport.h"

#define BYTES(text) text, sizeof(text) - 1
#define FROM_2                                                                                                         \
    "X-Etcd-Cluster-ID: 1000\r\nX-Server-From: 2\r\nX-Server-Version: 3.4.0\r\nX-Min-Cluster-Version: 3.0.0\r\n"

static struct fy_service_node *node;
static struct fy_service bell;   /* the test's own */
static struct member members[3]; /* 0 and 2 are mounted on the node; 1 has its own */
static struct vault vault;

/* ---- The service ---------------------------------------------------------------------------------------------------
 */

static void ring(void *arg, struct fy_request *req)
{
    if (arg != &bell)
        abort();
    fy_answer_text(req, 200, NULL, 0, "ding");
}

static int print_bell(void *arg, struct fy_text *text)
{
    if (arg != &bell)
        abort();
    fy_text_put(text, "bell_rings_total 7\n");
    return text->err;
}

static const struct fy_page bell_pages[] = {
    {.path = "/metrics", .content_type = "text/plain; version=0.0.4; charset=utf-8", .print = print_bell}};

static void mount_bell(void)
{
    bell = (struct fy_service){.path = "/bell", .on_request = ring, .pages = bell_pages, .n_pages = 1, .arg = &bell};
    ck_assert_int_eq(fy_service_node_mount(node, &bell), FERRY_OK);
}

static struct http_page page;

/* GET path of the node, into page.  Returns the status. */
static int get(const char *path)
{
    http_page_release(&page);
    http_get(node->bound_urls[0], path, &page, patience_ms(5000));
    return page.status;
}

static bool bell_rings(void)
{
    return get("/bell") == 200 && strcmp(page.body, "ding\n") == 0;
}

/* ---- The rig -------------------------------------------------------------------------------------------------------
 */

static void setup(void)
{
    static char *urls[] = {(char *)(uintptr_t) "http://127.0.0.1:0", NULL};
    const struct ferry_config defaults = FERRY_CONFIG_INIT;
    struct fy_service_node_config cfg = {.listen_urls = urls,
                                         .write_timeout_ms = defaults.write_timeout_ms,
                                         .link_timeout_ms = defaults.link_timeout_ms,
                                         .max_connections = defaults.max_connections};

    memset(&page, 0, sizeof(page));
    vault_init(&vault, 1);
    for (size_t i = 0; i < 3; i++)
        member_init(&members[i], i + 1);
    members[0].config.listen_urls = members[2].config.listen_urls = NULL;
    members[0].config.serve_metrics = members[0].config.serve_debug_peers = false;
    members[0].config.snapshot_sink = vault_sink(&vault);
    cfg.log = (struct fy_log){
        .fn = members[0].config.log, .ctx = members[0].config.log_ctx, .max_level = members[0].config.log_level};
    ck_assert_int_eq(fy_service_node_new(&cfg, &node), FERRY_OK);
    ck_assert_int_eq(fy_service_node_start(node), FERRY_OK);
    member_start(&members[1]);
}

static void teardown(void)
{
    for (size_t i = 0; i < 3; i++)
        member_release(&members[i]);
    if (fy_node_is_linked(&bell.node))
        fy_service_node_unmount(node, &bell);
    fy_service_node_stop(node);
    fy_service_node_free(node);
    vault_release(&vault);
    http_page_release(&page);
}

static int mount(struct member *m)
{
    int err;

    ck_assert_int_eq(fy_transport_new_on_node(&m->config, node, &m->t), FERRY_OK);
    err = ferry_transport_start(m->t);
    if (err != FERRY_OK)
        member_stop(m);
    return err;
}

/* A message each way between the first two members. */
static void exchange(void)
{
    for (size_t i = 0; i < 2; i++) {
        struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .from = i + 1, .to = 2 - i, .term = 1};

        recorder_clear(&members[1 - i].recorder);
        member_send(&members[i], &msg);
        ck_assert(recorder_wait_messages(&members[1 - i].recorder, 1, patience_ms(5000)));
    }
}

static void join(void)
{
    ck_assert_int_eq(mount(&members[0]), FERRY_OK);
    members_connect(members, 2);
    members_await_streams(members, 2);
    exchange();
}

/* ---- Tests ---------------------------------------------------------------------------------------------------------
 */

START_TEST(a_transport_and_a_service_share_a_node)
{
    mount_bell();
    join();
    ck_assert(bell_rings());
    ck_assert_int_eq(get("/bell/below"), 200);
    ck_assert_int_eq(get("/bells"), 404);
    ck_assert_int_eq(get("/raft/probing"), 200);
    ck_assert_int_eq(get("/metrics"), 200); /* that of the service alone */
    ck_assert_ptr_nonnull(strstr(page.body, "bell_rings_total 7\n"));
    ck_assert_ptr_null(strstr(page.body, "ferry_"));
}
END_TEST

START_TEST(pages_of_one_path_are_printed_one_after_the_other)
{
    members[0].config.serve_metrics = members[0].config.serve_debug_peers = true;
    join();
    mount_bell();
    ck_assert_int_eq(get("/metrics"), 200);
    ck_assert_str_eq(page.content_type, "text/plain; version=0.0.4; charset=utf-8");
    ck_assert_ptr_nonnull(strstr(page.body, "\nferry_send_budget_bytes "));
    ck_assert_ptr_nonnull(strstr(page.body, "\nbell_rings_total 7\n"));
    ck_assert_int_eq(get("/debug/peers"), 200);
    member_stop(&members[0]);
    ck_assert_int_eq(get("/metrics"), 200);
    ck_assert_str_eq(page.body, "bell_rings_total 7\n");
    ck_assert_int_eq(get("/debug/peers"), 404);
}
END_TEST

START_TEST(services_start_and_stop_in_any_order)
{
    join();
    mount_bell();
    ck_assert(bell_rings());
    member_stop(&members[0]); /* mounted first, goes first */
    ck_assert(bell_rings());
    ck_assert_int_eq(get("/raft/probing"), 404);
    ck_assert_int_eq(ferry_transport_remove_peer(members[1].t, 1), FERRY_OK);
    join(); /* comes back while the other is there */
    fy_service_node_unmount(node, &bell);
    ck_assert_int_eq(get("/bell"), 404);
    exchange(); /* the transport goes on */
    mount_bell();
    ck_assert(bell_rings());
}
END_TEST

START_TEST(one_path_belongs_to_one_service)
{
    ck_assert_int_eq(mount(&members[0]), FERRY_OK);
    ck_assert_int_eq(mount(&members[2]), FERRY_ERR_EXISTS);
    member_stop(&members[0]);
    ck_assert_int_eq(mount(&members[2]), FERRY_OK);
    ck_assert_int_eq(get("/raft/probing"), 200);
}
END_TEST

START_TEST(a_transport_needs_an_open_node_and_brings_no_listeners)
{
    struct fy_service_node_config cfg = {.max_connections = 10};
    struct fy_service_node *closed;

    members[0].config.listen_urls = members[1].config.listen_urls;
    ck_assert_int_eq(fy_transport_new_on_node(&members[0].config, node, &members[0].t), FERRY_ERR_INVALID);
    members[0].config.listen_urls = NULL;
    ck_assert_int_eq(fy_service_node_new(&cfg, &closed), FERRY_OK);
    ck_assert_int_eq(fy_transport_new_on_node(&members[0].config, closed, &members[0].t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(members[0].t), FERRY_ERR_STATE);
    member_stop(&members[0]);
    fy_service_node_stop(closed);
    fy_service_node_free(closed);
}
END_TEST

static void on_echo(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    (void)ctx;
    res->body = req->body;
}

static bool has_snapshot(void *arg)
{
    (void)arg;
    return member_status(&members[0], 2).snapshot_in.n_active == 1;
}

static void read_used(void *arg)
{
    *(size_t *)arg = members[0].t->intake.used;
}

/* Has the intake a byte of each of the two? */
static bool has_two_bodies(void *arg)
{
    size_t used;

    (void)arg;
    fy_service_node_call(node, read_used, &used);
    return used == 2 * 1024;
}

START_TEST(requests_in_progress_end_with_their_transport_and_no_other)
{
    static const char post[] = "POST /raft HTTP/1.1\r\nHost: x\r\n" FROM_2 "Content-Length: 100\r\n\r\nx";
    static const char echo[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx";
    static const char snapshot[] =
        "POST /raft/snapshot HTTP/1.1\r\nHost: x\r\n" FROM_2 "Content-Length: 1000000\r\n\r\nx";
    static const char *const texts[] = {post, echo, snapshot};
    struct fake_answer answer;
    int fds[3];

    mount_bell();
    ck_assert_int_eq(fy_transport_new_on_node(&members[0].config, node, &members[0].t), FERRY_OK);
    ck_assert_int_eq(ferry_transport_handle(members[0].t, "/echo", on_echo, NULL), FERRY_OK);
    ck_assert_int_eq(ferry_transport_start(members[0].t), FERRY_OK);
    members_connect(members, 2);
    for (size_t i = 0; i < 3; i++) {
        fds[i] = fake_dial(node->bound_urls[0], 0);
        ck_assert(fake_send(fds[i], texts[i], strlen(texts[i])));
    }
    ck_assert(members_wait(members, 2, has_snapshot, NULL, patience_ms(5000)));
    ck_assert(members_wait(members, 2, has_two_bodies, NULL, patience_ms(5000)));
    member_stop(&members[0]);
    for (size_t i = 0; i < 3; i++) {
        fake_read_answer(fds[i], &answer, patience_ms(5000));
        ck_assert_int_eq(answer.status, 0);
        ck_assert(answer.is_closed);
        close(fds[i]);
    }
    ck_assert(bell_rings());
}
END_TEST

START_TEST(the_node_may_stop_first)
{
    struct ferry_message msg = {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2, .term = 1};

    join();
    fy_service_node_stop(node);
    ck_assert_int_eq(ferry_transport_send(members[0].t, &msg, 1), FERRY_ERR_CLOSED);
    member_stop(&members[0]);
}
END_TEST

int main(void)
{
    return rig_main("node", setup, teardown, a_transport_and_a_service_share_a_node,
                    pages_of_one_path_are_printed_one_after_the_other, services_start_and_stop_in_any_order,
                    one_path_belongs_to_one_service, a_transport_needs_an_open_node_and_brings_no_listeners,
                    requests_in_progress_end_with_their_transport_and_no_other, the_node_may_stop_first, NULL);
}
