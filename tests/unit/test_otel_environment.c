// SPDX-License-Identifier: Apache-2.0
// What variables say, by the rules of the environment variable specification.
#include "otel/config/environment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { PAIRS_MAX = 16 };

struct fixture {
    const char *pairs[PAIRS_MAX][2];
    size_t count;
    unsigned warnings;
    char last[1100];
    bool grpc_by_default;
    struct otel_runtime runtime;
    otel_config *config;
};

static const char *read_pair(void *context, const char *name) {
    const struct fixture *fixture = context;
    for (size_t i = 0; i < fixture->count; i++) {
        if (strcmp(fixture->pairs[i][0], name) == 0)
            return fixture->pairs[i][1];
    }
    return NULL;
}

static void count_warning(void *context, enum otel_log_level level, const char *text) {
    struct fixture *fixture = context;
    assert_int_equal(level, OTEL_LEVEL_WARN);
    fixture->warnings++;
    snprintf(fixture->last, sizeof fixture->last, "%s", text);
}

static void set(struct fixture *fixture, const char *name, const char *value) {
    for (size_t i = 0; i < fixture->count; i++) {
        if (strcmp(fixture->pairs[i][0], name) == 0) {
            fixture->pairs[i][1] = value;
            return;
        }
    }
    assert_in_range(fixture->count, 0, PAIRS_MAX - 1);
    fixture->pairs[fixture->count][0] = name;
    fixture->pairs[fixture->count++][1] = value;
}

static const otel_config *read_all(struct fixture *fixture) {
    struct otel_sdk_options options = {.grpc_by_default = fixture->grpc_by_default};
    struct otel_variables variables = {.read = read_pair, .context = fixture, .runtime = &fixture->runtime};
    fixture->runtime.diagnostics = (struct otel_diagnostics){.report = count_warning, .context = fixture};
    fixture->warnings = 0;
    otel_config_free(fixture->config);
    fixture->config = otel_environment_read(&variables, &options);
    assert_non_null(fixture->config);
    return fixture->config;
}

static int start(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){0};
    *state = &fixture;
    return 0;
}

static int stop(void **state) {
    struct fixture *fixture = *state;
    fixture->config = otel_config_free(fixture->config);
    return 0;
}

static const char *url_of(struct fixture *fixture, enum otel_signal signal) {
    const otel_config *config = read_all(fixture);
    const struct otel_otlp_options *otlp =
        signal == OTEL_SIGNAL_TRACES ? &config->span_processors->exporter.otlp
        : signal == OTEL_SIGNAL_LOGS ? &config->log_processors->exporter.otlp
                                     : &config->readers->exporter.otlp;
    return otlp->endpoint;
}

static void nothing_set_gives_the_defaults(void **state) {
    const otel_config *config = read_all(*state);
    assert_false(config->disabled);
    assert_int_equal(config->propagator_count, 2);
    assert_string_equal(config->propagators[0], "tracecontext");
    assert_string_equal(config->propagators[1], "baggage");
    assert_int_equal(config->sampler->kind, OTEL_MODEL_PARENT_BASED);
    assert_int_equal(config->sampler->root->kind, OTEL_MODEL_ALWAYS_ON);
    assert_int_equal(config->span_processors->delay_ms, 5000);
    assert_int_equal(config->log_processors->delay_ms, 1000);
    assert_int_equal(config->span_processors->queue_max, 2048);
    assert_int_equal(config->span_processors->batch_max, 512);
    assert_int_equal(config->span_processors->timeout_ms, 30000);
    assert_int_equal(config->readers->interval_ms, 60000);
    assert_int_equal(config->readers->timeout_ms, 30000);
    assert_int_equal(config->span_limits.attributes, 128);
    assert_int_equal(config->span_limits.value_length, UINT32_MAX);
    assert_int_equal(config->span_processors->exporter.otlp.protocol, OTEL_OTLP_HTTP_PROTOBUF);
    assert_int_equal(config->span_processors->exporter.otlp.timeout_ms, 10000);
    assert_int_equal(config->exemplar_filter, OTEL_EXEMPLARS_TRACE_BASED);
    assert_int_equal(((struct fixture *)*state)->warnings, 0);
}

