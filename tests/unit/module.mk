# unit: one program per module.

if ENABLE_TESTS
UNIT_TESTS = \
	check_decoder.test \
	check_encoder.test \
	check_headers.test \
	check_message.test \
	check_outgoing.test \
	check_timers.test \
	check_url.test \
	check_vectors.test
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)

check_timers_test_SOURCES = tests/unit/check_timers.c
check_timers_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_timers_test_LDADD = $(RIG_LDADD)
check_timers_test_LDFLAGS = $(RIG_LINK)

check_decoder_test_SOURCES = tests/unit/check_decoder.c
check_decoder_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_decoder_test_LDADD = $(RIG_LDADD)
check_decoder_test_LDFLAGS = $(RIG_LINK)

check_encoder_test_SOURCES = tests/unit/check_encoder.c
check_encoder_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_encoder_test_LDADD = $(RIG_LDADD)
check_encoder_test_LDFLAGS = $(RIG_LINK)

check_headers_test_SOURCES = tests/unit/check_headers.c
check_headers_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_headers_test_LDADD = $(RIG_LDADD)
check_headers_test_LDFLAGS = $(RIG_LINK)

check_message_test_SOURCES = tests/unit/check_message.c
check_message_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_message_test_LDADD = $(RIG_LDADD)
check_message_test_LDFLAGS = $(RIG_LINK)

check_outgoing_test_SOURCES = tests/unit/check_outgoing.c
check_outgoing_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_outgoing_test_LDADD = $(RIG_LDADD)
check_outgoing_test_LDFLAGS = $(RIG_LINK)

check_url_test_SOURCES = tests/unit/check_url.c
check_url_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_url_test_LDADD = $(RIG_LDADD)
check_url_test_LDFLAGS = $(RIG_LINK)

include tests/vectors/module.mk
check_vectors_test_SOURCES = tests/unit/check_vectors.c
check_vectors_test_CPPFLAGS = $(RIG_CPPFLAGS)
check_vectors_test_LDADD = $(RIG_LDADD) $(JANSSON_LIBS) $(OPENSSL_LIBS)
check_vectors_test_LDFLAGS = $(RIG_LINK)
endif
