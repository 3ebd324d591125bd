/*
 * raft_store - the disk of a simulated libraft server.
 *
 * There are two views of one log. disk is what a crash leaves. view is what libraft has requested so far: terms only,
 * for checks.  Between them is the queue of writes; the first is under way, and the timer is its end.  A close ends
 * everything in the queue.
 */
#include "harness/raft_store.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "harness/raft_versions.h"

enum write_kind {
    APPEND,
    TRUNCATE,
    SNAPSHOT_PUT,
    SNAPSHOT_GET,
#if !FY_RAFT_IS_0_22
    WORK,
#endif
};

struct write {
    struct fy_node node;
    enum write_kind kind;
    struct raft_store_entry *entries; /* APPEND; owned */
    size_t n_entries;
    raft_index from;                /* TRUNCATE */
    struct raft_snapshot *snapshot; /* SNAPSHOT_PUT; owned */
    unsigned trailing;
    union {
        struct raft_io_append *append;
        struct raft_io_snapshot_put *put;
        struct raft_io_snapshot_get *get;
#if !FY_RAFT_IS_0_22
        struct raft_io_async_work *work;
#endif
    } req;
};

struct raft_store {
    struct raft_io io;
    struct ferry_sim *sim;
    struct ferry_sim_timer *tick_timer;
    struct ferry_sim_timer *write_timer;
    struct fy_chance chance;
    struct raft_store_watch watch;
    uint64_t min_ns, max_ns;
    raft_io_tick_cb tick;
    unsigned tick_ms;
    bool is_closed; /* between two runs */
    unsigned n_canceled_installs;

    struct { /* what survives */
        raft_term term;
        raft_id vote;
        struct raft_snapshot *snapshot; /* NULL: none */
        raft_index first;               /* of the entries */
        struct raft_store_entry *entries;
        size_t n, room;
    } disk;

    struct {             /* what libraft has asked for */
        raft_index base; /* nothing is known up to here but the term of the last */
        raft_term base_term;
        raft_term *terms;
        size_t n, room;
    } view;

    struct fy_list writes; /* struct write, oldest first */
};

/* ---- Memory: a test that has none has no use for going on ----------------------------------------------------------
 */

static void *got(void *block)
{
    if (!block)
        ck_abort_msg("no memory");
    return block;
}

static void *copy_bytes(const void *data, size_t len)
{
    void *copy = got(malloc(len ? len : 1));

    if (len)
        memcpy(copy, data, len);
    return copy;
}

/* For libraft, which frees it. */
static void *lend_bytes(const void *data, size_t len)
{
    void *copy = got(raft_malloc(len ? len : 1));

    if (len)
        memcpy(copy, data, len);
    return copy;
}

