/*
 * config.h - check and copy a ferry_config.
 */
#ifndef FY_TRANSPORT_CONFIG_H
#define FY_TRANSPORT_CONFIG_H

#include "ferry/ferry.h"

struct ferry_transport;

/*
 * Fill t's constant part from cfg.  What is wrong is logged to cfg's log.
 * FERRY_OK; FERRY_ERR_INVALID, _URL, _VERSION_TEXT, _TLS_CONFIG or _NOMEM: then fy_config_release undoes what was done.
 */
int fy_config_apply(const struct ferry_config *cfg, struct ferry_transport *t);
void fy_config_release(struct ferry_transport *t);

/* Join URLs with commas, for X-PeerURLs.  NULL: out of memory; else for free(). */
char *fy_config_join_urls(char *const *urls);

#endif
