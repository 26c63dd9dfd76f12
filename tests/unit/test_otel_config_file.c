// SPDX-License-Identifier: Apache-2.0
// Declarative configuration: Parse makes a model, Create makes an SDK of it.
#include "otel/config/file.h"
#include "otel/config/node.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TEXT_MAX = 8192 };

static const char *const pairs[][2] = {
    {"NAME",   "shop"      },
    {"NUMBER", "42"        },
    {"EMPTY",  ""          },
    {"LOOP",   "${NUMBER}" },
    {"YAML",   "a: b\nc: d"},
};

static const char *read_pair(void *context, const char *name) {
    (void)context;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (strcmp(pairs[i][0], name) == 0)
            return pairs[i][1];
    }
    return NULL;
}

static unsigned warnings;
static void count_warning(void *context, enum otel_log_level level, const char *text) {
    (void)context;
    (void)level;
    (void)text;
    warnings++;
}

static struct otel_sdk_options options_of(void) {
    struct otel_sdk_options options;
    otel_sdk_options_init(&options);
    options.variable = read_pair;
    options.diagnostics.report = count_warning;
    return options;
}

static otel_config *parse(const char *yaml) {
    struct otel_sdk_options options = options_of();
    char reason[300] = "";
    otel_config *config = otel_config_parse(yaml, strlen(yaml), &options, reason, sizeof reason);
    if (config == NULL)
        fail_msg("%s", reason);
    return config;
}

// --- nodes and substitution --------------------------------------------------------------------------------------------
static void parse_accepts_yaml_and_types_its_values(void **state) {
    (void)state;
    const char *yaml = "a: [1, -0x10, 0o17, 1.5, 1e3, true, False, ~, null, '1', \"true\", text, 1.0.0, '']\n"
                       "b: &anchor {c: {d: deep}}\n"
                       "e: *anchor\n";
    static const enum otel_node_type types[] = {
        OTEL_NODE_INT,    OTEL_NODE_STRING, OTEL_NODE_INT,    OTEL_NODE_DOUBLE, OTEL_NODE_DOUBLE,
        OTEL_NODE_BOOL,   OTEL_NODE_BOOL,   OTEL_NODE_NULL,   OTEL_NODE_NULL,   OTEL_NODE_STRING,
        OTEL_NODE_STRING, OTEL_NODE_STRING, OTEL_NODE_STRING, OTEL_NODE_STRING,
    };
    struct otel_pool pool = {0};
    struct otel_variables variables = {.read = read_pair};
    char reason[300];
    otel_config_node *root = otel_node_parse(yaml, strlen(yaml), &variables, &pool, reason, sizeof reason);
    assert_non_null(root);
    const otel_config_node *list = otel_node_get(root, "a");
    assert_int_equal(otel_node_count(list), sizeof types / sizeof types[0]);
    for (size_t i = 0; i < otel_node_count(list); i++)
        assert_int_equal(otel_node_type(otel_node_at(list, i, NULL)), types[i]);
    assert_int_equal(otel_node_int(otel_node_at(list, 2, NULL)), 15);
    assert_true(fabs(otel_node_number(otel_node_at(list, 4, NULL)) - 1000) < 1e-9);
    assert_string_equal(otel_node_text(otel_node_get(otel_node_get(otel_node_get(root, "e"), "c"), "d")),
                        "deep");
    assert_int_equal(otel_node_line(otel_node_get(root, "b")), 2);
    assert_null(otel_node_get(list, "a"));
    otel_pool_done(&pool);
}

