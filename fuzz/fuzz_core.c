// SPDX-License-Identifier: Apache-2.0
// A whole server core under bytes and requests from three peers, a clock that jumps, a journal that is slow, peers that do
// not read, close and come back. Input: a byte of choices, then records of a control byte (which peer, what to do), a length
// byte and that many bytes. Afterwards the engine's invariants must hold, the journal must replay to the very same state, and
// everything must be given back.
#include "core_words.h"
#include "target.h"

#include "base/assert.h"
#include "journal/batch.h"
#include "journal/storage_memory.h"
#include "server/core.h"
#include "server/credentials.h"

enum { PEERS = 3, WITH_LOGIN = 1, WITH_JOURNAL = 2, WORDS = 128, SYNC = 192 };

struct world {
    struct fq_server_options options;
    struct fq_core_config config;
    fq_credentials *credentials;
    fq_core *core;
    fq_journal *journal; // NULL = memory only
    struct fq_storage_ops storage_ops;
    fq_buf records; // all that was journaled: length (4 bytes) and bytes
    struct fq_now now;
    fq_connection *peers[PEERS];
    bool deaf[PEERS];
    int replies;
};

static struct world world; // a storage's calls carry no context of ours

// --- the journal --------------------------------------------------------------------------------------------------------
static int (*append_beneath)(fq_storage *storage, const struct fq_storage_batch *batch, bool sync,
                             void (*on_durable)(void *context, int result), void *context);

static int keep_records(fq_storage *storage, const struct fq_storage_batch *batch, bool sync,
                        void (*on_durable)(void *context, int result), void *context) {
    fq_str body = {batch->bytes.ptr + FQ_BATCH_HEADER, batch->bytes.len - FQ_BATCH_HEADER};
    for (uint32_t i = 0; i < batch->record_count; i++) {
        fq_str record;
        FQ_ASSERT(fq_record_decode(&body, batch->first_record_seq + i, &record) == 0);
        uint32_t len = (uint32_t)record.len;
        FQ_ASSERT(fq_buf_append(&world.records, &len, sizeof len) == 0);
        FQ_ASSERT(fq_buf_append_str(&world.records, record) == 0);
    }
    return append_beneath(storage, batch, sync, on_durable, context);
}

static void no_wake(void *context) {
    (void)context;
}

static int no_record(void *context, fq_str record) {
    (void)context, (void)record;
    return FQ_ECORRUPT;
}

static void open_journal(void) {
    fq_storage *storage = fq_storage_memory_open(no_wake, NULL);
    FQ_ASSERT(storage != NULL);
    append_beneath = storage->ops->append;
    world.storage_ops = *storage->ops;
    world.storage_ops.append = keep_records;
    storage->ops = &world.storage_ops;
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    FQ_ASSERT(fq_journal_open(storage, &config, &world.journal) == 0);
    FQ_ASSERT(fq_journal_recover(world.journal, no_record, NULL) == 0);
    FQ_ASSERT(fq_journal_start(world.journal, world.now) == 0);
}

static void check_replay(void) {
    fq_engine *twin = fq_engine_new(&world.options.engine);
    fq_decision *decision = fq_decision_new();
    FQ_ASSERT(twin != NULL && decision != NULL);
    for (fq_str rest = fq_buf_str(&world.records); rest.len > 0;) {
        uint32_t len;
        memcpy(&len, rest.ptr, sizeof len);
        FQ_ASSERT(fq_engine_replay(twin, (fq_str){rest.ptr + 4, len}, decision) == 0);
        fq_engine_apply(twin, decision, 0);
        rest = (fq_str){rest.ptr + 4 + len, rest.len - 4 - len};
    }
    FQ_ASSERT(fq_engine_hash(twin) == fq_engine_hash(world.config.engine));
    fq_decision_free(decision);
    fq_engine_free(twin);
}

// --- peers --------------------------------------------------------------------------------------------------------------
static void on_reply(void *context, fq_str reply) {
    (void)reply;
    ((struct world *)context)->replies--;
}

static void serve(void) {
    fq_connection *connection;
    while ((connection = fq_core_next_ready(world.core)) != NULL) {
        size_t index = (size_t)fq_connection_context(connection);
        fq_str output = fq_connection_output(connection);
        (void)fq_connection_wants_read(connection);
        if (!world.deaf[index])
            fq_connection_sent(connection, output.len);
        if (fq_connection_should_close(connection)) {
            fq_connection_close(connection, world.now);
            world.peers[index] = NULL;
        }
    }
}

