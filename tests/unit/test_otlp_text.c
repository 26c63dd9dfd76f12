// SPDX-License-Identifier: Apache-2.0
// OTLP as JSON, the console's text, and the exporter that keeps batches.
#include "base/buf.h"
#include "otel/wire/protobuf.h"
#include "support/otlp_rig.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void append(void *context, const char *text, size_t len) {
    assert_int_equal(fq_buf_append(context, text, len), 0);
}

static char *to_json(enum otel_signal signal, const void *bytes, size_t len, fq_buf *json) {
    fq_buf_clear(json);
    assert_int_equal(otel_bytes_to_json(signal, bytes, len, append, json), OTEL_OK);
    assert_int_equal(fq_buf_append_byte(json, '\0'), 0);
    return json->data + json->begin;
}

static void golden_traces_become_otlp_json(void **state) {
    (void)state;
    fq_buf json = {0};
    assert_string_equal(to_json(OTEL_SIGNAL_TRACES, otlp_golden_traces, sizeof otlp_golden_traces, &json),
                        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
                        "\"value\":{\"stringValue\":"
                        "\"fastqueue\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"fastqueue\",\"version\":"
                        "\"1\"},\"spans\":[{\"traceId\":"
                        "\"000102030405060708090a0b0c0d0e0f\",\"spanId\":\"1011121314151617\","
                        "\"parentSpanId\":\"2021222324252627\","
                        "\"name\":\"worker.execute_task\",\"kind\":5,\"startTimeUnixNano\":\"1\","
                        "\"endTimeUnixNano\":\"2\",\"attributes\":"
                        "[{\"key\":\"task.name\",\"value\":{\"stringValue\":\"t\"}},{\"key\":\"n\",\"value\":"
                        "{\"intValue\":\"-1\"}}],"
                        "\"events\":[{\"timeUnixNano\":\"2\",\"name\":\"exception\",\"attributes\":[{\"key\":"
                        "\"exception.type\",\"value\":"
                        "{\"stringValue\":\"ValueError\"}}]}],\"status\":{\"message\":\"m\",\"code\":2},"
                        "\"flags\":769}]}]}]}");
    fq_buf_done(&json);
}

static void golden_metrics_become_otlp_json(void **state) {
    (void)state;
    fq_buf json = {0};
    const char *text = to_json(OTEL_SIGNAL_METRICS, otlp_golden_metrics, sizeof otlp_golden_metrics, &json);
    assert_non_null(strstr(text, "\"resource\":{},"));
    assert_non_null(strstr(
        text, "\"sum\":{\"dataPoints\":[{\"startTimeUnixNano\":\"1\",\"timeUnixNano\":\"2\",\"asInt\":\"3\","
              "\"attributes\":[{\"key\":\"task.name\",\"value\":{\"stringValue\":\"t\"}}]}],"
              "\"aggregationTemporality\":2,\"isMonotonic\":true}"));
    assert_non_null(strstr(
        text, "\"count\":\"2\",\"sum\":7.5,\"bucketCounts\":[\"1\",\"1\"],\"explicitBounds\":[5],"
              "\"exemplars\":[{\"timeUnixNano\":\"2\",\"asDouble\":5.5,\"spanId\":\"1011121314151617\","
              "\"traceId\":\"000102030405060708090a0b0c0d0e0f\"}],\"min\":2.5,\"max\":5.5}]"));
    assert_non_null(strstr(text, "\"gauge\":{\"dataPoints\":[{\"timeUnixNano\":\"2\",\"asInt\":\"1\"}]}"));
    fq_buf_done(&json);
}

