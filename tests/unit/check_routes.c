/*
 * check_routes - the embedder's own paths, served on the simulated net.
 */
#include "node/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/rig.h"
#include "net/net.h"
#include "net/sim/sim.h"
#include "node/intake.h"

static struct fy_sim *sim;
static struct fy_net *client, *server;
static struct fy_listener *listener;
static struct fy_routes routes;
static struct fy_intake_budget budget;

/* ---- Handlers ---- */

static struct {
    int n_calls;
    char route[16]; /* the ctx of the one that was called */
    char method[8];
    char path[64];
    char query[64];
    char remote[64];
    size_t body_len;
    uint64_t body_sum;
} seen;

static int n_freed;

static void note(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    seen.n_calls++;
    snprintf(seen.route, sizeof(seen.route), "%s", (const char *)ctx);
    snprintf(seen.method, sizeof(seen.method), "%s", req->method);
    snprintf(seen.path, sizeof(seen.path), "%s", req->path);
    snprintf(seen.query, sizeof(seen.query), "%s", req->query);
    snprintf(seen.remote, sizeof(seen.remote), "%s", req->remote);
    seen.body_len = req->body.len;
    seen.body_sum = 0;
    for (size_t i = 0; i < req->body.len; i++)
        seen.body_sum += req->body.data[i];
    if (res->status != 200 || strcmp(res->content_type, "text/plain; charset=utf-8") != 0)
        ck_abort_msg("the answer is not preset");
}

static void free_counted(void *body)
{
    n_freed++;
    free(body);
}

static void answer_json(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    char *body = strdup("{}");

    (void)ctx;
    (void)req;
    res->status = 201;
    res->content_type = "application/json";
    res->body = (struct ferry_bytes){.data = (const uint8_t *)body, .len = 2};
    res->free_body = free_counted;
}

/* ---- The client ---- */

static struct {
    struct fy_call *call;
    int status;
    char content_type[64];
    char cluster_id[16];
    char allow[16];
    char body[256];
    size_t len;
    bool has_ended;
    int err;
} got;

static void on_head(void *arg, const struct fy_answer *answer)
{
    const char *type = fy_answer_header(answer, "Content-Type");
    const char *cluster_id = fy_answer_header(answer, "X-Etcd-Cluster-ID");
    const char *allow = fy_answer_header(answer, "Allow");

    (void)arg;
    got.status = answer->status;
    snprintf(got.content_type, sizeof(got.content_type), "%s", type ? type : "(absent)");
    snprintf(got.cluster_id, sizeof(got.cluster_id), "%s", cluster_id ? cluster_id : "(absent)");
    snprintf(got.allow, sizeof(got.allow), "%s", allow ? allow : "(absent)");
}

static void on_body(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len && got.len + 1 < sizeof(got.body); i++)
        got.body[got.len++] = (char)data[i];
}

static void on_end(void *arg, int err, const char *detail)
{
    (void)arg;
    (void)detail;
    got.call = NULL;
    got.has_ended = true;
    got.err = err;
}

static int ask_start(const char *method, const char *target, const void *body, size_t len)
{
    static const struct fy_call_events events = {.on_head = on_head, .on_body = on_body, .on_end = on_end};
    char url[100];
    struct fy_call_spec spec = {.method = method, .url = url, .body = body, .body_len = len};

    snprintf(url, sizeof(url), "http://server:80%s", target);
    memset(&got, 0, sizeof(got));
    memset(&seen, 0, sizeof(seen));
    return fy_net_call(client, &spec, &events, NULL, &got.call);
}

static void ask(const char *method, const char *target, const void *body, size_t len)
{
    ck_assert_int_eq(ask_start(method, target, body, len), FERRY_OK);
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + 60 * FY_SIM_S);
    ck_assert(got.has_ended);
}

/* ---- The rig ---- */

static void on_request(void *arg, struct fy_request *req)
{
    fy_routes_serve(arg, req);
}

static void setup(void)
{
    struct fy_sim_node *node;
    char detail[100];

    heap_setup();
    ck_assert_int_eq(fy_sim_new(1, NULL, &sim), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "client", &node), FERRY_OK);
    client = fy_sim_node_net(node);
    ck_assert_int_eq(fy_sim_add_node(sim, "server", &node), FERRY_OK);
    server = fy_sim_node_net(node);
    fy_intake_budget_init(&budget, (size_t)1 << 30);
    fy_routes_init(&routes, &budget);
    ck_assert_int_eq(fy_net_listen(server, "http://server:80", on_request, &routes, &listener, detail, sizeof(detail)),
                     FERRY_OK);
    n_freed = 0;
}

static void teardown(void)
{
    fy_listener_close(listener);
    fy_routes_release(&routes);
    ck_assert_uint_eq(budget.used, 0);
    fy_sim_free(sim);
    heap_teardown();
}

