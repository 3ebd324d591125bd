/*
 * outbox_post - messages accepted from the owner, or from among the dead letters.
 *
 * Numbers are reserved durably in blocks, ahead of their use: after a crash the next ones begin behind the block.
 */
#include <string.h>

#include "mailbox/dead_letters.h"
#include "mailbox/dispatch.h"

#define MAX_TIMEOUT_MS (UINT64_C(365) * 24 * 3600 * 1000)

static void reserve_done(struct fy_change *change, int err)
{
    if (!err)
        fy_container(change, struct fy_outbox, reserve)->reserved = change->sequence;
}

static void reserve_ahead(struct fy_outbox *box)
{
    if (fy_change_is_added(&box->reserve) || box->next_sequence + box->config.block / 2 < box->reserved)
        return;
    box->reserve.kind = FY_CHANGE_RESERVE;
    box->reserve.sequence = box->reserved + box->config.block;
    box->reserve.done = reserve_done;
    fy_journal_add(box->config.journal, &box->reserve);
}

static bool has_room(const struct fy_outbox *box, const struct fy_peer_queue *peer, size_t frame_len)
{
    const struct fy_outbox_config *c = &box->config;

    if (box->counts.messages >= c->max_messages || box->counts.bytes + frame_len > c->max_bytes)
        return false;
    return !peer || (peer->n_mails < c->max_peer_messages && peer->n_bytes + frame_len <= c->max_peer_bytes);
}

/* The first message of a stream that was never sent, with this key unless it is 0. */
static struct fy_mail *find_waiting(const struct fy_stream *stream, uint64_t key)
{
    for (struct fy_node *node = fy_list_first(&stream->mails); node; node = fy_list_next(&stream->mails, node)) {
        struct fy_mail *mail = fy_container(node, struct fy_mail, node);

        if (mail->sends == 0 && (key == 0 || mail->key == key))
            return mail;
    }
    return NULL;
}

/* Drop the oldest of the stream until there is room, or none is left that was never sent. */
static bool make_room(struct fy_outbox *box, const struct fy_post *post, size_t frame_len)
{
    for (;;) {
        struct fy_peer_queue *peer = fy_queues_find_peer(&box->queues, post->receiver);
        struct fy_stream *stream = peer ? fy_queues_find_stream(&box->queues, peer, post->subject) : NULL;
        struct fy_mail *oldest = stream ? find_waiting(stream, 0) : NULL;

        if (has_room(box, peer, frame_len))
            return true;
        if (!oldest || post->overflow != FY_OVERFLOW_DROP_OLDEST)
            return false;
        fy_outbox_end(box, oldest, FY_END_OVERFLOWED);
        fy_queues_drop_idle_peer(&box->queues, peer);
    }
}

static int check_post(const struct fy_outbox *box, const struct fy_post *post)
{
    if (box->is_stopped)
        return FERRY_ERR_CLOSED;
    if (post->is_durable && !post->wants_answer)
        return FERRY_ERR_INVALID;
    if (post->max_attempts == 0 && post->timeout_ms == 0)
        return FERRY_ERR_INVALID;
    if (post->timeout_ms > MAX_TIMEOUT_MS || post->ack_timeout_ms == 0)
        return FERRY_ERR_INVALID;
    return post->is_durable && box->config.journal->is_failing ? FERRY_ERR_SYSTEM : FERRY_OK;
}

static struct fy_mail_head head_for(const struct fy_outbox *box, const struct fy_post *post)
{
    return (struct fy_mail_head){
        .flags = (post->is_durable ? FY_MAIL_DURABLE : 0u) | (post->wants_answer ? 0u : FY_MAIL_NO_ANSWER),
        .packing = post->packing,
        .sequence = box->next_sequence,
        .incarnation = box->config.incarnation,
        .cluster = box->config.cluster,
        .in_reply_to = post->in_reply_to,
        .plain_len = post->plain_len,
        .sender = {(const uint8_t *)box->config.self, strlen(box->config.self)},
        .receiver = post->receiver,
        .subject = post->subject,
        .method = post->method,
        .reply_method = post->reply_method,
        .payload = post->payload,
    };
}

