/*
 * number.h - decimal numbers on a command line.
 */
#ifndef TOOLS_NUMBER_H
#define TOOLS_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Parse digits only, from min to max: no sign, no space.  If false, *ret_number is unchanged. */
bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number);

#endif
