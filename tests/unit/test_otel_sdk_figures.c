// SPDX-License-Identifier: Apache-2.0
// otel.sdk.*: each metric with its value and attributes, after known work.
#include "otel/sdk.h"
#include "support/metrics_probe.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// An exporter that keeps the last batch, says of itself what a test wants, and hangs when told to.
struct own_exporter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool hangs, is_inside;
    fq_buf last;
    struct otel_exporter_stats stats;
};
static int own_export(void *self, const struct otel_export_batch *batch) {
    struct own_exporter *own = self;
    pthread_mutex_lock(&own->lock);
    own->is_inside = true;
    pthread_cond_broadcast(&own->changed);
    while (own->hangs)
        pthread_cond_wait(&own->changed, &own->lock);
    own->is_inside = false;
    fq_buf_clear(&own->last);
    int error = fq_buf_append(&own->last, batch->bytes, batch->len);
    pthread_mutex_unlock(&own->lock);
    return error == 0 ? OTEL_OK : OTEL_FAILED;
}
static void own_stats(void *self, struct otel_exporter_stats *ret_stats) {
    *ret_stats = ((struct own_exporter *)self)->stats;
}
static void hang(struct own_exporter *own, bool hangs) {
    pthread_mutex_lock(&own->lock);
    own->hangs = hangs;
    pthread_cond_broadcast(&own->changed);
    pthread_mutex_unlock(&own->lock);
}
static void await_inside(struct own_exporter *own) {
    pthread_mutex_lock(&own->lock);
    while (!own->is_inside)
        pthread_cond_wait(&own->changed, &own->lock);
    pthread_mutex_unlock(&own->lock);
}
static const struct otel_exporter_ops own_ops[OTEL_SIGNAL_COUNT] = {
    {.component_type = "own_span_exporter",   .export_batch = own_export, .stats = own_stats},
    {.component_type = "own_metric_exporter", .export_batch = own_export, .stats = own_stats},
    {.component_type = "own_log_exporter",    .export_batch = own_export, .stats = own_stats},
};

struct rig {
    struct own_exporter own[OTEL_SIGNAL_COUNT];
    struct probe probe;
    const char *(*pairs)[2];
    otel_sdk *sdk;
    otel_tracer *tracer;
};
static const char *read_pair(void *context, const char *name) {
    const struct rig *rig = context;
    for (size_t i = 0; rig->pairs[i][0] != NULL; i++) {
        if (strcmp(rig->pairs[i][0], name) == 0)
            return rig->pairs[i][1];
    }
    return NULL;
}
static void be_silent(void *context, enum otel_log_level level, const char *text) {
    (void)context;
    (void)level;
    (void)text;
}
// Keeps spans by their names.
static void sample_by_name(void *self, const struct otel_sampling_request *request,
                           struct otel_sampling_result *result) {
    (void)self;
    result->decision = strcmp(request->name, "drop") == 0   ? OTEL_DROP
                       : strcmp(request->name, "only") == 0 ? OTEL_RECORD_ONLY
                                                            : OTEL_RECORD_AND_SAMPLE;
}

