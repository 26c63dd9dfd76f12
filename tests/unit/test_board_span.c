// SPDX-License-Identifier: Apache-2.0
// Open spans on the board: of the very task asked for, whole, and nothing that cannot be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "worker/board_layout.h"

#include <stdio.h>

static struct fq_board_span good_span(void) {
    struct fq_board_span span = {.start_unix_ns = 1, .flags = 1, .link_count = 1, .tracestate_len = 3};
    memset(span.trace_id, 1, sizeof span.trace_id);
    memset(span.span_id, 2, sizeof span.span_id);
    memset(span.links[0].trace_id, 3, sizeof span.links[0].trace_id);
    memset(span.links[0].span_id, 4, sizeof span.links[0].span_id);
    snprintf(span.priority, sizeof span.priority, "high");
    memcpy(span.tracestate, "a=b", 3);
    return span;
}

static void set_up(struct fq_board *board) {
    assert_int_equal(fq_board_create(board), 0);
}

static void a_span_is_found_by_slot_and_sequence(void **state) {
    (void)state;
    struct fq_board board;
    set_up(&board);
    struct fq_board_span span = good_span(), seen;
    assert_int_equal(fq_board_span_look(&board, 7, 1, &seen), 0);
    fq_board_span_put(&board, 7, 5, &span);
    assert_int_equal(fq_board_span_look(&board, 7, 4, &seen), 0);
    assert_int_equal(fq_board_span_look(&board, 8, 5, &seen), 0);
    assert_int_equal(fq_board_span_look(&board, 7, 5, &seen), 1);
    assert_memory_equal(seen.span_id, span.span_id, 8);
    assert_string_equal(seen.priority, "high");
    assert_memory_equal(seen.tracestate, "a=b", 3);
    fq_board_span_clear(&board, 7);
    assert_int_equal(fq_board_span_look(&board, 7, 5, &seen), 0);
    fq_board_close(&board);
}

static void what_cannot_be_is_refused(void **state) {
    (void)state;
    struct fq_board board;
    set_up(&board);
    struct fq_board_span seen;
    for (int fault = 0; fault < 8; fault++) {
        struct fq_board_span span = good_span();
        fq_board_span_put(&board, 0, 1, &span);
        struct fq_board_span *lies = &((struct fq_board_image *)(void *)board.base)->spans[0].span;
        switch (fault) {
        case 0: memset(lies->trace_id, 0, 16); break;
        case 1: memset(lies->span_id, 0, 8); break;
        case 2: lies->link_count = 200; break;
        case 3: lies->tracestate_len = UINT16_MAX; break;
        case 4: lies->start_unix_ns = -1; break;
        case 5: memset(lies->priority, 'x', sizeof lies->priority); break;
        case 6: lies->tracestate[1] = '\n'; break;
        default: memset(lies->links[0].span_id, 0, 8); break;
        }
        assert_int_equal(fq_board_span_look(&board, 0, 1, &seen), FQ_ECORRUPT);
    }
    fq_board_close(&board);
}

static void noise_does_no_harm(void **state) {
    (void)state;
    struct fq_board board;
    set_up(&board);
    fq_random random;
    fq_random_seed(&random, 11);
    unsigned char *bytes = (void *)((struct fq_board_image *)(void *)board.base)->spans;
    for (int round = 0; round < 2000; round++) {
        struct fq_board_span span = good_span(), seen;
        fq_board_span_put(&board, 0, 1, &span);
        for (int i = 0; i < 8; i++)
            bytes[8 + fq_random_below(&random, sizeof span)] = (unsigned char)fq_random_next(&random);
        int looked = fq_board_span_look(&board, 0, 1, &seen);
        assert_true(looked == 1 || looked == FQ_ECORRUPT);
        assert_true(looked != 1 ||
                    (seen.link_count <= FQ_SPAN_LINKS_MAX && seen.tracestate_len <= FQ_SPAN_TRACESTATE_MAX));
    }
    fq_board_close(&board);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_is_found_by_slot_and_sequence),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(noise_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
