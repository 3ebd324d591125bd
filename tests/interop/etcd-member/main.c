/*
 * ferry-etcd-member - a member of an etcd cluster that is not etcd.
 *
 * It stands on Ferry's public interface alone, and is what the tests put into clusters of real etcd servers.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/admin.h"
#include "etcd-member/member.h"
#include "etcd-member/options.h"
#include "etcd-member/say.h"
#include "ferry/ferry.h"

#define EXIT_WRONG_USE 2

static void read_options(int argc, char **argv, struct options *ret_options)
{
    struct flags_fault fault;

    switch (options_parse(argc, argv, ret_options, &fault)) {
    case FLAGS_OK:
        return;
    case FLAGS_HELP:
        options_print_help(stdout);
        exit(EXIT_SUCCESS);
    case FLAGS_VERSION:
        printf("ferry-etcd-member %s\n", ferry_version());
        exit(EXIT_SUCCESS);
    case FLAGS_WRONG:
        fprintf(stderr, "ferry-etcd-member: %s\n", fault.text);
        exit(EXIT_WRONG_USE);
    }
}

int main(int argc, char **argv)
{
    struct options options;
    struct member *member;
    struct admin *admin = NULL;
    sigset_t ends;
    int signal_number;

    read_options(argc, argv, &options);
    /* Blocked in every thread: this one waits for them. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    member = member_start(&options);
    if (*options.admin_host) {
        admin = admin_start(options.admin_host, options.admin_port, member);
        if (!admin)
            die("--admin %s:%u: %s", options.admin_host, options.admin_port, strerror(errno));
    }
    say("%s takes part at %s", options.name, options.peer_url);
    (void)sigwait(&ends, &signal_number); /* the set is valid */
    say("%s", strsignal(signal_number));
    admin_stop(admin);
    member_stop(member);
    return EXIT_SUCCESS;
}
