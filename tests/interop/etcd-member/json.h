/*
 * json.h - JSON as etcd writes it: its member ids are numbers of up to 2^64-1, which Jansson's integers do not hold.
 */
#ifndef ETCD_MEMBER_JSON_H
#define ETCD_MEMBER_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Read a document in which every number has become the text of its digits.  NULL: it is none. */
json_t *json_read(const void *text, size_t len);

/* The number in a text, decimal or hexadecimal.  False: there is none, or it is not one. */
bool json_number(const json_t *value, int base, uint64_t *ret_number);

char **json_texts(const json_t *array); /* the texts in it, as a list of texts.h */

void json_write_text(FILE *to, const char *text); /* quoted */
void json_write_texts(FILE *to, char *const *texts);

#endif
