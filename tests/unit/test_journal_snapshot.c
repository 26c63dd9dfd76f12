// SPDX-License-Identifier: Apache-2.0
// Snapshot files: blocks and records of every alignment, everything checked before it is believed, nothing left behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/format.h"
#include "journal/snapshot.h"
#include "support/journal_rig.h"

#include <errno.h>
#include <stdlib.h>

static const fq_uuid INSTANCE = {
    {9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6}
};
static const char FINISHED[] = "snap/0000000000000007.tmp";

static int write_snapshot(sim_disk *sim, uint32_t records, uint32_t len, char error[FQ_STORAGE_ERROR_MAX]) {
    fq_disk *disk = sim_disk_attach(sim);
    static char bytes[100000];
    memset(bytes, 'r', sizeof bytes);
    fq_snapshot_writer *writer;
    int result = fq_snapshot_writer_open(disk, &INSTANCE, 7, &writer, error);
    if (result == 0) {
        for (uint32_t i = 0; i < records; i++)
            (void)fq_snapshot_writer_add(writer, (fq_str){bytes, len}); // finish tells
        struct fq_storage_snapshot facts = {
            .last_record_seq = 70, .state_hash = 0xabcdef, .last_batch_crc = 5, .boot_epoch = 2};
        result = fq_snapshot_writer_finish(writer, &facts, error);
    }
    disk->ops->close_disk(disk);
    return result;
}

static int count_bytes(void *context, fq_str bytes) {
    *(uint64_t *)context += bytes.len;
    return 0;
}

static int read_snapshot(sim_disk *sim, const fq_uuid *instance, uint64_t batch_seq,
                         struct fq_storage_snapshot *facts, uint64_t *bytes,
                         char error[FQ_STORAGE_ERROR_MAX]) {
    fq_disk *disk = sim_disk_attach(sim);
    int result = fq_snapshot_read(disk, FINISHED, instance, batch_seq, count_bytes, bytes, facts, error);
    disk->ops->close_disk(disk);
    return result;
}

static void facts_come_back(void **state) {
    (void)state;
    static const uint32_t counts[] = {0, 1, 2, 500};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        sim_disk *sim = sim_disk_new(1);
        char error[FQ_STORAGE_ERROR_MAX];
        assert_int_equal(write_snapshot(sim, counts[i], 1000, error), 0);
        struct fq_storage_snapshot facts;
        uint64_t bytes = 0;
        assert_int_equal(read_snapshot(sim, &INSTANCE, 7, &facts, &bytes, error), 0);
        assert_int_equal(bytes, counts[i] * 1004);
        assert_true(facts.batch_seq == 7 && facts.last_record_seq == 70 && facts.record_count == counts[i] &&
                    facts.bytes == bytes && facts.state_hash == 0xabcdef && facts.last_batch_crc == 5 &&
                    facts.boot_epoch == 2);
        sim_disk_free(sim);
    }
}

static void foreign_and_cut_files_are_refused(void **state) {
    (void)state;
    sim_disk *sim = sim_disk_new(1);
    char error[FQ_STORAGE_ERROR_MAX];
    assert_int_equal(write_snapshot(sim, 200, 1000, error), 0);
    struct fq_storage_snapshot facts;
    uint64_t bytes = 0, size = sim_disk_size(sim, FINISHED);
    fq_uuid other = INSTANCE;
    other.bytes[3] ^= 1;
    assert_int_equal(read_snapshot(sim, &other, 7, &facts, &bytes, error), FQ_ECORRUPT);
    assert_int_equal(read_snapshot(sim, &INSTANCE, 8, &facts, &bytes, error), FQ_ECORRUPT);
    static const uint64_t cuts[] = {1, 127, 128, 129, 4096, 65536, 65536 + 128};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        sim_disk *cut = sim_disk_clone(sim);
        sim_disk_truncate(cut, FINISHED, size - cuts[i]);
        assert_int_equal(read_snapshot(cut, &INSTANCE, 7, &facts, &bytes, error), FQ_ECORRUPT);
        assert_non_null(strstr(error, FINISHED));
        sim_disk_free(cut);
    }
    sim_disk_free(sim);
}

