/*
 * load - slots on libcurl's multi interface, each with one put under way.
 *
 * A put that fails makes its slot rest for a moment and go on at the next target: a server that is down refuses at
 * once, and would otherwise take all the keys.
 */
#include "interop/etcd/load.h"

#include <check.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/patience.h"
#include "interop/etcd/client.h"
#include "interop/etcd/cluster.h"

#define REST_MS 20
#define KEY_SIZE 64

struct slot {
    CURL *curl;
    unsigned number; /* of the key */
    unsigned target;
    bool is_busy;
    uint64_t rests_until_ms;
    char *body;
    char answer[256]; /* the beginning of it: [answer_len] */
    size_t answer_len;
};

static void key_of(const struct load *load, unsigned number, char *key)
{
    snprintf(key, KEY_SIZE, "%s%08u", load->prefix, number);
}

/* Told by the key, so that a value that belongs to another one shows. */
static char *value_of(const struct load *load, const char *key)
{
    size_t len = strlen(key), size = load->value_size > len + 1 ? load->value_size : len + 1;
    char *value = malloc(size + 1);

    ck_assert_ptr_nonnull(value);
    value[0] = 'v';
    memcpy(value + 1, key, len);
    memset(value + 1 + len, 'x', size - len - 1);
    value[size] = '\0';
    return value;
}

static size_t on_answer(char *data, size_t size, size_t n, void *arg)
{
    struct slot *slot = arg;
    size_t room = sizeof(slot->answer) - 1 - slot->answer_len;

    memcpy(slot->answer + slot->answer_len, data, size * n < room ? size * n : room);
    slot->answer_len += size * n < room ? size * n : room;
    return size * n;
}

static void begin(struct load *load, CURLM *multi, struct slot *slot)
{
    char key[KEY_SIZE], url[160], *value;

    slot->number = load->n_begun++;
    key_of(load, slot->number, key);
    value = value_of(load, key);
    slot->body = load->reads ? client_get_body(key) : client_put_body(key, value);
    free(value);
    snprintf(url, sizeof(url), "%s/v3/kv/%s", load->targets[slot->target % load->n_targets]->client_url,
             load->reads ? "range" : "put");
    curl_easy_setopt(slot->curl, CURLOPT_URL, url);
    curl_easy_setopt(slot->curl, CURLOPT_POSTFIELDS, slot->body);
    memset(slot->answer, 0, sizeof(slot->answer));
    slot->answer_len = 0;
    slot->is_busy = true;
    ck_assert_int_eq(curl_multi_add_handle(multi, slot->curl), CURLM_OK);
}

static void end(struct load *load, CURLM *multi, struct slot *slot, CURLcode result)
{
    long status = 0;

    curl_easy_getinfo(slot->curl, CURLINFO_RESPONSE_CODE, &status);
    if (result == CURLE_OK && status == 200 && (!load->reads || strstr(slot->answer, "\"kvs\""))) {
        load->acked[slot->number] = true;
        atomic_fetch_add(&load->n_acked, 1);
    } else {
        atomic_fetch_add(&load->n_failed, 1);
        snprintf(load->last_failure, sizeof(load->last_failure), "%s, %ld: %.90s", curl_easy_strerror(result), status,
                 slot->answer);
        slot->target++;
        slot->rests_until_ms = monotonic_ms() + REST_MS;
    }
    curl_multi_remove_handle(multi, slot->curl);
    free(slot->body);
    slot->body = NULL;
    slot->is_busy = false;
}

static bool begin_some(struct load *load, CURLM *multi, struct slot *slots)
{
    bool some_are_busy = false;

    for (unsigned i = 0; i < load->concurrency; i++) {
        bool may = load->n_begun < load->count && !atomic_load(&load->is_over);

        if (!slots[i].is_busy && may && monotonic_ms() >= slots[i].rests_until_ms)
            begin(load, multi, &slots[i]);
        some_are_busy = some_are_busy || slots[i].is_busy || may;
    }
    return some_are_busy;
}

static void end_some(struct load *load, CURLM *multi)
{
    struct slot *slot;
    CURLMsg *msg;
    int n_left;

    while ((msg = curl_multi_info_read(multi, &n_left))) {
        CURLcode result = msg->data.result;

        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
        end(load, multi, slot, result);
    }
}

void load_run(struct load *load)
{
    struct slot *slots = calloc(load->concurrency, sizeof(*slots));
    uint64_t began_ns = monotonic_ns();
    CURLM *multi = curl_multi_init();
    int n_running;

    load->acked = calloc(load->count, sizeof(*load->acked));
    ck_assert(slots && multi && load->acked);
    ck_assert_uint_gt(load->n_targets, 0);
    for (unsigned i = 0; i < load->concurrency; i++) {
        slots[i].curl = curl_easy_init();
        slots[i].target = i;
        ck_assert_ptr_nonnull(slots[i].curl);
        curl_easy_setopt(slots[i].curl, CURLOPT_PRIVATE, &slots[i]);
        curl_easy_setopt(slots[i].curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(slots[i].curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(slots[i].curl, CURLOPT_TIMEOUT_MS, (long)(load->put_ms > 0 ? load->put_ms : 10000));
        curl_easy_setopt(slots[i].curl, CURLOPT_WRITEFUNCTION, on_answer);
        curl_easy_setopt(slots[i].curl, CURLOPT_WRITEDATA, &slots[i]);
    }
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)load->concurrency + 8);
    while (begin_some(load, multi, slots)) {
        ck_assert_int_eq(curl_multi_perform(multi, &n_running), CURLM_OK);
        end_some(load, multi);
        if (n_running > 0)
            ck_assert_int_eq(curl_multi_poll(multi, NULL, 0, REST_MS, NULL), CURLM_OK);
        else
            pause_ms(1);
    }
    load->seconds = (double)(monotonic_ns() - began_ns) / 1e9;
    for (unsigned i = 0; i < load->concurrency; i++)
        curl_easy_cleanup(slots[i].curl);
    curl_multi_cleanup(multi);
    free(slots);
}

static void *run(void *arg)
{
    load_run(arg);
    return NULL;
}

void load_start(struct load *load)
{
    ck_assert_int_eq(pthread_create(&load->thread, NULL, run, load), 0);
}

void load_stop(struct load *load)
{
    atomic_store(&load->is_over, true);
    load_join(load);
}

void load_join(struct load *load)
{
    ck_assert_int_eq(pthread_join(load->thread, NULL), 0);
}

void load_release(struct load *load)
{
    free(load->acked);
    load->acked = NULL;
}

void load_assert_all(const struct load *load)
{
    ck_assert_msg(atomic_load(&load->n_acked) == load->count, "%u of %u: %s", atomic_load(&load->n_acked), load->count,
                  load->last_failure);
}

/* Both are in the order of the keys. */
void load_assert_kept(const struct load *load, const char *dump)
{
    for (unsigned i = 0; i < load->n_begun; i++) {
        char key[KEY_SIZE], *value, *line;
        const char *at;

        if (!load->acked[i])
            continue;
        key_of(load, i, key);
        value = value_of(load, key);
        line = malloc(strlen(key) + strlen(value) + 4);
        ck_assert_ptr_nonnull(line);
        snprintf(line, strlen(key) + strlen(value) + 4, "%s\n%s\n", key, value);
        at = strstr(dump, line);
        ck_assert_msg(at, "the put of %s was acknowledged and is lost", key);
        dump = at;
        free(line);
        free(value);
    }
}
