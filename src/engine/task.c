// SPDX-License-Identifier: Apache-2.0
#include "engine/task.h"

#include "engine/dead.h"
#include "engine/queue.h"
#include "engine/worker.h"

// --- states ---------------------------------------------------------------------------------------------------------
#define GONE FQ_TASK_STATE_COUNT

struct transition {
    enum fq_event_type event;
    unsigned from; // bits of states
    int to;        // GONE: the record goes; SAME: stays
};
enum { SAME = -2 };
#define IN(state) (1u << FQ_TASK_##state)

static const struct transition transitions[] = {
    {FQ_EVENT_ELIGIBLE,         IN(SCHEDULED),                             FQ_TASK_PENDING  },
    {FQ_EVENT_GRANTED,          IN(PENDING),                               FQ_TASK_STARTED  },
    {FQ_EVENT_STARTED,          IN(STARTED),                               SAME             },
    {FQ_EVENT_COMPLETED,        IN(STARTED),                               FQ_TASK_SUCCESS  },
    {FQ_EVENT_FAILED,           IN(STARTED),                               FQ_TASK_FAILURE  },
    {FQ_EVENT_RETRIED,          IN(STARTED),                               FQ_TASK_SCHEDULED},
    {FQ_EVENT_RETURNED,         IN(STARTED),                               FQ_TASK_PENDING  },
    {FQ_EVENT_CRASHED,          IN(STARTED),                               FQ_TASK_PENDING  },
    {FQ_EVENT_CANCELLED,        IN(SCHEDULED) | IN(PENDING) | IN(STARTED), FQ_TASK_CANCELLED},
    {FQ_EVENT_CANCEL_REQUESTED, IN(STARTED),                               SAME             },
    {FQ_EVENT_EXPIRED,          IN(SCHEDULED) | IN(PENDING),               FQ_TASK_EXPIRED  },
    {FQ_EVENT_RESULT_EVICTED,   IN(SUCCESS) | IN(CANCELLED) | IN(EXPIRED), GONE             },
    {FQ_EVENT_FORGOTTEN,        IN(SUCCESS) | IN(CANCELLED) | IN(EXPIRED), GONE             },
    {FQ_EVENT_PURGED,           IN(FAILURE),                               GONE             },
    {FQ_EVENT_REQUEUED,         IN(FAILURE),                               FQ_TASK_PENDING  },
    {FQ_EVENT_LEASE_EXTENDED,   IN(STARTED),                               SAME             },
};

int fq_task_next_state(enum fq_task_state from, enum fq_event_type event) {
    for (size_t i = 0; i < sizeof transitions / sizeof transitions[0]; i++) {
        const struct transition *row = &transitions[i];
        if (row->event == event && (row->from >> from & 1u) != 0)
            return row->to == SAME ? (int)from : row->to;
    }
    return -1;
}

size_t fq_task_cost(const struct fq_task *task) {
    return sizeof *task + task->payload_len + task->field_len;
}

static void add(uint64_t *count, uint64_t amount, int sign) {
    FQ_ASSERT(sign > 0 || *count >= amount);
    *count = sign > 0 ? *count + amount : *count - amount;
}

void fq_task_count(fq_engine *engine, struct fq_task *task, int sign) {
    uint64_t bytes = (uint64_t)task->payload_len + task->field_len;
    add(&engine->state_count[task->state], 1, sign);
    switch (fq_task_state_of(task)) {
    case FQ_TASK_SCHEDULED: add(&task->name->scheduled, 1, sign); break;
    case FQ_TASK_PENDING: add(&engine->pending_count[task->priority], 1, sign); break;
    case FQ_TASK_STARTED:
        add(&task->name->started, 1, sign);
        if (task->started_us != 0) {
            add(&engine->running_count, 1, sign);
            task->worker->running_count += (uint32_t)sign;
        }
        break;
    case FQ_TASK_SUCCESS:
    case FQ_TASK_CANCELLED:
    case FQ_TASK_EXPIRED:
        add(&engine->result_count, 1, sign);
        add(&engine->result_bytes, fq_task_cost(task), sign);
        return;
    case FQ_TASK_FAILURE:
    case FQ_TASK_STATE_COUNT: break;
    }
    add(&engine->task_bytes, bytes, sign);
}

void fq_task_set_state(fq_engine *engine, struct fq_task *task, enum fq_task_state state) {
    fq_task_count(engine, task, -1);
    task->state = (uint8_t)state;
    fq_task_count(engine, task, 1);
}

void fq_task_set_running_since(struct fq_task *task, int64_t now_us, int64_t ran_us) {
    int64_t since_us = ran_us > 0 ? now_us - ran_us : now_us;
    task->started_boot_ms = (uint32_t)(since_us / FQ_US_PER_MS);
}

