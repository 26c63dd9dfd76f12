// SPDX-License-Identifier: Apache-2.0
#include "otel/config/environment.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

enum { SAID_MAX = 64 };

struct reading {
    const struct otel_variables *variables;
    const struct otel_sdk_options *options;
    otel_config *config;
};

static void read_resource(const struct reading *reading) {
    otel_config *config = reading->config;
    const char *text = otel_variables_text(reading->variables, "OTEL_RESOURCE_ATTRIBUTES");
    const char *service = otel_variables_text(reading->variables, "OTEL_SERVICE_NAME");
    struct otel_pair *pairs = NULL;
    size_t count = text != NULL ? otel_variables_pairs(reading->variables, "OTEL_RESOURCE_ATTRIBUTES", text,
                                                       OTEL_PAIRS_ATTRIBUTES, &config->pool, &pairs)
                                : 0;
    config->attributes = otel_pool_take(&config->pool, (count + 1) * sizeof *config->attributes);
    if (config->attributes == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        config->attributes[config->attribute_count++] = otel_text(pairs[i].key, pairs[i].value);
    if (service != NULL) // the later one of two wins
        config->attributes[config->attribute_count++] =
            otel_text("service.name", otel_pool_text(&config->pool, service, strlen(service)));
}

static void add_detector(void *context, const char *word) {
    const struct reading *reading = context;
    static const char *const words[] = {"host", "os", "process"};
    for (unsigned i = 0; i < 3; i++) {
        if (strcasecmp(word, words[i]) == 0)
            reading->config->detectors |= 1u << i;
        else if (i == 2 && strcasecmp(word, words[0]) != 0 && strcasecmp(word, words[1]) != 0 &&
                 strcasecmp(word, "none") != 0)
            otel_report(reading->variables->runtime, OTEL_LEVEL_WARN,
                        "OTEL_C_RESOURCE_DETECTORS: %s is not known (there are host, os, process, none)",
                        word);
    }
}

static void read_limits(const struct reading *reading) {
    const struct otel_variables *v = reading->variables;
    int64_t none = OTEL_LIMITS_DEFAULT.value_length;
    int64_t length = otel_variables_number(v, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", none, 0, INT32_MAX);
    int64_t count = otel_variables_number(v, "OTEL_ATTRIBUTE_COUNT_LIMIT", 128, 0, INT32_MAX);
    struct {
        const char *name;
        uint32_t *place;
        int64_t fallback;
    } rows[] = {
        {"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",      &reading->config->span_limits.value_length,     length},
        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",             &reading->config->span_limits.attributes,       count },
        {"OTEL_SPAN_EVENT_COUNT_LIMIT",                 &reading->config->span_limits.events,           128   },
        {"OTEL_SPAN_LINK_COUNT_LIMIT",                  &reading->config->span_limits.links,            128   },
        {"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",            &reading->config->span_limits.event_attributes, 128   },
        {"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",             &reading->config->span_limits.link_attributes,  128   },
        {"OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", &reading->config->log_limits.value_length,      length},
        {"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",        &reading->config->log_limits.attributes,        count },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        *rows[i].place = (uint32_t)otel_variables_number(v, rows[i].name, rows[i].fallback, 0, INT32_MAX);
}

static struct otel_model_sampler *sampler_node(otel_config *config, enum otel_model_sampler_kind kind) {
    struct otel_model_sampler *sampler = otel_pool_take(&config->pool, sizeof *sampler);
    if (sampler != NULL)
        sampler->kind = kind;
    return sampler;
}

static void read_sampler(const struct reading *reading) {
    static const char *const words[] = {"parentbased_always_on",
                                        "parentbased_always_off",
                                        "parentbased_traceidratio",
                                        "always_on",
                                        "always_off",
                                        "traceidratio",
                                        NULL};
    static const enum otel_model_sampler_kind kinds[] = {OTEL_MODEL_ALWAYS_ON, OTEL_MODEL_ALWAYS_OFF,
                                                         OTEL_MODEL_TRACE_ID_RATIO};
    const struct otel_variables *v = reading->variables;
    int word = otel_variables_word(v, "OTEL_TRACES_SAMPLER", words, 0);
    struct otel_model_sampler *sampler = sampler_node(reading->config, kinds[word % 3]);
    if (sampler == NULL)
        return;
    if (sampler->kind == OTEL_MODEL_TRACE_ID_RATIO)
        sampler->ratio = otel_variables_ratio(v, "OTEL_TRACES_SAMPLER_ARG", 1.0);
    reading->config->sampler = sampler;
    if (word < 3) {
        reading->config->sampler = sampler_node(reading->config, OTEL_MODEL_PARENT_BASED);
        if (reading->config->sampler != NULL)
            reading->config->sampler->root = sampler;
    }
}

static void add_propagator(void *context, const char *word) {
    const struct reading *reading = context;
    otel_config *config = reading->config;
    char lower[65];
    size_t len = strlen(word);
    for (size_t i = 0; i <= len; i++)
        lower[i] = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] + 32) : word[i];
    bool known = strcmp(lower, "none") == 0 || otel_propagator_by_name(lower) != NULL;
    for (size_t i = 0; i < reading->options->component_count && !known; i++)
        known = reading->options->components[i].component == OTEL_COMPONENT_PROPAGATOR &&
                strcmp(reading->options->components[i].name, word) == 0;
    if (!known)
        otel_report(
            reading->variables->runtime, OTEL_LEVEL_WARN,
            "OTEL_PROPAGATORS: %s is not known (there are tracecontext, baggage, b3, b3multi, jaeger, none)",
            word);
    else if (config->propagator_count < OTEL_MODEL_PROPAGATORS_MAX)
        config->propagators[config->propagator_count++] = otel_pool_text(&config->pool, lower, len);
}

// `none` alone empties the list; among others it says nothing.
static void read_propagators(struct reading *reading) {
    otel_config *config = reading->config;
    size_t kept = 0;
    if (!otel_variables_words(reading->variables, "OTEL_PROPAGATORS", add_propagator, reading) ||
        config->propagator_count == 0) {
        config->propagators[0] = "tracecontext";
        config->propagators[1] = "baggage";
        config->propagator_count = 2;
        return;
    }
    if (config->propagator_count > 1) {
        for (size_t i = 0; i < config->propagator_count; i++) {
            if (strcmp(config->propagators[i], "none") != 0)
                config->propagators[kept++] = config->propagators[i];
            else
                otel_report(reading->variables->runtime, OTEL_LEVEL_WARN,
                            "OTEL_PROPAGATORS: none stands beside others and is left out");
        }
        config->propagator_count = kept;
    } else if (strcmp(config->propagators[0], "none") == 0) {
        config->propagator_count = 0;
    }
}

static void read_exceptions(const struct reading *reading) {
    static const char *const words[] = {"logs", "logs/dup", NULL};
    int word = otel_variables_word(reading->variables, "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", words, -1);
    reading->config->exceptions_as_logs = word >= 0;
    reading->config->exceptions_as_events = word != 0;
}

otel_config *otel_model_new(void) {
    struct otel_pool pool = {0};
    otel_config *config = otel_pool_take(&pool, sizeof *config);
    if (config == NULL)
        return NULL;
    *config = (otel_config){.pool = pool,
                            .log_level = OTEL_LEVEL_INFO,
                            .schema_url = "",
                            .span_limits = OTEL_LIMITS_DEFAULT,
                            .log_limits = OTEL_LIMITS_DEFAULT,
                            .exceptions_as_events = true};
    return config;
}

otel_config *otel_config_free(otel_config *config) {
    if (config != NULL) {
        struct otel_pool pool = config->pool; // the model itself lives in it
        otel_pool_done(&pool);
    }
    return NULL;
}

enum otel_log_level otel_environment_log_level(const struct otel_variables *variables) {
    static const char *const levels[] = {"none", "error", "warn", "info", "debug", NULL};
    return (enum otel_log_level)otel_variables_word(variables, "OTEL_LOG_LEVEL", levels, OTEL_LEVEL_INFO);
}

// A variable of several signals is read for each of them; what is wrong with it is said once.
struct said {
    const struct otel_diagnostics *below;
    uint64_t hashes[SAID_MAX];
    size_t count;
};

static void say_once(void *context, enum otel_log_level level, const char *text) {
    struct said *said = context;
    uint64_t hash = XXH3_64bits(text, strlen(text));
    for (size_t i = 0; i < said->count; i++) {
        if (said->hashes[i] == hash)
            return;
    }
    if (said->count < SAID_MAX)
        said->hashes[said->count++] = hash;
    if (said->below->report != NULL)
        said->below->report(said->below->context, level, text);
}

static otel_config *read_all(const struct otel_variables *variables, const struct otel_sdk_options *options) {
    static const char *const filters[] = {"trace_based", "always_on", "always_off", NULL};
    otel_config *config = otel_model_new();
    if (config == NULL)
        return NULL;
    struct reading reading = {.variables = variables, .options = options, .config = config};
    config->disabled = otel_variables_bool(variables, "OTEL_SDK_DISABLED", false);
    read_propagators(&reading);
    if (config->disabled)
        return config;
    read_resource(&reading);
    if (!otel_variables_words(variables, "OTEL_C_RESOURCE_DETECTORS", add_detector, &reading))
        config->detectors = OTEL_MODEL_HOST | OTEL_MODEL_OS | OTEL_MODEL_PROCESS;
    read_limits(&reading);
    read_sampler(&reading);
    read_exceptions(&reading);
    config->exemplar_filter = (enum otel_exemplar_filter)otel_variables_word(
        variables, "OTEL_METRICS_EXEMPLAR_FILTER", filters, OTEL_EXEMPLARS_TRACE_BASED);
    config->sdk_metrics = otel_variables_bool(variables, "OTEL_C_SDK_METRICS", false);
    if (otel_environment_exporters(variables, options, config) < 0 || config->pool.failed)
        return otel_config_free(config);
    return config;
}

otel_config *otel_environment_read(const struct otel_variables *variables,
                                   const struct otel_sdk_options *options) {
    struct said said = {.below = &variables->runtime->diagnostics};
    struct otel_runtime runtime = *variables->runtime;
    runtime.diagnostics = (struct otel_diagnostics){.report = say_once, .context = &said};
    struct otel_variables telling_once = *variables;
    telling_once.runtime = &runtime;
    return read_all(&telling_once, options);
}
