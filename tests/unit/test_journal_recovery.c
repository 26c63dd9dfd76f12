// SPDX-License-Identifier: Apache-2.0
// What the journal makes of damage: each row of its decision table, every byte cut and flipped, and what people do to
// directories.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "journal/batch.h"
#include "support/journal_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char SEGMENT_1[] = "seg/0000000000000001.fqj";

// One boot with `batches` batches of one record each, killed. In segment 1: EPOCH at 4,096, then a batch each 512 bytes.
static void small_journal(struct rig *rig, int batches) {
    rig_init(rig, 5);
    rig->config.idle_mark_us = 0;
    rig->options.reserve_bytes = 0;
    assert_int_equal(rig_boot(rig), 0);
    for (int i = 0; i < batches; i++) {
        rig_append(rig, 100);
        assert_true(rig_settle(rig));
    }
    rig_kill(rig);
}

enum { FIRST_BATCH = 4096 + 512 };

static bool mentions(const char *text, const char *part) {
    return strstr(text, part) != NULL;
}

static void expect_refusal(struct rig *rig, int error, const char *place, const char *reason) {
    assert_int_equal(rig_boot(rig), error);
    if (!mentions(rig->error, place) || !mentions(rig->error, reason))
        fail_msg("\"%s\" lacks \"%s\" or \"%s\"", rig->error, place, reason);
}

static struct fq_journal_stats stats_of(const struct rig *rig) {
    struct fq_journal_stats stats;
    fq_journal_stats(rig->journal, &stats);
    return stats;
}

static void clean_end_starts(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 3);
    assert_int_equal(rig_boot(&rig), 0);
    assert_int_equal(rig.recovered, 3);
    assert_string_equal(rig.mismatch, "");
    assert_int_equal(stats_of(&rig).torn_tails, 0);
    rig_done(&rig);
}

static void each_boot_has_a_higher_epoch(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 1);
    for (uint32_t epoch = 2; epoch < 8; epoch++) {
        assert_int_equal(rig_boot(&rig), 0);
        assert_int_equal(rig.epoch, epoch);
        assert_int_equal(rig.recovered, 1);
        rig_kill(&rig);
    }
    rig_done(&rig);
}

// The last batch is longer than a sector and one of its sectors never arrived.
static void torn_tail_is_cut_and_kept_aside(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 2);
    assert_int_equal(rig_boot(&rig), 0);
    rig_append(&rig, 2000);
    assert_true(rig_settle(&rig));
    rig_kill(&rig);
    const char *segment = "seg/0000000000000004.fqj"; // EPOCH, then the long batch
    sim_disk_zero(rig.sim, segment, FIRST_BATCH + 1024, 512);
    rig.durable = 2;
    assert_int_equal(rig_boot(&rig), 0);
    assert_int_equal(rig.recovered, 2);
    assert_string_equal(rig.mismatch, "");
    assert_int_equal(stats_of(&rig).torn_tails, 1);
    assert_false(stats_of(&rig).recovered_ambiguous);
    assert_true(sim_disk_exists(rig.sim, "quarantine/0000000000000004-4608.bin"));
    // The torn bytes stay, declared as not part of the log: the next boots look no further.
    rig_append(&rig, 50);
    assert_true(rig_settle(&rig));
    rig_kill(&rig);
    assert_int_equal(rig_boot(&rig), 0);
    assert_int_equal(rig.recovered, 3);
    assert_int_equal(stats_of(&rig).torn_tails, 0);
    rig_done(&rig);
}

static void lost_header_sector_is_torn(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 1);
    assert_int_equal(rig_boot(&rig), 0);
    rig_append(&rig, 2000);
    assert_true(rig_settle(&rig));
    rig_kill(&rig);
    sim_disk_zero(rig.sim, "seg/0000000000000003.fqj", FIRST_BATCH, 512);
    rig.durable = 1;
    assert_int_equal(rig_boot(&rig), 0);
    assert_int_equal(rig.recovered, 1);
    assert_false(stats_of(&rig).recovered_ambiguous);
    rig_done(&rig);
}

