// SPDX-License-Identifier: Apache-2.0
// Copies and readings of files whose checksums hold and which are still wrong: snapshots, backups, salvage, and what is
// read or written short.
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

// ---- snapshots ----

enum { INSTANCE = 16, ROOM = FQ_SNAPSHOT_BLOCK - FQ_SNAPSHOT_BLOCK_HEADER };

static void seal_footer(const fq_uuid *instance, unsigned char *footer) {
    uint32_t crc = fq_crc32c(0, instance->bytes, sizeof instance->bytes);
    fq_put_u32(footer + 60, fq_crc32c(crc, footer, 60));
}

static void seal_block(const fq_uuid *instance, uint64_t batch_seq, uint32_t index, unsigned char *block) {
    unsigned char place[12];
    fq_put_u64(place, batch_seq);
    fq_put_u32(place + 8, index);
    uint32_t crc = fq_crc32c(0, instance->bytes, sizeof instance->bytes);
    crc = fq_crc32c(crc, place, sizeof place);
    fq_put_u32(block, fq_crc32c(crc, block + 4, FQ_SNAPSHOT_BLOCK - 4));
}

static void test_snapshots_that_contradict_themselves(void **state) {
    (void)state;
    static unsigned char block[FQ_SNAPSHOT_BLOCK];
    struct fq_manifest manifest = forgery_manifest(subject.rig.sim);
    char path[FQ_SNAPSHOT_PATH_MAX];
    fq_snapshot_path(manifest.snapshot, false, path);
    uint64_t size = sim_disk_size(subject.rig.sim, path), foot = size - FQ_SNAPSHOT_FOOTER;
    enum kind { NEWER, OTHER_BATCH, MORE_BLOCKS, OTHER_BLOCKS, OTHER_BYTES, FULLER_BLOCK, KINDS };
    static const char *const texts[KINDS] = {"newer version",
                                             "the footer does not fit the file",
                                             "the footer does not fit the file",
                                             "blocks are not those",
                                             "blocks are not those",
                                             "a block is damaged"};
    for (int kind = 0; kind < KINDS; kind++) {
        sim_disk *sim = sim_disk_clone(subject.rig.sim);
        unsigned char head[64], footer[FQ_SNAPSHOT_FOOTER];
        sim_disk_peek(sim, path, 0, head, sizeof head);
        sim_disk_peek(sim, path, foot, footer, sizeof footer);
        sim_disk_peek(sim, path, FQ_SNAPSHOT_HEADER, block, sizeof block);
        switch ((enum kind)kind) {
        case NEWER: fq_put_u16(head + 4, FQ_FORMAT_MAJOR + 1); break;
        case OTHER_BATCH: footer[8] ^= 1; break;
        case MORE_BLOCKS: footer[4]++; break;
        case OTHER_BLOCKS: footer[56] ^= 1; break;
        case OTHER_BYTES: footer[32] ^= 1; break;
        case FULLER_BLOCK:
        default: fq_put_u32(block + 4, ROOM + 1); break;
        }
        fq_put_u32(head + 40, fq_crc32c(0, head, 40));
        seal_footer(&manifest.instance, footer);
        seal_block(&manifest.instance, manifest.snapshot, 0, block);
        sim_disk_poke(sim, path, 0, head, sizeof head);
        sim_disk_poke(sim, path, foot, footer, sizeof footer);
        sim_disk_poke(sim, path, FQ_SNAPSHOT_HEADER, block, sizeof block);
        fq_disk *disk = sim_disk_attach(sim);
        char error[FQ_STORAGE_ERROR_MAX];
        struct fq_storage_snapshot facts;
        assert_int_equal(
            fq_snapshot_read(disk, path, &manifest.instance, manifest.snapshot, NULL, NULL, &facts, error),
            kind == NEWER ? FQ_EVERSION : FQ_ECORRUPT);
        if (strstr(error, texts[kind]) == NULL)
            fail_msg("'%s' should say '%s'", error, texts[kind]);
        disk->ops->close_disk(disk);
        sim_disk_free(sim);
    }
}

