// SPDX-License-Identifier: Apache-2.0
// From a configuration file to the model. Source: the OpenTelemetry configuration schema 1.0 and 1.1.
//
// The first error ends it: `reason` names line, key and what to write. All functions do nothing behind a failure.
#ifndef OTEL_CONFIG_FILE_H
#define OTEL_CONFIG_FILE_H

#include "otel/config/model.h"
#include "otel/config/node.h"
#include "otel/sdk.h"

struct otel_file {
    otel_config *config;
    const struct otel_variables *variables; // runtime for warnings
    const struct otel_component_provider *components;
    size_t component_count;
    bool is_newer; // than what is known here: unknown keys are warned of instead
    bool failed;
    char *reason;
    size_t reason_size;
};

void otel_file_fail(struct otel_file *file, const otel_config_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void otel_file_warn(const struct otel_file *file, const otel_config_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void *otel_file_take(struct otel_file *file, size_t size);

/** `node` has to be a map (or nothing) whose keys are among `keys` (NULL-terminated). False if it is nothing. */
bool otel_file_map(struct otel_file *file, const otel_config_node *node, const char *name,
                   const char *const *keys);
/** The one entry of a map with one key. False behind a failure. */
bool otel_file_one(struct otel_file *file, const otel_config_node *node, const char *name,
                   const char **ret_key, const otel_config_node **ret_value);
// Values of a map's key; what is null or absent is `fallback`.
int64_t otel_file_int(struct otel_file *file, const otel_config_node *map, const char *key, int64_t fallback,
                      int64_t min, int64_t max);
double otel_file_ratio(struct otel_file *file, const otel_config_node *map, const char *key, double fallback);
bool otel_file_bool(struct otel_file *file, const otel_config_node *map, const char *key, bool fallback);
/** Any scalar; NULL = absent. Lives in the pool. */
const char *otel_file_text(struct otel_file *file, const otel_config_node *map, const char *key);
int otel_file_word(struct otel_file *file, const otel_config_node *map, const char *key,
                   const char *const *words, int fallback);
/** The entries of a list of texts; *ret_texts lives in the pool. */
size_t otel_file_texts(struct otel_file *file, const otel_config_node *map, const char *key,
                       const char *const **ret_texts);
/** The program's component of that name; NULL = none. */
struct otel_model_extension *otel_file_extension(struct otel_file *file, enum otel_component component,
                                                 const char *name, const otel_config_node *properties);

void otel_file_resource(struct otel_file *file, const otel_config_node *node);
void otel_file_propagator(struct otel_file *file, const otel_config_node *node);
void otel_file_tracer_provider(struct otel_file *file, const otel_config_node *node);
void otel_file_logger_provider(struct otel_file *file, const otel_config_node *node);
void otel_file_meter_provider(struct otel_file *file, const otel_config_node *node);
struct otel_model_sampler *otel_file_sampler(struct otel_file *file, const otel_config_node *node, int depth);
/** What stands below `exporter`. */
void otel_file_exporter(struct otel_file *file, enum otel_signal signal, const otel_config_node *node,
                        struct otel_model_exporter *ret_exporter);

/** Reads a whole file's text. NULL and a reason. */
otel_config *otel_file_read(const char *yaml, size_t len, const struct otel_variables *variables,
                            const struct otel_sdk_options *options, char *reason, size_t reason_size);

#endif
