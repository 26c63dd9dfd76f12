// SPDX-License-Identifier: Apache-2.0
// OTEL_{TRACES,METRICS,LOGS}_EXPORTER and what stands before the exporters: processors and readers.
#include "otel/config/environment.h"

#include <stdio.h>
#include <strings.h>

struct choosing {
    const struct otel_variables *variables;
    const struct otel_sdk_options *options;
    otel_config *config;
    enum otel_signal signal;
    const char *name; // of the variable
    size_t count;     // words seen, `none` included
    bool none;
    bool failed;
};

struct queue_row {
    const char *delay, *timeout, *queue, *batch;
    int64_t default_delay;
};
static const struct queue_row span_queue = {"OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT",
                                            "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
                                            5000};
static const struct queue_row log_queue = {"OTEL_BLRP_SCHEDULE_DELAY", "OTEL_BLRP_EXPORT_TIMEOUT",
                                           "OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
                                           1000};

enum { QUEUE_MAX = 1 << 24 };

static void read_queue(const struct otel_variables *v, const struct queue_row *row,
                       struct otel_model_processor *processor) {
    processor->delay_ms = otel_variables_number(v, row->delay, row->default_delay, 0, INT32_MAX);
    processor->timeout_ms = otel_variables_number(v, row->timeout, 30000, 0, INT32_MAX);
    processor->queue_max = (uint32_t)otel_variables_number(v, row->queue, 2048, 1, QUEUE_MAX);
    processor->batch_max = (uint32_t)otel_variables_number(v, row->batch, 512, 1, QUEUE_MAX);
    if (processor->batch_max > processor->queue_max) {
        if (otel_variables_text(v, row->batch) != NULL)
            otel_report(v->runtime, OTEL_LEVEL_WARN, "%s is larger than %s; %u is used for both", row->batch,
                        row->queue, processor->queue_max);
        processor->batch_max = processor->queue_max;
    }
}

static int add_processor(struct choosing *choosing, const struct otel_model_exporter *exporter) {
    struct otel_model_processor **place = choosing->signal == OTEL_SIGNAL_TRACES
                                              ? &choosing->config->span_processors
                                              : &choosing->config->log_processors;
    struct otel_model_processor *processor = otel_pool_take(&choosing->config->pool, sizeof *processor);
    if (processor == NULL)
        return OTEL_FAILED;
    read_queue(choosing->variables, choosing->signal == OTEL_SIGNAL_TRACES ? &span_queue : &log_queue,
               processor);
    processor->exporter = *exporter;
    processor->simple = exporter->kind == OTEL_MODEL_CONSOLE; // somebody watches
    while (*place != NULL)
        place = &(*place)->next;
    *place = processor;
    return OTEL_OK;
}

static int add_reader(struct choosing *choosing, struct otel_model_exporter *exporter) {
    const struct otel_variables *v = choosing->variables;
    struct otel_model_reader **place = &choosing->config->readers;
    struct otel_model_reader *reader = otel_pool_take(&choosing->config->pool, sizeof *reader);
    if (reader == NULL)
        return OTEL_FAILED;
    if (exporter->kind == OTEL_MODEL_PROMETHEUS) {
        const char *host = otel_variables_text(v, "OTEL_EXPORTER_PROMETHEUS_HOST");
        if (host == NULL)
            host = "localhost";
        exporter->host = otel_pool_text(&choosing->config->pool, host, strlen(host));
        exporter->port = (uint16_t)otel_variables_number(v, "OTEL_EXPORTER_PROMETHEUS_PORT", 9464, 0, 65535);
    } else if (exporter->kind != OTEL_MODEL_CONSOLE) {
        otel_environment_preferences(v, exporter);
    }
    reader->pull = exporter->kind == OTEL_MODEL_PROMETHEUS;
    reader->interval_ms = otel_variables_number(
        v, "OTEL_METRIC_EXPORT_INTERVAL", exporter->kind == OTEL_MODEL_CONSOLE ? 10000 : 60000, 1, INT32_MAX);
    reader->timeout_ms = otel_variables_number(v, "OTEL_METRIC_EXPORT_TIMEOUT", 30000, 0, INT32_MAX);
    reader->exporter = *exporter;
    while (*place != NULL)
        place = &(*place)->next;
    *place = reader;
    return OTEL_OK;
}

