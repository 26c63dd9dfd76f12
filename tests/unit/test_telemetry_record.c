// SPDX-License-Identifier: Apache-2.0
// Records of runners are walked before they are exported: what receivers can read passes, anything else is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "otel/pipeline/check.h"
#include "otel/wire/protobuf.h"
#include "worker/ring.h"
#include "worker/telemetry_record.h"

#include <stdlib.h>

static const uint8_t TRACE_ID[16] = {1, 2, 3}, SPAN_ID[8] = {4, 5, 6};

struct record {
    uint8_t bytes[4096];
    size_t len;
};

// A record around `body`.
static struct record wrap(const void *body, size_t body_len) {
    struct record record;
    static const char scope[] = "\x0a\x01s", url[] = "http://u";
    const uint32_t head[2] = {sizeof scope - 1, sizeof url - 1};
    memcpy(record.bytes, head, 8);
    memcpy(record.bytes + 8, scope, head[0]);
    memcpy(record.bytes + 8 + head[0], url, head[1]);
    memcpy(record.bytes + 8 + head[0] + head[1], body, body_len);
    record.len = 8 + head[0] + head[1] + body_len;
    return record;
}

static struct otel_pb identity(uint8_t *memory, size_t size) {
    struct otel_pb pb = otel_pb_begin(memory, size);
    otel_pb_bytes(&pb, 1, TRACE_ID, sizeof TRACE_ID);
    otel_pb_bytes(&pb, 2, SPAN_ID, sizeof SPAN_ID);
    return pb;
}

static int check_span(const uint8_t *memory, const struct otel_pb *pb) {
    struct record record = wrap(memory, (size_t)(pb->at - memory));
    struct fq_record_facts facts = {{0}};
    int found = fq_record_check(FQ_RING_SPAN, record.bytes, record.len, &facts);
    if (found == 0)
        assert_memory_equal(facts.span_id, SPAN_ID, sizeof SPAN_ID);
    return found;
}

static void a_whole_span_passes(void **state) {
    (void)state;
    uint8_t memory[2048], inner[256], value[64];
    struct otel_pb pb = identity(memory, sizeof memory);
    otel_pb_bytes(&pb, 5, "name \xc3\xa4", 7);
    otel_pb_uint(&pb, 6, 5);
    otel_pb_fixed64(&pb, 7, 1);
    otel_pb_fixed64(&pb, 8, 2);
    struct otel_pb any = otel_pb_begin(value, sizeof value);
    otel_pb_bytes(&any, 1, "v", 1);
    struct otel_pb pair = otel_pb_begin(inner, sizeof inner);
    otel_pb_bytes(&pair, 1, "k", 1);
    otel_pb_bytes(&pair, 2, value, (size_t)(any.at - value));
    otel_pb_bytes(&pb, 9, inner, (size_t)(pair.at - inner));
    struct otel_pb link = identity(inner, sizeof inner);
    otel_pb_fixed32(&link, 6, 0x301);
    otel_pb_bytes(&pb, 13, inner, (size_t)(link.at - inner));
    struct otel_pb status = otel_pb_begin(inner, sizeof inner);
    otel_pb_bytes(&status, 2, "why", 3);
    otel_pb_uint(&status, 3, 2);
    otel_pb_bytes(&pb, 15, inner, (size_t)(status.at - inner));
    otel_pb_fixed32(&pb, 16, 0x301);
    assert_int_equal(check_span(memory, &pb), 0);
}

static void a_span_that_no_receiver_reads_is_refused(void **state) {
    (void)state;
    uint8_t memory[2048];
    for (int fault = 0; fault < 11; fault++) {
        struct otel_pb pb = identity(memory, sizeof memory);
        switch (fault) {
        case 0: pb = otel_pb_begin(memory, sizeof memory); break; // nothing at all
        case 1: memset(memory + 2, 0, sizeof TRACE_ID); break;    // a trace id of zero
        case 2: otel_pb_bytes(&pb, 4, SPAN_ID, 7); break;
        case 3: otel_pb_bytes(&pb, 5, "\xff", 1); break;
        case 4: otel_pb_uint(&pb, 7, 1); break; // another wire type
        case 5: otel_pb_bytes(&pb, 9, "\x0a\x05k", 3); break;
        case 6: otel_pb_bytes(&pb, 9, "", 0); break; // an attribute without a key
        case 7: otel_pb_bytes(&pb, 13, "\x0a\x01x", 3); break;
        case 8: otel_pb_uint(&pb, 99, 1); break;
        case 9: otel_pb_bytes(&pb, 11, "\x12\x02\xc3\x28", 4); break; // an event's name
        default: otel_pb_raw(&pb, "\x4a", 1); break;                  // a tag without anything behind it
        }
        assert_false(pb.failed);
        assert_int_equal(check_span(memory, &pb), FQ_ECORRUPT);
    }
}

