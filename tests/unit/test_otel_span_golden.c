// SPDX-License-Identifier: Apache-2.0
// The bytes of a trace request against a message made by protoc from the published .proto files.
#include "support/otel_spans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char GOLDEN[] =
    "0aeb010a1d0a1b0a0c736572766963652e6e616d65120b0a0966617374717565756512c9010a0e0a0966617374717565756512"
    "013112b6010a10000102030405060708090a0b0c0d0e0f12081011121314151617220820212223242526272a13776f726b65722e"
    "657865637574655f7461736b30053901000000000000004102000000000000004a100a097461736b2e6e616d6512030a01744a10"
    "0a016e120b18ffffffffffffffffff015a340902000000000000001209657863657074696f6e1a1e0a0e657863657074696f6e2e"
    "74797065120c0a0a56616c75654572726f727a0512016d1802850101030000";

static void golden_span_id(void *context, uint8_t ret_id[8]) {
    (void)context;
    for (uint8_t i = 0; i < 8; i++)
        ret_id[i] = (uint8_t)(0x10 + i);
}

static void expect_hex(const uint8_t *bytes, size_t len, const char *hex) {
    char *text = malloc(2 * len + 1);
    for (size_t i = 0; i < len; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
    text[2 * len] = '\0';
    assert_string_equal(text, hex);
    free(text);
}

static void test_trace_request_is_the_golden_message(void **state) {
    (void)state;
    struct span_fixture fixture;
    span_fixture_open(&fixture, NULL);
    otel_tracer_provider_free(fixture.provider);
    fixture.runtime.ids.span_id = golden_span_id;
    const struct otel_tracer_provider_options options = {
        .runtime = &fixture.runtime, .limits = OTEL_LIMITS_DEFAULT, .sinks = &fixture.sink, .sink_count = 1};
    fixture.provider = otel_tracer_provider_new(&options);
    otel_tracer *tracer =
        otel_tracer_get(fixture.provider, &(struct otel_scope_info){.name = "fastqueue", .version = "1"});
    struct otel_span_context parent = {.flags = OTEL_FLAG_SAMPLED, .remote = true};
    for (uint8_t i = 0; i < 16; i++)
        parent.trace_id[i] = i;
    for (uint8_t i = 0; i < 8; i++)
        parent.span_id[i] = (uint8_t)(0x20 + i);
    const struct otel_attribute attributes[] = {otel_text("task.name", "t"), otel_int("n", -1)};
    const struct otel_attribute exception = otel_text("exception.type", "ValueError");
    otel_span *span = otel_span_start(tracer, "worker.execute_task",
                                      &(struct otel_span_options){.kind = OTEL_SPAN_CONSUMER,
                                                                  .parent = &parent,
                                                                  .start_unix_ns = 1,
                                                                  .attributes = attributes,
                                                                  .attribute_count = 2});
    otel_span_add_event(span, "exception", 2, &exception, 1);
    otel_span_set_status(span, OTEL_STATUS_ERROR, "m");
    otel_span_end_at(span, 2);
    static const char resource[] = "\x0a\x1b\x0a\x0cservice.name\x12\x0b\x0a\x09"
                                   "fastqueue";
    size_t len;
    uint8_t *bytes = span_request(&fixture, resource, sizeof resource - 1, &len);
    assert_int_equal(len, 238);
    expect_hex(bytes, len, GOLDEN);
    free(bytes);
    span_fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trace_request_is_the_golden_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
