// SPDX-License-Identifier: Apache-2.0
#include "support/golden.h"

#include "base/assert.h"
#include "engine/event_view.h"
#include "engine/view.h"
#include "journal/compaction.h"
#include "journal/replay.h"
#include "server/compactor.h"
#include "sim/step_executor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum { PATH_LEN = 64, SIZE_LIMIT = 1 << 24 };
static const char TITLE[] = "fastqueue golden 1\n";

// ---- files ----

static void put_file(fq_disk *disk, const char *path, const void *bytes, size_t len) {
    int handle = disk->ops->open(disk, path, FQ_DISK_CREATE);
    FQ_ASSERT(handle >= 0 && disk->ops->write(disk, handle, bytes, len, 0) == (int64_t)len &&
              disk->ops->sync(disk, handle) == 0);
    disk->ops->close(disk, handle);
}

static bool read_one(gzFile file, fq_disk *disk) {
    char line[PATH_LEN + 32], path[PATH_LEN];
    unsigned size;
    if (gzgets(file, line, sizeof line) == NULL)
        return false;
    FQ_ASSERT(sscanf(line, "%63s %u", path, &size) == 2 && size <= SIZE_LIMIT);
    void *bytes = malloc(size + 1);
    FQ_ASSERT(bytes != NULL && gzread(file, bytes, size) == (int)size);
    put_file(disk, path, bytes, size);
    free(bytes);
    return true;
}

sim_disk *golden_load(const char *path) {
    static const char *const directories[] = {"seg", "snap", "."};
    char title[sizeof TITLE];
    gzFile file = gzopen(path, "rb");
    if (file == NULL || gzgets(file, title, sizeof title) == NULL || strcmp(title, TITLE) != 0) {
        if (file != NULL)
            gzclose(file);
        return NULL;
    }
    sim_disk *sim = sim_disk_new(1);
    fq_disk *disk = sim_disk_attach(sim);
    for (size_t i = 0; i < 2; i++)
        FQ_ASSERT(disk->ops->make_directory(disk, directories[i]) == 0);
    while (read_one(file, disk))
        ;
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
        FQ_ASSERT(disk->ops->sync_directory(disk, directories[i]) == 0);
    disk->ops->close_disk(disk);
    gzclose(file);
    return sim;
}

struct saving {
    const sim_disk *sim;
    gzFile file;
};

static void save_one(void *context, const char *path) {
    struct saving *saving = context;
    size_t len = strlen(path);
    if (strcmp(path, "RESERVE") == 0 || (len > 4 && strcmp(path + len - 4, ".tmp") == 0))
        return; // made anew by every boot
    uint64_t size = sim_disk_size(saving->sim, path);
    char *bytes = malloc(size + 1);
    FQ_ASSERT(bytes != NULL);
    sim_disk_peek(saving->sim, path, 0, bytes, size);
    gzprintf(saving->file, "%s %" PRIu64 "\n", path, size);
    gzwrite(saving->file, bytes, (unsigned)size);
    free(bytes);
}

bool golden_save(const sim_disk *sim, const char *path) {
    struct saving saving = {sim, gzopen(path, "wb9")};
    if (saving.file == NULL)
        return false;
    gzputs(saving.file, TITLE);
    sim_disk_each(sim, save_one, &saving);
    return gzclose(saving.file) == Z_OK;
}

// ---- dump ----

struct dumping {
    fq_buf *out;
    struct fq_replica *replica;
    struct fq_replay replay;
};

static void on_member(void *context, const struct fq_event_member *member) {
    fq_buf *out = context;
    int result;
    if (member->kind == FQ_MEMBER_TEXT || member->kind == FQ_MEMBER_CONTENT)
        result = fq_buf_printf(out, " %s=\"%.*s\"", member->name, FQ_STR_ARGS(member->text));
    else
        result = fq_buf_printf(out, " %s=%" PRId64, member->name, member->number);
    FQ_ASSERT(result == 0);
}

static int on_record(void *context, fq_str record) {
    struct dumping *dumping = context;
    struct fq_event_head head;
    char id[FQ_UUID_TEXT];
    int result = fq_event_view(record, NULL, NULL, &head);
    if (result < 0)
        return result;
    fq_uuid_format(&head.id, id);
    FQ_ASSERT(fq_buf_printf(dumping->out, "%" PRIu64 " %s at=%" PRId64 " id=%.*s", dumping->replay.last_seq,
                            fq_event_type_name(head.type), head.at_us, FQ_UUID_TEXT, id) == 0);
    FQ_ASSERT(fq_event_view(record, on_member, dumping->out, &head) == 0);
    FQ_ASSERT(fq_buf_append_byte(dumping->out, '\n') == 0);
    return fq_replica_record(dumping->replica, record);
}

