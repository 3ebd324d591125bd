# integration: whole transports.

# The build itself and the tools, by shell scripts.
if ENABLE_TESTS
BUILD_TESTS = \
	tests/integration/it_bench.sh \
	tests/integration/it_demo.sh \
	tests/integration/it_exports.sh \
	tests/integration/it_headers.sh \
	tests/integration/it_install.sh \
	tests/integration/it_options.sh
dist_check_SCRIPTS += $(BUILD_TESTS)
TESTS += $(BUILD_TESTS)
endif
EXTRA_DIST += tests/integration/tap.sh doc/examples/two_members.c

if ENABLE_TESTS
INTEGRATION_TESTS = \
	it_sim.test
check_PROGRAMS += $(INTEGRATION_TESTS)
TESTS += $(INTEGRATION_TESTS)

it_sim_test_SOURCES = tests/integration/it_sim.c
it_sim_test_CPPFLAGS = $(RIG_CPPFLAGS)
it_sim_test_LDADD = $(RIG_LDADD)
it_sim_test_LDFLAGS = $(RIG_LINK)
	it_blackhole.test \
	it_exchange.test \
	it_hostile.test \
	it_members.test \
	it_routes.test \
	it_threads.test
check_PROGRAMS += $(INTEGRATION_TESTS)
TESTS += $(INTEGRATION_TESTS)

it_blackhole_test_SOURCES = tests/integration/it_blackhole.c
it_blackhole_test_CPPFLAGS = $(RIG_CPPFLAGS)
it_blackhole_test_LDADD = $(RIG_LDADD)
it_blackhole_test_LDFLAGS = $(RIG_LINK)

it_exchange_test_SOURCES = tests/integration/it_exchange.c
it_exchange_test_CPPFLAGS = $(RIG_CPPFLAGS)
it_exchange_test_LDADD = $(RIG_LDADD)
it_exchange_test_LDFLAGS = $(RIG_LINK)

it_hostile_test_SOURCES = tests/integration/it_hostile.c
it_hostile_test_CPPFLAGS = $(RIG_CPPFLAGS)
it_hostile_test_LDADD = $(RIG_LDADD)
it_hostile_test_LDFLAGS = $(RIG_LINK)

it_members_test_SOURCES = tests/integration/it_members.c
it_members_test_CPPFLAGS = $(RIG_CPPFLAGS)
it_members_test_LDADD = $(RIG_LDADD)
it_members_test_LDFLAGS = $(RIG_LINK)

it_routes_test_SOURCES = tests/integration/it_routes.c
it_routes_test_CPPFLAGS = $(RIG_CPPFLAGS)
it_routes_test_LDADD = $(RIG_LDADD)
it_routes_test_LDFLAGS = $(RIG_LINK)

it_threads_test_SOURCES = tests/integration/it_threads.c
it_threads_test_CPPFLAGS = $(RIG_CPPFLAGS)
it_threads_test_LDADD = $(RIG_LDADD)
it_threads_test_LDFLAGS = $(RIG_LINK)
endif
