// SPDX-License-Identifier: Apache-2.0
#include "sim/small.h"

#include "fastqueue/error.h"
#include "sim/small_world.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// --- one script ---------------------------------------------------------------------------------------------------------
static void name_world(const struct sim_small_world *small, char *text, size_t size) {
    static const char kinds[] = "nkp";
    snprintf(text, size, "%s:%c:%c:%" PRIu64, small->script, small->at_once ? 'a' : 'w', kinds[small->crash],
             small->call);
}

static bool run_world(const struct sim_small_world *small, struct sim_small_totals *totals,
                      struct sim_small_outcome *ret_outcome) {
    sim_small_world_run(small, ret_outcome);
    totals->worlds++;
    totals->kills += small->crash == SIM_SMALL_KILL;
    totals->power_cuts += small->crash == SIM_SMALL_POWER;
    totals->operations += ret_outcome->operations;
    totals->checks += ret_outcome->checks;
    if (ret_outcome->failure[0] == '\0')
        return true;
    name_world(small, totals->failed, sizeof totals->failed);
    snprintf(totals->failure, sizeof totals->failure, "%s", ret_outcome->failure);
    return false;
}

// A script without a crash, then with one at each of the calls that were made from its first command to its last.
static bool run_script(struct sim_small_world small, struct sim_small_totals *totals) {
    struct sim_small_outcome plain, outcome;
    small.crash = SIM_SMALL_NONE;
    small.call = 0;
    if (!run_world(&small, totals, &plain))
        return false;
    for (small.call = plain.first_call + 1; small.call <= plain.calls; small.call++) {
        small.crash = SIM_SMALL_KILL;
        if (!run_world(&small, totals, &outcome))
            return false;
        small.crash = SIM_SMALL_POWER;
        if (!run_world(&small, totals, &outcome))
            return false;
    }
    return true;
}

