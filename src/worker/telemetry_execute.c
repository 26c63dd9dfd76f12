// SPDX-License-Identifier: Apache-2.0
// The span of one attempt: where it hangs, what it says, and the parts of the time before it.
#include "worker/execute_span.h"
#include "worker/runner_state.h"
#include "worker/telemetry_runner.h"

#include <stdio.h>

enum { NS_PER_US = 1000, NS_PER_MS = 1000 * 1000 };
// A part of the time before that took less has no span of its own: with short queues every task would have one that says
// nothing. How long it took says the attempt's span always.
enum { SHOWN_NS = 10 * NS_PER_MS };

// Moments of a task before it runs, unix nanoseconds of this machine's clock; 0 = unknown. What the control plane tells counts
// as lengths of time only, back from the grant: clocks of two machines differ. A retry's delay, its backoff, begins with the
// end of the attempt before.
struct before {
    int64_t delayed, eligible, granted, started;
};

// What another machine says; a length that no clock shows is unknown.
static int64_t back(int64_t moment, int64_t length, int64_t unit_ns) {
    return moment > 0 && length >= 0 && length < moment / unit_ns ? moment - length * unit_ns : 0;
}

static struct before before_of(const struct fq_runner_slot *slot, struct fq_now now) {
    const struct fq_runner_task *task = &slot->task;
    int64_t started = now.wall_us * NS_PER_US;
    int64_t held_us = now.boot_us - slot->received_us;
    int64_t since_ms = task->attempt <= 1 ? task->submitted_ms : task->previous_ended_ms, delay_ms;
    struct before before = {.granted = started - (held_us > 0 ? held_us : 0) * NS_PER_US, .started = started};
    if (task->eligible_ms > 0)
        before.eligible = back(before.granted, task->wait_us, NS_PER_US);
    if (since_ms > 0 && !__builtin_sub_overflow(task->eligible_ms, since_ms, &delay_ms))
        before.delayed = back(before.eligible, delay_ms, NS_PER_MS);
    return before;
}

static int64_t ms_between(int64_t from, int64_t to) {
    return from > 0 && to >= from ? (to - from) / NS_PER_MS : -1;
}

// --- parent and links -------------------------------------------------------------------------------------------------

static void find_relations(const struct fq_runner_telemetry *telemetry, const struct fq_runner_task *task,
                           const struct before *before, struct fq_execute_relations *relations) {
    int64_t since_ms = 0;
    if (task->submitted_ms > 0)
        (void)__builtin_sub_overflow(before->started / NS_PER_MS, task->submitted_ms, &since_ms);
    fq_execute_relate(&telemetry->settings, task->traceparent, task->tracestate.ptr,
                      task->previous_traceparent, since_ms, relations);
}

// --- what lies on the board --------------------------------------------------------------------------------------------

static void put_on_board(const struct fq_runner_telemetry *telemetry, uint32_t index, const otel_span *span,
                         const struct fq_execute_relations *relations, const struct fq_execute_task *task,
                         int64_t start_unix_ns) {
    struct otel_span_context own = otel_span_context_of(span);
    struct fq_board_span entry = {.flags = own.flags,
                                  .start_unix_ns = start_unix_ns,
                                  .delay_ms = task->delay_ms,
                                  .wait_ms = task->wait_ms,
                                  .transfer_ms = task->transfer_ms,
                                  .link_count = (uint8_t)relations->link_count};
    memcpy(entry.trace_id, own.trace_id, sizeof entry.trace_id);
    memcpy(entry.span_id, own.span_id, sizeof entry.span_id);
    if (relations->is_child)
        memcpy(entry.parent_span_id, relations->submitter.span_id, sizeof entry.parent_span_id);
    for (size_t i = 0; i < relations->link_count; i++) {
        const struct otel_span_context *linked = &relations->links[i].context;
        memcpy(entry.links[i].trace_id, linked->trace_id, sizeof linked->trace_id);
        memcpy(entry.links[i].span_id, linked->span_id, sizeof linked->span_id);
        entry.links[i].flags = linked->flags;
    }
    size_t priority_len = strnlen(task->priority, sizeof entry.priority - 1);
    memcpy(entry.priority, task->priority, priority_len);
    size_t len = 0;
    const char *tracestate = otel_span_tracestate(span, &len);
    if (len > 0 && len <= FQ_SPAN_TRACESTATE_MAX) {
        memcpy(entry.tracestate, tracestate, len);
        entry.tracestate_len = (uint16_t)len;
    }
    fq_board_span_put(&telemetry->runner->board, index, telemetry->runner->slots[index].sequence, &entry);
}

