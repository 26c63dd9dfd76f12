// SPDX-License-Identifier: Apache-2.0
#include "server/journal_check.h"

#include "engine/event_view.h"
#include "journal/backup.h"
#include "journal/replay.h"
#include "journal/salvage.h"
#include "journal/storage_posix.h"
#include "journal/storage_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

// Damage that a running server causes while it writes is gone at the next look.
enum { TRIES_BESIDE_A_SERVER = 8 };

void fq_journal_check_explain(int result, const char *told, uint64_t seq, uint64_t batch_seq,
                              const fq_decision *decision, char error[FQ_STORAGE_ERROR_MAX]) {
    const char *why = decision != NULL ? fq_decision_reason(decision) : "";
    if (told[0] != '\0')
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s", told);
    else if (result == FQ_EVERSION)
        snprintf(error, FQ_STORAGE_ERROR_MAX,
                 "record %" PRIu64 " in or before batch %" PRIu64
                 ": written by a newer version; start that version or newer",
                 seq, batch_seq);
    else
        snprintf(error, FQ_STORAGE_ERROR_MAX,
                 "record %" PRIu64 " in or before batch %" PRIu64 ": %s%s%s; restore a backup", seq,
                 batch_seq,
                 result == FQ_ECORRUPT ? "it contradicts the state before it" : fq_strerror(result),
                 why[0] != '\0' ? ": " : "", why);
}

void fq_journal_check_gap(struct fq_journal_check *check, const struct fq_gap *gap) {
    if (check->gap_count == FQ_CHECK_GAPS_MAX)
        return;
    struct fq_check_gap *mine = &check->gaps[check->gap_count++];
    *mine = (struct fq_check_gap){.offset = gap->offset,
                                  .end = gap->end,
                                  .first_batch = gap->first_batch,
                                  .last_batch = gap->last_batch,
                                  .first_record = gap->first_record,
                                  .last_record = gap->last_record,
                                  .what = gap->what};
    snprintf(mine->file, sizeof mine->file, "%s", gap->file);
}

// ---- what a boot would do ----

static void note_storage(struct fq_journal_check *check, const fq_storage *storage) {
    struct fq_storage_stats stats;
    storage->ops->stats(storage, &stats);
    const struct fq_storage_snapshot *snapshot = storage->ops->snapshot(storage);
    check->instance = storage->instance;
    check->previous_snapshot_used = stats.previous_snapshot_used;
    check->is_ambiguous = stats.recovered_ambiguous;
    check->read_bytes = stats.read_bytes;
    if (snapshot != NULL) {
        check->snapshot_batch = snapshot->batch_seq;
        check->snapshot_record = snapshot->last_record_seq;
        check->snapshot_records = snapshot->record_count;
    }
}

static void note_cut(struct fq_journal_check *check, const fq_storage *storage) {
    const struct fq_log_cut *cut = fq_storage_files_cut(storage);
    check->is_torn = cut != NULL;
    if (cut == NULL)
        return;
    snprintf(check->cut_file, sizeof check->cut_file, "%s", cut->file);
    check->cut_offset = cut->offset;
    check->cut_batch = cut->batch_seq;
    check->cut_record = cut->record_seq;
}

static int read_strictly(struct fq_journal_check *check, fq_storage *storage) {
    struct fq_replay replay;
    fq_replay_init(&replay, storage);
    int result = fq_replay_run(&replay, fq_replica_record, &check->replica);
    if (result < 0)
        fq_journal_check_explain(result, replay.error, replay.last_seq, replay.chain.next_batch_seq,
                                 check->replica.decision, check->error);
    check->last_batch = replay.chain.next_batch_seq - 1;
    check->last_record = replay.chain.next_record_seq - 1;
    check->boot_epoch =
        replay.chain.boot_epoch > storage->boot_epoch ? replay.chain.boot_epoch : storage->boot_epoch;
    fq_replay_done(&replay);
    note_storage(check, storage);
    return result;
}

// ---- what lies behind damage ----

static int on_readable(void *context, uint64_t batch_seq, uint64_t seq, fq_str record) {
    struct fq_journal_check *check = context;
    struct fq_event_head head;
    static const fq_uuid none;
    (void)batch_seq, (void)seq;
    check->readable_behind++;
    if (fq_event_view(record, NULL, NULL, &head) < 0 || fq_uuid_equal(&head.id, &none))
        return 0;
    return fq_task_ids_add(&check->affected, &head.id);
}

static void on_gap(void *context, const struct fq_gap *gap) {
    fq_journal_check_gap(context, gap);
}

