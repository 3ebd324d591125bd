/*
 * check_node - who gets a request, calls on the loop, and a start that fails: a node on the simulated net, and one with
 * a thread.
 */
#include "node/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ferry/ferry.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "net/sim/sim.h"
#include "node/answers.h"
#include "node/routes.h"

static char *urls[] = {(char *)(uintptr_t) "http://server:80", NULL};

static struct fy_sim *sim;
static struct fy_net *client;
static struct fy_service_node *node;
static struct fy_service first, second;
static struct fy_routes routes;
static struct fy_intake_budget budget;

/* ---- Services ---- */

static char stopped[8]; /* the services whose on_node_stop was called, by letter */

static void answer_name(void *arg, struct fy_request *req)
{
    fy_answer_text(req, 200, NULL, 0, arg);
}

static void note_stop(void *arg)
{
    strcat(stopped, arg);
}

static void answer_route(void *ctx, const struct ferry_http_request *req, struct ferry_http_response *res)
{
    (void)req;
    res->body = (struct ferry_bytes){ctx, strlen(ctx)};
}

static int print_name(void *arg, struct fy_text *text)
{
    fy_text_put(text, arg);
    return text->err;
}

static const struct fy_page pages[] = {{.path = "/page", .content_type = "text/x-page", .print = print_name}};

static struct fy_service new_service(const char *name, const char *path)
{
    return (struct fy_service){.path = path,
                               .on_request = answer_name,
                               .pages = pages,
                               .n_pages = 1,
                               .on_node_stop = note_stop,
                               .arg = (void *)(uintptr_t)name};
}

/* ---- The client ---- */

static struct {
    struct fy_call *call;
    int status;
    char content_type[64];
    char body[256];
    size_t len;
} got;

static void on_head(void *arg, const struct fy_answer *answer)
{
    const char *type = fy_answer_header(answer, "Content-Type");

    (void)arg;
    got.status = answer->status;
    snprintf(got.content_type, sizeof(got.content_type), "%s", type ? type : "");
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
    (void)err;
    (void)detail;
    got.call = NULL;
}

/* Ask, with the nth allocation from the answer's making on failing (-1: none). */
static void ask_failing(const char *method, const char *path, long nth)
{
    static const struct fy_call_events events = {.on_head = on_head, .on_body = on_body, .on_end = on_end};
    char url[100];
    struct fy_call_spec spec = {.method = method, .url = url};

    snprintf(url, sizeof(url), "http://server:80%s", path);
    memset(&got, 0, sizeof(got));
    ck_assert_int_eq(fy_net_call(client, &spec, &events, NULL, &got.call), FERRY_OK);
    heap_fail_at(nth);
    fy_sim_run_until(sim, fy_sim_now_ns(sim) + 60 * FY_SIM_S);
    heap_fail_at(-1);
    ck_assert_ptr_null(got.call);
}

static void ask(const char *method, const char *path)
{
    ask_failing(method, path, -1);
}

/* Does GET path give 200 and body? */
static void expect(const char *path, const char *body)
{
    ask("GET", path);
    ck_assert_msg(got.status == 200 && strcmp(got.body, body) == 0, "%s: %d %s", path, got.status, got.body);
}

/* ---- The rig ---- */

static void setup(void)
{
    struct fy_sim_node *place;
    struct fy_service_node_config cfg = {.listen_urls = urls};

    heap_setup();
    stopped[0] = '\0';
    ck_assert_int_eq(fy_sim_new(1, NULL, &sim), FERRY_OK);
    ck_assert_int_eq(fy_sim_add_node(sim, "client", &place), FERRY_OK);
    client = fy_sim_node_net(place);
    ck_assert_int_eq(fy_sim_add_node(sim, "server", &place), FERRY_OK);
    cfg.net = fy_sim_node_net(place);
    ck_assert_int_eq(fy_service_node_new(&cfg, &node), FERRY_OK);
    ck_assert_int_eq(fy_service_node_start(node), FERRY_OK);
    fy_intake_budget_init(&budget, 1u << 20);
    fy_routes_init(&routes, &budget);
    first = new_service("a", "/first");
    second = new_service("b", NULL);
    second.routes = &routes;
}

static void mount_both(void)
{
    ck_assert_int_eq(fy_service_node_mount(node, &first), FERRY_OK);
    ck_assert_int_eq(fy_service_node_mount(node, &second), FERRY_OK);
}

static void teardown(void)
{
    fy_service_node_stop(node);
    fy_service_node_unmount(node, &first);
    fy_service_node_unmount(node, &second); /* also of one that is not mounted */
    fy_service_node_free(node);
    fy_routes_release(&routes);
    fy_sim_free(sim);
    heap_teardown();
}

/* ---- Tests ---- */

START_TEST(a_path_belongs_to_its_service_and_all_below_it)
{
    mount_both();
    expect("/first", "a\n");
    expect("/first/x", "a\n");
    ask("GET", "/firstly");
    ck_assert_int_eq(got.status, 404);
    fy_service_node_unmount(node, &first);
    ask("GET", "/first");
    ck_assert_int_eq(got.status, 404);
}
END_TEST

