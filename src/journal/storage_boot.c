// SPDX-License-Identifier: Apache-2.0
// From a directory to a storage that can be read, and from there to one that can be written.
#include "journal/storage_files.h"

#include "base/time.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void fq_storage_posix_options_init(struct fq_storage_posix_options *options) {
    *options = (struct fq_storage_posix_options){
        .segment_bytes = 64ull << 20, .first_segment_bytes = 4ull << 20, .reserve_bytes = 64ull << 20};
}

__attribute__((format(printf, 3, 4))) static int refuse(char *error, int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, FQ_STORAGE_ERROR_MAX, format, arguments);
    va_end(arguments);
    return code;
}

static uint64_t whole_blocks(uint64_t bytes) {
    return (bytes + FQ_BLOCK_MAX - 1) / FQ_BLOCK_MAX * FQ_BLOCK_MAX;
}

static int take_options(struct fq_files *files, const struct fq_storage_posix_options *options, char *error) {
    files->options = *options;
    struct fq_storage_posix_options *mine = &files->options;
    mine->segment_bytes = whole_blocks(options->segment_bytes);
    mine->first_segment_bytes = whole_blocks(options->first_segment_bytes);
    mine->reserve_bytes = whole_blocks(options->reserve_bytes);
    if (mine->first_segment_bytes > mine->segment_bytes)
        mine->first_segment_bytes = mine->segment_bytes;
    if (mine->first_segment_bytes < FQ_SEGMENT_MIN || mine->segment_bytes > FQ_SEGMENT_MAX ||
        (mine->reserve_bytes != 0 && mine->reserve_bytes < FQ_SEGMENT_MIN) ||
        mine->reserve_bytes > FQ_SEGMENT_MAX)
        return refuse(error, FQ_EINVALID, "segments have %d bytes to %llu bytes", FQ_SEGMENT_MIN,
                      (unsigned long long)FQ_SEGMENT_MAX);
    return 0;
}

// ---- the place ----

static int check_place(struct fq_files *files, char *error) {
    int result = files->disk->ops->facts(files->disk, &files->facts);
    if (result < 0)
        return refuse(error, FQ_EIO, "the data directory's file system cannot be examined: %s",
                      strerror(-result));
    const struct fq_disk_facts *facts = &files->facts;
    if ((facts->is_volatile || facts->is_network) && !files->options.allow_volatile)
        return refuse(error, FQ_EVOLATILE,
                      "is on %s file system; choose a directory on a local disk with --data-dir, "
                      "or 'none' for memory only, or accept it with --allow-volatile",
                      facts->is_volatile ? "a volatile" : "a network");
    if (facts->copies_on_write)
        fq_log_write(files->options.log, FQ_LOG_WARNING,
                     "journal event=copy_on_write_file_system note=\"written segments "
                     "need new blocks there: a full disk ends the process instead of refusing submits\"");
    uint32_t block = facts->block_size;
    files->base.block_size = block < FQ_SECTOR ? FQ_SECTOR : block > FQ_BLOCK_MAX ? FQ_BLOCK_MAX : block;
    char owner[64] = "";
    result = files->disk->ops->lock(files->disk, "LOCK", owner, sizeof owner);
    if (result == -EWOULDBLOCK)
        return refuse(error, FQ_ELOCKED,
                      "LOCK: another process (%s) owns the data directory; stop it or choose another "
                      "directory",
                      owner[0] != '\0' ? owner : "unknown");
    if (result < 0)
        return refuse(error, FQ_EIO, "LOCK: cannot be taken: %s", strerror(-result));
    return 0;
}

static int make_directories(struct fq_files *files, char *error) {
    static const char *const names[] = {"seg", "snap", "quarantine"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int result = files->disk->ops->make_directory(files->disk, names[i]);
        if (result < 0 && result != -EEXIST)
            return refuse(error, result == -ENOSPC ? FQ_EFULL : FQ_EIO, "%s/: cannot be made: %s", names[i],
                          strerror(-result));
    }
    int result = files->disk->ops->sync_directory(files->disk, ".");
    return result < 0 ? refuse(error, FQ_EIO, "the data directory cannot be synced: %s", strerror(-result))
                      : 0;
}

