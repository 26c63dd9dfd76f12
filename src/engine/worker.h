// SPDX-License-Identifier: Apache-2.0
// Workers: who registered, what they offer, which leases they hold. The registry is volatile; a task's record of its last
// worker is durable, so a worker's record lives as long as a task names it.
#ifndef FQ_ENGINE_WORKER_H
#define FQ_ENGINE_WORKER_H

#include "engine/state.h"

extern const struct fq_table_ops fq_worker_table_ops, fq_set_table_ops;
struct fq_worker *fq_worker_find(const fq_engine *engine, fq_str id);
struct fq_worker *fq_worker_new(fq_str id);
struct fq_worker *fq_worker_free(struct fq_worker *worker);
/** The engine's record of `id`, taken from the reservation if it is new. NULL for "". */
struct fq_worker *fq_worker_take(fq_engine *engine, struct fq_reservation *reservation, fq_str id);

void fq_worker_reference(struct fq_worker *worker);
/** Frees the record when nothing needs it any more. NULL is fine. */
void fq_worker_release(fq_engine *engine, struct fq_worker *worker);
void fq_worker_lease_add(fq_engine *engine, struct fq_task *task);
void fq_worker_lease_remove(fq_engine *engine, struct fq_task *task);

/** Set of exactly these sorted names; NULL if no worker offers them. */
struct fq_set *fq_worker_find_set(const fq_engine *engine, const fq_str *names, size_t count);
void fq_worker_register(fq_engine *engine, struct fq_decision *decision, const struct fq_event *event);
void fq_worker_unregister(fq_engine *engine, struct fq_worker *worker);
void fq_worker_seen(fq_engine *engine, struct fq_worker *worker, const struct fq_event *event);

fq_str fq_worker_instance(const struct fq_worker *worker);
fq_str fq_worker_meta(const struct fq_worker *worker);
/** Registered, and heard of lately. */
bool fq_worker_is_active(const fq_engine *engine, const struct fq_worker *worker, int64_t boot_us);
/** How long a silent worker stays registered. */
int64_t fq_worker_forget_us(const fq_engine *engine);

#endif
