// SPDX-License-Identifier: Apache-2.0
// The board's image as C sees it; board.h has it in prose. Private to board.c, slot.c, board_span.c and ring.c.
#ifndef FQ_WORKER_BOARD_LAYOUT_H
#define FQ_WORKER_BOARD_LAYOUT_H

#include "worker/board_span.h"

#define BOARD_MAGIC   0x3130447261426f46ull
#define BOARD_VERSION 2ull

struct fq_board_slot {
    uint64_t word; // sequence << 32 | wish << 8 | state
    uint64_t id_high, id_low;
    uint64_t token;
    uint64_t name_attempt; // name << 32 | attempt
    uint64_t timeout_ms;
    uint64_t received_us;
    uint64_t started_us;
    uint64_t outcome; // offset << 32 | length
    uint64_t finished_us;
    uint64_t reserved[6];
};

struct fq_board_span_slot {
    uint64_t word; // sequence << 32 | 1 = open; 0 = none
    struct fq_board_span span;
};

struct fq_board_image {
    uint64_t header[512];
    struct fq_board_slot slots[FQ_BOARD_SLOTS];
    unsigned char names[FQ_BOARD_NAMES_BYTES];
    unsigned char outbox[FQ_BOARD_OUTBOX_BYTES];
    unsigned char ring[FQ_BOARD_RING_BYTES];
    unsigned char metrics[FQ_BOARD_METRIC_BYTES];
    struct fq_board_span_slot spans[FQ_BOARD_SLOTS];
};

_Static_assert(sizeof(struct fq_board_slot) == 128, "slots are two cache lines");
_Static_assert(FQ_BOARD_WORD_COUNT <= 512, "the header is one page");

#endif
