// SPDX-License-Identifier: Apache-2.0
#include "sim/run.h"

#include "fastqueue/error.h"
#include "sim/actor.h"

#include <stdio.h>

// Simulated time that the second phase may take: the longest delay of a task, of a retry and of a lease fit well in.
static const int64_t HEALED_US = INT64_C(4) * 3600 * FQ_US_PER_S;
// Simulated time of the first phase, whether or not all operations were asked by then.
static const int64_t FAULTY_US = INT64_C(24) * 3600 * FQ_US_PER_S;
// … that a compaction may take when nothing else happens.
static const int64_t QUIET_US = INT64_C(60) * FQ_US_PER_S;

struct run {
    const struct sim_plan *plan;
    struct sim_options options;
    sim_world *world;
    sim_model *model;
    sim_server *server;
    sim_cast *cast;
};

static int pin(const struct sim_plan *plan, struct sim_options *options, const char **ret_bad) {
    for (size_t i = 0; i < plan->pin_count; i++) {
        int rc = sim_options_set(options, plan->pins[i]);
        if (rc < 0) {
            *ret_bad = plan->pins[i];
            return rc;
        }
    }
    return 0;
}

int sim_plan_options(const struct sim_plan *plan, struct sim_options *ret_options, const char **ret_bad) {
    sim_world *world = sim_world_new(plan->seed);
    struct sim_options options;
    sim_options_draw(&options, world);
    sim_world_free(world);
    int rc = pin(plan, &options, ret_bad);
    sim_options_settle(&options);
    if (rc == 0)
        *ret_options = options;
    return rc;
}

static void set_up(struct run *run) {
    const char *bad;
    run->world = sim_world_new(run->plan->seed);
    if (run->plan->kept_lines > 0)
        sim_world_keep_lines(run->world, run->plan->kept_lines, run->plan->aloud);
    sim_options_draw(&run->options, run->world);
    (void)pin(run->plan, &run->options, &bad); // judged before by sim_plan_options
    sim_options_settle(&run->options);
    run->model = sim_model_new(run->world, &run->options);
    run->server = sim_server_new(run->world, &run->options, run->model);
    sim_server_set_memory(run->server, run->plan->set_memory);
    run->cast = sim_cast_new(run->world, &run->options, run->server, run->model);
}

static void suffer(struct run *run) {
    while (sim_cast_operations(run->cast) < run->plan->operations && sim_world_time(run->world) < FAULTY_US)
        if (!sim_world_step(run->world))
            return;
}

// Steps until `is_under_way` says no more, or for as long as that may take. False: the world has ended or it took too long.
static bool wait_while(struct run *run, bool (*is_under_way)(const struct run *run)) {
    int64_t until_us = sim_world_time(run->world) + QUIET_US;
    while (is_under_way(run))
        if (sim_world_time(run->world) > until_us || !sim_world_step(run->world))
            return false;
    return true;
}

static bool is_compacting(const struct run *run) {
    return !sim_server_has_compacted(run->server);
}

static bool is_touching(const struct run *run) {
    return sim_cast_is_touching(run->cast);
}

// What a journal takes when nothing happens: two compactions behind each other leave two snapshots and the log since the
// first of them. Between them something is written, or there would be nothing to compact. All faults are over by now: not
// judged is a run whose server starts anew meanwhile (its count does, too) or that takes longer than we wait.
static void compact_twice(struct run *run) {
    uint64_t before = sim_server_installs(run->server);
    sim_server_compact(run->server);
    bool ok = wait_while(run, is_compacting);
    if (ok)
        sim_cast_touch(run->cast);
    ok = ok && wait_while(run, is_touching);
    if (ok)
        sim_server_compact(run->server);
    ok = ok && wait_while(run, is_compacting);
    if (sim_world_failed(run->world))
        return;
    if (!ok || sim_server_installs(run->server) < before + 2) {
        sim_world_count(run->world, "no two compactions in the end", 1);
        return;
    }
    sim_world_count(run->world, "two compactions in the end", 1);
    if (run->options.stream == 0) // what a log in a stream takes is its servers' affair
        sim_model_compacted_twice(run->model, sim_server_used(run->server));
}

static void recover(struct run *run) {
    sim_world_say(run->world, "faults end");
    sim_options_heal(&run->options);
    sim_server_heal(run->server);
    sim_model_healed(run->model);
    sim_cast_wind_down(run->cast);
    int64_t until_us = sim_world_time(run->world) + HEALED_US;
    while (!sim_cast_is_done(run->cast) || !sim_model_is_done(run->model) || !sim_server_is_up(run->server)) {
        if (sim_world_time(run->world) > until_us) {
            sim_world_fail(run->world, "L3", "not everything came to an end within %lld simulated seconds",
                           (long long)(HEALED_US / FQ_US_PER_S));
            return;
        }
        if (!sim_world_step(run->world))
            return;
    }
    compact_twice(run);
    sim_model_finish(run->model, sim_server_core(run->server), sim_world_server_now(run->world));
}

static void tell(struct run *run, struct sim_outcome *ret_outcome) {
    const struct sim_plan *plan = run->plan;
    snprintf(ret_outcome->failure, sizeof ret_outcome->failure, "%s", sim_world_failure(run->world));
    ret_outcome->trace = sim_world_trace_hash(run->world);
    ret_outcome->operations = sim_cast_operations(run->cast);
    ret_outcome->events = sim_world_events(run->world);
    ret_outcome->simulated_us = sim_world_time(run->world);
    sim_server_stats(run->server, &ret_outcome->server);
    sim_model_stats(run->model, &ret_outcome->model);
    if (plan->on_count != NULL)
        sim_world_each_count(run->world, plan->on_count, plan->context);
    if (plan->on_line != NULL)
        sim_world_each_line(run->world, plan->on_line, plan->context);
}

void sim_run(const struct sim_plan *plan, struct sim_outcome *ret_outcome) {
    struct run run = {.plan = plan};
    set_up(&run);
    *ret_outcome = (struct sim_outcome){.options = run.options};
    suffer(&run);
    if (!sim_world_failed(run.world))
        recover(&run);
    tell(&run, ret_outcome);
    // The model's judgements end with the run: what closing the process decides is not part of it.
    sim_cast_free(run.cast);
    sim_server_free(run.server);
    sim_model_free(run.model);
    sim_world_free(run.world);
}