static void parse_substitutes_variables_in_values(void **state) {
    (void)state;
    static const struct {
        const char *text, *made;
        enum otel_node_type type;
    } rows[] = {
        {"${NAME}",                "shop",             OTEL_NODE_STRING},
        {"${env:NAME}",            "shop",             OTEL_NODE_STRING},
        {"${NUMBER}",              "42",               OTEL_NODE_INT   },
        {"'${NUMBER}'",            "42",               OTEL_NODE_STRING},
        {"a ${NAME} and ${NAME}!", "a shop and shop!", OTEL_NODE_STRING},
        {"${MISSING}",             "",                 OTEL_NODE_NULL  },
        {"${EMPTY:-other}",        "other",            OTEL_NODE_STRING},
        {"${MISSING:-7}",          "7",                OTEL_NODE_INT   },
        {"${MISSING:-}",           "",                 OTEL_NODE_NULL  },
        {"$${NAME}",               "${NAME}",          OTEL_NODE_STRING},
        {"$$$${NAME}",             "$${NAME}",         OTEL_NODE_STRING},
        {"$NAME",                  "$NAME",            OTEL_NODE_STRING},
        {"${LOOP}",                "${NUMBER}",        OTEL_NODE_STRING}, // not looked through again
        {"${YAML}",                "a: b\nc: d",       OTEL_NODE_STRING}, // makes no structure
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct otel_pool pool = {0};
        struct otel_variables variables = {.read = read_pair};
        char yaml[200], reason[300];
        snprintf(yaml, sizeof yaml, "key: %s\n", rows[i].text);
        otel_config_node *root =
            otel_node_parse(yaml, strlen(yaml), &variables, &pool, reason, sizeof reason);
        assert_non_null(root);
        assert_string_equal(otel_node_text(otel_node_get(root, "key")), rows[i].made);
        assert_int_equal(otel_node_type(otel_node_get(root, "key")), rows[i].type);
        otel_pool_done(&pool);
    }
}

static void keys_are_never_substituted(void **state) {
    (void)state;
    struct otel_pool pool = {0};
    struct otel_variables variables = {.read = read_pair};
    char reason[300];
    const char *yaml = "'${NAME}': 1\n";
    otel_config_node *root = otel_node_parse(yaml, strlen(yaml), &variables, &pool, reason, sizeof reason);
    assert_non_null(otel_node_get(root, "${NAME}"));
    otel_pool_done(&pool);
}

// --- the model -------------------------------------------------------------------------------------------------------
static const char everything[] =
    "file_format: '1.1'\n"
    "disabled: false\n"
    "log_level: warn2\n"
    "attribute_limits: {attribute_value_length_limit: 4096, attribute_count_limit: 64}\n"
    "resource:\n"
    "  attributes_list: 'service.namespace=ns,service.version=low'\n"
    "  attributes:\n"
    "    - {name: service.name, value: '${NAME}'}\n"
    "    - {name: service.version, value: 1.0.0}\n"
    "    - {name: yes, value: true, type: bool}\n"
    "    - {name: count, value: 3, type: int}\n"
    "    - {name: share, value: 1.5, type: double}\n"
    "    - {name: words, value: [a, b], type: string_array}\n"
    "  detection/development: {detectors: [{host: }, {process: }, {service: }]}\n"
    "  schema_url: https://opentelemetry.io/schemas/1.16.0\n"
    "propagator:\n"
    "  composite: [{tracecontext: }, {b3: }]\n"
    "  composite_list: 'baggage,b3'\n"
    "tracer_provider:\n"
    "  processors:\n"
    "    - batch:\n"
    "        schedule_delay: 100\n"
    "        export_timeout: 200\n"
    "        max_queue_size: 300\n"
    "        max_export_batch_size: 30\n"
    "        exporter:\n"
    "          otlp_http:\n"
    "            endpoint: http://c:4318/v1/traces\n"
    "            headers: [{name: api-key, value: '1234'}]\n"
    "            headers_list: 'api-key=5,x=y'\n"
    "            compression: gzip\n"
    "            timeout: 77\n"
    "            encoding: json\n"
    "            tls: {ca_file: /ca.pem, key_file: /key.pem, cert_file: /cert.pem}\n"
    "    - batch: {exporter: {otlp_grpc: {endpoint: 'h:4317', tls: {insecure: true}}}}\n"
    "    - simple: {exporter: {console: }}\n"
    "  limits: {event_count_limit: 5, attribute_count_limit: 6}\n"
    "  sampler:\n"
    "    parent_based:\n"
    "      root: {trace_id_ratio_based: {ratio: 0.25}}\n"
    "      remote_parent_sampled: {always_on: }\n"
    "      remote_parent_not_sampled: {probability/development: {ratio: 0.01}}\n"
    "      local_parent_not_sampled: {always_off: }\n"
    "meter_provider:\n"
    "  exemplar_filter: always_off\n"
    "  readers:\n"
    "    - periodic:\n"
    "        interval: 1000\n"
    "        timeout: 500\n"
    "        cardinality_limits: {default: 99}\n"
    "        exporter: {otlp_grpc: {temporality_preference: low_memory, default_histogram_aggregation: "
    "base2_exponential_bucket_histogram}}\n"
    "    - pull: {exporter: {prometheus/development: {host: 0.0.0.0, port: 1234}}}\n"
    "  views:\n"
    "    - selector: {instrument_name: 'my-*', instrument_type: histogram, unit: ms, meter_name: m}\n"
    "      stream:\n"
    "        name: new\n"
    "        description: described\n"
    "        aggregation: {explicit_bucket_histogram: {boundaries: [1, 2.5], record_min_max: false}}\n"
    "        aggregation_cardinality_limit: 12\n"
    "        attribute_keys: {included: [k1, k2], excluded: [k3]}\n"
    "    - selector: {instrument_name: gone}\n"
    "      stream: {aggregation: {drop: }}\n"
    "logger_provider:\n"
    "  processors: [{batch: {exporter: {otlp_file/development: {output_stream: "
    "'file:///tmp/logs.jsonl'}}}}]\n"
    "  limits: {attribute_value_length_limit: 9}\n";

