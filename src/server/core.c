// SPDX-License-Identifier: Apache-2.0
// Life of a core and its turns.
#include "server/core.h"

#include "base/assert.h"
#include "engine/view.h"
#include "server/admission.h"
#include "server/commit.h"
#include "server/core_state.h"
#include "server/credentials.h"
#include "server/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- life -------------------------------------------------------------------------------------------------------------
static void init_parts(fq_core *core) {
    fq_command_index_init(&core->commands);
    fq_parked_init(&core->parked);
    fq_watchers_init(&core->watchers);
    fq_presence_init(&core->presence);
    fq_census_init(&core->sources);
    fq_census_init(&core->users);
    fq_list_link *links[] = {&core->connections, &core->touched,  &core->gated,    &core->ready,
                             &core->held,        &core->requests, &core->answered, &core->waiting};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        fq_list_init(links[i]);
}

fq_core *fq_core_new(const struct fq_core_config *config) {
    fq_core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return NULL;
    core->options = config->options;
    core->engine = config->engine;
    core->journal = config->journal;
    core->credentials = config->credentials;
    core->observer = config->observer;
    core->telemetry = config->telemetry;
    core->cpu_use = config->cpu_use;
    core->server_id = config->server_id != NULL ? config->server_id : "fastqueue";
    core->seed = config->seed;
    core->reason = "";
    core->is_standby = config->is_standby;
    core->shards = config->shards;
    core->shard = config->shard;
    fq_random_seed(&core->random, config->seed);
    core->id_dice[0] = fq_random_next(&core->random);
    core->id_dice[1] = fq_random_next(&core->random);
    init_parts(core);
    core->decision = fq_decision_new();
    core->ids = calloc(FQ_PAGE_ROWS_MAX, sizeof *core->ids);
    core->views = calloc(FQ_PAGE_ROWS_MAX, sizeof *core->views);
    if (core->decision == NULL || core->ids == NULL || core->views == NULL)
        return fq_core_free(core);
    return core;
}

static void free_connection(fq_connection *connection, struct fq_now now) {
    fq_admission_leave(connection);
    fq_connection_done(connection, now);
    free(connection);
}

fq_core *fq_core_free(fq_core *core) {
    if (core == NULL)
        return NULL;
    fq_requests_end(core);
    while (!fq_list_is_empty(&core->connections))
        free_connection(FQ_ELEMENT(core->connections.next, fq_connection, all), core->now);
    fq_presence_done(core);
    fq_parked_done(&core->parked);
    fq_watchers_done(&core->watchers);
    fq_timers_done(&core->timers);
    fq_decision_free(core->decision);
    fq_buf_done(&core->record);
    free(core->record_ends);
    fq_buf_done(&core->scratch);
    fq_buf_done(&core->grant_text);
    free(core->ids);
    free(core->views);
    free(core);
    return NULL;
}

// --- recovery ---------------------------------------------------------------------------------------------------------
struct recovery {
    fq_engine *engine;
    fq_decision *decision;
};

static int replay(void *context, fq_str record) {
    struct recovery *recovery = context;
    int rc = fq_engine_replay(recovery->engine, record, recovery->decision);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < fq_decision_event_count(recovery->decision); i++)
        fq_engine_apply(recovery->engine, recovery->decision, i);
    return 0;
}

static void expect(void *context, fq_str record) {
    const struct recovery *recovery = context;
    fq_engine_expect_record(recovery->engine, record);
}

static int replay_with(fq_engine *engine, fq_journal *journal,
                       int (*read)(fq_journal *journal, int (*on_record)(void *context, fq_str record),
                                   void *context)) {
    struct recovery recovery = {engine, fq_decision_new()};
    if (recovery.decision == NULL)
        return FQ_ENOMEM;
    fq_journal_expect(journal, expect);
    int rc = read(journal, replay, &recovery);
    fq_decision_free(recovery.decision);
    return rc;
}

