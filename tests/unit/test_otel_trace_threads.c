// SPDX-License-Identifier: Apache-2.0
// Many threads at once: they make spans while others flush, fork and shut down, and nothing is lost uncounted.
#include "otel/pipeline/batch.h"
#include "otel/pipeline/ring.h"
#include "otel/system/system.h"
#include "otel/trace/provider.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, SPANS_EACH = 3000 };

struct rig {
    struct otel_runtime runtime;
    atomic_uint inside, overlaps, items;
    otel_batch *batch;
    otel_tracer_provider *provider;
    otel_tracer *tracer;
    atomic_bool stop;
};

static int take(void *self, const struct otel_export_batch *data) {
    struct rig *rig = self;
    if (atomic_fetch_add(&rig->inside, 1) > 0)
        atomic_fetch_add(&rig->overlaps, 1);
    atomic_fetch_add(&rig->items, (unsigned)data->item_count);
    atomic_fetch_sub(&rig->inside, 1);
    return OTEL_OK;
}
static void forget(void *self) {
    atomic_store(&((struct rig *)self)->inside, 0);
}
static const struct otel_exporter_ops taker = {
    .component_type = "taker", .export_batch = take, .after_fork = forget};

static void rig_open(struct rig *rig, uint32_t queue_max) {
    memset(rig, 0, sizeof *rig);
    rig->runtime = (struct otel_runtime){.clock = otel_system_clock(), .ids = otel_system_ids()};
    rig->batch = otel_batch_new(&(struct otel_batch_options){
        .signal = OTEL_SIGNAL_TRACES,
        .runtime = &rig->runtime,
        .exporter = {&taker, rig},
        .queue_max = queue_max,
        .batch_max = queue_max / 4,
        .delay_ms = 5
    });
    const struct otel_sink sink = otel_batch_sink(rig->batch);
    rig->provider = otel_tracer_provider_new(&(struct otel_tracer_provider_options){
        .runtime = &rig->runtime, .limits = OTEL_LIMITS_DEFAULT, .sinks = &sink, .sink_count = 1});
    rig->tracer = otel_tracer_get(rig->provider, &(struct otel_scope_info){.name = "threads"});
}

static void rig_close(struct rig *rig) {
    otel_tracer_provider_free(rig->provider);
    otel_batch_free(rig->batch);
    assert_int_equal(atomic_load(&rig->overlaps), 0);
}

static void one_span(struct rig *rig, int i) {
    otel_span *span = otel_span_start(rig->tracer, "work", NULL);
    struct otel_scope scope;
    otel_scope_enter_span(&scope, span);
    otel_span_set_attribute(span, otel_int("i", i));
    otel_scope_leave(&scope);
    otel_span_end(span);
}

static void *make_spans(void *context) {
    for (int i = 0; i < SPANS_EACH; i++)
        one_span(context, i);
    return NULL;
}

static void *make_spans_until_stop(void *context) {
    struct rig *rig = context;
    for (int i = 0; !atomic_load(&rig->stop); i++)
        one_span(rig, i);
    return NULL;
}

static void expect_all_counted(struct rig *rig) {
    struct otel_signal_stats stats;
    otel_batch_stats(rig->batch, &stats);
    assert_int_equal(stats.queue_len, 0);
    assert_int_equal(stats.created, stats.exported + stats.dropped_queue_full + stats.dropped_failed);
    assert_int_equal(stats.exported, atomic_load(&rig->items));
}

static void test_threads_end_spans_while_others_flush(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 256);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_spans, &rig), 0);
    for (int i = 0; i < 50; i++)
        assert_int_equal(otel_batch_flush(rig.batch, 10000), OTEL_OK);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(otel_batch_flush(rig.batch, 10000), OTEL_OK);
    expect_all_counted(&rig);
    struct otel_signal_stats stats;
    otel_batch_stats(rig.batch, &stats);
    assert_int_equal(stats.created, THREADS * SPANS_EACH);
    struct otel_tracer_stats counts;
    otel_tracer_provider_stats(rig.provider, &counts);
    assert_int_equal(counts.started[0][OTEL_RECORD_AND_SAMPLE], THREADS * SPANS_EACH);
    assert_int_equal(counts.live[OTEL_RECORD_AND_SAMPLE], 0);
    rig_close(&rig);
}

