// SPDX-License-Identifier: Apache-2.0
// Listings for admin commands, HTTP and metrics.
#include "engine/dead.h"
#include "engine/ledger.h"
#include "engine/name.h"
#include "engine/offer.h"
#include "engine/queue.h"
#include "engine/show.h"
#include "engine/worker.h"

enum { LOOK_MAX = 10000 };

static int64_t oldest_pending_us(const struct fq_name *name) {
    int64_t oldest_us = 0;
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++) {
        const struct fq_task *first = fq_queue_first(&name->queues[priority]);
        if (first != NULL && (oldest_us == 0 || first->eligible_us < oldest_us))
            oldest_us = first->eligible_us;
    }
    return oldest_us;
}

uint64_t fq_engine_live_count(const fq_engine *engine) {
    const uint64_t *count = engine->state_count;
    return count[FQ_TASK_SCHEDULED] + count[FQ_TASK_PENDING] + count[FQ_TASK_STARTED];
}

void fq_engine_stats(const fq_engine *engine, struct fq_now now, struct fq_engine_stats *ret_stats) {
    struct fq_engine_stats stats = {
        .running_count = engine->running_count,
        .submitted_total = engine->totals.submitted,
        .granted_total = engine->totals.granted,
        .completed_total = engine->totals.completed,
        .failed_total = engine->totals.failed,
        .retried_total = engine->totals.retried,
        .returned_total = engine->totals.returned,
        .crashed_total = engine->totals.crashed,
        .cancelled_total = engine->totals.cancelled,
        .expired_total = engine->totals.expired,
        .evicted_total = engine->totals.evicted,
        .stale_total = engine->stale_total,
        .repeat_total = engine->repeat_total,
        .dead_count = engine->dead.count,
        .result_count = engine->result_count,
        .result_bytes = engine->result_bytes,
        .task_bytes = engine->task_bytes,
        .ledger_count = fq_ledger_count(&engine->ledger),
        .name_count = engine->name_count,
        .worker_count = engine->registered_count,
    };
    memcpy(stats.state_count, engine->state_count, sizeof stats.state_count);
    memcpy(stats.pending_count, engine->pending_count, sizeof stats.pending_count);
    const fq_list_link *head = &engine->seen_list;
    for (const fq_list_link *link = head->previous; link != head; link = link->previous) {
        if (!fq_worker_is_active(engine, FQ_ELEMENT(link, const struct fq_worker, of_seen), now.boot_us))
            break; // those before it were heard of even earlier
        stats.active_worker_count++;
    }
    for (uint32_t i = 0; i < engine->name_count; i++) {
        int64_t oldest_us = oldest_pending_us(engine->name_list[i]);
        if (oldest_us != 0 && (stats.oldest_pending_us == 0 || oldest_us < stats.oldest_pending_us))
            stats.oldest_pending_us = oldest_us;
    }
    *ret_stats = stats;
}

static uint32_t count_offering(const fq_engine *engine, const struct fq_name *name, struct fq_now now) {
    uint32_t count = 0;
    for (const fq_list_link *link = name->members.next; link != &name->members; link = link->next) {
        const fq_list_link *workers = &FQ_ELEMENT(link, const struct fq_member, of_name)->set->workers;
        for (const fq_list_link *of_set = workers->next; of_set != workers; of_set = of_set->next)
            count +=
                fq_worker_is_active(engine, FQ_ELEMENT(of_set, const struct fq_worker, of_set), now.boot_us);
    }
    return count;
}

int fq_engine_name(const fq_engine *engine, uint32_t index, struct fq_now now,
                   struct fq_name_view *ret_view) {
    if (index >= engine->name_count)
        return FQ_EINVALID;
    const struct fq_name *name = engine->name_list[index];
    struct fq_name_view view = {
        .name = fq_name_text(name),
        .name_id = name->id,
        .scheduled = name->scheduled,
        .started = name->started,
        .submitted_total = name->submitted_total,
        .completed_total = name->completed_total,
        .failed_total = name->failed_total,
        .offering = count_offering(engine, name, now),
        .paused = name->paused || engine->all_paused,
        .oldest_pending_us = oldest_pending_us(name),
    };
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++)
        view.pending[priority] = name->queues[priority].count;
    *ret_view = view;
    return 0;
}

int64_t fq_engine_name_id(const fq_engine *engine, fq_str text) {
    const struct fq_name *name = fq_name_find(engine, text);
    return name != NULL ? (int64_t)name->id : FQ_EUNKNOWNTASK;
}

bool fq_engine_all_paused(const fq_engine *engine) {
    return engine->all_paused;
}

