/*
 * cluster - who is a member, who was, and the cluster's version.
 */
#include "etcd-member/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd-member/json.h"
#include "etcd-member/mem.h"
#include "etcd-member/texts.h"

/* ---- Lists --------------------------------------------------------------------------------------------------------
 */

static void member_release(struct cluster_member *member)
{
    free(member->name);
    texts_free(member->peer_urls);
    texts_free(member->client_urls);
}

static struct cluster_member member_copy(const struct cluster_member *member)
{
    return (struct cluster_member){.id = member->id,
                                   .name = member->name ? mem_print("%s", member->name) : NULL,
                                   .peer_urls = texts_copy(member->peer_urls),
                                   .client_urls = texts_copy(member->client_urls),
                                   .is_learner = member->is_learner};
}

void cluster_members_release(struct cluster_members *members)
{
    for (size_t i = 0; i < members->n; i++)
        member_release(&members->list[i]);
    free(members->list);
    *members = (struct cluster_members){0};
}

static struct cluster_member *find(struct cluster_members *members, uint64_t id)
{
    for (size_t i = 0; i < members->n; i++)
        if (members->list[i].id == id)
            return &members->list[i];
    return NULL;
}

const struct cluster_member *cluster_members_find(const struct cluster_members *members, uint64_t id)
{
    for (size_t i = 0; i < members->n; i++)
        if (members->list[i].id == id)
            return &members->list[i];
    return NULL;
}

void cluster_members_set(struct cluster_members *members, const struct cluster_member *member)
{
    struct cluster_member copy = member_copy(member);
    struct cluster_member *present = find(members, member->id);
    size_t i = 0;

    if (present) {
        member_release(present);
        *present = copy;
        return;
    }
    while (i < members->n && members->list[i].id < member->id)
        i++;
    members->list = mem_resize(members->list, members->n + 1, sizeof(*members->list));
    memmove(members->list + i + 1, members->list + i, (members->n - i) * sizeof(*members->list));
    members->list[i] = copy;
    members->n++;
}

static void members_remove(struct cluster_members *members, uint64_t id)
{
    struct cluster_member *member = find(members, id);

    if (!member)
        return;
    member_release(member);
    members->n--;
    memmove(member, member + 1, (members->n - (size_t)(member - members->list)) * sizeof(*member));
}

/* ---- Life ---------------------------------------------------------------------------------------------------------
 */

void cluster_init(struct cluster *cluster, unsigned max_learners)
{
    *cluster = (struct cluster){.max_learners = max_learners};
    pthread_mutex_init(&cluster->mu, NULL);
}

void cluster_release(struct cluster *cluster)
{
    cluster_members_release(&cluster->configured);
    cluster_members_release(&cluster->applied);
    ids_release(&cluster->removed);
    pthread_mutex_destroy(&cluster->mu);
}

/* ---- Changes ------------------------------------------------------------------------------------------------------
 */

static bool uses_any(const struct cluster_members *members, uint64_t but, char *const *urls)
{
    for (size_t i = 0; i < members->n; i++)
        for (size_t k = 0; urls && urls[k]; k++)
            if (members->list[i].id != but && texts_have(members->list[i].peer_urls, urls[k]))
                return true;
    return false;
}

static size_t count_learners(const struct cluster_members *members)
{
    size_t n = 0;

    for (size_t i = 0; i < members->n; i++)
        n += members->list[i].is_learner;
    return n;
}

