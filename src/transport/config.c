/*
 * config - checks and copies every field of ferry_config.
 */
#include "transport/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/preset.h"
#include "member/pace.h"
#include "net/tls/tls.h"
#include "transport/transport.h"
#include "wire/url.h"

#define SHELF_BYTES ((size_t)16 << 20)
#define MS_TO_NS(ms) ((uint64_t)(ms)*1000000)
#define MAX_WORKERS 256
#define MAX_SNAPSHOTS 256
#define MIN_LINK_TIMEOUT_MS 500

static int fail(const struct ferry_transport *t, int err, const char *what)
{
    fy_log(&t->local.log, FERRY_LOG_ERROR, "config", 0, "%s: %s", what, ferry_strerror(err));
    return err;
}

/* Timeouts and limits: each is more than 0. */
static int check_positive(const struct ferry_config *cfg, const struct ferry_transport *t)
{
    const struct {
        const char *name;
        bool is_zero;
    } fields[] = {
        {"dial_timeout_ms", cfg->dial_timeout_ms == 0},
        {"read_timeout_ms", cfg->read_timeout_ms == 0},
        {"write_timeout_ms", cfg->write_timeout_ms == 0},
        {"post_timeout_ms", cfg->post_timeout_ms == 0},
        {"dial_retry_ms", cfg->dial_retry_ms == 0},
        {"max_queue_messages", cfg->max_queue_messages == 0},
        {"max_queue_bytes", cfg->max_queue_bytes == 0},
        {"max_pipeline_messages", cfg->max_pipeline_messages == 0},
        {"max_send_bytes", cfg->max_send_bytes == 0},
        {"max_message_bytes", cfg->max_message_bytes == 0},
        {"max_receive_bytes", cfg->max_receive_bytes == 0},
        {"max_connections", cfg->max_connections == 0},
        {"body_timeout_ms", cfg->body_timeout_ms == 0},
        {"max_snapshot_bytes", cfg->max_snapshot_bytes == 0},
        {"max_snapshots_in", cfg->max_snapshots_in == 0},
        {"max_snapshots_out", cfg->max_snapshots_out == 0},
        {"snapshot_stall_ms", cfg->snapshot_stall_ms == 0},
        {"snapshot_answer_ms", cfg->snapshot_answer_ms == 0},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        char text[64];

        if (!fields[i].is_zero)
            continue;
        (void)snprintf(text, sizeof(text), "%s is 0", fields[i].name);
        return fail(t, FERRY_ERR_INVALID, text);
    }
    return FERRY_OK;
}

static int check_numbers(const struct ferry_config *cfg, const struct ferry_transport *t)
{
    if (cfg->id == 0)
        return fail(t, FERRY_ERR_INVALID, "id is 0");
    if (!cfg->core.process)
        return fail(t, FERRY_ERR_INVALID, "core.process is NULL");
    if (cfg->form < FERRY_FORM_3_4 || cfg->form > FERRY_FORM_3_7)
        return fail(t, FERRY_ERR_INVALID, "invalid form: not an enum ferry_wire_form value");
    if (cfg->delivery < FERRY_DELIVER_WORKERS || cfg->delivery > FERRY_DELIVER_HOST)
        return fail(t, FERRY_ERR_INVALID, "invalid delivery: not an enum ferry_delivery value");
    if (cfg->log_level < FERRY_LOG_ERROR || cfg->log_level > FERRY_LOG_DEBUG)
        return fail(t, FERRY_ERR_INVALID, "invalid log_level: not an enum ferry_log_level value");
    if (cfg->delivery == FERRY_DELIVER_WORKERS && (cfg->n_workers == 0 || cfg->n_workers > MAX_WORKERS))
        return fail(t, FERRY_ERR_INVALID, "n_workers is not within 1 to 256");
    if (cfg->delivery == FERRY_DELIVER_WORKERS && (cfg->n_propose_workers == 0 || cfg->n_propose_workers > MAX_WORKERS))
        return fail(t, FERRY_ERR_INVALID, "n_propose_workers is not within 1 to 256");
    if (cfg->max_snapshots_in > MAX_SNAPSHOTS || cfg->max_snapshots_out > MAX_SNAPSHOTS)
        return fail(t, FERRY_ERR_INVALID, "max_snapshots_in or _out is above 256");
    if (cfg->snapshot_bytes_per_s > 0 && cfg->snapshot_bytes_per_s < FY_PACE_LEAST)
        return fail(t, FERRY_ERR_INVALID, "snapshot_bytes_per_s is neither 0 nor at least 1024");
    if (cfg->snapshot_sink.open &&
        (!cfg->snapshot_sink.write || !cfg->snapshot_sink.commit || !cfg->snapshot_sink.abort))
        return fail(t, FERRY_ERR_INVALID, "snapshot_sink lacks a function");
    if (cfg->snapshot_dir && cfg->snapshot_dir[0] == '\0')
        return fail(t, FERRY_ERR_INVALID, "snapshot_dir is empty");
    if (cfg->link_timeout_ms != 0 && cfg->link_timeout_ms < MIN_LINK_TIMEOUT_MS)
        return fail(t, FERRY_ERR_INVALID, "link_timeout_ms is neither 0 nor at least 500");
    return check_positive(cfg, t);
}

