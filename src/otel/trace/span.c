// SPDX-License-Identifier: Apache-2.0
// Start and end of spans.
#include "otel/trace/span.h"

#include "otel/context/context.h"
#include "otel/wire/attribute.h"

#include <sched.h>
#include <stdlib.h>

// Whose child a span is to be.
struct origin {
    bool exists;
    struct otel_span_context parent;
    const char *tracestate;
    size_t tracestate_len;
    const otel_context *context;
    char room[OTEL_TRACESTATE_BYTES_MAX + 1]; // only for a text that the caller gave
};

static void origin_current(struct origin *origin) {
    const struct otel_scope *scope = otel_scope_current();
    origin->exists = false;
    origin->context = NULL;
    if (scope == NULL)
        return;
    origin->context = scope->context;
    const otel_span *span = scope->span;
    if (span == NULL) {
        origin->exists = otel_context_span_context(scope->context, &origin->parent, &origin->tracestate,
                                                   &origin->tracestate_len);
        return;
    }
    origin->exists = true;
    origin->parent = span->context;
    origin->tracestate = span->tracestate;
    origin->tracestate_len = span->tracestate_len;
}

static void origin_find(struct origin *origin, const struct otel_span_options *options) {
    origin->tracestate = "";
    origin->tracestate_len = 0;
    if (options->context == NULL) {
        origin_current(origin);
    } else {
        origin->context = options->context;
        origin->exists = otel_context_span_context(options->context, &origin->parent, &origin->tracestate,
                                                   &origin->tracestate_len);
    }
    if (options->parent != NULL) {
        const char *text = options->parent_tracestate;
        origin->exists = true;
        origin->parent = *options->parent;
        origin->tracestate = origin->room;
        origin->tracestate_len =
            text != NULL ? otel_tracestate_normalize(text, strlen(text), origin->room) : 0;
    }
    origin->exists = origin->exists && !options->root && otel_span_context_is_valid(&origin->parent);
    if (!origin->exists)
        origin->tracestate_len = 0;
}

// --- memory ----------------------------------------------------------------------------------------------------------
static otel_span *span_new(struct otel_lane *lane) {
    otel_span *span = lane != NULL ? otel_lane_take(lane) : NULL;
    if (span == NULL)
        span = malloc(OTEL_SPAN_BYTES);
    if (span == NULL)
        return NULL;
    atomic_init(&span->references, 1);
    atomic_init(&span->lock, false);
    atomic_init(&span->ended, false);
    span->ending = false;
    span->tracestate = span->tracestate_room;
    span->bytes = span->room;
    span->capacity = OTEL_SPAN_BYTES - offsetof(struct otel_span, room);
    span->view = NULL;
    return span;
}

static void span_free(otel_span *span) {
    if (span->tracestate != span->tracestate_room)
        free(span->tracestate);
    if (span->bytes != span->room)
        free(span->bytes);
    if (span->tracer == NULL || !otel_lane_give(otel_lane_here(&span->tracer->provider->lanes), span))
        free(span);
}

static void keep_tracestate(otel_span *span, const char *text, size_t len) {
    if (len >= OTEL_SPAN_TRACESTATE_ROOM) {
        char *memory = malloc(len + 1);
        if (memory == NULL)
            len = 0;
        else
            span->tracestate = memory;
    }
    if (len > 0)
        memcpy(span->tracestate, text, len);
    span->tracestate[len] = '\0';
    span->tracestate_len = (uint32_t)len;
}

// Carries its parent's identity on, for a program whose telemetry is off.
static otel_span *start_detached(const struct origin *origin) {
    otel_span *span = origin->exists ? span_new(NULL) : NULL;
    if (span == NULL)
        return NULL;
    span->tracer = NULL;
    span->decision = OTEL_DROP;
    span->context = origin->parent;
    keep_tracestate(span, origin->tracestate, origin->tracestate_len);
    return span;
}

