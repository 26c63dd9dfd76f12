// SPDX-License-Identifier: Apache-2.0
// Everything an OTLP receiver may write in an answer's fields and body, and OTLP bytes turned into JSON. The first byte
// chooses which.
#include "target.h"

#include "base/assert.h"
#include "base/buf.h"
#include "otel/exporters/grpc.h"
#include "otel/exporters/http.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_line(const char *text, size_t size) {
    const char *end = memchr(text, '\0', size);
    for (const char *c = text; end != NULL && c < end; c++) {
        if ((unsigned char)*c < 0x20)
            return false;
    }
    return end != NULL;
}

static void judge_http(const uint8_t *data, size_t size) {
    static const char *const types[] = {"application/x-protobuf", "application/json; charset=utf-8",
                                        "text/plain", ""};
    if (size < 2)
        return;
    char retry_after[64];
    size_t len = data[1] < sizeof retry_after - 1 ? data[1] : sizeof retry_after - 1;
    len = len < size - 2 ? len : size - 2;
    memcpy(retry_after, data + 2, len);
    retry_after[len] = '\0';
    const struct otel_http_answer answer = {.status = data[0] < 64    ? 200
                                                      : data[0] < 128 ? 503
                                                                      : 300 + data[0],
                                            .content_type = types[data[0] % 4],
                                            .retry_after = retry_after,
                                            .body = (const char *)data + 2,
                                            .body_len = size - 2};
    struct otel_attempt attempt = {0};
    otel_http_judge(&answer, INT64_C(1700000000) * 1000000000, &attempt);
    FQ_ASSERT(attempt.retry_ms >= 0 && attempt.retry_ms <= 3600000);
    FQ_ASSERT(is_line(attempt.text, sizeof attempt.text));
    FQ_ASSERT(is_line(attempt.partial.message, sizeof attempt.partial.message));
    FQ_ASSERT(attempt.end == OTEL_ATTEMPT_ACCEPTED || attempt.text[0] != '\0');
}

static void judge_grpc(const uint8_t *data, size_t size) {
    if (size < 4)
        return;
    struct otel_grpc_call *call = malloc(sizeof *call);
    struct otel_attempt attempt = {0};
    FQ_ASSERT(call != NULL);
    otel_grpc_call_init(call);
    call->ended = call->answered = true;
    call->http_status = 200;
    call->grpc_status = data[0] % 20 - 1;
    call->encoding = data[1] % 2 == 0 ? OTEL_GRPC_IDENTITY : OTEL_GRPC_GZIP;
    call->message_len = data[2] < size - 4 ? data[2] : size - 4;
    memcpy(call->message, data + 4, call->message_len);
    call->details_len = (size_t)data[3] < size - 4 ? data[3] : size - 4;
    memcpy(call->details, data + 4, call->details_len);
    FQ_ASSERT(fq_buf_append(&call->answer, data + 4, size - 4) == 0);
    otel_grpc_judge(call, 65536, &attempt);
    FQ_ASSERT(attempt.retry_ms >= 0 && attempt.retry_ms <= 3600000);
    FQ_ASSERT(is_line(attempt.text, sizeof attempt.text));
    FQ_ASSERT(attempt.end == OTEL_ATTEMPT_ACCEPTED || attempt.text[0] != '\0');
    otel_grpc_call_done(call);
    free(call);
}

static void count(void *context, const char *text, size_t len) {
    (void)text;
    *(size_t *)context += len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct otel_partial_success partial;
    struct otel_rpc_status status;
    size_t written = 0;
    if (size == 0)
        return 0;
    switch (data[0] % 8) {
    case 0: judge_http(data + 1, size - 1); break;
    case 1: judge_grpc(data + 1, size - 1); break;
    case 2: (void)otel_answer_partial_success(data + 1, size - 1, &partial); break;
    case 3: (void)otel_answer_partial_success_json((const char *)data + 1, size - 1, &partial); break;
    case 4: (void)otel_answer_status_details((const char *)data + 1, size - 1, &status); break;
    default:
        // Text grows at most by its escapes and its ids' digits, and by the names of the fields around it.
        (void)otel_bytes_to_json((enum otel_signal)(data[0] % 8 - 5), data + 1, size - 1, count, &written);
        FQ_ASSERT(written <= 64 * size + 64);
        break;
    }
    return 0;
}
