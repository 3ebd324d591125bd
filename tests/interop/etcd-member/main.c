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

int main(int argc, char **argv)
{
    struct options options;
    struct flags_fault fault;
    struct member *member;
    struct admin *admin = NULL;
    sigset_t ends;
    int signal_number;

    flags_settle(options_parse(argc, argv, &options, &fault), &fault, "ferry-etcd-member", ferry_version(),
                 options_print_help);
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