static int store_manifest(struct fq_files *files, char *error) {
    int why = 0;
    int result = fq_manifest_store(files->disk, &files->manifest, &why);
    return result < 0 ? refuse(error, result,
                               "MANIFEST: cannot be replaced: %s; free some space or check the device",
                               strerror(why))
                      : 0;
}

// Segments or snapshots without a MANIFEST are no empty directory.
static int check_empty(struct fq_files *files, char *error) {
    static const struct {
        const char *directory, *suffix, *what;
    } rows[] = {
        {"seg",  ".fqj", "segments" },
        {"snap", ".fqs", "snapshots"}
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_segment_names names;
        int result = fq_segment_list(files->disk, rows[i].directory, rows[i].suffix, &names);
        if (result == -ENOENT && files->executor == NULL)
            continue;
        if (result < 0)
            return refuse(error, FQ_EIO, "%s/: cannot be listed: %s", rows[i].directory, strerror(-result));
        free(names.seqs);
        if (names.count > 0)
            return refuse(error, FQ_ECORRUPT,
                          "MANIFEST: missing, though there are %zu %s; restore a whole backup", names.count,
                          rows[i].what);
    }
    return 0;
}

// The first boot of an empty directory.
static int create_manifest(struct fq_files *files, char *error) {
    files->manifest = (struct fq_manifest){0};
    int result = files->disk->ops->random(files->disk, files->manifest.instance.bytes, 16);
    if (result < 0)
        return refuse(error, FQ_EIO, "no random numbers for a new journal: %s", strerror(-result));
    return store_manifest(files, error);
}

static int load_manifest(struct fq_files *files, char *error) {
    int why = 0;
    // Going on from a backup as it is would hand out the same fencing tokens twice.
    int backup =
        files->executor != NULL ? files->disk->ops->open(files->disk, "BACKUP", FQ_DISK_READ) : -ENOENT;
    if (backup >= 0) {
        files->disk->ops->close(files->disk, backup);
        return refuse(error, FQ_EINVALID,
                      "BACKUP: this is a backup, not a data directory; make one of it with 'fastqueue "
                      "journal restore'");
    }
    int result = fq_manifest_load(files->disk, &files->manifest, &why);
    if (result == FQ_EINVALID) {
        result = check_empty(files, error);
        if (result == 0 && files->executor != NULL)
            return create_manifest(files, error);
        return result < 0 ? result
                          : refuse(error, FQ_EIO, "MANIFEST: there is none; is this a data directory?");
    }
    if (result == FQ_EIO)
        return refuse(error, result, "MANIFEST: cannot be read: %s", strerror(why));
    if (result == FQ_EVERSION) {
        char format[FQ_MANIFEST_FORMAT_MAX];
        fq_manifest_format(files->disk, format);
        return refuse(
            error, result,
            "MANIFEST: written by a newer version (%s; this one reads format %d.%d); start that version "
            "or newer",
            format, FQ_FORMAT_MAJOR, FQ_FORMAT_MINOR);
    }
    if (result < 0)
        return refuse(error, result, "MANIFEST: offset 0: damaged; restore a whole backup");
    return 0;
}

int fq_files_check_owner(struct fq_files *files, char error[FQ_STORAGE_ERROR_MAX]) {
    struct fq_manifest on_disk;
    int why = 0;
    int result = fq_manifest_load(files->disk, &on_disk, &why);
    if (result == 0 && fq_uuid_equal(&on_disk.instance, &files->manifest.instance) &&
        on_disk.boot_epoch == files->manifest.boot_epoch)
        return 0;
    return refuse(error, FQ_EIO,
                  "MANIFEST: changed or unreadable while this process owns it; find out who else uses the "
                  "data directory");
}

