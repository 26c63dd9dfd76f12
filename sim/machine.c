// SPDX-License-Identifier: Apache-2.0
// What goes wrong with the machine by itself: calls to the disk that fail or are the last, a disk that somebody else fills,
// descriptors that run out, clocks that jump, a host that stands still. Rot has a file of its own.
#include "sim/server_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { BOOT_CALLS = 200, BOOT_DEATHS = 5, SLOWEST_US = 5 * FQ_US_PER_S, PAUSE_MAX_US = 20 * FQ_US_PER_S };
enum { SHORTAGE_LEAST_US = 100 * FQ_US_PER_MS, SHORTAGE_MAX_US = 10 * FQ_US_PER_S };

static uint64_t below(sim_server *server, enum sim_stream stream, uint64_t bound) {
    return sim_world_below(server->world, stream, bound);
}

static bool strikes(sim_server *server, enum sim_stream stream, uint64_t one_in) {
    return sim_world_chance(server->world, stream, one_in);
}

// --- calls to the disk --------------------------------------------------------------------------------------------------
static int judge_call(void *context, enum sim_call kind) {
    sim_server *server = context;
    if ((kind == SIM_SYNC || kind == SIM_SYNC_DIRECTORY) &&
        strikes(server, SIM_STREAM_DISK, server->options->sync_error_rate)) {
        sim_world_count(server->world, "sync failed", 1);
        sim_world_say(server->world, "a sync fails");
        server->cache_lies = true;
        return below(server, SIM_STREAM_DISK, 2) == 0 ? -EIO : -ENOSPC;
    }
    if (kind == SIM_WRITE && strikes(server, SIM_STREAM_DISK, server->options->write_error_rate)) {
        sim_world_count(server->world, "write failed", 1);
        sim_world_say(server->world, "a write fails");
        return below(server, SIM_STREAM_DISK, 2) == 0 ? -EIO : -ENOSPC;
    }
    if (kind == SIM_OPEN && server->no_descriptors) {
        sim_world_count(server->world, "no descriptor for a file", 1);
        return -EMFILE;
    }
    return 0;
}

void sim_machine_arm(sim_server *server, bool is_booting) {
    const struct sim_options *options = server->options;
    uint64_t kill = options->kill_rate, power = options->power_rate, calls = 0;
    bool dies_again = is_booting && server->boot_deaths < BOOT_DEATHS &&
                      strikes(server, SIM_STREAM_CRASH, options->boot_crash_rate);
    if (kill != 0)
        kill = 1 + below(server, SIM_STREAM_CRASH, 2 * kill);
    if (power != 0)
        power = 1 + below(server, SIM_STREAM_CRASH, 2 * power);
    if (dies_again) {
        calls = 1 + below(server, SIM_STREAM_CRASH, BOOT_CALLS);
        server->crash_kind = below(server, SIM_STREAM_CRASH, 2) == 0 ? SIM_DEATH_KILL : SIM_DEATH_POWER;
    } else if (!is_booting && (kill != 0 || power != 0)) {
        bool is_kill = power == 0 || (kill != 0 && kill < power);
        calls = is_kill ? kill : power;
        server->crash_kind = is_kill ? SIM_DEATH_KILL : SIM_DEATH_POWER;
    }
    if (options->crash_call > sim_disk_calls(server->disk)) {
        server->crash_kind = options->crash_power != 0 ? SIM_DEATH_POWER : SIM_DEATH_KILL;
        sim_disk_crash_at(server->disk, options->crash_call);
        return;
    }
    sim_disk_crash_at(server->disk, calls == 0 ? 0 : sim_disk_calls(server->disk) + calls);
}

int64_t sim_machine_disk_us(sim_server *server) {
    if (strikes(server, SIM_STREAM_DISK, server->options->slow_disk_rate)) {
        sim_world_count(server->world, "disk slow", 1);
        return (int64_t)below(server, SIM_STREAM_DISK, SLOWEST_US);
    }
    return 30 + (int64_t)below(server, SIM_STREAM_DISK, 200);
}

void sim_machine_job_begins(sim_server *server, int64_t us) {
    server->slow_since_us = us > FQ_US_PER_MS ? sim_world_time(server->world) : 0;
}

void sim_machine_job_ends(sim_server *server) {
    if (server->slow_since_us != 0)
        server->slow_us += sim_world_time(server->world) - server->slow_since_us;
    server->slow_since_us = 0;
}

static int64_t brisk_us(sim_server *server) {
    int64_t now_us = sim_world_time(server->world), slow_us = server->slow_us;
    if (server->slow_since_us != 0)
        slow_us += now_us - server->slow_since_us;
    now_us -= slow_us + server->stopped_us;
    if (now_us > server->brisk_us) // what is slow while the machine stands still counts twice
        server->brisk_us = now_us;
    return server->brisk_us;
}

struct files {
    sim_server *server;
    char segment[SIM_PATH_MAX];
    struct sim_space *space;
};

