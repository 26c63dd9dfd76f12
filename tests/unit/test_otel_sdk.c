// SPDX-License-Identifier: Apache-2.0
// The SDK as a whole: what variables make of it, its resource, its own metrics, several exporters, its end.
#include "otel/exporters/otlp.h"
#include "otel/logs.h"
#include "otel/resource.h"
#include "otel/sdk.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAIRS_MAX = 12 };

struct fixture {
    const char *pairs[PAIRS_MAX][2];
    struct otel_sdk_options options;
    struct otel_exporter exporters[OTEL_SIGNAL_COUNT];
    struct otel_memory_exporter *memories[OTEL_SIGNAL_COUNT];
    unsigned reports;
    otel_sdk *sdk;
};

static const char *read_pair(void *context, const char *name) {
    const struct fixture *fixture = context;
    for (size_t i = 0; i < PAIRS_MAX && fixture->pairs[i][0] != NULL; i++) {
        if (strcmp(fixture->pairs[i][0], name) == 0)
            return fixture->pairs[i][1];
    }
    return NULL;
}

static void count_report(void *context, enum otel_log_level level, const char *text) {
    (void)level;
    (void)text;
    ((struct fixture *)context)->reports++;
}

static void set(struct fixture *fixture, const char *name, const char *value) {
    size_t i = 0;
    while (fixture->pairs[i][0] != NULL)
        i++;
    assert_in_range(i, 0, PAIRS_MAX - 2);
    fixture->pairs[i][0] = name;
    fixture->pairs[i][1] = value;
}

// Everything goes to memory unless a test says otherwise.
static int start(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    otel_sdk_options_init(&fixture->options);
    fixture->options.variable = read_pair;
    fixture->options.variable_context = fixture;
    fixture->options.diagnostics = (struct otel_diagnostics){.report = count_report, .context = fixture};
    for (int i = 0; i < OTEL_SIGNAL_COUNT; i++) {
        assert_int_equal(
            otel_memory_exporter_new((enum otel_signal)i, &fixture->exporters[i], &fixture->memories[i]), 0);
        fixture->options.exporters[i] = &fixture->exporters[i];
    }
    fixture->options.only_own_exporters = true;
    *state = fixture;
    return 0;
}

static int stop(void **state) {
    struct fixture *fixture = *state;
    otel_sdk_free(fixture->sdk);
    free(fixture);
    return 0;
}

static otel_sdk *open_sdk(struct fixture *fixture) {
    fixture->sdk = otel_sdk_new(&fixture->options);
    assert_non_null(fixture->sdk);
    return fixture->sdk;
}

static void append(void *context, const char *text, size_t len) {
    fq_buf_append(context, text, len);
}

// All that a memory exporter got of a signal, as text.
static char *json_of(struct fixture *fixture, enum otel_signal signal) {
    static char text[262144];
    fq_buf buf = {0};
    struct otel_export_batch batch;
    for (size_t i = 0; otel_memory_exporter_at(fixture->memories[signal], i, &batch); i++)
        assert_int_equal(otel_bytes_to_json(signal, batch.bytes, batch.len, append, &buf), OTEL_OK);
    assert_in_range(fq_buf_len(&buf), 0, sizeof text - 1);
    memcpy(text, fq_buf_str(&buf).ptr, fq_buf_len(&buf));
    text[fq_buf_len(&buf)] = '\0';
    fq_buf_done(&buf);
    return text;
}

static const char *attribute(const otel_sdk *sdk, const char *key) {
    for (size_t i = 0; i < otel_sdk_resource_count(sdk); i++) {
        struct otel_attribute found = otel_sdk_resource_at(sdk, i);
        if (strcmp(found.key, key) == 0)
            return found.value.as.text.data;
    }
    return NULL;
}

static void make_span(const otel_sdk *sdk, const char *name) {
    otel_span_end(otel_span_start(otel_sdk_tracer(sdk, "test", NULL), name, NULL));
}

