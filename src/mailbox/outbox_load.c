/*
 * outbox_load - messages and dead letters that come back from the store at the start.
 */
#include <string.h>

#include "mailbox/dead_letters.h"
#include "mailbox/dispatch.h"

/* When a stored message expires, by the clock of this process.  A wall clock that ran backwards is not believed. */
static uint64_t deadline_of(const struct fy_outbox *box, const struct fy_mail_row *row)
{
    const int64_t wall_ms = box->config.wall_ms(box->config.clock_ctx);
    const int64_t since = wall_ms > row->created_ms ? wall_ms : row->created_ms;
    const int64_t left = row->expires_ms - since;

    if (row->expires_ms == 0)
        return FY_NEVER;
    return fy_outbox_now_ns(box) + (left > 0 ? (uint64_t)left : 0) * FY_NS_PER_MS;
}

/* A message as a row has it; NULL: no memory. */
static struct fy_mail *mail_of(const struct fy_outbox *box, uint64_t sequence, const struct fy_mail_row *row,
                               const struct fy_mail_head *head)
{
    struct fy_mail *mail = fy_mail_new(row->frame.len);

    if (!mail)
        return NULL;
    if (row->frame.len > 0)
        memcpy(mail->frame, row->frame.data, row->frame.len);
    mail->sequence = sequence;
    mail->deadline_ns = deadline_of(box, row);
    mail->ack_timeout_ms = row->ack_timeout_ms;
    mail->max_attempts = row->max_attempts;
    mail->is_durable = mail->is_stored = true;
    mail->wants_answer = (head->flags & FY_MAIL_NO_ANSWER) == 0;
    mail->put.mail = *row;
    mail->put.mail.frame.data = mail->frame;
    return mail;
}

static bool is_ours(const struct fy_outbox *box, uint64_t sequence, const struct fy_mail_head *head)
{
    return head->sequence == sequence && head->incarnation == box->config.incarnation &&
           sequence < box->config.first_sequence;
}

int fy_outbox_load(struct fy_outbox *box, uint64_t sequence, const struct fy_mail_row *row)
{
    struct fy_mail_head head;
    struct fy_mail *mail;
    int err = fy_mail_frame_read(row->frame, &head);

    if (err || !is_ours(box, sequence, &head))
        return fy_outbox_load_damaged(box, sequence);
    mail = mail_of(box, sequence, row, &head);
    if (!mail)
        return FERRY_ERR_NOMEM;
    err = fy_outbox_enqueue(box, mail, head.receiver, head.subject);
    if (err)
        fy_mail_unref(mail);
    return err;
}

int fy_outbox_load_dead(struct fy_outbox *box, uint64_t sequence, const struct fy_mail_row *row,
                        const struct fy_end_row *end)
{
    struct fy_mail_head head;
    struct fy_mail *mail;

    if (fy_mail_frame_read(row->frame, &head) != FERRY_OK)
        head.flags = 0; /* it was damaged when it was buried: it can be seen, and not requeued */
    mail = mail_of(box, sequence, row, &head);
    if (!mail)
        return FERRY_ERR_NOMEM;
    mail->box = box;
    mail->state = FY_MAIL_SETTLED;
    mail->end = end->status;
    mail->answer = end->answer;
    mail->code = end->code;
    mail->sends = end->attempts;
    fy_dead_bury(box, mail);
    return FERRY_OK;
}

int fy_outbox_load_damaged(struct fy_outbox *box, uint64_t sequence)
{
    struct fy_mail *mail = fy_mail_new(0);

    if (!mail)
        return FERRY_ERR_NOMEM;
    mail->box = box;
    mail->sequence = sequence;
    mail->state = FY_MAIL_SETTLED;
    mail->end = FY_END_DAMAGED;
    mail->is_durable = mail->is_stored = true;
    box->counts.ended[FY_END_DAMAGED]++;
    fy_outbox_record_end(box, mail);
    fy_list_append(&box->settled, &mail->node);
    return FERRY_OK;
}
