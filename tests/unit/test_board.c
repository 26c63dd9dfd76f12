// SPDX-License-Identifier: Apache-2.0
// The memory board: slots change hands once, and nothing that a broken runner writes there hurts its supervisor.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "worker/board.h"
#include "worker/board_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fq_board new_board(void) {
    struct fq_board board;
    assert_int_equal(fq_board_create(&board), 0);
    return board;
}

static struct fq_board_task task_number(uint64_t number) {
    struct fq_board_task task = {
        .token = number, .name = 3, .attempt = 2, .timeout_ms = 5000, .received_us = (int64_t)number * 10};
    for (size_t i = 0; i < sizeof task.id.bytes; i++)
        task.id.bytes[i] = (unsigned char)(number >> (i % 8 * 8));
    return task;
}

static void a_task_is_seen_as_it_was_put(void **state) {
    (void)state;
    struct fq_board board = new_board();
    struct fq_slot_view view;
    assert_int_equal(fq_slot_look(&board, 7, &view), 0);
    struct fq_board_task task = task_number(0x0102030405060708);
    uint32_t sequence = fq_slot_put(&board, 7, &task);
    assert_int_equal(fq_slot_look(&board, 7, &view), 1);
    assert_int_equal(view.state, FQ_SLOT_HELD);
    assert_int_equal(view.sequence, sequence);
    assert_memory_equal(view.task.id.bytes, task.id.bytes, 16);
    assert_true(view.task.token == task.token && view.task.received_us == task.received_us);
    assert_int_equal(view.task.name, 3);
    assert_int_equal(view.task.attempt, 2);
    assert_int_equal(view.task.timeout_ms, 5000);
    assert_int_equal(fq_board_slots_used(&board), 8);
    fq_board_close(&board);
}

static void a_claim_meets_only_the_task_looked_at(void **state) {
    (void)state;
    struct fq_board board = new_board();
    struct fq_board_task first = task_number(1), second = task_number(2);
    struct fq_slot_view view;
    fq_slot_put(&board, 0, &first);
    assert_int_equal(fq_slot_look(&board, 0, &view), 1);
    assert_true(fq_slot_move(&board, 0, FQ_SLOT_HELD, FQ_SLOT_RUNNING));
    assert_false(fq_slot_claim(&board, 0, &view, FQ_SLOT_TAKEN)); // it runs by now
    fq_slot_free(&board, 0);
    fq_slot_put(&board, 0, &second);
    assert_false(fq_slot_claim(&board, 0, &view, FQ_SLOT_TAKEN)); // held again, but another one
    assert_int_equal(fq_slot_state(&board, 0), FQ_SLOT_HELD);
    assert_int_equal(fq_slot_look(&board, 0, &view), 1);
    assert_true(fq_slot_claim(&board, 0, &view, FQ_SLOT_TAKEN));
    assert_false(fq_slot_move(&board, 0, FQ_SLOT_HELD, FQ_SLOT_RUNNING));
    fq_board_close(&board);
}

static void a_wish_stays_with_its_task(void **state) {
    (void)state;
    struct fq_board board = new_board();
    struct fq_board_task task = task_number(1);
    struct fq_slot_view view;
    fq_slot_put(&board, 0, &task);
    assert_int_equal(fq_slot_look(&board, 0, &view), 1);
    assert_false(fq_slot_set_wish(&board, 0, &view, 1)); // not running
    fq_slot_set_started(&board, 0, 77);
    assert_true(fq_slot_move(&board, 0, FQ_SLOT_HELD, FQ_SLOT_RUNNING));
    assert_int_equal(fq_slot_look(&board, 0, &view), 1);
    assert_true(view.started_us == 77);
    assert_true(fq_slot_set_wish(&board, 0, &view, 2));
    assert_int_equal(fq_slot_wish(&board, 0), 2);
    assert_true(fq_slot_claim(&board, 0, &view, FQ_SLOT_DOOMED)); // a wish does not hide the task
    assert_false(fq_slot_move(&board, 0, FQ_SLOT_RUNNING, FQ_SLOT_DONE));
    fq_slot_free(&board, 0);
    fq_slot_put(&board, 0, &task);
    assert_int_equal(fq_slot_wish(&board, 0), 0);
    fq_board_close(&board);
}

