// SPDX-License-Identifier: Apache-2.0
#include "worker/execute_span.h"

static bool is_inside_character(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static fq_str beginning_of(fq_str text, size_t most) {
    if (text.len <= most)
        return text;
    while (most > 0 && is_inside_character(text.ptr[most]))
        most--;
    return (fq_str){text.ptr, most};
}

// The end of a traceback says more than its beginning.
static fq_str end_of(fq_str text, size_t most) {
    size_t skip = text.len > most ? text.len - most : 0;
    while (skip > 0 && skip < text.len && is_inside_character(text.ptr[skip]))
        skip++;
    return (fq_str){text.ptr + skip, text.len - skip};
}

struct fq_execute_failure fq_execute_failure_of(const struct fq_runner_outcome *outcome,
                                                enum fq_runner_wish wish) {
    struct fq_execute_failure failure = {
        .type = outcome->error_type.len > 0 ? outcome->error_type : FQ_STR("_OTHER"),
        .message = beginning_of(outcome->message, FQ_EXECUTE_MESSAGE_MAX),
        .stack = end_of(outcome->stack, FQ_EXECUTE_STACK_MAX),
        .state = "failure",
    };
    if (wish == FQ_WISH_TIMEOUT)
        failure.error_type = failure.state = "timeout";
    else if (wish == FQ_WISH_CANCEL)
        failure.error_type = failure.state = "cancelled";
    return failure;
}
