// SPDX-License-Identifier: Apache-2.0
#include "engine/event_view.h"

#include "base/le.h"
#include "engine/event_data.h"
#include "engine/fields.h"

const char *fq_event_type_name(enum fq_event_type type) {
    static const char *const names[FQ_EVENT_DURABLE_COUNT] = {
        [FQ_EVENT_SUBMITTED] = "submitted",
        [FQ_EVENT_ELIGIBLE] = "eligible",
        [FQ_EVENT_GRANTED] = "granted",
        [FQ_EVENT_STARTED] = "started",
        [FQ_EVENT_COMPLETED] = "completed",
        [FQ_EVENT_FAILED] = "failed",
        [FQ_EVENT_RETRIED] = "retried",
        [FQ_EVENT_RETURNED] = "returned",
        [FQ_EVENT_CRASHED] = "crashed",
        [FQ_EVENT_CANCELLED] = "cancelled",
        [FQ_EVENT_CANCEL_REQUESTED] = "cancel_requested",
        [FQ_EVENT_EXPIRED] = "expired",
        [FQ_EVENT_RESULT_EVICTED] = "result_evicted",
        [FQ_EVENT_PURGED] = "purged",
        [FQ_EVENT_REQUEUED] = "requeued",
        [FQ_EVENT_FORGOTTEN] = "forgotten",
        [FQ_EVENT_PAUSED] = "paused",
        [FQ_EVENT_RESUMED] = "resumed",
        [FQ_EVENT_EPOCH] = "epoch",
        [FQ_EVENT_CLOCK_JUMP] = "clock_jump",
        [FQ_EVENT_HASH_CHECK] = "hash_check",
        [FQ_EVENT_LEDGER] = "ledger",
        [FQ_EVENT_SNAPSHOT] = "snapshot",
        [FQ_EVENT_TASK] = "task",
        [FQ_EVENT_NAME] = "name",
        [FQ_EVENT_LEDGER_TRIMMED] = "ledger_trimmed",
    };
    return (unsigned)type < FQ_EVENT_DURABLE_COUNT && names[type] != NULL ? names[type] : "unknown";
}

struct viewer {
    void (*on_member)(void *context, const struct fq_event_member *member);
    void *context;
};

static void tell(const struct viewer *viewer, const char *name, enum fq_event_member_kind kind, fq_str text,
                 int64_t number) {
    struct fq_event_member member = {name, kind, text, number};
    viewer->on_member(viewer->context, &member);
}

static void tell_text(const struct viewer *viewer, const char *name, fq_str text) {
    tell(viewer, name, FQ_MEMBER_TEXT, text, 0);
}

static void tell_number(const struct viewer *viewer, const char *name, int64_t number) {
    tell(viewer, name, FQ_MEMBER_NUMBER, (fq_str){"", 0}, number);
}

static void tell_count(const struct viewer *viewer, const char *name, uint64_t count) {
    tell_number(viewer, name, (int64_t)count);
}

// Moments that are not known are left out.
static void tell_time(const struct viewer *viewer, const char *name, int64_t us) {
    if (us != 0)
        tell(viewer, name, FQ_MEMBER_TIME, (fq_str){"", 0}, us);
}

static void tell_hex(const struct viewer *viewer, const char *name, uint64_t bits) {
    tell(viewer, name, FQ_MEMBER_HEX, (fq_str){"", 0}, (int64_t)bits);
}

static void tell_flag(const struct viewer *viewer, const char *name, bool is_set) {
    tell(viewer, name, FQ_MEMBER_FLAG, (fq_str){"", 0}, is_set);
}

