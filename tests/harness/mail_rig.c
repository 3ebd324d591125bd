/*
 * mail_rig - records what is asked of the network and the store.
 *
 * What is called back may run while the heap fails, so it uses assert: Check's own asserts allocate.
 */
#include "harness/mail_rig.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS UINT64_C(1000000)

static int on_send(void *ctx, const char *node, uint64_t call, struct ferry_bytes frame)
{
    struct mail_rig *rig = ctx;
    struct fy_mail_head head;
    int err;

    if (rig->send_err)
        return rig->send_err;
    err = fy_mail_frame_read(frame, &head);
    assert(!err);
    if (rig->n_sent < MAIL_RIG_MAX) {
        snprintf(rig->sent[rig->n_sent].node, sizeof(rig->sent[0].node), "%s", node);
        rig->sent[rig->n_sent].call = call;
        rig->sent[rig->n_sent].sequence = head.sequence;
        rig->sent[rig->n_sent].attempt = head.attempt;
        rig->sent[rig->n_sent].remaining_ms = head.remaining_ms;
    }
    rig->n_sent++;
    return FERRY_OK;
}

static void on_forget(void *ctx, uint64_t call)
{
    assert(call != 0);
    ((struct mail_rig *)ctx)->n_forgotten++;
}

static void on_answer(void *ctx, void *request, struct ferry_bytes frame)
{
    struct mail_rig *rig = ctx;

    assert(rig->n_answers < MAIL_RIG_MAX);
    rig->answers[rig->n_answers].request = request;
    rig->answers[rig->n_answers].is_empty = frame.len == 0;
    if (frame.len > 0) {
        struct fy_mail_answer *answer = &rig->answers[rig->n_answers].answer;
        int err = fy_mail_answer_read(frame, answer);

        assert(!err);
        memcpy(rig->answers[rig->n_answers].body, answer->body.data, answer->body.len);
        answer->body.data = rig->answers[rig->n_answers].body;
    }
    rig->n_answers++;
}

static void on_store(void *ctx, const struct fy_list *changes)
{
    struct mail_rig *rig = ctx;

    assert(!rig->storing);
    rig->storing = changes;
}

void mail_rig_init(struct mail_rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    rig->now_ns = 1000 * NS_PER_MS;
    rig->wall_ms = INT64_C(1700000000000);
    fy_timers_init(&rig->timers);
    fy_journal_init(&rig->journal, (struct fy_store){rig, on_store}, &rig->timers, mail_rig_now_ns, rig);
    rig->carrier = (struct fy_carrier){rig, on_send, on_forget, on_answer};
}

void mail_rig_run(struct mail_rig *rig, uint64_t ms)
{
    const uint64_t until = rig->now_ns + ms * NS_PER_MS;

    while (fy_timers_next_ns(&rig->timers) <= until) {
        rig->now_ns = fy_timers_next_ns(&rig->timers);
        (void)fy_timers_run_one(&rig->timers, rig->now_ns);
    }
    rig->now_ns = until;
    fy_journal_flush(&rig->journal);
}

void mail_rig_store(struct mail_rig *rig, int err)
{
    fy_journal_flush(&rig->journal);
    while (rig->storing) {
        rig->storing = NULL;
        fy_journal_done(&rig->journal, err);
        if (err)
            return;
        fy_journal_flush(&rig->journal);
    }
}

uint64_t mail_rig_now_ns(void *ctx)
{
    return ((const struct mail_rig *)ctx)->now_ns;
}

int64_t mail_rig_wall_ms(void *ctx)
{
    return ((const struct mail_rig *)ctx)->wall_ms;
}

size_t mail_rig_count(const struct mail_rig *rig, enum fy_change_kind kind)
{
    size_t n = 0;

    for (struct fy_node *node = rig->storing ? fy_list_first(rig->storing) : NULL; node;
         node = fy_list_next(rig->storing, node))
        n += fy_container(node, struct fy_change, node)->kind == kind;
    return n;
}