/* NULL, or why the change is none. */
static const char *judge(const struct cluster *cluster, const struct cluster_change *change)
{
    const struct cluster_members *applied = &cluster->applied;
    const struct cluster_member *present = cluster_members_find(applied, change->member.id);

    if (ids_have(&cluster->removed, change->member.id))
        return "it was removed";
    if (change->type != CLUSTER_ADD && !present)
        return "it is no member";
    switch (change->type) {
    case CLUSTER_ADD:
        if (present)
            return "it is a member already";
        if (uses_any(applied, 0, change->member.peer_urls))
            return "a member has that peer URL";
        if (change->member.is_learner && count_learners(applied) >= cluster->max_learners)
            return "there are as many learners as there may be";
        return NULL;
    case CLUSTER_PROMOTE:
        return present->is_learner ? NULL : "it is no learner";
    case CLUSTER_UPDATE:
        return uses_any(applied, change->member.id, change->member.peer_urls) ? "another member has that peer URL"
                                                                              : NULL;
    case CLUSTER_REMOVE:
        break;
    }
    return NULL;
}

static void make(struct cluster *cluster, const struct cluster_change *change)
{
    struct cluster_member *present = find(&cluster->applied, change->member.id);

    switch (change->type) {
    case CLUSTER_ADD:
        cluster_members_set(&cluster->applied, &change->member);
        break;
    case CLUSTER_PROMOTE:
        present->is_learner = false;
        break;
    case CLUSTER_UPDATE:
        texts_free(present->peer_urls);
        present->peer_urls = texts_copy(change->member.peer_urls);
        break;
    case CLUSTER_REMOVE:
        members_remove(&cluster->applied, change->member.id);
        ids_add(&cluster->removed, change->member.id);
        break;
    }
}

const char *cluster_apply(struct cluster *cluster, const struct cluster_change *change)
{
    const char *why = judge(cluster, change);

    if (why)
        return why;
    pthread_mutex_lock(&cluster->mu);
    make(cluster, change);
    pthread_mutex_unlock(&cluster->mu);
    return NULL;
}

void cluster_set_attributes(struct cluster *cluster, uint64_t id, const char *name, char *const *client_urls)
{
    struct cluster_member *member = find(&cluster->applied, id);

    if (!member)
        return;
    pthread_mutex_lock(&cluster->mu);
    free(member->name);
    texts_free(member->client_urls);
    member->name = mem_print("%s", name);
    member->client_urls = texts_copy(client_urls);
    pthread_mutex_unlock(&cluster->mu);
}

void cluster_set_version(struct cluster *cluster, const char *version)
{
    pthread_mutex_lock(&cluster->mu);
    (void)snprintf(cluster->version, sizeof(cluster->version), "%s", version); /* one that is cut is none of etcd's */
    pthread_mutex_unlock(&cluster->mu);
}

/* ---- Snapshots: etcd's v2 store as JSON -----------------------------------------------------------------------------
 */

static const json_t *child(const json_t *node, const char *name)
{
    return json_object_get(json_object_get(node, "Children"), name);
}

/* The JSON document that a node has as its text; NULL: none. */
static json_t *read_value(const json_t *node)
{
    const char *text = json_string_value(json_object_get(node, "Value"));

    return text ? json_read(text, strlen(text)) : NULL;
}

static bool load_member(const char *hex, const json_t *node, struct cluster_members *members)
{
    struct cluster_member member = {0};
    json_t *hex_text = json_string(hex);
    json_t *raft = read_value(child(node, "raftAttributes"));
    json_t *own = read_value(child(node, "attributes"));
    bool is_good = json_number(hex_text, 16, &member.id) && raft;

    if (is_good) {
        member.name = (char *)(uintptr_t)json_string_value(json_object_get(own, "name")); /* copied, as all of it */
        member.peer_urls = json_texts(json_object_get(raft, "peerURLs"));
        member.client_urls = json_texts(json_object_get(own, "clientURLs"));
        member.is_learner = json_is_true(json_object_get(raft, "isLearner"));
        cluster_members_set(members, &member);
        texts_free(member.peer_urls);
        texts_free(member.client_urls);
    }
    json_decref(hex_text);
    json_decref(raft);
    json_decref(own);
    return is_good;
}

