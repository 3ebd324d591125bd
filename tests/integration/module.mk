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
