/* words.h - errors of libraft's in words. */
#ifndef KV_WORDS_H
#define KV_WORDS_H

/* libraft's own, and ours where it says "unknown error" of a number that it has. */
const char *kv_words_for(int status);

#endif