static void ambiguous_tail_raises_a_flag_that_stays(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 3);
    sim_disk_flip(rig.sim, SEGMENT_1, FIRST_BATCH + 2 * 512 + 100, 1);
    rig.durable = 2;
    assert_int_equal(rig_boot(&rig), 0);
    assert_int_equal(rig.recovered, 2);
    assert_true(stats_of(&rig).recovered_ambiguous);
    rig_kill(&rig);
    assert_int_equal(rig_boot(&rig), 0);
    assert_true(stats_of(&rig).recovered_ambiguous);
    assert_int_equal(stats_of(&rig).torn_tails, 0);
    rig_kill(&rig);
    rig.options.forget_ambiguous = true;
    assert_int_equal(rig_boot(&rig), 0);
    assert_false(stats_of(&rig).recovered_ambiguous);
    rig_kill(&rig);
    rig.options.forget_ambiguous = false;
    assert_int_equal(rig_boot(&rig), 0);
    assert_false(stats_of(&rig).recovered_ambiguous);
    rig_done(&rig);
}

static void strict_refuses_an_ambiguous_tail(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 3);
    rig.options.strict = true;
    sim_disk_flip(rig.sim, SEGMENT_1, FIRST_BATCH + 2 * 512 + 100, 1);
    expect_refusal(&rig, FQ_ECORRUPT, "seg/0000000000000001.fqj: offset 5632", "strict");
    rig_done(&rig);
}

static void damage_before_a_later_batch_is_refused(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 3);
    sim_disk_flip(rig.sim, SEGMENT_1, FIRST_BATCH + 512 + 100, 1);
    expect_refusal(&rig, FQ_ECORRUPT, "seg/0000000000000001.fqj: offset 5120", "later one at offset 5632");
    sim_disk_flip(rig.sim, SEGMENT_1, FIRST_BATCH + 512 + 100, 1);
    sim_disk_zero(rig.sim, SEGMENT_1, FIRST_BATCH + 512, 512); // a batch that vanished
    expect_refusal(&rig, FQ_ECORRUPT, "offset 5120", "synced");
    rig_done(&rig);
}

static void damage_before_the_declared_end_is_refused(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 3);
    assert_int_equal(rig_boot(&rig), 0);
    rig_kill(&rig);
    sim_disk_flip(rig.sim, SEGMENT_1, FIRST_BATCH + 2 * 512 + 100, 1);
    expect_refusal(&rig, FQ_ECORRUPT, "seg/0000000000000001.fqj: offset 5632", "record 3");
    sim_disk_zero(rig.sim, SEGMENT_1, FIRST_BATCH + 2 * 512, 512);
    expect_refusal(&rig, FQ_ECORRUPT, "seg/0000000000000001.fqj: offset 5632", "should follow");
    rig_done(&rig);
}

// Writes the header again with other numbers, so that its checksum holds.
static void forge_batch(struct rig *rig, uint64_t offset, void (*change)(struct fq_batch_header *header)) {
    unsigned char bytes[FQ_BATCH_HEADER];
    struct fq_batch_header header;
    fq_uuid instance;
    sim_disk_peek(rig->sim, SEGMENT_1, 32, instance.bytes, 16);
    sim_disk_peek(rig->sim, SEGMENT_1, offset, bytes, sizeof bytes);
    assert_int_equal(fq_batch_decode(&instance, bytes, &header), FQ_BATCH_OK);
    change(&header);
    fq_batch_encode(&instance, &header, bytes);
    sim_disk_poke(rig->sim, SEGMENT_1, offset, bytes, sizeof bytes);
}

static void other_batch(struct fq_batch_header *header) {
    header->batch_seq++;
}
static void earlier_batch(struct fq_batch_header *header) {
    header->batch_seq--;
}
static void other_record(struct fq_batch_header *header) {
    header->first_record_seq++;
}
static void other_chain(struct fq_batch_header *header) {
    header->prev_crc++;
}
static void older_epoch(struct fq_batch_header *header) {
    header->boot_epoch = 0;
}

