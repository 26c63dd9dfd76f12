// SPDX-License-Identifier: Apache-2.0
#include "journal/snapshot.h"

#include "base/crc32c.h"
#include "base/le.h"
#include "journal/format.h"
#include "journal/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HEADER_CRC_OFFSET = 40,
    FOOTER_CRC_OFFSET = 60,
    BLOCK_ROOM = FQ_SNAPSHOT_BLOCK - FQ_SNAPSHOT_BLOCK_HEADER
};

void fq_snapshot_path(uint64_t batch_seq, bool tmp, char path[FQ_SNAPSHOT_PATH_MAX]) {
    snprintf(path, FQ_SNAPSHOT_PATH_MAX, "snap/%016" PRIx64 ".%s", batch_seq, tmp ? "tmp" : "fqs");
}

// Seeds a block's checksum with all that says where it belongs.
static uint32_t block_crc(const fq_uuid *instance, uint64_t batch_seq, uint32_t index,
                          const unsigned char *block) {
    unsigned char place[12];
    fq_put_u64(place, batch_seq);
    fq_put_u32(place + 8, index);
    uint32_t crc = fq_crc32c(0, instance->bytes, sizeof instance->bytes);
    crc = fq_crc32c(crc, place, sizeof place);
    return fq_crc32c(crc, block + 4, FQ_SNAPSHOT_BLOCK - 4);
}

static uint32_t chain_block_crc(uint32_t all, uint32_t crc) {
    unsigned char bytes[4];
    fq_put_u32(bytes, crc);
    return fq_crc32c(all, bytes, sizeof bytes);
}

// ---- writer ----

struct fq_snapshot_writer {
    fq_disk *disk;
    fq_uuid instance;
    uint64_t batch_seq, record_count, bytes, offset;
    uint32_t blocks, all_crc, used;
    int handle, failure; // failure: 0 or -errno
    char path[FQ_SNAPSHOT_PATH_MAX];
    unsigned char block[FQ_SNAPSHOT_BLOCK];
};

static int put(fq_snapshot_writer *writer, const void *bytes, size_t len) {
    int64_t done = writer->disk->ops->write(writer->disk, writer->handle, bytes, len, writer->offset);
    if (done < 0)
        return (int)done;
    if (done != (int64_t)len)
        return -ENOSPC;
    writer->offset += len;
    return 0;
}

static int put_header(fq_snapshot_writer *writer) {
    unsigned char header[FQ_SNAPSHOT_HEADER] = {0};
    fq_put_u32(header, FQ_MAGIC_SNAPSHOT);
    fq_put_u16(header + 4, FQ_FORMAT_MAJOR);
    fq_put_u16(header + 6, FQ_FORMAT_MINOR);
    memcpy(header + 16, writer->instance.bytes, 16);
    fq_put_u64(header + 32, writer->batch_seq);
    fq_put_u32(header + HEADER_CRC_OFFSET, fq_crc32c(0, header, HEADER_CRC_OFFSET));
    return put(writer, header, sizeof header);
}

int fq_snapshot_writer_open(fq_disk *disk, const fq_uuid *instance, uint64_t batch_seq,
                            fq_snapshot_writer **ret_writer, char error[FQ_STORAGE_ERROR_MAX]) {
    fq_snapshot_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return FQ_ENOMEM;
    writer->disk = disk;
    writer->instance = *instance;
    writer->batch_seq = batch_seq;
    fq_snapshot_path(batch_seq, true, writer->path);
    int cleared = fq_disk_clear(disk, writer->path);
    writer->handle = cleared < 0 ? cleared : disk->ops->open(disk, writer->path, FQ_DISK_CREATE);
    int result = writer->handle < 0 ? writer->handle : put_header(writer);
    if (result < 0) {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s: cannot be written: %s", writer->path, strerror(-result));
        if (writer->handle >= 0)
            fq_snapshot_writer_abort(writer);
        else
            free(writer);
        return FQ_EIO;
    }
    *ret_writer = writer;
    return 0;
}

