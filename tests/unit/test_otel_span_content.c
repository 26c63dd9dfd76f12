// SPDX-License-Identifier: Apache-2.0
// Attributes, events and links of spans, their limits, and spans that are bigger than a record may be.
#include "otel/wire/attribute.h"
#include "support/otel_spans.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int setup(void **state) {
    static struct span_fixture fixture;
    span_fixture_open(&fixture, NULL);
    *state = &fixture;
    return 0;
}
static int teardown(void **state) {
    span_fixture_close(*state);
    return 0;
}

static void end_and_see(struct span_fixture *fixture, otel_span *span, struct span_seen *ret) {
    otel_span_end(span);
    span_seen(fixture, fixture->record_count - 1, ret);
}

// The AnyValue message of a span's attribute.
static void value_of(const struct span_seen *seen, unsigned index, const uint8_t **ret_value,
                     size_t *ret_len) {
    const uint8_t *pair;
    size_t pair_len;
    assert_true(message_field(seen->message, seen->message_len, 9, index, &pair, &pair_len, NULL));
    assert_true(message_field(pair, pair_len, 2, 0, ret_value, ret_len, NULL));
}

static void test_attribute_types(void **state) {
    struct span_fixture *fixture = *state;
    const struct otel_value numbers[] = {
        {.type = OTEL_VALUE_INT, .as.integer = 1 },
        {.type = OTEL_VALUE_INT, .as.integer = -2}
    };
    const struct otel_attribute members[] = {otel_bool("yes", true)};
    const struct otel_attribute attributes[] = {
        otel_text("s", "text"),    otel_bool("b", true),        otel_double("d", 0.5),
        otel_int("i", -7),         otel_array("a", numbers, 2), otel_bytes("y", "\x00\xff", 2),
        otel_map("m", members, 1), otel_text("null", NULL),
    };
    otel_span *span = otel_span_start(
        fixture->tracer, "s", &(struct otel_span_options){.attributes = attributes, .attribute_count = 8});
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_int_equal(seen.attributes, 7); // a null value is not recorded
    assert_int_equal(seen.dropped_attributes, 0);
    const uint8_t *value, *inner, *item;
    size_t len, inner_len, item_len;
    uint64_t number;
    value_of(&seen, 0, &value, &len);
    assert_true(message_field(value, len, 1, 0, &inner, &inner_len, NULL));
    assert_memory_equal(inner, "text", 4);
    value_of(&seen, 1, &value, &len);
    assert_true(message_field(value, len, 2, 0, NULL, NULL, &number));
    assert_int_equal(number, 1);
    value_of(&seen, 2, &value, &len);
    assert_true(message_field(value, len, 4, 0, NULL, NULL, &number));
    double real;
    memcpy(&real, &number, sizeof real);
    assert_true(fabs(real - 0.5) < 1e-12);
    value_of(&seen, 3, &value, &len);
    assert_true(message_field(value, len, 3, 0, NULL, NULL, &number));
    assert_int_equal((int64_t)number, -7);
    value_of(&seen, 4, &value, &len);
    assert_true(message_field(value, len, 5, 0, &inner, &inner_len, NULL));
    assert_true(message_field(inner, inner_len, 1, 1, &item, &item_len, NULL));
    assert_true(message_field(item, item_len, 3, 0, NULL, NULL, &number));
    assert_int_equal((int64_t)number, -2);
    value_of(&seen, 5, &value, &len);
    assert_true(message_field(value, len, 7, 0, &inner, &inner_len, NULL));
    assert_int_equal(inner_len, 2);
    value_of(&seen, 6, &value, &len);
    assert_true(message_field(value, len, 6, 0, &inner, &inner_len, NULL));
    assert_true(message_field(inner, inner_len, 1, 0, &item, &item_len, NULL));
}

