/*
 * receiver - the way of an incoming message: judge, look it up, wait for its turn, handle, store, answer.
 *
 * Judging allocates nothing.  A message that is to be handled is copied whole, entered into its window, and becomes a
 * turn.  Its window's pending turns are handled in order, the first of them now.  When its handler has ended a turn
 * leaves that list, and is gone when its answer is.
 */
#include "mailbox/receiver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "mailbox/window.h"

#define NS_PER_MS UINT64_C(1000000)

struct method {
    struct fy_node node; /* receiver->methods */
    enum fy_method_kind kind;
    fy_handler_fn *fn;
    void *arg;
    char name[];
};

struct turn {
    struct fy_receiver *receiver;
    struct fy_entry entry; /* by token */
    struct fy_node node;   /* receiver->turns */
    struct fy_node place;  /* window->pending, until its handler has ended */
    struct fy_window *window;
    void *request;         /* the carrier's */
    struct fy_timer deadline;
    struct fy_change store;
    uint64_t token;
    size_t bytes;
    bool is_called;   /* its handler runs, or has run */
    bool is_answered; /* request went back */
    struct fy_mail_head head; /* lent from frame */
    struct ferry_bytes payload;
    struct fy_text plain; /* the payload, if it was packed */
    uint8_t frame[];
};

struct fy_receiver {
    struct fy_receiver_config config;
    struct fy_windows windows;
    struct fy_lookup by_token;
    struct fy_list turns;
    struct fy_list methods;
    struct fy_compressor *compressor;
    struct fy_receiver_counts counts;
    uint64_t last_token;
};

static uint64_t now_ns(const struct fy_receiver *receiver)
{
    return receiver->config.now_ns(receiver->config.clock_ctx);
}

/* ---- Methods ---- */

static struct method *find_method(const struct fy_receiver *receiver, struct ferry_bytes name)
{
    const struct fy_list *methods = &receiver->methods;

    for (struct fy_node *node = fy_list_first(methods); node; node = fy_list_next(methods, node)) {
        struct method *method = fy_container(node, struct method, node);

        if (strlen(method->name) == name.len && memcmp(method->name, name.data, name.len) == 0)
            return method;
    }
    return NULL;
}

static struct ferry_bytes bytes_of(const char *text)
{
    return (struct ferry_bytes){(const uint8_t *)text, strlen(text)};
}

int fy_receiver_add_method(struct fy_receiver *receiver, const char *name, enum fy_method_kind kind, fy_handler_fn *fn,
                           void *arg)
{
    const size_t len = strlen(name);
    struct method *method;

    if (len == 0 || len > FY_MAIL_MAX_NAME)
        return FERRY_ERR_INVALID;
    if (find_method(receiver, bytes_of(name)))
        return FERRY_ERR_EXISTS;
    method = calloc(1, sizeof(*method) + len + 1);
    if (!method)
        return FERRY_ERR_NOMEM;
    method->kind = kind;
    method->fn = fn;
    method->arg = arg;
    memcpy(method->name, name, len);
    fy_list_append(&receiver->methods, &method->node);
    return FERRY_OK;
}

int fy_receiver_remove_method(struct fy_receiver *receiver, const char *name)
{
    struct method *method = find_method(receiver, bytes_of(name));

    if (!method)
        return FERRY_ERR_NOT_FOUND;
    fy_list_remove(&method->node);
    free(method);
    return FERRY_OK;
}

/* ---- Answers ---- */

static void send_answer(struct fy_receiver *receiver, void *request, const struct fy_mail_head *head,
                        struct fy_mail_answer answer)
{
    const struct fy_carrier *carrier = &receiver->config.carrier;
    uint8_t frame[FY_MAIL_ANSWER_HEADER_SIZE + FY_MAIL_MAX_ANSWER_BODY];

