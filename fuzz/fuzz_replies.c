// SPDX-License-Identifier: Apache-2.0
// The reply reader: whole or in pieces, the same nodes; each node's range lies within its parent's.
#include "target.h"

#include "base/assert.h"
#include "resp/reader.h"

static const struct fq_resp_limits limits = {
    .args_max = 256, .arg_bytes_max = 512, .total_bytes_max = 4096, .depth_max = 8};

struct outcome {
    int end;
    size_t replies, consumed;
    uint64_t sum;
};

static uint32_t check(const struct fq_resp_node *nodes, uint32_t at, uint64_t *sum) {
    const struct fq_resp_node *node = &nodes[at];
    *sum = *sum * 31 + (uint64_t)node->type * 7 + node->child_count + (uint64_t)node->integer;
    for (size_t i = 0; i < node->text.len; i++)
        *sum = *sum * 31 + (unsigned char)node->text.ptr[i];
    uint32_t child = at + 1;
    for (uint32_t i = 0; i < node->child_count; i++)
        child = check(nodes, child, sum);
    FQ_ASSERT(node->next == child);
    return child;
}

static struct outcome read_all(const uint8_t *data, size_t size, size_t step) {
    struct outcome outcome = {0};
    fq_resp_reply_reader *reader = fq_resp_reply_reader_new();
    FQ_ASSERT(reader != NULL);
    for (size_t given = step < size ? step : size;; given = given + step < size ? given + step : size) {
        for (;;) {
            fq_buf input = {
                .data = (char *)(uintptr_t)data, .begin = outcome.consumed, .end = given, .capacity = given};
            const struct fq_resp_node *nodes;
            size_t consumed;
            outcome.end = fq_resp_reply_next(reader, &input, &limits, &nodes, &consumed);
            if (outcome.end != 1)
                break;
            FQ_ASSERT(consumed > 0 && consumed <= given - outcome.consumed);
            check(nodes, 0, &outcome.sum);
            (void)fq_resp_map_get(nodes, 0, FQ_STR("id"));
            outcome.replies++;
            outcome.consumed += consumed;
        }
        if (outcome.end < 0 || given == size)
            break;
    }
    fq_resp_reply_reader_free(reader);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct outcome whole = read_all(data, size, size + 1);
    struct outcome bytes = read_all(data, size, 1);
    FQ_ASSERT(whole.end == bytes.end && whole.replies == bytes.replies);
    FQ_ASSERT(whole.sum == bytes.sum && whole.consumed == bytes.consumed);
    return 0;
}
