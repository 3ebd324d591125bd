/*
 * grid_names.h - what both ends of a grid compute from names: who dials whom, and the keys of subroutes.
 */
#ifndef FY_WIRE_GRID_NAMES_H
#define FY_WIRE_GRID_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Does the host called local dial the one called remote?  For two different names exactly one of the two is told so.
 * Names are URLs without a path and are compared byte by byte.
 */
bool fy_grid_dials(const char *local, const char *remote);

/*
 * The 32 bytes that stand for a handler under a subroute.  Nested subroutes are one text, joined by '/'.
 * FERRY_OK; FERRY_ERR_NOMEM when OpenSSL has no memory for a digest.
 */
int fy_grid_subroute_key(const char *subroute, uint8_t handler, uint8_t ret_key[32]);

#endif
