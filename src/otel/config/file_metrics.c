// SPDX-License-Identifier: Apache-2.0
// The meter provider of a configuration file: readers and views.
#include "otel/config/file.h"

// --- readers ---------------------------------------------------------------------------------------------------------
static void read_cardinality(struct otel_file *file, const otel_config_node *map,
                             struct otel_model_reader *reader) {
    static const char *const keys[] = {"default",
                                       "counter",
                                       "gauge",
                                       "histogram",
                                       "observable_counter",
                                       "observable_gauge",
                                       "observable_up_down_counter",
                                       "up_down_counter",
                                       NULL};
    if (!otel_file_map(file, map, "cardinality_limits", keys))
        return;
    reader->cardinality_limit = (size_t)otel_file_int(file, map, "default", 0, 1, INT32_MAX);
    for (size_t i = 1; keys[i] != NULL; i++) {
        size_t own =
            (size_t)otel_file_int(file, map, keys[i], (int64_t)reader->cardinality_limit, 1, INT32_MAX);
        if (own != reader->cardinality_limit && !file->failed)
            otel_file_warn(
                file, otel_node_get(map, keys[i]),
                "a limit for %s alone is not supported; use a view's aggregation_cardinality_limit", keys[i]);
    }
}

static void read_reader(struct otel_file *file, const otel_config_node *node,
                        struct otel_model_reader *reader) {
    static const char *const keys[] = {"interval",
                                       "timeout",
                                       "exporter",
                                       "producers",
                                       "cardinality_limits",
                                       "max_export_batch_size/development",
                                       NULL};
    const char *key;
    const otel_config_node *map;
    if (!otel_file_one(file, node, "a reader", &key, &map))
        return;
    if (strcmp(key, "periodic") != 0 && strcmp(key, "pull") != 0) {
        otel_file_fail(file, map, "reader %.60s is not known; there are periodic and pull", key);
        return;
    }
    if (!otel_file_map(file, map, key, keys)) {
        otel_file_fail(file, map, "%s needs an exporter", key);
        return;
    }
    otel_file_exporter(file, OTEL_SIGNAL_METRICS, otel_node_get(map, "exporter"), &reader->exporter);
    reader->pull = strcmp(key, "pull") == 0;
    if (reader->pull != (reader->exporter.kind == OTEL_MODEL_PROMETHEUS))
        otel_file_fail(file, map, "pull is for the prometheus exporter, periodic for all others");
    reader->interval_ms = otel_file_int(
        file, map, "interval", reader->exporter.kind == OTEL_MODEL_CONSOLE ? 10000 : 60000, 1, INT32_MAX);
    reader->timeout_ms = otel_file_int(file, map, "timeout", 30000, 0, INT32_MAX);
    reader->batch_max = (size_t)otel_file_int(file, map, keys[5], 0, 1, INT32_MAX);
    read_cardinality(file, otel_node_get(map, "cardinality_limits"), reader);
    if (otel_node_count(otel_node_get(map, "producers")) > 0)
        otel_file_warn(file, otel_node_get(map, "producers"),
                       "producers come from the program; the key is left out");
}

// --- views -----------------------------------------------------------------------------------------------------------
static void read_selector(struct otel_file *file, const otel_config_node *map,
                          struct otel_view_options *view) {
    static const char *const keys[] = {"instrument_name", "instrument_type",  "unit", "meter_name",
                                       "meter_version",   "meter_schema_url", NULL};
    static const char *const kinds[] = {"counter",
                                        "up_down_counter",
                                        "histogram",
                                        "gauge",
                                        "observable_counter",
                                        "observable_up_down_counter",
                                        "observable_gauge",
                                        NULL};
    if (!otel_file_map(file, map, "selector", keys))
        return;
    view->instrument_name = otel_file_text(file, map, "instrument_name");
    view->instrument_kind = otel_file_word(file, map, "instrument_type", kinds, -1);
    view->instrument_unit = otel_file_text(file, map, "unit");
    view->meter_name = otel_file_text(file, map, "meter_name");
    view->meter_version = otel_file_text(file, map, "meter_version");
    view->meter_schema_url = otel_file_text(file, map, "meter_schema_url");
}

static void read_bounds(struct otel_file *file, const otel_config_node *map, struct otel_view_options *view) {
    const otel_config_node *list = otel_node_get(map, "boundaries");
    double *bounds = otel_file_take(file, (otel_node_count(list) + 1) * sizeof *bounds);
    if (bounds == NULL || otel_node_type(list) == OTEL_NODE_NULL)
        return;
    for (size_t i = 0; i < otel_node_count(list); i++) {
        bounds[i] = otel_node_number(otel_node_at(list, i, NULL));
        if (i > 0 && bounds[i] <= bounds[i - 1])
            otel_file_fail(file, list, "boundaries have to ascend");
    }
    view->bounds = bounds;
    view->bound_count = otel_node_count(list);
}

