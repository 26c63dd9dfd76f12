// SPDX-License-Identifier: Apache-2.0
// A growing set of task ids.
#ifndef FQ_SERVER_TASK_IDS_H
#define FQ_SERVER_TASK_IDS_H

#include "base/uuid.h"
#include "fastqueue/error.h"

#include <stddef.h>

// All zero is an empty set.
struct fq_task_ids {
    fq_uuid *ids;
    size_t count, capacity;
};

/** Adds an id; the same one may come many times until fq_task_ids_settle. FQ_ENOMEM. */
FQ_MUST_USE int fq_task_ids_add(struct fq_task_ids *set, const fq_uuid *id);
/** Sorts, and keeps each id once. */
void fq_task_ids_settle(struct fq_task_ids *set);
void fq_task_ids_done(struct fq_task_ids *set);

#endif
