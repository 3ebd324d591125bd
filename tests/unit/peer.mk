# The tests of src/peer and src/transport.

PEER_TESTS = \
	check_channel.test \
	check_config.test \
	check_counts.test \
	check_delivery.test \
	check_inbox.test \
	check_peer.test \
	check_peer_status.test \
	check_pipeline.test \
	check_refusal.test \
	check_routes.test \
	check_stream_reader.test \
	check_stream_writer.test \
	check_url_picker.test
check_PROGRAMS += $(PEER_TESTS)
TESTS += $(PEER_TESTS)

# What those on the simulated net share: a member, and another one that the test plays.
check_LTLIBRARIES += libpeer-rig.la
libpeer_rig_la_CPPFLAGS = $(RIG_CPPFLAGS)
libpeer_rig_la_SOURCES = \
	tests/unit/peer_rig.c \
	tests/unit/peer_rig.h
PEER_RIG_LDADD = libpeer-rig.la $(RIG_LDADD)

check_channel_test_SOURCES = tests/unit/check_channel.c
check_channel_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_channel_test_LDADD = $(RIG_LDADD)
check_channel_test_LDFLAGS = $(RIG_LINK)

check_config_test_SOURCES = tests/unit/check_config.c
check_config_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_config_test_LDADD = $(RIG_LDADD)
check_config_test_LDFLAGS = $(RIG_LINK)

check_counts_test_SOURCES = tests/unit/check_counts.c
check_counts_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_counts_test_LDADD = $(RIG_LDADD)
check_counts_test_LDFLAGS = $(RIG_LINK)

check_delivery_test_SOURCES = tests/unit/check_delivery.c
check_delivery_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_delivery_test_LDADD = $(PEER_RIG_LDADD)
check_delivery_test_LDFLAGS = $(RIG_LINK)

check_inbox_test_SOURCES = tests/unit/check_inbox.c
check_inbox_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_inbox_test_LDADD = $(PEER_RIG_LDADD)
check_inbox_test_LDFLAGS = $(RIG_LINK)

check_peer_test_SOURCES = tests/unit/check_peer.c
check_peer_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_peer_test_LDADD = $(PEER_RIG_LDADD)
check_peer_test_LDFLAGS = $(RIG_LINK)

check_peer_status_test_SOURCES = tests/unit/check_peer_status.c
check_peer_status_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_peer_status_test_LDADD = $(PEER_RIG_LDADD)
check_peer_status_test_LDFLAGS = $(RIG_LINK)

check_pipeline_test_SOURCES = tests/unit/check_pipeline.c
check_pipeline_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_pipeline_test_LDADD = $(PEER_RIG_LDADD)
check_pipeline_test_LDFLAGS = $(RIG_LINK)

check_refusal_test_SOURCES = tests/unit/check_refusal.c
check_refusal_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_refusal_test_LDADD = $(RIG_LDADD)
check_refusal_test_LDFLAGS = $(RIG_LINK)

check_routes_test_SOURCES = tests/unit/check_routes.c
check_routes_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_routes_test_LDADD = $(RIG_LDADD)
check_routes_test_LDFLAGS = $(RIG_LINK)

check_stream_reader_test_SOURCES = tests/unit/check_stream_reader.c
check_stream_reader_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_stream_reader_test_LDADD = $(PEER_RIG_LDADD)
check_stream_reader_test_LDFLAGS = $(RIG_LINK)

check_stream_writer_test_SOURCES = tests/unit/check_stream_writer.c
check_stream_writer_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_stream_writer_test_LDADD = $(PEER_RIG_LDADD)
check_stream_writer_test_LDFLAGS = $(RIG_LINK)

check_url_picker_test_SOURCES = tests/unit/check_url_picker.c
check_url_picker_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_url_picker_test_LDADD = $(RIG_LDADD)
check_url_picker_test_LDFLAGS = $(RIG_LINK)
