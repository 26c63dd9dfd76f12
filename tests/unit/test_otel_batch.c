// SPDX-License-Identifier: Apache-2.0
// The batch processor: what reaches the exporter, when, and what is counted when it cannot.
#include "otel/pipeline/batch.h"
#include "otel/pipeline/check.h"
#include "otel/pipeline/gate.h"
#include "otel/system/system.h"
#include "otel/trace/provider.h"
#include "otel/wire/protobuf.h"
#include "support/otel_spans.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// An exporter that counts, can be held up, and notices when it is called twice at once.
struct catcher {
    atomic_uint calls, items, inside, overlaps, flushes, shutdowns, cancels, forks, frees;
    atomic_uint items_of[64];
    atomic_int result;
    atomic_uint rejects; // of each export
    atomic_uint deaf_to; // so many cancellations
    const char *reason;  // of its failures; NULL = it says none
    atomic_uint rejected;
    atomic_bool is_held;
    struct otel_gate gate;
    size_t last_len;
    uint8_t last[4096];
};

static int catcher_export(void *self, const struct otel_export_batch *data) {
    struct catcher *catcher = self;
    if (atomic_fetch_add(&catcher->inside, 1) > 0)
        atomic_fetch_add(&catcher->overlaps, 1);
    catcher->last_len = data->len < sizeof catcher->last ? data->len : sizeof catcher->last;
    memcpy(catcher->last, data->bytes, catcher->last_len);
    unsigned call = atomic_fetch_add(&catcher->calls, 1);
    atomic_store(&catcher->items_of[call % 64], (unsigned)data->item_count);
    otel_gate_open(&catcher->gate);
    while (atomic_load(&catcher->is_held)) {
        uint32_t seen = otel_gate_number(&catcher->gate);
        if (atomic_load(&catcher->is_held))
            otel_gate_wait(&catcher->gate, seen, 10 * 1000 * 1000);
    }
    atomic_fetch_add(&catcher->items, (unsigned)data->item_count);
    atomic_fetch_add(&catcher->rejected, atomic_load(&catcher->rejects));
    atomic_fetch_sub(&catcher->inside, 1);
    return atomic_load(&catcher->result);
}
static int catcher_flush(void *self, int64_t timeout_ms) {
    (void)timeout_ms;
    atomic_fetch_add(&((struct catcher *)self)->flushes, 1);
    return OTEL_OK;
}
static void catcher_cancel(void *self) {
    struct catcher *catcher = self;
    if (atomic_fetch_add(&catcher->cancels, 1) < atomic_load(&catcher->deaf_to))
        return;
    atomic_store(&catcher->result, OTEL_FAILED);
    atomic_store(&catcher->is_held, false);
    otel_gate_open(&catcher->gate);
}
static int catcher_shutdown(void *self, int64_t timeout_ms) {
    (void)timeout_ms;
    atomic_fetch_add(&((struct catcher *)self)->shutdowns, 1);
    return OTEL_OK;
}
static void catcher_after_fork(void *self) {
    struct catcher *catcher = self;
    atomic_fetch_add(&catcher->forks, 1);
    atomic_store(&catcher->inside, 0);
    atomic_store(&catcher->is_held, false);
}
static void catcher_free(void *self) {
    atomic_fetch_add(&((struct catcher *)self)->frees, 1);
}
static void catcher_stats(void *self, struct otel_exporter_stats *ret_stats) {
    const struct catcher *catcher = self;
    ret_stats->rejected = atomic_load(&catcher->rejected);
    if (catcher->reason != NULL)
        snprintf(ret_stats->last_error, sizeof ret_stats->last_error, "%s", catcher->reason);
}
static const struct otel_exporter_ops catcher_ops = {
    .component_type = "catcher",
    .export_batch = catcher_export,
    .flush = catcher_flush,
    .cancel = catcher_cancel,
    .shutdown = catcher_shutdown,
    .after_fork = catcher_after_fork,
    .free = catcher_free,
    .stats = catcher_stats,
};

struct rig {
    struct otel_runtime runtime;
    struct catcher catcher;
    otel_batch *batch;
    otel_tracer_provider *provider;
    otel_tracer *tracer, *other_tracer;
    int reports;
    char report[256];
};

