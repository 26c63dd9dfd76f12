// SPDX-License-Identifier: Apache-2.0
// The calls of the blocking client that ask for one thing: a submission, a result, a command's answer.
#include "client/client_shards.h"
#include "client/client_state.h"

#include "base/str.h"
#include "net/clock.h"

static fq_slice slice_of(const char *text) {
    return (fq_slice){text, strlen(text)};
}

// Ends a call: on failure nothing of it is sent or awaited any more.
static int end_call(fq_client *client, const struct fq_client_errand *errand, int rc) {
    if (rc >= 0)
        return 0;
    fq_session_forget(client->session, errand->tag);
    return rc;
}

// --- submit, and wait for the result ------------------------------------------------------------------------------------
struct submit_call {
    fq_slice name, payload;
    struct fq_submit_options options; // its id is `id` after the first attempt
    char id[37];
    uint32_t refusals;
    int64_t wait_ms;                   // for the result, from the submission on
    struct fq_task_result *ret_result; // NULL = the submission is all
    struct fq_submission submission;
    struct fq_submission_context context;
};

static void end_submission(fq_client *client, struct submit_call *call, const char *id, int error) {
    fq_submission_end(&client->telemetry, &call->submission, call->name, fq_target_address(&client->target),
                      id, error);
}

static int queue_submit(fq_client *client, struct fq_client_errand *errand) {
    struct submit_call *call = errand->context;
    errand->wake_us = FQ_NEVER_US;
    int rc =
        fq_session_submit(client->session, call->name, call->payload, &call->options, errand->tag, call->id);
    if (rc < 0)
        return fq_client_fail_session(client, rc);
    call->options.id = call->id;
    return 0;
}

static int on_submitted(fq_client *client, struct fq_client_errand *errand,
                        const struct fq_session_event *event) {
    struct submit_call *call = errand->context;
    if (event->error < 0) {
        (void)fq_client_fail(client, event->error, event->message);
        if (!fq_error_info(event->error)->retryable)
            return event->error;
        errand->refusal = event->error;
        errand->wake_us = fq_time_add(fq_clock_now().boot_us, fq_client_pause_us(client, call->refusals++));
        return 0;
    }
    memcpy(call->id, event->id, sizeof call->id);
    end_submission(client, call, call->id, 0);
    if (call->ret_result == NULL)
        return 1;
    errand->refusal = 0;
    fq_client_errand_set_deadline(errand, call->wait_ms);
    return 0;
}

static int on_result(fq_client *client, const struct fq_session_event *event,
                     struct fq_task_result *ret_result) {
    if (event->error < 0)
        return fq_client_fail(client, event->error, event->message);
    *ret_result = event->result;
    return 1;
}

static int on_submit_event(fq_client *client, struct fq_client_errand *errand,
                           const struct fq_session_event *event) {
    const struct submit_call *call = errand->context;
    if (event->tag != errand->tag)
        return 0;
    if (event->type == FQ_SESSION_SUBMITTED)
        return on_submitted(client, errand, event);
    return event->type == FQ_SESSION_RESULT ? on_result(client, event, call->ret_result) : 0;
}

static void take_options(struct submit_call *call, const struct fq_submit_options *given) {
    fq_submit_options_init(&call->options);
    if (given != NULL)
        memcpy(&call->options, given,
               given->size < sizeof call->options ? given->size : sizeof call->options);
    call->options.want_result = call->ret_result != NULL;
}

static void begin_submission(fq_client *client, struct submit_call *call) {
    fq_submission_begin(&client->telemetry, &call->submission, call->name, &call->options,
                        fq_target_address(&client->target));
    fq_submission_inject(&call->submission, &call->context, &call->options);
}

static int run_submit(fq_client *client, struct submit_call *call) {
    struct fq_client_errand errand = fq_client_errand_begin(client);
    errand.on_event = on_submit_event;
    errand.on_wake = queue_submit;
    errand.context = call;
    begin_submission(client, call);
    int rc = queue_submit(client, &errand);
    if (rc == 0)
        rc = fq_client_drive(client, &errand);
    end_submission(client, call, call->id, rc); // if it was not answered
    return end_call(client, &errand, rc);
}

int fq_client_submit(fq_client *client, const char *name, const void *payload, size_t payload_len,
                     const struct fq_submit_options *options, char ret_id[37]) {
    if (client->shards != NULL) {
        const struct fq_client_task task = {name, payload, payload_len, options};
        return fq_client_shards_submit(client, &task, ret_id);
    }
    struct submit_call call = {
        .name = slice_of(name), .payload = {payload, payload_len}
    };
    take_options(&call, options);
    int rc = run_submit(client, &call);
    if (rc == 0)
        memcpy(ret_id, call.id, sizeof call.id);
    return rc;
}

int fq_client_call(fq_client *client, const char *name, const void *payload, size_t payload_len,
                   const struct fq_submit_options *options, int64_t wait_ms,
                   struct fq_task_result *ret_result) {
    if (client->shards != NULL) {
        const struct fq_client_task task = {name, payload, payload_len, options};
        return fq_client_shards_call(client, &task, wait_ms, ret_result);
    }
    struct submit_call call = {
        .name = slice_of(name),
        .payload = {payload, payload_len},
        .wait_ms = wait_ms,
        .ret_result = ret_result,
    };
    take_options(&call, options);
    return run_submit(client, &call);
}

