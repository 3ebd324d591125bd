/*
 * The Context of libraft's messages: encoded and decoded; any other input is rejected.
 */
#include "adapters/libraft/raft_context.h"

#include <stdlib.h>
#include <string.h>

#include "harness/heap.h"
#include "harness/raft_heap.h"
#include "harness/rig.h"

static const struct fy_raft_context plain = {.is_disrupting = true, .sender = "http://10.0.0.1:2380"};

static void setup(void)
{
    heap_setup();
    raft_heap_setup();
}

static void teardown(void)
{
    raft_heap_teardown();
    heap_teardown();
}

static void fill_conf(struct raft_configuration *conf)
{
    raft_configuration_init(conf);
    ck_assert_int_eq(raft_configuration_add(conf, 1, "http://10.0.0.1:2380", RAFT_VOTER), 0);
    ck_assert_int_eq(raft_configuration_add(conf, UINT64_MAX, "http://10.0.0.2:2380", RAFT_STANDBY), 0);
    ck_assert_int_eq(raft_configuration_add(conf, 7, "x", RAFT_SPARE), 0);
}

static void assert_same_conf(const struct raft_configuration *a, const struct raft_configuration *b)
{
    ck_assert_uint_eq(a->n, b->n);
    for (unsigned i = 0; i < a->n; i++) {
        ck_assert_uint_eq(a->servers[i].id, b->servers[i].id);
        ck_assert_int_eq(a->servers[i].role, b->servers[i].role);
        ck_assert_str_eq(a->servers[i].address, b->servers[i].address);
    }
}

static void write_conf(uint8_t **ret_data, size_t *ret_len)
{
    struct raft_configuration conf;

    fill_conf(&conf);
    ck_assert_int_eq(fy_raft_context_write_conf(&plain, &conf, 99, ret_data, ret_len), FERRY_OK);
    raft_configuration_close(&conf);
}

START_TEST(a_context_is_written_as_the_header_says)
{
    static const uint8_t expected[] = {1, 1, 3, 'a', ':', '1'};
    const struct fy_raft_context context = {.is_disrupting = true, .sender = "a:1"};
    uint8_t buf[FY_RAFT_CONTEXT_SMALL];

    ck_assert_uint_eq(fy_raft_context_write(&context, buf), sizeof(expected));
    ck_assert_mem_eq(buf, expected, sizeof(expected));
}
END_TEST

START_TEST(a_report_is_written_as_the_header_says)
{
    static const uint8_t expected[] = {1, 4, 1, 'x', 0, 1, 0xff, 0xfe};
    const struct fy_raft_context context = {
        .has_report = true, .report = {.features = 1, .capacity = 0xfffe}, .sender = "x"};
    uint8_t buf[FY_RAFT_CONTEXT_SMALL];

    ck_assert_uint_eq(fy_raft_context_write(&context, buf), sizeof(expected));
    ck_assert_mem_eq(buf, expected, sizeof(expected));
}
END_TEST

START_TEST(a_configuration_is_written_as_the_header_says)
{
    static const uint8_t expected[] = {1, 2, 0,                      /* head */
                                       0, 0, 0, 0, 0, 0, 1, 2, 0, 1, /* index, number */
                                       0, 0, 0, 0, 0, 0, 0, 5, 2, 1, 'b'};
    const struct fy_raft_context context = {.is_pre_vote_unknown = true, .sender = ""};
    struct raft_configuration conf;
    uint8_t *data;
    size_t len;

    raft_configuration_init(&conf);
    ck_assert_int_eq(raft_configuration_add(&conf, 5, "b", RAFT_SPARE), 0);
    ck_assert_int_eq(fy_raft_context_write_conf(&context, &conf, 0x102, &data, &len), FERRY_OK);
    ck_assert_uint_eq(len, sizeof(expected));
    ck_assert_mem_eq(data, expected, len);
    free(data);
    raft_configuration_close(&conf);
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    struct fy_raft_context seen;
    uint8_t buf[FY_RAFT_CONTEXT_SMALL];

    for (int i = 0; i < 16; i++) {
        struct fy_raft_context context = {
            .is_disrupting = i & 1, .is_pre_vote_unknown = i & 2, .has_report = i & 8, .sender = ""};

        if (context.has_report)
            context.report = (struct fy_raft_report){.features = 0x102, .capacity = 0x304};

        if (i & 4)
            memset(context.sender, 'x', FERRY_LIBRAFT_ADDRESS_MAX);
        ck_assert_int_eq(fy_raft_context_read(buf, fy_raft_context_write(&context, buf), &seen), FERRY_OK);
        ck_assert_int_eq(seen.is_disrupting, context.is_disrupting);
        ck_assert_int_eq(seen.is_pre_vote_unknown, context.is_pre_vote_unknown);
        ck_assert_int_eq(seen.has_report, context.has_report);
        ck_assert_uint_eq(seen.report.features, context.report.features);
        ck_assert_uint_eq(seen.report.capacity, context.report.capacity);
        ck_assert_str_eq(seen.sender, context.sender);
    }
}
END_TEST

