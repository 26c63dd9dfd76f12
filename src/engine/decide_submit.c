// SPDX-License-Identifier: Apache-2.0
#include "engine/decide.h"

#include "engine/ledger.h"
#include "engine/name.h"
#include "engine/task.h"

static int check_time(fq_decision *decision, const char *what, int64_t ms) {
    if (ms < 0 || ms > FQ_TIME_MAX_MS)
        return fq_refuse(decision, FQ_EINVALID, "%s must be between 0 and %lld milliseconds", what,
                         (long long)FQ_TIME_MAX_MS);
    return 0;
}

static int check_field(fq_decision *decision, const char *what, fq_str value, size_t max) {
    if (value.len > max)
        return fq_refuse(decision, FQ_ETOOBIG, "%s has %zu bytes; at most %zu are allowed", what, value.len,
                         max);
    return 0;
}

static int check_options(fq_decision *decision, const struct fq_submit *submit) {
    const struct fq_task_options *options = &submit->options;
    int rc = check_field(decision, "ENCODING", options->encoding, 64);
    if (rc == 0)
        rc = check_field(decision, "TRACEPARENT", options->traceparent, FQ_FIELD_MAX);
    if (rc == 0)
        rc = check_field(decision, "TRACESTATE", options->tracestate, FQ_FIELD_MAX);
    if (rc == 0)
        rc = check_field(decision, "BAGGAGE", options->baggage, FQ_FIELD_MAX);
    if (rc == 0)
        rc = check_field(decision, "UNIQUE", options->unique, FQ_UNIQUE_MAX);
    return rc;
}

static int check_submit(const fq_engine *engine, fq_decision *decision, const struct fq_submit *submit) {
    int rc = fq_decide_check_name(decision, "task name", submit->name);
    if (rc == 0)
        rc = check_time(decision, "DELAY", submit->delay_ms);
    if (rc == 0)
        rc = check_time(decision, "EXPIRES", submit->expires_ms);
    if (rc == 0)
        rc = check_time(decision, "TIMEOUT", submit->timeout_ms);
    if (rc == 0)
        rc = check_time(decision, "BACKOFF", submit->backoff_ms);
    if (rc == 0 && submit->result_ttl_ms != -1)
        rc = check_time(decision, "RESULT-TTL", submit->result_ttl_ms);
    if (rc == 0)
        rc = check_options(decision, submit);
    if (rc < 0)
        return rc;
    if (submit->at_us < 0 || submit->at_us / FQ_US_PER_MS > 2 * FQ_TIME_MAX_MS)
        return fq_refuse(decision, FQ_EINVALID, "AT must be a unix time in milliseconds");
    if (submit->at_us != 0 && submit->delay_ms != 0)
        return fq_refuse(decision, FQ_EINVALID, "DELAY and AT exclude each other");
    if ((unsigned)submit->priority >= FQ_PRIORITY_COUNT)
        return fq_refuse(decision, FQ_EINVALID, "the priority must be critical, high, normal or low");
    if (submit->retries > engine->config.attempt_max)
        return fq_refuse(decision, FQ_EINVALID, "RETRIES %u is above the limit of %u", submit->retries,
                         engine->config.attempt_max);
    if (submit->payload.len > INT32_MAX / 2)
        return fq_refuse(decision, FQ_ETOOBIG, "the payload has %zu bytes; at most %d are allowed",
                         submit->payload.len, INT32_MAX / 2);
    return 0;
}

// What makes two submits under one id the same: everything but the trace context, which a repeat may renew.
static uint64_t body_hash(const struct fq_submit *submit) {
    const struct fq_task_options *options = &submit->options;
    int64_t numbers[] = {(int64_t)submit->priority, submit->delay_ms,     submit->at_us,
                         submit->expires_ms,        submit->timeout_ms,   (int64_t)submit->retries,
                         submit->backoff_ms,        submit->result_ttl_ms};
    uint64_t hash = fq_hash_str(submit->name, 0);
    hash = fq_hash_str(submit->payload, hash);
    hash = fq_hash_bytes(numbers, sizeof numbers, hash);
    bool json = options->encoding.len == 0 || fq_str_equal(options->encoding, FQ_STR("json"));
    if (!json)
        hash = fq_hash_str(options->encoding, hash + 1);
    return options->unique.len != 0 ? fq_hash_str(options->unique, hash + 2) : hash;
}

static int repeat(fq_decision *decision, fq_uuid id) {
    decision->task_id = id;
    decision->is_repeat = true;
    return 0;
}