static void test_snapshots_read_or_written_short(void **state) {
    (void)state;
    struct forgery_medium odd;
    struct fq_manifest manifest = forgery_manifest(subject.rig.sim);
    char path[FQ_SNAPSHOT_PATH_MAX], error[FQ_STORAGE_ERROR_MAX];
    struct fq_storage_snapshot facts;
    fq_snapshot_path(manifest.snapshot, false, path);
    static const size_t lens[] = {FQ_SNAPSHOT_HEADER, FQ_SNAPSHOT_BLOCK};
    for (size_t i = 0; i < 2; i++) {
        fq_disk *disk = forgery_medium_attach(subject.rig.sim, &odd);
        odd.short_of = lens[i];
        assert_int_equal(
            fq_snapshot_read(disk, path, &manifest.instance, manifest.snapshot, NULL, NULL, &facts, error),
            FQ_ECORRUPT);
        assert_non_null(strstr(error, "damaged"));
        disk->ops->close_disk(disk);
    }
    for (uint64_t skip = 0; skip < 3; skip++) { // header, block, footer
        sim_disk *sim = sim_disk_clone(subject.rig.sim);
        fq_disk *disk = sim_disk_attach(sim);
        fq_snapshot_writer *writer = NULL;
        sim_disk_fail(sim, SIM_WRITE, skip, 1, 0);
        int result = fq_snapshot_writer_open(disk, &manifest.instance, 9999, &writer, error);
        if (result == 0)
            result = fq_snapshot_writer_add(writer, FQ_STR("a record"));
        if (result == 0)
            result = fq_snapshot_writer_finish(writer, &facts, error);
        assert_int_equal(result, FQ_EIO);
        assert_non_null(strstr(error, strerror(ENOSPC)));
        assert_false(sim_disk_exists(sim, "snap/000000000000270f.tmp"));
        disk->ops->close_disk(disk);
        sim_disk_free(sim);
    }
}

// ---- backups ----

static int refuse_link(fq_disk *from, const char *from_path, fq_disk *to, const char *to_path) {
    (void)from, (void)from_path, (void)to, (void)to_path;
    return -EXDEV;
}

static void test_backups_of_forged_segments(void **state) {
    (void)state;
    struct forgery_files segments = forgery_list(plain.sim, "seg/");
    const char *last = segments.paths[segments.count - 1];
    for (int field = 0; field < 3; field++) {
        struct rig rig = forgery_copy(&plain);
        struct fq_segment_header header = forgery_header(rig.sim, last);
        header.instance.bytes[0] ^= field == 0;
        header.first_batch_seq += field == 1;
        header.file_size += field == 2 ? 4096 : 0;
        forgery_put_header(rig.sim, last, &header);
        forgery_refuse_backup(rig.sim, FQ_ECORRUPT, "damaged or foreign");
        rig_done(&rig);
    }
    struct rig rig = forgery_copy(&plain);
    sim_disk_truncate(rig.sim, last, 100);
    forgery_refuse_backup(rig.sim, FQ_ECORRUPT, "too short for a segment");
    sim_disk_remove(rig.sim, segments.paths[1]);
    forgery_refuse_backup(rig.sim, FQ_ECORRUPT, "should be in the segment before it");
    rig_done(&rig);
}

static void test_backups_beside_a_compaction(void **state) {
    (void)state;
    struct forgery_medium odd;
    char error[FQ_STORAGE_ERROR_MAX];
    struct fq_backup_report report;
    struct fq_backup_options options = {.tries_max = 3, .link = refuse_link};
    // The snapshot goes between its two readings: the backup begins again, into a directory that is not empty any more.
    sim_disk *source = sim_disk_clone(subject.rig.sim), *target = sim_disk_new(1);
    sim_disk_fail(source, SIM_OPEN, 2, 2, ENOENT);
    assert_int_equal(forgery_backup(source, target, &options, &report, error), 0);
    assert_int_equal(report.tries, 2);
    assert_int_equal(report.linked_files, 0); // what cannot be linked is copied
    assert_int_equal(report.last_record_seq, subject.rig.durable);
    assert_int_equal(forgery_backup(source, target, &options, &report, error),
                     0); // and once more into the same
    fq_disk *disk = sim_disk_attach(target);
    assert_int_equal(fq_backup_check(disk, error), 0);
    // The list itself cannot be read.
    sim_disk_fail(target, SIM_OPEN, 0, 1, EIO);
    assert_int_equal(fq_backup_check(disk, error), FQ_EIO);
    disk->ops->close_disk(disk);
    disk = forgery_medium_attach(target, &odd);
    static const int64_t sizes[] = {INT64_MAX, 1 << 20};
    for (size_t i = 0; i < 2; i++) {
        odd.size = sizes[i];
        assert_int_equal(fq_backup_check(disk, error), FQ_ECORRUPT);
        assert_non_null(strstr(error, "cannot be read"));
    }
    disk->ops->close_disk(disk);
    sim_disk_free(source);
    sim_disk_free(target);
}