// An exporter of the program's own under that name.
static const struct otel_component_provider *find_component(const struct choosing *choosing,
                                                            const char *word) {
    static const enum otel_component wanted[] = {OTEL_COMPONENT_SPAN_EXPORTER, OTEL_COMPONENT_METRIC_EXPORTER,
                                                 OTEL_COMPONENT_LOG_EXPORTER};
    for (size_t i = 0; i < choosing->options->component_count; i++) {
        const struct otel_component_provider *provider = &choosing->options->components[i];
        if (provider->component == wanted[choosing->signal] && strcmp(provider->name, word) == 0)
            return provider;
    }
    return NULL;
}

static bool choose_kind(struct choosing *choosing, const char *word, struct otel_model_exporter *exporter) {
    static const struct {
        const char *word;
        enum otel_model_exporter_kind kind;
    } rows[] = {
        {"otlp",        OTEL_MODEL_OTLP      },
        {"console",     OTEL_MODEL_CONSOLE   },
        {"otlp/stdout", OTEL_MODEL_JSON_LINES},
        {"prometheus",  OTEL_MODEL_PROMETHEUS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcasecmp(word, rows[i].word) == 0 &&
            (rows[i].kind != OTEL_MODEL_PROMETHEUS || choosing->signal == OTEL_SIGNAL_METRICS)) {
            exporter->kind = rows[i].kind;
            return true;
        }
    }
    const struct otel_component_provider *provider = find_component(choosing, word);
    exporter->extension =
        provider != NULL ? otel_pool_take(&choosing->config->pool, sizeof *exporter->extension) : NULL;
    if (exporter->extension == NULL)
        return false;
    exporter->kind = OTEL_MODEL_EXTENSION_EXPORTER;
    exporter->extension->provider = provider;
    return true;
}

static void add_exporter(void *context, const char *word) {
    struct choosing *choosing = context;
    struct otel_model_exporter exporter = {0};
    if (strcasecmp(word, "none") == 0) {
        choosing->none = true;
        return;
    }
    if (!choose_kind(choosing, word, &exporter)) {
        otel_report(choosing->variables->runtime, OTEL_LEVEL_WARN,
                    "%s: %s is not known (there are otlp, otlp/stdout, console, none%s)", choosing->name,
                    word, choosing->signal == OTEL_SIGNAL_METRICS ? ", prometheus" : "");
        return;
    }
    choosing->count++;
    int result = OTEL_OK;
    if (exporter.kind == OTEL_MODEL_OTLP)
        result =
            otel_environment_otlp(choosing->variables, choosing->signal, choosing->options->grpc_by_default,
                                  &choosing->config->pool, &exporter.otlp);
    if (result == OTEL_OK)
        result = choosing->signal == OTEL_SIGNAL_METRICS ? add_reader(choosing, &exporter)
                                                         : add_processor(choosing, &exporter);
    choosing->failed = choosing->failed || result < 0;
}

int otel_environment_exporters(const struct otel_variables *variables, const struct otel_sdk_options *options,
                               otel_config *config) {
    static const char *const names[] = {"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER",
                                        "OTEL_LOGS_EXPORTER"};
    for (int signal = 0; signal < OTEL_SIGNAL_COUNT; signal++) {
        struct choosing choosing = {.variables = variables,
                                    .options = options,
                                    .config = config,
                                    .signal = (enum otel_signal)signal,
                                    .name = names[signal]};
        otel_variables_words(variables, choosing.name, add_exporter, &choosing);
        if (choosing.none && choosing.count > 0)
            otel_report(variables->runtime, OTEL_LEVEL_WARN, "%s: none stands beside others and is left out",
                        choosing.name);
        if (!choosing.none && choosing.count == 0) // unset, or nothing that is known
            add_exporter(&choosing, "otlp");
        if (choosing.failed)
            return OTEL_FAILED;
    }
    return OTEL_OK;
}
