// SPDX-License-Identifier: Apache-2.0
#include "server/reply.h"

void fq_reply_key_text(struct fq_resp_writer *writer, const char *key, fq_str value) {
    fq_resp_write_text(writer, key);
    fq_resp_write_string(writer, value);
}

void fq_reply_key_integer(struct fq_resp_writer *writer, const char *key, int64_t value) {
    fq_resp_write_text(writer, key);
    fq_resp_write_integer(writer, value);
}

void fq_reply_uuid(struct fq_resp_writer *writer, const fq_uuid *id) {
    char text[FQ_UUID_TEXT];
    fq_uuid_format(id, text);
    fq_resp_write_string(writer, (fq_str){text, FQ_UUID_TEXT});
}

void fq_reply_token(struct fq_resp_writer *writer, uint64_t token) {
    fq_resp_write_digits(writer, token);
}

// Keys of the maps that every task is told in, written as they go over the wire.
#define KEY(len, name) FQ_STR("$" #len "\r\n" name "\r\n")

static void put_text(struct fq_resp_writer *writer, fq_str key, fq_str value) {
    fq_resp_write_raw(writer, key);
    fq_resp_write_string(writer, value);
}

static void put_integer(struct fq_resp_writer *writer, fq_str key, int64_t value) {
    fq_resp_write_raw(writer, key);
    fq_resp_write_integer(writer, value);
}

static int64_t to_ms(int64_t us) {
    return us / FQ_US_PER_MS;
}

static fq_str encoding_of(fq_str encoding) {
    return encoding.len > 0 ? encoding : FQ_STR("json");
}

static const char *presence_name(enum fq_result_presence presence) {
    switch (presence) {
    case FQ_RESULT_STORED: return "stored";
    case FQ_RESULT_EVICTED: return "evicted";
    default: return "not_stored";
    }
}

// Which of the keys that not every task has are shown.
struct shape {
    bool due, timeout, expires, cancel, traceparent, ended, result, error;
    size_t pairs;
};
enum { FIXED_PAIRS = 14 };

static struct shape shape_of(const struct fq_task_view *view, bool with_result) {
    struct shape shape = {
        .due = view->state == FQ_TASK_SCHEDULED,
        .timeout = view->timeout_ms > 0,
        .expires = view->expires_us > 0,
        .cancel = view->cancel_requested,
        .traceparent = view->run_traceparent.len > 0,
        .ended = fq_task_state_is_final(view->state),
    };
    shape.result = with_result && view->state == FQ_TASK_SUCCESS &&
                   (view->result_presence == FQ_RESULT_STORED || view->result.len > 0);
    shape.error = view->error_type.len > 0 && view->state != FQ_TASK_SUCCESS;
    size_t optional[] = {
        shape.due,   shape.timeout, shape.expires, shape.cancel, shape.traceparent,
        shape.ended, shape.error,   shape.result,  shape.result}; // a result has its encoding
    shape.pairs = FIXED_PAIRS;
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++)
        shape.pairs += optional[i];
    return shape;
}

static void write_error_map(struct fq_resp_writer *writer, const struct fq_task_view *view) {
    fq_resp_write_raw(writer, KEY(5, "error"));
    fq_resp_write_map(writer, 3);
    put_text(writer, KEY(4, "type"), view->error_type);
    put_text(writer, KEY(7, "message"), view->error_message);
    put_text(writer, KEY(5, "stack"), view->error_stack);
}

static void write_optional(struct fq_resp_writer *writer, const struct fq_task_view *view,
                           const struct shape *shape) {
    if (shape->due)
        put_integer(writer, KEY(6, "due_at"), to_ms(view->due_us));
    if (shape->timeout)
        put_integer(writer, KEY(7, "timeout"), view->timeout_ms);
    if (shape->expires)
        put_integer(writer, KEY(10, "expires_at"), to_ms(view->expires_us));
    if (shape->cancel)
        put_integer(writer, KEY(16, "cancel_requested"), 1);
    if (shape->traceparent)
        put_text(writer, KEY(11, "traceparent"), view->run_traceparent);
    if (shape->ended)
        put_text(writer, KEY(12, "result_state"), fq_str_of(presence_name(view->result_presence)));
    if (shape->result) {
        put_text(writer, KEY(6, "result"), view->result);
        put_text(writer, KEY(8, "encoding"), encoding_of(view->result_encoding));
    }
    if (shape->error)
        write_error_map(writer, view);
}

