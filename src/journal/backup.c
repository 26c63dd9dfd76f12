// SPDX-License-Identifier: Apache-2.0
#include "journal/backup.h"

#include "base/buf.h"
#include "base/crc32c.h"
#include "journal/manifest.h"
#include "journal/segment.h"
#include "journal/snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECE = 1 << 16, LIST_MAX = 1 << 24 };
static const char BACKUP[] = "BACKUP", BACKUP_TMP[] = "BACKUP.tmp";
static const char TITLE[] = "fastqueue backup 1\n";

struct backup {
    fq_disk *source, *target;
    const struct fq_backup_options *options;
    struct fq_backup_report report;
    struct fq_manifest manifest;
    struct fq_batch_chain chain;
    fq_buf list; // the lines of BACKUP
    char *error;
};

__attribute__((format(printf, 3, 4))) static int refuse(struct backup *backup, int code, const char *format,
                                                        ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(backup->error, FQ_STORAGE_ERROR_MAX, format, arguments);
    va_end(arguments);
    return code;
}

static int read_error(struct backup *backup, const char *path, int64_t result) {
    // What a compaction removed meanwhile is no error: begin again with what took its place.
    if (result == -ENOENT)
        return refuse(backup, FQ_EAGAIN, "%s: was removed by a compaction", path);
    return refuse(backup, FQ_EIO, "%s: cannot be read: %s", path, strerror((int)-result));
}

static int write_error(struct backup *backup, const char *path, int64_t result) {
    return refuse(backup, result == -ENOSPC || result == -EDQUOT ? FQ_EFULL : FQ_EIO,
                  "%s: the copy cannot be written: %s", path, strerror((int)-result));
}

static int note_file(struct backup *backup, const char *path, uint64_t size, uint32_t crc) {
    backup->report.files++;
    backup->report.bytes += size;
    return fq_buf_printf(&backup->list, "%08" PRIx32 " %" PRIu64 " %s\n", crc, size, path);
}

// ---- whole files ----

static int checksum(fq_disk *disk, int handle, uint64_t size, uint32_t *ret_crc) {
    unsigned char piece[PIECE];
    uint32_t crc = 0;
    for (uint64_t at = 0; at < size;) {
        size_t len = size - at < PIECE ? (size_t)(size - at) : PIECE;
        int64_t got = disk->ops->read(disk, handle, piece, len, at);
        if (got != (int64_t)len)
            return got < 0 ? (int)got : -EIO;
        crc = fq_crc32c(crc, piece, len);
        at += len;
    }
    *ret_crc = crc;
    return 0;
}

// Writes what is not zero of `image` into a new file of its size, and syncs it.
static int write_file(struct backup *backup, const char *path, const unsigned char *image, uint64_t size) {
    fq_disk *disk = backup->target;
    int handle = disk->ops->open(disk, path, FQ_DISK_CREATE);
    int64_t result = handle;
    for (uint64_t at = 0; handle >= 0 && result >= 0 && at < size; at += PIECE) {
        size_t len = size - at < PIECE ? (size_t)(size - at) : PIECE;
        bool is_last = at + len == size;
        if (!is_last && image[at] == 0 && memcmp(image + at, image + at + 1, len - 1) == 0)
            continue; // a hole reads as zeros
        result = disk->ops->write(disk, handle, image + at, len, at);
        if (result >= 0 && result != (int64_t)len)
            result = -ENOSPC;
    }
    if (handle >= 0 && result >= 0)
        result = disk->ops->sync(disk, handle);
    if (handle >= 0)
        disk->ops->close(disk, handle);
    return result < 0 ? write_error(backup, path, result) : 0;
}

// What the cache has beyond the medium is brought there first, so that what a server without syncs has answered is in the
// copy as well; or it is not there to be had.
static int sync_source(struct backup *backup, const char *path) {
    fq_disk *disk = backup->source;
    int handle = disk->ops->open(disk, path, FQ_DISK_READ);
    if (handle < 0)
        return read_error(backup, path, handle);
    int result = disk->ops->sync(disk, handle);
    disk->ops->close(disk, handle);
    return result < 0 ? refuse(backup, FQ_EIO, "%s: cannot be synced before it is read: %s; check the device",
                               path, strerror(-result))
                      : 0;
}

static unsigned char *new_image(uint64_t size) {
    void *image;
    uint64_t room = (size + FQ_BLOCK_MAX - 1) / FQ_BLOCK_MAX * FQ_BLOCK_MAX;
    return posix_memalign(&image, FQ_BLOCK_MAX, room) == 0 ? image : NULL;
}