    answer.sequence = head->sequence;
    answer.incarnation = head->incarnation;
    answer.attempt = head->attempt;
    receiver->counts.answers[answer.status]++;
    if (head->flags & FY_MAIL_NO_ANSWER) {
        carrier->answer(carrier->ctx, request, (struct ferry_bytes){NULL, 0});
        return;
    }
    fy_mail_answer_write(&answer, frame);
    carrier->answer(carrier->ctx, request, (struct ferry_bytes){frame, fy_mail_answer_size(&answer)});
}

static void refuse(struct fy_receiver *receiver, void *request, const struct fy_mail_head *head,
                   enum fy_mail_answer_status status)
{
    const uint32_t retry_after_ms = status == FY_MAIL_BUSY ? receiver->config.busy_ms : 0;

    send_answer(receiver, request, head, (struct fy_mail_answer){.status = status, .retry_after_ms = retry_after_ms});
}

static void tell_seen(struct fy_receiver *receiver, void *request, const struct fy_mail_head *head,
                      const struct fy_seen *seen, unsigned more_flags)
{
    send_answer(receiver, request, head,
                (struct fy_mail_answer){.status = seen->status,
                                        .flags = seen->flags | more_flags,
                                        .code = seen->code,
                                        .body = seen->body});
}

/* ---- Turns ---- */

static void free_turn(struct turn *turn)
{
    struct fy_receiver *receiver = turn->receiver;

    assert(!fy_node_is_linked(&turn->place));
    fy_timer_unset(&turn->deadline);
    fy_list_remove(&turn->node);
    fy_lookup_remove(&receiver->by_token, &turn->entry);
    receiver->counts.messages--;
    receiver->counts.bytes -= turn->bytes;
    fy_window_unuse(turn->window);
    fy_text_release(&turn->plain);
    free(turn);
}

/* A turn is over when its handler has ended and its answer was given. */
static void free_if_over(struct turn *turn)
{
    if (turn->is_answered && !fy_node_is_linked(&turn->place))
        free_turn(turn);
}

static void give_answer(struct turn *turn)
{
    struct fy_seen *seen = fy_window_find(turn->window, turn->head.sequence);

    seen->is_final = true;
    tell_seen(turn->receiver, turn->request, &turn->head, seen, 0);
    turn->is_answered = true;
}

static void store_done(struct fy_change *change, int err)
{
    struct turn *turn = fy_container(change, struct turn, store);

    if (err)
        return; /* everything is about to be freed */
    give_answer(turn);
    free_if_over(turn);
}

/* What the sender is told stands in the window: store it if that was asked for, then tell. */
static void settle(struct turn *turn)
{
    struct fy_window *window = turn->window;
    const struct fy_seen *seen = fy_window_find(window, turn->head.sequence);

    if ((turn->head.flags & FY_MAIL_DURABLE) == 0) {
        give_answer(turn);
        return;
    }
    window->is_stored = true;
    turn->store.kind = FY_CHANGE_PUT_SEEN;
    turn->store.done = store_done;
    turn->store.drop_sequence = window->evicted;
    turn->store.seen = (struct fy_seen_row){.sender = window->sender,
                                            .subject = window->subject,
                                            .incarnation = window->incarnation,
                                            .sequence = seen->sequence,
                                            .status = seen->status,
                                            .flags = seen->flags,
                                            .code = seen->code,
                                            .body = seen->body};
    fy_journal_add(turn->receiver->config.journal, &turn->store);
}

/* The handler's word becomes the answer, unless the message is to come again. */
static void conclude(struct turn *turn, enum fy_mail_answer_status status, int32_t code, struct ferry_bytes body)
{
    struct fy_receiver *receiver = turn->receiver;
    struct fy_mail_answer answer = {.status = status, .code = code, .body = body};

    if (status == FY_MAIL_BUSY)
        answer.retry_after_ms = receiver->config.busy_ms;
    if (!fy_mail_status_is_final(status) && fy_window_take_back(turn->window, turn->head.sequence)) {
        turn->is_answered = true;
        send_answer(receiver, turn->request, &turn->head, answer);
        return;
    }
    if (!fy_mail_status_is_final(status))
        status = FY_MAIL_HANDLER_FAILED;
    fy_seen_set(fy_window_find(turn->window, turn->head.sequence), (uint8_t)status, FY_MAIL_ANSWER_DONE, code, body);
    settle(turn);
}