START_TEST(an_absent_context_says_nothing)
{
    struct fy_raft_context seen = plain;

    ck_assert_int_eq(fy_raft_context_read(NULL, 0, &seen), FERRY_OK);
    ck_assert(!seen.is_disrupting && !seen.is_pre_vote_unknown);
    ck_assert_str_eq(seen.sender, "");
}
END_TEST

START_TEST(a_configuration_is_read_back_in_its_order)
{
    struct raft_configuration conf, seen_conf;
    struct fy_raft_context seen;
    raft_index index;
    uint8_t *data;
    size_t len;

    write_conf(&data, &len);
    ck_assert_int_eq(fy_raft_context_read_conf(data, len, &seen, &seen_conf, &index), FERRY_OK);
    ck_assert_uint_eq(index, 99);
    ck_assert_str_eq(seen.sender, plain.sender);
    fill_conf(&conf);
    assert_same_conf(&seen_conf, &conf);
    raft_configuration_close(&conf);
    raft_configuration_close(&seen_conf);
    free(data);
}
END_TEST

START_TEST(bytes_that_end_early_are_truncated)
{
    struct raft_configuration conf;
    struct fy_raft_context seen;
    raft_index index;
    uint8_t *data;
    size_t len;

    write_conf(&data, &len);
    for (size_t n = 0; n < len; n++) {
        uint8_t *part = malloc(n + 1); /* so that a sanitizer sees a read beyond the end */

        memcpy(part + 1, data, n);
        ck_assert_int_eq(fy_raft_context_read_conf(part + 1, n, &seen, &conf, &index), FERRY_ERR_TRUNCATED);
        if (n < 3 + strlen(plain.sender))
            ck_assert_int_eq(fy_raft_context_read(part + 1, n, &seen), FERRY_ERR_TRUNCATED);
        free(part);
    }
    free(data);
}
END_TEST

static int read_conf(const uint8_t *data, size_t len)
{
    struct raft_configuration conf;
    struct fy_raft_context seen;
    raft_index index;
    int err = fy_raft_context_read_conf(data, len, &seen, &conf, &index);

    if (err == FERRY_OK)
        raft_configuration_close(&conf);
    return err;
}

START_TEST(a_report_that_ends_early_is_truncated)
{
    static const uint8_t whole[] = {1, 4, 1, 'x', 0, 1, 0xff, 0xfe};
    struct fy_raft_context seen;

    for (size_t n = 1; n < sizeof(whole); n++)
        ck_assert_int_eq(fy_raft_context_read(whole, n, &seen), FERRY_ERR_TRUNCATED);
    ck_assert_int_eq(fy_raft_context_read(whole, sizeof(whole), &seen), FERRY_OK);
}
END_TEST

START_TEST(what_is_not_as_it_would_be_written_is_malformed)
{
    static const uint8_t bad[][32] = {
        /* length first */
        {3, 0, 0, 0},                /* version */
        {3, 2, 0, 0},                /* version */
        {3, 1, 8, 0},                /* flags */
        {8, 1, 4, 0, 0, 0, 0, 0, 0}, /* something follows the report */
        {3, 1, 0x80, 0},             /* flags */
        {4, 1, 0, 0, 0},             /* something follows */
        {4, 1, 0, 1, 0},             /* address */
        {4, 1, 0, 1, ' '},           /* address */
        {4, 1, 0, 1, 0x7f},          /* address */
        {6, 1, 0, 3, 'a', '\0', 'b'} /* address */
    };
    static const uint8_t bad_conf[][40] = {
        {24, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 'b'}, /* id 0 */
        {24, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 3, 1, 'b'}, /* role */
        {23, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0},      /* no address */
        {13, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 4, 1},                                    /* too many */
        {14, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0},                                 /* something follows */
        {35, 1, 0, 0, 0, 0, 0,   0, 0, 0, 0, 9, 0, 2, 0, 0, 0, 0,
         0,  0, 0, 5, 1, 1, 'b', 0, 0, 0, 0, 0, 0, 0, 5, 1, 1, 'c'}, /* an id twice */
        {35, 1, 0, 0, 0, 0, 0,   0, 0, 0, 0, 9, 0, 2, 0, 0, 0, 0,
         0,  0, 0, 5, 1, 1, 'b', 0, 0, 0, 0, 0, 0, 0, 6, 1, 1, 'b'}, /* an address twice */
    };
    struct fy_raft_context seen;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_int_eq(fy_raft_context_read(bad[i] + 1, bad[i][0], &seen), FERRY_ERR_MALFORMED);
    for (size_t i = 0; i < sizeof(bad_conf) / sizeof(*bad_conf); i++)
        ck_assert_int_eq(read_conf(bad_conf[i] + 1, bad_conf[i][0]), FERRY_ERR_MALFORMED);
}
END_TEST

