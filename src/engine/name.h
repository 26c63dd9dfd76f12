// SPDX-License-Identifier: Apache-2.0
// Task names: made at first use, by a submit or a worker's registration, and kept for the engine's life.
#ifndef FQ_ENGINE_NAME_H
#define FQ_ENGINE_NAME_H

#include "engine/state.h"

extern const struct fq_table_ops fq_name_table_ops;
struct fq_name *fq_name_find(const fq_engine *engine, fq_str text);
/** What a task changes in the record comes into the caches meanwhile. */
void fq_name_fetch_ahead(const struct fq_name *name);
/** A record outside the engine; NULL when out of memory. */
struct fq_name *fq_name_new(fq_str text);
struct fq_name *fq_name_free(struct fq_name *name);
/** The engine's record of `text`, taken from the reservation if it is new. */
struct fq_name *fq_name_take(fq_engine *engine, struct fq_reservation *reservation, fq_str text);
/** Share of the state hash: only pausing is durable. */
uint64_t fq_name_hash(const struct fq_name *name);

#endif
