// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "otel/exporters/otlp.h"
#include "otel/logs/provider.h"
#include "otel/pipeline/batch.h"

// A logger provider over a batch with an exporter that keeps what it gets, looked at as JSON.
static int64_t now_ns = 1000;
static int64_t fixed_clock(void *context) {
    (void)context;
    return now_ns;
}
struct fixture {
    struct otel_runtime runtime;
    struct otel_memory_exporter *memory;
    otel_batch *batch;
    struct otel_sink sink;
    otel_logger_provider *provider;
    fq_buf json;
};

static void open_with(struct fixture *fixture, bool simple, struct otel_limits limits,
                      const struct otel_log_processor *processors, size_t processor_count) {
    *fixture = (struct fixture){.runtime = {.clock = {.unix_ns = fixed_clock, .monotonic_ns = fixed_clock}}};
    struct otel_batch_options batch = {.signal = OTEL_SIGNAL_LOGS,
                                       .runtime = &fixture->runtime,
                                       .queue_max = 64,
                                       .batch_max = 16,
                                       .delay_ms = 60000,
                                       .timeout_ms = 1000,
                                       .simple = simple};
    assert_int_equal(otel_memory_exporter_new(OTEL_SIGNAL_LOGS, &batch.exporter, &fixture->memory), 0);
    fixture->batch = otel_batch_new(&batch);
    fixture->sink = otel_batch_sink(fixture->batch);
    const struct otel_logger_provider_options options = {.runtime = &fixture->runtime,
                                                         .limits = limits,
                                                         .sinks = &fixture->sink,
                                                         .sink_count = 1,
                                                         .processors = processors,
                                                         .processor_count = processor_count};
    fixture->provider = otel_logger_provider_new(&options);
    assert_non_null(fixture->provider);
}
static void open_simple(struct fixture *fixture) {
    open_with(fixture, true, OTEL_LIMITS_DEFAULT, NULL, 0);
}
static void close_fixture(struct fixture *fixture) {
    otel_logger_provider_free(fixture->provider);
    otel_batch_free(fixture->batch);
    fq_buf_done(&fixture->json);
}

static void append(void *context, const char *text, size_t len) {
    assert_int_equal(fq_buf_append(context, text, len), 0);
}
// Export `index` as JSON.
static const char *exported(struct fixture *fixture, size_t index) {
    struct otel_export_batch batch;
    assert_true(otel_memory_exporter_at(fixture->memory, index, &batch));
    fq_buf_clear(&fixture->json);
    assert_int_equal(otel_bytes_to_json(OTEL_SIGNAL_LOGS, batch.bytes, batch.len, append, &fixture->json),
                     OTEL_OK);
    assert_int_equal(fq_buf_append_byte(&fixture->json, '\0'), 0);
    return fixture->json.data + fixture->json.begin;
}
static void assert_has(const char *json, const char *part) {
    if (strstr(json, part) == NULL)
        fail_msg("%s\nis not in\n%s", part, json);
}
static void assert_has_not(const char *json, const char *part) {
    if (strstr(json, part) != NULL)
        fail_msg("%s\nis in\n%s", part, json);
}
static otel_logger *logger_of(struct fixture *fixture, const char *name) {
    return otel_logger_get(fixture->provider, &(struct otel_scope_info){.name = name});
}

static void test_log_provider_gives_loggers(void **state) {
    (void)state;
    struct fixture fixture;
    open_simple(&fixture);
    const struct otel_attribute attribute = otel_text("team", "billing");
    struct otel_scope_info scope = {.name = "app", .version = "2", .schema_url = "https://example.org/1"};
    otel_logger *logger = otel_logger_get(fixture.provider, &scope);
    assert_non_null(logger);
    assert_ptr_equal(otel_logger_get(fixture.provider, &scope), logger);
    scope.attributes = &attribute;
    scope.attribute_count = 1;
    otel_logger *other = otel_logger_get(fixture.provider, &scope);
    assert_ptr_not_equal(other, logger);
    assert_non_null(otel_logger_get(fixture.provider, NULL));
    assert_null(otel_logger_get(NULL, &scope));
    otel_log(other, OTEL_SEVERITY_INFO, "hello");
    const char *json = exported(&fixture, 0);
    assert_has(json,
               "\"scope\":{\"name\":\"app\",\"version\":\"2\",\"attributes\":[{\"key\":\"team\",\"value\":"
               "{\"stringValue\":\"billing\"}}]}");
    assert_has(json, "\"schemaUrl\":\"https://example.org/1\"");
    close_fixture(&fixture);
}

