// SPDX-License-Identifier: Apache-2.0
// The provider and its tracers from the inside.
#ifndef OTEL_TRACE_TRACER_H
#define OTEL_TRACE_TRACER_H

#include "otel/pool.h"
#include "otel/trace/lane.h"
#include "otel/trace/provider.h"

enum { OTEL_SPAN_PROCESSORS_MAX = 16, OTEL_SPAN_SINKS_MAX = 8 };

// Lists that only grow while the provider lives: an element is whole before the count says so.
struct otel_tracer_provider {
    struct otel_runtime runtime;
    otel_sampler *sampler;
    struct otel_limits limits;
    uint32_t generation; // counts forks
    atomic_bool is_shut_down;
    atomic_bool has_told_drops; // a span lost something
    atomic_uint cautioned;      // enum otel_sampling_caution: said already
    atomic_uint sink_count, processor_count;
    struct otel_sink sinks[OTEL_SPAN_SINKS_MAX];
    struct otel_span_processor processors[OTEL_SPAN_PROCESSORS_MAX];
    struct otel_lanes lanes;
    pthread_mutex_t mutex; // of what follows
    struct otel_pool memory;
    otel_tracer *tracers;
    int (*flush)(void *context, int64_t timeout_ms);
    void *flush_context;
    struct otel_exception_hook exceptions;
};

struct otel_tracer {
    otel_tracer_provider *provider;
    struct otel_scope_info scope; // in the provider's memory
    uint8_t *prefix;              // of each record: both lengths, scope, schema URL
    uint32_t prefix_len;
    uint32_t content_max; // bytes that a span may hold so that its record is not too big
    otel_tracer *next;
};

#endif
