# transport: the public face.

libferry_core_la_SOURCES += \
	src/transport/answers.c \
	src/transport/answers.h \
	src/transport/config.c \
	src/transport/config.h \
	src/transport/delivery.c \
	src/transport/delivery.h \
	src/transport/intake.c \
	src/transport/intake.h \
	src/transport/raft_server.c \
	src/transport/raft_server.h \
	src/transport/routes.c \
	src/transport/routes.h \
	src/transport/snapshot_server.c \
	src/transport/snapshot_server.h \
	src/transport/transport.c \
	src/transport/transport.h
