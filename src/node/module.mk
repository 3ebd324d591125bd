# node: what the services of one process share.

libferry_core_la_SOURCES += \
	src/node/answers.c \
	src/node/answers.h \
	src/node/intake.c \
	src/node/intake.h \
	src/node/node.c \
	src/node/node.h \
	src/node/pages.c \
	src/node/pages.h \
	src/node/routes.c \
	src/node/routes.h \
	src/node/service.h
