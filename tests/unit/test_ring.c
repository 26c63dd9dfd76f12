// SPDX-License-Identifier: Apache-2.0
// The ring on the board: every committed record arrives once, whole and in order; what a dead writer left half-written is
// skipped and counted; noise does no harm.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "worker/board_layout.h"
#include "worker/ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct fq_board board;
    struct fq_ring_reader reader;
    unsigned char out[FQ_RING_RECORD_MAX];
    uint8_t type;
    uint32_t len;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    return fixture != NULL ? fq_board_create(&fixture->board) : -1;
}
static int tear_down(void **state) {
    struct fixture *fixture = *state;
    fq_board_close(&fixture->board);
    free(fixture);
    return 0;
}
static int next(struct fixture *fixture, bool gone) {
    return fq_ring_read(&fixture->board, &fixture->reader, gone, fixture->out, sizeof fixture->out,
                        &fixture->type, &fixture->len);
}

static void records_arrive_in_order(void **state) {
    struct fixture *fixture = *state;
    unsigned char bytes[3000];
    // Several times around, with lengths that meet every padding.
    for (uint32_t i = 1; i < 5000; i++) {
        uint32_t len = i % 2999 + 1;
        memset(bytes, (int)i, len);
        assert_int_equal(fq_ring_write(&fixture->board, (uint8_t)(i % 3 + 1), bytes, len), 0);
        if (i % 7 != 0)
            continue;
        for (uint32_t j = i - 6; j <= i; j++) {
            assert_int_equal(next(fixture, false), 1);
            assert_int_equal(fixture->len, j % 2999 + 1);
            assert_int_equal(fixture->type, j % 3 + 1);
            assert_int_equal(fixture->out[fixture->len - 1], (unsigned char)j);
        }
        assert_int_equal(next(fixture, false), 0);
    }
    assert_int_equal(fixture->reader.skipped, 0);
}

static void a_full_ring_says_so(void **state) {
    struct fixture *fixture = *state;
    unsigned char bytes[1000] = {1};
    int written = 0;
    while (fq_ring_write(&fixture->board, FQ_RING_SPAN, bytes, sizeof bytes) == 0)
        written++;
    assert_true(written > 1000 && written <= FQ_BOARD_RING_BYTES / 1008);
    assert_int_equal(fq_board_get(&fixture->board, FQ_BOARD_RING_DROPPED), 1);
    assert_int_equal(next(fixture, false), 1);
    assert_int_equal(fq_ring_write(&fixture->board, FQ_RING_SPAN, bytes, sizeof bytes), 0);
    while (written-- > 0)
        assert_int_equal(next(fixture, false), 1);
    assert_int_equal(next(fixture, false), 0);
}

static void a_half_written_record_waits_for_its_writer(void **state) {
    struct fixture *fixture = *state;
    void *open = fq_ring_reserve(&fixture->board, FQ_RING_SPAN, 100);
    assert_non_null(open);
    assert_int_equal(fq_ring_write(&fixture->board, FQ_RING_LOG, "behind", 6), 0);
    assert_int_equal(next(fixture, false), 0);
    memset(open, 'x', 100);
    fq_ring_commit(&fixture->board, open);
    assert_int_equal(next(fixture, false), 1);
    assert_int_equal(fixture->len, 100);
    assert_int_equal(next(fixture, false), 1);
    assert_int_equal(fixture->type, FQ_RING_LOG);
}

static void a_dead_writers_half_is_skipped_and_counted(void **state) {
    struct fixture *fixture = *state;
    assert_non_null(fq_ring_reserve(&fixture->board, FQ_RING_SPAN, 100));
    assert_int_equal(fq_ring_write(&fixture->board, FQ_RING_LOG, "behind", 6), 0);
    assert_int_equal(next(fixture, true), 1);
    assert_memory_equal(fixture->out, "behind", 6);
    assert_int_equal(fixture->reader.skipped, 1);
    // Space that was taken and not even described: nothing behind it can be found.
    fq_board_set(&fixture->board, FQ_BOARD_RING_HEAD, fq_board_get(&fixture->board, FQ_BOARD_RING_HEAD) + 64);
    assert_int_equal(next(fixture, false), 0);
    assert_int_equal(next(fixture, true), 0);
    assert_int_equal(fixture->reader.skipped, 2);
    assert_int_equal(fq_ring_write(&fixture->board, FQ_RING_LOG, "anew", 4), 0);
    assert_int_equal(next(fixture, true), 1);
}

static void noise_is_emptied_and_counted(void **state) {
    struct fixture *fixture = *state;
    fq_random random;
    fq_random_seed(&random, 7);
    struct fq_board_image *image = (void *)fixture->board.base;
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < FQ_BOARD_RING_BYTES; i += 8 + fq_random_below(&random, 64) / 8 * 8) {
            uint64_t noise = fq_random_next(&random);
            // Often nearly right: a small length and a real state.
            if (round % 2 == 0)
                noise = fq_random_below(&random, 300) << 32 | fq_random_below(&random, 5);
            memcpy(image->ring + i, &noise, 8);
        }
        uint64_t head = round % 3 == 0
                            ? fq_random_next(&random)
                            : fixture->reader.tail + fq_random_below(&random, 2 * FQ_BOARD_RING_BYTES);
        fq_board_set(&fixture->board, FQ_BOARD_RING_HEAD, head);
        fq_board_set(&fixture->board, FQ_BOARD_RING_TAIL, fq_random_next(&random));
        int reads = 0;
        while (next(fixture, true) == 1)
            assert_true(fixture->len <= FQ_RING_RECORD_MAX && ++reads <= FQ_BOARD_RING_BYTES / 8);
        assert_true(fq_board_get(&fixture->board, FQ_BOARD_RING_HEAD) == fixture->reader.tail);
    }
    assert_true(fixture->reader.skipped > 0);
    assert_int_equal(fq_ring_write(&fixture->board, FQ_RING_LOG, "fine", 4), 0);
    assert_int_equal(next(fixture, false), 1);
    assert_memory_equal(fixture->out, "fine", 4);
}

// --- many writers -------------------------------------------------------------------------------------------------------

enum { WRITERS = 3, RECORDS = 20000 };

struct writer {
    struct fq_board *board;
    uint32_t number;
};

static void *write_many(void *context) {
    struct writer *writer = context;
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint32_t record[16];
        uint32_t words = i % 15 + 2;
        for (uint32_t w = 0; w < words; w++)
            record[w] = i;
        record[0] = writer->number;
        while (fq_ring_write(writer->board, FQ_RING_SPAN, record, words * 4) != 0)
            sched_yield();
    }
    return NULL;
}

static void writers_do_not_mix(void **state) {
    struct fixture *fixture = *state;
    pthread_t threads[WRITERS];
    struct writer writers[WRITERS];
    uint32_t expected[WRITERS] = {0};
    for (uint32_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){&fixture->board, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (uint32_t read = 0; read < WRITERS * RECORDS;) {
        if (next(fixture, false) != 1)
            continue;
        uint32_t record[16];
        memcpy(record, fixture->out, fixture->len);
        assert_true(record[0] < WRITERS);
        uint32_t number = expected[record[0]]++;
        assert_int_equal(fixture->len, (number % 15 + 2) * 4);
        for (uint32_t w = 1; w < fixture->len / 4; w++)
            assert_int_equal(record[w], number);
        read++;
    }
    for (uint32_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(fixture->reader.skipped, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_arrive_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_ring_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_half_written_record_waits_for_its_writer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_dead_writers_half_is_skipped_and_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(noise_is_emptied_and_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writers_do_not_mix, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
