/*
 * survey.h - all figures of a transport at one moment: the input of both pages.
 */
#ifndef FY_TRANSPORT_SURVEY_H
#define FY_TRANSPORT_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"
#include "ferry/tls.h"
#include "net/http/http.h"

struct fy_text;

struct fy_survey {
    const char *id; /* these three are the transport's */
    const char *cluster_id;
    const char *server_version;

    bool is_removed; /* the cluster has removed this member */
    size_t n_remotes;
    uint64_t crowd[FY_N_CROWD_EVENTS]; /* of the node's listeners */
    uint64_t n_remotes_refused;
    uint64_t n_unknown;
    uint64_t n_stranger_failures;
    struct ferry_snapshot_status stranger_snapshots;
    size_t send_bytes;
    size_t max_send_bytes;
    struct ferry_tls_counts tls;
    struct ferry_queue_status stranger_inbox; /* received and proposed together */

    struct ferry_peer_status *peers; /* by ascending id, then the remotes likewise */
    size_t n_peers;                  /* with the remotes */
    size_t n_room;
};

/* FERRY_OK, or FERRY_ERR_NOMEM and there is nothing to release.  Any thread. */
int fy_survey_take(const struct ferry_transport *t, struct fy_survey *ret_survey);
void fy_survey_release(struct fy_survey *survey);

/* Survey t and append the page to text.  FERRY_OK or FERRY_ERR_NOMEM. */
typedef void fy_survey_page_fn(const struct fy_survey *survey, struct fy_text *text);
int fy_survey_print(const struct ferry_transport *t, fy_survey_page_fn *page, struct fy_text *text);

/* The same, and give the text to fn: the body of ferry_metrics_write and its like. */
int fy_survey_write(const struct ferry_transport *t, fy_survey_page_fn *page, ferry_write_fn *fn, void *ctx);

#endif
