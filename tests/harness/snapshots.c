/*
 * snapshots - a counter's multiples as bytes.
 */
#include "harness/snapshots.h"

#include <check.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/patience.h"

#define CHUNK ((size_t)256 << 10)

static uint64_t word_at(uint64_t seed, uint64_t i)
{
    return (i + seed) * UINT64_C(0x9e3779b97f4a7c15);
}

void body_bytes(uint64_t seed, uint64_t at, void *buf, size_t len)
{
    uint8_t *out = buf;

    while (len > 0) {
        uint64_t word = word_at(seed, at / 8);
        size_t from = at % 8;
        size_t n = 8 - from < len ? 8 - from : len;

        memcpy(out, (const uint8_t *)&word + from, n);
        out += n;
        at += n;
        len -= n;
    }
}

bool body_matches(uint64_t seed, uint64_t at, const void *buf, size_t len)
{
    const uint8_t *in = buf;

    while (len > 0) {
        uint64_t word = word_at(seed, at / 8);
        size_t from = at % 8;
        size_t n = 8 - from < len ? 8 - from : len;

        if (memcmp(in, (const uint8_t *)&word + from, n) != 0)
            return false;
        in += n;
        at += n;
        len -= n;
    }
    return true;
}

static void to_hex(const uint8_t *digest, char ret_hex[65])
{
    for (int i = 0; i < 32; i++)
        snprintf(ret_hex + (size_t)2 * i, 3, "%02x", digest[i]);
}

void body_sha256(uint64_t seed, uint64_t size, char ret_hex[65])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t *chunk = malloc(CHUNK);
    uint8_t digest[32];

    ck_assert(ctx && chunk && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
    for (uint64_t at = 0; at < size;) {
        size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK;

        body_bytes(seed, at, chunk, n);
        ck_assert_int_eq(EVP_DigestUpdate(ctx, chunk, n), 1);
        at += n;
    }
    ck_assert_int_eq(EVP_DigestFinal_ex(ctx, digest, NULL), 1);
    EVP_MD_CTX_free(ctx);
    free(chunk);
    to_hex(digest, ret_hex);
}

bool file_sha256(const char *path, char ret_hex[65], uint64_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    EVP_MD_CTX *ctx;
    uint8_t *chunk, digest[32];
    size_t n;

    if (!file)
        return false;
    ctx = EVP_MD_CTX_new();
    chunk = malloc(CHUNK);
    *ret_size = 0;
    ck_assert(ctx && chunk && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
    while ((n = fread(chunk, 1, CHUNK, file)) > 0) {
        ck_assert_int_eq(EVP_DigestUpdate(ctx, chunk, n), 1);
        *ret_size += n;
    }
    ck_assert_int_eq(ferror(file), 0);
    ck_assert_int_eq(EVP_DigestFinal_ex(ctx, digest, NULL), 1);
    EVP_MD_CTX_free(ctx);
    free(chunk);
    fclose(file);
    to_hex(digest, ret_hex);
    return true;
}

/* Let the time pass that len bytes take at a rate. */
static void take_time(uint64_t bytes_per_s, size_t len)
{
    uint64_t ns = bytes_per_s > 0 ? len * UINT64_C(1000000000) / bytes_per_s : 0;
    struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};

    if (ns > 0)
        (void)nanosleep(&ts, NULL);
}

static void init_waiting(pthread_mutex_t *mu, pthread_cond_t *changed)
{
    pthread_condattr_t attr;

    pthread_mutex_init(mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(changed, &attr);
    pthread_condattr_destroy(&attr);
}

/* ---- A source ------------------------------------------------------------------------------------------------- */

void body_init(struct body *b, uint64_t seed, uint64_t size)
{
    *b = (struct body){.seed = seed, .size = size, .announced = size, .fail_at = UINT64_MAX, .hold_at = UINT64_MAX};
    init_waiting(&b->mu, &b->changed);
}

void body_release(struct body *b)
{
    struct timespec until = monotonic_in_ms(patience_ms(20000));
    int err = 0;

    pthread_mutex_lock(&b->mu);
    while (b->is_lent && err == 0)
        err = pthread_cond_timedwait(&b->changed, &b->mu, &until);
    pthread_mutex_unlock(&b->mu);
    ck_assert_msg(err == 0, "a source was never closed");
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->mu);
}

static void wait_if_held(struct body *b)
{
    pthread_mutex_lock(&b->mu);
    while (b->at >= b->hold_at) {
        b->is_held = true;
        pthread_cond_broadcast(&b->changed);
        pthread_cond_wait(&b->changed, &b->mu);
    }
    b->is_held = false;
    pthread_mutex_unlock(&b->mu);
}

static int64_t body_read(void *ctx, void *buf, size_t len)
{
    struct body *b = ctx;
    uint64_t left = b->size - b->at;

    wait_if_held(b);
    if (b->at >= b->fail_at)
        return FERRY_ERR_SYSTEM;
    if (len > left)
        len = (size_t)left;
    body_bytes(b->seed, b->at, buf, len);
    b->at += len;
    take_time(b->bytes_per_s, len);
    return (int64_t)len;
}

