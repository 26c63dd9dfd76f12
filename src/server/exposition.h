// SPDX-License-Identifier: Apache-2.0
// The page /metrics: the queue's figures from the engine's state and the counted transitions, those of journal, connections
// and process beside them.
#ifndef FQ_SERVER_EXPOSITION_H
#define FQ_SERVER_EXPOSITION_H

#include "otel/exporters/prometheus_text.h"
#include "otel/sdk.h"
#include "server/core.h"
#include "server/metrics.h"
#include "server/transport.h"

struct fq_process_figures {
    double cpu_s, start_time_s;
    uint64_t resident_bytes, open_files, open_files_max;
};

struct fq_exposition {
    fq_core *core;
    const fq_metrics *metrics;
    const fq_transports *transports; // NULL = none
    const otel_sdk *telemetry;       // NULL = off
    const char *server_id;           // worker_id of the queue's own series
    struct fq_process_figures process;
};

/** Appends the page to `out`. 0, FQ_ENOMEM or FQ_ETOOBIG. */
FQ_MUST_USE int fq_exposition_write(const struct fq_exposition *exposition, struct fq_now now,
                                    enum otel_prometheus_format format, fq_buf *out);

#endif
