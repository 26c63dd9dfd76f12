// SPDX-License-Identifier: Apache-2.0
#include "queue_world.h"

#include "base/assert.h"
#include "faulty_disk.h"
#include "faulty_memory.h"
#include "journal/compaction.h"
#include "journal/storage_posix.h"
#include "server/compactor.h"

#include <stdarg.h>
#include <string.h>

enum { TURNS_MAX = 120, TURN_MS = 10, WORDS_MAX = 16 };

void queue_world_init(struct queue_world *world) {
    *world = (struct queue_world){
        .sim = sim_disk_new(1), .now = {1000000, 1800000000000000}
    };
    fq_server_options_init(&world->options);
    world->options.engine.ledger_count_min = 8;
}

void queue_world_done(struct queue_world *world) {
    queue_world_kill(world);
    world->session = fq_session_free(world->session);
    faulty_memory_pause();
    sim_disk_free(world->sim);
    faulty_memory_resume();
}

// --- the server ---------------------------------------------------------------------------------------------------------
static void run_inline(fq_executor *executor, void (*work)(void *argument), void *argument) {
    (void)executor;
    work(argument);
}
static fq_executor *close_inline(fq_executor *executor) {
    (void)executor;
    return NULL;
}

static int open_journal(struct queue_world *world) {
    static fq_executor executor = {run_inline, close_inline};
    struct fq_storage_posix_options options;
    fq_storage_posix_options_init(&options);
    options.segment_bytes = options.first_segment_bytes = options.reserve_bytes = 16384;
    options.low_water_bytes = 1;
    fq_storage *storage;
    char error[FQ_STORAGE_ERROR_MAX] = "";
    int result = fq_storage_files_open(faulty_disk_attach(world->sim), &executor, &options, &storage, error);
    if (result < 0)
        return result;
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    return fq_journal_open(storage, &config, &world->journal);
}

static int start_core(struct queue_world *world) {
    struct fq_core_config config = {
        .options = &world->options, .engine = world->engine, .journal = world->journal, .seed = 7};
    world->core = fq_core_new(&config);
    return world->core == NULL ? FQ_ENOMEM : fq_core_start(world->core, world->now);
}

void queue_world_kill(struct queue_world *world) {
    if (world->connection != NULL)
        fq_connection_close(world->connection, world->now);
    world->connection = NULL;
    world->core = fq_core_free(world->core);
    world->journal = fq_journal_close(world->journal);
    world->engine = fq_engine_free(world->engine);
    sim_disk_revive(world->sim);
    if (world->is_connected)
        fq_session_disconnected(world->session, world->now.boot_us);
    world->is_connected = false;
}

bool queue_world_boot(struct queue_world *world) {
    if (world->core != NULL)
        return true;
    world->engine = fq_engine_new(&world->options.engine);
    int result = world->engine == NULL ? FQ_ENOMEM : open_journal(world);
    if (result == 0)
        result = fq_core_recover(world->engine, world->journal);
    if (result == 0)
        result = fq_journal_start(world->journal, world->now);
    if (result == 0)
        result = start_core(world);
    if (result < 0)
        queue_world_kill(world);
    return result == 0;
}

// --- both ends of the connection ----------------------------------------------------------------------------------------
static void connect_session(struct queue_world *world) {
    struct fq_peer_info peer = {.text = FQ_STR("client"), .is_local = true};
    const char *refusal;
    if (world->session == NULL) {
        struct fq_session_options options;
        fq_session_options_init(&options);
        options.seed = 5;
        world->session = fq_session_new(&options);
    }
    if (world->session == NULL || world->is_connected)
        return;
    world->connection = fq_core_accept(world->core, &peer, world->now, &refusal);
    if (world->connection == NULL)
        return;
    world->is_connected = true;
    if (fq_session_connected(world->session, world->now.boot_us) < 0)
        world->is_connected = false;
}

static void hang_up(struct queue_world *world) {
    if (world->connection != NULL)
        fq_connection_close(world->connection, world->now);
    world->connection = NULL;
    if (world->is_connected)
        fq_session_disconnected(world->session, world->now.boot_us);
    world->is_connected = false;
}

bool queue_world_ready(struct queue_world *world) {
    for (int i = 0; i < 3; i++) {
        if (!queue_world_boot(world))
            continue;
        if (world->session == NULL || !world->is_connected) {
            hang_up(world);
            connect_session(world);
        }
        if (world->session != NULL && world->is_connected)
            return true;
    }
    return false;
}

static void to_server(struct queue_world *world) {
    fq_slice output = fq_session_output(world->session);
    if (output.len == 0)
        return;
    // What the server does with it must not depend on the client's buffer.
    int result = fq_connection_feed(world->connection, output.ptr, output.len, world->now);
    fq_session_sent(world->session, output.len);
    (void)result; // it will say that it should be closed
}

