// SPDX-License-Identifier: Apache-2.0
#include "journal/snapshot_stream.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/le.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { REGISTER_SIZE = 64, FLAG_LAST = 1, HANDLE = 0, ATTEMPTS = 5 };
#define MAGIC_PIECE    0x31505146u // "FQP1"
#define MAGIC_REGISTER 0x31525146u // "FQR1"

static uint32_t seeded_crc(const fq_uuid *instance, const unsigned char *bytes, size_t len) {
    uint32_t crc = fq_crc32c(0, instance->bytes, sizeof instance->bytes);
    crc = fq_crc32c(crc, bytes, 4);
    return fq_crc32c(crc, bytes + 8, len - 8);
}

static void seal(const fq_uuid *instance, uint32_t magic, unsigned char *bytes, size_t len) {
    fq_put_u32(bytes, magic);
    fq_put_u32(bytes + 4, seeded_crc(instance, bytes, len));
}

static bool is_sealed(const fq_uuid *instance, uint32_t magic, fq_str bytes, size_t least) {
    return bytes.len >= least && fq_get_u32(bytes.ptr) == magic &&
           fq_get_u32(bytes.ptr + 4) == seeded_crc(instance, (const unsigned char *)bytes.ptr, bytes.len);
}

static int damaged(fq_stream *stream, const char *what, uint64_t seq) {
    snprintf(stream->error, sizeof stream->error, "snapshots: message %" PRIu64 " %s", seq, what);
    return FQ_ECORRUPT;
}

// ---- pieces ----

struct piece {
    const fq_uuid *instance;
    uint64_t batch_seq;
    uint32_t index;
    bool is_last, is_sound;
    fq_buf *ret_bytes; // NULL: only the header is wanted
    size_t len;
    int error;
};

static int on_piece(void *context, uint64_t seq, fq_str bytes) {
    (void)seq;
    struct piece *piece = context;
    piece->is_sound = is_sealed(piece->instance, MAGIC_PIECE, bytes, FQ_PIECE_HEADER);
    if (!piece->is_sound)
        return 0;
    piece->batch_seq = fq_get_u64(bytes.ptr + 8);
    piece->index = fq_get_u32(bytes.ptr + 16);
    piece->is_last = (fq_get_u32(bytes.ptr + 20) & FLAG_LAST) != 0;
    piece->len = bytes.len - FQ_PIECE_HEADER;
    if (piece->ret_bytes == NULL)
        return 0;
    fq_buf_clear(piece->ret_bytes);
    return fq_buf_append(piece->ret_bytes, bytes.ptr + FQ_PIECE_HEADER, piece->len);
}

static int read_piece(fq_stream *stream, uint64_t seq, struct piece *piece) {
    int result = stream->ops->read(stream, FQ_STREAM_SNAPSHOTS, seq, seq, on_piece, piece);
    if (result == 0 && !piece->is_sound)
        return damaged(stream, "is no piece of a snapshot of this journal", seq);
    return result;
}

// ---- the register ----

int fq_snapshot_place_get(fq_stream *stream, const fq_uuid *instance, struct fq_snapshot_place *ret_place) {
    struct fq_snapshot_place place = {0};
    fq_buf value = {0};
    int result = stream->ops->get(stream, FQ_STREAM_SNAPSHOT, &value, &place.revision);
    fq_str bytes = fq_buf_str(&value);
    if (result == 0 && place.revision != 0) {
        if (bytes.len != REGISTER_SIZE || !is_sealed(instance, MAGIC_REGISTER, bytes, REGISTER_SIZE)) {
            snprintf(stream->error, sizeof stream->error,
                     "the register of the snapshot is damaged or of another journal");
            result = FQ_ECORRUPT;
        } else {
            place.batch_seq = fq_get_u64(bytes.ptr + 8);
            place.first_seq = fq_get_u64(bytes.ptr + 16);
            place.last_seq = fq_get_u64(bytes.ptr + 24);
        }
    }
    fq_buf_done(&value);
    if (result == 0)
        *ret_place = place;
    return result;
}

