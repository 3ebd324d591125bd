/*
 * version.h - what depends on the etcd version that the member speaks as.
 */
#ifndef ETCD_MEMBER_VERSION_H
#define ETCD_MEMBER_VERSION_H

#include <stdbool.h>

#include "ferry/ferry.h"

bool version_is_at_least(const char *version, unsigned major, unsigned minor); /* false for what is none */

/* By major and minor number; false when one of them is no version. */
bool version_is_lower(const char *version, const char *than);
enum ferry_wire_form version_form(const char *version);

#endif