// --- start -----------------------------------------------------------------------------------------------------------
static void set_identity(otel_span *span, const struct origin *origin) {
    const struct otel_id_generator *ids = &span->tracer->provider->runtime.ids;
    span->has_parent = origin->exists;
    span->context.remote = false;
    if (origin->exists) {
        memcpy(span->context.trace_id, origin->parent.trace_id, sizeof span->context.trace_id);
        memcpy(span->parent_span_id, origin->parent.span_id, sizeof span->parent_span_id);
        span->parent_is_remote = origin->parent.remote;
        span->context.flags = origin->parent.flags & OTEL_FLAG_RANDOM;
    } else {
        ids->trace_id(ids->context, span->context.trace_id);
        memset(span->parent_span_id, 0, sizeof span->parent_span_id);
        span->parent_is_remote = false;
        span->context.flags = ids->random ? OTEL_FLAG_RANDOM : 0;
    }
    ids->span_id(ids->context, span->context.span_id);
}

static void ask_sampler(otel_span *span, const struct origin *origin, const char *name,
                        const struct otel_span_options *options, struct otel_sampling_result *result) {
    const struct otel_sampling_request request = {
        .context = origin->context,
        .parent = origin->exists ? &origin->parent : NULL,
        .parent_tracestate = origin->tracestate,
        .parent_tracestate_len = origin->tracestate_len,
        .trace_id = span->context.trace_id,
        .trace_id_is_random = (span->context.flags & OTEL_FLAG_RANDOM) != 0,
        .name = name,
        .kind = (enum otel_span_kind)span->kind,
        .attributes = options->attributes,
        .attribute_count = options->attribute_count,
        .links = options->links,
        .link_count = options->link_count,
    };
    result->decision = OTEL_DROP;
    result->tracestate_is_set = false;
    result->attribute_count = 0;
    result->cautions = 0;
    otel_sampler_sample(span->tracer->provider->sampler, &request, result);
}

// Each once.
static __attribute__((noinline)) void tell_cautions(otel_tracer_provider *provider, unsigned cautions) {
    unsigned fresh =
        cautions & ~atomic_fetch_or_explicit(&provider->cautioned, cautions, memory_order_relaxed);
    if ((fresh & OTEL_SAMPLING_PRESUMED_RANDOM) != 0)
        otel_report(&provider->runtime, OTEL_LEVEL_WARN,
                    "%s: spans are sampled by trace ids that their parents do not flag as random (W3C trace "
                    "context level 2); shares may be off",
                    otel_sampler_description(provider->sampler));
    if ((fresh & OTEL_SAMPLING_RATIO_WITH_PARENT) != 0)
        otel_report(
            &provider->runtime, OTEL_LEVEL_WARN,
            "%s decides about a span that has a parent: SDKs of other languages may keep other traces, "
            "which leaves gaps; parentbased_traceidratio follows the parent",
            otel_sampler_description(provider->sampler));
}

static void adopt_decision(otel_span *span, const struct origin *origin,
                           const struct otel_sampling_result *result) {
    span->decision = (uint8_t)result->decision;
    if (result->decision == OTEL_RECORD_AND_SAMPLE)
        span->context.flags |= OTEL_FLAG_SAMPLED;
    if (result->tracestate_is_set)
        keep_tracestate(span, result->tracestate, strnlen(result->tracestate, OTEL_TRACESTATE_BYTES_MAX));
    else
        keep_tracestate(span, origin->tracestate, origin->tracestate_len);
}

static void tell_start(otel_span *span, const otel_context *parent_context) {
    otel_tracer_provider *provider = span->tracer->provider;
    unsigned count = atomic_load_explicit(&provider->processor_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        const struct otel_span_processor *processor = &provider->processors[i];
        if (processor->ops->on_start != NULL)
            processor->ops->on_start(processor->self, span, parent_context);
    }
}

