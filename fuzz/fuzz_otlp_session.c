// SPDX-License-Identifier: Apache-2.0
// A gRPC session with two calls under way, fed with a peer's bytes, whole and in pieces: it ends each call once, keeps to its
// limits, and does not depend on how the bytes were cut.
#include "target.h"

#include "base/assert.h"
#include "otel/exporters/grpc.h"

#include <stdlib.h>

enum { CALLS = 2, RESPONSE_MAX = 4096, SENT_MAX = 1 << 20 };

struct outcome {
    int grpc_status[CALLS], http_status[CALLS];
    bool ended[CALLS];
    size_t answer[CALLS];
};

static void drain(otel_grpc_session *session, size_t *sent) {
    const uint8_t *bytes;
    size_t len;
    while (*sent < SENT_MAX && otel_grpc_session_send(session, &bytes, &len) == 0 && len > 0)
        *sent += len;
}

static void init_call(struct otel_grpc_call *call) {
    static const uint8_t body[] = {0, 0, 0, 0, 2, 1, 2};
    otel_grpc_call_init(call);
    call->scheme = "http";
    call->authority = "localhost";
    call->path = "/x";
    call->user_agent = "fuzz";
    call->body = body;
    call->body_len = sizeof body;
    call->response_max = RESPONSE_MAX;
}

static struct outcome run(const uint8_t *data, size_t size, size_t step) {
    struct outcome outcome = {0};
    struct otel_grpc_call *calls = calloc(CALLS, sizeof *calls);
    otel_grpc_session *session = otel_grpc_session_new();
    size_t sent = 0;
    FQ_ASSERT(calls != NULL && session != NULL);
    for (int i = 0; i < CALLS; i++) {
        init_call(&calls[i]);
        FQ_ASSERT(otel_grpc_session_submit(session, &calls[i]) == 0);
    }
    drain(session, &sent);
    int result = 0;
    for (size_t at = 0; at < size && result == 0 && !otel_grpc_session_is_over(session); at += step) {
        size_t len = size - at < step ? size - at : step;
        result = otel_grpc_session_receive(session, data + at, len);
        drain(session, &sent);
    }
    otel_grpc_session_lose(session);
    for (int i = 0; i < CALLS; i++) {
        struct otel_attempt attempt = {0};
        FQ_ASSERT(calls[i].ended && fq_buf_len(&calls[i].answer) <= RESPONSE_MAX);
        otel_grpc_judge(&calls[i], RESPONSE_MAX, &attempt);
        outcome.grpc_status[i] = calls[i].grpc_status;
        outcome.http_status[i] = calls[i].http_status;
        outcome.answer[i] = fq_buf_len(&calls[i].answer);
        otel_grpc_call_done(&calls[i]);
    }
    otel_grpc_session_free(session);
    free(calls);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct outcome whole = run(data, size, size + 1);
    struct outcome pieces = run(data, size, 1);
    // A protocol error takes back what stood before it in the same piece, so only calls without one are compared.
    for (int i = 0; i < CALLS; i++)
        FQ_ASSERT(whole.grpc_status[i] == pieces.grpc_status[i] || whole.grpc_status[i] < 0 ||
                  pieces.grpc_status[i] < 0);
    return 0;
}
