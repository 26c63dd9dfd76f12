// SPDX-License-Identifier: Apache-2.0
// A replicated log on NATS JetStream, over libnats. For the journal NAME there are, made when they are missing:
//   stream FQ_LOG_<NAME>     subject fq.log.<NAME>         the log, kept for ever, without deletion of single messages
//   stream FQ_SNAP_<NAME>    subject fq.snap.<NAME>        pieces of snapshots
//   bucket FQ_<NAME>         founding, snapshot, leader    the registers
// Of shard N of NAME these are called <NAME>-N, and beside them there is, once for all shards:
//   bucket FQ_<NAME>         shards                        their map
// with as many replicas as there are servers, at most three.
#ifndef FQ_JOURNAL_STREAM_NATS_H
#define FQ_JOURNAL_STREAM_NATS_H

#include "journal/stream.h"

#include <stdbool.h>

enum { FQ_STREAM_NAME_MAX = 64, FQ_STREAM_SERVERS_MAX = 16 };

struct fq_stream_nats_options {
    int64_t answer_ms; // 2,000: how long one call waits for an answer
    uint32_t replicas; // 0: one for each server that is named, at most three
    bool make;         // what is missing
    int32_t shard;     // -1: not a shard
    bool map_only;     // only the register of shards is to be read and put
    const char
        *credentials_file; // NULL = none; NATS credentials (.creds), or one line: USER:PASSWORD or a token
    const char *ca_file;   // NULL = no TLS; what the servers' certificates are checked against
};

void fq_stream_nats_options_init(struct fq_stream_nats_options *options);

/** Whether `url` names a journal of this kind: nats://host:port[,host:port...]/NAME. */
bool fq_stream_nats_is_url(fq_str url);

/** Connects. FQ_EINVALID (the URL, which takes no secrets), FQ_EAGAIN (nobody answers), FQ_EIO with `error` filled. */
FQ_MUST_USE int fq_stream_nats_open(const char *url, const struct fq_stream_nats_options *options,
                                    fq_stream **ret_stream, char error[FQ_STREAM_ERROR_MAX]);

#endif