static uint64_t digest_of(unsigned short type, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    uint64_t hash = fy_chance_mix(type + UINT64_C(0x1000));
    uint64_t word;
    size_t i = 0;

    if (type == RAFT_BARRIER) /* its data means nothing */
        return hash;
    for (; i + sizeof(word) <= len; i += sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    for (; i < len; i++)
        hash = fy_chance_mix(hash ^ bytes[i]);
    return fy_chance_mix(hash ^ len);
}

static struct raft_snapshot *copy_snapshot(const struct raft_snapshot *from, bool for_libraft)
{
    struct raft_snapshot *to = got(for_libraft ? raft_malloc(sizeof(*to)) : malloc(sizeof(*to)));
    size_t len = 0, at = 0;
    uint8_t *base;

    *to = (struct raft_snapshot){
        .index = from->index, .term = from->term, .configuration_index = from->configuration_index, .n_bufs = 1};
    raft_configuration_init(&to->configuration);
    for (unsigned i = 0; i < from->configuration.n; i++) {
        const struct raft_server *server = &from->configuration.servers[i];

        if (raft_configuration_add(&to->configuration, server->id, server->address, server->role) != 0)
            ck_abort_msg("no memory");
    }
    for (unsigned i = 0; i < from->n_bufs; i++)
        len += from->bufs[i].len;
    to->bufs = got(raft_malloc(sizeof(*to->bufs)));
    base = got(raft_malloc(len ? len : 1));
    for (unsigned i = 0; i < from->n_bufs; i++) {
        memcpy(base + at, from->bufs[i].base, from->bufs[i].len);
        at += from->bufs[i].len;
    }
    to->bufs[0] = (struct raft_buffer){.base = base, .len = len};
    return to;
}

static void free_snapshot(struct raft_snapshot *snapshot)
{
    if (!snapshot)
        return;
    raft_configuration_close(&snapshot->configuration);
    raft_free(snapshot->bufs[0].base);
    raft_free(snapshot->bufs);
    free(snapshot);
}

static void free_write(struct write *write)
{
    for (size_t i = 0; i < write->n_entries; i++)
        free(write->entries[i].data);
    free(write->entries);
    free_snapshot(write->snapshot);
    free(write);
}

/* ---- The view -----------------------------------------------------------------------------------------------------
 */

static void view_reset(struct raft_store *store, raft_index base, raft_term base_term)
{
    store->view.base = base;
    store->view.base_term = base_term;
    store->view.n = 0;
}

static void view_push(struct raft_store *store, raft_term term)
{
    if (store->view.n == store->view.room) {
        store->view.room = store->view.room ? 2 * store->view.room : 64;
        store->view.terms = got(realloc(store->view.terms, store->view.room * sizeof(*store->view.terms)));
    }
    store->view.terms[store->view.n++] = term;
}

raft_index raft_store_last_index(const struct raft_store *store)
{
    return store->view.base + store->view.n;
}

raft_term raft_store_term_at(const struct raft_store *store, raft_index index)
{
    if (index == store->view.base)
        return store->view.base_term;
    return index > store->view.base && index <= raft_store_last_index(store)
               ? store->view.terms[index - store->view.base - 1]
               : 0;
}

/* ---- The disk -----------------------------------------------------------------------------------------------------
 */

static void disk_drop_last(struct raft_store *store, size_t n)
{
    while (n-- > 0)
        free(store->disk.entries[--store->disk.n].data);
}

static void disk_drop_first(struct raft_store *store, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(store->disk.entries[i].data);
    store->disk.n -= n;
    store->disk.first += n;
    memmove(store->disk.entries, store->disk.entries + n, store->disk.n * sizeof(*store->disk.entries));
}

/* Move the first n entries of a write to the disk. */
static void disk_append(struct raft_store *store, struct write *write, size_t n)
{
    if (store->disk.n + n > store->disk.room) {
        store->disk.room = 2 * (store->disk.n + n);
        store->disk.entries = got(realloc(store->disk.entries, store->disk.room * sizeof(*store->disk.entries)));
    }
    memcpy(store->disk.entries + store->disk.n, write->entries, n * sizeof(*write->entries));
    store->disk.n += n;
    for (size_t i = 0; i < n; i++)
        write->entries[i].data = NULL;
}

static void disk_truncate(struct raft_store *store, raft_index from)
{
    raft_index end = store->disk.first + store->disk.n;

    if (from < end)
        disk_drop_last(store, from <= store->disk.first ? store->disk.n : (size_t)(end - from));
}

/* A snapshot takes the place of all but the trailing entries before its index; an installed one, of all. */
static void disk_put(struct raft_store *store, struct write *write)
{
    struct raft_snapshot *snapshot = write->snapshot;
    raft_index end = store->disk.first + store->disk.n;

    free_snapshot(store->disk.snapshot);
    store->disk.snapshot = snapshot;
    write->snapshot = NULL;
    if (write->trailing == 0) {
        disk_drop_last(store, store->disk.n);
        store->disk.first = snapshot->index + 1;
    } else if (snapshot->index > write->trailing) {
        raft_index keep = snapshot->index - write->trailing + 1;

        if (keep > store->disk.first)
            disk_drop_first(store, keep < end ? (size_t)(keep - store->disk.first) : store->disk.n);
    }
}

/* ---- Writes -------------------------------------------------------------------------------------------------------
 */

/* The first write is on the disk. */
static void settle(struct raft_store *store, struct write *write)
{
    if (write->kind == APPEND)
        disk_append(store, write, write->n_entries);
    else if (write->kind == TRUNCATE)
        disk_truncate(store, write->from);
    else if (write->kind == SNAPSHOT_PUT)
        disk_put(store, write);
}

static void call_back(struct raft_store *store, struct write *write, int status)
{
    switch (write->kind) {
    case APPEND:
        write->req.append->cb(write->req.append, status);
        break;
    case SNAPSHOT_PUT:
        store->n_canceled_installs += status != 0 && write->trailing == 0;
        write->req.put->cb(write->req.put, status);
        break;
    case SNAPSHOT_GET: {
        bool has_one = status == 0 && store->disk.snapshot;

        write->req.get->cb(write->req.get, has_one ? copy_snapshot(store->disk.snapshot, true) : NULL,
                           has_one       ? 0
                           : status == 0 ? RAFT_NOTFOUND
                                         : status);
        break;
    }
#if !FY_RAFT_IS_0_22
    case WORK:
        write->req.work->cb(write->req.work, status == 0 ? write->req.work->work(write->req.work) : status);
        break;
#endif
    case TRUNCATE:
        break;
    }
    free_write(write);
}

static void expect(struct raft_store *store)
{
    const struct write *first = fy_container(fy_list_first(&store->writes), struct write, node);
    uint64_t ns = fy_chance_between(&store->chance, store->min_ns, store->max_ns);

    if (first->kind == SNAPSHOT_PUT || first->kind == SNAPSHOT_GET)
        ns *= 10;
    ck_assert_int_eq(ferry_sim_timer_set(store->write_timer, ferry_sim_now_ns(store->sim) + ns), FERRY_OK);
}

static void on_written(void *ctx)
{
    struct raft_store *store = ctx;
    struct write *write = fy_container(fy_list_take_first(&store->writes), struct write, node);

    if (!fy_list_is_empty(&store->writes))
        expect(store);
    settle(store, write);
    call_back(store, write, 0);
}

static struct write *write_new(struct raft_store *store, enum write_kind kind)
{
    struct write *write = got(calloc(1, sizeof(*write)));
    bool was_idle = fy_list_is_empty(&store->writes);

    write->kind = kind;
    fy_list_append(&store->writes, &write->node);
    if (was_idle)
        expect(store);
    return write;
}

/* What is written so is not called back: it stays in the queue, to be canceled by the close. */
void raft_store_crash(struct raft_store *store)
{
    for (struct fy_node *at = fy_list_first(&store->writes); at; at = fy_list_next(&store->writes, at)) {
        struct write *write = fy_container(at, struct write, node);

        if (fy_chance_below(&store->chance, 2) == 0) {
            if (write->kind == APPEND)
                disk_append(store, write, (size_t)fy_chance_below(&store->chance, write->n_entries));
            return;
        }
        settle(store, write);
    }
}

/* ---- The raft_io --------------------------------------------------------------------------------------------------
 */

static struct raft_store *store_of(struct raft_io *io)
{
    return io->impl;
}

static int io_init(struct raft_io *io, raft_id id, const char *address)
{
    struct raft_store *store = store_of(io);

    (void)id;
    (void)address;
    store->is_closed = false;
    return 0;
}

/*
 * Appends that end here are called back as if they had been written, which the disk need not have done: libraft 0.15
 * truncates its log at an append that was canceled, and then crashes over those that came after it, or over entries
 * that have long been replaced.  When it is told of success while it closes, it only lets go of the memory.
 */
static void io_close(struct raft_io *io, raft_io_close_cb cb)
{
    struct raft_store *store = store_of(io);
    struct fy_node *node;

    ferry_sim_timer_unset(store->tick_timer);
    ferry_sim_timer_unset(store->write_timer);
    store->is_closed = true;
    while ((node = fy_list_take_first(&store->writes))) {
        struct write *write = fy_container(node, struct write, node);

        call_back(store, write, write->kind == APPEND ? 0 : RAFT_CANCELED);
    }
    if (cb)
        cb(io);
}

static int io_load(struct raft_io *io, raft_term *term, raft_id *voted_for, struct raft_snapshot **snapshot,
                   raft_index *start_index, struct raft_entry *entries[], size_t *n_entries)
{
    struct raft_store *store = store_of(io);
    const struct raft_snapshot *on_disk = store->disk.snapshot;
    size_t n = store->disk.n;

    *term = store->disk.term;
    *voted_for = store->disk.vote;
    *snapshot = on_disk ? copy_snapshot(on_disk, true) : NULL;
    if (n == 0 && on_disk) /* a crash may have taken entries that the snapshot has */
        store->disk.first = on_disk->index + 1;
    *start_index = store->disk.first;
    *n_entries = n;
    *entries = n ? got(raft_calloc(n, sizeof(**entries))) : NULL;
    view_reset(store, store->disk.first - 1, on_disk && on_disk->index == store->disk.first - 1 ? on_disk->term : 0);
    for (size_t i = 0; i < n; i++) {
        const struct raft_store_entry *from = &store->disk.entries[i];

        (*entries)[i] = (struct raft_entry){.term = from->term,
                                            .type = from->type,
                                            .buf = {.base = lend_bytes(from->data, from->len), .len = from->len}};
        view_push(store, from->term);
    }
    return 0;
}

static void on_tick(void *ctx)
{
    struct raft_store *store = ctx;

    ck_assert_int_eq(
        ferry_sim_timer_set(store->tick_timer, ferry_sim_now_ns(store->sim) + store->tick_ms * FERRY_SIM_MS), FERRY_OK);
    store->tick(&store->io);
}

static int io_start(struct raft_io *io, unsigned msecs, raft_io_tick_cb tick, raft_io_recv_cb recv)
{
    struct raft_store *store = store_of(io);

    (void)recv; /* messages come another way */
    store->tick = tick;
    store->tick_ms = msecs;
    return ferry_sim_timer_set(store->tick_timer, ferry_sim_now_ns(store->sim) + msecs * FERRY_SIM_MS) == FERRY_OK
               ? 0
               : RAFT_INVALID;
}

static int io_bootstrap(struct raft_io *io, const struct raft_configuration *conf)
{
    struct raft_store *store = store_of(io);
    struct raft_buffer buf;
    struct raft_store_entry entry = {.term = 1, .type = RAFT_CHANGE};
    struct write first = {.entries = &entry, .n_entries = 1};

    if (store->disk.term != 0 || store->disk.n != 0 || store->disk.snapshot)
        return RAFT_CANTBOOTSTRAP;
    if (raft_configuration_encode(conf, &buf) != 0)
        return RAFT_NOMEM;
    entry.len = buf.len;
    entry.data = copy_bytes(buf.base, buf.len);
    entry.digest = digest_of(entry.type, entry.data, entry.len);
    raft_free(buf.base);
    store->watch.on_append(store->watch.ctx, 1, 0, &entry);
    disk_append(store, &first, 1);
    store->disk.term = 1;
    return 0;
}

static int io_recover(struct raft_io *io, const struct raft_configuration *conf)
{
    (void)io;
    (void)conf;
    return RAFT_IOERR;
}

static int io_set_term(struct raft_io *io, raft_term term)
{
    struct raft_store *store = store_of(io);

    ck_assert(!store->is_closed && term > store->disk.term);
    store->disk.term = term;
    store->disk.vote = 0;
    return 0;
}

static int io_set_vote(struct raft_io *io, raft_id id)
{
    struct raft_store *store = store_of(io);

    ck_assert(!store->is_closed);
    if (id != 0 && store->disk.vote != 0 && store->disk.vote != id)
        ck_abort_msg("a second vote in term %llu: %llu after %llu", store->disk.term, id, store->disk.vote);
    store->disk.vote = id;
    return 0;
}

static int io_send(struct raft_io *io, struct raft_io_send *req, const struct raft_message *message, raft_io_send_cb cb)
{
    (void)io;
    (void)req;
    (void)message;
    (void)cb;
    return RAFT_NOCONNECTION;
}

static int io_append(struct raft_io *io, struct raft_io_append *req, const struct raft_entry entries[], unsigned n,
                     raft_io_append_cb cb)
{
    struct raft_store *store = store_of(io);
    struct write *write = write_new(store, APPEND);

    req->cb = cb;
    write->req.append = req;
    write->entries = got(calloc(n, sizeof(*write->entries)));
    write->n_entries = n;
    for (unsigned i = 0; i < n; i++) {
        raft_index last = raft_store_last_index(store);

        write->entries[i] =
            (struct raft_store_entry){.term = entries[i].term,
                                      .type = entries[i].type,
                                      .digest = digest_of(entries[i].type, entries[i].buf.base, entries[i].buf.len),
                                      .len = entries[i].buf.len,
                                      .data = copy_bytes(entries[i].buf.base, entries[i].buf.len)};
        store->watch.on_append(store->watch.ctx, last + 1, raft_store_term_at(store, last), &write->entries[i]);
        view_push(store, entries[i].term);
    }
    return 0;
}

static int io_truncate(struct raft_io *io, raft_index index)
{
    struct raft_store *store = store_of(io);

    ck_assert(index > store->view.base && index <= raft_store_last_index(store) + 1);
    if (index == raft_store_last_index(store) + 1)
        return 0; /* 0.22 asks before each append */
    write_new(store, TRUNCATE)->from = index;
    store->view.n = (size_t)(index - store->view.base - 1);
    return 0;
}

static int io_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *req,
                           const struct raft_snapshot *snapshot, raft_io_snapshot_put_cb cb)
{
    struct raft_store *store = store_of(io);
    struct write *write = write_new(store, SNAPSHOT_PUT);

    req->cb = cb;
    write->req.put = req;
    write->snapshot = copy_snapshot(snapshot, false);
    write->trailing = trailing;
    if (trailing == 0)
        view_reset(store, snapshot->index, snapshot->term);
    return 0;
}

