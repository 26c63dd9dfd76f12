// SPDX-License-Identifier: Apache-2.0
// What the two halves of the JetStream log share: opening (stream_nats_open.c) and its calls (stream_nats.c).
#ifndef FQ_JOURNAL_STREAM_NATS_STATE_H
#define FQ_JOURNAL_STREAM_NATS_STATE_H

#include "journal/stream_nats.h"

#include <nats/nats.h>

enum { FQ_NATS_SUBJECT_MAX = 128 };

struct fq_nats {
    fq_stream base;
    struct fq_stream_nats_options options;
    natsConnection *connection;
    jsCtx *js;
    char name[FQ_STREAM_NAME_MAX];
};

extern const struct fq_stream_ops fq_nats_ops;

/** 0, or the error that stands for `status` and `code`, told in `base.error` as having happened to `what`. */
FQ_MUST_USE int fq_nats_told(struct fq_nats *nats, const char *what, natsStatus status, jsErrCode code);
void fq_nats_stream_name(const struct fq_nats *nats, enum fq_stream_part part,
                         char text[FQ_NATS_SUBJECT_MAX]);
void fq_nats_subject(const struct fq_nats *nats, enum fq_stream_part part, char text[FQ_NATS_SUBJECT_MAX]);

#endif
