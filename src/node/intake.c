/*
 * intake - a buffer that grows with what arrives, never by what was announced.
 *
 * Each buffer takes its room from the budget before it grows.  If it may not grow, its memory is freed at once, the
 * rest of the body is thrown away, and the answer comes at the body's end, where clients look for it.  So a client
 * holds at most twice as much of the budget as it has sent, and nothing once it was refused.
 */
#include "node/intake.h"

#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "node/answers.h"

#define FIRST_ROOM 1024

struct fy_intake {
    struct fy_node node; /* in budget->list */
    struct fy_request *req;
    struct fy_intake_budget *budget;
    size_t max_len;
    fy_intake_fn *fn;
    void *arg;
    uint8_t *data;
    size_t len;
    size_t n_room; /* <= max_len; taken from the budget */
    int err;       /* of the body; the rest is thrown away */
};

static void drop_data(struct fy_intake *intake)
{
    intake->budget->used -= intake->n_room;
    free(intake->data);
    intake->data = NULL;
    intake->len = intake->n_room = 0;
}

static void intake_free(struct fy_intake *intake)
{
    drop_data(intake);
    fy_list_remove(&intake->node);
    free(intake);
}

/* Room for size bytes in all, which are no more than max_len: twice what there is, if that is allowed. */
static size_t next_room(const struct fy_intake *intake, size_t size)
{
    size_t n_room = intake->n_room ? intake->n_room : FIRST_ROOM;

    while (n_room < size && n_room <= intake->max_len / 2)
        n_room *= 2;
    return n_room < size || n_room > intake->max_len ? intake->max_len : n_room;
}

static int reserve(struct fy_intake *intake, size_t len)
{
    struct fy_intake_budget *budget = intake->budget;
    size_t n_room;
    uint8_t *data;

    if (len > intake->max_len - intake->len)
        return FERRY_ERR_TOO_LARGE;
    if (len <= intake->n_room - intake->len)
        return FERRY_OK;
    n_room = next_room(intake, intake->len + len);
    if (n_room - intake->n_room > budget->max - budget->used)
        return FERRY_ERR_FULL;
    data = realloc(intake->data, n_room);
    if (!data)
        return FERRY_ERR_NOMEM;
    budget->used += n_room - intake->n_room;
    intake->data = data;
    intake->n_room = n_room;
    return FERRY_OK;
}

static void intake_on_body(void *arg, const uint8_t *data, size_t len)
{
    struct fy_intake *intake = arg;

    if (intake->err != FERRY_OK)
        return;
    intake->err = reserve(intake, len);
    if (intake->err != FERRY_OK) {
        drop_data(intake);
        return;
    }
    memcpy(intake->data + intake->len, data, len);
    intake->len += len;
}

static void intake_on_body_end(void *arg)
{
    struct fy_intake *intake = arg;

    if (intake->err == FERRY_ERR_TOO_LARGE)
        fy_answer_text(intake->req, 413, NULL, 0, "request body too large");
    else if (intake->err == FERRY_ERR_FULL)
        fy_answer_text(intake->req, 503, NULL, 0, "too many request bodies at once");
    else if (intake->err != FERRY_OK)
        fy_answer_text(intake->req, 503, NULL, 0, "out of memory");
    else
        intake->fn(intake->arg, intake->req, intake->data, intake->len);
    intake_free(intake);
}

static void intake_on_gone(void *arg)
{
    intake_free(arg);
}

static const struct fy_request_events events = {
    .on_body = intake_on_body, .on_body_end = intake_on_body_end, .on_gone = intake_on_gone};

void fy_intake_start(struct fy_request *req, struct fy_intake_budget *budget, size_t max_len, fy_intake_fn *fn,
                     void *arg)
{
    struct fy_intake *intake = calloc(1, sizeof(*intake));

    if (!intake) {
        fy_answer_text(req, 503, NULL, 0, "out of memory");
        return;
    }
    intake->req = req;
    intake->budget = budget;
    intake->max_len = max_len;
    intake->fn = fn;
    intake->arg = arg;
    fy_list_append(&budget->list, &intake->node);
    fy_request_set_events(req, &events, intake);
}

void fy_intake_budget_init(struct fy_intake_budget *budget, size_t max)
{
    *budget = (struct fy_intake_budget){.max = max};
    fy_list_init(&budget->list);
}

void fy_intake_abort_all(struct fy_intake_budget *budget)
{
    struct fy_node *node;

    while ((node = fy_list_first(&budget->list))) {
        struct fy_intake *intake = fy_container(node, struct fy_intake, node);
        struct fy_request *req = intake->req;

        intake_free(intake);
        fy_request_abort(req);
    }
}