int fq_core_recover(fq_engine *engine, fq_journal *journal) {
    return replay_with(engine, journal, fq_journal_recover);
}

int fq_core_follow(fq_engine *engine, fq_journal *journal) {
    return replay_with(engine, journal, fq_journal_follow);
}

int fq_core_start(fq_core *core, struct fq_now now) {
    core->now = now;
    core->started = now;
    if (core->is_standby)
        return 0;
    if (core->journal != NULL)
        core->boot_epoch = fq_journal_boot_epoch(core->journal);
    else // tokens of an earlier life without a journal must not fit either
        core->boot_epoch = (uint32_t)(now.wall_us / FQ_US_PER_S) & 0xffffff;
    if (core->boot_epoch == 0)
        core->boot_epoch = 1;
    core->hash_checked_seq = core->journal != NULL ? fq_journal_last_seq(core->journal) : 0;
    int rc = fq_engine_start(core->engine, core->boot_epoch, now, core->decision);
    return rc < 0 ? rc : fq_commit_decision(core, now);
}

int fq_core_activate(fq_core *core, fq_engine *engine, fq_journal *journal, struct fq_now now) {
    FQ_ASSERT(core->is_standby);
    core->engine = engine;
    core->journal = journal;
    core->is_standby = false;
    return fq_core_start(core, now);
}

void fq_core_set_leader(fq_core *core, const char *address) {
    snprintf(core->leader, sizeof core->leader, "%s", address);
}

bool fq_core_is_standby(const fq_core *core) {
    return core->is_standby;
}

// --- a turn -----------------------------------------------------------------------------------------------------------
static uint64_t durable_seq(const fq_core *core) {
    return core->journal != NULL ? fq_journal_durable_seq(core->journal) : UINT64_MAX;
}

// What a task that was accepted may still write: its hand-out, its start, its outcome with a small result.
enum { OUTCOME_RESERVE_BYTES = 512 };

// Whether every accepted task can still be finished in the room that is left; with hysteresis, as the storage has.
static bool lacks_room_for_outcomes(const fq_core *core, const struct fq_storage_space *space) {
    uint64_t need = fq_engine_live_count(core->engine) * OUTCOME_RESERVE_BYTES;
    uint64_t room;
    if (__builtin_add_overflow(space->writable_bytes, space->reserve_bytes, &room))
        return false;
    return room < (core->submits_blocked ? need + need / 5 : need);
}

static void look_at_journal(fq_core *core) {
    if (core->journal == NULL)
        return;
    if (fq_journal_failed(core->journal))
        core->failed = true;
    fq_journal_space(core->journal, &core->space);
    core->submits_blocked = core->space.submits_blocked || lacks_room_for_outcomes(core, &core->space);
    size_t backlog = fq_journal_backlog_bytes(core->journal);
    if (backlog > FQ_BACKLOG_HIGH)
        core->backlogged = true;
    else if (backlog < FQ_BACKLOG_LOW)
        core->backlogged = false;
}

// Each held connection gets one go; those that have to wait again come back to the list by themselves.
static void resume_held(fq_core *core, struct fq_now now) {
    if (core->backlogged)
        return;
    fq_list_link list;
    fq_list_init(&list);
    fq_list_splice_before(&list, &core->held);
    fq_list_link *link;
    while ((link = fq_list_pop(&list)) != NULL) {
        fq_connection *connection = FQ_ELEMENT(link, fq_connection, held);
        if (core->backlogged)
            fq_list_append(&core->held, &connection->held);
        else
            fq_connection_resume(connection, now);
    }
}

static void seal(fq_core *core) {
    fq_list_link *link;
    while ((link = fq_list_pop(&core->touched)) != NULL) {
        fq_connection *connection = FQ_ELEMENT(link, fq_connection, touched);
        fq_connection_seal(connection);
        fq_list_append_once(&core->gated, &connection->gated);
    }
}

