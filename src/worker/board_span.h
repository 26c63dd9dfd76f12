// SPDX-License-Identifier: Apache-2.0
// Open spans on the board. Beside each slot lies what is needed to end the span of its attempt when its process is gone:
// the identity that other spans and processes know already, where it hangs, and since when. The runner puts it there before
// the task begins and takes it away once the finished span is in the ring. Whoever looks believes nothing unchecked.
#ifndef FQ_WORKER_BOARD_SPAN_H
#define FQ_WORKER_BOARD_SPAN_H

#include "otel/context.h"
#include "worker/board.h"

enum { FQ_SPAN_LINKS_MAX = 2, FQ_SPAN_PRIORITY_MAX = 16, FQ_SPAN_TRACESTATE_MAX = 512 };

// No bool here: these bytes are read as somebody else left them.
struct fq_board_link {
    uint8_t trace_id[16], span_id[8], flags;
};
struct fq_board_span {
    uint8_t trace_id[16], span_id[8], parent_span_id[8]; // parent all zero = root
    struct fq_board_link links[FQ_SPAN_LINKS_MAX];
    int64_t start_unix_ns;
    int64_t delay_ms, wait_ms, transfer_ms; // -1 = unknown
    char priority[FQ_SPAN_PRIORITY_MAX];    // NUL-terminated
    uint16_t tracestate_len;
    uint8_t flags; // OTEL_FLAG_…
    uint8_t link_count;
    char tracestate[FQ_SPAN_TRACESTATE_MAX]; // last: only tracestate_len bytes are copied
};

/** The runner: from now on the task in `slot` with this sequence has this span. Copies. */
void fq_board_span_put(const struct fq_board *board, uint32_t slot, uint32_t sequence,
                       const struct fq_board_span *span);
/** The runner: it has ended, or never began. */
void fq_board_span_clear(const struct fq_board *board, uint32_t slot);
/** A checked copy of the span of the very task with this sequence: 1; 0 if there is none or it changes just now;
 *  FQ_ECORRUPT if what it says cannot be. */
FQ_MUST_USE int fq_board_span_look(const struct fq_board *board, uint32_t slot, uint32_t sequence,
                                   struct fq_board_span *ret_span);

#endif
