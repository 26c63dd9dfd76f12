// SPDX-License-Identifier: Apache-2.0
// The logger provider: processors may look, then the record is encoded once and goes to the sinks.
#ifndef OTEL_LOGS_PROVIDER_H
#define OTEL_LOGS_PROVIDER_H

#include "otel/exporter.h"
#include "otel/limits.h"
#include "otel/runtime.h"

struct otel_logger_provider_options {
    const struct otel_runtime *runtime; // borrowed for the provider's life
    struct otel_limits limits;          // value_length and attributes; at most 512 attributes
    const struct otel_sink *sinks;      // not owned
    size_t sink_count;
    const struct otel_log_processor *processors; // taken over
    size_t processor_count;
};
otel_logger_provider *otel_logger_provider_new(const struct otel_logger_provider_options *options);
otel_logger_provider *otel_logger_provider_free(otel_logger_provider *provider);
uint64_t otel_logger_provider_created(const otel_logger_provider *provider);
void otel_logger_provider_on_flush(otel_logger_provider *provider,
                                   int (*flush)(void *context, int64_t timeout_ms), void *context);
void otel_logger_provider_fork_prepare(otel_logger_provider *provider);
void otel_logger_provider_fork_parent(otel_logger_provider *provider);
void otel_logger_provider_fork_child(otel_logger_provider *provider);

#endif
