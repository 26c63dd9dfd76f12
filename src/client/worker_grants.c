// SPDX-License-Identifier: Apache-2.0
// The answer to a FETCH as tasks of the worker's own, so that the client can be used while they are worked on.
#include "client/worker_state.h"

#include "base/str.h"
#include "base/uuid.h"
#include "client/value.h"

#include <stdlib.h>

enum { TEXTS = 8 };

static void list_texts(struct fq_worker_task *task, fq_slice *texts[TEXTS]) {
    fq_slice *all[TEXTS] = {
        &task->name,        &task->payload,    &task->encoding, &task->priority,
        &task->traceparent, &task->tracestate, &task->baggage,  &task->previous_traceparent};
    memcpy(texts, all, sizeof all);
}

// The texts still borrow from the answer.
static int read_task(const struct fq_value *values, uint32_t at, struct fq_worker_task *ret_task) {
    fq_slice id = fq_value_text(values, at, "id");
    fq_slice token = fq_value_text(values, at, "token");
    struct fq_worker_task task = {
        .name = fq_value_text(values, at, "name"),
        .payload = fq_value_text(values, at, "payload"),
        .encoding = fq_value_text(values, at, "encoding"),
        .priority = fq_value_text(values, at, "priority"),
        .traceparent = fq_value_text(values, at, "traceparent"),
        .tracestate = fq_value_text(values, at, "tracestate"),
        .baggage = fq_value_text(values, at, "baggage"),
        .previous_traceparent = fq_value_text(values, at, "previous_traceparent"),
        .attempt = fq_value_count(values, at, "attempt"),
        .timeout_ms = fq_value_integer(values, at, "timeout"),
        .submitted_at = fq_value_integer(values, at, "submitted_at"),
        .eligible_at = fq_value_integer(values, at, "eligible_at"),
        .previous_ended_at = fq_value_integer(values, at, "previous_ended_at"),
        .wait_us = fq_value_integer(values, at, "wait_us"),
        .lease_ms = fq_value_integer(values, at, "lease_ms"),
    };
    if (values[at].type != FQ_VALUE_MAP || id.len != FQ_UUID_TEXT || task.name.len == 0 ||
        fq_str_to_uint64((fq_str){token.ptr, token.len}, &task.lease.token) < 0)
        return FQ_EPROTOCOL;
    memcpy(task.lease.id, id.ptr, FQ_UUID_TEXT);
    *ret_task = task;
    return 0;
}

static int read_tasks(struct fq_worker_grants *grants, const struct fq_value *values) {
    uint32_t at = 1;
    for (size_t i = 0; i < values[0].child_count; i++) {
        int rc = read_task(values, at, &grants->tasks[i]);
        if (rc < 0)
            return rc;
        at = values[at].next;
    }
    grants->count = values[0].child_count;
    return 0;
}

static int reserve_tasks(struct fq_worker_grants *grants, size_t count) {
    if (count <= grants->capacity)
        return 0;
    struct fq_worker_task *tasks = realloc(grants->tasks, count * sizeof *tasks);
    if (tasks == NULL)
        return FQ_ENOMEM;
    grants->tasks = tasks;
    grants->capacity = count;
    return 0;
}

static int reserve_text(struct fq_worker_grants *grants, size_t size) {
    if (size <= grants->text_capacity)
        return 0;
    char *text = realloc(grants->text, size);
    if (text == NULL)
        return FQ_ENOMEM;
    grants->text = text;
    grants->text_capacity = size;
    return 0;
}

// Moves what the tasks borrow into the worker's own text.
static int keep_texts(struct fq_worker_grants *grants) {
    fq_slice *texts[TEXTS];
    size_t size = 0;
    for (size_t i = 0; i < grants->count; i++) {
        list_texts(&grants->tasks[i], texts);
        for (size_t t = 0; t < TEXTS; t++)
            size += texts[t]->len + 1;
    }
    int rc = reserve_text(grants, size);
    if (rc < 0)
        return rc;
    char *end = grants->text;
    for (size_t i = 0; i < grants->count; i++) {
        list_texts(&grants->tasks[i], texts);
        for (size_t t = 0; t < TEXTS; t++) {
            memcpy(end, texts[t]->ptr, texts[t]->len);
            end[texts[t]->len] = '\0';
            texts[t]->ptr = end;
            end += texts[t]->len + 1;
        }
    }
    return 0;
}

int fq_worker_grants_take(struct fq_worker_grants *grants, const struct fq_value *values) {
    grants->count = 0;
    if (values[0].type != FQ_VALUE_ARRAY)
        return FQ_EPROTOCOL;
    int rc = reserve_tasks(grants, values[0].child_count);
    if (rc == 0)
        rc = read_tasks(grants, values);
    if (rc == 0)
        rc = keep_texts(grants);
    if (rc < 0)
        grants->count = 0;
    return rc;
}

void fq_worker_grants_done(struct fq_worker_grants *grants) {
    free(grants->tasks);
    free(grants->text);
}
