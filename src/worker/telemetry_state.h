// SPDX-License-Identifier: Apache-2.0
// What is inside the supervisor's telemetry; shared by telemetry_supervisor.c, _lost.c and _output.c only.
#ifndef FQ_WORKER_TELEMETRY_STATE_H
#define FQ_WORKER_TELEMETRY_STATE_H

#include "net/address.h"
#include "worker/telemetry_supervisor.h"

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
    int64_t told_us; // when losses were last spoken of; 0 = never
    unsigned char record[FQ_RING_RECORD_MAX];
};

#endif
