// SPDX-License-Identifier: Apache-2.0
// otel.sdk.*: metrics of the SDK itself, read at each collection from what the parts count anyway, so that spans and log
// records pay nothing for them. Names: semantic conventions 1.44, "OpenTelemetry SDK metrics" (status: development).
#include "otel/sdk/state.h"

#include <stdio.h>

static const char *const sampling_words[] = {"DROP", "RECORD_ONLY", "RECORD_AND_SAMPLE"};
static const char *const item_units[] = {"{span}", "{data_point}", "{log_record}"};
static const char *const item_words[] = {"span", "metric_data_point", "log"};

struct report {
    const otel_sdk *sdk;
    otel_point_writer *writer;
    int64_t start_unix_ns;
};

static void metric(const struct report *report, enum otel_instrument_kind kind, const char *unit,
                   const char *description, const char *name) {
    otel_point_metric(report->writer, kind, name, unit, description, OTEL_TEMPORALITY_CUMULATIVE);
}

static void point(const struct report *report, const struct otel_attribute *attributes, size_t count,
                  uint64_t value) {
    otel_point_int(report->writer, attributes, count, report->start_unix_ns, (int64_t)value);
}

// --- spans -----------------------------------------------------------------------------------------------------------
static void produce_spans(const struct report *report) {
    static const char *const origins[] = {"none", "local", "remote"};
    struct otel_tracer_stats stats;
    if (report->sdk->tracer_provider == NULL)
        return;
    otel_tracer_provider_stats(report->sdk->tracer_provider, &stats);
    metric(report, OTEL_UP_DOWN_COUNTER, "{span}", "Spans that have started and not ended",
           "otel.sdk.span.live");
    for (int decision = 1; decision < 3; decision++) {
        struct otel_attribute result = otel_text("otel.span.sampling_result", sampling_words[decision]);
        point(report, &result, 1, stats.live[decision] > 0 ? (uint64_t)stats.live[decision] : 0);
    }
    metric(report, OTEL_COUNTER, "{span}", "Spans started", "otel.sdk.span.started");
    for (int origin = 0; origin < 3; origin++) {
        for (int decision = 0; decision < 3; decision++) {
            struct otel_attribute attributes[] = {
                otel_text("otel.span.parent.origin", origins[origin]),
                otel_text("otel.span.sampling_result", sampling_words[decision]),
            };
            if (stats.started[origin][decision] > 0)
                point(report, attributes, 2, stats.started[origin][decision]);
        }
    }
}

static void produce_logs(const struct report *report) {
    if (report->sdk->logger_provider == NULL)
        return;
    metric(report, OTEL_COUNTER, "{log_record}", "Log records emitted", "otel.sdk.log.created");
    point(report, NULL, 0, otel_logger_provider_created(report->sdk->logger_provider));
}

// --- processors ------------------------------------------------------------------------------------------------------
enum pipe_figure { QUEUE_SIZE, QUEUE_CAPACITY, PROCESSED };

static void pipe_attributes(const struct otel_sdk_pipe *pipe, char type[OTEL_COMPONENT_NAME_SIZE],
                            struct otel_attribute *ret) {
    snprintf(type, OTEL_COMPONENT_NAME_SIZE, "%.*s", (int)strcspn(pipe->name, "/"), pipe->name);
    ret[0] = otel_text("otel.component.name", pipe->name);
    ret[1] = otel_text("otel.component.type", type);
}

static void produce_pipe(const struct report *report, const struct otel_sdk_pipe *pipe,
                         enum pipe_figure figure) {
    char type[OTEL_COMPONENT_NAME_SIZE];
    struct otel_attribute attributes[3];
    struct otel_signal_stats stats = {0};
    pipe_attributes(pipe, type, attributes);
    otel_batch_stats(pipe->batch, &stats);
    if (figure == QUEUE_SIZE) {
        point(report, attributes, 2, stats.queue_len);
    } else if (figure == QUEUE_CAPACITY) {
        point(report, attributes, 2, pipe->queue_max);
    } else {
        point(report, attributes, 2, stats.exported + stats.dropped_failed + stats.dropped_rejected);
        attributes[2] = otel_text("error.type", "queue_full");
        if (stats.dropped_queue_full > 0)
            point(report, attributes, 3, stats.dropped_queue_full);
    }
}