static void tell_fields(const struct viewer *viewer, fq_str fields) {
    static const struct {
        enum fq_field tag;
        const char *name;
        enum fq_event_member_kind kind;
    } rows[] = {
        {FQ_FIELD_ENCODING,         "encoding",         FQ_MEMBER_TEXT   },
        {FQ_FIELD_TRACEPARENT,      "traceparent",      FQ_MEMBER_TEXT   },
        {FQ_FIELD_TRACESTATE,       "tracestate",       FQ_MEMBER_TEXT   },
        {FQ_FIELD_BAGGAGE,          "baggage",          FQ_MEMBER_CONTENT},
        {FQ_FIELD_UNIQUE,           "unique",           FQ_MEMBER_TEXT   },
        {FQ_FIELD_EXPIRES_US,       "expires",          FQ_MEMBER_TIME   },
        {FQ_FIELD_TIMEOUT_MS,       "timeout_ms",       FQ_MEMBER_NUMBER },
        {FQ_FIELD_BACKOFF_MS,       "backoff_ms",       FQ_MEMBER_NUMBER },
        {FQ_FIELD_RESULT_TTL_MS,    "result_ttl_ms",    FQ_MEMBER_NUMBER },
        {FQ_FIELD_LAST_TRACEPARENT, "last_traceparent", FQ_MEMBER_TEXT   },
        {FQ_FIELD_LAST_ENDED_US,    "last_ended",       FQ_MEMBER_TIME   },
        {FQ_FIELD_RESULT,           "result",           FQ_MEMBER_CONTENT},
        {FQ_FIELD_RESULT_ENCODING,  "result_encoding",  FQ_MEMBER_TEXT   },
        {FQ_FIELD_ERROR_TYPE,       "error_type",       FQ_MEMBER_TEXT   },
        {FQ_FIELD_ERROR_MESSAGE,    "error_message",    FQ_MEMBER_CONTENT},
        {FQ_FIELD_ERROR_STACK,      "error_stack",      FQ_MEMBER_CONTENT},
        {FQ_FIELD_RUN_TRACEPARENT,  "run_traceparent",  FQ_MEMBER_TEXT   },
        {FQ_FIELD_RUN_US,           "run_us",           FQ_MEMBER_NUMBER },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fq_str value = fq_field_get(fields, rows[i].tag);
        if (value.len == 0)
            continue;
        bool is_number = rows[i].kind == FQ_MEMBER_TIME || rows[i].kind == FQ_MEMBER_NUMBER;
        tell(viewer, rows[i].name, rows[i].kind, is_number ? (fq_str){"", 0} : value,
             is_number ? fq_field_number(fields, rows[i].tag, 0) : 0);
    }
}

static void tell_submitted(const struct viewer *viewer, const struct fq_submitted *submitted) {
    tell_text(viewer, "name", submitted->name);
    tell_text(viewer, "priority", fq_str_of(fq_priority_name((enum fq_priority)submitted->priority)));
    tell_number(viewer, "retries", submitted->retries);
    tell_time(viewer, "due", submitted->due_us);
    tell_fields(viewer, submitted->fields);
    tell(viewer, "payload", FQ_MEMBER_CONTENT, submitted->payload, 0);
}

static void tell_ended(const struct viewer *viewer, const struct fq_ended *ended) {
    tell_time(viewer, "started", ended->started_us);
    tell_time(viewer, "due", ended->due_us);
    if (ended->crashed)
        tell_flag(viewer, "crashed", true);
    if (ended->lost)
        tell_flag(viewer, "lost", true);
    tell_fields(viewer, ended->fields);
}

static void tell_task(const struct viewer *viewer, const struct fq_task_image *image) {
    tell_text(viewer, "name", image->name);
    tell_text(viewer, "state", fq_str_of(fq_task_state_name((enum fq_task_state)image->state)));
    tell_text(viewer, "priority", fq_str_of(fq_priority_name((enum fq_priority)image->priority)));
    tell_number(viewer, "attempt", image->attempt);
    tell_number(viewer, "retries", image->retries);
    tell_number(viewer, "crashes", image->crashes);
    if (image->losses != 0)
        tell_number(viewer, "losses", image->losses);
    if (image->worker.len > 0)
        tell_text(viewer, "worker", image->worker);
    if (image->state == FQ_TASK_STARTED)
        tell_hex(viewer, "token", (uint64_t)image->moment);
    else
        tell_time(viewer, image->state == FQ_TASK_SCHEDULED ? "due" : "completed", image->moment);
    tell_time(viewer, "submitted", image->submitted_us);
    tell_time(viewer, "granted", image->granted_us);
    tell_time(viewer, "started", image->started_us);
    tell_fields(viewer, image->fields);
    tell(viewer, "payload", FQ_MEMBER_CONTENT, image->payload, 0);
}

