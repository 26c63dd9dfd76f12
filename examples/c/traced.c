// SPDX-License-Identifier: Apache-2.0
// Tasks in C that show what they do: spans, a measurement and log records of their own, all under the span that FastQueue
// makes for each attempt.
//
//     cc -shared -fPIC -o traced.so traced.c $(pkg-config --cflags fastqueue otel-c jansson)
//     export FASTQUEUE_TELEMETRY_ENABLED=true OTEL_LOGS_EXPORTER=otlp
//     fastqueue subworker --task-modules ./traced.so
#include <fastqueue/task.h>
#include <otel/metrics.h>
#include <otel/trace.h>

#include <string.h>

static uint64_t digest(const char *text, size_t len) {
    uint64_t sum = 5381;
    for (size_t i = 0; i < len; i++)
        sum = sum * 33 + (unsigned char)text[i];
    return sum;
}

/* Its whole run is a span `task.checksum`, its work another one inside it. */
FQ_TASK_TRACED(checksum) {
    const char *text;
    size_t len;
    if (fq_task_arg_string(task, 0, "text", &text, &len) < 0)
        return fq_task_fail(task, "ArgumentError", "checksum(text) needs a string");

    uint64_t sum = 0;
    OTEL_SPAN_SCOPE(fq_task_tracer(task), "digest") {
        otel_span_set_attribute(otel_span_current(), otel_int("text.length", (int64_t)len));
        sum = digest(text, len);
    }
    otel_instrument *bytes = otel_counter(fq_task_meter(task), "checksum.bytes", "By", "Bytes added up");
    otel_add(bytes, (double)len, NULL, 0);
    fq_task_log(task, FQ_TASK_INFO, "added up %zu bytes", len);
    return fq_task_result_int(task, (int64_t)(sum & INT32_MAX));
}

/* The attempt's own span can be written to as well. */
FQ_TASK(charge) {
    int64_t cents;
    if (fq_task_arg_int(task, 0, "cents", &cents) < 0 || cents <= 0)
        return fq_task_fail_for_good(task, "ArgumentError", "charge(cents) needs a positive amount");
    otel_span_set_attribute(otel_span_current(), otel_int("charge.cents", cents));
    otel_span_add_event(otel_span_current(), "card accepted", 0, NULL, 0);
    return fq_task_result_null(task);
}
