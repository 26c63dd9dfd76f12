// SPDX-License-Identifier: Apache-2.0
// The submitting side of a run. A task's tag is the moment at which it was submitted, or should have been: so the answer
// tells by itself how long it took.
#include "cli/bench.h"

#include <stdio.h>
#include <string.h>

static const char *const priorities[] = {"critical", "high", "normal", "low"};

// --- the schedule -------------------------------------------------------------------------------------------------------
uint64_t fq_bench_schedule_at(double rate, uint64_t index) {
    return (uint64_t)((double)index * 1e9 / rate);
}

uint64_t fq_bench_schedule_due(double rate, uint64_t elapsed_ns) {
    uint64_t due = (uint64_t)((double)elapsed_ns * rate / 1e9) + 1;
    // Rounding may put the neighbour on the other side.
    while (due > 0 && fq_bench_schedule_at(rate, due - 1) > elapsed_ns)
        due--;
    while (fq_bench_schedule_at(rate, due) <= elapsed_ns)
        due++;
    return due;
}

// --- submitting ---------------------------------------------------------------------------------------------------------
static uint64_t next_random(struct fq_bench_run *run) {
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return run->random;
}

static bool submit_one(struct fq_bench_connection *connection, uint64_t tag) {
    struct fq_bench_run *run = connection->run;
    const struct fq_bench_target *target = run->target;
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    bool is_mixed = target->priority == FQ_BENCH_PRIORITY_MIXED;
    size_t priority = is_mixed ? next_random(run) >> 62 : (size_t)target->priority;
    options.priority = priorities[priority];
    options.delay_ms = target->delay_ms;
    options.want_result = run->plan->until == FQ_BENCH_RESULT_KNOWN;
    const char *name = target->names[run->figures->sent % target->name_count];
    char id[37];
    fq_session *session = fq_uv_driver_session(connection->driver);
    int rc = fq_session_submit(session, (fq_slice){name, strlen(name)}, target->payload, &options, tag, id);
    if (rc == FQ_EFULL && run->plan->rate == 0 && connection->under_way > 0)
        return false; // large payloads: answers make room
    if (rc < 0) {
        const char *sentence = rc == FQ_EFULL ? "the control plane does not keep up with --rate: more waits "
                                                "for its answer than a connection may hold"
                                              : fq_session_error(session);
        fq_bench_fail(run, rc, (fq_slice){sentence, strlen(sentence)});
        return false;
    }
    connection->under_way++;
    connection->unacknowledged++;
    run->figures->sent++;
    return true;
}

// Refilled when half of it was answered: submissions then leave many in one write.
void fq_bench_submitter_fill(struct fq_bench_connection *connection) {
    struct fq_bench_run *run = connection->run;
    uint32_t window = run->plan->in_flight;
    if (run->is_stopping || run->plan->rate > 0 || connection->under_way > window / 2)
        return;
    uint64_t now_ns = fq_bench_now(run);
    while (connection->under_way < window && run->figures->sent < run->plan->goal &&
           submit_one(connection, now_ns))
        continue;
}

void fq_bench_pace(struct fq_bench_run *run) {
    const struct fq_bench_plan *plan = run->plan;
    uint64_t *sent = &run->figures->sent;
    uint64_t due = fq_bench_schedule_due(plan->rate, fq_bench_now(run));
    while (!run->is_stopping && *sent < due && *sent < plan->goal) {
        struct fq_bench_connection *connection = &run->connections[*sent % plan->submitters];
        if (!submit_one(connection, fq_bench_schedule_at(plan->rate, *sent)))
            return;
    }
}

// --- answers ------------------------------------------------------------------------------------------------------------
static void on_submitted(struct fq_bench_connection *connection, const struct fq_session_event *event) {
    struct fq_bench_run *run = connection->run;
    bool is_last = event->error < 0 || run->plan->until != FQ_BENCH_RESULT_KNOWN;
    connection->unacknowledged--;
    connection->under_way -= is_last;
    if (event->error < 0) {
        fq_bench_count_error(run, event->error, event->message);
        return;
    }
    run->figures->acknowledged++;
    if (!run->is_stopping)
        fq_bench_latency_count(&run->figures->ack, fq_bench_now(run) - event->tag);
}

static void on_result(struct fq_bench_connection *connection, const struct fq_session_event *event) {
    struct fq_bench_run *run = connection->run;
    static const char SUCCESS[] = "success";
    connection->under_way--;
    fq_slice status = event->result.status;
    if (event->error < 0)
        fq_bench_count_error(run, event->error, event->message);
    else if (status.len != sizeof SUCCESS - 1 || memcmp(status.ptr, SUCCESS, status.len) != 0)
        fq_bench_count_error(run, FQ_EBADSTATE,
                             event->result.error_message.len > 0 ? event->result.error_message : status);
    else if (!run->is_stopping) {
        run->figures->results++;
        fq_bench_latency_count(&run->figures->result, fq_bench_now(run) - event->tag);
    }
}

void fq_bench_submitter_event(struct fq_bench_connection *connection, const struct fq_session_event *event) {
    if (event->type == FQ_SESSION_SUBMITTED)
        on_submitted(connection, event);
    else if (event->type == FQ_SESSION_RESULT)
        on_result(connection, event);
    else
        return;
    fq_bench_advance(connection->run);
    fq_bench_submitter_fill(connection);
}
