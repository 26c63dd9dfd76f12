// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/http.h"

#include "otel/exporters/gzip.h"
#include "otel/exporters/otlp_settings.h"
#include "otel/exporters/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_MAX = 64 * 1024 * 1024 };

struct http {
    struct otel_http_common common;
    struct otel_otlp_settings settings;
    bool is_json;
    size_t request_max;
    pthread_mutex_t lock; // of the list and of who is busy
    struct otel_http_line *lines;
};

// --- lines: as many as threads that send at once ---------------------------------------------------------------------
static struct otel_http_line *take_line(struct http *http) {
    pthread_mutex_lock(&http->lock);
    struct otel_http_line *line = http->lines;
    while (line != NULL && line->is_busy)
        line = line->next;
    if (line == NULL) {
        line = otel_http_line_new(&http->common);
        if (line != NULL) {
            line->next = http->lines;
            http->lines = line;
        }
    }
    if (line != NULL)
        line->is_busy = true;
    pthread_mutex_unlock(&http->lock);
    return line;
}

static void leave_line(struct http *http, struct otel_http_line *line) {
    fq_buf_done(&line->body);
    pthread_mutex_lock(&http->lock);
    line->is_busy = false;
    pthread_mutex_unlock(&http->lock);
}

// --- the request's body ----------------------------------------------------------------------------------------------
// The bytes to send: the batch's own, or what `json` or `packed` were made to hold.
static int write_body(const struct http *http, const struct otel_export_batch *batch, fq_buf *json,
                      fq_buf *packed, fq_str *ret_body) {
    fq_str body = {batch->bytes, batch->len};
    if (http->is_json) {
        json->max = http->request_max;
        if (otel_json_append(batch->signal, batch->bytes, batch->len, json) < 0)
            return OTEL_FAILED;
        body = fq_buf_str(json);
    }
    if (http->settings.gzip) {
        if (otel_gzip(body.ptr, body.len, packed) < 0)
            return OTEL_FAILED;
        body = fq_buf_str(packed);
    }
    *ret_body = body;
    return OTEL_OK;
}

// --- the answer ------------------------------------------------------------------------------------------------------
// What libcurl calls an error that no second try mends.
static bool is_permanent(CURLcode code) {
    switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_FAILED_INIT:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR: return true;
    default: return false;
    }
}

static const char *remedy_of(CURLcode code) {
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: return "check the host in OTEL_EXPORTER_OTLP_ENDPOINT";
    case CURLE_COULDNT_RESOLVE_PROXY: return "check https_proxy and http_proxy";
    case CURLE_COULDNT_CONNECT: return "start a collector or correct OTEL_EXPORTER_OTLP_ENDPOINT";
    case CURLE_PEER_FAILED_VERIFICATION: return "name the authority's file in OTEL_EXPORTER_OTLP_CERTIFICATE";
    case CURLE_SSL_CONNECT_ERROR:
        return "check that the port is one of TLS, or write http:// in OTEL_EXPORTER_OTLP_ENDPOINT";
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY: return "is this the HTTP port (4318)? The gRPC port is 4317";
    default: return "";
    }
}

static void judge_failure(const struct http *http, const struct otel_http_line *line, CURLcode code,
                          struct otel_attempt *attempt) {
    const char *text = line->error[0] != '\0' ? line->error : http->common.curl.error_text(code);
    const char *remedy = remedy_of(code);
    char line_text[CURL_ERROR_SIZE];
    otel_answer_line(line_text, sizeof line_text, text, strlen(text));
    if (code == CURLE_OPERATION_TIMEDOUT)
        otel_attempt_put(attempt, OTEL_ATTEMPT_TIMEOUT, "timeout", "");
    else
        otel_attempt_put(attempt, is_permanent(code) ? OTEL_ATTEMPT_REFUSED : OTEL_ATTEMPT_TRANSIENT,
                         "connection_failed", "");
    snprintf(attempt->text, sizeof attempt->text, "%s%s%s", line_text, remedy[0] != '\0' ? "; " : "", remedy);
}

