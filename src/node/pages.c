/*
 * pages - texts that are printed anew for each request.
 */
#include "node/pages.h"

#include <stdint.h>
#include <string.h>

#include "base/list.h"
#include "base/text.h"
#include "ferry/ferry.h"
#include "net/net.h"
#include "node/answers.h"
#include "node/intake.h"
#include "node/service.h"

#define MAX_BODY ((size_t)1 << 20)

/* The service's page with this path; NULL: none. */
static const struct fy_page *find(const struct fy_service *service, const char *path)
{
    for (size_t i = 0; i < service->n_pages; i++)
        if (strcmp(service->pages[i].path, path) == 0)
            return &service->pages[i];
    return NULL;
}

/* Append the pages of this path of all services.  Returns the first one; *ret_err is what came of them. */
static const struct fy_page *print_all(const struct fy_list *services, const char *path, struct fy_text *text,
                                       int *ret_err)
{
    const struct fy_page *first = NULL;

    *ret_err = FERRY_OK;
    for (struct fy_node *node = fy_list_first(services); node; node = fy_list_next(services, node)) {
        const struct fy_service *service = fy_container(node, struct fy_service, node);
        const struct fy_page *page = find(service, path);

        if (!page)
            continue;
        first = first ? first : page;
        if (*ret_err == FERRY_OK && text)
            *ret_err = page->print(service->arg, text);
    }
    return first;
}

bool fy_pages_have(const struct fy_list *services, const char *path)
{
    int err;

    return print_all(services, path, NULL, &err) != NULL;
}

static void answer_empty(struct fy_request *req, int status)
{
    static const struct fy_header header = {"Content-Type", "text/plain; charset=utf-8"};

    fy_request_reply(req, status, &header, 1, NULL, 0);
}

static void pages_on_whole(void *arg, struct fy_request *req, const uint8_t *data, size_t len)
{
    const struct fy_list *services = arg;
    const char *method = fy_request_method(req);
    const struct fy_page *page;
    struct fy_text text;
    int err;

    (void)data;
    (void)len;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        answer_empty(req, 405);
        return;
    }
    fy_text_init(&text);
    page = print_all(services, fy_request_path(req), &text, &err);
    if (!page) /* its service has gone meanwhile */
        fy_answer_not_found(req);
    else if (err != FERRY_OK || text.err != FERRY_OK)
        answer_empty(req, 503);
    else
        fy_request_reply(req, 200, &(struct fy_header){"Content-Type", page->content_type}, 1, text.data, text.len);
    fy_text_release(&text);
}

void fy_pages_serve(const struct fy_list *services, struct fy_intake_budget *budget, struct fy_request *req)
{
    if (fy_pages_have(services, fy_request_path(req)))
        fy_intake_start(req, budget, MAX_BODY, pages_on_whole, (void *)(uintptr_t)services);
    else
        fy_answer_not_found(req);
}
