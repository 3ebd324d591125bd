# disk: what blocks - the bodies of snapshots, read and stored by threads of their own.

libferry_core_la_SOURCES += \
	src/disk/body_reader.c \
	src/disk/body_reader.h \
	src/disk/body_slots.c \
	src/disk/body_slots.h \
	src/disk/body_writer.c \
	src/disk/body_writer.h \
	src/disk/disk.c \
	src/disk/disk.h \
	src/disk/snapshot_dir.c \
	src/disk/snapshot_dir.h
