/*
 * raw_socket - plain sockets on loopback.
 */
#include "harness/raw_socket.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int set_nonblocking(int fd)
{
    ck_assert_int_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
    return fd;
}

int raw_listen(int backlog, char *url, size_t url_size)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    snprintf(url, url_size, "http://127.0.0.1:%u", ntohs(addr.sin_port));
    return set_nonblocking(fd);
}

int raw_accept(int listen_fd)
{
    int fd = accept(listen_fd, NULL, NULL);

    ck_assert(fd >= 0 || errno == EAGAIN);
    return fd < 0 ? -1 : set_nonblocking(fd);
}

int raw_connect(const char *url)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_v6 = strchr(url, '[') != NULL;
    unsigned short port = htons((unsigned short)strtoul(strrchr(url, ':') + 1, NULL, 10));
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    v4.sin_port = v6.sin6_port = port;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(
        is_v6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6)) : connect(fd, (struct sockaddr *)&v4, sizeof(v4)), 0);
    return set_nonblocking(fd);
}

void raw_send(int fd, const void *data, size_t len)
{
    ck_assert_int_eq(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

void raw_send_text(int fd, const char *text)
{
    raw_send(fd, text, strlen(text));
}

void raw_receive(int fd, struct raw_input *input)
{
    ssize_t len;

    while (!input->is_closed && input->len < sizeof(input->text) - 1) {
        len = recv(fd, input->text + input->len, sizeof(input->text) - 1 - input->len, 0);
        if (len < 0 && errno == EAGAIN)
            break;
        input->is_reset = len < 0;
        input->is_closed = len <= 0;
        input->len += len > 0 ? (size_t)len : 0;
    }
    input->text[input->len] = '\0';
}

void raw_reset(int fd)
{
    struct linger hard = {.l_onoff = 1};

    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    close(fd);
}
