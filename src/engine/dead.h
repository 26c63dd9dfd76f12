// SPDX-License-Identifier: Apache-2.0
// The dead list: tasks that failed for good, oldest first, by `order`. An array, so that a listing can go on where it was.
#ifndef FQ_ENGINE_DEAD_H
#define FQ_ENGINE_DEAD_H

#include "engine/state.h"

/** Room for `extra` more in the list or in the spare. 0 or FQ_ENOMEM. */
int fq_dead_reserve(const struct fq_dead *dead, size_t extra, struct fq_dead_entry **spare,
                    size_t *spare_capacity);
void fq_dead_adopt(struct fq_dead *dead, struct fq_dead_entry **spare, size_t *spare_capacity);
void fq_dead_add(struct fq_dead *dead, struct fq_task *task);
void fq_dead_remove(struct fq_dead *dead, const struct fq_task *task);
/** Index of the first entry with `order` or a later one; entries may be removed ones (task NULL). */
size_t fq_dead_seek(const struct fq_dead *dead, uint64_t order);

#endif