static void pass(int64_t us) {
    world.now.boot_us += us;
    world.now.wall_us += us;
    fq_core_turn(world.core, world.now);
    FQ_ASSERT(!fq_core_failed(world.core) && fq_core_deadline(world.core, world.now) >= 0);
    serve();
}

static void sync_journal(void) {
    if (world.journal == NULL)
        return;
    fq_journal_poll(world.journal, world.now);
    fq_core_on_durable(world.core, world.now);
    serve();
}

// Until nothing more becomes durable.
static void settle(void) {
    while (world.journal != NULL &&
           fq_journal_durable_seq(world.journal) < fq_journal_last_seq(world.journal)) {
        sync_journal();
        pass(1);
    }
    sync_journal();
}

static fq_connection *peer(size_t index) {
    if (world.peers[index] != NULL)
        return world.peers[index];
    struct fq_peer_info info = {.text = FQ_STR("fuzz"), .is_local = true};
    const char *refusal;
    fq_connection *connection = fq_core_accept(world.core, &info, world.now, &refusal);
    if (connection != NULL)
        fq_connection_set_context(connection, (void *)index);
    world.peers[index] = connection;
    world.deaf[index] = false;
    return connection;
}

static void inside(void) {
    fq_str args[] = {FQ_STR("FQ.RESULT"), FQ_STR("00000000-0000-4000-8000-000000000001"), FQ_STR("WAIT"),
                     FQ_STR("50")};
    if (fq_core_request(world.core, FQ_ROLE_ALL, args, 4, world.now, on_reply, &world) != NULL)
        world.replies++;
}

static void feed(fq_connection *connection, fq_str bytes) {
    if (connection != NULL && fq_connection_feed(connection, bytes.ptr, bytes.len, world.now) < 0)
        pass(1);
}

static void ask(fq_connection *connection, fq_str bytes) {
    fq_buf request = {0};
    core_words_write(world.config.engine, bytes, &request);
    feed(connection, fq_buf_str(&request));
    fq_buf_done(&request);
    pass(1);
}

static void act(uint8_t control, fq_str bytes) {
    size_t index = control % PEERS;
    if (control >= SYNC) {
        sync_journal();
        return;
    }
    fq_connection *connection = peer(index);
    if (control >= WORDS) {
        ask(connection, bytes);
        return;
    }
    switch (control / PEERS % 8) {
    case 0: pass(1 + (int64_t)(bytes.len * bytes.len) * FQ_US_PER_MS); break;
    case 1: world.deaf[index] = !world.deaf[index]; break;
    case 2:
        if (connection != NULL)
            fq_connection_close(connection, world.now);
        world.peers[index] = NULL;
        break;
    case 3: inside(); break;
    default: feed(connection, bytes);
    }
}

static void open_world(uint8_t choices) {
    world = (struct world){
        .now = {1000000, 1800000000000000}
    };
    fq_server_options_init(&world.options);
    world.options.payload_bytes_max = 300;
    world.options.result_bytes_max = 300;
    world.options.output_bytes_max = 20000;
    world.options.pipeline_max = 8;
    world.options.engine.task_count_max = 50;
    world.options.engine.result_bytes_max = 1000;
    world.options.engine.dead_count_max = 5;
    world.credentials = fq_credentials_new();
    if ((choices & WITH_JOURNAL) != 0)
        open_journal();
    if ((choices & WITH_LOGIN) != 0)
        FQ_ASSERT(fq_credentials_add_token(world.credentials, FQ_STR("default"), FQ_ROLE_ALL, FQ_STR("t")) ==
                  0);
    world.config = (struct fq_core_config){.options = &world.options,
                                           .engine = fq_engine_new(&world.options.engine),
                                           .journal = world.journal,
                                           .credentials = world.credentials,
                                           .seed = 1};
    world.core = fq_core_new(&world.config);
    FQ_ASSERT(world.core != NULL && fq_core_start(world.core, world.now) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    open_world(data[0]);
    for (size_t at = 1; at + 2 <= size;) {
        size_t len = data[at + 1];
        if (len > size - at - 2)
            len = size - at - 2;
        act(data[at], (fq_str){(const char *)data + at + 2, len});
        at += 2 + len;
    }
    pass(1);
    settle();
    fq_engine_check(world.config.engine);
    pass(3600 * (int64_t)FQ_US_PER_S);
    fq_core_drain(world.core, world.now);
    pass(1);
    settle();
    fq_engine_check(world.config.engine);
    if (world.journal != NULL)
        check_replay();
    fq_core_free(world.core);
    FQ_ASSERT(world.replies == 0); // each was answered once
    fq_journal_close(world.journal);
    fq_buf_done(&world.records);
    fq_engine_free(world.config.engine);
    fq_credentials_free(world.credentials);
    return 0;
}