static void rig_open(struct rig *rig, struct otel_batch_options options) {
    memset(rig, 0, sizeof *rig);
    rig->runtime = (struct otel_runtime){.clock = otel_system_clock(), .ids = otel_system_ids()};
    options.signal = OTEL_SIGNAL_TRACES;
    options.runtime = &rig->runtime;
    options.exporter = (struct otel_exporter){&catcher_ops, &rig->catcher};
    if (options.queue_max == 0)
        options.queue_max = 2048;
    if (options.batch_max == 0)
        options.batch_max = 512;
    if (options.delay_ms == 0)
        options.delay_ms = 60 * 1000;
    options.timeout_ms = 30000;
    rig->batch = otel_batch_new(&options);
    assert_non_null(rig->batch);
    const struct otel_sink sink = otel_batch_sink(rig->batch);
    const struct otel_tracer_provider_options provider = {
        .runtime = &rig->runtime, .limits = OTEL_LIMITS_DEFAULT, .sinks = &sink, .sink_count = 1};
    rig->provider = otel_tracer_provider_new(&provider);
    rig->tracer = otel_tracer_get(rig->provider, &(struct otel_scope_info){.name = "a"});
    rig->other_tracer =
        otel_tracer_get(rig->provider, &(struct otel_scope_info){.name = "b", .schema_url = "u"});
}

static void rig_close(struct rig *rig) {
    otel_tracer_provider_free(rig->provider);
    otel_batch_free(rig->batch);
    assert_int_equal(atomic_load(&rig->catcher.overlaps), 0);
    assert_int_equal(atomic_load(&rig->catcher.frees), 1);
}

static void make_spans(struct rig *rig, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        otel_span_end(otel_span_start(rig->tracer, "s", NULL));
}

static struct otel_signal_stats stats_of(const struct rig *rig) {
    struct otel_signal_stats stats;
    otel_batch_stats(rig->batch, &stats);
    return stats;
}

// Until so many exports have begun.
static void await_calls(struct rig *rig, unsigned calls) {
    for (int i = 0; i < 1000 && atomic_load(&rig->catcher.calls) < calls; i++) {
        uint32_t seen = otel_gate_number(&rig->catcher.gate);
        if (atomic_load(&rig->catcher.calls) < calls)
            otel_gate_wait(&rig->catcher.gate, seen, 10 * 1000 * 1000);
    }
    assert_true(atomic_load(&rig->catcher.calls) >= calls);
}

static void test_flush_hands_over_everything(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){0});
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    assert_int_equal(atomic_load(&rig.catcher.calls), 0);
    make_spans(&rig, 10);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    assert_int_equal(atomic_load(&rig.catcher.items), 10);
    assert_int_equal(atomic_load(&rig.catcher.calls), 1);
    assert_int_equal(atomic_load(&rig.catcher.flushes), 2);
    const struct otel_signal_stats stats = stats_of(&rig);
    assert_int_equal(stats.created, 10);
    assert_int_equal(stats.exported, 10);
    assert_int_equal(stats.queue_len, 0);
    assert_true(stats.last_success_unix_ns > 0);
    rig_close(&rig);
}

static void test_full_batch_is_exported_before_the_delay(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){.batch_max = 16, .queue_max = 64});
    make_spans(&rig, 16);
    await_calls(&rig, 1);
    assert_int_equal(atomic_load(&rig.catcher.items_of[0]), 16);
    rig_close(&rig);
}

static void test_delay_exports_what_there_is(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){.delay_ms = 20});
    make_spans(&rig, 3);
    await_calls(&rig, 1);
    assert_int_equal(atomic_load(&rig.catcher.items_of[0]), 3);
    // Once idle, the first record wakes it again.
    make_spans(&rig, 1);
    await_calls(&rig, 2);
    rig_close(&rig);
}

