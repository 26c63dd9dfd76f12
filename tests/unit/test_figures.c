// SPDX-License-Identifier: Apache-2.0
// The copy of figures that another thread reads: whole, its own, and used again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "server/figures.h"
#include "support/core_fixture.h"

static const struct fq_metrics_cell *cell_of(const struct fq_figures *figures, const char *worker) {
    for (size_t i = 0; i < figures->cell_count; i++) {
        if (!figures->cells[i].is_overflow && fq_str_equal(figures->cells[i].worker, fq_str_of(worker)))
            return &figures->cells[i];
    }
    return NULL;
}

static void a_copy_outlives_what_it_was_taken_of(void **state) {
    (void)state;
    struct core_fixture fixture;
    struct fq_figures figures = {.cell_count = 0};
    fq_metrics *metrics = fq_metrics_new(100);
    assert_non_null(metrics);
    core_fixture_init(&fixture);
    fixture.observer = fq_metrics_observer(metrics);
    core_fixture_open(&fixture, false);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    core_peer_expect(peer, "FQ.REGISTER w1 TASKS mail", "*");
    core_peer_expect(peer, "FQ.REGISTER worker-two TASKS mail", "*");
    core_peer_expect(peer, "FQ.SUBMIT mail {} PRIORITY high", "*");
    assert_int_equal(fq_figures_take(&figures, fixture.core, metrics, fixture.now), 0);
    assert_int_equal(figures.engine.pending_count[FQ_PRIORITY_HIGH], 1);
    assert_int_equal(figures.core.connections, 1);
    assert_false(figures.has_journal);

    // More than before: all of its memory grows.
    for (int i = 0; i < 40; i++) {
        char worker[32];
        snprintf(worker, sizeof worker, "another-%d", i);
        struct fq_task_view task = {.name = FQ_STR("mail"),
                                    .worker = fq_str_of(worker),
                                    .completed_us = 1,
                                    .run_us = 1000,
                                    .run_traceparent =
                                        FQ_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")};
        fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &task);
    }
    assert_int_equal(fq_figures_take(&figures, fixture.core, metrics, fixture.now), 0);
    core_peer_free(peer);
    core_fixture_close(&fixture);
    fq_metrics_free(metrics);

    assert_int_equal(figures.worker_count, 2);
    assert_string_equal(figures.workers[0].ptr, "w1");
    assert_string_equal(figures.workers[1].ptr, "worker-two");
    assert_int_equal(figures.cell_count, 42); // with the overflow cell and the one of the submit
    const struct fq_metrics_cell *last = cell_of(&figures, "another-39");
    assert_int_equal(last->completed, 1);
    assert_string_equal(last->name.ptr, "mail");
    assert_int_equal(last->exemplars[0].span_id[7], 0x31);
    assert_int_equal(cell_of(&figures, "")->submitted, 1);
    fq_figures_done(&figures);
}

static void ended_cells_are_copied_and_count_as_told(void **state) {
    (void)state;
    struct core_fixture fixture;
    struct fq_figures figures = {.cell_count = 0};
    fq_metrics *metrics = fq_metrics_new(1);
    assert_non_null(metrics);
    fq_metrics_keep_ended(metrics, 2);
    core_fixture_init(&fixture);
    core_fixture_open(&fixture, false);
    struct fq_task_view early = {.name = FQ_STR("a"), .worker = FQ_STR("early"), .completed_us = 1};
    struct fq_task_view late = {
        .name = FQ_STR("a"), .worker = FQ_STR("late"), .completed_us = 7200LL * 1000 * 1000};
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &early);
    fq_metrics_count(metrics, FQ_EVENT_COMPLETED, &late);
    for (int left = 2; left > 0; left--) {
        assert_int_equal(fq_figures_take(&figures, fixture.core, metrics, fixture.now), 0);
        assert_int_equal(figures.cell_count, 3);
        assert_int_equal(cell_of(&figures, "early")->ended_left, left);
        assert_int_equal(cell_of(&figures, "late")->ended_left, 0);
    }
    assert_int_equal(fq_figures_take(&figures, fixture.core, metrics, fixture.now), 0);
    assert_null(cell_of(&figures, "early"));
    fq_figures_done(&figures);
    core_fixture_close(&fixture);
    fq_metrics_free(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_outlives_what_it_was_taken_of),
        cmocka_unit_test(ended_cells_are_copied_and_count_as_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