// Two blocks of one snapshot in each other's place: each is whole, but not there.
static void exchanged_blocks_are_refused(void **state) {
    (void)state;
    sim_disk *sim = sim_disk_new(1);
    char error[FQ_STORAGE_ERROR_MAX];
    assert_int_equal(write_snapshot(sim, 300, 1000, error), 0);
    static unsigned char a[FQ_SNAPSHOT_BLOCK], b[FQ_SNAPSHOT_BLOCK];
    sim_disk_peek(sim, FINISHED, 4096, a, sizeof a);
    sim_disk_peek(sim, FINISHED, 4096 + sizeof a, b, sizeof b);
    sim_disk_poke(sim, FINISHED, 4096, b, sizeof b);
    sim_disk_poke(sim, FINISHED, 4096 + sizeof a, a, sizeof a);
    struct fq_storage_snapshot facts;
    uint64_t bytes = 0;
    assert_int_equal(read_snapshot(sim, &INSTANCE, 7, &facts, &bytes, error), FQ_ECORRUPT);
    assert_int_equal(bytes, 0);
    sim_disk_free(sim);
}

static void failed_writers_leave_nothing(void **state) {
    (void)state;
    static const unsigned masks[] = {SIM_OPEN, SIM_WRITE, SIM_SYNC, SIM_READ};
    for (size_t m = 0; m < sizeof masks / sizeof masks[0]; m++)
        for (uint64_t skip = 0; skip < 12; skip++) {
            sim_disk *sim = sim_disk_new(1);
            sim_disk_fail(sim, masks[m], skip, 1, ENOSPC);
            char error[FQ_STORAGE_ERROR_MAX] = "";
            int result = write_snapshot(sim, 300, 1000, error);
            assert_int_equal(result == 0, sim_disk_exists(sim, FINISHED));
            if (result != 0)
                assert_non_null(strstr(error, FINISHED));
            if (skip == 0)
                assert_int_equal(result, FQ_EIO); // the fault was met
            sim_disk_free(sim);
        }
}

// What is verified is the medium, not the cache: a sync that lied is found before anything is removed.
static void reading_back_sees_the_medium(void **state) {
    (void)state;
    sim_disk *sim = sim_disk_new(1);
    char error[FQ_STORAGE_ERROR_MAX];
    fq_disk *disk = sim_disk_attach(sim);
    fq_snapshot_writer *writer;
    assert_int_equal(fq_snapshot_writer_open(disk, &INSTANCE, 7, &writer, error), 0);
    assert_int_equal(fq_snapshot_writer_add(writer, FQ_STR("record")), 0);
    int handle = disk->ops->open(disk, FINISHED, FQ_DISK_WRITE);
    sim_disk_fail(sim, SIM_SYNC, 0, 1, EIO);
    assert_int_equal(disk->ops->sync(disk, handle), -EIO); // somebody else's; now the header counts as clean
    disk->ops->close(disk, handle);
    struct fq_storage_snapshot facts = {.last_record_seq = 1};
    assert_int_equal(fq_snapshot_writer_finish(writer, &facts, error), FQ_ECORRUPT);
    assert_false(sim_disk_exists(sim, FINISHED));
    disk->ops->close_disk(disk);
    sim_disk_free(sim);
}

