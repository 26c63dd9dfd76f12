// SPDX-License-Identifier: Apache-2.0
#include "journal/tail.h"

#include "base/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

// Zeros are written in pieces, so that a batch never waits long behind them.
enum { ZERO_PIECE = 1 << 20, ZERO_WRITE = 1 << 16 };

static const char SPARE[] = "seg/next.tmp";
static const char RESERVE_TMP[] = "RESERVE.tmp";
static const char RESERVE[] = "RESERVE";

void fq_tail_init(struct fq_tail *tail, fq_disk *disk, const struct fq_manifest *manifest,
                  uint32_t block_size, const struct fq_tail_options *options, const struct fq_log_end *end,
                  bool reserve_ready) {
    *tail = (struct fq_tail){
        .disk = disk,
        .instance = manifest->instance,
        .block_size = block_size,
        .options = *options,
        .handle = -1,
        .segment_no =
            end->segment_no > manifest->boot_segment_no ? end->segment_no : manifest->boot_segment_no,
        .last = {.batch_seq = end->next_batch_seq - 1,
                 .first_record_seq = end->next_record_seq,
                 .crc = end->prev_batch_crc                                            },
        .prev_segment_no = end->prev_segment_no,
        .prev_end_offset = end->prev_end_offset,
        .spare = {.path = SPARE,                        .handle = -1                  },
        .reserve = {.path = RESERVE_TMP,                        .handle = -1, .size = options->reserve_bytes},
    };
    if (reserve_ready)
        tail->reserve.state = FQ_ZEROS_READY;
}

static void close_handle(struct fq_tail *tail, int *handle) {
    if (*handle >= 0)
        tail->disk->ops->close(tail->disk, *handle);
    *handle = -1;
}

void fq_tail_done(struct fq_tail *tail) {
    close_handle(tail, &tail->handle);
    close_handle(tail, &tail->spare.handle);
    close_handle(tail, &tail->reserve.handle);
}

uint64_t fq_tail_room(const struct fq_tail *tail) {
    uint64_t kept = tail->block_size; // for the seal
    return tail->handle >= 0 && tail->size > tail->offset + kept ? tail->size - tail->offset - kept : 0;
}

static int final_error(struct fq_tail *tail, const char *path, const char *what, int64_t result) {
    snprintf(tail->error, sizeof tail->error,
             "%s: %s: %s; what was not yet acknowledged is dropped, recovery decides at the next start", path,
             what, strerror((int)-result));
    return FQ_EIO;
}

static int write_all(struct fq_tail *tail, int handle, const void *bytes, size_t len, uint64_t offset) {
    int64_t put = tail->disk->ops->write(tail->disk, handle, bytes, len, offset);
    if (put < 0)
        return (int)put;
    return put == (int64_t)len ? 0 : -EIO; // these blocks exist: nothing good makes a write short
}

// ---- spare and reserve ----

static uint64_t segment_size(const struct fq_tail *tail) {
    // Segments grow to their full size by doubling, so that a boot need not wait for 64 MiB of zeros.
    uint64_t size = tail->handle < 0 ? tail->options.first_segment_bytes : 2 * tail->size;
    if (size > tail->options.segment_bytes)
        size = tail->options.segment_bytes;
    if (tail->spare_max != 0 && size > tail->spare_max)
        size = tail->spare_max;
    return tail->needed > size ? tail->needed : size;
}

static void discard(struct fq_tail *tail, struct fq_zeros *zeros) {
    close_handle(tail, &zeros->handle);
    fq_disk_clear(tail->disk, zeros->path);
    zeros->state = FQ_ZEROS_NONE;
}

static int begin_zeros(struct fq_tail *tail, struct fq_zeros *zeros, uint64_t size) {
    int result = fq_disk_clear(tail->disk, zeros->path);
    int handle = result < 0 ? result : tail->disk->ops->open(tail->disk, zeros->path, FQ_DISK_CREATE);
    if (handle < 0)
        return handle;
    zeros->handle = handle;
    zeros->size = size;
    zeros->written = 0;
    zeros->state = FQ_ZEROS_MAKING;
    return 0;
}

