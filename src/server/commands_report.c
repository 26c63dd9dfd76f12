// SPDX-License-Identifier: Apache-2.0
// How a task has ended: COMPLETE and FAIL.
#include "server/arguments.h"
#include "server/commit.h"
#include "server/core_state.h"

enum { REPORT_STARTED, REPORT_RUN, REPORT_TRACEPARENT, REPORT_SPECIAL };
struct report {
    int64_t started_us, run_us;
    fq_str traceparent;
};

// The options that COMPLETE and FAIL share.
static int read_report(struct fq_call *call, int word, fq_str value, struct report *report) {
    int64_t number = 0;
    int rc;
    switch (word) {
    case REPORT_STARTED:
        rc = fq_take_integer(call, "STARTED", value, 0, INT64_MAX / FQ_US_PER_MS, &number);
        report->started_us = number * FQ_US_PER_MS;
        return rc;
    case REPORT_RUN: return fq_take_integer(call, "RUN", value, 0, FQ_LATEST_US, &report->run_us);
    default: report->traceparent = fq_take_header(call, value, 128); return 0;
    }
}

static const struct fq_option_word complete_words[] = {
    {{"STARTED", 7},      true},
    {{"RUN", 3},          true},
    {{"TRACEPARENT", 11}, true},
    {{"ENCODING", 8},     true}
};

int fq_command_complete(struct fq_call *call) {
    fq_core *core = call->core;
    struct fq_command command = {.type = FQ_COMMAND_COMPLETE};
    struct report report = {.run_us = -1};
    command.complete.result = call->args[3];
    int rc = fq_take_uuid(call, call->args[1], &command.complete.id);
    if (rc == 0)
        rc = fq_take_token(call, call->args[2], &command.complete.token);
    for (size_t at = 4; at < call->arg_count && rc == 0;) {
        fq_str value;
        rc = fq_take_option(call, complete_words, 4, &at, &value);
        if (rc == REPORT_SPECIAL) {
            command.complete.encoding = value;
            rc = fq_take_encoding(call, value);
        } else if (rc >= 0) {
            rc = read_report(call, rc, value, &report);
        }
    }
    if (rc == 0 && call->args[3].len > core->options->result_bytes_max)
        rc = fq_call_refuse(call, FQ_ETOOBIG, "the result has %zu bytes; at most %llu are taken",
                            call->args[3].len, (unsigned long long)core->options->result_bytes_max);
    if (rc < 0)
        return rc;
    command.complete.started_us = report.started_us;
    command.complete.run_us = report.run_us;
    command.complete.traceparent = report.traceparent;
    core->has_report = true;
    core->report_id = command.complete.id;
    core->report_result = command.complete.result;
    core->report_encoding = command.complete.encoding;
    rc = fq_commit_call(call, &command);
    core->has_report = false;
    if (rc == 0)
        fq_resp_write_status(call->reply, "OK");
    return rc;
}

enum { FAIL_STACK = REPORT_SPECIAL, FAIL_NORETRY, FAIL_CRASH, FAIL_RETRIES, FAIL_BACKOFF, FAIL_WORDS };
static const struct fq_option_word fail_words[] = {
    {{"STARTED", 7},      true },
    {{"RUN", 3},          true },
    {{"TRACEPARENT", 11}, true },
    {{"STACK", 5},        true },
    {{"NORETRY", 7},      false},
    {{"CRASH", 5},        false},
    {{"RETRIES", 7},      true },
    {{"BACKOFF", 7},      true }
};

// What the task's definition declares, for tasks whose submit named nothing.
static int read_declared(struct fq_call *call, bool is_retries, fq_str value, struct fq_command *command) {
    int64_t number = 0;
    int rc = is_retries ? fq_take_integer(call, "RETRIES", value, 0, UINT16_MAX, &number)
                        : fq_take_integer(call, "BACKOFF", value, 0, INT32_MAX, &number);
    if (rc < 0)
        return rc;
    if (is_retries)
        command->fail.declared_retries = (uint32_t)number;
    else
        command->fail.declared_backoff_ms = number;
    return 0;
}

static int read_fail(struct fq_call *call, struct fq_command *command, struct report *report) {
    command->fail.type = call->args[3];
    command->fail.message = call->args[4];
    int rc = fq_take_uuid(call, call->args[1], &command->fail.id);
    if (rc == 0)
        rc = fq_take_token(call, call->args[2], &command->fail.token);
    if (rc == 0 && (call->args[3].len == 0 || call->args[3].len > 255))
        rc = fq_call_refuse(call, FQ_EINVALID, "type: the error's type in 1 to 255 bytes");
    for (size_t at = 5; at < call->arg_count && rc == 0;) {
        fq_str value;
        rc = fq_take_option(call, fail_words, FAIL_WORDS, &at, &value);
        if (rc < 0)
            return rc;
        if (rc == FAIL_STACK)
            command->fail.stack = value;
        else if (rc == FAIL_NORETRY)
            command->fail.no_retry = true;
        else if (rc == FAIL_CRASH)
            command->fail.crash = true;
        else if (rc == FAIL_RETRIES || rc == FAIL_BACKOFF)
            rc = read_declared(call, rc == FAIL_RETRIES, value, command);
        else if (read_report(call, rc, value, report) < 0)
            return FQ_EINVALID;
        rc = rc < 0 ? rc : 0;
    }
    return rc;
}

int fq_command_fail(struct fq_call *call) {
    struct fq_command command = {.type = FQ_COMMAND_FAIL};
    struct report report = {.run_us = -1};
    int rc = read_fail(call, &command, &report);
    uint64_t bytes = command.fail.message.len + command.fail.stack.len;
    if (rc == 0 && bytes > call->core->options->result_bytes_max)
        rc = fq_call_refuse(call, FQ_ETOOBIG, "message and stack have %llu bytes; at most %llu are taken",
                            (unsigned long long)bytes,
                            (unsigned long long)call->core->options->result_bytes_max);
    if (rc < 0)
        return rc;
    command.fail.started_us = report.started_us;
    command.fail.run_us = report.run_us;
    command.fail.traceparent = report.traceparent;
    rc = fq_commit_call(call, &command);
    if (rc == 0)
        fq_resp_write_status(call->reply, "OK");
    return rc;
}
