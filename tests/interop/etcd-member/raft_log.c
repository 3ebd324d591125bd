/*
 * raft_log - the log in memory.
 */
#include "etcd-member/raft_log.h"

#include <assert.h>
#include <stdlib.h>

#include "etcd-member/mem.h"

void raft_log_release(struct raft_log *log)
{
    raft_log_reset(log, 0, 0);
    free(log->entries);
    log->entries = NULL;
    log->room = 0;
}

void raft_log_reset(struct raft_log *log, uint64_t base_index, uint64_t base_term)
{
    raft_log_truncate(log, log->base_index + 1);
    log->base_index = base_index;
    log->base_term = base_term;
}

uint64_t raft_log_last_index(const struct raft_log *log)
{
    return log->base_index + log->n;
}

uint64_t raft_log_last_term(const struct raft_log *log)
{
    return log->n > 0 ? log->entries[log->n - 1].term : log->base_term;
}

bool raft_log_term(const struct raft_log *log, uint64_t index, uint64_t *ret_term)
{
    if (index < log->base_index || index > raft_log_last_index(log))
        return false;
    *ret_term = index == log->base_index ? log->base_term : raft_log_get(log, index)->term;
    return true;
}

const struct ferry_entry *raft_log_get(const struct raft_log *log, uint64_t index)
{
    if (index <= log->base_index || index > raft_log_last_index(log))
        return NULL;
    return &log->entries[index - log->base_index - 1];
}

void raft_log_append(struct raft_log *log, uint64_t term, enum ferry_entry_type type, struct ferry_bytes data)
{
    struct ferry_entry *entry;

    log->entries = mem_grow(log->entries, log->n, &log->room, sizeof(*log->entries));
    entry = &log->entries[log->n++];
    *entry = (struct ferry_entry){.term = term, .index = raft_log_last_index(log), .type = type};
    if (data.data)
        entry->data = (struct ferry_bytes){mem_copy(data.data, data.len), data.len};
}

void raft_log_truncate(struct raft_log *log, uint64_t index)
{
    assert(index > log->base_index);
    while (raft_log_last_index(log) >= index) {
        log->n--;
        free((void *)(uintptr_t)log->entries[log->n].data.data); /* a copy of our own, const for its readers */
    }
}

size_t raft_log_run(const struct raft_log *log, uint64_t index, size_t max_bytes)
{
    const struct ferry_entry *entry = raft_log_get(log, index);
    size_t n_left = entry ? (size_t)(raft_log_last_index(log) - index + 1) : 0;
    size_t bytes = 0;
    size_t n = 0;

    while (n < n_left && (n == 0 || bytes + entry[n].data.len <= max_bytes)) {
        bytes += entry[n].data.len;
        n++;
    }
    return n;
}