static void misplaced_batches_are_refused(void **state) {
    (void)state;
    static const struct {
        void (*change)(struct fq_batch_header *header);
        const char *reason;
    } rows[] = {
        {other_batch,   "missing"           },
        {earlier_batch, "repeats"           },
        {other_record,  "numbers"           },
        {other_chain,   "not written behind"},
        {older_epoch,   "epoch"             },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        small_journal(&rig, 3);
        forge_batch(&rig, FIRST_BATCH + 2 * 512, rows[i].change);
        expect_refusal(&rig, FQ_ECORRUPT, "seg/0000000000000001.fqj: offset 5632", rows[i].reason);
        rig_done(&rig);
    }
}

// Both checksums of the batch hold, the record's does not: it was written so.
static void bad_record_in_a_whole_batch_is_refused(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 2);
    unsigned char bytes[512];
    struct fq_batch_header header;
    fq_uuid instance;
    uint64_t at = FIRST_BATCH + 512;
    sim_disk_peek(rig.sim, SEGMENT_1, 32, instance.bytes, 16);
    sim_disk_peek(rig.sim, SEGMENT_1, at, bytes, sizeof bytes);
    assert_int_equal(fq_batch_decode(&instance, bytes, &header), FQ_BATCH_OK);
    bytes[FQ_BATCH_HEADER + FQ_RECORD_HEADER + 20] ^= 1;
    header.body_crc = fq_crc32c(0, bytes + FQ_BATCH_HEADER, header.body_len);
    fq_batch_encode(&instance, &header, bytes);
    sim_disk_poke(rig.sim, SEGMENT_1, at, bytes, sizeof bytes);
    expect_refusal(&rig, FQ_ECORRUPT, "record 2 in batch 3", "report");
    rig_done(&rig);
}

static void missing_pieces_are_refused(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 2);
    assert_int_equal(rig_boot(&rig), 0);
    rig_append(&rig, 10);
    assert_true(rig_settle(&rig));
    rig_kill(&rig);
    assert_int_equal(rig_boot(&rig), 0);
    rig_kill(&rig);
    sim_disk *whole = rig.sim;
    static const struct {
        const char *path, *reason;
    } rows[] = {
        {"seg/0000000000000001.fqj", "batch 1 is missing"},
        {"seg/0000000000000004.fqj", "segment is missing"},
        {"seg/0000000000000006.fqj", "missing or damaged"},
        {"MANIFEST",                 "MANIFEST: missing" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig.sim = sim_disk_clone(whole);
        sim_disk_remove(rig.sim, rows[i].path);
        expect_refusal(&rig, FQ_ECORRUPT, rows[i].reason, "restore");
        sim_disk_free(rig.sim);
    }
    rig.sim = whole;
    rig_done(&rig);
}

static void foreign_segment_is_refused(void **state) {
    (void)state;
    struct rig rig, other;
    small_journal(&rig, 2);
    rig_init(&other, 6);
    assert_int_equal(rig_boot(&other), 0);
    rig_kill(&other);
    unsigned char header[4096];
    sim_disk_peek(other.sim, SEGMENT_1, 0, header, sizeof header);
    sim_disk_poke(rig.sim, SEGMENT_1, 0, header, sizeof header);
    expect_refusal(&rig, FQ_ECORRUPT, "seg/0000000000000001.fqj: offset 0", "another journal");
    rig_done(&other);
    rig_done(&rig);
}

static void newer_formats_are_refused(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 1);
    unsigned char bytes[128];
    sim_disk_peek(rig.sim, "MANIFEST", 0, bytes, 68);
    fq_put_u16(bytes + 4, FQ_FORMAT_MAJOR + 1);
    fq_put_u32(bytes + 64, fq_crc32c(0, bytes, 64));
    sim_disk *older = sim_disk_clone(rig.sim);
    sim_disk_poke(rig.sim, "MANIFEST", 0, bytes, 68);
    expect_refusal(&rig, FQ_EVERSION, "MANIFEST", "newer version");
    sim_disk_free(rig.sim);
    rig.sim = older;
    sim_disk_peek(rig.sim, SEGMENT_1, 0, bytes, 124);
    bytes[24] |= 1; // an incompatible feature
    fq_put_u32(bytes + 120, fq_crc32c(0, bytes, 120));
    sim_disk_poke(rig.sim, SEGMENT_1, 0, bytes, 124);
    expect_refusal(&rig, FQ_EVERSION, SEGMENT_1, "newer version");
    rig_done(&rig);
}