void fq_reply_task(struct fq_resp_writer *writer, const struct fq_task_view *view, bool with_result) {
    struct shape shape = shape_of(view, with_result);
    fq_resp_write_map(writer, shape.pairs);
    fq_resp_write_raw(writer, KEY(2, "id"));
    fq_reply_uuid(writer, &view->id);
    put_text(writer, KEY(4, "name"), view->name);
    put_text(writer, KEY(6, "status"), fq_str_of(fq_task_state_name(view->state)));
    put_text(writer, KEY(8, "priority"), fq_str_of(fq_priority_name(view->priority)));
    put_integer(writer, KEY(7, "attempt"), view->attempt);
    put_integer(writer, KEY(7, "retries"), view->retries);
    put_integer(writer, KEY(7, "crashes"), view->crashes);
    put_text(writer, KEY(6, "worker"), view->worker);
    put_integer(writer, KEY(12, "submitted_at"), to_ms(view->submitted_us));
    put_integer(writer, KEY(11, "eligible_at"), to_ms(view->eligible_us));
    put_integer(writer, KEY(10, "started_at"), to_ms(view->started_us));
    put_integer(writer, KEY(12, "completed_at"), to_ms(view->completed_us));
    put_integer(writer, KEY(7, "wait_us"), view->wait_us);
    put_integer(writer, KEY(6, "run_us"), view->run_us);
    write_optional(writer, view, &shape);
}

// At least what the keys, numbers and line ends of a grant take.
enum { GRANT_FRAME_MAX = 1024 };

static size_t grant_room(const struct fq_task_view *view) {
    const struct fq_task_options *options = &view->options;
    return GRANT_FRAME_MAX + view->name.len + view->payload.len + options->encoding.len +
           options->traceparent.len + options->tracestate.len + options->baggage.len +
           view->last_traceparent.len;
}

static inline char *grant_text(char *to, fq_str key, fq_str value) {
    return fq_resp_put_string(fq_resp_put_raw(to, key), value);
}

static inline char *grant_integer(char *to, fq_str key, int64_t value) {
    return fq_resp_put_line(fq_resp_put_raw(to, key), ':', value);
}

static size_t grant_pairs(const struct fq_task_view *view) {
    const struct fq_task_options *options = &view->options;
    return 12u + (options->traceparent.len > 0) + (options->tracestate.len > 0) + (options->baggage.len > 0) +
           (view->last_traceparent.len > 0) + (view->last_ended_us > 0);
}

static char *grant_contexts(char *to, const struct fq_task_view *view) {
    const struct fq_task_options *options = &view->options;
    if (options->traceparent.len > 0)
        to = grant_text(to, KEY(11, "traceparent"), options->traceparent);
    if (options->tracestate.len > 0)
        to = grant_text(to, KEY(10, "tracestate"), options->tracestate);
    if (options->baggage.len > 0)
        to = grant_text(to, KEY(7, "baggage"), options->baggage);
    if (view->last_traceparent.len > 0) // of the attempt before, for this one to link to
        to = grant_text(to, KEY(20, "previous_traceparent"), view->last_traceparent);
    if (view->last_ended_us > 0)
        to = grant_integer(to, KEY(17, "previous_ended_at"), to_ms(view->last_ended_us));
    return to;
}

void fq_reply_grant(struct fq_resp_writer *writer, const struct fq_task_view *view, uint64_t token,
                    int64_t lease_ms) {
    fq_resp_write_map(writer, grant_pairs(view));
    char *to = fq_resp_room(writer, grant_room(view));
    if (to == NULL)
        return;
    char id[FQ_UUID_TEXT];
    fq_uuid_format(&view->id, id);
    to = grant_text(to, KEY(2, "id"), (fq_str){id, sizeof id});
    to = fq_resp_put_digits(fq_resp_put_raw(to, KEY(5, "token")), token);
    to = grant_text(to, KEY(4, "name"), view->name);
    to = grant_text(to, KEY(7, "payload"), view->payload);
    to = grant_text(to, KEY(8, "encoding"), encoding_of(view->options.encoding));
    to = grant_text(to, KEY(8, "priority"), fq_str_of(fq_priority_name(view->priority)));
    to = grant_integer(to, KEY(7, "attempt"), view->attempt);
    to = grant_integer(to, KEY(7, "timeout"), view->timeout_ms);
    to = grant_integer(to, KEY(12, "submitted_at"), to_ms(view->submitted_us));
    to = grant_integer(to, KEY(11, "eligible_at"), to_ms(view->eligible_us));
    to = grant_integer(to, KEY(7, "wait_us"), view->wait_us);
    to = grant_integer(to, KEY(8, "lease_ms"), lease_ms);
    fq_resp_commit(writer, grant_contexts(to, view));
}
