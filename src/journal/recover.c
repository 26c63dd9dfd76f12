// SPDX-License-Identifier: Apache-2.0
#include "journal/recover.h"

#include "base/le.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

// One read of the log, from the first needed segment to the last.
struct reading {
    struct fq_recovery *recovery;
    int (*on_batch)(void *context, const struct fq_storage_batch *batch);
    void *context;
    struct fq_segment_names names;
    size_t first, at; // index of the first needed segment and of the one being read
    unsigned char *image;
    uint64_t image_room, image_size;
    char path[FQ_SEGMENT_PATH_MAX];
    struct fq_segment_header header;
    struct fq_batch_chain chain;
    bool finished; // read_only: until_batch was reached
};

__attribute__((format(printf, 3, 4))) static int refuse(struct reading *reading, int error,
                                                        const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reading->recovery->error, FQ_STORAGE_ERROR_MAX, format, arguments);
    va_end(arguments);
    return error;
}

static int io_error(struct reading *reading, const char *what, int64_t result) {
    return refuse(reading, FQ_EIO, "%s: %s: %s; check the device, then start again", reading->path, what,
                  strerror((int)-result));
}

static int sync_path(struct reading *reading, const char *path) {
    fq_disk *disk = reading->recovery->disk;
    snprintf(reading->path, sizeof reading->path, "%s", path);
    int handle = disk->ops->open(disk, path, FQ_DISK_WRITE);
    if (handle < 0)
        return io_error(reading, "cannot be opened", handle);
    int result = disk->ops->sync(disk, handle);
    disk->ops->close(disk, handle);
    return result < 0 ? io_error(reading, "cannot be synced before it is read", result) : 0;
}

// Nothing is decided on data that only the cache has.
static int sync_before_reading(struct reading *reading) {
    int result = sync_path(reading, "MANIFEST");
    size_t count = reading->names.count;
    for (size_t i = count > 2 ? count - 2 : 0; i < count && result == 0; i++) {
        char path[FQ_SEGMENT_PATH_MAX];
        fq_segment_path(reading->names.seqs[i], path);
        result = sync_path(reading, path);
    }
    static const char *const directories[] = {"seg", "snap", "."};
    for (size_t i = 0; i < 3 && result == 0; i++) {
        snprintf(reading->path, sizeof reading->path, "%s", directories[i]);
        int synced = reading->recovery->disk->ops->sync_directory(reading->recovery->disk, directories[i]);
        if (synced < 0)
            result = io_error(reading, "cannot be synced before it is read", synced);
    }
    return result;
}

static int make_room(struct reading *reading, uint64_t size) {
    if (size <= reading->image_room)
        return 0;
    free(reading->image);
    reading->image = NULL;
    reading->image_room = 0;
    void *image;
    if (posix_memalign(&image, FQ_BLOCK_MAX, size) != 0)
        return refuse(reading, FQ_ENOMEM, "%s: not enough memory for its %" PRIu64 " bytes", reading->path,
                      size);
    reading->image = image;
    reading->image_room = size;
    return 0;
}

// Reads the whole segment; the last two as the medium has them.
static int load_image(struct reading *reading) {
    fq_disk *disk = reading->recovery->disk;
    fq_segment_path(reading->names.seqs[reading->at], reading->path);
    bool tail = reading->at + 2 >= reading->names.count && !reading->recovery->read_only;
    int handle = disk->ops->open(disk, reading->path, tail ? FQ_DISK_READ_AROUND_CACHE : FQ_DISK_READ);
    if (handle < 0)
        return io_error(reading, "cannot be opened", handle);
    int64_t size = disk->ops->size(disk, handle);
    int result = 0;
    if (size < 0)
        result = io_error(reading, "cannot be read", size);
    else if (size < FQ_SEGMENT_HEADER || (uint64_t)size > FQ_SEGMENT_MAX)
        result = refuse(reading, FQ_ECORRUPT,
                        "%s: offset 0: the file has %" PRId64 " bytes, which no segment has; "
                        "restore a backup",
                        reading->path, size);
    if (result == 0)
        result = make_room(reading, ((uint64_t)size + FQ_BLOCK_MAX - 1) / FQ_BLOCK_MAX * FQ_BLOCK_MAX);
    if (result == 0) {
        int64_t got = disk->ops->read(disk, handle, reading->image, reading->image_room, 0);
        reading->image_size = (uint64_t)size;
        if (got < size)
            result = io_error(reading, "cannot be read", got < 0 ? got : -EIO);
    }
    disk->ops->close(disk, handle);
    return result;
}