// 1: the submit is known already and answered, 0: it is new, or an error.
static int known_before(const fq_engine *engine, fq_decision *decision, const struct fq_submit *submit,
                        uint64_t hash) {
    const struct fq_task *task = fq_task_find(engine, &submit->id);
    const struct fq_ledger_entry *entry = task == NULL ? fq_ledger_find(&engine->ledger, &submit->id) : NULL;
    if (task != NULL || entry != NULL) {
        if (task != NULL ? task->body_hash != hash : !fq_ledger_matches(entry, hash))
            return fq_refuse(decision, FQ_EIDCONFLICT,
                             "the id is already used by a task with another body; submit under a new id");
        repeat(decision, submit->id);
        return 1;
    }
    if (submit->options.unique.len == 0)
        return 0;
    task = fq_task_find_unique(engine, submit->options.unique);
    if (task == NULL)
        return 0;
    repeat(decision, task->id);
    return 1;
}

static int check_room(const fq_engine *engine, fq_decision *decision, const struct fq_submit *submit) {
    const struct fq_engine_config *config = &engine->config;
    if (engine->tasks.count >= config->task_count_max + engine->result_count)
        return fq_refuse(decision, FQ_EFULL, "the queue holds %llu tasks, its limit; retry later",
                         (unsigned long long)config->task_count_max);
    if (engine->task_bytes + submit->payload.len > config->task_bytes_max)
        return fq_refuse(decision, FQ_EFULL, "waiting tasks hold %llu bytes of the %llu allowed; retry later",
                         (unsigned long long)engine->task_bytes, (unsigned long long)config->task_bytes_max);
    if (engine->name_count >= config->name_count_max && fq_name_find(engine, submit->name) == NULL)
        return fq_refuse(decision, FQ_EFULL, "%u task names are in use, the limit; use a known name",
                         engine->name_count);
    return 0;
}

static int put_fields(fq_decision *decision, const struct fq_submit *submit, int64_t at_us) {
    const struct fq_task_options *options = &submit->options;
    fq_buf *out = &decision->scratch;
    fq_decide_fields_begin(decision);
    int rc = 0;
    if (!fq_str_equal(options->encoding, FQ_STR("json")))
        rc = fq_field_put(out, FQ_FIELD_ENCODING, options->encoding);
    if (rc == 0)
        rc = fq_field_put(out, FQ_FIELD_TRACEPARENT, options->traceparent);
    if (rc == 0)
        rc = fq_field_put(out, FQ_FIELD_TRACESTATE, options->tracestate);
    if (rc == 0)
        rc = fq_field_put(out, FQ_FIELD_BAGGAGE, options->baggage);
    if (rc == 0)
        rc = fq_field_put(out, FQ_FIELD_UNIQUE, options->unique);
    if (rc == 0 && submit->expires_ms != 0)
        rc = fq_field_put_number(out, FQ_FIELD_EXPIRES_US,
                                 fq_time_add(at_us, submit->expires_ms * FQ_US_PER_MS));
    if (rc == 0 && submit->timeout_ms != 0)
        rc = fq_field_put_number(out, FQ_FIELD_TIMEOUT_MS, submit->timeout_ms);
    if (rc == 0 && submit->backoff_ms != 0)
        rc = fq_field_put_number(out, FQ_FIELD_BACKOFF_MS, submit->backoff_ms);
    if (rc == 0 && submit->result_ttl_ms >= 0)
        rc = fq_field_put_number(out, FQ_FIELD_RESULT_TTL_MS, submit->result_ttl_ms);
    return fq_decide_fields_end(decision, rc);
}

int fq_decide_submit(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                     fq_decision *decision) {
    const struct fq_submit *submit = &command->submit;
    fq_table_prefetch(&engine->tasks, fq_task_table_hash(engine, &submit->id));
    int rc = check_submit(engine, decision, submit);
    if (rc < 0)
        return rc;
    uint64_t hash = body_hash(submit);
    rc = known_before(engine, decision, submit, hash);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = check_room(engine, decision, submit);
    if (rc < 0)
        return rc;
    struct fq_event *event = fq_decision_add(decision, FQ_EVENT_SUBMITTED, engine, now);
    if (event == NULL)
        return FQ_ENOMEM;
    event->id = submit->id;
    struct fq_submitted *submitted = &event->submitted;
    *submitted = (struct fq_submitted){.name = submit->name,
                                       .payload = submit->payload,
                                       .body_hash = hash,
                                       .retries = (uint16_t)submit->retries,
                                       .priority = (uint8_t)submit->priority};
    if (submit->delay_ms != 0)
        submitted->due_us = fq_time_add(event->at_us, submit->delay_ms * FQ_US_PER_MS);
    if (submit->at_us > now.wall_us) {
        submitted->due_us = submit->at_us;
        submitted->flags |= FQ_FLAG_BY_WALL;
    }
    if (submit->expires_ms != 0)
        submitted->flags |= FQ_FLAG_EXPIRES;
    if (submit->options.unique.len != 0)
        submitted->flags |= FQ_FLAG_UNIQUE;
    decision->task_id = submit->id;
    return put_fields(decision, submit, event->at_us);
}