int64_t fq_task_ran_us(const struct fq_task *task, int64_t boot_us) {
    if (task->started_us == 0)
        return 0;
    uint32_t ran_ms = (uint32_t)(boot_us / FQ_US_PER_MS) - task->started_boot_ms;
    return (int64_t)ran_ms * FQ_US_PER_MS;
}

void fq_task_mark_started(fq_engine *engine, struct fq_task *task, int64_t started_us,
                          const struct fq_event *event) {
    if (started_us == 0 || task->started_us != 0)
        return;
    if (started_us > event->at_us)
        started_us = event->at_us;
    if (started_us < task->granted_us)
        started_us = task->granted_us;
    fq_task_count(engine, task, -1);
    task->started_us = started_us;
    fq_task_set_running_since(task, event->now_us, event->at_us - started_us);
    fq_task_count(engine, task, 1);
}

fq_str fq_task_last_context(const struct fq_event *event) {
    fq_str context = fq_field_get(event->ended.fields, FQ_FIELD_RUN_TRACEPARENT);
    return context.len <= FQ_LAST_TRACEPARENT_MAX ? context : (fq_str){"", 0};
}

// --- places ---------------------------------------------------------------------------------------------------------
int64_t fq_task_expires_us(const struct fq_task *task) {
    if ((task->flags & FQ_FLAG_EXPIRES) == 0)
        return FQ_NEVER_US;
    return fq_field_number(fq_task_fields(task), FQ_FIELD_EXPIRES_US, FQ_NEVER_US);
}

int64_t fq_task_result_ttl_ms(const fq_engine *engine, const struct fq_task *task) {
    return fq_field_number(fq_task_fields(task), FQ_FIELD_RESULT_TTL_MS,
                           engine->config.default_result_ttl_ms);
}

static int64_t ms_to_us(int64_t ms) {
    return ms < FQ_LATEST_US / FQ_US_PER_MS ? ms * FQ_US_PER_MS : FQ_LATEST_US;
}

int64_t fq_task_lease_end_us(const fq_engine *engine, const struct fq_task *task, int64_t boot_us) {
    int64_t timeout_ms = fq_field_number(fq_task_fields(task), FQ_FIELD_TIMEOUT_MS, 0);
    if (timeout_ms == 0 || task->started_us == 0)
        return FQ_NEVER_US;
    int64_t whole_us = fq_time_add(ms_to_us(timeout_ms), 2 * ms_to_us(engine->config.lease_ms));
    return fq_time_add(boot_us, whole_us - fq_task_ran_us(task, boot_us));
}

static int64_t delay_us(const fq_engine *engine, const struct fq_task *task) {
    switch (fq_task_state_of(task)) {
    case FQ_TASK_SCHEDULED: return task->moment - task->eligible_us;
    case FQ_TASK_STARTED: return ms_to_us(engine->config.lease_ms);
    default: return ms_to_us(fq_task_result_ttl_ms(engine, task));
    }
}

int64_t fq_task_remaining_us(const fq_engine *engine, const struct fq_task *task, int64_t wall_us) {
    int64_t whole = delay_us(engine, task);
    if (fq_task_state_of(task) == FQ_TASK_STARTED) {
        int64_t grace = ms_to_us(engine->config.restart_grace_ms);
        return whole > grace ? whole : grace;
    }
    int64_t begun = fq_task_state_of(task) == FQ_TASK_SCHEDULED ? task->eligible_us : task->moment;
    int64_t passed = wall_us > begun ? wall_us - begun : 0;
    return passed >= whole ? 0 : whole - passed;
}

fq_heap *fq_task_timers(fq_engine *engine, const struct fq_task *task) {
    enum fq_task_state state = fq_task_state_of(task);
    if (fq_task_state_is_final(state))
        return &engine->age_timers;
    return state == FQ_TASK_STARTED ? &engine->lease_timers : &engine->boot_timers;
}

static void attach_timers(fq_engine *engine, struct fq_task *task, int64_t base_us) {
    enum fq_task_state state = fq_task_state_of(task);
    bool by_wall = state == FQ_TASK_SCHEDULED && (task->flags & FQ_FLAG_BY_WALL) != 0;
    if (state != FQ_TASK_PENDING && state != FQ_TASK_FAILURE && !by_wall)
        fq_heap_push(fq_task_timers(engine, task), fq_time_add(base_us, delay_us(engine, task)), task);
    if (state != FQ_TASK_PENDING && state != FQ_TASK_SCHEDULED)
        return;
    int64_t wall_us = fq_task_expires_us(task);
    if (by_wall && task->moment < wall_us)
        wall_us = task->moment;
    if (wall_us != FQ_NEVER_US)
        fq_heap_push(&engine->wall_timers, wall_us, task);
}

