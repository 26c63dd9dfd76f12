// SPDX-License-Identifier: Apache-2.0
// Counts, what is overdue, and the invariants that begin when faults end.
#include "sim/model_state.h"

#include <inttypes.h>

// --- counts ---------------------------------------------------------------------------------------------------------------
static void check_states(sim_model *model, const struct fq_engine_stats *stats) {
    uint64_t pending = 0, by_priority[MODEL_PRIORITIES] = {0};
    for (unsigned name = 0; name < MODEL_NAMES_MAX; name++) {
        for (unsigned priority = 0; priority < MODEL_PRIORITIES; priority++)
            by_priority[priority] += model->queues[name][priority].count;
    }
    for (unsigned priority = 0; priority < MODEL_PRIORITIES; priority++) {
        pending += by_priority[priority];
        CHECK(model, S3, by_priority[priority] == stats->pending_count[priority],
              "%" PRIu64 " tasks of priority %u wait, %" PRIu64 " are counted", by_priority[priority],
              priority, stats->pending_count[priority]);
    }
    const uint64_t *count = stats->state_count;
    CHECK(model, S3,
          count[FQ_TASK_SCHEDULED] == model->scheduled.count && count[FQ_TASK_PENDING] == pending &&
              count[FQ_TASK_STARTED] == model->started.count && count[FQ_TASK_FAILURE] == model->dead.count &&
              count[FQ_TASK_SUCCESS] + count[FQ_TASK_CANCELLED] + count[FQ_TASK_EXPIRED] ==
                  model->final.count,
          "tasks by state are not those of the events: %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
          ", model %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
          count[0], count[1], count[2], count[4], model->scheduled.count, pending, model->started.count,
          model->dead.count);
    uint64_t live = model->scheduled.count + pending + model->started.count + model->dead.count;
    CHECK(model, S29, stats->task_bytes <= live * (model->options->payload_max + 4096),
          "%" PRIu64 " tasks are said to take %" PRIu64 " bytes", live, stats->task_bytes);
}

static void check_pauses(sim_model *model, const fq_engine *engine, struct fq_now now) {
    CHECK(model, S19, fq_engine_all_paused(engine) == model->all_paused,
          "the whole queue is paused or it is not");
    for (unsigned i = 0; i < SIM_NAMES_MAX; i++) {
        struct fq_name_view view;
        int64_t name = fq_engine_name_id(engine, sim_name(i));
        if (name >= 0 && fq_engine_name(engine, (uint32_t)name, now, &view) == 0)
            CHECK(model, S19, view.paused == (model->all_paused || (model->paused >> i & 1) != 0),
                  "name %u is paused or it is not, other than asked", i);
    }
}