// --- resources -------------------------------------------------------------------------------------------------------
static void resource_is_made_of_attributes(void **state) {
    (void)state;
    struct otel_attribute attributes[] = {otel_text("a", "1"), otel_int("b", 2), otel_text("a", "later"),
                                          otel_text("", "no key"), otel_text("empty", NULL)};
    otel_resource *resource = otel_resource_new(attributes, 5, "https://schema/1");
    assert_int_equal(otel_resource_count(resource), 2);
    assert_string_equal(otel_resource_get(resource, "a")->as.text.data, "later");
    assert_int_equal(otel_resource_get(resource, "b")->as.integer, 2);
    assert_null(otel_resource_get(resource, "c"));
    assert_string_equal(otel_resource_schema_url(resource), "https://schema/1");
    otel_resource_free(resource);
}

static void resource_may_be_empty(void **state) {
    (void)state;
    otel_resource *resource = otel_resource_new(NULL, 0, NULL);
    assert_non_null(resource);
    assert_int_equal(otel_resource_count(resource), 0);
    assert_string_equal(otel_resource_schema_url(resource), "");
    fq_buf bytes = {0};
    assert_int_equal(otel_resource_encode(resource, &bytes), 0);
    assert_int_equal(fq_buf_len(&bytes), 0);
    fq_buf_done(&bytes);
    otel_resource_free(resource);
}

static void resource_merge(void **state) {
    (void)state;
    static const struct {
        const char *base, *over, *merged;
    } urls[] = {
        {"",  "",  "" },
        {"x", "",  "x"},
        {"",  "y", "y"},
        {"x", "x", "x"},
        {"x", "y", "" },
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct otel_attribute low[] = {otel_text("a", "low"), otel_text("b", "low")};
        struct otel_attribute high[] = {otel_text("b", "high"), otel_text("c", "high")};
        otel_resource *base = otel_resource_new(low, 2, urls[i].base);
        otel_resource *over = otel_resource_new(high, 2, urls[i].over);
        otel_resource *merged = otel_resource_merge(base, over);
        otel_resource_free(base);
        otel_resource_free(over);
        assert_int_equal(otel_resource_count(merged), 3);
        assert_string_equal(otel_resource_get(merged, "a")->as.text.data, "low");
        assert_string_equal(otel_resource_get(merged, "b")->as.text.data, "high");
        assert_string_equal(otel_resource_schema_url(merged), urls[i].merged);
        otel_resource_free(merged);
    }
}

static void resource_by_default(void **state) {
    const otel_sdk *sdk = open_sdk(*state);
    assert_string_equal(attribute(sdk, "service.name"), "unknown_service:test_otel_sdk");
    assert_string_equal(attribute(sdk, "telemetry.sdk.name"), "fastqueue");
    assert_string_equal(attribute(sdk, "telemetry.sdk.language"), "c");
    assert_non_null(attribute(sdk, "telemetry.sdk.version"));
    assert_int_equal(strlen(attribute(sdk, "service.instance.id")), 36);
    assert_int_equal(attribute(sdk, "service.instance.id")[14], '4'); // random
}

static void resource_precedence(void **state) {
    struct fixture *fixture = *state;
    struct otel_attribute code = otel_text("a", "code");
    set(fixture, "OTEL_RESOURCE_ATTRIBUTES", "a=variable,b=variable,service.name=low,host.name=mine");
    set(fixture, "OTEL_SERVICE_NAME", "high");
    fixture->options.service_name = "program";
    fixture->options.service_version = "1.2";
    fixture->options.resource = &code;
    fixture->options.resource_count = 1;
    const otel_sdk *sdk = open_sdk(fixture);
    assert_string_equal(attribute(sdk, "a"), "code");
    assert_string_equal(attribute(sdk, "b"), "variable");
    assert_string_equal(attribute(sdk, "service.name"), "high");
    assert_string_equal(attribute(sdk, "service.version"), "1.2");
    assert_string_equal(attribute(sdk, "host.name"), "mine");
}