static int look_behind(struct fq_journal_check *check, fq_disk *disk) {
    struct fq_salvage salvage = {.disk = disk,
                                 .instance = check->instance,
                                 .from_record = check->last_record + 1,
                                 .on_record = on_readable,
                                 .on_gap = on_gap,
                                 .context = check};
    int result = fq_salvage_run(&salvage);
    fq_task_ids_settle(&check->affected);
    return result == FQ_ENOMEM ? result : 0;
}

// ---- the whole ----

static void forget(struct fq_journal_check *check) {
    fq_replica_done(&check->replica);
    fq_task_ids_done(&check->affected);
    *check = (struct fq_journal_check){.path = check->path};
}

static int check_sums(struct fq_journal_check *check, fq_disk *disk) {
    int result = fq_backup_check(disk, check->error);
    check->has_backup_list = result != FQ_EINVALID;
    if (result == FQ_EINVALID) {
        check->error[0] = '\0';
        result = 0;
    }
    return result;
}

static int read_disk(struct fq_journal_check *check, fq_disk *disk, uint64_t until) {
    fq_storage *storage;
    check->result = check_sums(check, disk);
    if (check->result < 0) {
        disk->ops->close_disk(disk);
        return 0;
    }
    check->result = fq_storage_files_open_examiner(disk, NULL, until, &storage, check->error);
    if (check->result < 0)
        return 0;
    check->result = read_strictly(check, storage);
    note_cut(check, storage);
    int result = check->result < 0 ? look_behind(check, disk) : 0;
    storage->ops->close(storage); // and the disk
    return result;
}

static int check_once(const char *path, uint64_t until, struct fq_journal_check *check) {
    forget(check);
    check->is_owned = fq_disk_posix_owner(path, check->owner, sizeof check->owner) == 1;
    fq_disk *disk;
    int result = fq_replica_init(&check->replica);
    if (result < 0)
        return result;
    if (fq_disk_posix_open(path, &disk) < 0)
        return FQ_EINVALID;
    return read_disk(check, disk, until);
}

static void note_state(struct fq_journal_check *check) {
    if (check->replica.engine == NULL)
        return;
    fq_engine_stats(check->replica.engine, (struct fq_now){0}, &check->stats);
    check->state_hash = fq_engine_hash(check->replica.engine);
}

// Where memory or descriptors are short, the layers below have no sentence of their own.
static void tell_at_least(struct fq_journal_check *check, int result) {
    int told = result < 0 ? result : check->result;
    if (told < 0 && check->error[0] == '\0')
        snprintf(check->error, sizeof check->error, "%.300s: cannot be read: %s", check->path,
                 fq_strerror(told));
}

static bool may_be_a_race(const struct fq_journal_check *check) {
    return check->is_owned && (check->result == FQ_ECORRUPT || check->result == FQ_EIO);
}

int fq_journal_check_place(const char *path, char error[FQ_STORAGE_ERROR_MAX]) {
    struct stat facts;
    if (stat(path, &facts) == 0 && S_ISDIR(facts.st_mode))
        return 0;
    snprintf(error, FQ_STORAGE_ERROR_MAX, "%.300s: there is no such directory", path);
    return FQ_EINVALID;
}

int fq_journal_check(const char *path, uint64_t until, struct fq_journal_check *check) {
    *check = (struct fq_journal_check){.path = path};
    int result = fq_journal_check_place(path, check->error);
    if (result < 0)
        return result;
    for (int i = 0; i < TRIES_BESIDE_A_SERVER; i++) {
        result = check_once(path, until, check);
        if (result < 0 || !may_be_a_race(check))
            break;
    }
    note_state(check);
    tell_at_least(check, result);
    return result;
}

int fq_journal_check_disk(fq_disk *disk, uint64_t until, struct fq_journal_check *check) {
    *check = (struct fq_journal_check){.path = "."};
    int result = fq_replica_init(&check->replica);
    if (result < 0)
        disk->ops->close_disk(disk);
    else
        result = read_disk(check, disk, until);
    note_state(check);
    tell_at_least(check, result);
    return result;
}

int fq_journal_check_stream(fq_stream *stream, const char *url, uint64_t until,
                            struct fq_journal_check *check) {
    *check = (struct fq_journal_check){.path = url};
    fq_storage *storage;
    int result = fq_replica_init(&check->replica);
    if (result < 0) {
        stream->ops->close(stream);
    } else {
        check->result = fq_storage_stream_open_reader(stream, until, &storage, check->error);
        if (check->result == 0) {
            check->result = read_strictly(check, storage);
            storage->ops->close(storage);
        }
    }
    note_state(check);
    tell_at_least(check, result);
    return result;
}

void fq_journal_check_done(struct fq_journal_check *check) {
    forget(check);
}
