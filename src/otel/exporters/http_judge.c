// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/http.h"
#include "otel/exporters/status.h"

#include <stdio.h>
#include <strings.h>

static bool is_type(const char *content_type, const char *type) {
    size_t len = strlen(type);
    return strncasecmp(content_type, type, len) == 0 &&
           (content_type[len] == '\0' || content_type[len] == ';' || content_type[len] == ' ');
}

static void accept_answer(const struct otel_http_answer *answer, struct otel_attempt *attempt) {
    int result = OTEL_OK;
    attempt->end = OTEL_ATTEMPT_ACCEPTED;
    if (answer->body_len == 0)
        return;
    if (is_type(answer->content_type, "application/x-protobuf"))
        result = otel_answer_partial_success(answer->body, answer->body_len, &attempt->partial);
    else if (is_type(answer->content_type, "application/json"))
        result = otel_answer_partial_success_json(answer->body, answer->body_len, &attempt->partial);
    else if (is_type(answer->content_type, "text/html"))
        result = OTEL_FAILED; // a web server's page: nobody took the batch
    if (result == OTEL_OK)
        return;
    char content_type[OTEL_HTTP_FIELD_MAX];
    otel_answer_line(content_type, sizeof content_type, answer->content_type, strlen(answer->content_type));
    attempt->end = OTEL_ATTEMPT_REFUSED;
    snprintf(attempt->error_type, sizeof attempt->error_type, "bad_response");
    snprintf(attempt->text, sizeof attempt->text,
             "the answer (%s) is no OTLP response; check the path and port in OTEL_EXPORTER_OTLP_ENDPOINT",
             content_type);
}

// The error's own words, if it has any that can be read.
static void read_message(const struct otel_http_answer *answer, char message[OTEL_ANSWER_TEXT_MAX]) {
    struct otel_rpc_status status;
    message[0] = '\0';
    if (is_type(answer->content_type, "application/x-protobuf")) {
        if (otel_answer_rpc_status(answer->body, answer->body_len, &status) == OTEL_OK)
            snprintf(message, OTEL_ANSWER_TEXT_MAX, "%s", status.message);
    } else if (is_type(answer->content_type, "text/plain") ||
               is_type(answer->content_type, "application/json")) {
        otel_answer_line(message, OTEL_ANSWER_TEXT_MAX, answer->body, answer->body_len);
    }
}

void otel_http_judge(const struct otel_http_answer *answer, int64_t now_unix_ns,
                     struct otel_attempt *ret_attempt) {
    char message[OTEL_ANSWER_TEXT_MAX];
    snprintf(ret_attempt->status, sizeof ret_attempt->status, "%ld", answer->status);
    if (otel_http_is_success(answer->status)) {
        accept_answer(answer, ret_attempt);
        return;
    }
    bool is_transient = otel_http_is_transient(answer->status);
    const char *remedy = otel_http_remedy(answer->status);
    read_message(answer, message);
    ret_attempt->end = is_transient ? OTEL_ATTEMPT_TRANSIENT : OTEL_ATTEMPT_REFUSED;
    snprintf(ret_attempt->error_type, sizeof ret_attempt->error_type, "%ld", answer->status);
    snprintf(ret_attempt->text, sizeof ret_attempt->text, "HTTP status %ld%s%s%s%s", answer->status,
             message[0] != '\0' ? ": " : "", message, remedy[0] != '\0' ? "; " : "", remedy);
    if (is_transient && otel_answer_retry_after(answer->retry_after, now_unix_ns, &ret_attempt->retry_ms))
        ret_attempt->is_throttled = ret_attempt->retry_ms > 0;
}
