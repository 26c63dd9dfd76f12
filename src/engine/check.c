// SPDX-License-Identifier: Apache-2.0
// Every invariant, by walking everything. For tests and simulation: it takes time in proportion to the state.
#include "engine/ledger.h"
#include "engine/name.h"
#include "engine/queue.h"
#include "engine/task.h"
#include "engine/worker.h"

// What the walk over the task table counts, to be compared with what the engine keeps.
struct sums {
    const fq_engine *engine;
    uint64_t hash, state_count[FQ_TASK_STATE_COUNT], pending_count[FQ_PRIORITY_COUNT];
    uint64_t running, task_bytes, result_bytes, result_count, boot, wall, unique, leases, with_worker;
};

static void check_timers(const fq_engine *engine, const struct fq_task *task, struct sums *sums) {
    enum fq_task_state state = fq_task_state_of(task);
    bool by_wall = state == FQ_TASK_SCHEDULED && (task->flags & FQ_FLAG_BY_WALL) != 0;
    bool waits = state == FQ_TASK_SCHEDULED || state == FQ_TASK_PENDING;
    bool boot = state != FQ_TASK_PENDING && state != FQ_TASK_FAILURE && !by_wall;
    bool wall = by_wall || (waits && (task->flags & FQ_FLAG_EXPIRES) != 0);
    FQ_ASSERT(fq_heap_contains(&engine->boot_timers, task) == boot);
    if (boot)
        FQ_ASSERT(fq_heap_key(fq_task_timers((fq_engine *)(uintptr_t)engine, task), task) != FQ_NEVER_US);
    FQ_ASSERT(fq_heap_contains(&engine->wall_timers, task) == wall);
    sums->boot += boot;
    sums->wall += wall;
}

static void check_fields(const fq_engine *engine, const struct fq_task *task, struct sums *sums) {
    bool final = fq_task_state_is_final(fq_task_state_of(task));
    fq_str fields = fq_task_fields(task);
    FQ_ASSERT(fq_fields_are_valid(fields, 1, final ? FQ_FIELD_END : FQ_FIELD_SUBMIT_END));
    fq_str key = fq_field_get(fields, FQ_FIELD_UNIQUE);
    FQ_ASSERT((key.len > 0) == ((task->flags & FQ_FLAG_UNIQUE) != 0));
    if (key.len > 0 && !final) {
        FQ_ASSERT(fq_task_find_unique(engine, key) == task);
        sums->unique++;
    }
}

static bool check_task(void *context, uint64_t value) {
    struct sums *sums = context;
    const fq_engine *engine = sums->engine;
    const struct fq_task *task = fq_table_pointer(value);
    enum fq_task_state state = fq_task_state_of(task);
    FQ_ASSERT(fq_task_find(engine, &task->id) == task);
    FQ_ASSERT(fq_ledger_find(&engine->ledger, &task->id) == NULL);
    FQ_ASSERT(fq_name_find(engine, fq_name_text(task->name)) == task->name);
    FQ_ASSERT(task->order > 0 && task->order <= engine->order);
    FQ_ASSERT((task->place != FQ_PLACE_NONE) == (state == FQ_TASK_PENDING));
    FQ_ASSERT(state != FQ_TASK_STARTED || (task->worker != NULL && task->attempt > 0));
    FQ_ASSERT(state != FQ_TASK_STARTED || (uint64_t)task->moment <= engine->token);
    FQ_ASSERT(task->started_us == 0 || task->started_us >= task->granted_us);
    FQ_ASSERT(task->crashes <= engine->config.crash_max || engine->config.crash_max == 0);
    check_timers(engine, task, sums);
    check_fields(engine, task, sums);
    sums->hash += fq_task_hash(task);
    sums->state_count[state]++;
    sums->with_worker += task->worker != NULL;
    if (state == FQ_TASK_PENDING)
        sums->pending_count[task->priority]++;
    if (state == FQ_TASK_STARTED) {
        sums->leases++;
        sums->running += task->started_us != 0;
    }
    if (fq_task_state_is_final(state) && state != FQ_TASK_FAILURE) {
        sums->result_count++;
        sums->result_bytes += fq_task_cost(task);
    } else {
        sums->task_bytes += (uint64_t)task->payload_len + task->field_len;
    }
    return true;
}

static uint64_t check_queue(const struct fq_name *name, int priority) {
    const struct fq_queue *queue = &name->queues[priority];
    uint64_t count = 0, last = 0;
    for (const struct fq_task *task = fq_queue_line_first(queue); task != NULL;
         task = fq_queue_line_next(queue, task), count++) {
        FQ_ASSERT(task->name == name && task->priority == priority && task->place == FQ_PLACE_LINE);
        FQ_ASSERT(fq_task_state_of(task) == FQ_TASK_PENDING && task->order > last);
        last = task->order;
    }
    last = 0;
    for (const struct fq_task *task = fq_queue_back_first(queue); task != NULL;
         task = fq_queue_back_next(queue, task), count++) {
        FQ_ASSERT(task->name == name && task->priority == priority && task->place == FQ_PLACE_BACK);
        FQ_ASSERT(fq_task_state_of(task) == FQ_TASK_PENDING && task->order > last);
        last = task->order;
    }
    FQ_ASSERT(count == queue->count);
    const struct fq_task *first = fq_queue_first(queue);
    FQ_ASSERT(queue->head == (first != NULL ? first->order : 0));
    return count;
}

