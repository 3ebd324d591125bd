/*
 * uv_loop - the transport and the adapter inside libuv's loop.
 *
 * Normal path: a poll handle sees that the transport has work and turns it; a prepare handle runs before the loop
 * sleeps, lets the adapter call back, turns the transport once more for what has been sent meanwhile, and sets a timer
 * to the transport's next deadline.  An async handle ends the sleep when a thread of Ferry's has left something.
 *
 * Libuv frees no handle before the turn after its close: the object goes with the last of the four.
 */
#include <stdlib.h>

#include <uv.h>

#include "adapters/libraft/adapter.h"

struct ferry_libraft_uv {
    struct ferry_libraft *lr;
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_timer_t timer;
    uv_async_t async;
    unsigned n_handles; /* that are not closed yet */
    bool is_closing;
    void (*done)(void *arg);
    void *done_arg;
};

static void turn_transport(struct ferry_libraft_uv *turner)
{
    if (!turner->is_closing)
        (void)ferry_transport_run(turner->lr->t, 0); /* fails only before start and after stop: nothing to do then */
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status; /* an error of the descriptor is one that the transport itself will find */
    (void)events;
    turn_transport(poll->data);
}

/* What it woke for is done by on_prepare, before the loop sleeps again. */
static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static void on_async(uv_async_t *async)
{
    (void)async;
}

static void set_timer(struct ferry_libraft_uv *turner)
{
    int timeout_ms = ferry_transport_timeout_ms(turner->lr->t);

    if (timeout_ms < 0) {
        (void)uv_timer_stop(&turner->timer); /* never fails */
        return;
    }
    uv_update_time(turner->timer.loop);
    (void)uv_timer_start(&turner->timer, on_timer, (uint64_t)timeout_ms, 0); /* fails without a callback alone */
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct ferry_libraft_uv *turner = prepare->data;

    ferry_libraft_turn(turner->lr);
    turn_transport(turner);
    if (!turner->is_closing)
        set_timer(turner);
}

/* Any thread. */
static void wake(void *ctx)
{
    struct ferry_libraft_uv *turner = ctx;

    (void)uv_async_send(&turner->async); /* cannot fail for a handle that is open */
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct ferry_libraft_uv *turner = handle->data;
    void (*done)(void *arg) = turner->done;
    void *arg = turner->done_arg;

    if (--turner->n_handles > 0)
        return;
    free(turner);
    if (done)
        done(arg);
}

static void close_handle(struct ferry_libraft_uv *turner, uv_handle_t *handle)
{
    handle->data = turner;
    uv_close(handle, on_handle_closed);
    turner->n_handles++;
}

/* The timer and the prepare handle cannot fail to begin, so that with the poll handle and the async one all are there.
 */
static int open_handles(struct ferry_libraft_uv *turner, uv_loop_t *loop)
{
    if (uv_poll_init(loop, &turner->poll, ferry_transport_fd(turner->lr->t)) != 0)
        return FERRY_ERR_SYSTEM;
    if (uv_async_init(loop, &turner->async, on_async) != 0) {
        turner->done = NULL;
        close_handle(turner, (uv_handle_t *)&turner->poll);
        return FERRY_ERR_SYSTEM;
    }
    (void)uv_timer_init(loop, &turner->timer);
    (void)uv_prepare_init(loop, &turner->prepare);
    turner->poll.data = turner;
    turner->prepare.data = turner;
    (void)uv_poll_start(&turner->poll, UV_READABLE, on_readable); /* neither fails for a handle that was just made */
    (void)uv_prepare_start(&turner->prepare, on_prepare);
    return FERRY_OK;
}

int ferry_libraft_uv_new(struct ferry_libraft *lr, struct uv_loop_s *loop, struct ferry_libraft_uv **ret_turner)
{
    struct ferry_libraft_uv *turner;
    int err;

    if (!lr->t)
        return FERRY_ERR_STATE;
    turner = calloc(1, sizeof(*turner));
    if (!turner)
        return FERRY_ERR_NOMEM;
    turner->lr = lr;
    err = open_handles(turner, loop);
    if (err != FERRY_OK) {
        if (turner->n_handles == 0) /* else with the last of them */
            free(turner);
        return err;
    }
    fy_libraft_set_wake(lr, wake, turner);
    *ret_turner = turner;
    return FERRY_OK;
}

void ferry_libraft_uv_close(struct ferry_libraft_uv *turner, void (*done)(void *arg), void *arg)
{
    turner->is_closing = true;
    turner->done = done;
    turner->done_arg = arg;
    fy_libraft_set_wake(turner->lr, NULL, NULL);
    close_handle(turner, (uv_handle_t *)&turner->poll);
    close_handle(turner, (uv_handle_t *)&turner->prepare);
    close_handle(turner, (uv_handle_t *)&turner->timer);
    close_handle(turner, (uv_handle_t *)&turner->async);
}
