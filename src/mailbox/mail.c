/*
 * mail - the memory of outgoing messages.
 */
#include "mailbox/mail.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct fy_mail *fy_mail_new(size_t frame_len)
{
    struct fy_mail *mail = calloc(1, sizeof(*mail) + frame_len);

    if (mail) {
        mail->refs = 1;
        mail->frame_len = frame_len;
    }
    return mail;
}

void fy_mail_unref(struct fy_mail *mail)
{
    assert(mail->refs > 0);
    if (--mail->refs > 0)
        return;
    free((void *)(uintptr_t)mail->body.data);
    free(mail);
}

void fy_mail_record(struct fy_mail *mail, struct fy_journal *journal, struct fy_change *change,
                    enum fy_change_kind kind, void (*done)(struct fy_change *change, int err))
{
    change->kind = kind;
    change->done = done;
    change->sequence = mail->sequence;
    mail->refs++;
    fy_journal_add(journal, change);
}

void fy_mail_keep_body(struct fy_mail *mail, struct ferry_bytes body)
{
    uint8_t *copy = body.len > 0 ? malloc(body.len) : NULL;

    if (!copy)
        return;
    memcpy(copy, body.data, body.len);
    free((void *)(uintptr_t)mail->body.data);
    mail->body = (struct ferry_bytes){copy, body.len};
}
