/*
 * http_get - a request in HTTP/1.0, whose answer ends with the connection.
 */
#include "harness/http_get.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/patience.h"

static int dial(const char *base)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *port = strrchr(base, ':');
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.sin_port = htons((uint16_t)strtoul(port ? port + 1 : "0", NULL, 10));
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* All up to the end of the connection, ended by a NUL; NULL when it does not come in time. */
static char *read_all(int fd, unsigned deadline_ms)
{
    uint64_t until = monotonic_ms() + deadline_ms;
    size_t len = 0, room = 1 << 16;
    char *data = malloc(room);

    while (data && monotonic_ms() < until) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (poll(&poll_fd, 1, (int)(until - monotonic_ms())) <= 0)
            break;
        n = recv(fd, data + len, room - len - 1, 0);
        if (n < 0)
            break;
        if (n == 0) {
            data[len] = '\0';
            return data;
        }
        len += (size_t)n;
        if (room - len < 2) {
            char *larger = realloc(data, room *= 2);

            if (!larger)
                break;
            data = larger;
        }
    }
    free(data);
    return NULL;
}

static void split(char *data, struct http_page *page)
{
    char *blank = strstr(data, "\r\n\r\n");

    if (!blank || sscanf(data, "HTTP/1.%*d %d", &page->status) != 1) {
        free(data);
        return;
    }
    *blank = '\0';
    for (char *line = strstr(data, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, "content-type: ", 14) == 0)
            (void)sscanf(line + 16, "%95[^\r\n]", page->content_type);
    page->len = strlen(blank + 4);
    page->body = strdup(blank + 4);
    free(data);
}

void http_get(const char *base, const char *path, struct http_page *ret_page, unsigned deadline_ms)
{
    char request[1024];
    int len = snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", path);
    int fd = dial(base);
    char *data = NULL;

    memset(ret_page, 0, sizeof(*ret_page));
    if (fd < 0)
        return;
    if (len > 0 && (size_t)len < sizeof(request) && send(fd, request, (size_t)len, MSG_NOSIGNAL) == len)
        data = read_all(fd, deadline_ms);
    close(fd);
    if (data)
        split(data, ret_page);
}

void http_page_release(struct http_page *page)
{
    free(page->body);
    memset(page, 0, sizeof(*page));
}
