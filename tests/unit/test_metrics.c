// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "server/metrics.h"

static const int64_t noon_us = 1700000000000000;

static struct fq_task_view task(const char *name, enum fq_priority priority, const char *worker,
                                int64_t run_us) {
    return (struct fq_task_view){.name = fq_str_of(name),
                                 .priority = priority,
                                 .worker = fq_str_of(worker),
                                 .submitted_us = noon_us,
                                 .granted_us = noon_us,
                                 .completed_us = noon_us,
                                 .run_us = run_us};
}

static const struct fq_metrics_cell *cell_of(const fq_metrics *metrics, const char *name,
                                             const char *worker) {
    const struct fq_metrics_cell *cell;
    for (size_t i = 0; (cell = fq_metrics_cell_at(metrics, i)) != NULL; i++)
        if (!cell->is_overflow && fq_str_equal(cell->name, fq_str_of(name)) &&
            fq_str_equal(cell->worker, fq_str_of(worker)))
            return cell;
    return NULL;
}

static void transitions_land_in_their_cells(void **state) {
    (void)state;
    fq_metrics *metrics = fq_metrics_new(100);
    struct fq_task_view mail = task("mail", FQ_PRIORITY_HIGH, "w1", 7500);
    fq_metrics_count(metrics, FQ_EVENT_SUBMITTED, &mail);
    fq_metrics_count(metrics, FQ_EVENT_SUBMITTED, &mail);
    fq_metrics_count(metrics, FQ_EVENT_RETRIED, &mail);
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &mail);
    mail.run_us = 20LL * 1000 * 1000;
    fq_metrics_count(metrics, FQ_EVENT_FAILED, &mail);
    fq_metrics_count(metrics, FQ_EVENT_CANCELLED, &mail);
    fq_metrics_count(metrics, FQ_EVENT_EPOCH, NULL);

    const struct fq_metrics_cell *submitted = cell_of(metrics, "mail", ""),
                                 *ended = cell_of(metrics, "mail", "w1");
    assert_int_equal(submitted->submitted, 2);
    assert_int_equal(submitted->completed, 0);
    assert_int_equal(ended->submitted, 0);
    assert_int_equal(ended->completed, 1);
    assert_int_equal(ended->failed, 1);
    assert_int_equal(ended->retried, 1);
    assert_true(ended->sum_ms == 20007.5);
    assert_int_equal(ended->buckets[2], 1);  // (5, 10] ms
    assert_int_equal(ended->buckets[15], 1); // (10, 30] s
    assert_null(ended->exemplars);
    fq_metrics_free(metrics);
}

static void a_bound_belongs_to_its_bucket(void **state) {
    (void)state;
    fq_metrics *metrics = fq_metrics_new(10);
    struct fq_task_view each = task("t", FQ_PRIORITY_LOW, "w", 0);
    for (size_t i = 0; i < FQ_DURATION_BOUNDS; i++) {
        each.run_us = (int64_t)(fq_metrics_duration_bounds_ms[i] * 1000);
        fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &each);
    }
    each.run_us++;
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &each);
    const struct fq_metrics_cell *cell = cell_of(metrics, "t", "w");
    for (size_t i = 0; i <= FQ_DURATION_BOUNDS; i++)
        assert_int_equal(cell->buckets[i], 1);
    fq_metrics_free(metrics);
}

static void waits_are_kept_by_priority(void **state) {
    (void)state;
    fq_metrics *metrics = fq_metrics_new(10);
    struct fq_task_view each = task("t", FQ_PRIORITY_CRITICAL, "w", 0);
    each.wait_us = 30000;
    fq_metrics_count(metrics, FQ_EVENT_GRANTED, &each);
    const struct fq_metrics_wait *wait = fq_metrics_wait_of(metrics, FQ_PRIORITY_CRITICAL);
    assert_int_equal(wait->buckets[5], 1); // (25, 50] ms
    assert_true(wait->sum_s == 0.03);
    assert_int_equal(fq_metrics_wait_of(metrics, FQ_PRIORITY_LOW)->buckets[5], 0);
    fq_metrics_free(metrics);
}

