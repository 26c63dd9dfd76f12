// SPDX-License-Identifier: Apache-2.0
// Spans and log records: samplers, processors, and the batches before the exporters.
#include "otel/sdk/state.h"

#include <stdio.h>

// --- samplers --------------------------------------------------------------------------------------------------------
static otel_sampler *make_or_null(const otel_sdk *sdk, const struct otel_model_sampler *model) {
    return model != NULL ? otel_sdk_make_sampler(sdk, model) : NULL;
}

static otel_sampler *make_extension(const otel_sdk *sdk, const struct otel_model_extension *extension) {
    otel_sampler *made = NULL;
    if (extension->provider->create(extension->provider->context, extension->properties, &made) == OTEL_OK)
        return made;
    otel_report(&sdk->runtime, OTEL_LEVEL_ERROR, "the sampler %s could not be made; all traces are kept",
                extension->provider->name);
    return otel_sampler_always_on();
}

otel_sampler *otel_sdk_make_sampler(const otel_sdk *sdk, const struct otel_model_sampler *model) {
    switch (model->kind) {
    case OTEL_MODEL_ALWAYS_ON: return otel_sampler_always_on();
    case OTEL_MODEL_ALWAYS_OFF: return otel_sampler_always_off();
    case OTEL_MODEL_TRACE_ID_RATIO: return otel_sampler_trace_id_ratio(model->ratio);
    case OTEL_MODEL_PROBABILITY: return otel_sampler_probability(model->ratio);
    case OTEL_MODEL_ALWAYS_RECORD:
        return otel_sampler_always_record(model->root != NULL ? otel_sdk_make_sampler(sdk, model->root)
                                                              : otel_sampler_always_on());
    case OTEL_MODEL_PARENT_BASED:
        return otel_sampler_parent_based(
            make_or_null(sdk, model->root), make_or_null(sdk, model->remote_sampled),
            make_or_null(sdk, model->remote_not_sampled), make_or_null(sdk, model->local_sampled),
            make_or_null(sdk, model->local_not_sampled));
    case OTEL_MODEL_EXTENSION_SAMPLER: return make_extension(sdk, model->extension);
    }
    return NULL;
}

// --- pipes -----------------------------------------------------------------------------------------------------------
static int add_pipe(otel_sdk *sdk, enum otel_signal signal, const struct otel_model_processor *model,
                    const struct otel_model_exporter *exporter_model, struct otel_exporter exporter) {
    static const char *const words[] = {"span", "", "log"};
    size_t number = sdk->pipe_count[signal];
    if (number == OTEL_PIPES_MAX) {
        otel_report(&sdk->runtime, OTEL_LEVEL_ERROR,
                    "more than %d exporters of one signal; the rest is left out", OTEL_PIPES_MAX);
        exporter.ops->free(exporter.self);
        return OTEL_OK;
    }
    struct otel_sdk_pipe *pipe = &sdk->pipes[signal][number];
    fq_str resource = fq_buf_str(&sdk->resource_bytes);
    struct otel_batch_options options = {.signal = signal,
                                         .runtime = &sdk->runtime,
                                         .exporter = exporter,
                                         .resource = resource.ptr,
                                         .resource_len = resource.len,
                                         .resource_schema_url = otel_resource_schema_url(sdk->resource),
                                         .queue_max = model->queue_max,
                                         .batch_max = model->batch_max,
                                         .delay_ms = model->delay_ms,
                                         .timeout_ms = model->timeout_ms,
                                         .simple = model->simple};
    *pipe = (struct otel_sdk_pipe){.simple = model->simple, .queue_max = model->queue_max};
    snprintf(pipe->name, sizeof pipe->name, "%s_%s_processor/%zu", model->simple ? "simple" : "batching",
             words[signal], number);
    pipe->batch = otel_batch_new(&options);
    if (pipe->batch == NULL)
        return OTEL_FAILED;
    sdk->pipe_count[signal]++;
    otel_sdk_note_outlet(sdk, signal, exporter_model, exporter);
    return OTEL_OK;
}

static int make_pipes(otel_sdk *sdk, const struct otel_sdk_options *options, enum otel_signal signal,
                      const struct otel_model_processor *models) {
    static const struct otel_model_processor plain[] = {
        {.delay_ms = 5000,  .timeout_ms = 30000, .queue_max = 2048, .batch_max = 512},
        {0                },
        {.delay_ms = 1000, .timeout_ms = 30000,                    .queue_max = 2048,                      .batch_max = 512                  },
    };
    int result = OTEL_OK;
    for (const struct otel_model_processor *model = models; model != NULL && !options->only_own_exporters;
         model = model->next) {
        struct otel_exporter exporter;
        if (model->extension == NULL && result == OTEL_OK &&
            otel_sdk_make_exporter(sdk, options, signal, &model->exporter, &exporter) == OTEL_OK)
            result = add_pipe(sdk, signal, model, &model->exporter, exporter);
    }
    const struct otel_exporter *own = options->exporters[signal];
    if (own != NULL && own->ops != NULL && result == OTEL_OK)
        result = add_pipe(sdk, signal, models != NULL && models->queue_max > 0 ? models : &plain[signal],
                          NULL, *own);
    return result;
}