static void test_same_key_overwrites_and_set_order_is_preserved(void **state) {
    struct span_fixture *fixture = *state;
    otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
    otel_span_add_event(span, "e", 1, NULL, 0);
    otel_span_set_attribute(span, otel_text("first", "1"));
    otel_span_set_attribute(span, otel_text("second", "2"));
    otel_span_set_attribute(span, otel_text("third", "3"));
    otel_span_set_attribute(span, otel_text("second", "a value of another length"));
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_int_equal(seen.attributes, 3);
    static const char *const keys[] = {"first", "second", "third"};
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *pair, *key;
        size_t pair_len, key_len;
        assert_true(message_field(seen.message, seen.message_len, 9, i, &pair, &pair_len, NULL));
        assert_true(message_field(pair, pair_len, 1, 0, &key, &key_len, NULL));
        assert_int_equal(key_len, strlen(keys[i]));
        assert_memory_equal(key, keys[i], key_len);
    }
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "second"),
                        "a value of another length");
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "third"), "3");
    assert_int_equal(seen.events, 1);
}

static void test_empty_key_is_refused_and_counted(void **state) {
    struct span_fixture *fixture = *state;
    otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
    otel_span_set_attribute(span, otel_text("", "v"));
    otel_span_set_attribute(span, otel_text(NULL, "v"));
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_int_equal(seen.attributes, 0);
    assert_int_equal(seen.dropped_attributes, 2);
}

static void test_unicode_keys_and_values_and_repair(void **state) {
    struct span_fixture *fixture = *state;
    otel_span *span = otel_span_start(fixture->tracer, "na\xcc\x88me \xf0\x9f\x90\x8d", NULL);
    otel_span_set_attribute(span, otel_text("schl\xc3\xbcssel", "\xe5\x80\xbc"));
    otel_span_set_attribute(span, otel_text("broken", "a\xff\xc3(\xed\xa0\x80z\xe5\x80"));
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_string_equal(seen.name, "na\xcc\x88me \xf0\x9f\x90\x8d");
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "schl\xc3\xbcssel"), "\xe5\x80\xbc");
    // Each maximal part of a broken sequence is one replacement character.
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "broken"),
                        "a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd");
}

// --- limits ----------------------------------------------------------------------------------------------------------
static void open_limited(struct span_fixture *fixture, struct otel_limits limits) {
    span_fixture_open(fixture, &(struct otel_tracer_provider_options){.limits = limits});
}

static void test_attribute_collection_size_limit(void **state) {
    (void)state;
    struct span_fixture fixture;
    struct otel_limits limits = OTEL_LIMITS_DEFAULT;
    limits.attributes = 2;
    open_limited(&fixture, limits);
    otel_span *span = otel_span_start(fixture.tracer, "s", NULL);
    otel_span_set_attribute(span, otel_text("a", "1"));
    otel_span_set_attribute(span, otel_text("b", "1"));
    otel_span_set_attribute(span, otel_text("c", "1"));
    otel_span_set_attribute(span, otel_text("a", "2")); // no new one
    struct span_seen seen;
    end_and_see(&fixture, span, &seen);
    assert_int_equal(seen.attributes, 2);
    assert_int_equal(seen.dropped_attributes, 1);
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "a"), "2");
    span_fixture_close(&fixture);
}

static void test_default_limit_is_128_attributes(void **state) {
    struct span_fixture *fixture = *state;
    otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
    for (int i = 0; i < 130; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%d", i);
        otel_span_set_attribute(span, otel_int(key, i));
    }
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_int_equal(seen.attributes, 128);
    assert_int_equal(seen.dropped_attributes, 2);
}

