// SPDX-License-Identifier: Apache-2.0
// The tracer provider: one configuration for all of its tracers.
#ifndef OTEL_TRACE_PROVIDER_H
#define OTEL_TRACE_PROVIDER_H

#include "otel/exporter.h"
#include "otel/limits.h"
#include "otel/runtime.h"

// Exceptions as something else than events of spans: OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN. Called for spans that record, in
// their thread; attributes hold exception.type, .message, .stacktrace (empty values for what is missing), then the caller's.
struct otel_exception_hook {
    void (*emit)(void *context, const struct otel_scope_info *scope, const struct otel_span_context *span,
                 const struct otel_attribute *attributes, size_t count);
    void *context;
    bool instead; // of the event
};

struct otel_tracer_provider_options {
    const struct otel_runtime *runtime; // borrowed for the provider's life
    otel_sampler *sampler;              // taken over; NULL = parent-based always on
    struct otel_limits limits;
    // Where encoded spans go: any number; not owned (the SDK owns its batches).
    const struct otel_sink *sinks;
    size_t sink_count;
    const struct otel_span_processor *processors; // taken over
    size_t processor_count;
    struct otel_exception_hook exceptions; // emit NULL = none
};
otel_tracer_provider *otel_tracer_provider_new(const struct otel_tracer_provider_options *options);
otel_tracer_provider *otel_tracer_provider_free(otel_tracer_provider *provider);
/** While it runs. */
int otel_tracer_provider_add_processor(otel_tracer_provider *provider, struct otel_span_processor processor);
int otel_tracer_provider_add_sink(otel_tracer_provider *provider, struct otel_sink sink);

struct otel_tracer_stats {  // counters of otel.sdk.span.*
    uint64_t started[3][3]; // parent none, local, remote; decision DROP, RECORD_ONLY, RECORD_AND_SAMPLE
    int64_t live[3];        // by decision
};
void otel_tracer_provider_stats(const otel_tracer_provider *provider, struct otel_tracer_stats *ret_stats);
// The SDK flushes its batches itself; these only reach processors. Fork as in pipeline/batch.h.
void otel_tracer_provider_fork_prepare(otel_tracer_provider *provider);
void otel_tracer_provider_fork_parent(otel_tracer_provider *provider);
void otel_tracer_provider_fork_child(otel_tracer_provider *provider);
/** Called by otel_tracer_provider_flush/_shutdown behind the processors: the SDK's batches. */
void otel_tracer_provider_on_flush(otel_tracer_provider *provider,
                                   int (*flush)(void *context, int64_t timeout_ms), void *context);

#endif