static void start_recording(otel_span *span, struct otel_lane *lane, const char *name,
                            const struct otel_span_options *options,
                            const struct otel_sampling_result *result) {
    otel_tracer_provider *provider = span->tracer->provider;
    memset(&span->content, 0, sizeof span->content);
    span->status = OTEL_STATUS_UNSET;
    span->end_ns = 0;
    span->generation = provider->generation;
    otel_span_set_text(span, OTEL_SECTION_NAME, name, strlen(name));
    otel_span_put_attributes(span, options->attributes, options->attribute_count);
    otel_span_put_attributes(span, result->attributes,
                             result->attribute_count < OTEL_SAMPLER_ATTRIBUTES_MAX
                                 ? result->attribute_count
                                 : OTEL_SAMPLER_ATTRIBUTES_MAX);
    for (size_t i = 0; i < options->link_count; i++)
        otel_span_put_link(span, &options->links[i]);
    span->start_ns = options->start_unix_ns;
    span->has_offset = options->start_unix_ns == 0;
    if (span->has_offset) {
        int64_t now = otel_lane_now(lane, &provider->runtime, &span->unix_offset);
        span->start_ns = now + span->unix_offset;
    }
}

static __attribute__((noinline)) otel_span *start_detached_child(const struct otel_span_options *options) {
    struct origin origin;
    origin_find(&origin, options);
    return start_detached(&origin);
}

// Telemetry is off: nearly always there is no parent either.
static __attribute__((noinline)) otel_span *start_off(void) {
    static const struct otel_span_options defaults;
    return otel_scope_current() != NULL ? start_detached_child(&defaults) : NULL;
}

static __attribute__((noinline)) otel_span *start(otel_tracer *tracer, const char *name,
                                                  const struct otel_span_options *options) {
    struct origin origin;
    origin_find(&origin, options);
    struct otel_lane *lane = otel_lane_here(&tracer->provider->lanes);
    otel_span *span = span_new(lane);
    if (span == NULL)
        return NULL;
    span->tracer = tracer;
    span->kind = (uint8_t)(options->kind != 0 ? options->kind : OTEL_SPAN_INTERNAL);
    set_identity(span, &origin);
    struct otel_sampling_result result;
    ask_sampler(span, &origin, name, options, &result);
    if ((result.cautions & ~atomic_load_explicit(&tracer->provider->cautioned, memory_order_relaxed)) != 0)
        tell_cautions(tracer->provider, result.cautions);
    adopt_decision(span, &origin, &result);
    size_t parent = !origin.exists ? 0 : span->parent_is_remote ? 2 : 1;
    otel_lane_count(lane, &lane->started[parent][span->decision]);
    if (span->decision != OTEL_DROP) {
        start_recording(span, lane, name, options, &result);
        tell_start(span, origin.context);
    }
    return span;
}

otel_span *otel_span_start(otel_tracer *tracer, const char *name, const struct otel_span_options *options) {
    static const struct otel_span_options defaults;
    if (options == NULL) {
        if (tracer == NULL)
            return start_off();
        options = &defaults;
    }
    if (!otel_tracer_enabled(tracer))
        return start_detached_child(options);
    return start(tracer, name != NULL ? name : "", options);
}

int64_t otel_span_clock(const otel_span *span) {
    otel_tracer_provider *provider = span->tracer->provider;
    if (span->has_offset)
        return otel_monotonic_ns(&provider->runtime) + span->unix_offset;
    int64_t offset;
    int64_t now = otel_lane_now(otel_lane_here(&provider->lanes), &provider->runtime, &offset);
    return now + offset;
}

// --- end -------------------------------------------------------------------------------------------------------------
bool otel_span_lock(otel_span *span) {
    // A span of the parent process may have been locked by a thread that is not here.
    if (span == NULL || span->decision == OTEL_DROP || otel_span_is_foreign(span))
        return false;
    while (atomic_exchange_explicit(&span->lock, true, memory_order_acquire))
        sched_yield();
    if (!atomic_load_explicit(&span->ended, memory_order_relaxed))
        return true;
    otel_span_unlock(span);
    return false;
}