static void test_backups_told_that_there_is_no_room(void **state) {
    (void)state;
    struct forgery_medium odd;
    char error[FQ_STORAGE_ERROR_MAX];
    struct fq_backup_report report;
    struct fq_backup_options options = {.tries_max = 3};
    static const struct {
        int error, result;
    } rows[] = {
        {EDQUOT, FQ_EFULL},
        {ENOSPC, FQ_EFULL},
        {EROFS,  FQ_EIO  }
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sim_disk *target = sim_disk_new(1);
        sim_disk_fail(target, SIM_WRITE, 0, 1, rows[i].error);
        assert_int_equal(forgery_backup(plain.sim, target, &options, &report, error), rows[i].result);
        assert_non_null(strstr(error, strerror(rows[i].error)));
        sim_disk_free(target);
    }
    static const size_t lens[] = {4096, 512};
    for (size_t i = 0; i < 2; i++) { // a source that reads short, a target whose MANIFEST does
        sim_disk *target = sim_disk_new(1);
        fq_disk *from = i == 0 ? forgery_medium_attach(plain.sim, &odd) : sim_disk_attach(plain.sim);
        fq_disk *to = i == 1 ? forgery_medium_attach(target, &odd) : sim_disk_attach(target);
        struct forgery_files segments = forgery_list(plain.sim, "seg/");
        odd.short_of = i == 0 ? forgery_header(plain.sim, segments.paths[0]).file_size : lens[i];
        assert_int_equal(fq_backup_make(from, to, &options, &report, error), FQ_EIO);
        assert_non_null(strstr(error, i == 0 ? "cannot be read" : "MANIFEST"));
        from->ops->close_disk(from);
        to->ops->close_disk(to);
        sim_disk_free(target);
    }
}

// ---- salvage ----

struct salvaged {
    uint64_t records, first, stop_at, gaps;
};

static int on_salvaged(void *context, uint64_t batch_seq, uint64_t seq, fq_str record) {
    struct salvaged *salvaged = context;
    (void)batch_seq;
    assert_true(rig_holds(&plain, seq - 1, record));
    if (salvaged->records++ == 0)
        salvaged->first = seq;
    return seq == salvaged->stop_at ? FQ_EAGAIN : 0;
}

static void on_gap(void *context, const struct fq_gap *gap) {
    (void)gap;
    ((struct salvaged *)context)->gaps++;
}

static int salvage(sim_disk *sim, struct salvaged *salvaged, uint64_t from, uint64_t stop_at) {
    fq_disk *disk = sim_disk_attach(sim);
    *salvaged = (struct salvaged){.stop_at = stop_at};
    struct fq_salvage job = {.disk = disk,
                             .instance = forgery_manifest(plain.sim).instance,
                             .from_record = from,
                             .on_record = on_salvaged,
                             .on_gap = on_gap,
                             .context = salvaged};
    int result = fq_salvage_run(&job);
    disk->ops->close_disk(disk);
    return result;
}

static void test_salvage_of_a_part(void **state) {
    (void)state;
    struct salvaged salvaged;
    uint64_t all = plain.durable;
    assert_int_equal(salvage(plain.sim, &salvaged, 0, 0), 0);
    assert_int_equal(salvaged.records, all);
    assert_int_equal(salvage(plain.sim, &salvaged, all, 0), 0);
    assert_int_equal(salvaged.records, 1);
    assert_int_equal(salvaged.first, all);
    assert_int_equal(salvage(plain.sim, &salvaged, 0, 1),
                     FQ_EAGAIN); // stops where it is told to, in the first file
    assert_int_equal(salvaged.records, 1);
}

static void test_salvage_of_damaged_records(void **state) {
    (void)state;
    static unsigned char image[FORGERY_IMAGE_MAX];
    struct forgery_files segments = forgery_list(plain.sim, "seg/");
    struct rig rig = forgery_copy(&plain);
    struct fq_batch_header batch;
    struct salvaged salvaged;
    uint64_t at = forgery_find(&rig, segments.paths[1], FQ_STEP_BATCH, image, &batch);
    assert_true(batch.record_count >= 2);
    // The batch is whole, a record in it is not: it was written so. Those before it are delivered.
    unsigned char *body = image + at + FQ_BATCH_HEADER;
    size_t first = fq_record_size(fq_get_u32(body));
    body[first + FQ_RECORD_HEADER] ^= 1;
    batch.body_crc = fq_crc32c(0, body, batch.body_len);
    sim_disk_poke(rig.sim, segments.paths[1], at + FQ_BATCH_HEADER, body, batch.body_len);
    forgery_put_batch(&rig, segments.paths[1], at, &batch);
    assert_int_equal(salvage(rig.sim, &salvaged, 0, 0), 0);
    assert_int_equal(salvaged.records, plain.durable - (batch.record_count - 1));
    // The batch is not whole: every record of it that is, is delivered, and the reader may stop there too.
    sim_disk_flip(rig.sim, segments.paths[1], at + FQ_BATCH_HEADER + first + FQ_RECORD_HEADER + 8, 1);
    assert_int_equal(salvage(rig.sim, &salvaged, 0, 0), 0);
    assert_int_equal(salvaged.records, plain.durable - 1);
    assert_int_equal(salvaged.gaps, 1);
    assert_int_equal(salvage(rig.sim, &salvaged, 0, batch.first_record_seq), FQ_EAGAIN);
    rig_done(&rig);
}

