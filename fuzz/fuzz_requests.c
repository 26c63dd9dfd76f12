// SPDX-License-Identifier: Apache-2.0
// The request reader: an input read in one piece and read byte by byte gives the same requests and the same end.
#include "target.h"

#include "base/assert.h"
#include "resp/reader.h"

static const struct fq_resp_limits limits = {.args_max = 64, .arg_bytes_max = 512, .total_bytes_max = 4096};

struct outcome {
    int end; // 0 or the error
    size_t requests, arguments, consumed;
    uint32_t sum;
};

static void add(struct outcome *outcome, const struct fq_resp_request *request) {
    outcome->requests++;
    outcome->arguments += request->arg_count;
    for (size_t i = 0; i < request->arg_count; i++) {
        for (size_t k = 0; k < request->args[i].len; k++)
            outcome->sum = outcome->sum * 31 + (unsigned char)request->args[i].ptr[k];
    }
}

static struct outcome read_all(const uint8_t *data, size_t size, size_t step) {
    struct outcome outcome = {0};
    fq_resp_request_reader *reader = fq_resp_request_reader_new();
    FQ_ASSERT(reader != NULL);
    for (size_t given = step < size ? step : size;; given = given + step < size ? given + step : size) {
        for (;;) {
            fq_buf input = {
                .data = (char *)(uintptr_t)data, .begin = outcome.consumed, .end = given, .capacity = given};
            struct fq_resp_request request;
            size_t consumed;
            outcome.end = fq_resp_request_next(reader, &input, &limits, &request, &consumed);
            if (outcome.end != 1)
                break;
            FQ_ASSERT(consumed > 0 && consumed <= given - outcome.consumed);
            add(&outcome, &request);
            outcome.consumed += consumed;
        }
        if (outcome.end < 0 || given == size)
            break;
    }
    fq_resp_request_reader_free(reader);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct outcome whole = read_all(data, size, size + 1);
    struct outcome bytes = read_all(data, size, 1);
    struct outcome sevens = read_all(data, size, 7);
    FQ_ASSERT(whole.end == bytes.end && whole.end == sevens.end);
    FQ_ASSERT(whole.requests == bytes.requests && whole.requests == sevens.requests);
    FQ_ASSERT(whole.sum == bytes.sum && whole.sum == sevens.sum && whole.consumed == bytes.consumed);
    return 0;
}