// ---- leftovers ----

struct tmp_names {
    struct fq_files *files;
    const char *directory;
    bool removed; // any
};

// What cannot be removed is not in the way: a name that is needed is cleared once more before it is used.
static void remove_tmp(void *context, const char *name) {
    struct tmp_names *names = context;
    size_t len = strlen(name);
    char path[128];
    if (len < 4 || len > 64 || strcmp(name + len - 4, ".tmp") != 0)
        return;
    snprintf(path, sizeof path, "%s/%s", names->directory, name);
    names->removed |= names->files->disk->ops->remove(names->files->disk, path) == 0;
}

static int remove_leftovers(struct fq_files *files) {
    static const char *const directories[] = {"seg", "snap", "."};
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof directories / sizeof directories[0]; i++) {
        struct tmp_names names = {files, directories[i], false};
        files->disk->ops->list(files->disk, directories[i], remove_tmp, &names);
        if (names.removed)
            result = files->disk->ops->sync_directory(files->disk, directories[i]);
    }
    return result;
}

static int remove_segments(struct fq_files *files) {
    struct fq_segment_names names;
    int result = fq_segment_list(files->disk, "seg", ".fqj", &names);
    if (result < 0)
        return result;
    size_t removed = 0;
    // The one behind tells where a segment ends: its last batch is the one before the other's first.
    for (size_t i = 0; i + 1 < names.count; i++) {
        if (names.seqs[i + 1] > files->manifest.previous_snapshot + 1)
            break;
        char path[FQ_SEGMENT_PATH_MAX];
        fq_segment_path(names.seqs[i], path);
        if (files->disk->ops->remove(files->disk, path) == 0)
            removed++;
    }
    files->segment_count = names.count - removed;
    free(names.seqs);
    return removed > 0 ? files->disk->ops->sync_directory(files->disk, "seg") : 0;
}

int fq_files_remove_old(struct fq_files *files) {
    int result = remove_segments(files);
    if (result < 0)
        return result;
    struct fq_segment_names names;
    result = fq_segment_list(files->disk, "snap", ".fqs", &names);
    if (result < 0)
        return result;
    bool removed = false;
    for (size_t i = 0; i < names.count; i++) {
        if (names.seqs[i] == files->manifest.snapshot || names.seqs[i] == files->manifest.previous_snapshot ||
            names.seqs[i] == files->damaged_snapshot)
            continue;
        char path[FQ_SNAPSHOT_PATH_MAX];
        fq_snapshot_path(names.seqs[i], false, path);
        removed |= files->disk->ops->remove(files->disk, path) == 0;
    }
    free(names.seqs);
    return removed ? files->disk->ops->sync_directory(files->disk, "snap") : 0;
}

// Whether RESERVE is of the right size and was never begun as a segment (which starts with its header). If not, it is removed.
static int take_reserve(struct fq_files *files) {
    unsigned char head[FQ_SEGMENT_HEADER];
    int handle = files->disk->ops->open(files->disk, "RESERVE", FQ_DISK_READ);
    if (handle < 0)
        return 0;
    files->reserve_ready =
        files->options.reserve_bytes > 0 &&
        files->disk->ops->size(files->disk, handle) == (int64_t)files->options.reserve_bytes &&
        files->disk->ops->read(files->disk, handle, head, sizeof head, 0) == FQ_SEGMENT_HEADER &&
        head[0] == 0 && memcmp(head, head + 1, sizeof head - 1) == 0;
    files->disk->ops->close(files->disk, handle);
    return files->reserve_ready ? 0 : fq_disk_clear(files->disk, "RESERVE");
}

