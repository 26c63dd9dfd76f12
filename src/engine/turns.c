// SPDX-License-Identifier: Apache-2.0
#include "engine/turns.h"

#include "engine/queue.h"
#include "engine/task.h"

#include <stdlib.h>

// A turn that is not the line's: there order ascends strictly anyway.
struct turn {
    const struct fq_queue *queue;
    uint64_t order;
};

struct turns {
    struct turn *all; // NULL = they are only counted
    size_t count;
};

static void note(struct turns *turns, const struct fq_queue *queue, uint64_t order) {
    if (turns->all != NULL)
        turns->all[turns->count] = (struct turn){queue, order};
    turns->count++;
}

static void note_backs(const fq_engine *engine, struct turns *turns) {
    for (uint32_t i = 0; i < engine->name_count; i++)
        for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++) {
            const struct fq_queue *queue = &engine->name_list[i]->queues[priority];
            for (const struct fq_task *task = fq_queue_back_first(queue); task != NULL;
                 task = fq_queue_back_next(queue, task))
                note(turns, queue, task->order);
        }
}

static void note_leased(const fq_engine *engine, struct turns *turns) {
    for (uint32_t i = 0; i < engine->lease_timers.count; i++) {
        const struct fq_task *task = engine->lease_timers.entries[i].item;
        note(turns, &task->name->queues[task->priority], task->order);
    }
}

static int by_queue_and_order(const void *a, const void *b) {
    const struct turn *left = a, *right = b;
    if (left->queue != right->queue)
        return (uintptr_t)left->queue < (uintptr_t)right->queue ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

// Beside each other, and beside the line of their queue: both ascend, so one pass does.
static bool are_distinct(const struct turns *turns) {
    const struct fq_task *line = NULL;
    for (size_t i = 0; i < turns->count; i++) {
        const struct turn *turn = &turns->all[i];
        if (i == 0 || turn->queue != turns->all[i - 1].queue)
            line = fq_queue_line_first(turn->queue);
        else if (turn->order == turns->all[i - 1].order)
            return false;
        while (line != NULL && line->order < turn->order)
            line = fq_queue_line_next(turn->queue, line);
        if (line != NULL && line->order == turn->order)
            return false;
    }
    return true;
}

int fq_turns_check(const fq_engine *engine) {
    struct turns turns = {0};
    note_backs(engine, &turns);
    note_leased(engine, &turns);
    if (turns.count == 0)
        return 0;
    turns.all = malloc(turns.count * sizeof *turns.all);
    if (turns.all == NULL)
        return FQ_ENOMEM;
    turns.count = 0;
    note_backs(engine, &turns);
    note_leased(engine, &turns);
    qsort(turns.all, turns.count, sizeof *turns.all, by_queue_and_order);
    int rc = are_distinct(&turns) ? 0 : FQ_ECORRUPT;
    free(turns.all);
    return rc;
}
