# etcd-member: a member of an etcd cluster, on Ferry's public interface alone.  What it has of src is how the tools read
# their command lines; it_architecture sees that this stays all.

ETCDSERVER_GENERATED = etcd-member/etcdserver.pb-c.c etcd-member/etcdserver.pb-c.h
BUILT_SOURCES += $(ETCDSERVER_GENERATED)
CLEANFILES += $(ETCDSERVER_GENERATED)
EXTRA_DIST += tests/interop/etcd-member/README.md tests/interop/etcd-member/etcdserver.proto

if ENABLE_TESTS
# All but main, so that the unit tests link it too.
check_LTLIBRARIES += libetcd-member.la
libetcd_member_la_CPPFLAGS = $(ETCD_MEMBER_CPPFLAGS)
libetcd_member_la_SOURCES = \
	tests/interop/etcd-member/admin.c \
	tests/interop/etcd-member/admin.h \
	tests/interop/etcd-member/bodies.c \
	tests/interop/etcd-member/bodies.h \
	tests/interop/etcd-member/bolt.c \
	tests/interop/etcd-member/bolt.h \
	tests/interop/etcd-member/cluster.c \
	tests/interop/etcd-member/cluster.h \
	tests/interop/etcd-member/conf.c \
	tests/interop/etcd-member/conf.h \
	tests/interop/etcd-member/database.c \
	tests/interop/etcd-member/database.h \
	tests/interop/etcd-member/identity.c \
	tests/interop/etcd-member/identity.h \
	tests/interop/etcd-member/ids.c \
	tests/interop/etcd-member/ids.h \
	tests/interop/etcd-member/inbox.c \
	tests/interop/etcd-member/inbox.h \
	tests/interop/etcd-member/join.c \
	tests/interop/etcd-member/join.h \
	tests/interop/etcd-member/json.c \
	tests/interop/etcd-member/json.h \
	tests/interop/etcd-member/keyspace.c \
	tests/interop/etcd-member/keyspace.h \
	tests/interop/etcd-member/lease_routes.c \
	tests/interop/etcd-member/lease_routes.h \
	tests/interop/etcd-member/lessor.c \
	tests/interop/etcd-member/lessor.h \
	tests/interop/etcd-member/mem.c \
	tests/interop/etcd-member/mem.h \
	tests/interop/etcd-member/member.c \
	tests/interop/etcd-member/member.h \
	tests/interop/etcd-member/options.c \
	tests/interop/etcd-member/options.h \
	tests/interop/etcd-member/peer_routes.c \
	tests/interop/etcd-member/peer_routes.h \
	tests/interop/etcd-member/peers.c \
	tests/interop/etcd-member/peers.h \
	tests/interop/etcd-member/progress.c \
	tests/interop/etcd-member/progress.h \
	tests/interop/etcd-member/promotions.c \
	tests/interop/etcd-member/promotions.h \
	tests/interop/etcd-member/proposals.c \
	tests/interop/etcd-member/proposals.h \
	tests/interop/etcd-member/publisher.c \
	tests/interop/etcd-member/publisher.h \
	tests/interop/etcd-member/raft.c \
	tests/interop/etcd-member/raft.h \
	tests/interop/etcd-member/raft_follower.c \
	tests/interop/etcd-member/raft_internal.h \
	tests/interop/etcd-member/raft_leader.c \
	tests/interop/etcd-member/raft_log.c \
	tests/interop/etcd-member/raft_log.h \
	tests/interop/etcd-member/requests.c \
	tests/interop/etcd-member/requests.h \
	tests/interop/etcd-member/say.c \
	tests/interop/etcd-member/say.h \
	tests/interop/etcd-member/snapshot.c \
	tests/interop/etcd-member/snapshot.h \
	tests/interop/etcd-member/state_machine.c \
	tests/interop/etcd-member/state_machine.h \
	tests/interop/etcd-member/storage.c \
	tests/interop/etcd-member/storage.h \
	tests/interop/etcd-member/texts.c \
	tests/interop/etcd-member/texts.h \
	tests/interop/etcd-member/version.c \
	tests/interop/etcd-member/version.h \
	src/tools/flags.c \
	src/tools/flags.h \
	src/tools/number.c \
	src/tools/number.h
nodist_libetcd_member_la_SOURCES = $(ETCDSERVER_GENERATED)
libetcd_member_la_LIBADD = libraftpb.la $(JANSSON_LIBS) $(ZLIB_LIBS) $(PROTOBUF_C_LIBS)
ETCD_MEMBER_CPPFLAGS = -D_GNU_SOURCE -I$(top_srcdir)/include -I$(top_srcdir)/src -I$(top_srcdir)/tests/interop \
	-I$(top_builddir) $(MHD_CFLAGS) $(CURL_CFLAGS) $(OPENSSL_CFLAGS) $(JANSSON_CFLAGS) $(PROTOBUF_C_CFLAGS) \
	$(ZLIB_CFLAGS)

noinst_PROGRAMS += ferry-etcd-member
ferry_etcd_member_CPPFLAGS = $(ETCD_MEMBER_CPPFLAGS)
ferry_etcd_member_LDFLAGS = $(FERRY_LDFLAGS) -static
ferry_etcd_member_LDADD = libetcd-member.la libferry.la $(MHD_LIBS) $(CURL_LIBS) $(OPENSSL_LIBS)
ferry_etcd_member_SOURCES = tests/interop/etcd-member/main.c
endif

etcd-member/etcdserver.pb-c.c: $(top_srcdir)/tests/interop/etcd-member/etcdserver.proto
	$(AM_V_GEN)$(MKDIR_P) etcd-member && $(PROTOC_C) -I$(top_srcdir)/tests/interop/etcd-member \
		--c_out=etcd-member $(top_srcdir)/tests/interop/etcd-member/etcdserver.proto

etcd-member/etcdserver.pb-c.h: etcd-member/etcdserver.pb-c.c
	@test -f $@ || { rm -f $<; $(MAKE) $<; }
