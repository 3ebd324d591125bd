# unit: one program per module.

if ENABLE_TESTS
UNIT_TESTS = \
	check_sim.test \
	check_timers.test
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
endif