static void release(fq_core *core) {
    if (core->failed)
        return;
    uint64_t seq = durable_seq(core);
    fq_list_link *link = core->gated.next;
    while (link != &core->gated) {
        fq_connection *connection = FQ_ELEMENT(link, fq_connection, gated);
        link = link->next;
        if (fq_connection_release(connection, seq))
            fq_list_remove(&connection->gated);
    }
}

// Records between two hashes of the state in the journal; every replay, the compactor's included, compares them.
enum { HASH_CHECK_RECORDS = 16384 };

static void write_hash(fq_core *core, struct fq_now now) {
    if (core->journal == NULL || core->failed ||
        fq_journal_last_seq(core->journal) - core->hash_checked_seq < HASH_CHECK_RECORDS)
        return;
    if (fq_engine_hash_check(core->engine, now, core->decision) == 0 && fq_commit_decision(core, now) == 0)
        core->hash_checked_seq = fq_journal_last_seq(core->journal);
}

static fq_connection *largest_connection(const fq_core *core) {
    fq_connection *largest = NULL;
    for (const fq_list_link *link = core->connections.next; link != &core->connections; link = link->next) {
        fq_connection *connection = FQ_ELEMENT(link, fq_connection, all);
        if (largest == NULL || connection->counted_bytes > largest->counted_bytes)
            largest = connection;
    }
    return largest;
}

// Peers share a bound on memory. Above it what is only kept for later goes first, then the one that takes most.
static void make_room(fq_core *core) {
    uint64_t most = core->options->client_bytes_max;
    if (core->client_bytes <= most)
        return;
    for (fq_list_link *link = core->connections.next; link != &core->connections; link = link->next)
        fq_connection_trim(FQ_ELEMENT(link, fq_connection, all));
    while (core->client_bytes > most) {
        fq_connection *largest = largest_connection(core);
        if (largest == NULL || largest->counted_bytes == 0)
            return;
        fq_log_write(core->options->log, FQ_LOG_WARNING,
                     "server connections hold more than %llu bytes, closing the largest peer=%s bytes=%zu",
                     (unsigned long long)most, largest->peer, largest->counted_bytes);
        fq_connection_evict(largest);
    }
}

// A turn that comes long after something was due, and long after the turn before it: the process was stopped, or the whole
// machine was. What workers said meanwhile lies unread in the sockets.
static void notice_stall(fq_core *core, struct fq_now now) {
    int64_t lease_us = core->options->engine.lease_ms * FQ_US_PER_MS;
    int64_t stall_us = lease_us / 4 < FQ_US_PER_S ? lease_us / 4 : FQ_US_PER_S;
    int64_t before_us = core->turned_us;
    core->turned_us = now.boot_us;
    if (before_us == 0 || now.boot_us - before_us < stall_us)
        return;
    int64_t late_us = now.boot_us - fq_engine_deadline(core->engine, now);
    // A machine that is always late must not hold the leases of the dead for ever; a stop as long as a lease always counts.
    if (late_us < stall_us || (core->held_us != 0 && now.boot_us - core->held_us < lease_us))
        return;
    core->held_us = now.boot_us;
    fq_engine_hold_leases(core->engine, now);
    fq_log_write(core->options->log, FQ_LOG_WARNING,
                 "server was stopped for some %lld ms; leases that ended meanwhile are held until their "
                 "workers are heard",
                 (long long)(late_us / FQ_US_PER_MS));
}

void fq_core_turn(fq_core *core, struct fq_now now) {
    core->now = now;
    notice_stall(core, now);
    look_at_journal(core);
    make_room(core);
    fq_timers_run(&core->timers, now);
    fq_commit_due(core, now);
    resume_held(core, now);
    fq_parked_match(core, now);
    write_hash(core, now);
    seal(core);
    if (core->journal != NULL)
        fq_journal_commit(core->journal, now);
    release(core);
    fq_requests_answer(core);
}

void fq_core_on_durable(fq_core *core, struct fq_now now) {
    core->now = now;
    look_at_journal(core);
    if (core->journal != NULL)
        fq_journal_commit(core->journal, now);
    release(core);
    fq_requests_answer(core);
}

