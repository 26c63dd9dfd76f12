// SPDX-License-Identifier: Apache-2.0
// What a task function gives back. Whatever cannot be encoded as it is fails the task with EncodingError: a result never
// changes its type in silence.
#define FQ_TASK_HOST
#include "worker/task_state.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The last word counts: a result replaces one given before, a failure too.
static void forget_outcome(fq_task *task) {
    free(task->result);
    task->result = NULL;
    task->result_len = 0;
    task->failed = task->for_good = false;
    task->has_outcome = true;
}

static int fail(fq_task *task, const char *type, const char *format, va_list args) {
    forget_outcome(task);
    task->failed = true;
    snprintf(task->error_type, sizeof task->error_type, "%s",
             type != NULL && type[0] != '\0' ? type : "TaskError");
    int len = vsnprintf(task->message, sizeof task->message, format, args);
    task->message_len = len < 0                               ? 0
                        : (size_t)len >= sizeof task->message ? sizeof task->message - 1
                                                              : (size_t)len;
    return FQ_EINVALID;
}

int fq_task_fail(fq_task *task, const char *type, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int returned = fail(task, type, format, args);
    va_end(args);
    return returned;
}

int fq_task_fail_for_good(fq_task *task, const char *type, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int returned = fail(task, type, format, args);
    va_end(args);
    task->for_good = true;
    return returned;
}

static int keep(fq_task *task, const void *bytes, size_t len, const char *encoding) {
    char *copy = malloc(len + 1);
    if (copy == NULL)
        return fq_task_fail(task, "MemoryError", "no memory for a result of %zu bytes", len);
    if (len > 0)
        memcpy(copy, bytes, len);
    forget_outcome(task);
    task->result = copy;
    task->result_len = len;
    snprintf(task->encoding, sizeof task->encoding, "%s", encoding);
    return 0;
}

int fq_task_result_null(fq_task *task) {
    return keep(task, "null", 4, "json");
}

int fq_task_result_bool(fq_task *task, bool value) {
    return keep(task, value ? "true" : "false", value ? 4 : 5, "json");
}

int fq_task_result_int(fq_task *task, int64_t value) {
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)value);
    return keep(task, text, (size_t)len, "json");
}

int fq_task_result_json(fq_task *task, struct json_t *value) {
    if (value == NULL)
        return fq_task_fail(task, "EncodingError", "the result is NULL, not a JSON value");
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    if (text == NULL)
        return fq_task_fail(task, "EncodingError", "the result is not valid JSON (invalid UTF-8 or a loop)");
    forget_outcome(task);
    task->result = text;
    task->result_len = strlen(text);
    snprintf(task->encoding, sizeof task->encoding, "json");
    return 0;
}

int fq_task_result_double(fq_task *task, double value) {
    if (!isfinite(value))
        return fq_task_fail(task, "EncodingError", "%f has no JSON form", value);
    return fq_task_result_json(task, json_real(value));
}

int fq_task_result_string(fq_task *task, const char *text) {
    if (text == NULL)
        return fq_task_fail(task, "EncodingError", "the result is NULL, not a string");
    if (!fq_str_is_utf8(fq_str_of(text)))
        return fq_task_fail(task, "EncodingError", "the result is not valid UTF-8");
    return fq_task_result_json(task, json_string(text));
}

int fq_task_result_raw(fq_task *task, const void *bytes, size_t len, const char *encoding) {
    if (encoding == NULL || encoding[0] == '\0')
        encoding = "raw";
    if (strlen(encoding) >= sizeof task->encoding || !fq_str_is_name(fq_str_of(encoding)))
        return fq_task_fail(task, "EncodingError", "the result's encoding has no valid name");
    return keep(task, bytes, len, encoding);
}

struct fq_runner_outcome fq_task_outcome(fq_task *task, int returned) {
    if (!task->has_outcome && returned == 0) {
        (void)fq_task_result_null(task);
    } else if (!task->failed && returned != 0) {
        // A task that returns an error without saying which: a result it may have set does not count.
        (void)fq_task_fail(task, "TaskError", "the task returned %d", returned);
    }
    if (task->failed) {
        enum fq_runner_wish wish =
            task->runner != NULL ? fq_runner_wish(task->runner, task->given.slot) : FQ_WISH_NONE;
        return (struct fq_runner_outcome){
            .error_type = fq_str_of(task->error_type),
            .message = {task->message, task->message_len},
            .no_retry = task->for_good || wish == FQ_WISH_CANCEL,
        };
    }
    return (struct fq_runner_outcome){
        .ok = true, .result = {task->result, task->result_len},
             .encoding = fq_str_of(task->encoding)
    };
}
