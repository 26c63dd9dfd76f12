// SPDX-License-Identifier: Apache-2.0
/**
 * Tasks in C. A task module is a shared object:
 *
 *     #include <fastqueue/task.h>
 *
 *     FQ_TASK(add) {
 *         int64_t a, b;
 *         if (fq_task_arg_int(task, 0, "a", &a) < 0 || fq_task_arg_int(task, 1, "b", &b) < 0)
 *             return fq_task_fail(task, "ArgumentError", "add(a, b) needs two integers");
 *         return fq_task_result_int(task, a + b);
 *     }
 *
 *     cc -shared -fPIC -o tasks.so tasks.c && fastqueue subworker --task-modules ./tasks.so
 *
 * A task runs in a runner process of its own: a crash costs this task only. It returns the value of one of the
 * fq_task_result_… or fq_task_fail functions; returning 0 without a result means null.
 */
#ifndef FASTQUEUE_TASK_H
#define FASTQUEUE_TASK_H

#include "fastqueue/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fq_task fq_task;
struct json_t; /* jansson's; include <jansson.h> to use it */

#define FQ_TASK_ABI 1

struct fq_task_entry {
    int abi;
    const char *name;
    int (*run)(fq_task *task);
};

/* One entry a task, found by the loader in the section fq_tasks of the shared object. */
#define FQ_TASK(task_name) FQ_TASK_NAMED(task_name, #task_name)
/** As FQ_TASK, for names that are no C identifiers: FQ_TASK_NAMED(send_mail, "mail.send") { … } */
#define FQ_TASK_NAMED(identifier, text)                                                                      \
    static int fq_task_run_##identifier(fq_task *task);                                                      \
    static const struct fq_task_entry fq_task_entry_##identifier = {FQ_TASK_ABI, text,                       \
                                                                    fq_task_run_##identifier};               \
    static const struct fq_task_entry *const fq_task_pointer_##identifier                                    \
        __attribute__((used, section("fq_tasks"))) = &fq_task_entry_##identifier;                            \
    static int fq_task_run_##identifier(fq_task *task)

/* What the task is about. Strings live until the task returns. */
FQ_API const char *fq_task_id(const fq_task *task);
FQ_API const char *fq_task_name(const fq_task *task);
FQ_API uint32_t fq_task_attempt(const fq_task *task);        /* 1 = first */
FQ_API uint64_t fq_task_token(const fq_task *task);          /* fencing token: only grows per task */
FQ_API const char *fq_task_traceparent(const fq_task *task); /* "" = none */
FQ_API const char *fq_task_tracestate(const fq_task *task);
FQ_API const char *fq_task_baggage(const fq_task *task);
/** True once the task was cancelled or its soft time limit has passed: return soon. */
FQ_API bool fq_task_should_stop(const fq_task *task);
/** The payload as sent. */
FQ_API const void *fq_task_payload(const fq_task *task, size_t *ret_len, const char **ret_encoding);

/* Arguments of a JSON payload: by position, or by name among kwargs. 0, or FQ_EINVALID if absent or of another type. */
FQ_API size_t fq_task_arg_count(const fq_task *task);
FQ_API int fq_task_arg_int(fq_task *task, size_t position, const char *name, int64_t *ret_value);
FQ_API int fq_task_arg_double(fq_task *task, size_t position, const char *name, double *ret_value);
FQ_API int fq_task_arg_bool(fq_task *task, size_t position, const char *name, bool *ret_value);
FQ_API int fq_task_arg_string(fq_task *task, size_t position, const char *name, const char **ret_value,
                              size_t *ret_len);
/** Borrowed; NULL if absent. */
FQ_API struct json_t *fq_task_arg_json(fq_task *task, size_t position, const char *name);

/* --- telemetry ---
 * Inside of a task's function its span `worker.execute_task` is current: otel_span_current() of <otel/trace.h> gives it, spans
 * started there are its children, and a client used there hands it on. Task modules find the otel_ functions in the program
 * that loads them. With telemetry off all of these give NULL, which every otel_ function takes. */
struct otel_tracer;
struct otel_meter;
/** For spans of the task's own: OTEL_SPAN_SCOPE(fq_task_tracer(task), "resize") { … }. Lives as long as the process. */
FQ_API struct otel_tracer *fq_task_tracer(fq_task *task);
/** For measurements of the task's own: otel_counter(fq_task_meter(task), …). Lives as long as the process. */
FQ_API struct otel_meter *fq_task_meter(fq_task *task);
/* The numbers of OpenTelemetry's severities. */
enum fq_task_severity {
    FQ_TASK_DEBUG = 5,
    FQ_TASK_INFO = 9,
    FQ_TASK_WARNING = 13,
    FQ_TASK_ERROR = 17,
};
/** A log record with the task's id, attempt and span when log records are exported (OTEL_LOGS_EXPORTER); otherwise a line on
 *  standard error. printf format, cut at 4,000 bytes. */
FQ_API void fq_task_log(fq_task *task, int severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Calls `body` in a span `task.<name>` of its own, child of the attempt's: what FQ_TASK_TRACED does. */
FQ_API int fq_task_run_traced(fq_task *task, int (*body)(fq_task *task));
/** As FQ_TASK, with a span `task.<name>` around the function. */
#define FQ_TASK_TRACED(task_name)                                                                            \
    static int fq_task_traced_##task_name(fq_task *task);                                                    \
    FQ_TASK(task_name) {                                                                                     \
        return fq_task_run_traced(task, fq_task_traced_##task_name);                                         \
    }                                                                                                        \
    static int fq_task_traced_##task_name(fq_task *task)

/* Results: each returns what the task function returns. A result that cannot be encoded fails the task. */
FQ_API int fq_task_result_null(fq_task *task);
FQ_API int fq_task_result_int(fq_task *task, int64_t value);
FQ_API int fq_task_result_double(fq_task *task, double value); /* NaN and infinities are refused: not JSON */
FQ_API int fq_task_result_bool(fq_task *task, bool value);
FQ_API int fq_task_result_string(fq_task *task, const char *text);
FQ_API int fq_task_result_json(fq_task *task, struct json_t *value); /* takes the reference */
FQ_API int fq_task_result_raw(fq_task *task, const void *bytes, size_t len, const char *encoding);
/** The attempt failed: `type` as an exception's name, printf message. */
FQ_API int fq_task_fail(fq_task *task, const char *type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** As fq_task_fail, and no retry whatever was submitted. */
FQ_API int fq_task_fail_for_good(fq_task *task, const char *type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifndef FQ_TASK_HOST
/* Every module answers the loader with the bounds of its section; weak, so that several files make one module. */
extern const struct fq_task_entry *const __start_fq_tasks[] __attribute__((weak, visibility("hidden")));
extern const struct fq_task_entry *const __stop_fq_tasks[] __attribute__((weak, visibility("hidden")));
__attribute__((weak, visibility("default"))) const struct fq_task_entry *const *
fq_module_tasks(size_t *ret_count);
__attribute__((weak, visibility("default"))) const struct fq_task_entry *const *
fq_module_tasks(size_t *ret_count) {
    *ret_count = (size_t)(__stop_fq_tasks - __start_fq_tasks);
    return __start_fq_tasks;
}
#endif

#ifdef __cplusplus
}
#endif
#endif
