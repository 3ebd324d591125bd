/*
 * pages.h - the pages that show the services of a node.
 */
#ifndef FY_NODE_PAGES_H
#define FY_NODE_PAGES_H

#include <stdbool.h>

struct fy_intake_budget;
struct fy_list;
struct fy_request;

/* Has one of the services (struct fy_service) a page with this path? */
bool fy_pages_have(const struct fy_list *services, const char *path);

/* Answer a request with its page, or with 404.  Takes req.  services and budget outlive it.  The loop. */
void fy_pages_serve(const struct fy_list *services, struct fy_intake_budget *budget, struct fy_request *req);

#endif