static uint64_t chance(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Whatever is taken would be written as the very bytes that were read. */
static bool is_faithful(const uint8_t *data, size_t len)
{
    struct raft_configuration conf;
    struct fy_raft_context seen;
    raft_index index;
    uint8_t small[FY_RAFT_CONTEXT_SMALL];
    uint8_t *again;
    size_t again_len;
    bool is_taken = false;

    if (fy_raft_context_read(data, len, &seen) == FERRY_OK) {
        ck_assert_uint_eq(fy_raft_context_write(&seen, small), len);
        ck_assert_mem_eq(small, data, len);
        is_taken = true;
    }
    if (fy_raft_context_read_conf(data, len, &seen, &conf, &index) == FERRY_OK) {
        ck_assert_int_eq(fy_raft_context_write_conf(&seen, &conf, index, &again, &again_len), FERRY_OK);
        ck_assert_uint_eq(again_len, len);
        ck_assert_mem_eq(again, data, len);
        free(again);
        raft_configuration_close(&conf);
        is_taken = true;
    }
    return is_taken;
}

START_TEST(random_bytes_are_refused_or_read_faithfully)
{
    uint64_t state = 0x9e3779b97f4a7c15;
    unsigned n_taken = 0;
    uint8_t *valid;
    size_t valid_len;

    write_conf(&valid, &valid_len);
    for (int round = 0; round < 100000; round++) {
        size_t len = chance(&state) % (valid_len + 4);
        uint8_t *data = malloc(len + 1); /* one more, before it: the end of the block is the end of the bytes */

        for (size_t i = 0; i < len; i++)
            data[i + 1] = round % 2 || i >= valid_len ? (uint8_t)chance(&state) : valid[i];
        if (round % 2 == 0 && len > 0 && chance(&state) % 8)
            data[1 + chance(&state) % len] ^= (uint8_t)(1u << chance(&state) % 8);
        else if (round % 2 && len > 2) { /* get beyond the head now and then */
            data[1] = 1;
            data[2] &= 3;
            data[3] %= 8;
        }
        n_taken += is_faithful(data + 1, len);
        free(data);
    }
    ck_assert_uint_gt(n_taken, 100); /* some were, so that the above was looked at */
    free(valid);
}
END_TEST

START_TEST(a_configuration_that_has_no_form_is_refused)
{
    char too_long[FERRY_LIBRAFT_ADDRESS_MAX + 2];
    const char *const bad[] = {"", "a b", "a\n", too_long};
    struct raft_configuration conf;
    uint8_t *data;
    size_t len;

    memset(too_long, 'x', sizeof(too_long) - 1);
    too_long[sizeof(too_long) - 1] = '\0';
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        raft_configuration_init(&conf);
        ck_assert_int_eq(raft_configuration_add(&conf, 1, bad[i], RAFT_VOTER), 0);
        ck_assert_int_eq(fy_raft_context_write_conf(&plain, &conf, 1, &data, &len), FERRY_ERR_INVALID);
        raft_configuration_close(&conf);
    }
}
END_TEST

START_TEST(writing_survives_every_failed_allocation)
{
    int err = FERRY_ERR_NOMEM;
    struct raft_configuration conf;
    uint8_t *data;
    size_t len;

    fill_conf(&conf);
    for (long nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        heap_fail_at(nth);
        err = fy_raft_context_write_conf(&plain, &conf, 1, &data, &len);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    free(data);
    raft_configuration_close(&conf);
}
END_TEST

START_TEST(reading_survives_every_failed_allocation)
{
    int err = FERRY_ERR_NOMEM;
    uint8_t *data;
    size_t len;
    long nth;

    write_conf(&data, &len);
    for (nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        raft_heap_fail_at(nth);
        err = read_conf(data, len);
        raft_heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ck_assert_int_gt(nth, 3); /* a server at least one */
    free(data);
}
END_TEST

int main(void)
{
    return rig_main("raft_context", setup, teardown, a_context_is_written_as_the_header_says,
                    a_report_is_written_as_the_header_says, a_configuration_is_written_as_the_header_says,
                    what_is_written_is_read_back, an_absent_context_says_nothing,
                    a_configuration_is_read_back_in_its_order, bytes_that_end_early_are_truncated,
                    a_report_that_ends_early_is_truncated, what_is_not_as_it_would_be_written_is_malformed,
                    random_bytes_are_refused_or_read_faithfully, a_configuration_that_has_no_form_is_refused,
                    writing_survives_every_failed_allocation, reading_survives_every_failed_allocation, NULL);
}
