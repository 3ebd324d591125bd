/*
 * storage - term, vote, log and snapshot on disk.
 *
 * The file is a row of frames, and each of them is one write: its head (length and two checksums) and then records: who
 * we are, the hard state, an entry, a snapshot.  An entry at an index that was written before replaces it and all
 * behind it.  A snapshot begins a new file, which takes the old one's name when it is on disk.
 *
 * At the start frames are read up to the end.  The last one may be incomplete, or its bytes wrong, if the machine or
 * the member died while it was written: nobody was told of it, and it is cut off.  A frame with wrong bytes that others
 * follow was once on disk and is damaged: that is an error, since what it held may have been acknowledged.
 */
#include "etcd-member/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "etcd-member/mem.h"
#include "etcd-member/say.h"

#define FILE_NAME "raft.log"
#define NEW_NAME "raft.log.new"
#define HEAD_LEN 12 /* payload's length, its checksum, the checksum of these two */

enum record { RECORD_IDENTITY = 1, RECORD_STATE, RECORD_ENTRY, RECORD_SNAPSHOT };

struct storage {
    char *dir;
    int dir_fd;
    int fd;
    uint64_t id;
    uint64_t cluster_id;

    uint8_t *frame; /* the one that is being made, head first */
    size_t len;
    size_t room;
};

/* ---- Making a frame -----------------------------------------------------------------------------------------------
 */

static void put_bytes(struct storage *s, const void *data, size_t len)
{
    while (s->room - s->len < len)
        s->frame = mem_grow(s->frame, s->room, &s->room, 1);
    if (len > 0)
        memcpy(s->frame + s->len, data, len);
    s->len += len;
}

static void put_number(struct storage *s, uint64_t number)
{
    put_bytes(s, &number, sizeof(number));
}

static void put_run(struct storage *s, struct ferry_bytes bytes)
{
    put_number(s, bytes.data ? bytes.len + 1 : 0); /* 0: absent */
    put_bytes(s, bytes.data, bytes.len);
}

static void put_ids(struct storage *s, const struct ids *ids)
{
    put_number(s, ids->n);
    put_bytes(s, ids->list, ids->n * sizeof(*ids->list));
}

static void begin_frame(struct storage *s)
{
    static const uint8_t head[HEAD_LEN];

    s->len = 0;
    put_bytes(s, head, sizeof(head));
}

static void put_identity(struct storage *s)
{
    put_number(s, RECORD_IDENTITY);
    put_number(s, s->id);
    put_number(s, s->cluster_id);
}

static void put_state(struct storage *s, const struct raft_hard_state *state)
{
    put_number(s, RECORD_STATE);
    put_number(s, state->term);
    put_number(s, state->vote);
    put_number(s, state->commit);
}

static void put_entry(struct storage *s, const struct ferry_entry *entry)
{
    put_number(s, RECORD_ENTRY);
    put_number(s, entry->index);
    put_number(s, entry->term);
    put_number(s, entry->type);
    put_run(s, entry->data);
}

static void put_snapshot(struct storage *s, const struct snapshot *snapshot)
{
    put_number(s, RECORD_SNAPSHOT);
    put_number(s, snapshot->index);
    put_number(s, snapshot->term);
    put_ids(s, &snapshot->conf.voters);
    put_ids(s, &snapshot->conf.outgoing);
    put_ids(s, &snapshot->conf.learners);
    put_ids(s, &snapshot->conf.learners_next);
    put_number(s, snapshot->conf.auto_leave);
    put_run(s, snapshot->data);
}

static uint32_t checksum(const uint8_t *data, size_t len)
{
    return (uint32_t)crc32_z(0, data, len);
}

static void end_frame(struct storage *s)
{
    uint32_t head[2] = {(uint32_t)(s->len - HEAD_LEN), checksum(s->frame + HEAD_LEN, s->len - HEAD_LEN)};
    uint32_t of_head = checksum((const uint8_t *)head, sizeof(head));

    if (s->len - HEAD_LEN > UINT32_MAX)
        die("%s: more than 4 GiB in one write", s->dir);
    memcpy(s->frame, head, sizeof(head));
    memcpy(s->frame + sizeof(head), &of_head, sizeof(of_head));
}

