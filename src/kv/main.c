/*
 * ferry-kv - one member of a replicated key-value store: libraft for the order, Ferry for the messages.
 *
 * One thread and one loop, libuv's, turn all of it: the log, the transport and the server for clients.  It ends by
 * SIGTERM or SIGINT, or when the core cannot go on; what is acknowledged is on disk, so that it may also be killed.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <ferry/ferry.h>
#include <uv.h>

#include "kv/client_api.h"
#include "kv/data_dir.h"
#include "kv/http_server.h"
#include "kv/node.h"
#include "kv/options.h"
#include "kv/store.h"

#define N_SIGNALS 2

struct program {
    struct kv_options options;
    struct kv_data_dir dir;
    uv_loop_t loop;
    uv_signal_t signals[N_SIGNALS];
    struct kv_store *store;
    struct kv_node *node;
    struct kv_client_api api;
    struct kv_http_server *http;
    bool is_closing;
    int exit_status;
};

static void say(void *ctx, const char *text)
{
    const struct program *program = ctx;

    fprintf(stderr, "ferry-kv %" PRIu64 ": %s\n", program->options.id, text);
}

/* What was begun is not taken down: the process ends. */
static _Noreturn void die(const char *text)
{
    fprintf(stderr, "ferry-kv: %s\n", text);
    _exit(EXIT_FAILURE);
}

/* ---- The end ------------------------------------------------------------------------------------------------------
 */

static void on_http_closed(void *ctx)
{
    struct program *program = ctx;

    for (int i = 0; i < N_SIGNALS; i++)
        uv_close((uv_handle_t *)&program->signals[i], NULL);
}

static void on_node_closed(void *ctx)
{
    struct program *program = ctx;

    kv_http_server_close(program->http, on_http_closed, program);
}

static void stop(struct program *program, int exit_status)
{
    if (program->is_closing)
        return;
    program->is_closing = true;
    program->api.is_stopping = true;
    program->exit_status = exit_status;
    kv_node_close(program->node, on_node_closed, program);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    stop(handle->data, EXIT_SUCCESS);
}

static void on_failed(void *ctx, const char *text)
{
    say(ctx, text);
    stop(ctx, EXIT_FAILURE);
}

static void on_broken(void *ctx, const char *text)
{
    say(ctx, text);
    _exit(EXIT_FAILURE);
}

/* ---- The beginning ------------------------------------------------------------------------------------------------
 */

static void read_options(struct program *program, int argc, char **argv)
{
    struct flags_fault fault;

    flags_settle(kv_options_parse(argc, argv, &program->options, &fault), &fault, "ferry-kv", ferry_version(),
                 kv_options_print_help);
}

static void watch_signals(struct program *program)
{
    static const int numbers[N_SIGNALS] = {SIGTERM, SIGINT};

    (void)signal(SIGPIPE, SIG_IGN); /* fails for numbers that are no signal alone, like what follows */
    for (int i = 0; i < N_SIGNALS; i++) {
        (void)uv_signal_init(&program->loop, &program->signals[i]);
        program->signals[i].data = program;
        (void)uv_signal_start(&program->signals[i], on_signal, numbers[i]);
    }
}

static void begin(struct program *program)
{
    const struct kv_options *options = &program->options;
    const struct kv_node_events events = {.ctx = program, .say = say, .failed = on_failed, .broken = on_broken};
    char text[512];

    if (kv_data_dir_open(&program->dir, options->data_dir, options->id, options->cluster_id, text, sizeof(text)) != 0)
        die(text);
    program->store = kv_store_new();
    if (!program->store || uv_loop_init(&program->loop) != 0)
        die("out of memory");
    program->api = (struct kv_client_api){.store = program->store, .options = options};
    if (kv_http_server_new(&program->loop, options->client_host, options->client_port, KV_MAX_VALUE,
                           kv_client_api_serve, &program->api, &program->http, text, sizeof(text)) != 0 ||
        kv_node_new(options, program->dir.log_path, &program->loop, program->store, &events, &program->node, text,
                    sizeof(text)) != 0)
        die(text);
    program->api.node = program->node;
    watch_signals(program);
}

int main(int argc, char **argv)
{
    static struct program program;
    char text[1024];

    read_options(&program, argc, argv);
    begin(&program);
    (void)snprintf(text, sizeof(text), "listens for members on %s, for clients on %s", program.options.peer_url,
                   program.options.client_url);
    say(&program, text);
    (void)uv_run(&program.loop, UV_RUN_DEFAULT); /* until all handles are closed */
    kv_http_server_free(program.http);
    kv_node_free(program.node);
    (void)uv_loop_close(&program.loop); /* nothing is left in it */
    kv_store_free(program.store);
    kv_data_dir_close(&program.dir);
    return program.exit_status;
}
