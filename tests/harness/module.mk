# harness: what the tests stand on.

if ENABLE_TESTS
check_LTLIBRARIES += libharness.la
libharness_la_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) -I$(top_srcdir)/tests
libharness_la_LIBADD = $(CHECK_LIBS) $(JANSSON_LIBS)
libharness_la_SOURCES = \
	tests/harness/heap.c \
	tests/harness/heap.h \
	tests/harness/rig.c \
	tests/harness/rig.h
endif

# A test's own flags: it links the archive, so that it reaches inside, and the failing heap.
RIG_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) -I$(top_srcdir)/tests
RIG_LDADD = libharness.la libferry-core.la
RIG_LINK = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=free \
	-Wl,--wrap=strdup -Wl,--wrap=strndup -Wl,--wrap=posix_memalign