static void dump_state(struct dumping *dumping) {
    struct fq_engine_stats stats;
    fq_engine_stats(dumping->replica->engine, (struct fq_now){0}, &stats);
    FQ_ASSERT(fq_buf_printf(dumping->out, "batch %" PRIu64 " boot %" PRIu32 " state %016" PRIx64 "\n",
                            dumping->replay.chain.next_batch_seq - 1, dumping->replay.chain.boot_epoch,
                            fq_engine_hash(dumping->replica->engine)) == 0);
    for (int i = 0; i < FQ_TASK_STATE_COUNT; i++)
        FQ_ASSERT(fq_buf_printf(dumping->out, "%s %" PRIu64 "\n", fq_task_state_name((enum fq_task_state)i),
                                stats.state_count[i]) == 0);
}

int golden_dump(sim_disk *sim, fq_buf *out, struct fq_replica *replica, char error[FQ_STORAGE_ERROR_MAX]) {
    fq_storage *storage;
    int result = fq_storage_files_open_examiner(sim_disk_attach(sim), NULL, 0, &storage, error);
    if (result < 0)
        return result;
    struct dumping dumping = {out, replica, {0}};
    fq_replay_init(&dumping.replay, storage);
    result = fq_replay_run(&dumping.replay, on_record, &dumping);
    if (result == 0)
        dump_state(&dumping);
    else
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s", dumping.replay.error);
    fq_replay_done(&dumping.replay);
    storage->ops->close(storage);
    return result;
}

// ---- a running journal ----

static int ignore(void *context, fq_str record) {
    (void)context, (void)record;
    return 0;
}

int golden_journal_open(struct golden_journal *golden, sim_disk *sim, struct fq_replica *replica,
                        char error[FQ_STORAGE_ERROR_MAX]) {
    struct fq_storage_posix_options options;
    struct fq_journal_config config;
    fq_storage *storage;
    fq_storage_posix_options_init(&options);
    options.first_segment_bytes = options.segment_bytes = options.reserve_bytes = 16384;
    fq_journal_config_init(&config);
    config.compact_bytes_min = 1;
    *golden = (struct golden_journal){
        .sim = sim, .executor = step_executor_new(), .now = {1000000, INT64_C(1700000000000000)}
    };
    int result = fq_storage_files_open(sim_disk_attach(sim), golden->executor, &options, &storage, error);
    if (result < 0)
        return result;
    FQ_ASSERT(fq_journal_open(storage, &config, &golden->journal) == 0);
    result = fq_journal_recover(golden->journal, replica != NULL ? fq_replica_record : ignore, replica);
    if (result == 0)
        result = fq_journal_start(golden->journal, golden->now);
    if (result < 0) {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s", fq_journal_error(golden->journal));
        golden_journal_close(golden);
    }
    return result;
}

static void turn(struct golden_journal *golden) {
    step_executor_run_one(golden->executor);
    golden->now.boot_us += 10000;
    golden->now.wall_us += 10000;
    fq_journal_poll(golden->journal, golden->now);
    fq_journal_commit(golden->journal, golden->now);
    FQ_ASSERT(!fq_journal_failed(golden->journal));
}

void golden_journal_append(struct golden_journal *golden, fq_str record) {
    uint64_t seq;
    FQ_ASSERT(fq_journal_append(golden->journal, record, &seq) == 0);
}

void golden_journal_settle(struct golden_journal *golden) {
    do
        turn(golden);
    while (step_executor_waiting(golden->executor) > 0 ||
           fq_journal_durable_seq(golden->journal) < fq_journal_last_seq(golden->journal));
}

static void on_sealed(void *context, int result, uint64_t batch_seq) {
    FQ_ASSERT(result == 0);
    ((struct golden_journal *)context)->sealed_batch = (int64_t)batch_seq;
}

int golden_journal_compact(struct golden_journal *golden) {
    char error[FQ_STORAGE_ERROR_MAX];
    golden->sealed_batch = -1;
    fq_journal_compact_begin(golden->journal, on_sealed, golden);
    while (golden->sealed_batch < 0)
        turn(golden);
    fq_compaction *compaction;
    struct fq_compactor_outcome outcome;
    int result = fq_compaction_open_disk(sim_disk_attach(golden->sim), (uint64_t)golden->sealed_batch,
                                         &compaction, error);
    if (result == 0) {
        result = fq_compactor_run(compaction, &outcome);
        fq_compaction_close(compaction);
    }
    fq_journal_compact_end(golden->journal, result == 0, (uint64_t)golden->sealed_batch);
    golden_journal_settle(golden);
    return result;
}

void golden_journal_close(struct golden_journal *golden) {
    golden->journal = fq_journal_close(golden->journal);
}
