/*
 * check_config - which settings are accepted, and how they are copied.
 */
#include "transport/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/sim.h"
#include "ferry/tls.h"
#include "harness/heap.h"
#include "harness/rig.h"
#include "transport/transport.h"

static struct ferry_config cfg;
static struct ferry_transport *t;
static char last_line[300];

static int process(void *ctx, const struct ferry_message *msg)
{
    (void)ctx;
    (void)msg;
    return 0;
}

static void on_line(void *ctx, enum ferry_log_level level, const char *id, uint64_t peer, const char *text)
{
    (void)ctx;
    (void)peer;
    ck_assert_int_eq(level, FERRY_LOG_ERROR);
    ck_assert_str_eq(id, "config");
    snprintf(last_line, sizeof(last_line), "%s", text);
}

static void setup(void)
{
    const struct ferry_config init = FERRY_CONFIG_INIT;

    heap_setup();
    cfg = init;
    cfg.id = 0xAB;
    cfg.cluster_id = 0x1000;
    cfg.core.process = process;
    cfg.log = on_line;
    last_line[0] = '\0';
    t = calloc(1, sizeof(*t));
    ck_assert_ptr_nonnull(t);
}

static void teardown(void)
{
    fy_config_release(t);
    free(t);
    heap_teardown();
}

static int apply(void)
{
    fy_config_release(t);
    memset(t, 0, sizeof(*t));
    last_line[0] = '\0';
    return fy_config_apply(&cfg, t);
}

START_TEST(a_good_configuration_is_copied)
{
    char listen[] = "http://127.0.0.1:0", version[] = "3.5.1";
    const char *const listen_urls[] = {listen, NULL};
    const char *const advertise_urls[] = {"http://b:2/", "http://a:1", NULL};

    cfg.listen_urls = listen_urls;
    cfg.advertise_urls = advertise_urls;
    cfg.server_version = version;
    ck_assert_int_eq(apply(), FERRY_OK);
    memset(listen, 'x', sizeof(listen));
    memset(version, 'x', sizeof(version));
    ck_assert_str_eq(last_line, "");
    ck_assert_uint_eq(t->local.id, 0xAB);
    ck_assert_str_eq(t->local.id_text.text, "ab");
    ck_assert_str_eq(t->raft.cluster_id_text.text, "1000");
    ck_assert_str_eq(t->raft.version_text, "3.5.1");
    ck_assert_uint_eq(t->raft.version.minor, 5);
    ck_assert_str_eq(t->raft.min_version_text, "3.0.0");
    ck_assert_uint_eq(t->raft.min_version.major, 3);
    ck_assert_str_eq(t->listen_urls[0], "http://127.0.0.1:0");
    ck_assert_str_eq(t->advertise_urls[0], "http://a:1");
    ck_assert_str_eq(t->advertise_urls[1], "http://b:2");
    ck_assert_ptr_null(t->advertise_urls[2]);
    ck_assert_uint_eq(t->local.dial_timeout_ns, 2000000000u);
    ck_assert_uint_eq(t->local.read_timeout_ns, 5000000000u);
    ck_assert_uint_eq(t->raft.post_timeout_ns, 10000000000u);
    ck_assert_uint_eq(t->local.dial_retry_ns, 100000000u);
    ck_assert_uint_eq(t->local.link_timeout_ns, 2000000000u);
    ck_assert_uint_eq(t->link_timeout_ms, 2000);
    ck_assert_uint_eq(t->write_timeout_ms, 5000);
    ck_assert_uint_eq(t->raft.max_queue_messages, 4096);
    ck_assert_uint_eq(t->raft.max_queue_bytes, 64u << 20);
    ck_assert_uint_eq(t->raft.max_pipeline_messages, 64);
    ck_assert_uint_eq(t->local.max_send_bytes, 256u << 20);
    ck_assert_uint_eq(t->raft.max_message_bytes, 512u << 20);
    ck_assert_uint_eq(t->intake.max, 1u << 30);
    ck_assert_uint_eq(t->max_connections, 1024);
    ck_assert_uint_eq(t->n_workers, 2);
    ck_assert_uint_eq(t->n_propose_workers, 2);
    ck_assert_uint_eq(t->busy_poll_us, 50);
    ck_assert(t->mode == FERRY_DELIVER_WORKERS);
    ck_assert(t->core.process == process);
}
END_TEST