static int check_header(struct reading *reading) {
    const struct fq_manifest *manifest = reading->recovery->manifest;
    struct fq_segment_header *header = &reading->header;
    int result = fq_segment_decode(reading->image, header);
    if (result == FQ_EVERSION) {
        char format[FQ_MANIFEST_FORMAT_MAX];
        fq_format_words(fq_get_u16(reading->image + 4), fq_get_u16(reading->image + 6),
                        fq_get_u64(reading->image + 24), format);
        return refuse(
            reading, result,
            "%s: written by a newer version (%s; this one reads format %d.%d); start that version or newer",
            reading->path, format, FQ_FORMAT_MAJOR, FQ_FORMAT_MINOR);
    }
    if (result < 0)
        return refuse(reading, result, "%s: offset 0: the segment's header is damaged; restore a backup",
                      reading->path);
    if (!fq_uuid_equal(&header->instance, &manifest->instance) ||
        header->first_batch_seq != reading->names.seqs[reading->at])
        return refuse(reading, FQ_ECORRUPT,
                      "%s: offset 0: the segment belongs to another journal or another place; "
                      "restore a whole backup",
                      reading->path);
    if (header->file_size != reading->image_size)
        return refuse(reading, FQ_ECORRUPT,
                      "%s: offset %" PRIu64 ": the file should have %" PRIu64 " bytes, its end "
                      "is missing; restore a backup",
                      reading->path, reading->image_size, header->file_size);
    return 0;
}

// Ties a segment to the one before it, or begins the chain with what the first needed one says.
static int check_link(struct reading *reading) {
    const struct fq_segment_header *header = &reading->header;
    struct fq_log_end *end = &reading->recovery->end;
    if (reading->at == reading->first) {
        reading->chain = (struct fq_batch_chain){.next_batch_seq = header->first_batch_seq,
                                                 .next_record_seq = header->first_record_seq,
                                                 .prev_crc = header->prev_batch_crc,
                                                 .boot_epoch = reading->recovery->from_epoch};
        end->prev_segment_no = header->prev_segment_no;
        end->prev_end_offset = header->prev_end_offset;
        end->prev_last_batch_seq = header->prev_last_batch_seq;
        end->prev_batch_crc = header->prev_batch_crc;
    } else if (header->prev_segment_no != end->prev_segment_no ||
               header->prev_last_batch_seq != end->prev_last_batch_seq ||
               header->prev_batch_crc != end->prev_batch_crc ||
               header->prev_end_offset != end->prev_end_offset ||
               header->first_batch_seq != reading->chain.next_batch_seq ||
               header->first_record_seq != reading->chain.next_record_seq) {
        return refuse(reading, FQ_ECORRUPT,
                      "%s: offset 0: the segment does not follow the one before it (batch %" PRIu64
                      " expected, %" PRIu64
                      " found): a segment is missing or foreign; restore a whole backup",
                      reading->path, reading->chain.next_batch_seq, header->first_batch_seq);
    }
    reading->recovery->file_bytes += header->file_size;
    end->segment_no = header->segment_no;
    end->segment_size = header->file_size;
    return 0;
}

// ---- damage ----

static bool has_limit(const struct fq_recovery *recovery) {
    return recovery->read_only && recovery->until_batch != 0;
}