static void test_batches_are_no_bigger_than_asked(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){.batch_max = 10, .queue_max = 1000});
    atomic_store(&rig.catcher.is_held, true);
    make_spans(&rig, 35);
    await_calls(&rig, 1);
    atomic_store(&rig.catcher.is_held, false);
    otel_gate_open(&rig.catcher.gate);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    assert_int_equal(atomic_load(&rig.catcher.items), 35);
    for (unsigned i = 0; i < atomic_load(&rig.catcher.calls); i++)
        assert_in_range(atomic_load(&rig.catcher.items_of[i]), 1, 10);
    rig_close(&rig);
}

static void test_full_queue_drops_the_new_and_counts(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){.batch_max = 4, .queue_max = 8});
    atomic_store(&rig.catcher.is_held, true);
    make_spans(&rig, 4);
    await_calls(&rig, 1); // 4 are with the exporter
    make_spans(&rig, 11);
    struct otel_signal_stats stats = stats_of(&rig);
    assert_int_equal(stats.queue_len, 8);
    assert_int_equal(stats.dropped_queue_full, 3);
    assert_int_equal(stats.created, 15);
    atomic_store(&rig.catcher.is_held, false);
    otel_gate_open(&rig.catcher.gate);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    stats = stats_of(&rig);
    assert_int_equal(stats.exported, 12);
    assert_int_equal(stats.created, stats.exported + stats.dropped_queue_full);
    rig_close(&rig);
}

static void test_queue_is_bounded_by_bytes_too(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){.queue_bytes_max = 1, .queue_max = 2048});
    char *big = calloc(1, 40001);
    memset(big, 'x', 40000);
    atomic_store(&rig.catcher.is_held, true);
    for (int i = 0; i < 40; i++) {
        otel_span *span = otel_span_start(rig.tracer, "s", NULL);
        otel_span_set_attribute(span, otel_text("big", big));
        otel_span_end(span);
    }
    struct otel_signal_stats stats = stats_of(&rig);
    assert_true(stats.dropped_queue_full > 0);
    assert_in_range(stats.queue_bytes, 40000, 256 * 1024);
    atomic_store(&rig.catcher.is_held, false);
    otel_gate_open(&rig.catcher.gate);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    stats = stats_of(&rig);
    assert_int_equal(stats.exported + stats.dropped_queue_full, 40);
    free(big);
    rig_close(&rig);
}

static void test_scopes_are_grouped(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){
                       .resource = "\x0a\x00", .resource_len = 2, .resource_schema_url = "r"});
    for (int i = 0; i < 3; i++) {
        otel_span_end(otel_span_start(rig.tracer, "s", NULL));
        otel_span_end(otel_span_start(rig.other_tracer, "s", NULL));
    }
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    const uint8_t *resource_spans, *scope_spans, *text;
    size_t len, scope_len, text_len;
    assert_true(message_field(rig.catcher.last, rig.catcher.last_len, 1, 0, &resource_spans, &len, NULL));
    assert_false(message_field(rig.catcher.last, rig.catcher.last_len, 1, 1, &text, &text_len, NULL));
    assert_true(message_field(resource_spans, len, 1, 0, &text, &text_len, NULL));
    assert_int_equal(text_len, 2);
    assert_true(message_field(resource_spans, len, 3, 0, &text, &text_len, NULL));
    assert_memory_equal(text, "r", 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(message_field(resource_spans, len, 2, i, &scope_spans, &scope_len, NULL));
        assert_true(message_field(scope_spans, scope_len, 2, 2, &text, &text_len, NULL));
        assert_false(message_field(scope_spans, scope_len, 2, 3, &text, &text_len, NULL));
        assert_int_equal(message_field(scope_spans, scope_len, 3, 0, &text, &text_len, NULL), i == 1);
    }
    assert_false(message_field(resource_spans, len, 2, 2, &text, &text_len, NULL));
    rig_close(&rig);
}

static void test_more_scopes_than_fit_one_request_make_two(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){0});
    for (int i = 0; i < OTEL_REQUEST_SCOPES_MAX + 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "scope%d", i);
        otel_tracer *tracer = otel_tracer_get(rig.provider, &(struct otel_scope_info){.name = name});
        otel_span_end(otel_span_start(tracer, "s", NULL));
    }
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    assert_int_equal(atomic_load(&rig.catcher.calls), 2);
    assert_int_equal(atomic_load(&rig.catcher.items), OTEL_REQUEST_SCOPES_MAX + 5);
    rig_close(&rig);
}

