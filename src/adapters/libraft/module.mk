# libraft: a raft_io on ferry.h, as a library of its own.

EXTRA_DIST += src/adapters/libraft/ferry-libraft.map
if WITH_LIBRAFT
noinst_LTLIBRARIES += libferry-libraft-core.la
libferry_libraft_core_la_CPPFLAGS = $(FERRY_CPPFLAGS) $(RAFT_CFLAGS)
libferry_libraft_core_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden
libferry_libraft_core_la_LDFLAGS = $(FERRY_LDFLAGS)
libferry_libraft_core_la_LIBADD = $(RAFT_LIBS) -lpthread
libferry_libraft_core_la_SOURCES = \
	src/adapters/libraft/adapter.h \
	src/adapters/libraft/completions.c \
	src/adapters/libraft/completions.h \
	src/adapters/libraft/core_view.c \
	src/adapters/libraft/core_view.h \
	src/adapters/libraft/members.c \
	src/adapters/libraft/members.h \
	src/adapters/libraft/raft_change.c \
	src/adapters/libraft/raft_change.h \
	src/adapters/libraft/raft_compat.c \
	src/adapters/libraft/raft_compat.h \
	src/adapters/libraft/raft_context.c \
	src/adapters/libraft/raft_context.h \
	src/adapters/libraft/raft_io.c \
	src/adapters/libraft/raft_message.c \
	src/adapters/libraft/raft_message.h \
	src/adapters/libraft/snapshot_load.c \
	src/adapters/libraft/snapshot_load.h \
	src/adapters/libraft/snapshots.c \
	src/adapters/libraft/snapshots.h \
	src/adapters/libraft/term_runs.c \
	src/adapters/libraft/term_runs.h \
	src/adapters/libraft/uv_loop.c \
	src/adapters/libraft/uv_no_network.c

lib_LTLIBRARIES += libferry-libraft.la
libferry_libraft_la_SOURCES =
libferry_libraft_la_LIBADD = libferry-libraft-core.la libferry.la
libferry_libraft_la_LDFLAGS = $(FERRY_LDFLAGS) -version-info $(FERRY_LT_VERSION) \
	-Wl,--version-script=$(top_srcdir)/src/adapters/libraft/ferry-libraft.map
libferry_libraft_la_DEPENDENCIES = libferry-libraft-core.la libferry.la \
	$(top_srcdir)/src/adapters/libraft/ferry-libraft.map

ferryinclude_HEADERS += include/ferry/libraft.h
pkgconfig_DATA += ferry-libraft.pc
else
EXTRA_DIST += include/ferry/libraft.h
endif
