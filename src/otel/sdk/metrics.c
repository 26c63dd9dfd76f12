// SPDX-License-Identifier: Apache-2.0
// Metrics: readers with their exporters, views, producers.
#include "fastqueue/version.h"
#include "otel/sdk/state.h"

enum { PRODUCERS_MAX = 16, VIEWS_MAX = 64 };

// What an exporter prefers, by kind. Source: the OTLP metric exporter specification, "temporality preference".
static void prefer(struct otel_reader_options *reader, const struct otel_model_exporter *exporter) {
    enum otel_temporality delta = OTEL_TEMPORALITY_DELTA;
    if (exporter->temporality != OTEL_PREFER_CUMULATIVE)
        reader->temporality[OTEL_COUNTER] = reader->temporality[OTEL_HISTOGRAM] = delta;
    if (exporter->temporality == OTEL_PREFER_DELTA)
        reader->temporality[OTEL_OBSERVABLE_COUNTER] = delta;
    if (exporter->exponential)
        reader->aggregation[OTEL_HISTOGRAM] = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
}

static struct otel_reader_options periodic(const struct otel_sdk_options *options,
                                           const struct otel_model_reader *model,
                                           struct otel_exporter exporter) {
    struct otel_reader_options reader = {.exporter = exporter,
                                         .interval_ms = model != NULL ? model->interval_ms : 60000,
                                         .timeout_ms = model != NULL ? model->timeout_ms : 30000,
                                         .cardinality_limit = model != NULL ? model->cardinality_limit : 0};
    reader.export_points_max =
        model != NULL && model->batch_max > 0 ? model->batch_max : options->metric_batch_max;
    if (reader.cardinality_limit == 0)
        reader.cardinality_limit = options->cardinality_limit;
    if (reader.timeout_ms == 0)
        reader.timeout_ms = INT32_MAX; // no limit
    if (model != NULL)
        prefer(&reader, &model->exporter);
    return reader;
}

static size_t make_readers(otel_sdk *sdk, const struct otel_sdk_options *options, const otel_config *config,
                           struct otel_reader_options *ret) {
    size_t count = 0;
    const struct otel_exporter *own = options->exporters[OTEL_SIGNAL_METRICS];
    for (const struct otel_model_reader *model = config->readers;
         model != NULL && !options->only_own_exporters && count < OTEL_READERS_MAX; model = model->next) {
        struct otel_exporter exporter;
        if (model->pull) {
            ret[count++] = (struct otel_reader_options){
                .cardinality_limit =
                    model->cardinality_limit > 0 ? model->cardinality_limit : options->cardinality_limit};
            continue;
        }
        if (otel_sdk_make_exporter(sdk, options, OTEL_SIGNAL_METRICS, &model->exporter, &exporter) != OTEL_OK)
            continue;
        ret[count++] = periodic(options, model, exporter);
        otel_sdk_note_outlet(sdk, OTEL_SIGNAL_METRICS, &model->exporter, exporter);
    }
    if (own != NULL && own->ops != NULL && count < OTEL_READERS_MAX) {
        ret[count++] = periodic(options, config->readers, *own);
        otel_sdk_note_outlet(sdk, OTEL_SIGNAL_METRICS, NULL, *own);
    }
    return count;
}

// A shared area is nobody's to collect here: what is measured there is aggregated as the collecting process's exporter wants
// it, always cumulatively.
static struct otel_reader_options of_area(const struct otel_sdk_options *options, const otel_config *config) {
    struct otel_reader_options reader = {.cardinality_limit = options->cardinality_limit};
    const struct otel_model_reader *model = config->readers;
    while (model != NULL && model->pull)
        model = model->next;
    if (model != NULL && model->cardinality_limit > 0)
        reader.cardinality_limit = model->cardinality_limit;
    if (model != NULL && model->exporter.exponential)
        reader.aggregation[OTEL_HISTOGRAM] = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    return reader;
}

static size_t gather_views(const struct otel_sdk_options *options, const otel_config *config,
                           struct otel_view_options *ret) {
    size_t count = 0;
    for (size_t i = 0; i < options->view_count && count < VIEWS_MAX; i++)
        ret[count++] = options->views[i];
    for (const struct otel_model_view *view = config->views; view != NULL && count < VIEWS_MAX;
         view = view->next)
        ret[count++] = view->options;
    return count;
}

