// SPDX-License-Identifier: Apache-2.0
// Inside of the logger provider.
#ifndef OTEL_LOGS_LOGGER_H
#define OTEL_LOGS_LOGGER_H

#include "otel/logs/provider.h"

#include <pthread.h>
#include <stdatomic.h>

struct otel_logger {
    otel_logger_provider *provider;
    struct otel_logger *next;
    struct otel_scope_info scope; // its texts are the logger's own
    // What each of its records begins with: the two lengths, the encoded scope, the schema URL.
    size_t prefix_len;
    uint8_t *prefix;
};

struct otel_logger_provider {
    const struct otel_runtime *runtime;
    struct otel_limits limits;
    size_t sink_count, processor_count;
    struct otel_sink *sinks;
    struct otel_log_processor *processors;
    int (*flush)(void *context, int64_t timeout_ms);
    void *flush_context;
    atomic_bool is_shut_down;
    _Atomic uint64_t created;
    pthread_mutex_t lock; // of the list; loggers are only added, at its head
    _Atomic(struct otel_logger *) loggers;
};

enum { OTEL_LOG_BODY_MAX = 48 * 1024 }; // of a text as body, in bytes: leaves room for attributes

/** Encodes the record behind the logger's prefix and gives it to each sink. */
void otel_log_write(const otel_logger *logger, const struct otel_log_record *record);

#endif
