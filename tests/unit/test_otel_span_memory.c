// SPDX-License-Identifier: Apache-2.0
// Spans cost no allocation once their thread is warm, and running out of memory costs telemetry only.
#include "otel/pipeline/batch.h"
#include "otel/system/system.h"
#include "otel/trace/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static _Thread_local long counted, fail_after = -1; // of this thread: the exporter's allocations are its own

static bool fails(void) {
    counted++;
    return fail_after >= 0 && fail_after-- == 0;
}
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *memory, size_t size) {
    return fails() ? NULL : __real_realloc(memory, size);
}

static int discard(void *self, const struct otel_export_batch *batch) {
    (void)self;
    (void)batch;
    return OTEL_OK;
}
static const struct otel_exporter_ops discarding = {.component_type = "discard", .export_batch = discard};

struct rig {
    struct otel_runtime runtime;
    otel_batch *batch;
    otel_tracer_provider *provider;
    otel_tracer *tracer;
};

static bool rig_open(struct rig *rig) {
    *rig = (struct rig){
        .runtime = {.clock = otel_system_clock(), .ids = otel_system_ids()}
    };
    rig->batch = otel_batch_new(&(struct otel_batch_options){
        .signal = OTEL_SIGNAL_TRACES,
        .runtime = &rig->runtime,
        .exporter = {&discarding, NULL},
        .queue_max = 2048,
        .batch_max = 512,
        .delay_ms = 60000
    });
    if (rig->batch == NULL)
        return false;
    const struct otel_sink sink = otel_batch_sink(rig->batch);
    rig->provider = otel_tracer_provider_new(&(struct otel_tracer_provider_options){
        .runtime = &rig->runtime, .limits = OTEL_LIMITS_DEFAULT, .sinks = &sink, .sink_count = 1});
    rig->tracer = otel_tracer_get(rig->provider, &(struct otel_scope_info){.name = "memory"});
    return true;
}

static void rig_close(struct rig *rig) {
    otel_tracer_provider_free(rig->provider);
    otel_batch_free(rig->batch);
}

static void one_span(struct rig *rig, const char *text) {
    const struct otel_attribute attributes[] = {
        otel_text("task.name", text), otel_text("task.priority", "normal"),
        otel_text("task.id", "0b1c8a52-6a3e-4a52-9d3c-2f8f4f1f7a10"), otel_text("worker.id", "worker-1")};
    otel_span *span = otel_span_start(
        rig->tracer, "execute", &(struct otel_span_options){.attributes = attributes, .attribute_count = 4});
    otel_span_record_exception(span, "ValueError", text, NULL, NULL, 0);
    otel_span_end(span);
}

static void test_no_allocation_per_span(void **state) {
    (void)state;
    struct rig rig;
    assert_true(rig_open(&rig));
    one_span(&rig, "warm");
    long before = counted;
    for (int i = 0; i < 1000; i++)
        one_span(&rig, "send_email");
    assert_int_equal(counted, before);
    rig_close(&rig);
}

// Every allocation of this thread fails once.
static void test_out_of_memory_costs_telemetry_only(void **state) {
    (void)state;
    char big[3000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    bool failed = true;
    for (long at = 0; failed; at++) {
        struct rig rig;
        fail_after = at;
        bool is_open = rig_open(&rig);
        if (is_open) {
            one_span(&rig, "small");
            one_span(&rig, big);
            otel_span *child = otel_span_start(rig.tracer, "held", NULL);
            one_span(&rig, big);
            otel_span_end(child);
            otel_batch_flush(rig.batch, 5000);
        }
        failed = fail_after < 0;
        fail_after = -1;
        if (is_open)
            rig_close(&rig);
        assert_true(at < 200);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_allocation_per_span),
        cmocka_unit_test(test_out_of_memory_costs_telemetry_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