void check_counts(sim_model *model, const fq_engine *engine, struct fq_now now) {
    struct fq_engine_stats stats;
    fq_engine_stats(engine, now, &stats);
    const uint64_t pairs[][2] = {
        {stats.submitted_total, model->totals[FQ_EVENT_SUBMITTED]     },
        {stats.granted_total,   model->totals[FQ_EVENT_GRANTED]       },
        {stats.completed_total, model->totals[FQ_EVENT_COMPLETED]     },
        {stats.failed_total,    model->totals[FQ_EVENT_FAILED]        },
        {stats.retried_total,   model->totals[FQ_EVENT_RETRIED]       },
        {stats.returned_total,  model->totals[FQ_EVENT_RETURNED]      },
        {stats.crashed_total,   model->crashed_total                  },
        {stats.cancelled_total, model->totals[FQ_EVENT_CANCELLED]     },
        {stats.expired_total,   model->totals[FQ_EVENT_EXPIRED]       },
        {stats.evicted_total,   model->totals[FQ_EVENT_RESULT_EVICTED]},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        CHECK(model, S27, pairs[i][0] == pairs[i][1], "counter %zu is %" PRIu64 ", the events are %" PRIu64,
              i, pairs[i][0], pairs[i][1]);
    check_states(model, &stats);
    check_pauses(model, engine, now);
}

// --- time -----------------------------------------------------------------------------------------------------------------
void check_overdue(sim_model *model, struct fq_now now) {
    for (const struct model_task *task = model->scheduled.first; task != NULL; task = task->next) {
        bool due =
            task->body.by_wall ? task->body.due_wall <= now.wall_us : task->body.due_boot <= now.boot_us;
        CHECK(model, S36, !due && task->body.expires_wall > now.wall_us, "task %s is overdue",
              model_id(task));
    }
    for (const struct model_task *task = model->started.first; task != NULL; task = task->next) {
        CHECK(model, L2, task->body.lease_until > now.boot_us, "the lease of task %s has not been reclaimed",
              model_id(task));
    }
}

// --- after healing --------------------------------------------------------------------------------------------------------
void sim_model_healed(sim_model *model) {
    model->healed = true;
    model->healed_us = sim_world_time(model->world);
}

static void check_waiting_fetches(sim_model *model, struct fq_now now) {
    int64_t long_ago = sim_world_time(model->world) - FQ_US_PER_S;
    if (model->resumed_us > long_ago || model->awake_us > long_ago)
        return;
    for (const struct asked *asked = model->under_way; asked != NULL; asked = asked->next) {
        if (asked->at_us > long_ago)
            break;
        if (asked->verb != SIM_FETCH || !asked->waits || asked->worker <= 0 || asked->must_fail ||
            asked->boot != model->boot || asked->at_us < model->healed_us) // its connection may be dead
            continue;
        const struct model_worker *worker = &model->workers[asked->worker];
        uint64_t names = asked->names != 0
                             ? asked->names & (worker->registered != 0 ? worker->registered : ~0u)
                             : worker->registered;
        const struct model_task *best = model_task_best(model, names, now.wall_us);
        int64_t since_wall = now.wall_us - FQ_US_PER_S;
        CHECK(model, L1,
              best == NULL || best->body.eligible_wall > since_wall || best->body.returned_wall > since_wall,
              "task %s waits while worker %s has been asking for it", model_id(best), worker->id);
    }
}

void check_liveness(sim_model *model, struct fq_now now) {
    int64_t healed_for = sim_world_time(model->world) - model->healed_us;
    if (healed_for > 5 * (int64_t)FQ_US_PER_S)
        check_waiting_fetches(model, now);
    if (healed_for < 30 * (int64_t)FQ_US_PER_S)
        return;
    const struct asked *oldest = model->under_way;
    while (oldest != NULL && oldest->waits)
        oldest = oldest->next;
    int64_t age = oldest != NULL ? sim_world_time(model->world) - oldest->at_us : 0;
    CHECK(model, L4, age < 180 * (int64_t)FQ_US_PER_S, "a request of kind %d has waited for %lld s",
          oldest != NULL ? oldest->verb : 0, (long long)(age / FQ_US_PER_S));
    if (healed_for > 60 * (int64_t)FQ_US_PER_S)
        CHECK(model, L6, model->blocked_us < model->healed_us + 60 * (int64_t)FQ_US_PER_S,
              "submits are blocked a minute after space came back");
}

bool sim_model_is_done(const sim_model *model) {
    for (const struct asked *asked = model->under_way; asked != NULL; asked = asked->next) {
        if (asked->verb != SIM_FETCH && asked->verb != SIM_HEARTBEAT && asked->verb != SIM_REGISTER)
            return false;
    }
    return model->live_count == 0;
}

static void check_journal_size(sim_model *model, fq_core *core) {
    fq_journal *journal = fq_core_journal(core);
    if (journal == NULL || model->options->compact_bytes == 0)
        return;
    struct fq_journal_stats stats;
    fq_journal_stats(journal, &stats);
    uint64_t bound = model->options->compact_bytes;
    if (bound < 2 * stats.snapshot_bytes)
        bound = 2 * stats.snapshot_bytes;
    bound = 8 * bound + 16 * model->options->segment_bytes; // each boot begins a segment, which counts whole
    CHECK(model, S35, stats.bytes_since_snapshot <= bound,
          "the journal has %" PRIu64 " bytes since its snapshot, the bound is %" PRIu64,
          stats.bytes_since_snapshot, bound);
}

void sim_model_finish(sim_model *model, fq_core *core, struct fq_now now) {
    if (sim_world_failed(model->world))
        return;
    uint64_t live = model->live_count;
    CHECK(model, L3, live == 0, "%" PRIu64 " tasks have not come to an end", live);
    if (core == NULL)
        return;
    check_journal_size(model, core);
    check_counts(model, fq_core_engine(core), now);
    check_tasks(model, fq_core_engine(core));
    fq_engine_check(fq_core_engine(core));
    for (unsigned i = 0; i < SIM_INVARIANT_COUNT; i++)
        if (sim_invariant_rows[i].in_model)
            sim_world_count(model->world, sim_invariant_rows[i].label, model->checked[i]);
}