static void test_failed_batches_are_counted(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){0});
    atomic_store(&rig.catcher.result, OTEL_FAILED);
    make_spans(&rig, 7);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_FAILED);
    const struct otel_signal_stats stats = stats_of(&rig);
    assert_int_equal(stats.dropped_failed, 7);
    assert_int_equal(stats.export_failures, 1);
    assert_int_equal(stats.exported, 0);
    rig_close(&rig);
}

static void test_rejected_items_of_a_partial_success_are_counted(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){0});
    atomic_store(&rig.catcher.rejects, 3);
    make_spans(&rig, 7);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    atomic_store(&rig.catcher.rejects, 99); // never more than were sent
    make_spans(&rig, 2);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    const struct otel_signal_stats stats = stats_of(&rig);
    assert_int_equal(stats.exported, 4);
    assert_int_equal(stats.dropped_rejected, 5);
    assert_int_equal(stats.dropped_failed + stats.export_failures, 0);
    assert_int_equal(stats.created, 9);
    rig_close(&rig);
}

static void test_flush_says_timeout(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){0});
    atomic_store(&rig.catcher.is_held, true);
    make_spans(&rig, 1);
    assert_int_equal(otel_batch_flush(rig.batch, 30), OTEL_TIMEOUT);
    assert_int_equal(atomic_load(&rig.catcher.cancels), 0);
    atomic_store(&rig.catcher.is_held, false);
    otel_gate_open(&rig.catcher.gate);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    rig_close(&rig);
}

static void test_shutdown_flushes_then_refuses(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){0});
    make_spans(&rig, 5);
    assert_int_equal(otel_batch_shutdown(rig.batch, 5000), OTEL_OK);
    assert_int_equal(atomic_load(&rig.catcher.items), 5);
    assert_int_equal(atomic_load(&rig.catcher.shutdowns), 1);
    assert_int_equal(otel_batch_shutdown(rig.batch, 5000), OTEL_OK);
    assert_int_equal(atomic_load(&rig.catcher.shutdowns), 1);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_FAILED);
    make_spans(&rig, 2);
    assert_int_equal(atomic_load(&rig.catcher.items), 5);
    assert_int_equal(stats_of(&rig).created, 7);
    rig_close(&rig);
}

static void test_shutdown_cancels_an_export_that_hangs(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){.batch_max = 2});
    atomic_store(&rig.catcher.is_held, true);
    make_spans(&rig, 6);
    assert_int_equal(otel_batch_shutdown(rig.batch, 30), OTEL_TIMEOUT);
    assert_true(atomic_load(&rig.catcher.cancels) >= 1);
    assert_int_equal(stats_of(&rig).dropped_failed, 6);
    rig_close(&rig);
}

// A cancellation that comes before the export has begun goes by unheard.
static void test_shutdown_cancels_until_it_is_heard(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){.batch_max = 2});
    atomic_store(&rig.catcher.is_held, true);
    atomic_store(&rig.catcher.deaf_to, 1);
    make_spans(&rig, 6);
    assert_int_equal(otel_batch_shutdown(rig.batch, 30), OTEL_TIMEOUT);
    assert_true(atomic_load(&rig.catcher.cancels) >= 2);
    assert_int_equal(atomic_load(&rig.catcher.shutdowns), 1);
    assert_int_equal(stats_of(&rig).dropped_failed, 6);
    rig_close(&rig);
}

static void keep_report(void *context, enum otel_log_level level, const char *text) {
    struct rig *rig = context;
    (void)level;
    rig->reports++;
    snprintf(rig->report, sizeof rig->report, "%s", text);
}

