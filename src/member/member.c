/*
 * member - what there is to know of another member, put together.
 */
#include "member/member.h"

#include <string.h>

#include "member/local.h"

#define HURRY_NS UINT64_C(600000000)
#define HURRY_FACTOR 4

void fy_member_init(struct fy_member *member, struct fy_local *local, uint64_t id, char **urls,
                    void (*on_end_down)(void *arg), void *arg)
{
    member->id = id;
    member->local = local;
    memset(member->dial_took_ns, 0, sizeof(member->dial_took_ns));
    fy_peer_status_init(&member->status, local, id);
    fy_url_picker_init(&member->picker, urls);
    fy_link_init(&member->link, local, id, on_end_down, arg);
}

void fy_member_release(struct fy_member *member)
{
    fy_url_picker_release(&member->picker);
    fy_peer_status_release(&member->status);
}

void fy_member_stop(struct fy_member *member)
{
    fy_link_stop(&member->link);
    fy_peer_status_stop(&member->status);
}

void fy_member_request_failed(struct fy_member *member, const char *action, const char *source, const char *reason)
{
    if (fy_link_has_end_up(&member->link))
        fy_peer_status_note_failure(&member->status, action, source, reason);
    else
        fy_peer_status_deactivate(&member->status, action, source, reason);
}

void fy_member_probe_succeeded(struct fy_member *member)
{
    if (fy_link_is_whole(&member->link))
        fy_peer_status_activate(&member->status);
}

static bool is_https(const char *url)
{
    return strncmp(url, "https:", strlen("https:")) == 0;
}

static unsigned hurried_ms(const struct fy_member *member, uint64_t took_ns, unsigned patience, uint64_t all_ns)
{
    uint64_t in_proportion_ns = took_ns * HURRY_FACTOR;
    uint64_t hurried_ns = (in_proportion_ns > HURRY_NS ? in_proportion_ns : HURRY_NS) * patience;
    bool may_hurry = patience > 0 && took_ns > 0 && member->local->link_timeout_ns > 0;

    return (unsigned)((may_hurry && hurried_ns < all_ns ? hurried_ns : all_ns) / 1000000);
}

void fy_member_limit_dial(const struct fy_member *member, unsigned patience, struct fy_call_spec *spec)
{
    uint64_t took_ns = member->dial_took_ns[is_https(spec->url)];

    spec->connect_timeout_ms = hurried_ms(member, took_ns, patience, member->local->dial_timeout_ns);
    spec->handshake_timeout_ms = hurried_ms(member, took_ns, patience, member->local->handshake_timeout_ns);
}

void fy_member_note_dial(struct fy_member *member, const char *url, uint64_t took_ns)
{
    member->dial_took_ns[is_https(url)] = took_ns;
}
