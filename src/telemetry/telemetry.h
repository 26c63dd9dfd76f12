// SPDX-License-Identifier: Apache-2.0
// FastQueue's own use of the SDK: what its variables say, and an SDK opened with its defaults (service name `fastqueue`, OTLP
// over gRPC, keys of vendors as headers for their hosts only). Server, client, worker and command line build on it; engine,
// journal and wire do not know it.
#ifndef FQ_TELEMETRY_TELEMETRY_H
#define FQ_TELEMETRY_TELEMETRY_H

#include "base/log.h"
#include "otel/sdk.h"

// How the span of an attempt hangs on the one that submitted the task. AUTO: child and link; link only (a root of its own)
// for batches and for what waited longer than `link_after_ms`.
enum fq_trace_propagation { FQ_TRACE_AUTO, FQ_TRACE_PARENT, FQ_TRACE_LINK, FQ_TRACE_BOTH };

struct fq_telemetry_settings {
    bool enabled;                          // FASTQUEUE_TELEMETRY_ENABLED; false
    int64_t exit_timeout_ms;               // FASTQUEUE_TELEMETRY_EXIT_TIMEOUT (seconds, decimal); 1 s
    enum fq_trace_propagation propagation; // FASTQUEUE_TRACE_PROPAGATION; auto
    int64_t link_after_ms;                 // FASTQUEUE_TRACE_LINK_AFTER (seconds, decimal); 300 s
    size_t cardinality_limit;              // FASTQUEUE_METRICS_CARDINALITY_LIMIT; 2,000
};
/** Reads the variables; what makes no sense is warned of in `log` (NULL = nowhere) and stays at its default. `variable` NULL =
 *  the process's environment. */
void fq_telemetry_settings_read(struct fq_telemetry_settings *settings,
                                const char *(*variable)(void *context, const char *name), void *context,
                                const fq_log *log);

struct fq_telemetry_options {
    const char *(*variable)(void *context, const char *name); // NULL = the process's environment
    void *variable_context;
    const fq_log *log;            // diagnostics; lives as long as the SDK; NULL = stderr
    const char *instance_note;    // worker id or the like, kept as resource attribute worker.id; NULL = none
    const char *instance_id;      // service.instance.id unless variables name one; NULL = of this process
    const struct otel_sink *sink; // as in otel_sdk_options
    void *metric_area;
    size_t metric_area_len;
    const struct otel_metric_producer *producers;
    size_t producer_count;
};
/** NULL when telemetry is off (settings->enabled) or memory is out; then all otel_ functions do nothing. */
otel_sdk *fq_telemetry_open(const struct fq_telemetry_settings *settings,
                            const struct fq_telemetry_options *options);

// Scope under which FastQueue's own spans, metrics and records stand.
#define FQ_TELEMETRY_SCOPE "fastqueue"

#endif
