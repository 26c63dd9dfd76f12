// SPDX-License-Identifier: Apache-2.0
#include "otel/logs/logger.h"

#include "otel/wire/attribute.h"

#include <stdlib.h>

// --- loggers -------------------------------------------------------------------------------------------------------
static bool copy_text(const char **text) {
    if (*text == NULL)
        return true;
    *text = strdup(*text);
    return *text != NULL;
}

static void logger_free(struct otel_logger *logger) {
    if (logger == NULL)
        return;
    free((void *)(uintptr_t)logger->scope.name);
    free((void *)(uintptr_t)logger->scope.version);
    free((void *)(uintptr_t)logger->scope.schema_url);
    free(logger->prefix);
    free(logger);
}

// The prefix of its records, which also tells scopes apart.
static bool encode_prefix(struct otel_logger *logger, const struct otel_scope_info *scope) {
    size_t schema_len = scope->schema_url != NULL ? strlen(scope->schema_url) : 0;
    size_t room = otel_scope_size_max(scope);
    uint32_t lengths[2];
    if (room + schema_len > OTEL_RECORD_BYTES_MAX / 4)
        return false;
    logger->prefix = malloc(sizeof lengths + room + schema_len);
    if (logger->prefix == NULL)
        return false;
    struct otel_pb pb = otel_pb_begin(logger->prefix + sizeof lengths, room);
    otel_pb_scope(&pb, scope);
    lengths[0] = (uint32_t)(pb.at - logger->prefix) - (uint32_t)sizeof lengths;
    lengths[1] = (uint32_t)schema_len;
    memcpy(logger->prefix, lengths, sizeof lengths);
    if (schema_len > 0)
        memcpy(pb.at, scope->schema_url, schema_len);
    logger->prefix_len = sizeof lengths + lengths[0] + schema_len;
    return !pb.failed;
}

static struct otel_logger *logger_new(otel_logger_provider *provider, const struct otel_scope_info *scope) {
    struct otel_logger *logger = calloc(1, sizeof *logger);
    if (logger == NULL || !encode_prefix(logger, scope)) {
        logger_free(logger);
        return NULL;
    }
    logger->provider = provider;
    logger->scope.name = scope->name;
    logger->scope.version = scope->version;
    logger->scope.schema_url = scope->schema_url;
    bool has_all = copy_text(&logger->scope.name);
    has_all = copy_text(&logger->scope.version) && has_all;
    has_all = copy_text(&logger->scope.schema_url) && has_all;
    if (!has_all) {
        logger_free(logger);
        return NULL;
    }
    return logger;
}

static struct otel_logger *find(otel_logger_provider *provider, const struct otel_logger *like) {
    struct otel_logger *logger = atomic_load_explicit(&provider->loggers, memory_order_acquire);
    while (logger != NULL && (logger->prefix_len != like->prefix_len ||
                              memcmp(logger->prefix, like->prefix, like->prefix_len) != 0))
        logger = logger->next;
    return logger;
}

otel_logger *otel_logger_get(otel_logger_provider *provider, const struct otel_scope_info *scope) {
    static const struct otel_scope_info nameless = {.name = ""};
    if (provider == NULL)
        return NULL;
    struct otel_logger *made = logger_new(provider, scope != NULL ? scope : &nameless);
    if (made == NULL)
        return NULL;
    pthread_mutex_lock(&provider->lock);
    struct otel_logger *logger = find(provider, made);
    if (logger == NULL) {
        logger = made;
        made = NULL;
        logger->next = atomic_load_explicit(&provider->loggers, memory_order_relaxed);
        atomic_store_explicit(&provider->loggers, logger, memory_order_release);
    }
    pthread_mutex_unlock(&provider->lock);
    logger_free(made);
    return logger;
}

