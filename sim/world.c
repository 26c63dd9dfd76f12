// SPDX-License-Identifier: Apache-2.0
#include "sim/world.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/random.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 240, FAILURE_SIZE = 1024, COUNTS = 256, ARITY = 4, PPM = 1000000 };

static const int64_t BOOT_BEGIN_US = 1000 * (int64_t)FQ_US_PER_S;
static const int64_t WALL_BEGIN_US = 1800000000 * (int64_t)FQ_US_PER_S;

struct event {
    int64_t at_us;
    uint64_t tie;
    void (*run)(void *context, uint64_t argument);
    void *context;
    uint64_t argument;
};

struct sim_world {
    struct event *events; // a heap of ARITY
    size_t count, room;
    int64_t now_us;
    uint64_t run_count;
    fq_random random[SIM_STREAM_COUNT];
    // The server machine's boot clock runs along a line from here; its wall clock stands `wall_offset` beside it.
    int64_t drift_since_us, drift_boot_us, drift_ppm, wall_offset_us;
    uint64_t trace;
    struct {
        const char *name;
        uint64_t times;
    } counts[COUNTS]; // by the address of the literal
    char (*lines)[LINE_SIZE];
    size_t line_room, line_count;
    bool aloud;
    char failure[FAILURE_SIZE];
};

sim_world *sim_world_new(uint64_t seed) {
    sim_world *world = calloc(1, sizeof *world);
    FQ_ASSERT(world != NULL);
    for (uint64_t i = 0; i < SIM_STREAM_COUNT; i++)
        fq_random_seed(&world->random[i], fq_hash_mix(seed) + i * UINT64_C(0x9e3779b97f4a7c15));
    world->drift_boot_us = BOOT_BEGIN_US;
    world->wall_offset_us = WALL_BEGIN_US - BOOT_BEGIN_US;
    world->trace = seed;
    return world;
}

sim_world *sim_world_free(sim_world *world) {
    if (world == NULL)
        return NULL;
    free(world->events);
    free(world->lines);
    free(world);
    return NULL;
}

// --- clocks -----------------------------------------------------------------------------------------------------------
int64_t sim_world_time(const sim_world *world) {
    return world->now_us;
}

struct fq_now sim_world_server_now(const sim_world *world) {
    int64_t elapsed_us = world->now_us - world->drift_since_us;
    int64_t boot_us = world->drift_boot_us + elapsed_us + elapsed_us * world->drift_ppm / PPM;
    return (struct fq_now){boot_us, boot_us + world->wall_offset_us};
}

void sim_world_jump_wall(sim_world *world, int64_t us) {
    int64_t wall_us = sim_world_server_now(world).wall_us;
    world->wall_offset_us += us > 1 - wall_us ? us : 1 - wall_us;
}

void sim_world_set_drift(sim_world *world, int64_t ppm) {
    world->drift_boot_us = sim_world_server_now(world).boot_us;
    world->drift_since_us = world->now_us;
    world->drift_ppm = ppm;
}

void sim_world_restart_boot_clock(sim_world *world) {
    world->wall_offset_us = sim_world_server_now(world).wall_us;
    world->drift_boot_us = 0;
    world->drift_since_us = world->now_us;
}

int64_t sim_world_when(const sim_world *world, int64_t boot_us) {
    if (boot_us == FQ_NEVER_US)
        return FQ_NEVER_US;
    int64_t left_us = boot_us - sim_world_server_now(world).boot_us;
    if (left_us <= 0)
        return world->now_us;
    __int128 true_us = ((__int128)left_us * PPM + PPM + world->drift_ppm - 1) / (PPM + world->drift_ppm) + 1;
    return true_us > INT64_MAX / 2 ? FQ_NEVER_US : fq_time_add(world->now_us, (int64_t)true_us);
}

// --- chance -----------------------------------------------------------------------------------------------------------
uint64_t sim_world_random(sim_world *world, enum sim_stream stream) {
    return fq_random_next(&world->random[stream]);
}

uint64_t sim_world_below(sim_world *world, enum sim_stream stream, uint64_t bound) {
    return bound == 0 ? 0 : fq_random_below(&world->random[stream], bound);
}

bool sim_world_chance(sim_world *world, enum sim_stream stream, uint64_t one_in) {
    return one_in != 0 && fq_random_below(&world->random[stream], one_in) == 0;
}

// --- events -----------------------------------------------------------------------------------------------------------
static bool is_before(const struct event *a, const struct event *b) {
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->tie < b->tie;
}

