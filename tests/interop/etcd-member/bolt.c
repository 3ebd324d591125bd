/*
 * bolt - read a bbolt database.
 *
 * A file of pages: two meta pages, of which the newer valid one names the root; branch pages, whose elements name
 * pages; leaf pages, whose elements are pairs, or buckets: the root of a tree of their own, or a leaf page within the
 * pair. Every position in it is checked against the file's end before it is followed, and no walk visits more pages
 * than the file has, so that one that leads in a circle ends.
 */
#include "etcd-member/bolt.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "etcd-member/mem.h"

#define MAGIC 0xED0CDAEDu
#define VERSION 2
#define PAGE_HEAD 16
#define ELEMENT 16 /* of a branch as of a leaf */
#define BUCKET_HEAD 16
#define MAX_DEPTH 64 /* a tree of 2^64 keys is not deeper */

enum page_flag { PAGE_BRANCH = 1, PAGE_LEAF = 2 };
enum leaf_flag { LEAF_BUCKET = 1 };

struct bolt {
    uint8_t *data;
    size_t size;
    size_t page_size;
    uint64_t root;
};

static uint64_t number(const uint8_t *at, size_t len)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* ---- Meta pages
 * ------------------------------------------------------------------------------------------------------- */

static uint64_t fnv1a(const uint8_t *data, size_t len)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ data[i]) * 1099511628211u;
    return hash;
}

/* Take the meta at offset if it is one, and newer than *newest. */
static void try_meta(struct bolt *bolt, size_t offset, uint64_t *newest)
{
    const uint8_t *meta = bolt->data + offset + PAGE_HEAD;
    uint64_t transaction;

    if (offset > bolt->size || bolt->size - offset < PAGE_HEAD + 64)
        return;
    transaction = number(meta + 48, 8);
    if (number(meta, 4) != MAGIC || number(meta + 4, 4) != VERSION || number(meta + 8, 4) < 512 ||
        number(meta + 56, 8) != fnv1a(meta, 56) || (*newest != 0 && transaction < *newest))
        return;
    *newest = transaction;
    bolt->page_size = (size_t)number(meta + 8, 4);
    bolt->root = number(meta + 16, 8);
}

static bool find_meta(struct bolt *bolt)
{
    uint64_t newest = 0;

    try_meta(bolt, 0, &newest);
    /* the second stands one page further, and pages have the size of the machine's that wrote them */
    for (size_t page_size = 512; page_size <= 65536; page_size *= 2)
        try_meta(bolt, page_size, &newest);
    return bolt->page_size > 0;
}

struct bolt *bolt_open(const char *path)
{
    struct bolt *bolt = mem_zero(sizeof(*bolt));
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *data = MAP_FAILED;

    if (fd >= 0 && !fstat(fd, &file) && file.st_size > 0)
        data = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (fd >= 0)
        (void)close(fd); /* the mapping stays */
    if (data == MAP_FAILED) {
        free(bolt);
        return NULL;
    }
    bolt->data = data;
    bolt->size = (size_t)file.st_size;
    if (find_meta(bolt))
        return bolt;
    bolt_close(bolt);
    return NULL;
}

void bolt_close(struct bolt *bolt)
{
    if (!bolt)
        return;
    (void)munmap(bolt->data, bolt->size); /* of our own mapping */
    free(bolt);
}

/* ---- Trees
 * -------------------------------------------------------------------------------------------------------------- */

struct walk {
    const struct bolt *bolt;
    bool (*on_pair)(void *ctx, uint64_t flags, struct ferry_bytes key, struct ferry_bytes value);
    void *ctx;
    size_t n_left; /* pages */
    unsigned depth;
};

static bool walk_leaf(const struct walk *walk, const uint8_t *page, size_t room, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = PAGE_HEAD + i * ELEMENT;
        const uint8_t *element = page + at;
        uint64_t begin;
        uint64_t key_len;
        uint64_t value_len;

        if (room - PAGE_HEAD < (i + 1) * ELEMENT)
            return false;
        begin = at + number(element + 4, 4);
        key_len = number(element + 8, 4);
        value_len = number(element + 12, 4);
        if (begin > room || key_len > room - begin || value_len > room - begin - key_len)
            return false;
        if (!walk->on_pair(walk->ctx, number(element, 4), (struct ferry_bytes){page + begin, (size_t)key_len},
                           (struct ferry_bytes){page + begin + key_len, (size_t)value_len}))
            return false;
    }
    return true;
}

static bool walk_page(struct walk *walk, uint64_t id);

static bool walk_branch(struct walk *walk, const uint8_t *page, size_t room, size_t n)
{
    if ((room - PAGE_HEAD) / ELEMENT < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!walk_page(walk, number(page + PAGE_HEAD + i * ELEMENT + 8, 8)))
            return false;
    return true;
}

static bool walk_at(struct walk *walk, const uint8_t *page, size_t room)
{
    uint64_t flags;
    size_t n;

    if (room < PAGE_HEAD)
        return false;
    flags = number(page + 8, 2);
    n = (size_t)number(page + 10, 2);
    if (flags == PAGE_LEAF)
        return walk_leaf(walk, page, room, n);
    return flags == PAGE_BRANCH && walk_branch(walk, page, room, n);
}

static bool walk_page(struct walk *walk, uint64_t id)
{
    const struct bolt *bolt = walk->bolt;
    bool is_good;

    if (id >= bolt->size / bolt->page_size || walk->n_left == 0 || walk->depth == MAX_DEPTH)
        return false;
    walk->n_left--;
    walk->depth++;
    is_good = walk_at(walk, bolt->data + id * bolt->page_size, bolt->size - (size_t)id * bolt->page_size);
    walk->depth--;
    return is_good;
}

/* ---- Buckets
 * -------------------------------------------------------------------------------------------------------------- */

struct search {
    const char *name;
    struct ferry_bytes bucket; /* absent: not found */
};

static bool on_bucket(void *ctx, uint64_t flags, struct ferry_bytes key, struct ferry_bytes value)
{
    struct search *search = ctx;

    if ((flags & LEAF_BUCKET) && key.len == strlen(search->name) && memcmp(key.data, search->name, key.len) == 0)
        search->bucket = value;
    return true;
}

struct visit {
    bolt_fn *fn;
    void *ctx;
};

static bool on_pair(void *ctx, uint64_t flags, struct ferry_bytes key, struct ferry_bytes value)
{
    struct visit *visit = ctx;

    return (flags & LEAF_BUCKET) || visit->fn(visit->ctx, key, value);
}

bool bolt_each(const struct bolt *bolt, const char *bucket, bolt_fn *fn, void *ctx)
{
    struct search search = {bucket, {0}};
    struct visit visit = {fn, ctx};
    struct walk walk = {bolt, on_bucket, &search, bolt->size / bolt->page_size, 0};
    uint64_t root;

    if (!walk_page(&walk, bolt->root))
        return false;
    if (!search.bucket.data)
        return true; /* one that was never used is not there */
    if (search.bucket.len < BUCKET_HEAD)
        return false;
    walk = (struct walk){bolt, on_pair, &visit, bolt->size / bolt->page_size, 0};
    root = number(search.bucket.data, 8);
    if (root != 0)
        return walk_page(&walk, root);
    return walk_at(&walk, search.bucket.data + BUCKET_HEAD, search.bucket.len - BUCKET_HEAD);
}
