// SPDX-License-Identifier: Apache-2.0
#include "journal/storage_stream_state.h"

#include "journal/batch.h"
#include "journal/snapshot.h"

#include <inttypes.h>
#include <stdio.h>

struct reading {
    struct fq_stream_storage *storage;
    int (*on_batch)(void *context, const struct fq_storage_batch *batch);
    void *context;
};

static int damaged(struct fq_stream_storage *storage, uint64_t seq, const char *what) {
    snprintf(storage->base.error, sizeof storage->base.error,
             "message %" PRIu64 " of the log %s; compare the stream's replicas, or restore a backup", seq,
             what);
    return FQ_ECORRUPT;
}

static int on_message(void *context, uint64_t seq, fq_str bytes) {
    struct reading *reading = context;
    struct fq_stream_storage *storage = reading->storage;
    struct fq_batch_header header;
    if (bytes.len < FQ_BATCH_HEADER ||
        fq_batch_decode(&storage->base.instance, bytes.ptr, &header) != FQ_BATCH_OK ||
        bytes.len != fq_batch_padded(header.body_len, FQ_STREAM_BLOCK) ||
        !fq_batch_body_ok(&header, bytes.ptr + FQ_BATCH_HEADER))
        return damaged(storage, seq, "is no whole batch of this journal");
    if (header.batch_seq + storage->ahead != seq)
        return damaged(storage, seq, "has another batch than that which belongs there");
    storage->stats.read_bytes += bytes.len;
    struct fq_storage_batch batch = {header.batch_seq, header.first_record_seq, header.record_count, bytes};
    return reading->on_batch(reading->context, &batch);
}

static int on_first(void *context, uint64_t seq, fq_str bytes) {
    struct fq_stream_storage *storage = context;
    struct fq_batch_header header;
    if (bytes.len < FQ_BATCH_HEADER ||
        fq_batch_decode(&storage->base.instance, bytes.ptr, &header) != FQ_BATCH_OK)
        return damaged(storage, seq, "is no batch of this journal");
    storage->ahead = seq - header.batch_seq;
    return 0;
}

// How batches and messages are numbered is told by the first message; where all are gone, by the snapshot that replaced them.
static int align(struct fq_stream_storage *storage) {
    const struct fq_stream_facts *facts = &storage->facts;
    if (facts->first_seq > facts->last_seq) {
        storage->ahead = facts->last_seq - storage->snapshot.batch_seq;
        return 0;
    }
    return storage->stream->ops->read(storage->stream, FQ_STREAM_LOG, facts->first_seq, facts->first_seq,
                                      on_first, storage);
}

int fq_stream_read(fq_storage *base, uint64_t from_batch_seq,
                   int (*on_batch)(void *context, const struct fq_storage_batch *batch), void *context) {
    struct fq_stream_storage *storage = (struct fq_stream_storage *)base;
    fq_stream *stream = storage->stream;
    base->error[0] = stream->error[0] = '\0';
    int result = stream->ops->facts(stream, FQ_STREAM_LOG, &storage->facts);
    if (result == 0)
        result = align(storage);
    struct fq_stream_facts facts = storage->facts;
    uint64_t from = from_batch_seq + storage->ahead, to = facts.last_seq;
    if (storage->until_batch != 0 && storage->until_batch + storage->ahead < to)
        to = storage->until_batch + storage->ahead;
    if (result == 0 && from < facts.first_seq && facts.first_seq <= facts.last_seq)
        result = damaged(storage, from, "is gone, and no snapshot stands for it");
    if (result == 0 && from > facts.last_seq + 1)
        result =
            damaged(storage, facts.last_seq,
                    "is the last one, though a snapshot stands for later ones: the servers lost messages");
    struct reading reading = {storage, on_batch, context};
    if (result == 0 && from <= to)
        result = stream->ops->read(stream, FQ_STREAM_LOG, from, to, on_message, &reading);
    if (result < 0 && base->error[0] == '\0' && stream->error[0] != '\0')
        fq_stream_explain(storage, base->error, "the log cannot be read");
    storage->last_seq = facts.last_seq;
    storage->stats.segment_count = facts.last_seq + 1 - facts.first_seq;
    return result;
}

const struct fq_storage_snapshot *fq_stream_snapshot(const fq_storage *base) {
    const struct fq_stream_storage *storage = (const struct fq_stream_storage *)base;
    return storage->snapshot.batch_seq != 0 ? &storage->snapshot : NULL;
}

int fq_stream_snapshot_read(fq_storage *base, int (*on_bytes)(void *context, fq_str bytes), void *context) {
    struct fq_stream_storage *storage = (struct fq_stream_storage *)base;
    char path[FQ_SNAPSHOT_PATH_MAX];
    struct fq_storage_snapshot facts;
    fq_snapshot_path(storage->snapshot.batch_seq, false, path);
    // Once to verify, and once more to deliver.
    int result = fq_snapshot_read(storage->snapshots, path, &base->instance, storage->snapshot.batch_seq,
                                  NULL, NULL, &facts, base->error);
    if (result == 0)
        result = fq_snapshot_read(storage->snapshots, path, &base->instance, storage->snapshot.batch_seq,
                                  on_bytes, context, &facts, base->error);
    return fq_stream_because(storage, result, base->error);
}
