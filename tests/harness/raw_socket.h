/*
 * raw_socket.h - plain sockets on loopback, for tests that speak HTTP by hand.  All are non-blocking.
 */
#ifndef HARNESS_RAW_SOCKET_H
#define HARNESS_RAW_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

/* What a socket has received so far, with a '\0' behind it. */
struct raw_input {
    char text[1 << 16];
    size_t len;
    bool is_closed; /* the other end's FIN or a reset */
    bool is_reset;
};

/* A listening socket on a free port of 127.0.0.1; its http:// URL is written to url. */
int raw_listen(int backlog, char *url, size_t url_size);
int raw_accept(int listen_fd); /* -1: nobody is there yet */

int raw_connect(const char *url); /* "http://127.0.0.1:PORT" or "http://[::1]:PORT"; waits for the connection */
void raw_send(int fd, const void *data, size_t len); /* all of it must fit into the socket's buffer */
void raw_send_text(int fd, const char *text);
void raw_receive(int fd, struct raw_input *input); /* append what is there and fits */
void raw_reset(int fd);                            /* close with a reset */

#endif
