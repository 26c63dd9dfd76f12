// SPDX-License-Identifier: Apache-2.0
// Tracer and logger providers of a configuration file.
#include "otel/config/file.h"

enum { SAMPLER_DEPTH_MAX = 16, QUEUE_MAX = 1 << 24 };

// --- samplers --------------------------------------------------------------------------------------------------------
static void read_parent_based(struct otel_file *file, const otel_config_node *map,
                              struct otel_model_sampler *sampler, int depth) {
    static const char *const keys[] = {"root",
                                       "remote_parent_sampled",
                                       "remote_parent_not_sampled",
                                       "local_parent_sampled",
                                       "local_parent_not_sampled",
                                       NULL};
    struct otel_model_sampler **places[] = {&sampler->root, &sampler->remote_sampled,
                                            &sampler->remote_not_sampled, &sampler->local_sampled,
                                            &sampler->local_not_sampled};
    sampler->kind = OTEL_MODEL_PARENT_BASED;
    if (!otel_file_map(file, map, "parent_based", keys))
        return;
    for (size_t i = 0; keys[i] != NULL; i++) {
        const otel_config_node *part = otel_node_get(map, keys[i]);
        if (otel_node_type(part) != OTEL_NODE_NULL)
            *places[i] = otel_file_sampler(file, part, depth + 1);
    }
}

struct otel_model_sampler *otel_file_sampler(struct otel_file *file, const otel_config_node *node,
                                             int depth) {
    static const char *const ratio_keys[] = {"ratio", NULL}, *const no_keys[] = {NULL};
    const char *key;
    const otel_config_node *map;
    struct otel_model_sampler *sampler = otel_file_take(file, sizeof *sampler);
    if (depth > SAMPLER_DEPTH_MAX)
        otel_file_fail(file, node, "samplers lie too deep in each other");
    if (sampler == NULL || !otel_file_one(file, node, "sampler", &key, &map))
        return NULL;
    sampler->extension = otel_file_extension(file, OTEL_COMPONENT_SAMPLER, key, map);
    if (sampler->extension != NULL) {
        sampler->kind = OTEL_MODEL_EXTENSION_SAMPLER;
    } else if (strcmp(key, "always_on") == 0 || strcmp(key, "always_off") == 0) {
        otel_file_map(file, map, key, no_keys);
        sampler->kind = strcmp(key, "always_on") == 0 ? OTEL_MODEL_ALWAYS_ON : OTEL_MODEL_ALWAYS_OFF;
    } else if (strcmp(key, "trace_id_ratio_based") == 0 || strncmp(key, "probability", 11) == 0) {
        otel_file_map(file, map, key, ratio_keys);
        sampler->kind = key[0] == 't' ? OTEL_MODEL_TRACE_ID_RATIO : OTEL_MODEL_PROBABILITY;
        sampler->ratio = otel_file_ratio(file, map, "ratio", 1.0);
    } else if (strcmp(key, "parent_based") == 0) {
        read_parent_based(file, map, sampler, depth);
    } else if (strncmp(key, "always_record", 13) == 0) {
        static const char *const root_keys[] = {"root", NULL};
        sampler->kind = OTEL_MODEL_ALWAYS_RECORD;
        if (otel_file_map(file, map, key, root_keys))
            sampler->root = otel_file_sampler(file, otel_node_get(map, "root"), depth + 1);
    } else if (strncmp(key, "composite", 9) == 0) {
        return otel_file_sampler(file, map, depth + 1); // the parts are the consistent ones above
    } else {
        otel_file_fail(file, map,
                       "sampler %.60s is not known; there are always_on, always_off, trace_id_ratio_based, "
                       "parent_based, probability/development, and what the program registered",
                       key);
    }
    return sampler;
}

// --- processors ------------------------------------------------------------------------------------------------------
static void read_batch(struct otel_file *file, enum otel_signal signal, const otel_config_node *map,
                       struct otel_model_processor *processor) {
    static const char *const keys[] = {"schedule_delay",        "export_timeout", "max_queue_size",
                                       "max_export_batch_size", "exporter",       NULL};
    if (!otel_file_map(file, map, "batch", keys)) {
        otel_file_fail(file, map, "batch needs an exporter");
        return;
    }
    int64_t delay = signal == OTEL_SIGNAL_TRACES ? 5000 : 1000;
    processor->delay_ms = otel_file_int(file, map, "schedule_delay", delay, 0, INT32_MAX);
    processor->timeout_ms = otel_file_int(file, map, "export_timeout", 30000, 0, INT32_MAX);
    processor->queue_max = (uint32_t)otel_file_int(file, map, "max_queue_size", 2048, 1, QUEUE_MAX);
    int64_t batch = processor->queue_max < 512 ? processor->queue_max : 512;
    processor->batch_max =
        (uint32_t)otel_file_int(file, map, "max_export_batch_size", batch, 1, processor->queue_max);
    otel_file_exporter(file, signal, otel_node_get(map, "exporter"), &processor->exporter);
}