// As the medium has it: after a sync that failed, the cache shows what never was durable, and calls it clean.
static int load(struct backup *backup, const char *path, unsigned char **ret_image, uint64_t *ret_size) {
    fq_disk *disk = backup->source;
    int handle = disk->ops->open(disk, path, FQ_DISK_READ_AROUND_CACHE);
    if (handle < 0)
        return read_error(backup, path, handle);
    int64_t size = disk->ops->size(disk, handle), got = 0;
    unsigned char *image = size > 0 ? new_image((uint64_t)size) : NULL;
    if (image != NULL) {
        size_t room = ((size_t)size + FQ_BLOCK_MAX - 1) / FQ_BLOCK_MAX * FQ_BLOCK_MAX;
        got = disk->ops->read(disk, handle, image, room, 0);
    }
    disk->ops->close(disk, handle);
    if (size > 0 && got == size) {
        *ret_image = image;
        *ret_size = (uint64_t)size;
        return 0;
    }
    free(image);
    if (size > 0 && image == NULL)
        return refuse(backup, FQ_ENOMEM, "%s: not enough memory for its %" PRId64 " bytes", path, size);
    return read_error(backup, path, size < 0 ? size : got < 0 ? got : -EIO);
}

// Links or copies a file that nobody writes any more.
static int take_sealed(struct backup *backup, const char *path, const unsigned char *image, uint64_t size) {
    bool linked = backup->options->link != NULL &&
                  backup->options->link(backup->source, path, backup->target, path) == 0;
    int result = 0;
    if (linked)
        backup->report.linked_files++;
    else
        result = write_file(backup, path, image, size);
    return result == 0 ? note_file(backup, path, size, fq_crc32c(0, image, (size_t)size)) : result;
}

// ---- snapshot ----

static bool is_gone(struct backup *backup, const char *path) {
    fq_disk *disk = backup->source;
    int handle = disk->ops->open(disk, path, FQ_DISK_READ);
    if (handle >= 0)
        disk->ops->close(disk, handle);
    return handle == -ENOENT;
}

static int take_snapshot(struct backup *backup) {
    backup->chain = (struct fq_batch_chain){.next_batch_seq = 1, .next_record_seq = 1};
    uint64_t batch_seq = backup->manifest.snapshot;
    backup->report.snapshot_batch_seq = batch_seq;
    if (batch_seq == 0)
        return 0;
    char path[FQ_SNAPSHOT_PATH_MAX];
    struct fq_storage_snapshot facts;
    fq_snapshot_path(batch_seq, false, path);
    unsigned char *image;
    uint64_t size;
    int result = load(backup, path, &image, &size);
    if (result < 0)
        return result;
    result = fq_snapshot_read(backup->source, path, &backup->manifest.instance, batch_seq, NULL, NULL, &facts,
                              backup->error);
    if (result == 0)
        result = take_sealed(backup, path, image, size);
    else if (is_gone(backup, path))
        result = FQ_EAGAIN;
    free(image);
    backup->chain = (struct fq_batch_chain){.next_batch_seq = batch_seq + 1,
                                            .next_record_seq = facts.last_record_seq + 1,
                                            .prev_crc = facts.last_batch_crc,
                                            .boot_epoch = facts.boot_epoch};
    return result;
}

// ---- segments ----

// Follows the batches of one segment; gives the offset behind the last whole one.
static int follow(struct backup *backup, const char *path, const unsigned char *image, uint64_t size,
                  uint64_t *ret_end) {
    struct fq_segment_header header;
    int result = fq_segment_decode(image, &header);
    if (result == 0 && (!fq_uuid_equal(&header.instance, &backup->manifest.instance) ||
                        header.first_batch_seq != backup->chain.next_batch_seq || header.file_size != size))
        result = FQ_ECORRUPT;
    if (result < 0)
        return refuse(backup, result,
                      "%s: offset 0: the segment's header is damaged or foreign; see "
                      "'fastqueue journal verify'",
                      path);
    struct fq_segment_walk walk = {.instance = header.instance,
                                   .block_size = header.block_size,
                                   .bytes = image,
                                   .size = size,
                                   .offset = FQ_SEGMENT_HEADER};
    struct fq_batch_header batch;
    fq_str bytes;
    enum fq_segment_step step;
    uint64_t end = walk.offset;
    while ((step = fq_segment_next(&walk, &batch, &bytes)) == FQ_STEP_BATCH) {
        const char *broken = fq_batch_chain_break(&backup->chain, &batch);
        if (broken != NULL)
            return refuse(backup, FQ_ECORRUPT, "%s: offset %" PRIu64 ": batch %" PRIu64 " is misplaced: %s",
                          path, end, batch.batch_seq, broken);
        fq_batch_chain_advance(&backup->chain, &batch);
        end = walk.offset;
    }
    if (step == FQ_STEP_SEAL)
        end = walk.offset;
    backup->report.source_was_torn = step == FQ_STEP_DAMAGED;
    *ret_end = end;
    return 0;
}

