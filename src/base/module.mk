# base: errors, log, lists, threads.  Knows nothing above it.

libferry_core_la_SOURCES += \
	src/base/error.c \
	src/base/list.h \
	src/base/log.c \
	src/base/log.h \
	src/base/thread.c \
	src/base/thread.h
