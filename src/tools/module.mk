# tools: ferry-bench.  It knows ferry.h alone, and links the library statically, so that what stands in the build
# directory is the program itself.

if ENABLE_TOOLS
bin_PROGRAMS += ferry-bench
ferry_bench_CPPFLAGS = $(FERRY_CPPFLAGS)
ferry_bench_LDADD = libferry.la $(OPENSSL_LIBS)
ferry_bench_LDFLAGS = $(FERRY_LDFLAGS) -static
ferry_bench_SOURCES = \
	src/tools/bench.c \
	src/tools/bench_mode.c \
	src/tools/bench_mode.h \
	src/tools/bench_msgapp.c \
	src/tools/bench_options.c \
	src/tools/bench_options.h \
	src/tools/bench_pair.c \
	src/tools/bench_pair.h \
	src/tools/bench_pingpong.c \
	src/tools/bench_report.c \
	src/tools/bench_report.h \
	src/tools/bench_tls.c \
	src/tools/bench_tls.h \
	src/tools/latency.c \
	src/tools/latency.h \
	src/tools/number.c \
	src/tools/number.h \
	src/tools/progress.c \
	src/tools/progress.h \
	src/tools/stopwatch.c \
	src/tools/stopwatch.h
endif
