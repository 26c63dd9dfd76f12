// SPDX-License-Identifier: Apache-2.0
// Parsed replies as the public flat array of values, and how to read a task's state out of one.
#include "client/session_state.h"
#include "client/value.h"

#include "base/assert.h"

#include <stdlib.h>

static struct fq_value value_of(const struct fq_resp_node *node) {
    static const enum fq_value_type types[] = {
        [FQ_RESP_NIL] = FQ_VALUE_NIL,         [FQ_RESP_STATUS] = FQ_VALUE_TEXT,
        [FQ_RESP_ERROR] = FQ_VALUE_ERROR,     [FQ_RESP_INTEGER] = FQ_VALUE_INTEGER,
        [FQ_RESP_STRING] = FQ_VALUE_TEXT,     [FQ_RESP_DOUBLE] = FQ_VALUE_DOUBLE,
        [FQ_RESP_BOOLEAN] = FQ_VALUE_BOOLEAN, [FQ_RESP_ARRAY] = FQ_VALUE_ARRAY,
        [FQ_RESP_MAP] = FQ_VALUE_MAP,         [FQ_RESP_SET] = FQ_VALUE_ARRAY,
        [FQ_RESP_PUSH] = FQ_VALUE_ARRAY,
    };
    return (struct fq_value){
        .type = types[node->type],
        .child_count = node->child_count,
        .next = node->next,
        .integer = node->integer,
        .real = node->real,
        .text = {node->text.ptr, node->text.len},
    };
}

int fq_session_take_values(fq_session *session, const struct fq_resp_node *nodes) {
    size_t count = nodes[0].next;
    if (count > session->value_capacity) {
        struct fq_value *values = realloc(session->values, count * sizeof *values);
        if (values == NULL)
            return FQ_ENOMEM;
        session->values = values;
        session->value_capacity = count;
    }
    for (size_t i = 0; i < count; i++)
        session->values[i] = value_of(&nodes[i]);
    session->value_count = count;
    return 0;
}

const struct fq_value *fq_value_get(const struct fq_value *values, uint32_t at, const char *key) {
    if (values[at].type != FQ_VALUE_MAP && values[at].type != FQ_VALUE_ARRAY)
        return NULL;
    fq_str wanted = fq_str_of(key);
    uint32_t name = at + 1;
    for (uint32_t i = 0; i + 1 < values[at].child_count; i += 2) {
        uint32_t value = values[name].next;
        fq_str text = {values[name].text.ptr, values[name].text.len};
        if (values[name].type == FQ_VALUE_TEXT && fq_str_equal(text, wanted))
            return &values[value];
        name = values[value].next;
    }
    return NULL;
}

fq_slice fq_value_text(const struct fq_value *values, uint32_t at, const char *key) {
    const struct fq_value *value = fq_value_get(values, at, key);
    return value != NULL && value->type == FQ_VALUE_TEXT ? value->text : (fq_slice){"", 0};
}

int64_t fq_value_integer(const struct fq_value *values, uint32_t at, const char *key) {
    const struct fq_value *value = fq_value_get(values, at, key);
    int64_t number = 0;
    if (value == NULL)
        return 0;
    if (value->type == FQ_VALUE_INTEGER || value->type == FQ_VALUE_BOOLEAN)
        return value->integer;
    if (value->type == FQ_VALUE_TEXT)
        (void)fq_str_to_int64((fq_str){value->text.ptr, value->text.len}, &number); // 0 is "unknown"
    return number;
}

uint32_t fq_value_count(const struct fq_value *values, uint32_t at, const char *key) {
    int64_t number = fq_value_integer(values, at, key);
    return number > 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

// An error is a map of its own, or one text.
static void read_error(const struct fq_value *values, uint32_t at, struct fq_task_result *result) {
    const struct fq_value *error = fq_value_get(values, at, "error");
    result->error_type = fq_value_text(values, at, "error_type");
    result->error_message = fq_value_text(values, at, "error_message");
    result->error_stack = fq_value_text(values, at, "error_stack");
    if (error == NULL || error->type == FQ_VALUE_NIL)
        return;
    if (error->type == FQ_VALUE_TEXT || error->type == FQ_VALUE_ERROR) {
        if (result->error_message.len == 0)
            result->error_message = error->text;
        return;
    }
    uint32_t inner = (uint32_t)(error - values);
    result->error_type = fq_value_text(values, inner, "type");
    result->error_message = fq_value_text(values, inner, "message");
    result->error_stack = fq_value_text(values, inner, "stack");
}

int fq_session_read_result(const struct fq_value *values, uint32_t at, struct fq_task_result *ret_result) {
    fq_slice id = fq_value_text(values, at, "id");
    fq_slice status = fq_value_text(values, at, "status");
    if (id.len != FQ_UUID_TEXT || status.len == 0)
        return FQ_EPROTOCOL;
    struct fq_task_result result = {
        .name = fq_value_text(values, at, "name"),
        .status = status,
        .priority = fq_value_text(values, at, "priority"),
        .worker = fq_value_text(values, at, "worker"),
        .attempt = fq_value_count(values, at, "attempt"),
        .retries = fq_value_count(values, at, "retries"),
        .crashes = fq_value_count(values, at, "crashes"),
        .submitted_at = fq_value_integer(values, at, "submitted_at"),
        .started_at = fq_value_integer(values, at, "started_at"),
        .completed_at = fq_value_integer(values, at, "completed_at"),
        .eligible_at = fq_value_integer(values, at, "eligible_at"),
        .due_at = fq_value_integer(values, at, "due_at"),
        .wait_us = fq_value_integer(values, at, "wait_us"),
        .run_us = fq_value_integer(values, at, "run_us"),
        .cancel_requested = fq_value_integer(values, at, "cancel_requested") != 0,
        .result_state = fq_value_text(values, at, "result_state"),
        .traceparent = fq_value_text(values, at, "traceparent"),
        .encoding = fq_value_text(values, at, "encoding"),
        .result = fq_value_text(values, at, "result"),
    };
    const struct fq_value *stored = fq_value_get(values, at, "result");
    result.has_result = stored != NULL && stored->type == FQ_VALUE_TEXT;
    read_error(values, at, &result);
    memcpy(result.id, id.ptr, FQ_UUID_TEXT);
    *ret_result = result;
    return 0;
}

int fq_task_result_read(const struct fq_value *values, struct fq_task_result *ret_result) {
    return fq_session_read_result(values, 0, ret_result);
}