static void body_close(void *ctx, int err)
{
    struct body *b = ctx;

    pthread_mutex_lock(&b->mu);
    b->is_lent = false;
    b->n_closed++;
    b->close_err = err;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mu);
}

struct ferry_snapshot_source body_source(struct body *b)
{
    b->at = 0;
    b->is_lent = true;
    return (struct ferry_snapshot_source){
        .ctx = b, .size = b->announced, .fd = -1, .read = body_read, .close = body_close};
}

bool body_await_close(struct body *b, unsigned deadline_ms, int *ret_err)
{
    struct timespec until = monotonic_in_ms(deadline_ms);
    bool is_closed;
    int err = 0;

    pthread_mutex_lock(&b->mu);
    while (b->n_closed == 0 && err == 0)
        err = pthread_cond_timedwait(&b->changed, &b->mu, &until);
    is_closed = b->n_closed > 0;
    *ret_err = b->close_err;
    pthread_mutex_unlock(&b->mu);
    return is_closed;
}

bool body_await_held(struct body *b, unsigned deadline_ms)
{
    struct timespec until = monotonic_in_ms(deadline_ms);
    bool is_held;
    int err = 0;

    pthread_mutex_lock(&b->mu);
    while (!b->is_held && err == 0)
        err = pthread_cond_timedwait(&b->changed, &b->mu, &until);
    is_held = b->is_held;
    pthread_mutex_unlock(&b->mu);
    return is_held;
}

void body_release_hold(struct body *b)
{
    pthread_mutex_lock(&b->mu);
    b->hold_at = UINT64_MAX;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->mu);
}

/* ---- A sink --------------------------------------------------------------------------------------------------- */

struct deposit {
    uint64_t at;
    bool is_right;
};

void vault_init(struct vault *v, uint64_t seed)
{
    *v = (struct vault){.seed = seed, .write_err_at = UINT64_MAX};
    init_waiting(&v->mu, &v->changed);
}

void vault_release(struct vault *v)
{
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->mu);
}

static int vault_open(void *ctx, const struct ferry_message *msg, uint64_t size, void **ret_body)
{
    struct vault *v = ctx;
    struct deposit *deposit = v->open_err ? NULL : calloc(1, sizeof(*deposit));

    pthread_mutex_lock(&v->mu);
    v->announced = size;
    v->n_misuses += msg->type == FERRY_MSG_SNAP && msg->snapshot ? 0 : 1;
    v->n_opened += deposit ? 1 : 0;
    pthread_mutex_unlock(&v->mu);
    if (!deposit)
        return v->open_err ? v->open_err : ENOMEM;
    deposit->is_right = true;
    *ret_body = deposit;
    return 0;
}

static int vault_write(void *ctx, void *body, const void *data, size_t len)
{
    struct vault *v = ctx;
    struct deposit *deposit = body;

    pthread_mutex_lock(&v->mu);
    v->is_held = v->hold;
    while (v->hold)
        pthread_cond_wait(&v->changed, &v->mu);
    v->is_held = false;
    pthread_mutex_unlock(&v->mu);
    deposit->is_right &= body_matches(v->seed, deposit->at, data, len);
    deposit->at += len;
    take_time(v->bytes_per_s, len);
    return deposit->at >= v->write_err_at ? v->write_err : 0;
}

static int vault_commit(void *ctx, void *body)
{
    struct vault *v = ctx;
    struct deposit *deposit = body;

    pthread_mutex_lock(&v->mu);
    v->n_commits++;
    v->n_misuses += v->n_commits + v->n_aborts > v->n_opened ? 1 : 0;
    v->size = deposit->at;
    v->is_right = deposit->is_right;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->mu);
    free(deposit);
    return v->commit_err;
}

static void vault_abort(void *ctx, void *body)
{
    struct vault *v = ctx;

    pthread_mutex_lock(&v->mu);
    v->n_aborts++;
    v->n_misuses += v->n_commits + v->n_aborts > v->n_opened ? 1 : 0;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->mu);
    free(body);
}

struct ferry_snapshot_sink vault_sink(struct vault *v)
{
    return (struct ferry_snapshot_sink){
        .ctx = v, .open = vault_open, .write = vault_write, .commit = vault_commit, .abort = vault_abort};
}

void vault_hold(struct vault *v, bool hold)
{
    pthread_mutex_lock(&v->mu);
    v->hold = hold;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->mu);
}

bool vault_is_held(struct vault *v)
{
    bool is_held;

    pthread_mutex_lock(&v->mu);
    is_held = v->is_held;
    pthread_mutex_unlock(&v->mu);
    return is_held;
}

bool vault_await_end(struct vault *v, unsigned n, unsigned deadline_ms)
{
    struct timespec until = monotonic_in_ms(deadline_ms);
    bool has_ended;
    int err = 0;

    pthread_mutex_lock(&v->mu);
    while (v->n_commits + v->n_aborts < n && err == 0)
        err = pthread_cond_timedwait(&v->changed, &v->mu, &until);
    has_ended = v->n_commits + v->n_aborts >= n;
    pthread_mutex_unlock(&v->mu);
    return has_ended;
}
