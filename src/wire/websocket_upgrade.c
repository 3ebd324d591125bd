/*
 * websocket_upgrade - the key, what answers it, and the rules for both heads.
 *
 * The digest is no protection: it shows that the other side speaks WebSocket and did not store an older answer.
 */
#include "wire/websocket_upgrade.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ferry/ferry.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define SHA1_SIZE 20
#define BLANKS " \t"

/* ---- The headers ---- */

/* Does a list of tokens, separated by commas, have this one?  In any case. */
static bool has_token(const char *list, const char *token)
{
    const size_t token_len = strlen(token);

    while (*list) {
        size_t len, item_len;

        list += strspn(list, BLANKS ",");
        len = item_len = strcspn(list, ",");
        while (item_len > 0 && strchr(BLANKS, list[item_len - 1]))
            item_len--;
        if (item_len == token_len && strncasecmp(list, token, item_len) == 0)
            return true;
        list += len;
    }
    return false;
}

/* value without blanks around it, in text of size bytes; "" if it has any other length than size - 1. */
static void copy_exactly(char *text, size_t size, const char *value)
{
    size_t len;

    value += strspn(value, BLANKS);
    len = strlen(value);
    while (len > 0 && strchr(BLANKS, value[len - 1]))
        len--;
    text[0] = '\0';
    if (len == size - 1) {
        memcpy(text, value, len);
        text[len] = '\0';
    }
}

/* Base64 of 16 bytes: 22 characters, of which the last has four bits that are zero, and "==". */
static bool is_key(const char *text)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    return strlen(text) == FY_WS_KEY_SIZE - 1 && strspn(text, alphabet) == 22 && strchr("AQgw", text[21]) &&
           strcmp(text + 22, "==") == 0;
}

void fy_ws_upgrade_add(struct fy_ws_upgrade *upgrade, const char *name, const char *value)
{
    if (strcasecmp(name, "Upgrade") == 0) {
        upgrade->has_upgrade |= has_token(value, "websocket");
    } else if (strcasecmp(name, "Connection") == 0) {
        upgrade->has_connection |= has_token(value, "upgrade");
    } else if (strcasecmp(name, "Sec-WebSocket-Version") == 0) {
        upgrade->has_version = true;
        upgrade->is_version_13 |= has_token(value, "13");
    } else if (strcasecmp(name, "Sec-WebSocket-Key") == 0) {
        upgrade->n_keys++;
        copy_exactly(upgrade->key, sizeof(upgrade->key), value);
        if (!is_key(upgrade->key))
            upgrade->key[0] = '\0';
    } else if (strcasecmp(name, "Sec-WebSocket-Accept") == 0) {
        upgrade->n_accepts++;
        copy_exactly(upgrade->accept, sizeof(upgrade->accept), value);
    } else if (strcasecmp(name, "Sec-WebSocket-Extensions") == 0 || strcasecmp(name, "Sec-WebSocket-Protocol") == 0) {
        upgrade->has_offer = true;
    }
}

/* ---- The verdicts ---- */

void fy_ws_key_make(const uint8_t nonce[FY_WS_NONCE_SIZE], char ret_key[FY_WS_KEY_SIZE])
{
    EVP_EncodeBlock((unsigned char *)ret_key, nonce, FY_WS_NONCE_SIZE);
}

int fy_ws_accept_make(const char *key, char ret_accept[FY_WS_ACCEPT_SIZE])
{
    uint8_t digest[SHA1_SIZE];
    char text[FY_WS_KEY_SIZE - 1 + sizeof(GUID)];
    int len = snprintf(text, sizeof(text), "%s%s", key, GUID);

    if (len != sizeof(text) - 1)
        return FERRY_ERR_INVALID;
    if (EVP_Digest(text, (size_t)len, digest, NULL, EVP_sha1(), NULL) != 1)
        return FERRY_ERR_NOMEM;
    EVP_EncodeBlock((unsigned char *)ret_accept, digest, SHA1_SIZE);
    return FERRY_OK;
}

int fy_ws_upgrade_judge_request(const struct fy_ws_upgrade *upgrade)
{
    if (!upgrade->has_upgrade || !upgrade->has_connection)
        return 400;
    if (!upgrade->is_version_13)
        return upgrade->has_version ? 426 : 400;
    return upgrade->n_keys == 1 && upgrade->key[0] ? 101 : 400;
}

int fy_ws_upgrade_judge_answer(const struct fy_ws_upgrade *upgrade, int status, const char *key)
{
    char accept[FY_WS_ACCEPT_SIZE];
    int err;

    if (status != 101)
        return FERRY_ERR_HTTP_STATUS;
    if (!upgrade->has_upgrade || !upgrade->has_connection || upgrade->has_offer || upgrade->n_accepts != 1)
        return FERRY_ERR_PROTOCOL;
    err = fy_ws_accept_make(key, accept);
    if (err != FERRY_OK)
        return err;
    return strcmp(accept, upgrade->accept) == 0 ? FERRY_OK : FERRY_ERR_PROTOCOL;
}

/* ---- The heads ---- */

size_t fy_ws_request_format(char *text, size_t cap, const char *path, const char *host, const char *key,
                            const char *headers)
{
    return (size_t)snprintf(text, cap,
                            "GET %s HTTP/1.1\r\n"
                            "Host: %s\r\n"
                            "Upgrade: websocket\r\n"
                            "Connection: Upgrade\r\n"
                            "Sec-WebSocket-Version: 13\r\n"
                            "Sec-WebSocket-Key: %s\r\n"
                            "%s\r\n",
                            path, host, key, headers);
}

size_t fy_ws_answer_format(char *text, size_t cap, const char *accept)
{
    return (size_t)snprintf(text, cap,
                            "HTTP/1.1 101 Switching Protocols\r\n"
                            "Upgrade: websocket\r\n"
                            "Connection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: %s\r\n\r\n",
                            accept);
}
