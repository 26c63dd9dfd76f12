// SPDX-License-Identifier: Apache-2.0
// What the halves of the storage in a stream share: opening and founding (storage_stream.c), reading (storage_stream_read.c), writing
// and installing (storage_stream_write.c).
#ifndef FQ_JOURNAL_STORAGE_STREAM_STATE_H
#define FQ_JOURNAL_STORAGE_STREAM_STATE_H

#include "base/time.h"
#include "journal/snapshot_stream.h"
#include "journal/storage_stream.h"

#include <stdatomic.h>

enum fq_stream_write { FQ_STREAM_APPEND, FQ_STREAM_FLUSH, FQ_STREAM_SEAL };

// A piece of work on the executor. Its fields belong to the executor from submit until `done` is seen, else to the owner.
struct fq_stream_job {
    atomic_bool done;
    bool busy;
    int result;
    char error[FQ_STORAGE_ERROR_MAX];
};

struct fq_stream_storage {
    fq_storage base;
    fq_stream *stream;
    fq_executor *executor; // NULL: reader
    struct fq_storage_stream_options options;
    uint64_t until_batch; // reader: 0 = no end
    fq_disk *snapshots;
    struct fq_snapshot_place place;
    struct fq_storage_snapshot snapshot; // batch_seq 0 = none
    struct fq_storage_stats stats;

    uint64_t last_seq; // of the log: the fence; the executor's after start
    uint64_t ahead;    // a batch's message is its number plus this, modulo 2^64
    bool knows_ahead;  // from a message or a snapshot
    struct fq_stream_facts facts;

    struct fq_stream_job write;
    enum fq_stream_write write_kind;
    struct fq_storage_batch batch;
    uint64_t last_batch_seq;
    void (*on_durable)(void *context, int result);
    void (*on_sealed)(void *context, int result, uint64_t last_batch_seq);
    void *write_context;
    int64_t now_us, write_since_us, retry_at_us; // boot; retry_at_us FQ_NEVER_US: no attempt is waiting
    bool is_unanswered, is_full;

    struct fq_stream_job install;
    uint64_t install_batch_seq;
    struct fq_snapshot_place install_place;
    struct fq_storage_snapshot installed;
    void (*on_installed)(void *context, int result);
    void *install_context;
};

/** `what`, and what the stream said of it. */
void fq_stream_explain(struct fq_stream_storage *storage, char error[FQ_STORAGE_ERROR_MAX], const char *what);
/** What code that knows only disks made of a failure, said in the stream's terms. */
FQ_MUST_USE int fq_stream_because(struct fq_stream_storage *storage, int result,
                                  char error[FQ_STORAGE_ERROR_MAX]);

int fq_stream_read(fq_storage *base, uint64_t from_batch_seq,
                   int (*on_batch)(void *context, const struct fq_storage_batch *batch), void *context);
const struct fq_storage_snapshot *fq_stream_snapshot(const fq_storage *base);
int fq_stream_snapshot_read(fq_storage *base, int (*on_bytes)(void *context, fq_str bytes), void *context);

int fq_stream_start(fq_storage *base, const struct fq_storage_batch *first, uint32_t boot_epoch);
int fq_stream_append(fq_storage *base, const struct fq_storage_batch *batch, bool sync,
                     void (*on_durable)(void *context, int result), void *context);
int fq_stream_flush(fq_storage *base, void (*on_durable)(void *context, int result), void *context);
int fq_stream_seal(fq_storage *base, void (*on_sealed)(void *context, int result, uint64_t last_batch_seq),
                   void *context);
int fq_stream_install(fq_storage *base, uint64_t batch_seq, void (*on_installed)(void *context, int result),
                      void *context);
void fq_stream_poll(fq_storage *base, int64_t boot_us);

#endif
