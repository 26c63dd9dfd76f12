// SPDX-License-Identifier: Apache-2.0
#include "server/journal_repair.h"

#include "base/assert.h"
#include "engine/event_view.h"
#include "journal/founding.h"
#include "journal/replay.h"
#include "journal/salvage.h"
#include "journal/snapshot.h"
#include "journal/storage_posix.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// Boots that a lost MANIFEST may have known of and nothing else does: their tokens must not be given again.
enum { EPOCHS_PERHAPS_LOST = 64, NAMES_MAX = 1000 };

// ---- the state at the newest snapshot that is whole ----

static int start_from_snapshot(struct fq_journal_repair *repair, uint64_t batch_seq) {
    struct fq_manifest assumed = {.instance = repair->manifest.instance, .snapshot = batch_seq};
    repair->chain = (struct fq_batch_chain){.next_batch_seq = 1, .next_record_seq = 1};
    repair->snapshot_batch = batch_seq;
    fq_replica_done(&repair->replica);
    int result = fq_replica_init(&repair->replica);
    if (result < 0 || batch_seq == 0)
        return result;
    fq_disk *disk;
    fq_storage *storage;
    if (fq_disk_posix_open(repair->before.path, &disk) < 0)
        return FQ_EIO;
    result = fq_storage_files_open_examiner(disk, &assumed, batch_seq, &storage, repair->error);
    if (result < 0)
        return result;
    struct fq_replay replay;
    fq_replay_init(&replay, storage);
    result = fq_replay_run(&replay, fq_replica_record, &repair->replica);
    repair->chain = replay.chain;
    fq_replay_done(&replay);
    storage->ops->close(storage);
    return result;
}

static int choose_base(struct fq_journal_repair *repair) {
    struct fq_segment_names names;
    if (fq_segment_list(repair->disk, "snap", ".fqs", &names) < 0)
        names = (struct fq_segment_names){0};
    int result = FQ_ECORRUPT;
    for (size_t i = names.count; i > 0 && result == FQ_ECORRUPT; i--)
        result = start_from_snapshot(repair, names.seqs[i - 1]);
    free(names.seqs);
    return result == FQ_ECORRUPT ? start_from_snapshot(repair, 0) : result;
}

// ---- the log behind it, as far as its chain proves it ----

static bool is_legible(const struct fq_batch_header *header, fq_str body) {
    for (uint32_t i = 0; i < header->record_count; i++) {
        fq_str record;
        struct fq_event_head head;
        if (fq_record_decode(&body, header->first_record_seq + i, &record) != 0 ||
            fq_event_view(record, NULL, NULL, &head) < 0)
            return false;
    }
    return body.len == 0;
}

static int on_batch(void *context, const struct fq_batch_header *header, fq_str body) {
    struct fq_journal_repair *repair = context;
    if (repair->is_broken || header->batch_seq < repair->chain.next_batch_seq)
        return 0;
    if (header->batch_seq > repair->until_batch || fq_batch_chain_break(&repair->chain, header) != NULL ||
        !is_legible(header, body)) {
        repair->is_broken = true;
        return 0;
    }
    for (uint32_t i = 0; i < header->record_count; i++) {
        fq_str record;
        int result = fq_record_decode(&body, header->first_record_seq + i, &record);
        if (result == 0)
            result = fq_replica_record(&repair->replica, record);
        if (result == FQ_ECORRUPT) { // half of the batch is in the state: again, until the one before it
            repair->contradicts = true;
            repair->until_batch = header->batch_seq - 1;
            return FQ_EAGAIN;
        }
        if (result < 0)
            return result;
    }
    fq_batch_chain_advance(&repair->chain, header);
    return 0;
}

static int on_record(void *context, uint64_t batch_seq, uint64_t seq, fq_str record) {
    struct fq_journal_repair *repair = context;
    struct fq_event_head head;
    static const fq_uuid none;
    (void)seq;
    if (batch_seq < repair->chain.next_batch_seq)
        return 0;
    repair->records_behind++;
    if (fq_event_view(record, NULL, NULL, &head) < 0 || fq_uuid_equal(&head.id, &none))
        return 0;
    return fq_task_ids_add(&repair->behind, &head.id);
}

static void on_gap(void *context, const struct fq_gap *gap) {
    struct fq_journal_repair *repair = context;
    uint64_t next = repair->chain.next_batch_seq;
    fq_journal_check_gap(&repair->before, gap);
    if (gap->last_batch >= next || (gap->is_tail && gap->first_batch >= next))
        repair->loses = true;
}

