# harness: what the tests stand on.

if ENABLE_TESTS
check_LTLIBRARIES += libharness.la
libharness_la_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) -I$(top_srcdir)/tests
libharness_la_LIBADD = $(CHECK_LIBS) $(JANSSON_LIBS)
libharness_la_SOURCES = \
	tests/harness/fake_peer.c \
	tests/harness/fake_peer.h \
	tests/harness/heap.c \
	tests/harness/heap.h \
	tests/harness/http_rig.c \
	tests/harness/http_rig.h \
	tests/harness/raw_socket.c \
	tests/harness/raw_socket.h \
	tests/harness/journal.c \
	tests/harness/journal.h \
	tests/harness/member.c \
	tests/harness/member.h \
	tests/harness/message_diff.c \
	tests/harness/message_diff.h \
	tests/harness/patience.c \
	tests/harness/patience.h \
	tests/harness/recorder.c \
	tests/harness/recorder.h \
	tests/harness/rig.c \
	tests/harness/rig.h
endif

# A test's own flags: it links the archive, so that it reaches inside, and the failing heap.
RIG_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) -I$(top_srcdir)/tests
RIG_LDADD = libharness.la libferry-core.la
RIG_LINK = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=free \
	-Wl,--wrap=strdup -Wl,--wrap=strndup -Wl,--wrap=posix_memalign
