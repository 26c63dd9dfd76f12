// SPDX-License-Identifier: Apache-2.0
#include "engine/decide.h"

#include "engine/name.h"
#include "engine/offer.h"
#include "engine/task.h"
#include "engine/worker.h"

enum { SET_MAX = 1024, MEMBER_MAX = 1 << 20, META_MAX = 4096, INSTANCE_MAX = 256 };

static int compare_names(const void *a, const void *b) {
    return fq_str_compare(*(const fq_str *)a, *(const fq_str *)b);
}

static int sort_names(fq_decision *decision, const fq_str *names, size_t count) {
    void *array = decision->names;
    int rc = fq_array_reserve(&array, &decision->name_capacity, count, sizeof *decision->names);
    if (rc < 0)
        return rc;
    decision->names = array;
    for (size_t i = 0; i < count; i++) {
        rc = fq_decide_check_name(decision, "task name", names[i]);
        if (rc < 0)
            return rc;
        decision->names[i] = names[i];
    }
    if (count > 1)
        qsort(decision->names, count, sizeof *decision->names, compare_names);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || !fq_str_equal(decision->names[kept - 1], decision->names[i]))
            decision->names[kept++] = decision->names[i];
    }
    decision->name_count = kept;
    return 0;
}

static int check_limits(const fq_engine *engine, fq_decision *decision, const struct fq_worker *worker) {
    const struct fq_engine_config *config = &engine->config;
    if ((worker == NULL || !fq_list_is_linked(&worker->of_engine)) &&
        engine->holder_count >= config->worker_count_max)
        return fq_refuse(decision, FQ_EBUSY, "%llu workers are known, the limit; let idle ones unregister",
                         (unsigned long long)engine->holder_count);
    if (fq_worker_find_set(engine, decision->names, decision->name_count) != NULL)
        return 0;
    size_t fresh = 0;
    for (size_t i = 0; i < decision->name_count; i++)
        fresh += fq_name_find(engine, decision->names[i]) == NULL;
    if (engine->name_count + fresh > config->name_count_max)
        return fq_refuse(decision, FQ_EFULL, "%u task names are in use; %zu more are above the limit of %u",
                         engine->name_count, fresh, config->name_count_max);
    if (engine->set_count >= SET_MAX || engine->member_count + decision->name_count > MEMBER_MAX)
        return fq_refuse(
            decision, FQ_EBUSY,
            "workers offer %llu different sets of tasks, the limit; let workers offer the same names",
            (unsigned long long)engine->set_count);
    return 0;
}

int fq_decide_register(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                       fq_decision *decision) {
    fq_str id = command->worker_register.worker;
    fq_str instance = command->worker_register.instance;
    int rc = fq_decide_check_name(decision, "worker id", id);
    if (rc < 0)
        return rc;
    if (instance.len > INSTANCE_MAX || command->worker_register.meta.len > META_MAX)
        return fq_refuse(decision, FQ_ETOOBIG, "INSTANCE has at most %d bytes, META at most %d", INSTANCE_MAX,
                         META_MAX);
    if (command->worker_register.name_count == 0)
        return fq_refuse(decision, FQ_EINVALID, "a worker registers at least one task name after TASKS");
    const struct fq_worker *worker = fq_worker_find(engine, id);
    if (worker != NULL && fq_worker_is_active(engine, worker, now.boot_us) &&
        !fq_str_equal(fq_worker_instance(worker), instance))
        return fq_refuse(
            decision, FQ_EWORKEREXISTS,
            "another live instance holds the worker id '%.*s': stop it, wait until it is silent for "
            "%lld s, or set FASTQUEUE_WORKER_ID to another id",
            (int)(id.len < 64 ? id.len : 64), id.ptr, (long long)(engine->config.worker_silence_ms / 1000));
    rc = sort_names(decision, command->worker_register.names, command->worker_register.name_count);
    if (rc == 0)
        rc = check_limits(engine, decision, worker);
    if (rc < 0)
        return rc;
    struct fq_event *event = fq_decision_add(decision, FQ_EVENT_WORKER_REGISTERED, engine, now);
    if (event == NULL)
        return FQ_ENOMEM;
    event->registration =
        (struct fq_registration){id, instance, command->worker_register.meta, command->worker_register.slots};
    return 0;
}

static int leave(const fq_engine *engine, fq_decision *decision, struct fq_now now,
                 struct fq_worker *worker) {
    struct fq_event *event = fq_decision_add(decision, FQ_EVENT_WORKER_LEFT, engine, now);
    if (event == NULL)
        return FQ_ENOMEM;
    event->worker.worker = worker;
    fq_decide_fields_begin(decision);
    return fq_decide_fields_end(decision, fq_buf_append_str(&decision->scratch, fq_worker_id(worker)));
}

static struct fq_worker *registered_as(const fq_engine *engine, fq_str id, fq_str instance) {
    struct fq_worker *worker = id.len > 0 ? fq_worker_find(engine, id) : NULL;
    if (worker == NULL || !worker->registered)
        return NULL;
    return instance.len == 0 || fq_str_equal(fq_worker_instance(worker), instance) ? worker : NULL;
}

int fq_decide_unregister(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                         fq_decision *decision) {
    struct fq_worker *worker = registered_as(engine, command->worker.worker, command->worker.instance);
    if (worker == NULL)
        return fq_refuse(decision, FQ_EUNKNOWNWORKER, "no such worker is registered");
    for (fq_list_link *link = worker->leases.next; link != &worker->leases; link = link->next) {
        int rc = fq_lease_returned(engine, decision, now, FQ_TASK_OF(link));
        if (rc < 0)
            return rc;
    }
    decision->touched = decision->event_count;
    return leave(engine, decision, now, worker);
}

int fq_decide_worker_gone(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                          fq_decision *decision) {
    struct fq_worker *worker = registered_as(engine, command->worker.worker, command->worker.instance);
    if (worker == NULL)
        return 0; // another instance has taken its place, or it has left in good order
    char message[FQ_NAME_MAX + 64];
    int len =
        snprintf(message, sizeof message, "worker %.*s lost its connection", (int)worker->id_len, worker->id);
    struct fq_attempt_end end = {
        .message = {message, (size_t)len},
          .run_us = -1, .vanished = true
    };
    for (fq_list_link *link = worker->leases.next; link != &worker->leases; link = link->next) {
        int rc = fq_lease_lost(engine, decision, now, FQ_TASK_OF(link), &end);
        if (rc < 0)
            return rc;
    }
    decision->touched = decision->event_count;
    return leave(engine, decision, now, worker);
}
