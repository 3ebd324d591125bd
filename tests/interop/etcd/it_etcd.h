/*
 * it_etcd.h - the parts of it_etcd, each a file: it_etcd_membership.c and so on.
 */
#ifndef ETCD_IT_ETCD_H
#define ETCD_IT_ETCD_H

#include <check.h>

void add_membership_tests(TCase *tcase);
void add_quorum_tests(TCase *tcase);
void add_leading_tests(TCase *tcase);
void add_links_tests(TCase *tcase);
void add_faults_tests(TCase *tcase);
void add_refusals_tests(TCase *tcase);
void add_applying_tests(TCase *tcase);
void add_load_tests(TCase *tcase);

/* With namespaces. */
void add_tapped_tests(TCase *tcase);
void add_parted_tests(TCase *tcase);

#endif
