/*
 * peers - keep the transport's peers equal to the membership.
 *
 * A member that joins hears of the others one by one, from the log's beginning on.  Until it has caught up it talks to
 * those it was configured with as well, of whom one is the leader, unless the log says that they were removed.
 */
#include "etcd-member/peers.h"

#include <inttypes.h>

#include "etcd-member/say.h"
#include "etcd-member/texts.h"

void peers_release(struct peers *peers)
{
    cluster_members_release(&peers->known);
}

static void introduce(struct peers *peers, const struct cluster_member *member)
{
    const struct cluster_member *known = cluster_members_find(&peers->known, member->id);
    const char *const *urls = (const char *const *)member->peer_urls;
    int err;

    if (member->id == peers->own_id || !urls || (known && texts_equal(known->peer_urls, member->peer_urls)))
        return;
    err = known ? ferry_transport_update_peer(peers->transport, member->id, urls)
                : ferry_transport_add_peer(peers->transport, member->id, urls);
    if (err) {
        say("peer %" PRIx64 " at %s: %s", member->id, urls[0], ferry_strerror(err));
        return;
    }
    cluster_members_set(&peers->known, member);
}

static bool is_wanted(const struct cluster *cluster, bool with_configured, uint64_t id)
{
    return cluster_members_find(&cluster->applied, id) ||
           (with_configured && cluster_members_find(&cluster->configured, id) && !ids_have(&cluster->removed, id));
}

void peers_follow(struct peers *peers, const struct cluster *cluster, bool with_configured)
{
    struct cluster_members stay = {0};

    for (size_t i = 0; i < peers->known.n; i++) {
        const struct cluster_member *member = &peers->known.list[i];

        if (is_wanted(cluster, with_configured, member->id))
            cluster_members_set(&stay, member);
        else
            (void)ferry_transport_remove_peer(peers->transport, member->id); /* it is there */
    }
    cluster_members_release(&peers->known);
    peers->known = stay;
    for (size_t i = 0; i < cluster->applied.n; i++)
        introduce(peers, &cluster->applied.list[i]);
    for (size_t i = 0; i < cluster->configured.n && with_configured; i++) {
        const struct cluster_member *member = &cluster->configured.list[i];

        if (!cluster_members_find(&cluster->applied, member->id) && is_wanted(cluster, true, member->id))
            introduce(peers, member);
    }
}

void peers_forget_all(struct peers *peers)
{
    (void)ferry_transport_remove_all_peers(peers->transport); /* cannot fail before stop */
    cluster_members_release(&peers->known);
}