static void empty_is_unset(void **state) {
    set(*state, "OTEL_BSP_SCHEDULE_DELAY", "");
    set(*state, "OTEL_TRACES_SAMPLER", "");
    set(*state, "OTEL_SDK_DISABLED", "");
    set(*state, "OTEL_TRACES_EXPORTER", "");
    const otel_config *config = read_all(*state);
    assert_int_equal(config->span_processors->delay_ms, 5000);
    assert_non_null(config->span_processors);
    assert_int_equal(((struct fixture *)*state)->warnings, 0);
}

static void otel_sdk_disabled(void **state) {
    static const struct {
        const char *text;
        bool disabled;
        unsigned warnings;
    } rows[] = {
        {"true",  true,  0},
        {"TRUE",  true,  0},
        {"false", false, 0},
        {"1",     false, 1},
        {"yes",   false, 1},
        {"on",    false, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(*state, "OTEL_SDK_DISABLED", rows[i].text);
        const otel_config *config = read_all(*state);
        assert_int_equal(config->disabled, rows[i].disabled);
        assert_int_equal(((struct fixture *)*state)->warnings, rows[i].warnings);
        assert_int_equal(config->propagator_count, 2); // context flows all the same
    }
}

// Three signals read these; who made the mistake hears of it once.
static void a_wrong_variable_of_all_signals_is_said_once(void **state) {
    struct fixture *fixture = *state;
    set(fixture, "OTEL_EXPORTER_OTLP_PROTOCOL", "grcp");
    read_all(fixture);
    assert_int_equal(fixture->warnings, 1);
    assert_non_null(strstr(fixture->last, "grcp"));
    set(fixture, "OTEL_EXPORTER_OTLP_HEADERS", "no header");
    read_all(fixture);
    assert_int_equal(fixture->warnings, 2);
}

static void otel_log_level(void **state) {
    struct fixture *fixture = *state;
    struct otel_variables variables = {.read = read_pair, .context = fixture, .runtime = &fixture->runtime};
    fixture->runtime.diagnostics = (struct otel_diagnostics){.report = count_warning, .context = fixture};
    assert_int_equal(otel_environment_log_level(&variables), OTEL_LEVEL_INFO);
    set(fixture, "OTEL_LOG_LEVEL", "Debug");
    assert_int_equal(otel_environment_log_level(&variables), OTEL_LEVEL_DEBUG);
    set(fixture, "OTEL_LOG_LEVEL", "loud");
    assert_int_equal(otel_environment_log_level(&variables), OTEL_LEVEL_INFO);
    assert_int_equal(fixture->warnings, 1);
    assert_non_null(strstr(fixture->last, "loud"));
}

static const char *attribute(const otel_config *config, const char *key) {
    const char *found = NULL;
    for (size_t i = 0; i < config->attribute_count; i++) {
        if (strcmp(config->attributes[i].key, key) == 0)
            found = config->attributes[i].value.as.text.data;
    }
    return found;
}

static void otel_resource_attributes(void **state) {
    set(*state, "OTEL_RESOURCE_ATTRIBUTES", "a=1, b%3Dc = x%2Cy ,service.name=low");
    const otel_config *config = read_all(*state);
    assert_string_equal(attribute(config, "a"), "1");
    assert_string_equal(attribute(config, "b=c"), "x,y");
    assert_string_equal(attribute(config, "service.name"), "low");
    static const char *const bad[] = {"a=1,b", "a=1,b=%zz", "a=1,=2", "a=1,b=%ff", "a=1,b=2=3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) { // any error throws the whole value away
        set(*state, "OTEL_RESOURCE_ATTRIBUTES", bad[i]);
        config = read_all(*state);
        assert_int_equal(config->attribute_count, 0);
        assert_int_equal(((struct fixture *)*state)->warnings, 1);
    }
}

static void otel_service_name(void **state) {
    set(*state, "OTEL_RESOURCE_ATTRIBUTES", "service.name=low");
    set(*state, "OTEL_SERVICE_NAME", "high");
    assert_string_equal(attribute(read_all(*state), "service.name"), "high");
}

static void otel_propagators(void **state) {
    set(*state, "OTEL_PROPAGATORS", "b3,tracecontext,B3, jaeger,b3multi");
    const otel_config *config = read_all(*state);
    assert_int_equal(config->propagator_count, 4); // each once
    assert_string_equal(config->propagators[0], "b3");
    set(*state, "OTEL_PROPAGATORS", "none");
    assert_int_equal(read_all(*state)->propagator_count, 0);
    assert_int_equal(((struct fixture *)*state)->warnings, 0);
    set(*state, "OTEL_PROPAGATORS", "none,baggage");
    assert_int_equal(read_all(*state)->propagator_count, 1);
    assert_int_equal(((struct fixture *)*state)->warnings, 1);
    set(*state, "OTEL_PROPAGATORS", "pigeon");
    assert_int_equal(read_all(*state)->propagator_count, 2);
    assert_int_equal(((struct fixture *)*state)->warnings, 1);
}

static void otel_traces_sampler(void **state) {
    static const struct {
        const char *text;
        enum otel_model_sampler_kind kind, root;
    } rows[] = {
        {"always_on",                OTEL_MODEL_ALWAYS_ON,      OTEL_MODEL_ALWAYS_ON     },
        {"ALWAYS_OFF",               OTEL_MODEL_ALWAYS_OFF,     OTEL_MODEL_ALWAYS_OFF    },
        {"traceidratio",             OTEL_MODEL_TRACE_ID_RATIO, OTEL_MODEL_TRACE_ID_RATIO},
        {"parentbased_always_on",    OTEL_MODEL_PARENT_BASED,   OTEL_MODEL_ALWAYS_ON     },
        {"parentbased_always_off",   OTEL_MODEL_PARENT_BASED,   OTEL_MODEL_ALWAYS_OFF    },
        {"parentbased_traceidratio", OTEL_MODEL_PARENT_BASED,   OTEL_MODEL_TRACE_ID_RATIO},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(*state, "OTEL_TRACES_SAMPLER", rows[i].text);
        const otel_config *config = read_all(*state);
        assert_int_equal(config->sampler->kind, rows[i].kind);
        if (rows[i].kind == OTEL_MODEL_PARENT_BASED)
            assert_int_equal(config->sampler->root->kind, rows[i].root);
    }
    set(*state, "OTEL_TRACES_SAMPLER", "xray");
    assert_int_equal(read_all(*state)->sampler->root->kind, OTEL_MODEL_ALWAYS_ON);
    assert_int_equal(((struct fixture *)*state)->warnings, 1);
    assert_non_null(strstr(((struct fixture *)*state)->last, "xray"));
}

static void otel_traces_sampler_arg(void **state) {
    static const struct {
        const char *text;
        double ratio;
        unsigned warnings;
    } rows[] = {
        {"0.25", 0.25,  0},
        {"1e-3", 0.001, 0},
        {"0",    0,     0},
        {"1",    1,     0},
        {"1.5",  1,     1},
        {"-0.1", 1,     1},
        {"nan",  1,     1},
        {"0,5",  1,     1},
        {"half", 1,     1},
        {"",     1,     0},
    };
    set(*state, "OTEL_TRACES_SAMPLER", "traceidratio");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(*state, "OTEL_TRACES_SAMPLER_ARG", rows[i].text);
        assert_true(fabs(read_all(*state)->sampler->ratio - rows[i].ratio) < 1e-12);
        assert_int_equal(((struct fixture *)*state)->warnings, rows[i].warnings);
    }
    set(*state, "OTEL_TRACES_SAMPLER", ""); // the argument counts only with the sampler
    set(*state, "OTEL_TRACES_SAMPLER_ARG", "bad");
    read_all(*state);
    assert_int_equal(((struct fixture *)*state)->warnings, 0);
}

