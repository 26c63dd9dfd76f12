// SPDX-License-Identifier: Apache-2.0
#include "sim/totals.h"

#include "fastqueue/error.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void sim_totals_add_run(struct sim_totals *totals, const struct sim_outcome *outcome) {
    totals->seeds++;
    totals->operations += outcome->operations;
    totals->events += outcome->events;
    totals->simulated_us += (uint64_t)outcome->simulated_us;
    totals->boots += outcome->server.boots;
    totals->kills += outcome->server.kills;
    totals->power_cuts += outcome->server.power_cuts;
    totals->failures += outcome->server.failures;
    totals->refusals += outcome->server.refusals;
    totals->compactions += outcome->server.compactions;
    totals->disk_calls += outcome->server.disk_calls;
    totals->commands += outcome->server.commands;
    totals->acknowledged += outcome->model.acknowledged;
    totals->executed += outcome->model.executed;
    totals->executed_twice += outcome->model.executed_twice;
    totals->stale += outcome->model.stale;
    totals->recoveries += outcome->model.recoveries;
    totals->checks += outcome->model.checks;
}

static size_t find(const struct sim_totals *totals, const char *name) {
    size_t at = 0;
    while (at < totals->count_count && strcmp(totals->counts[at].name, name) != 0)
        at++;
    return at;
}

void sim_totals_count(struct sim_totals *totals, const char *name, uint64_t times) {
    size_t at = find(totals, name);
    if (at == SIM_TOTAL_NAMES)
        return;
    if (at == totals->count_count) {
        snprintf(totals->counts[at].name, sizeof totals->counts[at].name, "%s", name);
        totals->count_count++;
    }
    totals->counts[at].times += times;
}

uint64_t sim_totals_times(const struct sim_totals *totals, const char *name) {
    size_t at = find(totals, name);
    return at < totals->count_count ? totals->counts[at].times : 0;
}

void sim_totals_add(struct sim_totals *totals, const struct sim_totals *part) {
#define X(field, what) totals->field += part->field;
    SIM_TOTALS(X)
#undef X
    for (size_t i = 0; i < part->count_count; i++)
        sim_totals_count(totals, part->counts[i].name, part->counts[i].times);
    if (part->has_failed && (!totals->has_failed || part->seed < totals->seed)) {
        totals->has_failed = true;
        totals->seed = part->seed;
        memcpy(totals->failure, part->failure, sizeof totals->failure);
    }
}

double sim_totals_speed(const struct sim_totals *totals) {
    return totals->cpu_us == 0 ? 0 : (double)totals->operations * 1e6 / (double)totals->cpu_us;
}

static int by_name(const void *a, const void *b) {
    return strcmp(a, b); // the name comes first in its row
}

static double speed_by_clock(const struct sim_totals *totals) {
    return totals->clock_us == 0 ? 0 : (double)totals->operations * 1e6 / (double)totals->clock_us;
}

static double hours(const struct sim_totals *totals) {
    return (double)totals->simulated_us / 3600e6;
}

static void print_missing(void *context, const char *name) {
    fprintf(context, "  NEVER CAME UP: %s\n", name);
}

void sim_totals_print(const struct sim_totals *totals, FILE *out) {
    fprintf(out,
            "%" PRIu64 " seeds, %" PRIu64 " operations (%.0f/s and core, %.0f/s by the clock), %" PRIu64
            " events, %.1f simulated hours\n",
            totals->seeds, totals->operations, sim_totals_speed(totals), speed_by_clock(totals),
            totals->events, hours(totals));
    fprintf(out,
            "%" PRIu64 " boots, %" PRIu64 " kills, %" PRIu64 " power cuts, %" PRIu64
            " journal failures, %" PRIu64 " refusals, %" PRIu64 " compactions, %" PRIu64
            " calls to the disk\n",
            totals->boots, totals->kills, totals->power_cuts, totals->failures, totals->refusals,
            totals->compactions, totals->disk_calls);
    fprintf(out,
            "%" PRIu64 " tasks acknowledged, %" PRIu64 " executed, %" PRIu64
            " of them more than once, %" PRIu64 " stale tokens refused, %" PRIu64
            " recoveries compared, %" PRIu64 " checks of invariants\n",
            totals->acknowledged, totals->executed, totals->executed_twice, totals->stale, totals->recoveries,
            totals->checks);
    if (totals->is_whole && totals->seeds >= SIM_TOTALS_WHOLE_SEEDS)
        sim_totals_missing(totals, print_missing, out);
    struct sim_totals *sorted = malloc(sizeof *sorted);
    if (sorted == NULL)
        return;
    *sorted = *totals;
    qsort(sorted->counts, sorted->count_count, sizeof sorted->counts[0], by_name);
    for (size_t i = 0; i < sorted->count_count; i++)
        fprintf(out, "  %-44s %12" PRIu64 "\n", sorted->counts[i].name, sorted->counts[i].times);
    free(sorted);
}

static void write_row(FILE *out, const char *name, double value, const char *unit, const char *expected,
                      bool ok) {
    fprintf(out,
            ",\n  {\"name\": \"%s\", \"value\": %.15g, \"unit\": \"%s\", \"expected\": \"%s\", \"ok\": %s}",
            name, value, unit, expected, ok ? "true" : "false");
}

// A process that shared its core with others says nothing about how fast it can be: too little is then no verdict.
static void write_speed(FILE *out, const struct sim_totals *totals) {
    enum { WANTED = 300000, SHARED_BELOW = 95 }; // of 100
    double speed = sim_totals_speed(totals);
    bool is_shared = totals->cpu_us * 100 < totals->clock_us * SHARED_BELOW;
    fprintf(out,
            ",\n  {\"name\": \"operations a second and core\", \"value\": %.0f, \"unit\": \"1/s\", "
            "\"expected\": \">= %d on a core of its own\", \"ok\": %s}",
            speed, WANTED,
            speed >= WANTED ? "true"
            : is_shared     ? "null"
                            : "false");
}

int sim_totals_write(const struct sim_totals *totals, const char *path, const char *commit) {
    FILE *out = fopen(path, "w");
    if (out == NULL)
        return FQ_EIO;
    fprintf(out, "{\"suite\": \"sim\", \"commit\": \"%s\", \"rows\": [\n", commit);
    fprintf(
        out,
        "  {\"name\": \"invariants broken\", \"value\": %d, \"unit\": \"\", \"expected\": \"0\", \"ok\": %s}",
        totals->has_failed, totals->has_failed ? "false" : "true");
    write_speed(out, totals);
    write_row(out, "operations a second of a process by the clock", (double)(uint64_t)speed_by_clock(totals),
              "1/s", "", true);
    if (totals->is_whole && totals->seeds >= SIM_TOTALS_WHOLE_SEEDS) {
        size_t missing = sim_totals_missing(totals, NULL, NULL);
        write_row(out, "faults and checks that never came up", (double)missing, "", "0", missing == 0);
    }
    write_row(out, "simulated hours", (double)(uint64_t)(hours(totals) * 10) / 10, "h", "", true);
#define X(field, what) write_row(out, what, (double)totals->field, "", "", true);
    SIM_TOTALS(X)
#undef X
    for (size_t i = 0; i < totals->count_count; i++)
        write_row(out, totals->counts[i].name, (double)totals->counts[i].times, "times", "", true);
    fputs("\n]}\n", out);
    return fclose(out) == 0 ? 0 : FQ_EIO;
}
