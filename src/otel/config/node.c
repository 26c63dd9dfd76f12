// SPDX-License-Identifier: Apache-2.0
// libyaml's document becomes a tree of nodes. Aliases share nodes; how many there may be and how deep they may lie is
// bounded, so that no file makes work without end.
#include "otel/config/node.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

struct reading {
    yaml_document_t document;
    const struct otel_variables *variables;
    struct otel_pool *pool;
    size_t node_count, text_len;
    char *reason;
    size_t reason_size;
};

static otel_config_node *fail(struct reading *reading, size_t line, const char *text, const char *what) {
    if (reading->reason[0] == '\0')
        snprintf(reading->reason, reading->reason_size, "line %zu: %s%.100s", line, text, what);
    return NULL;
}

// --- scalars ---------------------------------------------------------------------------------------------------------
static bool is_one_of(const char *text, const char *const *words) {
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0)
            return true;
    }
    return false;
}

static bool read_number(const char *text, otel_config_node *node) {
    char *end;
    errno = 0;
    bool hexadecimal = strncmp(text, "0x", 2) == 0, octal = strncmp(text, "0o", 2) == 0;
    long long integer = strtoll(octal ? text + 2 : text, &end, hexadecimal ? 16 : octal ? 8 : 10);
    if (*end == '\0' && end != text && errno == 0 && strchr(" \t\n", text[0]) == NULL) {
        node->type = OTEL_NODE_INT;
        node->integer = integer;
        node->number = (double)integer;
        return true;
    }
    if (strspn(text, "0123456789+-.eE") != strlen(text) || strpbrk(text, "0123456789") == NULL)
        return false;
    locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    double number = plain != (locale_t)0 ? strtod_l(text, &end, plain) : strtod(text, &end);
    if (plain != (locale_t)0)
        freelocale(plain);
    if (*end != '\0' || end == text || !isfinite(number))
        return false;
    node->type = OTEL_NODE_DOUBLE;
    node->number = number;
    node->integer = fabs(number) < 9e18 ? (int64_t)number : 0;
    return true;
}

// The core schema of YAML 1.2.
static void resolve(otel_config_node *node) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    if (is_one_of(node->text, nulls)) {
        node->type = OTEL_NODE_NULL;
    } else if (is_one_of(node->text, trues) || is_one_of(node->text, falses)) {
        node->type = OTEL_NODE_BOOL;
        node->integer = is_one_of(node->text, trues);
        node->number = (double)node->integer;
    } else if (!read_number(node->text, node)) {
        node->type = OTEL_NODE_STRING;
    }
}

static otel_config_node *read_scalar(struct reading *reading, const yaml_node_t *from,
                                     otel_config_node *node) {
    const char *text = (const char *)from->data.scalar.value, *bad;
    bool changed;
    if (memchr(text, '\0', from->data.scalar.length) != NULL)
        return fail(reading, node->line, "a value holds a NUL byte", "");
    node->text = otel_substitute(text, reading->variables, reading->pool, &changed, &bad);
    if (bad != NULL)
        return fail(reading, node->line,
                    "write ${NAME}, ${NAME:-default}, or $$ for a dollar sign, instead of ", bad);
    if (node->text == NULL)
        return fail(reading, node->line, "too much text, or out of memory", "");
    // An alias of a long text is that text once more.
    reading->text_len += strlen(node->text);
    if (reading->text_len > OTEL_NODE_TEXT_MAX)
        return fail(reading, node->line, "too much text", "");
    node->type = OTEL_NODE_STRING;
    if (from->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        resolve(node);
    return node;
}

// --- lists and maps --------------------------------------------------------------------------------------------------
static otel_config_node *read_node(struct reading *reading, int index, int depth);

static otel_config_node *read_list(struct reading *reading, const yaml_node_t *from, otel_config_node *node,
                                   int depth) {
    size_t count = (size_t)(from->data.sequence.items.top - from->data.sequence.items.start);
    node->type = OTEL_NODE_LIST;
    node->items = otel_pool_take(reading->pool, count * sizeof(otel_config_node *));
    for (size_t i = 0; i < count && node->items != NULL; i++) {
        node->items[i] = read_node(reading, from->data.sequence.items.start[i], depth + 1);
        if (node->items[i] == NULL)
            return NULL;
        node->count++;
    }
    return node->items != NULL ? node : fail(reading, node->line, "out of memory", "");
}

static otel_config_node *read_map(struct reading *reading, const yaml_node_t *from, otel_config_node *node,
                                  int depth) {
    const yaml_node_pair_t *pairs = from->data.mapping.pairs.start;
    size_t count = (size_t)(from->data.mapping.pairs.top - pairs);
    node->type = OTEL_NODE_MAP;
    node->items = otel_pool_take(reading->pool, count * sizeof(otel_config_node *));
    node->keys = otel_pool_take(reading->pool, count * sizeof(const char *));
    if (node->items == NULL || node->keys == NULL)
        return fail(reading, node->line, "out of memory", "");
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *key = yaml_document_get_node(&reading->document, pairs[i].key);
        if (key == NULL || key->type != YAML_SCALAR_NODE)
            return fail(reading, node->line, "a key has to be text", "");
        const char *text = (const char *)key->data.scalar.value;
        if (otel_node_get(node, text) != NULL)
            return fail(reading, key->start_mark.line + 1, "this key stands here twice: ", text);
        node->keys[i] = otel_pool_text(reading->pool, text, strlen(text)); // never replaced
        node->items[i] = read_node(reading, pairs[i].value, depth + 1);
        if (node->keys[i] == NULL || node->items[i] == NULL)
            return fail(reading, node->line, "out of memory", "");
        node->count++;
    }
    return node;
}