static void to_client(struct queue_world *world) {
    fq_connection *connection;
    bool is_over = false;
    while ((connection = fq_core_next_ready(world->core)) != NULL) {
        fq_str output = fq_connection_output(connection);
        if (output.len > 0 && world->is_connected) {
            is_over = fq_session_feed(world->session, output.ptr, output.len, world->now.boot_us) < 0;
            fq_connection_sent(connection, output.len);
        }
        is_over = is_over || fq_connection_should_close(connection);
    }
    if (is_over)
        hang_up(world);
}

// One turn of everything. A server whose journal or state has failed ends here.
static void turn(struct queue_world *world) {
    world->now.boot_us += TURN_MS * FQ_US_PER_MS;
    world->now.wall_us += TURN_MS * FQ_US_PER_MS;
    if (!queue_world_ready(world))
        return;
    to_server(world);
    fq_core_turn(world->core, world->now);
    to_client(world);
    fq_journal_poll(world->journal, world->now);
    fq_core_on_durable(world->core, world->now);
    to_client(world);
    if (world->is_connected && fq_session_tick(world->session, world->now.boot_us) < 0)
        hang_up(world);
    if (fq_core_failed(world->core)) {
        world->deaths++;
        queue_world_kill(world);
    }
}

void queue_world_pass(struct queue_world *world, int64_t ms) {
    for (int64_t done = 0; done < ms; done += TURN_MS)
        turn(world);
}

// --- requests -----------------------------------------------------------------------------------------------------------
// The answer to `tag`: 0 with its value, an error, or FQ_ETIMEOUT when there is none for a while.
static int await(struct queue_world *world, uint64_t tag, enum fq_session_event_type type,
                 int64_t *ret_value) {
    for (int i = 0; i < TURNS_MAX; i++) {
        turn(world);
        struct fq_session_event event;
        while (world->session != NULL && fq_session_next_event(world->session, &event) == 1) {
            if (event.tag != tag || event.type != type)
                continue;
            bool is_number = event.values != NULL && event.values[0].type == FQ_VALUE_INTEGER;
            *ret_value = is_number ? event.values[0].integer : 1;
            return event.error;
        }
    }
    if (world->session != NULL)
        fq_session_forget(world->session, tag);
    return FQ_ETIMEOUT;
}

int64_t queue_world_ask(struct queue_world *world, ...) {
    fq_slice words[WORDS_MAX];
    size_t count = 0;
    va_list list;
    va_start(list, world);
    for (const char *word; (word = va_arg(list, const char *)) != NULL && count < WORDS_MAX; count++)
        words[count] = (fq_slice){word, strlen(word)};
    va_end(list);
    if (!queue_world_ready(world))
        return FQ_EDISCONNECTED;
    uint64_t tag = ++world->next_tag;
    int64_t value = 0;
    int result = fq_session_command(world->session, words, count, false, tag);
    if (result == 0)
        result = await(world, tag, FQ_SESSION_REPLY, &value);
    return result < 0 ? result : value;
}

int queue_world_submit(struct queue_world *world, const char *id, const struct fq_submit_options *options) {
    if (!queue_world_ready(world))
        return FQ_EDISCONNECTED;
    struct fq_submit_options given = *options;
    given.id = id;
    uint64_t tag = ++world->next_tag;
    char made[37];
    int64_t value;
    const char *payload = "{\"args\":[1]}";
    int result = fq_session_submit(world->session, (fq_slice){"add", 3}, (fq_slice){payload, strlen(payload)},
                                   &given, tag, made);
    return result < 0 ? result : await(world, tag, FQ_SESSION_SUBMITTED, &value);
}

// --- compaction ---------------------------------------------------------------------------------------------------------
struct sealing {
    bool is_over;
    int result;
    uint64_t batch_seq;
};

static void on_ready(void *context, int result, uint64_t batch_seq) {
    *(struct sealing *)context = (struct sealing){true, result, batch_seq};
}

// What the compactor's process does.
static int compact_beside(struct queue_world *world, uint64_t until_batch) {
    fq_compaction *compaction = NULL;
    struct fq_compactor_outcome outcome;
    char error[FQ_STORAGE_ERROR_MAX];
    int result = fq_compaction_open_disk(faulty_disk_attach(world->sim), until_batch, &compaction, error);
    if (result == 0)
        result = fq_compactor_run(compaction, &outcome);
    fq_compaction_close(compaction);
    return result;
}

bool queue_world_compact(struct queue_world *world) {
    if (!queue_world_boot(world))
        return false;
    struct sealing sealing = {0};
    const fq_journal *journal = world->journal;
    fq_journal_compact_begin(world->journal, on_ready, &sealing);
    for (int i = 0; i < TURNS_MAX && !sealing.is_over && world->journal == journal; i++)
        turn(world);
    if (!sealing.is_over || sealing.result < 0 || world->journal != journal)
        return false;
    int result = compact_beside(world, sealing.batch_seq);
    fq_journal_compact_end(world->journal, result == 0, sealing.batch_seq);
    for (int i = 0; i < 10; i++)
        turn(world);
    return result == 0;
}
