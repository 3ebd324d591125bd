/*
 * load - a client on libcurl's multi interface, with one handle per request in flight.
 *
 * Normal path: a free slot takes the next key and sends its PUT to the member that acknowledged the last one.  It
 * follows a redirect if needed, and status 200 acknowledges the key.  Any other result is tried again after a moment at
 * the next member.
 */
#include "demo/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "tools/stopwatch.h"

#define REQUEST_TIMEOUT_MS 3000
#define RETRY_MS 50
#define MS UINT64_C(1000000)

struct slot {
    struct load *load;
    CURL *easy;
    uint64_t key;
    size_t at; /* the URL of the request */
    enum { SLOT_FREE, SLOT_BUSY, SLOT_RETRY } state;
    uint64_t retry_ns;
    char *value; /* bytes sent, or expected */
    char *seen;  /* the answer to a GET, cut after value_len + 1 */
    size_t n_seen;
};

struct load {
    const char *const *urls;
    size_t n_urls;
    size_t at; /* index in urls for the next request */
    size_t value_len;
    unsigned n_slots;
    struct slot slots[LOAD_MAX_IN_FLIGHT];
    CURLM *multi;

    uint64_t goal;
    uint64_t next;
    unsigned rate_per_s; /* 0: no limit */
    uint64_t rate_from;  /* the next key when the rate was set */
    uint64_t rate_ns;    /* time when the rate was set */
    uint64_t n_acknowledged;
    uint64_t n_retries;
    uint64_t last_ns; /* time of the last acknowledgement, or of the last load_take_gap_ms */
    uint64_t gap_ns;

    const char *check_url; /* NULL: writing */
    bool check_local;
    uint64_t n_missing;
};

/* Out of memory in the multi interface: give up. */
static void *must(void *pointer)
{
    if (!pointer)
        abort();
    return pointer;
}

static void fill_value(const struct load *load, uint64_t key, char *value)
{
    int len = snprintf(value, load->value_len + 1, "%" PRIu64 " ", key);

    for (size_t i = (size_t)len; i < load->value_len; i++)
        value[i] = (char)('a' + (key + i) % 26);
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct slot *slot = ctx;
    size_t room = slot->load->value_len + 1 - slot->n_seen;
    size_t len = size * n < room ? size * n : room;

    memcpy(slot->seen + slot->n_seen, data, len);
    slot->n_seen += len;
    return size * n;
}

struct load *load_new(const char *const *urls, size_t n_urls, unsigned in_flight, size_t value_len)
{
    struct load *load = must(calloc(1, sizeof(*load)));

    *load = (struct load){.urls = urls, .n_urls = n_urls, .value_len = value_len, .n_slots = in_flight};
    load->multi = must(curl_multi_init());
    curl_multi_setopt(load->multi, CURLMOPT_MAXCONNECTS, (long)in_flight * 4);
    for (unsigned i = 0; i < in_flight; i++) {
        struct slot *slot = &load->slots[i];

        slot->load = load;
        slot->value = must(calloc(1, value_len + 1));
        slot->seen = must(calloc(1, value_len + 1));
        slot->easy = must(curl_easy_init());
        curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
        curl_easy_setopt(slot->easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, (long)REQUEST_TIMEOUT_MS);
        curl_easy_setopt(slot->easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, slot);
    }
    load->last_ns = stopwatch_now_ns();
    return load;
}

void load_free(struct load *load)
{
    if (!load)
        return;
    for (unsigned i = 0; i < load->n_slots; i++) {
        if (load->slots[i].state == SLOT_BUSY)
            curl_multi_remove_handle(load->multi, load->slots[i].easy);
        curl_easy_cleanup(load->slots[i].easy);
        free(load->slots[i].value);
        free(load->slots[i].seen);
    }
    curl_multi_cleanup(load->multi);
    free(load);
}

void load_set_goal(struct load *load, uint64_t n)
{
    load->goal = n;
}

void load_set_rate(struct load *load, unsigned per_s)
{
    load->rate_per_s = per_s;
    load->rate_from = load->next;
    load->rate_ns = stopwatch_now_ns();
}

void load_wind_up(struct load *load)
{
    load->goal = load->next;
}

uint64_t load_n_acknowledged(const struct load *load)
{
    return load->n_acknowledged;
}

uint64_t load_n_retries(const struct load *load)
{
    return load->n_retries;
}

uint64_t load_take_gap_ms(struct load *load)
{
    uint64_t now = stopwatch_now_ns();
    uint64_t gap = now - load->last_ns > load->gap_ns ? now - load->last_ns : load->gap_ns;

    load->gap_ns = 0;
    load->last_ns = now;
    return gap / MS;
}

/* ---- One request --------------------------------------------------------------------------------------------------
 */