// What the MANIFEST does not name goes only once the log that it does name was found whole: a medium that gives back an
// older MANIFEST shall not take the newer snapshot along. A sync that fails here is one like any other.
static int clean_up(struct fq_files *files, char *error) {
    int result = remove_leftovers(files);
    if (result == 0)
        result = take_reserve(files);
    if (result == 0)
        result = fq_files_remove_old(files);
    return result < 0 ? refuse(error, FQ_EIO, "seg/ and snap/ cannot be cleaned up: %s", strerror(-result))
                      : 0;
}

// ---- snapshot ----

static int try_snapshot(struct fq_files *files, uint64_t batch_seq, char *error) {
    char path[FQ_SNAPSHOT_PATH_MAX];
    fq_snapshot_path(batch_seq, false, path);
    return fq_snapshot_read(files->disk, path, &files->manifest.instance, batch_seq, NULL, NULL,
                            &files->snapshot, error);
}

// Takes the newest snapshot, or the one before it if that is damaged: its segments are still there.
static int choose_snapshot(struct fq_files *files, char *error) {
    struct fq_manifest *manifest = &files->manifest;
    if (manifest->snapshot == 0)
        return 0;
    int result = try_snapshot(files, manifest->snapshot, error);
    bool may_fall_back = files->executor != NULL || files->examines;
    if (result != FQ_ECORRUPT || !may_fall_back || manifest->previous_snapshot == manifest->snapshot)
        return result;
    fq_log_write(files->options.log, FQ_LOG_ERROR,
                 "journal event=snapshot_damaged cause=\"%s\" "
                 "action=\"using the previous one and the log behind it\"",
                 error);
    if (manifest->previous_snapshot != 0) {
        char other[FQ_STORAGE_ERROR_MAX];
        result = try_snapshot(files, manifest->previous_snapshot, other);
        if (result < 0) {
            size_t len = strlen(error);
            snprintf(error + len, FQ_STORAGE_ERROR_MAX - len,
                     "; the one before it neither (%.160s); restore a backup", other);
            return result;
        }
    }
    files->damaged_snapshot = manifest->snapshot;
    files->stats.previous_snapshot_used = true;
    manifest->snapshot = manifest->previous_snapshot;
    return 0;
}

// ---- open ----

static int open_files(struct fq_files *files, const struct fq_storage_posix_options *options, char *error) {
    int result = take_options(files, options, error);
    if (result == 0)
        result = check_place(files, error);
    if (result == 0)
        result = make_directories(files, error);
    if (result == 0)
        result = load_manifest(files, error);
    if (files->options.forget_ambiguous)
        files->manifest.ambiguous = false;
    if (result == 0)
        result = choose_snapshot(files, error);
    if (result < 0)
        return result;
    uint64_t two_segments = 2 * files->options.segment_bytes, share = files->facts.total_bytes / 20;
    if (share > 1ull << 30)
        share = 1ull << 30;
    files->low_water_bytes = files->options.low_water_bytes != 0 ? files->options.low_water_bytes
                             : share > two_segments              ? share
                                                                 : two_segments;
    return 0;
}

static struct fq_files *new_files(fq_disk *disk, fq_executor *executor) {
    struct fq_files *files = calloc(1, sizeof *files);
    if (files == NULL)
        return NULL;
    files->base.ops = fq_files_ops();
    files->base.poll_at_us = FQ_NEVER_US;
    files->disk = disk;
    files->executor = executor;
    files->tail.handle = files->tail.spare.handle = files->tail.reserve.handle = -1;
    return files;
}

static void publish_manifest(struct fq_files *files) {
    files->base.instance = files->manifest.instance;
    files->base.boot_epoch = files->manifest.boot_epoch;
    files->stats.recovered_ambiguous = files->manifest.ambiguous;
}