static int copy_version(const struct ferry_transport *t, const char *name, const char *text, char **ret_text,
                        struct fy_version *ret_version)
{
    int err = text ? fy_version_parse(text, ret_version) : FERRY_ERR_VERSION_TEXT;

    if (err != FERRY_OK)
        return fail(t, err, name);
    *ret_text = strdup(text);
    return *ret_text ? FERRY_OK : FERRY_ERR_NOMEM;
}

/* Log why a list of URLs was refused, with the invalid URL if that is the cause. */
static int fail_urls(const struct ferry_transport *t, int err, const char *name, const char *const *urls)
{
    for (; err == FERRY_ERR_URL && *urls; urls++) {
        char **copy = NULL;
        int one_err = fy_urls_copy((const char *const[]){*urls, NULL}, &copy);

        free(copy);
        if (one_err == FERRY_ERR_URL) {
            fy_log(&t->local.log, FERRY_LOG_ERROR, "config", 0, "%s: \"%s\": %s", name, *urls, ferry_strerror(err));
            return err;
        }
    }
    return fail(t, err, name);
}

/* Can other members dial these URLs?  what: the name of the setting, for the log. */
static int check_dialable(const struct ferry_transport *t, const char *const *urls, const char *what)
{
    for (; urls && *urls; urls++) {
        struct fy_url url;

        if (fy_url_parse(*urls, &url) != FERRY_OK || !fy_url_is_wildcard(&url))
            continue;
        fy_log(&t->local.log, FERRY_LOG_ERROR, "config", 0, "%s: \"%s\": other members cannot dial this address%s",
               what, *urls, t->advertise_urls ? "" : "; set advertise_urls");
        return FERRY_ERR_INVALID;
    }
    return FERRY_OK;
}

static int check_advertised(const struct ferry_transport *t)
{
    if (!t->advertise_urls)
        return check_dialable(t, (const char *const *)t->listen_urls, "listen_urls");
    for (size_t i = 0; t->advertise_urls[i]; i++) {
        if (fy_url_has_port_0(t->advertise_urls[i])) {
            fy_log(&t->local.log, FERRY_LOG_ERROR, "config", 0, "advertise_urls: \"%s\": nobody can dial port 0",
                   t->advertise_urls[i]);
            return FERRY_ERR_INVALID;
        }
    }
    return check_dialable(t, (const char *const *)t->advertise_urls, "advertise_urls");
}

/* Listen URLs keep their order, as ferry_transport_listen_url counts them; advertised ones are sorted as etcd does. */
static int copy_all_urls(const struct ferry_config *cfg, struct ferry_transport *t)
{
    int err = FERRY_OK;

    if (cfg->listen_urls && cfg->listen_urls[0])
        err = fy_urls_copy_in_order(cfg->listen_urls, &t->listen_urls);
    if (err != FERRY_OK)
        return fail_urls(t, err, "listen_urls", cfg->listen_urls);
    if (cfg->advertise_urls && cfg->advertise_urls[0])
        err = fy_urls_copy(cfg->advertise_urls, &t->advertise_urls);
    return err == FERRY_OK ? check_advertised(t) : fail_urls(t, err, "advertise_urls", cfg->advertise_urls);
}

/* Last, as it reads files. */
static int load_tls(const struct ferry_config *cfg, struct ferry_transport *t)
{
    if (cfg->tls)
        return fy_tls_new(cfg->tls, &t->local.log, &t->tls);
    if (fy_urls_have_https(t->listen_urls))
        return fail(t, FERRY_ERR_TLS_CONFIG, "listen_urls with https, and tls is NULL");
    return FERRY_OK;
}

