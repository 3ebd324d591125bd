# harness: what the tests stand on.

if ENABLE_TESTS
check_LTLIBRARIES += libharness.la
libharness_la_LIBADD = libraftpb.la $(CHECK_LIBS)
libharness_la_SOURCES = \
	tests/harness/certificates.c \
	tests/harness/certificates.h \
	tests/harness/child.c \
	tests/harness/child.h \
	tests/harness/curl_heap.c \
	tests/harness/curl_heap.h \
	tests/harness/fake_peer.c \
	tests/harness/fake_peer.h \
	tests/harness/fault_proxy.c \
	tests/harness/fault_proxy.h \
	tests/harness/heap.c \
	tests/harness/heap.h \
	tests/harness/hosts.c \
	tests/harness/hosts.h \
	tests/harness/http_get.c \
	tests/harness/http_get.h \
	tests/harness/http_rig.c \
	tests/harness/http_rig.h \
	tests/harness/journal.c \
	tests/harness/journal.h \
	tests/harness/kv_program.c \
	tests/harness/kv_program.h \
	tests/harness/member.c \
	tests/harness/member.h \
	tests/harness/message_diff.c \
	tests/harness/message_diff.h \
	tests/harness/messages.c \
	tests/harness/messages.h \
	tests/harness/metrics_page.c \
	tests/harness/metrics_page.h \
	tests/harness/pace.c \
	tests/harness/pace.h \
	tests/harness/patience.c \
	tests/harness/patience.h \
	tests/harness/peer_rig.c \
	tests/harness/peer_rig.h \
	tests/harness/raw_socket.c \
	tests/harness/raw_socket.h \
	tests/harness/recorder.c \
	tests/harness/recorder.h \
	tests/harness/rig.c \
	tests/harness/rig.h \
	tests/harness/seed.c \
	tests/harness/seed.h \
	tests/harness/siege.c \
	tests/harness/siege.h \
	tests/harness/snapshots.c \
	tests/harness/snapshots.h \
	tests/harness/standstill.c \
	tests/harness/standstill.h \
	tests/harness/tls_peer.c \
	tests/harness/tls_peer.h
endif

# Every allocation of what is linked into a test goes by the failing heap.
HEAP_WRAPS = -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc -Wl,--wrap=free \
	-Wl,--wrap=strdup -Wl,--wrap=strndup -Wl,--wrap=posix_memalign -Wl,--wrap=mmap -Wl,--wrap=munmap