// Copies what is cut off, so that a person can still look at it. A failure here loses nothing that was acknowledged.
static void quarantine(struct reading *reading, uint64_t offset, uint64_t end) {
    fq_disk *disk = reading->recovery->disk;
    char path[64];
    snprintf(path, sizeof path, "quarantine/%016" PRIx64 "-%" PRIu64 ".bin", reading->names.seqs[reading->at],
             offset);
    int handle = disk->ops->open(disk, path, FQ_DISK_CREATE);
    if (handle == -EEXIST)
        handle = disk->ops->open(disk, path, FQ_DISK_WRITE);
    int64_t result = handle;
    if (handle >= 0) {
        result = disk->ops->write(disk, handle, reading->image + offset, end - offset, 0);
        if (result >= 0)
            result = disk->ops->sync(disk, handle);
        disk->ops->close(disk, handle);
    }
    if (result >= 0)
        result = disk->ops->sync_directory(disk, "quarantine");
    if (result < 0)
        fq_log_write(reading->recovery->log, FQ_LOG_WARNING,
                     "journal event=quarantine_failed file=%s cause=\"%s\"", path, strerror((int)-result));
    else
        fq_log_write(reading->recovery->log, FQ_LOG_WARNING,
                     "journal event=quarantined file=%s bytes=%" PRIu64, path, end - offset);
}

static int damage(struct reading *reading, const struct fq_segment_walk *walk) {
    struct fq_recovery *recovery = reading->recovery;
    uint64_t expected = reading->chain.next_batch_seq, later = 0, used_end = 0;
    if (has_limit(recovery) || reading->at + 1 < reading->names.count)
        return refuse(reading, FQ_ECORRUPT,
                      "%s: offset %" PRIu64 ": batch %" PRIu64 " (from record %" PRIu64
                      " on) is damaged and was synced; restore a backup",
                      reading->path, walk->offset, expected, reading->chain.next_record_seq);
    enum fq_segment_verdict verdict = fq_segment_judge(walk, expected, &later, &used_end);
    if (verdict == FQ_VERDICT_CORRUPT)
        return refuse(reading, FQ_ECORRUPT,
                      "%s: offset %" PRIu64 ": batch %" PRIu64 " (from record %" PRIu64
                      " on) is damaged and was synced: a later one at offset %" PRIu64
                      " is whole; restore a backup",
                      reading->path, walk->offset, expected, reading->chain.next_record_seq, later);
    if (verdict == FQ_VERDICT_AMBIGUOUS && recovery->strict)
        return refuse(reading, FQ_ECORRUPT,
                      "%s: offset %" PRIu64 ": batch %" PRIu64 " (from record %" PRIu64
                      " on), the last one, is damaged, by a crash or by the medium; start without strict "
                      "recovery to cut "
                      "it off",
                      reading->path, walk->offset, expected, reading->chain.next_record_seq);
    recovery->torn = true;
    recovery->ambiguous = verdict == FQ_VERDICT_AMBIGUOUS;
    recovery->cut = (struct fq_log_cut){
        .offset = walk->offset, .batch_seq = expected, .record_seq = reading->chain.next_record_seq};
    memcpy(recovery->cut.file, reading->path, sizeof recovery->cut.file);
    if (recovery->read_only)
        return 0;
    fq_log_write(recovery->log, FQ_LOG_WARNING,
                 "journal event=%s file=%s offset=%" PRIu64 " batch=%" PRIu64 " record=%" PRIu64,
                 recovery->ambiguous ? "ambiguous_tail_cut" : "torn_tail_cut", reading->path, walk->offset,
                 expected, reading->chain.next_record_seq);
    quarantine(reading, walk->offset, used_end);
    return 0;
}

// ---- walk ----

