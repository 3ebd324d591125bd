# base: what any part of the library may use.  Includes nothing of the folders above it.

libferry_core_la_SOURCES += \
	src/base/error.c \
	src/base/exposition.c \
	src/base/exposition.h \
	src/base/gather.h \
	src/base/histogram.c \
	src/base/histogram.h \
	src/base/item.h \
	src/base/list.h \
	src/base/log.c \
	src/base/log.h \
	src/base/preset.h \
	src/base/shelf.c \
	src/base/shelf.h \
	src/base/spin.c \
	src/base/spin.h \
	src/base/text.c \
	src/base/text.h \
	src/base/thread.c \
	src/base/thread.h \
	src/base/workers.c \
	src/base/workers.h
