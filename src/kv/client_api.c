/*
 * client_api - paths to what they do.
 *
 * A write or a read that this member cannot order is answered with 307 and the leader's URL when that is known, else
 * with 503.  Answers that tell of a failure are JSON: error, and outcome: "none" when it certainly has no effect,
 * "unknown" when it may have or may still.
 */
#include "kv/client_api.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ferry/ferry.h>

#include "adapters/libraft/raft_compat.h"
#include "kv/command.h"
#include "kv/http_server.h"
#include "kv/node.h"
#include "kv/options.h"
#include "kv/status.h"
#include "kv/store.h"
#include "kv/words.h"
#include "tools/number.h"

#define JSON "application/json"
#define KEYS "/kv/"

/* A request whose answer waits for the core. */
struct waiting {
    struct kv_client_api *api;
    struct kv_http_request *req;
    bool is_write;
    char key[KV_MAX_KEY + 1];
    size_t key_len;
};

/* ---- Answers ------------------------------------------------------------------------------------------------------
 */

__attribute__((format(printf, 3, 4))) static void reply(struct kv_http_request *req, unsigned status,
                                                        const char *format, ...)
{
    char text[1024];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    kv_http_reply(req, status, JSON, text, len < (int)sizeof(text) ? (size_t)len : sizeof(text) - 1, NULL);
}

static void reply_error(struct kv_http_request *req, unsigned status, const char *error)
{
    reply(req, status, "{\"error\":\"%s\",\"outcome\":\"none\"}\n", error);
}

/* To the leader, as far as it is known. */
static void redirect(struct kv_client_api *api, struct kv_http_request *req)
{
    const char *address;
    const char *url;
    char *location, *target;
    char text[512];
    raft_id leader;
    int len;

    raft_leader(kv_node_raft(api->node), &leader, &address);
    url = leader == 0 ? NULL : kv_store_client_url(api->store, leader);
    if (!url || leader == api->options->id) {
        reply_error(req, 503, "there is no leader");
        return;
    }
    target = kv_http_target(req);
    location = target ? malloc(strlen(url) + strlen(target) + 1) : NULL;
    if (!location) {
        free(target);
        reply_error(req, 503, "out of memory");
        return;
    }
    memcpy(location, url, strlen(url));
    memcpy(location + strlen(url), target, strlen(target) + 1);
    free(target);
    len = snprintf(text, sizeof(text),
                   "{\"error\":\"not the leader\",\"outcome\":\"none\",\"leader\":%llu,\"leader_client_url\":\"%s\"}\n",
                   leader, url);
    if (len >= (int)sizeof(text)) /* a longer one does not fit: the header has it */
        len = (int)sizeof(text) - 1;
    kv_http_reply(req, 307, JSON, text, (size_t)len, location);
    free(location);
}

static void reply_failure(struct kv_client_api *api, struct kv_http_request *req, int status, bool is_uncertain)
{
    if (status == RAFT_NOTLEADER)
        redirect(api, req);
    else if (is_uncertain)
        reply(req, 503, "{\"error\":\"%s\",\"outcome\":\"unknown\"}\n", kv_words_for(status));
    else
        reply_error(req, 503, kv_words_for(status));
}

/* ---- Keys ---------------------------------------------------------------------------------------------------------
 */

/* The key that the request is about; NULL when it was answered. */
static struct waiting *waiting_new(struct kv_client_api *api, struct kv_http_request *req, bool is_write)
{
    const char *escaped = kv_http_path(req) + strlen(KEYS);
    struct waiting *waiting = calloc(1, sizeof(*waiting));
    char *key = strdup(escaped);
    size_t len = key ? kv_http_unescape(key) : 0;

    if (!waiting || !key)
        reply_error(req, 503, "out of memory");
    else if (len == SIZE_MAX)
        reply_error(req, 400, "bad %-escape in the key");
    else if (len == 0 || len > KV_MAX_KEY)
        reply_error(req, 400, "a key has 1 to 1024 bytes");
    else {
        *waiting = (struct waiting){.api = api, .req = req, .is_write = is_write, .key_len = len};
        memcpy(waiting->key, key, len);
        free(key);
        return waiting;
    }
    free(waiting);
    free(key);
    return NULL;
}