void fq_task_attach(fq_engine *engine, struct fq_task *task, int64_t base_us) {
    attach_timers(engine, task, base_us);
    switch (fq_task_state_of(task)) {
    case FQ_TASK_SCHEDULED: break;
    case FQ_TASK_PENDING: fq_queue_add(task); break;
    case FQ_TASK_STARTED: fq_worker_lease_add(engine, task); break;
    case FQ_TASK_SUCCESS:
    case FQ_TASK_CANCELLED:
    case FQ_TASK_EXPIRED: fq_list_append(&engine->finished, &task->link); break;
    case FQ_TASK_FAILURE: fq_dead_add(&engine->dead, task); break;
    case FQ_TASK_STATE_COUNT: FQ_ASSERT(false);
    }
}

void fq_task_detach(fq_engine *engine, struct fq_task *task) {
    fq_heap_remove(fq_task_timers(engine, task), task);
    fq_heap_remove(&engine->wall_timers, task);
    switch (fq_task_state_of(task)) {
    case FQ_TASK_SCHEDULED: break;
    case FQ_TASK_PENDING: fq_queue_remove(task); break;
    case FQ_TASK_STARTED: fq_worker_lease_remove(engine, task); break;
    case FQ_TASK_SUCCESS:
    case FQ_TASK_CANCELLED:
    case FQ_TASK_EXPIRED: fq_list_remove(&task->link); break;
    case FQ_TASK_FAILURE: fq_dead_remove(&engine->dead, task); break;
    case FQ_TASK_STATE_COUNT: FQ_ASSERT(false);
    }
}

// --- hash and tables ------------------------------------------------------------------------------------------------
uint64_t fq_task_hash(const struct fq_task *task) {
    // From payload_len to flags the record has no padding and holds what is durable.
    const size_t begin = offsetof(struct fq_task, payload_len);
    const size_t end = offsetof(struct fq_task, flags) + sizeof task->flags;
    _Static_assert(offsetof(struct fq_task, flags) + 1 - offsetof(struct fq_task, payload_len) ==
                       2 * 4 + 2 * 2 + 8 + 16 + 6 * 8 + 4,
                   "padding inside the hashed part of a task");
    uint64_t seed = task->name->hash ^ (task->worker != NULL ? fq_hash_mix(task->worker->hash) : 0);
    uint64_t hash = fq_hash_bytes((const char *)task + begin, end - begin, seed);
    if (fq_task_state_is_final(fq_task_state_of(task)))
        hash ^= fq_hash_bytes(task->tail, (size_t)task->payload_len + task->field_len, seed);
    if (task->losses != 0) // without any it is the hash of journals from before they were counted
        hash ^= fq_hash_mix(seed ^ task->losses);
    return hash;
}

uint64_t fq_task_table_hash(const fq_engine *engine, const fq_uuid *id) {
    return fq_hash_uuid(id, engine->config.seed);
}

uint64_t fq_task_unique_hash(const fq_engine *engine, fq_str key) {
    return fq_hash_str(key, engine->config.seed + 1);
}

static uint64_t id_hash(const void *context, uint64_t value) {
    const struct fq_task *task = fq_table_pointer(value);
    return fq_task_table_hash(context, &task->id);
}
static bool id_equal(const void *context, uint64_t value, const void *key) {
    (void)context;
    const struct fq_task *task = fq_table_pointer(value);
    return fq_uuid_equal(&task->id, key);
}
const struct fq_table_ops fq_task_table_ops = {.hash = id_hash, .equal = id_equal};

static fq_str unique_key(uint64_t value) {
    const struct fq_task *task = fq_table_pointer(value);
    return fq_field_get(fq_task_fields(task), FQ_FIELD_UNIQUE);
}
static uint64_t unique_hash(const void *context, uint64_t value) {
    return fq_task_unique_hash(context, unique_key(value));
}
static bool unique_equal(const void *context, uint64_t value, const void *key) {
    (void)context;
    return fq_str_equal(unique_key(value), *(const fq_str *)key);
}
const struct fq_table_ops fq_task_unique_ops = {.hash = unique_hash, .equal = unique_equal};

struct fq_task *fq_task_find(const fq_engine *engine, const fq_uuid *id) {
    return fq_table_pointer(fq_table_find(&engine->tasks, fq_task_table_hash(engine, id), id));
}

struct fq_task *fq_task_find_unique(const fq_engine *engine, fq_str key) {
    return fq_table_pointer(fq_table_find(&engine->unique, fq_task_unique_hash(engine, key), &key));
}