static void test_log_record_is_emitted_with_all_its_fields(void **state) {
    (void)state;
    struct fixture fixture;
    open_simple(&fixture);
    const struct otel_span_context span = {
        .trace_id = {[15] = 1}, .span_id = {[7] = 2}, .flags = OTEL_FLAG_SAMPLED};
    const struct otel_attribute attributes[] = {otel_text("a", "1"), otel_int("n", -2),
                                                otel_text("a", "last"), otel_text("", "no key"),
                                                otel_text("none", NULL)};
    const struct otel_log_record record = {.unix_ns = 5,
                                           .observed_unix_ns = 7,
                                           .severity = OTEL_SEVERITY_WARN,
                                           .severity_text = "careful",
                                           .body = otel_value_string("it is late", 10),
                                           .event_name = "late",
                                           .attributes = attributes,
                                           .attribute_count = 5,
                                           .span = &span};
    otel_log_emit(logger_of(&fixture, "app"), &record);
    const char *json = exported(&fixture, 0);
    assert_has(json, "\"timeUnixNano\":\"5\"");
    assert_has(json, "\"severityNumber\":13");
    assert_has(json, "\"severityText\":\"careful\"");
    assert_has(json, "\"body\":{\"stringValue\":\"it is late\"}");
    assert_has(
        json, "\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\"last\"}},{\"key\":\"n\",\"value\":"
              "{\"intValue\":\"-2\"}}]");
    assert_has(json, "\"droppedAttributesCount\":1");
    assert_has(json, "\"flags\":1");
    assert_has(json, "\"traceId\":\"00000000000000000000000000000001\"");
    assert_has(json, "\"spanId\":\"0000000000000002\"");
    assert_has(json, "\"observedTimeUnixNano\":\"7\"");
    assert_has(json, "\"eventName\":\"late\"");
    assert_int_equal(otel_logger_provider_created(fixture.provider), 1);
    close_fixture(&fixture);
}

static void test_log_record_has_the_time_of_its_emission(void **state) {
    (void)state;
    struct fixture fixture;
    open_simple(&fixture);
    now_ns = 1234;
    otel_log_emit(logger_of(&fixture, "app"), &(struct otel_log_record){.severity = 9});
    const char *json = exported(&fixture, 0);
    assert_has(json, "\"timeUnixNano\":\"1234\"");
    assert_has(json, "\"observedTimeUnixNano\":\"1234\"");
    assert_has_not(json, "body");
    close_fixture(&fixture);
}

static void test_log_trace_context_injection(void **state) {
    (void)state;
    struct fixture fixture;
    struct otel_scope scope;
    open_simple(&fixture);
    otel_logger *logger = logger_of(&fixture, "app");
    const struct otel_span_context span = {.trace_id = {[0] = 0xab}, .span_id = {[0] = 0xcd}, .flags = 3};
    otel_context *context = otel_context_with_span_context(NULL, &span, NULL, 0);
    otel_scope_enter(&scope, context);
    otel_log(logger, OTEL_SEVERITY_INFO, "inside");
    otel_log_emit(logger, &(struct otel_log_record){.no_span = true});
    otel_scope_leave(&scope);
    otel_log(logger, OTEL_SEVERITY_INFO, "outside");
    const char *json = exported(&fixture, 0);
    assert_has(json, "\"traceId\":\"ab000000000000000000000000000000\"");
    assert_has(json, "\"spanId\":\"cd00000000000000\"");
    assert_has(json, "\"flags\":3");
    assert_has_not(exported(&fixture, 1), "traceId");
    assert_has_not(exported(&fixture, 2), "traceId");
    otel_context_release(context);
    close_fixture(&fixture);
}

