# etcd: Ferry members in clusters of real etcd servers.

if ENABLE_TESTS
check_PROGRAMS += it_etcd
it_etcd_SOURCES = \
	tests/interop/etcd/client.c \
	tests/interop/etcd/client.h \
	tests/interop/etcd/cluster.c \
	tests/interop/etcd/cluster.h \
	tests/interop/etcd/http.c \
	tests/interop/etcd/http.h \
	tests/interop/etcd/it_etcd.c \
	tests/interop/etcd/it_etcd.h \
	tests/interop/etcd/it_etcd_applying.c \
	tests/interop/etcd/it_etcd_faults.c \
	tests/interop/etcd/it_etcd_leading.c \
	tests/interop/etcd/it_etcd_links.c \
	tests/interop/etcd/it_etcd_load.c \
	tests/interop/etcd/it_etcd_membership.c \
	tests/interop/etcd/it_etcd_quorum.c \
	tests/interop/etcd/it_etcd_refusals.c \
	tests/interop/etcd/load.c \
	tests/interop/etcd/load.h \
	tests/interop/etcd/network.c \
	tests/interop/etcd/network.h \
	tests/interop/etcd/peers.c \
	tests/interop/etcd/peers.h \
	tests/interop/etcd/process.c \
	tests/interop/etcd/process.h \
	tests/interop/etcd/tap.c \
	tests/interop/etcd/tap.h
it_etcd_LDADD = $(LDADD) $(CURL_LIBS)
endif

# Not among the tests of make check: they start some hundred servers, and take minutes.  In the full run one after the
# other, for the sake of the figures.
ETCD_TESTS = \
	tests/interop/etcd/it_etcd_3.4.sh \
	tests/interop/etcd/it_etcd_3.5.sh \
	tests/interop/etcd/it_etcd_3.6.sh \
	tests/interop/etcd/it_etcd_3.7.sh \
	tests/interop/etcd/it_etcd_parted_3.4.sh \
	tests/interop/etcd/it_etcd_parted_3.5.sh \
	tests/interop/etcd/it_etcd_parted_3.6.sh \
	tests/interop/etcd/it_etcd_parted_3.7.sh

check-etcd:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(ETCD_TESTS)'

check-etcd-full:
	FERRY_ETCD_FULL=1 RIG_TIMEOUT=1800 $(MAKE) $(AM_MAKEFLAGS) -j1 check TESTS='$(ETCD_TESTS)'

.PHONY: check-etcd check-etcd-full

EXTRA_DIST += \
	$(ETCD_TESTS) \
	tests/interop/etcd/build-etcd.sh \
	tests/interop/etcd/it_etcd.sh \
	tests/interop/etcd/load/go.mod \
	tests/interop/etcd/load/go.sum \
	tests/interop/etcd/load/main.go \
	tests/interop/etcd/servers/v35/go.mod \
	tests/interop/etcd/servers/v35/go.sum \
	tests/interop/etcd/servers/v36/go.mod \
	tests/interop/etcd/servers/v36/go.sum \
	tests/interop/etcd/servers/v37/go.mod \
	tests/interop/etcd/servers/v37/go.sum \
	doc/etcd.md