static int setup(void **state) {
    static const struct otel_sampler_ops sampler = {.sample = sample_by_name};
    static const char *pairs[][2] = {
        {"OTEL_C_SDK_METRICS",             "true"  },
        {"OTEL_BSP_MAX_QUEUE_SIZE",        "8"     },
        {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"     },
        {"OTEL_BSP_SCHEDULE_DELAY",        "600000"},
        {"OTEL_BLRP_MAX_QUEUE_SIZE",       "9"     },
        {"OTEL_BLRP_SCHEDULE_DELAY",       "600000"},
        {"OTEL_METRIC_EXPORT_INTERVAL",    "600000"},
        {NULL,                             NULL    },
    };
    struct rig *rig = calloc(1, sizeof *rig);
    struct otel_exporter exporters[OTEL_SIGNAL_COUNT];
    struct otel_sdk_options options;
    rig->pairs = pairs;
    otel_sdk_options_init(&options);
    options.variable = read_pair;
    options.variable_context = rig;
    options.diagnostics.report = be_silent;
    options.only_own_exporters = true;
    options.sampler = otel_sampler_new(&sampler, NULL, NULL);
    for (int i = 0; i < OTEL_SIGNAL_COUNT; i++) {
        pthread_mutex_init(&rig->own[i].lock, NULL);
        pthread_cond_init(&rig->own[i].changed, NULL);
        exporters[i] = (struct otel_exporter){&own_ops[i], &rig->own[i]};
        options.exporters[i] = &exporters[i];
    }
    rig->sdk = otel_sdk_new(&options);
    rig->tracer = otel_sdk_tracer(rig->sdk, "test", NULL);
    *state = rig;
    return rig->tracer != NULL ? 0 : -1;
}
static int teardown(void **state) {
    struct rig *rig = *state;
    otel_sdk_free(rig->sdk);
    probe_done(&rig->probe);
    for (int i = 0; i < OTEL_SIGNAL_COUNT; i++) {
        fq_buf_done(&rig->own[i].last);
        pthread_cond_destroy(&rig->own[i].changed);
        pthread_mutex_destroy(&rig->own[i].lock);
    }
    free(rig);
    return 0;
}

static void collect(struct rig *rig) {
    assert_int_equal(otel_meter_provider_flush(otel_sdk_meter_provider(rig->sdk), 10000), OTEL_OK);
    const fq_buf *last = &rig->own[OTEL_SIGNAL_METRICS].last;
    probe_read(&rig->probe, fq_buf_str(last).ptr, fq_buf_len(last));
}
// The one point of a metric with exactly so many attributes, among them these ("" = any).
static const struct probe_point *point_of(const struct rig *rig, const char *name, unsigned count,
                                          const char *one, const char *other) {
    const struct probe_point *found = NULL;
    for (size_t i = 0; i < rig->probe.count; i++) {
        const struct probe_point *point = &rig->probe.points[i];
        unsigned commas = 0;
        for (const char *at = point->attributes; (at = strchr(at, ',')) != NULL; at++)
            commas++;
        if (strcmp(point->name, name) == 0 && (point->attributes[0] != '\0' ? commas + 1 : 0) == count &&
            strstr(point->attributes, one) != NULL && strstr(point->attributes, other) != NULL) {
            assert_null(found);
            found = point;
        }
    }
    if (found == NULL)
        fail_msg("no point of %s with %u attributes, %s %s", name, count, one, other);
    return found;
}
static void expect(const struct rig *rig, const char *name, unsigned count, const char *one,
                   const char *other, double value) {
    const struct probe_point *point = point_of(rig, name, count, one, other);
    if (!(point->value >= value && point->value <= value))
        fail_msg("%s{%s} is %g, not %g", name, point->attributes, point->value, value);
    assert_int_equal(point->temporality, OTEL_TEMPORALITY_CUMULATIVE);
}
static otel_span *make_span(const struct rig *rig, const char *name, const struct otel_span_context *parent) {
    return otel_span_start(rig->tracer, name, &(struct otel_span_options){.parent = parent});
}

static void span_figures_of_the_sdk(void **state) {
    struct rig *rig = *state;
    static const struct otel_span_context remote = {.trace_id = {1}, .span_id = {1}, .remote = true};
    otel_span *open = make_span(rig, "keep", NULL);
    struct otel_span_context local = otel_span_context_of(open);
    otel_span_end(make_span(rig, "keep", NULL));
    otel_span_end(make_span(rig, "keep", &local));
    otel_span_end(make_span(rig, "keep", &local));
    otel_span_end(make_span(rig, "drop", &remote));
    otel_span *only = make_span(rig, "only", NULL);
    collect(rig);
    expect(rig, "otel.sdk.span.started", 2, "origin=none", "RECORD_AND_SAMPLE", 2);
    expect(rig, "otel.sdk.span.started", 2, "origin=local", "RECORD_AND_SAMPLE", 2);
    expect(rig, "otel.sdk.span.started", 2, "origin=remote", "DROP", 1);
    expect(rig, "otel.sdk.span.started", 2, "origin=none", "RECORD_ONLY", 1);
    assert_int_equal(probe_count(&rig->probe, "otel.sdk.span.started"), 4);
    assert_true(probe_find(&rig->probe, "otel.sdk.span.started", NULL)->monotonic);
    expect(rig, "otel.sdk.span.live", 1, "otel.span.sampling_result=RECORD_AND_SAMPLE", "", 1);
    expect(rig, "otel.sdk.span.live", 1, "otel.span.sampling_result=RECORD_ONLY", "", 1);
    assert_false(probe_find(&rig->probe, "otel.sdk.span.live", NULL)->monotonic);
    assert_string_equal(probe_find(&rig->probe, "otel.sdk.span.live", NULL)->unit, "{span}");
    otel_span_end(open);
    otel_span_end(only);
    collect(rig);
    expect(rig, "otel.sdk.span.live", 1, "RECORD_AND_SAMPLE", "", 0);
}

static void queue_figures_of_the_sdk(void **state) {
    struct rig *rig = *state;
    static const char name[] = "otel.component.name=batching_span_processor/0",
                      type[] = "otel.component.type=batching_span_processor";
    for (int i = 0; i < 3; i++)
        otel_span_end(make_span(rig, "keep", NULL));
    collect(rig);
    expect(rig, "otel.sdk.processor.span.queue.size", 2, name, type, 3);
    expect(rig, "otel.sdk.processor.span.queue.capacity", 2, name, type, 8);
    expect(rig, "otel.sdk.processor.span.processed", 2, name, type, 0);
    assert_int_equal(otel_tracer_provider_flush(otel_sdk_tracer_provider(rig->sdk), 10000), OTEL_OK);
    collect(rig);
    expect(rig, "otel.sdk.processor.span.queue.size", 2, name, type, 0);
    expect(rig, "otel.sdk.processor.span.processed", 2, name, type, 3);
    // With the exporter stuck the queue fills, and what comes then is counted as lost.
    hang(&rig->own[OTEL_SIGNAL_TRACES], true);
    for (int i = 0; i < 4; i++) // half a queue wakes the exporter
        otel_span_end(make_span(rig, "keep", NULL));
    await_inside(&rig->own[OTEL_SIGNAL_TRACES]);
    struct otel_signal_stats stats;
    for (int i = 0; i < 20; i++)
        otel_span_end(make_span(rig, "keep", NULL));
    otel_sdk_stats(rig->sdk, OTEL_SIGNAL_TRACES, &stats);
    assert_in_range(stats.dropped_queue_full, 12, 16);
    collect(rig);
    expect(rig, "otel.sdk.processor.span.processed", 3, name, "error.type=queue_full",
           (double)stats.dropped_queue_full);
    expect(rig, "otel.sdk.processor.span.queue.size", 2, name, type, 8);
    hang(&rig->own[OTEL_SIGNAL_TRACES], false);
}

static void exporter_figures_of_the_sdk(void **state) {
    struct rig *rig = *state;
    static const char name[] = "otel.component.name=own_span_exporter/0";
    rig->own[OTEL_SIGNAL_TRACES].stats = (struct otel_exporter_stats){
        .exported = 5,
        .failed = 2,
        .rejected = 1,
        .inflight = 7,
        .server_address = "collector",
        .server_port = 4317,
        .outcomes = {{"", "", 3, 0.5}, {"UNAVAILABLE", "503", 2, 1.5}},
        .outcome_count = 2,
    };
    collect(rig);
    expect(rig, "otel.sdk.exporter.span.inflight", 4, name, "server.port=4317", 7);
    expect(rig, "otel.sdk.exporter.span.exported", 4, name, "server.address=collector", 5);
    expect(rig, "otel.sdk.exporter.span.exported", 5, name, "error.type=rejected", 1);
    expect(rig, "otel.sdk.exporter.span.exported", 5, name, "error.type=UNAVAILABLE", 2);
    const struct probe_point *point = point_of(rig, "otel.sdk.exporter.operation.duration", 4, name, "");
    assert_true(point->count == 3 && point->sum > 0.49 && point->sum < 0.51);
    assert_string_equal(point->unit, "s");
    point = point_of(rig, "otel.sdk.exporter.operation.duration", 6, "http.response.status_code=503",
                     "error.type=UNAVAILABLE");
    assert_true(point->count == 2 && point->sum > 1.49 && point->sum < 1.51);
}

static void log_figures_of_the_sdk(void **state) {
    struct rig *rig = *state;
    static const char processor[] = "otel.component.name=batching_log_processor/0",
                      exporter[] = "otel.component.name=own_log_exporter/0";
    otel_log(otel_sdk_logger(rig->sdk, "test", NULL), OTEL_SEVERITY_INFO, "one");
    otel_log(otel_sdk_logger(rig->sdk, "test", NULL), OTEL_SEVERITY_INFO, "two");
    rig->own[OTEL_SIGNAL_LOGS].stats =
        (struct otel_exporter_stats){.exported = 6, .rejected = 4, .inflight = 3};
    collect(rig);
    expect(rig, "otel.sdk.log.created", 0, "", "", 2);
    expect(rig, "otel.sdk.processor.log.queue.size", 2, processor, "", 2);
    expect(rig, "otel.sdk.processor.log.queue.capacity", 2, processor, "", 9);
    expect(rig, "otel.sdk.processor.log.processed", 2, processor, "", 0);
    expect(rig, "otel.sdk.exporter.log.inflight", 2, exporter, "", 3);
    expect(rig, "otel.sdk.exporter.log.exported", 2, exporter, "", 6);
    expect(rig, "otel.sdk.exporter.log.exported", 3, exporter, "error.type=rejected", 4);
    assert_int_equal(otel_logger_provider_flush(otel_sdk_logger_provider(rig->sdk), 10000), OTEL_OK);
    collect(rig);
    expect(rig, "otel.sdk.processor.log.queue.size", 2, processor, "", 0);
    expect(rig, "otel.sdk.processor.log.processed", 2, processor, "", 2);
}

static void metric_figures_of_the_sdk(void **state) {
    struct rig *rig = *state;
    static const char exporter[] = "otel.component.name=own_metric_exporter/0";
    rig->own[OTEL_SIGNAL_METRICS].stats =
        (struct otel_exporter_stats){.exported = 30, .failed = 20, .inflight = 10};
    collect(rig);
    collect(rig); // the second one knows how long the first one took
    expect(rig, "otel.sdk.exporter.metric_data_point.inflight", 2, exporter, "", 10);
    expect(rig, "otel.sdk.exporter.metric_data_point.exported", 2, exporter, "", 30);
    expect(rig, "otel.sdk.exporter.metric_data_point.exported", 3, exporter, "error.type=_OTHER", 20);
    const struct probe_point *point = point_of(rig, "otel.sdk.metric_reader.collection.duration", 2,
                                               "otel.component.name=periodic_metric_reader/0",
                                               "otel.component.type=periodic_metric_reader");
    assert_int_equal(point->count, 1);
    assert_true(point->sum > 0 && point->sum < 10 && point->min <= point->max);
    assert_string_equal(point->unit, "s");
}

// The resource's schema URL is that of its detectors.
static void schema_url_of_the_resource_goes_with_logs(void **state) {
    struct rig *rig = *state;
    static const char url[] = "https://opentelemetry.io/schemas/1.44.0";
    otel_log(otel_sdk_logger(rig->sdk, "test", NULL), OTEL_SEVERITY_INFO, "one");
    assert_int_equal(otel_logger_provider_flush(otel_sdk_logger_provider(rig->sdk), 10000), OTEL_OK);
    fq_str last = fq_buf_str(&rig->own[OTEL_SIGNAL_LOGS].last);
    // The last field of ResourceLogs, which is the only one: 3, a text of 39 bytes.
    assert_true(last.len > sizeof url + 1);
    assert_memory_equal(last.ptr + last.len - (sizeof url + 1), "\x1a\x27", 2);
    assert_memory_equal(last.ptr + last.len - (sizeof url - 1), url, sizeof url - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(span_figures_of_the_sdk),     TEST(queue_figures_of_the_sdk),
        TEST(exporter_figures_of_the_sdk), TEST(log_figures_of_the_sdk),
        TEST(metric_figures_of_the_sdk),   TEST(schema_url_of_the_resource_goes_with_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
