// SPDX-License-Identifier: Apache-2.0
#include "support/otel_spans.h"

#include "otel/wire/protobuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int64_t fixture_unix(void *context) {
    return ((struct span_fixture *)context)->unix_ns;
}
static int64_t fixture_monotonic(void *context) {
    return ((struct span_fixture *)context)->monotonic_ns;
}
static void fixture_trace_id(void *context, uint8_t ret_id[16]) {
    struct span_fixture *fixture = context;
    fixture->next_id++;
    memset(ret_id, 0xab, 16);
    ret_id[15] = (uint8_t)fixture->next_id;
}
static void fixture_span_id(void *context, uint8_t ret_id[8]) {
    struct span_fixture *fixture = context;
    fixture->next_id++;
    memset(ret_id, 0xcd, 8);
    ret_id[7] = (uint8_t)fixture->next_id;
}
static void fixture_report(void *context, enum otel_log_level level, const char *text) {
    struct span_fixture *fixture = context;
    (void)level;
    fixture->report_count++;
    snprintf(fixture->report, sizeof fixture->report, "%s", text);
}

static void *sink_reserve(void *context, enum otel_record_type type, uint32_t len) {
    struct span_fixture *fixture = context;
    assert_int_equal(type, OTEL_RECORD_SPAN);
    if (fixture->is_full || fixture->record_count == SPANS_MAX)
        return NULL;
    fixture->record_len[fixture->record_count] = len;
    fixture->records[fixture->record_count] = malloc(len);
    return fixture->records[fixture->record_count];
}
static void sink_commit(void *context, void *reserved) {
    struct span_fixture *fixture = context;
    assert_ptr_equal(reserved, fixture->records[fixture->record_count]);
    fixture->record_count++;
}

void span_fixture_open(struct span_fixture *fixture, const struct otel_tracer_provider_options *options) {
    *fixture = (struct span_fixture){.unix_ns = 1000000, .monotonic_ns = 500};
    fixture->runtime = (struct otel_runtime){
        .clock = {fixture_unix, fixture_monotonic, fixture},
        .ids = {fixture_trace_id,            fixture_span_id,              true, fixture},
        .diagnostics = {fixture_report,        fixture    },
    };
    fixture->sink = (struct otel_sink){sink_reserve, sink_commit, fixture};
    struct otel_tracer_provider_options mine = {.limits = OTEL_LIMITS_DEFAULT};
    if (options != NULL)
        mine = *options;
    mine.runtime = &fixture->runtime;
    mine.sinks = &fixture->sink;
    mine.sink_count = 1;
    fixture->provider = otel_tracer_provider_new(&mine);
    assert_non_null(fixture->provider);
    fixture->tracer = otel_tracer_get(fixture->provider, &(struct otel_scope_info){.name = "test"});
    assert_non_null(fixture->tracer);
}

void span_fixture_close(struct span_fixture *fixture) {
    otel_tracer_provider_free(fixture->provider);
    for (unsigned i = 0; i < fixture->record_count; i++)
        free(fixture->records[i]);
}

static void copy_text(char *out, size_t size, const struct otel_pb_field *field) {
    assert_true(field->len < size);
    memcpy(out, field->bytes, field->len);
    out[field->len] = '\0';
}

static void see_status(struct span_seen *seen, const struct otel_pb_field *status) {
    struct otel_pb_reader reader = {status->bytes, status->bytes + status->len};
    for (struct otel_pb_field field; otel_pb_next(&reader, &field) == 1;) {
        if (field.number == 2)
            copy_text(seen->description, sizeof seen->description, &field);
        else if (field.number == 3)
            seen->status = (int64_t)field.value;
    }
}

