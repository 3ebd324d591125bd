# sim: the simulated network and clock as a public part of the library.

libferry_core_la_SOURCES += \
	src/sim/simulation.c
