// SPDX-License-Identifier: Apache-2.0
// Records out of a runner's ring are bytes from a process that runs user code: before they go into a request together with
// those of others, each is walked whole. Pure.
#ifndef FQ_WORKER_TELEMETRY_RECORD_H
#define FQ_WORKER_TELEMETRY_RECORD_H

#include "fastqueue/error.h"

#include <stddef.h>
#include <stdint.h>

struct fq_record_facts {
    uint8_t span_id[8]; // of a span
};
/** Whether `bytes` are a record (otel/exporter.h) of this fq_ring_type whose scope, span or log record every receiver can
 *  read: known fields of the right types, lengths that fit, ids of their sizes, UTF-8. 0 or FQ_ECORRUPT. */
FQ_MUST_USE int fq_record_check(uint8_t type, const void *bytes, size_t len,
                                struct fq_record_facts *ret_facts);

#endif
