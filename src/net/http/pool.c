/*
 * pool - the shares of a listener's connections, and the order in which connections are closed for newcomers.
 *
 * Normal path: there is room.  Else the least useful connection is closed for the newcomer: one that has said nothing,
 * then one without a whole head, then one between two requests.  Then a stranger's whose request takes its time, and
 * only when all connections are in use, any whose body trickles.  Never one that carries a stream or an upgrade, nor
 * one that waits for its answer; and for a stranger's share never a known client's.
 */
#include "net/http/pool.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "net/http/request.h"

#define STRANGER_REQUEST_MS 1000    /* so long a stranger's request may last in a crowd */
#define IS_IPV4 (UINT64_C(1) << 63) /* no IPv6 network in use begins so */

struct search {
    struct fy_listener *listener;
    enum fy_pool_verdict verdict;
    uint64_t source;
};

/* ---- Addresses ---- */

static uint64_t source_of_ipv4(const void *bytes)
{
    uint32_t addr;

    memcpy(&addr, bytes, sizeof(addr));
    return IS_IPV4 | ntohl(addr);
}

uint64_t fy_pool_source(const struct sockaddr *addr)
{
    const struct in6_addr *ipv6 = &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
    uint64_t network = 0;

    if (addr->sa_family == AF_INET)
        return source_of_ipv4(&((const struct sockaddr_in *)(const void *)addr)->sin_addr);
    if (addr->sa_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(ipv6))
        return source_of_ipv4(ipv6->s6_addr + 12);
    for (int i = 0; i < 8; i++)
        network = network << 8 | ipv6->s6_addr[i];
    return network;
}

static bool is_familiar(const struct fy_pool *pool, uint64_t source)
{
    for (size_t i = 0; i < pool->n_familiar && i < FY_POOL_FAMILIAR; i++)
        if (pool->familiar[i] == source)
            return true;
    return false;
}

/* ---- May it stay? ---- */

static bool is_stranger(const struct fy_conn *conn)
{
    return !conn->is_known && !conn->is_leaving;
}

static size_t count_strangers_from(const struct fy_listener *listener, uint64_t source)
{
    size_t n = 0;

    for (struct fy_node *node = fy_list_first(&listener->conns); node; node = fy_list_next(&listener->conns, node)) {
        const struct fy_conn *conn = fy_container(node, struct fy_conn, node);

        n += conn->source == source && is_stranger(conn);
    }
    return n;
}

static size_t count_staying(const struct fy_listener *listener)
{
    return listener->n_conns - listener->pool.n_leaving;
}

static size_t count_strangers(const struct fy_listener *listener)
{
    return count_staying(listener) - listener->pool.n_known;
}

bool fy_pool_is_full(const struct fy_listener *listener)
{
    return count_staying(listener) >= listener->cfg->max_connections;
}

bool fy_pool_is_crowded(const struct fy_listener *listener)
{
    size_t share = listener->cfg->max_connections - listener->cfg->reserved_connections;

    return fy_pool_is_full(listener) || count_strangers(listener) >= share;
}

enum fy_pool_verdict fy_pool_judge(const struct fy_listener *listener, uint64_t source)
{
    size_t max_per_address = listener->cfg->max_per_address;
    bool may_exceed = count_strangers(listener) >= max_per_address;

    if (fy_pool_is_full(listener))
        return FY_POOL_FULL;
    if ((!may_exceed && !fy_pool_is_crowded(listener)) || is_familiar(&listener->pool, source))
        return FY_POOL_ROOM;
    if (may_exceed && count_strangers_from(listener, source) >= max_per_address)
        return FY_POOL_ADDRESS_FULL;
    return fy_pool_is_crowded(listener) ? FY_POOL_CROWDED : FY_POOL_ROOM;
}

/* ---- Which connection is closed for a newcomer ---- */

static bool is_older_than(const struct search *search, uint64_t since_ns, uint64_t ms)
{
    return search->listener->loop->now_ns - since_ns >= ms * FY_NS_PER_MS;
}

static bool may_go(const struct search *search, const struct fy_conn *conn)
{
    if (search->verdict == FY_POOL_ADDRESS_FULL && conn->source != search->source)
        return false;
    return !conn->is_leaving && (search->verdict == FY_POOL_FULL || !conn->is_known);
}

