// SPDX-License-Identifier: Apache-2.0
// Resource and propagators of a configuration file.
#include "otel/config/file.h"

// --- attributes ------------------------------------------------------------------------------------------------------
static bool read_scalar(const otel_config_node *node, const char *type, struct otel_value *ret) {
    bool number = otel_node_type(node) == OTEL_NODE_INT || otel_node_type(node) == OTEL_NODE_DOUBLE;
    const char *text = otel_node_text(node);
    if (strncmp(type, "string", 6) == 0) {
        *ret = otel_value_string(text, strlen(text));
        return otel_node_type(node) != OTEL_NODE_LIST && otel_node_type(node) != OTEL_NODE_MAP;
    }
    if (strncmp(type, "bool", 4) == 0) {
        *ret = (struct otel_value){.type = OTEL_VALUE_BOOL, .as.boolean = otel_node_int(node) != 0};
        return otel_node_type(node) == OTEL_NODE_BOOL;
    }
    if (strncmp(type, "int", 3) == 0) {
        *ret = (struct otel_value){.type = OTEL_VALUE_INT, .as.integer = otel_node_int(node)};
        return otel_node_type(node) == OTEL_NODE_INT;
    }
    *ret = (struct otel_value){.type = OTEL_VALUE_DOUBLE, .as.real = otel_node_number(node)};
    return number;
}

static void read_value(struct otel_file *file, const otel_config_node *node, const char *type,
                       struct otel_value *ret) {
    bool fits;
    if (strstr(type, "_array") != NULL) {
        struct otel_value *items = otel_file_take(file, (otel_node_count(node) + 1) * sizeof *items);
        fits = otel_node_type(node) == OTEL_NODE_LIST;
        for (size_t i = 0; fits && items != NULL && i < otel_node_count(node); i++)
            fits = read_scalar(otel_node_at(node, i, NULL), type, &items[i]);
        *ret = (struct otel_value){
            .type = OTEL_VALUE_ARRAY,
            .as.array = {.items = items, .count = items != NULL ? otel_node_count(node) : 0}
        };
    } else {
        fits = read_scalar(node, type, ret);
    }
    if (!fits)
        otel_file_fail(file, node, "the value is no %s", type);
}

static void read_attribute(struct otel_file *file, const otel_config_node *node, struct otel_attribute *ret) {
    static const char *const keys[] = {"name", "value", "type", NULL};
    static const char *const types[] = {"string",     "bool",      "int",          "double", "string_array",
                                        "bool_array", "int_array", "double_array", NULL};
    if (!otel_file_map(file, node, "an attribute", keys))
        return;
    const char *name = otel_file_text(file, node, "name");
    if (name == NULL || name[0] == '\0')
        otel_file_fail(file, node, "an attribute needs a name");
    ret->key = name;
    int type = otel_file_word(file, node, "type", types, 0);
    if (otel_node_type(otel_node_get(node, "value")) != OTEL_NODE_NULL)
        read_value(file, otel_node_get(node, "value"), types[type], &ret->value);
}

// --- detectors -------------------------------------------------------------------------------------------------------
static void read_detectors(struct otel_file *file, const otel_config_node *node) {
    static const char *const keys[] = {"attributes", "detectors", NULL};
    static const char *const names[] = {"host", "os", "process"};
    if (!otel_file_map(file, node, "detection/development", keys))
        return;
    const otel_config_node *list = otel_node_get(node, "detectors");
    for (size_t i = 0; i < otel_node_count(list); i++) {
        const char *key;
        const otel_config_node *value;
        if (!otel_file_one(file, otel_node_at(list, i, NULL), "a detector", &key, &value))
            return;
        unsigned found = 0;
        for (unsigned k = 0; k < 3; k++)
            found |= strcmp(key, names[k]) == 0 ? 1u << k : 0;
        if (found == 0 && strcmp(key, "service") != 0)
            otel_file_warn(file, otel_node_at(list, i, NULL), "detector %.60s is not known and left out",
                           key);
        file->config->detectors |= found;
    }
    if (otel_node_get(node, "attributes") != NULL)
        otel_file_warn(file, otel_node_get(node, "attributes"), "detected attributes are not filtered");
}

void otel_file_resource(struct otel_file *file, const otel_config_node *node) {
    static const char *const keys[] = {
        "attributes", "attributes_list", "schema_url", "detection/development", "detectors", NULL};
    if (!otel_file_map(file, node, "resource", keys))
        return;
    const otel_config_node *list = otel_node_get(node, "attributes");
    const char *text = otel_file_text(file, node, "attributes_list");
    struct otel_pair *pairs = NULL;
    size_t listed = text != NULL ? otel_variables_pairs(file->variables, "attributes_list", text,
                                                        OTEL_PAIRS_ATTRIBUTES, &file->config->pool, &pairs)
                                 : 0;
    struct otel_attribute *made = otel_file_take(file, (listed + otel_node_count(list) + 1) * sizeof *made);
    if (made == NULL)
        return;
    size_t count = 0;
    for (size_t i = 0; i < listed; i++)
        made[count++] = otel_text(pairs[i].key, pairs[i].value);
    for (size_t i = 0; i < otel_node_count(list) && !file->failed; i++) // the later one of two wins
        read_attribute(file, otel_node_at(list, i, NULL), &made[count++]);
    file->config->attributes = made;
    file->config->attribute_count = count;
    const char *schema = otel_file_text(file, node, "schema_url");
    file->config->schema_url = schema != NULL ? schema : "";
    read_detectors(file, otel_node_get(node, "detection/development"));
}

// --- propagators -----------------------------------------------------------------------------------------------------
static void add_propagator(struct otel_file *file, const otel_config_node *node, const char *name) {
    otel_config *config = file->config;
    for (size_t i = 0; i < config->propagator_count; i++) {
        if (strcmp(config->propagators[i], name) == 0)
            return;
    }
    bool known = otel_propagator_by_name(name) != NULL ||
                 otel_file_extension(file, OTEL_COMPONENT_PROPAGATOR, name, NULL) != NULL;
    if (!known)
        otel_file_fail(
            file, node,
            "propagator %.60s is not known; there are tracecontext, baggage, b3, b3multi, jaeger, and "
            "what the program registered",
            name);
    else if (config->propagator_count < OTEL_MODEL_PROPAGATORS_MAX)
        config->propagators[config->propagator_count++] = name;
}

void otel_file_propagator(struct otel_file *file, const otel_config_node *node) {
    static const char *const keys[] = {"composite", "composite_list", NULL};
    if (!otel_file_map(file, node, "propagator", keys))
        return;
    const otel_config_node *list = otel_node_get(node, "composite");
    for (size_t i = 0; i < otel_node_count(list) && !file->failed; i++) {
        const char *key;
        const otel_config_node *value;
        if (otel_file_one(file, otel_node_at(list, i, NULL), "a propagator", &key, &value))
            add_propagator(file, otel_node_at(list, i, NULL), key);
    }
    const char *text = otel_file_text(file, node, "composite_list");
    while (text != NULL && !file->failed) {
        text += strspn(text, " ,");
        size_t len = strcspn(text, " ,");
        if (len == 0)
            break;
        const char *name = otel_pool_text(&file->config->pool, text, len);
        if (name != NULL && strcmp(name, "none") != 0)
            add_propagator(file, otel_node_get(node, "composite_list"), name);
        text += len;
    }
}
