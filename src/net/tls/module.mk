# tls: what is read, checked and judged, for both sides.

libferry_core_la_SOURCES += \
	src/net/tls/certificate.c \
	src/net/tls/certificate.h \
	src/net/tls/judge.c \
	src/net/tls/judge.h \
	src/net/tls/policy.c \
	src/net/tls/policy.h \
	src/net/tls/tls.c \
	src/net/tls/tls.h
