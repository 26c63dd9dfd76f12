// SPDX-License-Identifier: Apache-2.0
#include "server/presence.h"

#include "server/commit.h"
#include "server/core_state.h"
#include "server/reply.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { GONE_AFTER_US = FQ_US_PER_S };

struct fq_present_worker {
    fq_core *core;
    uint64_t hash;
    fq_list_link all;
    fq_list_link members;  // of fq_membership.of_worker
    struct fq_timer timer; // without connections: until it is gone; else until it is looked after
    size_t id_len, instance_len;
    char text[]; // id, then instance
};
struct fq_membership {
    fq_list_link of_worker, of_connection;
    struct fq_present_worker *worker;
    fq_connection *connection;
};

void fq_presence_init(struct fq_presence *presence) {
    *presence = (struct fq_presence){0};
    fq_list_init(&presence->all);
}

static fq_str id_of(const struct fq_present_worker *worker) {
    return (fq_str){worker->text, worker->id_len};
}

static fq_str instance_of(const struct fq_present_worker *worker) {
    return (fq_str){worker->text + worker->id_len, worker->instance_len};
}

static void drop_membership(struct fq_membership *membership) {
    fq_list_remove(&membership->of_worker);
    fq_list_remove(&membership->of_connection);
    membership->connection->membership_count--;
    free(membership);
}

static void drop_worker(struct fq_present_worker *worker) {
    fq_core *core = worker->core;
    fq_list_link *link;
    while ((link = worker->members.next) != &worker->members)
        drop_membership(FQ_ELEMENT(link, struct fq_membership, of_worker));
    fq_timer_clear(&core->timers, &worker->timer);
    fq_list_remove(&worker->all);
    fq_index_remove(&core->presence.workers, worker->hash, worker);
    free(worker);
}

void fq_presence_done(fq_core *core) {
    while (!fq_list_is_empty(&core->presence.all))
        drop_worker(FQ_ELEMENT(core->presence.all.next, struct fq_present_worker, all));
    fq_index_done(&core->presence.workers);
}

static bool is_id(const void *item, const void *key) {
    return fq_str_equal(id_of(item), *(const fq_str *)key);
}

static struct fq_present_worker *find(const fq_core *core, fq_str id) {
    uint64_t hash = XXH3_64bits_withSeed(id.ptr, id.len, core->seed);
    return fq_index_find(&core->presence.workers, hash, is_id, &id);
}

// Nobody has come back for it: what it leased and has not started is free again.
static void give_up(struct fq_present_worker *worker, struct fq_now now) {
    struct fq_command command = {.type = FQ_COMMAND_WORKER_GONE};
    command.worker.worker = id_of(worker);
    command.worker.instance = instance_of(worker);
    // A refusal says that another instance took over or that the worker has left: then there is nothing to give back.
    int rc = fq_commit_command(worker->core, &command, now);
    (void)rc;
    drop_worker(worker);
}

static bool is_alive(const struct fq_present_worker *worker, struct fq_now now) {
    int64_t silence_us = worker->core->options->engine.worker_silence_ms * FQ_US_PER_MS;
    for (const fq_list_link *link = worker->members.next; link != &worker->members; link = link->next) {
        const fq_connection *connection = FQ_ELEMENT(link, struct fq_membership, of_worker)->connection;
        if (connection->block == FQ_BLOCK_FETCH || now.boot_us - connection->heard_us < silence_us)
            return true;
    }
    return false;
}

static int64_t look_again_at(const struct fq_core *core) {
    return fq_time_add(core->now.boot_us, core->options->engine.worker_silence_ms * FQ_US_PER_MS / 3);
}

// An idle worker says nothing of itself for as long as its FETCH waits: its open connection speaks for it.
static void look_after(struct fq_present_worker *worker, struct fq_now now) {
    if (is_alive(worker, now)) {
        struct fq_command command = {.type = FQ_COMMAND_HEARTBEAT};
        command.heartbeat.worker = id_of(worker);
        int rc = fq_commit_command(worker->core, &command, now);
        (void)rc; // it is only shown as inactive then
    }
    if (fq_timer_set(&worker->core->timers, &worker->timer, look_again_at(worker->core)) < 0)
        fq_log_write(worker->core->options->log, FQ_LOG_WARNING,
                     "server out of memory for the timer of a worker");
}

static void on_timer(struct fq_timer *timer, struct fq_now now) {
    struct fq_present_worker *worker = FQ_ELEMENT(timer, struct fq_present_worker, timer);
    worker->core->now = now;
    if (fq_list_is_empty(&worker->members))
        give_up(worker, now);
    else
        look_after(worker, now);
}