// Past the cache only where batches are whole pages: into part of a page that is not cached, it would first be read.
static int write_zeros(struct fq_tail *tail, int handle, uint64_t len, uint64_t offset) {
    static const unsigned char blank[ZERO_WRITE];
    const struct fq_disk_ops *ops = tail->disk->ops;
    if (ops->write_zeros != NULL && tail->block_size == FQ_BLOCK_MAX) {
        int64_t put = ops->write_zeros(tail->disk, handle, len, offset);
        return put < 0 ? (int)put : put == (int64_t)len ? 0 : -EIO;
    }
    int result = 0;
    for (uint64_t done = 0; done < len && result == 0; done += ZERO_WRITE) {
        uint64_t left = len - done;
        result = write_all(tail, handle, blank, left < ZERO_WRITE ? left : ZERO_WRITE, offset + done);
    }
    return result;
}

// Writes the next piece. READY once all of it is on the medium.
static int extend_zeros(struct fq_tail *tail, struct fq_zeros *zeros) {
    uint64_t left = zeros->size - zeros->written, len = left < ZERO_PIECE ? left : ZERO_PIECE;
    int result = write_zeros(tail, zeros->handle, len, zeros->written);
    if (result == 0)
        result = tail->disk->ops->sync(tail->disk, zeros->handle);
    if (result == 0)
        zeros->written += len;
    if (result == 0 && zeros->written == zeros->size)
        zeros->state = FQ_ZEROS_READY;
    return result;
}

static int prepare_zeros(struct fq_tail *tail, struct fq_zeros *zeros, uint64_t size) {
    int result = zeros->state == FQ_ZEROS_NONE ? begin_zeros(tail, zeros, size) : 0;
    if (result == 0)
        result = extend_zeros(tail, zeros);
    if (result == 0 && zeros == &tail->reserve && zeros->state == FQ_ZEROS_READY) {
        close_handle(tail, &zeros->handle);
        result = tail->disk->ops->rename(tail->disk, RESERVE_TMP, RESERVE);
        if (result == 0)
            result = tail->disk->ops->sync_directory(tail->disk, ".");
    }
    if (result < 0) {
        snprintf(tail->error, sizeof tail->error, "%s: %" PRIu64 " bytes cannot be prepared: %s", zeros->path,
                 size, strerror(-result));
        discard(tail, zeros);
    }
    return result;
}

static bool wants_spare(const struct fq_tail *tail) {
    return tail->spare.state != FQ_ZEROS_READY || tail->spare.size < tail->needed;
}

static bool wants_reserve(const struct fq_tail *tail) {
    return tail->options.reserve_bytes > 0 && tail->reserve.state != FQ_ZEROS_READY;
}

bool fq_tail_wants_preparation(const struct fq_tail *tail) {
    return wants_spare(tail) || wants_reserve(tail);
}

// A disk that is nearly full has no room for a large spare, but perhaps for one of half the size. 1: worth a try.
static int retreat(struct fq_tail *tail, uint64_t size, int error) {
    uint64_t least =
        tail->needed > tail->options.first_segment_bytes ? tail->needed : tail->options.first_segment_bytes;
    if (tail->reserve.state == FQ_ZEROS_MAKING)
        discard(tail, &tail->reserve); // it can wait
    if ((error != -ENOSPC && error != -EDQUOT) || size <= least)
        return error;
    tail->spare_max = size / 2 > least ? size / 2 / FQ_BLOCK_MAX * FQ_BLOCK_MAX : least;
    return 1;
}

static int prepare_spare(struct fq_tail *tail) {
    if (tail->spare.state != FQ_ZEROS_NONE && tail->spare.size < tail->needed)
        discard(tail, &tail->spare);
    uint64_t size = tail->spare.state == FQ_ZEROS_MAKING ? tail->spare.size : segment_size(tail);
    int result = prepare_zeros(tail, &tail->spare, size);
    if (result < 0)
        return retreat(tail, size, result);
    if (tail->spare.state == FQ_ZEROS_READY)
        tail->spare_max = 0;
    return 0;
}

int fq_tail_prepare(struct fq_tail *tail) {
    int result = 0;
    if (wants_spare(tail)) {
        result = prepare_spare(tail);
    } else if (wants_reserve(tail)) {
        result = prepare_zeros(tail, &tail->reserve, tail->options.reserve_bytes);
    }
    return result < 0 ? result : fq_tail_wants_preparation(tail);
}

// ---- rotation ----

