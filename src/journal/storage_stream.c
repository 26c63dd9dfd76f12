// SPDX-License-Identifier: Apache-2.0
#include "journal/storage_stream_state.h"

#include "base/crc32c.h"
#include "base/le.h"
#include "journal/format.h"
#include "journal/snapshot.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FOUNDING_SIZE = 64 };
#define MAGIC_FOUNDING 0x314c5146u // "FQL1"

void fq_stream_explain(struct fq_stream_storage *storage, char error[FQ_STORAGE_ERROR_MAX],
                       const char *what) {
    snprintf(error, FQ_STORAGE_ERROR_MAX, "%s: %.440s", what, storage->stream->error);
}

// ---- founding ----

static void encode_founding(const fq_uuid *instance, unsigned char bytes[FOUNDING_SIZE]) {
    memset(bytes, 0, FOUNDING_SIZE);
    fq_put_u32(bytes, MAGIC_FOUNDING);
    fq_put_u16(bytes + 8, FQ_FORMAT_MAJOR);
    fq_put_u16(bytes + 10, FQ_FORMAT_MINOR);
    memcpy(bytes + 24, instance->bytes, sizeof instance->bytes);
    fq_put_u32(bytes + 4, fq_crc32c(0, bytes + 8, FOUNDING_SIZE - 8));
}

static int decode_founding(fq_str bytes, fq_uuid *ret_instance, char error[FQ_STORAGE_ERROR_MAX]) {
    if (bytes.len != FOUNDING_SIZE || fq_get_u32(bytes.ptr) != MAGIC_FOUNDING ||
        fq_get_u32(bytes.ptr + 4) != fq_crc32c(0, bytes.ptr + 8, FOUNDING_SIZE - 8)) {
        snprintf(
            error, FQ_STORAGE_ERROR_MAX,
            "the register 'founding' is damaged, or the bucket is not FastQueue's; name another journal");
        return FQ_ECORRUPT;
    }
    if (fq_get_u16(bytes.ptr + 8) != FQ_FORMAT_MAJOR ||
        (fq_get_u64(bytes.ptr + 16) & ~(uint64_t)FQ_FORMAT_INCOMPATIBLE) != 0) {
        snprintf(
            error, FQ_STORAGE_ERROR_MAX,
            "the log was begun by a newer version (format %u.%u; this one reads %d.%d); start that version "
            "or newer",
            fq_get_u16(bytes.ptr + 8), fq_get_u16(bytes.ptr + 10), FQ_FORMAT_MAJOR, FQ_FORMAT_MINOR);
        return FQ_EVERSION;
    }
    memcpy(ret_instance->bytes, bytes.ptr + 24, sizeof ret_instance->bytes);
    return 0;
}

static int put_founding(fq_stream *stream, const fq_uuid *instance) {
    unsigned char bytes[FOUNDING_SIZE];
    encode_founding(instance, bytes);
    uint64_t revision;
    return stream->ops->put(stream, FQ_STREAM_FOUNDING, (fq_str){(const char *)bytes, sizeof bytes}, 0,
                            &revision);
}

int fq_storage_stream_found(fq_stream *stream, const fq_uuid *instance) {
    int result = put_founding(stream, instance);
    if (result != FQ_ELOCKED)
        return result;
    snprintf(stream->error, sizeof stream->error, "there is a journal of this name already; choose another");
    return FQ_EINVALID;
}

// Who comes first founds the log; the others find theirs.
static int found(struct fq_stream_storage *storage, fq_buf *value) {
    if (storage->facts.last_seq != 0) {
        snprintf(storage->stream->error, sizeof storage->stream->error,
                 "the log has %" PRIu64 " messages and no register 'founding'; was the bucket removed?",
                 storage->facts.last_seq);
        return FQ_ECORRUPT;
    }
    int result = put_founding(storage->stream, &storage->options.instance);
    if (result < 0 && result != FQ_ELOCKED && result != FQ_EAGAIN)
        return result;
    fq_buf_clear(value);
    uint64_t revision;
    result = storage->stream->ops->get(storage->stream, FQ_STREAM_FOUNDING, value, &revision);
    if (result == 0 && revision == 0) {
        snprintf(storage->stream->error, sizeof storage->stream->error,
                 "the register 'founding' was not kept");
        return FQ_EAGAIN;
    }
    return result;
}

static int identify(struct fq_stream_storage *storage, char error[FQ_STORAGE_ERROR_MAX]) {
    fq_stream *stream = storage->stream;
    fq_buf value = {0};
    uint64_t revision;
    int result = stream->ops->facts(stream, FQ_STREAM_LOG, &storage->facts);
    if (result == 0)
        result = stream->ops->get(stream, FQ_STREAM_FOUNDING, &value, &revision);
    if (result == 0 && revision == 0 && storage->executor != NULL)
        result = found(storage, &value);
    if (result < 0)
        fq_stream_explain(storage, error, "the log cannot be opened");
    else
        result = decode_founding(fq_buf_str(&value), &storage->base.instance, error);
    fq_buf_done(&value);
    return result;
}