// True for the one who ends it first.
static bool claim_end(otel_span *span) {
    if (atomic_load_explicit(&span->references, memory_order_acquire) == 1) { // nobody else can know it
        bool first = !span->ending;
        span->ending = true;
        return first;
    }
    if (!otel_span_lock(span))
        return false;
    bool first = !span->ending;
    span->ending = true;
    otel_span_unlock(span);
    return first;
}

static void tell_end(otel_span *span) {
    otel_tracer_provider *provider = span->tracer->provider;
    unsigned count = atomic_load_explicit(&provider->processor_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        const struct otel_span_processor *processor = &provider->processors[i];
        if (processor->ops->on_ending != NULL)
            processor->ops->on_ending(processor->self, span);
    }
    if (otel_span_lock(span)) {
        atomic_store_explicit(&span->ended, true, memory_order_relaxed);
        otel_span_unlock(span);
    }
    struct otel_span_view view;
    if (count > 0)
        otel_span_show(span, &view);
    for (unsigned i = 0; i < count; i++) {
        const struct otel_span_processor *processor = &provider->processors[i];
        if (processor->ops->on_end != NULL)
            processor->ops->on_end(processor->self, &view);
    }
    otel_span_hide(span);
}

static __attribute__((noinline)) void tell_drops(const otel_span *span) {
    otel_tracer_provider *provider = span->tracer->provider;
    if (atomic_exchange_explicit(&provider->has_told_drops, true, memory_order_relaxed))
        return;
    otel_report(
        &provider->runtime, OTEL_LEVEL_WARN,
        "span '%s' lost %u attributes, %u events, %u links: more than its limits, too big, or without a "
        "key (said once; each span carries its counts)",
        (const char *)span->bytes, span->content.dropped_attributes, span->content.dropped_events,
        span->content.dropped_links);
}

static void finish(otel_span *span, int64_t end_unix_ns) {
    otel_tracer_provider *provider = span->tracer->provider;
    if (otel_span_is_foreign(span) || !claim_end(span))
        return;
    span->end_ns = end_unix_ns != 0 ? end_unix_ns : otel_span_clock(span);
    bool is_shared = atomic_load_explicit(&span->references, memory_order_acquire) != 1;
    if (is_shared || atomic_load_explicit(&provider->processor_count, memory_order_relaxed) > 0)
        tell_end(span);
    const struct otel_span_content *content = &span->content;
    if ((content->dropped_attributes | content->dropped_events | content->dropped_links) != 0)
        tell_drops(span);
    if (span->decision == OTEL_RECORD_AND_SAMPLE)
        otel_span_write(span);
    struct otel_lane *lane = otel_lane_here(&provider->lanes);
    otel_lane_count(lane, &lane->ended[span->decision]);
}

void otel_span_end_at(otel_span *span, int64_t end_unix_ns) {
    if (span == NULL)
        return;
    if (span->decision != OTEL_DROP)
        finish(span, end_unix_ns);
    otel_span_release(span);
}

void otel_span_end(otel_span *span) {
    if (span != NULL)
        otel_span_end_at(span, 0);
}

otel_span *otel_span_retain(otel_span *span) {
    if (span != NULL)
        atomic_fetch_add_explicit(&span->references, 1, memory_order_relaxed);
    return span;
}

void otel_span_release(otel_span *span) {
    if (span == NULL)
        return;
    if (atomic_load_explicit(&span->references, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&span->references, 1, memory_order_acq_rel) == 1)
        span_free(span);
}

// --- blocks ----------------------------------------------------------------------------------------------------------
struct otel_span_block *otel_span_block_enter(struct otel_span_block *block, otel_span *span) {
    block->span = span;
    block->once = true;
    otel_scope_enter_span(&block->scope, span);
    return block;
}

void otel_span_block_leave(struct otel_span_block *block) {
    otel_scope_leave(&block->scope);
    otel_span_end(block->span);
    block->span = NULL;
}
