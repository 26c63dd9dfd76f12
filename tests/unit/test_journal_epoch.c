// SPDX-License-Identifier: Apache-2.0
// Boots are numbered with 24 bits and never from the beginning again: who has no number left is refused, untouched. What a
// restore makes of a state and its numbers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/format.h"
#include "journal/founding.h"
#include "journal/journal.h"
#include "journal/storage_posix.h"
#include "server/journal_copy.h"
#include "sim/disk.h"
#include "sim/step_executor.h"

#include <stdio.h>
#include <string.h>

enum { AHEAD = 1 << 16 };

static int add(void *context, fq_str record) {
    return fq_founding_add(context, record);
}

// A journal of a queue without tasks whose last boot was `epoch`.
static sim_disk *journal_of(uint32_t epoch) {
    sim_disk *sim = sim_disk_new(1);
    char error[FQ_STORAGE_ERROR_MAX];
    struct fq_founding_facts facts = {.batch_seq = 5, .last_record_seq = 9, .boot_epoch = epoch};
    memset(facts.instance.bytes, 0x5a, sizeof facts.instance.bytes);
    struct fq_replica replica = {0};
    fq_disk *disk = sim_disk_attach(sim);
    fq_founding *founding = NULL;
    assert_int_equal(fq_replica_init(&replica), 0);
    assert_int_equal(fq_founding_open(disk, &facts, &founding, error), 0);
    assert_int_equal(fq_replica_write(&replica, add, founding), 0);
    assert_int_equal(fq_founding_seal(founding, fq_engine_hash(replica.engine), error), 0);
    assert_int_equal(fq_founding_finish(founding, error), 0);
    fq_founding_close(founding);
    fq_replica_done(&replica);
    disk->ops->close_disk(disk);
    return sim;
}

// The new epoch, or the error with its sentence.
static int boot(sim_disk *sim, char error[FQ_STORAGE_ERROR_MAX]) {
    struct fq_storage_posix_options options;
    struct fq_journal_config config;
    struct fq_replica replica = {0};
    fq_storage *storage;
    fq_journal *journal;
    fq_storage_posix_options_init(&options);
    options.first_segment_bytes = options.segment_bytes = FQ_SEGMENT_MIN;
    options.reserve_bytes = 0;
    fq_journal_config_init(&config);
    assert_int_equal(fq_replica_init(&replica), 0);
    assert_int_equal(
        fq_storage_files_open(sim_disk_attach(sim), step_executor_new(), &options, &storage, error), 0);
    assert_int_equal(fq_journal_open(storage, &config, &journal), 0);
    assert_int_equal(fq_journal_recover(journal, fq_replica_record, &replica), 0);
    int result = fq_journal_start(journal, (struct fq_now){1, 1});
    if (result == 0)
        result = (int)fq_journal_boot_epoch(journal);
    else
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s", fq_journal_error(journal));
    fq_journal_close(journal);
    fq_replica_done(&replica);
    return result;
}

static void the_last_boot_is_the_last(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX] = "";
    sim_disk *sim = journal_of(FQ_EPOCH_MAX - 2);
    assert_int_equal(boot(sim, error), FQ_EPOCH_MAX - 1);
    assert_int_equal(boot(sim, error), FQ_EPOCH_MAX);
    uint64_t before = sim_disk_hash(sim, "quarantine");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(boot(sim, error), FQ_EINVALID);
        assert_non_null(strstr(error, "boot 16777215 was the last"));
        assert_true(sim_disk_hash(sim, "quarantine") == before);
    }
    sim_disk_free(sim);
}

static void an_epoch_that_none_can_be_is_no_beginning(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX] = "";
    sim_disk *sim = journal_of(UINT32_MAX);
    assert_int_equal(boot(sim, error), FQ_EINVALID);
    sim_disk_free(sim);
}

static int restore(sim_disk *source, sim_disk *target, struct fq_journal_restore *restore) {
    fq_disk *disk = sim_disk_attach(target);
    int result = fq_journal_restore_disk(sim_disk_attach(source), disk, 0, restore);
    disk->ops->close_disk(disk);
    return result;
}

static void chained_restores_end_with_a_refusal(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX] = "";
    uint32_t epoch = 3;
    unsigned restores = 0;
    sim_disk *sim = journal_of(epoch);
    struct fq_journal_restore found;
    for (;; restores++) {
        sim_disk *next = sim_disk_new(2 + restores);
        int result = restore(sim, next, &found);
        if (result < 0) {
            assert_int_equal(result, FQ_EINVALID);
            assert_non_null(strstr(found.error, "remove its file BACKUP"));
            assert_int_equal(sim_disk_used(next), 0);
            fq_journal_restore_done(&found);
            sim_disk_free(next);
            break;
        }
        assert_int_equal(found.boot_epoch, epoch + AHEAD);
        assert_false(fq_uuid_equal(&found.instance, &found.check.instance));
        epoch = found.boot_epoch;
        fq_journal_restore_done(&found);
        sim_disk_free(sim);
        sim = next;
    }
    assert_int_equal(restores, 254);
    assert_int_equal(boot(sim, error), epoch + 1); // with room for many more
    assert_true(FQ_EPOCH_MAX - epoch >= AHEAD);
    sim_disk_free(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_boot_is_the_last),
        cmocka_unit_test(an_epoch_that_none_can_be_is_no_beginning),
        cmocka_unit_test(chained_restores_end_with_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