static void judge(const struct http *http, const struct otel_http_line *line, enum otel_http_end end,
                  CURLcode code, struct otel_attempt *attempt) {
    if (end == OTEL_HTTP_GIVEN_UP)
        otel_attempt_put(attempt, OTEL_ATTEMPT_GIVEN_UP, "cancelled",
                         "given up, for the exporter is shutting down");
    else if (end == OTEL_HTTP_TIMEOUT)
        otel_attempt_put(attempt, OTEL_ATTEMPT_TIMEOUT, "timeout",
                         "no answer in time; see to the receiver, or raise OTEL_EXPORTER_OTLP_TIMEOUT");
    else if (line->is_too_large)
        otel_attempt_put(attempt, OTEL_ATTEMPT_REFUSED, "response_too_large",
                         "the answer is larger than an answer may be");
    else if (code != CURLE_OK)
        judge_failure(http, line, code, attempt);
    else {
        const struct otel_http_answer answer = {.status = line->status,
                                                .content_type = line->content_type,
                                                .retry_after = line->retry_after,
                                                .body = fq_buf_str(&line->body).ptr,
                                                .body_len = fq_buf_len(&line->body)};
        otel_http_judge(&answer, otel_unix_ns(http->common.runtime), attempt);
    }
}

// --- the transport ---------------------------------------------------------------------------------------------------
static void attempt(void *self, const struct otel_export_batch *batch, const struct otel_call_limits *limits,
                    struct otel_attempt *ret_attempt) {
    struct http *http = self;
    fq_buf json = {0}, packed = {0};
    fq_str body;
    CURLcode code;
    struct otel_http_line *line = take_line(http);
    if (line == NULL) {
        otel_attempt_put(ret_attempt, OTEL_ATTEMPT_REFUSED, "out_of_memory", "out of memory");
        return;
    }
    if (write_body(http, batch, &json, &packed, &body) < 0) {
        otel_attempt_put(
            ret_attempt, OTEL_ATTEMPT_REFUSED, "request_too_large",
            "the batch cannot be encoded, or its JSON is larger than a request may be; make batches smaller");
    } else {
        enum otel_http_end end = otel_http_line_post(line, body.ptr, body.len, limits, &code);
        judge(http, line, end, code, ret_attempt);
    }
    fq_buf_done(&json);
    fq_buf_done(&packed);
    leave_line(http, line);
}

static void wake(void *self) {
    struct http *http = self;
    pthread_mutex_lock(&http->lock);
    for (struct otel_http_line *line = http->lines; line != NULL; line = line->next) {
        if (line->is_busy)
            otel_http_line_wake(line);
    }
    pthread_mutex_unlock(&http->lock);
}

static void after_fork(void *self) {
    struct http *http = self;
    bool is_torn = pthread_mutex_trylock(&http->lock) != 0;
    if (!is_torn)
        pthread_mutex_unlock(&http->lock);
    pthread_mutex_init(&http->lock, NULL);
    struct otel_http_line *line = is_torn ? NULL : http->lines;
    http->lines = NULL;
    while (line != NULL) {
        struct otel_http_line *next = line->next;
        otel_http_line_forget_sockets(line);
        if (!line->is_busy) // else a thread that is not here was inside libcurl: left as it is
            otel_http_line_free(line);
        line = next;
    }
}

static void free_http(void *self) {
    struct http *http = self;
    while (http->lines != NULL) {
        struct otel_http_line *next = http->lines->next;
        otel_http_line_free(http->lines);
        http->lines = next;
    }
    if (http->common.headers != NULL)
        http->common.curl.free_list(http->common.headers);
    free(http->common.url);
    free(http->common.ca_file);
    free(http->common.cert_file);
    free(http->common.key_file);
    otel_otlp_settings_done(&http->settings);
    pthread_mutex_destroy(&http->lock);
    free(http);
}

