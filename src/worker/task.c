// SPDX-License-Identifier: Apache-2.0
// What a task function sees: who it is, what it was given, whether it should stop.
#define FQ_TASK_HOST
#include "worker/task_state.h"

#include <stdlib.h>
#include <string.h>

void fq_task_begin(fq_task *task, const fq_runner *runner, const struct fq_runner_task *given) {
    task->runner = runner;
    task->given = *given;
    task->payload = NULL;
    task->args = task->kwargs = NULL;
    task->parsed = task->has_outcome = task->failed = task->for_good = false;
    task->result = NULL;
    task->result_len = task->message_len = 0;
    task->encoding[0] = task->error_type[0] = '\0';
    task->context = NULL;
    task->span = NULL;
}

void fq_task_end(fq_task *task) {
    json_decref(task->payload);
    task->payload = NULL;
    task->args = task->kwargs = NULL;
    free(task->result);
    task->result = NULL;
}

const char *fq_task_id(const fq_task *task) {
    return task->given.id;
}
const char *fq_task_name(const fq_task *task) {
    return task->given.name.ptr;
}
uint32_t fq_task_attempt(const fq_task *task) {
    return task->given.attempt;
}
uint64_t fq_task_token(const fq_task *task) {
    return task->given.token;
}
const char *fq_task_traceparent(const fq_task *task) {
    return task->given.traceparent.ptr;
}
const char *fq_task_tracestate(const fq_task *task) {
    return task->given.tracestate.ptr;
}
const char *fq_task_baggage(const fq_task *task) {
    return task->given.baggage.ptr;
}

bool fq_task_should_stop(const fq_task *task) {
    return task->runner != NULL && fq_runner_wish(task->runner, task->given.slot) != FQ_WISH_NONE;
}

const void *fq_task_payload(const fq_task *task, size_t *ret_len, const char **ret_encoding) {
    if (ret_len != NULL)
        *ret_len = task->given.payload.len;
    if (ret_encoding != NULL)
        *ret_encoding = task->given.encoding.ptr;
    return task->given.payload.ptr;
}

// {"args": [...], "kwargs": {...}}, each part optional; anything else has no arguments.
static void parse(fq_task *task) {
    if (task->parsed)
        return;
    task->parsed = true;
    if (!fq_str_equal(task->given.encoding, FQ_STR("json")))
        return;
    task->payload = json_loadb(task->given.payload.ptr, task->given.payload.len,
                               JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    json_t *args = json_object_get(task->payload, "args");
    json_t *kwargs = json_object_get(task->payload, "kwargs");
    task->args = json_is_array(args) ? args : NULL;
    task->kwargs = json_is_object(kwargs) ? kwargs : NULL;
}

size_t fq_task_arg_count(const fq_task *task) {
    fq_task *parsed = (fq_task *)(uintptr_t)task;
    parse(parsed);
    return task->args != NULL ? json_array_size(task->args) : 0;
}

struct json_t *fq_task_arg_json(fq_task *task, size_t position, const char *name) {
    parse(task);
    json_t *value = task->args != NULL ? json_array_get(task->args, position) : NULL;
    if (value == NULL && name != NULL && task->kwargs != NULL)
        value = json_object_get(task->kwargs, name);
    return value;
}

int fq_task_arg_int(fq_task *task, size_t position, const char *name, int64_t *ret_value) {
    const json_t *value = fq_task_arg_json(task, position, name);
    if (!json_is_integer(value))
        return FQ_EINVALID;
    *ret_value = json_integer_value(value);
    return 0;
}

int fq_task_arg_double(fq_task *task, size_t position, const char *name, double *ret_value) {
    const json_t *value = fq_task_arg_json(task, position, name);
    if (!json_is_number(value))
        return FQ_EINVALID;
    *ret_value = json_number_value(value);
    return 0;
}

int fq_task_arg_bool(fq_task *task, size_t position, const char *name, bool *ret_value) {
    const json_t *value = fq_task_arg_json(task, position, name);
    if (!json_is_boolean(value))
        return FQ_EINVALID;
    *ret_value = json_is_true(value);
    return 0;
}

int fq_task_arg_string(fq_task *task, size_t position, const char *name, const char **ret_value,
                       size_t *ret_len) {
    const json_t *value = fq_task_arg_json(task, position, name);
    if (!json_is_string(value))
        return FQ_EINVALID;
    *ret_value = json_string_value(value);
    if (ret_len != NULL)
        *ret_len = json_string_length(value);
    return 0;
}
