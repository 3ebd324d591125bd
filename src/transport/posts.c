/*
 * posts - from a posted message to the core to the answer.
 *
 * On the loop the core answers at once.  With workers its answer comes from one of their threads, and the post goes
 * back to the loop as an errand.  A client that leaves meanwhile changes nothing for the core.
 */
#include "transport/posts.h"

#include <stdlib.h>

#include "ferry/ferry.h"
#include "net/errands.h"
#include "net/net.h"
#include "transport/admission.h"
#include "transport/transport.h"

/* A message that was posted, and whose answer waits for the core. */
struct posted {
    struct fy_errand errand; /* with workers: answers on the loop */
    struct ferry_transport *t;
    struct fy_request *req; /* the loop's; NULL: the client left */
    const char *failure;    /* what a 500 says; static */
    int result;             /* the core's, once it is known */
};

static void answer_post(struct posted *posted)
{
    struct fy_own_headers own = fy_admission_headers(posted->t, false);

    if (!posted->req) {
        free(posted);
        return;
    }
    switch (posted->result) {
    case FERRY_OK:
        fy_request_reply(posted->req, 204, own.headers, own.n, NULL, 0);
        break;
    case FERRY_ERR_FULL:
        fy_admission_refuse(posted->req, 503, &own, "the receive queue is full");
        break;
    case FERRY_ERR_CLOSED:
        fy_admission_refuse(posted->req, 503, &own, "the member is stopping");
        break;
    case FERRY_ERR_NOMEM:
        fy_admission_refuse(posted->req, 503, &own, "out of memory");
        break;
    default:
        fy_admission_refuse(posted->req, 500, &own, posted->failure);
    }
    free(posted);
}

static void posted_on_errand(struct fy_errand *errand)
{
    answer_post(fy_container(errand, struct posted, errand));
}

static void posted_on_delivered(void *arg, int result)
{
    struct posted *posted = arg;
    struct ferry_transport *t = posted->t;

    posted->result = result;
    if (!t->delivery.has_workers) {
        answer_post(posted);
        return;
    }
    posted->errand.run = posted_on_errand;
    fy_errands_post(&t->node->errands, &posted->errand);
}

static void posted_on_gone(void *arg)
{
    struct posted *posted = arg;

    posted->req = NULL;
}

void fy_posts_deliver(struct ferry_transport *t, struct fy_request *req, struct fy_peer *peer,
                      const struct ferry_message *msg, const char *failure)
{
    static const struct fy_request_events events = {.on_gone = posted_on_gone};
    struct fy_own_headers own = fy_admission_headers(t, false);
    struct posted *posted = calloc(1, sizeof(*posted));

    if (!posted) {
        ferry_message_unref(msg);
        if (req)
            fy_admission_refuse(req, 503, &own, "out of memory");
        return;
    }
    posted->t = t;
    posted->req = req;
    posted->failure = failure;
    if (req)
        fy_request_set_events(req, &events, posted);
    fy_delivery_put(&t->delivery, peer, msg, posted_on_delivered, posted);
}