// The place that the next segment declares as the end of this one; UINT64_MAX if there is no next one.
static int declared_end(struct reading *reading, uint64_t *ret_end) {
    *ret_end = UINT64_MAX;
    if (reading->at + 1 >= reading->names.count)
        return 0;
    fq_disk *disk = reading->recovery->disk;
    char path[FQ_SEGMENT_PATH_MAX];
    fq_segment_path(reading->names.seqs[reading->at + 1], path);
    unsigned char bytes[FQ_SEGMENT_HEADER];
    int handle = disk->ops->open(disk, path, FQ_DISK_READ);
    int64_t got = handle < 0 ? handle : disk->ops->read(disk, handle, bytes, sizeof bytes, 0);
    if (handle >= 0)
        disk->ops->close(disk, handle);
    if (got < 0)
        return io_error(reading, "the next segment cannot be read", got);
    struct fq_segment_header next;
    if (got < FQ_SEGMENT_HEADER || fq_segment_decode(bytes, &next) != 0)
        return 0; // told when that segment is read itself
    *ret_end = next.prev_end_offset;
    return 0;
}

static int deliver(struct reading *reading, const struct fq_batch_header *header, fq_str bytes,
                   uint64_t offset) {
    const char *broken = fq_batch_chain_break(&reading->chain, header);
    if (broken != NULL)
        return refuse(reading, FQ_ECORRUPT,
                      "%s: offset %" PRIu64 ": batch %" PRIu64 " is whole but misplaced: %s; "
                      "restore a whole backup",
                      reading->path, offset, header->batch_seq, broken);
    struct fq_storage_batch batch = {header->batch_seq, header->first_record_seq, header->record_count,
                                     bytes};
    fq_batch_chain_advance(&reading->chain, header);
    return reading->on_batch(reading->context, &batch);
}

static int check_seal(struct reading *reading, const struct fq_batch_header *header, uint64_t offset) {
    if (header->batch_seq + 1 == reading->chain.next_batch_seq && header->prev_crc == reading->chain.prev_crc)
        return 0;
    return refuse(reading, FQ_ECORRUPT,
                  "%s: offset %" PRIu64 ": the seal behind batch %" PRIu64 " belongs to batch %" PRIu64
                  "; restore a whole backup",
                  reading->path, offset, reading->chain.next_batch_seq - 1, header->batch_seq);
}

static void note_end(struct reading *reading, uint64_t offset) {
    struct fq_log_end *end = &reading->recovery->end;
    // A segment without a batch is skipped: the next one takes its name and its place.
    if (reading->chain.next_batch_seq == reading->header.first_batch_seq)
        return;
    end->prev_segment_no = reading->header.segment_no;
    end->prev_end_offset = offset;
    end->prev_last_batch_seq = reading->chain.next_batch_seq - 1;
    end->prev_batch_crc = reading->chain.prev_crc;
}

static int walk_segment(struct reading *reading) {
    struct fq_recovery *recovery = reading->recovery;
    struct fq_segment_walk walk = {.instance = recovery->manifest->instance,
                                   .block_size = reading->header.block_size,
                                   .bytes = reading->image,
                                   .size = reading->image_size,
                                   .offset = FQ_SEGMENT_HEADER};
    uint64_t limit;
    int result = declared_end(reading, &limit);
    while (result == 0 && walk.offset < limit && !reading->finished) {
        struct fq_batch_header header;
        fq_str bytes;
        uint64_t offset = walk.offset;
        enum fq_segment_step step = fq_segment_next(&walk, &header, &bytes);
        if (step == FQ_STEP_BATCH) {
            result = deliver(reading, &header, bytes, offset);
            reading->finished = has_limit(recovery) && header.batch_seq == recovery->until_batch;
        } else if (step == FQ_STEP_DAMAGED) {
            result = damage(reading, &walk);
            break;
        } else if (step == FQ_STEP_END) {
            break;
        } else {
            result = check_seal(reading, &header, offset);
            break;
        }
    }
    if (result != 0 || reading->finished)
        return result;
    if (limit != UINT64_MAX && walk.offset != limit)
        return refuse(reading, FQ_ECORRUPT,
                      "%s: offset %" PRIu64 ": the log ends here, but synced batches up to offset %" PRIu64
                      " should follow (batch %" PRIu64 ", record %" PRIu64 "); restore a backup",
                      reading->path, walk.offset, limit, reading->chain.next_batch_seq,
                      reading->chain.next_record_seq);
    note_end(reading, walk.offset);
    return 0;
}