static uint64_t check_names(const fq_engine *engine) {
    uint64_t hash = 0, scheduled = 0, started = 0;
    uint64_t pending[FQ_PRIORITY_COUNT] = {0};
    for (uint32_t i = 0; i < engine->name_count; i++) {
        const struct fq_name *name = engine->name_list[i];
        FQ_ASSERT(name->id == i);
        for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++)
            pending[priority] += check_queue(name, priority);
        scheduled += name->scheduled;
        started += name->started;
        hash += fq_name_hash(name);
    }
    FQ_ASSERT(memcmp(pending, engine->pending_count, sizeof pending) == 0);
    FQ_ASSERT(scheduled == engine->state_count[FQ_TASK_SCHEDULED]);
    FQ_ASSERT(started == engine->state_count[FQ_TASK_STARTED]);
    return hash;
}

static void check_set(const struct fq_set *set) {
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++) {
        uint32_t waiting = 0;
        for (uint32_t i = 0; i < set->member_count; i++) {
            const struct fq_member *member = &set->members[i];
            bool waits = member->name->queues[priority].head != 0 && !member->name->paused;
            FQ_ASSERT((member->place[priority] != 0) == waits);
            if (waits) {
                const struct fq_set_slot *slot = &set->heap[priority][member->place[priority] - 1];
                FQ_ASSERT(slot->member == i && slot->turn == member->name->queues[priority].head);
            }
            waiting += waits;
        }
        FQ_ASSERT(waiting == set->heap_count[priority]);
        for (uint32_t at = 1; at < waiting; at++) {
            const struct fq_member *child = &set->members[set->heap[priority][at].member];
            const struct fq_member *parent = &set->members[set->heap[priority][(at - 1) / 2].member];
            FQ_ASSERT(parent->name->queues[priority].head <= child->name->queues[priority].head);
        }
    }
}

static void check_workers(const fq_engine *engine, const struct sums *sums) {
    uint64_t shown = 0, registered = 0, leases = 0, running = 0, last = 0;
    const fq_list_link *head = &engine->worker_list;
    for (const fq_list_link *link = head->next; link != head; link = link->next, shown++) {
        const struct fq_worker *worker = FQ_ELEMENT(link, const struct fq_worker, of_engine);
        FQ_ASSERT(worker->serial > last && (worker->registered || worker->lease_count > 0));
        FQ_ASSERT(worker->registered == (worker->set != NULL));
        last = worker->serial;
        uint32_t held = 0;
        for (const fq_list_link *lease = worker->leases.next; lease != &worker->leases;
             lease = lease->next, held++)
            FQ_ASSERT(FQ_TASK_OF(lease)->worker == worker);
        FQ_ASSERT(held == worker->lease_count);
        leases += held;
        running += worker->running_count;
        registered += worker->registered;
        if (worker->set != NULL)
            check_set(worker->set);
    }
    FQ_ASSERT(shown == engine->holder_count && registered == engine->registered_count);
    FQ_ASSERT(leases == sums->leases && running == sums->running);
}

static uint64_t check_ledger(const fq_engine *engine) {
    const struct fq_ledger *ledger = &engine->ledger;
    uint64_t hash = 0;
    for (uint64_t serial = ledger->first; serial < ledger->next; serial++) {
        const struct fq_ledger_entry *entry = fq_ledger_at(ledger, serial);
        FQ_ASSERT(fq_ledger_find(ledger, &entry->id) == entry);
        hash += fq_ledger_hash(entry);
    }
    FQ_ASSERT(ledger->table.count == fq_ledger_count(ledger));
    return hash;
}

static void check_heap(const fq_heap *heap) {
    for (uint32_t i = 1; i < heap->count; i++)
        FQ_ASSERT(heap->entries[(i - 1) / FQ_HEAP_ARITY].key <= heap->entries[i].key);
}

static uint64_t check_dead(const fq_engine *engine) {
    const struct fq_dead *dead = &engine->dead;
    uint64_t count = 0;
    for (size_t i = dead->begin; i < dead->end; i++) {
        FQ_ASSERT(i == dead->begin || dead->entries[i - 1].order <= dead->entries[i].order);
        if (dead->entries[i].task == NULL)
            continue;
        FQ_ASSERT(dead->entries[i].task->order == dead->entries[i].order);
        count++;
    }
    FQ_ASSERT(count == dead->count);
    return count;
}

void fq_engine_check(const fq_engine *engine) {
    struct sums sums = {.engine = engine};
    uint64_t cursor = 0;
    do {
        fq_table_scan(&engine->tasks, &cursor, 1000, check_task, &sums);
    } while (cursor != 0);
    FQ_ASSERT(memcmp(sums.state_count, engine->state_count, sizeof sums.state_count) == 0);
    FQ_ASSERT(memcmp(sums.pending_count, engine->pending_count, sizeof sums.pending_count) == 0);
    FQ_ASSERT(sums.running == engine->running_count && sums.task_bytes == engine->task_bytes);
    FQ_ASSERT(sums.result_count == engine->result_count && sums.result_bytes == engine->result_bytes);
    FQ_ASSERT(sums.boot == (uint64_t)engine->boot_timers.count + engine->lease_timers.count +
                               engine->age_timers.count &&
              sums.wall == engine->wall_timers.count);
    FQ_ASSERT(sums.unique == engine->unique.count);
    uint64_t finished = 0;
    for (const fq_list_link *link = engine->finished.next; link != &engine->finished; link = link->next)
        finished++;
    FQ_ASSERT(finished == engine->result_count);
    FQ_ASSERT(check_dead(engine) == engine->state_count[FQ_TASK_FAILURE]);
    check_heap(&engine->boot_timers);
    check_heap(&engine->lease_timers);
    check_heap(&engine->age_timers);
    check_heap(&engine->wall_timers);
    uint64_t hash = sums.hash + check_names(engine) + check_ledger(engine);
    FQ_ASSERT(hash == engine->hash);
    check_workers(engine, &sums);
}
