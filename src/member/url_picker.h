/*
 * url_picker.h - which of a member's URLs to use next.  Shared by all that dial the member.
 *
 * URLs are tried in ascending order of their text, as etcd does.  Only a failure of the URL that is picked now moves on
 * to the next, so that several failures of one URL advance once.  The loop's only.
 */
#ifndef FY_MEMBER_URL_PICKER_H
#define FY_MEMBER_URL_PICKER_H

#include <stdbool.h>
#include <stddef.h>

struct fy_url_picker {
    char **urls; /* NULL-ended, one block; at least one */
    size_t n;
    size_t picked;
    unsigned generation; /* of the list: failures of URLs of older lists are ignored */
};

/* The picked URL, for one try.  Stays valid when the list is replaced. */
struct fy_picked_url {
    char text[300];
    size_t index;
    unsigned generation;
};

void fy_url_picker_init(struct fy_url_picker *picker, char **urls); /* takes urls (of fy_urls_copy) */
void fy_url_picker_release(struct fy_url_picker *picker);
void fy_url_picker_update(struct fy_url_picker *picker, char **urls); /* takes urls */

void fy_url_picker_pick(const struct fy_url_picker *picker, struct fy_picked_url *ret_url);
bool fy_url_picker_unreachable(struct fy_url_picker *picker, const struct fy_picked_url *url); /* it moved on */

#endif