static void lengths_of_the_head_are_not_believed(void **state) {
    (void)state;
    uint8_t memory[256];
    struct otel_pb pb = identity(memory, sizeof memory);
    struct record good = wrap(memory, (size_t)(pb.at - memory));
    struct fq_record_facts facts;
    const uint32_t lies[] = {UINT32_MAX, 4096, (uint32_t)good.len - 7, 4, 0};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++)
        for (size_t field = 0; field < 2; field++) {
            struct record bad = good;
            memcpy(bad.bytes + field * 4, &lies[i], 4);
            assert_int_equal(fq_record_check(FQ_RING_SPAN, bad.bytes, bad.len, &facts), FQ_ECORRUPT);
        }
    for (size_t len = 0; len < good.len; len++)
        assert_int_equal(fq_record_check(FQ_RING_SPAN, good.bytes, len, &facts), FQ_ECORRUPT);
    assert_int_equal(fq_record_check(FQ_RING_LOG, good.bytes, good.len, &facts), FQ_ECORRUPT);
    assert_int_equal(fq_record_check(FQ_RING_MARK, good.bytes, good.len, &facts), FQ_ECORRUPT);
    assert_int_equal(fq_record_check(FQ_RING_SPAN, good.bytes, good.len, &facts), 0);
}

// A value in a list in a list …, two messages each: deeper than receivers' parsers go, the whole batch would be refused.
static void values_nest_so_deep_and_no_deeper(void **state) {
    (void)state;
    enum { LEVELS = 400 };
    uint8_t memory[8192], *at = memory + sizeof memory;
    size_t len = 0;
    int deepest = 0;
    for (int level = 1; level < LEVELS; level++) {
        uint8_t head[2 * OTEL_PB_VARINT_MAX + 2];
        struct otel_pb list = otel_pb_begin(head, sizeof head); // AnyValue{array_value} of ArrayValue{values}
        otel_pb_tag(&list, 5, OTEL_PB_BYTES);
        otel_pb_varint(&list, len + 1 + otel_pb_varint_size(len));
        otel_pb_tag(&list, 1, OTEL_PB_BYTES);
        otel_pb_varint(&list, len);
        size_t head_len = (size_t)(list.at - head);
        at -= head_len;
        memcpy(at, head, head_len);
        len += head_len;
        uint8_t log[8192 + 64];
        struct otel_pb pb = otel_pb_begin(log, sizeof log);
        otel_pb_bytes(&pb, 5, at, len);
        if (pb.failed || (size_t)(pb.at - log) > 4000)
            break;
        struct record record = wrap(log, (size_t)(pb.at - log));
        struct fq_record_facts facts;
        if (fq_record_check(FQ_RING_LOG, record.bytes, record.len, &facts) == 0)
            deepest = level;
    }
    assert_int_equal(deepest, (OTEL_RECORD_DEPTH_MAX - 1) / 2);
}

static void noise_is_judged_and_nothing_worse(void **state) {
    (void)state;
    uint8_t memory[256];
    struct otel_pb pb = identity(memory, sizeof memory);
    otel_pb_bytes(&pb, 9, "\x0a\x01k\x12\x03\x0a\x01v", 8);
    struct record good = wrap(memory, (size_t)(pb.at - memory));
    fq_random random;
    fq_random_seed(&random, 3);
    int refused = 0;
    for (int round = 0; round < 20000; round++) {
        // Of its exact size, so that a sanitizer sees what is read behind it.
        uint8_t *bytes = malloc(good.len);
        assert_non_null(bytes);
        memcpy(bytes, good.bytes, good.len);
        for (int i = 0; i < 3; i++)
            bytes[fq_random_below(&random, good.len)] = (uint8_t)fq_random_next(&random);
        struct fq_record_facts facts;
        refused += fq_record_check(FQ_RING_SPAN, bytes, good.len, &facts) < 0;
        free(bytes);
    }
    assert_in_range(refused, 10000, 20000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_span_passes),
        cmocka_unit_test(a_span_that_no_receiver_reads_is_refused),
        cmocka_unit_test(lengths_of_the_head_are_not_believed),
        cmocka_unit_test(values_nest_so_deep_and_no_deeper),
        cmocka_unit_test(noise_is_judged_and_nothing_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