static otel_config_node *read_node(struct reading *reading, int index, int depth) {
    const yaml_node_t *from = yaml_document_get_node(&reading->document, index);
    if (from == NULL)
        return fail(reading, 1, "the file is empty", "");
    size_t line = from->start_mark.line + 1;
    if (depth > OTEL_NODE_DEPTH_MAX || ++reading->node_count > OTEL_NODES_MAX)
        return fail(reading, line, "too deep, or too much", "");
    otel_config_node *node = otel_pool_take(reading->pool, sizeof *node);
    if (node == NULL)
        return fail(reading, line, "out of memory", "");
    node->line = line;
    node->text = "";
    switch (from->type) {
    case YAML_SCALAR_NODE: return read_scalar(reading, from, node);
    case YAML_SEQUENCE_NODE: return read_list(reading, from, node, depth);
    case YAML_MAPPING_NODE: return read_map(reading, from, node, depth);
    default: return fail(reading, line, "this is no value", "");
    }
}

otel_config_node *otel_node_parse(const char *yaml, size_t len, const struct otel_variables *variables,
                                  struct otel_pool *pool, char *reason, size_t reason_size) {
    yaml_parser_t parser;
    struct reading reading = {
        .variables = variables, .pool = pool, .reason = reason, .reason_size = reason_size};
    reason[0] = '\0';
    if (len > OTEL_FILE_BYTES_MAX)
        return fail(&reading, 1, "the file is longer than 1 MiB", "");
    if (!yaml_parser_initialize(&parser))
        return fail(&reading, 1, "out of memory", "");
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, len);
    otel_config_node *root = NULL;
    if (!yaml_parser_load(&parser, &reading.document)) {
        fail(&reading, parser.problem_mark.line + 1,
             "this is no YAML: ", parser.problem != NULL ? parser.problem : "unreadable");
    } else {
        root = yaml_document_get_root_node(&reading.document) != NULL
                   ? read_node(&reading, 1, 0)
                   : fail(&reading, 1, "the file is empty", "");
        yaml_document_delete(&reading.document);
    }
    yaml_parser_delete(&parser);
    return root;
}

// --- reading the tree ------------------------------------------------------------------------------------------------
enum otel_node_type otel_node_type(const otel_config_node *node) {
    return node != NULL ? node->type : OTEL_NODE_NULL;
}

size_t otel_node_line(const otel_config_node *node) {
    return node != NULL ? node->line : 0;
}

size_t otel_node_count(const otel_config_node *node) {
    return node != NULL ? node->count : 0;
}

const otel_config_node *otel_node_at(const otel_config_node *node, size_t index, const char **ret_key) {
    if (node == NULL || index >= node->count)
        return NULL;
    if (ret_key != NULL)
        *ret_key = node->type == OTEL_NODE_MAP ? node->keys[index] : "";
    return node->items[index];
}

const otel_config_node *otel_node_get(const otel_config_node *node, const char *key) {
    for (size_t i = 0; node != NULL && node->type == OTEL_NODE_MAP && i < node->count; i++) {
        if (strcmp(node->keys[i], key) == 0)
            return node->items[i];
    }
    return NULL;
}

const char *otel_node_text(const otel_config_node *node) {
    return node != NULL ? node->text : "";
}

double otel_node_number(const otel_config_node *node) {
    return node != NULL ? node->number : 0;
}

int64_t otel_node_int(const otel_config_node *node) {
    return node != NULL ? node->integer : 0;
}