static void read_aggregation(struct otel_file *file, const otel_config_node *node,
                             struct otel_view_options *view) {
    static const char *const names[] = {"default",
                                        "drop",
                                        "sum",
                                        "last_value",
                                        "explicit_bucket_histogram",
                                        "base2_exponential_bucket_histogram",
                                        NULL};
    static const char *const keys[] = {"boundaries", "record_min_max", "max_size", "max_scale", NULL};
    const char *key;
    const otel_config_node *map;
    if (otel_node_type(node) == OTEL_NODE_NULL || !otel_file_one(file, node, "aggregation", &key, &map))
        return;
    size_t i = 0;
    while (names[i] != NULL && strcmp(names[i], key) != 0)
        i++;
    if (names[i] == NULL) {
        otel_file_fail(file, map, "aggregation %.60s is not known", key);
        return;
    }
    view->aggregation = (enum otel_aggregation)i;
    otel_file_map(file, map, key, keys);
    read_bounds(file, map, view);
    view->no_min_max = !otel_file_bool(file, map, "record_min_max", true);
    view->max_size = (int)otel_file_int(file, map, "max_size", 0, 2, 16384);
    view->max_scale = (int)otel_file_int(file, map, "max_scale", 0, -10, 20);
}

static void read_stream(struct otel_file *file, const otel_config_node *map, struct otel_view_options *view) {
    static const char *const keys[] = {
        "name", "description", "aggregation", "aggregation_cardinality_limit", "attribute_keys", NULL};
    static const char *const attribute_keys[] = {"included", "excluded", NULL};
    if (!otel_file_map(file, map, "stream", keys))
        return;
    view->name = otel_file_text(file, map, "name");
    view->description = otel_file_text(file, map, "description");
    read_aggregation(file, otel_node_get(map, "aggregation"), view);
    view->cardinality_limit =
        (size_t)otel_file_int(file, map, "aggregation_cardinality_limit", 0, 1, INT32_MAX);
    const otel_config_node *attributes = otel_node_get(map, "attribute_keys");
    if (!otel_file_map(file, attributes, "attribute_keys", attribute_keys))
        return;
    view->attribute_key_count = otel_file_texts(file, attributes, "included", &view->attribute_keys);
    view->excluded_key_count = otel_file_texts(file, attributes, "excluded", &view->excluded_keys);
}

static void read_views(struct otel_file *file, const otel_config_node *list) {
    static const char *const keys[] = {"selector", "stream", NULL};
    struct otel_model_view **place = &file->config->views;
    for (size_t i = 0; i < otel_node_count(list) && !file->failed; i++) {
        const otel_config_node *node = otel_node_at(list, i, NULL);
        *place = otel_file_take(file, sizeof **place);
        if (*place == NULL || !otel_file_map(file, node, "a view", keys))
            return;
        (*place)->options = (struct otel_view_options){.instrument_kind = -1};
        read_selector(file, otel_node_get(node, "selector"), &(*place)->options);
        read_stream(file, otel_node_get(node, "stream"), &(*place)->options);
        place = &(*place)->next;
    }
}

void otel_file_meter_provider(struct otel_file *file, const otel_config_node *node) {
    static const char *const keys[] = {"readers",
                                       "views",
                                       "exemplar_filter",
                                       "meter_configurator/development",
                                       "view_matching_mode/development",
                                       NULL};
    static const char *const modes[] = {"independent", "composable", NULL};
    static const char *const filters[] = {"trace_based", "always_on", "always_off", NULL};
    if (!otel_file_map(file, node, "meter_provider", keys))
        return;
    const otel_config_node *readers = otel_node_get(node, "readers");
    struct otel_model_reader **place = &file->config->readers;
    if (otel_node_type(readers) != OTEL_NODE_LIST)
        otel_file_fail(file, node, "meter_provider needs readers, a list");
    for (size_t i = 0; i < otel_node_count(readers) && !file->failed; i++) {
        *place = otel_file_take(file, sizeof **place);
        if (*place == NULL)
            return;
        read_reader(file, readers->items[i], *place);
        place = &(*place)->next;
    }
    read_views(file, otel_node_get(node, "views"));
    file->config->views_compose = otel_file_word(file, node, keys[4], modes, 0) == 1;
    file->config->exemplar_filter =
        (enum otel_exemplar_filter)otel_file_word(file, node, "exemplar_filter", filters, 0);
    if (otel_node_get(node, keys[3]) != NULL)
        otel_file_warn(file, otel_node_get(node, keys[3]),
                       "meter_configurator is not supported and left out");
}
