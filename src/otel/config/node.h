// SPDX-License-Identifier: Apache-2.0
// A YAML document as a tree, with `${…}` replaced in values.
#ifndef OTEL_CONFIG_NODE_H
#define OTEL_CONFIG_NODE_H

#include "otel/config/model.h"
#include "otel/config/variables.h"

enum {
    OTEL_FILE_BYTES_MAX = 1 << 20,
    OTEL_NODE_TEXT_MAX = 16 << 20,
    OTEL_NODES_MAX = 20000,
    OTEL_NODE_DEPTH_MAX = 64
};

struct otel_config_node {
    enum otel_node_type type;
    size_t line;
    const char *text; // of scalars
    double number;
    int64_t integer;
    size_t count;
    const char **keys; // of maps
    struct otel_config_node **items;
};

/** The document's root. NULL and a reason that names the line. */
otel_config_node *otel_node_parse(const char *yaml, size_t len, const struct otel_variables *variables,
                                  struct otel_pool *pool, char *reason, size_t reason_size);
/** `${NAME}`, `${env:NAME}`, `${NAME:-default}`, `$$`. The replaced text, or NULL: malformed, *ret_bad is where. */
char *otel_substitute(const char *text, const struct otel_variables *variables, struct otel_pool *pool,
                      bool *ret_changed, const char **ret_bad);

#endif