START_TEST(a_path_has_one_service)
{
    struct fy_service third = new_service("c", "/first");

    mount_both();
    ck_assert_int_eq(fy_service_node_mount(node, &third), FERRY_ERR_EXISTS);
    fy_service_node_unmount(node, &first);
    ck_assert_int_eq(fy_service_node_mount(node, &third), FERRY_OK);
    expect("/first", "c\n");
    fy_service_node_unmount(node, &third);
}
END_TEST

START_TEST(a_users_route_comes_before_a_page_unless_it_only_ends_above_it)
{
    mount_both();
    ck_assert_int_eq(fy_routes_add(&routes, "/", answer_route, (void *)(uintptr_t) "root"), FERRY_OK);
    expect("/other", "root");
    expect("/page", "ab");
    ck_assert_int_eq(fy_routes_add(&routes, "/page", answer_route, (void *)(uintptr_t) "mine"), FERRY_OK);
    expect("/page", "mine");
}
END_TEST

START_TEST(pages_are_for_get_and_head)
{
    mount_both();
    ask("GET", "/page");
    ck_assert_str_eq(got.content_type, "text/x-page");
    ask("POST", "/page");
    ck_assert_int_eq(got.status, 405);
    ask("GET", "/page/");
    ck_assert_int_eq(got.status, 404);
}
END_TEST

START_TEST(a_page_without_memory_is_503)
{
    unsigned n_503 = 0;

    memset(&got, 0, sizeof(got));
    mount_both();
    for (long nth = 0; got.status != 200; nth++) {
        ask_failing("GET", "/page", nth);
        ck_assert_msg(got.status == 200 || got.status == 503 || got.status == 0, "%d", got.status);
        ck_assert_uint_eq(node->intake.used, 0);
        n_503 += got.status == 503;
    }
    ck_assert_uint_ge(n_503, 2); /* of the intake and of the text */
}
END_TEST

START_TEST(services_hear_of_the_stop_last_mounted_first)
{
    mount_both();
    fy_service_node_stop(node);
    ck_assert_str_eq(stopped, "ba");
}
END_TEST

/* ---- With a thread ---- */

static pthread_t called_on;

static void note_thread(void *arg)
{
    called_on = pthread_self();
    *(bool *)arg = fy_service_node_is_inside(node);
}

static void note_errand(struct fy_errand *errand)
{
    errand->run = NULL; /* it has run */
}

static int start_threaded(const char *url)
{
    char *own_urls[] = {(char *)(uintptr_t)url, NULL};
    struct fy_service_node_config cfg = {.listen_urls = own_urls, .max_connections = 4, .write_timeout_ms = 1000};
    struct fy_errand errand = {.run = note_errand};
    bool was_inside = false;
    struct fy_service_node *simulated = node;
    int err = fy_service_node_new(&cfg, &node);

    if (err == FERRY_OK)
        err = fy_service_node_start(node);
    if (err == FERRY_OK) {
        fy_errands_post(&node->errands, &errand);
        fy_service_node_call(node, note_thread, &was_inside);
        ck_assert_ptr_null(errand.run); /* posted before, so it has run */
        ck_assert(was_inside && !fy_service_node_is_inside(node));
        ck_assert(pthread_equal(called_on, node->thread));
        fy_service_node_stop(node);
        fy_service_node_stop(node); /* does nothing */
        fy_service_node_call(node, note_thread, &was_inside);
        ck_assert(pthread_equal(called_on, pthread_self())); /* in place of the loop */
    }
    if (node != simulated)
        fy_service_node_free(node);
    node = simulated;
    return err;
}

START_TEST(a_call_runs_on_the_loop_after_earlier_errands)
{
    ck_assert_int_eq(start_threaded("http://127.0.0.1:0"), FERRY_OK);
}
END_TEST

START_TEST(an_address_that_cannot_be_bound_is_an_error)
{
    ck_assert_int_eq(start_threaded("http://192.0.2.1:1"), FERRY_ERR_LISTEN);
}
END_TEST

START_TEST(a_start_survives_every_failed_allocation)
{
    int err = FERRY_ERR_NOMEM;
    long nth = 0;

    for (; err != FERRY_OK; nth++) {
        heap_fail_at(nth);
        err = start_threaded("http://127.0.0.1:0");
        heap_fail_at(-1);
    }
    ck_assert_int_gt(nth, 3);
}
END_TEST

int main(void)
{
    return rig_main("node", setup, teardown, a_path_belongs_to_its_service_and_all_below_it, a_path_has_one_service,
                    a_users_route_comes_before_a_page_unless_it_only_ends_above_it, pages_are_for_get_and_head,
                    a_page_without_memory_is_503, services_hear_of_the_stop_last_mounted_first,
                    a_call_runs_on_the_loop_after_earlier_errands, an_address_that_cannot_be_bound_is_an_error,
                    a_start_survives_every_failed_allocation, NULL);
}
