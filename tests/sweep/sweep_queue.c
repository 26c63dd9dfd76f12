// SPDX-License-Identifier: Apache-2.0
// Every n-th failure of memory and disk over a fixed script: submit, fetch, heartbeat, complete, fail, cancel, compact,
// requeue, restart, through the real session, server core, journal and engine in one process. Each n once, and once with
// everything behind it failing too, until the script passes untouched. Whatever fails, the process goes on or the server
// ends as it should; afterwards everything that was acknowledged is there, the engine is whole, and no memory is missing.
//
//   sweep_queue [--every N] [--evidence FILE]      --every 7: only each 7th failure, for a quick look
#include "base/assert.h"
#include "faulty_disk.h"
#include "faulty_memory.h"
#include "queue_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID(n) "00000000-0000-4000-8000-00000000000" #n

enum { TASKS = 8, LEASED = 4, RUNS_MAX = 100000 };
static const char *const ids[TASKS] = {ID(0), ID(1), ID(2), ID(3), ID(4), ID(5), ID(6), ID(7)};

// What the client was told.
struct told {
    bool submitted[TASKS], completed[TASKS], failed[TASKS], cancelled[TASKS];
    bool requeued; // asked for: whatever came of it, the task may have gone on
    int refused;
};

static void note(struct told *told, bool *fact, bool holds) {
    *fact = *fact || holds;
    told->refused += !holds;
}

// --- the script ---------------------------------------------------------------------------------------------------------
static void submit_all(struct queue_world *world, struct told *told, int from, int to) {
    for (int i = from; i < to; i++) {
        struct fq_submit_options options;
        fq_submit_options_init(&options);
        options.retries = i == 1 ? 2 : 0;
        options.delay_ms = i == 2 ? 50 : 0;
        options.unique = i == 3 ? "key" : NULL;
        options.traceparent = i == 4 ? "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" : NULL;
        note(told, &told->submitted[i], queue_world_submit(world, ids[i], &options) == 0);
    }
}

// The token under which a task is leased; the engine is asked so that a lost answer of FETCH ends no script.
static bool token_of(struct queue_world *world, int task, char text[24]) {
    struct fq_task_view view;
    fq_uuid id;
    FQ_ASSERT(fq_uuid_parse(fq_str_of(ids[task]), &id) == 0);
    if (world->engine == NULL || fq_engine_task(world->engine, &id, &view) != 0 ||
        view.state != FQ_TASK_STARTED)
        return false;
    snprintf(text, 24, "%llu", (unsigned long long)view.token);
    return true;
}

static void work(struct queue_world *world, struct told *told, bool all_succeed) {
    char token[24];
    told->refused += queue_world_ask(world, "FQ.REGISTER", "w", "TASKS", "add", "SLOTS", "9", NULL) < 0;
    told->refused += queue_world_ask(world, "FQ.FETCH", "WORKER", "w", "COUNT", "9", NULL) < 0;
    for (int i = 0; i < TASKS; i++) {
        if (!token_of(world, i, token))
            continue;
        told->refused += queue_world_ask(world, "FQ.HEARTBEAT", ids[i], token, "running", NULL) < 0;
        if (!all_succeed && i == 1)
            told->refused += queue_world_ask(world, "FQ.FAIL", ids[i], token, "E", "again", NULL) < 0;
        else if (!all_succeed && i == 3)
            note(told, &told->failed[i],
                 queue_world_ask(world, "FQ.FAIL", ids[i], token, "E", "no", "NORETRY", NULL) >= 0);
        else if (!all_succeed && i == 4)
            told->refused += queue_world_ask(world, "FQ.RELEASE", ids[i], token, NULL) < 0;
        else
            note(told, &told->completed[i],
                 queue_world_ask(world, "FQ.COMPLETE", ids[i], token, "42", "RUN", "5", NULL) >= 0);
    }
}

static void play(struct queue_world *world, struct told *told) {
    submit_all(world, told, 0, 6);
    note(told, &told->cancelled[5], queue_world_ask(world, "FQ.CANCEL", ids[5], NULL) == 1);
    work(world, told, false);
    told->refused += !queue_world_compact(world);
    queue_world_kill(world);
    told->refused += queue_world_ask(world, "FQ.LIST", NULL) < 0;
    told->requeued = true;
    told->refused += queue_world_ask(world, "FQ.DEAD", "REQUEUE", ids[3], NULL) < 0;
    queue_world_pass(world, 3000);
    submit_all(world, told, 6, 7);
    work(world, told, true);
    told->refused += queue_world_ask(world, "FQ.RESULT", ids[0], NULL) < 0;
    queue_world_kill(world);
    submit_all(world, told, 7, 8);
    told->refused += queue_world_ask(world, "FQ.STATS", NULL) < 0;
}

// --- the judge ----------------------------------------------------------------------------------------------------------
static bool judge_task(const struct queue_world *world, const struct told *told, int i,
                       const char **ret_why) {
    struct fq_task_view view;
    fq_uuid id;
    FQ_ASSERT(fq_uuid_parse(fq_str_of(ids[i]), &id) == 0);
    bool is_known = fq_engine_task(world->engine, &id, &view) == 0;
    if (told->submitted[i] && !is_known)
        *ret_why = "an acknowledged task is lost";
    else if (told->completed[i] && view.state != FQ_TASK_SUCCESS)
        *ret_why = "an acknowledged completion is lost";
    else if (told->cancelled[i] && view.state != FQ_TASK_CANCELLED)
        *ret_why = "an acknowledged cancellation is lost";
    else if (told->failed[i] && !told->requeued && view.state != FQ_TASK_FAILURE)
        *ret_why = "an acknowledged failure is lost";
    return *ret_why == NULL;
}