static void parse_returns_the_configuration_model(void **state) {
    (void)state;
    otel_config *config = parse(everything);
    assert_int_equal(config->log_level, OTEL_LEVEL_WARN);
    assert_int_equal(config->span_limits.value_length, 4096);
    assert_int_equal(config->span_limits.attributes, 6);
    assert_int_equal(config->span_limits.events, 5);
    assert_int_equal(config->log_limits.value_length, 9);
    assert_int_equal(config->log_limits.attributes, 64);
    assert_int_equal(config->propagator_count, 3);
    assert_string_equal(config->propagators[1], "b3");
    assert_string_equal(config->propagators[2], "baggage");
    assert_int_equal(config->attribute_count, 8);
    assert_string_equal(config->attributes[2].value.as.text.data, "shop");
    assert_string_equal(config->attributes[3].value.as.text.data, "1.0.0");
    assert_int_equal(config->attributes[4].value.type, OTEL_VALUE_BOOL);
    assert_int_equal(config->attributes[5].value.as.integer, 3);
    assert_int_equal(config->attributes[7].value.as.array.count, 2);
    assert_int_equal(config->detectors, OTEL_MODEL_HOST | OTEL_MODEL_PROCESS);
    assert_string_equal(config->schema_url, "https://opentelemetry.io/schemas/1.16.0");
    otel_config_free(config);
}

static void parsed_processors_and_exporters(void **state) {
    (void)state;
    otel_config *config = parse(everything);
    const struct otel_model_processor *batch = config->span_processors;
    assert_int_equal(batch->delay_ms, 100);
    assert_int_equal(batch->timeout_ms, 200);
    assert_int_equal(batch->queue_max, 300);
    assert_int_equal(batch->batch_max, 30);
    const struct otel_otlp_options *otlp = &batch->exporter.otlp;
    assert_int_equal(otlp->protocol, OTEL_OTLP_HTTP_JSON);
    assert_string_equal(otlp->endpoint, "http://c:4318/v1/traces");
    assert_int_equal(otlp->header_count, 2); // `headers` win over the list
    assert_string_equal(otlp->headers[0].value, "1234");
    assert_string_equal(otlp->headers[1].key, "x");
    assert_true(otlp->gzip);
    assert_int_equal(otlp->timeout_ms, 77);
    assert_string_equal(otlp->client_cert_file, "/cert.pem");
    assert_int_equal(batch->next->exporter.otlp.protocol, OTEL_OTLP_GRPC);
    assert_true(batch->next->exporter.otlp.insecure);
    assert_int_equal(batch->next->delay_ms, 5000);
    assert_true(batch->next->next->simple);
    assert_int_equal(batch->next->next->exporter.kind, OTEL_MODEL_CONSOLE);
    assert_string_equal(config->log_processors->exporter.output_file, "/tmp/logs.jsonl");
    assert_int_equal(config->log_processors->delay_ms, 1000);
    otel_config_free(config);
}