static void on_deadline(void *arg)
{
    struct turn *turn = arg;

    turn->receiver->counts.timeouts++;
    (void)fy_receiver_answer(turn->receiver, turn->token, FY_MAIL_HANDLER_FAILED, FERRY_ERR_TIMEOUT,
                             (struct ferry_bytes){NULL, 0}); /* the token is known: its timer is set */
}

static uint64_t handler_deadline(const struct fy_receiver *receiver, const struct fy_mail_head *head)
{
    uint32_t ms = receiver->config.handler_timeout_ms;

    if (head->remaining_ms < ms) /* FY_MAIL_NO_DEADLINE is the largest number */
        ms = head->remaining_ms;
    return now_ns(receiver) + ms * NS_PER_MS;
}

/* Call handlers from the first pending turn on, until one has not answered yet. */
static void run(struct fy_window *window)
{
    struct fy_node *node;

    window->n_users++;
    while ((node = fy_list_first(&window->pending))) {
        struct turn *turn = fy_container(node, struct turn, place);
        struct method *method = find_method(turn->receiver, turn->head.method);

        if (turn->is_called)
            break;
        turn->is_called = true;
        fy_timer_set(&turn->deadline, handler_deadline(turn->receiver, &turn->head));
        if (method) {
            turn->receiver->counts.taken++;
            method->fn(method->arg, turn->token, &turn->head, turn->payload);
        } else { /* it was removed while the message waited */
            (void)fy_receiver_answer(turn->receiver, turn->token, FY_MAIL_HANDLER_FAILED, FERRY_ERR_NOT_FOUND,
                                     (struct ferry_bytes){NULL, 0}); /* the token is known */
        }
    }
    fy_window_unuse(window);
}

static struct turn *find_turn(const struct fy_receiver *receiver, uint64_t token)
{
    struct fy_entry *entry = fy_lookup_find(&receiver->by_token, token);

    return entry ? fy_container(entry, struct turn, entry) : NULL;
}

int fy_receiver_answer(struct fy_receiver *receiver, uint64_t token, enum fy_mail_answer_status status, int32_t code,
                       struct ferry_bytes body)
{
    struct turn *turn = find_turn(receiver, token);
    struct fy_window *window;

    if (!turn || !fy_node_is_linked(&turn->place) || !turn->is_called)
        return FERRY_ERR_NOT_FOUND;
    window = turn->window;
    if (body.len > FY_MAIL_MAX_ANSWER_BODY)
        body.len = FY_MAIL_MAX_ANSWER_BODY;
    fy_timer_unset(&turn->deadline);
    fy_list_remove(&turn->place);
    if (!turn->is_answered && !fy_change_is_added(&turn->store))
        conclude(turn, status, code, body);
    free_if_over(turn);
    run(window);
    return FERRY_OK;
}

/* ---- Taking ---- */

/* What can be said of a frame without remembering it; 0: it may be handled. */
static enum fy_mail_answer_status judge(const struct fy_receiver *receiver, const char *from, int err,
                                        const struct fy_mail_head *head)
{
    const struct fy_receiver_config *c = &receiver->config;

    if (err)
        return err == FERRY_ERR_INCOMPATIBLE_VERSION ? FY_MAIL_UNSUPPORTED : FY_MAIL_MALFORMED;
    if (head->cluster != c->cluster)
        return FY_MAIL_WRONG_CLUSTER;
    if (head->receiver.len != strlen(c->self) || memcmp(head->receiver.data, c->self, head->receiver.len) != 0)
        return FY_MAIL_WRONG_TARGET;
    if (head->sender.len != strlen(from) || memcmp(head->sender.data, from, head->sender.len) != 0)
        return FY_MAIL_UNAUTHORIZED;
    if (head->payload.len > c->max_payload || head->plain_len > c->max_payload)
        return FY_MAIL_TOO_LARGE;
    return head->sequence == 0 ? FY_MAIL_MALFORMED : 0;
}