int fq_snapshot_place_put(fq_stream *stream, const fq_uuid *instance, struct fq_snapshot_place *place) {
    unsigned char bytes[REGISTER_SIZE] = {0};
    fq_put_u64(bytes + 8, place->batch_seq);
    fq_put_u64(bytes + 16, place->first_seq);
    fq_put_u64(bytes + 24, place->last_seq);
    seal(instance, MAGIC_REGISTER, bytes, sizeof bytes);
    uint64_t before = place->revision;
    int result = stream->ops->put(stream, FQ_STREAM_SNAPSHOT, (fq_str){(const char *)bytes, sizeof bytes},
                                  before, &place->revision);
    if (result == 0)
        return 0;
    // Nobody may have answered though it was done.
    struct fq_snapshot_place now;
    int got = fq_snapshot_place_get(stream, instance, &now);
    if (got == 0 && now.revision != before && now.batch_seq == place->batch_seq &&
        now.first_seq == place->first_seq && now.last_seq == place->last_seq) {
        place->revision = now.revision;
        return 0;
    }
    place->revision = got == 0 ? now.revision : before;
    return result;
}

int fq_snapshot_place_find(fq_stream *stream, const fq_uuid *instance, uint64_t batch_seq,
                           struct fq_snapshot_place *ret_place) {
    struct fq_stream_facts facts;
    int result = stream->ops->facts(stream, FQ_STREAM_SNAPSHOTS, &facts);
    if (result < 0)
        return result;
    if (facts.first_seq > facts.last_seq)
        return damaged(stream, "is the last one, and it was removed", facts.last_seq);
    struct piece piece = {.instance = instance};
    result = read_piece(stream, facts.last_seq, &piece);
    if (result < 0)
        return result;
    if (!piece.is_last || piece.batch_seq != batch_seq || facts.last_seq - piece.index < facts.first_seq ||
        piece.index >= facts.last_seq)
        return damaged(stream, "is not the end of the snapshot that was asked for", facts.last_seq);
    ret_place->batch_seq = batch_seq;
    ret_place->first_seq = facts.last_seq - piece.index;
    ret_place->last_seq = facts.last_seq;
    return 0;
}

// ---- the disk ----

struct stream_disk {
    fq_disk base;
    fq_stream *stream;
    fq_uuid instance;
    struct fq_snapshot_place place; // of the open file, or of the last one written
    bool is_written, is_whole;      // by this; with its last piece
    uint64_t size;
    fq_buf piece; // writing: what waits behind room for a header; reading: piece `index`
    uint64_t index;
    bool has_piece;
    int cause; // of the last failure, in the stream's own terms
};

static int errno_of(struct stream_disk *disk, int result) {
    disk->cause = result;
    switch (result) {
    case FQ_EAGAIN: return -EAGAIN;
    case FQ_ELOCKED: return -EBUSY;
    case FQ_EFULL: return -ENOSPC;
    case FQ_ENOMEM: return -ENOMEM;
    case FQ_ETOOBIG: return -EMSGSIZE;
    default: return -EIO;
    }
}

static bool parse_path(const char *path, uint64_t *ret_batch_seq, bool *ret_installed) {
    char kind[4] = "";
    unsigned long long batch_seq;
    if (sscanf(path, "snap/%16llx.%3s", &batch_seq, kind) != 2)
        return false;
    *ret_batch_seq = batch_seq;
    *ret_installed = strcmp(kind, "fqs") == 0;
    return true;
}

static int begin_piece(struct stream_disk *disk) {
    static const char blank[FQ_PIECE_HEADER];
    fq_buf_clear(&disk->piece);
    return fq_buf_append(&disk->piece, blank, sizeof blank);
}

