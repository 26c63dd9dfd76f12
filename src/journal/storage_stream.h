// SPDX-License-Identifier: Apache-2.0
// The log in a replicated stream (stream.h): one message is one batch, byte for byte what a segment would hold. Nothing is written
// to the local disk. Batches and messages are numbered side by side, so that a batch's message is known from its number.
//
// FOUNDING REGISTER: 64 bytes.
//     0  4 magic "FQL1"   4  4 crc of all else   8  2 major  10 2 minor  12 4 zero  16 8 incompatible features
//    24 16 instance uuid  40 24 zero
#ifndef FQ_JOURNAL_STORAGE_STREAM_H
#define FQ_JOURNAL_STORAGE_STREAM_H

#include "base/log.h"
#include "journal/disk.h"
#include "journal/executor.h"
#include "journal/storage.h"
#include "journal/stream.h"

enum { FQ_STREAM_BLOCK = 8 }; // batches are padded to it

struct fq_storage_stream_options {
    fq_uuid instance;          // of a new log; that of an old one is read
    int64_t unanswered_us;     // 1.5 s: submits are refused when a batch has waited so long for an answer
    int64_t retry_us;          // 100 ms: between attempts
    int64_t start_limit_us;    // 30 s: how long start tries to write the first batch
    int64_t (*clock_us)(void); // boot time, for start
    const fq_log *log;         // borrowed; NULL = silent
};

/** Takes the stream and the executor, also on failure. FQ_ECORRUPT, FQ_EVERSION, FQ_EAGAIN (nobody answers), FQ_EIO, FQ_ENOMEM with
 *  `error` filled. */
FQ_MUST_USE int fq_storage_stream_open(fq_stream *stream, fq_executor *executor,
                                       const struct fq_storage_stream_options *options,
                                       fq_storage **ret_storage, char error[FQ_STORAGE_ERROR_MAX]);

/** Reads beside the writer: sees the log up to and with batch `until_batch` (0: as far as it goes). Only read, snapshot,
 *  snapshot_read, stats and close may be called. Takes the stream, also on failure. */
FQ_MUST_USE int fq_storage_stream_open_reader(fq_stream *stream, uint64_t until_batch,
                                              fq_storage **ret_storage, char error[FQ_STORAGE_ERROR_MAX]);
/** Whose log it is, for one that begins with a snapshot: the last thing to be put, for a boot founds what nobody has founded. FQ_EINVALID:
 *  there is one already. FQ_EAGAIN, FQ_EIO with stream->error. */
FQ_MUST_USE int fq_storage_stream_found(fq_stream *stream, const fq_uuid *instance);

/** The disk of its snapshots, to write one beside a reader; the storage's. */
fq_disk *fq_storage_stream_disk(fq_storage *storage);

#endif