static void resource_detectors_populate_the_schema_url(void **state) {
    struct fixture *fixture = *state;
    const otel_sdk *sdk = open_sdk(fixture);
    assert_non_null(attribute(sdk, "host.name"));
    assert_string_equal(attribute(sdk, "os.type"), "linux");
    assert_string_equal(attribute(sdk, "process.executable.name"), "test_otel_sdk");
    make_span(sdk, "one");
    assert_int_equal(otel_sdk_flush(fixture->sdk, 5000), OTEL_OK);
    assert_non_null(strstr(json_of(fixture, OTEL_SIGNAL_TRACES),
                           "\"schemaUrl\":\"https://opentelemetry.io/schemas/1.44.0\""));
}

static void resource_detectors_are_chosen(void **state) {
    set(*state, "OTEL_C_RESOURCE_DETECTORS", "os");
    const otel_sdk *sdk = open_sdk(*state);
    assert_null(attribute(sdk, "host.name"));
    assert_non_null(attribute(sdk, "os.type"));
}

// --- what is on --------------------------------------------------------------------------------------------------------
static void disabled_sdk_still_propagates(void **state) {
    struct fixture *fixture = *state;
    set(fixture, "OTEL_SDK_DISABLED", "true");
    fixture->options.only_own_exporters = false;
    for (int i = 0; i < OTEL_SIGNAL_COUNT; i++) {
        fixture->options.exporters[i] = NULL;
        fixture->exporters[i].ops->free(fixture->exporters[i].self);
    }
    otel_sdk *sdk = open_sdk(fixture);
    assert_null(otel_sdk_tracer_provider(sdk));
    assert_null(otel_sdk_tracer(sdk, "test", NULL));
    assert_null(otel_sdk_meter(sdk, "test", NULL));
    assert_null(otel_sdk_logger(sdk, "test", NULL));
    assert_string_equal(otel_propagator_fields(otel_sdk_propagator(sdk))[0], "traceparent");
    assert_int_equal(otel_sdk_flush(sdk, 100), OTEL_OK);
}

static void no_sdk_is_fine_everywhere(void **state) {
    (void)state;
    struct otel_signal_stats stats;
    struct otel_destination destination;
    assert_null(otel_sdk_tracer(NULL, "x", NULL));
    assert_null(otel_sdk_meter(NULL, "x", NULL));
    assert_null(otel_sdk_logger(NULL, "x", NULL));
    assert_non_null(otel_sdk_propagator(NULL));
    assert_int_equal(otel_sdk_flush(NULL, 1), OTEL_OK);
    assert_int_equal(otel_sdk_shutdown(NULL, 1), OTEL_OK);
    assert_int_equal(otel_sdk_put_record(NULL, OTEL_RECORD_SPAN, "", 0), OTEL_FAILED);
    assert_false(otel_sdk_destination(NULL, 0, &destination));
    otel_sdk_stats(NULL, OTEL_SIGNAL_TRACES, &stats);
    assert_int_equal(stats.created, 0);
    assert_null(otel_sdk_free(NULL));
}

static void a_bad_file_leaves_a_silent_sdk_and_says_so(void **state) {
    struct fixture *fixture = *state;
    set(fixture, "OTEL_EXPERIMENTAL_CONFIG_FILE", "/nonexistent/otel.yaml");
    for (int i = 0; i < OTEL_SIGNAL_COUNT; i++) {
        fixture->options.exporters[i] = NULL;
        fixture->exporters[i].ops->free(fixture->exporters[i].self);
    }
    const otel_sdk *sdk = open_sdk(fixture);
    assert_null(otel_sdk_tracer_provider(sdk));
    assert_int_equal(fixture->reports, 1);
}