// --- the time before ---------------------------------------------------------------------------------------------------

static void show_part(const struct fq_runner_telemetry *telemetry, const struct otel_span_options *under,
                      const char *name, int64_t from, int64_t to) {
    if (from <= 0 || to - from < SHOWN_NS)
        return;
    struct otel_span_options options = *under;
    options.start_unix_ns = from;
    otel_span_end_at(otel_span_start(telemetry->tracer, name, &options), to);
}

// Beside the attempt, under the submitter; where there is none, under the attempt itself.
static void show_parts(const struct fq_runner_telemetry *telemetry, const struct fq_runner_task *task,
                       const struct fq_execute_relations *relations, const struct before *before,
                       const struct otel_span_context *own) {
    const struct otel_attribute attributes[] = {
        otel_text_len(FQ_ATTR_TASK_ID, task->id, FQ_UUID_TEXT),
        otel_text_len(FQ_ATTR_TASK_NAME, task->name.ptr, task->name.len),
        otel_int(FQ_ATTR_ATTEMPT, task->attempt)};
    const struct otel_span_options under = {.parent = relations->is_child ? &relations->submitter : own,
                                            .parent_tracestate =
                                                relations->is_child ? task->tracestate.ptr : NULL,
                                            .attributes = attributes,
                                            .attribute_count = sizeof attributes / sizeof attributes[0]};
    show_part(telemetry, &under, FQ_SPAN_DELAY, before->delayed, before->eligible);
    show_part(telemetry, &under, FQ_SPAN_WAIT, before->eligible, before->granted);
    show_part(telemetry, &under, FQ_SPAN_TRANSFER, before->granted, before->started);
}

// --- begin and end -----------------------------------------------------------------------------------------------------

static struct fq_execute_place place_of(const fq_runner *runner) {
    const struct fq_address *address = fq_target_address(&runner->link.target);
    return (struct fq_execute_place){.worker_id = runner->setup.worker_id,
                                     .server_address =
                                         address->kind == FQ_ADDRESS_UNIX ? address->path : address->host,
                                     .server_port = address->kind == FQ_ADDRESS_UNIX ? 0 : address->port};
}

void fq_execute_begin(struct fq_runner_telemetry *telemetry, uint32_t index, struct fq_now now) {
    const fq_runner *runner = telemetry->runner;
    const struct fq_runner_slot *slot = &runner->slots[index];
    const struct fq_runner_task *task = &slot->task;
    if (telemetry->tracer == NULL)
        return;
    struct before before = before_of(slot, now);
    struct fq_execute_task described = {.id = task->id,
                                        .name = task->name,
                                        .priority = task->priority.ptr,
                                        .attempt = task->attempt,
                                        .delay_ms = ms_between(before.delayed, before.eligible),
                                        .wait_ms = ms_between(before.eligible, before.granted),
                                        .transfer_ms = ms_between(before.granted, before.started)};
    struct fq_execute_relations relations;
    find_relations(telemetry, task, &before, &relations);
    struct fq_execute_place place = place_of(runner);
    struct otel_attribute attributes[FQ_EXECUTE_ATTRIBUTES_MAX];
    const struct otel_span_options options = {
        .kind = OTEL_SPAN_CONSUMER,
        .root = !relations.is_child,
        .parent = relations.is_child ? &relations.submitter : NULL,
        .parent_tracestate = relations.is_child ? task->tracestate.ptr : NULL,
        .start_unix_ns = before.started,
        .attributes = attributes,
        .attribute_count = fq_execute_attributes(&place, &described, attributes),
        .links = relations.links,
        .link_count = relations.link_count,
    };
    otel_span *span = otel_span_start(telemetry->tracer, FQ_SPAN_EXECUTE, &options);
    telemetry->spans[index] = span;
    struct otel_span_context own = otel_span_context_of(span);
    if ((own.flags & OTEL_FLAG_SAMPLED) != 0 && otel_span_is_recording(span)) {
        put_on_board(telemetry, index, span, &relations, &described, before.started);
        show_parts(telemetry, task, &relations, &before, &own);
    }
}

void fq_execute_begun(const struct fq_runner_telemetry *telemetry, uint32_t index) {
    if (telemetry->series != NULL)
        otel_series_add_int(telemetry->series[telemetry->runner->slots[index].name].consumed, 1);
}

