/*
 * What src/net/http relies on in libmicrohttpd that no page of its manual promises, one test for each.
 *
 * The tests talk to libmicrohttpd itself.  One that fails says which version does what instead.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/heap.h"
#include "harness/rig.h"

#define CONN_MEMORY ((size_t)64 << 10)
#define GET "GET /a%20b?c=%64 HTTP/1.1\r\nHost: h\r\n\r\n"

/* The version and what it does go into the message of the failure. */
#define PROMISE(condition, deed)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            ck_abort_msg("libmicrohttpd %s %s", MHD_get_version(), deed);                                              \
    } while (0)

static struct MHD_Daemon *daemon_;
static int ours, theirs; /* the two ends of a TCP connection: libmicrohttpd's and the client's */
static char input[1 << 16];
static size_t n_input;
static bool has_input_ended;

static int n_added; /* calls of MHD_add_connection */
static int n_started, n_closed, n_uris, n_completed, n_accesses;
static int started_fds[8];
static bool was_context_seen, was_fd_open_when_completed, was_fd_open_when_closed;
static struct MHD_Connection *connection;
static char target[64];
static char body[256];
static size_t n_body;
static void *completed_request;

enum deed { REPLY, REFUSE, SUSPEND_HEAD, SUSPEND_BODY, LEAVE_BODY, WRITE_PAST, STREAM };
static enum deed deed;
static bool is_leaving;       /* LEAVE_BODY: the body is left to libmicrohttpd */
static bool is_stream_ending; /* STREAM */
static ssize_t stream_end;
static int n_reads;

/* ---- Callbacks ---- */

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void on_notify(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    (void)cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        started_fds[n_started++ % 8] = fd;
        *context = &n_started;
        return;
    }
    n_closed++;
    was_fd_open_when_closed = is_open(ours);
    was_context_seen = *context == &n_started;
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    (void)cls;
    n_uris++;
    was_context_seen = info && info->socket_context == &n_started;
    strncpy(target, uri, sizeof(target) - 1);
    return &target;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **request, enum MHD_RequestTerminationCode code)
{
    (void)cls;
    (void)mhd;
    (void)code;
    n_completed++;
    completed_request = *request;
    was_fd_open_when_completed = is_open(ours);
}

static ssize_t on_read(void *arg, uint64_t pos, char *buf, size_t cap)
{
    (void)arg;
    (void)pos;
    n_reads++;
    if (is_stream_ending)
        return stream_end;
    memset(buf, 'x', cap); /* what is left in the buffer means nothing */
    MHD_suspend_connection(connection);
    return 0;
}

static enum MHD_Result queue(struct MHD_Response *response)
{
    enum MHD_Result result;