static bool is_due_now(const fq_core *core) {
    bool may_resume = !core->backlogged && !fq_list_is_empty(&core->held);
    return may_resume || !fq_list_is_empty(&core->touched) || core->parked.marked.count > 0 ||
           !fq_list_is_empty(&core->answered);
}

int64_t fq_core_deadline(const fq_core *core, struct fq_now now) {
    if (is_due_now(core))
        return now.boot_us;
    int64_t at_us = fq_timers_deadline(&core->timers);
    int64_t engine_us = fq_engine_deadline(core->engine, now);
    if (engine_us < at_us)
        at_us = engine_us;
    int64_t journal_us = core->journal != NULL ? fq_journal_deadline(core->journal) : FQ_NEVER_US;
    return journal_us < at_us ? journal_us : at_us;
}

fq_connection *fq_core_next_ready(fq_core *core) {
    fq_list_link *link = fq_list_pop(&core->ready);
    return link != NULL ? FQ_ELEMENT(link, fq_connection, ready) : NULL;
}

bool fq_core_failed(const fq_core *core) {
    return core->failed || (core->journal != NULL && fq_journal_failed(core->journal));
}

void fq_core_drain(fq_core *core, struct fq_now now) {
    if (core->draining)
        return;
    core->now = now;
    core->draining = true;
    fq_engine_set_draining(core->engine, true);
    while (!fq_list_is_empty(&core->parked.fetches))
        fq_parked_end(core, FQ_ELEMENT(core->parked.fetches.next, fq_connection, fetch.link));
    fq_presence_push_drain(core);
}

bool fq_core_is_drained(const fq_core *core, struct fq_now now) {
    struct fq_engine_stats stats;
    fq_engine_stats(core->engine, now, &stats);
    if (stats.state_count[FQ_TASK_STARTED] > 0)
        return false;
    for (const fq_list_link *link = core->connections.next; link != &core->connections; link = link->next) {
        if (fq_buf_len(&FQ_ELEMENT(link, const fq_connection, all)->output) > 0)
            return false;
    }
    return true;
}

// --- connections --------------------------------------------------------------------------------------------------------
fq_connection *fq_core_accept(fq_core *core, const struct fq_peer_info *peer, struct fq_now now,
                              const char **ret_refusal) {
    core->now = now;
    *ret_refusal = "-OOM out of memory\r\n";
    fq_connection *connection = malloc(sizeof *connection);
    if (connection == NULL) {
        core->stats.connections_refused_total++;
        return NULL;
    }
    int rc = fq_connection_init(connection, core);
    int entered = fq_admission_enter(connection, peer, now, ret_refusal);
    if (rc < 0 || entered < 0) {
        free_connection(connection, now);
        core->stats.connections_refused_total++;
        return NULL;
    }
    fq_list_append(&core->connections, &connection->all);
    core->stats.connections_total++;
    return connection;
}

void fq_connection_close(fq_connection *connection, struct fq_now now) {
    connection->core->now = now;
    free_connection(connection, now);
}

// --- looking in ---------------------------------------------------------------------------------------------------------
void fq_core_stats(const fq_core *core, struct fq_core_stats *ret_stats) {
    *ret_stats = core->stats;
    ret_stats->connections = core->connection_count;
    ret_stats->blocked_fetches = core->parked.count;
    ret_stats->watched_ids = core->watchers.count;
    ret_stats->submits_blocked = core->submits_blocked;
    ret_stats->draining = core->draining;
}

const char *fq_core_durability(const fq_core *core) {
    if (core->options->journal_url != NULL)
        return "replicated";
    if (core->journal == NULL)
        return "none";
    return core->options->durability == FQ_DURABILITY_SYNC ? "sync" : "relaxed";
}

fq_engine *fq_core_engine(fq_core *core) {
    return core->engine;
}

fq_journal *fq_core_journal(fq_core *core) {
    return core->journal;
}
