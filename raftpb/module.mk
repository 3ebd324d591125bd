# raftpb: the schema, compiled at build time by protoc-c.  The library's own codec is held against it by the tests.

EXTRA_DIST += raftpb/raft.proto
RAFTPB_GENERATED = raftpb/raft.pb-c.c raftpb/raft.pb-c.h
BUILT_SOURCES += $(RAFTPB_GENERATED)
CLEANFILES += $(RAFTPB_GENERATED)

if ENABLE_TESTS
check_LTLIBRARIES += libraftpb.la
libraftpb_la_LIBADD = $(PROTOBUF_C_LIBS)
nodist_libraftpb_la_SOURCES = $(RAFTPB_GENERATED)
endif

raftpb/raft.pb-c.c: $(top_srcdir)/raftpb/raft.proto
	$(AM_V_GEN)$(MKDIR_P) raftpb && $(PROTOC_C) -I$(top_srcdir) --c_out=. $(top_srcdir)/raftpb/raft.proto

raftpb/raft.pb-c.h: raftpb/raft.pb-c.c
	@test -f $@ || { rm -f $<; $(MAKE) $<; }