static void otel_config_file_replaces_the_variables(void **state) {
    struct fixture *fixture = *state;
    char path[] = "/tmp/otel-config-XXXXXX";
    const char yaml[] =
        "file_format: '1.0'\nresource: {attributes: [{name: service.name, value: by file}]}\n";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, yaml, sizeof yaml - 1), sizeof yaml - 1);
    close(fd);
    set(fixture, "OTEL_CONFIG_FILE", path);
    set(fixture, "OTEL_SERVICE_NAME", "by variable");
    const otel_sdk *sdk = open_sdk(fixture);
    unlink(path);
    assert_string_equal(attribute(sdk, "service.name"), "by file");
}

static void the_global_sdk(void **state) {
    struct fixture *fixture = *state;
    assert_null(otel_sdk_global());
    otel_sdk *sdk = open_sdk(fixture);
    otel_sdk_set_global(sdk);
    assert_ptr_equal(otel_sdk_global(), sdk);
    assert_non_null(otel_sdk_meter_provider(otel_sdk_global()));
    fixture->sdk = otel_sdk_free(sdk);
    assert_null(otel_sdk_global()); // nobody is left with a dangling one
}

static void any_number_of_sdks(void **state) {
    struct fixture *fixture = *state;
    struct otel_sdk_options options = fixture->options;
    for (int i = 0; i < OTEL_SIGNAL_COUNT; i++)
        options.exporters[i] = NULL;
    otel_sdk *sdk = open_sdk(fixture), *other = otel_sdk_new(&options);
    assert_ptr_not_equal(otel_sdk_tracer_provider(sdk), otel_sdk_tracer_provider(other));
    make_span(sdk, "mine");
    make_span(other, "its");
    otel_sdk_free(other);
    assert_int_equal(otel_sdk_flush(sdk, 5000), OTEL_OK);
    assert_null(strstr(json_of(fixture, OTEL_SIGNAL_TRACES), "its"));
}

// --- ways ------------------------------------------------------------------------------------------------------------
static void all_signals_are_delivered(void **state) {
    struct fixture *fixture = *state;
    otel_sdk *sdk = open_sdk(fixture);
    make_span(sdk, "a span");
    otel_add(otel_counter(otel_sdk_meter(sdk, "test", NULL), "a.counter", NULL, NULL), 1, NULL, 0);
    otel_log(otel_sdk_logger(sdk, "test", NULL), OTEL_SEVERITY_INFO, "a log %s", "record");
    assert_int_equal(otel_sdk_flush(sdk, 5000), OTEL_OK);
    assert_non_null(strstr(json_of(fixture, OTEL_SIGNAL_TRACES), "a span"));
    assert_non_null(strstr(json_of(fixture, OTEL_SIGNAL_METRICS), "a.counter"));
    assert_non_null(strstr(json_of(fixture, OTEL_SIGNAL_LOGS), "a log record"));
    struct otel_signal_stats stats;
    for (int signal = 0; signal < OTEL_SIGNAL_COUNT; signal++) {
        otel_sdk_stats(sdk, (enum otel_signal)signal, &stats);
        assert_int_equal(stats.exported, 1);
        assert_true(stats.last_success_unix_ns > 0);
    }
}

// One receiver that fails costs the other one nothing.
static int fail_export(void *self, const struct otel_export_batch *batch) {
    (void)batch;
    ++*(unsigned *)self;
    return OTEL_FAILED;
}

static int make_failing(void *context, const otel_config_node *properties, void *ret_component) {
    static const struct otel_exporter_ops ops = {.component_type = "failing", .export_batch = fail_export};
    (void)properties;
    *(struct otel_exporter *)ret_component = (struct otel_exporter){.ops = &ops, .self = context};
    return OTEL_OK;
}