static void parsed_sampler_readers_and_views(void **state) {
    (void)state;
    otel_config *config = parse(everything);
    const struct otel_model_sampler *sampler = config->sampler;
    assert_int_equal(sampler->kind, OTEL_MODEL_PARENT_BASED);
    assert_int_equal(sampler->root->kind, OTEL_MODEL_TRACE_ID_RATIO);
    assert_true(fabs(sampler->root->ratio - 0.25) < 1e-12);
    assert_int_equal(sampler->remote_not_sampled->kind, OTEL_MODEL_PROBABILITY);
    assert_null(sampler->local_sampled);
    assert_int_equal(sampler->local_not_sampled->kind, OTEL_MODEL_ALWAYS_OFF);
    assert_int_equal(config->readers->interval_ms, 1000);
    assert_int_equal(config->readers->cardinality_limit, 99);
    assert_int_equal(config->readers->exporter.temporality, OTEL_PREFER_LOW_MEMORY);
    assert_true(config->readers->exporter.exponential);
    assert_true(config->readers->next->pull);
    assert_int_equal(config->readers->next->exporter.port, 1234);
    assert_int_equal(config->exemplar_filter, OTEL_EXEMPLARS_ALWAYS_OFF);
    const struct otel_view_options *view = &config->views->options;
    assert_string_equal(view->instrument_name, "my-*");
    assert_int_equal(view->instrument_kind, OTEL_HISTOGRAM);
    assert_int_equal(view->aggregation, OTEL_AGGREGATE_EXPLICIT_HISTOGRAM);
    assert_int_equal(view->bound_count, 2);
    assert_true(view->no_min_max);
    assert_int_equal(view->cardinality_limit, 12);
    assert_int_equal(view->attribute_key_count, 2);
    assert_string_equal(view->excluded_keys[0], "k3");
    assert_int_equal(config->views->next->options.aggregation, OTEL_AGGREGATE_DROP);
    assert_int_equal(config->views->next->options.instrument_kind, -1);
    otel_config_free(config);
}

// Errors name the line, the key and what to write.
static void parse_refuses_what_makes_no_sense(void **state) {
    (void)state;
    static const struct {
        const char *yaml, *line, *word;
    } rows[] = {
        {"",                                                                                             "line 1", "empty"         },
        {"{",                                                                                            "line 2", "no YAML"       },
        {"- a\n",                                                                                        "line 1", "file_format"   },
        {"disabled: true\n",                                                                             "line 1", "file_format"   },
        {"file_format: '0.3'\n",                                                                         "line 1", "1.0"           },
        {"file_format: '2.0'\n",                                                                         "line 1", "1.0"           },
        {"file_format: '1.0'\ntracer_provder: {}\n",                                                     "line 2", "tracer_provder"},
        {"file_format: '1.0'\ndisabled: 7\n",                                                            "line 2", "true or false" },
        {"file_format: '1.0'\ndisabled: true\ndisabled: false\n",                                        "line 3", "twice"         },
        {"file_format: '1.0'\nlog_level: ${}\n",                                                         "line 2", "${NAME}"       },
        {"file_format: '1.0'\nlog_level: ${a-b}\n",                                                      "line 2", "${NAME}"       },
        {"file_format: '1.0'\ntracer_provider:\n  processors:\n    - batch:\n        schedule_delay: -1\n"
         "        exporter: {console: }\n",                                                     "line 5", "schedule_delay"},
        {"file_format: '1.0'\ntracer_provider:\n  processors:\n    - batch:\n",                          "line 4", "exporter"      },
        {"file_format: '1.0'\ntracer_provider:\n  processors:\n    - batch: {exporter: {zipkin: {}}}\n",
         "line 4",                                                                                                 "zipkin"        },
        {"file_format: '1.0'\ntracer_provider:\n  processors:\n    - {batch: , simple: }\n",             "line 4",
         "exactly one"                                                                                                             },
        {"file_format: '1.0'\ntracer_provider:\n  processors: []\n  sampler: {xray: }\n",                "line 4", "xray"          },
        {"file_format: '1.0'\ntracer_provider:\n  processors: []\n  sampler: {trace_id_ratio_based: {ratio: "
         "2}}\n",                                                                               "line 4", "0 to 1"        },
        {"file_format: '1.0'\nmeter_provider: {}\n",                                                     "line 2", "readers"       },
        {"file_format: '1.0'\npropagator: {composite: [{pigeon: }]}\n",                                  "line 2", "pigeon"        },
        {"file_format: '1.0'\nresource: {attributes: [{name: a, value: x, type: int}]}\n",               "line 2", "int"           },
        {"file_format: '1.0'\nlogger_provider:\n  processors:\n    - batch: {exporter: {otlp_http: "
         "{endpoint: 'h:1'}}}\n",                                                               "line 4", "http://"       },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct otel_sdk_options options = options_of();
        char reason[300] = "";
        assert_null(otel_config_parse(rows[i].yaml, strlen(rows[i].yaml), &options, reason, sizeof reason));
        if (strstr(reason, rows[i].line) == NULL || strstr(reason, rows[i].word) == NULL)
            fail_msg("row %zu: %s", i, reason);
    }
}

