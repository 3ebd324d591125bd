/*
 * member.h - one other member of the cluster, as any service sees it: its id and addresses, whether it is active, and
 * how the link to it is.
 *
 * A service that talks with the member puts it into its own struct, registers its connections with the link, and keeps
 * an account (account.h) and channels (channel.h) of its own.  The loop's, but for what says otherwise.
 */
#ifndef FY_MEMBER_MEMBER_H
#define FY_MEMBER_MEMBER_H

#include <stdint.h>

#include "member/link.h"
#include "member/peer_status.h"
#include "member/url_picker.h"

struct fy_local;

struct fy_member {
    uint64_t id;            /* const */
    struct fy_local *local; /* const; the member that we are.  Outlives this */
    struct fy_peer_status status;
    struct fy_url_picker picker;
    struct fy_link link;
    uint64_t dial_took_ns[2]; /* by is_https: the last dial that worked, up to the answer's head; 0: none has */
};

/* Takes urls (of fy_urls_copy).  on_end_down(arg): see fy_link_init.  Any thread: touches no timer of the loop's. */
void fy_member_init(struct fy_member *member, struct fy_local *local, uint64_t id, char **urls,
                    void (*on_end_down)(void *arg), void *arg);
void fy_member_release(struct fy_member *member); /* stopped, or never used */

/* Watch the link no more, and log no more of the status. */
void fy_member_stop(struct fy_member *member);

/*
 * What a request of its own connection found, as a POST or a probe (not an end of the link).  One that failed makes the
 * member inactive, unless an end of the link is up: then the member is there, and the failure is the request's alone. A
 * probe that was answered well makes it active while all ends are up.  texts: see fy_peer_status_deactivate.
 */
void fy_member_request_failed(struct fy_member *member, const char *action, const char *source, const char *reason);
void fy_member_probe_succeeded(struct fy_member *member);

/*
 * Set how long one attempt to connect to the member may take, by spec's URL.  A kernel sends its SYN again after one
 * second, then two, then four, so that an attempt begun during an outage would sleep on when the link is back.  Where
 * dials are known to work they are therefore kept short, in proportion to the last one that did with TLS, or without,
 * and made anew.  patience: how many times that; 0: all that the settings allow.
 */
void fy_member_limit_dial(const struct fy_member *member, unsigned patience, struct fy_call_spec *spec);

/* A dial of the URL has worked, and took so long from its start to the answer's head. */
void fy_member_note_dial(struct fy_member *member, const char *url, uint64_t took_ns);

#endif
