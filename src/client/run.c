// SPDX-License-Identifier: Apache-2.0
// A run of a task in the program's own process: its times, and its span worker.execute_task.
#include "client/worker_state.h"
#include "net/clock.h"
#include "telemetry/execute.h"
#include "telemetry/names.h"

#include <stdio.h>

enum { NS_PER_MS = 1000000 };

static fq_str str_of(fq_slice slice) {
    return (fq_str){slice.ptr, slice.len};
}

// --- begin ----------------------------------------------------------------------------------------------------------------
static struct fq_execute_place place_of(const fq_worker *worker) {
    const struct fq_address *server = fq_target_address(&worker->client->target);
    bool is_unix = server->kind == FQ_ADDRESS_UNIX;
    return (struct fq_execute_place){.worker_id = worker->args[1].ptr,
                                     .server_address = is_unix ? server->path : server->host,
                                     .server_port = is_unix ? 0 : server->port};
}

static struct fq_execute_task describe(const struct fq_worker_task *task, int64_t started_ms) {
    int64_t granted_ms = task->eligible_at + task->wait_us / FQ_US_PER_MS;
    bool is_known = task->eligible_at > 0 && task->submitted_at > 0;
    // A later attempt is delayed from the end of the one before it on.
    int64_t since = task->attempt <= 1 ? task->submitted_at : task->previous_ended_at;
    return (struct fq_execute_task){
        .id = task->lease.id,
        .name = str_of(task->name),
        .priority = task->priority.len > 0 ? task->priority.ptr : "normal",
        .attempt = task->attempt,
        .delay_ms = is_known && since > 0 && task->eligible_at >= since ? task->eligible_at - since : -1,
        .wait_ms = is_known ? task->wait_us / FQ_US_PER_MS : -1,
        .transfer_ms = is_known && started_ms >= granted_ms ? started_ms - granted_ms : -1,
    };
}

static otel_span *start_span(fq_worker *worker, const struct fq_worker_task *task, int64_t started_ms) {
    struct fq_execute_relations relations;
    struct otel_attribute attributes[FQ_EXECUTE_ATTRIBUTES_MAX];
    const char *tracestate = task->tracestate.len > 0 ? task->tracestate.ptr : NULL;
    fq_execute_relate(&worker->telemetry, str_of(task->traceparent), tracestate,
                      str_of(task->previous_traceparent),
                      task->submitted_at > 0 ? started_ms - task->submitted_at : 0, &relations);
    struct fq_execute_place place = place_of(worker);
    struct fq_execute_task described = describe(task, started_ms);
    const struct otel_span_options options = {
        .kind = OTEL_SPAN_CONSUMER,
        .root = !relations.is_child,
        .parent = relations.is_child ? &relations.submitter : NULL,
        .parent_tracestate = relations.is_child ? tracestate : NULL,
        .attributes = attributes,
        .attribute_count = fq_execute_attributes(&place, &described, attributes),
        .links = relations.links,
        .link_count = relations.link_count,
    };
    return otel_span_start(worker->client->telemetry.tracer, FQ_SPAN_EXECUTE, &options);
}

enum { COMMON_ATTRIBUTES = 4 };
static void common_attributes(const struct fq_worker_task *task,
                              struct otel_attribute attributes[COMMON_ATTRIBUTES]) {
    attributes[0] = otel_text(FQ_ATTR_SYSTEM, FQ_SYSTEM);
    attributes[1] = otel_text(FQ_ATTR_OPERATION, FQ_OPERATION_EXECUTE);
    attributes[2] = otel_text(FQ_ATTR_OPERATION_TYPE, FQ_OPERATION_TYPE_PROCESS);
    attributes[3] = otel_text_len(FQ_ATTR_DESTINATION, task->name.ptr, task->name.len);
}

void fq_run_begin(fq_worker *worker, const struct fq_worker_task *task, struct fq_run *ret_run) {
    struct fq_now now = fq_clock_now();
    struct fq_run run = {
        .task = task, .began_us = now.boot_us, .started_unix_ms = now.wall_us / FQ_US_PER_MS};
    struct otel_attribute attributes[COMMON_ATTRIBUTES];
    run.span = start_span(worker, task, run.started_unix_ms);
    struct otel_span_context own = otel_span_context_of(run.span);
    // With telemetry off the span only hands the submitter's identity on; that is no execution's.
    if (worker->client->telemetry.tracer != NULL && otel_span_context_is_valid(&own))
        otel_traceparent_format(&own, run.traceparent);
    common_attributes(task, attributes);
    otel_measure(worker->client->telemetry.consumed, 1, attributes, COMMON_ATTRIBUTES, &own);
    *ret_run = run;
}

// --- end ------------------------------------------------------------------------------------------------------------------
void fq_run_fill(struct fq_lease_report *report) {
    const struct fq_run *run = report->run;
    if (run == NULL)
        return;
    if (report->started_unix_ms == 0)
        report->started_unix_ms = run->started_unix_ms;
    if (report->run_us < 0)
        report->run_us = fq_clock_now().boot_us - run->began_us;
    if (report->traceparent == NULL && run->traceparent[0] != '\0')
        report->traceparent = run->traceparent;
}

static void say_failure(otel_span *span, const char *type, const char *message, const char *stack) {
    const struct otel_attribute attributes[] = {
        otel_text("exception.type", type), otel_text("exception.message", message),
        otel_text(FQ_ATTR_ERROR_TYPE, type), otel_text(FQ_ATTR_STATE, "failure")};
    otel_span_record_exception(span, type, message, stack, NULL, 0);
    otel_span_set_attributes(span, attributes, sizeof attributes / sizeof attributes[0]);
    otel_span_set_status(span, OTEL_STATUS_ERROR, message);
}

void fq_run_end(fq_client *client, struct fq_run *run, const char *type, const char *message,
                const char *stack, int64_t run_us) {
    if (run == NULL || run->task == NULL)
        return;
    struct otel_attribute attributes[COMMON_ATTRIBUTES + 1];
    struct otel_span_context own = otel_span_context_of(run->span);
    size_t count = COMMON_ATTRIBUTES;
    common_attributes(run->task, attributes);
    if (type != NULL) {
        attributes[count++] = otel_text(FQ_ATTR_ERROR_TYPE, type);
        say_failure(run->span, type, message, stack);
    } else {
        otel_span_set_attribute(run->span, otel_text(FQ_ATTR_STATE, "success"));
    }
    otel_measure(client->telemetry.process, (double)run_us / FQ_US_PER_S, attributes, count, &own);
    otel_span_end(run->span);
    run->span = NULL;
    run->task = NULL;
}