static void on_written(void *arg, int status, bool existed)
{
    struct waiting *waiting = arg;

    if (status == 0)
        reply(waiting->req, 200, "{\"existed\":%s}\n", existed ? "true" : "false");
    else
        reply_failure(waiting->api, waiting->req, status, true);
    free(waiting);
}

static void write_key(struct kv_client_api *api, struct kv_http_request *req, enum kv_command_kind kind)
{
    struct waiting *waiting = waiting_new(api, req, true);
    struct kv_command command = {.kind = kind};
    int rv;

    if (!waiting)
        return;
    command.key = waiting->key;
    command.key_len = waiting->key_len;
    command.value = "";
    if (kind == KV_PUT)
        command.value = kv_http_body(req, &command.value_len);
    rv = kv_node_apply(api->node, &command, on_written, waiting);
    if (rv != 0) {
        reply_failure(api, req, rv, false);
        free(waiting);
    }
}

static void reply_value(struct waiting *waiting)
{
    size_t len;
    const void *value = kv_store_get(waiting->api->store, waiting->key, waiting->key_len, &len);

    if (value)
        kv_http_reply(waiting->req, 200, "application/octet-stream", value, len, NULL);
    else
        reply_error(waiting->req, 404, "no such key");
}

static void on_readable(void *arg, int status)
{
    struct waiting *waiting = arg;

    if (status == 0)
        reply_value(waiting);
    else
        reply_failure(waiting->api, waiting->req, status, false);
    free(waiting);
}

static void read_key(struct kv_client_api *api, struct kv_http_request *req)
{
    struct waiting *waiting = waiting_new(api, req, false);
    int rv;

    if (!waiting)
        return;
    if (kv_http_has_argument(req, "local")) { /* what this member has applied, however old that is */
        reply_value(waiting);
        free(waiting);
        return;
    }
    rv = kv_node_read(api->node, on_readable, waiting);
    if (rv != 0) {
        reply_failure(api, req, rv, false);
        free(waiting);
    }
}

/* ---- Members ------------------------------------------------------------------------------------------------------
 */

static void on_changed(void *arg, int status)
{
    struct waiting *waiting = arg;

    if (status == 0)
        reply(waiting->req, 200, "{\"done\":true}\n");
    else if (status == RAFT_BUSY)
        redirect(waiting->api, waiting->req);
    else
        reply_failure(waiting->api, waiting->req, status, true);
    free(waiting);
}

static void reply_refused(struct kv_client_api *api, struct kv_http_request *req, int rv)
{
    switch (rv) {
    case RAFT_NOTLEADER:
        redirect(api, req);
        break;
    case RAFT_CANTCHANGE:
        reply_error(req, 409, "another change of members is under way");
        break;
    case RAFT_DUPLICATEID:
    case RAFT_DUPLICATEADDRESS:
        reply_error(req, 409, "that number or URL is or was another member's");
        break;
    case RAFT_BADROLE:
        reply_error(req, 409, "it is a voting member already");
        break;
    case RAFT_INVALID:
        reply_error(req, 409, "it is the last member");
        break;
    case RAFT_BADID:
        reply_error(req, 404, "no such member");
        break;
    default:
        reply_error(req, 503, kv_words_for(rv));
    }
}

/* An argument that is a URL of a member, without its %-escapes; "" when it is none. */
static void read_url(const struct kv_http_request *req, const char *name, char ret_url[KV_MAX_URL + 1])
{
    const char *escaped = kv_http_argument(req, name);
    char *url = escaped ? strdup(escaped) : NULL;
    size_t len = url ? kv_http_unescape(url) : 0;

    ret_url[0] = '\0';
    if (len > 0 && len <= KV_MAX_URL && strlen(url) == len && kv_options_is_peer_url(url))
        memcpy(ret_url, url, len + 1);
    free(url);
}

