/* Two members in one process: the first sends a message, the second prints it. */
#include <ferry/ferry.h>
#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

static int process(void *ctx, const struct ferry_message *msg)
{
    printf("%s from member %" PRIu64 ", term %" PRIu64 "\n", ferry_message_type_name(msg->type), msg->from, msg->term);
    return sem_post(ctx);
}

static struct ferry_transport *start_member(uint64_t id, sem_t *arrived)
{
    const char *const any_port[] = {"http://127.0.0.1:0", NULL};
    struct ferry_config cfg = FERRY_CONFIG_INIT;
    struct ferry_transport *t;

    cfg.id = id;
    cfg.cluster_id = 0x1000;
    cfg.listen_urls = any_port;
    cfg.core.ctx = arrived;
    cfg.core.process = process;
    if (ferry_transport_new(&cfg, &t) || ferry_transport_start(t))
        exit(EXIT_FAILURE);
    return t;
}

int main(void)
{
    struct ferry_message hello = {.type = FERRY_MSG_HEARTBEAT, .from = 1, .to = 2, .term = 7};
    sem_t arrived;

    sem_init(&arrived, 0, 0);
    struct ferry_transport *one = start_member(1, &arrived);
    struct ferry_transport *two = start_member(2, &arrived);

    ferry_transport_add_peer(two, 1, (const char *const[]){ferry_transport_listen_url(one, 0), NULL});
    ferry_transport_add_peer(one, 2, (const char *const[]){ferry_transport_listen_url(two, 0), NULL});
    ferry_transport_send(one, &hello, 1);
    sem_wait(&arrived);

    ferry_transport_free(one);
    ferry_transport_free(two);
    sem_destroy(&arrived);
}