static void read_simple(struct otel_file *file, enum otel_signal signal, const otel_config_node *map,
                        struct otel_model_processor *processor) {
    static const char *const keys[] = {"exporter", NULL};
    processor->simple = true;
    processor->queue_max = 2048;
    processor->batch_max = 1;
    processor->timeout_ms = 30000;
    if (otel_file_map(file, map, "simple", keys))
        otel_file_exporter(file, signal, otel_node_get(map, "exporter"), &processor->exporter);
    else
        otel_file_fail(file, map, "simple needs an exporter");
}

static void read_processor(struct otel_file *file, enum otel_signal signal, const otel_config_node *node,
                           struct otel_model_processor *processor) {
    enum otel_component component =
        signal == OTEL_SIGNAL_TRACES ? OTEL_COMPONENT_SPAN_PROCESSOR : OTEL_COMPONENT_LOG_PROCESSOR;
    const char *key;
    const otel_config_node *map;
    if (!otel_file_one(file, node, "a processor", &key, &map))
        return;
    processor->extension = otel_file_extension(file, component, key, map);
    if (processor->extension != NULL)
        return;
    if (strcmp(key, "batch") == 0)
        read_batch(file, signal, map, processor);
    else if (strcmp(key, "simple") == 0)
        read_simple(file, signal, map, processor);
    else
        otel_file_fail(
            file, map,
            "processor %.60s is not known; there are batch, simple, and what the program registered", key);
}

static void read_processors(struct otel_file *file, enum otel_signal signal, const otel_config_node *list,
                            struct otel_model_processor **place) {
    if (otel_node_type(list) != OTEL_NODE_LIST) {
        otel_file_fail(file, list, "processors has to be a list");
        return;
    }
    for (size_t i = 0; i < list->count && !file->failed; i++) {
        *place = otel_file_take(file, sizeof **place);
        if (*place == NULL)
            return;
        read_processor(file, signal, list->items[i], *place);
        place = &(*place)->next;
    }
}

// --- limits and providers ----------------------------------------------------------------------------------------------
static uint32_t limit(struct otel_file *file, const otel_config_node *map, const char *key,
                      uint32_t fallback) {
    return (uint32_t)otel_file_int(file, map, key, fallback, 0, INT32_MAX);
}

static void read_limits(struct otel_file *file, const otel_config_node *map, struct otel_limits *limits) {
    static const char *const keys[] = {"attribute_value_length_limit",
                                       "attribute_count_limit",
                                       "event_count_limit",
                                       "link_count_limit",
                                       "event_attribute_count_limit",
                                       "link_attribute_count_limit",
                                       NULL};
    if (!otel_file_map(file, map, "limits", keys))
        return;
    limits->value_length = limit(file, map, keys[0], limits->value_length);
    limits->attributes = limit(file, map, keys[1], limits->attributes);
    limits->events = limit(file, map, keys[2], limits->events);
    limits->links = limit(file, map, keys[3], limits->links);
    limits->event_attributes = limit(file, map, keys[4], limits->event_attributes);
    limits->link_attributes = limit(file, map, keys[5], limits->link_attributes);
}

void otel_file_tracer_provider(struct otel_file *file, const otel_config_node *node) {
    static const char *const keys[] = {"processors", "limits", "sampler", "tracer_configurator/development",
                                       NULL};
    if (!otel_file_map(file, node, "tracer_provider", keys))
        return;
    read_processors(file, OTEL_SIGNAL_TRACES, otel_node_get(node, "processors"),
                    &file->config->span_processors);
    read_limits(file, otel_node_get(node, "limits"), &file->config->span_limits);
    if (otel_node_type(otel_node_get(node, "sampler")) != OTEL_NODE_NULL)
        file->config->sampler = otel_file_sampler(file, otel_node_get(node, "sampler"), 0);
    if (otel_node_get(node, keys[3]) != NULL)
        otel_file_warn(file, otel_node_get(node, keys[3]),
                       "tracer_configurator is not supported and left out");
}

void otel_file_logger_provider(struct otel_file *file, const otel_config_node *node) {
    static const char *const keys[] = {"processors", "limits", "logger_configurator/development", NULL};
    if (!otel_file_map(file, node, "logger_provider", keys))
        return;
    read_processors(file, OTEL_SIGNAL_LOGS, otel_node_get(node, "processors"), &file->config->log_processors);
    read_limits(file, otel_node_get(node, "limits"), &file->config->log_limits);
    if (otel_node_get(node, keys[2]) != NULL)
        otel_file_warn(file, otel_node_get(node, keys[2]),
                       "logger_configurator is not supported and left out");
}
