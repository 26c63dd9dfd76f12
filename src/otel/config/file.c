// SPDX-License-Identifier: Apache-2.0
#include "otel/config/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { KNOWN_MINOR = 1 };

// 1.MINOR, perhaps with -rc.N behind it.
static void check_format(struct otel_file *file, const otel_config_node *root) {
    const char *text = otel_file_text(file, root, "file_format");
    char *end = NULL;
    if (text == NULL) {
        otel_file_fail(file, root, "file_format is missing; write file_format: \"1.0\"");
        return;
    }
    long minor = strncmp(text, "1.", 2) == 0 ? strtol(text + 2, &end, 10) : -1;
    if (end == NULL || end == text + 2 || (*end != '\0' && *end != '-') || minor < 0)
        otel_file_fail(file, otel_node_get(root, "file_format"),
                       "file_format %.40s is not supported; write file_format: \"1.0\"", text);
    file->is_newer = minor > KNOWN_MINOR;
    if (file->is_newer && !file->failed)
        otel_file_warn(file, otel_node_get(root, "file_format"),
                       "file_format %.40s is newer than 1.%d; what is not known is left out", text,
                       KNOWN_MINOR);
}

static void read_attribute_limits(struct otel_file *file, const otel_config_node *map) {
    static const char *const keys[] = {"attribute_value_length_limit", "attribute_count_limit", NULL};
    if (!otel_file_map(file, map, "attribute_limits", keys))
        return;
    struct otel_limits *span = &file->config->span_limits, *log = &file->config->log_limits;
    span->value_length = log->value_length =
        (uint32_t)otel_file_int(file, map, keys[0], span->value_length, 0, INT32_MAX);
    span->attributes = log->attributes =
        (uint32_t)otel_file_int(file, map, keys[1], span->attributes, 0, INT32_MAX);
}

// Levels come in the words of log severities.
static void read_log_level(struct otel_file *file, const otel_config_node *root) {
    static const struct {
        const char *prefix;
        enum otel_log_level level;
    } rows[] = {
        {"none",  OTEL_LEVEL_NONE },
        {"fatal", OTEL_LEVEL_ERROR},
        {"error", OTEL_LEVEL_ERROR},
        {"warn",  OTEL_LEVEL_WARN },
        {"info",  OTEL_LEVEL_INFO },
        {"debug", OTEL_LEVEL_DEBUG},
        {"trace", OTEL_LEVEL_DEBUG},
    };
    const char *text = otel_file_text(file, root, "log_level");
    if (text == NULL)
        return;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strncasecmp(text, rows[i].prefix, strlen(rows[i].prefix)) == 0) {
            file->config->log_level = rows[i].level;
            return;
        }
    }
    otel_file_fail(file, otel_node_get(root, "log_level"), "log_level %.40s is not known; write info", text);
}

static void read_own(struct otel_file *file, const otel_config_node *node) {
    const otel_config_node *own = otel_node_get(node, "c");
    file->config->sdk_metrics = otel_file_bool(file, own, "sdk_metrics", false);
}

static void read_root(struct otel_file *file, const otel_config_node *root) {
    static const char *const keys[] = {"file_format",     "disabled",
                                       "log_level",       "attribute_limits",
                                       "resource",        "propagator",
                                       "tracer_provider", "meter_provider",
                                       "logger_provider", "instrumentation/development",
                                       "distribution",    NULL};
    check_format(file, root);
    if (!otel_file_map(file, root, "the file", keys)) {
        otel_file_fail(file, root, "the file has to be a map that begins with file_format: \"1.0\"");
        return;
    }
    file->config->disabled = otel_file_bool(file, root, "disabled", false);
    read_log_level(file, root);
    read_attribute_limits(file, otel_node_get(root, "attribute_limits"));
    otel_file_resource(file, otel_node_get(root, "resource"));
    otel_file_propagator(file, otel_node_get(root, "propagator"));
    otel_file_tracer_provider(file, otel_node_get(root, "tracer_provider"));
    otel_file_meter_provider(file, otel_node_get(root, "meter_provider"));
    otel_file_logger_provider(file, otel_node_get(root, "logger_provider"));
    read_own(file, otel_node_get(root, "instrumentation/development"));
}

// The registry is copied: the model may outlive the options it was read with.
static struct otel_component_provider *copy_components(struct otel_config *config,
                                                       const struct otel_sdk_options *options) {
    struct otel_component_provider *copy =
        otel_pool_take(&config->pool, (options->component_count + 1) * sizeof *copy);
    for (size_t i = 0; copy != NULL && i < options->component_count; i++) {
        copy[i] = options->components[i];
        copy[i].name = otel_pool_text(&config->pool, copy[i].name, strlen(copy[i].name));
    }
    return copy;
}

otel_config *otel_file_read(const char *yaml, size_t len, const struct otel_variables *variables,
                            const struct otel_sdk_options *options, char *reason, size_t reason_size) {
    otel_config *config = otel_model_new();
    if (config == NULL) {
        snprintf(reason, reason_size, "out of memory");
        return NULL;
    }
    struct otel_file file = {.config = config,
                             .variables = variables,
                             .components = copy_components(config, options),
                             .component_count = options->component_count,
                             .reason = reason,
                             .reason_size = reason_size};
    config->from_file = true;
    if (file.components == NULL)
        otel_file_fail(&file, NULL, "out of memory");
    else
        config->root = otel_node_parse(yaml, len, variables, &config->pool, reason, reason_size);
    if (config->root != NULL)
        read_root(&file, config->root);
    if (config->pool.failed)
        otel_file_fail(&file, NULL, "out of memory");
    return config->root != NULL && !file.failed ? config : otel_config_free(config);
}