static bool load_removed(const char *hex, struct ids *removed)
{
    json_t *text = json_string(hex);
    uint64_t id;
    bool is_good = json_number(text, 16, &id);

    if (is_good)
        ids_add(removed, id);
    json_decref(text);
    return is_good;
}

static bool load(struct ferry_bytes data, struct cluster_members *members, struct ids *removed, char *version,
                 size_t version_size)
{
    json_t *document = json_read(data.data, data.len);
    const json_t *store = child(json_object_get(document, "Root"), "0");
    const char *version_text = json_string_value(json_object_get(child(store, "version"), "Value"));
    bool is_good = json_is_object(child(store, "members"));
    json_t *nodes;
    json_t *node;
    const char *hex;

    nodes = json_object_get(child(store, "members"), "Children");
    json_object_foreach(nodes, hex, node) is_good = is_good && load_member(hex, node, members);
    nodes = json_object_get(child(store, "removed_members"), "Children");
    json_object_foreach(nodes, hex, node) is_good = is_good && load_removed(hex, removed);
    (void)snprintf(version, version_size, "%s", version_text ? version_text : "");
    json_decref(document);
    return is_good;
}

bool cluster_can_load(struct ferry_bytes data)
{
    struct cluster_members members = {0};
    struct ids removed = {0};
    char version[32];
    bool is_good = load(data, &members, &removed, version, sizeof(version));

    cluster_members_release(&members);
    ids_release(&removed);
    return is_good;
}

bool cluster_load(struct cluster *cluster, struct ferry_bytes data)
{
    struct cluster_members members = {0};
    struct ids removed = {0};
    char version[sizeof(cluster->version)];

    if (!load(data, &members, &removed, version, sizeof(version))) {
        cluster_members_release(&members);
        ids_release(&removed);
        return false;
    }
    pthread_mutex_lock(&cluster->mu);
    cluster_members_release(&cluster->applied);
    ids_release(&cluster->removed);
    cluster->applied = members;
    cluster->removed = removed;
    if (version[0])
        memcpy(cluster->version, version, sizeof(version));
    pthread_mutex_unlock(&cluster->mu);
    return true;
}

/* ---- Any thread
 * ------------------------------------------------------------------------------------------------------- */

bool cluster_is_removed(struct cluster *cluster, uint64_t id)
{
    bool is_removed;

    pthread_mutex_lock(&cluster->mu);
    is_removed = ids_have(&cluster->removed, id);
    pthread_mutex_unlock(&cluster->mu);
    return is_removed;
}

void cluster_get_version(struct cluster *cluster, char *ret_version, size_t size)
{
    pthread_mutex_lock(&cluster->mu);
    (void)snprintf(ret_version, size, "%s", cluster->version);
    pthread_mutex_unlock(&cluster->mu);
}

static void write_member(FILE *to, const struct cluster_member *member)
{
    fprintf(to, "{\"id\":%" PRIu64 ",\"peerURLs\":", member->id);
    json_write_texts(to, member->peer_urls);
    if (member->is_learner)
        fputs(",\"isLearner\":true", to);
    if (member->name) {
        fputs(",\"name\":", to);
        json_write_text(to, member->name);
    }
    if (member->client_urls) {
        fputs(",\"clientURLs\":", to);
        json_write_texts(to, member->client_urls);
    }
    putc('}', to);
}

char *cluster_members_json(struct cluster *cluster)
{
    const struct cluster_members *members;
    char *json = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&json, &len);

    if (!to)
        return mem_print("[]\n");
    pthread_mutex_lock(&cluster->mu);
    members = cluster->applied.n > 0 ? &cluster->applied : &cluster->configured;
    putc('[', to);
    for (size_t i = 0; i < members->n; i++) {
        if (i > 0)
            putc(',', to);
        write_member(to, &members->list[i]);
    }
    fputs("]\n", to);
    pthread_mutex_unlock(&cluster->mu);
    (void)fclose(to); /* memory */
    return json;
}
