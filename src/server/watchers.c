// SPDX-License-Identifier: Apache-2.0
#include "server/watchers.h"

#include "base/assert.h"
#include "server/core_state.h"
#include "server/reply.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

// A task that somebody watches.
struct fq_watched {
    fq_uuid id;
    uint64_t hash;
    fq_list_link watches; // of fq_watch.of_task
    fq_list_link free;
};

void fq_watchers_init(struct fq_watchers *watchers) {
    *watchers = (struct fq_watchers){0};
    fq_list_init(&watchers->free_watches);
    fq_list_init(&watchers->free_tasks);
}

void fq_watchers_done(struct fq_watchers *watchers) {
    FQ_ASSERT(watchers->count == 0);
    fq_list_link *link;
    while ((link = fq_list_pop(&watchers->free_watches)) != NULL)
        free(FQ_ELEMENT(link, struct fq_watch, of_task));
    while ((link = fq_list_pop(&watchers->free_tasks)) != NULL)
        free(FQ_ELEMENT(link, struct fq_watched, free));
    fq_index_done(&watchers->tasks);
}

static bool is_id(const void *item, const void *key) {
    return fq_uuid_equal(&((const struct fq_watched *)item)->id, key);
}

static uint64_t hash_of(const fq_core *core, const fq_uuid *id) {
    return XXH3_64bits_withSeed(id, sizeof *id, core->seed);
}

static struct fq_watched *find(const fq_core *core, const fq_uuid *id) {
    if (core->watchers.count == 0)
        return NULL;
    return fq_index_find(&core->watchers.tasks, hash_of(core, id), is_id, id);
}

bool fq_watchers_has(const fq_core *core, const fq_uuid *id) {
    return find(core, id) != NULL;
}

static struct fq_watched *find_or_add(fq_core *core, const fq_uuid *id) {
    struct fq_watched *watched = find(core, id);
    if (watched != NULL)
        return watched;
    fq_list_link *link = fq_list_pop(&core->watchers.free_tasks);
    watched = link != NULL ? FQ_ELEMENT(link, struct fq_watched, free) : malloc(sizeof *watched);
    if (watched == NULL)
        return NULL;
    watched->id = *id;
    watched->hash = hash_of(core, id);
    fq_list_init(&watched->watches);
    fq_list_init(&watched->free);
    if (fq_index_add(&core->watchers.tasks, watched->hash, watched) < 0) {
        free(watched);
        return NULL;
    }
    return watched;
}

static void drop_if_unwatched(fq_core *core, struct fq_watched *watched) {
    if (!fq_list_is_empty(&watched->watches))
        return;
    fq_index_remove(&core->watchers.tasks, watched->hash, watched);
    fq_list_append(&core->watchers.free_tasks, &watched->free);
}

static void drop_watch(fq_core *core, struct fq_watch *watch) {
    fq_list_remove(&watch->of_task);
    fq_list_remove(&watch->of_connection);
    watch->connection->watch_count--;
    core->watchers.count--;
    fq_list_append(&core->watchers.free_watches, &watch->of_task);
}

// Looks from the newest on: a client that watches twice does so at once.
static bool watches_already(const struct fq_watched *watched, const fq_connection *connection) {
    int looked_at = 0;
    for (const fq_list_link *link = watched->watches.previous; link != &watched->watches && looked_at < 16;
         link = link->previous, looked_at++) {
        const struct fq_watch *watch = FQ_ELEMENT(link, const struct fq_watch, of_task);
        if (watch->connection == connection && watch->kind == FQ_WATCH_PUSH)
            return true;
    }
    return false;
}

