// SPDX-License-Identifier: Apache-2.0
// Commands that prove a lease by its token.
#include "engine/decide.h"

#include "engine/ledger.h"
#include "engine/task.h"

// The task if `token` is the one of its live lease.
static struct fq_task *holder_of(const fq_engine *engine, const fq_uuid *id, uint64_t token) {
    struct fq_task *task = fq_task_find(engine, id);
    bool held = task != NULL && fq_task_state_of(task) == FQ_TASK_STARTED && (uint64_t)task->moment == token;
    return held ? task : NULL;
}

static int refuse_lease(const fq_engine *engine, fq_decision *decision, const fq_uuid *id) {
    const struct fq_task *task = fq_task_find(engine, id);
    decision->is_stale = true;
    if (task == NULL && fq_ledger_find(&engine->ledger, id) == NULL)
        return fq_refuse(decision, FQ_ESTALELEASE, "no task has this id; drop its outcome");
    return fq_refuse(decision, FQ_ESTALELEASE,
                     "the lease is no longer held under this token: the task is %s; drop its outcome",
                     task != NULL ? fq_task_state_name(fq_task_state_of(task)) : "finished");
}

int fq_decide_complete(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                       fq_decision *decision) {
    struct fq_task *task = holder_of(engine, &command->complete.id, command->complete.token);
    if (task == NULL)
        return refuse_lease(engine, decision, &command->complete.id);
    if (command->complete.encoding.len > 64 || command->complete.traceparent.len > FQ_FIELD_MAX)
        return fq_refuse(decision, FQ_ETOOBIG, "the encoding or the traceparent is too long");
    if (command->complete.result.len > INT32_MAX / 2)
        return fq_refuse(decision, FQ_ETOOBIG, "the result has %zu bytes; at most %d are allowed",
                         command->complete.result.len, INT32_MAX / 2);
    struct fq_event *event = fq_decide_about(engine, decision, FQ_EVENT_COMPLETED, now, task);
    if (event == NULL)
        return FQ_ENOMEM;
    // Something that has completed has run: without a better word, since it was granted.
    event->ended.started_us =
        command->complete.started_us > 0 ? command->complete.started_us : task->granted_us;
    fq_buf *out = &decision->scratch;
    fq_decide_fields_begin(decision);
    int rc = fq_field_put(out, FQ_FIELD_RESULT, command->complete.result);
    if (rc == 0 && !fq_str_equal(command->complete.encoding, FQ_STR("json")))
        rc = fq_field_put(out, FQ_FIELD_RESULT_ENCODING, command->complete.encoding);
    if (rc == 0)
        rc = fq_field_put(out, FQ_FIELD_RUN_TRACEPARENT, command->complete.traceparent);
    if (rc == 0 && command->complete.run_us >= 0)
        rc = fq_field_put_number(out, FQ_FIELD_RUN_US,
                                 command->complete.run_us < FQ_LATEST_US ? command->complete.run_us
                                                                         : FQ_LATEST_US);
    return fq_decide_fields_end(decision, rc);
}

static fq_str cut(fq_str text, size_t max) {
    return text.len > max ? (fq_str){text.ptr, max} : text;
}

int fq_decide_fail(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                   fq_decision *decision) {
    struct fq_task *task = holder_of(engine, &command->fail.id, command->fail.token);
    if (task == NULL)
        return refuse_lease(engine, decision, &command->fail.id);
    struct fq_attempt_end end = {.type = cut(command->fail.type, FQ_NAME_MAX),
                                 .message = cut(command->fail.message, FQ_FIELD_MAX),
                                 .stack = cut(command->fail.stack, 4 * FQ_FIELD_MAX),
                                 .traceparent = cut(command->fail.traceparent, FQ_FIELD_MAX),
                                 .started_us = command->fail.started_us > 0 ? command->fail.started_us : 0,
                                 .run_us = command->fail.run_us,
                                 .declared_retries = command->fail.declared_retries,
                                 .declared_backoff_ms = command->fail.declared_backoff_ms};
    if (command->fail.crash)
        return fq_lease_lost(engine, decision, now, task, &end);
    if (end.started_us == 0)
        end.started_us = task->granted_us; // something that has failed has run
    return fq_lease_failed(engine, decision, now, task, &end, command->fail.no_retry, command->random);
}

int fq_decide_release(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                      fq_decision *decision) {
    struct fq_task *task = holder_of(engine, &command->release.id, command->release.token);
    if (task == NULL)
        return refuse_lease(engine, decision, &command->release.id);
    return fq_lease_returned(engine, decision, now, task);
}

static int extend(const fq_engine *engine, fq_decision *decision, struct fq_now now, struct fq_task *task) {
    int64_t until_us = fq_time_add(now.boot_us, engine->config.lease_ms * FQ_US_PER_MS);
    int64_t end_us = fq_task_lease_end_us(engine, task, now.boot_us);
    if (until_us > end_us)
        until_us = end_us;
    if (until_us <= fq_heap_key(&engine->lease_timers, task))
        return 0;
    struct fq_event *event = fq_decide_about(engine, decision, FQ_EVENT_LEASE_EXTENDED, now, task);
    if (event == NULL)
        return FQ_ENOMEM;
    event->lease_until_us = until_us;
    return 0;
}

static int beat(const fq_engine *engine, fq_decision *decision, struct fq_now now,
                const struct fq_heartbeat *heartbeat) {
    struct fq_task *task = holder_of(engine, &heartbeat->id, heartbeat->token);
    unsigned char *verdict = &decision->verdicts[decision->verdict_count++];
    if (task == NULL) {
        *verdict = FQ_VERDICT_STALE;
        decision->is_stale = true;
        return 0;
    }
    *verdict = (task->flags & FQ_FLAG_CANCEL_REQUESTED) != 0 ? FQ_VERDICT_CANCEL
               : engine->draining                            ? FQ_VERDICT_DRAIN
                                                             : FQ_VERDICT_OK;
    if (heartbeat->state == FQ_REPORT_RUNNING && task->started_us == 0) {
        struct fq_event *event = fq_decide_about(engine, decision, FQ_EVENT_STARTED, now, task);
        if (event == NULL)
            return FQ_ENOMEM;
        event->started_us = heartbeat->started_us > 0 ? heartbeat->started_us : event->at_us;
    }
    return extend(engine, decision, now, task);
}

int fq_decide_heartbeat(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                        fq_decision *decision) {
    size_t count = command->heartbeat.beat_count;
    void *verdicts = decision->verdicts;
    int rc = fq_array_reserve(&verdicts, &decision->verdict_capacity, count, 1);
    decision->verdicts = verdicts;
    fq_str worker = command->heartbeat.worker;
    for (size_t i = 0; i < count && rc == 0; i++) {
        const struct fq_heartbeat *heartbeat = &command->heartbeat.beats[i];
        const struct fq_task *task = holder_of(engine, &heartbeat->id, heartbeat->token);
        if (worker.len == 0 && task != NULL)
            worker = fq_worker_id(task->worker); // who holds a lease lives
        rc = beat(engine, decision, now, heartbeat);
    }
    return rc < 0 ? rc : fq_decide_seen(engine, decision, now, worker);
}