// One line for one failure: the exporter's, which knows why, or else the batch's.
static void test_a_failed_export_is_said_once(void **state) {
    (void)state;
    struct rig rig;
    for (int explains = 0; explains < 2; explains++) {
        rig_open(&rig, (struct otel_batch_options){0});
        rig.runtime.diagnostics = (struct otel_diagnostics){.report = keep_report, .context = &rig};
        rig.catcher.reason = explains ? "it is gone" : NULL;
        atomic_store(&rig.catcher.result, OTEL_FAILED);
        make_spans(&rig, 3);
        assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_FAILED);
        assert_int_equal(rig.reports, explains ? 0 : 1);
        if (!explains)
            assert_non_null(strstr(rig.report, "3 spans were not exported"));
        assert_int_equal(stats_of(&rig).dropped_failed, 3);
        rig_close(&rig);
    }
}

static void test_simple_exports_each_span_at_once(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){.simple = true});
    make_spans(&rig, 3);
    assert_int_equal(atomic_load(&rig.catcher.calls), 3);
    assert_int_equal(atomic_load(&rig.catcher.items), 3);
    assert_int_equal(stats_of(&rig).exported, 3);
    assert_int_equal(otel_batch_flush(rig.batch, 100), OTEL_OK);
    assert_int_equal(atomic_load(&rig.catcher.flushes), 1);
    assert_int_equal(otel_batch_shutdown(rig.batch, 100), OTEL_OK);
    make_spans(&rig, 1);
    assert_int_equal(atomic_load(&rig.catcher.calls), 3);
    rig_close(&rig);
}

static void test_put_checks_the_form_of_foreign_records(void **state) {
    (void)state;
    struct rig rig;
    struct span_fixture fixture;
    rig_open(&rig, (struct otel_batch_options){0});
    span_fixture_open(&fixture, NULL);
    otel_span *span = otel_span_start(fixture.tracer, "s", NULL);
    otel_span_set_attribute(span, otel_text("k", "v"));
    otel_span_add_event(span, "e", 1, NULL, 0);
    otel_span_end(span);
    uint8_t *record = fixture.records[0];
    uint32_t len = fixture.record_len[0];
    assert_int_equal(otel_batch_put(rig.batch, record, len), OTEL_OK);
    for (uint32_t cut = len - 5; cut < len; cut++) // into the last field
        assert_int_equal(otel_batch_put(rig.batch, record, cut), OTEL_FAILED);
    for (uint32_t cut = 0; cut < 12; cut++) // into lengths and scope
        assert_int_equal(otel_batch_put(rig.batch, record, cut), OTEL_FAILED);
    unsigned refused = 0;
    for (uint32_t i = 0; i < len; i++) {
        record[i] ^= 0x80;
        refused += !otel_record_is_sound(OTEL_SIGNAL_TRACES, record, len);
        record[i] ^= 0x80;
    }
    assert_in_range(refused, len / 3, len); // tags, lengths and texts; ids and times may be anything
    static const uint8_t lengths_too_big[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(otel_batch_put(rig.batch, lengths_too_big, sizeof lengths_too_big), OTEL_FAILED);
    record[8] ^= 0x07; // the scope is no message any more
    assert_int_equal(otel_batch_put(rig.batch, record, len), OTEL_FAILED);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    assert_int_equal(atomic_load(&rig.catcher.items), 1);
    span_fixture_close(&fixture);
    rig_close(&rig);
}

// --- fork ------------------------------------------------------------------------------------------------------------
static int child_of(struct rig *rig) {
    // What was queued is the parent's; the child has a thread and an exporter of its own, and another resource.
    otel_batch_fork_child(rig->batch, "\x0a\x00", 2);
    otel_tracer_provider_fork_child(rig->provider);
    unsigned before = atomic_load(&rig->catcher.items);
    make_spans(rig, 2);
    if (otel_batch_flush(rig->batch, 5000) != OTEL_OK)
        return 2;
    if (atomic_load(&rig->catcher.items) - before != 2)
        return 3;
    const uint8_t *resource_spans, *resource;
    size_t len, resource_len;
    if (!message_field(rig->catcher.last, rig->catcher.last_len, 1, 0, &resource_spans, &len, NULL) ||
        !message_field(resource_spans, len, 1, 0, &resource, &resource_len, NULL) || resource_len != 2)
        return 4;
    return atomic_load(&rig->catcher.forks) == 1 ? 0 : 5;
}

// A record of one attribute that is arrays inside each other, without scope and schema URL.
static uint32_t nested_record(unsigned arrays, uint8_t record[2048]) {
    uint8_t memory[2][2048];
    size_t len = 0;
    static const unsigned fields[] = {
        1, 5}; // ArrayValue.values, AnyValue.array_value; and then KeyValue.value, Span.attributes
    for (unsigned i = 0; i < 2 * arrays + 2; i++) {
        unsigned field = i < 2 * arrays ? fields[i % 2] : i == 2 * arrays ? 2 : 9;
        struct otel_pb pb = otel_pb_begin(memory[i % 2], sizeof memory[0]);
        otel_pb_bytes(&pb, field, memory[(i + 1) % 2], len);
        assert_false(pb.failed);
        len = (size_t)(pb.at - memory[i % 2]);
    }
    memset(record, 0, 8);
    memcpy(record + 8, memory[1], len);
    return (uint32_t)len + 8;
}

static void test_put_refuses_what_protobuf_would_not_read(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){0});
    uint8_t record[2048];
    // Below the request, resource, scope, span, pair and value are 5, each array 2 more: 100 are the most.
    assert_int_equal(otel_batch_put(rig.batch, record, nested_record(47, record)), OTEL_OK);
    assert_int_equal(otel_batch_put(rig.batch, record, nested_record(48, record)), OTEL_FAILED);
    rig_close(&rig);
}