static void test_shutdown_while_threads_end_spans(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 64);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_spans_until_stop, &rig), 0);
    while (atomic_load(&rig.items) < 200)
        assert_int_not_equal(otel_batch_flush(rig.batch, 10000), OTEL_FAILED);
    assert_int_equal(otel_batch_shutdown(rig.batch, 10000), OTEL_OK);
    assert_int_equal(otel_tracer_provider_shutdown(rig.provider, 10000), OTEL_OK);
    unsigned items = atomic_load(&rig.items);
    atomic_store(&rig.stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&rig.items), items); // nothing is exported behind it
    rig_close(&rig);
}

// --- one span, many threads ------------------------------------------------------------------------------------------
struct shared_span {
    otel_span *span;
    int number;
};

static void *change_span(void *context) {
    const struct shared_span *shared = context;
    for (int i = 0; i < 500; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d.%d", shared->number, i % 20);
        otel_span_set_attribute(shared->span, otel_int(key, i));
        otel_span_add_event(shared->span, "event", 0, NULL, 0);
        otel_span_update_name(shared->span, key);
        otel_span_set_status(shared->span, OTEL_STATUS_ERROR, key);
    }
    otel_span_end(shared->span); // one of them ends it, the others go on
    return NULL;
}

static void test_span_is_changed_and_ended_by_several_threads(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 64);
    struct shared_span shared[THREADS];
    pthread_t threads[THREADS];
    otel_span *span = otel_span_start(rig.tracer, "shared", NULL);
    for (int i = 0; i < THREADS; i++) {
        shared[i] = (struct shared_span){otel_span_retain(span), i};
        assert_int_equal(pthread_create(&threads[i], NULL, change_span, &shared[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_false(otel_span_is_recording(span));
    otel_span_end(span);
    assert_int_equal(otel_batch_flush(rig.batch, 10000), OTEL_OK);
    assert_int_equal(atomic_load(&rig.items), 1);
    rig_close(&rig);
}

// --- more threads than lanes -----------------------------------------------------------------------------------------
struct crowd {
    struct rig *rig;
    pthread_barrier_t all_here;
};
static void *join_crowd(void *context) {
    struct crowd *crowd = context;
    pthread_barrier_wait(&crowd->all_here);
    for (int i = 0; i < 20; i++)
        one_span(crowd->rig, i);
    pthread_barrier_wait(&crowd->all_here);
    return NULL;
}

static void test_more_threads_than_lanes_share_one(void **state) {
    (void)state;
    enum { CROWD = 150 };
    struct rig rig;
    rig_open(&rig, 8192);
    struct crowd crowd = {.rig = &rig};
    pthread_barrier_init(&crowd.all_here, NULL, CROWD);
    pthread_t threads[CROWD];
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&threads[i], &small, join_crowd, &crowd), 0);
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
    pthread_attr_destroy(&small);
    pthread_barrier_destroy(&crowd.all_here);
    struct otel_tracer_stats counts;
    otel_tracer_provider_stats(rig.provider, &counts);
    assert_int_equal(counts.started[0][OTEL_RECORD_AND_SAMPLE], CROWD * 20);
    assert_int_equal(counts.live[OTEL_RECORD_AND_SAMPLE], 0);
    assert_int_equal(otel_batch_flush(rig.batch, 10000), OTEL_OK);
    expect_all_counted(&rig);
    rig_close(&rig);
}

// --- fork in the middle ----------------------------------------------------------------------------------------------
static int live_as_child(struct rig *rig) {
    otel_tracer_provider_fork_child(rig->provider);
    otel_batch_fork_child(rig->batch, NULL, 0);
    atomic_store(&rig->items, 0);
    for (int i = 0; i < 10; i++)
        one_span(rig, i);
    if (otel_batch_flush(rig->batch, 10000) != OTEL_OK)
        return 1;
    if (atomic_load(&rig->items) != 10)
        return 2;
    return otel_batch_shutdown(rig->batch, 10000) == OTEL_OK ? 0 : 3;
}

static void test_fork_while_threads_end_spans(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    print_message("ThreadSanitizer does not follow a fork of a program with threads: skipped\n");
    skip();
#endif
    struct rig rig;
    rig_open(&rig, 256);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_spans_until_stop, &rig), 0);
    for (int round = 0; round < 20; round++) {
        otel_batch_fork_prepare(rig.batch);
        otel_tracer_provider_fork_prepare(rig.provider);
        pid_t child = fork();
        if (child == 0)
            _exit(live_as_child(&rig));
        otel_tracer_provider_fork_parent(rig.provider);
        otel_batch_fork_parent(rig.batch);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    atomic_store(&rig.stop, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(otel_batch_flush(rig.batch, 10000), OTEL_OK);
    expect_all_counted(&rig);
    rig_close(&rig);
}

// --- the ring by itself ----------------------------------------------------------------------------------------------
struct ring_writer {
    struct otel_ring *ring;
    uint32_t number, written;
};

// Records of changing length, all bytes the writer's number, the first four a count.
static void *write_records(void *context) {
    struct ring_writer *writer = context;
    while (writer->written < 20000) {
        uint32_t len = 5 + (writer->written * 7 + writer->number * 13) % 200;
        uint8_t *place = otel_ring_reserve(writer->ring, len);
        if (place == NULL) {
            sched_yield();
            continue;
        }
        memset(place, (int)writer->number, len);
        memcpy(place, &writer->written, sizeof writer->written);
        uint32_t bytes;
        otel_ring_commit(writer->ring, place, &bytes);
        writer->written++;
    }
    return NULL;
}

static void test_ring_keeps_each_writers_records_whole_and_in_order(void **state) {
    (void)state;
    static struct otel_ring ring; // sanitizers give stack memory less alignment than it asks for
    assert_true(otel_ring_init(&ring, 50, 5000));
    struct ring_writer writers[3];
    pthread_t threads[3];
    for (uint32_t i = 0; i < 3; i++) {
        writers[i] = (struct ring_writer){&ring, i + 1, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, write_records, &writers[i]), 0);
    }
    uint32_t expected[4] = {0};
    for (uint32_t total = 0; total < 60000;) {
        struct otel_ring_record record;
        uint32_t peeked = 0;
        for (; peeked < 10 && otel_ring_peek(&ring, peeked, &record); peeked++) {
            uint8_t number = record.bytes[4];
            uint32_t counted;
            memcpy(&counted, record.bytes, sizeof counted);
            assert_in_range(number, 1, 3);
            assert_int_equal(counted, expected[number]++);
            for (uint32_t i = 4; i < record.len; i++)
                assert_true(record.bytes[i] == number);
        }
        otel_ring_release(&ring, peeked);
        total += peeked;
        if (peeked == 0)
            sched_yield();
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(otel_ring_count(&ring), 0);
    assert_int_equal(otel_ring_bytes(&ring), 0);
    otel_ring_done(&ring);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_end_spans_while_others_flush),
        cmocka_unit_test(test_shutdown_while_threads_end_spans),
        cmocka_unit_test(test_span_is_changed_and_ended_by_several_threads),
        cmocka_unit_test(test_more_threads_than_lanes_share_one),
        cmocka_unit_test(test_fork_while_threads_end_spans),
        cmocka_unit_test(test_ring_keeps_each_writers_records_whole_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