static void test_salvage_among_foreign_files(void **state) {
    (void)state;
    struct forgery_files segments = forgery_list(plain.sim, "seg/");
    struct rig rig = forgery_copy(&plain);
    fq_disk *disk = sim_disk_attach(rig.sim);
    fq_uuid instance = forgery_manifest(plain.sim).instance;
    struct fq_salvage_highest before, highest;
    assert_int_equal(fq_salvage_highest(disk, &instance, &before), 0);
    // Numbers need not ascend, and those of another journal do not count.
    struct fq_segment_header header = forgery_header(rig.sim, segments.paths[1]);
    header.segment_no = 0;
    forgery_put_header(rig.sim, segments.paths[1], &header);
    header = forgery_header(rig.sim, segments.paths[0]);
    header.segment_no = 1000000;
    header.instance.bytes[0] ^= 1;
    forgery_put_header(rig.sim, segments.paths[0], &header);
    assert_int_equal(fq_salvage_highest(disk, &instance, &highest), 0);
    assert_int_equal(highest.segment_no, before.segment_no);
    sim_disk_fail(rig.sim, SIM_REST, 0, 1000, EIO);
    assert_int_equal(fq_salvage_highest(disk, &instance, &highest), FQ_EIO);
    disk->ops->close_disk(disk);
    rig_done(&rig);
    // Of two snapshots the newer one is damaged: the older one is taken if the log goes on behind it.
    rig = forgery_copy(&subject.rig);
    struct fq_manifest manifest = forgery_manifest(rig.sim), guess;
    char path[FQ_SNAPSHOT_PATH_MAX];
    fq_snapshot_path(manifest.snapshot, false, path);
    sim_disk_flip(rig.sim, path, FQ_SNAPSHOT_HEADER + 100, 1);
    disk = sim_disk_attach(rig.sim);
    assert_int_equal(fq_salvage_manifest(disk, &guess), 0);
    assert_true(guess.snapshot < manifest.snapshot);
    disk->ops->close_disk(disk);
    rig_done(&rig);
}

// ---- founding ----

static void test_founding_without_a_batch(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX] = "";
    struct fq_founding_facts facts = {.boot_epoch = 5};
    memset(facts.instance.bytes, 0x5a, sizeof facts.instance.bytes);
    for (uint64_t skip = 0; skip < 8; skip++) {
        struct rig rig;
        rig_init(&rig, 1);
        rig.options.reserve_bytes = 0;
        fq_disk *disk = sim_disk_attach(rig.sim);
        fq_founding *founding = NULL;
        sim_disk_fail(rig.sim, SIM_WRITE, skip, 1, 0); // comes out short
        int result = fq_founding_open(disk, &facts, &founding, error);
        if (result == 0)
            result = fq_founding_seal(founding, 1, error);
        if (result == 0)
            result = fq_founding_finish(founding, error);
        fq_founding_close(founding);
        disk->ops->close_disk(disk);
        sim_disk_fail(rig.sim, 0, 0, 0, 0);
        if (result == 0) {
            assert_int_equal(forgery_manifest(rig.sim).snapshot,
                             1); // a log without a batch gets a number of its own
            assert_int_equal(rig_boot(&rig), 0);
            assert_int_equal(rig.epoch, 6);
            assert_int_equal(rig.recovered, 0);
        } else {
            assert_true(skip < 4 && (result == FQ_EIO || result == FQ_EFULL));
            assert_non_null(strstr(error, strerror(ENOSPC)));
        }
        rig_done(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshots_that_contradict_themselves),
        cmocka_unit_test(test_snapshots_read_or_written_short),
        cmocka_unit_test(test_backups_of_forged_segments),
        cmocka_unit_test(test_backups_beside_a_compaction),
        cmocka_unit_test(test_backups_told_that_there_is_no_room),
        cmocka_unit_test(test_salvage_of_a_part),
        cmocka_unit_test(test_salvage_of_damaged_records),
        cmocka_unit_test(test_salvage_among_foreign_files),
        cmocka_unit_test(test_founding_without_a_batch),
    };
    return cmocka_run_group_tests(tests, make_subjects, drop_subjects);
}