static void read_errors_are_refused(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 1);
    sim_disk_fail(rig.sim, SIM_READ, 1, 1, 5 /* EIO */);
    assert_int_equal(rig_boot(&rig), FQ_EIO);
    assert_true(mentions(rig.error, SEGMENT_1));
    sim_disk_fail(rig.sim, SIM_SYNC, 1, 1, 5);
    assert_int_equal(rig_boot(&rig), FQ_EIO);
    assert_true(mentions(rig.error, "before it is read"));
    assert_int_equal(rig_boot(&rig), 0);
    rig_done(&rig);
}

static void second_owner_is_refused(void **state) {
    (void)state;
    struct rig rig;
    small_journal(&rig, 1);
    assert_int_equal(rig_boot(&rig), 0);
    fq_storage *storage;
    char error[FQ_STORAGE_ERROR_MAX];
    assert_int_equal(
        fq_storage_files_open(sim_disk_attach(rig.sim), step_executor_new(), &rig.options, &storage, error),
        FQ_ELOCKED);
    assert_true(mentions(error, "pid 1"));
    rig_done(&rig);
}

static void volatile_disks_are_refused(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    sim_disk_set_volatile(rig.sim, true);
    expect_refusal(&rig, FQ_EVOLATILE, "volatile", "local disk");
    rig.options.allow_volatile = true;
    assert_int_equal(rig_boot(&rig), 0);
    rig_done(&rig);
}

// ---- snapshots ----

static void compacted_journal(struct rig *rig, int compactions) {
    rig_init(rig, 8);
    assert_int_equal(rig_boot(rig), 0);
    for (int i = 0; i < compactions; i++) {
        rig_work(rig, 30);
        assert_true(rig_settle(rig));
        assert_int_equal(rig_compact(rig), 0);
        assert_true(rig_settle(rig));
        assert_int_equal(stats_of(rig).compactions_total, i + 1);
    }
    rig_append(rig, 30);
    assert_true(rig_settle(rig));
}

static void snapshot_path(const struct rig *rig, char path[32]) {
    snprintf(path, 32, "snap/%016" PRIx64 ".fqs", stats_of(rig).snapshot_batch_seq);
}

static void snapshot_replaces_the_log(void **state) {
    (void)state;
    struct rig rig;
    compacted_journal(&rig, 3);
    uint64_t appended = rig.count, hash = stats_of(&rig).snapshot_state_hash;
    assert_false(sim_disk_exists(rig.sim, SEGMENT_1)); // nobody needs it after the second
    rig_kill(&rig);
    assert_int_equal(rig_boot(&rig), 0);
    assert_string_equal(rig.mismatch, "");
    assert_int_equal(rig.recovered, appended);
    assert_true(hash != 0 && stats_of(&rig).snapshot_state_hash == hash);
    rig_done(&rig);
}

static void damaged_snapshot_falls_back_to_the_one_before(void **state) {
    (void)state;
    for (int compactions = 1; compactions <= 2; compactions++) {
        struct rig rig;
        compacted_journal(&rig, compactions);
        uint64_t appended = rig.count;
        char path[32];
        snapshot_path(&rig, path);
        rig_kill(&rig);
        sim_disk_flip(rig.sim, path, 5000, 4);
        assert_int_equal(rig_boot(&rig), 0);
        assert_string_equal(rig.mismatch, "");
        assert_int_equal(rig.recovered, appended);
        assert_true(stats_of(&rig).previous_snapshot_used);
        // It goes on from there, compactions included.
        rig_work(&rig, 10);
        assert_true(rig_settle(&rig));
        assert_int_equal(rig_compact(&rig), 0);
        assert_true(rig_settle(&rig));
        rig_kill(&rig);
        assert_int_equal(rig_boot(&rig), 0);
        assert_string_equal(rig.mismatch, "");
        assert_false(stats_of(&rig).previous_snapshot_used);
        rig_done(&rig);
    }
}