static void produce_processors(const struct report *report, enum otel_signal signal) {
    static const struct {
        const char *suffix, *description;
        enum otel_instrument_kind kind;
    } rows[] = {
        {"queue.size",     "Items that wait in the processor's queue", OTEL_UP_DOWN_COUNTER},
        {"queue.capacity", "Items that the queue can hold",            OTEL_UP_DOWN_COUNTER},
        {"processed",      "Items the processor is done with",         OTEL_COUNTER        },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && report->sdk->pipe_count[signal] > 0; i++) {
        char name[OTEL_COMPONENT_NAME_SIZE];
        snprintf(name, sizeof name, "otel.sdk.processor.%s.%s", item_words[signal], rows[i].suffix);
        metric(report, rows[i].kind, item_units[signal], rows[i].description, name);
        for (size_t pipe = 0; pipe < report->sdk->pipe_count[signal]; pipe++) {
            if (!report->sdk->pipes[signal][pipe].simple ||
                rows[i].kind == OTEL_COUNTER) // simple ones have no queue
                produce_pipe(report, &report->sdk->pipes[signal][pipe], (enum pipe_figure)i);
        }
    }
}

// --- exporters -------------------------------------------------------------------------------------------------------
enum { OUTLET_ATTRIBUTES_MAX = 6 };

static bool outlet_stats(const struct otel_sdk_outlet *outlet, struct otel_exporter_stats *ret) {
    memset(ret, 0, sizeof *ret);
    if (outlet->exporter.ops->stats == NULL)
        return false;
    outlet->exporter.ops->stats(outlet->exporter.self, ret);
    return true;
}

static size_t outlet_attributes(const struct otel_sdk_outlet *outlet, const struct otel_exporter_stats *stats,
                                struct otel_attribute *ret) {
    size_t count = 0;
    ret[count++] = otel_text("otel.component.name", outlet->name);
    ret[count++] = otel_text("otel.component.type", outlet->exporter.ops->component_type);
    if (stats->server_address[0] != '\0')
        ret[count++] = otel_text("server.address", stats->server_address);
    if (stats->server_port != 0)
        ret[count++] = otel_int("server.port", stats->server_port);
    return count;
}

static void produce_exported(const struct report *report, const struct otel_sdk_outlet *outlet) {
    struct otel_exporter_stats stats;
    struct otel_attribute attributes[OUTLET_ATTRIBUTES_MAX];
    if (!outlet_stats(outlet, &stats))
        return;
    size_t count = outlet_attributes(outlet, &stats, attributes);
    point(report, attributes, count, stats.exported);
    attributes[count] = otel_text("error.type", "rejected");
    if (stats.rejected > 0)
        point(report, attributes, count + 1, stats.rejected);
    const char *type = "_OTHER"; // the one reason, if there was only one
    size_t reasons = 0;
    for (size_t i = 0; i < stats.outcome_count; i++) {
        if (stats.outcomes[i].error_type[0] != '\0' && reasons++ == 0)
            type = stats.outcomes[i].error_type;
    }
    attributes[count] = otel_text("error.type", reasons == 1 ? type : "_OTHER");
    if (stats.failed > 0)
        point(report, attributes, count + 1, stats.failed);
}

static void produce_inflight(const struct report *report, const struct otel_sdk_outlet *outlet) {
    struct otel_exporter_stats stats;
    struct otel_attribute attributes[OUTLET_ATTRIBUTES_MAX];
    if (outlet_stats(outlet, &stats))
        point(report, attributes, outlet_attributes(outlet, &stats, attributes), stats.inflight);
}

