/*
 * dead_letters - messages that ended badly, kept for people to see, post again or throw away.
 *
 * The list is bounded: the oldest makes room.
 */
#include "mailbox/dead_letters.h"

static void drop_done(struct fy_change *change, int err)
{
    (void)err; /* it is out of the list either way */
    fy_mail_unref(fy_container(change, struct fy_mail, drop_dead));
}

bool fy_dead_takes(const struct fy_outbox *box, enum fy_mail_end end)
{
    return box->config.max_dead > 0 &&
           (end == FY_END_REFUSED || end == FY_END_GAVE_UP || end == FY_END_EXPIRED || end == FY_END_DAMAGED);
}

void fy_dead_drop(struct fy_outbox *box, struct fy_mail *mail)
{
    fy_list_remove(&mail->node);
    box->counts.dead--;
    if (mail->is_durable)
        fy_mail_record(mail, box->config.journal, &mail->drop_dead, FY_CHANGE_DROP_DEAD, drop_done);
    fy_mail_unref(mail);
}

void fy_dead_bury(struct fy_outbox *box, struct fy_mail *mail)
{
    if (!fy_dead_takes(box, mail->end)) {
        fy_mail_unref(mail);
        return;
    }
    fy_list_append(&box->dead, &mail->node);
    box->counts.dead++;
    if (box->counts.dead > box->config.max_dead)
        fy_dead_drop(box, fy_container(fy_list_first(&box->dead), struct fy_mail, node));
}

const struct fy_mail *fy_outbox_next_dead(const struct fy_outbox *box, const struct fy_mail *after)
{
    struct fy_node *node = after ? fy_list_next(&box->dead, &after->node) : fy_list_first(&box->dead);

    return node ? fy_container(node, struct fy_mail, node) : NULL;
}

struct fy_mail *fy_dead_find(const struct fy_outbox *box, uint64_t sequence)
{
    for (struct fy_node *node = fy_list_first(&box->dead); node; node = fy_list_next(&box->dead, node)) {
        struct fy_mail *mail = fy_container(node, struct fy_mail, node);

        if (mail->sequence == sequence)
            return mail;
    }
    return NULL;
}

int fy_outbox_purge(struct fy_outbox *box, uint64_t sequence)
{
    struct fy_mail *mail = fy_dead_find(box, sequence);

    if (!mail)
        return FERRY_ERR_NOT_FOUND;
    fy_dead_drop(box, mail);
    return FERRY_OK;
}