static void two_damaged_snapshots_are_refused(void **state) {
    (void)state;
    struct rig rig;
    compacted_journal(&rig, 2);
    char newest[32];
    snapshot_path(&rig, newest);
    uint64_t previous;
    sim_disk_peek(rig.sim, "MANIFEST", 40, &previous, 8);
    char older[32];
    snprintf(older, sizeof older, "snap/%016" PRIx64 ".fqs", previous);
    rig_kill(&rig);
    sim_disk_flip(rig.sim, newest, 5000, 4);
    sim_disk_flip(rig.sim, older, 5000, 4);
    expect_refusal(&rig, FQ_ECORRUPT, newest, older);
    rig_done(&rig);
}

// The snapshot's damage leads back to the log, whose damage ends the start: both stay where they are.
static void refused_start_moves_nothing(void **state) {
    (void)state;
    struct rig rig;
    compacted_journal(&rig, 1);
    char newest[32];
    snapshot_path(&rig, newest);
    rig_kill(&rig);
    sim_disk_flip(rig.sim, newest, 5000, 4);
    sim_disk_flip(rig.sim, SEGMENT_1, FIRST_BATCH + 20, 4);
    uint64_t before = sim_disk_hash(rig.sim, "quarantine");
    assert_int_equal(rig_boot(&rig), FQ_ECORRUPT);
    assert_true(sim_disk_hash(rig.sim, "quarantine") == before);
    rig_done(&rig);
}

// ---- every byte ----

// What is allowed after damage by one byte or a cut: a prefix, or a refusal that names a file.
static void expect_prefix_or_refusal(struct rig *rig, const char *what, uint64_t at) {
    int result = rig_boot(rig);
    if (result == 0 && rig->mismatch[0] != '\0')
        fail_msg("%s %" PRIu64 ": %s", what, at, rig->mismatch);
    if (result != 0 && ((result != FQ_ECORRUPT && result != FQ_EVERSION) ||
                        (!mentions(rig->error, "seg/") && !mentions(rig->error, "MANIFEST") &&
                         !mentions(rig->error, "snap/"))))
        fail_msg("%s %" PRIu64 ": %d %s", what, at, result, rig->error);
    if (rig->journal != NULL)
        rig_kill(rig);
}

static void damage_every_byte(const char *path, uint64_t from, uint64_t to, uint64_t step, bool cut) {
    struct rig rig;
    small_journal(&rig, 4);
    assert_int_equal(rig_boot(&rig), 0);
    rig_append(&rig, 700);
    assert_true(rig_settle(&rig));
    rig_kill(&rig);
    sim_disk *whole = rig.sim;
    uint64_t count = rig.count;
    for (uint64_t at = from; at < to; at += step) {
        rig.sim = sim_disk_clone(whole);
        rig.count = count;
        rig.durable = 0;
        rig.epoch = 0;
        if (cut)
            sim_disk_truncate(rig.sim, path, at);
        else
            sim_disk_flip(rig.sim, path, at, (unsigned char)(1u << at % 8));
        expect_prefix_or_refusal(&rig, path, at);
        sim_disk_free(rig.sim);
    }
    rig.sim = whole;
    rig_done(&rig);
}

static void every_flipped_byte(void **state) {
    (void)state;
    damage_every_byte(SEGMENT_1, 0, 160, 1, false);
    damage_every_byte(SEGMENT_1, 4096, 4096 + 6 * 512, 1, false);
    damage_every_byte("seg/0000000000000006.fqj", 0, 160, 1, false);
    damage_every_byte("seg/0000000000000006.fqj", 4096, 4096 + 4 * 512, 1, false);
    damage_every_byte("MANIFEST", 0, 512, 1, false);
}

static void every_cut(void **state) {
    (void)state;
    damage_every_byte(SEGMENT_1, 0, 16384, 61, true);
    damage_every_byte("seg/0000000000000006.fqj", 0, 16384, 61, true);
    damage_every_byte("MANIFEST", 0, 512, 7, true);
}