static void test_attribute_value_length_limit_cuts_at_code_points(void **state) {
    (void)state;
    struct span_fixture fixture;
    struct otel_limits limits = OTEL_LIMITS_DEFAULT;
    limits.value_length = 3;
    open_limited(&fixture, limits);
    const struct otel_value items[] = {otel_value_string("abcdef", 6)};
    otel_span *span = otel_span_start(fixture.tracer, "a name is not cut", NULL);
    otel_span_set_attribute(span, otel_text("t", "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"));
    otel_span_set_attribute(span, otel_bytes("y", "12345", 5));
    otel_span_set_attribute(span, otel_array("a", items, 1));
    otel_span_set_attribute(span, otel_int("i", 123456));
    struct span_seen seen;
    end_and_see(&fixture, span, &seen);
    assert_string_equal(seen.name, "a name is not cut");
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "t"), "\xc3\xbc\xc3\xbc\xc3\xbc");
    const uint8_t *value, *inner, *item, *text;
    size_t len, inner_len, item_len, text_len;
    value_of(&seen, 1, &value, &len);
    assert_true(message_field(value, len, 7, 0, &inner, &inner_len, NULL));
    assert_int_equal(inner_len, 3);
    value_of(&seen, 2, &value, &len);
    assert_true(message_field(value, len, 5, 0, &inner, &inner_len, NULL));
    assert_true(message_field(inner, inner_len, 1, 0, &item, &item_len, NULL));
    assert_true(message_field(item, item_len, 1, 0, &text, &text_len, NULL));
    assert_int_equal(text_len, 3);
    span_fixture_close(&fixture);
}

// How many messages stand inside each other below a value: what a list or a map ends in.
static unsigned messages_below(const uint8_t *value, size_t len) {
    const uint8_t *list, *item, *inner;
    size_t list_len, item_len, inner_len;
    if (message_field(value, len, 5, 0, &list, &list_len, NULL)) // an array: its values
        return message_field(list, list_len, 1, 0, &item, &item_len, NULL)
                   ? 2 + messages_below(item, item_len)
                   : 1;
    if (!message_field(value, len, 6, 0, &list, &list_len, NULL))
        return 0;
    if (!message_field(list, list_len, 1, 0, &item, &item_len, NULL)) // a map: pairs, and their values
        return 1;
    return message_field(item, item_len, 2, 0, &inner, &inner_len, NULL)
               ? 3 + messages_below(inner, inner_len)
               : 2;
}

static void test_nested_maps_stay_within_what_protobuf_reads(void **state) {
    struct span_fixture *fixture = *state;
    struct otel_attribute nest[100];
    nest[99] = otel_int("end", 5);
    for (int i = 98; i >= 0; i--)
        nest[i] = otel_map("m", &nest[i + 1], 1);
    otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
    otel_span_set_attribute(span, nest[0]);
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    const uint8_t *value;
    size_t len;
    value_of(&seen, 0, &value, &len);
    enum { ABOVE_MOST = 8, PROTOBUF_MAX = 100 }; // above: down to the filtered attribute of an exemplar
    assert_in_range(ABOVE_MOST + messages_below(value, len), PROTOBUF_MAX - 5, PROTOBUF_MAX);
}

static void test_values_nested_too_deep_become_empty(void **state) {
    struct span_fixture *fixture = *state;
    struct otel_value nest[100];
    nest[99] = (struct otel_value){.type = OTEL_VALUE_INT, .as.integer = 5};
    for (int i = 98; i >= 0; i--)
        nest[i] = (struct otel_value){
            .type = OTEL_VALUE_ARRAY, .as.array = {&nest[i + 1], 1}
        };
    otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
    otel_span_set_attribute(span, otel_array("deep", &nest[0], 1));
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    const uint8_t *at, *next;
    size_t len, next_len;
    unsigned depth = 0;
    value_of(&seen, 0, &at, &len);
    while (message_field(at, len, 5, 0, &next, &next_len, NULL)) {
        depth++;
        if (!message_field(next, next_len, 1, 0, &at, &len, NULL))
            break;
    }
    assert_int_equal(depth, OTEL_VALUE_DEPTH_MAX + 1); // those that hold something, and an empty one
}

