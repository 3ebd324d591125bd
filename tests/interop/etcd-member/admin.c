/*
 * admin - a port to look at the member and to tell it what to do.
 *
 * One thread of libmicrohttpd's answers one request after the other; each asks the member's thread and waits.
 */
#include "etcd-member/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/json.h"
#include "etcd-member/mem.h"

#define MAX_PUTS 1000000

struct admin {
    struct MHD_Daemon *daemon;
    struct member *member;
};

/* What to answer; text is to be freed. */
struct answer {
    unsigned status;
    char *text;
    size_t len;
};

static struct answer answer_with(unsigned status, char *text)
{
    return (struct answer){status, text, strlen(text)};
}

static struct answer done(bool is_done, const char *why_not)
{
    return is_done ? answer_with(200, mem_print("ok\n")) : answer_with(503, mem_print("%s\n", why_not));
}

/* ---- The pages
 * ------------------------------------------------------------------------------------------------------------ */

static void set_hex(json_t *object, const char *name, uint64_t id)
{
    char hex[17];

    (void)snprintf(hex, sizeof(hex), "%" PRIx64, id);
    json_object_set_new(object, name, json_string(hex));
}

static void set_number(json_t *object, const char *name, uint64_t number)
{
    json_object_set_new(object, name, json_integer((json_int_t)number));
}

static struct answer on_status(struct member *member, struct MHD_Connection *connection)
{
    struct member_status status = {.role = "stopped"};
    json_t *object = json_object();
    struct answer answer;
    char *text;

    (void)connection;
    member_get_status(member, &status);
    set_hex(object, "id", status.id);
    set_hex(object, "cid", status.cluster_id);
    set_number(object, "term", status.term);
    set_hex(object, "vote", status.vote);
    set_number(object, "commit", status.commit);
    set_number(object, "applied", status.applied);
    set_number(object, "last", status.last);
    set_number(object, "lastTerm", status.last_term);
    set_number(object, "snap", status.snapshot);
    set_hex(object, "lead", status.leader);
    set_number(object, "keys", status.n_keys);
    json_object_set_new(object, "role", json_string(status.role));
    json_object_set_new(object, "removed", json_boolean(status.is_removed));
    set_number(object, "diverged", status.diverged_at);
    json_object_set_new(object, "clusterVer", json_string(status.cluster_version));
    set_number(object, "active", status.n_active);
    set_number(object, "members", status.n_members);
    set_number(object, "voters", status.n_voters);
    set_number(object, "learners", status.n_learners);
    text = json_dumps(object, JSON_COMPACT);
    answer = text ? answer_with(200, mem_print("%s\n", text)) : answer_with(500, mem_print("out of memory\n"));
    free(text);
    json_decref(object);
    return answer;
}

static const char *argument(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

static bool number_argument(const char *text, int base, uint64_t max, uint64_t *ret_number)
{
    char *end;

    if (!text || !*text || strchr("+- ", *text))
        return false;
    errno = 0;
    *ret_number = strtoull(text, &end, base);
    return errno == 0 && *end == '\0' && *ret_number <= max;
}

static struct answer on_get(struct member *member, struct MHD_Connection *connection)
{
    const char *key = argument(connection, "k");
    struct answer answer = {.status = 200};

    if (!key)
        return answer_with(400, mem_print("k= is missing\n"));
    answer.text = member_get(member, key, &answer.len);
    return answer.text ? answer : answer_with(404, mem_print("no such key\n"));
}

static struct answer on_dump(struct member *member, struct MHD_Connection *connection)
{
    struct answer answer = {.status = 200};

    (void)connection;
    answer.text = member_dump(member, &answer.len);
    return answer.text ? answer : answer_with(503, mem_print("stopped\n"));
}

static struct answer on_put(struct member *member, struct MHD_Connection *connection)
{
    const char *key = argument(connection, "k");
    const char *value = argument(connection, "v");
    const char *n_text = argument(connection, "n");
    uint64_t n = 0;

    if (!key || !*key)
        return answer_with(400, mem_print("k= is missing\n"));
    if (n_text && (!number_argument(n_text, 10, MAX_PUTS, &n) || n == 0))
        return answer_with(400, mem_print("n= is not a number from 1 to %d\n", MAX_PUTS));
    return done(member_put(member, key, value ? value : "", n), "no leader to propose to");
}

static struct answer on_campaign(struct member *member, struct MHD_Connection *connection)
{
    (void)connection;
    return done(member_campaign(member), "may not stand for an election, or leads");
}

static struct answer on_transfer(struct member *member, struct MHD_Connection *connection)
{
    uint64_t id;

    if (!number_argument(argument(connection, "to"), 16, UINT64_MAX, &id))
        return answer_with(400, mem_print("to= is not a member's id in hex\n"));
    return done(member_transfer(member, id), "no leader");
}

static const struct {
    const char *path;
    struct answer (*fn)(struct member *member, struct MHD_Connection *connection);
} pages[] = {
    {"/status", on_status}, {"/get", on_get},           {"/dump", on_dump},
    {"/put", on_put},       {"/campaign", on_campaign}, {"/transfer", on_transfer},
};

/* ---- HTTP
 * ------------------------------------------------------------------------------------------------------------------ */

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *body, size_t *body_len, void **request)
{
    const struct admin *admin = ctx;
    struct answer answer;
    struct MHD_Response *response;
    enum MHD_Result result;

    (void)version;
    (void)body;
    if (!*request) { /* the head alone: what comes after it comes in a second call */
        *request = connection;
        return MHD_YES;
    }
    if (*body_len > 0) {
        *body_len = 0;
        return MHD_YES;
    }
    answer = answer_with(404, mem_print("no such page: %s %s\n", method, path));
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        if (strcmp(path, pages[i].path) != 0)
            continue;
        free(answer.text);
        answer = pages[i].fn(admin->member, connection);
    }
    response = MHD_create_response_from_buffer(answer.len, answer.text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(answer.text);
        return MHD_NO;
    }
    result = MHD_queue_response(connection, answer.status, response);
    MHD_destroy_response(response);
    return result;
}

struct admin *admin_start(const char *host, uint16_t port, struct member *member)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct admin *admin = mem_zero(sizeof(*admin));

    admin->member = member;
    if (inet_pton(AF_INET, host, &address.sin_addr) == 1)
        admin->daemon =
            MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, port, NULL, NULL, on_request, admin, MHD_OPTION_SOCK_ADDR,
                             (const struct sockaddr *)&address, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U, MHD_OPTION_END);
    else
        errno = EINVAL;
    if (admin->daemon)
        return admin;
    free(admin);
    return NULL;
}

void admin_stop(struct admin *admin)
{
    if (!admin)
        return;
    MHD_stop_daemon(admin->daemon);
    free(admin);
}
