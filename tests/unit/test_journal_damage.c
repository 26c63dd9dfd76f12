// SPDX-License-Identifier: Apache-2.0
// A sample of the damage sweep: some places of every file of a small journal, cut or with a bit flipped. `make sweep` tries
// every byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "journal/format.h"
#include "journal/segment.h"
#include "support/damage.h"

#include <stdlib.h>
#include <string.h>

enum { SUBJECTS = 2 };

static uint64_t stride(void) {
    const char *text = getenv("FQ_DAMAGE_STRIDE");
    return text != NULL ? strtoull(text, NULL, 10) : 307; // a prime: every kind, everywhere
}

static void sweep(uint64_t seed, bool idle) {
    struct damage_subject subject;
    struct damage_figures figures = {0};
    damage_subject_make(&subject, seed, idle);
    damage_sweep(&subject, stride(), seed, &figures);
    damage_subject_done(&subject);
    if (figures.wrong > 0)
        fail_msg("%llu of %llu: %s", (unsigned long long)figures.wrong, (unsigned long long)figures.cases,
                 figures.first_wrong);
    assert_true(figures.cases > 100);
    assert_true(figures.restored > 0);
    assert_true(figures.refused > 0);
    if (idle) // what was acknowledged long ago is there, or the start refuses
        assert_int_equal(figures.cut, 0);
}

static void test_idle_journal(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SUBJECTS; seed++)
        sweep(seed, true);
}

static void test_busy_journal(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SUBJECTS; seed++)
        sweep(seed, false);
}

// The last batch of a busy journal, byte by byte: the only place where the medium may cost anything, and it is told.
static void test_last_batch_byte_by_byte(void **state) {
    (void)state;
    struct damage_subject subject;
    struct damage_figures figures = {0};
    damage_subject_make(&subject, 5, false);
    size_t last = 0;
    for (size_t i = 0; i < subject.path_count; i++)
        if (strncmp(subject.paths[i], "seg/0", 5) == 0 && strcmp(subject.paths[i], subject.paths[last]) > 0)
            last = i;
    for (uint64_t offset = FQ_SEGMENT_HEADER; offset < subject.sizes[last]; offset += 7)
        damage_try(&subject, last, DAMAGE_FLIP_LOW, offset, &figures);
    damage_subject_done(&subject);
    assert_string_equal(figures.first_wrong, "");
    assert_true(figures.cut > 10);
    assert_true(figures.refused > 10);
}

// Blocks of 4,096 bytes are padded with sectors of zeros. They are no sign of a write that was cut off: a batch that had been whole
// and has rotted must raise the flag, not pass for torn.
static void test_padding_is_no_torn_sector(void **state) {
    (void)state;
    static unsigned char image[FQ_SEGMENT_MIN];
    memset(image, 0, sizeof image);
    unsigned char *at = image + FQ_SEGMENT_HEADER;
    fq_uuid instance = {
        {1, 2, 3}
    };
    fq_record_encode(1, FQ_STR("what a task brought"), at + FQ_BATCH_HEADER);
    struct fq_batch_header header = {.batch_seq = 1,
                                     .first_record_seq = 1,
                                     .record_count = 1,
                                     .body_len = (uint32_t)fq_record_size(19),
                                     .flags = FQ_BATCH_GATED};
    header.body_crc = fq_crc32c(0, at + FQ_BATCH_HEADER, header.body_len);
    fq_batch_encode(&instance, &header, at);
    at[FQ_BATCH_HEADER + FQ_RECORD_HEADER] ^= 1;
    struct fq_segment_walk walk = {.instance = instance,
                                   .block_size = FQ_BLOCK_MAX,
                                   .bytes = image,
                                   .size = sizeof image,
                                   .offset = FQ_SEGMENT_HEADER};
    struct fq_batch_header found;
    fq_str bytes;
    uint64_t later = 0, end = 0;
    assert_int_equal(fq_segment_next(&walk, &found, &bytes), FQ_STEP_DAMAGED);
    assert_int_equal(fq_segment_judge(&walk, 1, &later, &end), FQ_VERDICT_AMBIGUOUS);
    assert_int_equal(end, FQ_SEGMENT_HEADER + FQ_SECTOR);
    // A longer one of which a sector never got there is torn.
    header.body_len = 3000;
    fq_batch_encode(&instance, &header, at);
    assert_int_equal(fq_segment_next(&walk, &found, &bytes), FQ_STEP_DAMAGED);
    assert_int_equal(fq_segment_judge(&walk, 1, &later, &end), FQ_VERDICT_TORN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_journal),
        cmocka_unit_test(test_busy_journal),
        cmocka_unit_test(test_last_batch_byte_by_byte),
        cmocka_unit_test(test_padding_is_no_torn_sector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