static void test_log_printf_form(void **state) {
    (void)state;
    struct fixture fixture;
    open_simple(&fixture);
    otel_log(logger_of(&fixture, "app"), OTEL_SEVERITY_ERROR + 1, "%s of %d", "seven", 9);
    const char *json = exported(&fixture, 0);
    assert_has(json, "\"body\":{\"stringValue\":\"seven of 9\"}");
    assert_has(json, "\"severityText\":\"ERROR\"");
    assert_has(json, "\"severityNumber\":18");
    otel_log(NULL, OTEL_SEVERITY_ERROR, "%s", "nobody listens");
    otel_log_emit(NULL, &(struct otel_log_record){.severity = 1});
    assert_false(otel_logger_enabled(NULL, OTEL_SEVERITY_FATAL, NULL));
    close_fixture(&fixture);
}

static void test_log_record_of_an_exception(void **state) {
    (void)state;
    struct fixture fixture;
    open_simple(&fixture);
    const struct otel_attribute own = otel_text("exception.message", "the caller knows better");
    otel_log_emit(logger_of(&fixture, "app"), &(struct otel_log_record){.severity = OTEL_SEVERITY_ERROR,
                                                                        .event_name = "exception",
                                                                        .attributes = &own,
                                                                        .attribute_count = 1,
                                                                        .exception_type = "ValueError",
                                                                        .exception_message = "bad",
                                                                        .exception_stacktrace = "at f"});
    const char *json = exported(&fixture, 0);
    assert_has(json,
               "{\"key\":\"exception.message\",\"value\":{\"stringValue\":\"the caller knows better\"}}");
    assert_has(json, "{\"key\":\"exception.type\",\"value\":{\"stringValue\":\"ValueError\"}}");
    assert_has(json, "{\"key\":\"exception.stacktrace\",\"value\":{\"stringValue\":\"at f\"}}");
    assert_has_not(json, "\"bad\"");
    close_fixture(&fixture);
}

