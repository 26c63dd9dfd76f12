// SPDX-License-Identifier: Apache-2.0
// The waiting tasks of one name and priority, in order of their turn. New ones join the end of the line in O(1); those
// that come back behind their turn stand in a search tree, O(log n) in their number. Taking the first is O(1) beside that.
#ifndef FQ_ENGINE_QUEUE_H
#define FQ_ENGINE_QUEUE_H

#include "engine/state.h"

void fq_queue_init(struct fq_queue *queue);
/** Puts a PENDING task in its place by `task->order`. */
void fq_queue_add(struct fq_task *task);
void fq_queue_remove(struct fq_task *task);
/** First by turn; NULL if empty. */
struct fq_task *fq_queue_first(const struct fq_queue *queue);
/** The two strands, each in order of turn: first of it, and the one after `task`. NULL at the end. */
struct fq_task *fq_queue_line_first(const struct fq_queue *queue);
struct fq_task *fq_queue_line_next(const struct fq_queue *queue, const struct fq_task *task);
struct fq_task *fq_queue_back_first(const struct fq_queue *queue);
struct fq_task *fq_queue_back_next(const struct fq_queue *queue, const struct fq_task *task);

#endif
