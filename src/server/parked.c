// SPDX-License-Identifier: Apache-2.0
#include "server/parked.h"

#include "base/assert.h"
#include "engine/view.h"
#include "server/commands_fetch.h"
#include "server/core_state.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

// Lives while somebody waits for it; one that the engine knows is kept, for it will be waited for again.
struct fq_parked_name {
    uint64_t hash;
    fq_list_link queue; // of struct fq_parked_entry
    uint64_t tie;       // always 0: names with the same first waiter are one choice
    uint32_t place;     // in parked.marked
    int64_t name_id;    // -1 = the engine has not met it, or it was not looked up
    size_t len;
    char text[];
};

enum { IDS_AT_ONCE = 256, ENTRIES_KEPT = 256 };

void fq_parked_init(struct fq_parked *parked) {
    *parked = (struct fq_parked){0};
    fq_heap_init(&parked->marked, offsetof(struct fq_parked_name, place),
                 offsetof(struct fq_parked_name, tie));
    fq_list_init(&parked->fetches);
}

void fq_parked_done(struct fq_parked *parked) {
    FQ_ASSERT(parked->count == 0 && parked->room == 0);
    for (size_t i = 0; i < parked->by_id_room; i++)
        free(parked->by_id[i]);
    fq_index_done(&parked->names);
    fq_heap_done(&parked->marked);
    free(parked->by_id);
    free(parked->list);
    fq_parked_init(parked);
}

static bool is_name(const void *item, const void *key) {
    const struct fq_parked_name *name = item;
    return fq_str_equal((fq_str){name->text, name->len}, *(const fq_str *)key);
}

static uint64_t hash_of(const fq_core *core, fq_str text) {
    return XXH3_64bits_withSeed(text.ptr, text.len, core->seed);
}

// So that every name can be marked.
static int reserve_mark(struct fq_parked *parked) {
    fq_heap_spare spare = {0};
    int rc =
        fq_heap_reserve(&parked->marked, (uint32_t)(parked->name_count + 1 - parked->marked.count), &spare);
    if (rc == 0)
        fq_heap_adopt(&parked->marked, &spare);
    fq_heap_spare_done(&spare);
    return rc;
}

static int64_t first_arrival(const struct fq_parked_name *name) {
    const fq_connection *first = FQ_ELEMENT(name->queue.next, struct fq_parked_entry, link)->connection;
    return (int64_t)first->fetch.arrival;
}

static void mark(fq_core *core, struct fq_parked_name *name) {
    if (!fq_heap_contains(&core->parked.marked, name))
        fq_heap_push(&core->parked.marked, first_arrival(name), name);
}

static struct fq_parked_name *find_or_add(fq_core *core, fq_str text) {
    uint64_t hash = hash_of(core, text);
    struct fq_parked_name *name = fq_index_find(&core->parked.names, hash, is_name, &text);
    if (name != NULL)
        return name;
    name = reserve_mark(&core->parked) == 0 ? malloc(sizeof *name + text.len) : NULL;
    if (name == NULL)
        return NULL;
    name->hash = hash;
    name->name_id = -1;
    name->len = text.len;
    memcpy(name->text, text.ptr, text.len);
    fq_list_init(&name->queue);
    name->tie = 0;
    name->place = 0;
    if (fq_index_add(&core->parked.names, hash, name) < 0) {
        free(name);
        return NULL;
    }
    core->parked.name_count++;
    return name;
}

// Somebody has left the queue: the mark follows who is first now, a name without waiters goes.
static void settle(fq_core *core, struct fq_parked_name *name) {
    if (!fq_list_is_empty(&name->queue)) {
        if (fq_heap_contains(&core->parked.marked, name))
            fq_heap_update(&core->parked.marked, first_arrival(name), name);
        return;
    }
    fq_heap_remove(&core->parked.marked, name);
    if (name->name_id >= 0)
        return;
    core->parked.name_count--;
    fq_index_remove(&core->parked.names, name->hash, name);
    free(name);
}

static void free_room(fq_core *core, struct fq_fetch_wait *wait) {
    free(wait->entries);
    wait->entries = NULL;
    core->parked.room -= wait->entry_room;
    wait->entry_room = 0;
}

// Leaves every queue; the connection's fetch keeps a small room for the next time.
static void leave_queues(fq_core *core, fq_connection *connection) {
    struct fq_fetch_wait *wait = &connection->fetch;
    for (size_t i = 0; i < wait->entry_count; i++) {
        fq_list_remove(&wait->entries[i].link);
        settle(core, wait->entries[i].name);
    }
    wait->entry_count = 0;
    if (wait->entry_room > ENTRIES_KEPT)
        free_room(core, wait);
}

