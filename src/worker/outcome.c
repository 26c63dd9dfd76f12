// SPDX-License-Identifier: Apache-2.0
#include "worker/outcome.h"

#include "base/le.h"

#include <inttypes.h>
#include <stdio.h>

enum { REPORT_OK = 1, REPORT_NO_RETRY = 2, REPORT_HEAD = 40 };

// The four byte strings of a report, cut to what their length fields hold.
struct parts {
    fq_str kind, body, stack, traceparent;
};

static fq_str cut(fq_str text, size_t most) {
    return (fq_str){text.ptr, text.len < most ? text.len : most};
}

static struct parts parts_of(const struct fq_report *report) {
    const struct fq_runner_outcome *outcome = &report->outcome;
    return (struct parts){
        .kind = cut(outcome->ok ? outcome->encoding : outcome->error_type, UINT16_MAX),
        .body = cut(outcome->ok ? outcome->result : outcome->message, UINT32_MAX),
        .stack = cut(outcome->ok ? (fq_str){"", 0} : outcome->stack, UINT32_MAX),
        .traceparent = cut(outcome->traceparent, UINT8_MAX),
    };
}

size_t fq_report_size(const struct fq_report *report) {
    struct parts parts = parts_of(report);
    return REPORT_HEAD + parts.kind.len + parts.body.len + parts.stack.len + parts.traceparent.len;
}

static unsigned char *put(unsigned char *at, fq_str text) {
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

void fq_report_encode(const struct fq_report *report, unsigned char *out) {
    struct parts parts = parts_of(report);
    out[0] = (unsigned char)((report->outcome.ok ? REPORT_OK : 0) |
                             (report->outcome.no_retry ? REPORT_NO_RETRY : 0));
    out[1] = (unsigned char)parts.traceparent.len;
    fq_put_u16(out + 2, (uint16_t)parts.kind.len);
    fq_put_u32(out + 4, (uint32_t)parts.body.len);
    fq_put_u32(out + 8, (uint32_t)parts.stack.len);
    fq_put_u32(out + 12, report->outcome.declared_retries);
    fq_put_u64(out + 16, (uint64_t)report->started_ms);
    fq_put_u64(out + 24, (uint64_t)report->run_us);
    fq_put_u64(out + 32, (uint64_t)report->outcome.declared_backoff_ms);
    unsigned char *at = put(out + REPORT_HEAD, parts.kind);
    at = put(at, parts.body);
    at = put(at, parts.stack);
    put(at, parts.traceparent);
}

static fq_str take(const unsigned char **at, size_t len) {
    fq_str text = {(const char *)*at, len};
    *at += len;
    return text;
}

int fq_report_decode(const unsigned char *bytes, size_t len, struct fq_report *ret_report) {
    if (len < REPORT_HEAD || bytes[0] > (REPORT_OK | REPORT_NO_RETRY))
        return FQ_ECORRUPT;
    size_t traceparent = bytes[1], kind = fq_get_u16(bytes + 2);
    size_t body = fq_get_u32(bytes + 4), stack = fq_get_u32(bytes + 8);
    if (kind + body + stack + traceparent != len - REPORT_HEAD)
        return FQ_ECORRUPT;
    struct fq_report report = {.started_ms = (int64_t)fq_get_u64(bytes + 16),
                               .run_us = (int64_t)fq_get_u64(bytes + 24)};
    report.outcome.declared_retries = fq_get_u32(bytes + 12);
    report.outcome.declared_backoff_ms = (int64_t)fq_get_u64(bytes + 32);
    if (report.started_ms < 0 || report.run_us < -1 ||
        report.outcome.declared_retries > FQ_DECLARED_RETRIES_MAX || report.outcome.declared_backoff_ms < 0 ||
        report.outcome.declared_backoff_ms > FQ_DECLARED_BACKOFF_MAX_MS)
        return FQ_ECORRUPT;
    const unsigned char *at = bytes + REPORT_HEAD;
    struct fq_runner_outcome *outcome = &report.outcome;
    outcome->ok = (bytes[0] & REPORT_OK) != 0;
    outcome->no_retry = (bytes[0] & REPORT_NO_RETRY) != 0;
    fq_str kind_text = take(&at, kind), body_text = take(&at, body);
    outcome->stack = take(&at, stack);
    outcome->traceparent = take(&at, traceparent);
    if (outcome->ok) {
        outcome->encoding = kind_text;
        outcome->result = body_text;
    } else {
        outcome->error_type = kind_text;
        outcome->message = body_text;
    }
    *ret_report = report;
    return 0;
}

// A request under construction: words and the text of its numbers.
struct request {
    fq_slice args[24];
    size_t count;
    char numbers[6][24];
    size_t number_count;
    char id[FQ_UUID_TEXT];
};

static void add(struct request *request, const char *ptr, size_t len) {
    request->args[request->count++] = (fq_slice){ptr, len};
}
static void add_word(struct request *request, const char *word) {
    add(request, word, strlen(word));
}
static void add_text(struct request *request, const char *word, fq_str text) {
    if (word != NULL)
        add_word(request, word);
    add(request, text.len > 0 ? text.ptr : "", text.len);
}
static void add_number(struct request *request, const char *word, uint64_t value) {
    char *text = request->numbers[request->number_count++];
    int len = snprintf(text, sizeof request->numbers[0], "%" PRIu64, value);
    if (word != NULL)
        add_word(request, word);
    add(request, text, (size_t)len);
}
static void begin(struct request *request, const char *command, const fq_uuid *id, uint64_t token) {
    request->count = request->number_count = 0;
    fq_uuid_format(id, request->id);
    add_word(request, command);
    add(request, request->id, FQ_UUID_TEXT);
    add_number(request, NULL, token);
}

static void add_facts(struct request *request, const struct fq_report *report) {
    if (report->started_ms > 0)
        add_number(request, "STARTED", (uint64_t)report->started_ms);
    if (report->run_us >= 0)
        add_number(request, "RUN", (uint64_t)report->run_us);
    if (report->outcome.traceparent.len > 0)
        add_text(request, "TRACEPARENT", report->outcome.traceparent);
}

int fq_report_send(fq_session *session, const fq_uuid *id, uint64_t token, const struct fq_report *report,
                   uint64_t tag) {
    const struct fq_runner_outcome *outcome = &report->outcome;
    struct request request;
    if (outcome->ok) {
        begin(&request, "FQ.COMPLETE", id, token);
        add_text(&request, NULL, outcome->result);
        if (outcome->encoding.len > 0 && !fq_str_equal(outcome->encoding, FQ_STR("json")))
            add_text(&request, "ENCODING", outcome->encoding);
    } else {
        begin(&request, "FQ.FAIL", id, token);
        add_text(&request, NULL, outcome->error_type);
        add_text(&request, NULL, outcome->message);
        if (outcome->stack.len > 0)
            add_text(&request, "STACK", outcome->stack);
        if (outcome->no_retry)
            add_word(&request, "NORETRY");
        if (report->crash)
            add_word(&request, "CRASH");
        if (outcome->declared_retries > 0)
            add_number(&request, "RETRIES", outcome->declared_retries);
        if (outcome->declared_backoff_ms > 0)
            add_number(&request, "BACKOFF", (uint64_t)outcome->declared_backoff_ms);
    }
    add_facts(&request, report);
    return fq_session_command(session, request.args, request.count, true, tag);
}

int fq_release_send(fq_session *session, const fq_uuid *id, uint64_t token, uint64_t tag) {
    struct request request;
    begin(&request, "FQ.RELEASE", id, token);
    return fq_session_command(session, request.args, request.count, true, tag);
}
