/*
 * answers - plain text in the format of Go's HTTP server.
 */
#include "node/answers.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void fy_answer_text(struct fy_request *req, int status, const struct fy_header *headers, size_t n_headers,
                    const char *text)
{
    struct fy_header all[FY_ANSWER_MAX_HEADERS + 2] = {{"Content-Type", "text/plain; charset=utf-8"},
                                                       {"X-Content-Type-Options", "nosniff"}};
    char body[256];
    int len = snprintf(body, sizeof(body), "%s\n", text);

    assert(n_headers <= FY_ANSWER_MAX_HEADERS);
    assert(len > 0 && (size_t)len < sizeof(body));
    if (n_headers > 0)
        memcpy(all + 2, headers, n_headers * sizeof(*headers));
    fy_request_reply(req, status, all, n_headers + 2, body, (size_t)len);
}

void fy_answer_not_found(struct fy_request *req)
{
    fy_answer_text(req, 404, NULL, 0, "404 page not found");
}
