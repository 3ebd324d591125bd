# peer: the protocol of one peer, on net.h alone.  No system call, no thread, no clock of its own.

libferry_core_la_SOURCES += \
	src/peer/channel.c \
	src/peer/channel.h \
	src/peer/counts.c \
	src/peer/counts.h \
	src/peer/excuse.h \
	src/peer/inbox.c \
	src/peer/inbox.h \
	src/peer/link.c \
	src/peer/link.h \
	src/peer/local.c \
	src/peer/local.h \
	src/peer/pace.c \
	src/peer/pace.h \
	src/peer/peer.c \
	src/peer/peer.h \
	src/peer/peer_status.c \
	src/peer/peer_status.h \
	src/peer/pipeline.c \
	src/peer/pipeline.h \
	src/peer/prober.c \
	src/peer/prober.h \
	src/peer/refusal.c \
	src/peer/refusal.h \
	src/peer/snapshot_lane.c \
	src/peer/snapshot_lane.h \
	src/peer/snapshot_meter.c \
	src/peer/snapshot_meter.h \
	src/peer/stall.h \
	src/peer/stream_reader.c \
	src/peer/stream_reader.h \
	src/peer/stream_writer.c \
	src/peer/stream_writer.h \
	src/peer/url_picker.c \
	src/peer/url_picker.h