static int create(struct stream_disk *disk, uint64_t batch_seq) {
    struct fq_stream_facts facts;
    int result = disk->stream->ops->facts(disk->stream, FQ_STREAM_SNAPSHOTS, &facts);
    if (result == 0)
        result = begin_piece(disk);
    if (result < 0)
        return errno_of(disk, result);
    disk->place = (struct fq_snapshot_place){
        .batch_seq = batch_seq, .first_seq = facts.last_seq + 1, .last_seq = facts.last_seq};
    disk->is_written = true;
    disk->is_whole = false;
    disk->size = 0;
    return HANDLE;
}

// The size is told by the last piece.
static int locate(struct stream_disk *disk, uint64_t batch_seq, bool installed) {
    struct fq_snapshot_place place;
    int result = installed ? fq_snapshot_place_get(disk->stream, &disk->instance, &place)
                           : fq_snapshot_place_find(disk->stream, &disk->instance, batch_seq, &place);
    if (result < 0)
        return errno_of(disk, result);
    if (place.batch_seq != batch_seq)
        return errno_of(
            disk, damaged(disk->stream, "ends another snapshot than the one asked for", place.last_seq));
    struct piece last = {.instance = &disk->instance};
    result = read_piece(disk->stream, place.last_seq, &last);
    if (result < 0)
        return errno_of(disk, result);
    if (!last.is_last || last.batch_seq != batch_seq || place.last_seq - place.first_seq != last.index)
        return errno_of(
            disk, damaged(disk->stream, "does not end the snapshot that the register names", place.last_seq));
    disk->place = place;
    disk->is_written = false;
    disk->is_whole = true;
    disk->size = (uint64_t)last.index * FQ_PIECE_BYTES + last.len;
    return HANDLE;
}

static int stream_open(fq_disk *base, const char *path, enum fq_disk_open mode) {
    struct stream_disk *disk = (struct stream_disk *)base;
    uint64_t batch_seq;
    bool installed;
    disk->has_piece = false;
    if (!parse_path(path, &batch_seq, &installed))
        return -EINVAL;
    if (mode == FQ_DISK_CREATE)
        return create(disk, batch_seq);
    if (disk->is_written && disk->is_whole && !installed && batch_seq == disk->place.batch_seq)
        return HANDLE; // read back
    return locate(disk, batch_seq, installed);
}

static int stream_close(fq_disk *base, int handle) {
    (void)handle;
    ((struct stream_disk *)base)->has_piece = false;
    return 0;
}

static int64_t stream_size(fq_disk *base, int handle) {
    (void)handle;
    return (int64_t)((struct stream_disk *)base)->size;
}

// Sends the first `len` bytes that wait as the next piece.
static int send_piece(struct stream_disk *disk, size_t len, bool is_last) {
    unsigned char *bytes = (unsigned char *)disk->piece.data + disk->piece.begin;
    memset(bytes, 0, FQ_PIECE_HEADER);
    fq_put_u64(bytes + 8, disk->place.batch_seq);
    fq_put_u32(bytes + 16, (uint32_t)(disk->place.last_seq + 1 - disk->place.first_seq));
    fq_put_u32(bytes + 20, is_last ? FLAG_LAST : 0);
    seal(&disk->instance, MAGIC_PIECE, bytes, FQ_PIECE_HEADER + len);
    int result = FQ_EAGAIN;
    for (int i = 0; i < ATTEMPTS && result == FQ_EAGAIN; i++)
        result = fq_stream_extend(disk->stream, FQ_STREAM_SNAPSHOTS, disk->place.last_seq,
                                  (fq_str){(const char *)bytes, FQ_PIECE_HEADER + len});
    if (result < 0)
        return errno_of(disk, result);
    disk->place.last_seq++;
    fq_buf_consume(&disk->piece, len); // the last bytes sent become the next header's room
    return 0;
}

