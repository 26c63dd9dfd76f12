// SPDX-License-Identifier: Apache-2.0
#include "engine/queue.h"

#include "engine/offer.h"

static struct fq_queue *queue_of(struct fq_task *task) {
    return &task->name->queues[task->priority];
}

static struct fq_task *from_node(struct fq_treap_node *node) {
    return node != NULL ? FQ_ELEMENT(node, struct fq_task, tree_node) : NULL;
}

void fq_queue_init(struct fq_queue *queue) {
    fq_list_init(&queue->line);
    queue->back.root = NULL;
    queue->back.key_offset =
        (ptrdiff_t)offsetof(struct fq_task, order) - (ptrdiff_t)offsetof(struct fq_task, tree_node);
    queue->head = 0;
    queue->count = 0;
}

struct fq_task *fq_queue_line_first(const struct fq_queue *queue) {
    return fq_list_is_empty(&queue->line) ? NULL : FQ_TASK_OF(queue->line.next);
}

struct fq_task *fq_queue_line_next(const struct fq_queue *queue, const struct fq_task *task) {
    return task->link.next == &queue->line ? NULL : FQ_TASK_OF(task->link.next);
}

struct fq_task *fq_queue_back_first(const struct fq_queue *queue) {
    return from_node(fq_treap_at_least(&queue->back, 0));
}

struct fq_task *fq_queue_back_next(const struct fq_queue *queue, const struct fq_task *task) {
    return from_node(fq_treap_at_least(&queue->back, task->order + 1));
}

struct fq_task *fq_queue_first(const struct fq_queue *queue) {
    struct fq_task *line = fq_queue_line_first(queue);
    struct fq_task *back = queue->back.root != NULL ? fq_queue_back_first(queue) : NULL;
    if (line == NULL || back == NULL)
        return line != NULL ? line : back;
    return line->order < back->order ? line : back;
}

static void head_changed(struct fq_task *task) {
    struct fq_queue *queue = queue_of(task);
    struct fq_task *first = fq_queue_first(queue);
    uint64_t head = first != NULL ? first->order : 0;
    if (head == queue->head)
        return;
    queue->head = head;
    fq_offer_head_changed(task->name, (enum fq_priority)task->priority);
}

void fq_queue_add(struct fq_task *task) {
    struct fq_queue *queue = queue_of(task);
    FQ_ASSERT(task->place == FQ_PLACE_NONE && task->order != 0);
    if (fq_list_is_empty(&queue->line) || FQ_TASK_OF(queue->line.previous)->order < task->order) {
        fq_list_append(&queue->line, &task->link);
        task->place = FQ_PLACE_LINE;
    } else {
        fq_treap_insert(&queue->back, &task->tree_node);
        task->place = FQ_PLACE_BACK;
    }
    queue->count++;
    if (queue->head == 0 || task->order < queue->head)
        head_changed(task);
}

void fq_queue_remove(struct fq_task *task) {
    struct fq_queue *queue = queue_of(task);
    FQ_ASSERT(task->place != FQ_PLACE_NONE && queue->count > 0);
    if (task->place == FQ_PLACE_LINE)
        fq_list_remove(&task->link);
    else
        fq_treap_remove(&queue->back, &task->tree_node);
    task->place = FQ_PLACE_NONE;
    queue->count--;
    if (task->order == queue->head)
        head_changed(task);
}
