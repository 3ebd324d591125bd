/*
 * client_api.h - what clients may ask for, and how they are answered.
 */
#ifndef KV_CLIENT_API_H
#define KV_CLIENT_API_H

#include <stdbool.h>

struct kv_http_request;
struct kv_node;
struct kv_options;
struct kv_store;

struct kv_client_api {
    struct kv_node *node;
    struct kv_store *store;
    const struct kv_options *options;
    bool is_stopping; /* the core may be gone */
};

/* A kv_http_fn; ctx is the struct kv_client_api. */
void kv_client_api_serve(void *ctx, struct kv_http_request *req);

#endif
