/*
 * bench_tls.h - temporary certificates for a measurement over TLS.
 */
#ifndef TOOLS_BENCH_TLS_H
#define TOOLS_BENCH_TLS_H

#include "ferry/tls.h"

struct bench_tls {
    struct ferry_tls_config config; /* for both members; its files are in directory */
    char directory[64];
    char cert_file[96];
    char key_file[96];
};

/* 0, or -1 after printing the error on standard error; then nothing has to be removed. */
int bench_tls_make(struct bench_tls *tls);
void bench_tls_remove(struct bench_tls *tls);

#endif
