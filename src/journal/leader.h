// SPDX-License-Identifier: Apache-2.0
// Who writes a replicated log, as its register says: so that control planes do not fight, and clients are sent to the right one. What
// keeps the log whole is the fence; whoever reads this may be told of a leader that is none any more.
//
// REGISTER (FQ_STREAM_LEADER), one line of text: "FQA1 active|left BEAT ADDRESS ID". The beat counts up while the leader lives.
#ifndef FQ_JOURNAL_LEADER_H
#define FQ_JOURNAL_LEADER_H

#include "journal/stream.h"

#include <stdbool.h>

enum { FQ_LEADER_ADDRESS_MAX = 256, FQ_LEADER_ID_MAX = 128 };

struct fq_leader {
    bool is_active; // false: it said that it left, or there never was one
    uint64_t beat;
    char address[FQ_LEADER_ADDRESS_MAX]; // where clients reach it: host:port; "" where there never was one
    char id[FQ_LEADER_ID_MAX];
    uint64_t revision; // of the register; 0 = never put
};

/** FQ_EAGAIN, FQ_EIO with stream->error. A register that cannot be read as one counts as a leader that left. */
FQ_MUST_USE int fq_leader_get(fq_stream *stream, struct fq_leader *ret_leader);
/** Puts `leader` in place of revision leader->revision, which becomes the new one. FQ_ELOCKED: somebody else was first. An answer that got lost
 *  is looked after: FQ_EAGAIN means that it is not known. */
FQ_MUST_USE int fq_leader_put(fq_stream *stream, struct fq_leader *leader);

#endif