// --- all of them ----------------------------------------------------------------------------------------------------------
// An odometer of letters: the next script of at most `depth` letters, shortest first; false at the end.
static bool next_script(char *script, unsigned depth) {
    size_t len = strlen(script), letters = strlen(sim_small_letters);
    for (size_t i = len; i-- > 0;) {
        size_t digit = (size_t)(strchr(sim_small_letters, script[i]) - sim_small_letters) + 1;
        if (digit < (i == 0 ? SIM_SMALL_BEGINNINGS : letters)) {
            script[i] = sim_small_letters[digit];
            return true;
        }
        script[i] = sim_small_letters[0];
    }
    if (len == depth)
        return false;
    memset(script, sim_small_letters[0], len + 1);
    script[len + 1] = '\0';
    return true;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void run_share(const struct sim_small_plan *plan, unsigned job, struct sim_small_totals *totals) {
    struct sim_small_world small = {.script = ""};
    unsigned depth = plan->depth < SIM_SMALL_MAX ? plan->depth : SIM_SMALL_MAX;
    double until = plan->seconds > 0 ? seconds_now() + (double)plan->seconds : 1e18;
    for (uint64_t number = 0; next_script(small.script, depth); number++) {
        if (number % plan->jobs != job)
            continue;
        if (seconds_now() > until)
            return;
        totals->scripts++;
        small.at_once = false;
        if (!run_script(small, totals))
            return;
        small.at_once = true;
        if (!run_script(small, totals))
            return;
    }
    totals->is_complete = true;
}

static void add(struct sim_small_totals *totals, const struct sim_small_totals *share) {
    totals->scripts += share->scripts;
    totals->worlds += share->worlds;
    totals->kills += share->kills;
    totals->power_cuts += share->power_cuts;
    totals->operations += share->operations;
    totals->checks += share->checks;
    totals->is_complete = totals->is_complete && share->is_complete;
    if (share->failed[0] != '\0' && totals->failed[0] == '\0') {
        memcpy(totals->failed, share->failed, sizeof totals->failed);
        memcpy(totals->failure, share->failure, sizeof totals->failure);
    }
}

static bool start_share(const struct sim_small_plan *plan, unsigned job, int *ret_fd) {
    int pipe_fds[2];
    if (pipe(pipe_fds) < 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        mallopt(M_MMAP_THRESHOLD, 1 << 30); // worlds come and go by the thousand: their memory stays
        mallopt(M_TRIM_THRESHOLD, 1 << 30);
        struct sim_small_totals share = {.scripts = 0};
        close(pipe_fds[0]);
        run_share(plan, job, &share);
        _exit(write(pipe_fds[1], &share, sizeof share) == (ssize_t)sizeof share ? 0 : 1);
    }
    close(pipe_fds[1]);
    *ret_fd = pipe_fds[0];
    return child > 0;
}

static void run_all(const struct sim_small_plan *plan, struct sim_small_totals *totals) {
    enum { JOBS_MAX = 64 };
    int fds[JOBS_MAX];
    struct sim_small_plan own = *plan;
    own.jobs = plan->jobs < 1 ? 1 : plan->jobs > JOBS_MAX ? JOBS_MAX : plan->jobs;
    unsigned started = 0;
    while (started < own.jobs && start_share(&own, started, &fds[started]))
        started++;
    totals->is_complete = started == own.jobs;
    for (unsigned i = 0; i < started; i++) {
        struct sim_small_totals share = {.scripts = 0};
        bool came = read(fds[i], &share, sizeof share) == (ssize_t)sizeof share;
        close(fds[i]);
        int status;
        bool ended = wait(&status) > 0;
        if (!came || !ended)
            snprintf(totals->failure, sizeof totals->failure, "CRASH: a process of small worlds died");
        add(totals, &share);
    }
    if (totals->failure[0] != '\0' && totals->failed[0] == '\0')
        snprintf(totals->failed, sizeof totals->failed, "?");
}

// --- one alone --------------------------------------------------------------------------------------------------------------
static int parse_world(const char *text, struct sim_small_world *small) {
    char mode = 'w', kind = 'n';
    char letters[SIM_SMALL_MAX + 2] = "";
    *small = (struct sim_small_world){.aloud = true};
    int found = sscanf(text, "%9[a-z]:%c:%c:%" SCNu64, letters, &mode, &kind, &small->call);
    if (found < 1 || strlen(letters) > SIM_SMALL_MAX ||
        strspn(letters, sim_small_letters) != strlen(letters) || strchr("wa", mode) == NULL ||
        strchr("nkp", kind) == NULL)
        return FQ_EINVALID;
    memcpy(small->script, letters, strlen(letters) + 1);
    small->at_once = mode == 'a';
    small->crash = kind == 'k' ? SIM_SMALL_KILL : kind == 'p' ? SIM_SMALL_POWER : SIM_SMALL_NONE;
    return 0;
}

int sim_small_run(const struct sim_small_plan *plan, struct sim_small_totals *ret_totals) {
    struct sim_small_totals totals = {.scripts = 0};
    double begun = seconds_now();
    if (plan->script != NULL) {
        struct sim_small_world small;
        struct sim_small_outcome outcome;
        int rc = parse_world(plan->script, &small);
        if (rc < 0)
            return rc;
        totals.scripts = 1;
        totals.is_complete = run_world(&small, &totals, &outcome);
    } else {
        run_all(plan, &totals);
    }
    totals.seconds = seconds_now() - begun;
    *ret_totals = totals;
    return 0;
}

// --- telling ----------------------------------------------------------------------------------------------------------------
void sim_small_print(const struct sim_small_totals *totals, FILE *out) {
    fprintf(out,
            "small worlds: %" PRIu64 " scripts, %" PRIu64 " worlds (%" PRIu64 " kills, %" PRIu64
            " power cuts), %" PRIu64 " operations, %" PRIu64 " checks of invariants, %.1f s%s\n",
            totals->scripts, totals->worlds, totals->kills, totals->power_cuts, totals->operations,
            totals->checks, totals->seconds, totals->is_complete ? "" : ", not all of them");
    if (totals->failed[0] != '\0')
        fprintf(out, "BROKEN %s\nrepeat with: fq-sim --small-world %s\n", totals->failure, totals->failed);
}

static void write_row(FILE *out, const char *name, double value, const char *unit, const char *expected,
                      bool ok, bool is_last) {
    fprintf(out,
            "  {\"name\": \"%s\", \"value\": %.0f, \"unit\": \"%s\", \"expected\": \"%s\", \"ok\": %s}%s\n",
            name, value, unit, expected, ok ? "true" : "false", is_last ? "" : ",");
}

int sim_small_write(const struct sim_small_totals *totals, const char *path, const char *commit) {
    FILE *out = fopen(path, "w");
    if (out == NULL)
        return -1;
    fprintf(out, "{\"suite\": \"sim_small\", \"commit\": \"%s\", \"rows\": [\n", commit);
    write_row(out, "scripts of a client and two workers", (double)totals->scripts, "", "all up to the depth",
              totals->is_complete, false);
    write_row(out, "worlds run", (double)totals->worlds, "", "", true, false);
    write_row(out, "worlds with a kill", (double)totals->kills, "", "one at every call to the disk", true,
              false);
    write_row(out, "worlds with a power cut", (double)totals->power_cuts, "", "one at every call to the disk",
              true, false);
    write_row(out, "invariants checked", (double)totals->checks, "", "", true, false);
    write_row(out, "worlds that broke one", totals->failed[0] != '\0' ? 1 : 0, "", "0",
              totals->failed[0] == '\0', false);
    write_row(out, "time", totals->seconds, "s", "", true, true);
    fputs("]}\n", out);
    return fclose(out) == 0 ? 0 : -1;
}
