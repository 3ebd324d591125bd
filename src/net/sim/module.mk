# sim: a network in memory, with a virtual clock and one seed.

libferry_core_la_SOURCES += \
	src/net/sim/call.c \
	src/net/sim/chance.h \
	src/net/sim/conn.c \
	src/net/sim/conn.h \
	src/net/sim/duplex.c \
	src/net/sim/ends.h \
	src/net/sim/pipe.c \
	src/net/sim/pipe.h \
	src/net/sim/serve.c \
	src/net/sim/sim.c \
	src/net/sim/sim.h \
	src/net/sim/world.c \
	src/net/sim/world.h
