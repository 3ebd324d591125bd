/*
 * intake - a buffer that grows with what arrives, never by what was announced.
 */
#include "transport/intake.h"

#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"
#include "transport/answers.h"

#define FIRST_ROOM 1024

struct fy_intake {
    struct fy_request *req;
    size_t max_len;
    fy_intake_fn *fn;
    void *arg;
    uint8_t *data;
    size_t len;
    size_t n_room;
    int err; /* of the body; the rest is thrown away */
};

static void intake_free(struct fy_intake *intake)
{
    free(intake->data);
    free(intake);
}

static int reserve(struct fy_intake *intake, size_t len)
{
    size_t n_room = intake->n_room ? intake->n_room : FIRST_ROOM;
    uint8_t *data;

    if (len > intake->max_len - intake->len)
        return FERRY_ERR_TOO_LARGE;
    while (n_room - intake->len < len)
        n_room *= 2;
    if (n_room == intake->n_room)
        return FERRY_OK;
    data = realloc(intake->data, n_room);
    if (!data)
        return FERRY_ERR_NOMEM;
    intake->data = data;
    intake->n_room = n_room;
    return FERRY_OK;
}

static void on_body(void *arg, const uint8_t *data, size_t len)
{
    struct fy_intake *intake = arg;

    if (intake->err == FERRY_OK)
        intake->err = reserve(intake, len);
    if (intake->err != FERRY_OK)
        return;
    memcpy(intake->data + intake->len, data, len);
    intake->len += len;
}

static void on_body_end(void *arg)
{
    struct fy_intake *intake = arg;

    if (intake->err == FERRY_ERR_TOO_LARGE)
        fy_answer_text(intake->req, 413, NULL, 0, "request body too large");
    else if (intake->err != FERRY_OK)
        fy_answer_text(intake->req, 503, NULL, 0, "out of memory");
    else
        intake->fn(intake->arg, intake->req, intake->data, intake->len);
    intake_free(intake);
}

static void on_gone(void *arg)
{
    intake_free(arg);
}

static const struct fy_request_events events = {.on_body = on_body, .on_body_end = on_body_end, .on_gone = on_gone};

void fy_intake_start(struct fy_request *req, size_t max_len, fy_intake_fn *fn, void *arg)
{
    struct fy_intake *intake = calloc(1, sizeof(*intake));

    if (!intake) {
        fy_answer_text(req, 503, NULL, 0, "out of memory");
        return;
    }
    intake->req = req;
    intake->max_len = max_len;
    intake->fn = fn;
    intake->arg = arg;
    fy_request_set_events(req, &events, intake);
}