static void sampled_traces_become_exemplars(void **state) {
    (void)state;
    fq_metrics *metrics = fq_metrics_new(10);
    struct fq_task_view each = task("t", FQ_PRIORITY_LOW, "w", 2000);
    each.run_traceparent = FQ_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &each);
    assert_null(cell_of(metrics, "t", "w")->exemplars);
    each.run_traceparent = FQ_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &each);
    const struct fq_metrics_exemplar *exemplar = &cell_of(metrics, "t", "w")->exemplars[1];
    assert_int_equal(exemplar->trace_id[0], 0x0a);
    assert_int_equal(exemplar->span_id[7], 0x31);
    assert_true(exemplar->value_ms == 2.0 && exemplar->wall_us == noon_us);
    each.run_traceparent = FQ_STR("nonsense");
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &each);
    assert_int_equal(cell_of(metrics, "t", "w")->completed, 3);
    fq_metrics_free(metrics);
}

static void names_that_nobody_works_cost_no_figures_of_workers(void **state) {
    (void)state;
    fq_metrics *metrics = fq_metrics_new(20);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "flood%d", i);
        struct fq_task_view each = task(name, FQ_PRIORITY_NORMAL, "", 0);
        fq_metrics_count(metrics, FQ_EVENT_SUBMITTED, &each);
    }
    struct fq_task_view done = task("t", FQ_PRIORITY_NORMAL, "w", 1000);
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &done);
    assert_int_equal(cell_of(metrics, "t", "w")->completed, 1);
    assert_int_equal(fq_metrics_overflowed(metrics), 80);
    assert_int_equal(fq_metrics_cell_at(metrics, 0)->submitted, 80);
    fq_metrics_free(metrics);
}

static void ends_that_nobody_collects_are_bounded(void **state) {
    (void)state;
    fq_metrics *metrics = fq_metrics_new(20);
    fq_metrics_keep_ended(metrics, 2);
    for (int hour = 0; hour < 20; hour++)
        for (int i = 0; i < 20; i++) {
            char name[32];
            snprintf(name, sizeof name, "h%d.%d", hour, i);
            struct fq_task_view each = task(name, FQ_PRIORITY_NORMAL, "w", 1000);
            each.completed_us = noon_us + hour * 7200LL * 1000 * 1000;
            fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &each);
        }
    size_t ended = 0;
    for (const struct fq_metrics_cell *cell = fq_metrics_first_ended(metrics); cell != NULL;
         cell = cell->next_ended)
        ended++;
    assert_int_equal(ended, 20);
    fq_metrics_ended_told(metrics);
    assert_non_null(fq_metrics_first_ended(metrics));
    fq_metrics_ended_told(metrics);
    assert_null(fq_metrics_first_ended(metrics));
    fq_metrics_free(metrics);
}

static void cardinality_is_bounded_and_nothing_is_lost(void **state) {
    (void)state;
    fq_metrics *metrics = fq_metrics_new(50);
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        struct fq_task_view each = task(name, FQ_PRIORITY_NORMAL, "w", 1000);
        fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &each);
        fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &each);
    }
    uint64_t total = 0, cells = 0;
    const struct fq_metrics_cell *cell;
    for (; (cell = fq_metrics_cell_at(metrics, cells)) != NULL; cells++)
        total += cell->completed;
    assert_int_equal(cells, 51);
    assert_int_equal(total, 600);
    assert_int_equal(fq_metrics_overflowed(metrics), 500);
    // Two hours later the idle cells make room.
    struct fq_task_view late = task("late", FQ_PRIORITY_NORMAL, "w", 1000);
    late.completed_us = noon_us + 7200LL * 1000 * 1000;
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &late);
    assert_int_equal(cell_of(metrics, "late", "w")->completed, 1);
    assert_null(cell_of(metrics, "t0", "w"));
    assert_int_equal(fq_metrics_cell_at(metrics, 0)->completed, 500);
    fq_metrics_free(metrics);
}

