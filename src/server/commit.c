// SPDX-License-Identifier: Apache-2.0
#include "server/commit.h"

#include "server/core_state.h"
#include "server/reply.h"

#include <stdlib.h>

enum { DUE_EVENTS = 512 }; // a turn's share of what is due takes about half a millisecond

uint64_t fq_commit_seq(const fq_core *core) {
    return core->journal != NULL ? fq_journal_last_seq(core->journal) : 0;
}

static int make_room_for_ends(fq_core *core, size_t count) {
    if (count <= core->record_end_room)
        return 0;
    size_t *ends = realloc(core->record_ends, count * sizeof *ends);
    if (ends == NULL)
        return FQ_ENOMEM;
    core->record_ends = ends;
    core->record_end_room = count;
    return 0;
}

// Encodes the durable events one behind the other and notes where each ends. How many there are, or an error.
static int encode(fq_core *core) {
    fq_buf_clear(&core->record);
    size_t count = fq_decision_event_count(core->decision);
    int rc = make_room_for_ends(core, count);
    int records = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct fq_event *event = fq_decision_event(core->decision, i);
        if (!fq_event_is_durable(fq_event_type_of(event)))
            continue;
        rc = fq_event_encode(event, &core->record);
        core->record_ends[records++] = fq_buf_len(&core->record);
    }
    return rc < 0 ? rc : records;
}

// All records of a decision or none. A failure behind the first record leaves journal and engine apart: that is the end.
static int append_all(fq_core *core, int records) {
    const char *bytes = fq_buf_str(&core->record).ptr;
    size_t begin = 0;
    for (int i = 0; i < records; i++) {
        uint64_t seq;
        int rc =
            fq_journal_append(core->journal, (fq_str){bytes + begin, core->record_ends[i] - begin}, &seq);
        if (rc < 0) {
            core->failed = core->failed || i > 0;
            return rc;
        }
        begin = core->record_ends[i];
    }
    return 0;
}

static void on_finished(fq_core *core, const fq_uuid *id) {
    if (!fq_watchers_has(core, id))
        return;
    struct fq_task_view view;
    if (fq_engine_task(core->engine, id, &view) < 0)
        return;
    if (core->has_report && view.state == FQ_TASK_SUCCESS && fq_uuid_equal(&core->report_id, id)) {
        view.result = core->report_result; // told once even if it is not kept
        view.result_encoding = core->report_encoding;
    }
    fq_watchers_finished(core, &view);
}

static void take_effects(fq_core *core, size_t from) {
    size_t count = fq_decision_effect_count(core->decision);
    for (size_t i = from; i < count; i++) {
        const struct fq_effect *effect = fq_decision_effect(core->decision, i);
        switch (effect->type) {
        case FQ_EFFECT_ELIGIBLE: fq_parked_mark(core, effect->name_id); break;
        case FQ_EFFECT_FINISHED: on_finished(core, &effect->id); break;
        case FQ_EFFECT_CANCEL:
            fq_presence_push_cancel(core, effect->worker, &effect->id, effect->token);
            break;
        case FQ_EFFECT_GRANTED:
        case FQ_EFFECT_WORKER_LEFT: break;
        }
    }
}

static void count_latency(fq_core *core, enum fq_event_type type, const struct fq_task_view *view) {
    if (type == FQ_EVENT_GRANTED)
        fq_latency_count(&core->waits, view->wait_us, core->now.boot_us);
    else if (type == FQ_EVENT_COMPLETED || type == FQ_EVENT_FAILED)
        fq_latency_count(&core->runs, view->run_us, core->now.boot_us);
}

static void tell_grant(fq_core *core, const struct fq_task_view *view) {
    if (!core->is_granting)
        return;
    fq_reply_grant(&core->grant_writer, view, view->token, core->options->engine.lease_ms);
    core->grant_count++;
}

// One look at the task serves the hand-out, the times and the observer. Without an observer only the events that end a
// wait or a run are looked at.
static void observe(fq_core *core, const struct fq_event *event) {
    enum fq_event_type type = fq_event_type_of(event);
    bool is_timed = type == FQ_EVENT_GRANTED || type == FQ_EVENT_COMPLETED || type == FQ_EVENT_FAILED;
    if (core->observer.on_event == NULL && !is_timed)
        return;
    struct fq_task_view view;
    bool has_task = fq_engine_event_task(core->engine, event, &view) == 0;
    if (has_task)
        count_latency(core, type, &view);
    if (has_task && type == FQ_EVENT_GRANTED)
        tell_grant(core, &view);
    if (core->observer.on_event != NULL)
        core->observer.on_event(core->observer.context, core->engine, event, has_task ? &view : NULL);
}

static void apply_all(fq_core *core) {
    size_t count = fq_decision_event_count(core->decision);
    for (size_t i = 0; i < count; i++) {
        size_t effects = fq_decision_effect_count(core->decision);
        fq_engine_apply(core->engine, core->decision, i);
        take_effects(core, effects);
        observe(core, fq_decision_event(core->decision, i));
    }
}

int fq_commit_decision(fq_core *core, struct fq_now now) {
    core->now = now;
    if (core->journal != NULL) {
        if (core->failed || fq_journal_failed(core->journal))
            return FQ_EIO;
        int rc = encode(core);
        if (rc > 0)
            rc = append_all(core, rc);
        if (rc < 0)
            return rc;
    }
    apply_all(core);
    return 0;
}

int fq_commit_command(fq_core *core, struct fq_command *command, struct fq_now now) {
    command->random = fq_random_next(&core->random);
    int rc = fq_engine_decide(core->engine, command, now, core->decision);
    fq_engine_note(core->engine, core->decision);
    if (rc < 0) {
        core->reason = fq_decision_reason(core->decision);
        return rc;
    }
    core->reason = "";
    return fq_commit_decision(core, now);
}

int fq_commit_call(struct fq_call *call, struct fq_command *command) {
    int rc = fq_commit_command(call->core, command, call->now);
    return rc < 0 ? fq_call_refuse(call, rc, "%s", call->core->reason) : 0;
}

void fq_commit_due(fq_core *core, struct fq_now now) {
    if (fq_engine_deadline(core->engine, now) > now.boot_us ||
        fq_engine_due(core->engine, now, DUE_EVENTS, core->decision) < 0)
        return;
    // What cannot be written stays due.
    if (fq_decision_event_count(core->decision) > 0 && fq_commit_decision(core, now) < 0)
        return;
}