// The last thing in a segment. It is gated unless batches before it are still unsynced.
static int write_seal(struct fq_tail *tail) {
    unsigned char bytes[FQ_BLOCK_MAX] = {0};
    struct fq_batch_header seal = {.batch_seq = tail->last.batch_seq,
                                   .first_record_seq = tail->last.first_record_seq + tail->last.record_count,
                                   .prev_crc = tail->last.crc,
                                   .wall_ns = tail->last.wall_ns,
                                   .boot_epoch = tail->last.boot_epoch,
                                   .flags = FQ_BATCH_SEAL | (tail->dirty ? 0u : (unsigned)FQ_BATCH_GATED)};
    fq_batch_encode(&tail->instance, &seal, bytes);
    int result = write_all(tail, tail->handle, bytes, tail->block_size, tail->offset);
    if (result == 0)
        result = tail->disk->ops->sync(tail->disk, tail->handle);
    if (result == 0) {
        tail->dirty = false;
        tail->offset += tail->block_size;
    }
    return result;
}

// A flipped bit in space that was never written would look like a torn batch one day. RESERVE may be years old: what of it is
// not zero on the medium, or cannot be read, is written over; its blocks exist, so that takes no room.
static int mend_reserve(struct fq_tail *tail, int handle) {
    static const unsigned char blank[ZERO_WRITE];
    _Alignas(FQ_BLOCK_MAX) unsigned char piece[ZERO_WRITE];
    fq_disk *disk = tail->disk;
    int around = disk->ops->open(disk, RESERVE, FQ_DISK_READ_AROUND_CACHE);
    int result = around < 0 ? around : 0;
    uint64_t mended = 0;
    for (uint64_t at = 0; result == 0 && at < tail->reserve.size; at += ZERO_WRITE) {
        uint64_t left = tail->reserve.size - at;
        size_t len = left < ZERO_WRITE ? (size_t)left : ZERO_WRITE;
        if (disk->ops->read(disk, around, piece, len, at) == (int64_t)len && memcmp(piece, blank, len) == 0)
            continue;
        result = write_all(tail, handle, blank, len, at);
        mended++;
    }
    if (around >= 0)
        disk->ops->close(disk, around);
    if (result == 0 && mended > 0)
        result = disk->ops->sync(disk, handle);
    tail->mended_pieces += mended;
    return result;
}

// Opens the file that becomes the next segment. 0, FQ_EAGAIN, or FQ_EIO.
static int take_zeros(struct fq_tail *tail, bool use_reserve, const char **ret_path, uint64_t *ret_size,
                      int *ret_handle) {
    bool fits = tail->reserve.size >= tail->needed;
    struct fq_zeros *zeros = NULL;
    if (!wants_spare(tail))
        zeros = &tail->spare;
    else if (use_reserve && tail->reserve.state == FQ_ZEROS_READY && fits)
        zeros = &tail->reserve;
    if (zeros == NULL)
        return FQ_EAGAIN;
    *ret_path = zeros == &tail->spare ? SPARE : RESERVE;
    *ret_size = zeros->size;
    *ret_handle = zeros->handle;
    if (zeros->handle < 0) {
        *ret_handle = tail->disk->ops->open(tail->disk, *ret_path, FQ_DISK_WRITE);
        if (*ret_handle < 0)
            return final_error(tail, *ret_path, "cannot be opened", *ret_handle);
    }
    if (zeros == &tail->reserve) {
        int result = mend_reserve(tail, *ret_handle);
        if (result < 0) {
            close_handle(tail, ret_handle);
            return final_error(tail, RESERVE, "cannot be made zero again", result);
        }
    }
    zeros->state = FQ_ZEROS_NONE;
    zeros->handle = -1;
    return 0;
}

static int write_header(struct fq_tail *tail, int handle, uint64_t size) {
    unsigned char bytes[FQ_SEGMENT_HEADER];
    struct fq_segment_header header = {
        .instance = tail->instance,
        .segment_no = tail->segment_no + 1,
        .first_batch_seq = tail->last.batch_seq + 1,
        .first_record_seq = tail->last.first_record_seq + tail->last.record_count,
        .prev_segment_no = tail->prev_segment_no,
        .prev_end_offset = tail->prev_end_offset,
        .prev_last_batch_seq = tail->prev_segment_no != 0 ? tail->last.batch_seq : 0,
        .prev_batch_crc = tail->last.crc,
        .block_size = tail->block_size,
        .created_ns = tail->last.wall_ns,
        .file_size = size,
    };
    fq_segment_encode(&header, bytes);
    int result = write_all(tail, handle, bytes, sizeof bytes, 0);
    return result < 0 ? result : tail->disk->ops->sync(tail->disk, handle);
}

