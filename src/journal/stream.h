// SPDX-License-Identifier: Apache-2.0
// A replicated log that others run: messages numbered from 1 without holes, which only who names the last number may extend
// (the fence), in two parts; and registers, each replaced only by who names its revision. The real one is a NATS JetStream
// stream (stream_nats.h), tests and the simulator give their own.
//
// Calls block and may come from any one thread at a time; none waits longer than some seconds. A failure leaves a sentence in
// `error`. What they have in common:
//   FQ_EAGAIN   nobody answered, or there is no quorum: what was asked may or may not have happened
//   FQ_ELOCKED  somebody else was first: nothing has happened
//   FQ_EFULL    the log's servers have no room: nothing has happened
//   FQ_EIO      any other refusal, final
#ifndef FQ_JOURNAL_STREAM_H
#define FQ_JOURNAL_STREAM_H

#include "base/buf.h"
#include "base/str.h"
#include "fastqueue/error.h"

#include <stdint.h>

enum fq_stream_part {
    FQ_STREAM_LOG,       // a message is a batch
    FQ_STREAM_SNAPSHOTS, // a message is a piece of a snapshot (snapshot_stream.h)
    FQ_STREAM_PARTS
};

enum fq_stream_register {
    FQ_STREAM_FOUNDING, // whose log this is
    FQ_STREAM_SNAPSHOT, // where the installed snapshot lies
    FQ_STREAM_LEADER,   // who writes; to avoid fights only: the fence is what keeps the log whole
    FQ_STREAM_SHARDS,   // which logs share a queue (base/shard_map.h); one register for all of them
    FQ_STREAM_REGISTERS
};

enum { FQ_STREAM_ERROR_MAX = 512, FQ_STREAM_REGISTER_MAX = 512 };

struct fq_stream_facts {
    uint64_t first_seq,
        last_seq; // first_seq > last_seq: there are no messages; last_seq is the fence all the same
    uint64_t bytes, bytes_max; // UINT64_MAX: no limit is known
};

typedef struct fq_stream fq_stream;

struct fq_stream_ops {
    int (*facts)(fq_stream *stream, enum fq_stream_part part, struct fq_stream_facts *ret_facts);
    /** Becomes message `last_seq` + 1 if `last_seq` is the last one: FQ_ELOCKED if not. FQ_ETOOBIG beyond message_bytes_max. */
    int (*publish)(fq_stream *stream, enum fq_stream_part part, uint64_t last_seq, fq_str bytes);
    /** Messages `from` to `to` in order. FQ_ECORRUPT: one of them is not there.
     *  `on_message` returns 0 or an error that ends the reading. */
    int (*read)(fq_stream *stream, enum fq_stream_part part, uint64_t from, uint64_t to,
                int (*on_message)(void *context, uint64_t seq, fq_str bytes), void *context);
    /** Removes the messages below `seq`. */
    int (*purge)(fq_stream *stream, enum fq_stream_part part, uint64_t seq);
    /** `ret_revision` 0: it was never put. */
    int (*get)(fq_stream *stream, enum fq_stream_register which, fq_buf *ret_value, uint64_t *ret_revision);
    /** Replaces revision `revision` (0: the first): FQ_ELOCKED if it is another's. */
    int (*put)(fq_stream *stream, enum fq_stream_register which, fq_str value, uint64_t revision,
               uint64_t *ret_revision);
    fq_stream *(*close)(fq_stream *stream);
};

struct fq_stream {
    const struct fq_stream_ops *ops;
    uint32_t message_bytes_max;
    char error[FQ_STREAM_ERROR_MAX];
};

/** Publishes, and finds out what became of it where that can be known: 0 also if `bytes` had become message `last_seq` + 1 before.
 *  FQ_EAGAIN: it is still not known, and to be called again with the same. FQ_ELOCKED: another message stands there.
 *  FQ_ECORRUPT: the log has lost messages up to `last_seq`. Other errors as for publish. */
FQ_MUST_USE int fq_stream_extend(fq_stream *stream, enum fq_stream_part part, uint64_t last_seq,
                                 fq_str bytes);

#endif
