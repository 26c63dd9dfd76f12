// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "sim/server_state.h"

static void run_first(void *context, uint64_t life);

// The machine stood still, which may have ended before its time.
static void go_on(void *context, uint64_t life) {
    sim_server *server = context;
    if (life != server->life || !server->executor.is_put_off)
        return;
    server->executor.is_put_off = false;
    run_first(server, life);
}

void sim_executor_heal(sim_server *server) {
    if (server->executor.is_put_off)
        sim_world_at(server->world, sim_world_time(server->world), go_on, server, server->life);
}

static void begin(struct sim_executor *executor) {
    sim_server *server = executor->server;
    executor->is_running = true;
    int64_t takes_us = sim_machine_disk_us(server);
    sim_machine_job_begins(server, takes_us);
    sim_world_at(server->world, sim_world_time(server->world) + takes_us, run_first, server, server->life);
}

// The effect was there some time before the loop hears of it.
static void on_finished(void *context, uint64_t life) {
    sim_server *server = context;
    if (life == server->life)
        sim_server_want_turn(server, sim_world_time(server->world));
}

static void run_first(void *context, uint64_t life) {
    sim_server *server = context;
    struct sim_executor *executor = &server->executor;
    if (life != server->life)
        return;
    if (server->paused_until_us > sim_world_time(server->world)) {
        executor->is_put_off = true;
        sim_world_at(server->world, server->paused_until_us, go_on, server, life);
        return;
    }
    sim_machine_job_ends(server);
    size_t at = executor->first;
    executor->first = (executor->first + 1) % SIM_JOBS_MAX;
    executor->count--;
    executor->jobs[at].work(executor->jobs[at].argument);
    if (sim_server_died(server))
        return;
    int64_t later_us = (int64_t)sim_world_below(server->world, SIM_STREAM_DISK, 50);
    sim_world_at(server->world, sim_world_time(server->world) + later_us, on_finished, server, life);
    executor->is_running = false;
    if (executor->count > 0)
        begin(executor);
}

static void submit(fq_executor *base, void (*work)(void *argument), void *argument) {
    struct sim_executor *executor = (struct sim_executor *)base;
    FQ_ASSERT(executor->count < SIM_JOBS_MAX);
    size_t at = (executor->first + executor->count++) % SIM_JOBS_MAX;
    executor->jobs[at].work = work;
    executor->jobs[at].argument = argument;
    bool was_inside = sim_server_step_out(executor->server);
    if (!executor->is_running)
        begin(executor);
    sim_server_step_in(executor->server, was_inside);
}

// A process that ends in order finishes what was begun; for one that was killed the disk takes no call any more.
static fq_executor *close_executor(fq_executor *base) {
    struct sim_executor *executor = (struct sim_executor *)base;
    while (executor->count > 0) {
        size_t at = executor->first;
        executor->first = (executor->first + 1) % SIM_JOBS_MAX;
        executor->count--;
        executor->jobs[at].work(executor->jobs[at].argument);
    }
    executor->is_running = executor->is_put_off = false;
    return NULL;
}

fq_executor *sim_executor_open(sim_server *server) {
    server->executor = (struct sim_executor){
        .base = {submit, close_executor},
          .server = server
    };
    return &server->executor.base;
}