static void tell_snapshot(const struct viewer *viewer, const struct fq_snapshot_head *head) {
    const struct fq_totals *totals = &head->totals;
    tell_hex(viewer, "token", head->token);
    tell_number(viewer, "epoch", head->epoch);
    tell_flag(viewer, "all_paused", head->all_paused);
    tell_count(viewer, "submitted_total", totals->submitted);
    tell_count(viewer, "granted_total", totals->granted);
    tell_count(viewer, "completed_total", totals->completed);
    tell_count(viewer, "failed_total", totals->failed);
    tell_count(viewer, "retried_total", totals->retried);
    tell_count(viewer, "returned_total", totals->returned);
    tell_count(viewer, "crashed_total", totals->crashed);
    tell_count(viewer, "cancelled_total", totals->cancelled);
    tell_count(viewer, "expired_total", totals->expired);
    tell_count(viewer, "evicted_total", totals->evicted);
}

static void tell_name(const struct viewer *viewer, const struct fq_name_image *image) {
    tell_text(viewer, "name", image->name);
    tell_flag(viewer, "paused", image->paused);
    tell_count(viewer, "submitted_total", image->submitted);
    tell_count(viewer, "completed_total", image->completed);
    tell_count(viewer, "failed_total", image->failed);
}

static void tell_event(const struct viewer *viewer, const struct fq_event *event) {
    switch (event->type) {
    case FQ_EVENT_SUBMITTED: tell_submitted(viewer, &event->submitted); break;
    case FQ_EVENT_GRANTED:
        tell_text(viewer, "worker", event->granted.worker);
        tell_hex(viewer, "token", event->granted.token);
        break;
    case FQ_EVENT_STARTED: tell_time(viewer, "started", event->started_us); break;
    case FQ_EVENT_COMPLETED:
    case FQ_EVENT_FAILED:
    case FQ_EVENT_RETRIED:
    case FQ_EVENT_RETURNED:
    case FQ_EVENT_CRASHED:
    case FQ_EVENT_CANCELLED:
    case FQ_EVENT_EXPIRED: tell_ended(viewer, &event->ended); break;
    case FQ_EVENT_PAUSED:
    case FQ_EVENT_RESUMED: tell_text(viewer, "name", event->name); break;
    case FQ_EVENT_EPOCH: tell_number(viewer, "epoch", event->epoch.epoch); break;
    case FQ_EVENT_CLOCK_JUMP: tell_number(viewer, "jump_us", event->jump_us); break;
    case FQ_EVENT_HASH_CHECK: tell_hex(viewer, "state_hash", event->hash); break;
    case FQ_EVENT_LEDGER:
        tell_text(viewer, "state", fq_str_of(fq_task_state_name((enum fq_task_state)event->ledger.state)));
        tell_time(viewer, "finished", event->ledger.finished_us);
        break;
    case FQ_EVENT_SNAPSHOT: tell_snapshot(viewer, &event->head); break;
    case FQ_EVENT_TASK: tell_task(viewer, &event->image); break;
    case FQ_EVENT_NAME: tell_name(viewer, &event->name_image); break;
    case FQ_EVENT_LEDGER_TRIMMED: tell_count(viewer, "count", event->trim_count); break;
    default: break; // time and id are all there is
    }
}

int fq_event_view(fq_str record, void (*on_member)(void *context, const struct fq_event_member *member),
                  void *context, struct fq_event_head *ret_head) {
    struct fq_event event;
    int result = fq_event_decode(record, &event);
    if (result < 0)
        return result;
    *ret_head = (struct fq_event_head){event.type, event.at_us, event.id};
    if (on_member != NULL) {
        struct viewer viewer = {on_member, context};
        tell_event(&viewer, &event);
    }
    return 0;
}
