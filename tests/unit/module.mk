# unit: one program per module.

if ENABLE_TESTS
UNIT_TESTS = \
	check_headers.test \
	check_sim.test \
	check_http_client.test \
	check_http_loop.test \
	check_http_server.test \
	check_http_stream.test \
	check_timers.test \
	check_url.test
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

check_sim_test_SOURCES = tests/unit/check_sim.c
check_sim_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_sim_test_LDADD = $(RIG_LDADD)
check_sim_test_LDFLAGS = $(RIG_LINK)

check_timers_test_SOURCES = tests/unit/check_timers.c
check_timers_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_timers_test_LDADD = $(RIG_LDADD)
check_timers_test_LDFLAGS = $(RIG_LINK)

check_headers_test_SOURCES = tests/unit/check_headers.c
check_headers_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_headers_test_LDADD = $(RIG_LDADD)
check_headers_test_LDFLAGS = $(RIG_LINK)

check_url_test_SOURCES = tests/unit/check_url.c
check_url_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_url_test_LDADD = $(RIG_LDADD)
check_url_test_LDFLAGS = $(RIG_LINK)

check_http_client_test_SOURCES = tests/unit/check_http_client.c
check_http_client_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_http_client_test_LDADD = $(RIG_LDADD)
check_http_client_test_LDFLAGS = $(RIG_LINK)

check_http_loop_test_SOURCES = tests/unit/check_http_loop.c
check_http_loop_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_http_loop_test_LDADD = $(RIG_LDADD)
check_http_loop_test_LDFLAGS = $(RIG_LINK)

check_http_server_test_SOURCES = tests/unit/check_http_server.c
check_http_server_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_http_server_test_LDADD = $(RIG_LDADD)
check_http_server_test_LDFLAGS = $(RIG_LINK)

check_http_stream_test_SOURCES = tests/unit/check_http_stream.c
check_http_stream_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_http_stream_test_LDADD = $(RIG_LDADD)
check_http_stream_test_LDFLAGS = $(RIG_LINK)
endif

# Pieces of the tools.
if ENABLE_TESTS
TOOL_TESTS = \
	check_latency.test \
	check_lines.test \
	check_progress.test
check_PROGRAMS += $(TOOL_TESTS)
TESTS += $(TOOL_TESTS)

check_latency_test_SOURCES = tests/unit/check_latency.c src/tools/latency.c
check_latency_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_latency_test_LDADD = $(RIG_LDADD)
check_latency_test_LDFLAGS = $(RIG_LINK)

check_lines_test_SOURCES = tests/unit/check_lines.c src/tools/lines.c
check_lines_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_lines_test_LDADD = $(RIG_LDADD)
check_lines_test_LDFLAGS = $(RIG_LINK)

check_progress_test_SOURCES = tests/unit/check_progress.c src/tools/progress.c
check_progress_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_progress_test_LDADD = $(RIG_LDADD)
check_progress_test_LDFLAGS = $(RIG_LINK)
endif

if ENABLE_TESTS
include tests/unit/peer.mk
endif