static bool has_batches(const struct fq_tail *tail) {
    return tail->handle >= 0 && tail->offset > FQ_SEGMENT_HEADER;
}

// Seal, header into the zeros, name, directory: in this order, each durable before the next.
static int rotate(struct fq_tail *tail, bool use_reserve) {
    const char *from;
    char to[FQ_SEGMENT_PATH_MAX], current[FQ_SEGMENT_PATH_MAX];
    uint64_t size;
    int handle;
    int result = take_zeros(tail, use_reserve, &from, &size, &handle);
    if (result < 0)
        return result;
    fq_segment_path(tail->first_batch_seq, current);
    fq_segment_path(tail->last.batch_seq + 1, to);
    if (has_batches(tail)) {
        result = write_seal(tail);
        tail->prev_segment_no = tail->segment_no;
        tail->prev_end_offset = tail->offset;
    }
    const char *where = result < 0 ? current : from;
    if (result == 0)
        result = write_header(tail, handle, size);
    if (result == 0)
        result = tail->disk->ops->rename(tail->disk, from, to);
    if (result == 0)
        result = tail->disk->ops->sync_directory(tail->disk, "seg");
    if (result == 0 && from == RESERVE)
        result = tail->disk->ops->sync_directory(tail->disk, ".");
    if (result < 0) {
        close_handle(tail, &handle);
        return final_error(tail, where, "a new segment cannot be begun", result);
    }
    close_handle(tail, &tail->handle);
    tail->handle = handle;
    tail->size = size;
    tail->segment_no++;
    tail->first_batch_seq = tail->last.batch_seq + 1;
    tail->offset = FQ_SEGMENT_HEADER;
    tail->needed = 0;
    tail->rotations++;
    return 0;
}

// Making a segment takes its time; of what is written before it, and answered in relaxed mode, nobody else takes care then.
static int make_room(struct fq_tail *tail, size_t len, bool use_reserve) {
    uint64_t needed = FQ_SEGMENT_HEADER + len + tail->block_size;
    tail->needed = (needed + FQ_BLOCK_MAX - 1) / FQ_BLOCK_MAX * FQ_BLOCK_MAX;
    int result = rotate(tail, use_reserve);
    if (result == FQ_EAGAIN && tail->dirty) {
        int synced = fq_tail_sync(tail);
        return synced < 0 ? synced : result;
    }
    return result;
}

static int write_batch(struct fq_tail *tail, fq_str bytes, bool sync) {
    const struct fq_disk_ops *ops = tail->disk->ops;
    if (!sync || ops->write_around_cache == NULL)
        return write_all(tail, tail->handle, bytes.ptr, bytes.len, tail->offset);
    int64_t put = ops->write_around_cache(tail->disk, tail->handle, bytes.ptr, bytes.len, tail->offset);
    return put < 0 ? (int)put : put == (int64_t)bytes.len ? 0 : -EIO;
}

int fq_tail_append(struct fq_tail *tail, const struct fq_storage_batch *batch, bool sync, bool use_reserve) {
    if (batch->bytes.len > fq_tail_room(tail)) {
        int result = make_room(tail, batch->bytes.len, use_reserve);
        if (result < 0)
            return result;
    }
    char path[FQ_SEGMENT_PATH_MAX];
    fq_segment_path(tail->first_batch_seq, path);
    int result = write_batch(tail, batch->bytes, sync);
    if (result < 0)
        return final_error(tail, path, "cannot be written", result);
    tail->offset += batch->bytes.len;
    tail->dirty = true;
    FQ_ASSERT(fq_batch_decode(&tail->instance, batch->bytes.ptr, &tail->last) == FQ_BATCH_OK);
    return sync ? fq_tail_sync(tail) : 0;
}

int fq_tail_sync(struct fq_tail *tail) {
    int result = tail->disk->ops->sync(tail->disk, tail->handle);
    if (result < 0) {
        char path[FQ_SEGMENT_PATH_MAX];
        fq_segment_path(tail->first_batch_seq, path);
        return final_error(tail, path, "cannot be synced", result);
    }
    tail->dirty = false;
    return 0;
}

int fq_tail_seal(struct fq_tail *tail) {
    return has_batches(tail) ? rotate(tail, false) : 0;
}