// --- the provider --------------------------------------------------------------------------------------------------
otel_logger_provider *otel_logger_provider_new(const struct otel_logger_provider_options *options) {
    otel_logger_provider *provider = calloc(1, sizeof *provider);
    struct otel_sink *sinks = calloc(options->sink_count + 1, sizeof *sinks);
    struct otel_log_processor *processors = calloc(options->processor_count + 1, sizeof *processors);
    if (provider == NULL || sinks == NULL || processors == NULL) {
        free(processors);
        free(sinks);
        free(provider);
        return NULL;
    }
    if (options->sink_count > 0)
        memcpy(sinks, options->sinks, options->sink_count * sizeof *sinks);
    if (options->processor_count > 0)
        memcpy(processors, options->processors, options->processor_count * sizeof *processors);
    provider->runtime = options->runtime;
    provider->limits = options->limits;
    provider->sinks = sinks;
    provider->sink_count = options->sink_count;
    provider->processors = processors;
    provider->processor_count = options->processor_count;
    pthread_mutex_init(&provider->lock, NULL);
    return provider;
}

otel_logger_provider *otel_logger_provider_free(otel_logger_provider *provider) {
    if (provider == NULL)
        return NULL;
    for (size_t i = 0; i < provider->processor_count; i++) {
        if (provider->processors[i].ops->free != NULL)
            provider->processors[i].ops->free(provider->processors[i].self);
    }
    struct otel_logger *logger = atomic_load_explicit(&provider->loggers, memory_order_acquire);
    while (logger != NULL) {
        struct otel_logger *next = logger->next;
        logger_free(logger);
        logger = next;
    }
    pthread_mutex_destroy(&provider->lock);
    free(provider->processors);
    free(provider->sinks);
    free(provider);
    return NULL;
}

uint64_t otel_logger_provider_created(const otel_logger_provider *provider) {
    return provider != NULL ? atomic_load_explicit(&provider->created, memory_order_relaxed) : 0;
}

void otel_logger_provider_on_flush(otel_logger_provider *provider,
                                   int (*flush)(void *context, int64_t timeout_ms), void *context) {
    provider->flush = flush;
    provider->flush_context = context;
}

// The worst of what happened: a timeout is said before a failure.
static int worse(int a, int b) {
    return a < b ? a : b;
}

static int64_t left_ms(const struct otel_runtime *runtime, int64_t deadline_ns) {
    int64_t left = deadline_ns - otel_monotonic_ns(runtime);
    return left > 0 ? left / 1000000 : 0;
}

static int on_each(otel_logger_provider *provider, bool shutdown, int64_t deadline_ns) {
    int result = OTEL_OK;
    for (size_t i = 0; i < provider->processor_count; i++) {
        const struct otel_log_processor *processor = &provider->processors[i];
        int (*call)(void *, int64_t) = shutdown ? processor->ops->shutdown : processor->ops->flush;
        if (call != NULL)
            result = worse(result, call(processor->self, left_ms(provider->runtime, deadline_ns)));
    }
    return result;
}

int otel_logger_provider_flush(otel_logger_provider *provider, int64_t timeout_ms) {
    if (provider == NULL)
        return OTEL_OK;
    int64_t deadline_ns = otel_monotonic_ns(provider->runtime) + timeout_ms * 1000000;
    int result = on_each(provider, false, deadline_ns);
    if (provider->flush != NULL)
        result =
            worse(result, provider->flush(provider->flush_context, left_ms(provider->runtime, deadline_ns)));
    return result;
}

int otel_logger_provider_shutdown(otel_logger_provider *provider, int64_t timeout_ms) {
    if (provider == NULL || atomic_exchange(&provider->is_shut_down, true))
        return OTEL_OK;
    int64_t deadline_ns = otel_monotonic_ns(provider->runtime) + timeout_ms * 1000000;
    int result = otel_logger_provider_flush(provider, timeout_ms);
    return worse(result, on_each(provider, true, deadline_ns));
}

void otel_logger_provider_fork_prepare(otel_logger_provider *provider) {
    pthread_mutex_lock(&provider->lock);
}
void otel_logger_provider_fork_parent(otel_logger_provider *provider) {
    pthread_mutex_unlock(&provider->lock);
}
void otel_logger_provider_fork_child(otel_logger_provider *provider) {
    pthread_mutex_init(&provider->lock, NULL);
    atomic_store(&provider->created, 0);
}
