/*
 * it_stop - what the other members see of one that stops.
 */
#include "config.h"

#include "ferry/ferry.h"
#include "harness/member.h"
#include "harness/patience.h"
#include "harness/rig.h"

static struct member members[2];

static void setup(void)
{
    member_init(&members[0], 1);
    member_init(&members[1], 2);
}

static void teardown(void)
{
    member_release(&members[0]);
    member_release(&members[1]);
}

/* As from etcd: both streams end cleanly, and are no broken connections in the other's log. */
static void stop_is_clean(enum ferry_delivery delivery)
{
    members[0].config.delivery = delivery;
    member_start(&members[0]);
    member_start(&members[1]);
    members_connect(members, 2);
    members_await_streams(members, 2);
    member_stop(&members[0]);
    ck_assert_msg(journal_wait(&members[1].journal, 1, "the peer ended the stream", patience_ms(5000)), "%s",
                  journal_text(&members[1].journal, JOURNAL_ANY));
    ck_assert(!journal_wait(&members[1].journal, 1, "failed to read", 0));
}

START_TEST(a_stop_with_workers_ends_the_streams_cleanly)
{
    stop_is_clean(FERRY_DELIVER_WORKERS);
}
END_TEST

START_TEST(an_inline_stop_ends_the_streams_cleanly)
{
    stop_is_clean(FERRY_DELIVER_INLINE);
}
END_TEST

START_TEST(a_hosted_stop_ends_the_streams_cleanly)
{
    stop_is_clean(FERRY_DELIVER_HOST);
}
END_TEST

int main(void)
{
    return rig_main("stop", setup, teardown, a_stop_with_workers_ends_the_streams_cleanly,
                    an_inline_stop_ends_the_streams_cleanly, a_hosted_stop_ends_the_streams_cleanly, NULL);
}