// LogsData with one record whose body is `value`, an AnyValue's bytes.
static size_t wrap(uint8_t *bytes, size_t size, const void *value, size_t len) {
    uint8_t record[512], scope[512], resource[512];
    struct otel_pb a = otel_pb_begin(record, sizeof record), b = otel_pb_begin(scope, sizeof scope);
    struct otel_pb c = otel_pb_begin(resource, sizeof resource), d = otel_pb_begin(bytes, size);
    otel_pb_uint(&a, 2, 9);
    otel_pb_bytes(&a, 5, value, len);
    otel_pb_bytes(&b, 2, record, (size_t)(a.at - record));
    otel_pb_bytes(&c, 2, scope, (size_t)(b.at - scope));
    otel_pb_bytes(&d, 1, resource, (size_t)(c.at - resource));
    assert_false(a.failed || b.failed || c.failed || d.failed);
    return (size_t)(d.at - bytes);
}

static void check_value(const void *value, size_t len, const char *expected) {
    uint8_t bytes[1024];
    char wanted[512];
    fq_buf json = {0};
    snprintf(wanted, sizeof wanted, "{\"severityNumber\":9,\"body\":%s}", expected);
    const char *text = to_json(OTEL_SIGNAL_LOGS, bytes, wrap(bytes, sizeof bytes, value, len), &json);
    if (strstr(text, wanted) == NULL)
        fail_msg("%s is not in %s", wanted, text);
    fq_buf_done(&json);
}

static void check_double(double value, const char *expected) {
    uint8_t bytes[16];
    char wanted[64];
    struct otel_pb pb = otel_pb_begin(bytes, sizeof bytes);
    otel_pb_double(&pb, 4, value);
    snprintf(wanted, sizeof wanted, "{\"doubleValue\":%s}", expected);
    check_value(bytes, (size_t)(pb.at - bytes), wanted);
}

