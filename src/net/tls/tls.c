/*
 * tls - the policy in force.
 *
 * A reload builds a whole new policy beside the old one and then swaps a pointer.  Who has begun a handshake keeps the
 * policy that it began under.  When a dial is refused its peer says so, once; for those that come to us it is said
 * here.
 */
#include "net/tls/tls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/preset.h"
#include "net/tls/policy.h"

struct fy_tls {
    const struct fy_log *log;
    atomic_uint_fast64_t n_policies; /* ever begun */
    atomic_uint_fast64_t n_done[FY_TLS_N_SIDES];
    atomic_uint_fast64_t n_refused[FY_TLS_N_SIDES][FERRY_N_TLS_REFUSALS];
    atomic_uint_fast64_t n_reloads;
    atomic_uint_fast64_t n_refused_reloads;
    struct fy_log_fold folds[FERRY_N_TLS_REFUSALS]; /* the loop's */

    pthread_mutex_t mu;           /* a leaf */
    struct fy_tls_policy *policy; /* mu */
};

#define REFUSAL_NAME(reason, name, text) name,
static const char *const refusal_names[] = {FERRY_TLS_REFUSAL_MAP(REFUSAL_NAME)};
#undef REFUSAL_NAME

#define REFUSAL_TEXT(reason, name, text) text,
static const char *const refusal_texts[] = {FERRY_TLS_REFUSAL_MAP(REFUSAL_TEXT)};
#undef REFUSAL_TEXT

const char *ferry_tls_refusal_name(enum ferry_tls_refusal reason)
{
    return (unsigned)reason < FERRY_N_TLS_REFUSALS ? refusal_names[reason] : "unknown";
}

void ferry_tls_config_init_sized(struct ferry_tls_config *tls, size_t size)
{
    const struct ferry_tls_config init = FERRY_TLS_CONFIG_INIT;

    fy_preset(tls, size, &init, sizeof(init));
}

static int build(struct fy_tls *tls, const struct ferry_tls_config *given, struct fy_tls_policy **ret_policy)
{
    struct ferry_tls_config cfg = FERRY_TLS_CONFIG_INIT;
    char detail[512] = "not made by FERRY_TLS_CONFIG_INIT, or of a newer library";
    int err = FERRY_ERR_TLS_CONFIG;

    if (given->size > 0 && given->size <= sizeof(cfg)) {
        memcpy(&cfg, given, given->size); /* one of an older program is shorter, and keeps the defaults for the rest */
        cfg.size = sizeof(cfg);
        err = fy_tls_policy_new(&cfg, atomic_fetch_add(&tls->n_policies, 1) + 1, ret_policy, detail, sizeof(detail));
    }
    if (err == FERRY_ERR_TLS_CONFIG)
        fy_log(tls->log, FERRY_LOG_ERROR, "tls", 0, "%s: %s", ferry_strerror(err), detail);
    return err;
}

int fy_tls_new(const struct ferry_tls_config *cfg, const struct fy_log *log, struct fy_tls **ret_tls)
{
    struct fy_tls *tls = calloc(1, sizeof(*tls));
    int err;

    if (!tls)
        return FERRY_ERR_NOMEM;
    tls->log = log;
    err = build(tls, cfg, &tls->policy);
    if (err != FERRY_OK) {
        free(tls);
        return err;
    }
    (void)pthread_mutex_init(&tls->mu, NULL); /* cannot fail for a default mutex on Linux */
    *ret_tls = tls;
    return FERRY_OK;
}

void fy_tls_free(struct fy_tls *tls)
{
    if (!tls)
        return;
    fy_tls_policy_unref(tls->policy);
    pthread_mutex_destroy(&tls->mu);
    free(tls);
}

struct fy_tls_policy *fy_tls_policy(struct fy_tls *tls)
{
    struct fy_tls_policy *policy;

    pthread_mutex_lock(&tls->mu);
    policy = fy_tls_policy_ref(tls->policy);
    pthread_mutex_unlock(&tls->mu);
    return policy;
}

int fy_tls_reload(struct fy_tls *tls, const struct ferry_tls_config *cfg)
{
    struct fy_tls_policy *old = fy_tls_policy(tls);
    struct fy_tls_policy *policy;
    int err = build(tls, cfg ? cfg : &old->cfg, &policy);

    fy_tls_policy_unref(old);
    if (err != FERRY_OK) {
        (void)atomic_fetch_add(&tls->n_refused_reloads, 1);
        return err;
    }
    pthread_mutex_lock(&tls->mu);
    old = tls->policy;
    tls->policy = policy;
    pthread_mutex_unlock(&tls->mu);
    fy_tls_policy_unref(old);
    (void)atomic_fetch_add(&tls->n_reloads, 1);
    fy_log(tls->log, FERRY_LOG_INFO, "tls", 0, "reloaded");
    return FERRY_OK;
}

/* ---- Counting ---- */

void fy_tls_count_done(struct fy_tls *tls, enum fy_tls_side side)
{
    (void)atomic_fetch_add(&tls->n_done[side], 1);
}

void fy_tls_refused(struct fy_tls *tls, enum fy_tls_side side, enum ferry_tls_refusal reason, uint64_t now_ns,
                    const char *remote, const char *detail)
{
    unsigned long long n_held;

    (void)atomic_fetch_add(&tls->n_refused[side][reason], 1);
    if (side == FY_TLS_DIALING || !fy_log_fold_pass(&tls->folds[reason], now_ns, &n_held))
        return;
    fy_log(tls->log, FERRY_LOG_WARN, "tls", 0, "refused %s: %s%s%s (and %llu before it)", remote, refusal_texts[reason],
           detail[0] ? ": " : "", detail, n_held);
}

void fy_tls_read_counts(const struct fy_tls *tls, struct ferry_tls_counts *ret_counts)
{
    *ret_counts = (struct ferry_tls_counts){
        .accepted = atomic_load(&tls->n_done[FY_TLS_ACCEPTING]),
        .dialed = atomic_load(&tls->n_done[FY_TLS_DIALING]),
        .reloads = atomic_load(&tls->n_reloads),
        .refused_reloads = atomic_load(&tls->n_refused_reloads),
    };
    for (size_t i = 0; i < FERRY_N_TLS_REFUSALS; i++) {
        ret_counts->refused_accepting[i] = atomic_load(&tls->n_refused[FY_TLS_ACCEPTING][i]);
        ret_counts->refused_dialing[i] = atomic_load(&tls->n_refused[FY_TLS_DIALING][i]);
    }
}