// The segment that begins with batch `from`, or the only thing that may be there instead: nothing.
static int find_first(struct reading *reading, uint64_t from) {
    const struct fq_manifest *manifest = reading->recovery->manifest;
    reading->first = 0;
    while (reading->first < reading->names.count && reading->names.seqs[reading->first] < from)
        reading->first++;
    if (reading->first < reading->names.count && reading->names.seqs[reading->first] == from)
        return 0;
    if (reading->names.count == 0 && manifest->boot_segment_no == 0 && from == 1)
        return 0;
    char missing[FQ_SEGMENT_PATH_MAX];
    fq_segment_path(from, missing);
    return refuse(reading, FQ_ECORRUPT,
                  "%s: the segment with batch %" PRIu64 " is missing; restore a whole backup", missing, from);
}

// What the MANIFEST knows of the last boot must have been found.
static int check_against_manifest(struct reading *reading) {
    const struct fq_recovery *recovery = reading->recovery;
    const struct fq_manifest *manifest = recovery->manifest;
    if (has_limit(recovery))
        return reading->finished ? 0
                                 : refuse(reading, FQ_ECORRUPT, "seg/: batch %" PRIu64 " is missing",
                                          recovery->until_batch);
    if (recovery->end.segment_no < manifest->boot_segment_no ||
        reading->chain.boot_epoch < manifest->boot_epoch)
        return refuse(reading, FQ_ECORRUPT,
                      "%s: the log ends with batch %" PRIu64 " of boot %" PRIu32 ", but boot %" PRIu32
                      " has written after it: its segments are missing or damaged; restore a backup",
                      reading->path[0] != '\0' ? reading->path : "seg/", reading->chain.next_batch_seq - 1,
                      reading->chain.boot_epoch, manifest->boot_epoch);
    return 0;
}

static int read_all(struct reading *reading, uint64_t from) {
    struct fq_recovery *recovery = reading->recovery;
    int result = recovery->read_only ? 0 : sync_before_reading(reading);
    if (result == 0)
        result = find_first(reading, from);
    reading->path[0] = '\0';
    for (reading->at = reading->first;
         result == 0 && reading->at < reading->names.count && !reading->finished; reading->at++) {
        result = load_image(reading);
        if (result == 0)
            result = check_header(reading);
        if (result == 0)
            result = check_link(reading);
        if (result == 0)
            result = walk_segment(reading);
    }
    if (result == 0)
        result = check_against_manifest(reading);
    return result;
}

int fq_recovery_read(struct fq_recovery *recovery, uint64_t from_batch_seq,
                     int (*on_batch)(void *context, const struct fq_storage_batch *batch), void *context) {
    struct reading reading = {
        .recovery = recovery,
        .on_batch = on_batch,
        .context = context,
        .chain = {.next_batch_seq = from_batch_seq, .next_record_seq = 1}
    };
    int listed = fq_segment_list(recovery->disk, "seg", ".fqj", &reading.names);
    if (listed < 0) {
        snprintf(reading.path, sizeof reading.path, "seg/");
        return io_error(&reading, "cannot be listed", listed);
    }
    int result = read_all(&reading, from_batch_seq);
    recovery->segment_count = reading.names.count;
    recovery->end.next_batch_seq = reading.chain.next_batch_seq;
    recovery->end.next_record_seq = reading.chain.next_record_seq;
    free(reading.names.seqs);
    free(reading.image);
    return result;
}