static void several_destinations_are_independent(void **state) {
    struct fixture *fixture = *state;
    unsigned failures = 0;
    struct otel_component_provider component = {OTEL_COMPONENT_SPAN_EXPORTER, "failing", make_failing,
                                                &failures};
    set(fixture, "OTEL_TRACES_EXPORTER", "failing");
    set(fixture, "OTEL_METRICS_EXPORTER", "none");
    set(fixture, "OTEL_LOGS_EXPORTER", "none");
    fixture->options.only_own_exporters = false;
    fixture->options.components = &component;
    fixture->options.component_count = 1;
    otel_sdk *sdk = open_sdk(fixture);
    make_span(sdk, "to both");
    otel_sdk_flush(sdk, 5000);
    assert_int_equal(failures, 1);
    assert_non_null(strstr(json_of(fixture, OTEL_SIGNAL_TRACES), "to both"));
    struct otel_destination destination;
    assert_true(otel_sdk_destination(sdk, 0, &destination));
    assert_string_equal(destination.component_type, "failing");
    assert_true(otel_sdk_destination(sdk, 1, &destination));
}

static void nothing_is_recorded_behind_shutdown(void **state) {
    struct fixture *fixture = *state;
    otel_sdk *sdk = open_sdk(fixture);
    make_span(sdk, "before");
    assert_int_equal(otel_sdk_shutdown(sdk, 5000), OTEL_OK);
    assert_int_equal(otel_sdk_shutdown(sdk, 5000), OTEL_OK); // does nothing
    make_span(sdk, "behind");
    assert_false(otel_tracer_enabled(otel_sdk_tracer(sdk, "test", NULL)));
    const char *text = json_of(fixture, OTEL_SIGNAL_TRACES);
    assert_non_null(strstr(text, "before"));
    assert_null(strstr(text, "behind"));
}

struct seen {
    unsigned starts, ends;
};
static void see_start(void *self, otel_span *span, const otel_context *context) {
    (void)span;
    (void)context;
    ((struct seen *)self)->starts++;
}
static void see_end(void *self, const struct otel_span_view *view) {
    ((struct seen *)self)->ends += strcmp(view->name, "seen") == 0;
}

static void a_processor_may_be_added_while_it_runs(void **state) {
    static const struct otel_span_processor_ops ops = {.on_start = see_start, .on_end = see_end};
    struct seen seen = {0};
    otel_sdk *sdk = open_sdk(*state);
    make_span(sdk, "not seen");
    assert_int_equal(otel_sdk_add_span_processor(sdk, (struct otel_span_processor){&ops, &seen}), OTEL_OK);
    make_span(sdk, "seen");
    assert_int_equal(seen.starts, 1);
    assert_int_equal(seen.ends, 1);
}