static int make_room(fq_core *core, struct fq_fetch_wait *wait, size_t count) {
    if (count <= wait->entry_room)
        return 0;
    FQ_ASSERT(wait->entry_count == 0); // entries do not move while they are linked
    if (core->parked.room - wait->entry_room + count > FQ_PARKED_ROOM_MAX)
        return FQ_EBUSY;
    struct fq_parked_entry *entries = realloc(wait->entries, count * sizeof *entries);
    if (entries == NULL)
        return FQ_ENOMEM;
    wait->entries = entries;
    core->parked.room += count - wait->entry_room;
    wait->entry_room = count;
    return 0;
}

static int join_queue(fq_connection *connection, struct fq_parked_name *name) {
    if (name == NULL)
        return FQ_ENOMEM;
    struct fq_fetch_wait *wait = &connection->fetch;
    FQ_ASSERT(wait->entries != NULL && wait->entry_count < wait->entry_room);
    struct fq_parked_entry *entry = &wait->entries[wait->entry_count++];
    entry->name = name;
    entry->connection = connection;
    fq_list_init(&entry->link);
    fq_list_append(&name->queue, &entry->link);
    return 0;
}

// A registered worker gets nothing but what it registered; it must not stand in the way of others for the rest.
static int join_given(fq_core *core, fq_connection *connection, const fq_str *names, size_t count) {
    fq_str worker = fq_str_of(connection->fetch.worker), first;
    bool is_registered = fq_engine_worker_name(core->engine, worker, 0, &first) == 0;
    int rc = make_room(core, &connection->fetch, count);
    for (size_t i = 0; i < count && rc == 0; i++) {
        if (!is_registered || fq_engine_worker_offers(core->engine, worker, names[i]))
            rc = join_queue(connection, find_or_add(core, names[i]));
    }
    return rc;
}

static void remember(struct fq_parked *parked, uint32_t name_id, struct fq_parked_name *name) {
    if (name_id >= parked->by_id_room) {
        size_t room = (size_t)name_id + name_id / 2 + 64;
        struct fq_parked_name **grown = realloc(parked->by_id, room * sizeof(struct fq_parked_name *));
        if (grown == NULL)
            return;
        memset(grown + parked->by_id_room, 0, (room - parked->by_id_room) * sizeof(struct fq_parked_name *));
        parked->by_id = grown;
        parked->by_id_room = room;
    }
    parked->by_id[name_id] = name;
    name->name_id = name_id;
}

// The queue of an engine's name id. Ids are dense, so an array remembers what was looked up by text. NULL if there is none
// and it was not `wanted`, or for lack of memory.
static struct fq_parked_name *by_id(fq_core *core, uint32_t name_id, bool wanted) {
    struct fq_parked *parked = &core->parked;
    if (name_id < parked->by_id_room && parked->by_id[name_id] != NULL)
        return parked->by_id[name_id];
    struct fq_name_view view;
    if (fq_engine_name(core->engine, name_id, core->now, &view) < 0)
        return NULL;
    struct fq_parked_name *name =
        wanted ? find_or_add(core, view.name)
               : fq_index_find(&parked->names, hash_of(core, view.name), is_name, &view.name);
    if (name != NULL)
        remember(parked, name_id, name);
    return name;
}

static int join_registered(fq_core *core, fq_connection *connection) {
    fq_str worker = fq_str_of(connection->fetch.worker);
    uint32_t ids[IDS_AT_ONCE];
    int rc = make_room(core, &connection->fetch, fq_engine_worker_name_count(core->engine, worker));
    size_t done = 0, count;
    while (rc == 0 && (count = fq_engine_worker_name_ids(core->engine, worker, done, ids, IDS_AT_ONCE)) > 0) {
        for (size_t i = 0; i < count && rc == 0; i++)
            rc = join_queue(connection, by_id(core, ids[i], true));
        done += count;
    }
    return rc;
}

static int set_worker(struct fq_fetch_wait *wait, fq_str worker) {
    if (wait->worker != NULL && fq_str_equal(fq_str_of(wait->worker), worker))
        return 0;
    char *copy = malloc(worker.len + 1);
    if (copy == NULL)
        return FQ_ENOMEM;
    memcpy(copy, worker.ptr, worker.len);
    copy[worker.len] = '\0';
    free(wait->worker);
    wait->worker = copy;
    return 0;
}

int fq_parked_add(fq_core *core, fq_connection *connection, fq_str worker, const fq_str *names,
                  size_t name_count, uint32_t count, int64_t until_us) {
    struct fq_fetch_wait *wait = &connection->fetch;
    int rc = set_worker(wait, worker);
    if (rc == 0)
        rc = fq_timer_set(&core->timers, &connection->timer, until_us);
    if (rc == 0)
        rc = name_count > 0 ? join_given(core, connection, names, name_count)
                            : join_registered(core, connection);
    if (rc < 0) {
        fq_timer_clear(&core->timers, &connection->timer);
        leave_queues(core, connection);
        return rc;
    }
    wait->own_names = name_count > 0;
    wait->count = count;
    wait->arrival = ++core->parked.arrivals;
    fq_list_append(&core->parked.fetches, &wait->link);
    core->parked.count++;
    connection->block = FQ_BLOCK_FETCH;
    return 0;
}

