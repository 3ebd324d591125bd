/*
 * headers - ids and versions as text, and the rules by which members accept each other.
 *
 * The input comes from the network: each parser accepts exactly its grammar and rejects everything else.
 */
#include "wire/headers.h"

#include <string.h>

struct fy_id_text fy_id_format(uint64_t id)
{
    struct fy_id_text ret;
    char digits[FY_ID_TEXT_SIZE];
    size_t n = 0;

    do {
        digits[n++] = "0123456789abcdef"[id & 0xf];
        id >>= 4;
    } while (id != 0);
    for (size_t i = 0; i < n; i++)
        ret.text[i] = digits[n - 1 - i];
    ret.text[n] = '\0';
    return ret;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int fy_id_parse(const char *text, uint64_t *ret_id)
{
    uint64_t id = 0;

    if (*text == '\0')
        return FERRY_ERR_MALFORMED;
    for (; *text != '\0'; text++) {
        int value = hex_value(*text);

        if (value < 0 || id >> 60 != 0)
            return FERRY_ERR_MALFORMED;
        id = id << 4 | (uint64_t)value;
    }
    *ret_id = id;
    return FERRY_OK;
}

/* ---- Versions ---- */

static const char *parse_number(const char *at, uint32_t *ret_number)
{
    uint64_t number = 0;
    const char *first = at;

    for (; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
        if (number > UINT32_MAX)
            return NULL;
    }
    *ret_number = (uint32_t)number;
    return at == first ? NULL : at;
}

static bool is_identifier_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '~';
}

/* Skip dot-separated identifiers, possibly none.  NULL: one of several is empty. */
static const char *skip_identifiers(const char *at)
{
    const char *first = at;

    for (;;) {
        const char *start = at;

        while (is_identifier_char(*at))
            at++;
        if (at == start)
            return start == first && *at != '.' ? at : NULL;
        if (*at != '.')
            return at;
        at++;
    }
}

int fy_version_parse(const char *text, struct fy_version *ret_version)
{
    struct fy_version version;
    uint32_t *parts[] = {&version.major, &version.minor, &version.patch};
    const char *at = text;

    for (size_t i = 0; i < 3; i++) {
        if (i > 0 && *at++ != '.')
            return FERRY_ERR_VERSION_TEXT;
        at = parse_number(at, parts[i]);
        if (!at)
            return FERRY_ERR_VERSION_TEXT;
    }
    if (*at == '-')
        at = skip_identifiers(at + 1);
    if (at && *at == '+')
        at = skip_identifiers(at + 1);
    if (!at || *at != '\0')
        return FERRY_ERR_VERSION_TEXT;
    *ret_version = version;
    return FERRY_OK;
}

int fy_version_parse_header(const char *value, struct fy_version *ret_version)
{
    return fy_version_parse(value ? value : "2.0.0", ret_version);
}

int fy_version_compare(struct fy_version a, struct fy_version b)
{
    if (a.major != b.major)
        return a.major < b.major ? -1 : 1;
    if (a.minor != b.minor)
        return a.minor < b.minor ? -1 : 1;
    return 0;
}

int fy_version_check(struct fy_version local, struct fy_version local_min, struct fy_version remote,
                     struct fy_version remote_min)
{
    if (fy_version_compare(remote, local_min) < 0 || fy_version_compare(remote_min, local) > 0)
        return FERRY_ERR_INCOMPATIBLE_VERSION;
    return FERRY_OK;
}

bool fy_version_supports_stream(struct fy_version local, struct fy_version remote)
{
    const struct fy_version first_with_streams = {2, 1, 0};

    return fy_version_compare(remote, local) >= 0 || fy_version_compare(remote, first_with_streams) >= 0;
}

/* ---- Streams ---- */

static const struct {
    const char *element;
    const char *name;
} streams[FERRY_N_STREAMS] = {
    [FERRY_STREAM_MSGAPP] = {"msgapp", "stream MsgApp v2"},
    [FERRY_STREAM_MESSAGE] = {"message", "stream Message"},
};

const char *fy_stream_path_element(enum ferry_stream stream)
{
    return streams[stream].element;
}

const char *fy_stream_name(enum ferry_stream stream)
{
    return streams[stream].name;
}

int fy_stream_path_parse(const char *path, enum ferry_stream *ret_stream, uint64_t *ret_id)
{
    static const char prefix[] = FY_PATH_STREAM "/";
    const char *element = path + sizeof(prefix) - 1;
    const char *slash;

    if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
        return FERRY_ERR_NOT_FOUND;
    slash = strchr(element, '/');
    if (!slash || strchr(slash + 1, '/'))
        return FERRY_ERR_NOT_FOUND;
    for (int i = 0; i < FERRY_N_STREAMS; i++) {
        size_t len = strlen(streams[i].element);

        if ((size_t)(slash - element) == len && memcmp(element, streams[i].element, len) == 0) {
            int err = fy_id_parse(slash + 1, ret_id);

            if (err == FERRY_OK)
                *ret_stream = (enum ferry_stream)i;
            return err;
        }
    }
    return FERRY_ERR_NOT_FOUND;
}
