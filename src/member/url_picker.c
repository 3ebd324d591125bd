/*
 * url_picker - a sorted list and an index into it.
 */
#include "member/url_picker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static void set_urls(struct fy_url_picker *picker, char **urls)
{
    picker->urls = urls;
    picker->picked = 0;
    for (picker->n = 0; urls[picker->n]; picker->n++)
        ;
    assert(picker->n > 0);
}

void fy_url_picker_init(struct fy_url_picker *picker, char **urls)
{
    set_urls(picker, urls);
    picker->generation = 0;
}

void fy_url_picker_release(struct fy_url_picker *picker)
{
    free(picker->urls);
    picker->urls = NULL;
}

void fy_url_picker_update(struct fy_url_picker *picker, char **urls)
{
    free(picker->urls);
    set_urls(picker, urls);
    picker->generation++;
}

void fy_url_picker_pick(const struct fy_url_picker *picker, struct fy_picked_url *ret_url)
{
    int len = snprintf(ret_url->text, sizeof(ret_url->text), "%s", picker->urls[picker->picked]);

    assert(len > 0 && (size_t)len < sizeof(ret_url->text)); /* fy_url_parse bounds the host */
    (void)len;
    ret_url->index = picker->picked;
    ret_url->generation = picker->generation;
}

bool fy_url_picker_unreachable(struct fy_url_picker *picker, const struct fy_picked_url *url)
{
    if (url->generation != picker->generation || url->index != picker->picked)
        return false;
    picker->picked = (picker->picked + 1) % picker->n;
    return true;
}