static int put_block(fq_snapshot_writer *writer) {
    memset(writer->block + FQ_SNAPSHOT_BLOCK_HEADER + writer->used, 0, BLOCK_ROOM - writer->used);
    fq_put_u32(writer->block + 4, writer->used);
    uint32_t crc = block_crc(&writer->instance, writer->batch_seq, writer->blocks, writer->block);
    fq_put_u32(writer->block, crc);
    writer->all_crc = chain_block_crc(writer->all_crc, crc);
    writer->blocks++;
    writer->used = 0;
    return put(writer, writer->block, sizeof writer->block);
}

static void add_bytes(fq_snapshot_writer *writer, const char *bytes, size_t len) {
    writer->bytes += len;
    while (len > 0 && writer->failure == 0) {
        size_t take = BLOCK_ROOM - writer->used;
        if (take > len)
            take = len;
        memcpy(writer->block + FQ_SNAPSHOT_BLOCK_HEADER + writer->used, bytes, take);
        writer->used += (uint32_t)take;
        bytes += take;
        len -= take;
        if (writer->used == BLOCK_ROOM)
            writer->failure = put_block(writer);
    }
}

int fq_snapshot_writer_add(fq_snapshot_writer *writer, fq_str record) {
    if (record.len > FQ_RECORD_MAX)
        return FQ_ETOOBIG;
    char len[4];
    fq_put_u32(len, (uint32_t)record.len);
    add_bytes(writer, len, sizeof len);
    add_bytes(writer, record.ptr, record.len);
    writer->record_count++;
    return writer->failure != 0 ? FQ_EIO : 0;
}

static int put_footer(fq_snapshot_writer *writer, const struct fq_storage_snapshot *facts) {
    unsigned char footer[FQ_SNAPSHOT_FOOTER] = {0};
    fq_put_u32(footer, FQ_MAGIC_FOOTER);
    fq_put_u32(footer + 4, writer->blocks);
    fq_put_u64(footer + 8, writer->batch_seq);
    fq_put_u64(footer + 16, facts->last_record_seq);
    fq_put_u64(footer + 24, writer->record_count);
    fq_put_u64(footer + 32, writer->bytes);
    fq_put_u64(footer + 40, facts->state_hash);
    fq_put_u32(footer + 48, facts->last_batch_crc);
    fq_put_u32(footer + 52, facts->boot_epoch);
    fq_put_u32(footer + 56, writer->all_crc);
    uint32_t crc = fq_crc32c(0, writer->instance.bytes, sizeof writer->instance.bytes);
    fq_put_u32(footer + FOOTER_CRC_OFFSET, fq_crc32c(crc, footer, FOOTER_CRC_OFFSET));
    return put(writer, footer, sizeof footer);
}

fq_snapshot_writer *fq_snapshot_writer_abort(fq_snapshot_writer *writer) {
    if (writer == NULL)
        return NULL;
    if (writer->handle >= 0)
        writer->disk->ops->close(writer->disk, writer->handle);
    fq_disk_clear(writer->disk, writer->path);
    free(writer);
    return NULL;
}

int fq_snapshot_writer_finish(fq_snapshot_writer *writer, const struct fq_storage_snapshot *facts,
                              char error[FQ_STORAGE_ERROR_MAX]) {
    int failure = writer->failure;
    if (failure == 0 && writer->used > 0)
        failure = put_block(writer);
    if (failure == 0)
        failure = put_footer(writer, facts);
    if (failure == 0)
        failure = writer->disk->ops->sync(writer->disk, writer->handle);
    writer->disk->ops->close(writer->disk, writer->handle);
    writer->handle = -1;
    int result = 0;
    if (failure != 0) {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s: cannot be written: %s", writer->path, strerror(-failure));
        result = FQ_EIO;
    } else {
        struct fq_storage_snapshot read_back;
        result = fq_snapshot_read(writer->disk, writer->path, &writer->instance, writer->batch_seq, NULL,
                                  NULL, &read_back, error);
    }
    if (result < 0)
        fq_snapshot_writer_abort(writer);
    else
        free(writer);
    return result;
}

// ---- reader ----

