// SPDX-License-Identifier: Apache-2.0
// As with slots, the word stored last publishes what lies beside it; a reader looks at it before and behind its copy.
#include "worker/board_span.h"

#include "base/assert.h"
#include "worker/board_layout.h"

enum { SPAN_OPEN = 1 };
static const size_t HEAD = offsetof(struct fq_board_span, tracestate);

static struct fq_board_span_slot *at(const struct fq_board *board, uint32_t slot) {
    FQ_ASSERT(slot < FQ_BOARD_SLOTS);
    return &((struct fq_board_image *)(void *)board->base)->spans[slot];
}

void fq_board_span_put(const struct fq_board *board, uint32_t slot, uint32_t sequence,
                       const struct fq_board_span *span) {
    FQ_ASSERT(span->tracestate_len <= FQ_SPAN_TRACESTATE_MAX);
    struct fq_board_span_slot *place = at(board, slot);
    __atomic_store_n(&place->word, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memcpy(&place->span, span, HEAD + span->tracestate_len);
    __atomic_store_n(&place->word, (uint64_t)sequence << 32 | SPAN_OPEN, __ATOMIC_RELEASE);
}

void fq_board_span_clear(const struct fq_board *board, uint32_t slot) {
    __atomic_store_n(&at(board, slot)->word, 0, __ATOMIC_RELEASE);
}

static bool is_identity(const uint8_t trace_id[16], const uint8_t span_id[8]) {
    struct otel_span_context context = {.flags = 0};
    memcpy(context.trace_id, trace_id, sizeof context.trace_id);
    memcpy(context.span_id, span_id, sizeof context.span_id);
    return otel_span_context_is_valid(&context);
}

static bool is_plausible(const struct fq_board_span *span) {
    bool is_good = is_identity(span->trace_id, span->span_id) && span->link_count <= FQ_SPAN_LINKS_MAX &&
                   span->tracestate_len <= FQ_SPAN_TRACESTATE_MAX && span->start_unix_ns > 0 &&
                   memchr(span->priority, '\0', sizeof span->priority) != NULL &&
                   fq_str_is_utf8(fq_str_of(span->priority));
    for (uint8_t i = 0; is_good && i < span->link_count; i++)
        is_good = is_identity(span->links[i].trace_id, span->links[i].span_id);
    for (uint16_t i = 0; is_good && i < span->tracestate_len; i++)
        is_good = span->tracestate[i] >= 0x20 && span->tracestate[i] < 0x7f;
    return is_good;
}

int fq_board_span_look(const struct fq_board *board, uint32_t slot, uint32_t sequence,
                       struct fq_board_span *ret_span) {
    const struct fq_board_span_slot *place = at(board, slot);
    uint64_t word = __atomic_load_n(&place->word, __ATOMIC_ACQUIRE);
    if (word != ((uint64_t)sequence << 32 | SPAN_OPEN))
        return word == 0 || (word & UINT32_MAX) == SPAN_OPEN ? 0 : FQ_ECORRUPT;
    struct fq_board_span span;
    memcpy(&span, &place->span, sizeof span);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&place->word, __ATOMIC_RELAXED) != word)
        return 0;
    if (!is_plausible(&span))
        return FQ_ECORRUPT;
    *ret_span = span;
    return 1;
}
