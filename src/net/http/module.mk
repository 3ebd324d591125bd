# http: libmicrohttpd and libcurl in one epoll loop.

libferry_core_la_SOURCES += \
	src/net/http/accept.c \
	src/net/http/accept.h \
	src/net/http/bulk.c \
	src/net/http/bulk.h \
	src/net/http/bypass.c \
	src/net/http/bypass.h \
	src/net/http/call.c \
	src/net/http/call.h \
	src/net/http/client.c \
	src/net/http/client.h \
	src/net/http/client_tls.c \
	src/net/http/client_tls.h \
	src/net/http/conn.c \
	src/net/http/conn.h \
	src/net/http/exchange.c \
	src/net/http/exchange.h \
	src/net/http/http.c \
	src/net/http/http.h \
	src/net/http/linger.c \
	src/net/http/linger.h \
	src/net/http/listener.h \
	src/net/http/loop.c \
	src/net/http/loop.h \
	src/net/http/outflow.c \
	src/net/http/outflow.h \
	src/net/http/raw_answer.c \
	src/net/http/raw_answer.h \
	src/net/http/request.c \
	src/net/http/request.h \
	src/net/http/server.c \
	src/net/http/server.h \
	src/net/http/server_tls.c \
	src/net/http/server_tls.h \
	src/net/http/socket.c \
	src/net/http/socket.h \
	src/net/http/taken.c \
	src/net/http/unparsed.c \
	src/net/http/unparsed.h \
	src/net/http/unsent.c \
	src/net/http/unsent.h \
	src/net/http/vitals.c \
	src/net/http/vitals.h