void sim_world_at(sim_world *world, int64_t at_us, void (*run)(void *context, uint64_t argument),
                  void *context, uint64_t argument) {
    if (world->count == world->room) {
        world->room = world->room == 0 ? 256 : world->room * 2;
        world->events = realloc(world->events, world->room * sizeof *world->events);
        FQ_ASSERT(world->events != NULL);
    }
    struct event event = {.at_us = at_us > world->now_us ? at_us : world->now_us,
                          .tie = fq_random_next(&world->random[SIM_STREAM_SCHEDULE]),
                          .run = run,
                          .context = context,
                          .argument = argument};
    size_t at = world->count++;
    while (at > 0 && is_before(&event, &world->events[(at - 1) / ARITY])) {
        world->events[at] = world->events[(at - 1) / ARITY];
        at = (at - 1) / ARITY;
    }
    world->events[at] = event;
}

// Puts `event` where the root was taken from.
static void sink(sim_world *world, const struct event *event) {
    struct event *events = world->events;
    size_t at = 0;
    for (;;) {
        size_t child = at * ARITY + 1, least = child;
        if (child >= world->count)
            break;
        size_t end = child + ARITY < world->count ? child + ARITY : world->count;
        while (++child < end)
            if (is_before(&events[child], &events[least]))
                least = child;
        if (!is_before(&events[least], event))
            break;
        events[at] = events[least];
        at = least;
    }
    events[at] = *event;
}

bool sim_world_step(sim_world *world) {
    if (world->count == 0 || world->failure[0] != '\0')
        return false;
    struct event event = world->events[0];
    struct event last = world->events[--world->count];
    if (world->count > 0)
        sink(world, &last);
    world->now_us = event.at_us;
    world->run_count++;
    event.run(event.context, event.argument);
    return true;
}

uint64_t sim_world_events(const sim_world *world) {
    return world->run_count;
}

// --- trace, lines, failure, counts --------------------------------------------------------------------------------------
void sim_world_trace(sim_world *world, uint64_t what, const void *bytes, size_t len) {
    uint64_t step = fq_hash_bytes(bytes, len, what ^ (uint64_t)world->now_us << 8);
    world->trace = fq_hash_mix(world->trace ^ step);
}

uint64_t sim_world_trace_hash(const sim_world *world) {
    return world->trace;
}

void sim_world_keep_lines(sim_world *world, size_t count, bool aloud) {
    free(world->lines);
    world->lines = calloc(count, sizeof *world->lines);
    FQ_ASSERT(world->lines != NULL);
    world->line_room = count;
    world->line_count = 0;
    world->aloud = aloud;
}

void sim_world_say(sim_world *world, const char *format, ...) {
    if (world->line_room == 0)
        return;
    char *line = world->lines[world->line_count++ % world->line_room];
    int head = snprintf(line, LINE_SIZE, "%12.6f  ", (double)world->now_us / FQ_US_PER_S);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + head, LINE_SIZE - (size_t)head, format, arguments);
    va_end(arguments);
    if (world->aloud)
        fprintf(stderr, "%s\n", line);
}

void sim_world_each_line(const sim_world *world, void (*on_line)(void *context, const char *line),
                         void *context) {
    size_t kept = world->line_count < world->line_room ? world->line_count : world->line_room;
    for (size_t i = world->line_count - kept; i < world->line_count; i++)
        on_line(context, world->lines[i % world->line_room]);
}

void sim_world_fail(sim_world *world, const char *invariant, const char *format, ...) {
    if (world->failure[0] != '\0')
        return;
    int head = snprintf(world->failure, sizeof world->failure, "%s: ", invariant);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->failure + head, sizeof world->failure - (size_t)head, format, arguments);
    va_end(arguments);
    sim_world_say(world, "BROKEN %s", world->failure);
}

bool sim_world_failed(const sim_world *world) {
    return world->failure[0] != '\0';
}

const char *sim_world_failure(const sim_world *world) {
    return world->failure;
}

void sim_world_count(sim_world *world, const char *name, uint64_t times) {
    size_t at = (size_t)(fq_hash_mix((uintptr_t)name) % COUNTS);
    for (size_t tries = 0; tries < COUNTS; tries++, at = (at + 1) % COUNTS) {
        if (world->counts[at].name == NULL)
            world->counts[at].name = name;
        if (world->counts[at].name == name) {
            world->counts[at].times += times;
            return;
        }
    }
    FQ_ASSERT(!"too many names");
}

void sim_world_each_count(const sim_world *world,
                          void (*on_count)(void *context, const char *name, uint64_t times), void *context) {
    for (size_t i = 0; i < COUNTS; i++)
        if (world->counts[i].name != NULL)
            on_count(context, world->counts[i].name, world->counts[i].times);
}
