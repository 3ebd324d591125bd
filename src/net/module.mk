# net: the seam, and what stands behind it.

libferry_core_la_SOURCES += \
	src/net/errands.c \
	src/net/errands.h \
	src/net/net.c \
	src/net/net.h \
	src/net/timers.c \
	src/net/timers.h

include src/net/http/module.mk
include src/net/sim/module.mk
include src/net/tls/module.mk
