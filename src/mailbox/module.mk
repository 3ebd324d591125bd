# mailbox: acknowledged messages with a durable outbox, as a library of its own.

libferry_mailbox_core_la_SOURCES += \
	src/mailbox/carrier.h \
	src/mailbox/compress.c \
	src/mailbox/compress.h \
	src/mailbox/dead_letters.c \
	src/mailbox/dead_letters.h \
	src/mailbox/dispatch.c \
	src/mailbox/dispatch.h \
	src/mailbox/journal.c \
	src/mailbox/journal.h \
	src/mailbox/lookup.c \
	src/mailbox/lookup.h \
	src/mailbox/mail.c \
	src/mailbox/mail.h \
	src/mailbox/outbox.c \
	src/mailbox/outbox.h \
	src/mailbox/outbox_load.c \
	src/mailbox/outbox_post.c \
	src/mailbox/outbox_state.h \
	src/mailbox/queues.c \
	src/mailbox/queues.h \
	src/mailbox/receiver.c \
	src/mailbox/receiver.h \
	src/mailbox/sqlite_rows.c \
	src/mailbox/sqlite_rows.h \
	src/mailbox/sqlite_store.c \
	src/mailbox/sqlite_store.h \
	src/mailbox/window.c \
	src/mailbox/window.h

if WITH_MAILBOX
noinst_LTLIBRARIES += libferry-mailbox-core.la
libferry_mailbox_core_la_CPPFLAGS = $(FERRY_CPPFLAGS) $(MAILBOX_CFLAGS)
libferry_mailbox_core_la_CFLAGS = $(AM_CFLAGS) -fvisibility=hidden
libferry_mailbox_core_la_LDFLAGS = $(FERRY_LDFLAGS)
libferry_mailbox_core_la_LIBADD = $(MAILBOX_LIBS) -lpthread
endif
