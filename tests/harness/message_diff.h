/*
 * message_diff.h - are two messages the same, field by field?
 */
#ifndef HARNESS_MESSAGE_DIFF_H
#define HARNESS_MESSAGE_DIFF_H

#include "ferry/ferry.h"

/* The name of the first field that differs, a constant; NULL when all are the same.  Absent is not empty. */
const char *message_diff(const struct ferry_message *a, const struct ferry_message *b);

#endif
