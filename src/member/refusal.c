/*
 * refusal - parse an HTTP refusal (status and body).
 */
#include "member/refusal.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

void fy_refusal_begin(struct fy_refusal *refusal, const struct fy_answer *answer)
{
    const char *cluster_id = fy_answer_header(answer, FY_HEADER_CLUSTER_ID);

    *refusal = (struct fy_refusal){.status = answer->status};
    if (cluster_id)
        (void)snprintf(refusal->cluster_id, sizeof(refusal->cluster_id), "%s", cluster_id);
    fy_log_make_printable(refusal->cluster_id);
}

void fy_refusal_add(struct fy_refusal *refusal, const uint8_t *data, size_t len)
{
    size_t room = FY_REFUSAL_MAX - refusal->len;

    if (len > room)
        len = room;
    memcpy(refusal->body + refusal->len, data, len);
    refusal->len += len;
}

int fy_refusal_judge(struct fy_refusal *refusal, const char *own_cluster_id, char *text, size_t text_size)
{
    if (refusal->len > 0 && refusal->body[refusal->len - 1] == '\n')
        refusal->len--;
    refusal->body[refusal->len] = '\0';
    fy_log_make_printable(refusal->body);
    if (refusal->status == 412 && strcmp(refusal->body, FY_TEXT_INCOMPATIBLE_VERSION) == 0) {
        (void)snprintf(text, text_size, "%s: update the older of the two members", FY_TEXT_INCOMPATIBLE_VERSION);
        return FERRY_ERR_INCOMPATIBLE_VERSION;
    }
    if (refusal->status == 412 && strcmp(refusal->body, FY_TEXT_CLUSTER_ID_MISMATCH) == 0) {
        (void)snprintf(text, text_size, "%s: the peer's is \"%s\", ours is \"%s\"", FY_TEXT_CLUSTER_ID_MISMATCH,
                       refusal->cluster_id, own_cluster_id);
        return FERRY_ERR_CLUSTER_ID_MISMATCH;
    }
    if (refusal->status == 412 && strcmp(refusal->body, FY_TEXT_TO_MISMATCH) == 0)
        (void)snprintf(text, text_size, "%s: another member answers at this URL", FY_TEXT_TO_MISMATCH);
    else if (refusal->status == 412)
        (void)snprintf(text, text_size, "unhandled error \"%s\" when precondition failed", refusal->body);
    else if (refusal->status == 404 || refusal->status == 405)
        (void)snprintf(text, text_size, "unexpected http status %d, not a member's, check its URL: \"%s\"",
                       refusal->status, refusal->body);
    else
        (void)snprintf(text, text_size, "unexpected http status %d \"%s\"", refusal->status, refusal->body);
    return FERRY_ERR_HTTP_STATUS;
}
