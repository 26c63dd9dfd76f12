// SPDX-License-Identifier: Apache-2.0
// The state as events: the head, the names, the ledger, then the tasks list by list, so that replay rebuilds every list
// in its order.
#include "engine/ledger.h"
#include "engine/queue.h"
#include "engine/task.h"

enum stage {
    AT_HEAD,
    AT_NAMES,
    AT_LEDGER,
    AT_LINES, // waiting tasks in line
    AT_BACKS, // waiting tasks that came back
    AT_BOOT,  // delayed ones
    AT_LEASED,
    AT_WALL, // those that wait for a time of day
    AT_FINISHED,
    AT_DEAD,
    AT_END
};

struct fq_snapshot_cursor {
    const fq_engine *engine;
    enum stage stage;
    uint64_t index; // in the stage: name, serial, heap place, …
    int priority;   // AT_LINES, AT_BACKS
    const struct fq_task *task;
};

fq_snapshot_cursor *fq_snapshot_open(const fq_engine *engine) {
    fq_snapshot_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor != NULL)
        cursor->engine = engine;
    return cursor;
}

fq_snapshot_cursor *fq_snapshot_close(fq_snapshot_cursor *cursor) {
    free(cursor);
    return NULL;
}

static void next_stage(fq_snapshot_cursor *cursor) {
    cursor->stage++;
    cursor->index = cursor->stage == AT_LEDGER ? cursor->engine->ledger.first
                    : cursor->stage == AT_DEAD ? cursor->engine->dead.begin
                                               : 0;
    cursor->priority = 0;
    cursor->task = NULL;
}

static int put_head(const fq_engine *engine, fq_buf *out) {
    struct fq_event event = {.type = FQ_EVENT_SNAPSHOT, .at_us = engine->last_at_us};
    event.head = (struct fq_snapshot_head){.token = engine->token,
                                           .order = engine->order,
                                           .last_at_us = engine->last_at_us,
                                           .epoch = engine->epoch,
                                           .all_paused = engine->all_paused,
                                           .totals = engine->totals};
    return fq_event_encode(&event, out);
}

static int put_name(const fq_engine *engine, const struct fq_name *name, fq_buf *out) {
    struct fq_event event = {.type = FQ_EVENT_NAME, .at_us = engine->last_at_us};
    event.name_image = (struct fq_name_image){.name = fq_name_text(name),
                                              .paused = name->paused,
                                              .submitted = name->submitted_total,
                                              .completed = name->completed_total,
                                              .failed = name->failed_total};
    return fq_event_encode(&event, out);
}

static int put_entry(const fq_engine *engine, const struct fq_ledger_entry *entry, fq_buf *out) {
    struct fq_event event = {.type = FQ_EVENT_LEDGER, .at_us = engine->last_at_us, .id = entry->id};
    event.ledger = fq_ledger_record_of(entry);
    return fq_event_encode(&event, out);
}

static int put_task(const fq_engine *engine, const struct fq_task *task, fq_buf *out) {
    struct fq_event event = {.type = FQ_EVENT_TASK, .at_us = engine->last_at_us, .id = task->id};
    event.image = (struct fq_task_image){.name = fq_name_text(task->name),
                                         .worker = fq_worker_id(task->worker),
                                         .payload = fq_task_payload(task),
                                         .fields = fq_task_fields(task),
                                         .body_hash = task->body_hash,
                                         .order = task->order,
                                         .moment = task->moment,
                                         .submitted_us = task->submitted_us,
                                         .eligible_us = task->eligible_us,
                                         .granted_us = task->granted_us,
                                         .started_us = task->started_us,
                                         .attempt = task->attempt,
                                         .retries = task->retries,
                                         .crashes = task->crashes,
                                         .losses = task->losses,
                                         .state = task->state,
                                         .priority = task->priority,
                                         .flags = task->flags};
    return fq_event_encode(&event, out);
}

// The next waiting task in the order of names and priorities; NULL when the stage is through.
static const struct fq_task *next_waiting(fq_snapshot_cursor *cursor) {
    const fq_engine *engine = cursor->engine;
    bool line = cursor->stage == AT_LINES;
    while (cursor->index < engine->name_count) {
        const struct fq_queue *queue = &engine->name_list[cursor->index]->queues[cursor->priority];
        if (cursor->task == NULL)
            cursor->task = line ? fq_queue_line_first(queue) : fq_queue_back_first(queue);
        else
            cursor->task =
                line ? fq_queue_line_next(queue, cursor->task) : fq_queue_back_next(queue, cursor->task);
        if (cursor->task != NULL)
            return cursor->task;
        if (++cursor->priority == FQ_PRIORITY_COUNT) {
            cursor->priority = 0;
            cursor->index++;
        }
    }
    return NULL;
}

static const struct fq_task *next_timed(fq_snapshot_cursor *cursor) {
    const fq_engine *engine = cursor->engine;
    bool by_wall = cursor->stage == AT_WALL;
    const fq_heap *heap = by_wall                      ? &engine->wall_timers
                          : cursor->stage == AT_LEASED ? &engine->lease_timers
                                                       : &engine->boot_timers;
    while (cursor->index < heap->count) {
        const struct fq_task *task = heap->entries[cursor->index++].item;
        // Times of day stand among those when tasks expire, delayed by boot time or waiting.
        if (!by_wall || (fq_task_state_of(task) == FQ_TASK_SCHEDULED && (task->flags & FQ_FLAG_BY_WALL) != 0))
            return task;
    }
    return NULL;
}

static const struct fq_task *next_finished(fq_snapshot_cursor *cursor) {
    const fq_list_link *head = &cursor->engine->finished;
    const fq_list_link *next = cursor->task == NULL ? head->next : cursor->task->link.next;
    cursor->task = next == head ? NULL : FQ_ELEMENT(next, const struct fq_task, link);
    return cursor->task;
}

static const struct fq_task *next_dead(fq_snapshot_cursor *cursor) {
    const struct fq_dead *dead = &cursor->engine->dead;
    while (cursor->index < dead->end) {
        const struct fq_task *task = dead->entries[cursor->index++].task;
        if (task != NULL)
            return task;
    }
    return NULL;
}

static const struct fq_task *next_task(fq_snapshot_cursor *cursor) {
    switch (cursor->stage) {
    case AT_LINES:
    case AT_BACKS: return next_waiting(cursor);
    case AT_BOOT:
    case AT_LEASED:
    case AT_WALL: return next_timed(cursor);
    case AT_FINISHED: return next_finished(cursor);
    default: return next_dead(cursor);
    }
}

int fq_snapshot_next(fq_snapshot_cursor *cursor, fq_buf *out) {
    const fq_engine *engine = cursor->engine;
    int rc;
    for (; cursor->stage != AT_END; next_stage(cursor)) {
        if (cursor->stage == AT_HEAD) {
            rc = put_head(engine, out);
            next_stage(cursor);
            return rc < 0 ? rc : 1;
        }
        if (cursor->stage == AT_NAMES && cursor->index < engine->name_count) {
            rc = put_name(engine, engine->name_list[cursor->index++], out);
            return rc < 0 ? rc : 1;
        }
        if (cursor->stage == AT_LEDGER && cursor->index < engine->ledger.next) {
            rc = put_entry(engine, fq_ledger_at(&engine->ledger, cursor->index++), out);
            return rc < 0 ? rc : 1;
        }
        const struct fq_task *task = cursor->stage >= AT_LINES ? next_task(cursor) : NULL;
        if (task != NULL) {
            rc = put_task(engine, task, out);
            return rc < 0 ? rc : 1;
        }
    }
    return 0;
}
