// SPDX-License-Identifier: Apache-2.0
#include "server/journal_copy.h"

#include "journal/format.h"
#include "journal/founding.h"
#include "server/data_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { TRIES_MAX = 20, EPOCHS_AHEAD = 1 << 16 };

static void count_name(void *context, const char *name) {
    (void)name;
    ++*(size_t *)context;
}

// Makes the directory if it is missing; one with anything in it is not written to.
static int open_empty(const char *path, fq_disk **ret_disk, char error[FQ_STORAGE_ERROR_MAX]) {
    int result = fq_data_dir_make(path, error, FQ_STORAGE_ERROR_MAX);
    if (result < 0)
        return result;
    fq_disk *disk;
    result = fq_disk_posix_open(path, &disk);
    if (result < 0) {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%.200s: %s", path, strerror(-result));
        return FQ_EIO;
    }
    size_t names = 0;
    result = disk->ops->list(disk, ".", count_name, &names);
    if (result == 0 && names == 0) {
        *ret_disk = disk;
        return 0;
    }
    disk->ops->close_disk(disk);
    snprintf(error, FQ_STORAGE_ERROR_MAX, "%.200s: %s; name an empty directory, or one that is not there yet",
             path, result < 0 ? strerror(-result) : "is not empty");
    return FQ_EINVALID;
}

// ---- backup ----

static int verify_copy(const char *target, struct fq_journal_backup *backup) {
    int result = fq_journal_check(target, 0, &backup->check);
    if (result == 0)
        result = backup->check.result;
    if (result < 0)
        snprintf(backup->error, sizeof backup->error, "the copy cannot be read back: %.400s",
                 backup->check.error);
    return result;
}

static int copy(const char *path, const char *target, bool may_link, struct fq_journal_backup *backup) {
    fq_disk *from, *to;
    int result = fq_journal_check_place(path, backup->error);
    if (result < 0)
        return result;
    if (fq_disk_posix_open(path, &from) < 0)
        return FQ_EIO;
    result = open_empty(target, &to, backup->error);
    if (result == 0) {
        struct fq_backup_options options = {.link = may_link ? fq_disk_posix_link : NULL,
                                            .tries_max = TRIES_MAX};
        result = fq_backup_make(from, to, &options, &backup->report, backup->error);
        to->ops->close_disk(to);
    }
    from->ops->close_disk(from);
    return result;
}

int fq_journal_backup(const char *path, const char *target, bool may_link, struct fq_journal_backup *backup) {
    *backup = (struct fq_journal_backup){0};
    int result = copy(path, target, may_link, backup);
    if (result < 0 && backup->error[0] == '\0')
        snprintf(backup->error, sizeof backup->error, "%.200s: cannot be copied: %s", path,
                 fq_strerror(result));
    return result < 0 ? result : verify_copy(target, backup);
}

void fq_journal_backup_done(struct fq_journal_backup *backup) {
    fq_journal_check_done(&backup->check);
}

// ---- restore ----

static int add(void *context, fq_str record) {
    return fq_founding_add(context, record);
}

// Boots of the original after the backup have at most EPOCHS_AHEAD numbers; the restored journal needs some as well.
static int check_epochs(struct fq_journal_restore *restore) {
    uint32_t epoch = restore->check.boot_epoch;
    if (epoch <= FQ_EPOCH_MAX - 2 * EPOCHS_AHEAD)
        return 0;
    snprintf(restore->error, sizeof restore->error,
             "the journal has seen boot %" PRIu32 " of at most %d, and a restore goes %d ahead; when nothing "
             "holds a token of the original any more, take a copy of the backup, remove its file BACKUP and "
             "start on that",
             epoch, FQ_EPOCH_MAX, EPOCHS_AHEAD);
    return FQ_EINVALID;
}

static int found_upon(fq_disk *disk, struct fq_journal_restore *restore) {
    const struct fq_journal_check *check = &restore->check;
    struct fq_founding_facts facts = {.instance = restore->instance,
                                      .batch_seq = check->last_batch,
                                      .last_record_seq = check->last_record,
                                      .boot_epoch = restore->boot_epoch};
    fq_founding *founding = NULL;
    int result = fq_founding_open(disk, &facts, &founding, restore->error);
    if (result == 0)
        result = fq_replica_write(&check->replica, add, founding);
    if (result == 0)
        result = fq_founding_seal(founding, restore->state_hash, restore->error);
    if (result == 0)
        result = fq_founding_finish(founding, restore->error);
    fq_founding_close(founding);
    return result;
}

static int found(fq_disk *disk, struct fq_journal_restore *restore) {
    struct fq_journal_check *check = &restore->check;
    if (disk->ops->random(disk, restore->instance.bytes, sizeof restore->instance.bytes) < 0)
        return FQ_EIO;
    int result = fq_replica_release_all(&check->replica, &restore->released);
    if (result < 0)
        return result;
    restore->state_hash = fq_engine_hash(check->replica.engine);
    restore->boot_epoch = check->boot_epoch + EPOCHS_AHEAD;
    return found_upon(disk, restore);
}

static int verify_result(const char *path, struct fq_journal_restore *restore) {
    struct fq_journal_check after;
    int result = fq_journal_check(path, 0, &after);
    if (result == 0)
        result = after.result;
    if (result == 0 && after.state_hash != restore->state_hash)
        result = FQ_ECORRUPT;
    if (result < 0)
        snprintf(restore->error, sizeof restore->error, "what was written reads differently: %.300s",
                 after.error);
    fq_journal_check_done(&after);
    return result;
}

int fq_journal_restore(const char *source, const char *path, uint64_t until,
                       struct fq_journal_restore *restore) {
    *restore = (struct fq_journal_restore){0};
    int result = fq_journal_check(source, until, &restore->check);
    if (result == 0)
        result = restore->check.result;
    if (result < 0) {
        snprintf(restore->error, sizeof restore->error, "%.120s: %.380s", source, restore->check.error);
        return result;
    }
    fq_disk *disk;
    result = check_epochs(restore);
    if (result == 0)
        result = open_empty(path, &disk, restore->error);
    if (result < 0)
        return result;
    result = found(disk, restore);
    disk->ops->close_disk(disk);
    if (result < 0 && restore->error[0] == '\0')
        snprintf(restore->error, sizeof restore->error, "%.200s: cannot be written: %s", path,
                 fq_strerror(result));
    return result < 0 ? result : verify_result(path, restore);
}

int fq_journal_found(const char *path, struct fq_journal_restore *state) {
    fq_disk *disk;
    int result = open_empty(path, &disk, state->error);
    if (result < 0)
        return result;
    result = found_upon(disk, state);
    disk->ops->close_disk(disk);
    return result;
}

int fq_journal_restore_disk(fq_disk *source, fq_disk *target, uint64_t until,
                            struct fq_journal_restore *restore) {
    *restore = (struct fq_journal_restore){0};
    int result = fq_journal_check_disk(source, until, &restore->check);
    if (result == 0)
        result = restore->check.result;
    if (result < 0) {
        memcpy(restore->error, restore->check.error, sizeof restore->error);
        return result;
    }
    result = check_epochs(restore);
    return result == 0 ? found(target, restore) : result;
}

void fq_journal_restore_done(struct fq_journal_restore *restore) {
    fq_journal_check_done(&restore->check);
}
