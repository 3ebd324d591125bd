# partition: ferry-kv on hosts whose network fails.  Its clients are a Go program, hence it is one of INTEROP_TESTS.

if ENABLE_TESTS
if ENABLE_TOOLS
if WITH_LIBRAFT
check_PROGRAMS += it_partition
INTEROP_TESTS += tests/partition/it_partition.sh
it_partition_LDADD = $(LDADD) $(CURL_LIBS)
it_partition_SOURCES = \
	tests/partition/it_partition.c \
	tests/partition/kv_hosts.c \
	tests/partition/kv_hosts.h \
	$(DEMO_HANDS)
endif
endif
endif

EXTRA_DIST += \
	tests/partition/it_partition.sh \
	tests/partition/kv-history/clients.go \
	tests/partition/kv-history/go.mod \
	tests/partition/kv-history/go.sum \
	tests/partition/kv-history/history.go \
	tests/partition/kv-history/history_test.go \
	tests/partition/kv-history/main.go

CLEANFILES += kv-history kv-history.log kv-history.log.download

# Partitions, the last of them ten minutes of faults and restarts at random.
.PHONY: soak
soak: all $(check_PROGRAMS) $(check_LTLIBRARIES)
	FERRY_BUILDDIR=. FERRY_PARTITION_S=600 RIG_TIMEOUT=900 \
		$(srcdir)/tests/partition/it_partition.sh