static size_t gather_producers(otel_sdk *sdk, const struct otel_sdk_options *options,
                               const otel_config *config, struct otel_metric_producer *ret) {
    size_t count = 0;
    for (size_t i = 0; i < options->producer_count && count < PRODUCERS_MAX - 1; i++)
        ret[count++] = options->producers[i];
    if (config->sdk_metrics)
        ret[count++] = (struct otel_metric_producer){
            .produce = otel_sdk_produce,
            .context = sdk,
            .scope = {.name = "otel.sdk", .version = FQ_VERSION}
        };
    return count;
}

static void note_server(otel_sdk *sdk, const struct otel_model_exporter *model) {
    static const struct otel_exporter_ops ops = {.component_type = "prometheus_http_text_metric_exporter"};
    size_t index = sdk->outlet_count;
    uint16_t port = otel_prometheus_server_port(sdk->servers[sdk->server_count - 1]);
    const char *url = otel_pool_format(&sdk->pool, "http://%s:%u/metrics", model->host, port);
    otel_sdk_note_outlet(sdk, OTEL_SIGNAL_METRICS, NULL, (struct otel_exporter){.ops = &ops});
    if (index < sdk->outlet_count && url != NULL)
        sdk->outlets[index].endpoint = url;
}

// Readers without an exporter are pulled, in the order of their models.
static void start_servers(otel_sdk *sdk, const otel_config *config, const struct otel_reader_options *readers,
                          size_t reader_count) {
    const struct otel_model_reader *model = config->readers;
    for (size_t i = 0; i < reader_count; i++) {
        if (readers[i].exporter.ops != NULL)
            continue;
        while (model != NULL && !model->pull)
            model = model->next;
        if (model == NULL)
            return;
        char reason[300] = "";
        struct otel_prometheus_server_options options = {
            .host = model->exporter.host,
            .port = model->exporter.port,
            .naming = {.runtime = &sdk->runtime,
                       .without_scope_info = model->exporter.without_scope_labels,
                       .without_target_info = model->exporter.without_target_info},
            .provider = sdk->meter_provider,
            .reader = i
        };
        if (model->exporter.translation_strategy != NULL &&
            !otel_prometheus_strategy_parse(model->exporter.translation_strategy, &options.naming.strategy))
            otel_report(&sdk->runtime, OTEL_LEVEL_WARN,
                        "translation_strategy %.60s is not known; the default stays",
                        model->exporter.translation_strategy);
        sdk->servers[sdk->server_count] = otel_prometheus_server_new(&options, reason, sizeof reason);
        if (sdk->servers[sdk->server_count] == NULL) {
            otel_report(&sdk->runtime, OTEL_LEVEL_ERROR, "Prometheus exporter: %s", reason);
        } else {
            sdk->server_count++;
            note_server(sdk, &model->exporter);
        }
        model = model->next;
    }
}

int otel_sdk_make_metrics(otel_sdk *sdk, const struct otel_sdk_options *options, const otel_config *config) {
    struct otel_reader_options readers[OTEL_READERS_MAX];
    struct otel_view_options views[VIEWS_MAX];
    struct otel_metric_producer producers[PRODUCERS_MAX];
    fq_str resource = fq_buf_str(&sdk->resource_bytes);
    struct otel_meter_provider_options provider = {.runtime = &sdk->runtime,
                                                   .resource = resource.ptr,
                                                   .resource_len = resource.len,
                                                   .resource_schema_url =
                                                       otel_resource_schema_url(sdk->resource),
                                                   .exemplar_filter = config->exemplar_filter,
                                                   .views = views,
                                                   .readers = readers,
                                                   .producers = producers,
                                                   .area = options->metric_area,
                                                   .area_len = options->metric_area_len};
    provider.reader_count = 1;
    if (options->metric_area != NULL)
        readers[0] = of_area(options, config);
    else
        provider.reader_count = make_readers(sdk, options, config, readers);
    if (provider.reader_count == 0)
        return OTEL_OK; // off
    provider.view_count = gather_views(options, config, views);
    provider.views_compose = options->views_compose || config->views_compose;
    provider.producer_count = gather_producers(sdk, options, config, producers);
    sdk->meter_provider = otel_meter_provider_new(&provider);
    if (sdk->meter_provider == NULL)
        return OTEL_FAILED;
    if (options->metric_area == NULL && !options->only_own_exporters)
        start_servers(sdk, config, readers, provider.reader_count);
    return OTEL_OK;
}
