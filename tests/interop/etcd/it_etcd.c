/*
 * it_etcd - Ferry members in clusters of real etcd servers.
 *
 * A test starts servers of one release of etcd and ferry-etcd-member, lets them work, disturbs them, and looks at all
 * sides: etcd's answers, its log, its metrics, and the member's admin port.  it_etcd.sh finds the programs and runs
 * this one: it_etcd VERSION DIRECTORY FERRY-ETCD-MEMBER [parted], where etcd and etcdctl are in the directory; parted:
 * the tests that put each server on a machine of its own.
 *
 * In the environment: FERRY_ETCD_OLDER, the etcd of the minor version before, if it can be had; FERRY_ETCD_LOAD, the
 * program etcd-load, or FERRY_ETCD_NO_LOAD, why there is none; FERRY_ETCD_FULL=1, all counts in full; RIG_KEEP=1, what
 * the servers write stays; CK_RUN_CASE, one part alone.
 */
#include "interop/etcd/it_etcd.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/patience.h"
#include "harness/rig.h"
#include "interop/etcd/cluster.h"
#include "interop/etcd/network.h"

static void setup(void)
{
    ck_assert_int_eq(curl_global_init(CURL_GLOBAL_DEFAULT), 0);
    cluster_setup();
}

/* On loopback, and on machines of their own for those that need namespaces. */
static const struct rig_case cases[] = {
    {"membership", add_membership_tests},
    {"quorum", add_quorum_tests},
    {"leading", add_leading_tests},
    {"links", add_links_tests},
    {"faults", add_faults_tests},
    {"refusals", add_refusals_tests},
    {"applying", add_applying_tests},
    {"load", add_load_tests},
    {NULL, NULL},
};
static const struct rig_case parted_cases[] = {
    {"tapped", add_tapped_tests},
    {"parted", add_parted_tests},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    bool is_parted = argc == 5 && strcmp(argv[4], "parted") == 0;
    const char *obstacle = is_parted ? network_find_obstacle() : NULL;
    char etcd[512], etcdctl_path[512];

    if (argc != 4 && !is_parted) {
        fprintf(stderr, "usage: it_etcd VERSION DIRECTORY FERRY-ETCD-MEMBER [parted]\n");
        return EXIT_FAILURE;
    }
    if (obstacle) {
        printf("1..0 # SKIP %s\n", obstacle);
        return EXIT_SUCCESS;
    }
    snprintf(etcd, sizeof(etcd), "%s/etcd", argv[2]);
    snprintf(etcdctl_path, sizeof(etcdctl_path), "%s/etcdctl", argv[2]);
    release.version = argv[1];
    release.etcd = etcd;
    release.etcdctl = etcdctl_path;
    release.older_etcd = getenv("FERRY_ETCD_OLDER");
    release.ferry_member = argv[3];
    release.load = getenv("FERRY_ETCD_LOAD");
    release.no_load = getenv("FERRY_ETCD_NO_LOAD");
    release.is_full = environment_number("FERRY_ETCD_FULL", 0) != 0;
    return rig_main_cases("etcd", setup, cluster_teardown, is_parted ? parted_cases : cases);
}
