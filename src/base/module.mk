# base: errors, gathering, histograms, items, lists, log, presets, shelves, spinning, text, threads.  Knows nothing above it.

libferry_core_la_SOURCES += \
	src/base/error.c \
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
	src/base/thread.h
