/*
 * status.h - what there is to see of a member.
 */
#ifndef KV_STATUS_H
#define KV_STATUS_H

#include <stddef.h>

struct kv_node;
struct kv_options;
struct kv_store;

/* As JSON, and for Prometheus: in a block for free().  NULL: no memory. */
char *kv_status_json(struct kv_node *node, const struct kv_store *store, const struct kv_options *options,
                     size_t *ret_len);
char *kv_status_metrics(struct kv_node *node, const struct kv_store *store, size_t *ret_len);

/* "leader" and so on. */
const char *kv_status_role(struct kv_node *node);

#endif