void fq_parked_remove(fq_core *core, fq_connection *connection) {
    if (connection->block != FQ_BLOCK_FETCH)
        return;
    leave_queues(core, connection);
    fq_list_remove(&connection->fetch.link);
    core->parked.count--;
    fq_connection_unblock(connection);
}

void fq_parked_forget(fq_core *core, fq_connection *connection) {
    fq_parked_remove(core, connection);
    free_room(core, &connection->fetch);
    free(connection->fetch.worker);
    connection->fetch.worker = NULL;
}

void fq_parked_end(fq_core *core, fq_connection *connection) {
    fq_parked_remove(core, connection);
    fq_resp_write_array(fq_connection_writer(connection), 0);
    fq_connection_touch(connection);
    fq_connection_replied(connection);
}

// --- matching ---------------------------------------------------------------------------------------------------------
void fq_parked_mark(fq_core *core, uint32_t name_id) {
    if (core->parked.count == 0)
        return;
    struct fq_parked_name *name = by_id(core, name_id, false);
    if (name != NULL && !fq_list_is_empty(&name->queue))
        mark(core, name);
}

void fq_parked_mark_wait(fq_core *core, fq_connection *connection) {
    for (size_t i = 0; i < connection->fetch.entry_count; i++)
        mark(core, connection->fetch.entries[i].name);
}

void fq_parked_mark_all(fq_core *core) {
    for (fq_list_link *link = core->parked.fetches.next; link != &core->parked.fetches; link = link->next)
        fq_parked_mark_wait(core, FQ_ELEMENT(link, fq_connection, fetch.link));
}

void fq_parked_rename(fq_core *core, fq_str worker) {
    fq_list_link *next;
    for (fq_list_link *link = core->parked.fetches.next; link != &core->parked.fetches; link = next) {
        next = link->next;
        fq_connection *connection = FQ_ELEMENT(link, fq_connection, fetch.link);
        struct fq_fetch_wait *wait = &connection->fetch;
        if (!fq_str_equal(fq_str_of(wait->worker), worker))
            continue;
        if (wait->own_names) {
            fq_parked_end(core, connection);
            continue;
        }
        leave_queues(core, connection);
        if (join_registered(core, connection) < 0)
            continue; // short of memory: it waits for what it has joined, or for its time to end
        fq_parked_mark_wait(core, connection);
    }
}

// The names that the wait gave, as FETCH takes them; none when they are the registered ones. FQ_ENOMEM or 0.
static int list_names(struct fq_parked *parked, const struct fq_fetch_wait *wait, size_t *ret_count) {
    size_t count = wait->own_names ? wait->entry_count : 0;
    if (count > parked->list_room) {
        fq_str *list = realloc(parked->list, count * sizeof *list);
        if (list == NULL)
            return FQ_ENOMEM;
        parked->list = list;
        parked->list_room = count;
    }
    for (size_t i = 0; i < count; i++)
        parked->list[i] = (fq_str){wait->entries[i].name->text, wait->entries[i].name->len};
    *ret_count = count;
    return 0;
}

// Who has waited longest for any marked name.
static fq_connection *oldest_waiter(const struct fq_parked *parked) {
    if (parked->marked.count == 0)
        return NULL;
    const struct fq_parked_name *name = parked->marked.entries[0].item;
    return FQ_ELEMENT(name->queue.next, struct fq_parked_entry, link)->connection;
}

// Leases what there is for one waiter. When that is nothing, nothing is left of any name it waits for. False: so much had
// expired that the rest is for the next turn.
static bool serve(fq_core *core, fq_connection *connection, struct fq_now now) {
    struct fq_fetch_wait *wait = &connection->fetch;
    size_t count;
    int rc = list_names(&core->parked, wait, &count);
    if (rc == 0)
        rc = fq_fetch_grant(core, connection, fq_str_of(wait->worker), core->parked.list, count, wait->count,
                            now);
    if (rc == 0 && fq_decision_is_partial(core->decision))
        return false;
    if (rc == 0) {
        for (size_t i = 0; i < wait->entry_count; i++)
            fq_heap_remove(&core->parked.marked, wait->entries[i].name);
        return true;
    }
    fq_parked_remove(core, connection);
    if (rc > 0) {
        fq_fetch_reply(core, connection);
        return true;
    }
    fq_reply_error(fq_connection_writer(connection), rc, core->reason);
    fq_connection_touch(connection);
    fq_connection_replied(connection);
    return true;
}

void fq_parked_match(fq_core *core, struct fq_now now) {
    fq_connection *connection;
    while ((connection = oldest_waiter(&core->parked)) != NULL) {
        if (!serve(core, connection, now))
            return;
    }
}
