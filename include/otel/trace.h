// SPDX-License-Identifier: Apache-2.0
/**
 * Tracing.
 *
 *     otel_span *span = otel_span_start(tracer, "charge card", NULL);
 *     struct otel_scope scope;
 *     otel_scope_enter_span(&scope, span);
 *     …                                   spans started here are its children
 *     otel_scope_leave(&scope);
 *     otel_span_end(span);
 *
 * or, for a block: OTEL_SPAN_SCOPE(tracer, "charge card") { … }.
 *
 * Give attributes that are known when the span starts with its options: only those are seen by samplers. A span is used by
 * any thread; all of its functions are safe to be called by several at once. NULL spans and tracers are fine everywhere: they
 * do nothing, so that a program need not ask whether telemetry is on.
 */
#ifndef OTEL_TRACE_H
#define OTEL_TRACE_H

#include "otel/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct otel_tracer_provider otel_tracer_provider;
typedef struct otel_tracer otel_tracer;
typedef struct otel_span otel_span;

enum otel_span_kind {
    OTEL_SPAN_INTERNAL = 1,
    OTEL_SPAN_SERVER,
    OTEL_SPAN_CLIENT,
    OTEL_SPAN_PRODUCER,
    OTEL_SPAN_CONSUMER,
};
enum otel_status { OTEL_STATUS_UNSET, OTEL_STATUS_OK, OTEL_STATUS_ERROR };

struct otel_link {
    struct otel_span_context context;
    const char *tracestate; /* NULL = none */
    const struct otel_attribute *attributes;
    size_t attribute_count;
};

/* Zero is a good start: INTERNAL, child of what is current, now. */
struct otel_span_options {
    enum otel_span_kind kind;               /* 0 = OTEL_SPAN_INTERNAL */
    bool root;                              /* no parent, whatever is current */
    const struct otel_span_context *parent; /* instead of what is current */
    const char *parent_tracestate;          /* with `parent`; NULL = none */
    const otel_context *context;            /* instead of what is current; `parent` wins over its span */
    int64_t start_unix_ns;                  /* 0 = now */
    const struct otel_attribute *attributes;
    size_t attribute_count;
    const struct otel_link *links;
    size_t link_count;
};

/** Of the provider; the same scope gives the same tracer. Lives as long as the provider. NULL provider: NULL. */
OTEL_API otel_tracer *otel_tracer_get(otel_tracer_provider *provider, const struct otel_scope_info *scope);
/** False when every span would be dropped: telemetry off, provider shut down. */
OTEL_API bool otel_tracer_enabled(const otel_tracer *tracer);

/**
 * Starts a span. Never NULL with a provider at work: a span that is not sampled carries its identity on. With a NULL tracer
 * and a valid parent it is a non-recording span with the parent's identity; with neither, NULL.
 * `options` NULL = all default. The caller has one reference, which otel_span_end takes back.
 */
OTEL_API otel_span *otel_span_start(otel_tracer *tracer, const char *name,
                                    const struct otel_span_options *options);
/** Ends the span now and gives the caller's reference back; the first end counts. */
OTEL_API void otel_span_end(otel_span *span);
OTEL_API void otel_span_end_at(otel_span *span, int64_t end_unix_ns);
/** Another reference, for those who use it behind its end: then it records nothing and keeps its identity. */
OTEL_API otel_span *otel_span_retain(otel_span *span);
OTEL_API void otel_span_release(otel_span *span);

/** Zeroed context for NULL. */
OTEL_API struct otel_span_context otel_span_context_of(const otel_span *span);
/** W3C text, "" if none; borrowed from the span. */
OTEL_API const char *otel_span_tracestate(const otel_span *span, size_t *ret_len);
/** True between start and end of a span that somebody will see. Costly attributes may be spared otherwise. */
OTEL_API bool otel_span_is_recording(const otel_span *span);

OTEL_API void otel_span_set_attribute(otel_span *span, struct otel_attribute attribute);
OTEL_API void otel_span_set_attributes(otel_span *span, const struct otel_attribute *attributes,
                                       size_t count);
/** `unix_ns` 0 = now. */
OTEL_API void otel_span_add_event(otel_span *span, const char *name, int64_t unix_ns,
                                  const struct otel_attribute *attributes, size_t count);
OTEL_API void otel_span_add_link(otel_span *span, const struct otel_link *link);
/** Unset < Error < Ok; Ok is final. The description is kept with Error only; NULL = none. */
OTEL_API void otel_span_set_status(otel_span *span, enum otel_status status, const char *description);
OTEL_API void otel_span_update_name(otel_span *span, const char *name);
/** An event `exception` with exception.type, .message, .stacktrace (each may be NULL); attributes given here win. It does
 *  not set the status. */
OTEL_API void otel_span_record_exception(otel_span *span, const char *type, const char *message,
                                         const char *stacktrace, const struct otel_attribute *attributes,
                                         size_t count);

/* A block inside a span of its own that is current in it: one statement, left by falling out of it, break or return. */
struct otel_span_block {
    otel_span *span; /* of the block; for attributes: otel_span_current() */
    struct otel_scope scope;
    bool once;
};
OTEL_API struct otel_span_block *otel_span_block_enter(struct otel_span_block *block, otel_span *span);
OTEL_API void otel_span_block_leave(struct otel_span_block *block);
#define OTEL_SPAN_SCOPE(tracer, name)                                                                        \
    for (struct otel_span_block otel_block_                                                                  \
         __attribute__((cleanup(otel_span_block_leave))) = {0},                                              \
         *otel_in_ = otel_span_block_enter(&otel_block_, otel_span_start((tracer), (name), 0));              \
         otel_in_->once; otel_in_->once = false)

/** All spans ended so far are with their exporters, or the time is over: OTEL_OK, OTEL_FAILED, OTEL_TIMEOUT. */
OTEL_API int otel_tracer_provider_flush(otel_tracer_provider *provider, int64_t timeout_ms);
/** Flushes and ends; later spans are not recorded. A second call does nothing. */
OTEL_API int otel_tracer_provider_shutdown(otel_tracer_provider *provider, int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