static void write_frame(struct storage *s, bool is_urgent)
{
    size_t done = 0;

    end_frame(s);
    while (done < s->len) {
        ssize_t n = write(s->fd, s->frame + done, s->len - done);

        if (n < 0 && errno != EINTR)
            die("%s/%s: %s", s->dir, FILE_NAME, strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
    if (is_urgent && fdatasync(s->fd))
        die("%s/%s: %s", s->dir, FILE_NAME, strerror(errno));
}

/* ---- Reading frames -------------------------------------------------------------------------------------------------
 */

struct reading {
    const uint8_t *at;
    const uint8_t *end;
    bool is_bad; /* something did not fit */
};

static const uint8_t *get_bytes(struct reading *in, uint64_t len)
{
    const uint8_t *data = in->at;

    if (in->is_bad || len > (uint64_t)(in->end - in->at)) {
        in->is_bad = true;
        return NULL;
    }
    in->at += len;
    return data;
}

static uint64_t get_number(struct reading *in)
{
    const uint8_t *data = get_bytes(in, sizeof(uint64_t));
    uint64_t number = 0;

    if (data)
        memcpy(&number, data, sizeof(number));
    return number;
}

static struct ferry_bytes get_run(struct reading *in)
{
    uint64_t len = get_number(in);

    if (len == 0)
        return (struct ferry_bytes){0};
    return (struct ferry_bytes){get_bytes(in, len - 1), (size_t)(len - 1)};
}

static void get_ids(struct reading *in, struct ids *ids)
{
    uint64_t n = get_number(in);

    if (n > (uint64_t)(in->end - in->at) / sizeof(uint64_t))
        in->is_bad = true;
    for (uint64_t i = 0; i < n && !in->is_bad; i++)
        ids_add(ids, get_number(in));
}

static void get_entry(struct reading *in, struct raft_log *log)
{
    uint64_t index = get_number(in);
    uint64_t term = get_number(in);
    uint64_t type = get_number(in);
    struct ferry_bytes data = get_run(in);

    if (index <= log->base_index || index > raft_log_last_index(log) + 1)
        in->is_bad = true;
    if (in->is_bad)
        return;
    raft_log_truncate(log, index);
    raft_log_append(log, term, (enum ferry_entry_type)type, data);
}

static void get_snapshot(struct reading *in, struct stored *stored)
{
    struct snapshot *snapshot = &stored->snapshot;
    struct ferry_bytes data;

    snapshot_release(snapshot);
    snapshot->index = get_number(in);
    snapshot->term = get_number(in);
    get_ids(in, &snapshot->conf.voters);
    get_ids(in, &snapshot->conf.outgoing);
    get_ids(in, &snapshot->conf.learners);
    get_ids(in, &snapshot->conf.learners_next);
    snapshot->conf.auto_leave = get_number(in) != 0;
    data = get_run(in);
    if (in->is_bad)
        return;
    snapshot->data = (struct ferry_bytes){mem_copy(data.data, data.len), data.len};
    raft_log_reset(&stored->log, snapshot->index, snapshot->term);
}

static bool read_records(const uint8_t *payload, size_t len, struct stored *stored)
{
    struct reading in = {payload, payload + len, false};

    while (in.at < in.end && !in.is_bad) {
        switch (get_number(&in)) {
        case RECORD_IDENTITY:
            stored->id = get_number(&in);
            stored->cluster_id = get_number(&in);
            break;
        case RECORD_STATE:
            stored->state.term = get_number(&in);
            stored->state.vote = get_number(&in);
            stored->state.commit = get_number(&in);
            break;
        case RECORD_ENTRY:
            get_entry(&in, &stored->log);
            break;
        case RECORD_SNAPSHOT:
            get_snapshot(&in, stored);
            break;
        default:
            in.is_bad = true;
        }
    }
    return !in.is_bad;
}

static bool is_all_zero(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != 0)
            return false;
    return true;
}

enum frame { FRAME_WHOLE, FRAME_TORN, FRAME_DAMAGED };

/* What stands at the beginning of data, and how long it is. */
static enum frame look_at(const uint8_t *data, size_t len, size_t *ret_len)
{
    uint32_t head[3];

    if (len < HEAD_LEN)
        return FRAME_TORN;
    memcpy(head, data, sizeof(head));
    if (head[2] != checksum(data, 2 * sizeof(head[0])))
        return is_all_zero(data, len) ? FRAME_TORN : FRAME_DAMAGED; /* room that was never filled, or something else */
    if (head[0] > len - HEAD_LEN)
        return FRAME_TORN;
    if (head[1] != checksum(data + HEAD_LEN, head[0]))
        return head[0] == len - HEAD_LEN ? FRAME_TORN : FRAME_DAMAGED;
    *ret_len = HEAD_LEN + head[0];
    return FRAME_WHOLE;
}

/* Read all frames.  NULL, or what is wrong. */
static char *read_frames(const uint8_t *data, size_t size, struct stored *stored)
{
    size_t at = 0;

    while (at < size) {
        size_t len = 0;

        switch (look_at(data + at, size - at, &len)) {
        case FRAME_WHOLE:
            break;
        case FRAME_TORN:
            stored->n_torn = size - at;
            return NULL;
        case FRAME_DAMAGED:
            return mem_print("damaged at byte %zu of %zu: wrong checksum", at, size);
        }
        if (!read_records(data + at + HEAD_LEN, len - HEAD_LEN, stored))
            return mem_print("damaged at byte %zu of %zu: not a row of records", at, size);
        at += len;
    }
    return NULL;
}

/* The whole file; NULL with errno set. */
static uint8_t *read_file(int fd, size_t *ret_size)
{
    struct stat file;
    uint8_t *data;
    size_t done = 0;

    if (fstat(fd, &file))
        return NULL;
    data = mem_zero((size_t)file.st_size);
    while (done < (size_t)file.st_size) {
        ssize_t n = pread(fd, data + done, (size_t)file.st_size - done, (off_t)done);

        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            free(data);
            errno = n == 0 ? EIO : errno;
            return NULL;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    *ret_size = done;
    return data;
}

static char *recover(struct storage *s, struct stored *stored)
{
    size_t size = 0;
    uint8_t *data = read_file(s->fd, &size);
    char *why;

    if (!data)
        return mem_print("%s", strerror(errno));
    why = read_frames(data, size, stored);
    free(data);
    if (why)
        return why;
    size -= stored->n_torn;
    if (stored->n_torn > 0 && (ftruncate(s->fd, (off_t)size) || fsync(s->fd)))
        return mem_print("the end cannot be cut off: %s", strerror(errno));
    if (lseek(s->fd, (off_t)size, SEEK_SET) < 0)
        return mem_print("%s", strerror(errno));
    s->id = stored->id;
    s->cluster_id = stored->cluster_id;
    return NULL;
}

/* ---- Life
 * -------------------------------------------------------------------------------------------------------------- */

void stored_release(struct stored *stored)
{
    snapshot_release(&stored->snapshot);
    raft_log_release(&stored->log);
}

static char *open_files(struct storage *s)
{
    if (mkdir(s->dir, 0700) && errno != EEXIST)
        return mem_print("%s", strerror(errno));
    s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0)
        return mem_print("%s", strerror(errno));
    s->fd = openat(s->dir_fd, FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->fd < 0 || fsync(s->dir_fd))
        return mem_print("%s", strerror(errno));
    return NULL;
}

struct storage *storage_open(const char *dir, struct stored *ret_stored, char **ret_why)
{
    struct storage *s = mem_zero(sizeof(*s));
    struct stored stored = {0};
    char *why;

    s->dir = mem_print("%s", dir);
    s->dir_fd = s->fd = -1;
    why = open_files(s);
    if (!why)
        why = recover(s, &stored);
    if (why) {
        *ret_why = mem_print("%s/%s: %s", dir, FILE_NAME, why);
        free(why);
        stored_release(&stored);
        storage_close(s);
        return NULL;
    }
    *ret_stored = stored;
    return s;
}

void storage_close(struct storage *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        (void)close(s->fd); /* what had to be on disk is */
    if (s->dir_fd >= 0)
        (void)close(s->dir_fd);
    free(s->frame);
    free(s->dir);
    free(s);
}

void storage_begin(struct storage *s, uint64_t id, uint64_t cluster_id)
{
    s->id = id;
    s->cluster_id = cluster_id;
    begin_frame(s);
    put_identity(s);
    write_frame(s, true);
}

void storage_append(struct storage *s, const struct raft_hard_state *state, const struct ferry_entry *entries, size_t n,
                    bool is_urgent)
{
    begin_frame(s);
    for (size_t i = 0; i < n; i++)
        put_entry(s, &entries[i]);
    put_state(s, state);
    write_frame(s, is_urgent);
}

void storage_restart(struct storage *s, const struct snapshot *snapshot, const struct raft_hard_state *state)
{
    int old = s->fd;

    s->fd = openat(s->dir_fd, NEW_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (s->fd < 0)
        die("%s/%s: %s", s->dir, NEW_NAME, strerror(errno));
    begin_frame(s);
    put_identity(s);
    put_snapshot(s, snapshot);
    put_state(s, state);
    write_frame(s, true);
    if (renameat(s->dir_fd, NEW_NAME, s->dir_fd, FILE_NAME) || fsync(s->dir_fd))
        die("%s/%s: %s", s->dir, FILE_NAME, strerror(errno));
    (void)close(old); /* nobody needs it any more */
}
