// SPDX-License-Identifier: Apache-2.0
#include "worker/execute_span.h"

size_t fq_execute_attributes(const struct fq_execute_place *place, const struct fq_execute_task *task,
                             struct otel_attribute attributes[FQ_EXECUTE_ATTRIBUTES_MAX]) {
    size_t n = 0;
    attributes[n++] = otel_text_len(FQ_ATTR_TASK_ID, task->id, FQ_UUID_TEXT);
    attributes[n++] = otel_text_len(FQ_ATTR_TASK_NAME, task->name.ptr, task->name.len);
    attributes[n++] = otel_text(FQ_ATTR_TASK_PRIORITY, task->priority);
    attributes[n++] = otel_text(FQ_ATTR_WORKER_ID, place->worker_id);
    attributes[n++] = otel_int(FQ_ATTR_ATTEMPT, task->attempt);
    attributes[n++] = otel_text(FQ_ATTR_SYSTEM, FQ_SYSTEM);
    attributes[n++] = otel_text(FQ_ATTR_OPERATION, FQ_OPERATION_EXECUTE);
    attributes[n++] = otel_text(FQ_ATTR_OPERATION_TYPE, FQ_OPERATION_TYPE_PROCESS);
    attributes[n++] = otel_text_len(FQ_ATTR_DESTINATION, task->name.ptr, task->name.len);
    attributes[n++] = otel_text_len(FQ_ATTR_MESSAGE_ID, task->id, FQ_UUID_TEXT);
    attributes[n++] = otel_text(FQ_ATTR_CLIENT_ID, place->worker_id);
    if (place->server_address[0] != '\0')
        attributes[n++] = otel_text(FQ_ATTR_SERVER_ADDRESS, place->server_address);
    if (place->server_port > 0)
        attributes[n++] = otel_int(FQ_ATTR_SERVER_PORT, place->server_port);
    if (task->delay_ms > 0)
        attributes[n++] = otel_int(FQ_ATTR_DELAY_MS, task->delay_ms);
    if (task->wait_ms >= 0)
        attributes[n++] = otel_int(FQ_ATTR_WAIT_MS, task->wait_ms);
    if (task->transfer_ms >= 0)
        attributes[n++] = otel_int(FQ_ATTR_TRANSFER_MS, task->transfer_ms);
    return n;
}

static bool is_inside_character(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static fq_str beginning_of(fq_str text, size_t most) {
    if (text.len <= most)
        return text;
    while (most > 0 && is_inside_character(text.ptr[most]))
        most--;
    return (fq_str){text.ptr, most};
}

// The end of a traceback says more than its beginning.
static fq_str end_of(fq_str text, size_t most) {
    size_t skip = text.len > most ? text.len - most : 0;
    while (skip > 0 && skip < text.len && is_inside_character(text.ptr[skip]))
        skip++;
    return (fq_str){text.ptr + skip, text.len - skip};
}

struct fq_execute_failure fq_execute_failure_of(const struct fq_runner_outcome *outcome,
                                                enum fq_runner_wish wish) {
    struct fq_execute_failure failure = {
        .type = outcome->error_type.len > 0 ? outcome->error_type : FQ_STR("_OTHER"),
        .message = beginning_of(outcome->message, FQ_EXECUTE_MESSAGE_MAX),
        .stack = end_of(outcome->stack, FQ_EXECUTE_STACK_MAX),
        .state = "failure",
    };
    if (wish == FQ_WISH_TIMEOUT)
        failure.error_type = failure.state = "timeout";
    else if (wish == FQ_WISH_CANCEL)
        failure.error_type = failure.state = "cancelled";
    return failure;
}