    PROMISE(MHD_add_response_header(response, "X-Empty", " ") == MHD_YES, "refuses a header whose value is a blank");
    result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result reply(void)
{
    return queue(MHD_create_response_from_buffer(2, (void *)(uintptr_t) "ok", MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result on_piece(const char *data, size_t *len)
{
    if (deed == LEAVE_BODY && is_leaving) {
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    ck_assert_uint_le(n_body + *len, sizeof(body));
    memcpy(body + n_body, data, *len);
    n_body += *len;
    *len = 0;
    if (deed == SUSPEND_BODY)
        MHD_suspend_connection(connection);
    if (deed != WRITE_PAST)
        return MHD_YES;
    ck_assert_int_eq(send(ours, "past", 4, MSG_NOSIGNAL), 4);
    return MHD_NO;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                 const char *version, const char *data, size_t *len, void **request)
{
    (void)cls;
    (void)url;
    (void)method;
    (void)version;
    connection = mhd;
    PROMISE(*request == &target, "does not hand what the URI callback returned to the access handler");
    if (deed == REFUSE)
        return MHD_NO;
    if (n_accesses++ == 0) {
        if (deed == SUSPEND_HEAD)
            MHD_suspend_connection(mhd);
        return MHD_YES;
    }
    if (*len > 0)
        return on_piece(data, len);
    if (deed == STREAM)
        return queue(MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 512, on_read, NULL, NULL));
    return reply();
}

/* ---- The rig ---- */

static void no_log(void *cls, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void no_log(void *cls, const char *format, va_list args)
{
    (void)cls;
    (void)format;
    (void)args;
}

static void start(void)
{
    daemon_ = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET |
                                   MHD_USE_ERROR_LOG,
                               0, NULL, NULL, on_access, NULL, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL,
                               MHD_OPTION_CONNECTION_LIMIT, UINT32_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONN_MEMORY,
                               MHD_OPTION_NOTIFY_CONNECTION, on_notify, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                               NULL, MHD_OPTION_URI_LOG_CALLBACK, on_uri, NULL, MHD_OPTION_END);
    PROMISE(daemon_, "does not start without a listening socket on an epoll set");
}

static void make_pair(int *ret_ours, int *ret_theirs)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(listening, (struct sockaddr *)&addr, len), 0);
    ck_assert_int_eq(listen(listening, 1), 0);
    ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&addr, &len), 0);
    *ret_theirs = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(*ret_theirs, (struct sockaddr *)&addr, len), 0);
    *ret_ours = accept(listening, NULL, NULL);
    ck_assert_int_ge(*ret_ours, 0);
    ck_assert_int_eq(fcntl(*ret_ours, F_SETFL, O_NONBLOCK), 0);
    close(listening);
}

static enum MHD_Result add(int fd)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};

    n_added++;
    return MHD_add_connection(daemon_, fd, (struct sockaddr *)&addr, sizeof(addr));
}

static void setup(void)
{
    heap_setup();
}

static void begin(enum deed what)
{
    deed = what;
    start();
    make_pair(&ours, &theirs);
    ck_assert_int_eq(add(ours), MHD_YES);
}

static void teardown(void)
{
    if (daemon_)
        MHD_stop_daemon(daemon_);
    daemon_ = NULL;
    close(theirs);
    heap_teardown();
}