static void a_newer_minor_version_warns_of_what_it_does_not_know(void **state) {
    (void)state;
    warnings = 0;
    otel_config *config = parse("file_format: '1.9'\nshiny: {new: thing}\n");
    assert_int_equal(warnings, 2);
    otel_config_free(config);
}

// One text of half a MiB, and hundreds of aliases of it.
static void long_texts_are_bounded(const struct otel_sdk_options *options) {
    enum { LONG = 512 * 1024, ALIASES = 200 };
    char reason[300] = "", *yaml = malloc(LONG + ALIASES * 8 + 32);
    assert_non_null(yaml);
    size_t used = (size_t)sprintf(yaml, "a: [&a ");
    memset(yaml + used, 'x', LONG);
    used += LONG;
    for (int i = 0; i < ALIASES; i++)
        used += (size_t)sprintf(yaml + used, ", *a");
    used += (size_t)sprintf(yaml + used, "]\n");
    assert_null(otel_config_parse(yaml, used, options, reason, sizeof reason));
    assert_non_null(strstr(reason, "too much text"));
    free(yaml);
}

static void hostile_files_are_bounded(void **state) {
    (void)state;
    static char yaml[TEXT_MAX];
    size_t used = 0;
    char reason[300] = "";
    struct otel_sdk_options options = options_of();
    for (int i = 0; i < 3000; i++) // deep
        yaml[used++] = '[';
    assert_null(otel_config_parse(yaml, used, &options, reason, sizeof reason));
    used = (size_t)snprintf(yaml, sizeof yaml, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) // a billion laughs
        used += (size_t)snprintf(yaml + used, sizeof yaml - used,
                                 "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n",
                                 i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    assert_null(otel_config_parse(yaml, used, &options, reason, sizeof reason));
    assert_non_null(strstr(reason, "too much"));
    used = (size_t)snprintf(yaml, sizeof yaml, "a: &a\n  b: *a\n"); // itself
    long_texts_are_bounded(&options);
    assert_null(otel_config_parse(yaml, used, &options, reason, sizeof reason));
}

// --- components of the program's own -------------------------------------------------------------------------------------
struct made {
    unsigned samplers, exporters, processors;
    double ratio;
    unsigned exports;
};

static int make_sampler(void *context, const otel_config_node *properties, void *ret_component) {
    struct made *made = context;
    made->samplers++;
    made->ratio = otel_node_number(otel_node_get(properties, "share"));
    *(otel_sampler **)ret_component = otel_sampler_always_on();
    return OTEL_OK;
}

static int export_batch(void *self, const struct otel_export_batch *batch) {
    struct made *made = self;
    made->exports += (unsigned)batch->item_count;
    return OTEL_OK;
}

static int make_exporter(void *context, const otel_config_node *properties, void *ret_component) {
    static const struct otel_exporter_ops ops = {.component_type = "mine", .export_batch = export_batch};
    struct made *made = context;
    made->exporters++;
    assert_string_equal(otel_node_text(otel_node_get(otel_node_get(properties, "where"), "path")), "/tmp");
    *(struct otel_exporter *)ret_component = (struct otel_exporter){.ops = &ops, .self = made};
    return OTEL_OK;
}

static void see_end(void *self, const struct otel_span_view *view) {
    (void)view;
    ((struct made *)self)->processors++;
}

static int make_processor(void *context, const otel_config_node *properties, void *ret_component) {
    static const struct otel_span_processor_ops ops = {.on_end = see_end};
    assert_int_equal(otel_node_type(properties), OTEL_NODE_NULL);
    *(struct otel_span_processor *)ret_component = (struct otel_span_processor){.ops = &ops, .self = context};
    return OTEL_OK;
}

static void create_calls_the_providers_of_extension_components(void **state) {
    (void)state;
    struct made made = {0};
    struct otel_component_provider components[] = {
        {OTEL_COMPONENT_SAMPLER,        "my_sampler",   make_sampler,   &made},
        {OTEL_COMPONENT_SPAN_EXPORTER,  "my_exporter",  make_exporter,  &made},
        {OTEL_COMPONENT_SPAN_PROCESSOR, "my_processor", make_processor, &made},
    };
    struct otel_sdk_options options = options_of();
    char reason[300] = "";
    const char *yaml = "file_format: '1.0'\n"
                       "tracer_provider:\n"
                       "  processors:\n"
                       "    - batch: {exporter: {my_exporter: {where: {path: /tmp}}}}\n"
                       "    - my_processor:\n"
                       "  sampler: {my_sampler: {share: 0.5}}\n";
    options.components = components;
    options.component_count = sizeof components / sizeof components[0];
    options.config = otel_config_parse(yaml, strlen(yaml), &options, reason, sizeof reason);
    assert_non_null(options.config);
    assert_int_equal(made.samplers, 0); // Parse makes nothing
    otel_sdk *sdk = otel_sdk_new(&options);
    assert_int_equal(made.samplers, 1);
    assert_int_equal(made.exporters, 1);
    assert_true(fabs(made.ratio - 0.5) < 1e-12);
    otel_span_end(otel_span_start(otel_sdk_tracer(sdk, "test", NULL), "one", NULL));
    assert_int_equal(otel_sdk_flush(sdk, 5000), OTEL_OK);
    assert_int_equal(made.processors, 1);
    assert_int_equal(made.exports, 1);
    otel_sdk_free(sdk);
    otel_config_free((otel_config *)(uintptr_t)options.config);
}

static void create_returns_providers_and_propagators(void **state) {
    (void)state;
    struct otel_sdk_options options = options_of();
    otel_config *config = parse("file_format: '1.0'\n"
                                "propagator: {composite: [{b3: }]}\n"
                                "tracer_provider: {processors: [{simple: {exporter: {console: }}}]}\n"
                                "meter_provider: {readers: [{periodic: {exporter: {console: }}}]}\n"
                                "logger_provider: {processors: [{simple: {exporter: {console: }}}]}\n");
    options.config = config;
    otel_sdk *sdk = otel_sdk_new(&options);
    assert_non_null(otel_sdk_tracer_provider(sdk));
    assert_non_null(otel_sdk_meter_provider(sdk));
    assert_non_null(otel_sdk_logger_provider(sdk));
    assert_string_equal(otel_propagator_fields(otel_sdk_propagator(sdk))[0], "b3");
    assert_null(otel_propagator_fields(otel_sdk_propagator(sdk))[1]);
    otel_sdk_free(sdk);
    otel_config_free(config);
}

static void an_empty_configuration_creates_silent_components(void **state) {
    (void)state;
    struct otel_sdk_options options = options_of();
    otel_config *config = parse("file_format: '1.0'\n");
    options.config = config;
    otel_sdk *sdk = otel_sdk_new(&options);
    assert_non_null(sdk);
    assert_null(otel_sdk_meter_provider(sdk));
    assert_null(otel_sdk_logger_provider(sdk));
    struct otel_destination destination;
    assert_false(otel_sdk_destination(sdk, 0, &destination));
    otel_sdk_free(sdk);
    otel_config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_accepts_yaml_and_types_its_values),
        cmocka_unit_test(parse_substitutes_variables_in_values),
        cmocka_unit_test(keys_are_never_substituted),
        cmocka_unit_test(parse_returns_the_configuration_model),
        cmocka_unit_test(parsed_processors_and_exporters),
        cmocka_unit_test(parsed_sampler_readers_and_views),
        cmocka_unit_test(parse_refuses_what_makes_no_sense),
        cmocka_unit_test(a_newer_minor_version_warns_of_what_it_does_not_know),
        cmocka_unit_test(hostile_files_are_bounded),
        cmocka_unit_test(create_calls_the_providers_of_extension_components),
        cmocka_unit_test(create_returns_providers_and_propagators),
        cmocka_unit_test(an_empty_configuration_creates_silent_components),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
