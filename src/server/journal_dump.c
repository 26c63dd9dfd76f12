// SPDX-License-Identifier: Apache-2.0
#include "server/journal_dump.h"

#include "journal/replay.h"
#include "journal/storage_posix.h"
#include "server/journal_check.h"

#include <stdio.h>

struct dumping {
    struct fq_journal_dump *dump;
    struct fq_replay *replay; // strict reading
    uint64_t snapshot_record; // 0 = no snapshot
    uint64_t last_record;
};

static int tell(struct fq_journal_dump *dump, uint64_t batch_seq, uint64_t seq, bool is_snapshot,
                fq_str record) {
    static const fq_uuid none;
    struct fq_event_head head;
    int result = fq_event_view(record, NULL, NULL, &head);
    if (result < 0)
        return result;
    struct fq_dump_event event = {.record_seq = seq,
                                  .batch_seq = batch_seq,
                                  .is_snapshot = is_snapshot,
                                  .type = fq_event_type_name(head.type),
                                  .at_us = head.at_us,
                                  .has_id = !fq_uuid_equal(&head.id, &none),
                                  .id = head.id};
    dump->on_begin(dump->context, &event);
    result = fq_event_view(record, dump->on_member, dump->context, &head);
    dump->on_end(dump->context);
    return result;
}

static bool is_wanted(const struct fq_journal_dump *dump, uint64_t seq) {
    return seq >= dump->from && (dump->until == 0 || seq <= dump->until);
}

static int on_record(void *context, fq_str record) {
    struct dumping *dumping = context;
    uint64_t seq = dumping->replay->last_seq;
    bool is_snapshot = seq <= dumping->snapshot_record;
    uint64_t batch_seq = dumping->replay->chain.next_batch_seq - (is_snapshot ? 1 : 0);
    if (!is_wanted(dumping->dump, seq))
        return 0;
    return tell(dumping->dump, batch_seq, seq, is_snapshot, record);
}

static int read_strictly(struct dumping *dumping, fq_storage *storage) {
    struct fq_replay replay;
    fq_replay_init(&replay, storage);
    dumping->replay = &replay;
    const struct fq_storage_snapshot *snapshot = storage->ops->snapshot(storage);
    dumping->snapshot_record = snapshot != NULL ? snapshot->last_record_seq : 0;
    int result = fq_replay_run(&replay, on_record, dumping);
    if (result < 0)
        fq_journal_check_explain(result, replay.error, replay.last_seq, replay.chain.next_batch_seq, NULL,
                                 dumping->dump->error);
    dumping->last_record = replay.last_seq;
    fq_replay_done(&replay);
    return result;
}

// ---- behind damage ----

static int on_salvaged(void *context, uint64_t batch_seq, uint64_t seq, fq_str record) {
    struct fq_journal_dump *dump = context;
    if (is_wanted(dump, seq))
        (void)tell(dump, batch_seq, seq, false, record); // what is no event is part of the damage
    return 0;
}

static void on_gap(void *context, const struct fq_gap *gap) {
    struct fq_journal_dump *dump = context;
    dump->on_gap(dump->context, gap);
}

// The snapshot as far as it is whole, then every segment there is.
static int read_damaged(const char *path, struct dumping *dumping) {
    fq_disk *disk;
    struct fq_manifest manifest;
    struct fq_journal_dump *dump = dumping->dump;
    if (fq_disk_posix_open(path, &disk) < 0)
        return FQ_EIO;
    int why = 0;
    int result = fq_manifest_load(disk, &manifest, &why);
    if (result < 0)
        result = fq_salvage_manifest(disk, &manifest);
    if (result < 0) {
        disk->ops->close_disk(disk);
        snprintf(dump->error, sizeof dump->error,
                 "neither MANIFEST nor a segment tells whose journal this is");
        return FQ_ECORRUPT;
    }
    fq_storage *storage;
    fq_disk *view;
    char error[FQ_STORAGE_ERROR_MAX];
    if (manifest.snapshot != 0 && fq_disk_posix_open(path, &view) == 0 &&
        fq_storage_files_open_examiner(view, &manifest, manifest.snapshot, &storage, error) == 0) {
        if (read_strictly(dumping, storage) < 0)
            dumping->last_record = 0;
        storage->ops->close(storage);
    }
    struct fq_salvage salvage = {.disk = disk,
                                 .instance = manifest.instance,
                                 .from_record = dumping->last_record + 1,
                                 .on_record = on_salvaged,
                                 .on_gap = on_gap,
                                 .context = dump};
    result = fq_salvage_run(&salvage);
    disk->ops->close_disk(disk);
    return result;
}

static int read_whole(const char *path, struct dumping *dumping) {
    fq_disk *disk;
    fq_storage *storage;
    if (fq_disk_posix_open(path, &disk) < 0)
        return FQ_EIO;
    int result = fq_storage_files_open_examiner(disk, NULL, 0, &storage, dumping->dump->error);
    if (result < 0)
        return result;
    result = read_strictly(dumping, storage);
    storage->ops->close(storage);
    return result;
}

int fq_journal_dump(const char *path, struct fq_journal_dump *dump) {
    struct dumping dumping = {.dump = dump};
    dump->error[0] = '\0';
    int result = fq_journal_check_place(path, dump->error);
    if (result == 0)
        result = dump->damaged ? read_damaged(path, &dumping) : read_whole(path, &dumping);
    if (result < 0 && dump->error[0] == '\0')
        snprintf(dump->error, sizeof dump->error, "%.200s: cannot be read: %s", path, fq_strerror(result));
    return result;
}
