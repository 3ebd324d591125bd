/*
 * node - a net with its thread, and who gets its requests.
 *
 * Normal path: open makes the net; services are mounted; listen binds; run starts the thread.  A request goes to the
 * service that owns its path, else to the longest matching route of all services, else to a page, else it is answered
 * with 404.  stop lets the services end their streams, and closes everything one turn later.
 */
#include "node/node.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/thread.h"
#include "ferry/ferry.h"
#include "node/answers.h"
#include "node/pages.h"
#include "node/routes.h"
#include "wire/url.h"

#define PAGE_INTAKE_BYTES ((size_t)4 << 20)

/* ---- Requests -----------------------------------------------------------------------------------------------------
 */

static bool owns(const struct fy_service *service, const char *path)
{
    size_t len = service->path ? strlen(service->path) : 0;

    return len > 0 && strncmp(path, service->path, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

/* The routes with the longest match; NULL: there is none. */
static const struct fy_routes *find_routes(const struct fy_list *services, const char *path, size_t *ret_len)
{
    const struct fy_routes *best = NULL;

    *ret_len = 0;
    for (struct fy_node *node = fy_list_first(services); node; node = fy_list_next(services, node)) {
        const struct fy_routes *routes = fy_container(node, struct fy_service, node)->routes;
        size_t len = routes ? fy_routes_match(routes, path) : 0;

        if (len > *ret_len) {
            *ret_len = len;
            best = routes;
        }
    }
    return best;
}

static void node_on_request(void *arg, struct fy_request *req)
{
    struct fy_service_node *self = arg;
    const char *path = fy_request_path(req);
    const struct fy_routes *routes;
    size_t len;

    for (struct fy_node *node = fy_list_first(&self->services); node; node = fy_list_next(&self->services, node)) {
        struct fy_service *service = fy_container(node, struct fy_service, node);

        if (owns(service, path)) {
            service->on_request(service->arg, req);
            return;
        }
    }
    routes = find_routes(&self->services, path, &len);
    if (routes && (len == strlen(path) || !fy_pages_have(&self->services, path)))
        fy_routes_serve(routes, req);
    else
        fy_pages_serve(&self->services, &self->intake, req);
}

/* ---- Calls on the loop ---------------------------------------------------------------------------------------------
 */

struct loop_call {
    struct fy_errand errand;
    struct fy_service_node *node;
    void (*fn)(void *arg);
    void *arg;
    bool is_done; /* node->mu */
};

static void node_on_call(struct fy_errand *errand)
{
    struct loop_call *call = fy_container(errand, struct loop_call, errand);
    struct fy_service_node *node = call->node;

    call->fn(call->arg);
    pthread_mutex_lock(&node->mu);
    call->is_done = true; /* from here on the call may be gone */
    pthread_cond_broadcast(&node->called);
    pthread_mutex_unlock(&node->mu);
}

void fy_service_node_call(struct fy_service_node *node, void (*fn)(void *arg), void *arg)
{
    struct loop_call call = {.errand.run = node_on_call, .node = node, .fn = fn, .arg = arg};
    struct timespec until;
    bool is_late = false;

    if (!node->has_thread) {
        fy_errands_drain(&node->errands);
        fn(arg);
        return;
    }
    assert(!fy_service_node_is_inside(node));
    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail with these arguments */
    until.tv_sec += FY_STOP_PATIENCE_S;
    fy_errands_post(&node->errands, &call.errand);
    pthread_mutex_lock(&node->mu);
    while (!call.is_done && !is_late)
        is_late = pthread_cond_timedwait(&node->called, &node->mu, &until) == ETIMEDOUT;
    is_late = !call.is_done;
    pthread_mutex_unlock(&node->mu);
    if (!is_late)
        return;
    fy_thread_log_wait(&node->cfg.log, "the I/O thread, which is in a callback");
    pthread_mutex_lock(&node->mu);
    while (!call.is_done)
        pthread_cond_wait(&node->called, &node->mu);
    pthread_mutex_unlock(&node->mu);
}

/* ---- Services ------------------------------------------------------------------------------------------------------
 */

struct mounting {
    struct fy_service_node *node;
    struct fy_service *service;
    int err;
};

static void node_on_mount(void *arg)
{
    struct mounting *mounting = arg;
    struct fy_list *services = &mounting->node->services;

    for (struct fy_node *node = fy_list_first(services); node; node = fy_list_next(services, node)) {
        const char *path = fy_container(node, struct fy_service, node)->path;

        if (path && mounting->service->path && strcmp(path, mounting->service->path) == 0)
            mounting->err = FERRY_ERR_EXISTS;
    }
    if (mounting->err == FERRY_OK)
        fy_list_append(services, &mounting->service->node);
}

int fy_service_node_mount(struct fy_service_node *node, struct fy_service *service)
{
    struct mounting mounting = {.node = node, .service = service, .err = FERRY_OK};

    assert(node->net);
    fy_service_node_call(node, node_on_mount, &mounting);
    return mounting.err;
}

static void node_on_unmount(void *arg)
{
    struct fy_service *service = arg;

    if (fy_node_is_linked(&service->node))
        fy_list_remove(&service->node);
}

void fy_service_node_unmount(struct fy_service_node *node, struct fy_service *service)
{
    fy_service_node_call(node, node_on_unmount, service);
}

/* ---- Start ---------------------------------------------------------------------------------------------------------
 */

int fy_service_node_new(const struct fy_service_node_config *cfg, struct fy_service_node **ret_node)
{
    struct fy_service_node *node = calloc(1, sizeof(*node));
    pthread_condattr_t attr;

    if (!node)
        return FERRY_ERR_NOMEM;
    node->cfg = *cfg;
    fy_errands_init(&node->errands);
    fy_list_init(&node->services);
    fy_intake_budget_init(&node->intake, PAGE_INTAKE_BYTES);
    (void)pthread_mutex_init(&node->mu, NULL); /* none of these fails on Linux */
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&node->called, &attr);
    (void)pthread_condattr_destroy(&attr);
    *ret_node = node;
    return FERRY_OK;
}

/* err, after its cause was logged: the error alone does not name it. */
static int explain(const struct fy_service_node *node, int err, const char *what)
{
    if (err == FERRY_ERR_SYSTEM)
        fy_log(&node->cfg.log, FERRY_LOG_ERROR, "transport", 0, "%s: %s", what, strerror(errno));
    return err;
}

static void node_on_wake(void *arg)
{
    struct fy_service_node *node = arg;

    fy_errands_run(&node->errands);
}

int fy_service_node_open(struct fy_service_node *node)
{
    const struct fy_service_node_config *cfg = &node->cfg;
    struct fy_http_config http = {.write_timeout_ms = cfg->write_timeout_ms,
                                  .link_timeout_ms = cfg->link_timeout_ms,
                                  .busy_poll_us = cfg->busy_poll_us,
                                  .max_connections = cfg->max_connections,
                                  .reserved_connections = cfg->reserved_connections,
                                  .max_per_address = cfg->max_per_address,
                                  .body_timeout_ms = cfg->body_timeout_ms,
                                  .crowd = &node->crowd,
                                  .log = &cfg->log,
                                  .tls = cfg->tls};
    int err = FERRY_OK;

    node->net = cfg->net;
    if (!node->net)
        err = explain(node, fy_http_new(&http, &node->net), "cannot create the descriptors of the loop");
    if (err != FERRY_OK)
        return err;
    fy_net_set_on_wake(node->net, node_on_wake, node);
    fy_errands_start(&node->errands, node->net);
    return FERRY_OK;
}

static int listen_all(struct fy_service_node *node, size_t n)
{
    char detail[160];

    node->listeners = calloc(n, sizeof(struct fy_listener *));
    if (!node->listeners)
        return FERRY_ERR_NOMEM;
    for (; node->n_listeners < n; node->n_listeners++) {
        const char *url = node->cfg.listen_urls[node->n_listeners];
        int err = fy_net_listen(node->net, url, node_on_request, node, &node->listeners[node->n_listeners], detail,
                                sizeof(detail));

        if (err != FERRY_OK) {
            fy_log(&node->cfg.log, FERRY_LOG_ERROR, "listen", 0, "%s: %s", url, detail);
            return err;
        }
    }
    return FERRY_OK;
}

/* Keep the URLs that the listeners are bound to: they may be asked for from any thread, and after stop. */
static int keep_bound_urls(struct fy_service_node *node)
{
    const char **urls = calloc(node->n_listeners + 1, sizeof(char *));
    int err;

    if (!urls)
        return FERRY_ERR_NOMEM;
    for (size_t i = 0; i < node->n_listeners; i++)
        urls[i] = fy_listener_url(node->listeners[i]);
    err = fy_urls_copy_in_order(urls, &node->bound_urls);
    free(urls);
    return err;
}

int fy_service_node_listen(struct fy_service_node *node)
{
    size_t n = 0;
    int err;

    while (node->cfg.listen_urls && node->cfg.listen_urls[n])
        n++;
    if (n == 0)
        return FERRY_OK;
    err = listen_all(node, n);
    return err == FERRY_OK ? keep_bound_urls(node) : err;
}

static void *node_main(void *arg)
{
    struct fy_service_node *node = arg;

    node->loop_thread = pthread_self();
    atomic_store(&node->has_loop_thread, true);
    fy_thread_be_prompt();
    fy_http_run(node->net);
    return NULL;
}

int fy_service_node_run(struct fy_service_node *node)
{
    int err;

    if (node->cfg.net || node->cfg.is_hosted)
        return FERRY_OK;
    err = explain(node, fy_thread_start(&node->thread, "ferry-io", node_main, node), "cannot start a thread");
    node->has_thread = err == FERRY_OK;
    return err;
}

int fy_service_node_start(struct fy_service_node *node)
{
    int err = fy_service_node_open(node);

    if (err == FERRY_OK)
        err = fy_service_node_listen(node);
    if (err == FERRY_OK)
        err = fy_service_node_run(node);
    if (err != FERRY_OK)
        fy_service_node_stop(node);
    return err;
}

/* ---- Stop ----------------------------------------------------------------------------------------------------------
 */

static void node_on_stop(void *arg)
{
    struct fy_service_node *self = arg;
    struct fy_node *node, *previous;

    for (node = fy_list_last(&self->services); node; node = previous) {
        struct fy_service *service = fy_container(node, struct fy_service, node);

        previous = fy_list_previous(&self->services, node);
        if (service->on_node_stop)
            service->on_node_stop(service->arg);
    }
}

/* The requests that still live get on_gone. */
static void close_listeners(struct fy_service_node *node)
{
    for (size_t i = 0; i < node->n_listeners; i++) {
        fy_listener_close(node->listeners[i]);
        node->listeners[i] = NULL;
    }
}

static void node_on_close(void *arg)
{
    struct fy_service_node *node = arg;

    close_listeners(node);
    fy_http_stop(node->net);
}

void fy_service_node_stop(struct fy_service_node *node)
{
    fy_service_node_call(node, node_on_stop, node);
    if (node->has_thread) {
        fy_service_node_call(node, node_on_close,
                             node); /* in a later turn: the first one's rest sends what was ended */
        fy_thread_join(node->thread, &node->cfg.log, "the I/O thread, which is in a callback");
        node->has_thread = false;
        atomic_store(&node->has_loop_thread, false);
    } else {
        if (node->cfg.is_hosted && node->net && !node->cfg.net)
            fy_http_run_once(node->net, 0); /* sends what was ended */
        close_listeners(node);
    }
    fy_errands_drain(&node->errands);
    if (node->net)
        fy_net_set_on_wake(node->net, NULL, NULL);
}

void fy_service_node_free(struct fy_service_node *node)
{
    if (!node)
        return;
    assert(fy_list_is_empty(&node->services) && !node->has_thread && node->intake.used == 0);
    if (!node->cfg.net)
        fy_http_free(node->net);
    fy_errands_release(&node->errands);
    pthread_cond_destroy(&node->called);
    pthread_mutex_destroy(&node->mu);
    free(node->listeners);
    free(node->bound_urls);
    free(node);
}

/* ---- Turning -------------------------------------------------------------------------------------------------------
 */

void fy_service_node_turn(struct fy_service_node *node, int timeout_ms)
{
    node->n_turning++;
    fy_http_run_once(node->net, timeout_ms);
    node->n_turning--;
}

bool fy_service_node_is_inside(struct fy_service_node *node)
{
    if (atomic_load(&node->has_loop_thread))
        return pthread_equal(node->loop_thread, pthread_self()) != 0;
    if (node->cfg.net)
        return node->is_turning && node->is_turning(node->is_turning_arg);
    return node->cfg.is_hosted && node->n_turning > 0;
}