int fq_storage_files_open(fq_disk *disk, fq_executor *executor,
                          const struct fq_storage_posix_options *options, fq_storage **ret_storage,
                          char error[FQ_STORAGE_ERROR_MAX]) {
    struct fq_files *files = new_files(disk, executor);
    if (files == NULL) {
        executor->close(executor);
        disk->ops->close_disk(disk);
        return refuse(error, FQ_ENOMEM, "out of memory");
    }
    int result = open_files(files, options, error);
    if (result < 0) {
        files->base.ops->close(&files->base);
        return result;
    }
    publish_manifest(files);
    *ret_storage = &files->base;
    return 0;
}

int fq_storage_files_open_reader(fq_disk *disk, uint64_t until_batch, fq_storage **ret_storage,
                                 char error[FQ_STORAGE_ERROR_MAX]) {
    struct fq_files *files = new_files(disk, NULL);
    if (files == NULL) {
        disk->ops->close_disk(disk);
        return refuse(error, FQ_ENOMEM, "out of memory");
    }
    files->base.block_size = FQ_SECTOR;
    files->recovery.read_only = true;
    files->recovery.until_batch = until_batch;
    int result = load_manifest(files, error);
    if (result == 0)
        result = choose_snapshot(files, error);
    if (result == 0 && files->manifest.snapshot >= until_batch)
        result = refuse(error, FQ_EINVALID, "batch %" PRIu64 " is already in the snapshot of batch %" PRIu64,
                        until_batch, files->manifest.snapshot);
    if (result < 0) {
        files->base.ops->close(&files->base);
        return result;
    }
    publish_manifest(files);
    *ret_storage = &files->base;
    return 0;
}

int fq_storage_files_open_examiner(fq_disk *disk, const struct fq_manifest *assumed, uint64_t until_batch,
                                   fq_storage **ret_storage, char error[FQ_STORAGE_ERROR_MAX]) {
    struct fq_files *files = new_files(disk, NULL);
    if (files == NULL) {
        disk->ops->close_disk(disk);
        return refuse(error, FQ_ENOMEM, "out of memory");
    }
    files->base.block_size = FQ_SECTOR;
    files->examines = true;
    files->recovery.read_only = true;
    files->recovery.until_batch = until_batch;
    if (assumed != NULL)
        files->manifest = *assumed;
    int result = assumed == NULL ? load_manifest(files, error) : 0;
    if (result == 0)
        result = choose_snapshot(files, error);
    if (result == 0 && until_batch != 0 && files->manifest.snapshot > until_batch)
        result = refuse(error, FQ_EINVALID, "batch %" PRIu64 " lies before the snapshot of batch %" PRIu64,
                        until_batch, files->manifest.snapshot);
    if (result < 0) {
        files->base.ops->close(&files->base);
        return result;
    }
    publish_manifest(files);
    *ret_storage = &files->base;
    return 0;
}

const struct fq_log_cut *fq_storage_files_cut(const fq_storage *storage) {
    const struct fq_recovery *recovery = &((const struct fq_files *)storage)->recovery;
    return recovery->torn ? &recovery->cut : NULL;
}

const struct fq_manifest *fq_storage_files_manifest(const fq_storage *storage) {
    return &((const struct fq_files *)storage)->manifest;
}

int fq_storage_posix_open(const char *path, const struct fq_storage_posix_options *options,
                          void (*wake)(void *context), void *wake_context, fq_storage **ret_storage,
                          char error[FQ_STORAGE_ERROR_MAX]) {
    fq_disk *disk;
    int result = fq_disk_posix_open(path, &disk);
    if (result < 0)
        return refuse(error, FQ_EIO,
                      "%s: cannot be opened as data directory: %s; make it writable for this user or choose "
                      "another",
                      path, strerror(-result));
    fq_executor *executor = fq_executor_thread(wake, wake_context);
    if (executor == NULL) {
        disk->ops->close_disk(disk);
        return refuse(error, FQ_ENOMEM, "the journal's thread cannot be started");
    }
    char inner[FQ_STORAGE_ERROR_MAX];
    result = fq_storage_files_open(disk, executor, options, ret_storage, inner);
    if (result == FQ_EVOLATILE) // about the directory, not about a file in it
        return refuse(error, result, "%.160s %.340s", path, inner);
    return result < 0 ? refuse(error, result, "%.160s/%.340s", path, inner) : 0;
}

