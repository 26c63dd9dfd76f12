// SPDX-License-Identifier: Apache-2.0
// Values of a configuration file, checked.
#include "otel/config/file.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

void otel_file_fail(struct otel_file *file, const otel_config_node *node, const char *format, ...) {
    if (file->failed)
        return;
    file->failed = true;
    int used = node != NULL ? snprintf(file->reason, file->reason_size, "line %zu: ", node->line) : 0;
    va_list args;
    va_start(args, format);
    if (used >= 0 && (size_t)used < file->reason_size)
        vsnprintf(file->reason + used, file->reason_size - (size_t)used, format, args);
    va_end(args);
}

void otel_file_warn(const struct otel_file *file, const otel_config_node *node, const char *format, ...) {
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    otel_report(file->variables->runtime, OTEL_LEVEL_WARN, "configuration file, line %zu: %s",
                otel_node_line(node), text);
}

void *otel_file_take(struct otel_file *file, size_t size) {
    void *memory = otel_pool_take(&file->config->pool, size);
    if (memory == NULL)
        otel_file_fail(file, NULL, "out of memory");
    return memory;
}

static void join(const char *const *words, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; words[i] != NULL && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", words[i]);
}

static bool is_among(const char *word, const char *const *words) {
    for (; *words != NULL; words++) {
        if (strcmp(word, *words) == 0)
            return true;
    }
    return false;
}

bool otel_file_map(struct otel_file *file, const otel_config_node *node, const char *name,
                   const char *const *keys) {
    char known[400];
    if (otel_node_type(node) == OTEL_NODE_NULL || file->failed)
        return false;
    if (node->type != OTEL_NODE_MAP) {
        otel_file_fail(file, node, "%s has to be a map of keys and values", name);
        return false;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (is_among(node->keys[i], keys))
            continue;
        join(keys, known, sizeof known);
        if (file->is_newer)
            otel_file_warn(file, node->items[i], "%s of %s is not known here and left out", node->keys[i],
                           name);
        else
            otel_file_fail(file, node->items[i], "%s has no key %.60s; there are %s", name, node->keys[i],
                           known);
    }
    return !file->failed;
}

bool otel_file_one(struct otel_file *file, const otel_config_node *node, const char *name,
                   const char **ret_key, const otel_config_node **ret_value) {
    if (otel_node_type(node) != OTEL_NODE_MAP || node->count != 1) {
        otel_file_fail(file, node, "%s needs exactly one key, which says what it is", name);
        return false;
    }
    *ret_value = otel_node_at(node, 0, ret_key);
    return !file->failed;
}

static const otel_config_node *value_of(const otel_config_node *map, const char *key) {
    const otel_config_node *node = otel_node_get(map, key);
    return otel_node_type(node) != OTEL_NODE_NULL ? node : NULL;
}

int64_t otel_file_int(struct otel_file *file, const otel_config_node *map, const char *key, int64_t fallback,
                      int64_t min, int64_t max) {
    const otel_config_node *node = value_of(map, key);
    if (node == NULL)
        return fallback;
    if (node->type == OTEL_NODE_INT && node->integer >= min && node->integer <= max)
        return node->integer;
    otel_file_fail(file, node, "%s has to be a whole number from %" PRId64 " to %" PRId64, key, min, max);
    return fallback;
}

double otel_file_ratio(struct otel_file *file, const otel_config_node *map, const char *key,
                       double fallback) {
    const otel_config_node *node = value_of(map, key);
    if (node == NULL)
        return fallback;
    bool is_number = node->type == OTEL_NODE_INT || node->type == OTEL_NODE_DOUBLE;
    if (is_number && node->number >= 0 && node->number <= 1)
        return node->number;
    otel_file_fail(file, node, "%s has to be a number from 0 to 1", key);
    return fallback;
}

bool otel_file_bool(struct otel_file *file, const otel_config_node *map, const char *key, bool fallback) {
    const otel_config_node *node = value_of(map, key);
    if (node == NULL)
        return fallback;
    if (node->type == OTEL_NODE_BOOL)
        return node->integer != 0;
    otel_file_fail(file, node, "%s has to be true or false", key);
    return fallback;
}

const char *otel_file_text(struct otel_file *file, const otel_config_node *map, const char *key) {
    const otel_config_node *node = value_of(map, key);
    if (node != NULL && (node->type == OTEL_NODE_LIST || node->type == OTEL_NODE_MAP))
        otel_file_fail(file, node, "%s has to be text", key);
    return node != NULL ? node->text : NULL;
}

int otel_file_word(struct otel_file *file, const otel_config_node *map, const char *key,
                   const char *const *words, int fallback) {
    const char *text = otel_file_text(file, map, key);
    char known[300];
    if (text == NULL)
        return fallback;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcasecmp(text, words[i]) == 0)
            return i;
    }
    join(words, known, sizeof known);
    otel_file_fail(file, otel_node_get(map, key), "%s: %.60s is not known; there are %s", key, text, known);
    return fallback;
}

size_t otel_file_texts(struct otel_file *file, const otel_config_node *map, const char *key,
                       const char *const **ret_texts) {
    const otel_config_node *list = value_of(map, key);
    *ret_texts = NULL;
    if (list == NULL)
        return 0;
    if (list->type != OTEL_NODE_LIST) {
        otel_file_fail(file, list, "%s has to be a list", key);
        return 0;
    }
    const char **texts = otel_file_take(file, (list->count + 1) * sizeof *texts);
    for (size_t i = 0; texts != NULL && i < list->count; i++)
        texts[i] = list->items[i]->text;
    *ret_texts = texts;
    return texts != NULL ? list->count : 0;
}

struct otel_model_extension *otel_file_extension(struct otel_file *file, enum otel_component component,
                                                 const char *name, const otel_config_node *properties) {
    for (size_t i = 0; i < file->component_count; i++) {
        if (file->components[i].component != component || strcmp(file->components[i].name, name) != 0)
            continue;
        struct otel_model_extension *extension = otel_file_take(file, sizeof *extension);
        if (extension != NULL)
            *extension = (struct otel_model_extension){&file->components[i], properties};
        return extension;
    }
    return NULL;
}
