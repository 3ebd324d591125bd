/*
 * member_status - finds the fields of /status by name, in the order in which ferry-kv writes them.
 */
#include "demo/member_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo/http_call.h"

#define TIMEOUT_MS 1000

/* The value of a named field; NULL: not found. */
static const char *find(const char *text, const char *name)
{
    char quoted[40];
    const char *at;

    (void)snprintf(quoted, sizeof(quoted), "\"%s\":", name);
    at = strstr(text, quoted);
    return at ? at + strlen(quoted) : NULL;
}

static uint64_t number_of(const char *text, const char *name)
{
    const char *value = find(text, name);

    return value ? strtoull(value, NULL, 10) : 0;
}

static bool truth_of(const char *text, const char *name)
{
    const char *value = find(text, name);

    return value && strncmp(value, "true", 4) == 0;
}

static void copy_text(const char *text, const char *name, char *to, size_t size)
{
    const char *value = find(text, name);

    (void)snprintf(to, size, "%.*s", value ? (int)strcspn(value + 1, "\"") : 0, value ? value + 1 : "");
}

/* text starts with an element of the list. */
static void read_member(const char *text, struct link_status *ret_link)
{
    const char *link = find(text, "link");

    *ret_link = (struct link_status){.id = number_of(text, "id")};
    copy_text(text, "role", ret_link->role, sizeof(ret_link->role));
    ret_link->is_self = !link || strncmp(link, "null", 4) == 0;
    if (ret_link->is_self)
        return;
    ret_link->is_active = truth_of(link, "active");
    ret_link->is_cut = truth_of(link, "cut");
    ret_link->streams_in = number_of(link, "streams_in");
    ret_link->streams_out = number_of(link, "streams_out");
    ret_link->dials = number_of(link, "dials");
    ret_link->sent = number_of(link, "sent");
    ret_link->received = number_of(link, "received");
    ret_link->dropped = number_of(link, "dropped");
    ret_link->snapshots_sent = number_of(link, "snapshots_sent");
    ret_link->snapshots_received = number_of(link, "snapshots_received");
}

bool member_status_read(const char *client_url, struct member_status *ret_status)
{
    struct http_answer answer;
    const char *member;
    char url[300];
    bool is_there;

    *ret_status = (struct member_status){.role = ""};
    (void)snprintf(url, sizeof(url), "%s/status", client_url);
    http_call("GET", url, NULL, 0, TIMEOUT_MS, &answer);
    is_there = answer.status == 200;
    if (is_there) {
        copy_text(answer.body, "role", ret_status->role, sizeof(ret_status->role));
        ret_status->term = number_of(answer.body, "term");
        ret_status->leader = number_of(answer.body, "leader");
        ret_status->commit = number_of(answer.body, "commit");
        ret_status->applied = number_of(answer.body, "applied");
        ret_status->last_index = number_of(answer.body, "last_index");
        ret_status->snapshot_index = number_of(answer.body, "snapshot_index");
        ret_status->keys = number_of(answer.body, "keys");
        ret_status->was_removed = truth_of(answer.body, "removed");
        member = find(answer.body, "members");
        while (member && ret_status->n_members < MEMBER_STATUS_MAX && (member = strstr(member, "\n  {"))) {
            read_member(member, &ret_status->members[ret_status->n_members++]);
            member += 1;
        }
    }
    free(answer.body);
    return is_there;
}
