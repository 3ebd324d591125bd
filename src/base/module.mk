# base: errors, log, lists.  Knows nothing above it.

libferry_core_la_SOURCES += \
	src/base/error.c \
	src/base/list.h \
	src/base/log.c \
	src/base/log.h