static void otel_bsp(void **state) {
    set(*state, "OTEL_BSP_SCHEDULE_DELAY", "100");
    set(*state, "OTEL_BSP_EXPORT_TIMEOUT", "0");
    set(*state, "OTEL_BSP_MAX_QUEUE_SIZE", "10");
    set(*state, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "20");
    const struct otel_model_processor *processor = read_all(*state)->span_processors;
    assert_int_equal(processor->delay_ms, 100);
    assert_int_equal(processor->timeout_ms, 0);
    assert_int_equal(processor->queue_max, 10);
    assert_int_equal(processor->batch_max, 10); // not more than the queue holds
    assert_int_equal(((struct fixture *)*state)->warnings, 1);
    static const char *const bad[] = {"-1", "0", "12ms", "1.5", "99999999999999999999", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set(*state, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1");
        set(*state, "OTEL_BSP_MAX_QUEUE_SIZE", bad[i]);
        assert_int_equal(read_all(*state)->span_processors->queue_max, 2048);
        assert_int_equal(((struct fixture *)*state)->warnings, 1);
    }
}

static void otel_blrp(void **state) {
    set(*state, "OTEL_BLRP_SCHEDULE_DELAY", "7");
    set(*state, "OTEL_BLRP_EXPORT_TIMEOUT", "8");
    set(*state, "OTEL_BLRP_MAX_QUEUE_SIZE", "9");
    set(*state, "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "3");
    const struct otel_model_processor *processor = read_all(*state)->log_processors;
    assert_int_equal(processor->delay_ms, 7);
    assert_int_equal(processor->timeout_ms, 8);
    assert_int_equal(processor->queue_max, 9);
    assert_int_equal(processor->batch_max, 3);
}

static void otel_attribute_limits(void **state) {
    set(*state, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "50");
    set(*state, "OTEL_ATTRIBUTE_COUNT_LIMIT", "10");
    const otel_config *config = read_all(*state);
    assert_int_equal(config->span_limits.value_length, 50);
    assert_int_equal(config->span_limits.attributes, 10);
    assert_int_equal(config->log_limits.value_length, 50);
    assert_int_equal(config->log_limits.attributes, 10);
    set(*state, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0"); // the specific one wins
    set(*state, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "11");
    set(*state, "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "12");
    set(*state, "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "13");
    config = read_all(*state);
    assert_int_equal(config->span_limits.value_length, 0);
    assert_int_equal(config->span_limits.attributes, 11);
    assert_int_equal(config->log_limits.value_length, 12);
    assert_int_equal(config->log_limits.attributes, 13);
}

static void otel_span_limits(void **state) {
    set(*state, "OTEL_SPAN_EVENT_COUNT_LIMIT", "1");
    set(*state, "OTEL_SPAN_LINK_COUNT_LIMIT", "2");
    set(*state, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "3");
    set(*state, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "0");
    const otel_config *config = read_all(*state);
    assert_int_equal(config->span_limits.events, 1);
    assert_int_equal(config->span_limits.links, 2);
    assert_int_equal(config->span_limits.event_attributes, 3);
    assert_int_equal(config->span_limits.link_attributes, 0);
}

static void otel_metric_export_interval(void **state) {
    set(*state, "OTEL_METRIC_EXPORT_INTERVAL", "1234");
    set(*state, "OTEL_METRIC_EXPORT_TIMEOUT", "55");
    assert_int_equal(read_all(*state)->readers->interval_ms, 1234);
    assert_int_equal(read_all(*state)->readers->timeout_ms, 55);
    set(*state, "OTEL_METRIC_EXPORT_INTERVAL", "");
    set(*state, "OTEL_METRICS_EXPORTER", "console");
    assert_int_equal(read_all(*state)->readers->interval_ms, 10000);
}

static void otel_metrics_exemplar_filter(void **state) {
    set(*state, "OTEL_METRICS_EXEMPLAR_FILTER", "ALWAYS_ON");
    assert_int_equal(read_all(*state)->exemplar_filter, OTEL_EXEMPLARS_ALWAYS_ON);
    set(*state, "OTEL_METRICS_EXEMPLAR_FILTER", "always_off");
    assert_int_equal(read_all(*state)->exemplar_filter, OTEL_EXEMPLARS_ALWAYS_OFF);
}

static void otel_temporality_and_histogram_preference(void **state) {
    set(*state, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "LowMemory");
    set(*state, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "base2_exponential_bucket_histogram");
    const struct otel_model_exporter *exporter = &read_all(*state)->readers->exporter;
    assert_int_equal(exporter->temporality, OTEL_PREFER_LOW_MEMORY);
    assert_true(exporter->exponential);
}

static void otel_semconv_exception_signal(void **state) {
    set(*state, "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs");
    assert_true(read_all(*state)->exceptions_as_logs);
    assert_false(read_all(*state)->exceptions_as_events);
    set(*state, "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs/dup");
    assert_true(read_all(*state)->exceptions_as_logs);
    assert_true(read_all(*state)->exceptions_as_events);
}

// --- exporters -------------------------------------------------------------------------------------------------------
static void otel_exporter_lists(void **state) {
    set(*state, "OTEL_TRACES_EXPORTER", "otlp, console,otlp");
    set(*state, "OTEL_METRICS_EXPORTER", "prometheus,otlp/stdout");
    set(*state, "OTEL_LOGS_EXPORTER", "none");
    set(*state, "OTEL_EXPORTER_PROMETHEUS_PORT", "9999");
    const otel_config *config = read_all(*state);
    assert_int_equal(config->span_processors->exporter.kind, OTEL_MODEL_OTLP);
    assert_false(config->span_processors->simple);
    assert_int_equal(config->span_processors->next->exporter.kind, OTEL_MODEL_CONSOLE);
    assert_true(config->span_processors->next->simple);
    assert_null(config->span_processors->next->next);
    assert_int_equal(config->readers->exporter.kind, OTEL_MODEL_PROMETHEUS);
    assert_true(config->readers->pull);
    assert_int_equal(config->readers->exporter.port, 9999);
    assert_string_equal(config->readers->exporter.host, "localhost");
    assert_int_equal(config->readers->next->exporter.kind, OTEL_MODEL_JSON_LINES);
    assert_null(config->log_processors);
    assert_int_equal(((struct fixture *)*state)->warnings, 0);
    set(*state, "OTEL_TRACES_EXPORTER", "prometheus"); // has no spans
    assert_int_equal(read_all(*state)->span_processors->exporter.kind, OTEL_MODEL_OTLP);
    assert_int_equal(((struct fixture *)*state)->warnings, 1);
}

static void otlp_http_urls(void **state) {
    static const struct {
        const char *all, *own, *url;
    } rows[] = {
        {"",                  "",                        "http://localhost:4318/v1/traces"},
        {"http://c:4318",     "",                        "http://c:4318/v1/traces"        },
        {"http://c:4318/",    "",                        "http://c:4318/v1/traces"        },
        {"http://c:4318/my",  "",                        "http://c:4318/my/v1/traces"     },
        {"http://c:4318/my/", "",                        "http://c:4318/my/v1/traces"     },
        {"https://h",         "",                        "https://h/v1/traces"            },
        {"http://c:4318",     "http://d:4318",           "http://d:4318/"                 },
        {"http://c:4318",     "https://h/v1/traces/",    "https://h/v1/traces/"           },
        {"http://c:4318",     "http://d:1/other/traces", "http://d:1/other/traces"        },
        {"http://[::1]:4318", "",                        "http://[::1]:4318/v1/traces"    },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        set(*state, "OTEL_EXPORTER_OTLP_ENDPOINT", rows[i].all);
        set(*state, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", rows[i].own);
        assert_string_equal(url_of(*state, OTEL_SIGNAL_TRACES), rows[i].url);
        assert_int_equal(((struct fixture *)*state)->warnings, 0);
    }
    set(*state, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
    assert_string_equal(url_of(*state, OTEL_SIGNAL_METRICS), "http://c:4318/v1/metrics");
    assert_string_equal(url_of(*state, OTEL_SIGNAL_LOGS), "http://c:4318/v1/logs");
}

static void otlp_bad_endpoints_leave_the_default(void **state) {
    static const char *const bad[] = {"c:4318",     "ftp://c",        "http://",
                                      "http://c:0", "http://c:99999", "http://a b"};
    set(*state, "OTEL_METRICS_EXPORTER", "none");
    set(*state, "OTEL_LOGS_EXPORTER", "none");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set(*state, "OTEL_EXPORTER_OTLP_ENDPOINT", bad[i]);
        assert_string_equal(url_of(*state, OTEL_SIGNAL_TRACES), "http://localhost:4318/v1/traces");
        assert_int_equal(((struct fixture *)*state)->warnings, 1);
    }
}

static void otlp_grpc_targets(void **state) {
    static const char *const targets[] = {"http://h:4317", "https://api.honeycomb.io:443", "h:4317",
                                          "unix:/run/otel.sock"};
    set(*state, "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    assert_string_equal(url_of(*state, OTEL_SIGNAL_TRACES), "http://localhost:4317");
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        set(*state, "OTEL_EXPORTER_OTLP_ENDPOINT", targets[i]);
        assert_string_equal(url_of(*state, OTEL_SIGNAL_TRACES), targets[i]);
        assert_int_equal(((struct fixture *)*state)->warnings, 0);
    }
    set(*state, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://h:4317/path");
    set(*state, "OTEL_METRICS_EXPORTER", "none");
    set(*state, "OTEL_LOGS_EXPORTER", "none");
    url_of(*state, OTEL_SIGNAL_TRACES);
    assert_int_equal(((struct fixture *)*state)->warnings, 1);
}

static void otlp_protocol_by_default(void **state) {
    struct fixture *fixture = *state;
    fixture->grpc_by_default = true;
    set(fixture, "OTEL_METRICS_EXPORTER", "none");
    set(fixture, "OTEL_LOGS_EXPORTER", "none");
    assert_int_equal(read_all(fixture)->span_processors->exporter.otlp.protocol, OTEL_OTLP_GRPC);
    set(fixture, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
    assert_string_equal(url_of(fixture, OTEL_SIGNAL_TRACES), "http://c:4318/v1/traces");
    assert_int_equal(fixture->warnings, 1);
    set(fixture, "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"); // said: obeyed
    assert_int_equal(read_all(fixture)->span_processors->exporter.otlp.protocol, OTEL_OTLP_GRPC);
    assert_int_equal(fixture->warnings, 0);
    set(fixture, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json");
    assert_int_equal(read_all(fixture)->span_processors->exporter.otlp.protocol, OTEL_OTLP_HTTP_JSON);
    set(fixture, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "smoke");
    assert_int_equal(read_all(fixture)->span_processors->exporter.otlp.protocol, OTEL_OTLP_GRPC);
    assert_int_equal(fixture->warnings, 1);
}

static void otlp_headers(void **state) {
    set(*state, "OTEL_METRICS_EXPORTER", "none");
    set(*state, "OTEL_LOGS_EXPORTER", "none");
    set(*state, "OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20abc==, x-key = a b ,,q=%");
    const struct otel_otlp_options *otlp = &read_all(*state)->span_processors->exporter.otlp;
    assert_int_equal(otlp->header_count, 3);
    assert_string_equal(otlp->headers[0].key, "Authorization");
    assert_string_equal(otlp->headers[0].value, "Basic abc==");
    assert_string_equal(otlp->headers[1].value, "a b");
    assert_string_equal(otlp->headers[2].value, "%");
    set(*state, "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "own=1"); // replaces, does not merge
    otlp = &read_all(*state)->span_processors->exporter.otlp;
    assert_int_equal(otlp->header_count, 1);
    assert_string_equal(otlp->headers[0].key, "own");
    set(*state, "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "secret,good=1,bad key=2,line=a%0Ab");
    otlp = &read_all(*state)->span_processors->exporter.otlp;
    assert_int_equal(otlp->header_count, 1);
    assert_int_equal(((struct fixture *)*state)->warnings, 3);
    assert_null(strstr(((struct fixture *)*state)->last, "secret"));
}

static void otlp_signal_variables_win(void **state) {
    set(*state, "OTEL_EXPORTER_OTLP_TIMEOUT", "1");
    set(*state, "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "2");
    set(*state, "OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    set(*state, "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "none");
    set(*state, "OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem");
    set(*state, "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/traces.pem");
    set(*state, "OTEL_EXPORTER_OTLP_INSECURE", "true");
    const otel_config *config = read_all(*state);
    assert_int_equal(config->span_processors->exporter.otlp.timeout_ms, 1);
    assert_int_equal(config->log_processors->exporter.otlp.timeout_ms, 2);
    assert_true(config->span_processors->exporter.otlp.gzip);
    assert_false(config->readers->exporter.otlp.gzip);
    assert_string_equal(config->span_processors->exporter.otlp.ca_file, "/traces.pem");
    assert_string_equal(config->log_processors->exporter.otlp.ca_file, "/ca.pem");
    assert_true(config->span_processors->exporter.otlp.insecure);
    set(*state, "OTEL_METRICS_EXPORTER", "none");
    set(*state, "OTEL_LOGS_EXPORTER", "none");
    set(*state, "OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key.pem"); // needs its certificate
    assert_null(read_all(*state)->span_processors->exporter.otlp.client_key_file);
    assert_int_equal(((struct fixture *)*state)->warnings, 1);
}

// The table that help and documents are printed from knows every variable once.
static void every_variable_is_in_the_table(void **state) {
    (void)state;
    struct otel_variable row, other;
    size_t count = 0;
    for (; otel_variable_at(count, &row); count++) {
        assert_int_equal(strncmp(row.name, "OTEL_", 5), 0);
        assert_true(strlen(row.help) > 10);
        for (size_t i = 0; i < count; i++) {
            assert_true(otel_variable_at(i, &other));
            assert_string_not_equal(other.name, row.name);
        }
    }
    assert_in_range(count, 60, 120);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_set_gives_the_defaults),
        TEST(empty_is_unset),
        TEST(otel_sdk_disabled),
        TEST(a_wrong_variable_of_all_signals_is_said_once),
        TEST(otel_log_level),
        TEST(otel_resource_attributes),
        TEST(otel_service_name),
        TEST(otel_propagators),
        TEST(otel_traces_sampler),
        TEST(otel_traces_sampler_arg),
        TEST(otel_bsp),
        TEST(otel_blrp),
        TEST(otel_attribute_limits),
        TEST(otel_span_limits),
        TEST(otel_metric_export_interval),
        TEST(otel_metrics_exemplar_filter),
        TEST(otel_temporality_and_histogram_preference),
        TEST(otel_semconv_exception_signal),
        TEST(otel_exporter_lists),
        TEST(otlp_http_urls),
        TEST(otlp_bad_endpoints_leave_the_default),
        TEST(otlp_grpc_targets),
        TEST(otlp_protocol_by_default),
        TEST(otlp_headers),
        TEST(otlp_signal_variables_win),
        TEST(every_variable_is_in_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