static struct fy_mail *new_mail(struct fy_outbox *box, const struct fy_post *post, const struct fy_mail_head *head,
                                size_t frame_len)
{
    struct fy_mail *mail = fy_mail_new(frame_len);

    if (!mail)
        return NULL;
    mail->sequence = head->sequence;
    mail->deadline_ns = post->timeout_ms > 0 ? fy_outbox_now_ns(box) + post->timeout_ms * FY_NS_PER_MS : FY_NEVER;
    mail->key = post->key;
    mail->ack_timeout_ms = post->ack_timeout_ms;
    mail->max_attempts = post->max_attempts;
    mail->is_durable = post->is_durable;
    mail->wants_answer = post->wants_answer;
    fy_mail_frame_write(head, mail->frame);
    return mail;
}

static void put_done(struct fy_change *change, int err)
{
    struct fy_mail *mail = fy_container(change, struct fy_mail, put);

    if (!err && mail->state != FY_MAIL_SETTLED) {
        mail->is_stored = true;
        mail->box->config.stored(mail->box->config.ctx, mail);
    }
    fy_mail_unref(mail);
}

static void record_put(struct fy_outbox *box, struct fy_mail *mail, uint64_t timeout_ms)
{
    const int64_t wall_ms = box->config.wall_ms(box->config.clock_ctx);

    mail->put.mail = (struct fy_mail_row){
        .created_ms = wall_ms,
        .expires_ms = timeout_ms > 0 ? wall_ms + (int64_t)timeout_ms : 0,
        .max_attempts = mail->max_attempts,
        .ack_timeout_ms = mail->ack_timeout_ms,
        .frame = {mail->frame, mail->frame_len},
    };
    if (mail->is_durable)
        fy_mail_record(mail, box->config.journal, &mail->put, FY_CHANGE_PUT_MAIL, put_done);
}

/* The message takes the place of an earlier one with its key. */
static void replace_earlier(struct fy_outbox *box, struct fy_mail *mail)
{
    struct fy_mail *earlier = mail->key != 0 ? find_waiting(mail->stream, mail->key) : NULL;

    if (earlier && earlier != mail)
        fy_outbox_end(box, earlier, FY_END_OVERFLOWED);
}

int fy_outbox_post(struct fy_outbox *box, const struct fy_post *post, uint64_t *ret_sequence)
{
    const struct fy_mail_head head = head_for(box, post);
    struct fy_mail *mail;
    size_t frame_len;
    int err = check_post(box, post);

    if (!err)
        err = fy_mail_frame_size(&head, &frame_len);
    if (err)
        return err;
    if (frame_len > box->config.max_message_bytes)
        return FERRY_ERR_TOO_LARGE;
    reserve_ahead(box);
    if (box->next_sequence >= box->reserved)
        return FERRY_ERR_FULL;
    mail = new_mail(box, post, &head, frame_len);
    if (!mail)
        return FERRY_ERR_NOMEM;
    err = make_room(box, post, frame_len) ? fy_outbox_enqueue(box, mail, post->receiver, post->subject)
                                          : FERRY_ERR_FULL;
    if (err) {
        fy_mail_unref(mail);
        return err;
    }
    box->next_sequence++;
    box->counts.accepted++;
    *ret_sequence = mail->sequence;
    record_put(box, mail, post->timeout_ms);
    replace_earlier(box, mail);
    fy_outbox_pump(box, mail->stream->peer);
    return FERRY_OK;
}

int fy_outbox_requeue(struct fy_outbox *box, uint64_t sequence, uint64_t timeout_ms, uint64_t *ret_sequence)
{
    struct fy_mail *mail = fy_dead_find(box, sequence);
    struct fy_mail_head head;
    struct fy_post post;
    int err;

    if (!mail || fy_mail_frame_read((struct ferry_bytes){mail->frame, mail->frame_len}, &head) != FERRY_OK)
        return FERRY_ERR_NOT_FOUND;
    post = (struct fy_post){
        .receiver = head.receiver,
        .subject = head.subject,
        .method = head.method,
        .reply_method = head.reply_method,
        .payload = head.payload,
        .packing = head.packing,
        .plain_len = head.plain_len,
        .in_reply_to = head.in_reply_to,
        .timeout_ms = timeout_ms,
        .ack_timeout_ms = mail->ack_timeout_ms,
        .max_attempts = mail->max_attempts,
        .is_durable = mail->is_durable,
        .wants_answer = mail->wants_answer,
    };
    err = fy_outbox_post(box, &post, ret_sequence);
    if (!err)
        fy_dead_drop(box, mail); /* in the group of changes that stores the new one */
    return err;
}
