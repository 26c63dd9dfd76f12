// SPDX-License-Identifier: Apache-2.0
#include "sim/step_executor.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

enum { WAITING_MAX = 16 };

struct step_executor {
    fq_executor base;
    struct {
        void (*work)(void *argument);
        void *argument;
    } waiting[WAITING_MAX];
    size_t count;
};

static void step_submit(fq_executor *executor, void (*work)(void *argument), void *argument) {
    struct step_executor *step = (struct step_executor *)executor;
    FQ_ASSERT(step->count < WAITING_MAX);
    step->waiting[step->count].work = work;
    step->waiting[step->count++].argument = argument;
}

static fq_executor *step_close(fq_executor *executor) {
    while (step_executor_run_one(executor))
        ;
    free(executor);
    return NULL;
}

bool step_executor_run_one(fq_executor *executor) {
    struct step_executor *step = (struct step_executor *)executor;
    if (step->count == 0)
        return false;
    void (*work)(void *argument) = step->waiting[0].work;
    void *argument = step->waiting[0].argument;
    memmove(step->waiting, step->waiting + 1, --step->count * sizeof step->waiting[0]);
    work(argument);
    return true;
}

size_t step_executor_waiting(const fq_executor *executor) {
    return ((const struct step_executor *)executor)->count;
}

fq_executor *step_executor_new(void) {
    struct step_executor *step = calloc(1, sizeof *step);
    FQ_ASSERT(step != NULL);
    step->base = (fq_executor){step_submit, step_close};
    return &step->base;
}