static void look_at_file(void *context, const char *path) {
    struct files *files = context;
    const sim_disk *disk = files->server->disk;
    if (strcmp(path, "seg/next.tmp") == 0)
        files->space->spare_bytes = sim_disk_size(disk, path);
    else if (strcmp(path, "RESERVE") == 0)
        files->space->reserve_bytes = sim_disk_size(disk, path);
    else if (strncmp(path, "seg/", 4) == 0 && strcmp(path, files->segment) > 0)
        snprintf(files->segment, sizeof files->segment, "%s", path);
}

void sim_machine_tell(sim_server *server) {
    struct sim_space space = {.told_free = sim_disk_told_free(server->disk),
                              .low_water = SIM_LOW_WATER_BYTES,
                              .refused = sim_disk_refused(server->disk),
                              .brisk_us = brisk_us(server)};
    if (server->options->disk_bytes != 0 || server->is_healed) {
        struct files files = {.server = server, .space = &space};
        sim_disk_each(server->disk, look_at_file, &files);
        if (files.segment[0] != 0)
            space.segment_bytes = sim_disk_size(server->disk, files.segment);
    }
    sim_model_space(server->model, &space);
}

// --- each second ----------------------------------------------------------------------------------------------------------
static void jump(sim_server *server) {
    static const int64_t longest_s[] = {1, 60, 3600, 86400, 86400 * 365};
    int64_t most = longest_s[below(server, SIM_STREAM_CLOCK, sizeof longest_s / sizeof longest_s[0])];
    int64_t us = (int64_t)below(server, SIM_STREAM_CLOCK, (uint64_t)most * FQ_US_PER_S);
    bool back = below(server, SIM_STREAM_CLOCK, 2) == 0;
    sim_world_count(server->world, back ? "wall clock set back" : "wall clock set forward", 1);
    sim_world_say(server->world, "the wall clock jumps by %lld us", (long long)(back ? -us : us));
    sim_world_jump_wall(server->world, back ? -us : us);
}

// Somebody else fills the disk, or gives room back.
static void fill_disk(sim_server *server) {
    uint64_t total = server->options->disk_bytes;
    if (total == 0 || server->is_healed || !strikes(server, SIM_STREAM_DISK, 4))
        return;
    bool fills = below(server, SIM_STREAM_DISK, 2) == 0;
    server->tenant_bytes = fills ? total / 2 + below(server, SIM_STREAM_DISK, total / 2)
                                 : below(server, SIM_STREAM_DISK, total / 2);
    if (fills)
        sim_world_count(server->world, "disk filled by another", 1);
    sim_disk_set_capacity(server->disk, total - server->tenant_bytes);
}

static void on_descriptors(void *context, uint64_t number) {
    sim_server *server = context;
    if (number != server->shortages)
        return;
    server->no_descriptors = false;
    sim_network_exhaust(server->network, false);
}

// For a while neither a file can be opened nor a caller be accepted.
static void exhaust_descriptors(sim_server *server) {
    int64_t us = SHORTAGE_LEAST_US + (int64_t)below(server, SIM_STREAM_CLOCK, SHORTAGE_MAX_US);
    sim_world_count(server->world, "descriptors used up", 1);
    sim_world_say(server->world, "no descriptors for %lld us", (long long)us);
    server->no_descriptors = true;
    sim_network_exhaust(server->network, true);
    sim_world_at(server->world, sim_world_time(server->world) + us, on_descriptors, server,
                 ++server->shortages);
}

static void on_second(void *context, uint64_t argument) {
    (void)argument;
    sim_server *server = context;
    const struct sim_options *options = server->options;
    if (strikes(server, SIM_STREAM_CLOCK, options->wall_jump_rate))
        jump(server);
    if (strikes(server, SIM_STREAM_CLOCK, options->server_pause_rate))
        sim_server_pause(server, (int64_t)below(server, SIM_STREAM_CLOCK, PAUSE_MAX_US));
    if (strikes(server, SIM_STREAM_NETWORK, options->swizzle_rate))
        sim_network_swizzle(server->network);
    if (strikes(server, SIM_STREAM_DISK, options->backup_rate))
        sim_server_backup(server);
    if (server->log != NULL && strikes(server, SIM_STREAM_CLOCK, options->usurper_rate))
        sim_usurper_strike(server);
    if (strikes(server, SIM_STREAM_CLOCK, options->descriptor_rate))
        exhaust_descriptors(server);
    fill_disk(server);
    sim_world_at(server->world, sim_world_time(server->world) + FQ_US_PER_S, on_second, server, 0);
}

void sim_machine_init(sim_server *server) {
    server->disk = sim_disk_new(sim_world_random(server->world, SIM_STREAM_DISK));
    sim_disk_set_judge(server->disk, judge_call, server);
    sim_disk_set_capacity(server->disk, server->options->disk_bytes);
    bool slow = below(server, SIM_STREAM_CLOCK, 2) == 0;
    int64_t ppm = (int64_t)server->options->drift_ppm;
    sim_world_set_drift(server->world, slow ? -ppm : ppm);
    sim_world_at(server->world, FQ_US_PER_S, on_second, server, 0);
}
