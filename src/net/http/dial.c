/*
 * dial - curl connects (CURLOPT_CONNECT_ONLY), and hands the connection over.
 *
 * A plain connection is duplicated, and curl's part in it goes at once: a stream may stand for months, and the easy
 * handle with all that curl knows of the connection takes some twenty kilobytes.  Curl closes its own descriptor, which
 * says nothing to the other end as long as ours is open.  Newer versions read what has come before they close, so this
 * is done before anything is asked, when nothing has to come.
 *
 * With TLS the session is curl's: the handle stays with the multi, as curl's documentation asks for, and bytes go by
 * curl_easy_recv and curl_easy_send.
 */
#include "net/http/dial.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ferry/ferry.h"
#include "net/http/target.h"
#include "net/http/vitals.h"

#define TLS_BUFFER_SIZE (16L << 10) /* curl_easy_recv reads at most this much at a time: one TLS record */
#define PLAIN_BUFFER_SIZE 1024L     /* curl reads nothing itself: the smallest that it accepts */

/* ---- Connecting ---- */

static void tell(struct fy_dial *dial, int err, const char *detail)
{
    if (dial->is_open)
        dial->on_lost(dial, err, detail);
    else
        dial->on_connected(dial, err, detail);
}

static void fail(struct fy_dial *dial, CURLcode code)
{
    char detail[CURL_ERROR_SIZE + 64] = "";
    int err = fy_transfer_explain(&dial->transfer, &dial->tls, code, detail, sizeof(detail));

    fy_transfer_release(&dial->transfer);
    dial->fd = -1;
    tell(dial, err, detail);
}

/* The connection stands.  Take it: with TLS as it is, else without curl. */
static int take(struct fy_dial *dial)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    (void)curl_easy_getinfo(dial->transfer.easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd == CURL_SOCKET_BAD)
        return ENOTCONN; /* it broke as soon as it was made */
    if (dial->tls.policy) {
        dial->fd = fd;
        return 0;
    }
    dial->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (dial->fd < 0)
        return errno;
    fy_transfer_release(&dial->transfer);
    return 0;
}

static void dial_on_done(struct fy_transfer *transfer, CURLcode code)
{
    struct fy_dial *dial = fy_container(transfer, struct fy_dial, transfer);
    int os_errno;

    if (code != CURLE_OK) {
        fail(dial, code);
        return;
    }
    os_errno = take(dial);
    if (os_errno) {
        fy_transfer_release(transfer);
        dial->on_connected(dial, FERRY_ERR_CONNECT, strerror(os_errno));
        return;
    }
    dial->is_open = true;
    dial->on_connected(dial, FERRY_OK, "");
}

int fy_dial_start(struct fy_dial *dial, struct fy_transfers *transfers, const struct fy_dial_spec *spec)
{
    struct fy_target target;
    int err = fy_target_read(spec->url, &target);

    if (err)
        return err;
    if (!target.is_https && !fy_client_tls_allows_plain(transfers->cfg->tls, spec->member))
        return FERRY_ERR_TLS;
    dial->fd = -1;
    dial->transfer.is_limited = !spec->sends_much;
    dial->transfer.on_done = dial_on_done;
    err = fy_transfer_init(&dial->transfer, transfers, spec->url, spec->connect_timeout_ms,
                           target.is_https ? spec->handshake_timeout_ms : 0);
    if (err)
        return err;
    (void)curl_easy_setopt(dial->transfer.easy, CURLOPT_CONNECT_ONLY, 1L);
    (void)curl_easy_setopt(dial->transfer.easy, CURLOPT_BUFFERSIZE,
                           target.is_https ? TLS_BUFFER_SIZE : PLAIN_BUFFER_SIZE);
    if (target.is_https)
        err = fy_client_tls_init(&dial->tls, transfers->cfg->tls, dial->transfer.easy, target.host, spec->member);
    if (err)
        fy_transfer_release(&dial->transfer);
    else
        fy_transfer_start(&dial->transfer);
    return err;
}

/* ---- Closing ---- */

static void dial_on_released(struct fy_transfer *transfer)
{
    struct fy_dial *dial = fy_container(transfer, struct fy_dial, transfer);

    fy_client_tls_release(&dial->tls);
    dial->on_closed(dial);
}

void fy_dial_close(struct fy_dial *dial)
{
    if (dial->fd >= 0 && !dial->tls.policy)
        close(dial->fd);
    dial->fd = -1;
    fy_transfer_bury(&dial->transfer, dial_on_released);
}

void fy_dial_reset(struct fy_dial *dial)
{
    if (dial->fd >= 0)
        fy_vitals_reset(dial->fd);
}

/* ---- Bytes ---- */

/* What curl says as the system would. */
static ssize_t result_of(struct fy_dial *dial, CURLcode code, size_t n, int otherwise)
{
    long os_errno = 0;

    if (code == CURLE_OK)
        return (ssize_t)n;
    if (code != CURLE_AGAIN)
        (void)curl_easy_getinfo(dial->transfer.easy, CURLINFO_OS_ERRNO, &os_errno);
    errno = code == CURLE_AGAIN ? EAGAIN : os_errno > 0 && os_errno != EAGAIN ? (int)os_errno : otherwise;
    return -1;
}

ssize_t fy_dial_read(struct fy_dial *dial, const struct iovec to[2], bool *ret_is_empty)
{
    const struct iovec *into = to[0].iov_len > 0 ? &to[0] : &to[1];
    size_t n_read = 0;
    CURLcode code;
    ssize_t n;

    if (!dial->tls.policy) {
        n = readv(dial->fd, to, 2);
        *ret_is_empty = n < 0 || (size_t)n < to[0].iov_len + to[1].iov_len;
        return n;
    }
    code = curl_easy_recv(dial->transfer.easy, into->iov_base, into->iov_len, &n_read);
    *ret_is_empty = code == CURLE_AGAIN;
    return result_of(dial, code, n_read, EPROTO);
}

static ssize_t write_tls(struct fy_dial *dial, const struct iovec *runs, size_t n_runs)
{
    size_t n_written = 0;

    for (size_t i = 0; i < n_runs; i++) {
        size_t n = 0;
        CURLcode code = curl_easy_send(dial->transfer.easy, runs[i].iov_base, runs[i].iov_len, &n);

        n_written += n;
        if (code != CURLE_OK && n_written == 0)
            return result_of(dial, code, 0, ECONNRESET);
        if (code != CURLE_OK || n < runs[i].iov_len)
            break;
    }
    return (ssize_t)n_written;
}

ssize_t fy_dial_write(struct fy_dial *dial, const struct iovec *runs, size_t n_runs)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)runs, .msg_iovlen = n_runs};

    if (dial->tls.policy)
        return write_tls(dial, runs, n_runs);
    return sendmsg(dial->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int fy_dial_explain(struct fy_dial *dial, int os_errno, char *text, size_t size)
{
    int err = os_errno == EPROTO ? FERRY_ERR_PROTOCOL : FERRY_ERR_RESET;
    const char *words = dial->transfer.error[0] ? dial->transfer.error : strerror(os_errno);

    (void)snprintf(text, size, "%s", words);
    if (!dial->tls.policy || !dial->transfer.easy)
        return err;
    return fy_client_tls_explain(&dial->tls, dial->transfer.easy, CURLE_RECV_ERROR, err, text, size);
}
