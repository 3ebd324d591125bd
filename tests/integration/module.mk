# integration: whole transports.

# The build itself and the tools, by shell scripts.
if ENABLE_TESTS
BUILD_TESTS = \
	tests/integration/it_mutants.sh \
	tests/integration/it_bench.sh \
	tests/integration/it_demo.sh \
	tests/integration/it_architecture.sh \
	tests/integration/it_bootstrap.sh \
	tests/integration/it_exports.sh \
	tests/integration/it_headers.sh \
	tests/integration/it_install.sh \
	tests/integration/it_instructions.sh \
	tests/integration/it_kv_options.sh \
	tests/integration/it_layers.sh \
	tests/integration/it_man.sh \
	tests/integration/it_options.sh \
	tests/integration/it_prometheus.sh \
	tests/integration/it_simulation.sh
dist_check_SCRIPTS += $(BUILD_TESTS)
check_DATA += tests/integration/mutant-flags
CLEANFILES += tests/integration/mutant-flags

# How to compile one source file of the library, and how to link a test with it: for it_mutants.sh, in words of the shell.
# Without much optimization and debug information, for it is done many times.
tests/integration/mutant-flags: Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { \
	  echo "compile='$(CC) -I$(top_srcdir)/include -I$(top_srcdir)/src -I$(top_builddir) $(RAFT_CFLAGS) $(CPPFLAGS)" \
	    "$(AM_CFLAGS) $(CFLAGS) -O1 -g0'"; \
	  echo "link='$(LIBTOOL) --silent --mode=link --tag=CC $(CC) $(AM_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS)'"; \
	  echo "libs='$(LDADD) $(LIBS)'"; \
	  echo "mail_libs='libferry-mailbox-core.la $(LDADD) $(MAILBOX_LIBS) $(LIBS)'"; \
	  echo "raft_libs='libferry-libraft-core.la $(LDADD) $(RAFT_LIBS) $(LIBS)'"; \
	} >$@.new && mv $@.new $@
endif
EXTRA_DIST += tests/integration/tap.sh tests/integration/instructions.txt tests/integration/tsan.supp \
	doc/examples/simulation.c \
	doc/examples/smallraft/README.md \
	doc/examples/two_members.c

if ENABLE_TESTS
INTEGRATION_TESTS = \
	it_exchange.test \
	it_members.test \
	it_metrics.test \
	it_node.test \
	it_remotes.test \
	it_routes.test \
	it_sim.test \
	it_smallraft.test \
	it_snapshot.test \
	it_snapshot_sim.test \
	it_stop.test \
	it_strangers.test \
	it_threads.test \
	it_tls.test
check_PROGRAMS += $(INTEGRATION_TESTS) it_blackhole.test it_hostile.test it_netns.test it_prometheus

it_blackhole_test_SOURCES = tests/integration/it_blackhole.c
it_exchange_test_SOURCES = tests/integration/it_exchange.c
it_hostile_test_SOURCES = tests/integration/it_hostile.c
it_members_test_SOURCES = tests/integration/it_members.c
it_metrics_test_SOURCES = tests/integration/it_metrics.c
it_node_test_SOURCES = tests/integration/it_node.c
it_prometheus_SOURCES = tests/integration/it_prometheus.c
it_remotes_test_SOURCES = tests/integration/it_remotes.c
it_netns_test_SOURCES = tests/integration/it_netns.c
it_routes_test_SOURCES = tests/integration/it_routes.c
it_sim_test_SOURCES = tests/integration/it_sim.c
it_smallraft_test_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/doc/examples/smallraft
it_smallraft_test_SOURCES = \
	doc/examples/smallraft/adapter.c \
	doc/examples/smallraft/adapter.h \
	doc/examples/smallraft/smallraft.c \
	doc/examples/smallraft/smallraft.h \
	tests/integration/it_smallraft.c
it_stop_test_SOURCES = tests/integration/it_stop.c
it_snapshot_sim_test_SOURCES = tests/integration/it_snapshot_sim.c
it_snapshot_test_SOURCES = tests/integration/it_snapshot.c
it_strangers_test_SOURCES = tests/integration/it_strangers.c src/tools/latency.c
it_threads_test_SOURCES = tests/integration/it_threads.c
it_tls_test_SOURCES = tests/integration/it_tls.c

if WITH_LIBRAFT
check_PROGRAMS += it_raft_sim.test it_backlog.test
LONG_TESTS += it_raft_sim.test it_backlog.test
it_backlog_test_CPPFLAGS = $(AM_CPPFLAGS) $(RAFT_CFLAGS)
it_backlog_test_LDADD = libferry-libraft-core.la $(LDADD) $(RAFT_LIBS)
it_backlog_test_SOURCES = tests/integration/it_backlog.c
it_raft_sim_test_CPPFLAGS = $(AM_CPPFLAGS) $(RAFT_CFLAGS)
it_raft_sim_test_LDADD = libferry-libraft-core.la $(LDADD) $(RAFT_LIBS)
it_raft_sim_test_SOURCES = \
	tests/harness/raft_heap.c \
	tests/harness/raft_heap.h \
	tests/harness/raft_safety.c \
	tests/harness/raft_safety.h \
	tests/harness/raft_store.c \
	tests/harness/raft_store.h \
	tests/harness/raft_versions.c \
	tests/harness/raft_versions.h \
	tests/integration/it_raft_sim.c
endif
endif

# ferry-kv, as processes.
if ENABLE_TESTS
if ENABLE_TOOLS
if WITH_LIBRAFT
check_PROGRAMS += it_kv.test it_siege.test
LONG_TESTS += it_kv.test it_siege.test
it_siege_test_LDADD = $(LDADD) $(CURL_LIBS)
it_siege_test_SOURCES = tests/integration/it_siege.c src/tools/latency.c $(DEMO_HANDS)
it_kv_test_LDADD = $(LDADD) $(CURL_LIBS)
it_kv_test_SOURCES = tests/integration/it_kv.c $(DEMO_HANDS)
endif
endif
endif

if ENABLE_TESTS
LONG_TESTS += \
	it_hostile.test \
	it_blackhole.test \
	it_netns.test
endif

# libferry-mailbox, and all of its tests: make check-mailbox.
if ENABLE_TESTS
if WITH_MAILBOX
check_PROGRAMS += it_mailbox_sim.test
LONG_TESTS += it_mailbox_sim.test
it_mailbox_sim_test_LDADD = $(MAILBOX_LDADD)
it_mailbox_sim_test_SOURCES = tests/integration/it_mailbox_sim.c tests/harness/mail_store.c tests/harness/mail_store.h
endif
endif

# it_siege for a minute.
check-siege:
	SIEGE_SECONDS=60 RIG_TIMEOUT=300 $(MAKE) $(AM_MAKEFLAGS) check TESTS=it_siege.test
.PHONY: check-siege

check-mailbox:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='it_mailbox_sim.test $(MAILBOX_TESTS)'
.PHONY: check-mailbox
EXTRA_DIST += tests/newest/root.sh