static void see_field(struct span_seen *seen, const struct otel_pb_field *field) {
    switch (field->number) {
    case 1: memcpy(seen->trace_id, field->bytes, 16); break;
    case 2: memcpy(seen->span_id, field->bytes, 8); break;
    case 3: copy_text(seen->tracestate, sizeof seen->tracestate, field); break;
    case 4:
        memcpy(seen->parent_span_id, field->bytes, 8);
        seen->has_parent = true;
        break;
    case 5: copy_text(seen->name, sizeof seen->name, field); break;
    case 6: seen->kind = (int64_t)field->value; break;
    case 7: seen->start_ns = (int64_t)field->value; break;
    case 8: seen->end_ns = (int64_t)field->value; break;
    case 9: seen->attributes++; break;
    case 10: seen->dropped_attributes = field->value; break;
    case 11: seen->events++; break;
    case 12: seen->dropped_events = field->value; break;
    case 13: seen->links++; break;
    case 14: seen->dropped_links = field->value; break;
    case 15: see_status(seen, field); break;
    case 16: seen->flags = (uint32_t)field->value; break;
    default: fail_msg("field %u is none of a span", field->number);
    }
}

void span_seen(const struct span_fixture *fixture, unsigned index, struct span_seen *ret) {
    assert_true(index < fixture->record_count);
    const uint8_t *record = fixture->records[index];
    assert_true(otel_record_is_whole(record, fixture->record_len[index]));
    uint32_t lens[2];
    memcpy(lens, record, sizeof lens);
    *ret = (struct span_seen){.message = record + sizeof lens + lens[0] + lens[1]};
    ret->message_len = fixture->record_len[index] - (size_t)(ret->message - record);
    struct otel_pb_reader reader = {ret->message, ret->message + ret->message_len};
    struct otel_pb_field field;
    int got;
    uint32_t before = 0;
    while ((got = otel_pb_next(&reader, &field)) == 1) {
        assert_true(field.number >= before); // ascending
        before = field.number;
        see_field(ret, &field);
    }
    assert_int_equal(got, 0);
}

bool message_field(const void *message, size_t len, uint32_t number, unsigned index,
                   const uint8_t **ret_bytes, size_t *ret_len, uint64_t *ret_value) {
    struct otel_pb_reader reader = {message, (const uint8_t *)message + len};
    for (struct otel_pb_field field; otel_pb_next(&reader, &field) == 1;) {
        if (field.number != number || index-- > 0)
            continue;
        if (ret_bytes != NULL) {
            *ret_bytes = field.bytes;
            *ret_len = field.len;
        }
        if (ret_value != NULL)
            *ret_value = field.value;
        return true;
    }
    return false;
}

const char *message_text(const void *message, size_t len, uint32_t number, const char *key) {
    static char text[70000];
    const uint8_t *pair, *name, *value, *string;
    size_t pair_len, name_len, value_len, string_len;
    for (unsigned i = 0; message_field(message, len, number, i, &pair, &pair_len, NULL); i++) {
        assert_true(message_field(pair, pair_len, 1, 0, &name, &name_len, NULL));
        if (name_len != strlen(key) || memcmp(name, key, name_len) != 0)
            continue;
        if (!message_field(pair, pair_len, 2, 0, &value, &value_len, NULL) ||
            !message_field(value, value_len, 1, 0, &string, &string_len, NULL))
            return NULL;
        memcpy(text, string, string_len);
        text[string_len] = '\0';
        return text;
    }
    return NULL;
}

uint8_t *span_request(const struct span_fixture *fixture, const void *resource, size_t resource_len,
                      size_t *ret_len) {
    struct otel_ring_record records[SPANS_MAX];
    for (unsigned i = 0; i < fixture->record_count; i++)
        records[i] = (struct otel_ring_record){fixture->records[i], fixture->record_len[i]};
    const struct otel_request_resource owner = {resource, resource_len, ""};
    struct otel_request request = {0};
    uint32_t count;
    assert_true(otel_request_build(&request, &owner, records, fixture->record_count, &count));
    assert_int_equal(count, fixture->record_count);
    uint8_t *bytes = malloc(request.len);
    memcpy(bytes, request.bytes, request.len);
    *ret_len = request.len;
    otel_request_done(&request);
    return bytes;
}
