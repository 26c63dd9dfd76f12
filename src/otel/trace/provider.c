// SPDX-License-Identifier: Apache-2.0
#include "otel/trace/tracer.h"

#include "otel/wire/attribute.h"

#include <stdlib.h>

static void free_processors(const struct otel_span_processor *processors, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (processors[i].ops->free != NULL)
            processors[i].ops->free(processors[i].self);
    }
}

static otel_sampler *default_sampler(void) {
    return otel_sampler_parent_based(otel_sampler_always_on(), NULL, NULL, NULL, NULL);
}

otel_tracer_provider *otel_tracer_provider_new(const struct otel_tracer_provider_options *options) {
    otel_tracer_provider *provider = aligned_alloc(_Alignof(struct otel_lane), sizeof *provider);
    if (provider != NULL)
        memset(provider, 0, sizeof *provider);
    otel_sampler *sampler = options->sampler != NULL ? options->sampler : default_sampler();
    if (provider == NULL || sampler == NULL) {
        free(provider);
        otel_sampler_free(sampler);
        free_processors(options->processors, options->processor_count);
        return NULL;
    }
    provider->runtime = *options->runtime;
    provider->sampler = sampler;
    provider->limits = options->limits;
    provider->exceptions = options->exceptions;
    otel_lanes_init(&provider->lanes);
    pthread_mutex_init(&provider->mutex, NULL);
    for (size_t i = 0; i < options->sink_count; i++)
        otel_tracer_provider_add_sink(provider, options->sinks[i]);
    for (size_t i = 0; i < options->processor_count; i++)
        otel_tracer_provider_add_processor(provider, options->processors[i]);
    return provider;
}

otel_tracer_provider *otel_tracer_provider_free(otel_tracer_provider *provider) {
    if (provider == NULL)
        return NULL;
    free_processors(provider->processors, atomic_load(&provider->processor_count));
    otel_sampler_free(provider->sampler);
    otel_lanes_done(&provider->lanes);
    otel_pool_done(&provider->memory);
    pthread_mutex_destroy(&provider->mutex);
    free(provider);
    return NULL;
}

int otel_tracer_provider_add_sink(otel_tracer_provider *provider, struct otel_sink sink) {
    pthread_mutex_lock(&provider->mutex);
    unsigned count = atomic_load(&provider->sink_count);
    bool fits = count < OTEL_SPAN_SINKS_MAX;
    if (fits) {
        provider->sinks[count] = sink;
        atomic_store_explicit(&provider->sink_count, count + 1, memory_order_release);
    }
    pthread_mutex_unlock(&provider->mutex);
    if (!fits)
        otel_report(&provider->runtime, OTEL_LEVEL_ERROR, "more than %d span exporters: one is left out",
                    OTEL_SPAN_SINKS_MAX);
    return fits ? OTEL_OK : OTEL_FAILED;
}

int otel_tracer_provider_add_processor(otel_tracer_provider *provider, struct otel_span_processor processor) {
    pthread_mutex_lock(&provider->mutex);
    unsigned count = atomic_load(&provider->processor_count);
    bool fits = count < OTEL_SPAN_PROCESSORS_MAX;
    if (fits) {
        provider->processors[count] = processor;
        atomic_store_explicit(&provider->processor_count, count + 1, memory_order_release);
    }
    pthread_mutex_unlock(&provider->mutex);
    if (!fits) {
        otel_report(&provider->runtime, OTEL_LEVEL_ERROR, "more than %d span processors: one is left out",
                    OTEL_SPAN_PROCESSORS_MAX);
        free_processors(&processor, 1);
    }
    return fits ? OTEL_OK : OTEL_FAILED;
}

// --- tracers ---------------------------------------------------------------------------------------------------------
enum { SCOPE_BYTES_MAX = 16 * 1024, FIXED_BYTES_MAX = 256 };

static int compare_keys(const void *left, const void *right) {
    const struct otel_attribute *a = left, *b = right;
    return strcmp(a->key, b->key);
}

