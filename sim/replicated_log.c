// SPDX-License-Identifier: Apache-2.0
#include "sim/replicated_log.h"

#include "base/assert.h"
#include "sim/log.h"

#include <stdlib.h>

enum {
    OUTAGE_MAX_US = 20 * FQ_US_PER_S,
    FULL_MAX_US = 10 * FQ_US_PER_S,
};

struct sim_replicated_log {
    sim_world *world;
    const struct sim_options *options;
    sim_disk *disk;
    sim_log *log;
    int64_t silent_until_us, full_until_us;
    bool is_beside;       // the calls are another process's …
    bool is_beside_dead;  // … which was killed …
    uint64_t beside_left; // … or will be after so many; 0: never
};

static bool strikes(sim_replicated_log *log, uint64_t one_in) {
    return sim_world_chance(log->world, SIM_STREAM_DISK, one_in);
}

static uint64_t below(sim_replicated_log *log, uint64_t bound) {
    return sim_world_below(log->world, SIM_STREAM_DISK, bound);
}

static bool writes(enum sim_log_call call) {
    return call == SIM_LOG_PUBLISH || call == SIM_LOG_PUT;
}

// Whether who calls lives to see the answer. The call that it dies at may have reached the servers.
static bool lives(sim_replicated_log *log, bool *ret_arrives) {
    *ret_arrives = false;
    if (!log->is_beside) {
        bool was_dead = sim_disk_is_dead(log->disk);
        bool is_dead = !sim_disk_tick(log->disk);
        *ret_arrives = is_dead && !was_dead && below(log, 2) == 0;
        return !is_dead;
    }
    if (log->is_beside_dead)
        return false;
    log->is_beside_dead = log->beside_left > 0 && --log->beside_left == 0;
    *ret_arrives = log->is_beside_dead && below(log, 2) == 0;
    return !log->is_beside_dead;
}

static void begin_trouble(sim_replicated_log *log, enum sim_log_call call) {
    int64_t now_us = sim_world_time(log->world);
    if (strikes(log, log->options->log_outage_rate)) {
        log->silent_until_us = now_us + 1 + (int64_t)below(log, OUTAGE_MAX_US);
        sim_world_count(log->world, "log without a quorum", 1);
        sim_world_say(log->world, "the log has no quorum until %lld", (long long)log->silent_until_us);
    }
    if (call == SIM_LOG_PUBLISH && strikes(log, log->options->log_full_rate)) {
        log->full_until_us = now_us + 1 + (int64_t)below(log, FULL_MAX_US);
        sim_world_count(log->world, "log full", 1);
        sim_world_say(log->world, "the log is full until %lld", (long long)log->full_until_us);
    }
}

static enum sim_log_fate misfortune(sim_replicated_log *log, enum sim_log_call call) {
    static const struct {
        enum sim_log_fate fate;
        const char *name;
    } fates[] = {
        {SIM_LOG_LOST,       "call to the log lost"        },
        {SIM_LOG_UNANSWERED, "answer of the log lost"      },
        {SIM_LOG_UNDER_WAY,  "refused by what is under way"},
        {SIM_LOG_DELAYED,    "publication delayed"         },
    };
    uint64_t kinds = call == SIM_LOG_PUBLISH ? 4 : writes(call) ? 3 : 2;
    uint64_t drawn = below(log, kinds);
    sim_world_count(log->world, fates[drawn].name, 1);
    sim_world_say(log->world, "%s (call %d)", fates[drawn].name, (int)call);
    return fates[drawn].fate;
}

static enum sim_log_fate fate_of(void *context, enum sim_log_call call, enum fq_stream_part part) {
    (void)part;
    sim_replicated_log *log = context;
    bool arrives;
    if (!lives(log, &arrives))
        return arrives ? SIM_LOG_UNANSWERED : SIM_LOG_LOST;
    begin_trouble(log, call);
    int64_t now_us = sim_world_time(log->world);
    if (now_us < log->silent_until_us)
        return SIM_LOG_LOST;
    if (call == SIM_LOG_PUBLISH && now_us < log->full_until_us)
        return SIM_LOG_FULL;
    return strikes(log, log->options->log_rate) ? misfortune(log, call) : SIM_LOG_DONE;
}

sim_replicated_log *sim_replicated_log_new(sim_world *world, const struct sim_options *options,
                                           sim_disk *disk) {
    sim_replicated_log *log = calloc(1, sizeof *log);
    FQ_ASSERT(log != NULL);
    log->world = world;
    log->options = options;
    log->disk = disk;
    struct sim_log_config config = {.fate = fate_of, .context = log};
    log->log = sim_log_new(&config);
    FQ_ASSERT(log->log != NULL);
    return log;
}

sim_replicated_log *sim_replicated_log_free(sim_replicated_log *log) {
    if (log == NULL)
        return NULL;
    sim_log_free(log->log);
    free(log);
    return NULL;
}

fq_stream *sim_replicated_log_open(sim_replicated_log *log) {
    fq_stream *stream = sim_log_open(log->log);
    FQ_ASSERT(stream != NULL);
    return stream;
}

void sim_replicated_log_beside(sim_replicated_log *log, uint64_t calls) {
    log->is_beside = true;
    log->is_beside_dead = false;
    log->beside_left = calls;
}

void sim_replicated_log_back(sim_replicated_log *log) {
    log->is_beside = false;
}

void sim_replicated_log_heal(sim_replicated_log *log) {
    log->silent_until_us = log->full_until_us = 0;
}