static int follow_log(struct fq_journal_repair *repair) {
    struct fq_salvage salvage = {.disk = repair->disk,
                                 .instance = repair->manifest.instance,
                                 .on_batch = on_batch,
                                 .on_record = on_record,
                                 .on_gap = on_gap,
                                 .context = repair};
    repair->until_batch = UINT64_MAX;
    int result;
    do {
        repair->is_broken = false;
        repair->records_behind = 0;
        repair->before.gap_count = 0;
        fq_task_ids_done(&repair->behind);
        result = choose_base(repair);
        if (result == 0)
            result = fq_salvage_run(&salvage);
    } while (result == FQ_EAGAIN);
    return result;
}

// ---- the plan ----

static int sort_ids(struct fq_journal_repair *repair) {
    fq_task_ids_settle(&repair->behind);
    int result = 0;
    for (size_t i = 0; i < repair->behind.count && result == 0; i++) {
        struct fq_task_view view;
        const fq_uuid *id = &repair->behind.ids[i];
        bool known = fq_engine_task(repair->replica.engine, id, &view) == 0;
        result = fq_task_ids_add(known ? &repair->set_back : &repair->lost, id);
    }
    return result;
}

static int find_instance(struct fq_journal_repair *repair) {
    int why = 0;
    int result = fq_manifest_load(repair->disk, &repair->manifest, &why);
    if (result == FQ_EVERSION)
        return result;
    repair->manifest_lost = result < 0;
    if (result < 0 && fq_salvage_manifest(repair->disk, &repair->manifest) < 0) {
        snprintf(repair->error, sizeof repair->error,
                 "MANIFEST is lost and no segment tells whose journal this was; restore a backup");
        return FQ_ECORRUPT;
    }
    struct fq_salvage_highest highest;
    result = fq_salvage_highest(repair->disk, &repair->manifest.instance, &highest);
    if (result < 0)
        return result;
    repair->highest_segment_no = highest.segment_no;
    repair->highest_epoch = highest.boot_epoch;
    return 0;
}

static int make_plan(struct fq_journal_repair *repair) {
    int result = find_instance(repair);
    if (result == 0)
        result = follow_log(repair);
    if (result == 0)
        result = sort_ids(repair);
    if (result < 0)
        return result;
    repair->last_batch = repair->chain.next_batch_seq - 1;
    repair->last_record = repair->chain.next_record_seq - 1;
    // A last segment that is gone leaves no gap behind: the MANIFEST knows of the boot that began it.
    const struct fq_manifest *manifest = &repair->manifest;
    repair->loses |= repair->records_behind > 0 || repair->contradicts ||
                     repair->chain.boot_epoch < manifest->boot_epoch ||
                     repair->highest_segment_no < manifest->boot_segment_no;
    repair->is_needed = true;
    return 0;
}

static int plan(const char *path, struct fq_journal_repair *repair) {
    int result = fq_journal_check(path, 0, &repair->before);
    if (result < 0) {
        snprintf(repair->error, sizeof repair->error, "%s", repair->before.error);
        return result;
    }
    result = fq_disk_posix_open(path, &repair->disk);
    if (result < 0)
        return FQ_EIO;
    char owner[64] = "";
    result = repair->disk->ops->lock(repair->disk, "LOCK", owner, sizeof owner);
    if (result < 0) {
        snprintf(repair->error, sizeof repair->error,
                 result == -EWOULDBLOCK ? "a running process (%s) owns the data directory; stop it first"
                                        : "LOCK cannot be taken (%s)",
                 result == -EWOULDBLOCK ? owner : strerror(-result));
        return result == -EWOULDBLOCK ? FQ_ELOCKED : FQ_EIO;
    }
    if (repair->before.result == 0)
        return 0;
    if (repair->before.result != FQ_ECORRUPT && repair->before.result != FQ_EIO) {
        snprintf(repair->error, sizeof repair->error, "%s", repair->before.error);
        return repair->before.result;
    }
    return make_plan(repair);
}

int fq_journal_repair_plan(const char *path, struct fq_journal_repair *repair) {
    *repair = (struct fq_journal_repair){0};
    int result = plan(path, repair);
    if (result < 0 && repair->error[0] == '\0')
        snprintf(repair->error, sizeof repair->error, "%.200s: what can be kept cannot be found out: %s",
                 path, fq_strerror(result));
    return result;
}