// What code that knows only disks made of a failure, said in the stream's terms.
int fq_stream_because(struct fq_stream_storage *storage, int result, char error[FQ_STORAGE_ERROR_MAX]) {
    int cause = fq_snapshot_stream_cause(storage->snapshots);
    if (result >= 0 || cause == 0)
        return result;
    fq_stream_explain(storage, error, "the snapshot cannot be read");
    return cause;
}

static int find_snapshot(struct fq_stream_storage *storage, char error[FQ_STORAGE_ERROR_MAX]) {
    storage->snapshots = fq_snapshot_stream_disk(storage->stream, &storage->base.instance);
    if (storage->snapshots == NULL)
        return FQ_ENOMEM;
    int result = fq_snapshot_place_get(storage->stream, &storage->base.instance, &storage->place);
    if (result < 0) {
        fq_stream_explain(storage, error, "the snapshot cannot be found");
        return result;
    }
    if (storage->place.batch_seq == 0)
        return 0;
    char path[FQ_SNAPSHOT_PATH_MAX];
    fq_snapshot_path(storage->place.batch_seq, false, path);
    result = fq_snapshot_footer(storage->snapshots, path, &storage->base.instance, storage->place.batch_seq,
                                &storage->snapshot, error);
    if (result == 0)
        storage->base.boot_epoch = storage->snapshot.boot_epoch;
    return fq_stream_because(storage, result, error);
}

static void stream_space(fq_storage *base, struct fq_storage_space *ret_space) {
    const struct fq_stream_storage *storage = (const struct fq_stream_storage *)base;
    *ret_space = (struct fq_storage_space){.writable_bytes = UINT64_MAX,
                                           .reserve_bytes = UINT64_MAX,
                                           .submits_blocked = storage->is_unanswered || storage->is_full};
    if (storage->is_full)
        ret_space->blocked_why =
            "the log's servers have no room left: raise JetStream's limits, or give them disk";
    else if (storage->is_unanswered)
        ret_space->blocked_why = "the log's servers do not acknowledge what is written: most of them have to "
                                 "be up and to reach each other";
}

static void stream_stats(const fq_storage *base, struct fq_storage_stats *ret_stats) {
    *ret_stats = ((const struct fq_stream_storage *)base)->stats;
}

static fq_storage *stream_close(fq_storage *base) {
    struct fq_stream_storage *storage = (struct fq_stream_storage *)base;
    if (storage->executor != NULL)
        storage->executor->close(storage->executor);
    if (storage->snapshots != NULL)
        storage->snapshots->ops->close_disk(storage->snapshots);
    storage->stream->ops->close(storage->stream);
    free(storage);
    return NULL;
}

static int open_storage(fq_stream *stream, fq_executor *executor,
                        const struct fq_storage_stream_options *options, uint64_t until_batch,
                        fq_storage **ret_storage, char error[FQ_STORAGE_ERROR_MAX]) {
    static const struct fq_storage_ops ops = {
        .read = fq_stream_read,
        .start = fq_stream_start,
        .append = fq_stream_append,
        .flush = fq_stream_flush,
        .poll = fq_stream_poll,
        .seal = fq_stream_seal,
        .snapshot = fq_stream_snapshot,
        .snapshot_read = fq_stream_snapshot_read,
        .snapshot_install = fq_stream_install,
        .space = stream_space,
        .stats = stream_stats,
        .close = stream_close,
    };
    struct fq_stream_storage *storage = calloc(1, sizeof *storage);
    if (storage == NULL) {
        if (executor != NULL)
            executor->close(executor);
        stream->ops->close(stream);
        snprintf(error, FQ_STORAGE_ERROR_MAX, "out of memory");
        return FQ_ENOMEM;
    }
    *storage = (struct fq_stream_storage){
        .base = {.ops = &ops, .block_size = FQ_STREAM_BLOCK, .can_seal = true, .poll_at_us = FQ_NEVER_US},
        .stream = stream,
        .executor = executor,
        .options = *options,
        .until_batch = until_batch,
        .retry_at_us = FQ_NEVER_US
    };
    int result = identify(storage, error);
    if (result == 0)
        result = find_snapshot(storage, error);
    if (result < 0) {
        stream_close(&storage->base);
        return result;
    }
    *ret_storage = &storage->base;
    return 0;
}

int fq_storage_stream_open(fq_stream *stream, fq_executor *executor,
                           const struct fq_storage_stream_options *options, fq_storage **ret_storage,
                           char error[FQ_STORAGE_ERROR_MAX]) {
    return open_storage(stream, executor, options, 0, ret_storage, error);
}

fq_disk *fq_storage_stream_disk(fq_storage *storage) {
    return ((struct fq_stream_storage *)storage)->snapshots;
}

int fq_storage_stream_open_reader(fq_stream *stream, uint64_t until_batch, fq_storage **ret_storage,
                                  char error[FQ_STORAGE_ERROR_MAX]) {
    struct fq_storage_stream_options none = {.log = NULL};
    return open_storage(stream, NULL, &none, until_batch, ret_storage, error);
}
