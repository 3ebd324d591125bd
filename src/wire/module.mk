# wire: codecs, headers, ids, versions, URLs.  Bytes in, bytes out; no I/O.

libferry_core_la_SOURCES += \
	src/wire/decoder.h \
	src/wire/encoder.h \
	src/wire/headers.c \
	src/wire/headers.h \
	src/wire/message.h \
	src/wire/outgoing.h \
	src/wire/url.c \
	src/wire/url.h
