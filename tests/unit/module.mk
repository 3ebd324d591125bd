# unit: one program per module.

if ENABLE_TESTS
UNIT_TESTS = \
	check_headers.test \
	check_sim.test \
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

include tests/unit/peer.mk
endif