struct reader {
    fq_disk *disk;
    const char *path;
    fq_uuid instance;
    uint64_t batch_seq;
    uint32_t blocks, all_crc;
    int handle;
    unsigned char *block; // aligned, FQ_SNAPSHOT_BLOCK bytes
    struct fq_storage_snapshot facts;
    char *error;
};

static int damaged(struct reader *reader, uint64_t offset, const char *what) {
    snprintf(reader->error, FQ_STORAGE_ERROR_MAX, "%s: offset %" PRIu64 ": %s", reader->path, offset, what);
    return FQ_ECORRUPT;
}

// Reads up to `len` bytes, a multiple of 4,096; short only at the end of the file.
static int64_t fetch(struct reader *reader, size_t len, uint64_t offset) {
    int64_t got = reader->disk->ops->read(reader->disk, reader->handle, reader->block, len, offset);
    if (got >= 0)
        return got;
    snprintf(reader->error, FQ_STORAGE_ERROR_MAX, "%s: offset %" PRIu64 ": cannot be read: %s", reader->path,
             offset, strerror((int)-got));
    return FQ_EIO;
}

static int check_header(struct reader *reader) {
    int64_t got = fetch(reader, FQ_SNAPSHOT_HEADER, 0);
    if (got < 0)
        return (int)got;
    const unsigned char *p = reader->block;
    if (got < FQ_SNAPSHOT_HEADER || fq_get_u32(p) != FQ_MAGIC_SNAPSHOT ||
        fq_get_u32(p + HEADER_CRC_OFFSET) != fq_crc32c(0, p, HEADER_CRC_OFFSET))
        return damaged(reader, 0, "the header is damaged");
    if (fq_get_u16(p + 4) != FQ_FORMAT_MAJOR ||
        (fq_get_u64(p + 8) & ~(uint64_t)FQ_FORMAT_INCOMPATIBLE) != 0) {
        char format[FQ_MANIFEST_FORMAT_MAX];
        fq_format_words(fq_get_u16(p + 4), fq_get_u16(p + 6), fq_get_u64(p + 8), format);
        snprintf(
            reader->error, FQ_STORAGE_ERROR_MAX,
            "%s: written by a newer version (%s; this one reads format %d.%d); start that version or newer",
            reader->path, format, FQ_FORMAT_MAJOR, FQ_FORMAT_MINOR);
        return FQ_EVERSION;
    }
    if (memcmp(p + 16, reader->instance.bytes, 16) != 0 || fq_get_u64(p + 32) != reader->batch_seq)
        return damaged(reader, 0, "it belongs to another journal or another moment");
    return 0;
}

static int check_footer(struct reader *reader) {
    int64_t size = reader->disk->ops->size(reader->disk, reader->handle);
    int64_t content = size - FQ_SNAPSHOT_HEADER - FQ_SNAPSHOT_FOOTER;
    if (size < 0 || content < 0 || content % FQ_SNAPSHOT_BLOCK != 0)
        return damaged(reader, size < 0 ? 0 : (uint64_t)size, "the file is cut");
    uint64_t at = (uint64_t)(size - FQ_SNAPSHOT_FOOTER);
    int64_t got = fetch(reader, FQ_BLOCK_MAX, at);
    if (got < 0)
        return (int)got;
    const unsigned char *p = reader->block;
    uint32_t crc = fq_crc32c(0, reader->instance.bytes, sizeof reader->instance.bytes);
    if (got != FQ_SNAPSHOT_FOOTER || fq_get_u32(p) != FQ_MAGIC_FOOTER ||
        fq_get_u32(p + FOOTER_CRC_OFFSET) != fq_crc32c(crc, p, FOOTER_CRC_OFFSET))
        return damaged(reader, at, "the footer is damaged");
    reader->blocks = fq_get_u32(p + 4);
    reader->all_crc = fq_get_u32(p + 56);
    reader->facts = (struct fq_storage_snapshot){.batch_seq = fq_get_u64(p + 8),
                                                 .last_record_seq = fq_get_u64(p + 16),
                                                 .record_count = fq_get_u64(p + 24),
                                                 .bytes = fq_get_u64(p + 32),
                                                 .state_hash = fq_get_u64(p + 40),
                                                 .last_batch_crc = fq_get_u32(p + 48),
                                                 .boot_epoch = fq_get_u32(p + 52)};
    if (reader->facts.batch_seq != reader->batch_seq ||
        (int64_t)reader->blocks != content / FQ_SNAPSHOT_BLOCK)
        return damaged(reader, at, "the footer does not fit the file");
    return 0;
}

