/*
 * check_url_picker - which URL is next, alone.
 */
#include <string.h>

#include "harness/heap.h"
#include "harness/rig.h"
#include "member/url_picker.h"
#include "wire/url.h"

static const char *const three[] = {"http://c:1", "http://a:1", "http://b:1", NULL};
static struct fy_url_picker picker;

static char **copy(const char *const *urls)
{
    char **urls_copy;

    ck_assert_int_eq(fy_urls_copy(urls, &urls_copy), FERRY_OK);
    return urls_copy;
}

static void setup(void)
{
    heap_setup();
    fy_url_picker_init(&picker, copy(three));
}

static void teardown(void)
{
    fy_url_picker_release(&picker);
    heap_teardown();
}

static void expect(const char *text, struct fy_picked_url *ret_url)
{
    fy_url_picker_pick(&picker, ret_url);
    ck_assert_str_eq(ret_url->text, text);
}

START_TEST(urls_are_tried_in_the_order_of_their_text_and_again_from_the_first)
{
    static const char *const order[] = {"http://a:1", "http://b:1", "http://c:1", "http://a:1"};
    struct fy_picked_url url;

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        expect(order[i], &url);
        fy_url_picker_unreachable(&picker, &url);
    }
}
END_TEST

START_TEST(a_url_stays_picked_until_it_fails)
{
    struct fy_picked_url url;

    expect("http://a:1", &url);
    expect("http://a:1", &url);
}
END_TEST

START_TEST(several_failures_of_one_url_advance_once)
{
    struct fy_picked_url first, second;

    expect("http://a:1", &first);
    fy_url_picker_unreachable(&picker, &first);
    fy_url_picker_unreachable(&picker, &first);
    expect("http://b:1", &second);
    fy_url_picker_unreachable(&picker, &second);
    fy_url_picker_unreachable(&picker, &first);
    expect("http://c:1", &second);
}
END_TEST

START_TEST(a_new_list_begins_at_its_first_and_failures_of_the_old_one_say_nothing)
{
    static const char *const others[] = {"http://y:1", "http://x:1", NULL};
    struct fy_picked_url old, url;

    expect("http://a:1", &url);
    fy_url_picker_unreachable(&picker, &url);
    fy_url_picker_update(&picker, copy(others));
    expect("http://x:1", &url);

    fy_url_picker_pick(&picker, &old); /* index 0 of this list */
    fy_url_picker_update(&picker, copy(three));
    fy_url_picker_unreachable(&picker, &old);
    expect("http://a:1", &url);
    ck_assert_str_eq(old.text, "http://x:1");
}
END_TEST

START_TEST(the_only_url_is_tried_again)
{
    static const char *const one[] = {"http://a:1", NULL};
    struct fy_picked_url url;

    fy_url_picker_update(&picker, copy(one));
    expect("http://a:1", &url);
    fy_url_picker_unreachable(&picker, &url);
    expect("http://a:1", &url);
}
END_TEST

START_TEST(the_longest_url_fits)
{
    char text[300];
    const char *const urls[] = {text, NULL};
    struct fy_picked_url url;

    memset(text, 'h', sizeof(text));
    memcpy(text, "http://", 7);
    memcpy(text + 7 + 255, ":65535", 7);
    fy_url_picker_update(&picker, copy(urls));
    expect(text, &url);
}
END_TEST

START_TEST(a_port_of_more_digits_than_a_port_has_is_refused_before_it_gets_here)
{
    char text[400];
    const char *const urls[] = {text, NULL};
    char **unused;

    memset(text, '0', sizeof(text));
    memcpy(text, "http://a:", 9);
    memcpy(text + sizeof(text) - 3, "80", 3);
    ck_assert_int_eq(fy_urls_copy(urls, &unused), FERRY_ERR_URL);
}
END_TEST

int main(void)
{
    return rig_main("url_picker", setup, teardown, urls_are_tried_in_the_order_of_their_text_and_again_from_the_first,
                    a_url_stays_picked_until_it_fails, several_failures_of_one_url_advance_once,
                    a_new_list_begins_at_its_first_and_failures_of_the_old_one_say_nothing, the_only_url_is_tried_again,
                    the_longest_url_fits, a_port_of_more_digits_than_a_port_has_is_refused_before_it_gets_here, NULL);
}
