# integration: whole transports.

# The build itself and the tools, by shell scripts.
if ENABLE_TESTS
BUILD_TESTS = \
	tests/integration/it_architecture.sh \
	tests/integration/it_bench.sh \
	tests/integration/it_demo.sh \
	tests/integration/it_exports.sh \
	tests/integration/it_headers.sh \
	tests/integration/it_install.sh \
	tests/integration/it_man.sh \
	tests/integration/it_options.sh \
	tests/integration/it_prometheus.sh
dist_check_SCRIPTS += $(BUILD_TESTS)
TESTS += $(BUILD_TESTS)
endif
EXTRA_DIST += tests/integration/tap.sh doc/examples/two_members.c

if ENABLE_TESTS
INTEGRATION_TESTS = \
	it_blackhole.test \
	it_exchange.test \
	it_hostile.test \
	it_members.test \
	it_metrics.test \
	it_remotes.test \
	it_netns.test \
	it_routes.test \
	it_sim.test \
	it_snapshot.test \
	it_snapshot_sim.test \
	it_stop.test \
	it_strangers.test \
	it_threads.test \
	it_tls.test
check_PROGRAMS += $(INTEGRATION_TESTS) it_prometheus
TESTS += $(INTEGRATION_TESTS)

it_blackhole_test_SOURCES = tests/integration/it_blackhole.c
it_exchange_test_SOURCES = tests/integration/it_exchange.c
it_hostile_test_SOURCES = tests/integration/it_hostile.c
it_members_test_SOURCES = tests/integration/it_members.c
it_metrics_test_SOURCES = tests/integration/it_metrics.c
it_prometheus_SOURCES = tests/integration/it_prometheus.c
it_remotes_test_SOURCES = tests/integration/it_remotes.c
it_netns_test_SOURCES = tests/integration/it_netns.c
it_routes_test_SOURCES = tests/integration/it_routes.c
it_sim_test_SOURCES = tests/integration/it_sim.c
it_stop_test_SOURCES = tests/integration/it_stop.c
it_snapshot_sim_test_SOURCES = tests/integration/it_snapshot_sim.c
it_snapshot_test_SOURCES = tests/integration/it_snapshot.c
it_strangers_test_SOURCES = tests/integration/it_strangers.c src/tools/latency.c
it_threads_test_SOURCES = tests/integration/it_threads.c
it_tls_test_SOURCES = tests/integration/it_tls.c
endif
