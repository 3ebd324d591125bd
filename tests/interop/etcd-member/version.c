/*
 * version - what depends on the etcd version that the member speaks as.
 */
#include "etcd-member/version.h"

#include <stdio.h>

bool version_is_at_least(const char *version, unsigned major, unsigned minor)
{
    unsigned has_major;
    unsigned has_minor;

    if (sscanf(version, "%5u.%5u.", &has_major, &has_minor) != 2)
        return false;
    return has_major != major ? has_major > major : has_minor >= minor;
}

bool version_is_lower(const char *version, const char *than)
{
    unsigned major, minor, than_major, than_minor;

    if (sscanf(version, "%5u.%5u.", &major, &minor) != 2 || sscanf(than, "%5u.%5u.", &than_major, &than_minor) != 2)
        return false;
    return major != than_major ? major < than_major : minor < than_minor;
}

enum ferry_wire_form version_form(const char *version)
{
    if (version_is_at_least(version, 3, 7))
        return FERRY_FORM_3_7;
    return version_is_at_least(version, 3, 6) ? FERRY_FORM_3_6 : FERRY_FORM_3_4;
}