static int take_segment(struct backup *backup, uint64_t first_batch_seq, bool is_last) {
    char path[FQ_SEGMENT_PATH_MAX];
    fq_segment_path(first_batch_seq, path);
    if (first_batch_seq != backup->chain.next_batch_seq)
        return refuse(backup, FQ_ECORRUPT,
                      "%s: batch %" PRIu64 " should be in the segment before it and is not; see 'fastqueue "
                      "journal verify'",
                      path, backup->chain.next_batch_seq);
    unsigned char *image;
    uint64_t size, end = 0;
    int result = is_last ? sync_source(backup, path) : 0;
    if (result == 0)
        result = load(backup, path, &image, &size);
    if (result < 0)
        return result;
    if (size < FQ_SEGMENT_HEADER)
        result = refuse(backup, FQ_ECORRUPT, "%s: offset 0: too short for a segment", path);
    else
        result = follow(backup, path, image, size, &end);
    if (result == 0 && is_last) {
        memset(image + end, 0, (size_t)(size - end)); // what was being written
        result = write_file(backup, path, image, size);
        if (result == 0)
            result = note_file(backup, path, size, fq_crc32c(0, image, (size_t)size));
    } else if (result == 0) {
        result = take_sealed(backup, path, image, size);
    }
    free(image);
    return result;
}

static int take_segments(struct backup *backup) {
    struct fq_segment_names names;
    int result = fq_segment_list(backup->source, "seg", ".fqj", &names);
    if (result < 0)
        return refuse(backup, FQ_EIO, "seg/: cannot be listed: %s", strerror(-result));
    uint64_t from = backup->chain.next_batch_seq;
    for (size_t i = 0; i < names.count && result == 0; i++)
        if (names.seqs[i] >= from)
            result = take_segment(backup, names.seqs[i], i + 1 == names.count);
    if (result == 0 && (names.count == 0 || names.seqs[names.count - 1] < from) &&
        backup->manifest.boot_segment_no != 0)
        result = refuse(backup, FQ_EAGAIN, "the segment with batch %" PRIu64 " is missing", from);
    free(names.seqs);
    return result;
}

// ---- the whole ----

static int make_directories(struct backup *backup) {
    static const char *const names[] = {"seg", "snap", "quarantine"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int result = backup->target->ops->make_directory(backup->target, names[i]);
        if (result < 0 && result != -EEXIST)
            return write_error(backup, names[i], result);
    }
    return 0;
}

static int store_manifest(struct backup *backup) {
    struct fq_manifest manifest = backup->manifest;
    manifest.previous_snapshot = 0;
    int why = 0;
    int result = fq_manifest_store(backup->target, &manifest, &why);
    if (result < 0)
        return write_error(backup, "MANIFEST", -why);
    uint32_t crc = 0;
    int handle = backup->target->ops->open(backup->target, "MANIFEST", FQ_DISK_READ);
    result = handle < 0 ? handle : checksum(backup->target, handle, FQ_MANIFEST_SIZE, &crc);
    if (handle >= 0)
        backup->target->ops->close(backup->target, handle);
    return result < 0 ? write_error(backup, "MANIFEST", result)
                      : note_file(backup, "MANIFEST", FQ_MANIFEST_SIZE, crc);
}

static int store_list(struct backup *backup) {
    fq_disk *disk = backup->target;
    fq_str text = fq_buf_str(&backup->list);
    int result = write_file(backup, BACKUP_TMP, (const unsigned char *)text.ptr, text.len);
    if (result < 0)
        return result;
    static const char *const directories[] = {"seg", "snap", "."};
    for (size_t i = 0; i < sizeof directories / sizeof directories[0] && result == 0; i++)
        result = disk->ops->sync_directory(disk, directories[i]);
    if (result == 0)
        result = disk->ops->rename(disk, BACKUP_TMP, BACKUP);
    if (result == 0)
        result = disk->ops->sync_directory(disk, ".");
    return result < 0 ? write_error(backup, BACKUP, result) : 0;
}

struct removal {
    fq_disk *disk;
    const char *directory;
};

static void remove_name(void *context, const char *name) {
    const struct removal *removal = context;
    char path[320];
    snprintf(path, sizeof path, "%s/%s", removal->directory, name);
    removal->disk->ops->remove(removal->disk, path);
}

