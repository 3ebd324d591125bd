# kv: ferry-kv, a replicated key-value store on libraft and Ferry.

if ENABLE_TOOLS
if WITH_LIBRAFT
bin_PROGRAMS += ferry-kv
ferry_kv_CPPFLAGS = $(FERRY_CPPFLAGS) $(RAFT_CFLAGS)
ferry_kv_LDADD = libferry-libraft.la libferry.la $(MHD_LIBS) $(RAFT_LIBS)
ferry_kv_LDFLAGS = $(FERRY_LDFLAGS) $(FERRY_PROGRAM_LDFLAGS) -static
ferry_kv_SOURCES = \
	src/kv/client_api.c \
	src/kv/client_api.h \
	src/kv/command.c \
	src/kv/command.h \
	src/kv/data_dir.c \
	src/kv/data_dir.h \
	src/kv/http_server.c \
	src/kv/http_server.h \
	src/kv/log_guard.c \
	src/kv/log_guard.h \
	src/kv/main.c \
	src/kv/node.c \
	src/kv/node.h \
	src/kv/options.c \
	src/kv/options.h \
	src/kv/status.c \
	src/kv/status.h \
	src/kv/store.c \
	src/kv/store.h \
	src/kv/words.c \
	src/kv/words.h \
	src/tools/flags.c \
	src/tools/flags.h \
	src/tools/number.c \
	src/tools/number.h
endif
endif