static int64_t stream_write(fq_disk *base, int handle, const void *bytes, size_t len, uint64_t offset) {
    (void)handle;
    struct stream_disk *disk = (struct stream_disk *)base;
    FQ_ASSERT(disk->is_written && !disk->is_whole &&
              offset == disk->size); // snapshots are written front to back
    int result = fq_buf_append(&disk->piece, bytes, len);
    if (result < 0)
        return -ENOMEM;
    disk->size += len;
    while (result == 0 && fq_buf_len(&disk->piece) > FQ_PIECE_HEADER + (size_t)FQ_PIECE_BYTES)
        result = send_piece(disk, FQ_PIECE_BYTES, false);
    return result < 0 ? result : (int64_t)len;
}

// A snapshot is synced once, when it is whole: what waits becomes the last piece.
static int stream_sync(fq_disk *base, int handle) {
    (void)handle;
    struct stream_disk *disk = (struct stream_disk *)base;
    int result = send_piece(disk, fq_buf_len(&disk->piece) - FQ_PIECE_HEADER, true);
    disk->is_whole = result == 0;
    return result;
}

static int take_piece(struct stream_disk *disk, uint64_t index) {
    if (disk->has_piece && disk->index == index)
        return 0;
    struct piece piece = {.instance = &disk->instance, .ret_bytes = &disk->piece};
    disk->has_piece = false;
    int result = read_piece(disk->stream, disk->place.first_seq + index, &piece);
    if (result < 0)
        return errno_of(disk, result);
    if (piece.batch_seq != disk->place.batch_seq || piece.index != index)
        return errno_of(disk, damaged(disk->stream, "is another piece than the one that belongs there",
                                      disk->place.first_seq + index));
    disk->has_piece = true;
    disk->index = index;
    return 0;
}

static int64_t stream_read(fq_disk *base, int handle, void *bytes, size_t len, uint64_t offset) {
    (void)handle;
    struct stream_disk *disk = (struct stream_disk *)base;
    if (offset >= disk->size)
        return 0;
    if (len > disk->size - offset)
        len = disk->size - offset;
    for (size_t done = 0; done < len;) {
        uint64_t at = (offset + done) % FQ_PIECE_BYTES;
        int result = take_piece(disk, (offset + done) / FQ_PIECE_BYTES);
        if (result < 0)
            return result;
        size_t have = fq_buf_len(&disk->piece);
        if (at >= have)
            return -EIO; // a piece in the middle is short
        size_t some = have - at < len - done ? have - at : len - done;
        memcpy((char *)bytes + done, disk->piece.data + disk->piece.begin + at, some);
        done += some;
    }
    return (int64_t)len;
}

// What an attempt left behind goes with the next installed snapshot.
static int stream_remove(fq_disk *base, const char *path) {
    (void)base, (void)path;
    return -ENOENT;
}

static int stream_sync_directory(fq_disk *base, const char *path) {
    (void)base, (void)path;
    return 0;
}

static int stream_list(fq_disk *base, const char *path, void (*on_name)(void *context, const char *name),
                       void *context) {
    (void)base, (void)path, (void)on_name, (void)context;
    return 0;
}

static fq_disk *stream_close_disk(fq_disk *base) {
    struct stream_disk *disk = (struct stream_disk *)base;
    fq_buf_done(&disk->piece);
    free(disk);
    return NULL;
}

int fq_snapshot_stream_cause(fq_disk *disk) {
    int cause = ((struct stream_disk *)disk)->cause;
    ((struct stream_disk *)disk)->cause = 0;
    return cause;
}

fq_disk *fq_snapshot_stream_disk(fq_stream *stream, const fq_uuid *instance) {
    static const struct fq_disk_ops ops = {
        .open = stream_open,
        .close = stream_close,
        .size = stream_size,
        .read = stream_read,
        .write = stream_write,
        .sync = stream_sync,
        .sync_directory = stream_sync_directory,
        .remove = stream_remove,
        .list = stream_list,
        .close_disk = stream_close_disk,
    };
    struct stream_disk *disk = calloc(1, sizeof *disk);
    if (disk == NULL)
        return NULL;
    disk->base.ops = &ops;
    disk->stream = stream;
    disk->instance = *instance;
    return &disk->base;
}
