/*
 * demo_member.h - one member of the demo, in a process of its own.
 *
 * It says "listen URL" and then, ten times a second, "link NUMBERS" for each peer (see demo_link.h) on standard output,
 * and obeys the lines on standard input: "peer ID URL" (meet a member, or learn its new URL), "quiet" (send nothing of
 * one's own accord any more) and "stop", for which the end of the input will also do.
 */
#ifndef TOOLS_DEMO_MEMBER_H
#define TOOLS_DEMO_MEMBER_H

#include <stdint.h>

#define DEMO_N_MEMBERS 3 /* their ids are 1 to 3 */

/*
 * listen_url is where to listen if that is possible, else any port will do.  term grows with each life of the member.
 * Returns the exit status.
 */
int demo_member_main(uint64_t id, uint64_t term, const char *listen_url);

#endif
