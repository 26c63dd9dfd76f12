// SPDX-License-Identifier: Apache-2.0
/**
 * Declarative configuration: a YAML file (format 1.x of the OpenTelemetry configuration schema) that says what the SDK is.
 *
 *     otel_config *config = otel_config_parse(text, len, &options, reason, sizeof reason);
 *     options.config = config;
 *     otel_sdk *sdk = otel_sdk_new(&options);
 *     otel_config_free(config);
 *
 * With OTEL_CONFIG_FILE set, otel_sdk_new does this by itself. `${NAME}`, `${NAME:-default}` and `$$` in values are
 * replaced from the variables; keys never are.
 */
#ifndef OTEL_CONFIG_H
#define OTEL_CONFIG_H

#include "otel/exporter.h"

#ifdef __cplusplus
extern "C" {
#endif

struct otel_sdk_options;
typedef struct otel_config otel_config;

/** Reads and checks. NULL when the file makes no sense: `reason` then names line, key and remedy. */
OTEL_API otel_config *otel_config_parse(const char *yaml, size_t len, const struct otel_sdk_options *options,
                                        char *reason, size_t reason_size);
/** Returns NULL. */
OTEL_API otel_config *otel_config_free(otel_config *config);

/* --- what stands in a file, for components of a program's own --- */
typedef struct otel_config_node otel_config_node;
enum otel_node_type {
    OTEL_NODE_NULL,
    OTEL_NODE_BOOL,
    OTEL_NODE_INT,
    OTEL_NODE_DOUBLE,
    OTEL_NODE_STRING,
    OTEL_NODE_LIST,
    OTEL_NODE_MAP,
};
/** NULL counts as OTEL_NODE_NULL. */
OTEL_API enum otel_node_type otel_node_type(const otel_config_node *node);
/** Line in the file, from 1; 0 for NULL. */
OTEL_API size_t otel_node_line(const otel_config_node *node);
/** Entries of a list or map, else 0. */
OTEL_API size_t otel_node_count(const otel_config_node *node);
/** Entry `index` below the count; *ret_key (may be NULL) is "" in lists. */
OTEL_API const otel_config_node *otel_node_at(const otel_config_node *node, size_t index,
                                              const char **ret_key);
/** The value of a map's key; NULL if there is none, or for what is no map. */
OTEL_API const otel_config_node *otel_node_get(const otel_config_node *node, const char *key);
/** Text of a scalar as it was written, behind substitution; "" for others. */
OTEL_API const char *otel_node_text(const otel_config_node *node);
/** 0 for what is no number; true is 1. */
OTEL_API double otel_node_number(const otel_config_node *node);
OTEL_API int64_t otel_node_int(const otel_config_node *node);

/* --- components of a program's own, by the name under which files mention them --- */
enum otel_component {
    OTEL_COMPONENT_SAMPLER,        /* makes an otel_sampler * */
    OTEL_COMPONENT_SPAN_PROCESSOR, /* makes a struct otel_span_processor */
    OTEL_COMPONENT_LOG_PROCESSOR,  /* makes a struct otel_log_processor */
    OTEL_COMPONENT_SPAN_EXPORTER,  /* these three make a struct otel_exporter */
    OTEL_COMPONENT_METRIC_EXPORTER,
    OTEL_COMPONENT_LOG_EXPORTER,
    OTEL_COMPONENT_PROPAGATOR, /* makes a const otel_propagator * that stays valid */
};
struct otel_component_provider {
    enum otel_component component;
    const char *name;
    /* Makes one from what stands below its name (OTEL_NODE_NULL: nothing). `ret_component` points to what the comment of
     * its kind says. OTEL_OK, or OTEL_FAILED: it is left out and reported. */
    int (*create)(void *context, const otel_config_node *properties, void *ret_component);
    void *context;
};

#ifdef __cplusplus
}
#endif
#endif