static int add(const char *path, const char *name)
{
    return fy_routes_add(&routes, path, note, (void *)(uintptr_t)name);
}

START_TEST(only_absolute_paths_can_be_routed)
{
    static const char *const bad[] = {"", "version", "/a?b"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(add(bad[i], "x") == FERRY_ERR_INVALID, "%s", bad[i]);
    ck_assert_int_eq(add(NULL, "x"), FERRY_ERR_INVALID);
    ck_assert_int_eq(fy_routes_add(&routes, "/a", NULL, NULL), FERRY_ERR_INVALID);
    ck_assert_int_eq(add("/raftery", "x"), FERRY_OK);
}
END_TEST

START_TEST(a_path_is_routed_once)
{
    ck_assert_int_eq(add("/a", "x"), FERRY_OK);
    ck_assert_int_eq(add("/a", "y"), FERRY_ERR_EXISTS);
    ck_assert_int_eq(add("/a/", "y"), FERRY_OK);
    ck_assert_int_eq(add("/a/", "z"), FERRY_ERR_EXISTS);
}
END_TEST

START_TEST(the_longest_match_wins)
{
    static const struct {
        const char *target;
        const char *route;
    } cases[] = {
        {"/", "root"},         {"/x", "root"},         {"/a", "a"},         {"/a/", "below a"}, {"/a/x", "below a"},
        {"/a/b/", "below ab"}, {"/a/b/c", "below ab"}, {"/a/b", "below a"}, {"/ab", "root"},
    };

    ck_assert_int_eq(add("/a/", "below a"), FERRY_OK);
    ck_assert_int_eq(add("/", "root"), FERRY_OK);
    ck_assert_int_eq(add("/a/b/", "below ab"), FERRY_OK);
    ck_assert_int_eq(add("/a", "a"), FERRY_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask("GET", cases[i].target, NULL, 0);
        ck_assert_int_eq(got.status, 200);
        ck_assert_msg(strcmp(seen.route, cases[i].route) == 0, "%s: %s", cases[i].target, seen.route);
    }
}
END_TEST

START_TEST(a_path_without_a_route_is_not_found)
{
    ck_assert_int_eq(add("/a", "a"), FERRY_OK);
    ask("GET", "/b", NULL, 0);
    ck_assert_int_eq(got.status, 404);
    ck_assert_str_eq(got.body, "404 page not found\n");
    ck_assert_int_eq(seen.n_calls, 0);
}
END_TEST

START_TEST(a_handler_sees_the_request)
{
    ck_assert_int_eq(add("/a", "a"), FERRY_OK);
    ask("POST", "/a?x=1&y", "abc", 3);
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.content_type, "text/plain; charset=utf-8");
    ck_assert_uint_eq(got.len, 0);
    ck_assert_str_eq(seen.method, "POST");
    ck_assert_str_eq(seen.path, "/a");
    ck_assert_str_eq(seen.query, "x=1&y");
    ck_assert_uint_eq(seen.body_len, 3);
    ck_assert_uint_eq(seen.body_sum, 'a' + 'b' + 'c');
    ck_assert(strncmp(seen.remote, "client:", 7) == 0);
    ask("GET", "/a", NULL, 0);
    ck_assert_str_eq(seen.query, "");
    ck_assert_uint_eq(seen.body_len, 0);
}
END_TEST

START_TEST(the_handlers_answer_is_copied_and_freed_once)
{
    ck_assert_int_eq(fy_routes_add(&routes, "/json", answer_json, NULL), FERRY_OK);
    ask("GET", "/json", NULL, 0);
    ck_assert_int_eq(got.status, 201);
    ck_assert_str_eq(got.content_type, "application/json");
    ck_assert_str_eq(got.body, "{}");
    ck_assert_int_eq(n_freed, 1);
}
END_TEST

static void answer_as_told(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    (void)req;
    *res = *(const struct ferry_http_response *)ctx;
}

START_TEST(the_handlers_headers_are_sent)
{
    static const char *const headers[] = {"X-Etcd-Cluster-ID", "1000", "Allow", "GET", NULL};
    struct ferry_http_response told = {.status = 200, .headers = headers};

    ck_assert_int_eq(fy_routes_add(&routes, "/a", answer_as_told, &told), FERRY_OK);
    ask("GET", "/a", NULL, 0);
    ck_assert_int_eq(got.status, 200);
    ck_assert_str_eq(got.cluster_id, "1000");
    ck_assert_str_eq(got.allow, "GET");
    ck_assert_str_eq(got.content_type, "(absent)");
}
END_TEST

