// SPDX-License-Identifier: Apache-2.0
// Files whose checksums hold and which are still wrong: one field of a header is changed and the header written anew, or a
// file is put in another's place. A boot tells it and leaves all as it was, and a backup tells it
// too.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "journal/backup.h"
#include "journal/founding.h"
#include "journal/manifest.h"
#include "journal/salvage.h"
#include "journal/segment.h"
#include "journal/snapshot.h"
#include "support/damage.h"
#include "support/forgery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct damage_subject subject; // with snapshots
static struct rig plain;              // without: the log from its first batch on, in several segments

static int make_subjects(void **state) {
    (void)state;
    damage_subject_make(&subject, 5, true);
    forgery_make_plain(&plain);
    return 0;
}

static int drop_subjects(void **state) {
    (void)state;
    damage_subject_done(&subject);
    rig_done(&plain);
    return 0;
}

static void refuse_boot(struct rig *rig, const char *text) {
    uint64_t before = sim_disk_hash(rig->sim, "LOCK");
    assert_int_equal(rig_boot(rig), FQ_ECORRUPT);
    if (strstr(rig->error, text) == NULL)
        fail_msg("'%s' should say '%s'", rig->error, text);
    assert_true(sim_disk_hash(rig->sim, "LOCK") == before);
}

// ---- a segment's header ----

static void test_fields_that_no_segment_has(void **state) {
    (void)state;
    struct forgery_files segments = forgery_list(plain.sim, "seg/");
    static const struct {
        uint32_t block;
        uint64_t size;
        int result;
    } rows[] = {
        {512,  32768,                 0          },
        {4096, FQ_SEGMENT_MAX,        0          },
        {256,  32768,                 FQ_ECORRUPT},
        {8192, 32768,                 FQ_ECORRUPT},
        {1536, 32768,                 FQ_ECORRUPT},
        {512,  FQ_SEGMENT_MIN - 4096, FQ_ECORRUPT},
        {512,  FQ_SEGMENT_MAX + 4096, FQ_ECORRUPT},
        {512,  32768 + 512,           FQ_ECORRUPT},
    };
    unsigned char bytes[FQ_SEGMENT_HEADER];
    struct fq_segment_header header = forgery_header(plain.sim, segments.paths[0]), decoded;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        header.block_size = rows[i].block;
        header.file_size = rows[i].size;
        fq_segment_encode(&header, bytes);
        assert_int_equal(fq_segment_decode(bytes, &decoded), rows[i].result);
    }
    fq_put_u16(bytes + 4, FQ_FORMAT_MAJOR + 1);
    fq_put_u32(bytes + 120, fq_crc32c(0, bytes, 120));
    assert_int_equal(fq_segment_decode(bytes, &decoded), FQ_EVERSION);
}

static void test_names_that_no_segment_has(void **state) {
    (void)state;
    struct rig rig = forgery_copy(&plain);
    forgery_put_file(rig.sim, "seg/zzzzzzzzzzzzzzzz.fqj", "x", 1);
    forgery_put_file(rig.sim, "seg/0000000000000000.fqx", "x", 1);
    forgery_put_file(rig.sim, "seg/notes", "x", 1);
    assert_int_equal(rig_boot(&rig), 0);
    assert_string_equal(rig.mismatch, "");
    assert_int_equal(rig.recovered, plain.durable);
    rig_done(&rig);
}

static void test_links_to_the_segment_before(void **state) {
    (void)state;
    struct forgery_files segments = forgery_list(plain.sim, "seg/");
    assert_true(segments.count >= 4);
    const char *last = segments.paths[segments.count - 1];
    enum { SEGMENT_NO, BATCH_SEQ, BATCH_CRC, END_OFFSET, RECORD_SEQ, FIRST_BATCH, FIELDS };
    static const char *const texts[FIELDS] = {
        "does not follow the one before it", "does not follow the one before it",
        "does not follow the one before it", "should follow",
        "does not follow the one before it", "belongs to another journal or another place"};
    for (int field = 0; field < FIELDS; field++) {
        struct rig rig = forgery_copy(&plain);
        struct fq_segment_header header = forgery_header(rig.sim, last);
        header.prev_segment_no += field == SEGMENT_NO;
        header.prev_last_batch_seq += field == BATCH_SEQ;
        header.prev_batch_crc += field == BATCH_CRC;
        header.prev_end_offset += field == END_OFFSET ? 512 : 0;
        header.first_record_seq += field == RECORD_SEQ;
        header.first_batch_seq += field == FIRST_BATCH;
        forgery_put_header(rig.sim, last, &header);
        refuse_boot(&rig, texts[field]);
        rig_done(&rig);
    }
    // A whole segment under another number, in name and header.
    struct rig rig = forgery_copy(&plain);
    struct fq_segment_header header = forgery_header(rig.sim, last);
    char path[FQ_SEGMENT_PATH_MAX];
    static unsigned char image[FORGERY_IMAGE_MAX];
    assert_true(header.file_size <= FORGERY_IMAGE_MAX);
    sim_disk_peek(rig.sim, last, 0, image, header.file_size);
    sim_disk_remove(rig.sim, last);
    header.first_batch_seq++;
    fq_segment_path(header.first_batch_seq, path);
    forgery_put_file(rig.sim, path, image, header.file_size);
    forgery_put_header(rig.sim, path, &header);
    refuse_boot(&rig, "a segment is missing or foreign");
    forgery_refuse_backup(rig.sim, FQ_ECORRUPT, "should be in the segment before it");
    rig_done(&rig);
}

