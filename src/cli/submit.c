// SPDX-License-Identifier: Apache-2.0
// `fastqueue submit`
#include "base/uuid.h"
#include "cli/connection.h"
#include "cli/submit_words.h"
#include "cli/task_print.h"
#include "net/clock.h"
#include "otel/propagation.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void fill(const struct fq_options *options, struct fq_submit_options *submit) {
    fq_submit_options_init(submit);
    submit->id = fq_option_text(options, FQ_OPTION_SUBMIT_ID);
    submit->priority = fq_option_text(options, FQ_OPTION_SUBMIT_PRIORITY);
    submit->delay_ms = fq_option_number(options, FQ_OPTION_DELAY);
    submit->at_unix_ms = fq_option_number(options, FQ_OPTION_AT);
    submit->expires_ms = fq_option_number(options, FQ_OPTION_EXPIRES);
    submit->timeout_ms = fq_option_number(options, FQ_OPTION_TIMEOUT);
    submit->retries = (uint32_t)fq_option_number(options, FQ_OPTION_RETRIES);
    submit->backoff_ms = fq_option_number(options, FQ_OPTION_SUBMIT_BACKOFF);
    submit->unique = fq_option_text(options, FQ_OPTION_UNIQUE);
    if (fq_option_given(options, FQ_OPTION_RESULT_TTL))
        submit->result_ttl_ms = fq_option_number(options, FQ_OPTION_RESULT_TTL);
    if (fq_option_given(options, FQ_OPTION_PAYLOAD))
        submit->encoding = fq_option_text(options, FQ_OPTION_ENCODING);
    submit->traceparent = fq_option_text(options, FQ_OPTION_TRACEPARENT);
    submit->tracestate = fq_option_text(options, FQ_OPTION_TRACESTATE);
}

static void print_id(const struct fq_options *options, const char *id) {
    bool alone = fq_option_number(options, FQ_OPTION_NON_BLOCKING) != 0;
    if (fq_option_number(options, FQ_OPTION_JSON)) {
        if (alone)
            fq_output_json_line(json_pack("{s:s}", "id", id));
    } else if (!fq_option_number(options, FQ_OPTION_RAW)) {
        printf("Task submitted with ID: %s\n", id);
        fflush(stdout);
    }
}

static int print_outcome(const struct fq_options *options, const struct fq_task_result *task) {
    bool ok = fq_task_succeeded(task);
    if (fq_option_number(options, FQ_OPTION_JSON))
        fq_task_print_json(task, true);
    else if (fq_option_number(options, FQ_OPTION_RAW) && ok)
        fq_task_print_raw(task);
    else {
        printf("Task result: %.*s\n", (int)task->status.len, task->status.ptr);
        fq_task_print_outcome(task);
    }
    return ok ? FQ_EXIT_OK : FQ_EXIT_FAILED;
}

// What a wait came to: the outcome, no time left, or an error.
static int finish(fq_client *client, const struct fq_options *options, const char *id, int result,
                  const struct fq_task_result *task) {
    if (result == 0)
        return print_outcome(options, task);
    if (result != FQ_ETIMEOUT)
        return fq_connection_fail(client, result);
    fprintf(stderr,
            "fastqueue: no result within %s; it goes on, 'fastqueue result %s --wait 1h' waits longer\n",
            fq_option_text(options, FQ_OPTION_SUBMIT_WAIT), id);
    return FQ_EXIT_TEMPORARY;
}

// The id is printed as soon as the task is stored.
static int submit_then_wait(fq_client *client, const struct fq_options *options, const char *name,
                            fq_str payload, const struct fq_submit_options *submit) {
    char id[37];
    int result = fq_client_submit(client, name, payload.ptr, payload.len, submit, id);
    if (result < 0)
        return fq_connection_fail(client, result);
    print_id(options, id);
    if (fq_option_number(options, FQ_OPTION_NON_BLOCKING))
        return FQ_EXIT_OK;
    struct fq_task_result task = {.attempt = 0};
    result = fq_client_wait(client, id, fq_option_number(options, FQ_OPTION_SUBMIT_WAIT), &task);
    return finish(client, options, id, result, &task);
}

