/*
 * preset.h - a public struct with its defaults, for a program that may be older or newer than the library.
 *
 * Such a struct begins with its size as the program knows it.
 */
#ifndef FY_BASE_PRESET_H
#define FY_BASE_PRESET_H

#include <stddef.h>
#include <string.h>

/*
 * Fill the program's struct, of size bytes, with what the library's own, of init_size bytes, has at birth.  What a newer
 * program knows besides is zero: whoever takes the struct sees by its size that it is newer.
 */
static inline void fy_preset(void *cfg, size_t size, const void *init, size_t init_size)
{
    if (size < sizeof(size))
        return;
    memset(cfg, 0, size);
    memcpy(cfg, init, size < init_size ? size : init_size);
    memcpy(cfg, &size, sizeof(size));
}

#endif
