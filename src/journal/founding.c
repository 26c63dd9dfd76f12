// SPDX-License-Identifier: Apache-2.0
#include "journal/founding.h"

#include "base/assert.h"
#include "journal/manifest.h"
#include "journal/segment.h"
#include "journal/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct fq_founding {
    fq_disk *disk;
    struct fq_founding_facts facts;
    fq_snapshot_writer *writer; // until sealed
};

static int fail(char *error, const char *what, int64_t result) {
    snprintf(error, FQ_STORAGE_ERROR_MAX, "%s: %s", what, strerror((int)-result));
    return result == -ENOSPC ? FQ_EFULL : FQ_EIO;
}

static int make_directories(fq_disk *disk, char *error) {
    static const char *const names[] = {"seg", "snap", "quarantine"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int result = disk->ops->make_directory(disk, names[i]);
        if (result < 0 && result != -EEXIST)
            return fail(error, names[i], result);
    }
    int result = disk->ops->sync_directory(disk, ".");
    return result < 0 ? fail(error, "the data directory cannot be synced", result) : 0;
}

int fq_founding_open(fq_disk *disk, const struct fq_founding_facts *facts, fq_founding **ret_founding,
                     char error[FQ_STORAGE_ERROR_MAX]) {
    int result = make_directories(disk, error);
    if (result < 0)
        return result;
    fq_founding *founding = calloc(1, sizeof *founding);
    if (founding == NULL) {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "out of memory");
        return FQ_ENOMEM;
    }
    *founding = (fq_founding){.disk = disk, .facts = *facts};
    if (founding->facts.batch_seq == 0) // a snapshot needs a number; that of a log without a batch is free
        founding->facts.batch_seq = 1;
    result =
        fq_snapshot_writer_open(disk, &facts->instance, founding->facts.batch_seq, &founding->writer, error);
    if (result < 0) {
        free(founding);
        return result;
    }
    *ret_founding = founding;
    return 0;
}

int fq_founding_add(fq_founding *founding, fq_str record) {
    FQ_ASSERT(founding->writer != NULL);
    return fq_snapshot_writer_add(founding->writer, record);
}

int fq_founding_seal(fq_founding *founding, uint64_t state_hash, char error[FQ_STORAGE_ERROR_MAX]) {
    const struct fq_founding_facts *facts = &founding->facts;
    struct fq_storage_snapshot footer = {.last_record_seq = facts->last_record_seq,
                                         .state_hash = state_hash,
                                         .last_batch_crc = facts->last_batch_crc,
                                         .boot_epoch = facts->boot_epoch};
    fq_snapshot_writer *writer = founding->writer;
    founding->writer = NULL;
    int result = fq_snapshot_writer_finish(writer, &footer, error);
    if (result < 0)
        return result;
    fq_disk *disk = founding->disk;
    char from[FQ_SNAPSHOT_PATH_MAX], to[FQ_SNAPSHOT_PATH_MAX];
    fq_snapshot_path(facts->batch_seq, true, from);
    fq_snapshot_path(facts->batch_seq, false, to);
    result = disk->ops->rename(disk, from, to);
    if (result == 0)
        result = disk->ops->sync_directory(disk, "snap");
    if (result < 0)
        return fail(error, "the snapshot cannot be put in its place", result);
    struct fq_manifest manifest = {.instance = facts->instance,
                                   .snapshot = facts->batch_seq,
                                   .boot_segment_no = facts->segment_no + 1,
                                   .boot_epoch = facts->boot_epoch};
    int why = 0;
    result = fq_manifest_store(disk, &manifest, &why);
    return result < 0 ? fail(error, "MANIFEST: cannot be replaced", -why) : 0;
}

// Header and zeros, under the name of the batch that comes next: the next boot replaces it by its own.
static int write_segment(const fq_founding *founding) {
    const struct fq_founding_facts *facts = &founding->facts;
    static const char spare[] = "seg/founding.tmp";
    unsigned char bytes[FQ_SEGMENT_MIN] = {0};
    struct fq_segment_header header = {.instance = facts->instance,
                                       .segment_no = facts->segment_no + 1,
                                       .first_batch_seq = facts->batch_seq + 1,
                                       .first_record_seq = facts->last_record_seq + 1,
                                       .prev_batch_crc = facts->last_batch_crc,
                                       .block_size = FQ_SECTOR,
                                       .file_size = sizeof bytes};
    fq_segment_encode(&header, bytes);
    fq_disk *disk = founding->disk;
    int result = fq_disk_clear(disk, spare);
    int handle = result < 0 ? result : disk->ops->open(disk, spare, FQ_DISK_CREATE);
    if (handle < 0)
        return handle;
    int64_t put = disk->ops->write(disk, handle, bytes, sizeof bytes, 0);
    result = put < 0 ? (int)put : put != (int64_t)sizeof bytes ? -ENOSPC : disk->ops->sync(disk, handle);
    disk->ops->close(disk, handle);
    char path[FQ_SEGMENT_PATH_MAX];
    fq_segment_path(header.first_batch_seq, path);
    if (result == 0)
        result = disk->ops->rename(disk, spare, path);
    return result == 0 ? disk->ops->sync_directory(disk, "seg") : result;
}

int fq_founding_finish(fq_founding *founding, char error[FQ_STORAGE_ERROR_MAX]) {
    FQ_ASSERT(founding->writer == NULL);
    int result = write_segment(founding);
    return result < 0 ? fail(error, "the first segment cannot be written", result) : 0;
}

fq_founding *fq_founding_close(fq_founding *founding) {
    if (founding == NULL)
        return NULL;
    fq_snapshot_writer_abort(founding->writer);
    free(founding);
    return NULL;
}