static void produce_durations(const struct report *report, const struct otel_sdk_outlet *outlet) {
    struct otel_exporter_stats stats;
    struct otel_attribute attributes[OUTLET_ATTRIBUTES_MAX];
    if (!outlet_stats(outlet, &stats))
        return;
    size_t common = outlet_attributes(outlet, &stats, attributes);
    bool grpc = strcmp(outlet->protocol, "grpc") == 0;
    for (size_t i = 0; i < stats.outcome_count; i++) {
        const struct otel_exporter_outcome *outcome = &stats.outcomes[i];
        int64_t http_status = 0;
        size_t count = common;
        if (outcome->error_type[0] != '\0')
            attributes[count++] = otel_text("error.type", outcome->error_type);
        if (outcome->status[0] != '\0' && grpc)
            attributes[count++] = otel_text("rpc.status_code", outcome->status);
        else if (fq_str_to_int64(fq_str_of(outcome->status), &http_status) == 0)
            attributes[count++] = otel_int("http.response.status_code", http_status);
        // One bucket: the convention names no boundaries.
        struct otel_point_histogram histogram = {.buckets = &outcome->count, .sum = outcome->seconds};
        otel_point_histogram(report->writer, attributes, count, report->start_unix_ns, &histogram);
    }
}

static void each_outlet(const struct report *report, enum otel_signal signal,
                        void (*produce)(const struct report *report, const struct otel_sdk_outlet *outlet)) {
    for (size_t i = 0; i < report->sdk->outlet_count; i++) {
        if (signal == OTEL_SIGNAL_COUNT || report->sdk->outlets[i].signal == signal)
            produce(report, &report->sdk->outlets[i]);
    }
}

static bool has_outlet(const otel_sdk *sdk, enum otel_signal signal) {
    for (size_t i = 0; i < sdk->outlet_count; i++) {
        if (sdk->outlets[i].signal == signal)
            return true;
    }
    return false;
}

static void produce_exporters(const struct report *report, enum otel_signal signal) {
    char name[OTEL_COMPONENT_NAME_SIZE];
    if (!has_outlet(report->sdk, signal))
        return;
    snprintf(name, sizeof name, "otel.sdk.exporter.%s.inflight", item_words[signal]);
    metric(report, OTEL_UP_DOWN_COUNTER, item_units[signal], "Items in exports under way", name);
    each_outlet(report, signal, produce_inflight);
    snprintf(name, sizeof name, "otel.sdk.exporter.%s.exported", item_words[signal]);
    metric(report, OTEL_COUNTER, item_units[signal], "Items whose export has ended", name);
    each_outlet(report, signal, produce_exported);
}

// --- readers ---------------------------------------------------------------------------------------------------------
static void produce_readers(const struct report *report) {
    const otel_meter_provider *provider = report->sdk->meter_provider;
    metric(report, OTEL_HISTOGRAM, "s", "How long collections took",
           "otel.sdk.metric_reader.collection.duration");
    for (size_t i = 0; i < otel_meter_provider_reader_count(provider); i++) {
        struct otel_reader_stats stats;
        char name[OTEL_COMPONENT_NAME_SIZE];
        otel_meter_provider_reader_stats(provider, i, &stats);
        snprintf(name, sizeof name, "periodic_metric_reader/%zu", i);
        struct otel_attribute attributes[] = {otel_text("otel.component.name", name),
                                              otel_text("otel.component.type", "periodic_metric_reader")};
        struct otel_point_histogram histogram = {.buckets = &stats.collections,
                                                 .sum = stats.collection_s,
                                                 .has_min_max = true,
                                                 .min = stats.collection_min_s,
                                                 .max = stats.collection_max_s};
        if (stats.collections > 0)
            otel_point_histogram(report->writer, attributes, 2, report->start_unix_ns, &histogram);
    }
}

void otel_sdk_produce(void *sdk, otel_point_writer *writer, int64_t now_unix_ns) {
    const otel_sdk *of = sdk;
    (void)now_unix_ns;
    struct report report = {.sdk = of, .writer = writer, .start_unix_ns = of->start_unix_ns};
    produce_spans(&report);
    produce_logs(&report);
    produce_processors(&report, OTEL_SIGNAL_TRACES);
    produce_processors(&report, OTEL_SIGNAL_LOGS);
    for (int signal = 0; signal < OTEL_SIGNAL_COUNT; signal++)
        produce_exporters(&report, (enum otel_signal)signal);
    produce_readers(&report);
    metric(&report, OTEL_HISTOGRAM, "s", "How long exports took, retries included",
           "otel.sdk.exporter.operation.duration");
    each_outlet(&report, OTEL_SIGNAL_COUNT, produce_durations);
}
