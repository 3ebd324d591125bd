/*
 * texts.h - a list of texts, ended by NULL, as Ferry takes URLs.  NULL stands for an empty one.
 */
#ifndef ETCD_MEMBER_TEXTS_H
#define ETCD_MEMBER_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

void texts_free(char **texts);
char **texts_add(char **texts, const char *text); /* returns the list, which may have moved */
char **texts_copy(char *const *texts);
char **texts_split(const char *text, char between); /* "a,b" */
bool texts_equal(char *const *a, char *const *b);
bool texts_have(char *const *texts, const char *text);
size_t texts_count(char *const *texts);

#endif