static void test_log_attribute_limits(void **state) {
    (void)state;
    struct fixture fixture;
    struct otel_limits limits = OTEL_LIMITS_DEFAULT;
    limits.attributes = 2;
    limits.value_length = 3;
    open_with(&fixture, true, limits, NULL, 0);
    const struct otel_attribute attributes[] = {otel_text("a", "12345"), otel_text("b", "x"),
                                                otel_text("c", "y"),
                                                otel_text("a", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9")};
    otel_log_emit(logger_of(&fixture, "app"),
                  &(struct otel_log_record){.body = otel_value_string("not cut", 7),
                                            .attributes = attributes,
                                            .attribute_count = 4});
    const char *json = exported(&fixture, 0);
    assert_has(json, "\"attributes\":[{\"key\":\"a\",\"value\":{\"stringValue\":\"\xc3\xa9\xc3\xa9\xc3\xa9\"}"
                     "},{\"key\":\"b\"");
    assert_has(json, "\"droppedAttributesCount\":1");
    assert_has(json, "not cut");
    close_fixture(&fixture);
}

// A record never outgrows a sink's largest: texts are cut at a character, attributes that do not fit are counted.
static void test_log_record_that_is_too_big(void **state) {
    (void)state;
    struct fixture fixture;
    open_simple(&fixture);
    enum { BIG = 200 * 1024 };
    char *big = malloc(BIG + 1);
    for (size_t i = 0; i + 1 < BIG; i += 2)
        memcpy(big + i, "\xc3\xa9", 2);
    big[BIG] = '\0';
    const struct otel_attribute attributes[] = {otel_text("small", "1"), otel_text("big", big),
                                                otel_text("also", "2")};
    otel_log_emit(logger_of(&fixture, "app"),
                  &(struct otel_log_record){.severity_text = big,
                                            .event_name = "odd",
                                            .body = otel_value_string(big + 1, BIG - 1),
                                            .attributes = attributes,
                                            .attribute_count = 3});
    const char *json = exported(&fixture, 0);
    assert_has(json, "\"key\":\"small\"");
    assert_has(json, "\"key\":\"also\"");
    assert_has(json, "\"eventName\":\"odd\"");
    assert_has(json, "\"droppedAttributesCount\":1");
    assert_has_not(json, "\"key\":\"big\"");
    assert_true(strlen(json) > 40000 && strlen(json) < OTEL_RECORD_BYTES_MAX + 4096);
    free(big);
    close_fixture(&fixture);
}

static void test_log_batch_processor(void **state) {
    (void)state;
    struct fixture fixture;
    open_with(&fixture, false, OTEL_LIMITS_DEFAULT, NULL, 0);
    otel_logger *one = logger_of(&fixture, "one"), *two = logger_of(&fixture, "two");
    for (int i = 0; i < 3; i++) {
        otel_log(one, OTEL_SEVERITY_INFO, "one %d", i);
        otel_log(two, OTEL_SEVERITY_INFO, "two %d", i);
    }
    assert_int_equal(otel_batch_flush(fixture.batch, 10000), OTEL_OK);
    assert_int_equal(otel_memory_exporter_count(fixture.memory), 1);
    const char *json = exported(&fixture, 0);
    assert_has(json, "one 2");
    assert_has(json, "two 2");
    const char *first = strstr(json, "\"name\":\"one\"");
    assert_non_null(first);
    assert_null(strstr(first + 1, "\"name\":\"one\"")); // grouped by scope
    close_fixture(&fixture);
}

static void test_log_simple_processor(void **state) {
    (void)state;
    struct fixture fixture;
    open_simple(&fixture);
    otel_log(logger_of(&fixture, "app"), OTEL_SEVERITY_INFO, "a");
    assert_int_equal(otel_memory_exporter_count(fixture.memory), 1);
    otel_log(logger_of(&fixture, "app"), OTEL_SEVERITY_INFO, "b");
    assert_int_equal(otel_memory_exporter_count(fixture.memory), 2);
    close_fixture(&fixture);
}

// --- processors of a program's own ---------------------------------------------------------------------------------
struct own_processor {
    int emitted, flushed, shut_down, freed, asked;
    int least; // severity wanted
};
static const struct otel_attribute added = {
    .key = "added", .value = {.type = OTEL_VALUE_BOOL, .as = {.boolean = true}}
};
static void on_emit(void *self, struct otel_log_record *record, const struct otel_scope_info *scope) {
    struct own_processor *own = self;
    own->emitted++;
    assert_string_equal(scope->name, "app");
    record->attributes = &added;
    record->attribute_count = 1;
    record->severity_text = "changed";
}
static bool is_enabled(void *self, int severity, const char *event_name,
                       const struct otel_scope_info *scope) {
    struct own_processor *own = self;
    own->asked++;
    assert_string_equal(scope->name, "app");
    return severity >= own->least || (event_name != NULL && strcmp(event_name, "always") == 0);
}
static int on_flush(void *self, int64_t timeout_ms) {
    struct own_processor *own = self;
    own->flushed++;
    return timeout_ms >= 0 ? OTEL_OK : OTEL_FAILED;
}
static int on_shutdown(void *self, int64_t timeout_ms) {
    struct own_processor *own = self;
    (void)timeout_ms;
    own->shut_down++;
    return OTEL_FAILED;
}
static void on_free(void *self) {
    struct own_processor *own = self;
    own->freed++;
}
static const struct otel_log_processor_ops own_ops = {
    .on_emit = on_emit, .enabled = is_enabled, .flush = on_flush, .shutdown = on_shutdown, .free = on_free};

static void test_log_custom_processors(void **state) {
    (void)state;
    struct own_processor own = {0};
    const struct otel_log_processor processor = {&own_ops, &own};
    struct fixture fixture;
    open_with(&fixture, true, OTEL_LIMITS_DEFAULT, &processor, 1);
    otel_log(logger_of(&fixture, "app"), OTEL_SEVERITY_INFO, "hello");
    assert_int_equal(own.emitted, 1);
    assert_has(exported(&fixture, 0), "{\"key\":\"added\",\"value\":{\"boolValue\":true}}");
    assert_has(exported(&fixture, 0), "\"severityText\":\"changed\"");
    close_fixture(&fixture);
    assert_int_equal(own.freed, 1);
}

static void test_log_processor_enabled(void **state) {
    (void)state;
    struct own_processor own = {.least = OTEL_SEVERITY_WARN};
    const struct otel_log_processor processor = {&own_ops, &own};
    struct fixture fixture;
    open_with(&fixture, true, OTEL_LIMITS_DEFAULT, &processor, 1);
    otel_logger *logger = logger_of(&fixture, "app");
    assert_false(otel_logger_enabled(logger, OTEL_SEVERITY_INFO, NULL));
    assert_true(otel_logger_enabled(logger, OTEL_SEVERITY_WARN, NULL));
    assert_true(otel_logger_enabled(logger, OTEL_SEVERITY_INFO, "always"));
    otel_log(logger, OTEL_SEVERITY_INFO, "nobody wants this");
    assert_int_equal(own.emitted, 0);
    assert_true(own.asked >= 4);
    close_fixture(&fixture);
}

static void test_logger_enabled(void **state) {
    (void)state;
    struct fixture fixture;
    open_simple(&fixture);
    assert_true(otel_logger_enabled(logger_of(&fixture, "app"), OTEL_SEVERITY_TRACE, NULL));
    // Nobody takes records.
    const struct otel_logger_provider_options nobody = {.runtime = &fixture.runtime,
                                                        .limits = OTEL_LIMITS_DEFAULT};
    otel_logger_provider *provider = otel_logger_provider_new(&nobody);
    otel_logger *logger = otel_logger_get(provider, NULL);
    assert_false(otel_logger_enabled(logger, OTEL_SEVERITY_FATAL, NULL));
    otel_log_emit(logger, &(struct otel_log_record){.severity = 1});
    otel_logger_provider_free(provider);
    close_fixture(&fixture);
}

static int flushes;
static int count_flush(void *context, int64_t timeout_ms) {
    (void)context;
    assert_true(timeout_ms >= 0);
    flushes++;
    return OTEL_TIMEOUT;
}

static void test_log_provider_force_flush(void **state) {
    (void)state;
    struct own_processor own = {0};
    const struct otel_log_processor processor = {&own_ops, &own};
    struct fixture fixture;
    open_with(&fixture, true, OTEL_LIMITS_DEFAULT, &processor, 1);
    assert_int_equal(otel_logger_provider_flush(fixture.provider, 1000), OTEL_OK);
    assert_int_equal(own.flushed, 1);
    flushes = 0;
    otel_logger_provider_on_flush(fixture.provider, count_flush, NULL);
    assert_int_equal(otel_logger_provider_flush(fixture.provider, 1000), OTEL_TIMEOUT);
    assert_int_equal(flushes, 1);
    assert_int_equal(otel_logger_provider_flush(NULL, 1000), OTEL_OK);
    close_fixture(&fixture);
}

static void test_log_provider_shutdown(void **state) {
    (void)state;
    struct own_processor own = {0};
    const struct otel_log_processor processor = {&own_ops, &own};
    struct fixture fixture;
    open_with(&fixture, true, OTEL_LIMITS_DEFAULT, &processor, 1);
    otel_logger *logger = logger_of(&fixture, "app");
    assert_int_equal(otel_logger_provider_shutdown(fixture.provider, 1000),
                     OTEL_FAILED); // as its processor says
    assert_int_equal(own.shut_down, 1);
    assert_int_equal(own.flushed, 1);
    assert_int_equal(otel_logger_provider_shutdown(fixture.provider, 1000), OTEL_OK);
    assert_int_equal(own.shut_down, 1);
    otel_log(logger, OTEL_SEVERITY_ERROR, "too late");
    otel_log_emit(logger, &(struct otel_log_record){.severity = 1});
    assert_int_equal(own.emitted, 0);
    assert_false(otel_logger_enabled(logger, OTEL_SEVERITY_ERROR, NULL));
    assert_int_equal(otel_memory_exporter_count(fixture.memory), 0);
    close_fixture(&fixture);
}

// --- exporters ------------------------------------------------------------------------------------------------------------
static size_t taken;
static int take_batch(void *self, const struct otel_export_batch *batch) {
    assert_ptr_equal(self, &taken);
    assert_int_equal(batch->signal, OTEL_SIGNAL_LOGS);
    taken += batch->item_count;
    return OTEL_OK;
}

static void test_log_exporter_of_the_programs_own(void **state) {
    (void)state;
    static const struct otel_exporter_ops ops = {.component_type = "own_log_exporter",
                                                 .export_batch = take_batch};
    struct fixture fixture;
    open_simple(&fixture); // for its runtime
    taken = 0;
    const struct otel_batch_options options = {
        .signal = OTEL_SIGNAL_LOGS,
        .runtime = &fixture.runtime,
        .exporter = {&ops, &taken},
        .queue_max = 64,
        .batch_max = 16,
        .delay_ms = 60000,
        .timeout_ms = 1000
    };
    otel_batch *batch = otel_batch_new(&options);
    const struct otel_sink sink = otel_batch_sink(batch);
    const struct otel_logger_provider_options own = {
        .runtime = &fixture.runtime, .limits = OTEL_LIMITS_DEFAULT, .sinks = &sink, .sink_count = 1};
    otel_logger_provider *provider = otel_logger_provider_new(&own);
    otel_logger *logger = otel_logger_get(provider, NULL);
    for (int i = 0; i < 20; i++)
        otel_log(logger, OTEL_SEVERITY_INFO, "%d", i);
    assert_int_equal(otel_batch_flush(batch, 10000), OTEL_OK);
    assert_int_equal(taken, 20);
    otel_logger_provider_free(provider);
    otel_batch_free(batch);
    close_fixture(&fixture);
}

static void test_log_records_as_otlp_lines_in_a_file(void **state) {
    (void)state;
    struct fixture fixture;
    char text[4096];
    FILE *file = tmpfile();
    open_simple(&fixture);
    struct otel_batch_options options = {.signal = OTEL_SIGNAL_LOGS,
                                         .runtime = &fixture.runtime,
                                         .queue_max = 64,
                                         .batch_max = 16,
                                         .delay_ms = 60000,
                                         .timeout_ms = 1000};
    assert_int_equal(otel_json_lines_exporter_new(OTEL_SIGNAL_LOGS, fileno(file), &options.exporter), 0);
    otel_batch *batch = otel_batch_new(&options);
    const struct otel_sink sink = otel_batch_sink(batch);
    const struct otel_logger_provider_options own = {
        .runtime = &fixture.runtime, .limits = OTEL_LIMITS_DEFAULT, .sinks = &sink, .sink_count = 1};
    otel_logger_provider *provider = otel_logger_provider_new(&own);
    otel_log(otel_logger_get(provider, NULL), OTEL_SEVERITY_WARN, "to a file");
    assert_int_equal(otel_batch_flush(batch, 10000), OTEL_OK);
    rewind(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_has(text, "{\"resourceLogs\":[");
    assert_has(text, "\"body\":{\"stringValue\":\"to a file\"}");
    assert_int_equal(text[strlen(text) - 1], '\n');
    assert_null(fgets(text, sizeof text, file));
    otel_logger_provider_free(provider);
    otel_batch_free(batch);
    close_fixture(&fixture);
    fclose(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_provider_gives_loggers),
        cmocka_unit_test(test_log_record_is_emitted_with_all_its_fields),
        cmocka_unit_test(test_log_record_has_the_time_of_its_emission),
        cmocka_unit_test(test_log_trace_context_injection),
        cmocka_unit_test(test_log_printf_form),
        cmocka_unit_test(test_log_record_of_an_exception),
        cmocka_unit_test(test_log_attribute_limits),
        cmocka_unit_test(test_log_record_that_is_too_big),
        cmocka_unit_test(test_log_batch_processor),
        cmocka_unit_test(test_log_simple_processor),
        cmocka_unit_test(test_log_custom_processors),
        cmocka_unit_test(test_log_processor_enabled),
        cmocka_unit_test(test_logger_enabled),
        cmocka_unit_test(test_log_provider_force_flush),
        cmocka_unit_test(test_log_provider_shutdown),
        cmocka_unit_test(test_log_exporter_of_the_programs_own),
        cmocka_unit_test(test_log_records_as_otlp_lines_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
