/*
 * preset.h - default values for a public struct, for a program compiled against an older or newer library.
 *
 * Such a struct begins with its size, as the program was compiled.
 */
#ifndef FY_BASE_PRESET_H
#define FY_BASE_PRESET_H

#include <stddef.h>
#include <string.h>

/*
 * Fill the program's struct of size bytes from the library's defaults of init_size bytes.  Fields that only a newer
 * program has are set to zero; the library sees by the size that the struct is newer.
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