// A result that is not kept reaches only who waits when the task ends: the wish to wait goes out with the submit.
static int submit_and_wait(fq_client *client, const struct fq_options *options, const char *name,
                           fq_str payload, const struct fq_submit_options *given) {
    char id[37];
    struct fq_submit_options submit = *given;
    if (submit.id == NULL) {
        uint64_t dice[2];
        if (getrandom(dice, sizeof dice, 0) != (ssize_t)sizeof dice)
            return FQ_EXIT_INTERNAL;
        fq_uuid made = fq_uuid_v7(fq_clock_now().wall_us / FQ_US_PER_MS, dice[0], dice[1]);
        fq_uuid_format(&made, id);
        id[FQ_UUID_TEXT] = '\0';
        submit.id = id;
    }
    struct fq_task_result task = {.attempt = 0};
    int64_t wait_ms = fq_option_number(options, FQ_OPTION_SUBMIT_WAIT);
    int result = fq_client_call(client, name, payload.ptr, payload.len, &submit, wait_ms, &task);
    if (result == 0 || result == FQ_ETIMEOUT)
        print_id(options, result == 0 ? task.id : submit.id);
    return finish(client, options, submit.id, result, &task);
}

static const char *context_variable(void *context, const char *name) {
    const struct fq_submit_options *submit = context;
    if (strcmp(name, "TRACEPARENT") == 0)
        return submit->traceparent;
    return strcmp(name, "TRACESTATE") == 0 ? submit->tracestate : getenv(name);
}

// The context that options or environment name becomes the current one, so that the submission is part of it.
static otel_context *take_context(struct fq_submit_options *submit) {
    const struct otel_environment environment = {.get = context_variable, .context = submit};
    struct otel_carrier_reader reader = otel_environment_reader(&environment);
    otel_context *context = otel_extract(NULL, NULL, &reader);
    struct otel_span_context span;
    if (otel_context_span_context(context, &span, NULL, NULL)) {
        submit->traceparent = NULL;
        submit->tracestate = NULL;
    }
    return context;
}

static int submit(const struct fq_options *options, const char *name, fq_buf *payload) {
    struct fq_submit_options submit;
    struct otel_scope scope;
    fill(options, &submit);
    fq_client *client;
    int code = fq_connection_open(options, &client);
    if (code != 0)
        return code;
    otel_context *context = take_context(&submit);
    otel_scope_enter(&scope, context);
    bool not_kept = fq_option_given(options, FQ_OPTION_RESULT_TTL) && submit.result_ttl_ms == 0;
    if (not_kept && !fq_option_number(options, FQ_OPTION_NON_BLOCKING))
        code = submit_and_wait(client, options, name, fq_buf_str(payload), &submit);
    else
        code = submit_then_wait(client, options, name, fq_buf_str(payload), &submit);
    otel_scope_leave(&scope);
    otel_context_release(context);
    fq_client_close(client);
    return code;
}

int fq_verb_submit(struct fq_cli *cli) {
    const struct fq_options *options = cli->options;
    const char *name = fq_option_text(options, FQ_OPTION_TASK_NAME);
    if (name == NULL && options->operand_count > 0)
        name = options->operands[0];
    if (name == NULL) {
        fputs("fastqueue submit: which task? Give --task-name NAME or the name as first operand\n", stderr);
        return FQ_EXIT_USAGE;
    }
    if (fq_option_given(options, FQ_OPTION_DELAY) && fq_option_given(options, FQ_OPTION_AT)) {
        fputs("fastqueue submit: --delay and --at exclude each other\n", stderr);
        return FQ_EXIT_USAGE;
    }
    fq_buf payload;
    fq_buf_init(&payload, FQ_SUBMIT_BYTES_MAX);
    int code = fq_submit_words_read(options, &payload);
    if (code == 0)
        code = submit(options, name, &payload);
    fq_buf_done(&payload);
    return code;
}