static void copy_numbers(const struct ferry_config *cfg, struct ferry_transport *t)
{
    struct fy_local *local = &t->local;
    struct fy_raft_local *raft = &t->raft;

    t->core = cfg->core;
    t->mode = cfg->delivery;
    t->n_workers = cfg->n_workers;
    t->n_propose_workers = cfg->n_propose_workers;
    t->busy_poll_us = cfg->busy_poll_us;
    t->write_timeout_ms = cfg->write_timeout_ms;
    t->link_timeout_ms = cfg->link_timeout_ms;
    t->max_connections = cfg->max_connections;
    t->reserved_connections = cfg->reserved_connections;
    t->max_per_address = cfg->max_connections_per_address;
    t->body_timeout_ms = cfg->body_timeout_ms;
    fy_intake_budget_init(&t->intake, cfg->max_receive_bytes);
    t->max_remotes = cfg->max_remotes;
    t->allows_foreign_from = cfg->allow_foreign_from;
    t->serves_metrics = cfg->serve_metrics;
    t->serves_debug_peers = cfg->serve_debug_peers;

    local->id = cfg->id;
    local->id_text = fy_id_format(cfg->id);
    raft->cluster_id_text = fy_id_format(cfg->cluster_id);
    raft->form = cfg->form;
    local->dial_timeout_ns = MS_TO_NS(cfg->dial_timeout_ms);
    local->handshake_timeout_ns = cfg->tls ? MS_TO_NS(cfg->tls->handshake_timeout_ms) : 0;
    local->read_timeout_ns = MS_TO_NS(cfg->read_timeout_ms);
    local->link_timeout_ns = MS_TO_NS(cfg->link_timeout_ms);
    raft->post_timeout_ns = MS_TO_NS(cfg->post_timeout_ms);
    local->dial_retry_ns = MS_TO_NS(cfg->dial_retry_ms);
    raft->probe_interval_ns = MS_TO_NS(cfg->probe_interval_ms);
    raft->clock_alarm_ns = MS_TO_NS(cfg->clock_alarm_ms);
    raft->max_queue_messages = cfg->max_queue_messages;
    raft->max_queue_bytes = cfg->max_queue_bytes;
    raft->max_pipeline_messages = cfg->max_pipeline_messages;
    raft->max_message_bytes = cfg->max_message_bytes;
    local->max_send_bytes = cfg->max_send_bytes;
    fy_shelf_init(&local->shelf, SHELF_BYTES < cfg->max_send_bytes ? SHELF_BYTES : cfg->max_send_bytes);

    t->sink = cfg->snapshot_sink;
    t->max_snapshot_bytes = cfg->max_snapshot_bytes;
    t->max_snapshots_in = cfg->max_snapshots_in;
    raft->max_snapshots_out = cfg->max_snapshots_out;
    raft->snapshot_bytes_per_s = cfg->snapshot_bytes_per_s;
    raft->snapshot_stall_ns = MS_TO_NS(cfg->snapshot_stall_ms);
    raft->snapshot_answer_ns = MS_TO_NS(cfg->snapshot_answer_ms);
}

int fy_config_apply(const struct ferry_config *given, struct ferry_transport *t)
{
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    struct fy_local *local = &t->local;
    struct fy_raft_local *raft = &t->raft;
    int err;

    if (given->size == 0 || given->size > sizeof(cfg))
        return FERRY_ERR_INVALID; /* not made by FERRY_CONFIG_INIT, or for a newer library: no field can be trusted */
    memcpy(&cfg, given, given->size); /* an older program's struct is shorter; the rest keeps its defaults */
    local->log = (struct fy_log){.fn = cfg.log, .ctx = cfg.log_ctx, .max_level = cfg.log_level};

    err = check_numbers(&cfg, t);
    if (err != FERRY_OK)
        return err;
    copy_numbers(&cfg, t);
    err = copy_version(t, "server_version", cfg.server_version, &raft->version_text, &raft->version);
    if (err == FERRY_OK)
        err = copy_version(t, "min_cluster_version", cfg.min_cluster_version, &raft->min_version_text,
                           &raft->min_version);
    if (err == FERRY_OK)
        err = copy_all_urls(&cfg, t);
    if (err == FERRY_OK && cfg.snapshot_dir) {
        t->snapshot_dir_path = strdup(cfg.snapshot_dir);
        err = t->snapshot_dir_path ? FERRY_OK : FERRY_ERR_NOMEM;
    }
    return err == FERRY_OK ? load_tls(&cfg, t) : err;
}

void ferry_config_init_sized(struct ferry_config *cfg, size_t size)
{
    const struct ferry_config init = FERRY_CONFIG_INIT;

    fy_preset(cfg, size, &init, sizeof(init));
}

void fy_config_release(struct ferry_transport *t)
{
    if (t->owns_node || !t->node)
        fy_tls_free(t->tls);
    fy_shelf_release(&t->local.shelf);
    free(t->raft.version_text);
    free(t->raft.min_version_text);
    free(t->raft.peer_urls);
    free(t->snapshot_dir_path);
    free(t->listen_urls);
    free(t->advertise_urls);
}

char *fy_config_join_urls(char *const *urls)
{
    size_t len = 0;
    char *text, *end;

    for (size_t i = 0; urls && urls[i]; i++)
        len += strlen(urls[i]) + 1;
    text = malloc(len + 1);
    if (!text)
        return NULL;
    end = text;
    for (size_t i = 0; urls && urls[i]; i++) {
        size_t url_len = strlen(urls[i]);

        if (i > 0)
            *end++ = ',';
        memcpy(end, urls[i], url_len);
        end += url_len;
    }
    *end = '\0';
    return text;
}
