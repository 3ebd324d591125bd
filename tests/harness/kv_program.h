/*
 * kv_program.h - the ferry-kv that tests run as processes.
 */
#ifndef HARNESS_KV_PROGRAM_H
#define HARNESS_KV_PROGRAM_H

/*
 * The path of the build's ferry-kv, in a static buffer.  From now on programs that are started see the suppressions of
 * tests/integration/tsan.supp: they are programs of their own, which see none of the rig's.
 */
const char *kv_program(void);

#endif
