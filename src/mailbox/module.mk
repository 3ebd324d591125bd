# mailbox: acknowledged messages with a durable outbox, as a library of its own.

libferry_mailbox_core_la_SOURCES += \
	src/mailbox/compress.c \
	src/mailbox/compress.h

if WITH_MAILBOX
noinst_LTLIBRARIES += libferry-mailbox-core.la
libferry_mailbox_core_la_CPPFLAGS = $(FERRY_CPPFLAGS) $(MAILBOX_CFLAGS)
libferry_mailbox_core_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden
libferry_mailbox_core_la_LDFLAGS = $(FERRY_LDFLAGS)
libferry_mailbox_core_la_LIBADD = $(MAILBOX_LIBS) -lpthread
endif
