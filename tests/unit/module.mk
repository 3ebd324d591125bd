# unit: one program per module.

if ENABLE_TESTS
UNIT_TESTS = \
	check_decoder.test \
	check_encoder.test \
	check_headers.test \
	check_http_client.test \
	check_http_loop.test \
	check_http_server.test \
	check_http_stream.test \
	check_latency.test \
	check_lines.test \
	check_message.test \
	check_outgoing.test \
	check_progress.test \
	check_sim.test \
	check_timers.test \
	check_url.test \
	check_vectors.test
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

check_decoder_test_SOURCES = tests/unit/check_decoder.c
check_encoder_test_SOURCES = tests/unit/check_encoder.c
check_headers_test_SOURCES = tests/unit/check_headers.c
check_http_client_test_SOURCES = tests/unit/check_http_client.c
check_http_loop_test_SOURCES = tests/unit/check_http_loop.c
check_http_server_test_SOURCES = tests/unit/check_http_server.c
check_http_stream_test_SOURCES = tests/unit/check_http_stream.c
check_latency_test_SOURCES = tests/unit/check_latency.c src/tools/latency.c
check_lines_test_SOURCES = tests/unit/check_lines.c src/tools/lines.c
check_message_test_SOURCES = tests/unit/check_message.c
check_outgoing_test_SOURCES = tests/unit/check_outgoing.c
check_progress_test_SOURCES = tests/unit/check_progress.c src/tools/progress.c
check_sim_test_SOURCES = tests/unit/check_sim.c
check_timers_test_SOURCES = tests/unit/check_timers.c
check_url_test_SOURCES = tests/unit/check_url.c
check_vectors_test_SOURCES = tests/unit/check_vectors.c
endif

if ENABLE_TESTS
include tests/unit/peer.mk
endif