static struct fq_present_worker *add_worker(fq_core *core, fq_str id, fq_str instance) {
    struct fq_present_worker *worker = calloc(1, sizeof *worker + id.len + instance.len);
    if (worker == NULL)
        return NULL;
    worker->core = core;
    worker->hash = XXH3_64bits_withSeed(id.ptr, id.len, core->seed);
    worker->timer.fire = on_timer;
    worker->id_len = id.len;
    worker->instance_len = instance.len;
    memcpy(worker->text, id.ptr, id.len);
    if (instance.len > 0)
        memcpy(worker->text + id.len, instance.ptr, instance.len);
    fq_list_init(&worker->members);
    fq_list_init(&worker->all);
    if (fq_index_add(&core->presence.workers, worker->hash, worker) < 0) {
        free(worker);
        return NULL;
    }
    fq_list_append(&core->presence.all, &worker->all);
    return worker;
}

static struct fq_membership *membership_of(const fq_connection *connection,
                                           const struct fq_present_worker *worker) {
    for (const fq_list_link *link = connection->memberships.next; link != &connection->memberships;
         link = link->next) {
        struct fq_membership *membership = FQ_ELEMENT(link, struct fq_membership, of_connection);
        if (membership->worker == worker)
            return membership;
    }
    return NULL;
}

bool fq_presence_may_join(const fq_core *core, const fq_connection *connection, fq_str id) {
    if (connection->membership_count < FQ_MEMBERSHIPS_MAX)
        return true;
    const struct fq_present_worker *worker = find(core, id);
    return worker != NULL && membership_of(connection, worker) != NULL;
}

int fq_presence_join(fq_core *core, fq_connection *connection, fq_str id, fq_str instance) {
    struct fq_present_worker *worker = find(core, id);
    if (worker != NULL && !fq_str_equal(instance_of(worker), instance)) {
        drop_worker(worker); // the engine has accepted a successor
        worker = NULL;
    }
    if (worker == NULL)
        worker = add_worker(core, id, instance);
    if (worker == NULL)
        return FQ_ENOMEM;
    struct fq_membership *membership = membership_of(connection, worker);
    if (membership != NULL) { // the worker registered last is the connection's default
        fq_list_remove(&membership->of_connection);
        fq_list_append(&connection->memberships, &membership->of_connection);
        return 0;
    }
    membership = calloc(1, sizeof *membership);
    if (membership == NULL) {
        if (fq_list_is_empty(&worker->members))
            drop_worker(worker);
        return FQ_ENOMEM;
    }
    membership->worker = worker;
    membership->connection = connection;
    fq_list_init(&membership->of_worker);
    fq_list_init(&membership->of_connection);
    fq_list_append(&worker->members, &membership->of_worker);
    fq_list_append(&connection->memberships, &membership->of_connection);
    connection->membership_count++;
    return fq_timer_set(&core->timers, &worker->timer, look_again_at(core));
}

void fq_presence_forget(fq_core *core, fq_str id) {
    struct fq_present_worker *worker = find(core, id);
    if (worker != NULL)
        drop_worker(worker);
}

void fq_presence_leave(fq_core *core, fq_connection *connection, struct fq_now now) {
    fq_list_link *link;
    while ((link = connection->memberships.next) != &connection->memberships) {
        struct fq_membership *membership = FQ_ELEMENT(link, struct fq_membership, of_connection);
        struct fq_present_worker *worker = membership->worker;
        drop_membership(membership);
        if (!fq_list_is_empty(&worker->members))
            continue;
        int64_t at_us = fq_time_add(now.boot_us, GONE_AFTER_US);
        if (worker->instance_len == 0 || fq_timer_set(&core->timers, &worker->timer, at_us) < 0)
            drop_worker(worker); // its leases end by time
    }
}

fq_str fq_presence_worker_of(const fq_connection *connection) {
    if (fq_list_is_empty(&connection->memberships))
        return FQ_STR("");
    return id_of(FQ_ELEMENT(connection->memberships.previous, struct fq_membership, of_connection)->worker);
}

static bool takes_pushes(const fq_connection *connection) {
    return connection->reply.protocol >= 3 && !connection->is_closing && connection->request == NULL;
}

void fq_presence_push_cancel(fq_core *core, fq_str id, const fq_uuid *task, uint64_t token) {
    struct fq_present_worker *worker = find(core, id);
    if (worker == NULL)
        return;
    for (fq_list_link *link = worker->members.next; link != &worker->members; link = link->next) {
        fq_connection *connection = FQ_ELEMENT(link, struct fq_membership, of_worker)->connection;
        if (!takes_pushes(connection))
            continue;
        struct fq_resp_writer *writer = fq_connection_writer(connection);
        fq_resp_write_push(writer, 3);
        fq_resp_write_string(writer, FQ_STR("fq.cancel"));
        fq_reply_uuid(writer, task);
        fq_reply_token(writer, token);
        fq_connection_pushed(connection);
    }
}

void fq_presence_push_drain(fq_core *core) {
    for (fq_list_link *link = core->connections.next; link != &core->connections; link = link->next) {
        fq_connection *connection = FQ_ELEMENT(link, fq_connection, all);
        if (!takes_pushes(connection) || fq_list_is_empty(&connection->memberships))
            continue;
        struct fq_resp_writer *writer = fq_connection_writer(connection);
        fq_resp_write_push(writer, 1);
        fq_resp_write_string(writer, FQ_STR("fq.drain"));
        fq_connection_pushed(connection);
    }
}
