/*
 * error - the error texts and the library's version.
 */
#include "ferry/ferry.h"

#define TEXT(name, value, text)                                                                                        \
    case FERRY_ERR_##name:                                                                                             \
        return text;

const char *ferry_strerror(int err)
{
    switch (err) {
    case FERRY_OK:
        return "success";
        FERRY_ERR_MAP(TEXT)
    default:
        return "unknown error";
    }
}

const char *ferry_version(void)
{
    return FERRY_VERSION_TEXT;
}