START_TEST(an_answer_that_cannot_be_sent_becomes_a_500)
{
    static const char *const no_name[] = {"", "a", NULL};
    static const char *const no_token[] = {"a b", "a", NULL};
    static const char *const no_value[] = {"a", NULL};
    static const char *const two_lines[] = {"a", "b\r\nc: d", NULL};
    static const char *const second_type[] = {"content-type", "a", NULL};
    static const char *const length[] = {"Content-Length", "7", NULL};
    static const char *too_many[2 * (FERRY_MAX_HEADERS + 1) + 1];
    static const struct ferry_http_response bad[] = {
        {.status = 0},
        {.status = -5},
        {.status = 100},
        {.status = 199},
        {.status = 600},
        {.status = 200, .content_type = "a\r\nX: b"},
        {.status = 200, .content_type = "a\n"},
        {.status = 200, .body = {.data = NULL, .len = 10}},
        {.status = 200, .headers = no_name},
        {.status = 200, .headers = no_token},
        {.status = 200, .headers = no_value},
        {.status = 200, .headers = two_lines},
        {.status = 200, .headers = second_type},
        {.status = 200, .headers = length},
        {.status = 200, .headers = too_many},
    };
    struct ferry_http_response told;

    for (size_t i = 0; i < 2 * (FERRY_MAX_HEADERS + 1); i++)
        too_many[i] = "a";

    ck_assert_int_eq(fy_routes_add(&routes, "/a", answer_as_told, &told), FERRY_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        told = bad[i];
        told.free_body = free_counted;
        ask("GET", "/a", NULL, 0);
        ck_assert_msg(got.status == 500, "%zu: %d", i, got.status);
    }
    ck_assert_int_eq(n_freed, 15);
    too_many[2 * (size_t)FERRY_MAX_HEADERS] = NULL;
    told = (struct ferry_http_response){.status = 200, .headers = too_many};
    ask("GET", "/a", NULL, 0);
    ck_assert_int_eq(got.status, 200);
    told = (struct ferry_http_response){.status = 599};
    ask("GET", "/a", NULL, 0);
    ck_assert_int_eq(got.status, 599);
    ck_assert_str_eq(got.content_type, "(absent)");
}
END_TEST

START_TEST(bodies_are_limited_to_a_mebibyte)

{
    const size_t max = 1u << 20;
    uint8_t *body = malloc(max + 1);

    ck_assert_ptr_nonnull(body);
    memset(body, 1, max + 1);
    ck_assert_int_eq(add("/a", "a"), FERRY_OK);
    ask("POST", "/a", body, max);
    ck_assert_int_eq(got.status, 200);
    ck_assert_uint_eq(seen.body_len, max);
    ck_assert_uint_eq(seen.body_sum, max);
    ask("POST", "/a", body, max + 1);
    ck_assert_int_eq(got.status, 413);
    ck_assert_int_eq(seen.n_calls, 0);
    free(body);
}
END_TEST

START_TEST(a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing_behind)
{
    static uint8_t body[200000];

    ck_assert_int_eq(add("/a", "a"), FERRY_OK);
    ck_assert_int_eq(ask_start("POST", "/a", body, sizeof(body)), FERRY_OK);
    while (fy_sim_now_ns(sim) < 7 * FY_SIM_MS && fy_sim_step(sim))
        ;
    fy_call_cancel(got.call);
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + FY_SIM_S);
    ck_assert_int_eq(seen.n_calls, 0); /* teardown asserts that the intake is gone */
}
END_TEST

START_TEST(add_survives_every_failed_allocation)
{
    int err = FERRY_ERR_NOMEM;

    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = add("/a", "a");
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
}
END_TEST

START_TEST(serving_survives_every_failed_allocation)
{
    static uint8_t body[5000]; /* the intake grows */
    bool has_failed = true;

    ck_assert_int_eq(fy_routes_add(&routes, "/a", note, NULL), FERRY_OK);
    for (long nth = 0; has_failed; nth++) {
        heap_fail_at(nth);
        if (ask_start("POST", "/a", body, sizeof(body)) != FERRY_OK)
            got.has_ended = true;
        fy_sim_run_until(sim, fy_sim_now_ns(sim) + 60 * FY_SIM_S);
        has_failed = heap_has_failed();
        heap_fail_at(-1);
        ck_assert(got.has_ended);
        ck_assert(got.status == 200 || got.status == 503 || got.err != FERRY_OK || has_failed);
    }
    ck_assert_int_eq(got.status, 200);
    ck_assert_uint_eq(seen.body_len, sizeof(body));
}
END_TEST

int main(void)
{
    return rig_main("routes", setup, teardown, only_absolute_paths_can_be_routed,
                    a_path_is_routed_once, the_longest_match_wins, a_path_without_a_route_is_not_found,
                    a_handler_sees_the_request, the_handlers_answer_is_copied_and_freed_once,
                    the_handlers_headers_are_sent, an_answer_that_cannot_be_sent_becomes_a_500,
                    bodies_are_limited_to_a_mebibyte,
                    a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing_behind,
                    add_survives_every_failed_allocation, serving_survives_every_failed_allocation, NULL);
}