// Copies the scope, its attributes in the order of their keys, so that equal scopes have equal bytes.
static bool copy_scope(struct otel_pool *memory, const struct otel_scope_info *from,
                       struct otel_scope_info *scope) {
    const char *texts[] = {from->name, from->version, from->schema_url};
    const char *copies[3];
    for (size_t i = 0; i < 3; i++) {
        copies[i] = otel_pool_text(memory, texts[i] != NULL ? texts[i] : "",
                                   texts[i] != NULL ? strnlen(texts[i], SCOPE_BYTES_MAX / 16) : 0);
    }
    struct otel_attribute *attributes =
        otel_pool_take(memory, (from->attribute_count + 1) * sizeof *attributes);
    if (memory->failed)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < from->attribute_count; i++) {
        const char *key = from->attributes[i].key;
        if (key != NULL && key[0] != '\0' && from->attributes[i].value.type != OTEL_VALUE_EMPTY)
            otel_pool_attribute(memory, &from->attributes[i], &attributes[count++]);
    }
    qsort(attributes, count, sizeof *attributes, compare_keys);
    *scope = (struct otel_scope_info){copies[0], copies[1], copies[2], attributes, count};
    if (otel_scope_size_max(scope) > SCOPE_BYTES_MAX)
        scope->attribute_count = 0;
    return !memory->failed;
}

static bool encode_prefix(struct otel_pool *memory, otel_tracer *tracer) {
    size_t schema_len = strlen(tracer->scope.schema_url);
    size_t size = 2 * sizeof(uint32_t) + otel_scope_size_max(&tracer->scope) + 3 * schema_len;
    tracer->prefix = otel_pool_take(memory, size);
    if (tracer->prefix == NULL)
        return false;
    struct otel_pb pb = otel_pb_begin(tracer->prefix + 2 * sizeof(uint32_t), size - 2 * sizeof(uint32_t));
    otel_pb_scope(&pb, &tracer->scope);
    uint32_t scope_len = (uint32_t)(pb.at - tracer->prefix) - 2 * (uint32_t)sizeof(uint32_t);
    otel_pb_raw(&pb, tracer->scope.schema_url, schema_len);
    uint32_t lens[2] = {scope_len, (uint32_t)schema_len};
    memcpy(tracer->prefix, lens, sizeof lens);
    tracer->prefix_len = (uint32_t)(pb.at - tracer->prefix);
    tracer->content_max =
        OTEL_RECORD_BYTES_MAX - tracer->prefix_len - FIXED_BYTES_MAX - OTEL_TRACESTATE_BYTES_MAX;
    return true;
}

static otel_tracer *tracer_new(struct otel_pool *memory, const struct otel_scope_info *scope) {
    otel_tracer *tracer = otel_pool_take(memory, sizeof *tracer);
    if (tracer == NULL || !copy_scope(memory, scope, &tracer->scope) || !encode_prefix(memory, tracer))
        return NULL;
    return tracer;
}

static otel_tracer *find_tracer(const otel_tracer_provider *provider, const otel_tracer *like) {
    for (otel_tracer *tracer = provider->tracers; tracer != NULL; tracer = tracer->next) {
        if (tracer->prefix_len == like->prefix_len &&
            memcmp(tracer->prefix, like->prefix, like->prefix_len) == 0)
            return tracer;
    }
    return NULL;
}

otel_tracer *otel_tracer_get(otel_tracer_provider *provider, const struct otel_scope_info *scope) {
    static const struct otel_scope_info nobody;
    if (provider == NULL)
        return NULL;
    if (scope == NULL || scope->name == NULL || scope->name[0] == '\0')
        otel_report(&provider->runtime, OTEL_LEVEL_WARN, "a tracer was asked for without a name");
    struct otel_pool memory = {0};
    otel_tracer *asked = tracer_new(&memory, scope != NULL ? scope : &nobody);
    pthread_mutex_lock(&provider->mutex);
    otel_tracer *tracer = asked != NULL ? find_tracer(provider, asked) : NULL;
    if (tracer == NULL && asked != NULL) {
        tracer = tracer_new(&provider->memory, scope != NULL ? scope : &nobody);
        if (tracer != NULL) {
            tracer->provider = provider;
            tracer->next = provider->tracers;
            provider->tracers = tracer;
        }
    }
    pthread_mutex_unlock(&provider->mutex);
    otel_pool_done(&memory);
    return tracer;
}

