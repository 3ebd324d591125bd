/*
 * pace - a byte that goes around.  A thread ends when the hop before it is closed.
 */
#include "harness/pace.h"

#include <check.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/patience.h"

enum hop { TO_ONE, TO_TWO, BACK_TO_ONE, BACK };

/* From one hop to another; 0: the first was closed. */
static ssize_t pass(struct pace *pace, enum hop from, enum hop to)
{
    char byte;
    ssize_t n = recv(pace->fds[from][1], &byte, 1, 0);

    return n == 1 ? send(pace->fds[to][0], &byte, 1, MSG_NOSIGNAL) : 0;
}

static void *one_main(void *arg)
{
    while (pass(arg, TO_ONE, TO_TWO) == 1 && pass(arg, BACK_TO_ONE, BACK) == 1)
        ;
    return NULL;
}

static void *two_main(void *arg)
{
    while (pass(arg, TO_TWO, BACK_TO_ONE) == 1)
        ;
    return NULL;
}

void pace_start(struct pace *pace)
{
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pace->fds[i]), 0);
    ck_assert_int_eq(pthread_create(&pace->threads[0], NULL, one_main, pace), 0);
    ck_assert_int_eq(pthread_create(&pace->threads[1], NULL, two_main, pace), 0);
}

void pace_stop(struct pace *pace)
{
    for (int i = 0; i < 4; i++)
        for (int end = 0; end < 2; end++)
            (void)shutdown(pace->fds[i][end], SHUT_RDWR);
    for (int i = 0; i < 2; i++)
        pthread_join(pace->threads[i], NULL);
    for (int i = 0; i < 4; i++)
        for (int end = 0; end < 2; end++)
            close(pace->fds[i][end]);
}

uint64_t pace_round_trip_ns(struct pace *pace)
{
    uint64_t begin_ns = monotonic_ns();
    char byte = 0;

    ck_assert_int_eq(send(pace->fds[TO_ONE][0], &byte, 1, MSG_NOSIGNAL), 1);
    ck_assert_int_eq(recv(pace->fds[BACK][1], &byte, 1, 0), 1);
    return monotonic_ns() - begin_ns;
}
