/*
 * list.h - an intrusive doubly linked list with a head.
 *
 * The links of an unlinked node are NULL.  Linking a node twice, or unlinking an unlinked node, fails an assert.
 */
#ifndef FY_BASE_LIST_H
#define FY_BASE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct fy_node {
    struct fy_node *prev;
    struct fy_node *next;
};

struct fy_list {
    struct fy_node head; /* a ring through the head */
};

/* The struct of the given type whose member is node. */
#define fy_container(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
#define fy_container_const(node, type, member)                                                                        \
    ((const type *)(const void *)((const char *)(node)-offsetof(type, member)))

static inline void fy_list_init(struct fy_list *list)
{
    list->head.prev = list->head.next = &list->head;
}

static inline bool fy_list_is_empty(const struct fy_list *list)
{
    return list->head.next == &list->head;
}

static inline bool fy_node_is_linked(const struct fy_node *node)
{
    return node->next != NULL;
}

static inline void fy_list_append(struct fy_list *list, struct fy_node *node)
{
    assert(!node->next && !node->prev);
    node->prev = list->head.prev;
    node->next = &list->head;
    node->prev->next = node;
    list->head.prev = node;
}

static inline void fy_list_remove(struct fy_node *node)
{
    assert(node->next && node->prev);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

static inline struct fy_node *fy_list_first(const struct fy_list *list)
{
    return fy_list_is_empty(list) ? NULL : list->head.next;
}

static inline struct fy_node *fy_list_next(const struct fy_list *list, const struct fy_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

static inline struct fy_node *fy_list_last(const struct fy_list *list)
{
    return fy_list_is_empty(list) ? NULL : list->head.prev;
}

static inline struct fy_node *fy_list_previous(const struct fy_list *list, const struct fy_node *node)
{
    return node->prev == &list->head ? NULL : node->prev;
}

/* Unlink and return the first node; NULL if the list is empty. */
static inline struct fy_node *fy_list_take_first(struct fy_list *list)
{
    struct fy_node *node = fy_list_first(list);

    if (node)
        fy_list_remove(node);
    return node;
}

/* Append all nodes of from to list; from is empty afterwards. */
static inline void fy_list_splice(struct fy_list *list, struct fy_list *from)
{
    if (fy_list_is_empty(from))
        return;
    from->head.next->prev = list->head.prev;
    list->head.prev->next = from->head.next;
    from->head.prev->next = &list->head;
    list->head.prev = from->head.prev;
    fy_list_init(from);
}

#endif
