// SPDX-License-Identifier: Apache-2.0
#include "sim/options.h"

#include "base/str.h"
#include "fastqueue/error.h"

#include <string.h>

// --- drawing ----------------------------------------------------------------------------------------------------------
static uint64_t below(sim_world *world, uint64_t bound) {
    return sim_world_below(world, SIM_STREAM_OPTIONS, bound);
}

// Evenly over the orders of magnitude, both ends included.
static uint64_t log_between(sim_world *world, uint64_t least, uint64_t most) {
    uint64_t low = least, high = least;
    unsigned octaves = 0;
    while (high < most) {
        high *= 2;
        octaves++;
    }
    for (uint64_t steps = below(world, octaves + 1); steps > 0; steps--)
        low *= 2;
    uint64_t drawn = low + below(world, low);
    return drawn > most ? most : drawn;
}

// A fault is on in every second run.
static uint64_t rate(sim_world *world, uint64_t often, uint64_t seldom) {
    uint64_t one_in = log_between(world, often, seldom);
    return below(world, 2) == 0 ? one_in : 0;
}

static void draw_peers(struct sim_options *options, sim_world *world) {
    options->clients = log_between(world, 1, 32);
    options->workers = log_between(world, 1, 32);
    options->admins = below(world, 3);
    options->hostiles = below(world, 2) == 0 ? log_between(world, 1, 8) : 0;
    options->names = log_between(world, 1, 16);
    options->pipeline = log_between(world, 1, 64);
    options->payload_max = log_between(world, 16, 16384);
    options->lease_us = log_between(world, 100 * FQ_US_PER_MS, 30 * FQ_US_PER_S);
    options->result_ttl_us = log_between(world, FQ_US_PER_S, UINT64_C(3600) * FQ_US_PER_S);
    options->output_bytes_max = log_between(world, 1 << 16, 1 << 22);
    options->credentials = below(world, 2);
}

static void draw_journal(struct sim_options *options, sim_world *world) {
    options->segment_bytes = log_between(world, 1 << 16, 1 << 20);
    options->batch_bytes_max = log_between(world, 1 << 12, 1 << 19);
    // Seldom so late that a run of the usual length ends before, never not at all: a long run's journal has a bound.
    options->compact_bytes = below(world, 4) == 0 ? 1 << 24 : log_between(world, 1 << 18, 1 << 22);
    options->disk_bytes = below(world, 4) == 0 ? log_between(world, 1 << 23, 1 << 25) : 0;
    options->turn_us = log_between(world, 8, 512);
    options->relaxed = below(world, 8) == 0;
}

static void draw_machine_faults(struct sim_options *options, sim_world *world) {
    options->kill_rate = rate(world, 1000, 100000);
    options->power_rate = rate(world, 1000, 100000);
    options->boot_crash_rate = rate(world, 2, 8);
    options->garbage_rate = rate(world, 1, 8);
    options->sync_error_rate = rate(world, 1000, 100000);
    options->write_error_rate = rate(world, 1000, 100000);
    options->rot_rate = rate(world, 2, 16);
    options->slow_disk_rate = rate(world, 20, 10000);
    options->memory_rate = rate(world, 1000, 1000000);
    options->wall_jump_rate = rate(world, 1, 64);
    options->drift_ppm = below(world, 2) == 0 ? log_between(world, 1, 50000) : 0;
    options->server_pause_rate = rate(world, 2, 64);
    options->backup_rate = rate(world, 32, 1024);
}

static void draw_network_faults(struct sim_options *options, sim_world *world) {
    options->reset_rate = rate(world, 100, 10000);
    options->half_open_rate = rate(world, 200, 20000);
    options->stall_rate = rate(world, 100, 10000);
    options->slow_reader_rate = rate(world, 200, 20000);
    options->chunk_max = log_between(world, 1, 1 << 16);
    options->delay_max_us = log_between(world, 100, 100 * FQ_US_PER_MS);
    options->swizzle_rate = rate(world, 4, 64);
}

