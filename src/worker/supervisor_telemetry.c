// SPDX-License-Identifier: Apache-2.0
// Between the supervisor's runners and its telemetry.
#include "worker/supervisor_state.h"

#include <stdlib.h>

// An exporter that keeps up makes room sooner than the watch comes by.
enum { HELD_RETRY_MS = 1 };

static void on_feed_timer(uv_timer_t *timer) {
    (void)fq_supervisor_read_feeds(timer->data);
}

bool fq_supervisor_read_feeds(struct fq_supervisor *supervisor) {
    bool any = false, is_held = false;
    for (struct fq_child *child = supervisor->children; child != NULL && supervisor->telemetry != NULL;
         child = child->next) {
        if (child->state == FQ_CHILD_DEAD)
            continue;
        any = fq_feed_read(supervisor->telemetry, &child->feed) || any;
        is_held = is_held || child->feed.is_held;
    }
    if (is_held && !uv_is_active((uv_handle_t *)&supervisor->feed_timer))
        uv_timer_start(&supervisor->feed_timer, on_feed_timer, HELD_RETRY_MS, 0);
    return any;
}

void fq_supervisor_finish_feed(struct fq_child *child) {
    fq_output_finish(child);
    if (child->supervisor->telemetry != NULL)
        fq_feed_finish(child->supervisor->telemetry, &child->feed, &child->ended);
}

void fq_supervisor_detach_feed(struct fq_child *child) {
    fq_output_close(child);
    if (child->supervisor->telemetry != NULL)
        fq_feed_detach(child->supervisor->telemetry, &child->feed);
    free(child->ended.ids);
    child->ended = (struct fq_span_ids){NULL, 0, 0};
}

fq_str fq_supervisor_name(const struct fq_child *child, uint32_t index) {
    const struct fq_board_names *names = &child->supervisor->names[child->position->kind];
    return index < names->count ? names->names[index] : FQ_STR("");
}

static int64_t duration_of(const struct fq_slot_view *view) {
    int64_t end_us = view->finished_us > 0 ? view->finished_us : fq_supervisor_now_us();
    return view->started_us > 0 && end_us > view->started_us ? end_us - view->started_us : 0;
}

void fq_supervisor_end_span(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view,
                            const char *state, struct fq_report *report, char text[OTEL_TRACEPARENT_TEXT]) {
    struct fq_worker_telemetry *telemetry = child->supervisor->telemetry;
    struct fq_board_span span;
    if (telemetry == NULL || fq_board_span_look(&child->board, slot, view->sequence, &span) != 1)
        return;
    if (report != NULL && report->outcome.traceparent.len == 0) {
        struct otel_span_context own = {.flags = span.flags};
        memcpy(own.trace_id, span.trace_id, sizeof own.trace_id);
        memcpy(own.span_id, span.span_id, sizeof own.span_id);
        otel_traceparent_format(&own, text);
        report->outcome.traceparent = (fq_str){text, OTEL_TRACEPARENT_TEXT};
    }
    if (fq_feed_has_ended(&child->feed, &child->ended, span.span_id))
        return;
    struct fq_execute_failure failure;
    struct fq_lost_attempt lost = {.span = &span,
                                   .task = &view->task,
                                   .name = fq_supervisor_name(child, view->task.name),
                                   .duration_us = duration_of(view)};
    if (report != NULL && !report->outcome.ok) {
        failure = fq_execute_failure_of(&report->outcome, view->wish == FQ_WISH_CANCEL    ? FQ_WISH_CANCEL
                                                          : view->wish == FQ_WISH_TIMEOUT ? FQ_WISH_TIMEOUT
                                                                                          : FQ_WISH_NONE);
        if (state != NULL) {
            failure.state = state;
            failure.error_type = strcmp(state, "lost") == 0 ? "worker_lost" : state;
        }
        lost.failure = &failure;
    }
    fq_worker_telemetry_end_lost(telemetry, &lost);
}
