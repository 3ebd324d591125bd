# wire: codecs, headers, ids, versions, URLs.  They convert between bytes and structs; no I/O.

libferry_core_la_SOURCES += \
	src/wire/answer_body.c \
	src/wire/answer_body.h \
	src/wire/answer_head.c \
	src/wire/answer_head.h \
	src/wire/be64.h \
	src/wire/chunk_writer.c \
	src/wire/chunk_writer.h \
	src/wire/chunks.c \
	src/wire/chunks.h \
	src/wire/decoder.c \
	src/wire/decoder.h \
	src/wire/encoder.c \
	src/wire/encoder.h \
	src/wire/frame.c \
	src/wire/frame.h \
	src/wire/grid_frame.c \
	src/wire/grid_frame.h \
	src/wire/grid_names.c \
	src/wire/grid_names.h \
	src/wire/grid_payload.c \
	src/wire/grid_payload.h \
	src/wire/headers.c \
	src/wire/headers.h \
	src/wire/http_header.h \
	src/wire/lock_args.c \
	src/wire/message.c \
	src/wire/message.h \
	src/wire/msgpack.c \
	src/wire/msgpack.h \
	src/wire/outgoing.c \
	src/wire/outgoing.h \
	src/wire/probe_answer.c \
	src/wire/probe_answer.h \
	src/wire/protobuf.h \
	src/wire/raftpb.h \
	src/wire/url.c \
	src/wire/url.h \
	src/wire/websocket.c \
	src/wire/websocket.h \
	src/wire/websocket_upgrade.c \
	src/wire/websocket_upgrade.h \
	src/wire/xxh3.c \
	src/wire/xxh3.h

# For libferry-mailbox alone.
libferry_mailbox_core_la_SOURCES += \
	src/wire/cbor.c \
	src/wire/cbor.h \
	src/wire/gob.c \
	src/wire/gob.h \
	src/wire/mail_frame.c \
	src/wire/mail_frame.h \
	src/wire/steward.c \
	src/wire/steward.h \
	src/wire/steward_cbor.c \
	src/wire/steward_fields.c \
	src/wire/steward_fields.h \
	src/wire/steward_gob.c
