// SPDX-License-Identifier: Apache-2.0
// What came of a task, as bytes in the outbox and as a request on the wire. The runner writes it; whoever reports the
// task (runner or supervisor) reads it. Decoding checks every length: the bytes may come from a broken process.
//
//   u8  flags (1 ok, 2 no retry)     u8  length of traceparent     u16 length of encoding (ok) or error type
//   u32 length of result or message  u32 length of stack           u32 declared retries
//   i64 started, unix ms             i64 run time, us              i64 declared backoff, ms; then the bytes in this order:
//   encoding or type, result or message, stack, traceparent
#ifndef FQ_WORKER_OUTCOME_H
#define FQ_WORKER_OUTCOME_H

#include "base/uuid.h"
#include "fastqueue/session.h"
#include "worker/runner.h"

struct fq_report {
    struct fq_runner_outcome outcome;
    int64_t started_ms; // unix; 0 = unknown
    int64_t run_us;     // -1 = unknown
    bool crash;         // FAIL only: the process died; never encoded
};

/** Bytes that the encoding needs. Over-long type, encoding or traceparent are cut. */
size_t fq_report_size(const struct fq_report *report);
/** Writes fq_report_size() bytes. */
void fq_report_encode(const struct fq_report *report, unsigned char *out);
/** Slices borrow from `bytes`. 0 or FQ_ECORRUPT. */
FQ_MUST_USE int fq_report_decode(const unsigned char *bytes, size_t len, struct fq_report *ret_report);

/** Queues FQ.COMPLETE or FQ.FAIL; the answer comes as a REPLY event with `tag`. */
FQ_MUST_USE int fq_report_send(fq_session *session, const fq_uuid *id, uint64_t token,
                               const struct fq_report *report, uint64_t tag);
/** Queues FQ.RELEASE. */
int fq_release_send(fq_session *session, const fq_uuid *id, uint64_t token, uint64_t tag);

#endif
