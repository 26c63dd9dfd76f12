// SPDX-License-Identifier: Apache-2.0
// The model that variables describe.
#ifndef OTEL_CONFIG_ENVIRONMENT_H
#define OTEL_CONFIG_ENVIRONMENT_H

#include "otel/config/model.h"
#include "otel/config/variables.h"
#include "otel/sdk.h"

/** What the SDK may say of itself; read before all else. */
enum otel_log_level otel_environment_log_level(const struct otel_variables *variables);
/** Bad values are reported and left out. NULL when out of memory. */
otel_config *otel_environment_read(const struct otel_variables *variables,
                                   const struct otel_sdk_options *options);
/** The OTLP exporter of a signal, by its variables: 0, or OTEL_FAILED when out of memory. */
int otel_environment_otlp(const struct otel_variables *variables, enum otel_signal signal,
                          bool grpc_by_default, struct otel_pool *pool,
                          struct otel_otlp_options *ret_options);
/** The metric preferences of OTLP. */
void otel_environment_preferences(const struct otel_variables *variables,
                                  struct otel_model_exporter *exporter);
/** Chooses exporters, processors and readers. 0, or OTEL_FAILED when out of memory. */
int otel_environment_exporters(const struct otel_variables *variables, const struct otel_sdk_options *options,
                               otel_config *config);

#endif
