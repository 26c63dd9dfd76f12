// SPDX-License-Identifier: Apache-2.0
#include "journal/replay.h"

#include "base/le.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void fq_replay_init(struct fq_replay *replay, fq_storage *storage) {
    *replay = (struct fq_replay){
        .storage = storage, .chain = {.next_batch_seq = 1, .next_record_seq = 1}
    };
}

void fq_replay_done(struct fq_replay *replay) {
    fq_buf_done(&replay->partial);
}

__attribute__((format(printf, 3, 4))) static int fail(struct fq_replay *replay, int error, const char *format,
                                                      ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(replay->error, sizeof replay->error, format, arguments);
    va_end(arguments);
    return error;
}

// Delivers the whole records at the front of `bytes` and leaves the rest there.
static int deliver_snapshot_records(struct fq_replay *replay, fq_str *bytes) {
    while (bytes->len >= 4) {
        uint32_t len = fq_get_u32(bytes->ptr);
        if (len > FQ_RECORD_MAX)
            return fail(replay, FQ_ECORRUPT,
                        "the snapshot holds a record of %" PRIu32 " bytes; restore a backup", len);
        if (bytes->len - 4 < len)
            return 0;
        int result = replay->on_record(replay->context, (fq_str){bytes->ptr + 4, len});
        if (result < 0)
            return result;
        replay->snapshot_records++;
        bytes->ptr += 4 + (size_t)len;
        bytes->len -= 4 + (size_t)len;
    }
    return 0;
}

// How many bytes the record at the front of `partial` still lacks; 0 = none.
static size_t missing_bytes(const fq_buf *partial) {
    fq_str have = fq_buf_str(partial);
    if (have.len < 4)
        return 4 - have.len;
    size_t whole = 4 + (size_t)fq_get_u32(have.ptr);
    return whole > have.len ? whole - have.len : 0;
}

static int on_snapshot_bytes(void *context, fq_str bytes) {
    struct fq_replay *replay = context;
    fq_buf *partial = &replay->partial;
    // Completes the record that the last piece left open with just the bytes it lacks, then goes on in place.
    while (fq_buf_len(partial) > 0 && bytes.len > 0) {
        size_t take = missing_bytes(partial);
        if (take > bytes.len)
            take = bytes.len;
        if (fq_buf_append(partial, bytes.ptr, take) != 0)
            return fail(replay, FQ_ENOMEM, "out of memory while reading the snapshot");
        bytes.ptr += take;
        bytes.len -= take;
        fq_str whole = fq_buf_str(partial);
        int result = deliver_snapshot_records(replay, &whole); // nothing yet, unless its length is none
        if (result < 0)
            return result;
        if (whole.len == 0)
            fq_buf_clear(partial);
    }
    int result = deliver_snapshot_records(replay, &bytes);
    if (result < 0)
        return result;
    if (bytes.len > 0 && fq_buf_append(partial, bytes.ptr, bytes.len) != 0)
        return fail(replay, FQ_ENOMEM, "out of memory while reading the snapshot");
    return 0;
}

static int replay_snapshot(struct fq_replay *replay, const struct fq_storage_snapshot *snapshot) {
    fq_storage *storage = replay->storage;
    replay->chain = (struct fq_batch_chain){.next_batch_seq = snapshot->batch_seq + 1,
                                            .next_record_seq = snapshot->last_record_seq + 1,
                                            .prev_crc = snapshot->last_batch_crc,
                                            .boot_epoch = snapshot->boot_epoch};
    replay->last_seq = snapshot->last_record_seq;
    uint64_t promised = snapshot->record_count;
    storage->error[0] = '\0';
    int result = storage->ops->snapshot_read(storage, on_snapshot_bytes, replay);
    if (result < 0)
        return result;
    if (fq_buf_len(&replay->partial) > 0 || replay->snapshot_records != promised)
        return fail(replay, FQ_ECORRUPT,
                    "the snapshot promises %" PRIu64 " records and holds %" PRIu64 "; restore a backup",
                    promised, replay->snapshot_records);
    return 0;
}

static int on_batch(void *context, const struct fq_storage_batch *batch) {
    struct fq_replay *replay = context;
    struct fq_batch_header header;
    if (batch->bytes.len < FQ_BATCH_HEADER ||
        fq_batch_decode(&replay->storage->instance, batch->bytes.ptr, &header) != FQ_BATCH_OK ||
        batch->bytes.len - FQ_BATCH_HEADER < header.body_len)
        return fail(replay, FQ_ECORRUPT, "batch %" PRIu64 " is not a batch of this journal; restore a backup",
                    batch->batch_seq);
    const char *broken = fq_batch_chain_break(&replay->chain, &header);
    if (broken != NULL)
        return fail(replay, FQ_ECORRUPT,
                    "batch %" PRIu64 " breaks the chain: %s; files of another time or machine "
                    "were mixed in, restore a whole backup",
                    header.batch_seq, broken);
    fq_str body = {batch->bytes.ptr + FQ_BATCH_HEADER, header.body_len};
    fq_str record, next = {0};
    bool is_whole = header.record_count > 0 && fq_record_decode(&body, header.first_record_seq, &record) == 0;
    for (uint32_t i = 0; i < header.record_count; i++) {
        uint64_t seq = header.first_record_seq + i;
        if (!is_whole)
            return fail(replay, FQ_ECORRUPT,
                        "record %" PRIu64 " in batch %" PRIu64 " is damaged though its batch is "
                        "whole: it was written so; restore a backup and report this",
                        seq, header.batch_seq);
        is_whole = i + 1 < header.record_count && fq_record_decode(&body, seq + 1, &next) == 0;
        if (is_whole && replay->expect != NULL)
            replay->expect(replay->context, next);
        replay->last_seq = seq;
        int result = replay->on_record(replay->context, record);
        if (result < 0)
            return result;
        record = next;
    }
    if (body.len > 0)
        return fail(replay, FQ_ECORRUPT,
                    "batch %" PRIu64 " has %zu bytes behind its last record; restore a backup",
                    header.batch_seq, body.len);
    fq_batch_chain_advance(&replay->chain, &header);
    return 0;
}

static void begin(struct fq_replay *replay, int (*on_record)(void *context, fq_str record), void *context) {
    replay->on_record = on_record;
    replay->context = context;
    replay->error[0] = '\0';
}

static int end(struct fq_replay *replay, int result) {
    if (result >= 0)
        replay->last_seq = replay->chain.next_record_seq - 1;
    else if (replay->error[0] == '\0')
        snprintf(replay->error, sizeof replay->error, "%s", replay->storage->error);
    return result < 0 ? result : 0;
}

static int replay_log(struct fq_replay *replay) {
    fq_storage *storage = replay->storage;
    storage->error[0] = '\0';
    return storage->ops->read(storage, replay->chain.next_batch_seq, on_batch, replay);
}

int fq_replay_run(struct fq_replay *replay, int (*on_record)(void *context, fq_str record), void *context) {
    begin(replay, on_record, context);
    const struct fq_storage_snapshot *snapshot = replay->storage->ops->snapshot(replay->storage);
    int result = snapshot != NULL ? replay_snapshot(replay, snapshot) : 0;
    if (result >= 0)
        result = replay_log(replay);
    fq_buf_done(&replay->partial);
    return end(replay, result);
}

int fq_replay_more(struct fq_replay *replay, int (*on_record)(void *context, fq_str record), void *context) {
    begin(replay, on_record, context);
    return end(replay, replay_log(replay));
}
