// SPDX-License-Identifier: Apache-2.0
// What the two halves of the JetStream log share: opening (stream_nats_open.c) and its calls (stream_nats.c).
#ifndef FQ_JOURNAL_STREAM_NATS_STATE_H
#define FQ_JOURNAL_STREAM_NATS_STATE_H

#include "journal/stream_nats.h"

#include <nats/nats.h>

enum { FQ_NATS_SUBJECT_MAX = 128, FQ_NATS_RETIRED_MAX = 64, FQ_NATS_URLS_MAX = 1024 };

// What the address names, in its order.
struct fq_nats_servers {
    char text[FQ_NATS_URLS_MAX];
    char urls[FQ_STREAM_SERVERS_MAX][FQ_NATS_URLS_MAX / 4];
    int count;
};

enum fq_nats_kind { FQ_NATS_READ, FQ_NATS_WRITE, FQ_NATS_KINDS };

struct fq_nats {
    fq_stream base;
    struct fq_stream_nats_options options;
    natsConnection *connection;
    jsCtx *js;
    natsSubscription *tail;                         // of the log, kept; NULL = none
    uint64_t tail_seq;                              // which it gives next
    natsSubscription *retired[FQ_NATS_RETIRED_MAX]; // whose end nobody has confirmed
    size_t retired_count;
    struct fq_nats_servers servers;
    enum fq_nats_kind kind; // of the call that is made
    int64_t call_ms;        // when it began
    // When the first one began that had no answer since the last that had; 0 = all had.
    int64_t unanswered_ms[FQ_NATS_KINDS];
    char cluster[FQ_STREAM_NAME_MAX]; // what the URL names
    char name[FQ_STREAM_NAME_MAX];    // of this log: the same, or with the shard's number behind
};

extern const struct fq_stream_ops fq_nats_ops;

/** Each call begins with it. A server that was cut off from its fellows keeps its clients and answers none of them, for as long as that
 *  lasts: after calls without an answer for some time the connection goes to another one. */
void fq_nats_begin(struct fq_nats *nats, enum fq_nats_kind kind);
/** 0, or the error that stands for `status` and `code`, told in `base.error` as having happened to `what`. */
FQ_MUST_USE int fq_nats_told(struct fq_nats *nats, const char *what, natsStatus status, jsErrCode code);
/** fq_stream_ops.read, in stream_nats_read.c. */
FQ_MUST_USE int fq_nats_read(fq_stream *stream, enum fq_stream_part part, uint64_t from, uint64_t to,
                             int (*on_message)(void *context, uint64_t seq, fq_str bytes), void *context);
/** Ends the connection and all that hangs on it; none is fine. */
void fq_nats_disconnect(struct fq_nats *nats);
/** Ends the kept subscription; none is fine. */
void fq_nats_end_tail(struct fq_nats *nats);
void fq_nats_stream_name(const struct fq_nats *nats, enum fq_stream_part part,
                         char text[FQ_NATS_SUBJECT_MAX]);
void fq_nats_subject(const struct fq_nats *nats, enum fq_stream_part part, char text[FQ_NATS_SUBJECT_MAX]);

#endif
