# peer: the protocol of one peer, on net.h alone.  No system call, no thread, no clock of its own.

libferry_core_la_SOURCES += \
	src/peer/inbox.c \
	src/peer/inbox.h \
	src/peer/message_class.c \
	src/peer/message_class.h \
	src/peer/peer.c \
	src/peer/peer.h \
	src/peer/peer_base.c \
	src/peer/peer_base.h \
	src/peer/pipeline.c \
	src/peer/pipeline.h \
	src/peer/prober.c \
	src/peer/prober.h \
	src/peer/raft_local.c \
	src/peer/raft_local.h \
	src/peer/snapshot_lane.c \
	src/peer/snapshot_lane.h \
	src/peer/snapshot_meter.c \
	src/peer/snapshot_meter.h \
	src/peer/stream_reader.c \
	src/peer/stream_reader.h \
	src/peer/stream_writer.c \
	src/peer/stream_writer.h