// What is wrong after the faults, NULL if nothing is.
static const char *judge(struct queue_world *world, const struct told *told) {
    const char *why = NULL;
    queue_world_kill(world);
    if (!queue_world_boot(world))
        return "without faults the server does not start again";
    fq_engine_check(world->engine);
    for (int i = 0; i < TASKS; i++)
        if (!judge_task(world, told, i, &why))
            return why;
    if (queue_world_ask(world, "FQ.STATS", NULL) < 0)
        return "without faults the server does not answer";
    return NULL;
}

// --- the sweep ----------------------------------------------------------------------------------------------------------
struct kind {
    const char *name;
    unsigned disk_calls; // 0 = memory
    int error;
};
static const struct kind kinds[] = {
    {"malloc",         0,                  0     },
    {"open",           SIM_OPEN,           EMFILE},
    {"read",           SIM_READ,           EIO   },
    {"write",          SIM_WRITE,          EIO   },
    {"write, full",    SIM_WRITE,          ENOSPC},
    {"fdatasync",      SIM_SYNC,           EIO   },
    {"directory sync", SIM_SYNC_DIRECTORY, EIO   },
    {"rename",         SIM_RENAME,         EIO   },
    {"unlink",         SIM_REMOVE,         EACCES},
    {"other",          SIM_REST,           EIO   },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct figures {
    uint64_t injected, runs, died, lost, leaked;
};

// One run of the script with the n-th call failing; false when it was not reached.
static bool run_once(const struct kind *kind, uint64_t n, bool sticky, struct figures *figures) {
    int64_t live = faulty_memory_live();
    struct queue_world world;
    struct told told = {.refused = 0};
    queue_world_init(&world);
    if (kind->disk_calls == 0)
        faulty_memory_arm(n, sticky);
    else
        faulty_disk_arm(world.sim, kind->disk_calls, n, sticky, kind->error);
    play(&world, &told);
    uint64_t hits = kind->disk_calls == 0 ? faulty_memory_hits() : faulty_disk_hits();
    faulty_memory_disarm();
    faulty_disk_disarm(world.sim);
    const char *why = judge(&world, &told);
    if (why != NULL) {
        figures->lost++;
        fprintf(stderr, "sweep_queue: %s %llu%s: %s\n", kind->name, (unsigned long long)n,
                sticky ? ", sticky" : "", why);
    }
    FQ_ASSERT(n > 0 || told.refused == 0); // untouched, all of it works
    figures->died += world.deaths;
    queue_world_done(&world);
    if (faulty_memory_live() != live) {
        figures->leaked++;
        fprintf(stderr, "sweep_queue: %s %llu%s: %lld blocks were not given back\n", kind->name,
                (unsigned long long)n, sticky ? ", sticky" : "", (long long)(faulty_memory_live() - live));
    }
    figures->runs += hits > 0;
    figures->injected += hits;
    return hits > 0;
}

static void print_row(FILE *out, const char *kind, const char *what, uint64_t value, bool is_fault) {
    fprintf(out,
            "  {\"name\": \"%s: %s\", \"value\": %llu, \"unit\": \"\", \"expected\": \"%s\", \"ok\": %s},\n",
            kind, what, (unsigned long long)value, is_fault ? "0" : "> 0",
            (value == 0) == is_fault ? "true" : "false");
}

static bool print_evidence(const char *path, const struct figures figures[KINDS]) {
    FILE *out = fopen(path, "w");
    if (out == NULL)
        return false;
    uint64_t runs = 0;
    const char *commit = getenv("FQ_COMMIT");
    fprintf(out, "{\"suite\": \"sweep_queue\", \"commit\": \"%s\", \"rows\": [\n",
            commit != NULL ? commit : "");
    for (int i = 0; i < KINDS; i++) {
        print_row(out, kinds[i].name, "failures injected", figures[i].injected, false);
        print_row(out, kinds[i].name, "acknowledged and lost", figures[i].lost, true);
        print_row(out, kinds[i].name, "runs with a leak", figures[i].leaked, true);
        runs += figures[i].runs;
    }
    fprintf(out,
            "  {\"name\": \"runs of the script with a failure\", \"value\": %llu, \"unit\": \"runs\", "
            "\"expected\": \"> 0\", \"ok\": true}]}\n",
            (unsigned long long)runs);
    return fclose(out) == 0;
}

int main(int argc, char **argv) {
    uint64_t every = 1, bad = 0;
    const char *evidence = NULL;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--every") == 0)
            every = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--evidence") == 0)
            evidence = argv[i + 1];
    }
    struct figures figures[KINDS] = {0}, none = {0};
    FQ_ASSERT(!run_once(&kinds[0], 0, false, &none)); // what is made once stays from here on
    FQ_ASSERT(!run_once(&kinds[0], 0, false, &none) && none.leaked <= 1 && none.lost == 0);
    printf("%-16s%10s%10s%10s%8s%8s\n", "fails", "runs", "failures", "exits", "lost", "leaks");
    for (int i = 0; i < KINDS; i++) {
        for (int sticky = 0; sticky < 2; sticky++)
            for (uint64_t n = 1; n < RUNS_MAX && run_once(&kinds[i], n, sticky == 1, &figures[i]); n += every)
                ;
        const struct figures *row = &figures[i];
        printf("%-16s%10llu%10llu%10llu%8llu%8llu\n", kinds[i].name, (unsigned long long)row->runs,
               (unsigned long long)row->injected, (unsigned long long)row->died,
               (unsigned long long)row->lost, (unsigned long long)row->leaked);
        fflush(stdout);
        bad += row->lost + row->leaked;
    }
    if (evidence != NULL && !print_evidence(evidence, figures))
        bad++;
    return bad == 0 ? 0 : 1;
}