static void nobody_shrinks_the_board(void **state) {
    (void)state;
    struct fq_board board = new_board(), other;
    assert_int_equal(ftruncate(board.fd, 4096), -1);
    assert_int_equal(errno, EPERM);
    int copy = fcntl(board.fd, F_DUPFD_CLOEXEC, 3);
    assert_int_equal(fq_board_attach(copy, &other), 0);
    fq_board_add_orders(&board, FQ_ORDER_GO);
    assert_int_equal(fq_board_get(&other, FQ_BOARD_ORDERS), FQ_ORDER_GO);
    fq_board_close(&other);
    fq_board_set(&board, FQ_BOARD_VERSION, 99);
    copy = fcntl(board.fd, F_DUPFD_CLOEXEC, 3);
    assert_int_equal(fq_board_attach(copy, &other), FQ_EVERSION);
    close(copy);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(fq_board_attach(null, &other), FQ_EVERSION);
    close(null);
    fq_board_close(&board);
}

static void names_go_over_whole(void **state) {
    (void)state;
    struct fq_board board = new_board();
    fq_str names[] = {FQ_STR("a"), FQ_STR("mail.send"), FQ_STR("gr\xc3\xbc\xc3\x9f")};
    struct fq_board_names read;
    assert_int_equal(fq_board_write_names(&board, names, 3), 0);
    assert_int_equal(fq_board_read_names(&board, &read), 0);
    assert_int_equal(read.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(fq_str_equal(read.names[i], names[i]));
    fq_board_names_done(&read);
    fq_str blank = FQ_STR("a b"), huge = {calloc(1, FQ_BOARD_NAMES_BYTES), UINT16_MAX};
    assert_int_equal(fq_board_write_names(&board, &blank, 1), FQ_EINVALID);
    memset((char *)(uintptr_t)huge.ptr, 'n', UINT16_MAX);
    fq_str many[] = {huge, huge, huge, huge, huge};
    assert_int_equal(fq_board_write_names(&board, many, 5), FQ_ETOOBIG);
    free((char *)(uintptr_t)huge.ptr);
    fq_board_close(&board);
}

static void names_that_lie_are_refused(void **state) {
    (void)state;
    struct fq_board board = new_board();
    fq_str names[] = {FQ_STR("one"), FQ_STR("two")};
    struct fq_board_names read;
    const struct {
        uint64_t count, size;
    } lies[] = {
        {2,          9                   },
        {2,          11                  },
        {1,          10                  },
        {3,          10                  },
        {UINT64_MAX, 10                  },
        {2,          UINT64_MAX          },
        {2,          FQ_BOARD_NAMES_BYTES}
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        assert_int_equal(fq_board_write_names(&board, names, 2), 0);
        fq_board_set(&board, FQ_BOARD_NAMES_COUNT, lies[i].count);
        fq_board_set(&board, FQ_BOARD_NAMES_SIZE, lies[i].size);
        assert_int_equal(fq_board_read_names(&board, &read), FQ_ECORRUPT);
    }
    fq_board_close(&board);
}

// Everything that the supervisor does with a board, on boards of noise: wrong answers are fine, crashes are not.
static void noise_does_no_harm(void **state) {
    (void)state;
    struct fq_board board = new_board();
    fq_random random;
    fq_random_seed(&random, 20240501);
    unsigned char *copy = malloc(FQ_BOARD_OUTBOX_BYTES);
    uint64_t sane = 0, refused = 0;
    for (int round = 0; round < 200; round++) {
        uint64_t *words = (void *)board.base;
        size_t count = offsetof(struct fq_board_image, outbox) / 8;
        for (size_t i = 0; i < count; i++)
            // Every other round keeps the high bits clear, so that lies are small and plausible.
            words[i] = round % 2 == 0 ? fq_random_next(&random) : fq_random_below(&random, 9);
        assert_true(fq_board_slots_used(&board) <= FQ_BOARD_SLOTS);
        for (uint32_t slot = 0; slot < FQ_BOARD_SLOTS; slot++) {
            struct fq_slot_view view;
            int looked = fq_slot_look(&board, slot, &view);
            refused += looked < 0;
            if (looked != 1)
                continue;
            sane++;
            assert_true(view.state > FQ_SLOT_FREE && view.state < FQ_SLOT_STATE_COUNT);
            assert_true(view.task.timeout_ms >= 0 && view.started_us >= 0 && view.finished_us >= 0);
            if (fq_board_copy_outcome(&board, view.outcome_offset, view.outcome_len, copy))
                assert_true((uint64_t)view.outcome_offset + view.outcome_len <= FQ_BOARD_OUTBOX_BYTES);
        }
        struct fq_board_names names;
        if (fq_board_read_names(&board, &names) == 0)
            fq_board_names_done(&names);
    }
    assert_true(sane > 0 && refused > 0);
    free(copy);
    fq_board_close(&board);
}

// --- races: one runner puts, begins and finishes, one supervisor takes, dooms and wishes ---------------------------------

enum { RACES = 200000 };

struct race {
    struct fq_board board;
    uint64_t begun, lost, finished, doomed; // by the runner's account
    uint64_t taken, killed;                 // by the supervisor's
    int stop;
};

static void *play_runner(void *context) {
    struct race *race = context;
    for (uint64_t number = 1; number <= RACES; number++) {
        struct fq_board_task task = task_number(number);
        fq_slot_put(&race->board, 0, &task);
        fq_slot_set_started(&race->board, 0, (int64_t)number);
        if (!fq_slot_move(&race->board, 0, FQ_SLOT_HELD, FQ_SLOT_RUNNING)) {
            race->lost++;
        } else {
            race->begun++;
            fq_slot_set_outcome(&race->board, 0, (uint32_t)number, (uint32_t)number, (int64_t)number);
            if (fq_slot_move(&race->board, 0, FQ_SLOT_RUNNING, FQ_SLOT_DONE))
                race->finished++;
            else
                race->doomed++;
        }
        fq_slot_free(&race->board, 0);
    }
    __atomic_store_n(&race->stop, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void supervise(struct race *race) {
    while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE)) {
        struct fq_slot_view view;
        int looked = fq_slot_look(&race->board, 0, &view);
        assert_true(looked >= 0);
        if (looked == 0)
            continue;
        // All words of a view belong to one task, even while the next one is put in.
        struct fq_board_task expected = task_number(view.task.token);
        assert_memory_equal(view.task.id.bytes, expected.id.bytes, 16);
        assert_true(view.task.received_us == expected.received_us);
        if (view.state == FQ_SLOT_HELD)
            race->taken += fq_slot_claim(&race->board, 0, &view, FQ_SLOT_TAKEN);
        else if (view.state == FQ_SLOT_RUNNING && view.task.token % 2 == 0)
            race->killed += fq_slot_claim(&race->board, 0, &view, FQ_SLOT_DOOMED);
        else if (view.state == FQ_SLOT_RUNNING)
            (void)fq_slot_set_wish(&race->board, 0, &view, 1);
    }
}

static void a_slot_changes_hands_once(void **state) {
    (void)state;
    struct race race = {.board = new_board()};
    pthread_t runner;
    assert_int_equal(pthread_create(&runner, NULL, play_runner, &race), 0);
    supervise(&race);
    pthread_join(runner, NULL);
    assert_true(race.lost == race.taken);
    assert_true(race.doomed == race.killed);
    assert_true(race.begun + race.lost == RACES && race.finished + race.doomed == race.begun);
    fq_board_close(&race.board);
}

static void what_lies_outside_is_not_copied(void **state) {
    (void)state;
    struct fq_board board = new_board();
    static const struct {
        uint32_t offset, len;
        bool is_copied;
    } rows[] = {
        {0,                         4,                          true },
        {FQ_BOARD_OUTBOX_BYTES - 4, 4,                          true },
        {FQ_BOARD_OUTBOX_BYTES,     0,                          true },
        {FQ_BOARD_OUTBOX_BYTES - 3, 4,                          false},
        {UINT32_MAX,                4,                          false},
        {0,                         FQ_BOARD_OUTBOX_BYTES + 1u, false},
        {4,                         UINT32_MAX,                 false},
    };
    memset(fq_board_outbox(&board), 'o', FQ_BOARD_OUTBOX_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char bytes[5] = "----";
        assert_int_equal(fq_board_copy_outcome(&board, rows[i].offset, rows[i].len, bytes),
                         rows[i].is_copied);
        assert_string_equal(bytes, rows[i].is_copied && rows[i].len == 4 ? "oooo" : "----");
    }
    fq_board_close(&board);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_outside_is_not_copied),
        cmocka_unit_test(a_task_is_seen_as_it_was_put),
        cmocka_unit_test(a_claim_meets_only_the_task_looked_at),
        cmocka_unit_test(a_wish_stays_with_its_task),
        cmocka_unit_test(nobody_shrinks_the_board),
        cmocka_unit_test(names_go_over_whole),
        cmocka_unit_test(names_that_lie_are_refused),
        cmocka_unit_test(noise_does_no_harm),
        cmocka_unit_test(a_slot_changes_hands_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
