/*
 * say.h - the member's log: lines on standard error, each whole and with the time.  Threads: any.
 */
#ifndef ETCD_MEMBER_SAY_H
#define ETCD_MEMBER_SAY_H

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2))); /* say, and end with status 1 */

#endif
