// SPDX-License-Identifier: Apache-2.0
#include "sim/campaign.h"

#include "fastqueue/error.h"

#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 64, REPORT_S = 60, LOOK_NS = 100000000, TRIM_BYTES = 256 << 20 };

// Shared by all processes of a campaign.
struct board {
    atomic_bool stops;
    struct sim_totals totals[JOBS_MAX];
};

static double clock_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static uint64_t cpu_us(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static void on_count(void *context, const char *name, uint64_t times) {
    sim_totals_count(context, name, times);
}

// A second run, whose fresh memory holds something else.
static void run_again(const struct sim_campaign *campaign, const struct sim_outcome *first,
                      struct sim_totals *totals) {
    struct sim_plan plan = campaign->plan;
    struct sim_outcome second;
    plan.seed = totals->seed;
    (void)mallopt(M_PERTURB, 0xa5);
    sim_run(&plan, &second);
    (void)mallopt(M_PERTURB, 0);
    if (second.trace == first->trace && strcmp(second.failure, first->failure) == 0) {
        totals->repeated++;
        sim_totals_count(totals, "S37", 1);
        return;
    }
    totals->has_failed = true;
    snprintf(totals->failure, sizeof totals->failure,
             "S37: two runs of the seed are not the same: hashes %016llx and %016llx",
             (unsigned long long)first->trace, (unsigned long long)second.trace);
}

static void run_one(const struct sim_campaign *campaign, uint64_t seed, struct sim_totals *totals) {
    struct sim_plan plan = campaign->plan;
    struct sim_outcome outcome;
    totals->seed = plan.seed = seed;
    plan.on_count = on_count;
    plan.context = totals;
    uint64_t begin_us = cpu_us();
    double begin_s = clock_s();
    sim_run(&plan, &outcome);
    totals->cpu_us += cpu_us() - begin_us;
    totals->clock_us += (uint64_t)((clock_s() - begin_s) * 1e6);
    sim_totals_add_run(totals, &outcome);
    totals->has_failed = outcome.failure[0] != '\0';
    memcpy(totals->failure, outcome.failure, sizeof totals->failure);
    if (!totals->has_failed && campaign->repeat != 0 && seed % campaign->repeat == 0)
        run_again(campaign, &outcome, totals);
}

static void work(const struct sim_campaign *campaign, struct board *board, unsigned job) {
    struct sim_totals *totals = &board->totals[job];
    (void)mallopt(M_MMAP_THRESHOLD, TRIM_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
    double until_s = campaign->seconds > 0 ? clock_s() + (double)campaign->seconds : 1e300;
    for (uint64_t seed = campaign->first + job; seed <= campaign->last && seed >= campaign->first;
         seed += campaign->jobs) {
        if (atomic_load(&board->stops) || clock_s() >= until_s)
            return;
        run_one(campaign, seed, totals);
        if (totals->has_failed) {
            atomic_store(&board->stops, true);
            return;
        }
    }
}

static pid_t start(const struct sim_campaign *campaign, struct board *board, unsigned job) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    work(campaign, board, job);
    _exit(0);
}

// A process that an assertion or a signal ended has found something as well.
static void note_end(struct board *board, unsigned job, int status) {
    struct sim_totals *totals = &board->totals[job];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    totals->has_failed = true;
    snprintf(totals->failure, sizeof totals->failure, "CRASH: the program was ended by %s %d",
             WIFSIGNALED(status) ? "signal" : "exit code",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    atomic_store(&board->stops, true);
}

static void sum_up(const struct board *board, unsigned jobs, struct sim_totals *ret_totals) {
    memset(ret_totals, 0, sizeof *ret_totals);
    for (unsigned i = 0; i < jobs; i++)
        sim_totals_add(ret_totals, &board->totals[i]);
}

// Takes notice of processes that ended; how many are left.
static unsigned reap(const struct sim_campaign *campaign, struct board *board, pid_t *pids, unsigned left) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (unsigned i = 0; i < campaign->jobs; i++)
            if (pids[i] == pid) {
                note_end(board, i, status);
                left--;
            }
    return pid < 0 ? 0 : left;
}

// Until all have ended. A signal to end lets each finish the seed that it is at.
static void wait_for_all(const struct sim_campaign *campaign, struct board *board, pid_t *pids,
                         const sigset_t *ends, struct sim_totals *totals) {
    static const struct timespec look = {.tv_nsec = LOOK_NS};
    double report_s = clock_s() + REPORT_S;
    for (unsigned left = campaign->jobs; (left = reap(campaign, board, pids, left)) > 0;) {
        int number = sigtimedwait(ends, NULL, &look);
        if (number == SIGINT || number == SIGTERM)
            atomic_store(&board->stops, true);
        if (campaign->reports && clock_s() >= report_s) {
            report_s += REPORT_S;
            sum_up(board, campaign->jobs, totals);
            sim_totals_print(totals, stdout);
            fflush(stdout);
        }
    }
}

int sim_campaign_run(const struct sim_campaign *campaign, struct sim_totals *ret_totals) {
    struct sim_campaign fitted = *campaign;
    fitted.jobs = campaign->jobs < 1 ? 1 : campaign->jobs > JOBS_MAX ? JOBS_MAX : campaign->jobs;
    struct board *board =
        mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return FQ_ENOMEM;
    pid_t pids[JOBS_MAX];
    sigset_t ends, before;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGCHLD);
    sigprocmask(SIG_BLOCK, &ends, &before);
    for (unsigned i = 0; i < fitted.jobs; i++)
        pids[i] = start(&fitted, board, i);
    wait_for_all(&fitted, board, pids, &ends, ret_totals);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sum_up(board, fitted.jobs, ret_totals);
    ret_totals->is_whole = campaign->plan.pin_count == 0;
    munmap(board, sizeof *board);
    return 0;
}
