# tools: ferry-bench.  It uses ferry.h only, except that its codec mode uses wire.  It links the library statically, so
# that the file in the build directory is the program itself, not libtool's wrapper.

if ENABLE_TOOLS
bin_PROGRAMS += ferry-bench
ferry_bench_CPPFLAGS = $(FERRY_CPPFLAGS)
ferry_bench_LDADD = libferry-core.la $(OPENSSL_LIBS)
ferry_bench_LDFLAGS = $(FERRY_LDFLAGS) $(FERRY_PROGRAM_LDFLAGS)
ferry_bench_SOURCES = \
	src/tools/allocations.c \
	src/tools/allocations.h \
	src/tools/bench.c \
	src/tools/bench_codec.c \
	src/tools/bench_fanout.c \
	src/tools/bench_herd.c \
	src/tools/bench_herd.h \
	src/tools/bench_lock_codec.c \
	src/tools/bench_lock_codec.h \
	src/tools/bench_member.c \
	src/tools/bench_member.h \
	src/tools/bench_mixed.c \
	src/tools/bench_mode.c \
	src/tools/bench_mode.h \
	src/tools/bench_msgapp.c \
	src/tools/bench_options.c \
	src/tools/bench_options.h \
	src/tools/bench_pair.c \
	src/tools/bench_pair.h \
	src/tools/bench_peers.c \
	src/tools/bench_pingpong.c \
	src/tools/bench_raw.c \
	src/tools/bench_report.c \
	src/tools/bench_report.h \
	src/tools/bench_snapshot.c \
	src/tools/bench_star.c \
	src/tools/bench_star.h \
	src/tools/bench_tls.c \
	src/tools/bench_tls.h \
	src/tools/bench_wire.c \
	src/tools/bench_wire.h \
	src/tools/flags.c \
	src/tools/flags.h \
	src/tools/latency.c \
	src/tools/latency.h \
	src/tools/number.c \
	src/tools/number.h \
	src/tools/progress.c \
	src/tools/progress.h \
	src/tools/stopwatch.c \
	src/tools/stopwatch.h
endif