static void values_follow_the_json_rules(void **state) {
    (void)state;
    check_value("\x0a\x08\"\\\n\x01"
                "a\xc3\xa9/",
                10, "{\"stringValue\":\"\\\"\\\\\\n\\u0001a\xc3\xa9/\"}");
    check_value("\x10\x01", 2, "{\"boolValue\":true}");
    check_value("\x10\x00", 2, "{\"boolValue\":false}");
    check_value("\x18\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, "{\"intValue\":\"9223372036854775807\"}");
    check_value("\x3a\x04\x00\xff\xfe\x01", 6, "{\"bytesValue\":\"AP/+AQ==\"}");
    check_value("\x2a\x06\x0a\x04\x0a\x02hi", 8, "{\"arrayValue\":{\"values\":[{\"stringValue\":\"hi\"}]}}");
    check_value("\x32\x0b\x0a\x09\x0a\x01k\x12\x04\x0a\x02hi", 13,
                "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"stringValue\":\"hi\"}}]}}");
    check_value("", 0, "{}");
    check_double(0.1, "0.1");
    check_double(1.0 / 3, "0.3333333333333333");
    check_double(0.1 + 0.2, "0.30000000000000004");
    check_double(1e300, "1e+300");
    check_double((double)NAN, "\"NaN\"");
    check_double((double)INFINITY, "\"Infinity\"");
    check_double((double)-INFINITY, "\"-Infinity\"");
}

static void discard(void *context, const char *text, size_t len) {
    (void)context;
    (void)text;
    (void)len;
}

static void malformed_bytes_are_refused(void **state) {
    (void)state;
    for (size_t len = 1; len < sizeof otlp_golden_traces; len++)
        assert_int_equal(otel_bytes_to_json(OTEL_SIGNAL_TRACES, otlp_golden_traces, len, discard, NULL),
                         OTEL_FAILED);
    // An array in an array in …, deeper than any value may be.
    uint8_t nested[4096];
    size_t begin = sizeof nested, len = 0;
    for (int i = 0; i < 300; i++) {
        uint8_t head[12];
        struct otel_pb pb = otel_pb_begin(head, sizeof head);
        otel_pb_tag(&pb, i % 2 == 0 ? 5 : 1, OTEL_PB_BYTES);
        otel_pb_varint(&pb, len);
        size_t count = (size_t)(pb.at - head);
        begin -= count;
        memcpy(nested + begin, head, count);
        len += count;
    }
    assert_int_equal(otel_bytes_to_json(OTEL_SIGNAL_LOGS, nested + begin, len, discard, NULL), OTEL_OK);
    uint8_t bytes[8192], record[4096 + 16], scope[4096 + 32], resource[4096 + 48];
    struct otel_pb a = otel_pb_begin(record, sizeof record), b = otel_pb_begin(scope, sizeof scope);
    struct otel_pb c = otel_pb_begin(resource, sizeof resource), d = otel_pb_begin(bytes, sizeof bytes);
    otel_pb_bytes(&a, 5, nested + begin, len);
    otel_pb_bytes(&b, 2, record, (size_t)(a.at - record));
    otel_pb_bytes(&c, 2, scope, (size_t)(b.at - scope));
    otel_pb_bytes(&d, 1, resource, (size_t)(c.at - resource));
    assert_int_equal(otel_bytes_to_json(OTEL_SIGNAL_LOGS, bytes, (size_t)(d.at - bytes), discard, NULL),
                     OTEL_FAILED);
}

// What an exporter to a descriptor writes for a batch.
static void write_with(int (*make)(enum otel_signal, int, struct otel_exporter *), enum otel_signal signal,
                       const void *bytes, size_t len, char *text, size_t size) {
    int ends[2];
    struct otel_exporter exporter;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(make(signal, ends[1], &exporter), OTEL_OK);
    const struct otel_export_batch batch = {.signal = signal, .bytes = bytes, .len = len, .item_count = 1};
    assert_int_equal(exporter.ops->export_batch(exporter.self, &batch), OTEL_OK);
    assert_int_equal(exporter.ops->shutdown(exporter.self, 0), OTEL_OK);
    assert_int_equal(exporter.ops->export_batch(exporter.self, &batch), OTEL_FAILED);
    struct otel_exporter_stats stats;
    exporter.ops->stats(exporter.self, &stats);
    assert_int_equal(stats.exported, 1);
    assert_int_equal(stats.failed, 1);
    exporter.ops->free(exporter.self);
    close(ends[1]);
    ssize_t count = read(ends[0], text, size - 1);
    close(ends[0]);
    assert_true(count > 0);
    text[count] = '\0';
}

static void console_exporter_prints_for_people(void **state) {
    (void)state;
    char text[4096];
    write_with(otel_console_exporter_new, OTEL_SIGNAL_TRACES, otlp_golden_traces, sizeof otlp_golden_traces,
               text, sizeof text);
    assert_string_equal(
        text, "span worker.execute_task consumer 0.000 ms  ERROR: m\n"
              "    trace 000102030405060708090a0b0c0d0e0f span 1011121314151617 parent 2021222324252627 "
              "scope fastqueue\n"
              "    task.name: t\n"
              "    n: -1\n"
              "    event exception at +0.000 ms\n"
              "        exception.type: ValueError\n");
    write_with(otel_console_exporter_new, OTEL_SIGNAL_METRICS, otlp_golden_metrics,
               sizeof otlp_golden_metrics, text, sizeof text);
    assert_string_equal(text, "metric fastqueue.tasks.submitted sum in {task} scope fastqueue\n"
                              "    3 {task.name: t}\n"
                              "metric fastqueue.tasks.duration histogram in {millisecond} scope fastqueue\n"
                              "    count 2 sum 7.5 min 2.5 max 5.5\n"
                              "metric fastqueue.workers.active gauge in {worker} scope fastqueue\n"
                              "    1\n");
}

// A record of a scope without a name, whose body is an array of every kind of value.
static void console_prints_log_records(void **state) {
    (void)state;
    static const char values[] = "\x0a\x02\x10\x01"
                                 "\x0a\x09\x21\0\0\0\0\0\0\xf8\x3f"
                                 "\x0a\x02\x18\x05"
                                 "\x0a\x04\x0a\x02"
                                 "a\x07"
                                 "\x0a\x0c\x32\x0a\x0a\x08\x0a\x01k\x12\x03\x3a\x01\xff";
    static const char rest[] = "\x62\x02"
                               "ev\x4a\x02\xaa\xbb\x52\x01\xcc";
    char bytes[128] = "\x0a\x40\x12\x3e\x12\x3c\x1a\x04WARN\x2a\x29\x2a\x27", text[4096];
    memcpy(bytes + 16, values, sizeof values - 1);
    memcpy(bytes + 16 + sizeof values - 1, rest, sizeof rest - 1);
    size_t len = 16 + sizeof values - 1 + sizeof rest - 1;
    assert_int_equal(len, 66);
    write_with(otel_console_exporter_new, OTEL_SIGNAL_LOGS, (const uint8_t *)bytes, len, text, sizeof text);
    assert_string_equal(text, "log WARN ev [true, 1.5, 5, a?, {k: ff}]\n"
                              "    scope  trace aabb span cc\n");
}

static void otlp_file_exporter_writes_json_lines(void **state) {
    (void)state;
    char text[4096];
    write_with(otel_json_lines_exporter_new, OTEL_SIGNAL_TRACES, otlp_golden_traces,
               sizeof otlp_golden_traces, text, sizeof text);
    assert_memory_equal(text, "{\"resourceSpans\":[", 18);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void output_to_a_full_pipe_does_not_wait_for_ever(void **state) {
    (void)state;
    int ends[2];
    struct otel_exporter exporter;
    static const char filler[4096];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(ends[1], filler, sizeof filler) > 0)
        ;
    fcntl(ends[1], F_SETFL, 0);
    assert_int_equal(otel_json_lines_exporter_new(OTEL_SIGNAL_TRACES, ends[1], &exporter), OTEL_OK);
    const struct otel_export_batch batch = {
        .bytes = otlp_golden_traces, .len = sizeof otlp_golden_traces, .item_count = 1};
    assert_int_equal(exporter.ops->export_batch(exporter.self, &batch), OTEL_TIMEOUT);
    exporter.ops->free(exporter.self);
    close(ends[0]);
    close(ends[1]);
}

static void in_memory_exporter_keeps_batches(void **state) {
    (void)state;
    struct otel_exporter exporter;
    struct otel_memory_exporter *memory;
    struct otel_export_batch kept;
    assert_int_equal(otel_memory_exporter_new(OTEL_SIGNAL_TRACES, &exporter, &memory), OTEL_OK);
    const struct otel_export_batch batch = {
        .bytes = otlp_golden_traces, .len = sizeof otlp_golden_traces, .item_count = 1};
    assert_int_equal(exporter.ops->export_batch(exporter.self, &batch), OTEL_OK);
    assert_int_equal(otel_memory_exporter_count(memory), 1);
    assert_true(otel_memory_exporter_at(memory, 0, &kept));
    assert_memory_equal(kept.bytes, otlp_golden_traces, sizeof otlp_golden_traces);
    assert_false(otel_memory_exporter_at(memory, 1, &kept));
    otel_memory_exporter_clear(memory);
    assert_int_equal(otel_memory_exporter_count(memory), 0);
    assert_int_equal(exporter.ops->flush(exporter.self, 0), OTEL_OK);
    assert_int_equal(exporter.ops->shutdown(exporter.self, 0), OTEL_OK);
    assert_int_equal(exporter.ops->export_batch(exporter.self, &batch), OTEL_FAILED);
    exporter.ops->free(exporter.self);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_traces_become_otlp_json),
        cmocka_unit_test(golden_metrics_become_otlp_json),
        cmocka_unit_test(values_follow_the_json_rules),
        cmocka_unit_test(malformed_bytes_are_refused),
        cmocka_unit_test(console_exporter_prints_for_people),
        cmocka_unit_test(console_prints_log_records),
        cmocka_unit_test(otlp_file_exporter_writes_json_lines),
        cmocka_unit_test(output_to_a_full_pipe_does_not_wait_for_ever),
        cmocka_unit_test(in_memory_exporter_keeps_batches),
    };
    return cmocka_run_group_tests_name("otlp_text", tests, NULL, NULL);
}