struct targets {
    char paths[64][32];
    size_t count;
};

static void add_target(void *context, const char *path) {
    struct targets *targets = context;
    if (targets->count < 64 && strlen(path) < 32)
        snprintf(targets->paths[targets->count++], 32, "%s", path);
}

// Noise of any length anywhere: still a prefix or a refusal, and never a crash of the program.
static void random_noise(void **state) {
    (void)state;
    struct rig rig;
    compacted_journal(&rig, 2);
    rig_kill(&rig);
    struct targets targets = {.count = 0};
    sim_disk_each(rig.sim, add_target, &targets);
    assert_true(targets.count > 4);
    sim_disk *whole = rig.sim;
    uint64_t count = rig.count, refused = 0;
    for (uint64_t round = 0; round < 1500; round++) {
        rig.sim = sim_disk_clone(whole);
        rig.count = count;
        rig.durable = 0;
        rig.epoch = 0;
        const char *path = targets.paths[fq_random_below(&rig.random, targets.count)];
        uint64_t size = sim_disk_size(rig.sim, path), at = fq_random_below(&rig.random, size);
        unsigned char noise[2048];
        uint64_t len = 1 + fq_random_below(&rig.random, size - at < sizeof noise ? size - at : sizeof noise);
        for (uint64_t i = 0; i < len; i++)
            noise[i] = (unsigned char)fq_random_next(&rig.random);
        sim_disk_poke(rig.sim, path, at, noise, len);
        expect_prefix_or_refusal(&rig, path, at);
        refused += rig.error[0] != '\0';
        sim_disk_free(rig.sim);
    }
    assert_true(refused > 100 && refused < 1400); // both outcomes were seen
    rig.sim = whole;
    rig_done(&rig);
}

static void every_flipped_byte_of_a_snapshot(void **state) {
    (void)state;
    struct rig rig;
    compacted_journal(&rig, 2);
    char path[32];
    snapshot_path(&rig, path);
    rig_kill(&rig);
    sim_disk *whole = rig.sim;
    uint64_t count = rig.count, durable = rig.durable, size = sim_disk_size(whole, path);
    for (uint64_t at = 0; at < size; at += at < 64 || at > size - 128 ? 1 : 977) {
        rig.sim = sim_disk_clone(whole);
        rig.count = count;
        rig.durable = durable;
        rig.epoch = 0;
        sim_disk_flip(rig.sim, path, at, 16);
        assert_int_equal(rig_boot(&rig), 0); // the previous one is there: nothing may be lost
        assert_string_equal(rig.mismatch, "");
        rig_kill(&rig);
        sim_disk_free(rig.sim);
    }
    rig.sim = whole;
    rig_done(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_end_starts),
        cmocka_unit_test(each_boot_has_a_higher_epoch),
        cmocka_unit_test(torn_tail_is_cut_and_kept_aside),
        cmocka_unit_test(lost_header_sector_is_torn),
        cmocka_unit_test(ambiguous_tail_raises_a_flag_that_stays),
        cmocka_unit_test(strict_refuses_an_ambiguous_tail),
        cmocka_unit_test(damage_before_a_later_batch_is_refused),
        cmocka_unit_test(damage_before_the_declared_end_is_refused),
        cmocka_unit_test(misplaced_batches_are_refused),
        cmocka_unit_test(bad_record_in_a_whole_batch_is_refused),
        cmocka_unit_test(missing_pieces_are_refused),
        cmocka_unit_test(foreign_segment_is_refused),
        cmocka_unit_test(newer_formats_are_refused),
        cmocka_unit_test(read_errors_are_refused),
        cmocka_unit_test(second_owner_is_refused),
        cmocka_unit_test(volatile_disks_are_refused),
        cmocka_unit_test(snapshot_replaces_the_log),
        cmocka_unit_test(damaged_snapshot_falls_back_to_the_one_before),
        cmocka_unit_test(two_damaged_snapshots_are_refused),
        cmocka_unit_test(refused_start_moves_nothing),
        cmocka_unit_test(every_flipped_byte),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(random_noise),
        cmocka_unit_test(every_flipped_byte_of_a_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
