// SPDX-License-Identifier: Apache-2.0
#include "telemetry/execute.h"

#include "base/uuid.h"
#include "telemetry/names.h"

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

static bool read_context(fq_str text, struct otel_span_context *ret_context) {
    if (text.len == 0 || otel_traceparent_parse(text.ptr, text.len, ret_context) < 0)
        return false;
    ret_context->remote = true;
    return true;
}

void fq_execute_relate(const struct fq_telemetry_settings *settings, fq_str traceparent,
                       const char *tracestate, fq_str previous, int64_t since_submitted_ms,
                       struct fq_execute_relations *ret_relations) {
    struct fq_execute_relations relations = {.link_count = 0};
    struct otel_span_context before;
    bool has_submitter = read_context(traceparent, &relations.submitter);
    bool is_late = since_submitted_ms > settings->link_after_ms;
    relations.is_child = has_submitter && settings->propagation != FQ_TRACE_LINK &&
                         !(settings->propagation == FQ_TRACE_AUTO && is_late);
    if (has_submitter && settings->propagation != FQ_TRACE_PARENT)
        relations.links[relations.link_count++] =
            (struct otel_link){.context = relations.submitter, .tracestate = tracestate};
    if (read_context(previous, &before))
        relations.links[relations.link_count++] = (struct otel_link){.context = before};
    *ret_relations = relations;
}
