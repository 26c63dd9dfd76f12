// SPDX-License-Identifier: Apache-2.0
#include "engine/worker.h"

#include "engine/name.h"
#include "engine/offer.h"

static uint64_t table_hash(const void *context, uint64_t value) {
    const fq_engine *engine = context;
    return fq_hash_str(fq_worker_id(fq_table_pointer(value)), engine->config.seed + 3);
}
static bool table_equal(const void *context, uint64_t value, const void *key) {
    (void)context;
    return fq_str_equal(fq_worker_id(fq_table_pointer(value)), *(const fq_str *)key);
}
const struct fq_table_ops fq_worker_table_ops = {.hash = table_hash, .equal = table_equal};

struct set_key {
    const fq_str *names;
    size_t count;
};
static uint64_t set_hash(const void *context, uint64_t value) {
    (void)context;
    return ((const struct fq_set *)fq_table_pointer(value))->hash;
}
static bool set_equal(const void *context, uint64_t value, const void *key) {
    (void)context;
    const struct set_key *names = key;
    return fq_set_equals(fq_table_pointer(value), names->names, names->count);
}
const struct fq_table_ops fq_set_table_ops = {.hash = set_hash, .equal = set_equal};

struct fq_worker *fq_worker_find(const fq_engine *engine, fq_str id) {
    if (engine->worker_last != NULL && fq_str_equal(fq_worker_id(engine->worker_last), id))
        return engine->worker_last;
    return fq_table_pointer(fq_table_find(&engine->workers, fq_hash_str(id, engine->config.seed + 3), &id));
}

struct fq_worker *fq_worker_new(fq_str id) {
    struct fq_worker *worker = calloc(1, sizeof *worker + id.len);
    if (worker == NULL)
        return NULL;
    memcpy(worker->id, id.ptr, id.len);
    worker->id_len = (uint32_t)id.len;
    worker->hash = fq_hash_str(id, 0);
    fq_list_init(&worker->leases);
    return worker;
}

struct fq_worker *fq_worker_free(struct fq_worker *worker) {
    if (worker != NULL)
        free(worker->profile);
    free(worker);
    return NULL;
}

struct fq_worker *fq_worker_take(fq_engine *engine, struct fq_reservation *reservation, fq_str id) {
    if (id.len == 0)
        return NULL;
    struct fq_worker *worker = fq_worker_find(engine, id);
    if (worker != NULL)
        return engine->worker_last = worker;
    worker = reservation->worker;
    FQ_ASSERT(worker != NULL && fq_str_equal(fq_worker_id(worker), id));
    reservation->worker = NULL;
    fq_table_insert(&engine->workers, fq_hash_str(id, engine->config.seed + 3), fq_table_value(worker));
    return worker;
}

// Links or unlinks the record in the list of those that are shown.
static void settle(fq_engine *engine, struct fq_worker *worker) {
    bool shown = worker->registered || worker->lease_count > 0;
    if (shown && !fq_list_is_linked(&worker->of_engine)) {
        worker->serial = ++engine->worker_serial;
        fq_list_append(&engine->worker_list, &worker->of_engine);
        engine->holder_count++;
    } else if (!shown && fq_list_is_linked(&worker->of_engine)) {
        fq_list_remove(&worker->of_engine);
        engine->holder_count--;
    }
    if (shown || worker->reference_count > 0)
        return;
    if (engine->worker_last == worker)
        engine->worker_last = NULL;
    fq_table_remove(&engine->workers, fq_hash_str(fq_worker_id(worker), engine->config.seed + 3),
                    fq_table_value(worker));
    fq_worker_free(worker);
}

void fq_worker_reference(struct fq_worker *worker) {
    if (worker != NULL)
        worker->reference_count++;
}

void fq_worker_release(fq_engine *engine, struct fq_worker *worker) {
    if (worker == NULL)
        return;
    FQ_ASSERT(worker->reference_count > 0);
    worker->reference_count--;
    settle(engine, worker);
}

void fq_worker_lease_add(fq_engine *engine, struct fq_task *task) {
    struct fq_worker *worker = task->worker;
    fq_list_append(&worker->leases, &task->link);
    worker->lease_count++;
    settle(engine, worker);
}

void fq_worker_lease_remove(fq_engine *engine, struct fq_task *task) {
    struct fq_worker *worker = task->worker;
    FQ_ASSERT(worker->lease_count > 0);
    fq_list_remove(&task->link);
    worker->lease_count--;
    settle(engine, worker);
}

