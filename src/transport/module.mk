# transport: the public face.

libferry_core_la_SOURCES += \
	src/transport/admission.c \
	src/transport/admission.h \
	src/transport/config.c \
	src/transport/config.h \
	src/transport/debug_peers.c \
	src/transport/debug_peers.h \
	src/transport/delivery.c \
	src/transport/delivery.h \
	src/transport/faults.c \
	src/transport/gate.c \
	src/transport/members.c \
	src/transport/metrics.c \
	src/transport/metrics.h \
	src/transport/pages.c \
	src/transport/pages.h \
	src/transport/peer_table.c \
	src/transport/peer_table.h \
	src/transport/posts.c \
	src/transport/posts.h \
	src/transport/raft_server.c \
	src/transport/raft_server.h \
	src/transport/send.c \
	src/transport/snapshot_server.c \
	src/transport/snapshot_server.h \
	src/transport/status.c \
	src/transport/survey.c \
	src/transport/survey.h \
	src/transport/transport.c \
	src/transport/transport.h