static size_t sinks_of(const otel_sdk *sdk, enum otel_signal signal, struct otel_sink *sinks) {
    size_t count = 0;
    if (sdk->has_sink)
        sinks[count++] = sdk->sink;
    for (size_t i = 0; i < sdk->pipe_count[signal]; i++)
        sinks[count++] = otel_batch_sink(sdk->pipes[signal][i].batch);
    return count;
}

// --- providers -------------------------------------------------------------------------------------------------------
enum { PROCESSORS_MAX = 16 };

// A processor of the program's that the configuration names; NULL = it names none.
static bool make_named_processor(const otel_sdk *sdk, const struct otel_model_extension *extension,
                                 void *ret_processor) {
    if (extension == NULL)
        return false;
    const bool made = extension->provider->create(extension->provider->context, extension->properties,
                                                  ret_processor) == OTEL_OK;
    if (!made)
        otel_report(&sdk->runtime, OTEL_LEVEL_ERROR, "the processor %s could not be made",
                    extension->provider->name);
    return made;
}

// Processors of the program: given in code, then those that the configuration names.
static size_t span_processors(const otel_sdk *sdk, const struct otel_sdk_options *options,
                              const struct otel_model_processor *models, struct otel_span_processor *ret) {
    size_t count = 0;
    for (size_t i = 0; i < options->span_processor_count && count < PROCESSORS_MAX; i++)
        ret[count++] = options->span_processors[i];
    for (; models != NULL && count < PROCESSORS_MAX; models = models->next) {
        if (make_named_processor(sdk, models->extension, &ret[count]))
            count++;
    }
    return count;
}

// An exception as a log record. Source: semantic conventions, "exceptions in logs".
static void log_exception(void *context, const struct otel_scope_info *scope,
                          const struct otel_span_context *span, const struct otel_attribute *attributes,
                          size_t count) {
    const otel_sdk *sdk = context;
    const struct otel_log_record record = {.severity = OTEL_SEVERITY_ERROR,
                                           .severity_text = "ERROR",
                                           .event_name = "exception",
                                           .attributes = attributes,
                                           .attribute_count = count,
                                           .span = span};
    otel_log_emit(otel_logger_get(sdk->logger_provider, scope), &record);
}

int otel_sdk_make_traces(otel_sdk *sdk, const struct otel_sdk_options *options, const otel_config *config) {
    struct otel_sink sinks[OTEL_PIPES_MAX + 1];
    struct otel_span_processor processors[PROCESSORS_MAX];
    if (!sdk->has_sink && make_pipes(sdk, options, OTEL_SIGNAL_TRACES, config->span_processors) != OTEL_OK)
        return OTEL_FAILED;
    struct otel_tracer_provider_options provider = {.runtime = &sdk->runtime,
                                                    .limits = config->span_limits,
                                                    .sinks = sinks,
                                                    .sink_count = sinks_of(sdk, OTEL_SIGNAL_TRACES, sinks),
                                                    .processors = processors};
    provider.processor_count = span_processors(sdk, options, config->span_processors, processors);
    if (config->exceptions_as_logs)
        provider.exceptions = (struct otel_exception_hook){
            .emit = log_exception, .context = sdk, .instead = !config->exceptions_as_events};
    provider.sampler = options->sampler;
    if (provider.sampler == NULL && config->sampler != NULL)
        provider.sampler = otel_sdk_make_sampler(sdk, config->sampler);
    sdk->tracer_provider = otel_tracer_provider_new(&provider);
    if (sdk->tracer_provider == NULL)
        return OTEL_FAILED;
    otel_tracer_provider_on_flush(sdk->tracer_provider, otel_sdk_flush_traces, sdk);
    return OTEL_OK;
}

static size_t log_processors(const otel_sdk *sdk, const struct otel_sdk_options *options,
                             const struct otel_model_processor *models, struct otel_log_processor *ret) {
    size_t count = 0;
    for (size_t i = 0; i < options->log_processor_count && count < PROCESSORS_MAX; i++)
        ret[count++] = options->log_processors[i];
    for (; models != NULL && count < PROCESSORS_MAX; models = models->next) {
        if (make_named_processor(sdk, models->extension, &ret[count]))
            count++;
    }
    return count;
}

int otel_sdk_make_logs(otel_sdk *sdk, const struct otel_sdk_options *options, const otel_config *config) {
    struct otel_sink sinks[OTEL_PIPES_MAX + 1];
    struct otel_log_processor processors[PROCESSORS_MAX];
    if (!sdk->has_sink && make_pipes(sdk, options, OTEL_SIGNAL_LOGS, config->log_processors) != OTEL_OK)
        return OTEL_FAILED;
    struct otel_logger_provider_options provider = {.runtime = &sdk->runtime,
                                                    .limits = config->log_limits,
                                                    .sinks = sinks,
                                                    .sink_count = sinks_of(sdk, OTEL_SIGNAL_LOGS, sinks),
                                                    .processors = processors};
    provider.processor_count = log_processors(sdk, options, config->log_processors, processors);
    if (provider.sink_count + provider.processor_count == 0)
        return OTEL_OK; // off
    sdk->logger_provider = otel_logger_provider_new(&provider);
    if (sdk->logger_provider == NULL)
        return OTEL_FAILED;
    otel_logger_provider_on_flush(sdk->logger_provider, otel_sdk_flush_logs, sdk);
    return OTEL_OK;
}