/* Silent for so long that no peer is, or not yet: the oldest of listener->openings. */
static struct fy_conn *oldest_opening(const struct search *search)
{
    struct fy_list *openings = &search->listener->openings;

    for (struct fy_node *node = fy_list_first(openings); node; node = fy_list_next(openings, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, opening_node);

        if (!is_older_than(search, conn->opened_ns, FY_POOL_MIN_SILENCE_MS))
            break; /* and so are all behind it */
        if (may_go(search, conn))
            return conn;
    }
    return NULL;
}

/* The oldest that never had a whole head, else the oldest stranger's between two requests, else the oldest other. */
static struct fy_conn *oldest_without_head(const struct search *search)
{
    struct fy_list *heads = &search->listener->heads;
    struct fy_conn *stranger = NULL, *known = NULL;

    for (struct fy_node *node = fy_list_first(heads); node; node = fy_list_next(heads, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, head_node);

        if (!is_older_than(search, conn->since_ns, FY_POOL_MIN_SILENCE_MS))
            break; /* and so are all behind it */
        if (!may_go(search, conn))
            continue;
        if (conn->state != FY_CONN_FAMILIAR)
            return conn;
        if (conn->is_known)
            known = known ? known : conn;
        else
            stranger = stranger ? stranger : conn;
    }
    return stranger ? stranger : known;
}

/* Does libmicrohttpd, or bulk.c, read a body that nobody holds back? */
static bool is_body_coming(const struct fy_request *req)
{
    return (fy_request_is_reading(req) || req->state == FY_REQUEST_BULK) && !req->is_paused;
}

/* Does a body come in, slower than the idle timeout allows? */
static bool is_trickling(const struct search *search, const struct fy_conn *conn)
{
    return conn->req && is_body_coming(conn->req) &&
           is_older_than(search, conn->since_ns, UINT64_C(1000) * search->listener->cfg->idle_timeout_s);
}

/* Does a stranger's body, or its taking of an answer, last longer than a crowd leaves time for? */
static bool is_lasting(const struct search *search, const struct fy_conn *conn)
{
    const struct fy_request *req = conn->req;
    bool is_answered = req && !req->out && fy_request_is_in(req, 1u << FY_REQUEST_ANSWERED | 1u << FY_REQUEST_RAW);

    return req && is_stranger(conn) && (is_answered || is_body_coming(req)) &&
           is_older_than(search, conn->headed_ns, STRANGER_REQUEST_MS);
}

static struct fy_conn *first_that(const struct search *search,
                                  bool (*fits)(const struct search *search, const struct fy_conn *conn))
{
    struct fy_list *conns = &search->listener->conns;

    for (struct fy_node *node = fy_list_first(conns); node; node = fy_list_next(conns, node)) {
        struct fy_conn *conn = fy_container(node, struct fy_conn, node);

        if (may_go(search, conn) && fits(search, conn))
            return conn;
    }
    return NULL;
}

struct fy_conn *fy_pool_find_victim(struct fy_listener *listener, enum fy_pool_verdict verdict, uint64_t source)
{
    const struct search search = {.listener = listener, .verdict = verdict, .source = source};
    struct fy_conn *victim = oldest_opening(&search);

    victim = victim ? victim : oldest_without_head(&search);
    victim = victim ? victim : first_that(&search, is_lasting);
    return victim || verdict != FY_POOL_FULL ? victim : first_that(&search, is_trickling);
}

/* ---- What becomes of a connection ---- */

void fy_pool_set_known(struct fy_conn *conn)
{
    struct fy_pool *pool = &conn->listener->pool;

    if (conn->is_known || conn->is_leaving)
        return;
    conn->is_known = true;
    pool->n_known++;
    if (!is_familiar(pool, conn->source))
        pool->familiar[pool->n_familiar++ % FY_POOL_FAMILIAR] = conn->source;
}

void fy_pool_set_leaving(struct fy_conn *conn)
{
    assert(!conn->is_leaving);
    conn->is_leaving = true;
    conn->listener->pool.n_leaving++;
    conn->listener->pool.n_known -= conn->is_known;
}

void fy_pool_forget(struct fy_conn *conn)
{
    conn->listener->pool.n_known -= conn->is_known && !conn->is_leaving;
    conn->listener->pool.n_leaving -= conn->is_leaving;
}

void fy_server_request_set_known(struct fy_request *req)
{
    fy_pool_set_known(req->conn);
}
