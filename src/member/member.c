/*
 * member - what there is to know of another member, put together.
 */
#include "member/member.h"

#include "member/local.h"

#define HURRY_NS UINT64_C(600000000)
#define HURRY_FACTOR 4

void fy_member_init(struct fy_member *member, struct fy_local *local, uint64_t id, char **urls,
                    void (*on_end_down)(void *arg), void *arg)
{
    member->id = id;
    member->local = local;
    member->dial_took_ns = 0;
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

uint64_t fy_member_connect_timeout_ns(const struct fy_member *member)
{
    const struct fy_local *local = member->local;
    uint64_t in_proportion_ns = member->dial_took_ns * HURRY_FACTOR;
    uint64_t hurried_ns = in_proportion_ns > HURRY_NS ? in_proportion_ns : HURRY_NS;

    if (local->link_timeout_ns == 0 || member->dial_took_ns == 0 || hurried_ns > local->dial_timeout_ns)
        return local->dial_timeout_ns;
    return hurried_ns;
}