// A record's length and its bytes may be split over blocks at any place.
static void records_run_across_blocks(void **state) {
    (void)state;
    const uint32_t room = FQ_SNAPSHOT_BLOCK - FQ_SNAPSHOT_BLOCK_HEADER;
    for (uint32_t before = 0; before < 8; before++) {
        struct rig rig;
        rig_init(&rig, 50 + before);
        assert_int_equal(rig_boot(&rig), 0);
        rig_append(&rig, room - 4 - before); // so many bytes are left in the first block
        rig_append(&rig, 0);
        rig_append(&rig, 69000);
        rig_append(&rig, 3);
        assert_true(rig_settle(&rig));
        assert_int_equal(rig_compact(&rig), 0);
        assert_true(rig_settle(&rig));
        rig_append(&rig, 5);
        assert_true(rig_settle(&rig));
        rig_kill(&rig);
        assert_int_equal(rig_boot(&rig), 0);
        assert_string_equal(rig.mismatch, "");
        assert_int_equal(rig.recovered, 5);
        rig_done(&rig);
    }
}

// A medium that gives back an older MANIFEST: the start is refused, and what the right one names is still there.
static void an_older_manifest_takes_nothing_along(void **state) {
    (void)state;
    struct rig rig;
    unsigned char older[FQ_MANIFEST_SIZE], newest[FQ_MANIFEST_SIZE];
    rig_init(&rig, 3);
    assert_int_equal(rig_boot(&rig), 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20; i++)
            rig_append(&rig, 3000);
        assert_true(rig_settle(&rig));
        assert_int_equal(rig_compact(&rig), 0);
        assert_true(rig_settle(&rig));
        if (round == 0)
            sim_disk_peek(rig.sim, "MANIFEST", 0, older, sizeof older);
    }
    rig_append(&rig, 100);
    assert_true(rig_settle(&rig));
    rig_kill(&rig);
    sim_disk_peek(rig.sim, "MANIFEST", 0, newest, sizeof newest);
    assert_memory_not_equal(older, newest, sizeof older);
    sim_disk_poke(rig.sim, "MANIFEST", 0, older, sizeof older);
    uint64_t before = sim_disk_hash(rig.sim, "quarantine");
    assert_true(rig_boot(&rig) < 0);
    assert_true(sim_disk_hash(rig.sim, "quarantine") == before);
    sim_disk_poke(rig.sim, "MANIFEST", 0, newest, sizeof newest);
    assert_int_equal(rig_boot(&rig), 0);
    assert_string_equal(rig.mismatch, "");
    assert_int_equal(rig.recovered, 61);
    rig_done(&rig);
}

// A start takes leftovers away. Whether that is durable is not known after a failed sync, of any directory: it ends.
static void a_directory_that_does_not_sync_ends_the_start(void **state) {
    (void)state;
    uint64_t refusals = 0;
    for (uint64_t skip = 0;; skip++) {
        struct rig rig;
        rig_init(&rig, 4);
        assert_int_equal(rig_boot(&rig), 0);
        rig_append(&rig, 100);
        assert_true(rig_settle(&rig));
        rig_kill(&rig);
        assert_true(sim_disk_exists(rig.sim, "seg/next.tmp"));
        unsigned char begun = 'F'; // as a segment: it is all zero no more
        sim_disk_poke(rig.sim, "RESERVE", 0, &begun, 1);
        sim_disk_fail(rig.sim, SIM_SYNC_DIRECTORY, skip, 1, EIO);
        int result = rig_boot(&rig);
        sim_disk_fail(rig.sim, 0, 0, 0, 0);
        refusals += result == FQ_EIO;
        rig_done(&rig);
        if (result == 0)
            break;
    }
    // The place, three before reading, seg/ and . for leftovers, the new segment, the MANIFEST.
    assert_int_equal(refusals, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_come_back),
        cmocka_unit_test(foreign_and_cut_files_are_refused),
        cmocka_unit_test(exchanged_blocks_are_refused),
        cmocka_unit_test(failed_writers_leave_nothing),
        cmocka_unit_test(reading_back_sees_the_medium),
        cmocka_unit_test(records_run_across_blocks),
        cmocka_unit_test(an_older_manifest_takes_nothing_along),
        cmocka_unit_test(a_directory_that_does_not_sync_ends_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