static void draw_task_faults(struct sim_options *options, sim_world *world) {
    options->worker_pause_rate = rate(world, 50, 10000);
    options->worker_death_rate = rate(world, 20, 10000);
    options->poison_rate = rate(world, 100, 10000);
    options->failure_rate = rate(world, 4, 1000);
    options->lie_rate = rate(world, 10, 1000);
    options->admin_rate = rate(world, 200, 20000);
    options->loss_max = below(world, 6);
}

// Behind all others, so that a seed draws for those what it always drew.
static void draw_later_faults(struct sim_options *options, sim_world *world) {
    options->sector_rate = rate(world, 2, 16);
    options->descriptor_rate = rate(world, 8, 256);
    options->stream = below(world, 4) == 0;
    options->log_rate = rate(world, 10, 10000);
    options->log_outage_rate = rate(world, 1000, 100000);
    options->log_full_rate = rate(world, 1000, 100000);
    options->usurper_rate = rate(world, 2, 64);
}

void sim_options_draw(struct sim_options *ret_options, sim_world *world) {
    *ret_options = (struct sim_options){0};
    draw_peers(ret_options, world);
    draw_journal(ret_options, world);
    draw_machine_faults(ret_options, world);
    draw_network_faults(ret_options, world);
    draw_task_faults(ret_options, world);
    draw_later_faults(ret_options, world);
}

// --- one by one -------------------------------------------------------------------------------------------------------
static uint64_t *field_of(struct sim_options *options, fq_str name) {
#define X(field, type, help)                                                                                 \
    if (fq_str_equal(name, FQ_STR(#field)))                                                                  \
        return &options->field;
    SIM_OPTIONS(X)
#undef X
    return NULL;
}

int sim_options_set(struct sim_options *options, const char *assignment) {
    const char *equals = strchr(assignment, '=');
    uint64_t value;
    if (equals == NULL || fq_str_to_uint64(fq_str_of(equals + 1), &value) < 0)
        return FQ_EINVALID;
    uint64_t *field = field_of(options, (fq_str){assignment, (size_t)(equals - assignment)});
    if (field == NULL)
        return FQ_EINVALID;
    *field = value;
    return 0;
}

static void clear(struct sim_options *options, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        *field_of(options, fq_str_of(names[i])) = 0;
}

void sim_options_settle(struct sim_options *options) {
    static const char *const of_disks[] = {
        "disk_bytes",       "relaxed",  "garbage_rate", "boot_crash_rate", "sync_error_rate",
        "write_error_rate", "rot_rate", "backup_rate",  "sector_rate",
    };
    static const char *const of_logs[] = {"log_rate", "log_outage_rate", "log_full_rate", "usurper_rate"};
    if (options->stream != 0)
        clear(options, of_disks, sizeof of_disks / sizeof of_disks[0]);
    else
        clear(options, of_logs, sizeof of_logs / sizeof of_logs[0]);
}

void sim_options_each(const struct sim_options *options,
                      void (*on_option)(void *context, const char *name, uint64_t value), void *context) {
#define X(field, type, help) on_option(context, #field, options->field);
    SIM_OPTIONS(X)
#undef X
}

// Peers that are hostile by nature stay so: they must not be able to keep anybody from coming to an end.
void sim_options_heal(struct sim_options *options) {
    static const char *const faults[] = {
        "kill_rate",        "power_rate",        "boot_crash_rate",   "garbage_rate",      "sync_error_rate",
        "write_error_rate", "rot_rate",          "slow_disk_rate",    "memory_rate",       "reset_rate",
        "half_open_rate",   "stall_rate",        "slow_reader_rate",  "swizzle_rate",      "wall_jump_rate",
        "drift_ppm",        "server_pause_rate", "worker_pause_rate", "worker_death_rate", "poison_rate",
        "crash_call",       "crash_power",       "failure_rate",      "lie_rate",          "admin_rate",
        "backup_rate",      "sector_rate",       "descriptor_rate",   "log_rate",          "log_outage_rate",
        "log_full_rate",    "usurper_rate",
    };
    clear(options, faults, sizeof faults / sizeof faults[0]);
    if (options->delay_max_us > 5 * FQ_US_PER_MS)
        options->delay_max_us = 5 * FQ_US_PER_MS;
}