int fq_watchers_add(fq_core *core, fq_connection *connection, const fq_uuid *id, enum fq_watch_kind kind) {
    if (connection->watch_count >= FQ_WATCH_MAX)
        return FQ_EFULL;
    struct fq_watched *watched = find_or_add(core, id);
    if (watched == NULL)
        return FQ_ENOMEM;
    if (kind == FQ_WATCH_PUSH && watches_already(watched, connection))
        return 0;
    fq_list_link *link = fq_list_pop(&core->watchers.free_watches);
    struct fq_watch *watch =
        link != NULL ? FQ_ELEMENT(link, struct fq_watch, of_task) : malloc(sizeof *watch);
    if (watch == NULL) {
        drop_if_unwatched(core, watched);
        return FQ_ENOMEM;
    }
    *watch = (struct fq_watch){.watched = watched, .connection = connection, .kind = kind};
    fq_list_init(&watch->of_task);
    fq_list_init(&watch->of_connection);
    fq_list_append(&watched->watches, &watch->of_task);
    fq_list_append(kind == FQ_WATCH_DUE ? &connection->due : &connection->watches, &watch->of_connection);
    connection->watch_count++;
    core->watchers.count++;
    return 0;
}

void fq_watchers_remove(fq_core *core, fq_connection *connection, bool only_wait) {
    if (!only_wait)
        fq_list_splice_before(&connection->watches, &connection->due);
    fq_list_link *link = connection->watches.next;
    while (link != &connection->watches) {
        struct fq_watch *watch = FQ_ELEMENT(link, struct fq_watch, of_connection);
        link = link->next;
        if (only_wait && watch->kind != FQ_WATCH_WAIT)
            continue;
        struct fq_watched *watched = watch->watched;
        drop_watch(core, watch);
        drop_if_unwatched(core, watched);
    }
}

void fq_watchers_push(fq_connection *connection, const struct fq_task_view *view) {
    struct fq_resp_writer *writer = fq_connection_writer(connection);
    fq_resp_write_push(writer, 3);
    fq_resp_write_string(writer, FQ_STR("fq.result"));
    fq_reply_uuid(writer, &view->id);
    fq_reply_task(writer, view, true);
    fq_connection_pushed(connection);
}

void fq_watchers_push_due(fq_core *core, fq_connection *connection) {
    fq_list_link *link;
    while ((link = connection->due.next) != &connection->due && !connection->is_closing &&
           !fq_connection_is_stuffed(connection)) {
        struct fq_watch *watch = FQ_ELEMENT(link, struct fq_watch, of_connection);
        struct fq_watched *watched = watch->watched;
        struct fq_task_view view;
        int rc = fq_engine_result(core->engine, &watched->id, &view);
        if (rc == 0 && !fq_task_state_is_final(view.state)) { // requeued meanwhile: it will end once more
            watch->kind = FQ_WATCH_PUSH;
            fq_list_remove(&watch->of_connection);
            fq_list_append(&connection->watches, &watch->of_connection);
            continue;
        }
        drop_watch(core, watch);
        drop_if_unwatched(core, watched);
        if (rc == 0)
            fq_watchers_push(connection, &view);
    }
}

static void tell(fq_connection *connection, enum fq_watch_kind kind, const struct fq_task_view *view) {
    if (connection->is_closing)
        return;
    if (kind != FQ_WATCH_WAIT) {
        fq_watchers_push(connection, view);
        return;
    }
    fq_reply_task(fq_connection_writer(connection), view, true);
    fq_connection_touch(connection);
    fq_connection_replied(connection);
    fq_connection_unblock(connection);
}

void fq_watchers_finished(fq_core *core, const struct fq_task_view *view) {
    struct fq_watched *watched = find(core, &view->id);
    if (watched == NULL)
        return;
    fq_list_link *link;
    while ((link = watched->watches.next) != &watched->watches) {
        struct fq_watch *watch = FQ_ELEMENT(link, struct fq_watch, of_task);
        fq_connection *connection = watch->connection;
        enum fq_watch_kind kind = watch->kind;
        drop_watch(core, watch);
        tell(connection, kind, view);
    }
    drop_if_unwatched(core, watched);
}