static void test_events_collection_size_limit_and_order(void **state) {
    (void)state;
    struct span_fixture fixture;
    struct otel_limits limits = OTEL_LIMITS_DEFAULT;
    limits.events = 2;
    limits.event_attributes = 1;
    open_limited(&fixture, limits);
    const struct otel_attribute attributes[] = {otel_text("a", "old"), otel_text("a", "new"),
                                                otel_int("b", 1)};
    otel_span *span = otel_span_start(fixture.tracer, "s", NULL);
    fixture.monotonic_ns += 42;
    otel_span_add_event(span, "one", 0, attributes, 3);
    otel_span_add_event(span, "two", 7, NULL, 0);
    otel_span_add_event(span, "three", 8, NULL, 0);
    struct span_seen seen;
    end_and_see(&fixture, span, &seen);
    assert_int_equal(seen.events, 2);
    assert_int_equal(seen.dropped_events, 1);
    const uint8_t *event, *name;
    size_t len, name_len;
    uint64_t number;
    assert_true(message_field(seen.message, seen.message_len, 11, 0, &event, &len, NULL));
    assert_true(message_field(event, len, 1, 0, NULL, NULL, &number));
    assert_int_equal(number, 1000042);
    assert_true(message_field(event, len, 2, 0, &name, &name_len, NULL));
    assert_memory_equal(name, "one", 3);
    assert_string_equal(message_text(event, len, 3, "a"), "new");
    assert_true(message_field(event, len, 4, 0, NULL, NULL, &number));
    assert_int_equal(number, 1); // dropped
    assert_true(message_field(seen.message, seen.message_len, 11, 1, &event, &len, NULL));
    assert_true(message_field(event, len, 2, 0, &name, &name_len, NULL));
    assert_memory_equal(name, "two", 3);
    span_fixture_close(&fixture);
}

static void test_record_exception_with_extra_attributes(void **state) {
    struct span_fixture *fixture = *state;
    const struct otel_attribute more[] = {otel_text("exception.message", "said by the caller"),
                                          otel_bool("x", true)};
    otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
    otel_span_record_exception(span, "ValueError", "m", "at line 1", more, 2);
    otel_span_record_exception(span, NULL, "only a message", NULL, NULL, 0);
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_int_equal(seen.status, OTEL_STATUS_UNSET);
    assert_int_equal(seen.events, 2);
    const uint8_t *event, *name;
    size_t len, name_len;
    assert_true(message_field(seen.message, seen.message_len, 11, 0, &event, &len, NULL));
    assert_true(message_field(event, len, 2, 0, &name, &name_len, NULL));
    assert_memory_equal(name, "exception", 9);
    assert_string_equal(message_text(event, len, 3, "exception.type"), "ValueError");
    assert_string_equal(message_text(event, len, 3, "exception.message"), "said by the caller");
    assert_string_equal(message_text(event, len, 3, "exception.stacktrace"), "at line 1");
    assert_true(message_field(seen.message, seen.message_len, 11, 1, &event, &len, NULL));
    assert_null(message_text(event, len, 3, "exception.type"));
}

// --- links -----------------------------------------------------------------------------------------------------------
static void test_links_at_creation_and_after_in_order(void **state) {
    struct span_fixture *fixture = *state;
    const struct otel_attribute attribute = otel_text("why", "retry");
    struct otel_link links[3] = {
        {.context = {.trace_id = {1}, .span_id = {1}, .flags = 1, .remote = true}, .tracestate = "a=1"},
        {.context = {.trace_id = {2}, .span_id = {2}},                                                                        .attributes = &attribute, .attribute_count = 1},
        {.context = {.trace_id = {3}, .span_id = {3}}},
    };
    otel_span *span =
        otel_span_start(fixture->tracer, "s", &(struct otel_span_options){.links = links, .link_count = 1});
    otel_span_add_link(span, &links[1]);
    otel_span_add_link(span, &links[2]);
    const struct otel_link nothing = {0}, only_attributes = {.attributes = &attribute, .attribute_count = 1};
    otel_span_add_link(span, &nothing);
    otel_span_add_link(span, &only_attributes);
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_int_equal(seen.links, 4);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *link, *id;
        size_t len, id_len;
        uint64_t flags;
        assert_true(message_field(seen.message, seen.message_len, 13, i, &link, &len, NULL));
        assert_true(message_field(link, len, 1, 0, &id, &id_len, NULL));
        assert_int_equal(id_len, 16);
        assert_int_equal(id[0], i + 1);
        assert_true(message_field(link, len, 6, 0, NULL, NULL, &flags));
        assert_int_equal(flags, i == 0 ? 0x301 : 0x100);
        if (i == 1)
            assert_string_equal(message_text(link, len, 4, "why"), "retry");
    }
}

