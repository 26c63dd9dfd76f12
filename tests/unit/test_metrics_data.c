// SPDX-License-Identifier: Apache-2.0
// The bytes of MetricsData: a golden vector, producers, scopes and resources.
#include "support/metrics_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

// The vector's times: everything starts at 1 and is collected at 2.
static const char golden[] = "0ade020a0012d9020a0b0a0966617374717565756512580a196661737471756575652e7461736b7"
                             "32e7375626d69747465641a067b7461736b"
                             "7d3a330a2d1101000000000000001902000000000000003103000000000000003a100a097461736"
                             "b2e6e616d6512030a01741002180112b3"
                             "010a186661737471756575652e7461736b732e6475726174696f6e1a0d7b6d696c6c697365636f6"
                             "e647d4a87010a820111010000000000"
                             "00001902000000000000002102000000000000002900000000"
                             "00001e403210010000000000000001000000000000003a0800000000000014"
                             "40422e110200000000000000190000000000001640220810111213141516172a100001020304050"
                             "60708090a0b0c0d0e0f590000000000"
                             "000440610000000000001640"
                             "1002123a0a186661737471756575652e776f726b6572732e6163746976651a087b776f726b65727"
                             "d2a140a121902000000000000003101"
                             "00000000000000";

static void produce_golden(void *context, otel_point_writer *writer, int64_t now) {
    (void)context;
    assert_int_equal(now, 2);
    struct otel_attribute name = otel_text("task.name", "t");
    otel_point_metric(writer, OTEL_COUNTER, "fastqueue.tasks.submitted", "{task}", NULL,
                      OTEL_TEMPORALITY_CUMULATIVE);
    otel_point_int(writer, &name, 1, 1, 3);
    struct otel_point_exemplar exemplars[2] = {
        {.unix_ns = 0 },
        { .value = 5.5, .unix_ns = 2}
    };
    for (uint8_t i = 0; i < 16; i++)
        exemplars[1].trace_id[i] = i;
    for (uint8_t i = 0; i < 8; i++)
        exemplars[1].span_id[i] = (uint8_t)(0x10 + i);
    static const double bounds[] = {5};
    static const uint64_t buckets[] = {1, 1};
    struct otel_point_histogram histogram = {.bounds = bounds,
                                             .buckets = buckets,
                                             .bound_count = 1,
                                             .sum = 7.5,
                                             .has_min_max = true,
                                             .min = 2.5,
                                             .max = 5.5,
                                             .exemplars = exemplars};
    otel_point_metric(writer, OTEL_HISTOGRAM, "fastqueue.tasks.duration", "{millisecond}", NULL,
                      OTEL_TEMPORALITY_CUMULATIVE);
    otel_point_histogram(writer, NULL, 0, 1, &histogram);
    otel_point_metric(writer, OTEL_GAUGE, "fastqueue.workers.active", "{worker}", NULL,
                      OTEL_TEMPORALITY_CUMULATIVE);
    otel_point_int(writer, NULL, 0, 0, 1);
}

static void metrics_golden_vector_matches_byte_for_byte(void **state) {
    (void)state;
    struct probe_world world;
    probe_world_init(&world);
    world.unix_ns = 2;
    otel_meter_provider *provider = probe_provider(&world, NULL);
    struct otel_metric_producer producer = {.produce = produce_golden, .scope = {.name = "fastqueue"}};
    assert_int_equal(otel_meter_provider_add_producer(provider, &producer), OTEL_OK);
    fq_buf out = {0};
    size_t points = 0;
    assert_int_equal(otel_meter_provider_collect(provider, 0, &out, &points), OTEL_OK);
    assert_int_equal(points, 3);
    char hex[2 * 353 + 3] = "";
    assert_int_equal(fq_buf_len(&out), 353);
    for (size_t i = 0; i < fq_buf_len(&out); i++)
        snprintf(hex + 2 * i, 3, "%02x", (uint8_t)fq_buf_str(&out).ptr[i]);
    assert_string_equal(hex, golden);
    fq_buf_done(&out);
    otel_meter_provider_free(provider);
}

static void counters_and_histograms_of_attribute_sets_are_collected(void **state) {
    (void)state;
    struct probe_world world;
    probe_world_init(&world);
    otel_meter_provider *provider = probe_provider(&world, NULL);
    otel_meter *meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m", .version = "1"});
    otel_instrument *counter = otel_counter(meter, "requests", "{request}", "Served");
    otel_instrument *histogram = otel_histogram(meter, "latency", "ms", "How long", NULL, 0);
    struct otel_attribute one[] = {otel_text("route", "/a"), otel_int("status", 200)};
    struct otel_attribute same[] = {otel_int("status", 200), otel_text("route", "/a")};
    otel_add(counter, 2, one, 2);
    otel_add(counter, 3, same, 2);
    otel_series *series = otel_bind(histogram, one, 2);
    otel_series_record(series, 5);
    otel_series_record(series, 5.5);
    otel_series_record(series, 100000);
    world.unix_ns = 5000;
    struct probe probe = {0};
    probe_collect(&probe, provider, 0);
    assert_int_equal(probe.count, 2);
    const struct probe_point *point = probe_find(&probe, "requests", "route=/a,status=200");
    assert_non_null(point);
    assert_true(point->value == 5 && !point->is_integer && point->monotonic);
    assert_int_equal(point->temporality, OTEL_TEMPORALITY_CUMULATIVE);
    assert_int_equal(point->start, 1000);
    assert_int_equal(point->time, 5000);
    assert_string_equal(point->unit, "{request}");
    assert_string_equal(point->description, "Served");
    point = probe_find(&probe, "latency", "route=/a,status=200");
    assert_non_null(point);
    assert_int_equal(point->count, 3);
    assert_int_equal(point->bucket_count, 16);
    assert_int_equal(point->buckets[1], 1); // a bound belongs to the bucket below it
    assert_int_equal(point->buckets[2], 1);
    assert_int_equal(point->buckets[15], 1);
    assert_true(point->sum == 100010.5 && point->min == 5 && point->max == 100000);
    probe_done(&probe);
    otel_meter_provider_free(provider);
}

static void nothing_measured_is_no_message_at_all(void **state) {
    (void)state;
    struct probe_world world;
    probe_world_init(&world);
    otel_meter_provider *provider = probe_provider(&world, NULL);
    otel_meter *meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m"});
    assert_non_null(otel_counter(meter, "unused", NULL, NULL));
    fq_buf out = {0};
    size_t points = 1;
    assert_int_equal(otel_meter_provider_collect(provider, 0, &out, &points), OTEL_OK);
    assert_int_equal(points, 0);
    assert_int_equal(fq_buf_len(&out), 0);
    fq_buf_done(&out);
    otel_meter_provider_free(provider);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_golden_vector_matches_byte_for_byte),
        cmocka_unit_test(counters_and_histograms_of_attribute_sets_are_collected),
        cmocka_unit_test(nothing_measured_is_no_message_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
