/*
 * transfers.h - curl's transfers of a net: the multi handle, its sockets and its timer, and what all transfers share.
 *
 * A transfer is an easy handle that is part of what wants it (a dial, a whole call).  Curl runs it when the loop works,
 * never from inside a function of this header.
 */
#ifndef FY_NET_HTTP_TRANSFERS_H
#define FY_NET_HTTP_TRANSFERS_H

#include <curl/curl.h>

#include "base/list.h"
#include "net/http/client_tls.h"
#include "net/http/http.h"
#include "net/http/loop.h"

struct fy_transfers {
    struct fy_loop *loop;
    const struct fy_http_config *cfg;
    CURLM *multi;                /* NULL: no transfer has been with it for a while */
    struct fy_timer multi_timer; /* set while there is no transfer: then the multi goes */
    size_t n_easies;
    uint64_t kept_until_ns; /* until then the multi may hold a connection that is of use to another transfer */
    struct fy_timer curl_timer;
    bool curl_is_due;      /* curl's timeout passed */
    bool curl_has_acted;   /* it may have left messages */
    bool curl_has_failed;  /* the multi cannot be used any more */
    bool in_curl;          /* a callback of curl's may be running: handles cannot be added or removed */
    struct fy_list fresh;  /* struct fy_transfer, to be added to the multi */
    struct fy_list active; /* the same, with the multi */
    struct fy_list buried; /* the same, to be taken from the multi */
};

struct fy_transfer {
    struct fy_transfers *all;
    CURL *easy;                    /* NULL: released */
    struct fy_node node;           /* in fresh, active or buried */
    bool is_added;                 /* to the multi */
    int fd;                        /* its connection, as far as curl has had it watched; -1: none */
    bool keeps_fd;                 /* that curl stops watching fd says nothing */
    bool is_limited;               /* the kernel gives the connection up after the net's link timeout */
    bool may_be_kept;              /* the connection, for other transfers */
    struct fy_timer connect_timer; /* set until then there has to be a TCP connection */
    bool is_connected;             /* there was one by then */
    unsigned connect_timeout_ms;   /* for that, when TLS has a timeout of its own; else 0, and it is curl's to know */
    int socket_errno;              /* why there was no socket; 0: there was one.  Curl does not keep it */
    char error[CURL_ERROR_SIZE];
    /*
     * Curl has done with the transfer, which is still with the multi.  To be released here or later.  When the multi
     * fails, it comes (again) with CURLE_OUT_OF_MEMORY for every transfer, and those are with no multi any more.
     */
    void (*on_done)(struct fy_transfer *transfer, CURLcode code);
    void (*on_released)(struct fy_transfer *transfer); /* see fy_transfer_bury */
};

/* cfg outlives them.  FERRY_OK or FERRY_ERR_NOMEM. */
int fy_transfers_init(struct fy_transfers *all, struct fy_loop *loop, const struct fy_http_config *cfg);
void fy_transfers_release(struct fy_transfers *all); /* there is no transfer any more */
bool fy_transfers_have_work(const struct fy_transfers *all);
bool fy_transfers_work(struct fy_transfers *all); /* has curl done anything? */

/* Let curl go on with a transfer that one of its callbacks paused. */
void fy_transfer_unpause(struct fy_transfer *transfer);

/*
 * Make the handle, with the options that all transfers have.  handshake_timeout_ms: of TLS, after the connection
 * stands; 0: there is no TLS, or it is in the connect timeout.  transfer is zeroed but for is_limited and may_be_kept.
 * FERRY_OK, or FERRY_ERR_NOMEM with nothing left behind.
 */
int fy_transfer_init(struct fy_transfer *transfer, struct fy_transfers *all, const char *url,
                     unsigned connect_timeout_ms, unsigned handshake_timeout_ms);
void fy_transfer_start(struct fy_transfer *transfer); /* when the loop works */

/* Take it from the multi and free the handle.  Not from inside a callback of curl's.  A second time does nothing. */
void fy_transfer_release(struct fy_transfer *transfer);

/* The same from anywhere: on_released comes when it is done, maybe at once. */
void fy_transfer_bury(struct fy_transfer *transfer, void (*on_released)(struct fy_transfer *transfer));

/*
 * Why a transfer failed: an enum ferry_err, and the reason for people.  tls: what is known of its handshake.
 */
int fy_transfer_explain(struct fy_transfer *transfer, struct fy_client_tls *tls, CURLcode code, char *text,
                        size_t size);

#endif
