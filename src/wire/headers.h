/*
 * headers.h - how members identify themselves: header names, ids as text, versions and compatibility rules.  The rules
 * are those of etcd's rafthttp, 3.4 to 3.7.
 */
#ifndef FY_WIRE_HEADERS_H
#define FY_WIRE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry/ferry.h"

#define FY_HEADER_SERVER_FROM "X-Server-From"
#define FY_HEADER_SERVER_VERSION "X-Server-Version"
#define FY_HEADER_MIN_CLUSTER_VERSION "X-Min-Cluster-Version"
#define FY_HEADER_CLUSTER_ID "X-Etcd-Cluster-ID"
#define FY_HEADER_PEER_URLS "X-PeerURLs"
#define FY_HEADER_RAFT_TO "X-Raft-To"

#define FY_PATH_RAFT "/raft"
#define FY_PATH_STREAM "/raft/stream"
#define FY_PATH_SNAPSHOT "/raft/snapshot"
#define FY_PATH_PROBING "/raft/probing"

/* Bodies of 412 answers. etcd compares them after removing one newline. */
#define FY_TEXT_INCOMPATIBLE_VERSION "incompatible version"
#define FY_TEXT_CLUSTER_ID_MISMATCH "cluster ID mismatch"
#define FY_TEXT_TO_MISMATCH "to field mismatch"

/* ---- Ids: 64 bits in lower-case hex without padding ---- */

#define FY_ID_TEXT_SIZE 17

struct fy_id_text {
    char text[FY_ID_TEXT_SIZE];
};

struct fy_id_text fy_id_format(uint64_t id);

/* Hex digits of either case, leading zeros allowed; no prefix, sign or space.  FERRY_OK or FERRY_ERR_MALFORMED. */
int fy_id_parse(const char *text, uint64_t *ret_id);

/* ---- Versions ---- */

struct fy_version {
    uint32_t major;
    uint32_t minor;
    uint32_t patch;
};

/*
 * Three dotted numbers, optionally followed by -PRE and +META, which are checked and ignored.  FERRY_OK or
 * FERRY_ERR_VERSION_TEXT.
 */
int fy_version_parse(const char *text, struct fy_version *ret_version);

/* Parse a header's value; an absent header (NULL) means 2.0.0. */
int fy_version_parse_header(const char *value, struct fy_version *ret_version);

/* Compare major and minor only: negative, 0 or positive. */
int fy_version_compare(struct fy_version a, struct fy_version b);

/*
 * The server's rule: the remote version must not be older than our minimum, and its minimum not newer than our version.
 * FERRY_OK or FERRY_ERR_INCOMPATIBLE_VERSION.
 */
int fy_version_check(struct fy_version local, struct fy_version local_min, struct fy_version remote,
                     struct fy_version remote_min);

/*
 * The dialler's rule: may a stream be read from a server of version remote?  Equal or newer: always.  Older: only
 * releases that serve it, which is 2.1 and later; so not 2.0, which an absent header means.
 */
bool fy_version_supports_stream(struct fy_version local, struct fy_version remote);

/* ---- Streams ---- */

/* The name of a stream in its path: "msgapp" or "message". */
const char *fy_stream_path_element(enum ferry_stream stream);

/* etcd's name for the stream in logs: "stream MsgApp v2" or "stream Message". */
const char *fy_stream_name(enum ferry_stream stream);

/*
 * Split "/raft/stream/msgapp/ID" into its parts.  FERRY_OK; FERRY_ERR_NOT_FOUND: unknown stream (etcd: 404 "invalid
 * path"); FERRY_ERR_MALFORMED: invalid id (404 "invalid from").
 */
int fy_stream_path_parse(const char *path, enum ferry_stream *ret_stream, uint64_t *ret_id);

#endif