static void test_links_collection_size_limit(void **state) {
    (void)state;
    struct span_fixture fixture;
    struct otel_limits limits = OTEL_LIMITS_DEFAULT;
    limits.links = 1;
    limits.link_attributes = 1;
    open_limited(&fixture, limits);
    const struct otel_attribute attributes[] = {otel_int("a", 1), otel_int("b", 2)};
    const struct otel_link link = {
        .context = {.trace_id = {1}, .span_id = {1}},
          .attributes = attributes, .attribute_count = 2
    };
    otel_span *span = otel_span_start(fixture.tracer, "s", NULL);
    otel_span_add_link(span, &link);
    otel_span_add_link(span, &link);
    struct span_seen seen;
    end_and_see(&fixture, span, &seen);
    assert_int_equal(seen.links, 1);
    assert_int_equal(seen.dropped_links, 1);
    const uint8_t *bytes;
    size_t len;
    uint64_t dropped;
    assert_true(message_field(seen.message, seen.message_len, 13, 0, &bytes, &len, NULL));
    assert_true(message_field(bytes, len, 5, 0, NULL, NULL, &dropped));
    assert_int_equal(dropped, 1);
    span_fixture_close(&fixture);
}

// --- size ------------------------------------------------------------------------------------------------------------
static void test_big_span_grows_and_keeps_everything(void **state) {
    struct span_fixture *fixture = *state;
    char text[401];
    memset(text, 'x', 400);
    text[400] = '\0';
    otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "key%d", i);
        otel_span_set_attribute(span, otel_text(key, text));
    }
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_int_equal(seen.attributes, 100);
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "key99"), text);
}

static void test_span_over_the_record_size_loses_attributes_and_is_sent(void **state) {
    struct span_fixture *fixture = *state;
    size_t len = 30000;
    char *text = malloc(len + 1);
    memset(text, 'x', len);
    text[len] = '\0';
    otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
    static const char *const keys[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < 4; i++)
        otel_span_set_attribute(span, otel_text(keys[i], text));
    otel_span_add_event(span, text, 1, NULL, 0);
    otel_span_set_attribute(span, otel_text("small", "fits"));
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_int_equal(seen.attributes, 3);
    assert_int_equal(seen.dropped_attributes, 2);
    assert_int_equal(seen.dropped_events, 1);
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "small"), "fits");
    assert_true(fixture->record_len[0] <= OTEL_RECORD_BYTES_MAX);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_attribute_types),
        TEST(test_same_key_overwrites_and_set_order_is_preserved),
        TEST(test_empty_key_is_refused_and_counted),
        TEST(test_unicode_keys_and_values_and_repair),
        cmocka_unit_test(test_attribute_collection_size_limit),
        TEST(test_default_limit_is_128_attributes),
        cmocka_unit_test(test_attribute_value_length_limit_cuts_at_code_points),
        TEST(test_nested_maps_stay_within_what_protobuf_reads),
        TEST(test_values_nested_too_deep_become_empty),
        cmocka_unit_test(test_events_collection_size_limit_and_order),
        TEST(test_record_exception_with_extra_attributes),
        TEST(test_links_at_creation_and_after_in_order),
        cmocka_unit_test(test_links_collection_size_limit),
        TEST(test_big_span_grows_and_keeps_everything),
        TEST(test_span_over_the_record_size_loses_attributes_and_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