START_TEST(no_urls_stay_none)
{
    static const char *const none[] = {NULL};

    cfg.listen_urls = none;
    ck_assert_int_eq(apply(), FERRY_OK);
    ck_assert_ptr_null(t->listen_urls);
    ck_assert_ptr_null(t->advertise_urls);
}
END_TEST

/* Set a field to what it must not be: refused, and told in the log; then put it back. */
#define check_refused(field, value, err, words)                                                                        \
    do {                                                                                                               \
        const struct ferry_config before = cfg;                                                                        \
        cfg.field = (value);                                                                                           \
        ck_assert_msg(apply() == (err), "%s", #field);                                                                 \
        ck_assert_msg(strstr(last_line, words) != NULL, "%s: %s", #field, last_line);                                  \
        cfg = before;                                                                                                  \
        ck_assert_int_eq(apply(), FERRY_OK);                                                                           \
    } while (0)

START_TEST(a_link_timeout_is_none_or_long_enough)
{
    cfg.link_timeout_ms = 500;
    ck_assert_int_eq(apply(), FERRY_OK);
    ck_assert_uint_eq(t->local.link_timeout_ns, 500000000u);
    cfg.link_timeout_ms = 0;
    ck_assert_int_eq(apply(), FERRY_OK);
    ck_assert_uint_eq(t->local.link_timeout_ns, 0);
    ck_assert_uint_eq(t->link_timeout_ms, 0);
}
END_TEST

START_TEST(each_number_is_checked)
{
    check_refused(id, 0, FERRY_ERR_INVALID, "id");
    check_refused(core.process, NULL, FERRY_ERR_INVALID, "process");
    check_refused(form, (enum ferry_wire_form)3, FERRY_ERR_INVALID, "form");
    check_refused(form, (enum ferry_wire_form) - 1, FERRY_ERR_INVALID, "form");
    check_refused(delivery, (enum ferry_delivery)3, FERRY_ERR_INVALID, "delivery");
    check_refused(delivery, (enum ferry_delivery) - 1, FERRY_ERR_INVALID, "delivery");
    check_refused(log_level, (enum ferry_log_level)4, FERRY_ERR_INVALID, "log_level");
    check_refused(snapshot_dir, "", FERRY_ERR_INVALID, "snapshot_dir is empty");
    check_refused(n_workers, 0, FERRY_ERR_INVALID, "n_workers");
    check_refused(n_workers, 257, FERRY_ERR_INVALID, "n_workers");
    check_refused(n_propose_workers, 0, FERRY_ERR_INVALID, "n_propose_workers");
    check_refused(n_propose_workers, 257, FERRY_ERR_INVALID, "n_propose_workers");
    check_refused(dial_timeout_ms, 0, FERRY_ERR_INVALID, "dial_timeout_ms is 0");
    check_refused(read_timeout_ms, 0, FERRY_ERR_INVALID, "read_timeout_ms is 0");
    check_refused(write_timeout_ms, 0, FERRY_ERR_INVALID, "write_timeout_ms is 0");
    check_refused(post_timeout_ms, 0, FERRY_ERR_INVALID, "post_timeout_ms is 0");
    check_refused(dial_retry_ms, 0, FERRY_ERR_INVALID, "dial_retry_ms");
    check_refused(link_timeout_ms, 1, FERRY_ERR_INVALID, "link_timeout_ms");
    check_refused(link_timeout_ms, 499, FERRY_ERR_INVALID, "link_timeout_ms");
    check_refused(max_queue_messages, 0, FERRY_ERR_INVALID, "max_queue_messages is 0");
    check_refused(max_queue_bytes, 0, FERRY_ERR_INVALID, "max_queue_bytes is 0");
    check_refused(max_pipeline_messages, 0, FERRY_ERR_INVALID, "max_pipeline_messages is 0");
    check_refused(max_send_bytes, 0, FERRY_ERR_INVALID, "max_send_bytes is 0");
    check_refused(max_message_bytes, 0, FERRY_ERR_INVALID, "max_message_bytes is 0");
    check_refused(max_receive_bytes, 0, FERRY_ERR_INVALID, "max_receive_bytes is 0");
    check_refused(max_connections, 0, FERRY_ERR_INVALID, "max_connections is 0");
    check_refused(max_snapshot_bytes, 0, FERRY_ERR_INVALID, "max_snapshot_bytes is 0");
    check_refused(max_snapshots_in, 0, FERRY_ERR_INVALID, "max_snapshots_in is 0");
    check_refused(max_snapshots_out, 0, FERRY_ERR_INVALID, "max_snapshots_out is 0");
    check_refused(snapshot_stall_ms, 0, FERRY_ERR_INVALID, "snapshot_stall_ms is 0");
    check_refused(snapshot_answer_ms, 0, FERRY_ERR_INVALID, "snapshot_answer_ms is 0");
}
END_TEST

START_TEST(workers_are_not_looked_at_where_there_are_none)
{
    cfg.n_workers = cfg.n_propose_workers = 0;
    cfg.delivery = FERRY_DELIVER_INLINE;
    ck_assert_int_eq(apply(), FERRY_OK);
    cfg.delivery = FERRY_DELIVER_HOST;
    ck_assert_int_eq(apply(), FERRY_OK);
}
END_TEST

START_TEST(versions_must_be_versions)
{
    check_refused(server_version, NULL, FERRY_ERR_VERSION_TEXT, "server_version");
    check_refused(server_version, "3.4", FERRY_ERR_VERSION_TEXT, "server_version");
    check_refused(min_cluster_version, NULL, FERRY_ERR_VERSION_TEXT, "min_cluster_version");
    check_refused(min_cluster_version, "v3.0.0", FERRY_ERR_VERSION_TEXT, "min_cluster_version");
}
END_TEST

START_TEST(urls_must_be_urls)
{
    static const char *const bad[] = {"http://a:1", "http://a:1/path", NULL};

    check_refused(listen_urls, bad, FERRY_ERR_URL, "listen_urls: \"http://a:1/path\"");
    check_refused(advertise_urls, bad, FERRY_ERR_URL, "advertise_urls: \"http://a:1/path\"");
}
END_TEST

START_TEST(what_is_refused_is_told_in_one_line)
{
    static const char *const bad[] = {"http://a\r\n\033[31m:1", NULL};

    check_refused(listen_urls, bad, FERRY_ERR_URL, "listen_urls: \"http://a???[31m:1\"");
}
END_TEST

START_TEST(a_config_is_preset_for_a_program_of_any_age)
{
    const struct ferry_config init = FERRY_CONFIG_INIT;
    const size_t old_size = offsetof(struct ferry_config, max_message_bytes);
    _Alignas(struct ferry_config) unsigned char room[sizeof(struct ferry_config) + 8];
    struct ferry_config preset;

    memset(&preset, 0xff, sizeof(preset));
    ferry_config_init(&preset);
    ck_assert_uint_eq(preset.size, sizeof(preset));
    ck_assert_str_eq(preset.server_version, init.server_version);
    ck_assert_uint_eq(preset.max_receive_bytes, init.max_receive_bytes);
    ck_assert_int_eq(preset.log_level, init.log_level);
    ck_assert_ptr_null(preset.log_ctx);

    memset(&preset, 0xff, sizeof(preset));
    ferry_config_init_sized(&preset, old_size);
    ck_assert_uint_eq(preset.size, old_size);
    ck_assert_uint_eq(preset.max_send_bytes, init.max_send_bytes);
    ck_assert_uint_eq(preset.max_message_bytes, SIZE_MAX); /* the program has no such field */

    memset(room, 0xff, sizeof(room));
    ferry_config_init_sized((struct ferry_config *)(void *)room, sizeof(room));
    memcpy(&preset.size, room, sizeof(preset.size));
    ck_assert_uint_eq(preset.size, sizeof(room));
    ck_assert_uint_eq(room[sizeof(room) - 1], 0);
}
END_TEST

START_TEST(so_are_those_of_tls_and_of_a_simulation)
{
    const struct ferry_tls_config tls_init = FERRY_TLS_CONFIG_INIT;
    const struct ferry_sim_config sim_init = FERRY_SIM_CONFIG_INIT;
    struct ferry_tls_config tls;
    struct ferry_sim_config sim;

    memset(&tls, 0xff, sizeof(tls));
    ferry_tls_config_init(&tls);
    ck_assert_uint_eq(tls.size, sizeof(tls));
    ck_assert_uint_eq(tls.handshake_timeout_ms, tls_init.handshake_timeout_ms);
    ck_assert_int_eq(tls.client_cert_auth, tls_init.client_cert_auth);
    ck_assert_ptr_null(tls.cert_file);

    memset(&sim, 0xff, sizeof(sim));
    ferry_sim_config_init(&sim);
    ck_assert_uint_eq(sim.size, sizeof(sim));
    ck_assert_uint_eq(sim.weather.max_delay_ns, sim_init.weather.max_delay_ns);
    ck_assert_uint_eq(sim.window_bytes, sim_init.window_bytes);
    ck_assert_ptr_null(sim.trace_ctx);
}
END_TEST

START_TEST(the_size_tells_the_age_of_the_program)
{
    cfg.size = 0;
    ck_assert_int_eq(apply(), FERRY_ERR_INVALID);
    cfg.size = sizeof(cfg) + 1;
    ck_assert_int_eq(apply(), FERRY_ERR_INVALID);
    cfg.size = offsetof(struct ferry_config, max_message_bytes); /* knew no field from here on */
    cfg.max_message_bytes = 0;
    cfg.max_connections = 0;
    cfg.log = on_line;
    ck_assert_int_eq(apply(), FERRY_OK);
    ck_assert_uint_eq(t->raft.max_message_bytes, 512u << 20);
    ck_assert_uint_eq(t->max_connections, 1024);
    ck_assert(t->local.log.fn == NULL);
    cfg.size = 1; /* not even an id */
    ck_assert_int_eq(apply(), FERRY_ERR_INVALID);
}
END_TEST

START_TEST(urls_are_joined_by_commas)
{
    char a[] = "http://a:1", b[] = "http://b:2";
    char *const none[] = {NULL}, *const one[] = {a, NULL}, *const two[] = {a, b, NULL};
    static const char *const expected[] = {"", "", "http://a:1", "http://a:1,http://b:2"};
    char *const *const lists[] = {NULL, none, one, two};

    for (size_t i = 0; i < 4; i++) {
        char *text = fy_config_join_urls(lists[i]);

        ck_assert_str_eq(text, expected[i]);
        free(text);
    }
    heap_fail_at(0);
    ck_assert_ptr_null(fy_config_join_urls(two));
    heap_fail_at(-1);
}
END_TEST

START_TEST(apply_survives_every_failed_allocation)
{
    static const char *const urls[] = {"http://b:1", "http://a:1", NULL};
    int err = FERRY_ERR_NOMEM;
    long nth;

    cfg.listen_urls = cfg.advertise_urls = urls;
    for (nth = 0; err == FERRY_ERR_NOMEM; nth++) {
        fy_config_release(t);
        memset(t, 0, sizeof(*t));
        heap_fail_at(nth);
        err = fy_config_apply(&cfg, t);
        heap_fail_at(-1);
    }
    ck_assert_int_eq(err, FERRY_OK);
    ck_assert_int_ge(nth, 5);
}
END_TEST

int main(void)
{
    return rig_main("config", setup, teardown, a_good_configuration_is_copied, no_urls_stay_none,
                    a_link_timeout_is_none_or_long_enough, each_number_is_checked,
                    workers_are_not_looked_at_where_there_are_none, versions_must_be_versions, urls_must_be_urls,
                    what_is_refused_is_told_in_one_line, a_config_is_preset_for_a_program_of_any_age,
                    so_are_those_of_tls_and_of_a_simulation, the_size_tells_the_age_of_the_program,
                    urls_are_joined_by_commas, apply_survives_every_failed_allocation, NULL);
}
