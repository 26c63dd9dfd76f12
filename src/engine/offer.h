// SPDX-License-Identifier: Apache-2.0
// Which task comes next: strictly by priority, then by turn, across the names that a worker offers.
//
// Workers that offer the same names share a set. A set keeps, for each priority, a heap of those of its names for which
// something waits and which are not paused, by the turn of the name's first task; a change of a name's head updates the
// sets that hold it, in O(log names). Choosing reads the heaps best-first without changing them, so that a decision can
// look at the next thousand tasks of a const engine; its cost does not depend on how many tasks wait.
#ifndef FQ_ENGINE_OFFER_H
#define FQ_ENGINE_OFFER_H

#include "engine/state.h"

/** The first task of `name` at `priority` is another one, or none. */
void fq_offer_head_changed(struct fq_name *name, enum fq_priority priority);
/** `name->paused` has changed. */
void fq_offer_pause_changed(struct fq_name *name);

/** A set with room for `count` members, without members; NULL when out of memory. */
struct fq_set *fq_set_new(uint32_t count);
/** Adds a name and what waits for it. At most as many as fq_set_new was told. */
void fq_set_add(struct fq_set *set, struct fq_name *name);
/** Takes it out of its names and frees it. NULL is fine. */
struct fq_set *fq_set_free(struct fq_set *set);
/** Hash of the sorted texts. */
uint64_t fq_set_hash(const fq_str *names, size_t count);
/** Whether the set's names, in its order, are these. */
bool fq_set_equals(const struct fq_set *set, const fq_str *names, size_t count);
/** Members are sorted by text. */
bool fq_set_has(const struct fq_set *set, fq_str name);

/** Starts choosing among what waits at `priority`: in a set, or in single names added one by one. */
void fq_choice_begin(fq_decision *decision);
FQ_MUST_USE int fq_choice_add_set(fq_decision *decision, const struct fq_set *set, enum fq_priority priority);
FQ_MUST_USE int fq_choice_add_name(fq_decision *decision, const struct fq_name *name,
                                   enum fq_priority priority);
/** 1 and the next task by turn, 0 if no more wait, FQ_ENOMEM. */
FQ_MUST_USE int fq_choice_next(fq_decision *decision, enum fq_priority priority, struct fq_task **ret_task);

#endif
