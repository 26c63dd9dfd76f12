// SPDX-License-Identifier: Apache-2.0
#include "cli/task_print.h"

#include "base/str.h"

#include <string.h>

static bool is_word(fq_slice text, const char *word) {
    return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

bool fq_task_succeeded(const struct fq_task_result *task) {
    return is_word(task->status, "success");
}

bool fq_task_ended(const struct fq_task_result *task) {
    return fq_task_succeeded(task) || is_word(task->status, "failure") ||
           is_word(task->status, "cancelled") || is_word(task->status, "expired");
}

static bool is_json(const struct fq_task_result *task) {
    return task->encoding.len == 0 || is_word(task->encoding, "json");
}

static void print_line(const char *label, fq_slice text) {
    printf("%s ", label);
    fq_output_text(stdout, text, true);
    putchar('\n');
}

// A JSON string is shown as its text, any other JSON as it stands.
static void print_result(const struct fq_task_result *task) {
    json_t *value =
        is_json(task) ? json_loadb(task->result.ptr, task->result.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
                      : NULL;
    if (json_is_string(value))
        print_line("Result:", (fq_slice){json_string_value(value), json_string_length(value)});
    else if (is_json(task) || fq_str_is_utf8((fq_str){task->result.ptr, task->result.len}))
        print_line("Result:", task->result);
    else
        printf("Result: %zu bytes of %.*s; --raw writes them\n", task->result.len, (int)task->encoding.len,
               task->encoding.ptr);
    json_decref(value);
}

void fq_task_print_outcome(const struct fq_task_result *task) {
    if (task->has_result)
        print_result(task);
    else if (task->error_message.len > 0 || task->error_type.len > 0) {
        fputs("Error: ", stdout);
        fq_output_text(stdout, task->error_type, false);
        if (task->error_type.len > 0 && task->error_message.len > 0)
            fputs(": ", stdout);
        fq_output_text(stdout, task->error_message, true);
        putchar('\n');
    } else if (fq_task_succeeded(task))
        puts("Result: (not kept)");
}

void fq_task_print(const struct fq_task_result *task) {
    char started[FQ_OUTPUT_TIME_SIZE], completed[FQ_OUTPUT_TIME_SIZE];
    fq_output_moment(task->started_at, started);
    fq_output_moment(task->completed_at, completed);
    printf("Task ID: %s\n", task->id);
    print_line("Name:", task->name);
    print_line("Status:", task->status);
    print_line("Priority:", task->priority);
    printf("Attempt: %u\n", task->attempt);
    if (task->worker.len > 0)
        print_line("Worker:", task->worker);
    fq_task_print_outcome(task);
    if (task->error_stack.len > 0) {
        fq_output_text(stdout, task->error_stack, true);
        putchar('\n');
    }
    printf("Started at: %s\nCompleted at: %s\n", started, completed);
}

static void set_result(json_t *object, const struct fq_task_result *task) {
    json_t *value =
        is_json(task) ? json_loadb(task->result.ptr, task->result.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL)
                      : NULL;
    json_object_set_new(object, "result", value != NULL ? value : fq_output_json_text(task->result));
    json_object_set_new(object, "encoding",
                        task->encoding.len > 0 ? fq_output_json_text(task->encoding) : json_string("json"));
}

void fq_task_print_json(const struct fq_task_result *task, bool with_result) {
    json_t *object = json_object();
    json_object_set_new(object, "id", json_string(task->id));
    json_object_set_new(object, "name", fq_output_json_text(task->name));
    json_object_set_new(object, "status", fq_output_json_text(task->status));
    json_object_set_new(object, "priority", fq_output_json_text(task->priority));
    json_object_set_new(object, "attempt", json_integer(task->attempt));
    json_object_set_new(object, "worker",
                        task->worker.len > 0 ? fq_output_json_text(task->worker) : json_null());
    json_object_set_new(object, "submitted_at", json_integer(task->submitted_at));
    json_object_set_new(object, "started_at", json_integer(task->started_at));
    json_object_set_new(object, "completed_at", json_integer(task->completed_at));
    if (task->has_result && with_result)
        set_result(object, task);
    if (task->error_type.len > 0 || task->error_message.len > 0) {
        json_t *error = json_object();
        json_object_set_new(error, "type", fq_output_json_text(task->error_type));
        json_object_set_new(error, "message", fq_output_json_text(task->error_message));
        if (task->error_stack.len > 0)
            json_object_set_new(error, "stack", fq_output_json_text(task->error_stack));
        json_object_set_new(object, "error", error);
    }
    fq_output_json_line(object);
}

void fq_task_print_raw(const struct fq_task_result *task) {
    fwrite(task->result.ptr, 1, task->result.len, stdout);
}