static void tell(const char *text)
{
    ck_assert_int_eq(send(theirs, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void read_input(void)
{
    ssize_t n = recv(theirs, input + n_input, sizeof(input) - 1 - n_input, MSG_DONTWAIT);

    if (n > 0)
        n_input += (size_t)n;
    else if (n == 0 || errno != EAGAIN)
        has_input_ended = true;
}

static int epoll_fd(void)
{
    return MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

/* Run libmicrohttpd when its set is ready, and otherwise for some ms, until is_done. */
static bool run_until(bool (*is_done)(void))
{
    for (int i = 0; i < 200; i++) {
        struct pollfd ready = {.fd = epoll_fd(), .events = POLLIN};

        (void)MHD_run(daemon_);
        read_input();
        if (is_done())
            return true;
        (void)poll(&ready, 1, 10);
    }
    return false;
}

static void run_some(void)
{
    for (int i = 0; i < 5; i++) {
        (void)MHD_run(daemon_);
        read_input();
    }
}

static bool has_started(void)
{
    return n_started == n_added;
}

static bool has_answer(void)
{
    return n_input >= 2 && memcmp(input + n_input - 2, "ok", 2) == 0;
}

static bool has_ended(void)
{
    return has_input_ended;
}

static bool has_body(void)
{
    return n_body > 0;
}

static bool has_closed(void)
{
    return n_closed > 0;
}

static bool is_asked(void)
{
    return n_reads > 0;
}

static bool has_been_accessed(void)
{
    return n_accesses > 0;
}

/* ---- conn.c ---- */

START_TEST(a_connection_is_started_when_it_is_added_or_in_the_next_run)
{
    begin(REPLY);
    if (n_started == 0)
        (void)MHD_run(daemon_);
    PROMISE(n_started == 1, "does not start an added connection by the end of the next run");
    PROMISE(started_fds[0] == ours, "announces an added connection under another descriptor");
}
END_TEST

START_TEST(connections_are_started_in_the_order_in_which_they_were_added)
{
    int others[2], clients[2];

    begin(REPLY);
    for (int i = 0; i < 2; i++) {
        make_pair(&others[i], &clients[i]);
        ck_assert_int_eq(add(others[i]), MHD_YES);
    }
    PROMISE(run_until(has_started), "does not start all added connections");
    PROMISE(started_fds[0] == ours && started_fds[1] == others[0] && started_fds[2] == others[1],
            "starts connections in another order than that of their adding");
    for (int i = 0; i < 2; i++)
        close(clients[i]);
}
END_TEST

START_TEST(a_connection_that_is_not_started_is_closed_by_the_end_of_the_next_run)
{
    start();
    for (long nth = 0;; nth++) {
        int before = n_started;

        make_pair(&ours, &theirs);
        heap_fail_at(nth);
        (void)add(ours);
        (void)MHD_run(daemon_);
        if (!heap_has_failed())
            break;
        heap_fail_at(-1);
        if (n_started == before)
            PROMISE(!is_open(ours), "keeps a connection open that it had no memory for");
        close(theirs);
    }
    heap_fail_at(-1);
}
END_TEST

START_TEST(what_is_set_when_a_connection_starts_is_its_context_to_the_end)
{
    begin(REPLY);
    tell(GET);
    PROMISE(run_until(has_answer), "does not answer");
    PROMISE(was_context_seen, "does not show the context of a connection in the URI callback");
    was_context_seen = false;
    shutdown(ours, SHUT_RDWR);
    PROMISE(run_until(has_closed), "does not notice that the socket was shut down under it");
    PROMISE(was_context_seen, "does not hand the context of a connection to the closing notification");
    PROMISE(was_fd_open_when_closed, "closes a connection's descriptor before it tells that it is closed");
}
END_TEST

START_TEST(its_epoll_set_is_readable_when_a_connection_has_something_to_read)
{
    struct pollfd ready;

    begin(REPLY);
    PROMISE(run_until(has_started), "does not start an added connection");
    run_some();
    ready = (struct pollfd){.fd = epoll_fd(), .events = POLLIN};
    PROMISE(poll(&ready, 1, 0) == 0, "has an epoll set that is readable with nothing to do");
    tell(GET);
    PROMISE(poll(&ready, 1, 1000) == 1, "has an epoll set that does not become readable when a request comes");
}
END_TEST

START_TEST(stopping_tells_that_every_connection_is_closed)
{
    begin(REPLY);
    PROMISE(run_until(has_started), "does not start an added connection");
    MHD_stop_daemon(daemon_);
    daemon_ = NULL;
    PROMISE(n_closed == 1, "does not tell of the connections that it closes when it is stopped");
}
END_TEST

/* ---- exchange.c ---- */

START_TEST(the_target_comes_first_and_as_it_was_sent)
{
    begin(REPLY);
    tell(GET);
    PROMISE(run_until(has_answer), "does not answer");
    PROMISE(n_uris == 1 && strcmp(target, "/a%20b?c=%64") == 0, "changes the target before the URI callback sees it");
    PROMISE(n_completed == 1 && completed_request == &target,
            "does not hand what the URI callback returned to the completion callback");
}
END_TEST

START_TEST(a_request_that_fails_in_its_head_is_completed_too)
{
    begin(REPLY);
    tell("GET /x HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n");
    PROMISE(run_until(has_ended), "keeps a connection whose request is malformed");
    PROMISE(n_completed == n_uris, "does not complete a request of which it told the target");
}
END_TEST

START_TEST(refusing_a_request_closes_its_connection_without_an_answer)
{
    begin(REFUSE);
    tell(GET);
    PROMISE(run_until(has_ended), "keeps a connection whose request was refused");
    PROMISE(n_input == 0, "answers a request that was refused");
    PROMISE(was_fd_open_when_completed, "closes a connection's descriptor before it completes the request");
}
END_TEST

START_TEST(a_connection_can_be_suspended_when_its_head_came)
{
    begin(SUSPEND_HEAD);
    tell(GET);
    PROMISE(run_until(has_been_accessed), "does not tell of a head");
    run_some();
    PROMISE(n_input == 0 && n_accesses == 1, "goes on with a connection that is suspended");
    MHD_resume_connection(connection);
    PROMISE(run_until(has_answer), "does not go on with a connection that was resumed");
}
END_TEST

START_TEST(what_is_left_of_a_body_comes_again_after_a_pause)
{
    begin(LEAVE_BODY);
    is_leaving = true;
    tell("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    for (int i = 0; i < 200 && n_accesses < 2; i++)
        (void)MHD_run(daemon_);
    PROMISE(n_accesses == 2, "does not bring a body");
    run_some();
    PROMISE(n_accesses == 2, "goes on with a body while the connection is suspended");
    is_leaving = false;
    MHD_resume_connection(connection);
    PROMISE(run_until(has_answer), "does not go on with a body after the connection was resumed");
    PROMISE(n_body == 3 && memcmp(body, "abc", 3) == 0, "does not bring again what was left of a body");
}
END_TEST

/* ---- bulk.c ---- */

START_TEST(the_body_of_a_suspended_connection_stays_in_the_socket)
{
    char rest[8];

    begin(SUSPEND_BODY);
    tell("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nabc");
    PROMISE(run_until(has_body), "does not bring a body");
    tell("defg");
    run_some();
    PROMISE(recv(ours, rest, sizeof(rest), MSG_DONTWAIT) == 4 && memcmp(rest, "defg", 4) == 0,
            "reads from the socket of a suspended connection");
    shutdown(ours, SHUT_RDWR);
    MHD_resume_connection(connection);
    PROMISE(run_until(has_closed), "does not notice that the socket of a resumed connection was shut down");
}
END_TEST

/* ---- raw_answer.c ---- */

START_TEST(an_answer_may_be_written_past_it_in_the_middle_of_a_body)
{
    begin(WRITE_PAST);
    tell("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nabc");
    PROMISE(run_until(has_ended), "keeps a connection whose body was refused");
    PROMISE(n_input == 4 && memcmp(input, "past", 4) == 0, "writes something of its own to a body that is refused");
}
END_TEST

/* ---- outflow.c and bypass.c ---- */

static void begin_stream(void)
{
    begin(STREAM);
    tell(GET);
    PROMISE(run_until(is_asked), "does not ask for the body of an answer of unknown length");
    run_some();
    PROMISE(n_input > 4 && memcmp(input + n_input - 4, "\r\n\r\n", 4) == 0,
            "asks for an answer's body before its head is sent, or sends what the reader left in its buffer");
    input[n_input] = '\0';
    PROMISE(strstr(input, "Transfer-Encoding: chunked"), "does not send an answer of unknown length in chunks");
    PROMISE(n_reads == 1, "asks for the body of an answer while the connection is suspended");
    n_input = 0;
    ck_assert_int_eq(send(ours, "2\r\nhi\r\n", 7, MSG_NOSIGNAL), 7);
    is_stream_ending = true;
}

START_TEST(chunks_may_be_written_to_the_socket_of_a_suspended_answer)
{
    begin_stream();
    stream_end = MHD_CONTENT_READER_END_OF_STREAM;
    MHD_resume_connection(connection);
    run_some();
    PROMISE(n_input == 12 && memcmp(input, "2\r\nhi\r\n0\r\n\r\n", 12) == 0,
            "does not write the last chunk alone behind chunks that were written past it");
    PROMISE(!has_input_ended, "closes the connection after an answer in chunks that has ended");
}
END_TEST

START_TEST(an_answer_that_breaks_off_has_no_last_chunk)
{
    begin_stream();
    stream_end = MHD_CONTENT_READER_END_WITH_ERROR;
    MHD_resume_connection(connection);
    PROMISE(run_until(has_ended), "keeps a connection whose answer broke off");
    PROMISE(n_input == 7, "writes something behind an answer that broke off");
}
END_TEST

/* ---- server_tls.c ---- */

static gnutls_session_t session;
static bool was_session_new;
static int n_pulls;

static ssize_t on_pull(gnutls_transport_ptr_t arg, void *buf, size_t size)
{
    (void)arg;
    n_pulls++;
    return recv(ours, buf, size, 0);
}

static int on_pull_timeout(gnutls_transport_ptr_t arg, unsigned ms)
{
    (void)arg;
    (void)ms;
    return 1;
}

static void on_tls_notify(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    void *send_arg;

    session = info ? info->tls_session : NULL; /* at once: the next question may overwrite the answer */
    on_notify(cls, mhd, context, code);
    if (code != MHD_CONNECTION_NOTIFY_STARTED)
        return;
    if (!session)
        return;
    was_session_new = gnutls_handshake_get_last_in(session) == (gnutls_handshake_description_t)-1;
    send_arg = gnutls_transport_get_ptr(session);
    gnutls_transport_set_ptr2(session, &ours, send_arg);
    gnutls_transport_set_pull_function(session, on_pull);
    gnutls_transport_set_pull_timeout_function(session, on_pull_timeout);
}

static int no_certificate(gnutls_session_t s, const gnutls_datum_t *cas, int n_cas,
                          const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **certs,
                          unsigned *n_certs, gnutls_privkey_t *key)
{
    (void)s;
    (void)cas;
    (void)n_cas;
    (void)algorithms;
    (void)n_algorithms;
    (void)certs;
    (void)n_certs;
    (void)key;
    return -1;
}

static bool has_pulled(void)
{
    return n_pulls > 0;
}

START_TEST(a_connection_with_tls_is_told_of_with_its_session_before_its_handshake)
{
    daemon_ = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET |
                                   MHD_USE_ERROR_LOG | MHD_USE_TLS,
                               0, NULL, NULL, on_access, NULL, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL,
                               MHD_OPTION_NOTIFY_CONNECTION, on_tls_notify, NULL, MHD_OPTION_HTTPS_CERT_CALLBACK,
                               no_certificate, MHD_OPTION_TLS_NO_ALPN, 1, MHD_OPTION_END);
    PROMISE(daemon_, "does not start with TLS and a callback instead of a certificate");
    make_pair(&ours, &theirs);
    ck_assert_int_eq(add(ours), MHD_YES);
    tell("\x16\x03\x01");
    PROMISE(run_until(has_started), "does not start a connection with TLS before its handshake");
    PROMISE(session, "shows no session when a connection with TLS starts");
    PROMISE(was_session_new, "has read of a handshake before it tells that a connection starts");
    PROMISE(run_until(has_pulled), "reads from a TLS connection without the session's own functions");
}
END_TEST

int main(void)
{
    return rig_main(
        "mhd_contract", setup, teardown, a_connection_is_started_when_it_is_added_or_in_the_next_run,
        connections_are_started_in_the_order_in_which_they_were_added,
        a_connection_that_is_not_started_is_closed_by_the_end_of_the_next_run,
        what_is_set_when_a_connection_starts_is_its_context_to_the_end,
        its_epoll_set_is_readable_when_a_connection_has_something_to_read,
        stopping_tells_that_every_connection_is_closed, the_target_comes_first_and_as_it_was_sent,
        a_request_that_fails_in_its_head_is_completed_too, refusing_a_request_closes_its_connection_without_an_answer,
        a_connection_can_be_suspended_when_its_head_came, what_is_left_of_a_body_comes_again_after_a_pause,
        the_body_of_a_suspended_connection_stays_in_the_socket,
        an_answer_may_be_written_past_it_in_the_middle_of_a_body,
        chunks_may_be_written_to_the_socket_of_a_suspended_answer, an_answer_that_breaks_off_has_no_last_chunk,
        a_connection_with_tls_is_told_of_with_its_session_before_its_handshake, NULL);
}