static void start_over(struct backup *backup) {
    static const char *const directories[] = {"seg", "snap"};
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        struct removal removal = {backup->target, directories[i]};
        backup->target->ops->list(backup->target, directories[i], remove_name, &removal);
    }
    fq_buf_clear(&backup->list);
    unsigned tries = backup->report.tries;
    backup->report = (struct fq_backup_report){.tries = tries + 1};
}

static int attempt(struct backup *backup) {
    start_over(backup);
    int why = 0;
    int result = fq_manifest_load(backup->source, &backup->manifest, &why);
    if (result < 0)
        return refuse(backup, result == FQ_EINVALID ? FQ_EIO : result,
                      "MANIFEST: missing or damaged; see 'fastqueue journal verify'");
    result = fq_buf_append(&backup->list, TITLE, sizeof TITLE - 1);
    if (result == 0)
        result = take_snapshot(backup);
    if (result == 0)
        result = take_segments(backup);
    if (result == 0)
        result = store_manifest(backup);
    return result == 0 ? store_list(backup) : result;
}

int fq_backup_make(fq_disk *source, fq_disk *target, const struct fq_backup_options *options,
                   struct fq_backup_report *ret_report, char error[FQ_STORAGE_ERROR_MAX]) {
    struct backup backup = {.source = source, .target = target, .options = options, .error = error};
    int result = make_directories(&backup);
    if (result == 0)
        do
            result = attempt(&backup);
        while (result == FQ_EAGAIN && backup.report.tries < options->tries_max);
    fq_buf_done(&backup.list);
    if (result < 0)
        return result;
    backup.report.last_batch_seq = backup.chain.next_batch_seq - 1;
    backup.report.last_record_seq = backup.chain.next_record_seq - 1;
    backup.report.boot_epoch = backup.chain.boot_epoch;
    *ret_report = backup.report;
    return 0;
}

// ---- check ----

static int check_file(fq_disk *disk, const char *line, char *error) {
    char path[128];
    uint32_t promised, crc = 0;
    uint64_t size;
    if (sscanf(line, "%8" SCNx32 " %" SCNu64 " %127s", &promised, &size, path) != 3 ||
        strstr(path, "..") != NULL || path[0] == '/') {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s: a line that is none: %.60s", BACKUP, line);
        return FQ_ECORRUPT;
    }
    int handle = disk->ops->open(disk, path, FQ_DISK_READ);
    int64_t real = handle < 0 ? handle : disk->ops->size(disk, handle);
    int result = real < 0 ? (int)real : real != (int64_t)size ? -EIO : checksum(disk, handle, size, &crc);
    if (handle >= 0)
        disk->ops->close(disk, handle);
    if (result == 0 && crc == promised)
        return 0;
    snprintf(error, FQ_STORAGE_ERROR_MAX, "%s: is not as it was backed up (%s); use another backup", path,
             handle < 0              ? strerror(-handle)
             : real != (int64_t)size ? "its size differs"
                                     : "its checksum differs");
    return FQ_ECORRUPT;
}

static int check_lines(fq_disk *disk, char *text, char *error) {
    if (strncmp(text, TITLE, sizeof TITLE - 1) != 0) {
        snprintf(error, FQ_STORAGE_ERROR_MAX,
                 "%s: offset 0: not the list of a backup that this version knows", BACKUP);
        return FQ_EVERSION;
    }
    int result = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text + sizeof TITLE - 1, "\n", &rest); line != NULL && result == 0;
         line = strtok_r(NULL, "\n", &rest))
        result = check_file(disk, line, error);
    return result;
}

int fq_backup_check(fq_disk *disk, char error[FQ_STORAGE_ERROR_MAX]) {
    int handle = disk->ops->open(disk, BACKUP, FQ_DISK_READ);
    if (handle < 0) {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s: %s", BACKUP, strerror(-handle));
        return handle == -ENOENT ? FQ_EINVALID : FQ_EIO;
    }
    int64_t size = disk->ops->size(disk, handle);
    char *text = size >= 0 && size <= LIST_MAX ? malloc((size_t)size + 1) : NULL;
    int64_t got = text != NULL ? disk->ops->read(disk, handle, text, (size_t)size, 0) : -1;
    disk->ops->close(disk, handle);
    int result = FQ_ECORRUPT;
    if (got == size && text != NULL) {
        text[size] = '\0';
        result = check_lines(disk, text, error);
    } else {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s: cannot be read", BACKUP);
    }
    free(text);
    return result;
}