// ---- batches and seals ----

static void test_a_seal_of_another_batch(void **state) {
    (void)state;
    static unsigned char image[FORGERY_IMAGE_MAX];
    struct forgery_files segments = forgery_list(plain.sim, "seg/");
    for (int field = 0; field < 2; field++) {
        struct rig rig = forgery_copy(&plain);
        struct fq_batch_header seal;
        uint64_t at = forgery_find(&rig, segments.paths[0], FQ_STEP_SEAL, image, &seal);
        seal.batch_seq += field == 0;
        seal.prev_crc += field == 1;
        forgery_put_batch(&rig, segments.paths[0], at, &seal);
        refuse_boot(&rig, "the seal behind batch");
        rig_done(&rig);
    }
}

static void test_a_batch_of_another_place(void **state) {
    (void)state;
    static unsigned char image[FORGERY_IMAGE_MAX];
    struct forgery_files segments = forgery_list(plain.sim, "seg/");
    struct rig rig = forgery_copy(&plain);
    struct fq_batch_header batch;
    uint64_t at = forgery_find(&rig, segments.paths[1], FQ_STEP_BATCH, image, &batch);
    batch.prev_crc++;
    forgery_put_batch(&rig, segments.paths[1], at, &batch);
    refuse_boot(&rig, "is whole but misplaced");
    forgery_refuse_backup(rig.sim, FQ_ECORRUPT, "is misplaced");
    rig_done(&rig);
}

// ---- MANIFEST ----

static void test_a_manifest_of_more_than_there_is(void **state) {
    (void)state;
    struct rig rig = forgery_copy(&plain);
    struct fq_manifest manifest = forgery_manifest(rig.sim);
    manifest.boot_epoch++; // a boot of which the log has nothing
    forgery_put_manifest(rig.sim, &manifest);
    refuse_boot(&rig, "has written after it");
    struct forgery_files segments = forgery_list(rig.sim, "seg/");
    for (size_t i = 0; i < segments.count; i++)
        sim_disk_remove(rig.sim, segments.paths[i]);
    forgery_refuse_backup(rig.sim, FQ_EAGAIN, "the segment with batch 1 is missing");
    manifest.boot_segment_no = 0;
    forgery_put_manifest(rig.sim, &manifest);
    refuse_boot(&rig, "seg/: the log ends with batch 0 of boot 0");
    rig_done(&rig);
    // A snapshot alone is not the beginning of a log.
    rig = forgery_copy(&subject.rig);
    manifest = forgery_manifest(rig.sim);
    assert_true(manifest.snapshot > 0);
    segments = forgery_list(rig.sim, "seg/");
    for (size_t i = 0; i < segments.count; i++)
        sim_disk_remove(rig.sim, segments.paths[i]);
    manifest.boot_segment_no = 0;
    forgery_put_manifest(rig.sim, &manifest);
    refuse_boot(&rig, "is missing; restore a whole backup");
    rig_done(&rig);
}

// ---- a medium that gives less than it promises ----

static int on_record(void *context, fq_str record) {
    (void)record;
    ++*(uint64_t *)context;
    return 0;
}

static void test_segments_of_odd_sizes(void **state) {
    (void)state;
    struct forgery_medium odd;
    struct forgery_files segments = forgery_list(plain.sim, "seg/");
    size_t len = forgery_header(plain.sim, segments.paths[0]).file_size;
    for (int kind = 0; kind < 2; kind++) {
        struct rig rig = forgery_copy(&plain);
        char error[FQ_STORAGE_ERROR_MAX];
        fq_storage *storage;
        fq_journal *journal;
        uint64_t count = 0;
        assert_int_equal(fq_storage_files_open(forgery_medium_attach(rig.sim, &odd), step_executor_new(),
                                               &rig.options, &storage, error),
                         0);
        assert_int_equal(fq_journal_open(storage, &rig.config, &journal), 0);
        odd.size = kind == 0 ? (int64_t)FQ_SEGMENT_MAX + 4096 : -1;
        odd.short_of = kind == 1 ? len : 0;
        int result = fq_journal_recover(journal, on_record, &count);
        assert_int_equal(result, kind == 0 ? FQ_ECORRUPT : FQ_EIO);
        assert_int_equal(count, 0);
        assert_non_null(
            strstr(fq_journal_error(journal), kind == 0 ? "which no segment has" : "cannot be read"));
        assert_non_null(strstr(fq_journal_error(journal), segments.paths[0]));
        fq_journal_close(journal);
        rig_done(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_that_no_segment_has),
        cmocka_unit_test(test_names_that_no_segment_has),
        cmocka_unit_test(test_links_to_the_segment_before),
        cmocka_unit_test(test_a_seal_of_another_batch),
        cmocka_unit_test(test_a_batch_of_another_place),
        cmocka_unit_test(test_a_manifest_of_more_than_there_is),
        cmocka_unit_test(test_segments_of_odd_sizes),
    };
    return cmocka_run_group_tests(tests, make_subjects, drop_subjects);
}
