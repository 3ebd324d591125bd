/*
 * probe_answer - bounded parsing of the JSON and the RFC 3339 time in a probe's answer.
 *
 * The parser makes one pass over the bytes, nests no deeper than MAX_DEPTH, and allocates nothing.  A key or time
 * written with escapes counts as an unknown key or a malformed time: no member that answers probes writes them so.
 */
#include "wire/probe_answer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ferry/ferry.h"

#define MAX_DEPTH 16
#define NS_PER_S INT64_C(1000000000)

/* ---- JSON ---------------------------------------------------------------------------------------------------------
 */

struct cursor {
    const char *at;
    const char *end;
};

/* The raw contents of a string, escapes included. */
struct quoted {
    const char *text;
    size_t len;
};

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

/* Consume the next character after blanks, if it is this one. */
static bool take(struct cursor *c, char wanted)
{
    skip_blanks(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t len = strlen(word);

    skip_blanks(c);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
        return false;
    c->at += len;
    return true;
}

static bool take_string(struct cursor *c, struct quoted *ret_string)
{
    if (!take(c, '"'))
        return false;
    ret_string->text = c->at;
    for (; c->at < c->end && *c->at != '"'; c->at++) {
        if ((unsigned char)*c->at < ' ')
            return false;
        if (*c->at == '\\' && ++c->at == c->end)
            return false;
    }
    ret_string->len = (size_t)(c->at - ret_string->text);
    return take(c, '"');
}

static bool take_number(struct cursor *c)
{
    const char *first;

    skip_blanks(c);
    first = c->at;
    while (c->at < c->end && ((*c->at >= '0' && *c->at <= '9') || (*c->at != '\0' && strchr("+-.eE", *c->at))))
        c->at++;
    return c->at > first;
}

static bool take_value(struct cursor *c, unsigned depth);

/* Skip the rest of an array or object after its opening bracket. */
static bool take_members(struct cursor *c, char closing, unsigned depth)
{
    struct quoted key;

    if (take(c, closing))
        return true;
    do {
        if (closing == '}' && (!take_string(c, &key) || !take(c, ':')))
            return false;
        if (!take_value(c, depth))
            return false;
    } while (take(c, ','));
    return take(c, closing);
}

/* Skip any value. */
static bool take_value(struct cursor *c, unsigned depth)
{
    struct quoted string;

    skip_blanks(c);
    if (c->at == c->end || depth == MAX_DEPTH)
        return false;
    switch (*c->at) {
    case '{':
        c->at++;
        return take_members(c, '}', depth + 1);
    case '[':
        c->at++;
        return take_members(c, ']', depth + 1);
    case '"':
        return take_string(c, &string);
    case 't':
        return take_word(c, "true");
    case 'f':
        return take_word(c, "false");
    case 'n':
        return take_word(c, "null");
    default:
        return take_number(c);
    }
}

/* ---- RFC 3339 -----------------------------------------------------------------------------------------------------
 */

/* Exactly n digits that are a number from low to high; otherwise -1. */
static int take_digits(struct cursor *c, int n, int low, int high)
{
    int value = 0;

    for (int i = 0; i < n; i++, c->at++) {
        if (c->at == c->end || *c->at < '0' || *c->at > '9')
            return -1;
        value = value * 10 + (*c->at - '0');
    }
    return value >= low && value <= high ? value : -1;
}

static bool take_char(struct cursor *c, const char *either)
{
    if (c->at == c->end || *c->at == '\0' || !strchr(either, *c->at))
        return false;
    c->at++;
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

/* Days from 1970-01-01 to a day of the Gregorian calendar.  Counting years from March puts the leap day at the end. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t march_year = month > 2 ? year : year - 1;
    int64_t march_month = month > 2 ? month - 3 : month + 9;

    return march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400 + (153 * march_month + 2) / 5 + day -
           1 - 719468;
}

/* Digits of a second's fraction after the ninth are dropped. */
static bool take_fraction(struct cursor *c, int64_t *ret_ns)
{
    int64_t unit = NS_PER_S / 10;
    const char *first = c->at;

    *ret_ns = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, unit /= 10)
        *ret_ns += unit * (*c->at - '0');
    return c->at > first;
}

/* "Z" or "+01:30": the offset of local time. */
static bool take_zone(struct cursor *c, int64_t *ret_s)
{
    int sign, hours, minutes;

    *ret_s = 0;
    if (take_char(c, "Zz"))
        return true;
    sign = c->at < c->end && *c->at == '-' ? -1 : 1;
    if (!take_char(c, "+-"))
        return false;
    hours = take_digits(c, 2, 0, 24);
    if (hours < 0 || !take_char(c, ":"))
        return false;
    minutes = take_digits(c, 2, 0, 60);
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return minutes >= 0;
}

static bool parse_time(struct quoted text, int64_t *ret_ns)
{
    struct cursor c = {text.text, text.text + text.len};
    int year, month, day, hour, minute, second;
    int64_t ns = 0, zone_s, s;

    year = take_digits(&c, 4, 1678, 2261); /* whole years that int64_t nanoseconds can hold */
    if (year < 0 || !take_char(&c, "-"))
        return false;
    month = take_digits(&c, 2, 1, 12);
    if (month < 0 || !take_char(&c, "-"))
        return false;
    day = take_digits(&c, 2, 1, days_of_month(year, month));
    if (day < 0 || !take_char(&c, "Tt"))
        return false;
    hour = take_digits(&c, 2, 0, 23);
    if (hour < 0 || !take_char(&c, ":"))
        return false;
    minute = take_digits(&c, 2, 0, 59);
    if (minute < 0 || !take_char(&c, ":"))
        return false;
    second = take_digits(&c, 2, 0, 59);
    if (second < 0 || (take_char(&c, ".") && !take_fraction(&c, &ns)))
        return false;
    if (!take_zone(&c, &zone_s) || c.at != c.end)
        return false;
    s = days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone_s;
    *ret_ns = s * NS_PER_S + ns;
    return true;
}

/* ---- The answer ---------------------------------------------------------------------------------------------------
 */

static bool is_key(struct quoted key, const char *lower)
{
    if (key.len != strlen(lower))
        return false;
    for (size_t i = 0; i < key.len; i++)
        if ((key.text[i] >= 'A' && key.text[i] <= 'Z' ? key.text[i] - 'A' + 'a' : key.text[i]) != lower[i])
            return false;
    return true;
}

static bool take_ok(struct cursor *c, bool *ok)
{
    if (take_word(c, "true")) {
        *ok = true;
        return true;
    }
    if (take_word(c, "false")) {
        *ok = false;
        return true;
    }
    return take_word(c, "null"); /* leaves it unchanged */
}

static bool take_now(struct cursor *c, struct fy_probe_answer *answer)
{
    struct quoted text;

    if (take_word(c, "null"))
        return true;
    if (!take_string(c, &text) || !parse_time(text, &answer->now_ns))
        return false;
    answer->has_now = true;
    return true;
}

static bool take_answer(struct cursor *c, struct fy_probe_answer *answer)
{
    struct quoted key;
    bool is_good;

    if (!take(c, '{'))
        return false;
    if (take(c, '}'))
        return true;
    do {
        if (!take_string(c, &key) || !take(c, ':'))
            return false;
        if (is_key(key, "ok"))
            is_good = take_ok(c, &answer->ok);
        else if (is_key(key, "now"))
            is_good = take_now(c, answer);
        else
            is_good = take_value(c, 1);
        if (!is_good)
            return false;
    } while (take(c, ','));
    return take(c, '}');
}

int fy_probe_answer_parse(const char *text, size_t len, struct fy_probe_answer *ret_answer)
{
    struct cursor c = {text, text + len};
    struct fy_probe_answer answer = {.ok = false};

    if (!take_answer(&c, &answer))
        return FERRY_ERR_MALFORMED;
    *ret_answer = answer;
    return FERRY_OK;
}

size_t fy_probe_answer_format(uint64_t unix_ns, char text[FY_PROBE_ANSWER_SIZE])
{
    time_t seconds = (time_t)(unix_ns / NS_PER_S);
    struct tm utc;
    char date[24];

    (void)gmtime_r(&seconds, &utc); /* fails only after the year 2^31 */
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
    return (size_t)snprintf(text, FY_PROBE_ANSWER_SIZE, "{\"OK\":true,\"Now\":\"%s.%09uZ\"}\n", date,
                            (unsigned)(unix_ns % NS_PER_S));
}
