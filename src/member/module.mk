# member: one other member of the cluster as any service sees it, on net.h alone.  No system call, no thread, no clock
# of its own.

libferry_core_la_SOURCES += \
	src/member/account.c \
	src/member/account.h \
	src/member/channel.c \
	src/member/channel.h \
	src/member/counts.c \
	src/member/counts.h \
	src/member/excuse.h \
	src/member/link.c \
	src/member/link.h \
	src/member/local.c \
	src/member/local.h \
	src/member/member.c \
	src/member/member.h \
	src/member/pace.c \
	src/member/pace.h \
	src/member/peer_status.c \
	src/member/peer_status.h \
	src/member/refusal.c \
	src/member/refusal.h \
	src/member/stall.h \
	src/member/url_picker.c \
	src/member/url_picker.h