bool otel_tracer_enabled(const otel_tracer *tracer) {
    return tracer != NULL && !atomic_load_explicit(&tracer->provider->is_shut_down, memory_order_relaxed);
}

// --- flush, shutdown, fork -------------------------------------------------------------------------------------------
void otel_tracer_provider_on_flush(otel_tracer_provider *provider,
                                   int (*flush)(void *context, int64_t timeout_ms), void *context) {
    pthread_mutex_lock(&provider->mutex);
    provider->flush = flush;
    provider->flush_context = context;
    pthread_mutex_unlock(&provider->mutex);
}

static int64_t remaining_ms(const otel_tracer_provider *provider, int64_t started_ns, int64_t timeout_ms) {
    int64_t left = timeout_ms - (otel_monotonic_ns(&provider->runtime) - started_ns) / 1000000;
    return left > 0 ? left : 0;
}

static int worse(int result, int other) {
    return result == OTEL_FAILED || other == OTEL_OK ? result : other;
}

static int each_processor(otel_tracer_provider *provider, bool shutdown, int64_t timeout_ms) {
    int64_t started_ns = otel_monotonic_ns(&provider->runtime);
    unsigned count = atomic_load_explicit(&provider->processor_count, memory_order_acquire);
    int result = OTEL_OK;
    for (unsigned i = 0; i < count; i++) {
        const struct otel_span_processor *processor = &provider->processors[i];
        int (*call)(void *self, int64_t timeout_ms) =
            shutdown ? processor->ops->shutdown : processor->ops->flush;
        if (call != NULL)
            result = worse(result, call(processor->self, remaining_ms(provider, started_ns, timeout_ms)));
    }
    if (provider->flush != NULL)
        result = worse(
            result, provider->flush(provider->flush_context, remaining_ms(provider, started_ns, timeout_ms)));
    return result;
}

int otel_tracer_provider_flush(otel_tracer_provider *provider, int64_t timeout_ms) {
    if (provider == NULL)
        return OTEL_OK;
    if (atomic_load(&provider->is_shut_down))
        return OTEL_FAILED;
    return each_processor(provider, false, timeout_ms);
}

int otel_tracer_provider_shutdown(otel_tracer_provider *provider, int64_t timeout_ms) {
    if (provider == NULL || atomic_exchange(&provider->is_shut_down, true))
        return OTEL_OK;
    return each_processor(provider, true, timeout_ms);
}

void otel_tracer_provider_fork_prepare(otel_tracer_provider *provider) {
    pthread_mutex_lock(&provider->mutex);
}

void otel_tracer_provider_fork_parent(otel_tracer_provider *provider) {
    pthread_mutex_unlock(&provider->mutex);
}

void otel_tracer_provider_fork_child(otel_tracer_provider *provider) {
    pthread_mutex_unlock(&provider->mutex);
    provider->generation++; // spans that are open now are the parent's to count and to send
    for (size_t i = 0; i <= OTEL_LANES; i++) {
        struct otel_lane *lane = i < OTEL_LANES ? &provider->lanes.lane[i] : &provider->lanes.shared;
        memset(lane->started, 0, sizeof lane->started);
        memset(lane->ended, 0, sizeof lane->ended);
    }
}

static void add_lane(const struct otel_lane *lane, struct otel_tracer_stats *stats) {
    for (size_t decision = 0; decision < 3; decision++) {
        int64_t live = 0;
        for (size_t parent = 0; parent < 3; parent++) {
            uint64_t started = atomic_load_explicit(&lane->started[parent][decision], memory_order_relaxed);
            stats->started[parent][decision] += started;
            live += (int64_t)started;
        }
        if (decision != OTEL_DROP)
            stats->live[decision] +=
                live - (int64_t)atomic_load_explicit(&lane->ended[decision], memory_order_relaxed);
    }
}

void otel_tracer_provider_stats(const otel_tracer_provider *provider, struct otel_tracer_stats *ret_stats) {
    struct otel_tracer_stats stats = {0};
    for (size_t i = 0; i < OTEL_LANES; i++)
        add_lane(&provider->lanes.lane[i], &stats);
    add_lane(&provider->lanes.shared, &stats);
    *ret_stats = stats;
}
