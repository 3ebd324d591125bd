# raftpb: the schema, compiled at build time.

EXTRA_DIST += raftpb/raft.proto
RAFTPB_GENERATED = raftpb/raft.pb-c.c raftpb/raft.pb-c.h
BUILT_SOURCES += $(RAFTPB_GENERATED)
CLEANFILES += $(RAFTPB_GENERATED)
nodist_libferry_core_la_SOURCES = $(RAFTPB_GENERATED)

raftpb/raft.pb-c.c: $(top_srcdir)/raftpb/raft.proto
	$(AM_V_GEN)$(MKDIR_P) raftpb && $(PROTOC_C) -I$(top_srcdir) --c_out=. $(top_srcdir)/raftpb/raft.proto

raftpb/raft.pb-c.h: raftpb/raft.pb-c.c
	@test -f $@ || { rm -f $<; $(MAKE) $<; }