void fq_execute_discard(struct fq_runner_telemetry *telemetry, uint32_t index) {
    fq_board_span_clear(&telemetry->runner->board, index);
    otel_span_release(telemetry->spans[index]);
    telemetry->spans[index] = NULL;
}

void fq_execute_identify(const struct fq_runner_telemetry *telemetry, uint32_t index,
                         struct fq_runner_outcome *outcome, char text[OTEL_TRACEPARENT_TEXT]) {
    struct otel_span_context own = otel_span_context_of(telemetry->spans[index]);
    if (outcome->traceparent.len > 0 || !otel_span_context_is_valid(&own))
        return;
    otel_traceparent_format(&own, text);
    outcome->traceparent = (fq_str){text, OTEL_TRACEPARENT_TEXT};
}

// The exception happened when the attempt ended, not when it is told of: the span ends by the task's own clock.
static void say_failure(otel_span *span, const struct fq_execute_failure *failure, int64_t end_ns) {
    char type[256], message[FQ_EXECUTE_MESSAGE_MAX + 1], stack[FQ_EXECUTE_STACK_MAX + 1];
    snprintf(type, sizeof type, "%.*s", (int)failure->type.len, failure->type.ptr);
    snprintf(message, sizeof message, "%.*s", (int)failure->message.len, failure->message.ptr);
    snprintf(stack, sizeof stack, "%.*s", (int)failure->stack.len, failure->stack.ptr);
    const struct otel_attribute event[] = {
        otel_text("exception.type", type),
        otel_text("exception.message", message),
        otel_text("exception.stacktrace", failure->stack.len > 0 ? stack : NULL),
    };
    otel_span_add_event(span, "exception", end_ns, event, failure->stack.len > 0 ? 3 : 2);
    const struct otel_attribute attributes[] = {
        otel_text("exception.type", type),
        otel_text("exception.message", message),
        otel_text(FQ_ATTR_ERROR_TYPE, failure->error_type != NULL ? failure->error_type : type),
        otel_text(FQ_ATTR_STATE, failure->state),
    };
    otel_span_set_attributes(span, attributes, sizeof attributes / sizeof attributes[0]);
    otel_span_set_status(span, OTEL_STATUS_ERROR, message);
}

static void measure(const struct fq_runner_telemetry *telemetry, const struct fq_runner_slot *slot,
                    const struct fq_execute_failure *failure, int64_t run_us,
                    const struct otel_span_context *own) {
    double seconds = (double)run_us / 1e6;
    if (telemetry->series == NULL)
        return;
    if (failure == NULL) {
        otel_series_measure(telemetry->series[slot->name].duration, seconds, own);
        return;
    }
    fq_str type = failure->error_type != NULL ? fq_str_of(failure->error_type) : failure->type;
    const struct otel_attribute attributes[] = {
        otel_text(FQ_ATTR_SYSTEM, FQ_SYSTEM),
        otel_text(FQ_ATTR_OPERATION, FQ_OPERATION_EXECUTE),
        otel_text(FQ_ATTR_OPERATION_TYPE, FQ_OPERATION_TYPE_PROCESS),
        otel_text_len(FQ_ATTR_DESTINATION, slot->task.name.ptr, slot->task.name.len),
        otel_text_len(FQ_ATTR_ERROR_TYPE, type.ptr, type.len),
    };
    otel_measure(telemetry->duration, seconds, attributes, sizeof attributes / sizeof attributes[0], own);
}

void fq_execute_end(struct fq_runner_telemetry *telemetry, uint32_t index,
                    const struct fq_runner_outcome *outcome, int64_t run_us) {
    const fq_runner *runner = telemetry->runner;
    const struct fq_runner_slot *slot = &runner->slots[index];
    otel_span *span = telemetry->spans[index];
    struct otel_span_context own = otel_span_context_of(span);
    int64_t end_ns = (slot->begun_wall_us + run_us) * NS_PER_US;
    struct fq_execute_failure failure;
    if (!outcome->ok) {
        failure = fq_execute_failure_of(outcome, fq_runner_wish(runner, index));
        say_failure(span, &failure, end_ns);
    } else {
        otel_span_set_attribute(span, otel_text(FQ_ATTR_STATE, "success"));
    }
    measure(telemetry, slot, outcome->ok ? NULL : &failure, run_us,
            otel_span_context_is_valid(&own) ? &own : NULL);
    otel_span_end_at(span, end_ns);
    telemetry->spans[index] = NULL;
    fq_board_span_clear(&runner->board, index);
}