static void test_forked_child_sends_its_own_spans_only(void **state) {
    (void)state;
#ifdef __SANITIZE_THREAD__
    print_message("ThreadSanitizer starts no threads in a forked child: skipped\n");
    skip();
#endif
    struct rig rig;
    rig_open(&rig, (struct otel_batch_options){.batch_max = 8});
    make_spans(&rig, 1);
    otel_span *open = otel_span_start(rig.tracer, "open", NULL);
    atomic_store(&rig.catcher.is_held, true);
    make_spans(&rig, 8);
    await_calls(&rig, 1); // forked while an export is under way
    otel_batch_fork_prepare(rig.batch);
    otel_tracer_provider_fork_prepare(rig.provider);
    pid_t child = fork();
    if (child == 0) {
        int result = child_of(&rig);
        if (otel_span_is_recording(open))
            result = 7;
        otel_span_end(open); // the parent's
        if (result == 0 && stats_of(&rig).queue_len != 0)
            result = 6;
        _exit(result);
    }
    otel_tracer_provider_fork_parent(rig.provider);
    otel_batch_fork_parent(rig.batch);
    atomic_store(&rig.catcher.is_held, false);
    otel_gate_open(&rig.catcher.gate);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    otel_span_end(open);
    assert_int_equal(otel_batch_flush(rig.batch, 5000), OTEL_OK);
    assert_int_equal(atomic_load(&rig.catcher.items), 10);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flush_hands_over_everything),
        cmocka_unit_test(test_full_batch_is_exported_before_the_delay),
        cmocka_unit_test(test_delay_exports_what_there_is),
        cmocka_unit_test(test_batches_are_no_bigger_than_asked),
        cmocka_unit_test(test_full_queue_drops_the_new_and_counts),
        cmocka_unit_test(test_queue_is_bounded_by_bytes_too),
        cmocka_unit_test(test_scopes_are_grouped),
        cmocka_unit_test(test_more_scopes_than_fit_one_request_make_two),
        cmocka_unit_test(test_failed_batches_are_counted),
        cmocka_unit_test(test_rejected_items_of_a_partial_success_are_counted),
        cmocka_unit_test(test_flush_says_timeout),
        cmocka_unit_test(test_shutdown_flushes_then_refuses),
        cmocka_unit_test(test_shutdown_cancels_an_export_that_hangs),
        cmocka_unit_test(test_shutdown_cancels_until_it_is_heard),
        cmocka_unit_test(test_a_failed_export_is_said_once),
        cmocka_unit_test(test_simple_exports_each_span_at_once),
        cmocka_unit_test(test_put_checks_the_form_of_foreign_records),
        cmocka_unit_test(test_put_refuses_what_protobuf_would_not_read),
        cmocka_unit_test(test_forked_child_sends_its_own_spans_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