/* The same for one that was not taken before. */
static enum fy_mail_answer_status judge_new(const struct fy_receiver *receiver, const struct fy_window *window,
                                            const struct fy_mail_head *head, size_t frame_len)
{
    const struct fy_receiver_config *c = &receiver->config;

    if (head->sequence <= window->highest)
        return FY_MAIL_TOO_OLD;
    if (head->remaining_ms == 0)
        return FY_MAIL_EXPIRED;
    if (!find_method(receiver, head->method))
        return FY_MAIL_NO_HANDLER;
    if (receiver->counts.messages >= c->max_messages || window->n_users > c->max_waiting ||
        receiver->counts.bytes + frame_len + head->plain_len > c->max_bytes)
        return FY_MAIL_BUSY;
    return (head->flags & FY_MAIL_DURABLE) && c->journal->is_failing ? FY_MAIL_BUSY : 0;
}

/* A copy of the frame that can be handled; *ret_status says why there is none. */
static struct turn *new_turn(struct fy_receiver *receiver, struct ferry_bytes frame,
                             enum fy_mail_answer_status *ret_status)
{
    struct turn *turn = calloc(1, sizeof(*turn) + frame.len);
    int err;

    *ret_status = FY_MAIL_BUSY;
    if (!turn)
        return NULL;
    memcpy(turn->frame, frame.data, frame.len);
    err = fy_mail_frame_read((struct ferry_bytes){turn->frame, frame.len}, &turn->head);
    assert(err == FERRY_OK); /* it was read before */
    fy_text_init(&turn->plain);
    turn->payload = turn->head.payload;
    if (turn->head.packing != FY_PACKING_NONE) {
        err = fy_unpack(receiver->compressor, (enum fy_packing)turn->head.packing, turn->head.payload,
                        turn->head.plain_len, &turn->plain);
        turn->payload = (struct ferry_bytes){(const uint8_t *)turn->plain.data, turn->plain.len};
    }
    if (!err && turn->payload.len != turn->head.plain_len)
        err = FERRY_ERR_MALFORMED;
    if (!err)
        return turn;
    if (err != FERRY_ERR_NOMEM)
        *ret_status = FY_MAIL_MALFORMED;
    fy_text_release(&turn->plain);
    free(turn);
    return NULL;
}

static void link_turn(struct fy_receiver *receiver, struct turn *turn, struct fy_window *window, void *request,
                      size_t frame_len)
{
    turn->receiver = receiver;
    turn->window = window;
    turn->request = request;
    turn->token = ++receiver->last_token;
    turn->bytes = frame_len + turn->plain.len;
    fy_timer_init(&turn->deadline, receiver->config.timers, on_deadline, turn);
    fy_lookup_add(&receiver->by_token, &turn->entry, turn->token);
    fy_list_append(&receiver->turns, &turn->node);
    fy_list_append(&window->pending, &turn->place);
    window->n_users++;
    receiver->counts.messages++;
    receiver->counts.bytes += turn->bytes;
}

