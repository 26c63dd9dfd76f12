// SPDX-License-Identifier: Apache-2.0
// Vendors' keys reach their own hosts over TLS, and nobody else; FastQueue's own settings.
#include "telemetry/telemetry.h"
#include "telemetry/vendor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { PAIRS_MAX = 12 };

struct environment {
    const char *pairs[PAIRS_MAX][2];
};

static const char *read_pair(void *context, const char *name) {
    const struct environment *environment = context;
    for (size_t i = 0; i < PAIRS_MAX && environment->pairs[i][0] != NULL; i++) {
        if (strcmp(environment->pairs[i][0], name) == 0)
            return environment->pairs[i][1];
    }
    return NULL;
}

static unsigned said;
static char last[1100];
static void hear(void *context, enum fq_log_level level, const char *text) {
    (void)context;
    (void)level;
    said++;
    snprintf(last, sizeof last, "%s", text);
}
static const fq_log ear = {.level = FQ_LOG_DEBUG, .sink = hear};

#define ALL_KEYS                                                                                             \
    {"HONEYCOMB_API_KEY", "hc key"}, {"NEW_RELIC_API_KEY", "nr"}, {                                          \
        "DD_API_KEY", "dd"                                                                                   \
    }

// NULL = no header is given.
static void keys_go_to_their_hosts_only(void **state) {
    (void)state;
    static const struct {
        const char *endpoint, *headers;
    } rows[] = {
        {"https://api.honeycomb.io:443",           "x-honeycomb-team=hc%20key"},
        {"https://API.EU1.Honeycomb.IO/v1/traces", "x-honeycomb-team=hc%20key"},
        {"api.honeycomb.io:443",                   "x-honeycomb-team=hc%20key"}, // gRPC: TLS without a scheme
        {"https://otlp.nr-data.net",               "api-key=nr"               },
        {"https://otlp.eu01.nr-data.net:4317",     "api-key=nr"               },
        {"https://otlp.datadoghq.com",             "dd-api-key=dd"            },
        {"https://otlp.us3.datadoghq.com",         "dd-api-key=dd"            },
        {"https://otlp.datadoghq.eu",              "dd-api-key=dd"            },
        {"http://api.honeycomb.io",                NULL                       }, // no TLS
        {"http://datadog-agent:4317",              NULL                       },
        {"https://datadog-agent:4317",             NULL                       },
        {"https://honeycomb.io.evil.example",      NULL                       },
        {"https://evilhoneycomb.io",               NULL                       },
        {"https://evil.example/api.honeycomb.io",  NULL                       },
        {"https://api.honeycomb.io@evil.example",  NULL                       },
        {"https://evil.example?.honeycomb.io",     NULL                       },
        {"https://evil.example#.nr-data.net",      NULL                       },
        {"https://localhost:4318",                 NULL                       },
        {"unix:/run/api.honeycomb.io",             NULL                       },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct environment environment = {
            {ALL_KEYS, {"OTEL_EXPORTER_OTLP_ENDPOINT", rows[i].endpoint}}
        };
        struct fq_vendor_variables variables;
        fq_vendor_variables_init(&variables, read_pair, &environment, &ear);
        const char *headers = fq_vendor_variable(&variables, "OTEL_EXPORTER_OTLP_TRACES_HEADERS");
        if (rows[i].headers == NULL)
            assert_null(headers);
        else
            assert_string_equal(headers, rows[i].headers);
        fq_vendor_variables_done(&variables);
    }
}