// ---- carrying it out ----

static int add(void *context, fq_str record) {
    return fq_founding_add(context, record);
}

// Moves a file to quarantine/ under a name that is free.
static int move_away(struct fq_journal_repair *repair, const char *path, const char *name) {
    fq_disk *disk = repair->disk;
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        char to[128];
        snprintf(to, sizeof to, i == 0 ? "quarantine/%s" : "quarantine/%s.%u", name, i);
        int handle = disk->ops->open(disk, to, FQ_DISK_READ);
        if (handle >= 0) {
            disk->ops->close(disk, handle);
            continue;
        }
        int result = disk->ops->rename(disk, path, to);
        if (result == 0)
            repair->files_moved++;
        return result;
    }
    return -EEXIST;
}

static int move_all(struct fq_journal_repair *repair, const char *directory, const char *suffix,
                    uint64_t except) {
    struct fq_segment_names names;
    int result = fq_segment_list(repair->disk, directory, suffix, &names);
    if (result < 0)
        return result;
    for (size_t i = 0; i < names.count && result == 0; i++) {
        char path[64], name[32];
        snprintf(name, sizeof name, "%016" PRIx64 "%s", names.seqs[i], suffix);
        snprintf(path, sizeof path, "%s/%s", directory, name);
        if (names.seqs[i] != except)
            result = move_away(repair, path, name);
    }
    free(names.seqs);
    return result == 0 ? repair->disk->ops->sync_directory(repair->disk, directory) : result;
}

static int move_old_files(struct fq_journal_repair *repair, uint64_t kept_snapshot) {
    int result = move_all(repair, "seg", ".fqj", 0);
    if (result == 0)
        result = move_all(repair, "snap", ".fqs", kept_snapshot);
    if (result == 0)
        result = repair->disk->ops->sync_directory(repair->disk, "quarantine");
    if (result < 0)
        snprintf(repair->error, sizeof repair->error, "a file cannot be moved to quarantine/: %s",
                 strerror(-result));
    return result < 0 ? FQ_EIO : 0;
}

static uint32_t next_epoch(const struct fq_journal_repair *repair) {
    uint32_t epoch = repair->chain.boot_epoch;
    epoch = repair->highest_epoch > epoch ? repair->highest_epoch : epoch;
    epoch = repair->manifest.boot_epoch > epoch ? repair->manifest.boot_epoch : epoch;
    return repair->manifest_lost ? epoch + EPOCHS_PERHAPS_LOST : epoch;
}

int fq_journal_repair_apply(struct fq_journal_repair *repair) {
    FQ_ASSERT(repair->is_needed);
    const struct fq_manifest *manifest = &repair->manifest;
    uint64_t segment_no = repair->highest_segment_no > manifest->boot_segment_no ? repair->highest_segment_no
                                                                                 : manifest->boot_segment_no;
    struct fq_founding_facts facts = {.instance = manifest->instance,
                                      .batch_seq = repair->last_batch > 0 ? repair->last_batch : 1,
                                      .last_record_seq = repair->last_record,
                                      .segment_no = segment_no,
                                      .last_batch_crc = repair->chain.prev_crc,
                                      .boot_epoch = next_epoch(repair)};
    fq_founding *founding = NULL;
    int result = fq_founding_open(repair->disk, &facts, &founding, repair->error);
    if (result == 0)
        result = fq_replica_write(&repair->replica, add, founding);
    if (result == 0)
        result = fq_founding_seal(founding, fq_engine_hash(repair->replica.engine), repair->error);
    if (result == 0)
        result = move_old_files(repair, facts.batch_seq);
    if (result == 0)
        result = fq_founding_finish(founding, repair->error);
    fq_founding_close(founding);
    if (result < 0 && repair->error[0] == '\0')
        snprintf(repair->error, sizeof repair->error, "the repaired state cannot be written: %s",
                 fq_strerror(result));
    return result;
}

void fq_journal_repair_done(struct fq_journal_repair *repair) {
    if (repair->disk != NULL)
        repair->disk->ops->close_disk(repair->disk);
    fq_replica_done(&repair->replica);
    fq_task_ids_done(&repair->lost);
    fq_task_ids_done(&repair->set_back);
    fq_task_ids_done(&repair->behind);
    fq_journal_check_done(&repair->before);
    *repair = (struct fq_journal_repair){0};
}
