// SPDX-License-Identifier: Apache-2.0
// What an SDK is to be: the model that variables and configuration files are read into, and that the SDK is made from.
// Everything in it lives in its pool.
#ifndef OTEL_CONFIG_MODEL_H
#define OTEL_CONFIG_MODEL_H

#include "otel/config.h"
#include "otel/exporters/otlp.h"
#include "otel/limits.h"
#include "otel/metrics/provider.h"
#include "otel/pool.h"

struct otel_model_sampler {
    enum otel_model_sampler_kind {
        OTEL_MODEL_ALWAYS_ON,
        OTEL_MODEL_ALWAYS_OFF,
        OTEL_MODEL_TRACE_ID_RATIO,
        OTEL_MODEL_PROBABILITY,
        OTEL_MODEL_PARENT_BASED,
        OTEL_MODEL_ALWAYS_RECORD,
        OTEL_MODEL_EXTENSION_SAMPLER,
    } kind;
    double ratio;
    // Of PARENT_BASED; NULL = the specification's. `root` is also what ALWAYS_RECORD asks.
    struct otel_model_sampler *root, *remote_sampled, *remote_not_sampled, *local_sampled, *local_not_sampled;
    struct otel_model_extension *extension;
};

// A component of the program's own, named in a file.
struct otel_model_extension {
    const struct otel_component_provider *provider;
    const otel_config_node *properties; // NULL = none were given
};

enum otel_model_exporter_kind {
    OTEL_MODEL_OTLP,
    OTEL_MODEL_CONSOLE,
    OTEL_MODEL_JSON_LINES,
    OTEL_MODEL_PROMETHEUS,
    OTEL_MODEL_EXTENSION_EXPORTER,
};
enum otel_model_temporality { OTEL_PREFER_CUMULATIVE, OTEL_PREFER_DELTA, OTEL_PREFER_LOW_MEMORY };
struct otel_model_exporter {
    enum otel_model_exporter_kind kind;
    struct otel_otlp_options otlp; // runtime, pool and user agent are given when it is made
    const char *output_file;       // JSON_LINES: NULL = standard output
    const char *host;              // PROMETHEUS
    uint16_t port;
    bool without_scope_labels, without_target_info;
    const char *translation_strategy;        // as the specification names them; NULL = the default
    enum otel_model_temporality temporality; // of readers
    bool exponential;                        // histograms without advice
    struct otel_model_extension *extension;
};

// A processor with its exporter; EXTENSION: a processor of the program's own.
struct otel_model_processor {
    bool simple;
    int64_t delay_ms, timeout_ms;
    uint32_t queue_max, batch_max;
    struct otel_model_exporter exporter;
    struct otel_model_extension *extension;
    struct otel_model_processor *next;
};

struct otel_model_reader {
    bool pull;
    int64_t interval_ms, timeout_ms;
    size_t cardinality_limit; // 0 = default
    size_t batch_max;         // 0 = none
    struct otel_model_exporter exporter;
    struct otel_model_reader *next;
};

struct otel_model_view {
    struct otel_view_options options;
    struct otel_model_view *next;
};

enum otel_model_detector { OTEL_MODEL_HOST = 1, OTEL_MODEL_OS = 2, OTEL_MODEL_PROCESS = 4 };
enum { OTEL_MODEL_PROPAGATORS_MAX = 16 };

struct otel_config {
    struct otel_pool pool;
    bool disabled;
    enum otel_log_level log_level; // of a file
    // Resource: what the configuration says. Wins over detectors and program defaults.
    struct otel_attribute *attributes;
    size_t attribute_count;
    const char *schema_url; // "" = none
    unsigned detectors;     // enum otel_model_detector
    const char *propagators[OTEL_MODEL_PROPAGATORS_MAX];
    size_t propagator_count;
    struct otel_limits span_limits, log_limits;
    struct otel_model_sampler *sampler;
    struct otel_model_processor *span_processors, *log_processors; // in order
    struct otel_model_reader *readers;
    struct otel_model_view *views;
    bool views_compose;
    enum otel_exemplar_filter exemplar_filter;
    bool exceptions_as_logs, exceptions_as_events;
    bool sdk_metrics;
    bool from_file;
    otel_config_node *root; // of a file: what extensions' properties are part of
};

/** What an empty configuration means: nothing is exported. NULL when out of memory. */
otel_config *otel_model_new(void);

#endif