static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *req, raft_io_snapshot_get_cb cb)
{
    req->cb = cb;
    write_new(store_of(io), SNAPSHOT_GET)->req.get = req;
    return 0;
}

#if !FY_RAFT_IS_0_22
static int io_async_work(struct raft_io *io, struct raft_io_async_work *req, raft_io_async_work_cb cb)
{
    req->cb = cb;
    write_new(store_of(io), WORK)->req.work = req;
    return 0;
}
#endif

static raft_time io_time(struct raft_io *io)
{
    return 1000 + ferry_sim_now_ns(store_of(io)->sim) / FERRY_SIM_MS;
}

static int io_random(struct raft_io *io, int min, int max)
{
    return (int)fy_chance_between(&store_of(io)->chance, (uint64_t)min, (uint64_t)(max > min ? max - 1 : min));
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

struct raft_store *raft_store_new(struct ferry_sim *sim, uint64_t member, uint64_t seed,
                                  const struct raft_store_watch *watch)
{
    struct raft_store *store = got(calloc(1, sizeof(*store)));

    store->io = (struct raft_io){.version = 2,
                                 .impl = store,
                                 .init = io_init,
                                 .close = io_close,
                                 .load = io_load,
                                 .start = io_start,
                                 .bootstrap = io_bootstrap,
                                 .recover = io_recover,
                                 .set_term = io_set_term,
                                 .set_vote = io_set_vote,
                                 .send = io_send,
                                 .append = io_append,
                                 .truncate = io_truncate,
                                 .snapshot_put = io_snapshot_put,
                                 .snapshot_get = io_snapshot_get,
                                 .time = io_time,
                                 .random = io_random};
#if !FY_RAFT_IS_0_22
    store->io.async_work = io_async_work;
#endif
    raft_io_set_ample_capacity(&store->io);
    store->sim = sim;
    store->watch = *watch;
    store->is_closed = true;
    store->disk.first = 1;
    fy_chance_init(&store->chance, seed, 2000 + member);
    fy_list_init(&store->writes);
    raft_store_set_pace(store, FERRY_SIM_US, FERRY_SIM_MS);
    ck_assert_int_eq(ferry_sim_timer_new(sim, member, on_tick, store, &store->tick_timer), FERRY_OK);
    ck_assert_int_eq(ferry_sim_timer_new(sim, member, on_written, store, &store->write_timer), FERRY_OK);
    return store;
}

void raft_store_free(struct raft_store *store)
{
    ck_assert(fy_list_is_empty(&store->writes));
    ferry_sim_timer_free(store->tick_timer);
    ferry_sim_timer_free(store->write_timer);
    disk_drop_last(store, store->disk.n);
    free_snapshot(store->disk.snapshot);
    free(store->disk.entries);
    free(store->view.terms);
    free(store);
}

void raft_store_compact_first(struct raft_store *store, const struct raft_configuration *conf, const void *data,
                              size_t len)
{
    struct raft_buffer buf = {.base = copy_bytes(data, len), .len = len};
    struct raft_snapshot first = {
        .index = 1, .term = 1, .configuration = *conf, .configuration_index = 1, .bufs = &buf, .n_bufs = 1};

    ck_assert(store->is_closed && store->disk.n == 0 && store->disk.term == 0);
    store->disk.snapshot = copy_snapshot(&first, false);
    store->disk.first = 2;
    store->disk.term = 1;
    free(buf.base);
}

unsigned raft_store_n_canceled_installs(const struct raft_store *store)
{
    return store->n_canceled_installs;
}

struct raft_io *raft_store_io(struct raft_store *store)
{
    return &store->io;
}

void raft_store_set_pace(struct raft_store *store, uint64_t min_ns, uint64_t max_ns)
{
    store->min_ns = min_ns;
    store->max_ns = max_ns;
}