static void send_request(struct slot *slot)
{
    struct load *load = slot->load;
    char url[300];

    slot->at = load->at;
    slot->state = SLOT_BUSY;
    slot->n_seen = 0;
    fill_value(load, slot->key, slot->value);
    (void)snprintf(url, sizeof(url), "%s/kv/key-%" PRIu64 "%s",
                   load->check_url ? load->check_url : load->urls[slot->at], slot->key,
                   load->check_local ? "?local" : "");
    curl_easy_setopt(slot->easy, CURLOPT_URL, url);
    if (load->check_url) {
        curl_easy_setopt(slot->easy, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(slot->easy, CURLOPT_CUSTOMREQUEST, NULL);
    } else {
        curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, slot->value);
        curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)load->value_len);
        curl_easy_setopt(slot->easy, CURLOPT_CUSTOMREQUEST, "PUT");
    }
    if (curl_multi_add_handle(load->multi, slot->easy) != CURLM_OK)
        abort();
}

/* Send the next request to where this answer came from. */
static void follow(struct slot *slot)
{
    struct load *load = slot->load;
    const char *url = NULL;

    curl_easy_getinfo(slot->easy, CURLINFO_EFFECTIVE_URL, &url);
    for (size_t i = 0; url && i < load->n_urls; i++)
        if (strncmp(url, load->urls[i], strlen(load->urls[i])) == 0)
            load->at = i;
}

static void retry(struct slot *slot)
{
    struct load *load = slot->load;

    load->n_retries++;
    slot->state = SLOT_RETRY;
    slot->retry_ns = stopwatch_now_ns() + RETRY_MS * MS;
    if (load->at == slot->at)
        load->at = (load->at + 1) % load->n_urls;
}

static void acknowledge(struct slot *slot)
{
    struct load *load = slot->load;
    uint64_t now = stopwatch_now_ns();

    follow(slot);
    load->n_acknowledged++;
    if (now - load->last_ns > load->gap_ns)
        load->gap_ns = now - load->last_ns;
    load->last_ns = now;
    slot->state = SLOT_FREE;
}

static void note_value(struct slot *slot, long status)
{
    struct load *load = slot->load;

    if (status != 200 || slot->n_seen != load->value_len || memcmp(slot->seen, slot->value, load->value_len) != 0)
        load->n_missing++;
    slot->state = SLOT_FREE;
}

static void on_done(struct slot *slot, CURLcode code)
{
    long status = 0;

    curl_multi_remove_handle(slot->load->multi, slot->easy);
    if (code == CURLE_OK)
        curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    if (slot->load->check_url && status != 200 && status != 404)
        retry(slot);
    else if (slot->load->check_url)
        note_value(slot, status);
    else if (status == 200)
        acknowledge(slot);
    else
        retry(slot);
}

/* ---- All of them --------------------------------------------------------------------------------------------------
 */

/* The rate allows to begin the keys below this one by now. */
static uint64_t paced(const struct load *load, uint64_t now)
{
    if (load->rate_per_s == 0 || load->check_url)
        return UINT64_MAX;
    return load->rate_from + (now - load->rate_ns) / 1000 * load->rate_per_s / 1000000;
}

/* Start requests in the free slots, for keys below below.  True: all keys are done. */
static bool fill_slots(struct load *load, uint64_t below)
{
    uint64_t now = stopwatch_now_ns();
    uint64_t allowed = paced(load, now) < below ? paced(load, now) : below;
    unsigned n = 0;

    for (unsigned i = 0; i < load->n_slots; i++) {
        struct slot *slot = &load->slots[i];

        if (slot->state == SLOT_FREE && load->next < allowed) {
            slot->key = load->next++;
            send_request(slot);
        } else if (slot->state == SLOT_RETRY && now >= slot->retry_ns) {
            send_request(slot);
        }
        n += slot->state != SLOT_FREE;
    }
    return n == 0 && load->next >= below;
}

static bool work(struct load *load, uint64_t below, unsigned ms)
{
    uint64_t end_ns = stopwatch_now_ns() + ms * MS;

    for (;;) {
        const CURLMsg *msg;
        bool has_ended = false;
        int n_left;

        if (fill_slots(load, below))
            return true;
        if (stopwatch_now_ns() >= end_ns)
            return false;
        curl_multi_perform(load->multi, &n_left);
        while ((msg = curl_multi_info_read(load->multi, &n_left))) {
            struct slot *slot;

            curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &slot);
            on_done(slot, msg->data.result);
            has_ended = true;
        }
        if (!has_ended)
            curl_multi_poll(load->multi, NULL, 0, 10, NULL);
    }
}

bool load_run(struct load *load, unsigned ms)
{
    return work(load, load->goal, ms);
}

uint64_t load_count_missing(struct load *load, const char *url, bool local)
{
    uint64_t next = load->next;
    bool is_done;

    load->check_url = url;
    load->check_local = local;
    load->next = 0;
    load->n_missing = 0;
    is_done = work(load, next, 600000);
    load->check_url = NULL;
    load->check_local = false;
    load->next = next;
    return is_done ? load->n_missing : UINT64_MAX;
}
