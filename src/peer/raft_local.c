/*
 * raft_local - the headers that every request to a peer carries, and how messages are packed.
 */
#include "peer/raft_local.h"

#include <assert.h>

#include "member/local.h"

size_t fy_raft_local_headers(const struct fy_raft_local *raft, struct fy_header *headers)
{
    size_t n = 0;

    headers[n++] = (struct fy_header){FY_HEADER_SERVER_FROM, raft->local->id_text.text};
    headers[n++] = (struct fy_header){FY_HEADER_SERVER_VERSION, raft->version_text};
    headers[n++] = (struct fy_header){FY_HEADER_MIN_CLUSTER_VERSION, raft->min_version_text};
    headers[n++] = (struct fy_header){FY_HEADER_CLUSTER_ID, raft->cluster_id_text.text};
    if (raft->peer_urls[0] != '\0')
        headers[n++] = (struct fy_header){FY_HEADER_PEER_URLS, raft->peer_urls};
    assert(n <= FY_RAFT_HEADERS);
    return n;
}

struct fy_packer fy_raft_local_packer(const struct fy_raft_local *raft)
{
    return (struct fy_packer){
        .shelf = &raft->local->shelf, .form = raft->form, .max_bytes = raft->max_message_bytes};
}
