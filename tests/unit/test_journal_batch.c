// SPDX-License-Identifier: Apache-2.0
// The bytes of batches, records and segment headers: what is written comes back, what is changed is noticed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "journal/batch.h"
#include "journal/segment.h"

#include <stdlib.h>

static const fq_uuid INSTANCE = {
    {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
};

static struct fq_batch_header sample(uint64_t seq, uint32_t body_len, uint32_t flags) {
    return (struct fq_batch_header){.batch_seq = seq,
                                    .first_record_seq = 3 * seq,
                                    .record_count = 3,
                                    .body_len = body_len,
                                    .prev_crc = 77,
                                    .wall_ns = -5,
                                    .boot_epoch = 4,
                                    .flags = flags};
}

static void crc_is_castagnoli(void **state) {
    (void)state;
    assert_int_equal(fq_crc32c(0, "123456789", 9), 0xe3069283u);
}

static void header_comes_back(void **state) {
    (void)state;
    unsigned char bytes[FQ_BATCH_HEADER];
    struct fq_batch_header header = sample(9, 100, FQ_BATCH_GATED), back;
    fq_batch_encode(&INSTANCE, &header, bytes);
    assert_int_equal(fq_batch_decode(&INSTANCE, bytes, &back), FQ_BATCH_OK);
    unsigned char again[FQ_BATCH_HEADER];
    assert_int_equal(back.crc, header.crc);
    assert_true(back.batch_seq == 9 && back.first_record_seq == 27 && back.wall_ns == -5 &&
                back.flags == FQ_BATCH_GATED);
    fq_batch_encode(&INSTANCE, &back, again); // the other fields
    assert_memory_equal(again, bytes, sizeof bytes);
}

static void every_bit_of_a_header_counts(void **state) {
    (void)state;
    unsigned char bytes[FQ_BATCH_HEADER];
    struct fq_batch_header header = sample(9, 100, 0), back;
    fq_batch_encode(&INSTANCE, &header, bytes);
    for (unsigned bit = 0; bit < 8 * FQ_BATCH_HEADER; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(fq_batch_decode(&INSTANCE, bytes, &back), FQ_BATCH_BAD);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    fq_uuid other = INSTANCE;
    other.bytes[15] ^= 1;
    assert_int_equal(fq_batch_decode(&other, bytes, &back), FQ_BATCH_BAD);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(fq_batch_decode(&INSTANCE, bytes, &back), FQ_BATCH_ZERO);
}

static void records_come_back_in_order(void **state) {
    (void)state;
    static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    unsigned char bytes[4096];
    size_t used = 0;
    for (size_t len = 0; len < sizeof text; len++) {
        fq_record_encode(10 + len, (fq_str){text, len}, bytes + used);
        used += fq_record_size(len);
        assert_int_equal(used % 8, 0);
    }
    fq_str rest = {(const char *)bytes, used}, payload;
    for (size_t len = 0; len < sizeof text; len++) {
        assert_int_equal(fq_record_decode(&rest, 10 + len, &payload), 0);
        assert_true(fq_str_equal(payload, (fq_str){text, len}));
    }
    assert_int_equal(rest.len, 0);
    assert_int_equal(fq_record_decode(&rest, 99, &payload), FQ_ECORRUPT);
}

static void every_bit_of_a_record_counts(void **state) {
    (void)state;
    unsigned char bytes[64];
    fq_str record = FQ_STR("thirteen byte"), payload;
    fq_record_encode(5, record, bytes);
    size_t size = fq_record_size(record.len);
    for (size_t bit = 0; bit < 8 * (FQ_RECORD_HEADER + record.len); bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        fq_str body = {(const char *)bytes, size};
        assert_int_equal(fq_record_decode(&body, 5, &payload), FQ_ECORRUPT);
        assert_int_equal(body.len, size);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    fq_str body = {(const char *)bytes, size};
    assert_int_equal(fq_record_decode(&body, 6, &payload), FQ_ECORRUPT); // a whole record in the wrong place
    for (size_t len = 0; len < size; len++) {
        body = (fq_str){(const char *)bytes, len};
        assert_int_equal(fq_record_decode(&body, 5, &payload), FQ_ECORRUPT);
    }
}

static void every_bit_of_a_segment_header_counts(void **state) {
    (void)state;
    static unsigned char bytes[FQ_SEGMENT_HEADER];
    struct fq_segment_header header = {.instance = INSTANCE,
                                       .segment_no = 3,
                                       .first_batch_seq = 10,
                                       .first_record_seq = 30,
                                       .prev_segment_no = 2,
                                       .prev_end_offset = 8192,
                                       .prev_last_batch_seq = 9,
                                       .prev_batch_crc = 5,
                                       .block_size = 512,
                                       .created_ns = 1,
                                       .file_size = 16384},
                             back;
    fq_segment_encode(&header, bytes);
    assert_int_equal(fq_segment_decode(bytes, &back), 0);
    static unsigned char again[FQ_SEGMENT_HEADER];
    fq_segment_encode(&back, again);
    assert_memory_equal(again, bytes, sizeof bytes);
    for (unsigned bit = 0; bit < 8 * 124; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_equal(fq_segment_decode(bytes, &back), FQ_ECORRUPT);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    header.block_size = 500;
    fq_segment_encode(&header, bytes);
    assert_int_equal(fq_segment_decode(bytes, &back), FQ_ECORRUPT);
}

// ---- the judgement ----

enum { SIZE = 16384, BLOCK = 512 };

// Places a batch whose body is noise of `body_len` bytes; returns the offset behind it.
static uint64_t place(unsigned char *image, uint64_t offset, uint64_t seq, uint32_t body_len,
                      uint32_t flags) {
    struct fq_batch_header header = sample(seq, body_len, flags);
    for (uint32_t i = 0; i < body_len; i++)
        image[offset + FQ_BATCH_HEADER + i] = (unsigned char)(i * 7 + seq) | 1;
    header.body_crc = fq_crc32c(0, image + offset + FQ_BATCH_HEADER, body_len);
    fq_batch_encode(&INSTANCE, &header, image + offset);
    return offset + fq_batch_padded(body_len, BLOCK);
}

static struct fq_segment_walk walk_over(const unsigned char *image) {
    return (struct fq_segment_walk){
        .instance = INSTANCE, .block_size = BLOCK, .bytes = image, .size = SIZE, .offset = 4096};
}

static void walk_finds_batches_seal_and_end(void **state) {
    (void)state;
    static unsigned char image[SIZE];
    memset(image, 0, sizeof image);
    uint64_t at = place(image, 4096, 1, 100, FQ_BATCH_GATED);
    at = place(image, at, 2, 1000, FQ_BATCH_GATED);
    at = place(image, at, 2, 0, FQ_BATCH_SEAL);
    struct fq_segment_walk walk = walk_over(image);
    struct fq_batch_header header;
    fq_str bytes;
    assert_int_equal(fq_segment_next(&walk, &header, &bytes), FQ_STEP_BATCH);
    assert_int_equal(bytes.len, 512);
    assert_int_equal(fq_segment_next(&walk, &header, &bytes), FQ_STEP_BATCH);
    assert_int_equal(bytes.len, 1536);
    assert_int_equal(fq_segment_next(&walk, &header, &bytes), FQ_STEP_SEAL);
    assert_int_equal(walk.offset, at);
    assert_int_equal(fq_segment_next(&walk, &header, &bytes), FQ_STEP_END);
    image[SIZE - 1] = 1; // something far behind the end
    assert_int_equal(fq_segment_next(&walk, &header, &bytes), FQ_STEP_DAMAGED);
}

static void walk_stops_before_a_length_beyond_the_file(void **state) {
    (void)state;
    static unsigned char image[SIZE];
    memset(image, 0, sizeof image);
    struct fq_batch_header header = sample(1, FQ_BATCH_BODY_MAX, 0);
    fq_batch_encode(&INSTANCE, &header, image + 4096);
    struct fq_segment_walk walk = walk_over(image);
    fq_str bytes;
    assert_int_equal(fq_segment_next(&walk, &header, &bytes), FQ_STEP_DAMAGED);
    uint64_t later, end;
    assert_int_equal(fq_segment_judge(&walk, 1, &later, &end), FQ_VERDICT_TORN);
}

struct row {
    const char *what;
    enum fq_segment_verdict verdict;
    bool zero_sector; // of the damaged batch, batch 5, of 3 sectors
    bool damage_header;
    uint64_t later_seq; // 0 = none
    uint32_t later_flags;
};

static void judgement_follows_the_table(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"torn body",                  FQ_VERDICT_TORN,      true,  false, 0, 0                             },
        {"torn header",                FQ_VERDICT_TORN,      true,  true,  0, 0                             },
        {"garbage in the body",        FQ_VERDICT_AMBIGUOUS, false, false, 0, 0                             },
        {"garbage in the header",      FQ_VERDICT_AMBIGUOUS, false, true,  0, 0                             },
        {"later gated batch",          FQ_VERDICT_CORRUPT,   true,  false, 6, FQ_BATCH_GATED                },
        {"later gated, bad header",    FQ_VERDICT_CORRUPT,   true,  true,  6, FQ_BATCH_GATED                },
        {"later relaxed batch",        FQ_VERDICT_TORN,      true,  false, 6, 0                             },
        {"gated seal",                 FQ_VERDICT_CORRUPT,   true,  false, 5, FQ_BATCH_SEAL | FQ_BATCH_GATED},
        {"ungated seal",               FQ_VERDICT_TORN,      true,  false, 5, FQ_BATCH_SEAL                 },
        {"an older batch is no proof", FQ_VERDICT_TORN,      true,  false, 4, FQ_BATCH_GATED                },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static unsigned char image[SIZE];
        memset(image, 0, sizeof image);
        uint64_t behind = place(image, 4096, 5, 1400, FQ_BATCH_GATED);
        if (rows[i].later_seq != 0)
            behind = place(image, behind, rows[i].later_seq, 10, rows[i].later_flags);
        if (rows[i].zero_sector)
            memset(image + 4096 + (rows[i].damage_header ? 0 : 512), 0, 512);
        else
            image[4096 + (rows[i].damage_header ? 10 : 600)] ^= 1;
        struct fq_segment_walk walk = walk_over(image);
        struct fq_batch_header header;
        fq_str bytes;
        assert_int_equal(fq_segment_next(&walk, &header, &bytes), FQ_STEP_DAMAGED);
        uint64_t later = 0, end = 0;
        enum fq_segment_verdict verdict = fq_segment_judge(&walk, 5, &later, &end);
        if (verdict != rows[i].verdict)
            fail_msg("%s: %d", rows[i].what, (int)verdict);
        assert_int_equal(end, behind);
        if (verdict == FQ_VERDICT_CORRUPT)
            assert_int_equal(later, 4096 + 1536);
    }
}

// A payload that looks like a later batch cannot turn a torn tail into damage, as long as its own header stands.
static void payload_cannot_forge_a_later_batch(void **state) {
    (void)state;
    static unsigned char image[SIZE];
    memset(image, 0, sizeof image);
    place(image, 4096, 5, 2000, FQ_BATCH_GATED);
    struct fq_batch_header forged = sample(6, 0, FQ_BATCH_GATED);
    fq_batch_encode(&INSTANCE, &forged, image + 4096 + 512);
    memset(image + 4096 + 1024, 0, 512);
    struct fq_segment_walk walk = walk_over(image);
    uint64_t later, end;
    assert_int_equal(fq_segment_judge(&walk, 5, &later, &end), FQ_VERDICT_TORN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_castagnoli),
        cmocka_unit_test(header_comes_back),
        cmocka_unit_test(every_bit_of_a_header_counts),
        cmocka_unit_test(records_come_back_in_order),
        cmocka_unit_test(every_bit_of_a_record_counts),
        cmocka_unit_test(every_bit_of_a_segment_header_counts),
        cmocka_unit_test(walk_finds_batches_seal_and_end),
        cmocka_unit_test(walk_stops_before_a_length_beyond_the_file),
        cmocka_unit_test(judgement_follows_the_table),
        cmocka_unit_test(payload_cannot_forge_a_later_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