static void change_members(struct kv_client_api *api, struct kv_http_request *req)
{
    const char *add = kv_http_argument(req, "add");
    const char *removed = kv_http_argument(req, "remove");
    char peer_url[KV_MAX_URL + 1];
    struct waiting *waiting;
    uint64_t id;
    int rv;

    if (!add == !removed || !number_parse(add ? add : removed, 1, UINT64_MAX, &id)) {
        reply_error(req, 400, "it takes add=N or remove=N");
        return;
    }
    read_url(req, "peer-url", peer_url);
    if (add && peer_url[0] == '\0') {
        reply_error(req, 400, "add takes peer-url=http://HOST:PORT or https://HOST:PORT");
        return;
    }
    waiting = calloc(1, sizeof(*waiting));
    if (!waiting) {
        reply_error(req, 503, "out of memory");
        return;
    }
    *waiting = (struct waiting){.api = api, .req = req, .is_write = true};
    rv = add ? kv_node_add_member(api->node, id, peer_url, on_changed, waiting)
             : kv_node_remove_member(api->node, id, on_changed, waiting);
    if (rv != 0) {
        reply_refused(api, req, rv);
        free(waiting);
    }
}

/* ---- The rest -----------------------------------------------------------------------------------------------------
 */

static void cut_or_mend(struct kv_client_api *api, struct kv_http_request *req)
{
    struct ferry_transport *t = kv_node_transport(api->node);
    const char *cut = kv_http_argument(req, "cut");
    const char *mend = kv_http_argument(req, "mend");
    uint64_t id;

    if (!api->options->allows_faults)
        reply_error(req, 403, "not without --enable-faults");
    else if (!cut == !mend || !number_parse(cut ? cut : mend, 1, UINT64_MAX, &id))
        reply_error(req, 400, "it takes cut=N or mend=N");
    else if ((cut ? ferry_transport_cut_peer(t, id) : ferry_transport_mend_peer(t, id)) != FERRY_OK)
        reply_error(req, 404, "no such member");
    else
        reply(req, 200, "{\"done\":true}\n");
}

static void reply_text(struct kv_http_request *req, const char *type, char *text, size_t len)
{
    if (text)
        kv_http_reply(req, 200, type, text, len, NULL);
    else
        reply_error(req, 503, "out of memory");
    free(text);
}

static void show_status(struct kv_client_api *api, struct kv_http_request *req)
{
    size_t len;
    char *text = kv_status_json(api->node, api->store, api->options, &len);

    reply_text(req, JSON, text, len);
}

static void show_metrics(struct kv_client_api *api, struct kv_http_request *req)
{
    size_t len;
    char *text = kv_status_metrics(api->node, api->store, &len);

    reply_text(req, "text/plain; version=0.0.4; charset=utf-8", text, len);
}

static bool is(const struct kv_http_request *req, const char *method)
{
    return strcmp(kv_http_method(req), method) == 0;
}

static void serve_key(struct kv_client_api *api, struct kv_http_request *req)
{
    if (kv_node_was_removed(api->node) && !kv_http_has_argument(req, "local"))
        reply_error(req, 410, "this member has been removed from the cluster");
    else if (is(req, "GET") || is(req, "HEAD"))
        read_key(api, req);
    else if (is(req, "PUT"))
        write_key(api, req, KV_PUT);
    else if (is(req, "DELETE"))
        write_key(api, req, KV_DELETE);
    else
        reply_error(req, 405, "a key takes GET, PUT and DELETE");
}

void kv_client_api_serve(void *ctx, struct kv_http_request *req)
{
    static const struct {
        const char *path;
        const char *method;
        void (*serve)(struct kv_client_api *api, struct kv_http_request *req);
    } table[] = {{"/status", "GET", show_status},
                 {"/metrics", "GET", show_metrics},
                 {"/members", "POST", change_members},
                 {"/faults", "POST", cut_or_mend}};
    struct kv_client_api *api = ctx;
    const char *path = kv_http_path(req);

    if (api->is_stopping) {
        reply_error(req, 503, "the member is stopping");
        return;
    }
    if (strncmp(path, KEYS, strlen(KEYS)) == 0) {
        serve_key(api, req);
        return;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(path, table[i].path) != 0)
            continue;
        if (is(req, table[i].method) || (is(req, "HEAD") && strcmp(table[i].method, "GET") == 0))
            table[i].serve(api, req);
        else
            reply(req, 405, "{\"error\":\"%s takes %s\",\"outcome\":\"none\"}\n", path, table[i].method);
        return;
    }
    reply_error(req, 404, "no such path");
}