static void cells_that_made_room_end(void **state) {
    (void)state;
    fq_metrics *metrics = fq_metrics_new(2);
    fq_metrics_keep_ended(metrics, 2);
    struct fq_task_view one = task("one", FQ_PRIORITY_NORMAL, "w", 1000),
                        two = task("two", FQ_PRIORITY_NORMAL, "w", 1),
                        late = task("late", FQ_PRIORITY_NORMAL, "w", 1000);
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &one);
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &two);
    assert_null(fq_metrics_first_ended(metrics));
    late.completed_us = noon_us + 7200LL * 1000 * 1000;
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &late);
    const struct fq_metrics_cell *ended = fq_metrics_first_ended(metrics);
    assert_int_equal(ended->completed, 1);
    assert_non_null(ended->next_ended);
    assert_null(ended->next_ended->next_ended);
    // One of them counts again: from zero, and it is not told as ended any more.
    one.completed_us = late.completed_us + 1;
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &one);
    ended = fq_metrics_first_ended(metrics);
    assert_true(fq_str_equal(ended->name, FQ_STR("two")));
    assert_null(ended->next_ended);
    assert_true(cell_of(metrics, "one", "w")->began_us == one.completed_us);
    fq_metrics_ended_told(metrics);
    assert_int_equal(fq_metrics_first_ended(metrics)->ended_left, 1);
    fq_metrics_ended_told(metrics);
    assert_null(fq_metrics_first_ended(metrics));
    fq_metrics_free(metrics);
}

// The number of a name only remembers where its figures are: with and without it they are the same.
static void numbers_of_names_change_no_figure(void **state) {
    (void)state;
    enum { NAMES = 30, EVENTS = 20000, LIMIT = 40 };
    fq_metrics *numbered = fq_metrics_new(LIMIT), *plain = fq_metrics_new(LIMIT);
    static const enum fq_event_type types[] = {FQ_EVENT_SUBMITTED, FQ_EVENT_COMPLETED, FQ_EVENT_FAILED,
                                               FQ_EVENT_RETRIED};
    static const char *const workers[] = {"w1", "w2"};
    uint64_t random = 1;
    for (int i = 0; i < EVENTS; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
        uint64_t drawn = random >> 33;
        char name[16];
        snprintf(name, sizeof name, "t%d", (int)(drawn % NAMES));
        struct fq_task_view each = task(name, (enum fq_priority)(drawn / NAMES % FQ_PRIORITY_COUNT),
                                        workers[drawn / 128 % 2], (int64_t)(drawn % 5000));
        // Names come and go over hours, so that some make room for others.
        int64_t now_us = noon_us + (int64_t)i * (i < EVENTS / 2 ? 1000 : 10 * 1000 * 1000LL);
        each.submitted_us = each.granted_us = each.completed_us = now_us;
        enum fq_event_type type = types[drawn / 1024 % 4];
        fq_metrics_count(plain, type, &each);
        each.name_number = 1 + (uint32_t)(drawn % NAMES);
        fq_metrics_count(numbered, type, &each);
    }
    assert_int_equal(fq_metrics_overflowed(numbered), fq_metrics_overflowed(plain));
    assert_true(fq_metrics_overflowed(plain) > 0);
    const struct fq_metrics_cell *mine, *other;
    size_t i = 0;
    for (; (other = fq_metrics_cell_at(plain, i)) != NULL; i++) {
        mine = fq_metrics_cell_at(numbered, i);
        assert_non_null(mine);
        assert_true(fq_str_equal(mine->name, other->name) && fq_str_equal(mine->worker, other->worker));
        assert_int_equal(mine->priority, other->priority);
        assert_int_equal(mine->submitted, other->submitted);
        assert_int_equal(mine->completed, other->completed);
        assert_int_equal(mine->failed, other->failed);
        assert_int_equal(mine->retried, other->retried);
        assert_int_equal(mine->touched_us, other->touched_us);
    }
    assert_null(fq_metrics_cell_at(numbered, i));
    fq_metrics_free(numbered);
    fq_metrics_free(plain);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_that_made_room_end),
        cmocka_unit_test(transitions_land_in_their_cells),
        cmocka_unit_test(a_bound_belongs_to_its_bucket),
        cmocka_unit_test(waits_are_kept_by_priority),
        cmocka_unit_test(sampled_traces_become_exemplars),
        cmocka_unit_test(names_that_nobody_works_cost_no_figures_of_workers),
        cmocka_unit_test(ends_that_nobody_collects_are_bounded),
        cmocka_unit_test(cardinality_is_bounded_and_nothing_is_lost),
        cmocka_unit_test(numbers_of_names_change_no_figure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
