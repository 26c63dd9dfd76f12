// SPDX-License-Identifier: Apache-2.0
/**
 * Log records, tied to the span that is current when they are emitted. Any thread. NULL loggers do nothing.
 */
#ifndef OTEL_LOGS_H
#define OTEL_LOGS_H

#include "otel/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct otel_logger_provider otel_logger_provider;
typedef struct otel_logger otel_logger;

/* The first of each range of four. */
enum otel_severity {
    OTEL_SEVERITY_UNSPECIFIED = 0,
    OTEL_SEVERITY_TRACE = 1,
    OTEL_SEVERITY_DEBUG = 5,
    OTEL_SEVERITY_INFO = 9,
    OTEL_SEVERITY_WARN = 13,
    OTEL_SEVERITY_ERROR = 17,
    OTEL_SEVERITY_FATAL = 21,
};

/* Zero is a good start. */
struct otel_log_record {
    int64_t unix_ns;           /* when it happened; 0 = now */
    int64_t observed_unix_ns;  /* 0 = now */
    int severity;              /* enum otel_severity or between */
    const char *severity_text; /* NULL = none */
    struct otel_value body;
    const char *event_name; /* NULL = none */
    const struct otel_attribute *attributes;
    size_t attribute_count;
    const struct otel_span_context *span; /* NULL = what is current */
    bool no_span;                         /* belongs to none, whatever is current */
    /* An exception becomes exception.type, .message, .stacktrace (each NULL = none); attributes given above win. */
    const char *exception_type, *exception_message, *exception_stacktrace;
};

/** Of the provider; the same scope gives the same logger. Lives as long as the provider. NULL provider: NULL. */
OTEL_API otel_logger *otel_logger_get(otel_logger_provider *provider, const struct otel_scope_info *scope);
/** False if a record of this severity and event name (NULL = none) would be dropped: no provider, shut down, nobody who
 *  takes records, or all processors say so. */
OTEL_API bool otel_logger_enabled(const otel_logger *logger, int severity, const char *event_name);
/** Everything is borrowed for the call. What does not fit a record (64 KiB) is left out: attributes are counted, a long text
 *  is cut. */
OTEL_API void otel_log_emit(otel_logger *logger, const struct otel_log_record *record);
/** A record with a printf body, cut at 8 KiB. Formats nothing when the severity is not enabled. */
OTEL_API void otel_log(otel_logger *logger, int severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Processors, then exporters: OTEL_OK, OTEL_FAILED, OTEL_TIMEOUT. */
OTEL_API int otel_logger_provider_flush(otel_logger_provider *provider, int64_t timeout_ms);
/** Flushes and ends; later records are dropped. A second call does nothing. */
OTEL_API int otel_logger_provider_shutdown(otel_logger_provider *provider, int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