static void each_signal_has_its_own_host(void **state) {
    (void)state;
    struct environment environment = {
        {ALL_KEYS,
         {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://api.honeycomb.io"},
         {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"},
         {"OTEL_EXPORTER_OTLP_HEADERS", "tenant=7"}}
    };
    struct fq_vendor_variables variables;
    fq_vendor_variables_init(&variables, read_pair, &environment, &ear);
    assert_string_equal(fq_vendor_variable(&variables, "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
                        "tenant=7,x-honeycomb-team=hc%20key");
    assert_string_equal(fq_vendor_origin(&variables, "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
                        "HONEYCOMB_API_KEY");
    assert_null(fq_vendor_variable(&variables, "OTEL_EXPORTER_OTLP_METRICS_HEADERS"));
    assert_string_equal(fq_vendor_variable(&variables, "OTEL_EXPORTER_OTLP_HEADERS"), "tenant=7");
    fq_vendor_variables_done(&variables);
}

static void a_header_that_is_given_stays(void **state) {
    (void)state;
    struct environment environment = {
        {ALL_KEYS,
         {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://api.honeycomb.io"},
         {"OTEL_EXPORTER_OTLP_HEADERS", "a=b, X-Honeycomb-Team = own"}}
    };
    struct fq_vendor_variables variables;
    fq_vendor_variables_init(&variables, read_pair, &environment, &ear);
    assert_null(fq_vendor_variable(&variables, "OTEL_EXPORTER_OTLP_TRACES_HEADERS"));
    fq_vendor_variables_done(&variables);
}

static void honeycomb_datasets(void **state) {
    (void)state;
    struct environment environment = {
        {{"HONEYCOMB_API_KEY", "k"},
         {"HONEYCOMB_DATASET", "all"},
         {"HONEYCOMB_METRICS_DATASET", "m"},
         {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://api.honeycomb.io"}}
    };
    struct fq_vendor_variables variables;
    fq_vendor_variables_init(&variables, read_pair, &environment, &ear);
    assert_string_equal(fq_vendor_variable(&variables, "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
                        "x-honeycomb-team=k,x-honeycomb-dataset=all");
    assert_string_equal(fq_vendor_variable(&variables, "OTEL_EXPORTER_OTLP_METRICS_HEADERS"),
                        "x-honeycomb-team=k,x-honeycomb-dataset=m");
    fq_vendor_variables_done(&variables);
}

static void delta_and_no_grpc_where_the_intake_wants_it(void **state) {
    (void)state;
    static const char preference[] = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    struct environment environment = {
        {{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.nr-data.net"}, {NULL, NULL}, {NULL, NULL}}
    };
    struct fq_vendor_variables variables;
    fq_vendor_variables_init(&variables, read_pair, &environment, &ear);
    assert_string_equal(fq_vendor_variable(&variables, preference), "delta");
    assert_null(fq_vendor_variable(&variables, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"));
    fq_vendor_variables_done(&variables);
    environment.pairs[0][1] = "https://otlp.datadoghq.com";
    environment.pairs[1][0] = preference;
    environment.pairs[1][1] = "cumulative"; // said: obeyed
    said = 0;
    fq_vendor_variables_init(&variables, read_pair, &environment, &ear);
    assert_string_equal(fq_vendor_variable(&variables, preference), "cumulative");
    assert_string_equal(fq_vendor_variable(&variables, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
                        "http/protobuf");
    assert_int_equal(said, 0);
    fq_vendor_variables_done(&variables);
    environment.pairs[2][0] = "OTEL_EXPORTER_OTLP_PROTOCOL";
    environment.pairs[2][1] = "grpc"; // cannot work there
    fq_vendor_variables_init(&variables, read_pair, &environment, &ear);
    assert_string_equal(fq_vendor_variable(&variables, "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL"), "http/protobuf");
    assert_int_equal(said, 3);
    assert_non_null(strstr(last, "gRPC"));
    fq_vendor_variables_done(&variables);
}

// --- settings --------------------------------------------------------------------------------------------------------
static void settings_by_default(void **state) {
    (void)state;
    struct environment environment = {{{NULL, NULL}}};
    struct fq_telemetry_settings settings;
    fq_telemetry_settings_read(&settings, read_pair, &environment, &ear);
    assert_false(settings.enabled);
    assert_int_equal(settings.exit_timeout_ms, 1000);
    assert_int_equal(settings.propagation, FQ_TRACE_AUTO);
    assert_int_equal(settings.link_after_ms, 300 * 1000);
    assert_int_equal(settings.cardinality_limit, 2000);
    assert_null(fq_telemetry_open(&settings, &(struct fq_telemetry_options){0}));
}

static void settings_that_are_set(void **state) {
    (void)state;
    struct environment environment = {
        {{"FASTWORKER_TELEMETRY_ENABLED", "TRUE"},
         {"FASTQUEUE_TELEMETRY_EXIT_TIMEOUT", "0.25"},
         {"FASTQUEUE_TRACE_PROPAGATION", "Link"},
         {"FASTQUEUE_TRACE_LINK_AFTER", "2"},
         {"FASTQUEUE_METRICS_CARDINALITY_LIMIT", "50"}}
    };
    struct fq_telemetry_settings settings;
    said = 0;
    fq_telemetry_settings_read(&settings, read_pair, &environment, &ear);
    assert_true(settings.enabled);
    assert_int_equal(settings.exit_timeout_ms, 250);
    assert_int_equal(settings.propagation, FQ_TRACE_LINK);
    assert_int_equal(settings.link_after_ms, 2000);
    assert_int_equal(settings.cardinality_limit, 50);
    assert_int_equal(said, 0);
}

static void settings_that_make_no_sense_are_said_once_each(void **state) {
    (void)state;
    struct environment environment = {
        {{"FASTQUEUE_TELEMETRY_ENABLED", "1"},
         {"FASTQUEUE_TELEMETRY_EXIT_TIMEOUT", "-1"},
         {"FASTQUEUE_TRACE_PROPAGATION", "telepathy"},
         {"FASTQUEUE_TRACE_LINK_AFTER", "2s"},
         {"FASTQUEUE_METRICS_CARDINALITY_LIMIT", "0"}}
    };
    struct fq_telemetry_settings settings;
    said = 0;
    fq_telemetry_settings_read(&settings, read_pair, &environment, &ear);
    assert_int_equal(said, 5);
    assert_false(settings.enabled);
    assert_int_equal(settings.exit_timeout_ms, 1000);
    assert_int_equal(settings.cardinality_limit, 2000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_go_to_their_hosts_only),
        cmocka_unit_test(each_signal_has_its_own_host),
        cmocka_unit_test(a_header_that_is_given_stays),
        cmocka_unit_test(honeycomb_datasets),
        cmocka_unit_test(delta_and_no_grpc_where_the_intake_wants_it),
        cmocka_unit_test(settings_by_default),
        cmocka_unit_test(settings_that_are_set),
        cmocka_unit_test(settings_that_make_no_sense_are_said_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