// --- one result ---------------------------------------------------------------------------------------------------------
static int on_watch_event(fq_client *client, struct fq_client_errand *errand,
                          const struct fq_session_event *event) {
    if (event->tag != errand->tag || event->type != FQ_SESSION_RESULT)
        return 0;
    return on_result(client, event, errand->context);
}

int fq_client_wait(fq_client *client, const char *id, int64_t wait_ms, struct fq_task_result *ret_result) {
    if (client->shards != NULL)
        return fq_client_shards_wait(client, id, wait_ms, ret_result);
    struct fq_client_errand errand = fq_client_errand_begin(client);
    fq_client_errand_set_deadline(&errand, wait_ms);
    errand.losses_left = UINT32_MAX - 1; // asking again for a result is harmless
    errand.on_event = on_watch_event;
    errand.context = ret_result;
    int rc = fq_session_watch(client->session, id, errand.tag);
    if (rc < 0)
        return fq_client_fail_text(client, rc, "a task id is a UUID of 36 characters");
    return end_call(client, &errand, fq_client_drive(client, &errand));
}

// --- one command --------------------------------------------------------------------------------------------------------
static int on_reply(fq_client *client, struct fq_client_errand *errand,
                    const struct fq_session_event *event) {
    const struct fq_value **ret_values = errand->context;
    if (event->tag != errand->tag || event->type != FQ_SESSION_REPLY)
        return 0;
    if (event->error < 0)
        return fq_client_fail(client, event->error, event->message);
    *ret_values = event->values;
    return 1;
}

// Commands that change nothing, or nothing more when they come twice.
static bool is_repeatable(fq_slice command) {
    static const char *const names[] = {"FQ.RESULT", "FQ.STATUS", "FQ.QUEUES", "FQ.WORKERS", "FQ.LIST",
                                        "FQ.STATS",  "FQ.PAUSE",  "FQ.RESUME", "FQ.KNOWN",   "FQ.SHARDS",
                                        "PING",      "ECHO",      "INFO",      "COMMAND"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (fq_str_equal_nocase((fq_str){command.ptr, command.len}, fq_str_of(names[i])))
            return true;
    }
    return false;
}

int fq_client_request(fq_client *client, const fq_slice *args, size_t arg_count, bool repeatable,
                      int64_t wait_ms, const struct fq_value **ret_values) {
    struct fq_client_errand errand = fq_client_errand_begin(client);
    errand.deadline_us = fq_time_add(errand.deadline_us, wait_ms * FQ_US_PER_MS);
    errand.on_event = on_reply;
    errand.context = ret_values;
    int rc = fq_session_command(client->session, args, arg_count, repeatable, errand.tag);
    if (rc < 0)
        return fq_client_fail_session(client, rc);
    return end_call(client, &errand, fq_client_drive(client, &errand));
}

int fq_client_command(fq_client *client, const fq_slice *args, size_t arg_count,
                      const struct fq_value **ret_values) {
    bool repeatable = arg_count > 0 && is_repeatable(args[0]);
    return fq_client_request(client, args, arg_count, repeatable, 0, ret_values);
}

static int ask_about(fq_client *client, const char *verb, const char *id, struct fq_task_result *ret_result) {
    const fq_slice args[] = {slice_of(verb), slice_of(id)};
    const struct fq_value *values;
    int rc = fq_client_command(client, args, 2, &values);
    if (rc < 0)
        return rc;
    if (values[0].type == FQ_VALUE_NIL)
        return fq_client_fail_text(client, FQ_EUNKNOWNTASK, fq_strerror(FQ_EUNKNOWNTASK));
    rc = fq_task_result_read(values, ret_result);
    return rc < 0 ? fq_client_fail_text(client, rc, "the answer describes no task") : 0;
}

int fq_client_result(fq_client *client, const char *id, struct fq_task_result *ret_result) {
    if (client->shards != NULL)
        return fq_client_shards_ask(client, id, fq_client_result, ret_result);
    return ask_about(client, "FQ.RESULT", id, ret_result);
}

int fq_client_status(fq_client *client, const char *id, struct fq_task_result *ret_result) {
    if (client->shards != NULL)
        return fq_client_shards_ask(client, id, fq_client_status, ret_result);
    return ask_about(client, "FQ.STATUS", id, ret_result);
}

static int cancel_there(fq_client *client, const char *id, struct fq_task_result *ret_result) {
    (void)ret_result;
    return fq_client_cancel(client, id);
}

int fq_client_cancel(fq_client *client, const char *id) {
    if (client->shards != NULL)
        return fq_client_shards_ask(client, id, cancel_there, NULL);
    const fq_slice args[] = {slice_of("FQ.CANCEL"), slice_of(id)};
    const struct fq_value *values;
    int rc = fq_client_command(client, args, 2, &values);
    if (rc < 0)
        return rc;
    if (values[0].type == FQ_VALUE_NIL)
        return fq_client_fail_text(client, FQ_EUNKNOWNTASK, fq_strerror(FQ_EUNKNOWNTASK));
    return values[0].integer != 0 ? 1 : 0;
}
