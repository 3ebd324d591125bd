/*
 * check_etcd_duties - when ferry-etcd-member tells its name, lets leases end, and promotes learners.
 */
#include <stdio.h>
#include <stdlib.h>

#include "etcd-member/keyspace.h"
#include "etcd-member/lessor.h"
#include "etcd-member/promotions.h"
#include "etcd-member/publisher.h"
#include "etcd-member/say.h"
#include "harness/rig.h"

/* In the place of the member's log. */
void say(const char *format, ...)
{
    (void)format;
}

void die(const char *format, ...)
{
    ck_abort_msg("%s", format);
    abort();
}

/* ---- The name ---- */

#define OWN 7
#define TICKS 3

static struct publisher publisher;

static void hear(uint64_t member, uint64_t request, bool has_client_urls)
{
    publisher_hear(&publisher, &(struct publication){member, request, has_client_urls});
}

/* After how many ticks, from 0, is the name told?  -1: not in a long time. */
static int ticks_until_due(const char *version)
{
    for (int i = 0; i < 100; i++)
        if (publisher_is_due(&publisher, version))
            return i;
    return -1;
}

START_TEST(the_name_is_told_until_an_entry_of_this_run_says_it)
{
    publisher_init(&publisher, OWN, 1000, TICKS);
    ck_assert_int_eq(ticks_until_due("3.6.0"), 0);
    ck_assert_int_eq(ticks_until_due("3.6.0"), TICKS);
    hear(OWN, 999, false); /* of the run before, when the log is read again */
    hear(8, 1000, false);  /* another's */
    ck_assert_int_eq(ticks_until_due("3.6.0"), TICKS);
    hear(OWN, 1000, false);
    ck_assert_int_eq(ticks_until_due("3.6.0"), -1);
}
END_TEST

START_TEST(the_name_is_told_again_when_servers_start_or_go_back)
{
    publisher_init(&publisher, OWN, 1000, TICKS);
    hear(OWN, 1000, false);
    ck_assert_int_eq(ticks_until_due("3.6.0"), -1);
    ck_assert_int_eq(ticks_until_due("3.7.0"), -1);
    ck_assert_int_eq(ticks_until_due("3.6.0"), 0); /* a downgrade */
    hear(OWN, 1001, false);
    hear(8, 5, false); /* one like us: if each answered the other there would be no end */
    ck_assert_int_eq(ticks_until_due("3.6.0"), -1);
    hear(8, 6, true); /* an etcd */
    ck_assert_int_eq(ticks_until_due("3.6.0"), 0);
}
END_TEST

/* ---- Leases ---- */

static struct keyspace *keys;
static struct lessor lessor;

static void begin_to_lead(void)
{
    keys = keyspace_new();
    keyspace_add_lease(keys, &(struct lease){-2, 10});
    keyspace_add_lease(keys, &(struct lease){5, 20});
    keyspace_add_lease(keys, &(struct lease){5, 1}); /* there already */
    lessor_init(&lessor);
    lessor_lead(&lessor, keys, 100000, 1000);
}

static void end(void)
{
    lessor_release(&lessor);
    keyspace_free(keys);
}

START_TEST(a_lease_ends_after_its_time_and_is_told_again_later)
{
    int64_t id = 0;

    begin_to_lead();
    ck_assert(!lessor_take_ended(&lessor, 110999, 2000, &id)); /* 10 s, and 1 s more for the election */
    ck_assert(lessor_take_ended(&lessor, 111000, 2000, &id));
    ck_assert_int_eq(id, -2);
    ck_assert(!lessor_take_ended(&lessor, 112999, 2000, &id));
    ck_assert(lessor_take_ended(&lessor, 113000, 2000, &id));
    lessor_drop(&lessor, -2);
    ck_assert(!lessor_take_ended(&lessor, 120999, 2000, &id));
    ck_assert(lessor_take_ended(&lessor, 121000, 2000, &id));
    ck_assert_int_eq(id, 5);
    end();
}
END_TEST

START_TEST(a_lease_that_is_renewed_has_its_whole_time)
{
    struct lease lease;
    uint64_t left_ms;
    int64_t id;

    begin_to_lead();
    ck_assert_int_eq(lessor_renew(&lessor, -2, 110000, &lease), LESSOR_OK);
    ck_assert_int_eq(lease.ttl_s, 10);
    ck_assert(!lessor_take_ended(&lessor, 119999, 2000, &id));
    ck_assert_int_eq(lessor_look(&lessor, -2, 119000, &lease, &left_ms), LESSOR_OK);
    ck_assert_uint_eq(left_ms, 1000);
    ck_assert_int_eq(lessor_renew(&lessor, -2, 120000, &lease), LESSOR_ENDS); /* too late */
    ck_assert_int_eq(lessor_renew(&lessor, 6, 110000, &lease), LESSOR_UNKNOWN);
    lessor_add(&lessor, &(struct lease){6, 30}, 110000);
    ck_assert_int_eq(lessor_renew(&lessor, 6, 110000, &lease), LESSOR_OK);
    end();
}
END_TEST

START_TEST(who_follows_ends_and_renews_no_lease)
{
    struct lease lease;
    int64_t id;

    begin_to_lead();
    lessor_follow(&lessor);
    lessor_add(&lessor, &(struct lease){6, 30}, 110000);
    ck_assert(!lessor_take_ended(&lessor, UINT64_MAX, 2000, &id));
    ck_assert_int_eq(lessor_renew(&lessor, 5, 110000, &lease), LESSOR_FOLLOWS);
    end();
}
END_TEST

/* ---- Promotions ---- */

START_TEST(a_promotion_is_begun_once_and_its_end_is_told_once)
{
    struct promotions promotions;

    promotions_init(&promotions);
    ck_assert_uint_eq(promotions_pending(&promotions), 0);
    ck_assert_int_eq(promotions_ask(&promotions, 3), PROMOTION_NONE);
    ck_assert_uint_eq(promotions_pending(&promotions), 3);
    ck_assert_int_eq(promotions_ask(&promotions, 3), PROMOTION_PENDING);
    ck_assert_int_eq(promotions_ask(&promotions, 4), PROMOTION_PENDING); /* one at a time */
    promotions_end(&promotions, 4, PROMOTION_NO_MEMBER);                 /* not what is waited for */
    ck_assert_uint_eq(promotions_pending(&promotions), 3);
    promotions_end(&promotions, 3, PROMOTION_DONE);
    ck_assert_uint_eq(promotions_pending(&promotions), 0);
    ck_assert_int_eq(promotions_ask(&promotions, 3), PROMOTION_DONE);
    ck_assert_int_eq(promotions_ask(&promotions, 3), PROMOTION_NONE);
    promotions_release(&promotions);
}
END_TEST

int main(void)
{
    return rig_main("etcd_duties", NULL, NULL, the_name_is_told_until_an_entry_of_this_run_says_it,
                    the_name_is_told_again_when_servers_start_or_go_back,
                    a_lease_ends_after_its_time_and_is_told_again_later, a_lease_that_is_renewed_has_its_whole_time,
                    who_follows_ends_and_renews_no_lease, a_promotion_is_begun_once_and_its_end_is_told_once, NULL);
}