/* Take a message that is new. */
static enum fy_mail_answer_status accept_new(struct fy_receiver *receiver, struct fy_window *window,
                                             const struct fy_mail_head *head, struct ferry_bytes frame, void *request)
{
    enum fy_mail_answer_status status = judge_new(receiver, window, head, frame.len);
    struct turn *turn = status == 0 ? new_turn(receiver, frame, &status) : NULL;
    struct fy_seen *seen;

    if (!turn)
        return status;
    if (fy_window_add(window, head->sequence, &seen) != FERRY_OK) {
        fy_text_release(&turn->plain);
        free(turn);
        return FY_MAIL_BUSY;
    }
    link_turn(receiver, turn, window, request, frame.len);
    if (find_method(receiver, head->method)->kind == FY_METHOD_ACCEPTED) {
        fy_seen_set(seen, FY_MAIL_OK, 0, 0, (struct ferry_bytes){NULL, 0});
        settle(turn);
    }
    run(window);
    return 0;
}

void fy_receiver_take(struct fy_receiver *receiver, const char *from, struct ferry_bytes frame, void *request)
{
    struct fy_mail_head head;
    const int err = fy_mail_frame_read(frame, &head);
    enum fy_mail_answer_status status = judge(receiver, from, err, &head);
    struct fy_window *window;
    const struct fy_seen *seen;

    if (status == 0 && fy_windows_get(&receiver->windows, head.sender, head.incarnation, head.subject,
                                      now_ns(receiver), &window) != FERRY_OK)
        status = FY_MAIL_BUSY;
    if (status != 0) {
        refuse(receiver, request, &head, status);
        return;
    }
    seen = fy_window_find(window, head.sequence);
    if (!seen) {
        status = accept_new(receiver, window, &head, frame, request);
        if (status != 0)
            refuse(receiver, request, &head, status);
        return;
    }
    receiver->counts.duplicates++;
    if (seen->is_final)
        tell_seen(receiver, request, &head, seen, FY_MAIL_ANSWER_DUPLICATE);
    else
        refuse(receiver, request, &head, FY_MAIL_IN_PROGRESS);
}

void fy_receiver_forget(struct fy_receiver *receiver, const char *node)
{
    fy_windows_forget(&receiver->windows, bytes_of(node));
}

int fy_receiver_load(struct fy_receiver *receiver, const struct fy_seen_row *row)
{
    return fy_windows_load(&receiver->windows, row, now_ns(receiver));
}

void fy_receiver_read_counts(const struct fy_receiver *receiver, struct fy_receiver_counts *ret_counts)
{
    *ret_counts = receiver->counts;
    ret_counts->windows = receiver->windows.n;
}

/* ---- Its own life ---- */

int fy_receiver_new(const struct fy_receiver_config *config, struct fy_receiver **ret_receiver)
{
    struct fy_receiver *receiver = calloc(1, sizeof(*receiver));

    if (!receiver)
        return FERRY_ERR_NOMEM;
    receiver->compressor = fy_compressor_new();
    if (!receiver->compressor) {
        free(receiver);
        return FERRY_ERR_NOMEM;
    }
    receiver->config = *config;
    fy_windows_init(&receiver->windows, config->journal, config->max_windows, config->window_size,
                    config->retention_ms * NS_PER_MS);
    fy_lookup_init(&receiver->by_token);
    fy_list_init(&receiver->turns);
    fy_list_init(&receiver->methods);
    *ret_receiver = receiver;
    return FERRY_OK;
}

void fy_receiver_free(struct fy_receiver *receiver)
{
    struct fy_node *node;

    if (!receiver)
        return;
    while ((node = fy_list_first(&receiver->turns))) {
        struct turn *turn = fy_container(node, struct turn, node);

        if (!turn->is_answered)
            receiver->config.carrier.answer(receiver->config.carrier.ctx, turn->request,
                                            (struct ferry_bytes){NULL, 0});
        if (fy_node_is_linked(&turn->place))
            fy_list_remove(&turn->place);
        free_turn(turn);
    }
    while ((node = fy_list_take_first(&receiver->methods)))
        free(fy_container(node, struct method, node));
    fy_windows_release(&receiver->windows);
    fy_lookup_release(&receiver->by_token);
    fy_compressor_free(receiver->compressor);
    free(receiver);
}