// --- registry -------------------------------------------------------------------------------------------------------
struct fq_set *fq_worker_find_set(const fq_engine *engine, const fq_str *names, size_t count) {
    struct set_key key = {names, count};
    return fq_table_pointer(fq_table_find(&engine->sets, fq_set_hash(names, count), &key));
}

static void leave_set(fq_engine *engine, struct fq_worker *worker) {
    struct fq_set *set = worker->set;
    if (set == NULL)
        return;
    worker->set = NULL;
    fq_list_remove(&worker->of_set);
    if (!fq_list_is_empty(&set->workers))
        return;
    engine->set_count--;
    engine->member_count -= set->member_count;
    fq_table_remove(&engine->sets, set->hash, fq_table_value(set));
    fq_set_free(set);
}

static struct fq_set *take_set(fq_engine *engine, fq_decision *decision) {
    struct fq_set *set = fq_worker_find_set(engine, decision->names, decision->name_count);
    if (set != NULL)
        return set;
    set = decision->reservation.set;
    FQ_ASSERT(set != NULL);
    decision->reservation.set = NULL;
    set->hash = fq_set_hash(decision->names, decision->name_count);
    for (size_t i = 0; i < decision->name_count; i++)
        fq_set_add(set, fq_name_take(engine, &decision->reservation, decision->names[i]));
    fq_table_insert(&engine->sets, set->hash, fq_table_value(set));
    engine->set_count++;
    engine->member_count += set->member_count;
    return set;
}

void fq_worker_register(fq_engine *engine, fq_decision *decision, const struct fq_event *event) {
    const struct fq_registration *facts = &event->registration;
    struct fq_worker *worker = fq_worker_take(engine, &decision->reservation, facts->worker);
    struct fq_set *set = take_set(engine, decision);
    if (worker->set != set) {
        leave_set(engine, worker);
        worker->set = set;
        fq_list_append(&set->workers, &worker->of_set);
    }
    char *profile = decision->reservation.profile;
    decision->reservation.profile = NULL;
    if (facts->instance.len > 0)
        memcpy(profile, facts->instance.ptr, facts->instance.len);
    if (facts->meta.len > 0)
        memcpy(profile + facts->instance.len, facts->meta.ptr, facts->meta.len);
    free(worker->profile);
    worker->profile = profile;
    worker->instance_len = (uint32_t)facts->instance.len;
    worker->meta_len = (uint32_t)facts->meta.len;
    worker->slots = facts->slots;
    if (!worker->registered) {
        worker->registered = true;
        worker->registered_us = event->at_us;
        engine->registered_count++;
        fq_list_append(&engine->seen_list, &worker->of_seen);
        settle(engine, worker);
    }
    fq_worker_seen(engine, worker, event);
}

void fq_worker_unregister(fq_engine *engine, struct fq_worker *worker) {
    FQ_ASSERT(worker->registered);
    leave_set(engine, worker);
    fq_list_remove(&worker->of_seen);
    worker->registered = false;
    engine->registered_count--;
    settle(engine, worker);
}

void fq_worker_seen(fq_engine *engine, struct fq_worker *worker, const struct fq_event *event) {
    worker->seen_us = event->at_us;
    worker->seen_boot_us = event->now_us;
    if (!worker->registered)
        return;
    fq_list_remove(&worker->of_seen);
    fq_list_append(&engine->seen_list, &worker->of_seen);
}

fq_str fq_worker_instance(const struct fq_worker *worker) {
    return (fq_str){worker->profile != NULL ? worker->profile : "", worker->instance_len};
}

fq_str fq_worker_meta(const struct fq_worker *worker) {
    if (worker->profile == NULL)
        return (fq_str){"", 0};
    return (fq_str){worker->profile + worker->instance_len, worker->meta_len};
}

bool fq_worker_is_active(const fq_engine *engine, const struct fq_worker *worker, int64_t boot_us) {
    return worker->registered &&
           boot_us - worker->seen_boot_us <= engine->config.worker_silence_ms * FQ_US_PER_MS;
}

int64_t fq_worker_forget_us(const fq_engine *engine) {
    const int64_t least_us = (int64_t)600 * FQ_US_PER_S;
    int64_t us = 20 * engine->config.worker_silence_ms * FQ_US_PER_MS;
    return us > least_us ? us : least_us;
}
