/*
 * number.h - decimal numbers on a command line.
 */
#ifndef TOOLS_NUMBER_H
#define TOOLS_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Digits alone, from min to max: no sign, no blank.  False leaves *ret_number as it was. */
bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number);

#endif