static const struct otel_transport_ops protobuf_ops = {
    .component_types = {"otlp_http_span_exporter", "otlp_http_metric_exporter", "otlp_http_log_exporter"},
    .attempt = attempt,
    .wake = wake,
    .after_fork = after_fork,
    .free = free_http,
};
static const struct otel_transport_ops json_ops = {
    .component_types = {"otlp_http_json_span_exporter", "otlp_http_json_metric_exporter",
                        "otlp_http_json_log_exporter"},
    .attempt = attempt,
    .wake = wake,
    .after_fork = after_fork,
    .free = free_http,
};

// --- making it -------------------------------------------------------------------------------------------------------
static int add_header(struct http *http, const char *key, const char *value) {
    fq_buf text = {0};
    struct curl_slist *list = NULL;
    // A header without a value is one with a semicolon to libcurl, and "Name:" takes one away.
    if (fq_buf_printf(&text, value[0] != '\0' ? "%s: %s" : "%s;", key, value) == 0 &&
        fq_buf_append_byte(&text, '\0') == 0)
        list = http->common.curl.append(http->common.headers, text.data);
    fq_buf_done(&text);
    if (list == NULL)
        return OTEL_FAILED;
    http->common.headers = list;
    return OTEL_OK;
}

static int add_headers(struct http *http) {
    struct curl_slist *list = http->common.curl.append(NULL, "Expect:"); // no wait for a 100
    if (list == NULL)
        return OTEL_FAILED;
    http->common.headers = list;
    int result =
        add_header(http, "Content-Type", http->is_json ? "application/json" : "application/x-protobuf");
    if (result == OTEL_OK && http->settings.gzip)
        result = add_header(http, "Content-Encoding", "gzip");
    for (size_t i = 0; i < http->settings.header_count && result == OTEL_OK; i++)
        result = add_header(http, http->settings.headers[i].key, http->settings.headers[i].value);
    return result;
}

static int copy_text(const char *text, char **ret_copy) {
    *ret_copy = text != NULL ? strdup(text) : NULL;
    return text == NULL || *ret_copy != NULL ? OTEL_OK : OTEL_FAILED;
}

static int fill(struct http *http, const struct otel_otlp_options *options) {
    if (otel_otlp_settings_copy(options, false, &http->settings) < 0 || add_headers(http) < 0 ||
        copy_text(options->endpoint, &http->common.url) < 0 ||
        copy_text(options->ca_file, &http->common.ca_file) < 0 ||
        copy_text(options->client_cert_file, &http->common.cert_file) < 0 ||
        copy_text(options->client_key_file, &http->common.key_file) < 0)
        return OTEL_FAILED;
    http->common.user_agent = http->settings.user_agent;
    http->common.response_max = http->settings.response_max;
    return OTEL_OK;
}

int otel_http_exporter_new(const struct otel_otlp_options *options, struct otel_exporter *ret_exporter,
                           char *reason, size_t reason_size) {
    struct otel_target target;
    const char *problem;
    if (otel_target_parse_http(options->endpoint, &target, &problem) < 0) {
        snprintf(reason, reason_size, "%s", problem);
        return OTEL_FAILED;
    }
    if ((options->client_cert_file == NULL) != (options->client_key_file == NULL)) {
        snprintf(reason, reason_size, "a client certificate needs its key and a key its certificate");
        return OTEL_FAILED;
    }
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL || !otel_curl_load(&http->common.curl, reason, reason_size)) {
        free(http);
        return OTEL_FAILED;
    }
    pthread_mutex_init(&http->lock, NULL);
    http->common.runtime = options->runtime;
    http->is_json = options->protocol == OTEL_OTLP_HTTP_JSON;
    http->request_max = options->request_max != 0 ? options->request_max : REQUEST_MAX;
    snprintf(reason, reason_size, "out of memory");
    struct otel_endpoint *endpoint =
        fill(http, options) == OTEL_OK ? otel_endpoint_take(options, reason, reason_size) : NULL;
    if (endpoint == NULL) {
        free_http(http);
        return OTEL_FAILED;
    }
    return otel_delivery_new(options, http->is_json ? &json_ops : &protobuf_ops, http, endpoint, &target,
                             ret_exporter);
}
