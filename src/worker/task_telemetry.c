// SPDX-License-Identifier: Apache-2.0
// The C task's side of telemetry: what is current while its function runs, and what it may record.
#define FQ_TASK_HOST
#include "telemetry/names.h"
#include "worker/task_state.h"

#include <stdarg.h>
#include <stdio.h>

#define TASK_SCOPE "fastqueue.task"
enum { LOG_TEXT_MAX = 4000 };

// With a span of ours its identity is in the span; without, the submitter's goes on as it came.
static otel_context *received_context(const fq_task *task) {
    otel_context *context = NULL;
    struct otel_span_context submitter;
    const struct fq_runner_task *given = &task->given;
    if (task->span == NULL && given->traceparent.len > 0 &&
        otel_traceparent_parse(given->traceparent.ptr, given->traceparent.len, &submitter) == 0) {
        submitter.remote = true;
        context =
            otel_context_with_span_context(NULL, &submitter, given->tracestate.ptr, given->tracestate.len);
    }
    if (given->baggage.len == 0)
        return context;
    otel_baggage *baggage = otel_baggage_parse(given->baggage.ptr, given->baggage.len);
    otel_context *both = otel_context_with_baggage(context, baggage);
    otel_baggage_release(baggage);
    otel_context_release(context);
    return both;
}

void fq_task_enter(fq_task *task) {
    task->span = task->runner != NULL ? fq_runner_span(task->runner, task->given.slot) : NULL;
    task->context = received_context(task);
    if (task->context != NULL)
        otel_scope_enter(&task->outer, task->context);
    if (task->span != NULL)
        otel_scope_enter_span(&task->scope, task->span);
}

void fq_task_leave(fq_task *task) {
    if (task->span != NULL)
        otel_scope_leave(&task->scope);
    if (task->context != NULL)
        otel_scope_leave(&task->outer);
    task->context = otel_context_release(task->context);
    task->span = NULL;
}

static otel_sdk *sdk_of(const fq_task *task) {
    return task->runner != NULL ? fq_runner_sdk(task->runner) : NULL;
}

struct otel_tracer *fq_task_tracer(fq_task *task) {
    if (task->tracer == NULL && sdk_of(task) != NULL)
        task->tracer = otel_sdk_tracer(sdk_of(task), TASK_SCOPE, NULL);
    return task->tracer;
}

struct otel_meter *fq_task_meter(fq_task *task) {
    if (task->meter == NULL && sdk_of(task) != NULL)
        task->meter = otel_sdk_meter(sdk_of(task), TASK_SCOPE, NULL);
    return task->meter;
}

static const char *severity_name(int severity) {
    return severity >= FQ_TASK_ERROR     ? "ERROR"
           : severity >= FQ_TASK_WARNING ? "WARN"
           : severity >= FQ_TASK_INFO    ? "INFO"
                                         : "DEBUG";
}

void fq_task_log(fq_task *task, int severity, const char *format, ...) {
    char text[LOG_TEXT_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0)
        return;
    if (task->runner == NULL || !fq_runner_config(task->runner).logs) {
        fprintf(stderr, "%s %s %s: %s\n", severity_name(severity), fq_task_name(task), fq_task_id(task),
                text);
        return;
    }
    if (task->logger == NULL)
        task->logger = otel_sdk_logger(sdk_of(task), TASK_SCOPE, NULL);
    const struct otel_attribute attributes[] = {
        otel_text(FQ_ATTR_TASK_ID, fq_task_id(task)),
        otel_text(FQ_ATTR_TASK_NAME, fq_task_name(task)),
        otel_int(FQ_ATTR_ATTEMPT, fq_task_attempt(task)),
    };
    const struct otel_log_record record = {
        .severity = severity,
        .severity_text = severity_name(severity),
        .body = otel_value_string(text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1),
        .attributes = attributes,
        .attribute_count = sizeof attributes / sizeof attributes[0],
    };
    otel_log_emit(task->logger, &record);
}

int fq_task_run_traced(fq_task *task, int (*body)(fq_task *task)) {
    char name[300];
    snprintf(name, sizeof name, "task.%s", fq_task_name(task));
    int returned = 0;
    OTEL_SPAN_SCOPE(fq_task_tracer(task), name) {
        returned = body(task);
        if (returned != 0)
            otel_span_set_status(otel_span_current(), OTEL_STATUS_ERROR, task->failed ? task->message : NULL);
    }
    return returned;
}
