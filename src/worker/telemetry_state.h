// SPDX-License-Identifier: Apache-2.0
// What is inside the supervisor's telemetry; shared by telemetry_supervisor.c, _lost.c and _backlog.c only.
#ifndef FQ_WORKER_TELEMETRY_STATE_H
#define FQ_WORKER_TELEMETRY_STATE_H

#include "net/address.h"
#include "worker/telemetry_supervisor.h"

// Records one behind the other, each with its length and type in front.
struct fq_backlog {
    unsigned char *bytes;
    size_t begin, len, capacity;
};

struct fq_worker_telemetry {
    const fq_log *log;
    struct fq_telemetry_settings settings;
    otel_sdk *sdk;
    char *worker_id;
    struct fq_execute_place place;
    char server_address[FQ_ADDRESS_HOST_MAX + 1];
    otel_logger *logger; // of what tasks print; NULL = not exported
    otel_instrument *lost_records;
    uint64_t dropped, skipped, malformed;
    struct fq_backlog backlog;
    int64_t told_us; // when losses were last spoken of; 0 = never
    unsigned char record[FQ_RING_RECORD_MAX];
};

/** Exports a record that was checked, now or when there is room. False if it is lost: too much waits already. */
bool fq_backlog_put(struct fq_worker_telemetry *telemetry, uint32_t type, const void *record, size_t len);
/** Exports what there is room for. True if nothing waits. */
bool fq_backlog_drain(struct fq_worker_telemetry *telemetry);
/** As above, waiting for room at most `timeout_ms`; forgets the rest. Returns what is left of the time. */
int64_t fq_backlog_finish(struct fq_worker_telemetry *telemetry, int64_t timeout_ms);

#endif
