// SPDX-License-Identifier: Apache-2.0
// Loggers, and what a record goes through: processors, then encoding.
#include "otel/logs/logger.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_MAX_LEN = 8 * 1024 };

bool otel_logger_enabled(const otel_logger *logger, int severity, const char *event_name) {
    if (logger == NULL || atomic_load_explicit(&logger->provider->is_shut_down, memory_order_relaxed))
        return false;
    const otel_logger_provider *provider = logger->provider;
    if (provider->sink_count > 0 && provider->processor_count == 0)
        return true;
    bool is_wanted = false;
    for (size_t i = 0; i < provider->processor_count && !is_wanted; i++) {
        const struct otel_log_processor *processor = &provider->processors[i];
        is_wanted = processor->ops->enabled == NULL ||
                    processor->ops->enabled(processor->self, severity, event_name, &logger->scope);
    }
    return is_wanted;
}

void otel_log_emit(otel_logger *logger, const struct otel_log_record *record) {
    struct otel_span_context current;
    if (logger == NULL || record == NULL)
        return;
    otel_logger_provider *provider = logger->provider;
    if (atomic_load_explicit(&provider->is_shut_down, memory_order_relaxed))
        return;
    atomic_fetch_add_explicit(&provider->created, 1, memory_order_relaxed);
    struct otel_log_record mine = *record;
    if (mine.observed_unix_ns == 0)
        mine.observed_unix_ns = otel_unix_ns(provider->runtime);
    if (mine.unix_ns == 0)
        mine.unix_ns = mine.observed_unix_ns;
    if (mine.span == NULL && !mine.no_span && otel_current_span_context(&current))
        mine.span = &current;
    for (size_t i = 0; i < provider->processor_count; i++) {
        const struct otel_log_processor *processor = &provider->processors[i];
        if (processor->ops->on_emit != NULL)
            processor->ops->on_emit(processor->self, &mine, &logger->scope);
    }
    if (provider->sink_count > 0)
        otel_log_write(logger, &mine);
}

static const char *severity_text(int severity) {
    static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
    return severity >= 1 && severity <= 24 ? names[(severity - 1) / 4] : NULL;
}

void otel_log(otel_logger *logger, int severity, const char *format, ...) {
    if (!otel_logger_enabled(logger, severity, NULL))
        return;
    char line[LINE_MAX_LEN];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t kept = len < 0 ? 0 : (size_t)len < sizeof line ? (size_t)len : sizeof line - 1;
    struct otel_log_record record = {.severity = severity,
                                     .severity_text = severity_text(severity),
                                     .body = otel_value_string(line, kept)};
    otel_log_emit(logger, &record);
}
