# interop: real Go rafthttp members as peers.

if ENABLE_TESTS
check_PROGRAMS += it_rafthttp
it_rafthttp_SOURCES = \
	tests/interop/go_peer.c \
	tests/interop/go_peer.h \
	tests/interop/it_rafthttp.c \
	tests/interop/journal.c \
	tests/interop/journal.h \
	tests/interop/sequence.c \
	tests/interop/sequence.h

INTEROP_TESTS += \
	tests/interop/it_rafthttp_3.4.sh \
	tests/interop/it_rafthttp_3.5.sh \
	tests/interop/it_rafthttp_3.6.sh \
	tests/interop/it_rafthttp_3.7.sh
endif

EXTRA_DIST += \
	tests/interop/README.md \
	tests/interop/compare.awk \
	tests/interop/compare.rows \
	tests/interop/compare.sh \
	tests/interop/growth.awk \
	tests/interop/rafthttp-bench/load/cluster.go \
	tests/interop/rafthttp-bench/load/go.mod \
	tests/interop/rafthttp-bench/load/meter.go \
	tests/interop/rafthttp-bench/load/modes.go \
	tests/interop/rafthttp-bench/load/program.go \
	tests/interop/rafthttp-bench/v34/main.go \
	tests/interop/rafthttp-bench/v37/go.mod \
	tests/interop/rafthttp-bench/v37/go.sum \
	tests/interop/rafthttp-bench/v37/main.go \
	tests/interop/build-go.sh \
	tests/interop/it_rafthttp.sh \
	tests/interop/it_rafthttp_3.4.sh \
	tests/interop/it_rafthttp_3.5.sh \
	tests/interop/it_rafthttp_3.6.sh \
	tests/interop/it_rafthttp_3.7.sh \
	tests/interop/rafthttp-peer/peer/body.go \
	tests/interop/rafthttp-peer/peer/go.mod \
	tests/interop/rafthttp-peer/peer/journal.go \
	tests/interop/rafthttp-peer/peer/message.go \
	tests/interop/rafthttp-peer/peer/program.go \
	tests/interop/rafthttp-peer/peer/sequence.go \
	tests/interop/rafthttp-peer/v34/main.go \
	tests/interop/rafthttp-peer/v35/go.mod \
	tests/interop/rafthttp-peer/v35/go.sum \
	tests/interop/rafthttp-peer/v35/main.go \
	tests/interop/rafthttp-peer/v36/go.mod \
	tests/interop/rafthttp-peer/v36/go.sum \
	tests/interop/rafthttp-peer/v36/main.go \
	tests/interop/rafthttp-peer/v37/go.mod \
	tests/interop/rafthttp-peer/v37/go.sum \
	tests/interop/rafthttp-peer/v37/main.go

CLEANFILES += \
	interop/rafthttp-peer-3.4 interop/rafthttp-peer-3.4.log \
	interop/rafthttp-peer-3.5 interop/rafthttp-peer-3.5.log interop/rafthttp-peer-3.5.log.download \
	interop/rafthttp-peer-3.6 interop/rafthttp-peer-3.6.log interop/rafthttp-peer-3.6.log.download \
	interop/rafthttp-peer-3.7 interop/rafthttp-peer-3.7.log interop/rafthttp-peer-3.7.log.download

# Side by side with etcd's rafthttp.
.PHONY: bench bench-quick bench-growth
if ENABLE_TOOLS
bench: ferry-bench
	$(srcdir)/tests/interop/compare.sh . full
bench-quick: ferry-bench
	$(srcdir)/tests/interop/compare.sh . quick
bench-growth: ferry-bench
	$(srcdir)/tests/interop/compare.sh . growth
endif