static struct fq_worker_view show_worker(const fq_engine *engine, const struct fq_worker *worker,
                                         struct fq_now now) {
    return (struct fq_worker_view){
        .id = fq_worker_id(worker),
        .instance = fq_worker_instance(worker),
        .meta = fq_worker_meta(worker),
        .slots = worker->slots,
        .name_count = worker->set != NULL ? worker->set->member_count : 0,
        .leases = worker->lease_count,
        .running = worker->running_count,
        .completed_total = worker->completed_total,
        .failed_total = worker->failed_total,
        .registered_us = worker->registered_us,
        .seen_us = worker->seen_us,
        .active = fq_worker_is_active(engine, worker, now.boot_us),
        .registered = worker->registered,
    };
}

size_t fq_engine_workers(const fq_engine *engine, struct fq_now now, uint64_t *cursor,
                         struct fq_worker_view *views, size_t max) {
    size_t count = 0;
    const fq_list_link *head = &engine->worker_list;
    for (const fq_list_link *link = head->next; link != head; link = link->next) {
        const struct fq_worker *worker = FQ_ELEMENT(link, const struct fq_worker, of_engine);
        if (worker->serial < *cursor)
            continue;
        if (count == max) {
            *cursor = worker->serial;
            return count;
        }
        views[count++] = show_worker(engine, worker, now);
    }
    *cursor = 0;
    return count;
}

bool fq_engine_worker_offers(const fq_engine *engine, fq_str id, fq_str name) {
    const struct fq_worker *worker = fq_worker_find(engine, id);
    return worker != NULL && worker->set != NULL && fq_set_has(worker->set, name);
}

int fq_engine_worker_name(const fq_engine *engine, fq_str id, uint32_t index, fq_str *ret_name) {
    const struct fq_worker *worker = fq_worker_find(engine, id);
    if (worker == NULL || worker->set == NULL || index >= worker->set->member_count)
        return FQ_EINVALID;
    *ret_name = fq_name_text(worker->set->members[index].name);
    return 0;
}

size_t fq_engine_worker_name_count(const fq_engine *engine, fq_str id) {
    const struct fq_worker *worker = fq_worker_find(engine, id);
    return worker != NULL && worker->set != NULL ? worker->set->member_count : 0;
}

size_t fq_engine_worker_name_ids(const fq_engine *engine, fq_str id, size_t from, uint32_t *ids, size_t max) {
    const struct fq_worker *worker = fq_worker_find(engine, id);
    const struct fq_set *set = worker != NULL ? worker->set : NULL;
    size_t count = 0;
    for (size_t i = from; set != NULL && i < set->member_count && count < max; i++)
        ids[count++] = set->members[i].name->id;
    return count;
}

// --- tasks ------------------------------------------------------------------------------------------------------------
struct page {
    const fq_engine *engine;
    const struct fq_task_filter *filter;
    struct fq_task_view *views;
    size_t max, count;
};

static bool passes(const struct fq_task_filter *filter, const struct fq_task *task) {
    return (!filter->by_state || task->state == filter->state) &&
           (!filter->by_priority || task->priority == filter->priority) &&
           (filter->name.len == 0 || fq_str_equal(filter->name, fq_name_text(task->name))) &&
           (filter->worker.len == 0 || fq_str_equal(filter->worker, fq_worker_id(task->worker)));
}

static bool page_visit(void *context, uint64_t value) {
    struct page *page = context;
    const struct fq_task *task = fq_table_pointer(value);
    if (!passes(page->filter, task))
        return true;
    if (page->count == page->max)
        return false;
    fq_task_show(page->engine, task, &page->views[page->count++]);
    return true;
}

static size_t dead_page(struct page *page, uint64_t *cursor) {
    const struct fq_dead *dead = &page->engine->dead;
    size_t looked = 0;
    for (size_t i = fq_dead_seek(dead, *cursor); i < dead->end; i++, looked++) {
        const struct fq_task *task = dead->entries[i].task;
        bool shown = task != NULL && passes(page->filter, task);
        if (looked == LOOK_MAX || (shown && page->count == page->max)) {
            *cursor = dead->entries[i].order;
            return page->count;
        }
        if (shown)
            fq_task_show(page->engine, task, &page->views[page->count++]);
    }
    *cursor = 0;
    return page->count;
}

size_t fq_engine_tasks(const fq_engine *engine, const struct fq_task_filter *filter, uint64_t *cursor,
                       struct fq_task_view *views, size_t max) {
    struct page page = {engine, filter, views, max, 0};
    if (filter->dead)
        return dead_page(&page, cursor);
    fq_table_scan(&engine->tasks, cursor, LOOK_MAX, page_visit, &page);
    return page.count;
}
