# demo: ferry-demo, and what it shares with the tests: ferry-kv processes, and a client that loads them.

DEMO_HANDS = \
	src/demo/cluster.c \
	src/demo/cluster.h \
	src/demo/http_call.c \
	src/demo/http_call.h \
	src/demo/load.c \
	src/demo/load.h \
	src/demo/member_status.c \
	src/demo/member_status.h \
	src/tools/stopwatch.c \
	src/tools/stopwatch.h

if ENABLE_TOOLS
if WITH_LIBRAFT
noinst_PROGRAMS += ferry-demo
ferry_demo_CPPFLAGS = $(FERRY_CPPFLAGS)
ferry_demo_LDADD = $(CURL_LIBS)
ferry_demo_LDFLAGS = $(FERRY_LDFLAGS) $(FERRY_PROGRAM_LDFLAGS)
ferry_demo_SOURCES = src/demo/demo.c $(DEMO_HANDS)
endif
endif
