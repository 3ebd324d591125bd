# http: libmicrohttpd and libcurl in one epoll loop.