static int read_blocks(struct reader *reader, int (*on_bytes)(void *context, fq_str bytes), void *context) {
    uint32_t all_crc = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < reader->blocks; i++) {
        uint64_t at = FQ_SNAPSHOT_HEADER + (uint64_t)i * FQ_SNAPSHOT_BLOCK;
        int64_t got = fetch(reader, FQ_SNAPSHOT_BLOCK, at);
        if (got < 0)
            return (int)got;
        uint32_t crc = fq_get_u32(reader->block), used = fq_get_u32(reader->block + 4);
        if (got < FQ_SNAPSHOT_BLOCK || used > BLOCK_ROOM ||
            crc != block_crc(&reader->instance, reader->batch_seq, i, reader->block))
            return damaged(reader, at, "a block is damaged");
        all_crc = chain_block_crc(all_crc, crc);
        bytes += used;
        if (on_bytes == NULL)
            continue;
        int result =
            on_bytes(context, (fq_str){(const char *)reader->block + FQ_SNAPSHOT_BLOCK_HEADER, used});
        if (result < 0)
            return result;
    }
    if (all_crc != reader->all_crc || bytes != reader->facts.bytes)
        return damaged(reader, FQ_SNAPSHOT_HEADER, "the blocks are not those that the footer promises");
    return 0;
}

static int with_reader(struct reader *reader, enum fq_disk_open mode, bool blocks,
                       int (*on_bytes)(void *context, fq_str bytes), void *context) {
    void *aligned;
    if (posix_memalign(&aligned, FQ_BLOCK_MAX, FQ_SNAPSHOT_BLOCK) != 0)
        return FQ_ENOMEM;
    reader->block = aligned;
    reader->handle = reader->disk->ops->open(reader->disk, reader->path, mode);
    int result = 0;
    if (reader->handle < 0) {
        snprintf(reader->error, FQ_STORAGE_ERROR_MAX, "%s: cannot be opened: %s", reader->path,
                 strerror(-reader->handle));
        result = reader->handle == -ENOENT ? FQ_ECORRUPT : FQ_EIO;
    } else {
        result = check_header(reader);
        if (result == 0)
            result = check_footer(reader);
        if (result == 0 && blocks)
            result = read_blocks(reader, on_bytes, context);
        reader->disk->ops->close(reader->disk, reader->handle);
    }
    free(aligned);
    return result;
}

int fq_snapshot_footer(fq_disk *disk, const char *path, const fq_uuid *instance, uint64_t batch_seq,
                       struct fq_storage_snapshot *ret_facts, char error[FQ_STORAGE_ERROR_MAX]) {
    struct reader reader = {
        .disk = disk, .path = path, .instance = *instance, .batch_seq = batch_seq, .error = error};
    int result = with_reader(&reader, FQ_DISK_READ, false, NULL, NULL);
    if (result == 0)
        *ret_facts = reader.facts;
    return result;
}

int fq_snapshot_read(fq_disk *disk, const char *path, const fq_uuid *instance, uint64_t batch_seq,
                     int (*on_bytes)(void *context, fq_str bytes), void *context,
                     struct fq_storage_snapshot *ret_facts, char error[FQ_STORAGE_ERROR_MAX]) {
    struct reader reader = {
        .disk = disk, .path = path, .instance = *instance, .batch_seq = batch_seq, .error = error};
    int result = with_reader(&reader, on_bytes == NULL ? FQ_DISK_READ_AROUND_CACHE : FQ_DISK_READ, true,
                             on_bytes, context);
    if (result == 0)
        *ret_facts = reader.facts;
    return result;
}
