/*
 * store.h - the replicated state: keys and values, and what is known of members.
 *
 * It changes by commands alone, in the order of the log, so that all members have the same.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/libraft/raft_compat.h"
#include "kv/command.h"

struct kv_store;

struct kv_store *kv_store_new(void); /* NULL: no memory */
void kv_store_free(struct kv_store *store);

/* 0, RAFT_MALFORMED or RAFT_NOMEM, with which nothing has changed.  *ret_existed: a PUT or DELETE found the key. */
int kv_store_apply(struct kv_store *store, const struct raft_buffer *command, bool *ret_existed);

/* A key's value, lent until the next change; NULL: it is not there. */
const void *kv_store_get(const struct kv_store *store, const void *key, size_t key_len, size_t *ret_len);
size_t kv_store_n_keys(const struct kv_store *store);

const char *kv_store_client_url(const struct kv_store *store, uint64_t id); /* NULL: unknown */
bool kv_store_is_removed(const struct kv_store *store, uint64_t id);

/* The whole of it in one block of raft_malloc's.  0 or RAFT_NOMEM. */
int kv_store_save(const struct kv_store *store, struct raft_buffer *ret_buf);

/* Could kv_store_load load this, given memory?  Allocates nothing. */
bool kv_store_is_saved(const void *data, size_t len);

/* Become what was saved.  0; RAFT_MALFORMED or RAFT_NOMEM, with which nothing has changed. */
int kv_store_load(struct kv_store *store, const struct raft_buffer *buf);

#endif