static void temporality_preference_reaches_the_exporter(void **state) {
    struct fixture *fixture = *state;
    set(fixture, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta");
    set(fixture, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "base2_exponential_bucket_histogram");
    otel_sdk *sdk = open_sdk(fixture);
    otel_meter *meter = otel_sdk_meter(sdk, "test", NULL);
    otel_add(otel_counter(meter, "a.counter", NULL, NULL), 1, NULL, 0);
    otel_record(otel_histogram(meter, "a.histogram", NULL, NULL, NULL, 0), 1, NULL, 0);
    assert_int_equal(otel_sdk_flush(sdk, 5000), OTEL_OK);
    const char *text = json_of(fixture, OTEL_SIGNAL_METRICS);
    assert_non_null(strstr(text, "\"aggregationTemporality\":1"));
    assert_null(strstr(text, "\"aggregationTemporality\":2"));
    assert_non_null(strstr(text, "exponentialHistogram"));
}

// --- exceptions ------------------------------------------------------------------------------------------------------
static void fail_in_a_span(struct fixture *fixture, const char *opt_in) {
    set(fixture, "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", opt_in);
    otel_sdk *sdk = open_sdk(fixture);
    otel_span *span = otel_span_start(otel_sdk_tracer(sdk, "test", NULL), "fails", NULL);
    struct otel_attribute attribute = otel_text("exception.message", "the caller's wins");
    otel_span_record_exception(span, "ValueError", "bad", "at line 1", &attribute, 1);
    otel_span_end(span);
    assert_int_equal(otel_sdk_flush(sdk, 5000), OTEL_OK);
}

static void exceptions_as_logs_only(void **state) {
    struct fixture *fixture = *state;
    fail_in_a_span(fixture, "logs");
    assert_null(strstr(json_of(fixture, OTEL_SIGNAL_TRACES), "ValueError"));
    const char *text = json_of(fixture, OTEL_SIGNAL_LOGS);
    assert_non_null(strstr(text, "\"eventName\":\"exception\""));
    assert_non_null(strstr(text, "ValueError"));
    assert_non_null(strstr(text, "the caller's wins"));
    assert_null(strstr(text, "\"bad\""));
    assert_non_null(strstr(text, "\"spanId\""));
}

static void exceptions_as_logs_and_events(void **state) {
    struct fixture *fixture = *state;
    fail_in_a_span(fixture, "logs/dup");
    assert_non_null(strstr(json_of(fixture, OTEL_SIGNAL_TRACES), "ValueError"));
    assert_non_null(strstr(json_of(fixture, OTEL_SIGNAL_LOGS), "ValueError"));
}

static void exceptions_as_events_by_default(void **state) {
    struct fixture *fixture = *state;
    fail_in_a_span(fixture, "");
    assert_non_null(strstr(json_of(fixture, OTEL_SIGNAL_TRACES), "ValueError"));
    assert_int_equal(otel_memory_exporter_count(fixture->memories[OTEL_SIGNAL_LOGS]), 0);
}

// --- otel.sdk.* ------------------------------------------------------------------------------------------------------
static void self_observability_is_off_by_default(void **state) {
    struct fixture *fixture = *state;
    otel_sdk *sdk = open_sdk(fixture);
    make_span(sdk, "one");
    otel_sdk_flush(sdk, 5000);
    assert_null(strstr(json_of(fixture, OTEL_SIGNAL_METRICS), "otel.sdk."));
}

static const char *own_metrics(struct fixture *fixture) {
    set(fixture, "OTEL_C_SDK_METRICS", "true");
    otel_sdk *sdk = open_sdk(fixture);
    for (int i = 0; i < 3; i++)
        make_span(sdk, "one");
    otel_log(otel_sdk_logger(sdk, "test", NULL), OTEL_SEVERITY_INFO, "one");
    otel_span *open_span = otel_span_start(otel_sdk_tracer(sdk, "test", NULL), "open", NULL);
    otel_sdk_flush(sdk, 5000);
    otel_sdk_flush(sdk, 5000); // the second collection knows of the first export
    otel_span_end(open_span);
    return json_of(fixture, OTEL_SIGNAL_METRICS);
}

static void self_observability_of_spans(void **state) {
    const char *text = own_metrics(*state);
    static const char *const names[] = {
        "otel.sdk.span.live",
        "otel.sdk.span.started",
        "otel.sdk.processor.span.queue.size",
        "otel.sdk.processor.span.queue.capacity",
        "otel.sdk.processor.span.processed",
        "otel.sdk.exporter.span.inflight",
        "otel.sdk.exporter.span.exported",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_non_null(strstr(text, names[i]));
    assert_non_null(strstr(text, "batching_span_processor/0"));
    assert_non_null(strstr(text, "RECORD_AND_SAMPLE"));
    assert_non_null(strstr(text, "\"asInt\":\"4\"")); // started
}

static void self_observability_of_logs(void **state) {
    const char *text = own_metrics(*state);
    static const char *const names[] = {
        "otel.sdk.log.created",
        "otel.sdk.processor.log.queue.size",
        "otel.sdk.processor.log.queue.capacity",
        "otel.sdk.processor.log.processed",
        "otel.sdk.exporter.log.inflight",
        "otel.sdk.exporter.log.exported",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_non_null(strstr(text, names[i]));
    assert_non_null(strstr(text, "batching_log_processor/0"));
}

static void self_observability_of_metrics_and_exports(void **state) {
    struct fixture *fixture = *state;
    fixture->options.only_own_exporters = false; // one more, to where nobody is
    set(fixture, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    set(fixture, "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    set(fixture, "OTEL_EXPORTER_OTLP_TIMEOUT", "20");
    set(fixture, "OTEL_METRICS_EXPORTER", "none");
    set(fixture, "OTEL_LOGS_EXPORTER", "none");
    const char *text = own_metrics(fixture);
    assert_non_null(strstr(text, "otlp_grpc_span_exporter/0"));
    assert_non_null(strstr(text, "\"server.address\""));
    assert_non_null(strstr(text, "\"error.type\""));
    static const char *const names[] = {
        "otel.sdk.exporter.metric_data_point.inflight",
        "otel.sdk.exporter.metric_data_point.exported",
        "otel.sdk.metric_reader.collection.duration",
        "otel.sdk.exporter.operation.duration",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_non_null(strstr(text, names[i]));
    assert_non_null(strstr(text, "periodic_metric_reader/0"));
}

// --- Prometheus ------------------------------------------------------------------------------------------------------
static void the_prometheus_exporter_by_variables(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < OTEL_SIGNAL_COUNT; i++) {
        fixture->options.exporters[i] = NULL;
        fixture->exporters[i].ops->free(fixture->exporters[i].self);
    }
    fixture->options.only_own_exporters = false;
    set(fixture, "OTEL_TRACES_EXPORTER", "none");
    set(fixture, "OTEL_LOGS_EXPORTER", "none");
    set(fixture, "OTEL_METRICS_EXPORTER", "prometheus");
    set(fixture, "OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1");
    set(fixture, "OTEL_EXPORTER_PROMETHEUS_PORT", "0");
    otel_sdk *sdk = open_sdk(fixture);
    otel_add(otel_counter(otel_sdk_meter(sdk, "test", NULL), "a.counter", NULL, NULL), 3, NULL, 0);
    struct otel_destination destination;
    assert_true(otel_sdk_destination(sdk, 0, &destination));
    assert_string_equal(destination.component_type, "prometheus_http_text_metric_exporter");
    int port = 0;
    assert_int_equal(sscanf(destination.endpoint, "http://127.0.0.1:%d/metrics", &port), 1);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    static char page[65536];
    size_t len = 0;
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    for (ssize_t got; (got = read(fd, page + len, sizeof page - 1 - len)) > 0;)
        len += (size_t)got;
    close(fd);
    page[len] = '\0';
    assert_non_null(strstr(page, "a_counter_total{"));
    assert_non_null(strstr(page, "target_info{"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resource_is_made_of_attributes),
        cmocka_unit_test(resource_may_be_empty),
        cmocka_unit_test(resource_merge),
        TEST(resource_by_default),
        TEST(resource_precedence),
        TEST(resource_detectors_populate_the_schema_url),
        TEST(resource_detectors_are_chosen),
        TEST(disabled_sdk_still_propagates),
        cmocka_unit_test(no_sdk_is_fine_everywhere),
        TEST(a_bad_file_leaves_a_silent_sdk_and_says_so),
        TEST(otel_config_file_replaces_the_variables),
        TEST(the_global_sdk),
        TEST(any_number_of_sdks),
        TEST(all_signals_are_delivered),
        TEST(several_destinations_are_independent),
        TEST(nothing_is_recorded_behind_shutdown),
        TEST(a_processor_may_be_added_while_it_runs),
        TEST(temporality_preference_reaches_the_exporter),
        TEST(exceptions_as_logs_only),
        TEST(exceptions_as_logs_and_events),
        TEST(exceptions_as_events_by_default),
        TEST(self_observability_is_off_by_default),
        TEST(self_observability_of_spans),
        TEST(self_observability_of_logs),
        TEST(self_observability_of_metrics_and_exports),
        TEST(the_prometheus_exporter_by_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
