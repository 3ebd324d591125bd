/*
 * websocket_upgrade.h - the HTTP heads by which a connection becomes one of WebSocket frames (RFC 6455, section 4).
 *
 * Whoever reads a head adds its headers one by one, in any order, and asks for the verdict.  Nothing is allocated.
 * Extensions and subprotocols are never asked for; an offer of them is passed over, an answer that names one is
 * refused.
 */
#ifndef FY_WIRE_WEBSOCKET_UPGRADE_H
#define FY_WIRE_WEBSOCKET_UPGRADE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FY_WS_NONCE_SIZE 16
#define FY_WS_KEY_SIZE 25    /* 24 characters and a NUL */
#define FY_WS_ACCEPT_SIZE 29 /* 28 characters and a NUL */

/* What the headers have said so far.  Zeroed: nothing. */
struct fy_ws_upgrade {
    bool has_upgrade;    /* Upgrade names websocket */
    bool has_connection; /* Connection names upgrade, maybe among others */
    bool has_version;
    bool is_version_13;
    bool has_offer; /* an extension or a subprotocol */
    unsigned n_keys;
    char key[FY_WS_KEY_SIZE]; /* Sec-WebSocket-Key; "" for one that is malformed */
    unsigned n_accepts;
    char accept[FY_WS_ACCEPT_SIZE]; /* Sec-WebSocket-Accept; "" for one that is malformed */
};

/* Add a header of a request or of an answer.  Its name in any case; blanks around the value do not count. */
void fy_ws_upgrade_add(struct fy_ws_upgrade *upgrade, const char *name, const char *value);

/* The key of a request, of bytes that nobody can foresee. */
void fy_ws_key_make(const uint8_t nonce[FY_WS_NONCE_SIZE], char ret_key[FY_WS_KEY_SIZE]);

/* What answers a key.  FERRY_OK; FERRY_ERR_INVALID for a key of another length; FERRY_ERR_NOMEM (of the digest). */
int fy_ws_accept_make(const char *key, char ret_accept[FY_WS_ACCEPT_SIZE]);

/* The status to answer a GET with these headers by: 101, 400, or 426 (then with "Sec-WebSocket-Version: 13"). */
int fy_ws_upgrade_judge_request(const struct fy_ws_upgrade *upgrade);

/*
 * Is an answer with this status and these headers the one to a request with key?  FERRY_OK; FERRY_ERR_HTTP_STATUS
 * for a status other than 101; FERRY_ERR_PROTOCOL for a 101 that does not keep to the rules; errors of
 * fy_ws_accept_make.
 */
int fy_ws_upgrade_judge_answer(const struct fy_ws_upgrade *upgrade, int status, const char *key);

/*
 * Write the head of a request into text, of cap bytes.  headers: more lines, each with its CRLF, lent; "" for none.
 * Returns its length without the NUL, which may be cap or more: then the text is cut short and must not be used.
 */
size_t fy_ws_request_format(char *text, size_t cap, const char *path, const char *host, const char *key,
                            const char *headers);

/* The same for the answer, which is always the 101 of accept. */
size_t fy_ws_answer_format(char *text, size_t cap, const char *accept);

#endif
