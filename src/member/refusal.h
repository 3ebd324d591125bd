/*
 * refusal.h - HTTP refusals: the status and the start of the body, which for 412 tells the reason.
 */
#ifndef FY_MEMBER_REFUSAL_H
#define FY_MEMBER_REFUSAL_H

#include <stddef.h>
#include <stdint.h>

#include "net/net.h"
#include "wire/headers.h"

#define FY_REFUSAL_MAX 128

struct fy_refusal {
    int status;
    char cluster_id[FY_ID_TEXT_SIZE + 15]; /* the peer's, from the answer's header; "" when absent */
    char body[FY_REFUSAL_MAX + 1];
    size_t len;
};

void fy_refusal_begin(struct fy_refusal *refusal, const struct fy_answer *answer);
void fy_refusal_add(struct fy_refusal *refusal, const uint8_t *data, size_t len);

/*
 * Returns what the answer means, and writes it into text.  Source of the rules: etcd's rafthttp.
 * 412 by its body: FERRY_ERR_INCOMPATIBLE_VERSION, _CLUSTER_ID_MISMATCH, else _HTTP_STATUS; every other status:
 * _HTTP_STATUS.  What 403, 404 and 410 mean depends on the request, so the caller judges them.
 */
int fy_refusal_judge(struct fy_refusal *refusal, const char *own_cluster_id, char *text, size_t text_size);

#endif