// ---- read and start ----

int fq_files_read(fq_storage *storage, uint64_t from_batch_seq,
                  int (*on_batch)(void *context, const struct fq_storage_batch *batch), void *context) {
    struct fq_files *files = (struct fq_files *)storage;
    struct fq_recovery *recovery = &files->recovery;
    recovery->disk = files->disk;
    recovery->log = files->options.log;
    recovery->manifest = &files->manifest;
    recovery->error = files->base.error;
    recovery->strict = files->options.strict;
    recovery->from_epoch = files->snapshot.boot_epoch;
    if (recovery->until_batch != 0 && recovery->until_batch < from_batch_seq)
        return 0; // the snapshot says it all
    int result = fq_recovery_read(recovery, from_batch_seq, on_batch, context);
    if (result < 0)
        return result;
    files->read_done = true;
    files->segment_count = recovery->segment_count;
    files->stats.torn_tails = recovery->torn;
    files->stats.read_bytes = recovery->file_bytes;
    files->stats.recovered_ambiguous |= recovery->ambiguous;
    files->manifest.ambiguous |= recovery->ambiguous;
    return 0;
}

static int begin_log(struct fq_files *files, const struct fq_storage_batch *first) {
    struct fq_tail *tail = &files->tail;
    int result = 0;
    while (tail->spare.state != FQ_ZEROS_READY && result >= 0)
        result = fq_tail_prepare(tail);
    result = fq_tail_append(tail, first, true, result < 0);
    if (result == FQ_EAGAIN)
        return refuse(files->base.error, FQ_EFULL,
                      "%.300s; free at least %" PRIu64 " bytes on the disk, then start again", tail->error,
                      files->options.first_segment_bytes);
    if (result < 0)
        return refuse(files->base.error, result, "%s", tail->error);
    return 0;
}

// Only a start that went well moves anything: one that is refused leaves all as it was, for who comes to look.
static void put_damage_aside(struct fq_files *files) {
    if (files->damaged_snapshot == 0)
        return;
    char from[FQ_SNAPSHOT_PATH_MAX], to[64];
    fq_snapshot_path(files->damaged_snapshot, false, from);
    snprintf(to, sizeof to, "quarantine/%016" PRIx64 ".fqs", files->damaged_snapshot);
    files->disk->ops->rename(files->disk, from, to);
    files->damaged_snapshot = 0;
}

int fq_files_start(fq_storage *storage, const struct fq_storage_batch *first, uint32_t boot_epoch) {
    struct fq_files *files = (struct fq_files *)storage;
    struct fq_tail_options options = {files->options.segment_bytes, files->options.first_segment_bytes,
                                      files->options.reserve_bytes};
    if (!files->read_done)
        return refuse(storage->error, FQ_EINVALID, "the log was not read before it was started");
    int result = fq_files_check_owner(files, storage->error);
    if (result == 0)
        result = clean_up(files, storage->error);
    if (result < 0)
        return result;
    fq_tail_init(&files->tail, files->disk, &files->manifest, storage->block_size, &options,
                 &files->recovery.end, files->reserve_ready);
    result = begin_log(files, first);
    if (result < 0)
        return result;
    files->segment_count++;
    files->manifest.boot_segment_no = files->tail.segment_no;
    files->manifest.boot_epoch = boot_epoch;
    result = store_manifest(files, storage->error);
    if (result < 0)
        return result;
    put_damage_aside(files);
    storage->boot_epoch = boot_epoch;
    files->tail.rotations = 0;
    files->started = true;
    struct fq_files_view view;
    fq_files_look(files, &view, true);
    fq_files_note_view(files, &view);
    fq_files_kick_preparation(files);
    return 0;
}
